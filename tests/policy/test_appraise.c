/* One honest bundle is accepted; every lie, gap and mismatch has its own refusal. */
#include "tests/policy/fixture.h"

#define PIN "digits = \"" FIXTURE_MODEL "\"\n"

static blind_result *last; /* of the newest appraisal; freed by the next */

static blind_code appraise(const fixture *f, const char *top, const char *models,
                           const blind_expect *expect, const blind_appraise_options *options)
{
    bl_auto_buf   bundle = BL_BUF_EMPTY;
    blind_policy *policy = fixture_policy(top, models);
    blind_error   err = { 0 };
    fixture_bundle(f, &bundle);
    blind_result_free(last);
    blind_code code = blind_appraise(bl_buf_span(&bundle), expect, policy, options, &last, &err);
    blind_policy_free(policy);
    assert_non_null(last);
    assert_int_equal(code, blind_result_code(last));
    if (code != BLIND_OK)
        assert_int_equal(code, err.code);
    CHECK(code == BLIND_OK || !blind_result_bound(last));
    return code;
}

static blind_code with_policy(const fixture *f, const char *top, const char *models)
{
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    return appraise(f, top, models, &expect, &options);
}

static blind_state state_of(const char *check)
{
    for (size_t i = 0; i < blind_result_checks(last); i++)
        if (strcmp(blind_result_check(last, i)->name, check) == 0)
            return blind_result_check(last, i)->state;
    fail_msg("no check '%s'", check);
    return BLIND_UNKNOWN;
}

TEST(the_honest_bundle_is_accepted)
{
    CHECK_CODE(BLIND_OK, with_policy(&(fixture){ 0 }, NULL, NULL), "honest");
    CHECK(blind_result_bound(last));
    CHECK(blind_result_simulated(last));
    assert_string_equal("sim", blind_result_tee(last));
    assert_int_equal(2, blind_result_log_len(last));
    assert_int_equal(1, blind_result_models(last));
    assert_string_equal("digits", blind_result_model(last, 0)->name);
    assert_null(blind_result_model(last, 1));
    assert_int_equal(BLIND_REFUTED, state_of("memory-encrypted"));
}

