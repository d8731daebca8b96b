/* From the files of a build to registers: what each TEE takes, what it must be told, what is
 * refused. */
#include "tests/measure/expected.h"

#include "measure/build.h"

static const bl_built *find(const bl_build_result *result, const char *name)
{
    for (size_t i = 0; i < result->registers_len; i++)
        if (strcmp(result->registers[i].name, name) == 0)
            return &result->registers[i];
    fail_msg("no register %s", name);
    return NULL;
}

static void check_register(const bl_build_result *result, const char *name, const char *build,
                           const char *key)
{
    const bl_built *r = find(result, name);
    CHECK(r->size && !r->why);
    check_computed(build, key, r->value, r->size);
}

static void measure(const char *tee, const blind_build *build, bl_arena *arena,
                    bl_build_result *out)
{
    blind_error err = { 0 };
    if (bl_build_measure(tee, build, arena, out, &err) != BLIND_OK)
        fail_msg("%s: %s", tee, err.message);
}

TEST(a_uki_gives_a_tpm_its_registers)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result result;
    blind_build     build = { .uki = BUILDS "uki-252.efi" };
    measure("tpm", &build, &arena, &result);
    assert_int_equal(6, result.registers_len);
    CHECK(find(&result, "pcr7")->size == 0 && find(&result, "pcr7")->why);
    build.secure_boot = "off";
    measure("tpm", &build, &arena, &result);
    check_register(&result, "pcr4", "uki-252", "pcr4-sha256");
    check_register(&result, "pcr7", "uki-252", "pcr7-sha256");
    check_register(&result, "pcr9", "uki-252", "pcr9-sha256");
    check_register(&result, "pcr11", "uki-252", "pcr11-sha256");
    check_register(&result, "pcr12", "uki-252", "pcr12-sha256");
    CHECK(result.notes_len == 2 && strstr(result.what, "systemd-stub 252"));
}

/* The variables are files; the test writes one. */
TEST(secure_boot_comes_from_files)
{
    static const char path[] = "/tmp/blind-build-authority";
    bl_auto_arena     arena = BL_ARENA_EMPTY;
    bl_build_result   result;
    CHECK_CODE(BLIND_OK,
               bl_file_write_atomic(path, BL_LITERAL("owner and certificate"), 0600, NULL), path);
    blind_build build = { .uki = BUILDS "uki-252-signed.efi",
                          .secure_boot = "on",
                          .authority = path,
                          .phases = "enter-initrd:leave-initrd" };
    measure("tpm", &build, &arena, &result);
    check_register(&result, "pcr4", "uki-252-signed", "pcr4-sha256");
    check_register(&result, "pcr11", "uki-252-signed", "pcr11-sha256");
    remove(path);
}

TEST(firmware_gives_launch_digest_and_mrtd)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result result;
    blind_build     snp = {
            .firmware = BUILDS "firmware.fd", .firmware_only = true, .vcpus = 2, .vmm = "ec2"
    };
    blind_build tdx = { .firmware = BUILDS "firmware.fd" };
    measure("snp", &snp, &arena, &result);
    check_register(&result, "measurement", "firmware", "snp-ec2-2");
    assert_int_equal(1, result.notes_len);
    snp = (blind_build){
        .firmware = BUILDS "firmware.fd", .firmware_only = true, .vcpus = 1, .vcpu_type = "0x800f12"
    };
    measure("snp", &snp, &arena, &result);
    check_register(&result, "measurement", "firmware", "snp-qemu-1");
    measure("tdx", &tdx, &arena, &result);
    check_register(&result, "mrtd", "firmware", "mrtd");
    CHECK(find(&result, "rtmr0")->why && find(&result, "rtmr1")->why &&
          find(&result, "rtmr3")->why);
    tdx = (blind_build){ .firmware = BUILDS "firmware.fd",
                         .page_order = "passes",
                         .uki = BUILDS "uki-257.efi",
                         .secure_boot = "empty" };
    measure("tdx", &tdx, &arena, &result);
    check_register(&result, "mrtd", "firmware", "mrtd-two-passes");
    check_register(&result, "rtmr1", "uki-257", "rtmr1");
    check_register(&result, "rtmr2", "uki-257", "rtmr2");
    tdx.uki = BUILDS "uki-252.efi"; /* whose stub knows no RTMRs */
    measure("tdx", &tdx, &arena, &result);
    CHECK(find(&result, "rtmr2")->why);
}

TEST(enclaves_give_their_registers)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result result;
    measure("nitro", &(blind_build){ .eif = BUILDS "signed.eif" }, &arena, &result);
    check_register(&result, "pcr0", "signed", "pcr0");
    check_register(&result, "pcr8", "signed", "pcr8");
    measure("nitro", &(blind_build){ .eif = BUILDS "plain.eif" }, &arena, &result);
    assert_int_equal(3, result.registers_len);
    measure("sgx", &(blind_build){ .sigstruct = BUILDS "release.sigstruct" }, &arena, &result);
    check_register(&result, "mrenclave", "release", "mrenclave");
    check_register(&result, "mrsigner", "release", "mrsigner");
    assert_int_equal(0, result.notes_len);
    CHECK(result.facts_len == 2 && result.facts[0].value == 7 && result.facts[1].minimum);
    measure("sgx", &(blind_build){ .sigstruct = BUILDS "debug.sigstruct" }, &arena, &result);
    assert_int_equal(1, result.notes_len);
}

