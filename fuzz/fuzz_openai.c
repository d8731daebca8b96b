/* Bodies of OpenAI's API; the first byte says of which kind.  What is taken keeps its bounds, and
 * what is written from it is JSON. */
#include "http/openai_write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_json(blind_span text)
{
    json_t *root = NULL;
    if (bl_json_parse(text, BL_MAX_JSON_SIZE, &root, NULL) == BLIND_INPUT)
        abort();
    json_decref(root);
}

static void check(const bl_openai_request *r)
{
    bool   chats = r->kind == BL_OPENAI_CHAT || r->kind == BL_OPENAI_RESPONSE;
    size_t i;
    if (!r->model || chats != (r->messages != NULL) || chats == (r->prompts_len > 0))
        abort();
    if (!(r->temperature >= 0) || !(r->top_p >= 0 && r->top_p <= 1) || r->n < 1 ||
        r->stops_len > BL_MAX_STOPS || r->bias_len > BL_MAX_LOGIT_BIAS)
        abort();
    json_t *message;
    json_array_foreach(r->messages, i,
                       message) if (!json_is_string(json_object_get(message, "content")) ||
                                    !json_is_string(json_object_get(message, "role"))) abort();
}

/* The text of the body stands in for what a model says. */
static void answer(const bl_openai_request *r, blind_span text)
{
    bl_auto_buf      out = BL_BUF_EMPTY;
    bl_openai_reply  reply = { .kind = r->kind, .id = "0", .model = r->model };
    bl_openai_usage  usage = { 1, 0, 1 };
    bl_openai_answer a = { .logprobs = BL_OPENAI_LOGPROBS_EMPTY, .finish = BL_OPENAI_STOP };
    bl_openai_token  token = { text, -1 };
    bl_openai_call  *call = bl_openai_answer_add_call(&a);
    bl_buf_add(&a.text, text);
    if (call)
        bl_buf_add(&call->arguments, text);
    if (text.size < 1024)
        bl_openai_logprobs_add(&a.logprobs, r->kind, &token, &token, 1);
    if (r->kind == BL_OPENAI_RESPONSE)
        bl_openai_write_response(&out, &reply, r, &a, "completed", &usage);
    else
        bl_openai_write_answers(&out, &reply, &a, 1, true, &usage);
    if (bl_buf_ok(&out))
        must_be_json(bl_buf_span(&out));
    bl_openai_answer_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_openai_request r;
    blind_error       err = { 0 };
    bl_auto_buf       out = BL_BUF_EMPTY;
    if (size < 1)
        return 0;
    blind_span body = { data + 1, size - 1 };
    if (bl_openai_request_read((bl_openai_kind)(1u << (data[0] & 3)), body, &r, &err) == BLIND_OK) {
        check(&r);
        answer(&r, body);
    } else if (err.code == BLIND_OK) {
        abort();
    }
    bl_openai_write_error(&out, 400, err.message, r.field, "x");
    must_be_json(bl_buf_span(&out));
    bl_openai_request_done(&r);
    return 0;
}
