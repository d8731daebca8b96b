/* Each allocation of every measurement fails once: the answer is MEMORY, and nothing leaks. */
#include "tests/alloc.h"
#include "tests/measure/expected.h"

#include "attest/event_log.h"
#include "measure/build.h"

static blind_code measure(const char *tee, const blind_build *build)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result result;
    return bl_build_measure(tee, build, &arena, &result, NULL);
}

static blind_code measure_sim(void)
{
    return measure("sim", &(blind_build){ .binary = BUILDS "expected.txt" });
}

static blind_code measure_tpm(void)
{
    return measure("tpm", &(blind_build){ .uki = BUILDS "uki-257.efi",
                                          .secure_boot = "off",
                                          .pk = BUILDS "README.md" });
}

static blind_code measure_snp(void)
{
    return measure("snp", &(blind_build){ .firmware = BUILDS "firmware.fd",
                                          .kernel = BUILDS "uki-252.efi",
                                          .initrd = BUILDS "README.md",
                                          .command_line = "quiet",
                                          .vcpus = 2,
                                          .vcpu_type = "EPYC" });
}

static blind_code measure_tdx(void)
{
    return measure("tdx", &(blind_build){ .firmware = BUILDS "firmware.fd",
                                          .uki = BUILDS "uki-257.efi",
                                          .secure_boot = "empty" });
}

static blind_code measure_nitro(void)
{
    return measure("nitro", &(blind_build){ .eif = BUILDS "signed.eif" });
}

static blind_code measure_sgx(void)
{
    return measure("sgx", &(blind_build){ .sigstruct = BUILDS "release.sigstruct" });
}

TEST(measuring_survives_want_of_memory)
{
    fail_each_allocation(measure_sim, "sim");
    CHECK(fail_each_allocation(measure_tpm, "tpm") > 3);
    CHECK(fail_each_allocation(measure_snp, "snp") > 3);
    CHECK(fail_each_allocation(measure_tdx, "tdx") > 3);
    CHECK(fail_each_allocation(measure_nitro, "nitro") > 3);
    fail_each_allocation(measure_sgx, "sgx");
}

static blind_code create_policy(void)
{
    blind_policy_recipe recipe = { .tee = "nitro", .build = { .eif = BUILDS "signed.eif" } };
    char               *text;
    blind_code          code = blind_policy_create(&recipe, &text, NULL);
    free(text);
    return code;
}

TEST(policies_are_made_or_not)
{
    CHECK(fail_each_allocation(create_policy, "policy") > 3);
}

static blind_code read_log(void)
{
    static const uint8_t raw[32] = { 0x04, 0, 0, 0, 0x04 }; /* one event of an old log */
    bl_auto_arena        arena = BL_ARENA_EMPTY;
    bl_event_log         log;
    uint8_t              regs[BL_REGISTERS][BL_HASH_MAX];
    BL_TRY(bl_event_log_parse(bl_span(raw, sizeof raw), BL_LOG_OF_TPM, &arena, &log, NULL));
    return bl_event_log_replay(&log, BL_BANK_SHA1, regs, NULL, NULL);
}

static blind_code read_json_log(void)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_event_log  log;
    return bl_event_log_parse_json(BL_LITERAL("[{\"imr\":0,\"event_type\":4,\"event\":\"x\","
                                              "\"event_payload\":\"00\",\"digest\":\""
                                              "00000000000000000000000000000000000000000000000000"
                                              "0000000000000000000000000000000000000000000000\"}]"),
                                   &arena, &log, NULL);
}

TEST(logs_survive_want_of_memory)
{
    fail_each_allocation(read_log, "log");
    fail_each_allocation(read_json_log, "JSON log");
}

TESTS(RUN(measuring_survives_want_of_memory), RUN(policies_are_made_or_not),
      RUN(logs_survive_want_of_memory))
