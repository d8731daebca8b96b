/* Chats, completions, embeddings, models and errors, written. */
#include "http/openai_write.h"

#include "base/base64.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---- texts ---- */

static void add_escaped(bl_buf *out, uint8_t c)
{
    static const char letters[] = "\b\t\n\f\r", names[] = "btnfr";
    const char       *at = c ? strchr(letters, c) : NULL;
    if (c == '"' || c == '\\')
        bl_buf_printf(out, "\\%c", c);
    else if (at)
        bl_buf_printf(out, "\\%c", names[at - letters]);
    else
        bl_buf_printf(out, "\\u%04x", c);
}

/* Bytes from the front that may stand as they are. */
static size_t plain_size(blind_span text)
{
    size_t n = 0;
    while (n < text.size && text.data[n] >= 0x20 && text.data[n] < 0x7f && text.data[n] != '"' &&
           text.data[n] != '\\')
        n++;
    return n;
}

/* One of more than a byte, or what stands for a broken one; gives the bytes taken. */
static size_t add_character(bl_buf *out, blind_span text)
{
    uint32_t c;
    size_t   n = bl_utf8_next(text, &c);
    if (n > 0)
        bl_buf_add(out, bl_span(text.data, n));
    else
        bl_buf_add_str(out, "\xef\xbf\xbd");
    return BL_MAX(n, (size_t)1);
}

void bl_openai_write_text(bl_buf *out, blind_span text)
{
    bl_buf_add_u8(out, '"');
    while (text.size > 0) {
        size_t n = plain_size(text);
        if (n > 0) {
            bl_buf_add(out, bl_span(text.data, n));
        } else if (text.data[0] < 0x80) {
            n = 1;
            add_escaped(out, text.data[0]);
        } else {
            n = add_character(out, text);
        }
        text = bl_span(text.data + n, text.size - n);
    }
    bl_buf_add_u8(out, '"');
}

static void add_text(bl_buf *out, const char *text)
{
    bl_openai_write_text(out, bl_span_str(text));
}

/* ---- logprobs ---- */

/* What has no chance is told as OpenAI does: JSON has no infinities. */
static void add_number(bl_buf *out, float logprob)
{
    bl_buf_printf(out, "%.7g", isfinite(logprob) ? (double)logprob : -9999.0);
}

/* Source: "Chat completion object", choices.logprobs.content. */
static void add_chat_token(bl_buf *out, const bl_openai_token *t)
{
    bl_buf_add_str(out, "{\"token\":");
    bl_openai_write_text(out, t->text);
    bl_buf_add_str(out, ",\"logprob\":");
    add_number(out, t->logprob);
    bl_buf_add_str(out, ",\"bytes\":[");
    for (size_t i = 0; i < t->text.size; i++)
        bl_buf_printf(out, i ? ",%u" : "%u", t->text.data[i]);
    bl_buf_add_u8(out, ']');
}

/* Completions have no bytes beside the text: what is none is written by its bytes. */
static void add_plain_token(bl_buf *out, blind_span text)
{
    if (bl_utf8_valid(text)) {
        bl_openai_write_text(out, text);
        return;
    }
    bl_buf_add_str(out, "\"bytes:");
    for (size_t i = 0; i < text.size; i++)
        bl_buf_printf(out, "\\\\x%02x", text.data[i]);
    bl_buf_add_u8(out, '"');
}

static void separate(bl_buf *out)
{
    if (out->size)
        bl_buf_add_u8(out, ',');
}

static void add_of_chat(bl_openai_logprobs *l, const bl_openai_token *token,
                        const bl_openai_token *top, size_t len)
{
    separate(&l->tokens);
    add_chat_token(&l->tokens, token);
    bl_buf_add_str(&l->tokens, ",\"top_logprobs\":[");
    for (size_t i = 0; i < len; i++) {
        if (i)
            bl_buf_add_u8(&l->tokens, ',');
        add_chat_token(&l->tokens, &top[i]);
        bl_buf_add_u8(&l->tokens, '}');
    }
    bl_buf_add_str(&l->tokens, "]}");
}