TEST(each_lie_has_its_refusal)
{
    const struct {
        const char *name;
        unsigned    lie;
        blind_code  want;
    } cases[] = {
        { "measurement", BL_SIM_LIE_MEASUREMENT, BLIND_MEASUREMENT },
        { "debug", BL_SIM_LIE_DEBUG, BLIND_DEBUG },
        { "binding", BL_SIM_LIE_BINDING, BLIND_BINDING },
        { "signature", BL_SIM_LIE_SIGNATURE, BLIND_SIGNATURE },
        { "log", BL_SIM_LIE_LOG, BLIND_LOG },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(cases[i].want, with_policy(&(fixture){ .sim_lies = cases[i].lie }, NULL, NULL),
                   cases[i].name);
}

TEST(simulation_needs_the_callers_word)
{
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    options.simulation = false;
    options.debug_mode = true;
    CHECK_CODE(BLIND_SIMULATION, appraise(&(fixture){ 0 }, NULL, NULL, &expect, &options), "sim");
}

TEST(other_sessions_are_refused)
{
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    fixture_leaf(0, expect.leaf);
    CHECK_CODE(BLIND_BINDING, appraise(&(fixture){ 0 }, NULL, NULL, &expect, &options),
               "a neighbour in the tree");
    fixture_leaf(7, expect.leaf);
    CHECK_CODE(BLIND_BINDING, appraise(&(fixture){ 0 }, NULL, NULL, &expect, &options),
               "no leaf of the tree");
    blind_expect nothing = { 0 };
    CHECK_CODE(BLIND_BINDING, appraise(&(fixture){ 0 }, NULL, NULL, &nothing, &options),
               "no expectation");
    blind_expect wild = fixture_session();
    wild.to = (blind_bound)77;
    CHECK_CODE(BLIND_BINDING, appraise(&(fixture){ 0 }, NULL, NULL, &wild, &options),
               "an expectation of no kind");
}

TEST(keys_and_sessions_do_not_pass_for_each_other)
{
    blind_expect session = fixture_session();
    blind_expect key = { .to = BLIND_BOUND_CERTIFICATE, .spki = FIXTURE_SPKI };
    blind_expect other = { .to = BLIND_BOUND_CERTIFICATE, .spki = BL_LITERAL("another key") };
    blind_expect none = { .to = BLIND_BOUND_CERTIFICATE };
    blind_appraise_options options = fixture_options();
    fixture                of_key = { .key_bound = true }, of_session = { 0 };
    CHECK_CODE(BLIND_OK, appraise(&of_key, NULL, NULL, &key, &options), "key for key");
    CHECK(!blind_result_bound(last));
    CHECK(strstr(blind_result_text(last), "key-bound only"));
    CHECK_CODE(BLIND_BINDING, appraise(&of_key, NULL, NULL, &session, &options), "key for session");
    CHECK_CODE(BLIND_BINDING, appraise(&of_session, NULL, NULL, &key, &options), "session for key");
    CHECK_CODE(BLIND_BINDING, appraise(&of_key, NULL, NULL, &other, &options), "another key");
    CHECK_CODE(BLIND_BINDING, appraise(&of_key, NULL, NULL, &none, &options), "no key");
}

TEST(report_data_given_by_the_caller)
{
    blind_appraise_options options = fixture_options();
    CHECK_CODE(BLIND_OK, with_policy(&(fixture){ 0 }, NULL, NULL), "for the value");
    bl_merkle    tree;
    uint8_t      leaves[3][32], value[32], padded[64] = { 0 };
    bl_log_state log = { 0 };
    for (uint32_t i = 0; i < 3; i++)
        fixture_leaf(i, leaves[i]);
    bl_runtime_log real;
    bl_log_event   config = { .type = BL_LOG_CONFIG, .sha256 = { 9 } };
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&real, NULL), "log");
    CHECK_CODE(BLIND_OK, bl_runtime_log_append(&real, &config, NULL, NULL), "append");
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&real, &log, NULL, NULL), "state");
    bl_runtime_log_done(&real);
    CHECK_CODE(BLIND_OK, bl_merkle_init(&tree, (const uint8_t(*)[32])leaves, 3, NULL), "tree");
    CHECK_CODE(BLIND_OK, bl_report_value(3, bl_merkle_root(&tree), &log, value), "value");
    bl_merkle_done(&tree);
    memcpy(padded, value, 32);
    const struct {
        const char *name;
        blind_span  data;
        blind_code  want;
    } cases[] = {
        { "32 bytes", bl_span(value, 32), BLIND_OK },
        { "64 bytes", bl_span(padded, 64), BLIND_OK },
        { "a prefix of the value", bl_span(value, 31), BLIND_BINDING },
        { "one byte more than the field", bl_span(padded, 65), BLIND_BINDING },
        { "nothing", { 0 }, BLIND_BINDING },
        { "other bytes", BL_LITERAL("01234567890123456789012345678901"), BLIND_BINDING },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_expect expect = { .to = BLIND_BOUND_REPORT_DATA, .report_data = cases[i].data };
        CHECK_CODE(cases[i].want,
                   appraise(&(fixture){ .no_models = true }, NULL, NULL, &expect, &options),
                   cases[i].name);
        CHECK(!blind_result_bound(last));
    }
}

TEST(unbound_is_acceptable_but_no_mark)
{
    blind_expect           unbound = { .to = BLIND_BOUND_UNBOUND };
    blind_appraise_options options = fixture_options();
    CHECK_CODE(BLIND_OK, appraise(&(fixture){ 0 }, NULL, NULL, &unbound, &options), "unbound");
    CHECK(!blind_result_bound(last));
    assert_int_equal(BLIND_UNKNOWN, state_of("binding"));
    CHECK(strstr(blind_result_text(last), "binding: unknown"));
    CHECK(strstr(blind_result_json(last), "\"verdict\": \"unbound\""));
}

