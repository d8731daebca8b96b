/* A language model behind OpenAI's API, over attested connections: what clients ask and read, what
 * they are refused, and what becomes of those that go. */
#include "tests/server/harness.h"

#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define MODEL  "examples/llm/demo-llm-f16.gguf"
#define DEMO   "demo=" MODEL
#define ASK    "\"model\":\"demo\",\"temperature\":0"
#define PROMPT ASK ",\"prompt\":\"The file is\""
#define CHAT   ASK ",\"messages\":[{\"role\":\"user\",\"content\":\"What is a file?\"}]"

/* Pages for all of it are reserved, and it ends soon. */
#define LONG "{" PROMPT ",\"max_tokens\":400,\"stop\":[\"a\",\"e\",\"i\",\"o\",\" \"]}"

static test_server server;

/* Room for one conversation of full length and little more, so that pages that are lost are missed.
 */
static int start(void **state)
{
    static const char *const settings[] = {
        "model",   DEMO, "model", "digits=examples/digits/model.onnx", "kv-memory", "3M",
        "threads", "1",  NULL
    };
    (void)state;
    test_server_start(&server, settings);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    test_server_stop(&server);
    return 0;
}

/* ---- asking ---- */

static void ask(test_peer *p, const char *path, const char *body, test_answer *out)
{
    char line[128];
    snprintf(line, sizeof line, "POST %s", path);
    test_ask(p, line, "Content-Type: application/json\r\n", bl_span_str(body), out);
}

/* On a connection of its own. */
static json_t *ask_once(const char *path, const char *body, int status)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_ready(&p, &server);
    ask(&p, path, body, &a);
    test_peer_close(&p);
    if (a.status != status)
        fail_msg("%s: %d %.*s", body, a.status, (int)a.body.size, (char *)a.body.data);
    json_t *root = json_loadb((const char *)a.body.data, a.body.size, 0, NULL);
    CHECK(root);
    return root;
}

/* What a path of keys and numbers leads to: "choices.0.text". */
static const json_t *at(const json_t *root, const char *path)
{
    char text[128], *save = NULL;
    snprintf(text, sizeof text, "%s", path);
    for (char *key = strtok_r(text, ".", &save); key; key = strtok_r(NULL, ".", &save))
        root = *key >= '0' && *key <= '9' ? json_array_get(root, strtoul(key, NULL, 10))
                                          : json_object_get(root, key);
    return root;
}

static const char *text_at(const json_t *root, const char *path)
{
    const char *text = json_string_value(at(root, path));
    if (!text)
        fail_msg("no text at %s", path);
    return text;
}

static int64_t number_at(const json_t *root, const char *path)
{
    CHECK(json_is_integer(at(root, path)));
    return json_integer_value(at(root, path));
}

/* ---- streams ---- */

typedef struct {
    char    text[8192]; /* of choice 0 */
    char    finish[32];
    size_t  chunks, usages, calls;
    bool    done;
    json_t *last;
} heard;

static void hear(heard *h, const char *data)
{
    if (strcmp(data, "[DONE]") == 0) {
        h->done = true;
        return;
    }
    CHECK(!h->done);
    json_t *chunk = json_loads(data, 0, NULL);
    CHECK(chunk);
    const json_t *choice = at(chunk, "choices.0");
    const char   *text = json_string_value(at(choice, "text"));
    const char   *finish = json_string_value(at(choice, "finish_reason"));
    if (!text)
        text = json_string_value(at(choice, "delta.content"));
    if (text && json_integer_value(at(choice, "index")) == 0)
        strncat(h->text, text, sizeof h->text - strlen(h->text) - 1);
    if (finish)
        snprintf(h->finish, sizeof h->finish, "%s", finish);
    h->calls += json_array_size(at(choice, "delta.tool_calls"));
    h->usages += json_is_object(at(chunk, "usage"));
    h->chunks++;
    json_decref(h->last);
    h->last = chunk;
}

static void ask_stream(const char *path, const char *body, heard *h)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    char            *save = NULL;
    *h = (heard){ 0 };
    test_peer_ready(&p, &server);
    ask(&p, path, body, &a);
    test_peer_close(&p);
    if (a.status != 200)
        fail_msg("%d %.*s", a.status, (int)a.body.size, (char *)a.body.data);
    CHECK(strncmp(a.type, "text/event-stream", 17) == 0);
    for (char *line = strtok_r(bl_buf_cstr(&a.body), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "data: ", 6) == 0)
            hear(h, line + 6);
}

