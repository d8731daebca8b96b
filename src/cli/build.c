/* A build as its options describe it. */
#include "cli/build.h"

blind_build bl_build_from_args(const bl_args *args)
{
    return (blind_build){ .uki = bl_args_text(args, "uki"),
                          .kernel = bl_args_text(args, "kernel"),
                          .initrd = bl_args_text(args, "initrd"),
                          .command_line = bl_args_text(args, "cmdline"),
                          .firmware_only = bl_args_has(args, "firmware-only"),
                          .vcpus = (uint32_t)bl_args_integer(args, "vcpus"),
                          .vcpu_type = bl_args_text(args, "vcpu-type"),
                          .vmm = bl_args_text(args, "vmm"),
                          .guest_features = (uint64_t)bl_args_integer(args, "guest-features"),
                          .page_order = bl_args_text(args, "page-order"),
                          .start = bl_args_text(args, "start"),
                          .secure_boot = bl_args_text(args, "secure-boot"),
                          .pk = bl_args_text(args, "pk"),
                          .kek = bl_args_text(args, "kek"),
                          .db = bl_args_text(args, "db"),
                          .dbx = bl_args_text(args, "dbx"),
                          .authority = bl_args_text(args, "authority"),
                          .phases = bl_args_text(args, "phases"),
                          .stub = (uint32_t)bl_args_integer(args, "stub") };
}
