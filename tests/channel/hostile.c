#include "tests/channel/hostile.h"

#include <stdlib.h>

blind_policy   *policy;
_Atomic int64_t test_skew_ms;

int test_policy_setup(void **state)
{
    (void)state;
    policy = test_policy();
    return 0;
}

int test_policy_teardown(void **state)
{
    (void)state;
    blind_policy_free(policy);
    return 0;
}

bool test_hang_up(test_conn *c, const bl_http_head *head, blind_span body)
{
    test_hello(c, head, body);
    return false;
}

bool test_silent_end(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)c, (void)head, (void)body;
    return false;
}

bool test_attest_once(test_conn *c, const bl_http_head *head, blind_span body)
{
    const test_again *again = c->peer->arg;
    if (c->requests == 0)
        return test_attest_well(c, head, body);
    test_send_answer(c, again->status, again->fields, bl_span_str(again->body));
    return true;
}

blind_code test_dial(const blind_dial_options *options, const bl_client_hooks *hooks,
                     blind_stream **out)
{
    blind_error   err = { 0 };
    blind_dialer *dialer;
    blind_stream *s = NULL;
    blind_code    code = blind_dialer_new(options, &dialer, &err);
    if (code != BLIND_OK)
        return code;
    if (hooks)
        dialer->hooks = *hooks;
    code = bl_dial_wait(dialer, &s, NULL, &err);
    blind_dialer_free(dialer);
    CHECK((code == BLIND_OK) == (s != NULL));
    CHECK(code == BLIND_OK || err.message[0]);
    if (code != BLIND_OK && getenv("BLIND_TEST_SAY"))
        print_message("    %s\n", err.message);
    if (out)
        *out = s;
    else
        blind_stream_close(s);
    return code;
}

blind_code test_reattest(blind_stream *s)
{
    blind_code code;
    while ((code = blind_stream_reattest(s, NULL)) == BLIND_AGAIN)
        CHECK(blind_stream_wait(s, 5000, NULL) == BLIND_OK);
    return code;
}

int64_t test_skewed_now_ms(void)
{
    return bl_client_hooks_real.now_ms() + test_skew_ms;
}
