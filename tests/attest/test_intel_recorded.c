/* Every recorded SGX and TDX case through the verifier, and its policy on what came out. */
#include "tests/test.h"

#include "attest/tdx/tdx.h"
#include "tests/attest/cases.h"

/* ---- the case's policy ---- */

static bool names(const json_t *list, const char *name)
{
    for (size_t i = 0; name && i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
            return true;
    return false;
}

static bool number_at_least(const bl_claims *claims, const char *fact, const json_t *least)
{
    const bl_fact *f = bl_claims_fact(claims, fact);
    return !least || (f && (json_int_t)f->number >= json_integer_value(least));
}

static bool register_is(const bl_claims *claims, const json_t *policy, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "expect_%s_hex", name);
    return !json_object_get(policy, key) ||
           case_hex_is(policy, key, bl_claims_measurement(claims, name));
}

static bool acceptable(const recorded *c, const bl_claims *claims)
{
    static const char *const registers[] = { "mrenclave", "mrsigner", "mrtd",
                                             "rtmr0",     "rtmr1",    "rtmr2" };
    const json_t            *policy = case_object(c, "policy");
    const char              *collateral = case_text(policy, "collateral");
    bool                     ok = true;
    if (!json_is_true(json_object_get(policy, "allow_debug")))
        ok &= claims->not_debuggable == BLIND_PROVEN;
    if (!collateral)
        ok &= names(json_object_get(policy, "allow_tcb"), claims->tcb_status);
    if (json_object_get(policy, "expect_report_data_hex"))
        ok &= case_hex_is(policy, "expect_report_data_hex", claims->report_data);
    for (size_t i = 0; i < BL_LEN(registers); i++)
        ok &= register_is(claims, policy, registers[i]);
    return ok && number_at_least(claims, "isv_svn", json_object_get(policy, "min_isv_svn")) &&
           number_at_least(claims, "tcb_eval", json_object_get(policy, "min_tcb_eval"));
}

/* ---- parsed values ---- */

static const char *found_of(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->findings_len; i++)
        if (strcmp(claims->findings[i].name, name) == 0)
            return claims->findings[i].found;
    return "";
}

static void check_status(const recorded *c, const bl_claims *claims)
{
    static const struct {
        const char *member, *finding;
    } parts[] = { { "qe_status", "quoting enclave TCB" },
                  { "platform_status", "platform TCB" },
                  { "tdx_module_status", "TDX module TCB" } };
    const char *want = case_text(c->json, "tcb_status");
    /* The index knows no relaunch advice and says so in a note. */
    if (want && strncmp(c->id, "tdx-oe-v5-module-2025", 21) == 0)
        want = "TDRelaunchAdvised";
    if (want && (!claims->tcb_status || strcmp(want, claims->tcb_status) != 0))
        fail_msg("%s: TCB %s, expected %s", c->id, claims->tcb_status, want);
    for (size_t i = 0; i < BL_LEN(parts); i++) {
        const char *status = case_text(c->json, parts[i].member);
        if (status && strcmp(status, found_of(claims, parts[i].finding)) != 0)
            fail_msg("%s: %s is %s, expected %s", c->id, parts[i].member,
                     found_of(claims, parts[i].finding), status);
    }
}

static void check_advisories(const recorded *c, const bl_claims *claims)
{
    char          want[1024] = "";
    const json_t *list = case_object(c, "advisories");
    if (!list)
        return;
    for (size_t i = 0; i < json_array_size(list); i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", i ? ", " : "",
                 json_string_value(json_array_get(list, i)));
    /* The index lists those of the platform's level; ours are those of the TDX module too. */
    if (strncmp(c->id, "tdx-oe-v5-module-2025", 21) == 0)
        snprintf(want, sizeof want, "INTEL-SA-01036, INTEL-SA-01099");
    if (strcmp(want, claims->advisories ? claims->advisories : "") != 0)
        fail_msg("%s: advisories '%s', expected '%s'", c->id, claims->advisories, want);
}

static void check_bytes(const recorded *c, const char *name, blind_span found)
{
    const json_t *measurements = case_object(c, "measurements");
    if (case_text(measurements, name) && !case_hex_is(measurements, name, found))
        fail_msg("%s: another %s", c->id, name);
}

/* 8 bytes, little-endian, as hexadecimal digits in the index. */
static void check_attributes(const recorded *c, const char *name, const bl_claims *claims,
                             const char *low, const char *high)
{
    uint8_t        bytes[16];
    const bl_fact *facts[] = { bl_claims_fact(claims, low),
                               high ? bl_claims_fact(claims, high) : NULL };
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(facts[i / 8] ? facts[i / 8]->number >> (8 * (i % 8)) : 0);
    if (facts[0])
        check_bytes(c, name, bl_span(bytes, high ? 16 : 8));
}