static void heard_done(heard *h)
{
    json_decref(h->last);
}

/* ---- answers ---- */

TEST(models_are_listed_beside_others)
{
    test_peer        p;
    test_auto_answer a = { 0 }, one = { 0 }, other = { 0 }, none = { 0 };
    test_peer_ready(&p, &server);
    test_ask(&p, "GET /v1/models", "", (blind_span){ 0 }, &a);
    test_ask(&p, "GET /v1/models/demo", "", (blind_span){ 0 }, &one);
    test_ask(&p, "GET /v1/models/digits", "", (blind_span){ 0 }, &other);
    test_ask(&p, "GET /v1/models/nobody", "", (blind_span){ 0 }, &none);
    CHECK(a.status == 200 && one.status == 200 && other.status == 404 && none.status == 404);
    json_t *root = json_loads(bl_buf_cstr(&a.body), 0, NULL);
    CHECK(json_array_size(at(root, "data")) == 1);
    assert_string_equal(text_at(root, "data.0.id"), "demo");
    CHECK(strlen(text_at(root, "data.0.sha256")) == 64);
    json_decref(root);
    CHECK(strstr(bl_buf_cstr(&none.body), "\"code\":\"model_not_found\""));
    test_peer_close(&p);
}

TEST(a_completion_and_its_usage)
{
    json_t *root = ask_once("/v1/completions", "{" PROMPT ",\"max_tokens\":8}", 200);
    assert_string_equal(text_at(root, "object"), "text_completion");
    assert_string_equal(text_at(root, "choices.0.finish_reason"), "length");
    CHECK(strlen(text_at(root, "choices.0.text")) > 0);
    CHECK(strlen(text_at(root, "system_fingerprint")) == 64);
    CHECK(number_at(root, "usage.completion_tokens") == 8);
    CHECK(number_at(root, "usage.total_tokens") == number_at(root, "usage.prompt_tokens") + 8);
    json_decref(root);
}

TEST(a_chat_and_the_same_in_a_stream)
{
    heard   h;
    json_t *root = ask_once("/v1/chat/completions", "{" CHAT ",\"max_tokens\":40}", 200);
    ask_stream("/v1/chat/completions",
               "{" CHAT ",\"max_tokens\":40,\"stream\":true,"
               "\"stream_options\":{\"include_usage\":true}}",
               &h);
    assert_string_equal(text_at(root, "choices.0.message.role"), "assistant");
    assert_string_equal(text_at(root, "choices.0.message.content"), h.text);
    assert_string_equal(text_at(root, "choices.0.finish_reason"), h.finish);
    CHECK(h.done && h.usages == 1 && h.chunks > 4);
    CHECK(number_at(h.last, "usage.completion_tokens") ==
          number_at(root, "usage.completion_tokens"));
    heard_done(&h);
    json_decref(root);
}

TEST(a_text_to_stop_at_is_not_told)
{
    json_t     *whole = ask_once("/v1/completions", "{" PROMPT ",\"max_tokens\":24}", 200);
    const char *text = text_at(whole, "choices.0.text");
    char        body[512], stop[8];
    heard       h;
    CHECK(strlen(text) > 20);
    snprintf(stop, sizeof stop, "%.5s", text + 10);
    json_t *asked = json_pack("{s:s,s:i,s:s,s:i,s:[s],s:b}", "model", "demo", "temperature", 0,
                              "prompt", "The file is", "max_tokens", 24, "stop", stop, "stream", 1);
    char   *written = json_dumps(asked, 0);
    snprintf(body, sizeof body, "%s", written);
    ask_stream("/v1/completions", body, &h);
    size_t first = (size_t)(strstr(text, stop) - text);
    CHECK(strlen(h.text) == first && strncmp(h.text, text, first) == 0);
    assert_string_equal(h.finish, "stop");
    heard_done(&h);
    free(written);
    json_decref(asked);
    json_decref(whole);
}

