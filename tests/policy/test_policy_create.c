/* What `blind policy create` writes is a policy, and says what the binary measures to. */
#include "tests/test.h"

#include "blind/policy.h"
#include "measure/measure.h"
#include "policy/rules.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char self[] = "/proc/self/exe";

static blind_policy *load(const blind_policy_recipe *recipe)
{
    blind_policy *policy;
    blind_error   err = { 0 };
    char         *text;
    CHECK_CODE(BLIND_OK, blind_policy_create(recipe, &text, &err), err.message);
    if (blind_policy_load_text(bl_span_str(text), &policy, &err) != BLIND_OK)
        fail_msg("%s in\n%s", err.message, text);
    free(text);
    return policy;
}

TEST(a_policy_of_a_binary_names_its_measurement)
{
    uint8_t       measurement[48];
    blind_policy *p = load(&(blind_policy_recipe){ .tee = "sim", .binary = self });
    CHECK_CODE(BLIND_OK, bl_measure_sim(self, measurement, NULL, NULL), "measure");
    assert_memory_equal(measurement, p->tees[0].sets[0].registers[0].value, 48);
    assert_int_equal(BLIND_SERVER_CA, blind_policy_server(p));
    CHECK(p->others && !p->absent && !p->allow_debug);
    blind_policy_free(p);
}

TEST(models_are_pinned_and_others_refused)
{
    uint8_t                  sha256[32];
    const blind_policy_model models[] = { { .name = "z\"\\", .sha256 = HEX64 },
                                          { .name = "a",
                                            .path = "tests/policy/golden/binary.txt" } };
    blind_policy_recipe      recipe = {
             .tee = "sim", .binary = self, .server = "any", .models = models, .models_len = 2
    };
    blind_policy *p = load(&recipe);
    CHECK_CODE(BLIND_OK, bl_measure_sha256(models[1].path, sha256, NULL, NULL), "hash");
    assert_int_equal(2, p->models_len);
    assert_string_equal("a", p->models[0].name);
    assert_memory_equal(sha256, p->models[0].sha256, 32);
    assert_string_equal("z\"\\", p->models[1].name);
    CHECK(!p->others);
    blind_policy_free(p);
    recipe.others = true;
    p = load(&recipe);
    CHECK(p->others);
    blind_policy_free(p);
}

TEST(what_cannot_be_made_is_refused)
{
    static const blind_policy_model others = { .name = "others", .sha256 = HEX64 };
    static const blind_policy_model spaced = { .name = "a b", .sha256 = HEX64 };
    static const blind_policy_model digest = { .name = "a", .sha256 = "12" };
    static const blind_policy_model missing = { .name = "a", .path = "/nonexistent" };
    const struct {
        const char         *name;
        blind_policy_recipe recipe;
        blind_code          want;
    } cases[] = {
        { "no TEE", { .binary = self }, BLIND_USAGE },
        { "a TEE that is not measured", { .tee = "tdx", .binary = self }, BLIND_USAGE },
        { "no binary", { .tee = "sim" }, BLIND_USAGE },
        { "no such binary", { .tee = "sim", .binary = "/nonexistent" }, BLIND_IO },
        { "no such rule", { .tee = "sim", .binary = self, .server = "all" }, BLIND_USAGE },
        { "a reserved name",
          { .tee = "sim", .binary = self, .models = &others, .models_len = 1 },
          BLIND_USAGE },
        { "a name with a space",
          { .tee = "sim", .binary = self, .models = &spaced, .models_len = 1 },
          BLIND_USAGE },
        { "half a digest",
          { .tee = "sim", .binary = self, .models = &digest, .models_len = 1 },
          BLIND_USAGE },
        { "no such model",
          { .tee = "sim", .binary = self, .models = &missing, .models_len = 1 },
          BLIND_IO },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        char *text;
        CHECK_CODE(cases[i].want, blind_policy_create(&cases[i].recipe, &text, NULL),
                   cases[i].name);
        assert_null(text);
    }
}

#define BUILDS "tests/vectors/measure/"

static char *create(const blind_policy_recipe *recipe)
{
    blind_error err = { 0 };
    char       *text;
    CHECK_CODE(BLIND_OK, blind_policy_create(recipe, &text, &err), err.message);
    return text;
}

/* A TEE that this build verifies reads what was written for it, and refuses what is not filled in.
 */
static void check_recipe(const blind_policy_recipe *recipe, bool whole, const char *holds)
{
    char         *text = create(recipe);
    blind_policy *policy = NULL;
    if (!strstr(text, holds) || (strstr(text, "\"?\"") == NULL) != whole)
        fail_msg("expected %s in\n%s", holds, text);
    if (bl_tee_find(bl_span_str(recipe->tee)))
        CHECK_CODE(whole ? BLIND_OK : BLIND_POLICY,
                   blind_policy_load_text(bl_span_str(text), &policy, NULL), text);
    blind_policy_free(policy);
    free(text);
}