static void check_number(const recorded *c, const char *name, const char *fact,
                         const bl_claims *claims)
{
    const json_t  *want = json_object_get(case_object(c, "measurements"), name);
    const bl_fact *f = bl_claims_fact(claims, fact);
    if (want && (!f || (json_int_t)f->number != json_integer_value(want)))
        fail_msg("%s: another %s", c->id, name);
}

static void check_components(const recorded *c, const bl_claims *claims)
{
    const json_t  *want = json_object_get(case_object(c, "measurements"), "pck_comps");
    const bl_fact *f = bl_claims_fact(claims, "tcb_components");
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!f || f->bytes.data[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s: another component %zu", c->id, i);
}

static void check_fields(const recorded *c, const bl_claims *claims)
{
    static const struct {
        const char *name, *fact;
    } numbers[] = { { "isv_prod_id", "isv_prod_id" },
                    { "isv_svn", "isv_svn" },
                    { "version", "quote_version" },
                    { "pce_svn", "pce_svn" },
                    { "qe_isv_svn", "qe_isv_svn" } };
    if (case_object(c, "report_data_hex") &&
        !case_hex_is(c->json, "report_data_hex", claims->report_data))
        fail_msg("%s: another report_data", c->id);
    for (size_t i = 0; i < claims->measurements_len; i++)
        check_bytes(c, claims->measurements[i].name, claims->measurements[i].value);
    for (size_t i = 0; i < claims->facts_len; i++)
        if (claims->facts[i].kind == BL_FACT_BYTES)
            check_bytes(c, claims->facts[i].name, claims->facts[i].bytes);
    for (size_t i = 0; i < BL_LEN(numbers); i++)
        check_number(c, numbers[i].name, numbers[i].fact, claims);
    check_attributes(c, "attributes", claims, "attributes_flags", "attributes_xfrm");
    check_attributes(c, "td_attributes", claims, "td_attributes", NULL);
    check_attributes(c, "xfam", claims, "xfam", NULL);
    check_components(c, claims);
}

/* ---- reasons ---- */

/* A part of the index's reason, and the codes that fit it; OK: authentic, the policy refuses. */
static const struct {
    const char *reason;
    blind_code  codes[3];
} reasons[] = {
    { "TCB status", { BLIND_OK } },
    { "debug is set", { BLIND_OK } },
    { "the caller", { BLIND_OK } },
    { "a day", { BLIND_STALE } },
    { "expired", { BLIND_STALE } },
    { "is past", { BLIND_STALE } },
    { "root key is not", { BLIND_CHAIN } },
    { "test root", { BLIND_CHAIN } },
    { "certification data type", { BLIND_CHAIN } },
    { "certificate data", { BLIND_FORMAT } },
    { "cut inside", { BLIND_FORMAT } },
    { "length 0x", { BLIND_FORMAT } },
    { "length", { BLIND_FORMAT } },
    { "quote version", { BLIND_FORMAT } },
    { "non-zero bytes", { BLIND_FORMAT } },
    { "missing while", { BLIND_EVIDENCE } },
    { "TCB info edited", { BLIND_SIGNATURE } },
    { "TCB info signature", { BLIND_SIGNATURE } },
    { "QE identity", { BLIND_SIGNATURE } },
    { "CRL", { BLIND_CHAIN } },
    { "the chain itself is sound", { BLIND_CHAIN, BLIND_SIGNATURE } },
    { "PCK chain of another", { BLIND_SIGNATURE, BLIND_CHAIN } },
    { "certificate", { BLIND_CHAIN } },
    { "", { BLIND_SIGNATURE } },
};

static void check_reason(const recorded *c, blind_code code, const blind_error *err)
{
    size_t i = 0;
    while (!strstr(c->reason, reasons[i].reason))
        i++;
    for (size_t k = 0; k < BL_LEN(reasons[i].codes); k++)
        if (reasons[i].codes[k] == code && (k == 0 || code != BLIND_OK))
            return;
    fail_msg("%s: %s: found %s (%s)", c->id, c->reason, blind_code_name(code), err->message);
}

/* The same by the program's own way: the policy as policy.toml, and the verdict. */
static void check_verdict(const recorded *c, blind_cache *cache)
{
    blind_result *result = NULL;
    blind_error   err = { 0 };
    blind_code    code = case_appraise(c, cache, &result, &err);
    if ((code == BLIND_OK) != c->accept)
        fail_msg("%s: %s %s", c->id, blind_code_name(code), err.message);
    if (!c->accept && blind_code_exit(code) < 10)
        fail_msg("%s: refused for no reason of its own: %s", c->id, err.message);
    blind_result_free(result);
}

static void run_case(const bl_tee *tee, const recorded *c, blind_cache *cache)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_parts        parts = { 0 };
    bl_claims       claims = { 0 };
    blind_error     err = { 0 };
    const char     *collateral = case_text(case_object(c, "policy"), "collateral");
    bl_verify_rules rules = { .no_collateral = collateral && strcmp(collateral, "none") == 0 };
    bl_verify_input in = { c->evidence, &parts, c->now_s, tee->roots, &rules, cache, &arena };
    for (size_t i = 0; i < c->parts_len; i++)
        CHECK_CODE(BLIND_OK,
                   bl_parts_set(&parts, bl_span_str(c->parts[i].name), c->parts[i].bytes, NULL),
                   c->id);
    blind_code code = tee->verify(&in, &claims, &err);
    if (getenv("VERBOSE"))
        print_message("%s: %s %s\n  %s; %s\n", c->id, blind_code_name(code), err.message,
                      claims.tcb_found ? claims.tcb_found : "-",
                      claims.advisories ? claims.advisories : "-");
    if (c->accept && code != BLIND_OK)
        fail_msg("%s: %s", c->id, err.message);
    if ((code == BLIND_OK && acceptable(c, &claims)) != c->accept)
        fail_msg("%s: %s although %s", c->id, c->accept ? "refused" : "accepted", c->reason);
    if (!c->accept)
        check_reason(c, code, &err);
    if (code == BLIND_OK) {
        check_status(c, &claims);
        check_advisories(c, &claims);
        check_fields(c, &claims);
    }
}

