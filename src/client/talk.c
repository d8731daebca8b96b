#include "client/talk.h"

#include "client/internal.h"

#include <jansson.h>

enum { READ_SIZE = 16 * 1024, MAX_REFUSAL = 1024 };

static const char stage[] = "client.answer";

void bl_talk_init(bl_talk *t, size_t answer_max, bl_talk_check *check)
{
    bl_http_limits limits = { .body_max = answer_max };
    *t = (bl_talk){ .in.max = answer_max, .check = check };
    bl_http_parser_init(&t->parser, BL_HTTP_RESPONSE, &limits);
}

void bl_talk_done(bl_talk *t)
{
    bl_http_parser_done(&t->parser);
    bl_buf_done(&t->out);
    bl_buf_done(&t->in);
    *t = (bl_talk){ 0 };
}

/* Nothing in it tells who asks: no token, cookie, query or user header. */
void bl_talk_ask(bl_talk *t, const char *method, const char *path, const char *authority,
                 const char *type, const char *accept, blind_span body)
{
    bl_http_write_request(&t->out, method, path, authority);
    if (type)
        bl_http_write_field(&t->out, "Content-Type", type);
    bl_http_write_field(&t->out, "Accept", accept);
    if (type)
        bl_http_write_number(&t->out, "Content-Length", body.size);
    bl_http_write_end(&t->out);
    bl_buf_add(&t->out, body);
}

static blind_code send_rest(blind_stream *s, bl_talk *t, blind_error *err)
{
    BL_TRY(bl_buf_check(&t->out, "client.request", err));
    while (t->sent < t->out.size) {
        size_t put;
        BL_TRY(bl_tls_write(s->ssl, t->out.data + t->sent, t->out.size - t->sent, &put, &s->wants,
                            err));
        t->sent += put;
    }
    return BLIND_OK;
}

static blind_code take(bl_talk *t, blind_span input, blind_error *err)
{
    bl_http_event event = BL_HTTP_HEAD;
    while ((input.size || event != BL_HTTP_MORE) && !t->whole) { /* an end may need no more bytes */
        size_t     used;
        blind_span body;
        BL_TRY(bl_http_parse(&t->parser, input, &used, &event, &body, err));
        input = bl_span(input.data + used, input.size - used);
        if (event == BL_HTTP_HEAD)
            BL_TRY(t->check(&t->parser.head, err));
        if (event == BL_HTTP_BODY)
            bl_buf_add(&t->in, body);
        t->whole = event == BL_HTTP_END;
    }
    BL_TRY(bl_buf_check(&t->in, stage, err));
    if (input.size)
        return blind_fail(err, BLIND_PROTOCOL, stage, "%zu bytes behind the answer", input.size);
    return BLIND_OK;
}

blind_code bl_talk_step(blind_stream *s, bl_talk *t, blind_error *err)
{
    uint8_t bytes[READ_SIZE];
    BL_TRY(send_rest(s, t, err));
    while (!t->whole) {
        size_t got;
        BL_TRY(bl_tls_read(s->ssl, bytes, sizeof bytes, &got, &s->wants, err));
        BL_TRY(take(t, bl_span(bytes, got), err));
    }
    return BLIND_OK;
}

bool bl_talk_is_refusal(const bl_http_head *head, int status)
{
    return head->status == status && head->has_length && head->length <= MAX_REFUSAL;
}

void bl_talk_said(bl_talk *t, const char *otherwise, char line[BL_TALK_LINE])
{
    char       *text = bl_buf_cstr(&t->in);
    json_t     *root = text ? json_loadb(text, t->in.size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *said = json_string_value(json_object_get(root, "error"));
    bl_client_line(line, BL_TALK_LINE, said ? said : otherwise);
    json_decref(root);
}

blind_code bl_talk_check_form(const bl_http_head *head, const char *type, const char *what,
                              blind_code code, blind_error *err)
{
    blind_span found = bl_http_field_get(head, "content-type");
    if (bl_http_field_count(head, "content-type") != 1 || !bl_span_equal(found, bl_span_str(type)))
        return blind_fail(err, code, stage, "no %s: media type '%.*s', expected %s", what,
                          (int)BL_MIN(found.size, 80), (const char *)found.data, type);
    if (!head->has_length || head->chunked || head->until_close)
        return blind_fail(err, code, stage, "%s without a Content-Length", what);
    blind_span coding = bl_http_field_get(head, "content-encoding");
    if (coding.size && !bl_http_equal(coding, "identity"))
        return blind_fail(err, code, stage, "%s with the content coding '%.*s'", what,
                          (int)BL_MIN(coding.size, 80), (const char *)coding.data);
    if (!head->keep_alive)
        return blind_fail(err, code, stage, "%s on a connection that closes", what);
    return BLIND_OK;
}
