/* The real server and the real client: the fence from outside, and a model from upload to answer.
 */
#include "base/hex.h"
#include "client/internal.h"
#include "crypto/hash.h"
#include "server/internal.h"
#include "tests/channel/peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

static bl_config     config;
static bl_server    *server;
static pthread_t     thread;
static blind_policy *policy;
static char          state_dir[] = "/tmp/blind-channel-XXXXXX";

static void ok(blind_code code, const blind_error *err)
{
    if (code != BLIND_OK)
        fail_msg("%s: %s", blind_code_name(code), err->message);
}

static void set(const char *flag, const char *value)
{
    blind_error err;
    for (size_t i = 0; i < bl_setting_count; i++)
        if (strcmp(bl_settings[i].flag, flag) == 0)
            ok(bl_config_set(&config, &bl_settings[i], value, &err), &err);
}

static void *run(void *arg)
{
    (void)arg;
    (void)!bl_server_run(server, NULL);
    return NULL;
}

static int setup(void **state)
{
    blind_error err;
    (void)state;
    policy = test_policy();
    CHECK(mkdtemp(state_dir) != NULL);
    ok(bl_config_init(&config, &err), &err);
    set("tee", "sim");
    set("listen", "127.0.0.1:0");
    set("helper-listen", "127.0.0.1:0");
    set("metrics-listen", "127.0.0.1:0");
    set("state-dir", state_dir);
    set("model", "operator=examples/digits/model.onnx");
    set("threads", "1");
    set("log-level", "off");
    ok(bl_config_check(&config, &err), &err);
    ok(bl_server_new(&config, &server, &err), &err);
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
    return 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    bl_server_stop(server);
    pthread_join(thread, NULL);
    bl_server_free(server);
    bl_config_done(&config);
    blind_policy_free(policy);
    snprintf(command, sizeof command, "rm -rf %s", state_dir);
    return system(command);
}

static blind_client *open_client(blind_policy *with)
{
    blind_client        *c;
    blind_error          err;
    blind_client_options options = {
        .dial = { .host = "127.0.0.1",
                  .port = bl_server_port(server, BL_ON_ATTESTED),
                  .policy = with,
                  .simulation = true },
    };
    ok(blind_client_open(&options, &c, NULL, &err), &err);
    return c;
}

/* ---- a client that keeps no rule ---- */

typedef struct {
    int            fd;
    SSL           *ssl;
    bl_tls_client *tls;
} raw;