static void run_all(const char *name, size_t least)
{
    const bl_tee *tee = bl_tee_find(bl_span_str(name));
    blind_cache  *cache = blind_cache_new(8);
    case_list     list;
    recorded      c;
    size_t        count = 0;
    if (cases_open(&list)) {
        for (; cases_next(&list, name, &c); count++) {
            run_case(tee, &c, NULL);
            run_case(tee, &c, cache);
            run_case(tee, &c, cache);
            check_verdict(&c, cache);
            case_done(&c);
        }
        CHECK(count >= least);
        cases_close(&list);
    }
    blind_cache_free(cache);
}

TEST(sgx_cases_come_out_as_recorded)
{
    run_all("sgx", 68);
}

TEST(tdx_cases_come_out_as_recorded)
{
    run_all("tdx", 57);
}

/* ---- verdicts as they read ---- */

/* BLIND_GOLDEN=write rewrites the files, for a change that is meant. */
static void compare(const char *id, const char *kind, const char *text)
{
    char        path[256], want[32768];
    const char *mode = getenv("BLIND_GOLDEN");
    bool        writes = mode && strcmp(mode, "write") == 0;
    snprintf(path, sizeof path, "tests/attest/golden/%s.%s", id, kind);
    FILE *f = fopen(path, writes ? "w+b" : "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    if (writes)
        fputs(text, f);
    rewind(f);
    size_t n = fread(want, 1, sizeof want - 1, f);
    want[n] = 0;
    fclose(f);
    assert_string_equal(want, text);
}

TEST(verdicts_read_as_recorded)
{
    static const char *const ids[] = {
        "sgx-signal-uptodate-2022", "sgx-cmc-spr-2026",       "sgx-signal-uptodate-2022-flip-ak",
        "tdx-gotdx-v5-2026",        "tdx-cmc-2026-outofdate", "tdx-gotdx-v5-2026-tcbinfo-edited",
    };
    case_list list;
    recorded  c;
    if (!cases_open(&list))
        return;
    for (size_t i = 0; i < BL_LEN(ids); i++) {
        blind_result *result;
        blind_error   err = { 0 };
        cases_find(&list, ids[i], &c);
        blind_code code = case_appraise(&c, NULL, &result, &err);
        CHECK((code == BLIND_OK) == c.accept);
        compare(ids[i], "txt", blind_result_text(result));
        compare(ids[i], "json", blind_result_json(result));
        blind_result_free(result);
        case_done(&c);
    }
    cases_close(&list);
}

/* ---- BlindAI's policy.toml ---- */

/* What the case's enclave is (MODE64BIT and INIT; XFRM 7), with one value changed. */
static blind_code ask_blindai(const recorded *c, const char *enclave, const char *flags,
                              const char *xfrm, const char *misc)
{
    blind_error            err = { 0 };
    blind_policy          *policy;
    blind_result          *result = NULL;
    blind_expect           expect = { .to = BLIND_BOUND_UNBOUND };
    blind_appraise_options options = { .now_s = c->now_s, .identity = BLIND_IDENTITY_PIN };
    blind_part             parts[CASE_MAX_FILES];
    bl_auto_buf            text = BL_BUF_EMPTY;
    bl_buf_printf(&text,
                  "mr_enclave = \"%s\"\nmisc_select_hex = \"%s\"\nmisc_mask_hex = \"0xffffffff\"\n"
                  "attributes_flags_hex = \"%s\"\nattributes_xfrm_hex = \"%s\"\n"
                  "attributes_mask_flags_hex = \"0xfffffffffffffffd\"\n"
                  "attributes_mask_xfrm_hex = \"0xffffffffffffff1b\"\nallow_debug = false\n",
                  enclave, misc, flags, xfrm);
    CHECK_CODE(BLIND_OK, blind_policy_load_text(bl_buf_span(&text), &policy, &err), err.message);
    for (size_t i = 0; i < c->parts_len; i++)
        parts[i] = (blind_part){ c->parts[i].name, c->parts[i].bytes };
    blind_code code = blind_appraise_evidence("sgx", c->evidence, parts, c->parts_len, &expect,
                                              policy, &options, &result, &err);
    blind_result_free(result);
    blind_policy_free(policy);
    return code;
}

TEST(blindais_policy_judges_an_enclave)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    case_list         list;
    recorded          c;
    if (!cases_open(&list))
        return;
    cases_find(&list, "sgx-signal-2023", &c); /* SWHardeningNeeded */
    const char *enclave = case_text(case_object(&c, "measurements"), "mrenclave");
    CHECK_CODE(BLIND_OK, ask_blindai(&c, enclave, "0x4", "0x3", "0x0"), "as it is");
    CHECK_CODE(BLIND_MEASUREMENT, ask_blindai(&c, zeros, "0x4", "0x3", "0x0"), "other code");
    CHECK_CODE(BLIND_MEASUREMENT, ask_blindai(&c, enclave, "0x14", "0x3", "0x0"), "other flags");
    CHECK_CODE(BLIND_MEASUREMENT, ask_blindai(&c, enclave, "0x4", "0x1", "0x0"), "other XFRM");
    CHECK_CODE(BLIND_MEASUREMENT, ask_blindai(&c, enclave, "0x4", "0x3", "0x1"), "other MISC");
    case_done(&c);
    cases_find(&list, "sgx-rats-tls-outofdate-2023", &c);
    enclave = case_text(case_object(&c, "measurements"), "mrenclave");
    CHECK_CODE(BLIND_TCB, ask_blindai(&c, enclave, "0x4", "0x3", "0x0"), "out of date");
    case_done(&c);
    cases_close(&list);
}

