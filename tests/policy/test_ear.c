/* Verdicts as attestation results: the claims as recorded, the token's form and signature, and no
 * refusal, simulation or unbound verdict that affirms anything.
 *
 * BLIND_GOLDEN=write rewrites the files, for a change that is meant. */
#include "tests/policy/fixture.h"

#include "base/base64.h"
#include "base/json.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "policy/ear.h"
#include "tests/attest/cases.h"

#define ISSUED INT64_C(1700000123)

static void compare(const char *name, blind_span text)
{
    char        path[256], want[4096];
    const char *mode = getenv("BLIND_GOLDEN");
    snprintf(path, sizeof path, "tests/policy/golden/%s.ear", name);
    bool  rewrite = mode && strcmp(mode, "write") == 0;
    FILE *f = fopen(path, rewrite ? "w+b" : "rb");
    assert_non_null(f);
    if (rewrite)
        fwrite(text.data, 1, text.size, f);
    rewind(f);
    size_t n = fread(want, 1, sizeof want, f);
    fclose(f);
    assert_int_equal(n, text.size);
    assert_memory_equal(want, text.data, n);
}

static const struct {
    const char *name;
    fixture     f;
    blind_bound to;
    bool        simulation, whole;
    const char *top;
} cases[] = {
    { "accepted", { 0 }, BLIND_BOUND_SESSION, true, true, NULL },
    { "unbound", { 0 }, BLIND_BOUND_UNBOUND, true, true, NULL },
    { "no-simulation", { 0 }, BLIND_BOUND_SESSION, false, true, NULL },
    { "measurement",
      { .sim_lies = BL_SIM_LIE_MEASUREMENT },
      BLIND_BOUND_SESSION,
      true,
      true,
      NULL },
    { "debug", { .sim_lies = BL_SIM_LIE_DEBUG }, BLIND_BOUND_SESSION, true, true, NULL },
    { "debug-allowed",
      { .sim_lies = BL_SIM_LIE_DEBUG },
      BLIND_BOUND_SESSION,
      true,
      true,
      "server = \"any\"\nallow_debug = true" },
    { "binding", { .sim_lies = BL_SIM_LIE_BINDING }, BLIND_BOUND_SESSION, true, true, NULL },
    { "signature", { .sim_lies = BL_SIM_LIE_SIGNATURE }, BLIND_BOUND_SESSION, true, true, NULL },
    { "truncated", { 0 }, BLIND_BOUND_SESSION, true, false, NULL },
};

static blind_result *judge(size_t i)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    blind_policy          *policy = fixture_policy(cases[i].top, NULL);
    blind_result          *result;
    expect.to = cases[i].to;
    options.simulation = cases[i].simulation;
    fixture_bundle(&cases[i].f, &bundle);
    blind_span all = bl_buf_span(&bundle);
    (void)!blind_appraise(cases[i].whole ? all : bl_span(all.data, 10), &expect, policy, &options,
                          &result, NULL);
    blind_policy_free(policy);
    assert_non_null(result);
    return result;
}

TEST(claims_are_as_recorded)
{
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf   claims = BL_BUF_EMPTY;
        blind_result *result = judge(i);
        CHECK_CODE(BLIND_OK, bl_ear_claims(result, ISSUED, &claims, NULL), cases[i].name);
        compare(cases[i].name, bl_buf_span(&claims));
        blind_result_free(result);
    }
}

/* Simulated evidence, whatever the verdict. */
TEST(nothing_simulated_or_refused_is_affirmed)
{
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        int8_t        vector[BL_EAR_COUNT];
        blind_result *result = judge(i);
        bl_ear_vector(result, vector);
        assert_string_equal("contraindicated", bl_ear_status(result, vector));
        blind_result_free(result);
    }
}

/* ---- the token ---- */

/* The next part of the token, decoded; `rest` moves past its dot. */
static void next_part(blind_span *rest, bl_buf *out)
{
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '.')
        size++;
    CHECK_CODE(BLIND_OK, bl_base64_decode(bl_span(rest->data, size), BL_BASE64_URL, out, NULL),
               "base64url");
    size += size < rest->size;
    *rest = bl_span(rest->data + size, rest->size - size);
}