static void raw_open(raw *r)
{
    bl_tls_client_options options = { .rule = BLIND_SERVER_ANY };
    struct sockaddr_in    to = { .sin_family = AF_INET,
                                 .sin_port = htons(bl_server_port(server, BL_ON_ATTESTED)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval        patience = { .tv_sec = 10 };
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    CHECK(connect(r->fd, (struct sockaddr *)&to, sizeof to) == 0);
    assert_int_equal(BLIND_OK, bl_tls_client_new(&options, &r->tls, NULL));
    r->ssl = bl_tls_client_session(r->tls, r->fd);
    CHECK(SSL_connect(r->ssl) == 1);
}

static void raw_close(raw *r)
{
    SSL_free(r->ssl);
    close(r->fd);
    bl_tls_client_free(r->tls);
}

static void raw_send(raw *r, blind_span bytes)
{
    size_t n;
    CHECK(SSL_write_ex(r->ssl, bytes.data, bytes.size, &n) == 1);
}

/* One answer: its status, or 0 when the connection ended first. */
static int raw_answer(raw *r)
{
    static uint8_t bytes[65536];
    bl_http_parser p;
    int            status = 0;
    bool           whole = false;
    bl_http_parser_init(&p, BL_HTTP_RESPONSE, NULL);
    for (size_t got; !whole && SSL_read_ex(r->ssl, bytes, 1, &got) == 1;) {
        bl_http_event event = BL_HTTP_HEAD;
        blind_span    input = bl_span(bytes, got), body;
        while (event != BL_HTTP_MORE && !whole) {
            size_t used;
            assert_int_equal(BLIND_OK, bl_http_parse(&p, input, &used, &event, &body, NULL));
            input = bl_span(input.data + used, input.size - used);
            whole = event == BL_HTTP_END;
        }
    }
    if (whole)
        status = p.head.status;
    bl_http_parser_done(&p);
    return status;
}

static void add_attest(bl_buf *out, const char *type, uint8_t seed)
{
    bl_auto_buf body = BL_BUF_EMPTY;
    uint8_t     context[BL_CONTEXT_SIZE] = { seed };
    bl_authenticator_request_write(&body, context);
    bl_buf_printf(out,
                  "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                  BL_AUTHENTICATOR_PATH, type, body.size);
    bl_buf_add(out, bl_buf_span(&body));
}

#define GET_INDEX  "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST_INFER "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

TEST(nothing_is_answered_before_the_attestation)
{
    static const char *const requests[] = { GET_INDEX, POST_INFER,
                                            "GET /no/such/path HTTP/1.1\r\nHost: x\r\n\r\n" };
    for (size_t i = 0; i < BL_LEN(requests); i++) {
        raw r;
        raw_open(&r);
        raw_send(&r, bl_span_str(requests[i]));
        assert_int_equal(428, raw_answer(&r));
        raw_close(&r);
    }
}

TEST(the_attestation_comes_first_or_never)
{
    raw         r;
    bl_auto_buf out = BL_BUF_EMPTY;
    raw_open(&r);
    raw_send(&r, BL_LITERAL(GET_INDEX));
    assert_int_equal(428, raw_answer(&r));
    add_attest(&out, BL_AUTHENTICATOR_REQUEST_TYPE, 1);
    raw_send(&r, bl_buf_span(&out));
    assert_int_equal(403, raw_answer(&r));
    assert_int_equal(0, raw_answer(&r)); /* and closed */
    raw_close(&r);
}

TEST(nothing_may_be_sent_behind_the_attestation_before_its_answer)
{
    raw         r;
    bl_auto_buf out = BL_BUF_EMPTY;
    raw_open(&r);
    add_attest(&out, BL_AUTHENTICATOR_REQUEST_TYPE, 1);
    bl_buf_add_str(&out, GET_INDEX);
    raw_send(&r, bl_buf_span(&out));
    assert_int_equal(403, raw_answer(&r));
    assert_int_equal(0, raw_answer(&r));
    raw_close(&r);
}

TEST(a_context_is_taken_once)
{
    raw         r;
    bl_auto_buf out = BL_BUF_EMPTY;
    raw_open(&r);
    add_attest(&out, BL_AUTHENTICATOR_REQUEST_TYPE, 1);
    raw_send(&r, bl_buf_span(&out));
    assert_int_equal(200, raw_answer(&r));
    raw_send(&r, bl_buf_span(&out));
    assert_int_equal(400, raw_answer(&r));
    assert_int_equal(0, raw_answer(&r));
    raw_close(&r);
}

TEST(another_version_is_told_which_is_spoken)
{
    raw         r;
    bl_auto_buf out = BL_BUF_EMPTY;
    raw_open(&r);
    add_attest(&out, "application/vnd.blind.authenticator-request.v2", 1);
    raw_send(&r, bl_buf_span(&out));
    assert_int_equal(415, raw_answer(&r));
    raw_close(&r);
}

TEST(a_malformed_request_for_evidence_is_refused)
{
    raw r;
    raw_open(&r);
    raw_send(&r, BL_LITERAL("POST " BL_AUTHENTICATOR_PATH
                            " HTTP/1.1\r\nHost: x\r\nContent-Type: " BL_AUTHENTICATOR_REQUEST_TYPE
                            "\r\nContent-Length: 5\r\n\r\nhello"));
    assert_int_equal(400, raw_answer(&r));
    assert_int_equal(0, raw_answer(&r));
    raw_close(&r);
}

/* ---- models ---- */

static void model_file(bl_buf *out)
{
    FILE   *f = fopen("examples/digits/model.onnx", "rb");
    uint8_t piece[65536];
    assert_non_null(f);
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
        bl_buf_add(out, bl_span(piece, n));
    fclose(f);
}

static const blind_tensor *infer_once(blind_client *c, const char *model, blind_outputs *out)
{
    static float pixels[64];
    blind_tensor in = { .dtype = BLIND_F32,
                        .rank = 4,
                        .shape = { 1, 1, 8, 8 },
                        .data = pixels,
                        .size = sizeof pixels };
    blind_error  err;
    ok(blind_client_infer(c, model, &in, 1, out, &err), &err);
    assert_int_equal(1, out->count);
    return &out->tensors[0];
}

TEST(upload_then_infer_on_one_session)
{
    bl_auto_buf      model = BL_BUF_EMPTY;
    blind_model_info info;
    blind_outputs    out;
    blind_error      err;
    char            *json;
    blind_client    *c = open_client(policy);
    model_file(&model);
    ok(blind_client_upload_bytes(c, "digits", bl_buf_span(&model), NULL, &info, &err), &err);
    assert_int_equal(model.size, info.size);
    assert_int_equal(64, strlen(info.salt)); /* a stranger's digest is salted */
    const blind_tensor *t = infer_once(c, "digits", &out);
    assert_int_equal(BLIND_F32, t->dtype);
    assert_int_equal(10 * sizeof(float), t->size);
    blind_outputs_done(&out);
    ok(blind_client_metadata(c, "digits", &json, &err), &err);
    assert_non_null(strstr(json, "FP32"));
    free(json);
    ok(blind_client_index(c, &json, &err), &err);
    assert_non_null(strstr(json, "digits"));
    free(json);
    ok(blind_client_delete(c, "digits", &err), &err);
    CHECK_CODE(BLIND_NOT_FOUND, blind_client_delete(c, "digits", &err), "twice");
    blind_client_close(c);
}

static uint64_t log_length(blind_client *c)
{
    char       *json = blind_client_verdict_json(c);
    const char *at = strstr(json, "\"length\":");
    assert_non_null(at);
    uint64_t n = strtoull(at + 9, NULL, 10);
    free(json);
    return n;
}

TEST(a_model_replaced_under_a_live_session_is_attested_first)
{
    bl_auto_buf   model = BL_BUF_EMPTY;
    blind_outputs out;
    blind_error   err;
    blind_client *owner = open_client(policy), *reader = open_client(policy);
    model_file(&model);
    ok(blind_client_upload_bytes(owner, "m", bl_buf_span(&model), NULL, NULL, &err), &err);
    uint64_t before = log_length(reader);
    infer_once(reader, "m", &out);
    blind_outputs_done(&out);
    uint64_t loaded = log_length(reader);
    CHECK(loaded > before); /* the answer came after a verdict that has seen the model */
    ok(blind_client_upload_bytes(owner, "m", bl_buf_span(&model), NULL, NULL, &err), &err);
    infer_once(reader, "m", &out);
    blind_outputs_done(&out);
    CHECK(log_length(reader) > loaded);
    ok(blind_client_delete(owner, "m", &err), &err);
    blind_client_close(owner);
    blind_client_close(reader);
}

/* ---- policies that pin models ---- */

/* A policy for this program that pins one model's digest; flipped: in one bit. */
static blind_policy *pinning(const char *name, bool flipped)
{
    bl_auto_buf   model = BL_BUF_EMPTY;
    uint8_t       digest[32];
    char          hex[65];
    char         *text;
    blind_policy *with;
    blind_error   err;
    model_file(&model);
    assert_int_equal(BLIND_OK, bl_sha256(bl_buf_span(&model), digest));
    digest[31] = (uint8_t)(digest[31] ^ flipped);
    bl_hex_encode(bl_span(digest, 32), hex);
    blind_policy_model  pin = { .name = name, .sha256 = hex };
    blind_policy_recipe recipe = {
        .tee = "sim", .binary = "/proc/self/exe", .server = "any", .models = &pin, .models_len = 1
    };
    ok(blind_policy_create(&recipe, &text, &err), &err);
    ok(blind_policy_load_text(bl_span_str(text), &with, &err), &err);
    free(text);
    return with;
}

static blind_code dial_with(blind_policy *with, blind_error *err)
{
    blind_client        *c;
    blind_client_options options = {
        .dial = { .host = "127.0.0.1",
                  .port = bl_server_port(server, BL_ON_ATTESTED),
                  .policy = with,
                  .simulation = true },
    };
    blind_code code = blind_client_open(&options, &c, NULL, err);
    blind_client_close(c);
    return code;
}

TEST(a_pinned_model_is_the_one_or_none)
{
    blind_error   err;
    blind_policy *right = pinning("operator", false), *wrong = pinning("operator", true);
    blind_policy *other = pinning("another", false);
    CHECK_CODE(BLIND_OK, dial_with(right, &err), "the operator's model");
    CHECK_CODE(BLIND_MODEL, dial_with(wrong, &err), "one bit of the digest");
    CHECK_CODE(BLIND_MODEL, dial_with(other, &err), "a model that is not loaded");
    blind_policy_free(right);
    blind_policy_free(wrong);
    blind_policy_free(other);
}

/* A stranger loads a model that the policy does not name: the next verdict refuses. */
TEST(another_model_beside_the_pinned_one_is_seen_at_the_next_verdict)
{
    bl_auto_buf   model = BL_BUF_EMPTY;
    blind_outputs out;
    blind_error   err;
    blind_policy *pinned = pinning("operator", false);
    blind_client *c = open_client(pinned), *stranger = open_client(policy);
    model_file(&model);
    infer_once(c, "operator", &out);
    blind_outputs_done(&out);
    ok(blind_client_upload_bytes(stranger, "x", bl_buf_span(&model), NULL, NULL, &err), &err);
    infer_once(c, "operator", &out); /* its model has not changed */
    blind_outputs_done(&out);
    CHECK_CODE(BLIND_MODEL, blind_client_reattest(c, &err), "the new verdict");
    ok(blind_client_delete(stranger, "x", &err), &err);
    ok(blind_client_reattest(c, &err), &err);
    blind_client_close(c);
    blind_client_close(stranger);
    blind_policy_free(pinned);
}

TEST(a_stranger_cannot_replace_the_operators_model)
{
    bl_auto_buf   model = BL_BUF_EMPTY;
    blind_error   err;
    blind_client *stranger = open_client(policy);
    model_file(&model);
    CHECK_CODE(
        BLIND_DENIED,
        blind_client_upload_bytes(stranger, "operator", bl_buf_span(&model), NULL, NULL, &err),
        "upload");
    CHECK_CODE(BLIND_DENIED, blind_client_delete(stranger, "operator", &err), "delete");
    blind_client_close(stranger);
}

TEST(the_readme_example_runs)
{
    char        path[64] = "/tmp/blind-policy-XXXXXX", command[512];
    const char *text = blind_policy_text(policy);
    int         fd = mkstemp(path);
    assert_int_equal(strlen(text), write(fd, text, strlen(text)));
    close(fd);
    snprintf(command, sizeof command, "%s https://127.0.0.1:%u %s %s >/dev/null 2>&1",
             EXAMPLE_INFER, bl_server_port(server, BL_ON_ATTESTED), path, "operator");
    assert_int_equal(0, system(command));
    snprintf(command, sizeof command, "%s https://127.0.0.1:%u %s %s >/dev/null 2>&1",
             EXAMPLE_INFER, bl_server_port(server, BL_ON_HELPER), path, "operator");
    assert_int_equal(10 << 8, system(command)); /* the helper port is no enclave */
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(nothing_is_answered_before_the_attestation),
        RUN(the_attestation_comes_first_or_never),
        RUN(nothing_may_be_sent_behind_the_attestation_before_its_answer),
        RUN(a_context_is_taken_once),
        RUN(another_version_is_told_which_is_spoken),
        RUN(a_malformed_request_for_evidence_is_refused),
        RUN(upload_then_infer_on_one_session),
        RUN(a_pinned_model_is_the_one_or_none),
        RUN(another_model_beside_the_pinned_one_is_seen_at_the_next_verdict),
        RUN(a_stranger_cannot_replace_the_operators_model),
        RUN(the_readme_example_runs),
        RUN(a_model_replaced_under_a_live_session_is_attested_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
