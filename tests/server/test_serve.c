/* What a server answers when all is well, and to requests that are wrong: KServe V2 over an
 * attested connection, rights, uploads, the helper port and the metrics. */
#include "crypto/hash.h"
#include "http/kserve.h"
#include "tests/server/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOTHING ((blind_span){ 0 })

static test_server server;
static bl_buf      model_file;
static float       image[64];
static char        tokens_path[64];

/* Tokens "reader", "writer" and "root", hashed. */
static const char *const tokens[] = { "reader:infer", "writer:infer,upload,delete,load",
                                      "root:admin" };

static void write_tokens(void)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    snprintf(tokens_path, sizeof tokens_path, "/tmp/blind-tokens-%ld", (long)getpid());
    for (size_t i = 0; i < BL_LEN(tokens); i++) {
        size_t  n = strcspn(tokens[i], ":");
        uint8_t digest[32];
        char    hex[65];
        CHECK(bl_sha256(bl_span(tokens[i], n), digest) == BLIND_OK);
        bl_hex_encode(bl_span(digest, 32), hex);
        bl_buf_printf(&text, "%.*s:%s%s\n", (int)n, tokens[i], hex, tokens[i] + n);
    }
    bl_buf_add_str(&text, "anonymous:-:infer\n");
    CHECK(bl_file_write_atomic(tokens_path, bl_buf_span(&text), 0600, NULL) == BLIND_OK);
}

static int start(void **state)
{
    const char *settings[] = { "model",
                               "digits=examples/digits/model.onnx",
                               "tokens",
                               tokens_path,
                               "send-inference-time",
                               "true",
                               NULL };
    (void)state;
    for (int i = 0; i < 64; i++)
        image[i] = (float)(i % 17) / 16;
    CHECK(bl_file_read("examples/digits/model.onnx", 1 << 24, &model_file, NULL) == BLIND_OK);
    write_tokens();
    test_server_start(&server, settings);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server);
    unlink(tokens_path);
    bl_buf_done(&model_file);
    return 0;
}

static void infer(test_peer *p, const char *model, bool binary, test_answer *out)
{
    char              line[200], fields[200] = "";
    blind_tensor      t = { "image", BLIND_F32, 4, { 1, 1, 8, 8 }, image, sizeof image };
    bl_kserve_request r = { .id = "q", .inputs = &t, .input_count = 1, .binary_output = binary };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    CHECK(bl_kserve_request_write(&r, binary, &body, &json_size, NULL) == BLIND_OK);
    snprintf(line, sizeof line, "POST /v2/models/%s/infer", model);
    if (binary)
        snprintf(fields, sizeof fields, BL_KSERVE_HEADER ": %lld\r\n", (long long)json_size);
    test_ask(p, line, fields, bl_buf_span(&body), out);
}

static void scores(const test_answer *a, float out[10])
{
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_kserve_response r;
    CHECK(a->status == 200);
    CHECK(bl_kserve_response_parse(bl_buf_span(&a->body), a->json_size, &arena, &r, NULL) ==
          BLIND_OK);
    CHECK(r.output_count == 1 && r.outputs[0].size == 40 && strcmp(r.id, "q") == 0);
    CHECK(r.inference_time_ms > 0);
    memcpy(out, r.outputs[0].data, 40);
}

TEST(json_and_binary_say_the_same)
{
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 }, c = { 0 };
    float            one[10], two[10], three[10];
    test_peer_ready(&p, &server);
    infer(&p, "digits", false, &a);
    infer(&p, "digits", true, &b);
    test_ask(&p, "POST /v2/models/digits/versions/1/infer", BL_KSERVE_HEADER ": 0\r\n",
             bl_span(image, sizeof image), &c);
    scores(&a, one);
    scores(&b, two);
    CHECK(a.json_size == -1 && b.json_size > 0 && c.status == 200);
    CHECK(memcmp(one, two, sizeof one) == 0);
    memcpy(three, c.body.data + c.json_size, sizeof three);
    CHECK(memcmp(one, three, sizeof one) == 0);
    test_peer_close(&p);
}