static void add_of_completion(bl_openai_logprobs *l, const bl_openai_token *token,
                              const bl_openai_token *top, size_t len)
{
    bl_buf *const lists[] = { &l->tokens, &l->logprobs, &l->top, &l->offset };
    for (size_t i = 0; i < BL_LEN(lists); i++)
        separate(lists[i]);
    add_plain_token(&l->tokens, token->text);
    add_number(&l->logprobs, token->logprob);
    bl_buf_printf(&l->offset, "%zu", l->at);
    bl_buf_add_u8(&l->top, '{');
    for (size_t i = 0; i < len; i++) {
        if (i)
            bl_buf_add_u8(&l->top, ',');
        add_plain_token(&l->top, top[i].text);
        bl_buf_add_u8(&l->top, ':');
        add_number(&l->top, top[i].logprob);
    }
    bl_buf_add_u8(&l->top, '}');
}

void bl_openai_logprobs_add(bl_openai_logprobs *l, bl_openai_kind kind,
                            const bl_openai_token *token, const bl_openai_token *top, size_t len)
{
    if (kind == BL_OPENAI_CHAT)
        add_of_chat(l, token, top, len);
    else
        add_of_completion(l, token, top, len);
    l->at += token->text.size;
}

void bl_openai_logprobs_clear(bl_openai_logprobs *l)
{
    bl_buf_clear(&l->tokens);
    bl_buf_clear(&l->logprobs);
    bl_buf_clear(&l->top);
    bl_buf_clear(&l->offset);
}

void bl_openai_logprobs_done(bl_openai_logprobs *l)
{
    bl_buf_done(&l->tokens);
    bl_buf_done(&l->logprobs);
    bl_buf_done(&l->top);
    bl_buf_done(&l->offset);
}

static void add_list(bl_buf *out, const char *before, const bl_buf *list)
{
    bl_buf_add_str(out, before);
    bl_buf_add(out, bl_buf_span(list));
    out->failed |= list->failed;
}

static void write_logprobs(bl_buf *out, bl_openai_kind kind, const bl_openai_logprobs *l)
{
    bl_buf_add_str(out, ",\"logprobs\":");
    if (!l) {
        bl_buf_add_str(out, "null");
    } else if (kind == BL_OPENAI_CHAT) {
        add_list(out, "{\"content\":[", &l->tokens);
        bl_buf_add_str(out, "],\"refusal\":null}");
    } else {
        add_list(out, "{\"tokens\":[", &l->tokens);
        add_list(out, "],\"token_logprobs\":[", &l->logprobs);
        add_list(out, "],\"top_logprobs\":[", &l->top);
        add_list(out, "],\"text_offset\":[", &l->offset);
        bl_buf_add_str(out, "]}");
    }
}

/* ---- answers ---- */

bl_openai_call *bl_openai_answer_add_call(bl_openai_answer *a)
{
    if (a->calls_len == BL_MAX_TOOLS)
        return NULL;
    if (!a->calls && !(a->calls = calloc(BL_MAX_TOOLS, sizeof *a->calls)))
        return NULL;
    bl_openai_call *call = &a->calls[a->calls_len++];
    call->name.secret = call->arguments.secret = true;
    return call;
}

void bl_openai_answer_done(bl_openai_answer *a)
{
    for (size_t i = 0; i < a->calls_len; i++) {
        bl_buf_done(&a->calls[i].name);
        bl_buf_done(&a->calls[i].arguments);
    }
    free(a->calls);
    bl_buf_done(&a->text);
    bl_openai_logprobs_done(&a->logprobs);
    *a = (bl_openai_answer){ 0 };
}

static void write_finish(bl_buf *out, bl_openai_finish finish)
{
    static const char *const names[] = { [BL_OPENAI_UNFINISHED] = "null",
                                         [BL_OPENAI_STOP] = "\"stop\"",
                                         [BL_OPENAI_LENGTH] = "\"length\"",
                                         [BL_OPENAI_TOOL_CALLS] = "\"tool_calls\"" };
    bl_buf_printf(out, ",\"finish_reason\":%s", names[finish]);
}

