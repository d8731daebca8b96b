/* OpenAI's bodies: what is taken, what is refused and under which name; answers as clients read
 * them. */
#include "http/openai_write.h"
#include "tests/test.h"

/* In an exactly sized copy, so that a read past the end is seen. */
static blind_code read_body(bl_openai_kind kind, const char *text, bl_openai_request *r,
                            blind_error *err)
{
    size_t             n = strlen(text);
    bl_auto_free void *copy = malloc(n ? n : 1);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(copy, text, n);
    return bl_openai_request_read(kind, bl_span(copy, n), r, err);
}

#define HI "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define TOOL                                                                                       \
    "{\"type\":\"function\",\"function\":{\"name\":\"w\",\"parameters\":{\"type\":\"object\"}}}"
#define CHAT  BL_OPENAI_CHAT
#define COMP  BL_OPENAI_COMPLETION
#define EMBED BL_OPENAI_EMBEDDINGS
#define RESP  BL_OPENAI_RESPONSE

static const struct {
    const char    *name;
    bl_openai_kind kind;
    const char    *json;
    blind_code     want;
    const char    *field;
} cases[] = {
    { "a chat", CHAT, "{" HI "}", BLIND_OK, "" },
    { "nulls are nothing", CHAT, "{" HI ",\"stop\":null,\"tools\":null,\"functions\":null}",
      BLIND_OK, "" },
    { "all that samples", CHAT,
      "{" HI ",\"temperature\":0,\"top_p\":1,\"top_k\":3,\"min_p\":0.5,\"typical_p\":0.5,"
      "\"repetition_penalty\":1.5,\"presence_penalty\":-2,\"frequency_penalty\":2,\"seed\":-1}",
      BLIND_OK, "" },
    { "tools", CHAT, "{" HI ",\"tools\":[" TOOL "],\"tool_choice\":\"required\"}", BLIND_OK, "" },
    { "a response", RESP, "{\"model\":\"m\",\"input\":\"hi\",\"store\":false}", BLIND_OK, "" },
    { "a completion", COMP, "{\"model\":\"m\",\"prompt\":[[1,2],[3]],\"best_of\":1}", BLIND_OK,
      "" },
    { "embeddings", EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}", BLIND_OK, "" },

    { "nothing", CHAT, "", BLIND_INPUT, "" },
    { "half", CHAT, "{\"model\":", BLIND_INPUT, "" },
    { "a list", CHAT, "[]", BLIND_INPUT, "" },
    { "a key twice", CHAT, "{" HI ",\"model\":\"m\"}", BLIND_INPUT, "" },
    { "no model", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", BLIND_INPUT,
      "model" },
    { "no messages", CHAT, "{\"model\":\"m\"}", BLIND_INPUT, "messages" },
    { "empty messages", CHAT, "{\"model\":\"m\",\"messages\":[]}", BLIND_INPUT, "messages" },
    { "an unknown field", CHAT, "{" HI ",\"tempreature\":1}", BLIND_INPUT, "tempreature" },
    { "a field of another kind", EMBED, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}",
      BLIND_INPUT, "stream" },
    { "a number as text", CHAT, "{" HI ",\"temperature\":\"1\"}", BLIND_INPUT, "temperature" },
    { "too hot", CHAT, "{" HI ",\"temperature\":2.1}", BLIND_INPUT, "temperature" },
    { "half a choice", CHAT, "{" HI ",\"n\":1.5}", BLIND_INPUT, "n" },
    { "too many choices", CHAT, "{" HI ",\"n\":17}", BLIND_INPUT, "n" },
    { "no tokens", CHAT, "{" HI ",\"max_tokens\":0}", BLIND_INPUT, "max_tokens" },
    { "a stop that stops always", CHAT, "{" HI ",\"stop\":\"\"}", BLIND_INPUT, "stop" },
    { "a bias of a word", CHAT, "{" HI ",\"logit_bias\":{\"cat\":1}}", BLIND_INPUT, "logit_bias" },
    { "a bias past its bound", CHAT, "{" HI ",\"logit_bias\":{\"1\":101}}", BLIND_INPUT,
      "logit_bias" },
    { "top_logprobs alone", CHAT, "{" HI ",\"top_logprobs\":2}", BLIND_INPUT, "top_logprobs" },
    { "usage without a stream", CHAT, "{" HI ",\"stream_options\":{\"include_usage\":true}}",
      BLIND_INPUT, "stream_options" },
    { "a choice without tools", CHAT, "{" HI ",\"tool_choice\":\"required\"}", BLIND_INPUT,
      "tool_choice" },
    { "a choice of nothing", CHAT,
      "{" HI ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\","
      "\"function\":{\"name\":\"v\"}}}",
      BLIND_INPUT, "tool_choice" },
    { "a tool twice", CHAT, "{" HI ",\"tools\":[" TOOL "," TOOL "]}", BLIND_INPUT, "tools[1]" },
    { "a tool without a name", CHAT, "{" HI ",\"tools\":[{\"type\":\"function\"}]}", BLIND_INPUT,
      "tools[0]" },
    { "another kind of tool", RESP,
      "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"web_search\"}]}", BLIND_UNSUPPORTED,
      "tools[0]" },
    { "an unknown role", CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"cat\",\"content\":\"x\"}]}", BLIND_INPUT,
      "messages[0]" },
    { "a user without content", CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
      BLIND_INPUT, "messages[0]" },
    { "a picture", CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
      "[{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]}",
      BLIND_UNSUPPORTED, "messages[0]" },
    { "a tool's answer to nothing", CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", BLIND_INPUT,
      "messages[0]" },
    { "arguments that are no JSON", CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\","
      "\"type\":\"function\",\"function\":{\"name\":\"w\",\"arguments\":\"{\"}}]}]}",
      BLIND_INPUT, "messages[0]" },
    { "a schema that is none", CHAT,
      "{" HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}", BLIND_INPUT,
      "response_format" },
    { "functions of old", CHAT, "{" HI ",\"functions\":[{}]}", BLIND_UNSUPPORTED, "functions" },
    { "kept", CHAT, "{" HI ",\"store\":true}", BLIND_UNSUPPORTED, "store" },
    { "the best of two", COMP, "{\"model\":\"m\",\"prompt\":\"x\",\"best_of\":2}",
      BLIND_UNSUPPORTED, "best_of" },
    { "a suffix", COMP, "{\"model\":\"m\",\"prompt\":\"x\",\"suffix\":\"y\"}", BLIND_UNSUPPORTED,
      "suffix" },
    { "a token that is none", COMP, "{\"model\":\"m\",\"prompt\":[1,-1]}", BLIND_INPUT, "prompt" },
    { "no prompt in a list", COMP, "{\"model\":\"m\",\"prompt\":[]}", BLIND_INPUT, "prompt" },
    { "other dimensions", EMBED, "{\"model\":\"m\",\"input\":\"x\",\"dimensions\":3}",
      BLIND_UNSUPPORTED, "dimensions" },
    { "what went before", RESP, "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"r\"}",
      BLIND_UNSUPPORTED, "previous_response_id" },
    { "deeper than the bound", CHAT,
      "{" HI ",\"metadata\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
      "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
      BLIND_LIMIT, "" },
};

