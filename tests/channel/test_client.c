/* The client over its pool: what it repeats, what it never follows, what it bounds. */
#include "crypto/hash.h"
#include "http/kserve.h"
#include "tests/channel/hostile.h"

#include <stdlib.h>

static blind_client *open_with(const test_peer *p, blind_client_options options)
{
    blind_client *c;
    blind_error   err;
    int           ttl_s = options.dial.verdict_ttl_s;
    options.dial = test_dial_options(p, policy);
    options.dial.verdict_ttl_s = ttl_s;
    options.request_ms = 30000;
    if (blind_client_open(&options, &c, NULL, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    return c;
}

static blind_client *open_client(const test_peer *p)
{
    return open_with(p, (blind_client_options){ 0 });
}

/* A request whose answer is dropped; the status, or the failure as a negative number. */
static int ask(blind_client *c, const char *method, const char *target)
{
    blind_request  r = { .method = method, .target = target };
    blind_response answer;
    blind_error    err = { 0 };
    blind_code     code = blind_client_request(c, &r, &answer, &err);
    int            status = code == BLIND_OK ? answer.status : -(int)code;
    if (code != BLIND_OK && getenv("BLIND_TEST_SAY"))
        print_message("    %s\n", err.message);
    blind_response_done(&answer);
    return status;
}

/* ---- requests and the pool ---- */

TEST(requests_share_one_attested_connection)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client *c = open_with(&p, (blind_client_options){ .token = "secret-token" });
    for (int i = 0; i < 5; i++)
        assert_int_equal(200, ask(c, "GET", "/v2"));
    assert_int_equal(1, atomic_load(&p.connections));
    assert_int_equal(1, atomic_load(&p.attestations));
    assert_int_equal(5, atomic_load(&p.requests));
    /* The token came after the verdict, and not before. */
    const char *seen = bl_buf_cstr(&p.seen), *first = strstr(seen, "GET /v2");
    assert_non_null(first);
    CHECK(strstr(seen, "authorization: Bearer secret-token") > first);
    char *verdict = blind_client_verdict_text(c);
    assert_non_null(verdict);
    free(verdict);
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(an_expired_verdict_is_renewed_before_the_request)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client *c = open_with(&p, (blind_client_options){ .dial.verdict_ttl_s = 2 });
    assert_int_equal(200, ask(c, "GET", "/v2"));
    usleep(2100 * 1000);
    assert_int_equal(200, ask(c, "POST", "/v2"));
    assert_int_equal(1, atomic_load(&p.connections));
    CHECK(atomic_load(&p.attestations) >= 2);
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(a_client_attests_again_when_told_to)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(BLIND_OK, blind_client_reattest(c, NULL));
    assert_int_equal(1, atomic_load(&p.connections));
    assert_int_equal(2, atomic_load(&p.attestations));
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(a_requests_own_authorization_wins)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client  *c = open_with(&p, (blind_client_options){ .token = "of-the-client" });
    blind_header   own = { "Authorization", "Bearer of-the-request" };
    blind_request  r = { .method = "GET", .target = "/", .headers = &own, .header_count = 1 };
    blind_response answer;
    assert_int_equal(BLIND_OK, blind_client_request(c, &r, &answer, NULL));
    blind_response_done(&answer);
    const char *seen = bl_buf_cstr(&p.seen);
    assert_non_null(strstr(seen, "authorization: Bearer of-the-request"));
    assert_null(strstr(seen, "of-the-client"));
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool redirect(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 307, "Location: https://127.0.0.1:1/elsewhere\r\n", (blind_span){ 0 });
    return true;
}

TEST(a_redirect_is_an_answer_and_never_followed)
{
    test_peer p = { .other = redirect };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    blind_request  r = { .method = "POST", .target = "/x", .body = BL_LITERAL("private") };
    blind_response answer;
    assert_int_equal(BLIND_OK, blind_client_request(c, &r, &answer, NULL));
    assert_int_equal(307, answer.status);
    assert_string_equal("https://127.0.0.1:1/elsewhere",
                        blind_response_header(&answer, "location"));
    assert_int_equal(1, atomic_load(&p.requests));
    blind_response_done(&answer);
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(a_pooled_connection_that_ended_is_replaced)
{
    test_peer p = { .other = test_hang_up };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(200, ask(c, "POST", "/x"));
        usleep(50 * 1000); /* the end arrives */
    }
    assert_int_equal(3, atomic_load(&p.connections));
    assert_int_equal(3, atomic_load(&p.attestations));
    blind_client_close(c);
    test_peer_stop(&p);
}

/* Reads the second request of a first connection and hangs up without a word. */
static bool die_on_second(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (c->number == 0 && c->requests == 2)
        return false;
    return test_hello(c, head, body);
}

TEST(a_request_that_was_sent_is_repeated_only_where_that_is_harmless)
{
    static const struct {
        const char  *method;
        bool         idempotent;
        int          want;
        blind_header header;
    } cases[] = {
        { "GET", false, 200, { NULL, NULL } },
        { "PUT", false, 200, { NULL, NULL } },
        { "PUT", false, -BLIND_NETWORK, { "If-None-Match", "*" } },
        { "POST", true, 200, { NULL, NULL } },
        { "POST", false, -BLIND_NETWORK, { NULL, NULL } },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer p = { .other = die_on_second };
        test_peer_start(&p);
        blind_client  *c = open_client(&p);
        blind_request  r = { .method = cases[i].method,
                             .target = "/x",
                             .headers = &cases[i].header,
                             .header_count = cases[i].header.name ? 1 : 0,
                             .idempotent = cases[i].idempotent };
        blind_response answer;
        assert_int_equal(200, ask(c, "GET", "/x"));
        blind_code code = blind_client_request(c, &r, &answer, NULL);
        assert_int_equal(cases[i].want, code == BLIND_OK ? answer.status : -(int)code);
        blind_response_done(&answer);
        assert_int_equal(cases[i].want == 200 ? 3 : 2, atomic_load(&p.requests));
        blind_client_close(c);
        test_peer_stop(&p);
    }
}

TEST(a_new_connection_that_dies_is_not_tried_for_ever)
{
    test_peer p = { .other = test_silent_end };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(-BLIND_NETWORK, ask(c, "GET", "/x"));
    assert_int_equal(2, atomic_load(&p.requests)); /* the pooled one, and one new */
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- 409 ---- */

#define REATTEST "{\"error\": \"model changed\", \"code\": \"reattest\"}"

/* As a server whose model was replaced: 409 until this connection has attested again. */
static bool reattest_first(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (c->contexts.count >= 2)
        return test_hello(c, head, body);
    test_send_answer(c, 409, "Content-Type: application/json\r\n", BL_LITERAL(REATTEST));
    return true;
}

TEST(a_replaced_model_is_attested_again_on_the_same_connection)
{
    test_peer p = { .other = reattest_first };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    blind_request  r = { .method = "POST", .target = "/infer", .body = BL_LITERAL("input") };
    blind_response answer;
    assert_int_equal(BLIND_OK, blind_client_request(c, &r, &answer, NULL));
    assert_int_equal(200, answer.status);
    assert_string_equal("hello", (char *)answer.body);
    blind_response_done(&answer);
    assert_int_equal(1, atomic_load(&p.connections));
    assert_int_equal(2, atomic_load(&p.attestations));
    assert_int_equal(2, atomic_load(&p.requests));
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool reattest_always(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 409, "", BL_LITERAL(REATTEST));
    return true;
}

static bool conflict(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 409, "", BL_LITERAL("{\"error\": \"exists\", \"code\": \"EXISTS\"}"));
    return true;
}

TEST(a_server_that_never_settles_is_given_up)
{
    test_peer p = { .other = reattest_always };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(-BLIND_REATTEST, ask(c, "GET", "/x"));
    CHECK(atomic_load(&p.requests) < 10);
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(any_other_conflict_is_the_callers)
{
    test_peer p = { .other = conflict };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(409, ask(c, "GET", "/x"));
    assert_int_equal(1, atomic_load(&p.attestations));
    CHECK_CODE(BLIND_EXISTS, blind_client_delete(c, "m", NULL), "the model calls name it");
    blind_client_close(c);
    test_peer_stop(&p);
}

/* The new verdict refuses: the model is not the policy's any more.  Nothing is sent again. */
TEST(a_request_is_not_repeated_when_the_new_verdict_refuses)
{
    test_again lie = { 200, "Content-Type: " BL_AUTHENTICATOR_TYPE "\r\n", "lie" };
    test_peer  p = { .attest = test_attest_once, .other = reattest_first, .arg = &lie };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(-BLIND_FORMAT, ask(c, "GET", "/x"));
    assert_int_equal(1, atomic_load(&p.requests));
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- bodies ---- */

typedef struct {
    size_t left, heard, rewinds;
    int    status;
} body_state;

static blind_code read_body(void *arg, void *to, size_t size, size_t *got, blind_error *err)
{
    body_state *b = arg;
    (void)err;
    *got = BL_MIN(size, b->left);
    memset(to, 'b', *got);
    b->left -= *got;
    return BLIND_OK;
}

static blind_code hear_head(void *arg, int status, blind_error *err)
{
    (void)err;
    ((body_state *)arg)->status = status;
    return BLIND_OK;
}

static blind_code hear_body(void *arg, blind_span bytes, blind_error *err)
{
    (void)err;
    ((body_state *)arg)->heard += bytes.size;
    return BLIND_OK;
}

static bool echo_size(test_conn *c, const bl_http_head *head, blind_span body)
{
    static char large[300000];
    char        text[32];
    (void)head;
    snprintf(text, sizeof text, "%zu", body.size);
    memset(large, 'x', sizeof large);
    test_send_text(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    test_send_text(c, strlen(text) == 1 ? "1\r\n" : strlen(text) == 7 ? "7\r\n" : "5\r\n");
    test_send_text(c, text);
    test_send_text(c, "\r\n493e0\r\n");
    test_send(c, bl_span(large, sizeof large));
    test_send_text(c, "\r\n0\r\n\r\n");
    return true;
}

TEST(bodies_stream_both_ways)
{
    static const int64_t sizes[] = { 1234567, -1 };
    for (size_t i = 0; i < BL_LEN(sizes); i++) {
        test_peer p = { .other = echo_size };
        test_peer_start(&p);
        blind_client  *c = open_client(&p);
        body_state     state = { .left = 1234567 };
        blind_request  r = { .method = "POST",
                             .target = "/x",
                             .body_read = read_body,
                             .body_arg = &state,
                             .body_size = sizes[i],
                             .on_head = hear_head,
                             .on_body = hear_body,
                             .on_arg = &state };
        blind_response answer;
        assert_int_equal(BLIND_OK, blind_client_request(c, &r, &answer, NULL));
        assert_int_equal(200, state.status);
        assert_int_equal(300007, state.heard);
        assert_int_equal(0, answer.body_size);
        blind_response_done(&answer);
        assert_int_equal(200, ask(c, "GET", "/again")); /* on the same connection */
        assert_int_equal(1, atomic_load(&p.connections));
        blind_client_close(c);
        test_peer_stop(&p);
    }
}

TEST(a_body_that_ends_early_fails_the_request)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    body_state     state = { .left = 10 };
    blind_request  r = { .method = "POST",
                         .target = "/x",
                         .body_read = read_body,
                         .body_arg = &state,
                         .body_size = 11 };
    blind_response answer;
    CHECK_CODE(BLIND_INPUT, blind_client_request(c, &r, &answer, NULL), "one byte short");
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool refuse_early(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 413, "Connection: close\r\n", BL_LITERAL("{\"error\": \"too large\"}"));
    SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
    usleep(100 * 1000);
    return false; /* with most of the body unread */
}

TEST(an_answer_before_the_end_of_the_body_is_heard)
{
    test_peer p = { .early = refuse_early };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    body_state     state = { .left = 100000000 };
    blind_request  r = { .method = "PUT",
                         .target = "/x",
                         .body_read = read_body,
                         .body_arg = &state,
                         .body_size = 100000000 };
    blind_response answer;
    blind_error    err = { 0 };
    blind_code     code = blind_client_request(c, &r, &answer, &err);
    if (code != BLIND_OK)
        fail_msg("%s", err.message);
    assert_int_equal(413, answer.status);
    CHECK(state.left > 50000000);
    blind_response_done(&answer);
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool begin_answer(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
    return true;
}

static bool end_answer(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head;
    test_send_text(c, body.size == 5000000 ? "llo" : "no!");
    return true;
}

TEST(a_body_goes_on_while_the_answer_comes)
{
    test_peer p = { .early = begin_answer, .other = end_answer };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    body_state     state = { .left = 5000000 };
    blind_request  r = { .method = "POST",
                         .target = "/x",
                         .body_read = read_body,
                         .body_arg = &state,
                         .body_size = 5000000 };
    blind_response answer;
    assert_int_equal(BLIND_OK, blind_client_request(c, &r, &answer, NULL));
    assert_string_equal("hello", (char *)answer.body);
    blind_response_done(&answer);
    blind_client_close(c);
    test_peer_stop(&p);
}

/* As one whose model was replaced, to a caller that cannot read its body again. */
TEST(a_body_that_can_be_read_once_is_sent_once)
{
    test_peer p = { .other = reattest_first };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    body_state     state = { .left = 10 };
    blind_request  r = { .method = "POST",
                         .target = "/x",
                         .body_read = read_body,
                         .body_arg = &state,
                         .body_size = 10 };
    blind_response answer;
    CHECK_CODE(BLIND_REATTEST, blind_client_request(c, &r, &answer, NULL), "no rewind");
    assert_int_equal(1, atomic_load(&p.requests));
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- answers that break a rule ---- */

typedef struct {
    const char *name, *text;
    bool        go_on;
    blind_code  want;
} answer_case;

static const answer_case answer_cases[] = {
    { "within the limit", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true, BLIND_OK },
    { "to the end of the stream", "HTTP/1.1 200 OK\r\n\r\nabc", false, BLIND_OK },
    { "larger than the limit", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", true,
      BLIND_LIMIT },
    { "said to be gigabytes", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n123456789",
      false, BLIND_LIMIT },
    { "cut inside the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", false,
      BLIND_NETWORK },
    { "cut inside the head", "HTTP/1.1 200 OK\r\nConte", false, BLIND_NETWORK },
    { "cut before the last chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false, BLIND_NETWORK },
    { "length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
      "\r\n1\r\na\r\n0\r\n\r\n",
      true, BLIND_PROTOCOL },
    { "not HTTP", "nonsense\r\n\r\n", true, BLIND_PROTOCOL },
    { "switched", "HTTP/1.1 101 Switching Protocols\r\n\r\n", true, BLIND_PROTOCOL },
    { "behind the answer", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n", true,
      BLIND_PROTOCOL },
};

static bool answer_text(test_conn *c, const bl_http_head *head, blind_span body)
{
    const answer_case *t = c->peer->arg;
    (void)head, (void)body;
    test_send_text(c, t->text);
    return t->go_on;
}

TEST(answers_are_bounded_and_whole)
{
    for (size_t i = 0; i < BL_LEN(answer_cases); i++) {
        const answer_case *t = &answer_cases[i];
        test_peer          p = { .other = answer_text, .arg = (void *)t };
        test_peer_start(&p);
        blind_client *c = open_with(&p, (blind_client_options){ .answer_max = 8 });
        int           got = ask(c, "POST", "/x");
        CHECK_CODE(t->want, got < 0 ? (blind_code)-got : BLIND_OK, t->name);
        blind_client_close(c);
        test_peer_stop(&p);
    }
}

static bool silence(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)c, (void)head, (void)body;
    return true;
}

TEST(a_silent_server_is_given_up)
{
    test_peer p = { .other = silence };
    test_peer_start(&p);
    blind_client  *c = open_client(&p);
    blind_request  r = { .method = "GET", .target = "/x", .request_ms = 100 };
    blind_response answer;
    CHECK_CODE(BLIND_TIMEOUT, blind_client_request(c, &r, &answer, NULL), "silence");
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(a_caller_cannot_break_the_message)
{
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    assert_int_equal(-BLIND_USAGE, ask(c, "GET", "no path"));
    assert_int_equal(-BLIND_USAGE, ask(c, "GET", "/a b"));
    assert_int_equal(-BLIND_USAGE, ask(c, "G ET", "/a"));
    static const blind_header bad[] = { { "X", "a\r\nY: b" }, { "Host", "h" }, { "a b", "c" } };
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        blind_request r = { .method = "GET", .target = "/", .headers = &bad[i], .header_count = 1 };
        blind_response answer;
        CHECK_CODE(BLIND_USAGE, blind_client_request(c, &r, &answer, NULL), bad[i].name);
    }
    assert_int_equal(0, atomic_load(&p.requests));
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- models ---- */

static bool take_model(test_conn *c, const bl_http_head *head, blind_span body)
{
    uint8_t digest[32];
    char    text[300];
    size_t  n = 0;
    (void)head;
    assert_int_equal(BLIND_OK, bl_sha256(body, digest));
    digest[0] = (uint8_t)(digest[0] ^ (c->peer->arg ? 1 : 0)); /* took something else */
    n += (size_t)snprintf(text, sizeof text, "{\"name\": \"m\", \"sha256\": \"");
    for (int i = 0; i < 32; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%02x", digest[i]);
    snprintf(text + n, sizeof text - n, "\", \"size\": %zu, \"salt\": \"%064d\"}", body.size, 7);
    test_send_answer(c, 201, "", bl_span_str(text));
    return true;
}

static blind_code count_progress(void *arg, uint64_t sent, uint64_t total, blind_error *err)
{
    uint64_t *last = arg;
    (void)err;
    CHECK(sent > *last && sent <= total);
    *last = sent;
    return BLIND_OK;
}

static blind_code cancel(void *arg, uint64_t sent, uint64_t total, blind_error *err)
{
    (void)arg, (void)sent, (void)total;
    return blind_fail(err, BLIND_CANCELLED, "test", "enough");
}

TEST(an_upload_is_checked_against_what_the_server_took)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        test_peer p = { .other = take_model, .arg = wrong ? &p : NULL };
        test_peer_start(&p);
        blind_client        *c = open_client(&p);
        uint64_t             sent = 0;
        static uint8_t       model[200000];
        blind_model_info     info;
        blind_upload_options counting = { .progress = count_progress, .progress_arg = &sent };
        blind_upload_options cancelling = { .progress = cancel };
        CHECK_CODE(wrong ? BLIND_MODEL : BLIND_OK,
                   blind_client_upload_bytes(c, "a model/1", bl_span(model, sizeof model),
                                             &counting, &info, NULL),
                   "upload");
        assert_int_equal(sizeof model, sent);
        assert_non_null(strstr(bl_buf_cstr(&p.seen), "PUT /v2/models/a%20model%2F1\n"));
        CHECK_CODE(wrong ? BLIND_MODEL : BLIND_OK,
                   blind_client_upload(c, "m", "CMakeLists.txt", NULL, &info, NULL), "file");
        CHECK_CODE(BLIND_CANCELLED,
                   blind_client_upload(c, "m", "CMakeLists.txt", &cancelling, &info, NULL),
                   "cancelled");
        CHECK(!strstr(bl_buf_cstr(&p.seen), "if-none-match"));
        blind_upload_options once = { .no_replace = true };
        CHECK_CODE(wrong ? BLIND_MODEL : BLIND_OK,
                   blind_client_upload(c, "m", "CMakeLists.txt", &once, &info, NULL), "once");
        CHECK(strstr(bl_buf_cstr(&p.seen), "if-none-match: *\n"));
        CHECK_CODE(BLIND_IO, blind_client_upload(c, "m", "/nowhere", NULL, &info, NULL), "no file");
        CHECK_CODE(BLIND_USAGE, blind_client_upload(c, "", "CMakeLists.txt", NULL, &info, NULL),
                   "no name");
        assert_int_equal(wrong ? 0 : 64, strlen(info.salt) + (wrong ? 0 : 64));
        blind_client_close(c);
        test_peer_stop(&p);
    }
}

/* One output, the first input's elements. */
static bool echo_tensor(test_conn *c, const bl_http_head *head, blind_span body)
{
    if (bl_span_equal(head->method, BL_LITERAL("GET"))) {
        test_send_answer(c, 200, "", BL_LITERAL("{\"inputs\": [{\"name\": \"x\"}]}"));
        return true;
    }
    bl_auto_arena     arena = BL_ARENA_EMPTY;
    bl_auto_buf       out = BL_BUF_EMPTY;
    bl_kserve_request request;
    uint64_t          json_in;
    int64_t           json_size;
    char              field[80];
    CHECK(bl_http_number(bl_http_field_get(head, "inference-header-content-length"), &json_in));
    assert_int_equal(BLIND_OK,
                     bl_kserve_request_parse(body, (int64_t)json_in, &arena, &request, NULL));
    assert_string_equal("x", request.inputs[0].name);
    bl_kserve_response response = {
        .model = "m", .outputs = request.inputs, .output_count = 1, .inference_time_ms = 1.5
    };
    assert_int_equal(BLIND_OK,
                     bl_kserve_response_write(&response, &request, &out, &json_size, NULL));
    snprintf(field, sizeof field, BL_KSERVE_HEADER ": %lld\r\n", (long long)json_size);
    test_send_answer(c, 200, json_size == BL_KSERVE_JSON ? "" : field, bl_buf_span(&out));
    return true;
}

TEST(a_model_runs_with_and_without_names)
{
    test_peer p = { .other = echo_tensor };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    float         values[] = { 1, 2, 3.5f };
    for (int named = 0; named < 2; named++) {
        blind_tensor  in = { .name = named ? "x" : NULL,
                             .dtype = BLIND_F32,
                             .rank = 1,
                             .shape = { 3 },
                             .data = values,
                             .size = sizeof values };
        blind_outputs out;
        blind_error   err = { 0 };
        if (blind_client_infer(c, "m", &in, 1, &out, &err) != BLIND_OK)
            fail_msg("%s", err.message);
        assert_int_equal(1, out.count);
        assert_memory_equal(values, out.tensors[0].data, sizeof values);
        CHECK(out.inference_time_ms > 1.4 && out.inference_time_ms < 1.6);
        blind_outputs_done(&out);
    }
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool echo_tensors(test_conn *c, const bl_http_head *head, blind_span body)
{
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_auto_buf        out = BL_BUF_EMPTY;
    bl_kserve_request  request;
    bl_kserve_response response = { .model = "m", .inference_time_ms = -1 };
    int64_t            json_size;
    uint64_t           n = 0;
    char               field[80];
    CHECK(bl_http_number(bl_http_field_get(head, "inference-header-content-length"), &n));
    CHECK(bl_kserve_request_parse(body, (int64_t)n, &arena, &request, NULL) == BLIND_OK);
    response.outputs = request.inputs;
    response.output_count = request.input_count;
    CHECK(bl_kserve_response_write(&response, &request, &out, &json_size, NULL) == BLIND_OK);
    snprintf(field, sizeof field, BL_KSERVE_HEADER ": %lld\r\n", (long long)json_size);
    test_send_answer(c, 200, field, bl_buf_span(&out));
    return true;
}

/* Sent from where they are: large ones alone, small ones together. */
TEST(inputs_of_every_size_arrive_in_order)
{
    static const int64_t sizes[] = { 3, 0, 600001, 16383, 1, 16384, 16385, 40000, 7 };
    enum { COUNT = BL_LEN(sizes) };
    test_peer p = { .other = echo_tensors };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    blind_tensor  in[COUNT];
    uint8_t      *bytes = malloc(600001 + COUNT);
    blind_outputs out;
    for (size_t i = 0; i < 600001 + COUNT; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    for (size_t i = 0; i < COUNT; i++)
        in[i] = (blind_tensor){ "x", BLIND_U8, 1, { sizes[i] }, bytes + i, (size_t)sizes[i] };
    for (int again = 0; again < 2; again++) {
        blind_error err = { 0 };
        if (blind_client_infer(c, "m", in, COUNT, &out, &err) != BLIND_OK)
            fail_msg("%s", err.message);
        CHECK(out.count == COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            CHECK(out.tensors[i].size == in[i].size);
            CHECK(!in[i].size || memcmp(out.tensors[i].data, in[i].data, in[i].size) == 0);
        }
        blind_outputs_done(&out);
    }
    assert_int_equal(1, atomic_load(&p.connections));
    free(bytes);
    blind_client_close(c);
    test_peer_stop(&p);
}

static bool answer_verdict(test_conn *c, const bl_http_head *head, blind_span body)
{
    (void)head, (void)body;
    test_send_answer(c, 404, "", BL_LITERAL("{\"error\": \"a\\nb\", \"code\": \"MEASUREMENT\"}"));
    return true;
}

TEST(a_server_cannot_pronounce_a_verdict)
{
    test_peer p = { .other = answer_verdict };
    test_peer_start(&p);
    blind_client *c = open_client(&p);
    blind_error   err;
    CHECK_CODE(BLIND_NOT_FOUND, blind_client_delete(c, "m", &err), "its code is not taken");
    assert_string_equal("delete: HTTP 404: a b", err.message);
    blind_client_close(c);
    test_peer_stop(&p);
}

/* ---- many at once ---- */

static void *ask_often(void *arg)
{
    intptr_t good = 0;
    for (int i = 0; i < 20; i++)
        good += ask(arg, i % 2 ? "GET" : "POST", "/x") == 200;
    return (void *)good;
}

TEST(threads_share_a_client)
{
    enum { THREADS = 8 };
    test_peer p = { 0 };
    test_peer_start(&p);
    blind_client *c = open_with(&p, (blind_client_options){ .idle_max = 4 });
    pthread_t     threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, ask_often, c) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_int_equal(20, (intptr_t)good);
    }
    assert_int_equal(20 * THREADS, atomic_load(&p.requests));
    assert_int_equal(atomic_load(&p.connections), atomic_load(&p.attestations));
    blind_client_close(c);
    test_peer_stop(&p);
}

TEST(a_url_is_read_strictly)
{
    static const struct {
        const char *url;
        blind_code  want;
    } cases[] = {
        { "https://127.0.0.1:1", BLIND_NETWORK },
        { "https://127.0.0.1:1/", BLIND_NETWORK },
        { "https://[::1]:1", BLIND_NETWORK },
        { "http://127.0.0.1:1", BLIND_USAGE },
        { "https://127.0.0.1:1/x", BLIND_USAGE },
        { "https://127.0.0.1:0", BLIND_USAGE },
        { "https://127.0.0.1:65536", BLIND_USAGE },
        { "https://127.0.0.1:00001", BLIND_NETWORK },
        { "https://127.0.0.1:000001", BLIND_USAGE },
        { "https://127.0.0.1:", BLIND_USAGE },
        { "https://127.0.0.1:+1", BLIND_USAGE },
        { "https://127.0.0.1:1x", BLIND_USAGE },
        { "https://u@127.0.0.1:1", BLIND_USAGE },
        { "https://", BLIND_USAGE },
        { "https://127.0.0.1:-1", BLIND_USAGE },
        { "https://[::1:1", BLIND_USAGE },
        { "127.0.0.1:1", BLIND_USAGE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_client_options options = { .dial.policy = policy };
        blind_client        *c;
        CHECK_CODE(cases[i].want, blind_client_open_url(cases[i].url, &options, &c, NULL, NULL),
                   cases[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(requests_share_one_attested_connection),
        RUN(an_expired_verdict_is_renewed_before_the_request),
        RUN(a_client_attests_again_when_told_to),
        RUN(a_requests_own_authorization_wins),
        RUN(a_body_that_can_be_read_once_is_sent_once),
        RUN(a_redirect_is_an_answer_and_never_followed),
        RUN(a_pooled_connection_that_ended_is_replaced),
        RUN(a_request_that_was_sent_is_repeated_only_where_that_is_harmless),
        RUN(a_new_connection_that_dies_is_not_tried_for_ever),
        RUN(a_replaced_model_is_attested_again_on_the_same_connection),
        RUN(a_server_that_never_settles_is_given_up),
        RUN(any_other_conflict_is_the_callers),
        RUN(a_request_is_not_repeated_when_the_new_verdict_refuses),
        RUN(bodies_stream_both_ways),
        RUN(a_body_that_ends_early_fails_the_request),
        RUN(an_answer_before_the_end_of_the_body_is_heard),
        RUN(a_body_goes_on_while_the_answer_comes),
        RUN(answers_are_bounded_and_whole),
        RUN(a_silent_server_is_given_up),
        RUN(a_caller_cannot_break_the_message),
        RUN(an_upload_is_checked_against_what_the_server_took),
        RUN(a_model_runs_with_and_without_names),
        RUN(inputs_of_every_size_arrive_in_order),
        RUN(a_server_cannot_pronounce_a_verdict),
        RUN(threads_share_a_client),
        RUN(a_url_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}