static void check_header(blind_span header, const bl_key *key)
{
    bl_auto_json *json = NULL;
    bl_auto_buf   text = BL_BUF_EMPTY, kid = BL_BUF_EMPTY, x = BL_BUF_EMPTY, spki = BL_BUF_EMPTY;
    uint8_t       thumbprint[32];
    CHECK_CODE(BLIND_OK, bl_json_parse(header, 4096, &json, NULL), "header");
    json_t *jwk = json_object_get(json, "jwk");
    assert_string_equal("ES256", json_string_value(json_object_get(json, "alg")));
    assert_string_equal("JWT", json_string_value(json_object_get(json, "typ")));
    assert_string_equal("EC", json_string_value(json_object_get(jwk, "kty")));
    bl_buf_printf(&text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}",
                  json_string_value(json_object_get(jwk, "x")),
                  json_string_value(json_object_get(jwk, "y")));
    CHECK_CODE(BLIND_OK, bl_sha256(bl_buf_span(&text), thumbprint), "thumbprint");
    bl_base64_add(&kid, BL_BASE64_URL, bl_span(thumbprint, 32));
    assert_string_equal(bl_buf_cstr(&kid), json_string_value(json_object_get(json, "kid")));
    CHECK_CODE(BLIND_OK,
               bl_base64_decode(bl_span_str(json_string_value(json_object_get(jwk, "x"))),
                                BL_BASE64_URL, &x, NULL),
               "x");
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &spki, NULL), "spki");
    CHECK(x.size == 32 && memcmp(x.data, spki.data + spki.size - 64, 32) == 0);
}

TEST(a_token_is_signed_by_the_key_in_its_header)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         pem = BL_BUF_EMPTY, header = BL_BUF_EMPTY, claims = BL_BUF_EMPTY,
                signature = BL_BUF_EMPTY, want = BL_BUF_EMPTY;
    blind_result *result = judge(0);
    char         *token;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_private_pem(key, &pem, NULL), "pem");
    CHECK_CODE(BLIND_OK, blind_result_ear(result, bl_buf_span(&pem), &token, NULL), "write");
    blind_span rest = bl_span_str(token);
    next_part(&rest, &header);
    next_part(&rest, &claims);
    size_t signed_size = rest.size ? (size_t)(rest.data - (const uint8_t *)token) - 1 : 0;
    next_part(&rest, &signature);
    assert_int_equal(0, rest.size);
    check_header(bl_buf_span(&header), key);
    CHECK_CODE(BLIND_OK, bl_ear_claims(result, fixture_options().now_s, &want, NULL), "claims");
    CHECK(bl_span_equal(bl_buf_span(&want), bl_buf_span(&claims)));
    CHECK_CODE(BLIND_OK,
               bl_key_verify(key, BL_ECDSA_P256_SHA256_RAW, bl_span(token, signed_size),
                             bl_buf_span(&signature), NULL),
               "signature");
    free(token);
    blind_result_free(result);
}

TEST(what_cannot_sign_is_refused)
{
    static const char   p384[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    blind_result       *result = judge(0);
    char               *token;
    bl_auto_buf         out = BL_BUF_EMPTY;
    bl_auto_key bl_key *key = NULL;
    CHECK_CODE(BLIND_INPUT, blind_result_ear(result, BL_LITERAL(""), &token, NULL), "no key");
    assert_null(token);
    CHECK_CODE(BLIND_INPUT, blind_result_ear(result, bl_span_str(p384), &token, NULL), "no PEM");
    CHECK_CODE(BLIND_USAGE, blind_result_ear(NULL, BL_LITERAL(""), &token, NULL), "no result");
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_USAGE, bl_ear_write(result, key, 0, &out, NULL), "no time");
    blind_result_free(result);
}

/* ---- recorded evidence ---- */

static const struct {
    const char *id, *status;
    int8_t      vector[BL_EAR_COUNT];
} recorded_cases[] = {
    { "nitro-dstack-2025-right-pcrs", "warning", { 2, 2, 3, 0, 2, 32, 0, 0 } },
    { "nitro-dstack-debug-2025", "contraindicated", { 2, 96, 0, 0, 2, 32, 0, 0 } },
    { "nitro-dstack-debug-2025-allowed", "warning", { 2, 32, 0, 0, 2, 32, 0, 0 } },
    { "nitro-dstack-2025-flip-sig", "contraindicated", { 99, 0, 0, 0, 0, 0, 0, 0 } },
    { "nitro-dstack-2025-wrong-pcr0", "contraindicated", { 2, 2, 33, 0, 2, 32, 0, 0 } },
};

TEST(recorded_verdicts_become_results)
{
    case_list list;
    recorded  c;
    if (!cases_open(&list))
        return;
    for (size_t i = 0; i < BL_LEN(recorded_cases); i++) {
        int8_t        vector[BL_EAR_COUNT];
        blind_result *result;
        cases_find(&list, recorded_cases[i].id, &c);
        (void)!case_appraise(&c, NULL, &result, NULL);
        assert_non_null(result);
        bl_ear_vector(result, vector);
        for (size_t k = 0; k < BL_EAR_COUNT; k++)
            if (vector[k] != recorded_cases[i].vector[k])
                fail_msg("%s: claim %zu is %d", c.id, k, vector[k]);
        assert_string_equal(recorded_cases[i].status, bl_ear_status(result, vector));
        blind_result_free(result);
        case_done(&c);
    }
    cases_close(&list);
}

TESTS(RUN(claims_are_as_recorded), RUN(nothing_simulated_or_refused_is_affirmed),
      RUN(a_token_is_signed_by_the_key_in_its_header), RUN(what_cannot_sign_is_refused),
      RUN(recorded_verdicts_become_results))