TEST(wrong_requests_are_told_why_and_cost_nothing_more)
{
#define X64 "\"datatype\":\"FP32\",\"shape\":[1,1,8,8],\"data\":[0]"
    static const struct {
        const char *name, *line, *fields, *body;
        int         status;
    } cases[] = {
        { "no path", "GET /v2/nothing", "", "", 404 },
        { "no model", "GET /v2/models/none", "", "", 404 },
        { "no model to ask", "POST /v2/models/none/infer", "", "{}", 404 },
        { "no such version", "GET /v2/models/digits/versions/2", "", "", 404 },
        { "another method", "PATCH /v2/models/digits", "", "", 405 },
        { "a broken escape", "GET /v2/models/%zz", "", "", 400 },
        { "a body where none goes", "GET /v2", "", "x", 400 },
        { "no JSON", "POST /v2/models/digits/infer", "", "{", 400 },
        { "no input", "POST /v2/models/digits/infer", "", "{\"inputs\":[]}", 400 },
        { "a short input", "POST /v2/models/digits/infer", "",
          "{\"inputs\":[{\"name\":\"image\"," X64 "}]}", 400 },
        { "an unknown input", "POST /v2/models/digits/infer", "",
          "{\"inputs\":[{\"name\":\"no\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[0]}]}",
          400 },
        { "an unknown output", "POST /v2/models/digits/infer", "",
          "{\"inputs\":[],\"outputs\":[{\"name\":\"no\"}]}", 400 },
        { "a bad header", "POST /v2/models/digits/infer", BL_KSERVE_HEADER ": -1\r\n", "{}", 400 },
        { "a header past the body", "POST /v2/models/digits/infer", BL_KSERVE_HEADER ": 9\r\n",
          "{}", 400 },
        { "a raw body of another size", "POST /v2/models/digits/infer", BL_KSERVE_HEADER ": 0\r\n",
          "abc", 400 },
        { "a wrong token", "GET /v2", "Authorization: Bearer nobody\r\n", "", 401 },
        { "no bearer", "GET /v2", "Authorization: Basic eDp5\r\n", "", 401 },
        { "no right to delete", "DELETE /v2/models/digits", "", "", 403 },
        { "no right to upload", "PUT /v2/models/x", "", "x", 403 },
        { "reader may not upload", "PUT /v2/models/x", "Authorization: Bearer reader\r\n", "x",
          403 },
        { "another's model", "DELETE /v2/models/digits", "Authorization: Bearer writer\r\n", "",
          403 },
        { "replacing another's", "PUT /v2/models/digits", "Authorization: Bearer writer\r\n", "x",
          403 },
        { "a model that is none", "PUT /v2/models/x", "Authorization: Bearer writer\r\n",
          "no model", 400 },
        { "an empty model", "PUT /v2/models/x", "Authorization: Bearer writer\r\n", "", 400 },
        { "a name with a slash", "PUT /v2/models/a%2fb", "Authorization: Bearer writer\r\n", "x",
          400 },
    };
    test_peer p;
    test_peer_ready(&p, &server);
    for (size_t i = 0; i < BL_LEN(cases); i++) { /* all on one connection: it survives each */
        test_auto_answer a = { 0 };
        test_ask(&p, cases[i].line, cases[i].fields, bl_span_str(cases[i].body), &a);
        if (a.status != cases[i].status || a.closes || !a.code[0])
            fail_msg("%s: %d %.*s", cases[i].name, a.status, (int)a.body.size, (char *)a.body.data);
    }
    test_auto_answer good = { 0 };
    infer(&p, "digits", true, &good);
    CHECK(good.status == 200);
    test_peer_close(&p);
}

#define WRITER "Authorization: Bearer writer\r\n"

TEST(a_model_lives_from_upload_to_delete)
{
    test_peer p;
    test_peer_ready(&p, &server);
    static const struct {
        const char *line, *fields;
        bool        file;
        int         status;
    } steps[] = {
        { "PUT /v2/models/mine", WRITER, true, 201 },
        { "PUT /v2/models/mine", WRITER "If-None-Match: *\r\n", true, 409 },
        { "PUT /v2/models/mine", WRITER, true, 200 },
        { "POST /v2/repository/index", WRITER, false, 200 },
        { "POST /v2/repository/models/mine/unload", WRITER, false, 200 },
        { "POST /v2/repository/models/mine/load", WRITER, false, 200 },
        { "DELETE /v2/models/mine", WRITER, false, 200 },
        { "DELETE /v2/models/mine", WRITER, false, 404 },
    };
    for (size_t i = 0; i < BL_LEN(steps); i++) {
        test_auto_answer a = { 0 };
        test_ask(&p, steps[i].line, steps[i].fields,
                 steps[i].file ? bl_buf_span(&model_file) : NOTHING, &a);
        if (a.status != steps[i].status)
            fail_msg("step %zu: %d %.*s", i, a.status, (int)a.body.size, (char *)a.body.data);
        if (i == 0)
            CHECK(strstr(bl_buf_cstr(&a.body), "\"salt\":"));
        if (i == 3)
            CHECK(strstr(bl_buf_cstr(&a.body), "\"mine\""));
    }
    test_peer_close(&p);
}

TEST(an_upload_is_asked_for_new_evidence_before_it_answers)
{
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 }, c = { 0 };
    test_peer_ready(&p, &server);
    test_ask(&p, "PUT /v2/models/default", WRITER, bl_buf_span(&model_file), &a);
    CHECK(a.status == 201);
    infer(&p, "default", true, &b);
    CHECK(b.status == 409 && strcmp(b.code, "reattest") == 0);
    CHECK(test_peer_attest(&p) == 200);
    infer(&p, "default", true, &c);
    CHECK(c.status == 200);
    test_peer_close(&p);
}