TEST(logprobs_of_chats_and_completions)
{
    json_t *chat =
        ask_once("/v1/chat/completions",
                 "{" CHAT ",\"max_tokens\":5,\"logprobs\":true,\"top_logprobs\":3}", 200);
    json_t *text = ask_once("/v1/completions", "{" PROMPT ",\"max_tokens\":5,\"logprobs\":2}", 200);
    size_t  n = json_array_size(at(chat, "choices.0.logprobs.content"));
    CHECK(n == (size_t)number_at(chat, "usage.completion_tokens"));
    CHECK(json_array_size(at(chat, "choices.0.logprobs.content.0.top_logprobs")) == 3);
    double best =
        json_number_value(at(chat, "choices.0.logprobs.content.0.top_logprobs.0.logprob"));
    CHECK(best <= 0 && best == json_number_value(at(chat, "choices.0.logprobs.content.0.logprob")));
    CHECK(json_array_size(at(text, "choices.0.logprobs.tokens")) == 5);
    CHECK(json_array_size(at(text, "choices.0.logprobs.text_offset")) == 5);
    CHECK(json_object_size(at(text, "choices.0.logprobs.top_logprobs.0")) == 2);
    json_decref(chat);
    json_decref(text);
}

TEST(several_answers_to_several_prompts)
{
    json_t *root = ask_once("/v1/completions",
                            "{\"model\":\"demo\",\"prompt\":[\"The file is\",\"It was\"],\"n\":3,"
                            "\"seed\":5,\"max_tokens\":6}",
                            200);
    json_t *one = ask_once("/v1/completions",
                           "{\"model\":\"demo\",\"prompt\":\"The file is\",\"seed\":5,"
                           "\"max_tokens\":6}",
                           200);
    CHECK(json_array_size(at(root, "choices")) == 6);
    CHECK(number_at(root, "usage.completion_tokens") <= 36);
    assert_string_equal(text_at(root, "choices.0.text"), text_at(one, "choices.0.text"));
    CHECK(strcmp(text_at(root, "choices.0.text"), text_at(root, "choices.1.text")) != 0);
    json_decref(root);
    json_decref(one);
}

TEST(an_echo_stands_in_front)
{
    json_t *root = ask_once("/v1/completions", "{" PROMPT ",\"max_tokens\":0,\"echo\":true}", 200);
    json_t *more = ask_once("/v1/completions", "{" PROMPT ",\"max_tokens\":3,\"echo\":true}", 200);
    assert_string_equal(text_at(root, "choices.0.text"), "The file is");
    CHECK(strncmp(text_at(more, "choices.0.text"), "The file is", 11) == 0);
    CHECK(strlen(text_at(more, "choices.0.text")) > 11);
    json_decref(root);
    json_decref(more);
}

TEST(embeddings_have_length_one_and_tell_texts_apart)
{
    json_t *root =
        ask_once("/v1/embeddings",
                 "{\"model\":\"demo\",\"input\":[\"a file\",\"a file\",\"the sea\"]}", 200);
    double sum = 0;
    CHECK(json_array_size(at(root, "data")) == 3);
    CHECK(json_array_size(at(root, "data.0.embedding")) == 256);
    for (size_t i = 0; i < 256; i++) {
        double x = json_number_value(json_array_get(at(root, "data.0.embedding"), i));
        sum += x * x;
    }
    CHECK(sum > 0.9999 && sum < 1.0001);
    CHECK(json_equal(at(root, "data.0.embedding"), at(root, "data.1.embedding")));
    CHECK(!json_equal(at(root, "data.0.embedding"), at(root, "data.2.embedding")));
    CHECK(number_at(root, "usage.prompt_tokens") > 3);
    json_decref(root);
}

TEST(a_response_and_its_events)
{
    heard   h;
    json_t *root = ask_once(
        "/v1/responses", "{" ASK ",\"input\":\"What is a file?\",\"max_output_tokens\":12}", 200);
    ask_stream("/v1/responses",
               "{" ASK ",\"input\":\"What is a file?\",\"max_output_tokens\":12,\"stream\":true}",
               &h);
    assert_string_equal(text_at(root, "object"), "response");
    assert_string_equal(text_at(root, "output.0.content.0.text"),
                        text_at(h.last, "response.output.0.content.0.text"));
    CHECK(number_at(root, "usage.output_tokens") ==
          number_at(h.last, "response.usage.output_tokens"));
    assert_string_equal(text_at(h.last, "response.status"), text_at(root, "status"));
    heard_done(&h);
    json_decref(root);
}

