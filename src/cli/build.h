/* Options that describe a build: its files, and how it will be started. */
#ifndef BL_CLI_BUILD_H
#define BL_CLI_BUILD_H

#include "blind/policy.h"
#include "cli/cli.h"

#define BL_TEES_BUILT "sim|tpm|snp|tdx|nitro|sgx"

/* Rows shared by `policy create` and `measure`. */
/* clang-format off */
#define BL_OPTIONS_BUILD                                                                           \
    { .name = "uki", .kind = BL_FILE, .arg = "FILE",                                               \
      .help = "tpm, snp, tdx: the unified kernel image that boots" },                              \
    { .name = "kernel", .kind = BL_FILE, .arg = "FILE",                                            \
      .help = "snp: the kernel, where it is no UKI" },                                             \
    { .name = "initrd", .kind = BL_FILE, .arg = "FILE", .help = "snp: its initrd" },               \
    { .name = "cmdline", .kind = BL_TEXT, .arg = "TEXT", .help = "snp: its command line" },        \
    { .name = "firmware-only", .kind = BL_FLAG,                                                    \
      .help = "snp: measure no kernel, so that any passes" },                                      \
    { .name = "vcpus", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 4096,                      \
      .help = "snp: processors, each of which is measured" },                                      \
    { .name = "vcpu-type", .kind = BL_TEXT, .arg = "MODEL",                                        \
      .help = "snp on QEMU: their model, EPYC-Milan" },                                            \
    { .name = "vmm", .kind = BL_CHOICE, .choices = "qemu|ec2|gce", .arg = "NAME",                  \
      .help = "snp: the hypervisor (qemu)" },                                                      \
    { .name = "guest-features", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = INT64_MAX,        \
      .help = "snp: SEV_FEATURES of the first processor (1)" },                                    \
    { .name = "page-order", .kind = BL_CHOICE, .choices = "pages|passes", .arg = "ORDER",          \
      .help = "tdx: how the hypervisor adds firmware; passes: Linux before 6.16 (pages)" },        \
    { .name = "start", .kind = BL_CHOICE, .choices = "disk|loader", .arg = "FROM",                 \
      .help = "tpm, tdx: where the UKI comes from; loader: QEMU's -kernel (disk)" },               \
    { .name = "secure-boot", .kind = BL_CHOICE, .choices = "off|empty|on", .arg = "STATE",         \
      .help = "tpm, tdx: the firmware's variable SecureBoot; empty: off, in OVMF of 2025" },       \
    { .name = "pk", .kind = BL_FILE, .arg = "FILE", .help = "tpm, tdx: contents of PK" },          \
    { .name = "kek", .kind = BL_FILE, .arg = "FILE", .help = "tpm, tdx: contents of KEK" },        \
    { .name = "db", .kind = BL_FILE, .arg = "FILE", .help = "tpm, tdx: contents of db" },          \
    { .name = "dbx", .kind = BL_FILE, .arg = "FILE", .help = "tpm, tdx: contents of dbx" },        \
    { .name = "authority", .kind = BL_FILE, .arg = "FILE",                                         \
      .help = "tpm, tdx: the entry of db that signed the UKI: owner's GUID, certificate" },        \
    { .name = "phases", .kind = BL_TEXT, .arg = "WORDS",                                           \
      .help = "tpm, tdx: boot phases that extend PCR 11, enter-initrd:leave-initrd" },             \
    { .name = "stub", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 9999,                       \
      .help = "tpm, tdx: version of systemd-stub, where the UKI does not say" }
/* clang-format on */

/* What the rows above say; strings are borrowed. */
blind_build bl_build_from_args(const bl_args *args);

#endif