/* ---- logs of boots ---- */

static blind_code verify_log(const char *id, blind_span quote, blind_span log)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_parts        parts = { 0 };
    bl_claims       claims = { 0 };
    blind_error     err = { 0 };
    bl_verify_rules rules = { .no_collateral = true };
    bl_verify_input in = { quote, &parts, 1760000000, bl_tee_tdx.roots, &rules, NULL, &arena };
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("event_log"), log, NULL), id);
    blind_code code = bl_tdx_verify(&in, &claims, &err);
    if (code == BLIND_OK)
        assert_string_equal("as expected", found_of(&claims, "boot event log"));
    else
        CHECK(strstr(err.message, "boot event log"));
    return code;
}

TEST(logs_that_come_to_the_quotes_registers_are_accepted_alone)
{
    static const struct {
        const char *id;
        blind_code  want;
    } logs[] = { { "launch-rtmr-gotdx-cos113", BLIND_OK },
                 { "launch-rtmr-dstack", BLIND_OK },
                 { "launch-rtmr-gotdx-cos113-dupe-separator", BLIND_EVIDENCE },
                 { "launch-rtmr-dstack-edited", BLIND_EVIDENCE } };
    case_list list;
    recorded  c;
    if (!cases_open(&list))
        return;
    for (size_t i = 0; i < BL_LEN(logs); i++) {
        cases_find(&list, logs[i].id, &c);
        blind_span quote = case_file(&c, "quote");
        CHECK_CODE(logs[i].want, verify_log(c.id, quote, c.evidence), c.id);
        case_done(&c);
    }
    cases_close(&list);
}

TESTS(RUN(sgx_cases_come_out_as_recorded), RUN(blindais_policy_judges_an_enclave),
      RUN(verdicts_read_as_recorded), RUN(tdx_cases_come_out_as_recorded),
      RUN(logs_that_come_to_the_quotes_registers_are_accepted_alone))
