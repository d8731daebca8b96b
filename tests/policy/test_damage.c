/* No bit of a bundle is free: every flip, prefix and extra byte is refused. */
#include "tests/policy/fixture.h"

static blind_code judge(blind_span bundle, const blind_policy *policy, const blind_expect *expect)
{
    blind_appraise_options options = fixture_options();
    blind_result          *result;
    blind_code             code = blind_appraise(bundle, expect, policy, &options, &result, NULL);
    assert_non_null(result);
    CHECK(blind_result_text(result)[0] && blind_result_json(result)[0] == '{');
    blind_result_free(result);
    return code;
}

static void damage(const fixture *f, const blind_expect *expect)
{
    bl_auto_buf   bundle = BL_BUF_EMPTY;
    blind_policy *policy = fixture_policy(NULL, NULL);
    fixture_bundle(f, &bundle);
    CHECK_CODE(BLIND_OK, judge(bl_buf_span(&bundle), policy, expect), "as made");
    for (size_t bit = 0; bit < 8 * bundle.size; bit++) {
        bundle.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        blind_code code = judge(bl_buf_span(&bundle), policy, expect);
        if (code == BLIND_OK || blind_code_exit(code) < 10)
            fail_msg("byte %zu bit %zu: %s", bit / 8, bit % 8, blind_code_name(code));
        bundle.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t keep = 0; keep < bundle.size; keep++)
        CHECK_CODE(BLIND_FORMAT, judge(bl_span(bundle.data, keep), policy, expect), "a prefix");
    bl_buf_add_u8(&bundle, 0);
    CHECK_CODE(BLIND_FORMAT, judge(bl_buf_span(&bundle), policy, expect), "one byte more");
    blind_policy_free(policy);
}

TEST(no_bit_of_a_sessions_bundle_is_free)
{
    blind_expect expect = fixture_session();
    damage(&(fixture){ .two_models = true }, &expect);
}

TEST(no_bit_of_a_certificates_bundle_is_free)
{
    blind_expect expect = { .to = BLIND_BOUND_CERTIFICATE, .spki = FIXTURE_SPKI };
    damage(&(fixture){ .key_bound = true }, &expect);
}

TEST(a_bundle_past_the_limit_is_refused)
{
    uint8_t      *bytes = calloc(1, BL_MAX_BUNDLE_SIZE + 1);
    blind_expect  expect = fixture_session();
    blind_policy *policy = fixture_policy(NULL, NULL);
    assert_non_null(bytes);
    CHECK_CODE(BLIND_FORMAT, judge(bl_span(bytes, BL_MAX_BUNDLE_SIZE + 1), policy, &expect),
               "large");
    blind_policy_free(policy);
    free(bytes);
}

TESTS(RUN(no_bit_of_a_sessions_bundle_is_free), RUN(no_bit_of_a_certificates_bundle_is_free),
      RUN(a_bundle_past_the_limit_is_refused))