/* ---- answers that must look like something ---- */

#define FORMAT(schema)                                                                             \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","               \
    "\"schema\":" schema "}}"

TEST(a_schema_is_kept)
{
    json_t *root =
        ask_once("/v1/chat/completions",
                 "{" CHAT ",\"max_tokens\":250," FORMAT(
                     "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"file\","
                     "\"folder\"]},\"big\":{\"type\":\"boolean\"}},\"required\":[\"kind\","
                     "\"big\"],\"additionalProperties\":false}") "}",
                 200);
    json_t *said = json_loads(text_at(root, "choices.0.message.content"), 0, NULL);
    if (!json_is_string(at(said, "kind")) || !json_is_boolean(at(said, "big")) ||
        json_object_size(said) != 2)
        fail_msg("%s", text_at(root, "choices.0.message.content"));
    assert_string_equal(text_at(root, "choices.0.finish_reason"), "stop");
    json_decref(said);
    json_decref(root);
}

TEST(a_json_object_is_one)
{
    json_t     *root = ask_once("/v1/completions",
                                "{" PROMPT ",\"max_tokens\":40,\"seed\":1,"
                                    "\"response_format\":{\"type\":\"json_object\"}}",
                                200);
    const char *text = text_at(root, "choices.0.text");
    CHECK(text[strspn(text, " \n\t")] == '{');
    if (strcmp(text_at(root, "choices.0.finish_reason"), "stop") == 0) {
        json_t *said = json_loads(text, 0, NULL);
        CHECK(json_is_object(said));
        json_decref(said);
    }
    json_decref(root);
}

TEST(a_schema_that_cannot_be_kept_is_refused)
{
    json_t *root = ask_once("/v1/chat/completions",
                            "{" CHAT "," FORMAT("{\"not\":{\"type\":\"string\"}}") "}", 400);
    assert_string_equal(text_at(root, "error.code"), "invalid_json_schema");
    json_decref(root);
}

#define TOOLS                                                                                      \
    "\"max_tokens\":200,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\","        \
    "\"parameters\":"                                                                              \
    "{\"type\":\"object\",\"properties\":{\"at\":{\"$ref\":\"#/$defs/"                             \
    "place\"}},\"required\":[\"at\"],"                                                             \
    "\"additionalProperties\":false,\"$defs\":{\"place\":{\"enum\":[\"home\",\"sea\"]}}}}},"       \
    "{\"type\":\"function\",\"function\":{\"name\":\"stop\"}}]"

static void check_look(const json_t *call)
{
    assert_string_equal(text_at(call, "type"), "function");
    assert_string_equal(text_at(call, "function.name"), "look");
    CHECK(strncmp(text_at(call, "id"), "call_", 5) == 0);
    json_t *arguments = json_loads(text_at(call, "function.arguments"), 0, NULL);
    CHECK(json_is_string(at(arguments, "at")));
    json_decref(arguments);
}

TEST(a_tool_that_must_be_called_is)
{
    static const char named[] =
        "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"look\"}}";
    char  body[1024];
    heard h;
    snprintf(body, sizeof body, "{" CHAT "," TOOLS ",%s}", named);
    json_t *root = ask_once("/v1/chat/completions", body, 200);
    CHECK(json_is_null(at(root, "choices.0.message.content")));
    CHECK(json_array_size(at(root, "choices.0.message.tool_calls")) == 1);
    check_look(at(root, "choices.0.message.tool_calls.0"));
    assert_string_equal(text_at(root, "choices.0.finish_reason"), "tool_calls");
    json_decref(root);
    snprintf(body, sizeof body, "{" CHAT "," TOOLS ",%s,\"stream\":true}", named);
    ask_stream("/v1/chat/completions", body, &h);
    assert_string_equal(h.finish, "tool_calls");
    CHECK(h.calls == 1 && h.text[0] == 0);
    heard_done(&h);
}

TEST(some_tool_that_must_be_called_is)
{
    json_t *root =
        ask_once("/v1/chat/completions", "{" CHAT "," TOOLS ",\"tool_choice\":\"required\"}", 200);
    CHECK(json_array_size(at(root, "choices.0.message.tool_calls")) == 1);
    json_decref(root);
    root = ask_once("/v1/chat/completions", "{" CHAT "," TOOLS ",\"tool_choice\":\"none\"}", 200);
    CHECK(!at(root, "choices.0.message.tool_calls"));
    json_decref(root);
}