TEST(policies_are_made_for_every_tee)
{
    static const blind_policy_register rtmr[] = {
        { "rtmr0", HEX64 "00112233445566778899aabbccddeeff" }, { "rtmr3", "any" }
    };
    static const struct {
        bool                whole;
        const char         *holds;
        blind_policy_recipe recipe;
    } cases[] = {
        { true,
          "pcr12 = \"0000",
          { .tee = "tpm", .build = { .uki = BUILDS "uki-252.efi", .secure_boot = "off" } } },
        { false,
          "pcr7 = \"?\" # fill in",
          { .tee = "tpm", .build = { .uki = BUILDS "uki-252.efi" } } },
        { true,
          "[[snp.reference]]\nname = \"this build\"\nmeasurement = \"",
          { .tee = "snp",
            .build = { .firmware = BUILDS "firmware.fd",
                       .uki = BUILDS "uki-252.efi",
                       .vcpus = 2,
                       .vcpu_type = "EPYC-Milan" } } },
        { true,
          "covers the firmware alone",
          { .tee = "snp",
            .build = { .firmware = BUILDS "firmware.fd",
                       .firmware_only = true,
                       .vcpus = 2,
                       .vmm = "gce" } } },
        { false, "rtmr0 = \"?\"", { .tee = "tdx", .build = { .firmware = BUILDS "firmware.fd" } } },
        { true,
          "rtmr3 = \"any\" # given",
          { .tee = "tdx",
            .build = { .firmware = BUILDS "firmware.fd",
                       .uki = BUILDS "uki-257.efi",
                       .secure_boot = "empty" },
            .registers = rtmr,
            .registers_len = 2 } },
        { true, "pcr8 = ", { .tee = "nitro", .build = { .eif = BUILDS "signed.eif" } } },
        { true,
          "mrsigner = ",
          { .tee = "sgx", .build = { .sigstruct = BUILDS "release.sigstruct" } } },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        check_recipe(&cases[i].recipe, cases[i].whole, cases[i].holds);
}

/* Of SGX the product's id and its least version go with the registers. */
TEST(fields_of_an_enclave_are_bounded)
{
    blind_policy      *p = load(&(blind_policy_recipe){
             .tee = "sgx", .build = { .sigstruct = BUILDS "release.sigstruct" } });
    const bl_rule_tee *sgx = &p->tees[0];
    unsigned           found = 0;
    for (size_t i = 0; i < sgx->bounds_len; i++) {
        const bl_rule_bound *b = &sgx->bounds[i];
        if (strcmp(b->row->name, "isv_svn") == 0)
            found += b->kind == BL_BOUND_MINIMUM && b->number == 3;
        if (strcmp(b->row->name, "isv_prod_id") == 0)
            found += b->kind == BL_BOUND_EQUAL && b->number == 7;
    }
    assert_int_equal(2, found);
    blind_policy_free(p);
}

TEST(registers_are_given_once_and_as_digests)
{
    static const struct {
        const char           *name;
        blind_policy_register registers[2];
        blind_code            want;
    } cases[] = {
        { "one more", { { "host_data", HEX64 }, { "id_key_digest", "any" } }, BLIND_OK },
        { "twice", { { "host_data", HEX64 }, { "host_data", HEX64 } }, BLIND_USAGE },
        { "what the build tells",
          { { "measurement", "any" }, { "host_data", HEX64 } },
          BLIND_USAGE },
        { "no digest", { { "host_data", "12" }, { "id_key_digest", "any" } }, BLIND_USAGE },
        { "no digits", { { "host_data", HEX64 "\"" }, { "id_key_digest", "any" } }, BLIND_USAGE },
        { "no name", { { "", HEX64 }, { "id_key_digest", "any" } }, BLIND_USAGE },
        { "a rule as a name", { { "x = 1\ny", HEX64 }, { "id_key_digest", "any" } }, BLIND_USAGE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_policy_recipe recipe = { .tee = "snp",
                                       .build = { .firmware = BUILDS "firmware.fd",
                                                  .firmware_only = true,
                                                  .vcpus = 1,
                                                  .vmm = "gce" },
                                       .registers = cases[i].registers,
                                       .registers_len = 2 };
        char               *text;
        CHECK_CODE(cases[i].want, blind_policy_create(&recipe, &text, NULL), cases[i].name);
        free(text);
    }
}

TEST(a_path_cannot_write_rules)
{
    static const char path[] = "/tmp/a\nallow_debug = true\n";
    FILE             *f = fopen(path, "wb");
    if (!f)
        skip();
    fclose(f);
    blind_policy *p = load(&(blind_policy_recipe){ .tee = "sim", .binary = path });
    remove(path);
    CHECK(!p->allow_debug);
    blind_policy_free(p);
}

TESTS(RUN(a_policy_of_a_binary_names_its_measurement), RUN(models_are_pinned_and_others_refused),
      RUN(what_cannot_be_made_is_refused), RUN(policies_are_made_for_every_tee),
      RUN(fields_of_an_enclave_are_bounded), RUN(registers_are_given_once_and_as_digests),
      RUN(a_path_cannot_write_rules))
