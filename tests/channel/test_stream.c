/* After the verdict: expiry, re-attestation, ends, stray bytes. */
#include "tests/channel/hostile.h"

static blind_stream *open_stream(const test_peer *p)
{
    bl_client_hooks    hooks = bl_client_hooks_real;
    blind_dial_options options = test_dial_options(p, policy);
    blind_stream      *s;
    hooks.now_ms = test_skewed_now_ms;
    CHECK_CODE(BLIND_OK, test_dial(&options, &hooks, &s), "dial");
    return s;
}

static const char hello_request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/* Sends a request and takes what comes until `end` is in it. */
static blind_code ask(blind_stream *s, char *answer, size_t room, const char *end)
{
    size_t n, all = 0;
    BL_TRY(blind_stream_write(s, hello_request, sizeof hello_request - 1, &n, NULL));
    assert_int_equal(sizeof hello_request - 1, n);
    memset(answer, 0, room);
    while (!strstr(answer, end)) {
        blind_code code = blind_stream_read(s, answer + all, room - 1 - all, &n, NULL);
        if (code == BLIND_AGAIN)
            code = blind_stream_wait(s, 5000, NULL);
        BL_TRY(code);
        all += n;
    }
    return BLIND_OK;
}

TEST(a_stream_carries_bytes_both_ways)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    char          answer[500];
    CHECK_CODE(BLIND_OK, ask(s, answer, sizeof answer, "hello"), "ask");
    assert_string_equal("sim", blind_result_tee(blind_stream_result(s)));
    CHECK(blind_result_bound(blind_stream_result(s)));
    CHECK(blind_stream_alive(s));
    blind_stream_close(s);
    test_peer_stop(&p);
}

TEST(an_expired_verdict_lets_nothing_out_until_it_is_renewed)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    char          answer[500];
    test_skew_ms = 3600 * 1000 - 5000;
    CHECK_CODE(BLIND_OK, ask(s, answer, sizeof answer, "hello"), "an hour less five seconds");
    test_skew_ms = 3600 * 1000;
    assert_int_equal(0, blind_stream_expiry_ms(s));
    CHECK(!blind_stream_alive(s));
    int before = atomic_load(&p.application_bytes);
    CHECK_CODE(BLIND_REATTEST, ask(s, answer, sizeof answer, "hello"), "an hour");
    assert_int_equal(before, atomic_load(&p.application_bytes));
    CHECK_CODE(BLIND_OK, test_reattest(s), "renewed");
    CHECK_CODE(BLIND_OK, ask(s, answer, sizeof answer, "hello"), "after the new verdict");
    assert_int_equal(2, atomic_load(&p.attestations));
    assert_int_equal(1, atomic_load(&p.connections));
    test_skew_ms = 0;
    blind_stream_close(s);
    test_peer_stop(&p);
}

TEST(nothing_is_written_while_attesting_again)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    size_t        n;
    blind_code    code = blind_stream_reattest(s, NULL);
    if (code == BLIND_AGAIN) /* nearly always: the answer takes a round trip */
        CHECK_CODE(BLIND_USAGE, blind_stream_write(s, "x", 1, &n, NULL), "pipelined");
    while (code == BLIND_AGAIN) {
        CHECK(blind_stream_wait(s, 5000, NULL) == BLIND_OK);
        code = blind_stream_reattest(s, NULL);
    }
    CHECK_CODE(BLIND_OK, code, "the attestation is not disturbed");
    blind_stream_close(s);
    test_peer_stop(&p);
}

TEST(contexts_differ_each_time)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    for (int i = 0; i < 5; i++)
        CHECK_CODE(BLIND_OK, test_reattest(s), "again");
    assert_int_equal(6, s->contexts.count);
    blind_stream_close(s);
    test_peer_stop(&p);
}

static bool update_keys(test_conn *c, const bl_http_head *head, blind_span body)
{
    CHECK(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
    return test_hello(c, head, body);
}

TEST(a_key_update_changes_nothing)
{
    test_peer p = { .other = update_keys };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    char          answer[500];
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(BLIND_OK, ask(s, answer, sizeof answer, "hello"), "ask");
        CHECK_CODE(BLIND_OK, test_reattest(s), "the exporter is that of the handshake");
    }
    blind_stream_close(s);
    test_peer_stop(&p);
}