TEST(a_response_calls_too)
{
    json_t *root =
        ask_once("/v1/responses",
                 "{" ASK ",\"input\":\"Look.\",\"max_output_tokens\":60,\"tools\":[{\"type\":"
                 "\"function\",\"name\":\"look\",\"parameters\":{\"type\":\"object\","
                 "\"properties\":{\"at\":{\"const\":\"sea\"}},\"required\":[\"at\"],"
                 "\"additionalProperties\":false}}],\"tool_choice\":\"required\"}",
                 200);
    assert_string_equal(text_at(root, "output.0.type"), "function_call");
    assert_string_equal(text_at(root, "output.0.arguments"), "{\"at\":\"sea\"}");
    json_decref(root);
}

/* ---- refusals ---- */

TEST(refusals_say_what_is_wrong)
{
    static const struct {
        const char *path, *body;
        int         status;
        const char *code, *param;
    } cases[] = {
        { "/v1/chat/completions",
          "{\"model\":\"nobody\",\"messages\":[{\"role\":\"user\","
          "\"content\":\"x\"}]}",
          404, "model_not_found", "model" },
        { "/v1/completions", "{\"model\":\"digits\",\"prompt\":\"x\"}", 404, "model_not_found",
          "model" },
        { "/v1/completions", "{", 400, "INPUT", NULL },
        { "/v1/completions", "{" PROMPT ",\"temperatur\":1}", 400, "unknown_parameter",
          "temperatur" },
        { "/v1/completions", "{" PROMPT ",\"suffix\":\"x\"}", 400, "unsupported_parameter",
          "suffix" },
        { "/v1/completions", "{\"model\":\"demo\",\"prompt\":[99999]}", 400, "INPUT", NULL },
        { "/v1/completions", "{" PROMPT ",\"max_tokens\":512}", 400, "context_length_exceeded",
          NULL },
        { "/v1/completions", "{" PROMPT ",\"logit_bias\":{\"2048\":1}}", 400, "INPUT", NULL },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        json_t *root = ask_once(cases[i].path, cases[i].body, cases[i].status);
        assert_string_equal(text_at(root, "error.code"), cases[i].code);
        CHECK(strlen(text_at(root, "error.type")) > 0 &&
              strlen(text_at(root, "error.message")) > 0);
        const char *param = json_string_value(at(root, "error.param"));
        CHECK(!param == !cases[i].param && (!param || strcmp(param, cases[i].param) == 0));
        json_decref(root);
    }
}

TEST(nothing_is_answered_before_the_attestation)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_open(&p, bl_server_port(server.server, BL_ON_ATTESTED));
    test_peer_printf(&p, "POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    test_peer_read(&p, &a);
    CHECK(a.status == 428 && strcmp(a.code, "attest") == 0);
    test_peer_close(&p);
}

static int put(const char *name, const char *path)
{
    test_peer        p;
    bl_auto_buf      file = BL_BUF_EMPTY;
    test_auto_answer a = { 0 };
    char             line[64];
    CHECK(bl_file_read(path, 1 << 24, &file, NULL) == BLIND_OK);
    snprintf(line, sizeof line, "PUT /v2/models/%s", name);
    test_peer_ready(&p, &server);
    test_ask(&p, line, "", bl_buf_span(&file), &a);
    test_peer_close(&p);
    return a.status;
}

/* The body names the model, and comes after the judgement. */
TEST(a_session_from_before_a_language_model_is_attested_again)
{
    test_peer        p;
    test_auto_answer other = { 0 }, old = { 0 }, again = { 0 };
    test_peer_ready(&p, &server);
    CHECK(put("other", "examples/digits/model.onnx") == 201);
    ask(&p, "/v1/completions", "{" PROMPT ",\"max_tokens\":1}", &other);
    CHECK(other.status == 200);
    CHECK(put("second", MODEL) == 201);
    ask(&p, "/v1/completions", "{" PROMPT ",\"max_tokens\":1}", &old);
    CHECK(old.status == 409 && strcmp(old.code, "reattest") == 0);
    CHECK(test_peer_attest(&p) == 200);
    ask(&p, "/v1/completions", "{" PROMPT ",\"max_tokens\":1}", &again);
    CHECK(again.status == 200);
    test_peer_close(&p);
}