TEST(evidence_outside_sessions_must_be_fresh)
{
    blind_expect unbound = { .to = BLIND_BOUND_UNBOUND };
    const struct {
        const char *name, *top;
        int64_t     now_s;
        blind_code  want;
    } cases[] = {
        { "300 s old", "server = \"any\"", MADE_AT + 300, BLIND_OK },
        { "301 s old", "server = \"any\"", MADE_AT + 301, BLIND_STALE },
        { "an hour, allowed", "server = \"any\"\nfreshness_s = 3600", MADE_AT + 3600, BLIND_OK },
        { "from the near future", "server = \"any\"", MADE_AT - 300, BLIND_OK },
        { "from the future", "server = \"any\"\nfreshness_s = 3600", MADE_AT - 301, BLIND_STALE },
        { "no clock", "server = \"any\"", 0, BLIND_STALE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_appraise_options options = fixture_options();
        options.now_s = cases[i].now_s;
        CHECK_CODE(cases[i].want, appraise(&(fixture){ 0 }, cases[i].top, NULL, &unbound, &options),
                   cases[i].name);
    }
}

TEST(an_expired_policy_accepts_nothing)
{
    static const char top[] = "server = \"any\"\nnot_after = 2023-11-14T22:13:20Z"; /* MADE_AT */
    blind_expect      expect = fixture_session();
    blind_appraise_options options = fixture_options();
    options.now_s = MADE_AT - 1;
    CHECK_CODE(BLIND_OK, appraise(&(fixture){ 0 }, top, NULL, &expect, &options), "before");
    options.now_s = MADE_AT;
    CHECK_CODE(BLIND_POLICY_EXPIRED, appraise(&(fixture){ 0 }, top, NULL, &expect, &options), "at");
    options.now_s = 0;
    CHECK_CODE(BLIND_POLICY_EXPIRED, appraise(&(fixture){ 0 }, top, NULL, &expect, &options),
               "no clock");
}

TEST(debug_is_allowed_by_policy_or_caller_alone)
{
    fixture                f = { .sim_lies = BL_SIM_LIE_DEBUG };
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    CHECK_CODE(BLIND_OK, with_policy(&f, "server = \"any\"\nallow_debug = true", NULL), "policy");
    assert_int_equal(BLIND_REFUTED, state_of("debug"));
    options.debug_mode = true;
    CHECK_CODE(BLIND_OK, appraise(&f, NULL, NULL, &expect, &options), "caller");
}

TEST(what_is_required_and_unknown_is_refused)
{
    const struct {
        const char *top;
        blind_code  want;
    } cases[] = {
        { "server = \"any\"\nrequire = [\"memory-encrypted\"]", BLIND_ISOLATION },
        { "server = \"any\"\nrequire = [\"smt-off\"]", BLIND_SMT },
        { "server = \"any\"\nrequire = [\"migration-off\"]", BLIND_ISOLATION },
        { "server = \"any\"\nrequire = [\"tcb-current\"]", BLIND_TCB },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(cases[i].want, with_policy(&(fixture){ 0 }, cases[i].top, NULL), cases[i].top);
}

TEST(models_are_judged_by_name_and_digest)
{
    const struct {
        const char *name;
        fixture     f;
        const char *models;
        blind_code  want;
    } cases[] = {
        { "pinned", { 0 }, PIN, BLIND_OK },
        { "another digest", { 0 }, "digits = \"" FIXTURE_OTHER_MODEL "\"\n", BLIND_MODEL },
        { "pinned but not loaded", { .no_models = true }, PIN, BLIND_MODEL },
        { "pinned, may be absent", { .no_models = true }, "absent = \"allow\"\n" PIN, BLIND_OK },
        { "may be absent, but another",
          { 0 },
          "absent = \"allow\"\ndigits = \"" FIXTURE_OTHER_MODEL "\"\n",
          BLIND_MODEL },
        { "one beside", { .two_models = true }, PIN, BLIND_MODEL },
        { "one beside, allowed", { .two_models = true }, "others = \"allow\"\n" PIN, BLIND_OK },
        { "none named, one loaded", { 0 }, "", BLIND_MODEL },
        { "none named, none loaded", { .no_models = true }, "", BLIND_OK },
        { "salted", { .salted = true }, PIN, BLIND_MODEL },
        { "salted, others allowed", { .salted = true }, "others = \"allow\"\n", BLIND_OK },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(cases[i].want, with_policy(&cases[i].f, NULL, cases[i].models), cases[i].name);
}

TEST(an_uploader_knows_its_own_model)
{
    fixture                f = { .salted = true, .salt = { 5 } };
    blind_salt             salts[] = { { { 4 } }, { { 5 } } };
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    options.salts = salts;
    options.salts_len = 1;
    CHECK_CODE(BLIND_MODEL, appraise(&f, NULL, PIN, &expect, &options), "another salt");
    options.salts_len = 2;
    CHECK_CODE(BLIND_OK, appraise(&f, NULL, PIN, &expect, &options), "its salt");
}

TEST(the_server_is_identified_as_the_policy_says)
{
    const struct {
        const char    *top;
        blind_identity identity;
        blind_code     want;
    } cases[] = {
        { "server = \"any\"", BLIND_IDENTITY_UNKNOWN, BLIND_OK },
        { "server = \"any\"", BLIND_IDENTITY_CA, BLIND_OK },
        { "server = \"ca\"", BLIND_IDENTITY_UNKNOWN, BLIND_TLS },
        { "server = \"ca\"", BLIND_IDENTITY_CA, BLIND_OK },
        { "server = \"ca\"", BLIND_IDENTITY_PIN, BLIND_TLS },
        { "server = \"pin\"", BLIND_IDENTITY_UNKNOWN, BLIND_TLS },
        { "server = \"pin\"", BLIND_IDENTITY_CA, BLIND_TLS },
        { "server = \"pin\"", BLIND_IDENTITY_PIN, BLIND_OK },
        { "server = \"pin\"", (blind_identity)9, BLIND_TLS },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_expect           expect = fixture_session();
        blind_appraise_options options = fixture_options();
        options.identity = cases[i].identity;
        CHECK_CODE(cases[i].want, appraise(&(fixture){ 0 }, cases[i].top, NULL, &expect, &options),
                   cases[i].top);
    }
}

TEST(of_several_failures_the_lowest_status_above_nine_counts)
{
    fixture debug = { .sim_lies = BL_SIM_LIE_DEBUG };
    fixture worse = { .sim_lies = BL_SIM_LIE_DEBUG | BL_SIM_LIE_MEASUREMENT };
    fixture worst = { .sim_lies = BL_SIM_LIE_DEBUG | BL_SIM_LIE_SIGNATURE };
    CHECK_CODE(BLIND_DEBUG, with_policy(&debug, "server = \"ca\"", NULL), "12 before 1");
    CHECK(strstr(blind_result_text(last), "(debug, server)"));
    CHECK_CODE(BLIND_MEASUREMENT, with_policy(&worse, NULL, NULL), "11 before 12");
    CHECK(strstr(blind_result_text(last), "(measurement, debug)"));
    CHECK_CODE(BLIND_SIGNATURE, with_policy(&worst, NULL, NULL), "10 before 11");
    assert_int_equal(BLIND_UNKNOWN, state_of("measurement"));
}

TEST(any_measurement_must_be_written_and_is_not_proven)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_policy          *policy =
        fixture_policy_text("version = 1\nserver = \"any\"\ntees = [\"sim\"]\n[[sim.reference]]\n"
                            "measurement = \"any\"\n[models]\nothers = \"allow\"\n");
    fixture_bundle(&(fixture){ 0 }, &bundle);
    blind_result_free(last);
    CHECK_CODE(BLIND_OK,
               blind_appraise(bl_buf_span(&bundle), &expect, policy, &options, &last, NULL), "any");
    assert_int_equal(BLIND_UNKNOWN, state_of("measurement"));
    blind_policy_free(policy);
}

static const char blindai[] = "mr_enclave = \"" FIXTURE_MODEL "\"\n"
                              "misc_select_hex = \"0x0\"\nmisc_mask_hex = \"0xffffffff\"\n"
                              "attributes_flags_hex = \"0x4\"\nattributes_xfrm_hex = \"0x3\"\n"
                              "attributes_mask_flags_hex = \"0xfffffffffffffffd\"\n"
                              "attributes_mask_xfrm_hex = \"0xffffffffffffff1b\"\n"
                              "allow_debug = true\n";

TEST(simulation_never_satisfies_a_policy_for_sgx)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_policy          *policy = fixture_policy_text(blindai);
    options.debug_mode = true;
    options.identity = BLIND_IDENTITY_PIN;
    fixture_bundle(&(fixture){ 0 }, &bundle);
    blind_result_free(last);
    CHECK_CODE(BLIND_EVIDENCE,
               blind_appraise(bl_buf_span(&bundle), &expect, policy, &options, &last, NULL), "sgx");
    assert_int_equal(BLIND_REFUTED, state_of("tee"));
    assert_int_equal(BLIND_REFUTED, state_of("measurement"));
    blind_policy_free(policy);
}

TEST(evidence_of_an_unknown_tee_is_refused)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY, other = BL_BUF_EMPTY;
    bl_bundle              parsed;
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_policy          *policy = fixture_policy(NULL, NULL);
    fixture_bundle(&(fixture){ 0 }, &bundle);
    CHECK_CODE(BLIND_OK, bl_bundle_parse(bl_buf_span(&bundle), &parsed, NULL), "parse");
    parsed.tee = BL_LITERAL("cca");
    CHECK_CODE(BLIND_OK, bl_bundle_write(&parsed, BL_BUNDLE_WHOLE, &other, NULL), "write");
    blind_result_free(last);
    CHECK_CODE(BLIND_EVIDENCE,
               blind_appraise(bl_buf_span(&other), &expect, policy, &options, &last, NULL), "cca");
    blind_policy_free(policy);
}