/* A stranger's model is loaded between two attestations: the log has grown, the verdict says so. */
TEST(a_renewed_verdict_sees_the_longer_log)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    uint64_t      before = blind_result_log_len(blind_stream_result(s));
    bl_log_event  event = { .type = BL_LOG_MODEL_LOAD, .name = BL_LITERAL("m"), .sha256 = { 1 } };
    assert_int_equal(BLIND_OK, bl_runtime_log_append(&p.log, &event, NULL, NULL));
    CHECK_CODE(BLIND_OK, test_reattest(s), "again");
    assert_int_equal(before + 1, blind_result_log_len(blind_stream_result(s)));
    assert_int_equal(1, blind_result_models(blind_stream_result(s)));
    blind_stream_close(s);
    test_peer_stop(&p);
}

TEST(a_stream_whose_new_verdict_fails_has_ended)
{
    test_again busy = { 503, "", "" };
    test_peer  p = { .attest = test_attest_once, .arg = &busy };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    size_t        n;
    CHECK_CODE(BLIND_BUSY, test_reattest(s), "refused");
    CHECK_CODE(BLIND_CLOSED, blind_stream_write(s, "x", 1, &n, NULL), "write");
    CHECK_CODE(BLIND_CLOSED, blind_stream_reattest(s, NULL), "once more");
    CHECK(!blind_stream_alive(s));
    blind_stream_close(s);
    test_peer_stop(&p);
}

static bool say_more(test_conn *c, const bl_http_head *head, blind_span body)
{
    test_hello(c, head, body);
    test_send_text(c, "HTTP/1.1 200 OK\r\n\r\n");
    return true;
}

TEST(a_stream_with_stray_bytes_or_an_end_is_not_alive)
{
    test_answer *const others[] = { say_more, test_hang_up };
    for (size_t i = 0; i < BL_LEN(others); i++) {
        test_peer p = { .other = others[i] };
        test_peer_start(&p);
        blind_stream *s = open_stream(&p);
        char          answer[500];
        CHECK(blind_stream_alive(s));
        CHECK_CODE(BLIND_OK, ask(s, answer, sizeof answer, "hello"), "ask");
        for (int tries = 0; tries < 500 && blind_stream_alive(s); tries++)
            usleep(10 * 1000); /* it arrives */
        CHECK(!blind_stream_alive(s));
        blind_stream_close(s);
        test_peer_stop(&p);
    }
}

static bool cut(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    shutdown(c->fd, SHUT_RDWR); /* no close_notify */
    return false;
}

TEST(a_cut_stream_is_told)
{
    test_peer p = { .other = cut };
    test_peer_start(&p);
    blind_stream *s = open_stream(&p);
    char          answer[500];
    CHECK_CODE(BLIND_NETWORK, ask(s, answer, sizeof answer, "never"), "cut");
    blind_stream_close(s);
    test_peer_stop(&p);
}

TEST(the_blocking_call_explains_a_refusal)
{
    test_peer p = { .sim_lies = BL_SIM_LIE_MEASUREMENT };
    test_peer_start(&p);
    blind_dial_options options = test_dial_options(&p, policy);
    blind_stream      *s;
    blind_result      *result;
    blind_error        err;
    CHECK_CODE(BLIND_MEASUREMENT, blind_stream_open(&options, &s, &result, &err), "lie");
    assert_null(s);
    assert_non_null(result);
    CHECK_CODE(BLIND_MEASUREMENT, blind_result_code(result), "result");
    blind_result_free(result);
    test_peer_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_stream_carries_bytes_both_ways),
        RUN(an_expired_verdict_lets_nothing_out_until_it_is_renewed),
        RUN(nothing_is_written_while_attesting_again),
        RUN(contexts_differ_each_time),
        RUN(a_key_update_changes_nothing),
        RUN(a_renewed_verdict_sees_the_longer_log),
        RUN(a_stream_whose_new_verdict_fails_has_ended),
        RUN(a_stream_with_stray_bytes_or_an_end_is_not_alive),
        RUN(a_cut_stream_is_told),
        RUN(the_blocking_call_explains_a_refusal),
    };
    return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