/* {"id": ..., "object": ..., up to the choices. */
static void write_head(bl_buf *out, const bl_openai_reply *r, const char *object)
{
    bl_buf_printf(out, "{\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                  r->kind == BL_OPENAI_CHAT ? "chatcmpl" : "cmpl", r->id, object, r->created_s);
    add_text(out, r->model);
    bl_buf_add_str(out, ",\"system_fingerprint\":");
    if (r->fingerprint)
        add_text(out, r->fingerprint);
    else
        bl_buf_add_str(out, "null");
    bl_buf_add_str(out, ",\"choices\":[");
}

static void add_usage(bl_buf *out, const bl_openai_usage *u)
{
    bl_buf_printf(out,
                  "\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%zu}}",
                  u->prompt, u->completion, u->prompt + u->completion, u->cached);
}

/* Source: "Chat completion object", choices.message.tool_calls; of a stream with an index. */
static void write_call(bl_buf *out, const bl_openai_call *call, const size_t *index)
{
    bl_buf_add_u8(out, '{');
    if (index)
        bl_buf_printf(out, "\"index\":%zu,", *index);
    bl_buf_printf(out, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", call->id);
    bl_openai_write_text(out, bl_buf_span(&call->name));
    bl_buf_add_str(out, ",\"arguments\":");
    bl_openai_write_text(out, bl_buf_span(&call->arguments));
    bl_buf_add_str(out, "}}");
    out->failed |= call->name.failed || call->arguments.failed;
}

static void write_message(bl_buf *out, const bl_openai_answer *a)
{
    bl_buf_add_str(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    if (a->text.size == 0 && a->calls_len > 0)
        bl_buf_add_str(out, "null");
    else
        bl_openai_write_text(out, bl_buf_span(&a->text));
    bl_buf_add_str(out, ",\"refusal\":null");
    for (size_t i = 0; i < a->calls_len; i++) {
        bl_buf_add_str(out, i ? "," : ",\"tool_calls\":[");
        write_call(out, &a->calls[i], NULL);
    }
    bl_buf_add_str(out, a->calls_len ? "]}" : "}");
}

void bl_openai_write_answers(bl_buf *out, const bl_openai_reply *r, const bl_openai_answer *answers,
                             size_t len, bool logprobs, const bl_openai_usage *usage)
{
    bool chat = r->kind == BL_OPENAI_CHAT;
    write_head(out, r, chat ? "chat.completion" : "text_completion");
    for (size_t i = 0; i < len; i++) {
        const bl_openai_answer *a = &answers[i];
        bl_buf_printf(out, "%s{\"index\":%zu", i ? "," : "", i);
        if (chat) {
            write_message(out, a);
        } else {
            bl_buf_add_str(out, ",\"text\":");
            bl_openai_write_text(out, bl_buf_span(&a->text));
        }
        out->failed |= a->text.failed;
        write_logprobs(out, r->kind, logprobs ? &a->logprobs : NULL);
        write_finish(out, a->finish);
        bl_buf_add_u8(out, '}');
    }
    bl_buf_add_str(out, "],");
    add_usage(out, usage);
    bl_buf_add_u8(out, '}');
}

/* ---- embeddings ---- */

static void write_row(bl_buf *out, const float *row, size_t width, bool base64)
{
    if (base64) { /* little-endian float32, as the machine has them */
        bl_buf_add_u8(out, '"');
        bl_base64_add(out, BL_BASE64_STD, bl_span(row, width * sizeof *row));
        bl_buf_add_u8(out, '"');
        return;
    }
    bl_buf_add_u8(out, '[');
    for (size_t i = 0; i < width; i++)
        bl_buf_printf(out, i ? ",%.9g" : "%.9g", (double)row[i]);
    bl_buf_add_u8(out, ']');
}

void bl_openai_write_embeddings(bl_buf *out, const bl_openai_reply *r, const float *rows,
                                size_t len, size_t width, bool base64, const bl_openai_usage *usage)
{
    bl_buf_add_str(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < len; i++) {
        bl_buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
                      i);
        write_row(out, rows + i * width, width, base64);
        bl_buf_add_u8(out, '}');
    }
    bl_buf_add_str(out, "],\"model\":");
    add_text(out, r->model);
    if (r->fingerprint) {
        bl_buf_add_str(out, ",\"system_fingerprint\":");
        add_text(out, r->fingerprint);
    }
    bl_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", usage->prompt,
                  usage->prompt);
}

/* ---- errors and models ---- */

/* Source: OpenAI API reference, "Error codes", and what its clients make of a status. */
static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static void add_or_null(bl_buf *out, const char *text)
{
    if (text && *text)
        add_text(out, text);
    else
        bl_buf_add_str(out, "null");
}

static void add_error(bl_buf *out, int status, const char *message, const char *param,
                      const char *code)
{
    bl_buf_add_str(out, "{\"message\":");
    add_text(out, message);
    bl_buf_printf(out, ",\"type\":\"%s\",\"param\":", error_type(status));
    add_or_null(out, param);
    bl_buf_add_str(out, ",\"code\":");
    add_or_null(out, code);
    bl_buf_add_u8(out, '}');
}

void bl_openai_write_error(bl_buf *out, int status, const char *message, const char *param,
                           const char *code)
{
    bl_buf_add_str(out, "{\"error\":");
    add_error(out, status, message, param, code);
    bl_buf_add_str(out, ",\"code\":");
    add_or_null(out, code);
    bl_buf_add_u8(out, '}');
}

void bl_openai_write_model(bl_buf *out, const char *name, const char *owner, int64_t created_s,
                           const char *sha256)
{
    bl_buf_add_str(out, "{\"id\":");
    add_text(out, name);
    bl_buf_printf(out, ",\"object\":\"model\",\"created\":%" PRId64 ",\"owned_by\":", created_s);
    add_text(out, owner);
    if (sha256)
        bl_buf_printf(out, ",\"sha256\":\"%s\"", sha256);
    bl_buf_add_u8(out, '}');
}

/* ---- streams ---- */

static void write_chat_delta(bl_buf *out, const bl_openai_delta *d)
{
    const char *between = "";
    bl_buf_add_str(out, ",\"delta\":{");
    if (d->first) {
        bl_buf_add_str(out, "\"role\":\"assistant\"");
        between = ",";
    }
    if (d->text.size > 0 || d->first) {
        bl_buf_printf(out, "%s\"content\":", between);
        bl_openai_write_text(out, d->text);
        between = ",";
    }
    if (d->call) {
        bl_buf_printf(out, "%s\"tool_calls\":[", between);
        write_call(out, d->call, &d->call_at);
        bl_buf_add_u8(out, ']');
    }
    bl_buf_add_u8(out, '}');
}

void bl_openai_write_delta(bl_buf *out, const bl_openai_reply *r, const bl_openai_delta *d,
                           bool include_usage)
{
    bool chat = r->kind == BL_OPENAI_CHAT;
    bl_buf_add_str(out, "data: ");
    write_head(out, r, chat ? "chat.completion.chunk" : "text_completion");
    bl_buf_printf(out, "{\"index\":%zu", d->choice);
    if (chat) {
        write_chat_delta(out, d);
    } else {
        bl_buf_add_str(out, ",\"text\":");
        bl_openai_write_text(out, d->text);
    }
    write_logprobs(out, r->kind, d->logprobs);
    write_finish(out, d->finish);
    bl_buf_add_str(out, "}]");
    if (include_usage)
        bl_buf_add_str(out, ",\"usage\":null");
    bl_buf_add_str(out, "}\n\n");
}

void bl_openai_write_usage(bl_buf *out, const bl_openai_reply *r, const bl_openai_usage *usage)
{
    bl_buf_add_str(out, "data: ");
    write_head(out, r, r->kind == BL_OPENAI_CHAT ? "chat.completion.chunk" : "text_completion");
    bl_buf_add_str(out, "],");
    add_usage(out, usage);
    bl_buf_add_str(out, "}\n\n");
}

void bl_openai_write_stream_error(bl_buf *out, int status, const char *message, const char *code)
{
    bl_buf_add_str(out, "data: {\"error\":");
    add_error(out, status, message, NULL, code);
    bl_buf_add_str(out, "}\n\n");
}

void bl_openai_write_stream_end(bl_buf *out)
{
    bl_buf_add_str(out, "data: [DONE]\n\n");
}
