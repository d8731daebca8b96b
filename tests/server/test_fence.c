/* The fence: what a server answers before evidence, after it, and after a model changed. */
#include "tests/server/harness.h"
#include "tls/carriage.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

static test_server server;
static char        model[4096];

static int start(void **state)
{
    const char *settings[] = { "model", model, "max-pending", "4", NULL };
    (void)state;
    snprintf(model, sizeof model, "digits=examples/digits/model.onnx");
    test_server_start(&server, settings);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

static uint16_t port(void)
{
    return bl_server_port(server.server, BL_ON_ATTESTED);
}

TEST(before_evidence_every_path_is_428)
{
    static const char *const requests[] = {
        GET("/v2"),
        GET("/v2/health/live"),
        GET("/v2/models/digits"),
        GET("/nowhere"),
        GET("/healthz"),
        GET("/metrics"),
        "DELETE /v2/models/digits HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /v2/repository/index HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < BL_LEN(requests); i++) {
        test_peer        p;
        test_auto_answer a = { 0 };
        test_peer_open(&p, port());
        test_peer_printf(&p, "%s", requests[i]);
        test_peer_read(&p, &a);
        if (a.status != 428)
            fail_msg("%.40s: %d", requests[i], a.status);
        CHECK(strcmp(a.code, "attest") == 0);
        test_peer_close(&p);
    }
}

TEST(a_refused_body_is_not_read)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_open(&p, port());
    test_peer_printf(&p, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 900000000\r\n\r\n");
    test_peer_read(&p, &a); /* not one byte of the body was sent */
    CHECK(a.status == 428 && a.closes);
    test_peer_close(&p);
}

TEST(evidence_opens_the_connection)
{
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 };
    test_peer_ready(&p, &server);
    test_ask(&p, "GET /v2/models/digits", "", (blind_span){ 0 }, &a);
    CHECK(a.status == 200 && !a.closes);
    CHECK(test_peer_attest(&p) == 200); /* again, on the same connection */
    test_ask(&p, "GET /v2/health/ready", "", (blind_span){ 0 }, &b);
    CHECK(b.status == 200);
    test_peer_close(&p);
}

TEST(evidence_must_be_the_first_request)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_open(&p, port());
    test_peer_printf(&p, GET("/v2"));
    test_peer_read(&p, &a);
    CHECK(a.status == 428);
    CHECK(test_peer_attest(&p) == 403);
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
}

TEST(nothing_may_be_pipelined_behind_it)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    bl_auto_buf      request = BL_BUF_EMPTY;
    test_attest_request(&request);
    bl_buf_add_str(&request, GET("/v2"));
    test_peer_open(&p, port());
    CHECK(test_peer_send(&p, bl_buf_span(&request)));
    test_peer_read(&p, &a);
    CHECK(a.status == 403 && a.closes);
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
}

TEST(other_forms_of_the_request_are_refused)
{
    static const struct {
        const char *name, *fields;
        int         status;
    } cases[] = {
        { "no type", "Content-Length: 4\r\n\r\nabcd", 415 },
        { "version 2",
          "Content-Type: application/vnd.blind.authenticator-request.v2\r\nContent-Length: 4\r\n"
          "\r\nabcd",
          415 },
#define TYPE "Content-Type: " BL_AUTHENTICATOR_REQUEST_TYPE "\r\n"
        { "no length", TYPE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411 },
        { "an expectation", TYPE "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", 411 },
        { "no request", TYPE "Content-Length: 4\r\n\r\nabcd", 400 },
        { "too large", TYPE "Content-Length: 5000000\r\n\r\n", 413 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer        p;
        test_auto_answer a = { 0 }, b = { 0 };
        test_peer_open(&p, port());
        test_peer_printf(&p, "POST " BL_AUTHENTICATOR_PATH " HTTP/1.1\r\nHost: h\r\n%s",
                         cases[i].fields);
        test_peer_read(&p, &a);
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, a.status);
        if (!a.closes) { /* and the fence is still there */
            test_ask(&p, "GET /v2", "", (blind_span){ 0 }, &b);
            CHECK(b.status == 428);
        }
        test_peer_close(&p);
    }
}

TEST(a_context_serves_once)
{
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 };
    bl_auto_buf      request = BL_BUF_EMPTY;
    test_attest_request(&request);
    test_peer_open(&p, port());
    CHECK(test_peer_send(&p, bl_buf_span(&request)));
    test_peer_read(&p, &a);
    CHECK(a.status == 200);
    CHECK(test_peer_send(&p, bl_buf_span(&request)));
    test_peer_read(&p, &b);
    CHECK(b.status == 400 && b.closes);
    test_peer_close(&p);
}

TEST(a_changed_model_asks_for_new_evidence_before_the_body)
{
    test_peer        p, q;
    test_auto_answer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
    bl_auto_buf      file = BL_BUF_EMPTY;
    CHECK(bl_file_read("examples/digits/model.onnx", 1 << 24, &file, NULL) == BLIND_OK);
    test_peer_ready(&p, &server);
    test_peer_ready(&q, &server);
    test_ask(&q, "PUT /v2/models/fresh", "", bl_buf_span(&file), &a);
    CHECK(a.status == 201);
    test_ask(&p, "GET /v2/models/digits", "", (blind_span){ 0 }, &d);
    CHECK(d.status == 200); /* another model's change is no concern */
    test_peer_printf(&p, "POST /v2/models/fresh/infer HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 100\r\n\r\n");
    test_peer_read(&p, &b); /* not one byte of the body was sent */
    CHECK(b.status == 409 && strcmp(b.code, "reattest") == 0 && !b.closes);
    test_peer_printf(&p, "%0100d", 0);
    CHECK(test_peer_attest(&p) == 200);
    test_ask(&p, "GET /v2/models/fresh", "", (blind_span){ 0 }, &c);
    CHECK(c.status == 200);
    test_peer_close(&p);
    test_peer_close(&q);
}

TEST(waiting_requests_of_one_address_are_bounded)
{
    CHECK(bl_pending_take(server.server, 7));
    for (int i = 0; i < 3; i++)
        CHECK(bl_pending_take(server.server, 7));
    CHECK(!bl_pending_take(server.server, 7));
    CHECK(bl_pending_take(server.server, 8));
    bl_pending_give(server.server, 8);
    for (int i = 0; i < 4; i++)
        bl_pending_give(server.server, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(before_evidence_every_path_is_428),
        RUN(a_refused_body_is_not_read),
        RUN(evidence_opens_the_connection),
        RUN(evidence_must_be_the_first_request),
        RUN(nothing_may_be_pipelined_behind_it),
        RUN(other_forms_of_the_request_are_refused),
        RUN(a_context_serves_once),
        RUN(a_changed_model_asks_for_new_evidence_before_the_body),
        RUN(waiting_requests_of_one_address_are_bounded),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