TEST(nothing_to_judge_by_is_a_misuse)
{
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_result          *none;
    CHECK_CODE(BLIND_USAGE, blind_appraise((blind_span){ 0 }, &expect, NULL, &options, &none, NULL),
               "no policy");
    assert_null(none);
    blind_result_free(last);
    last = NULL;
}

TESTS(RUN(the_honest_bundle_is_accepted), RUN(each_lie_has_its_refusal),
      RUN(simulation_needs_the_callers_word), RUN(other_sessions_are_refused),
      RUN(keys_and_sessions_do_not_pass_for_each_other), RUN(report_data_given_by_the_caller),
      RUN(unbound_is_acceptable_but_no_mark), RUN(evidence_outside_sessions_must_be_fresh),
      RUN(an_expired_policy_accepts_nothing), RUN(debug_is_allowed_by_policy_or_caller_alone),
      RUN(what_is_required_and_unknown_is_refused), RUN(models_are_judged_by_name_and_digest),
      RUN(an_uploader_knows_its_own_model), RUN(the_server_is_identified_as_the_policy_says),
      RUN(of_several_failures_the_lowest_status_above_nine_counts),
      RUN(any_measurement_must_be_written_and_is_not_proven),
      RUN(simulation_never_satisfies_a_policy_for_sgx), RUN(evidence_of_an_unknown_tee_is_refused),
      RUN(nothing_to_judge_by_is_a_misuse))