TEST(builds_that_say_too_little_or_too_much_are_refused)
{
#define FIRMWARE .firmware = BUILDS "firmware.fd"
#define UKI      .uki = BUILDS "uki-252.efi"
    static const struct {
        const char *name, *tee;
        blind_build build;
        blind_code  want;
    } cases[] = {
        { "no such TEE", "cca", { 0 }, BLIND_USAGE },
        { "no program", "sim", { 0 }, BLIND_USAGE },
        { "a UKI for sim", "sim", { UKI, .binary = "/proc/self/exe" }, BLIND_USAGE },
        { "no UKI", "tpm", { 0 }, BLIND_USAGE },
        { "no such UKI", "tpm", { .uki = "/nonexistent" }, BLIND_NOT_FOUND },
        { "no PE image", "tpm", { .uki = BUILDS "plain.eif" }, BLIND_INPUT },
        { "no such start", "tpm", { UKI, .start = "network" }, BLIND_USAGE },
        { "no such state", "tpm", { UKI, .secure_boot = "maybe" }, BLIND_USAGE },
        { "a key without a state", "tpm", { UKI, .pk = BUILDS "expected.txt" }, BLIND_USAGE },
        { "no such key",
          "tpm",
          { UKI, .secure_boot = "on", .pk = "/nonexistent" },
          BLIND_NOT_FOUND },
        { "on without a certificate", "tpm", { UKI, .secure_boot = "on" }, BLIND_INPUT },
        { "processors of a TPM", "tpm", { UKI, .vcpus = 1 }, BLIND_USAGE },
        { "no firmware", "snp", { UKI, .vcpus = 1, .vcpu_type = "EPYC" }, BLIND_USAGE },
        { "nothing behind the firmware",
          "snp",
          { FIRMWARE, .vcpus = 1, .vmm = "ec2" },
          BLIND_USAGE },
        { "two kernels",
          "snp",
          { FIRMWARE, UKI, .kernel = BUILDS "uki-252.efi", .vcpus = 1, .vmm = "ec2" },
          BLIND_USAGE },
        { "an initrd beside a UKI",
          "snp",
          { FIRMWARE, UKI, .initrd = BUILDS "uki-252.efi", .vcpus = 1, .vmm = "ec2" },
          BLIND_USAGE },
        { "no processors", "snp", { FIRMWARE, UKI, .vmm = "ec2" }, BLIND_USAGE },
        { "no model", "snp", { FIRMWARE, UKI, .vcpus = 1 }, BLIND_USAGE },
        { "no such model",
          "snp",
          { FIRMWARE, UKI, .vcpus = 1, .vcpu_type = "EPYC-0" },
          BLIND_USAGE },
        { "half a signature",
          "snp",
          { FIRMWARE, UKI, .vcpus = 1, .vcpu_type = "0xa00x" },
          BLIND_USAGE },
        { "a signature too long",
          "snp",
          { FIRMWARE, UKI, .vcpus = 1, .vcpu_type = "0x100a00f11" },
          BLIND_USAGE },
        { "a model on EC2",
          "snp",
          { FIRMWARE, UKI, .vcpus = 1, .vmm = "ec2", .vcpu_type = "EPYC" },
          BLIND_USAGE },
        { "no such hypervisor", "snp", { FIRMWARE, UKI, .vcpus = 1, .vmm = "xen" }, BLIND_USAGE },
        { "no OVMF",
          "snp",
          { .firmware = BUILDS "uki-252.efi", UKI, .vcpus = 1, .vmm = "ec2" },
          BLIND_INPUT },
        { "no firmware of a TD", "tdx", { UKI }, BLIND_USAGE },
        { "no such order", "tdx", { FIRMWARE, .page_order = "random" }, BLIND_USAGE },
        { "no image", "nitro", { 0 }, BLIND_USAGE },
        { "no enclave image", "nitro", { .eif = BUILDS "firmware.fd" }, BLIND_INPUT },
        { "no structure", "sgx", { 0 }, BLIND_USAGE },
        { "no SIGSTRUCT", "sgx", { .sigstruct = BUILDS "firmware.fd" }, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_arena   arena = BL_ARENA_EMPTY;
        bl_build_result result;
        blind_error     err = { 0 };
        CHECK_CODE(cases[i].want,
                   bl_build_measure(cases[i].tee, &cases[i].build, &arena, &result, &err),
                   cases[i].name);
        CHECK(err.message[0]);
    }
}

TEST(files_are_recognised)
{
    static const struct {
        const char *file, *want;
    } cases[] = {
        { "uki-252.efi", "tpm" }, { "plain.eif", "nitro" },  { "release.sigstruct", "sgx" },
        { "firmware.fd", NULL },  { "expected.txt", "sim" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf file = BL_BUF_EMPTY;
        read_build(cases[i].file, &file);
        const char *tee = bl_build_guess(bl_buf_span(&file));
        CHECK(cases[i].want ? tee && strcmp(tee, cases[i].want) == 0 : !tee);
    }
    assert_string_equal("sim", bl_build_guess((blind_span){ 0 }));
}

TESTS(RUN(a_uki_gives_a_tpm_its_registers), RUN(secure_boot_comes_from_files),
      RUN(firmware_gives_launch_digest_and_mrtd), RUN(enclaves_give_their_registers),
      RUN(builds_that_say_too_little_or_too_much_are_refused), RUN(files_are_recognised))