TEST(an_expectation_is_met_after_the_verdict_alone)
{
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 }, c = { 0 };
    test_peer_open(&p, bl_server_port(server.server, BL_ON_ATTESTED));
    test_peer_printf(&p, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 256\r\nExpect: 100-continue\r\n\r\n");
    test_peer_read(&p, &a);
    CHECK(a.status == 428);
    test_peer_close(&p);
    test_peer_ready(&p, &server);
    test_peer_printf(&p, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 256\r\nExpect: 100-continue\r\n" BL_KSERVE_HEADER
                         ": 0\r\n\r\n");
    test_peer_read(&p, &b);
    CHECK(b.status == 100);
    CHECK(test_peer_send(&p, bl_span(image, sizeof image)));
    test_peer_read(&p, &c);
    CHECK(c.status == 200);
    test_peer_close(&p);
}

TEST(too_much_json_is_refused_before_it_is_read)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_ready(&p, &server);
    test_peer_printf(&p, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 16777217\r\n\r\n");
    test_peer_read(&p, &a);
    CHECK(a.status == 413 && a.closes);
    test_peer_close(&p);
}

TEST(pipelined_requests_are_answered_in_order)
{
    test_peer p;
    test_peer_ready(&p, &server);
    for (int i = 0; i < 20; i++)
        test_peer_printf(&p, "GET /v2/models/%s HTTP/1.1\r\nHost: h\r\n\r\n",
                         i % 2 ? "none" : "digits");
    for (int i = 0; i < 20; i++) {
        test_auto_answer a = { 0 };
        test_peer_read(&p, &a);
        CHECK(a.status == (i % 2 ? 404 : 200));
    }
    test_peer_close(&p);
}

TEST(version_1_0_and_close_end_the_connection)
{
    static const char *const heads[] = {
        "GET /v2 HTTP/1.0\r\n\r\n", "GET /v2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    };
    for (size_t i = 0; i < BL_LEN(heads); i++) {
        test_peer        p;
        test_auto_answer a = { 0 };
        test_peer_ready(&p, &server);
        test_peer_printf(&p, "%s", heads[i]);
        test_peer_read(&p, &a);
        CHECK(a.status == 200 && a.closes);
        CHECK(test_peer_closed(&p, 5000));
        test_peer_close(&p);
    }
}

TEST(the_helper_port_shows_and_the_attested_one_hides)
{
    static const struct {
        const char *line;
        int         status;
    } cases[] = {
        { "GET /", 200 },
        { "GET /evidence", 200 },
        { "GET /policy", 200 },
        { "GET /csr", 200 },
        { "GET /healthz", 200 },
        { "GET /readyz", 200 },
        { "GET /v2", 404 },
        { "GET /v2/models/digits", 404 },
        { "GET /metrics", 404 },
        { "POST /", 405 },
        { "POST /.well-known/blind/authenticator", 404 },
    };
    test_peer p;
    test_peer_open(&p, bl_server_port(server.server, BL_ON_HELPER));
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_auto_answer a = { 0 };
        test_ask(&p, cases[i].line, "", NOTHING, &a);
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].line, a.status);
        if (i == 0)
            CHECK(!strstr(bl_buf_cstr(&a.body), "digits") && strstr((char *)a.body.data, "sim"));
    }
    test_peer_close(&p);
}

TEST(metrics_name_no_model)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(bl_server_port(server.server, BL_ON_METRICS)) };
    char               text[65536];
    size_t             n = 0;
    ssize_t            got;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bl_auto_fd int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    static const char ask[] = "GET /metrics HTTP/1.0\r\n\r\n";
    CHECK(write(fd, ask, sizeof ask - 1) == (ssize_t)sizeof ask - 1);
    while ((got = read(fd, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    CHECK(strstr(text, "HTTP/1.1 200 OK") && strstr(text, "\nblind_attestations_total "));
    CHECK(!strstr(text, "digits") && !strstr(text, "mine"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(json_and_binary_say_the_same),
        RUN(wrong_requests_are_told_why_and_cost_nothing_more),
        RUN(a_model_lives_from_upload_to_delete),
        RUN(an_upload_is_asked_for_new_evidence_before_it_answers),
        RUN(an_expectation_is_met_after_the_verdict_alone),
        RUN(too_much_json_is_refused_before_it_is_read),
        RUN(pipelined_requests_are_answered_in_order),
        RUN(version_1_0_and_close_end_the_connection),
        RUN(the_helper_port_shows_and_the_attested_one_hides),
        RUN(metrics_name_no_model),
    };
    snprintf(tokens_path, sizeof tokens_path, "/tmp/blind-tokens-%ld", (long)getpid());
    return cmocka_run_group_tests(tests, start, stop);
}
