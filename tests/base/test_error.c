/* The table of codes is what the documents say it is. */
#include "tests/test.h"

TEST(exit_statuses_follow_the_table)
{
    assert_int_equal(0, blind_code_exit(BLIND_OK));
    assert_int_equal(10, blind_code_exit(BLIND_BINDING));
    assert_int_equal(11, blind_code_exit(BLIND_MODEL));
    assert_int_equal(12, blind_code_exit(BLIND_DEBUG));
    assert_int_equal(13, blind_code_exit(BLIND_POLICY_OPEN));
    assert_int_equal(1, blind_code_exit(BLIND_NETWORK));
}

TEST(an_unknown_code_is_a_failure)
{
    assert_int_equal(1, blind_code_exit((blind_code)4711));
    assert_string_equal("FAILED", blind_code_name((blind_code)-1));
}

TEST(a_caller_adds_what_it_knows)
{
    blind_error err;
    blind_fail(&err, BLIND_IO, "file.open", "cannot open '%s'", "a");
    blind_fail_in(&err, BLIND_IO, "model 'm'");
    assert_string_equal("model 'm': cannot open 'a'", err.message);
    assert_int_equal(BLIND_IO, err.code);
}

TEST(a_long_message_is_cut_not_overrun)
{
    blind_error err;
    char        text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    blind_fail(&err, BLIND_IO, "x", "%s", text);
    blind_fail_in(&err, BLIND_IO, "%s", text);
    assert_int_equal(sizeof err.message - 1, strlen(err.message));
}

TESTS(RUN(exit_statuses_follow_the_table), RUN(an_unknown_code_is_a_failure),
      RUN(a_caller_adds_what_it_knows), RUN(a_long_message_is_cut_not_overrun))
