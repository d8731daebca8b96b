/* Each allocation of ours fails once while a token is written. */
#include "tests/alloc.h"
#include "tests/policy/fixture.h"

#include "policy/ear.h"

static blind_result *result;
static bl_key       *key;

static blind_code write_token(void)
{
    bl_auto_buf token = BL_BUF_EMPTY;
    return bl_ear_write(result, key, MADE_AT, &token, NULL);
}

TEST(a_token_survives_want_of_memory)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_policy          *policy = fixture_policy(NULL, NULL);
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    fixture_bundle(&(fixture){ 0 }, &bundle);
    CHECK_CODE(BLIND_OK,
               blind_appraise(bl_buf_span(&bundle), &expect, policy, &options, &result, NULL),
               "appraise");
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK(fail_each_allocation(write_token, "token") > 5);
    bl_key_free(key);
    blind_result_free(result);
    blind_policy_free(policy);
}

TESTS(RUN(a_token_survives_want_of_memory))