TEST(logs_hold_nothing_of_what_is_said)
{
    static const char canary[] = "7f83c1d0a9e24b56";
    char              body[256];
    bl_auto_buf       log = BL_BUF_EMPTY;
    char              path[] = "/tmp/blind-llm-log-XXXXXX";
    int               fd = mkstemp(path);
    CHECK(fd >= 0);
    bl_log_open(BL_LOG_DEBUG, BL_LOG_JSON, fd);
    snprintf(body, sizeof body, "{" ASK ",\"prompt\":\"%s\",\"echo\":true,\"max_tokens\":2}",
             canary);
    json_t *root = ask_once("/v1/completions", body, 200);
    CHECK(strstr(text_at(root, "choices.0.text"), canary));
    json_decref(root);
    snprintf(body, sizeof body, "{" ASK ",\"prompt\":\"%s\",\"%s\":1}", canary, canary);
    json_decref(ask_once("/v1/completions", body, 400));
    bl_log_open(BL_LOG_OFF, BL_LOG_TEXT, STDERR_FILENO);
    CHECK(bl_file_read(path, 1 << 20, &log, NULL) == BLIND_OK);
    CHECK(strstr(bl_buf_cstr(&log), "/v1/completions") && !strstr(bl_buf_cstr(&log), canary));
    close(fd);
    unlink(path);
}

/* ---- many at once ---- */

typedef struct {
    char text[512];
    int  i;
} client;

static void complete(client *c)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"model\":\"demo\",\"prompt\":\"Number %d is\",\"seed\":7,\"max_tokens\":5}", c->i);
    json_t *root = ask_once("/v1/completions", body, 200);
    snprintf(c->text, sizeof c->text, "%s", text_at(root, "choices.0.text"));
    json_decref(root);
}

static void *run_client(void *arg)
{
    complete(arg);
    return NULL;
}