TEST(bodies_are_taken_or_refused_by_name)
{
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_openai_request r;
        blind_error       err = { 0 };
        CHECK_CODE(cases[i].want, read_body(cases[i].kind, cases[i].json, &r, &err), cases[i].name);
        if (strcmp(r.field, cases[i].field) != 0)
            fail_msg("%s: '%s'", cases[i].name, r.field);
        bl_openai_request_done(&r);
    }
}

TEST(every_prefix_is_refused)
{
    const char *whole = "{" HI ",\"stop\":[\"a\"],\"logit_bias\":{\"1\":2},\"tools\":[" TOOL "]}";
    char        part[512];
    for (size_t n = 0; n < strlen(whole); n++) {
        bl_openai_request r;
        snprintf(part, sizeof part, "%.*s", (int)n, whole);
        CHECK_CODE(BLIND_INPUT, read_body(CHAT, part, &r, NULL), part);
        bl_openai_request_done(&r);
    }
}

/* What a chat template is given. */
static void expect_messages(bl_openai_kind kind, const char *body, const char *want)
{
    bl_openai_request r;
    blind_error       err = { 0 };
    if (read_body(kind, body, &r, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    char *text = json_dumps(r.messages, JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    bl_openai_request_done(&r);
}

TEST(messages_are_as_templates_take_them)
{
    expect_messages(CHAT,
                    "{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":"
                    "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
                    "{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_calls\":["
                    "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"w\","
                    "\"arguments\":\"{\\\"x\\\": 1}\"}}]},"
                    "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"7\"}]}",
                    "[{\"role\":\"system\",\"content\":\"ab\"},{\"role\":\"assistant\","
                    "\"content\":\"\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
                    "\"function\":{\"name\":\"w\",\"arguments\":{\"x\":1}}}]},"
                    "{\"role\":\"tool\",\"content\":\"7\",\"tool_call_id\":\"c\"}]");
    expect_messages(RESP,
                    "{\"input\":[{\"role\":\"user\",\"content\":\"hi\"},"
                    "{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"w\","
                    "\"arguments\":\"{}\"},{\"type\":\"function_call\",\"call_id\":\"d\","
                    "\"name\":\"w\",\"arguments\":\"\"},{\"type\":\"function_call_output\","
                    "\"call_id\":\"c\",\"output\":\"7\"}],\"instructions\":\"be\",\"model\":\"m\"}",
                    "[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":"
                    "\"hi\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":"
                    "\"c\",\"type\":\"function\",\"function\":{\"name\":\"w\",\"arguments\":{}}},"
                    "{\"id\":\"d\",\"type\":\"function\",\"function\":{\"name\":\"w\","
                    "\"arguments\":{}}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\","
                    "\"content\":\"7\"}]");
}

TEST(values_come_as_they_were_sent)
{
    bl_openai_request r;
    CHECK(read_body(CHAT,
                    "{" HI ",\"stop\":[\"a\",\"bc\"],\"logit_bias\":{\"7\":-100},\"logprobs\":true,"
                    "\"top_logprobs\":3,\"seed\":42,\"max_completion_tokens\":9,\"stream\":true,"
                    "\"ignore_eos\":true,\"stream_options\":{\"include_usage\":true},\"top_k\":5,"
                    "\"min_p\":0.25}",
                    &r, NULL) == BLIND_OK);
    CHECK(r.stops_len == 2 && r.stops[1].size == 2 && r.bias_len == 1 && r.bias[0].token == 7);
    CHECK(r.bias[0].bias == -100.0f && r.logprobs == 3 && r.has_seed && r.seed == 42);
    CHECK(r.max_tokens == 9 && r.stream && r.include_usage && r.top_k == 5 && r.min_p == 0.25);
    CHECK(r.temperature == 1 && r.parallel_tool_calls && r.n == 1 && r.ignore_eos);
    bl_openai_request_done(&r);
    CHECK(read_body(COMP, "{\"model\":\"m\",\"prompt\":[\"a\",[1,2]],\"logprobs\":0}", &r, NULL) ==
          BLIND_OK);
    CHECK(r.prompts_len == 2 && r.prompts[0].text.size == 1 && r.prompts[1].len == 2 &&
          r.prompts[1].ids[1] == 2 && r.logprobs == 0 && r.max_tokens == 16);
    bl_openai_request_done(&r);
}

/* ---- written ---- */

static const bl_openai_reply chat = { CHAT, "1", "m", "ff", 5 };

static void expect(bl_buf *out, const char *want)
{
    assert_string_equal(bl_buf_cstr(out), want);
    bl_buf_done(out);
}

TEST(answers_read_as_openai_writes_them)
{
    bl_buf           out = BL_BUF_EMPTY;
    bl_openai_usage  usage = { 3, 2, 4 };
    bl_openai_answer a = { .logprobs = BL_OPENAI_LOGPROBS_EMPTY, .finish = BL_OPENAI_STOP };
    bl_openai_token  token = { BL_LITERAL("h\xc3"), -0.5f };
    bl_buf_add_str(&a.text, "h\xc3\xa9\n\"\x01\xff");
    bl_openai_logprobs_add(&a.logprobs, CHAT, &token, &token, 1);
    bl_openai_write_answers(&out, &chat, &a, 1, true, &usage);
    expect(&out,
           "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"m\","
           "\"system_fingerprint\":\"ff\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
           "\"assistant\",\"content\":\"h\xc3\xa9\\n\\\"\\u0001\xef\xbf\xbd\",\"refusal\":null},"
           "\"logprobs\":{\"content\":[{\"token\":\"h\xef\xbf\xbd\",\"logprob\":-0.5,"
           "\"bytes\":[104,195],\"top_logprobs\":[{\"token\":\"h\xef\xbf\xbd\",\"logprob\":-0.5,"
           "\"bytes\":[104,195]}]}],\"refusal\":null},\"finish_reason\":\"stop\"}],"
           "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7,"
           "\"prompt_tokens_details\":{\"cached_tokens\":2}}}");
    bl_openai_answer_done(&a);
}

TEST(calls_read_as_openai_writes_them)
{
    bl_buf           out = BL_BUF_EMPTY;
    bl_openai_answer a = { .finish = BL_OPENAI_TOOL_CALLS };
    bl_openai_call  *call = bl_openai_answer_add_call(&a);
    snprintf(call->id, sizeof call->id, "call_1");
    bl_buf_add_str(&call->name, "w");
    bl_buf_add_str(&call->arguments, "{\"x\":1}");
    bl_openai_delta delta = { .choice = 1, .call = call };
    bl_openai_write_delta(&out, &chat, &delta, true);
    expect(&out,
           "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":5,"
           "\"model\":\"m\",\"system_fingerprint\":\"ff\",\"choices\":[{\"index\":1,\"delta\":{"
           "\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{"
           "\"name\":\"w\",\"arguments\":\"{\\\"x\\\":1}\"}}]},\"logprobs\":null,"
           "\"finish_reason\":null}],\"usage\":null}\n\n");
    bl_openai_answer_done(&a);
}

TEST(a_completion_lists_its_logprobs)
{
    bl_buf             out = BL_BUF_EMPTY;
    bl_openai_reply    r = { COMP, "1", "m", NULL, 5 };
    bl_openai_logprobs l = BL_OPENAI_LOGPROBS_EMPTY;
    bl_openai_token    one = { BL_LITERAL("ab"), -1 }, other = { BL_LITERAL("\xe2"), -2 };
    bl_openai_logprobs_add(&l, COMP, &one, &other, 1);
    bl_openai_logprobs_add(&l, COMP, &other, NULL, 0);
    bl_openai_delta delta = { .text = BL_LITERAL("ab"),
                              .logprobs = &l,
                              .finish = BL_OPENAI_LENGTH };
    bl_openai_write_delta(&out, &r, &delta, false);
    expect(&out, "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":5,\"model\":"
                 "\"m\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"text\":\"ab\","
                 "\"logprobs\":{\"tokens\":[\"ab\",\"bytes:\\\\xe2\"],\"token_logprobs\":[-1,-2],"
                 "\"top_logprobs\":[{\"bytes:\\\\xe2\":-2},{}],\"text_offset\":[0,2]},"
                 "\"finish_reason\":\"length\"}]}\n\n");
    bl_openai_logprobs_done(&l);
}

TEST(errors_and_embeddings)
{
    bl_buf          out = BL_BUF_EMPTY;
    bl_openai_reply r = { EMBED, "1", "m", NULL, 5 };
    bl_openai_usage usage = { 3, 0, 0 };
    const float     rows[] = { 1, -0.5f };
    bl_openai_write_error(&out, 404, "no \"x\"", "model", "model_not_found");
    expect(&out, "{\"error\":{\"message\":\"no \\\"x\\\"\",\"type\":\"not_found_error\","
                 "\"param\":\"model\",\"code\":\"model_not_found\"},\"code\":\"model_not_found\"}");
    bl_openai_write_embeddings(&out, &r, rows, 2, 1, false, &usage);
    expect(&out, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
                 "\"embedding\":[1]},{\"object\":\"embedding\",\"index\":1,\"embedding\":[-0.5]}],"
                 "\"model\":\"m\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}");
    bl_openai_write_embeddings(&out, &r, rows, 1, 2, true, &usage);
    CHECK(strstr(bl_buf_cstr(&out), "\"embedding\":\"AACAPwAAAL8=\""));
    bl_buf_done(&out);
}

/* Each event is JSON with the next number; returns how many there are. */
static size_t check_events(bl_buf *out)
{
    size_t n = 0;
    char  *save = NULL;
    for (char *line = strtok_r(bl_buf_cstr(out), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "data: ", 6) != 0)
            continue;
        json_t *event = json_loads(line + 6, 0, NULL);
        CHECK(event);
        CHECK(json_integer_value(json_object_get(event, "sequence_number")) == (json_int_t)n++);
        json_decref(event);
    }
    return n;
}

TEST(a_response_tells_its_items_one_after_another)
{
    bl_buf            out = BL_BUF_EMPTY;
    bl_openai_reply   r = { RESP, "1", "m", "ff", 5 };
    bl_openai_usage   usage = { 3, 0, 4 };
    bl_openai_events  e = { 0 };
    bl_openai_answer  a = { .finish = BL_OPENAI_TOOL_CALLS };
    bl_openai_request asked;
    CHECK(read_body(RESP, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}", &asked, NULL) ==
          BLIND_OK);
    bl_openai_events_begin(&out, &e, &r, &asked);
    bl_buf_add_str(&a.text, "hi");
    bl_openai_events_text(&out, &e, &r, BL_LITERAL("hi"));
    bl_openai_call *call = bl_openai_answer_add_call(&a);
    bl_buf_add_str(&call->name, "w");
    bl_openai_events_call(&out, &e, &r, &a, call);
    bl_openai_events_end(&out, &e, &r, &asked, &a, &usage);
    CHECK(strstr(bl_buf_cstr(&out), "event: response.completed\n"));
    CHECK(strstr(bl_buf_cstr(&out), "\"output_index\":1,\"item\":{\"id\":\"fc_"));
    CHECK(check_events(&out) == 13);
    bl_buf_done(&out);
    bl_openai_answer_done(&a);
    bl_openai_request_done(&asked);
}

TESTS(RUN(bodies_are_taken_or_refused_by_name), RUN(every_prefix_is_refused),
      RUN(messages_are_as_templates_take_them), RUN(values_come_as_they_were_sent),
      RUN(answers_read_as_openai_writes_them), RUN(calls_read_as_openai_writes_them),
      RUN(a_completion_lists_its_logprobs), RUN(errors_and_embeddings),
      RUN(a_response_tells_its_items_one_after_another))
