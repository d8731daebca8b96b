/* Verdicts read as recorded: the text for people and version 1 of the JSON.
 *
 * BLIND_GOLDEN=write rewrites the files, for a change that is meant. */
#include "tests/policy/fixture.h"

static void compare(const char *name, const char *kind, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "tests/policy/golden/%s.%s", name, kind);
    const char *mode = getenv("BLIND_GOLDEN");
    FILE       *f = fopen(path, mode && strcmp(mode, "write") == 0 ? "w+b" : "rb");
    char        want[16384];
    assert_non_null(f);
    if (mode && strcmp(mode, "write") == 0)
        fputs(text, f);
    rewind(f);
    size_t n = fread(want, 1, sizeof want - 1, f);
    want[n] = 0;
    fclose(f);
    assert_string_equal(want, text);
}

static const struct {
    const char *name;
    fixture     f;
    const char *top, *models;
    blind_bound to;
    bool        simulation;
} cases[] = {
    { "accepted", { 0 }, NULL, "digits = \"" FIXTURE_MODEL "\"", BLIND_BOUND_SESSION, true },
    { "unbound", { 0 }, NULL, NULL, BLIND_BOUND_UNBOUND, true },
    { "key-bound", { .key_bound = true }, NULL, NULL, BLIND_BOUND_CERTIFICATE, true },
    { "no-simulation", { 0 }, NULL, NULL, BLIND_BOUND_SESSION, false },
    { "measurement",
      { .sim_lies = BL_SIM_LIE_MEASUREMENT },
      NULL,
      NULL,
      BLIND_BOUND_SESSION,
      true },
    { "debug", { .sim_lies = BL_SIM_LIE_DEBUG }, NULL, NULL, BLIND_BOUND_SESSION, true },
    { "binding", { .sim_lies = BL_SIM_LIE_BINDING }, NULL, NULL, BLIND_BOUND_SESSION, true },
    { "signature", { .sim_lies = BL_SIM_LIE_SIGNATURE }, NULL, NULL, BLIND_BOUND_SESSION, true },
    { "several",
      { .sim_lies = BL_SIM_LIE_DEBUG | BL_SIM_LIE_MEASUREMENT, .two_models = true },
      "server = \"ca\"\nrequire = [\"memory-encrypted\", \"smt-off\"]\n"
      "not_after = 2023-01-01T00:00:00Z",
      "digits = \"" FIXTURE_OTHER_MODEL "\"\nmissing = \"" FIXTURE_OTHER_MODEL "\"",
      BLIND_BOUND_SESSION,
      true },
};

static blind_result *judge(size_t i, blind_span bundle)
{
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_policy          *policy = fixture_policy(cases[i].top, cases[i].models);
    blind_result          *result;
    expect.to = cases[i].to;
    expect.spki = FIXTURE_SPKI;
    options.simulation = cases[i].simulation;
    (void)!blind_appraise(bundle, &expect, policy, &options, &result, NULL);
    blind_policy_free(policy);
    assert_non_null(result);
    return result;
}

TEST(verdicts_read_as_recorded)
{
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf bundle = BL_BUF_EMPTY;
        fixture_bundle(&cases[i].f, &bundle);
        blind_result *result = judge(i, bl_buf_span(&bundle));
        compare(cases[i].name, "txt", blind_result_text(result));
        compare(cases[i].name, "json", blind_result_json(result));
        blind_result_free(result);
    }
}

TEST(what_is_no_bundle_reads_as_recorded)
{
    blind_result *result = judge(0, BL_LITERAL("no bundle"));
    compare("malformed", "txt", blind_result_text(result));
    compare("malformed", "json", blind_result_json(result));
    blind_result_free(result);
}

/* tests/vectors/sim/bundle-v1.cmw was made by this fixture; version 1 stays readable. */
TEST(a_recorded_bundle_of_version_1_stays_acceptable)
{
    static const char path[] = "tests/vectors/sim/bundle-v1.cmw";
    const char       *mode = getenv("BLIND_GOLDEN");
    bl_auto_buf       bundle = BL_BUF_EMPTY;
    uint8_t           bytes[4096];
    FILE             *f;
    if (mode && strcmp(mode, "record") == 0 && (f = fopen(path, "wb"))) {
        fixture_bundle(&cases[0].f, &bundle);
        fwrite(bundle.data, 1, bundle.size, f);
        fclose(f);
    }
    f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    blind_result *result = judge(0, bl_span(bytes, n));
    CHECK_CODE(BLIND_OK, blind_result_code(result), "recorded");
    compare("accepted", "txt", blind_result_text(result));
    blind_result_free(result);
}

TESTS(RUN(verdicts_read_as_recorded), RUN(what_is_no_bundle_reads_as_recorded),
      RUN(a_recorded_bundle_of_version_1_stays_acceptable))