TEST(answers_are_the_same_alone_and_among_others)
{
    enum { CLIENTS = 24 }; /* more than there are pages for */
    static client alone[CLIENTS], together[CLIENTS];
    pthread_t     threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        alone[i].i = together[i].i = i;
        complete(&alone[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK(pthread_create(&threads[i], NULL, run_client, &together[i]) == 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CLIENTS; i++)
        assert_string_equal(alone[i].text, together[i].text);
}

/* ---- those that go ---- */

static void wait_until_idle(void)
{
    CHECK(bl_executor_idle(server.server->executor, 30000));
}

static void begin_stream(test_peer *p)
{
    static const char body[] = "{\"model\":\"demo\",\"prompt\":\"It\",\"max_tokens\":400,"
                               "\"stream\":true,\"logit_bias\":{\"0\":-100,\"1\":-100,\"2\":-100}}";
    test_peer_printf(p, "POST /v1/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
}

/* Until something of the answer is there. */
static void read_a_little(const test_peer *p)
{
    uint8_t bytes[4096];
    size_t  got = 0, all = 0;
    int     wants;
    while (all < 600) {
        blind_code code = bl_tls_read(p->ssl, bytes, sizeof bytes, &got, &wants, NULL);
        CHECK(code == BLIND_OK || code == BLIND_AGAIN);
        struct pollfd fd = { p->fd, POLLIN, 0 };
        if (code == BLIND_AGAIN)
            CHECK(poll(&fd, 1, 20000) > 0);
        all += got;
    }
}

static uint64_t cancelled(void)
{
    bl_executor_stats stats;
    bl_executor_stats_read(server.server->executor, &stats);
    return stats.cancelled;
}

TEST(who_goes_in_mid_stream_frees_the_place)
{
    uint64_t before = cancelled();
    for (int i = 0; i < 40; i++) { /* more than there are pages for */
        test_peer p;
        test_peer_ready(&p, &server);
        begin_stream(&p);
        read_a_little(&p);
        test_peer_close(&p);
    }
    wait_until_idle();
    CHECK(cancelled() > before);
    json_decref(ask_once("/v1/completions", LONG, 200));
}

TEST(a_thousand_who_go_leave_nothing)
{
    for (int i = 0; i < 250; i++) {
        test_peer p[4];
        for (size_t k = 0; k < BL_LEN(p); k++) {
            test_peer_ready(&p[k], &server);
            begin_stream(&p[k]);
        }
        for (size_t k = 0; k < BL_LEN(p); k++)
            test_peer_close(&p[k]);
    }
    wait_until_idle();
    json_decref(ask_once("/v1/completions", LONG, 200));
}

/* Of the server that guesses, and of one that does not. */
TEST(guesses_change_nothing)
{
    static const char *const plain[] = { "model", DEMO, "lookup", "0", "threads", "1", NULL };
    static const char *const ways[] = { "\"temperature\":0", "\"seed\":3" };
    test_server              t;
    test_peer                p;
    test_server_start(&t, plain);
    test_peer_ready(&p, &t);
    for (size_t i = 0; i < BL_LEN(ways); i++) {
        test_auto_answer a = { 0 };
        char             body[256];
        snprintf(body, sizeof body,
                 "{\"model\":\"demo\",\"prompt\":\"The file is the file is the file is the\","
                 "\"max_tokens\":24,\"logprobs\":1,%s}",
                 ways[i]);
        json_t *guessed = ask_once("/v1/completions", body, 200);
        ask(&p, "/v1/completions", body, &a);
        json_t *root = json_loads(bl_buf_cstr(&a.body), 0, NULL);
        CHECK(json_equal(at(root, "choices"), at(guessed, "choices")));
        json_decref(root);
        json_decref(guessed);
    }
    test_peer_close(&p);
    test_server_stop(&t);
}

TEST(a_full_queue_is_told)
{
    static const char *const small[] = { "model", DEMO, "max-queue", "1", "threads", "1", NULL };
    test_server              t;
    test_peer                busy, late;
    test_auto_answer         a = { 0 };
    test_server_start(&t, small);
    test_peer_ready(&busy, &t);
    test_peer_ready(&late, &t);
    begin_stream(&busy);
    read_a_little(&busy);
    ask(&late, "/v1/completions", "{" PROMPT ",\"max_tokens\":1}", &a);
    CHECK(a.status == 429 && strstr(bl_buf_cstr(&a.body), "rate_limit_exceeded"));
    test_peer_close(&busy);
    test_peer_close(&late);
    test_server_stop(&t);
}

TEST(a_connection_goes_on_after_a_stream)
{
    test_peer        p;
    test_auto_answer first = { 0 }, second = { 0 };
    test_peer_ready(&p, &server);
    ask(&p, "/v1/completions", "{" PROMPT ",\"max_tokens\":4,\"stream\":true}", &first);
    ask(&p, "/v1/completions", "{" PROMPT ",\"max_tokens\":4}", &second);
    CHECK(first.status == 200 && second.status == 200 && !first.closes);
    test_peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(models_are_listed_beside_others),
        RUN(a_completion_and_its_usage),
        RUN(a_chat_and_the_same_in_a_stream),
        RUN(a_text_to_stop_at_is_not_told),
        RUN(logprobs_of_chats_and_completions),
        RUN(several_answers_to_several_prompts),
        RUN(an_echo_stands_in_front),
        RUN(embeddings_have_length_one_and_tell_texts_apart),
        RUN(a_response_and_its_events),
        RUN(a_schema_is_kept),
        RUN(a_json_object_is_one),
        RUN(a_schema_that_cannot_be_kept_is_refused),
        RUN(a_tool_that_must_be_called_is),
        RUN(some_tool_that_must_be_called_is),
        RUN(a_response_calls_too),
        RUN(refusals_say_what_is_wrong),
        RUN(nothing_is_answered_before_the_attestation),
        RUN(a_session_from_before_a_language_model_is_attested_again),
        RUN(logs_hold_nothing_of_what_is_said),
        RUN(answers_are_the_same_alone_and_among_others),
        RUN(guesses_change_nothing),
        RUN(a_full_queue_is_told),
        RUN(a_connection_goes_on_after_a_stream),
        RUN(who_goes_in_mid_stream_frees_the_place),
        RUN(a_thousand_who_go_leave_nothing),
    };
    cmocka_set_test_filter(getenv("TEST_ONLY"));
    return cmocka_run_group_tests(tests, start, stop);
}
