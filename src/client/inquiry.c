/* The first request on a connection, its one acceptable answer, and the verdict.
 *
 * Source: CHANNEL, "Binding" and "Carriage". */
#include "attest/binding.h"
#include "client/internal.h"
#include "tls/carriage.h"

#include <jansson.h>

enum { READ_SIZE = 16 * 1024, MAX_REFUSAL = 1024 };

void bl_inquiry_done(bl_inquiry *x)
{
    bl_authenticator_keys_done(&x->keys);
    bl_http_parser_done(&x->parser);
    bl_buf_done(&x->request);
    bl_buf_done(&x->out);
    bl_buf_done(&x->in);
    *x = (bl_inquiry){ 0 };
}

/* Nothing in it tells who asks: no token, cookie, query or user header. */
static void write_http(bl_inquiry *x, const char *authority)
{
    bl_http_write_request(&x->out, "POST", BL_AUTHENTICATOR_PATH, authority);
    bl_http_write_field(&x->out, "Content-Type", BL_AUTHENTICATOR_REQUEST_TYPE);
    bl_http_write_field(&x->out, "Accept", BL_AUTHENTICATOR_TYPE);
    bl_http_write_number(&x->out, "Content-Length", x->request.size);
    bl_http_write_end(&x->out);
    bl_buf_add(&x->out, bl_buf_span(&x->request));
}

static blind_code start(blind_stream *s, blind_error *err)
{
    bl_inquiry            *x = &s->inquiry;
    const bl_client_hooks *hooks = &s->dialer->hooks;
    uint8_t                context[BL_CONTEXT_SIZE];
    BL_TRY(bl_tls_check_fresh(s->ssl, err));
    BL_TRY(hooks->random(context, sizeof context, err));
    BL_TRY(bl_contexts_add(&s->contexts, context, err));
    bl_exporter exporter = hooks->exporter(s->ssl);
    BL_TRY(bl_authenticator_keys_derive(&exporter, context, &x->keys, err));
    bl_authenticator_request_write(&x->request, context);
    write_http(x, s->dialer->authority);
    BL_TRY(bl_buf_check(&x->request, "client.attest", err));
    BL_TRY(bl_buf_check(&x->out, "client.attest", err));
    x->in.max = BL_MAX_BUNDLE_SIZE + 2 * BL_MAX_CMW_EXTENSION;
    bl_http_limits limits = { .body_max = x->in.max };
    bl_http_parser_init(&x->parser, BL_HTTP_RESPONSE, &limits);
    x->deadline_ms = hooks->now_ms() + s->dialer->timeout_ms;
    x->state = BL_INQUIRY_SEND;
    return BLIND_OK;
}

static blind_code send_request(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    while (x->sent < x->out.size) {
        size_t put;
        BL_TRY(bl_tls_write(s->ssl, x->out.data + x->sent, x->out.size - x->sent, &put, &s->wants,
                            err));
        x->sent += put;
    }
    x->state = BL_INQUIRY_RECEIVE;
    return BLIND_OK;
}

static blind_code check_status(const bl_http_head *head, blind_error *err)
{
    static const char stage[] = "client.status";
    if (head->status == 429 || head->status == 503)
        return blind_fail(err, BLIND_BUSY, stage, "the server is busy (HTTP %d)", head->status);
    if (head->status == 415) /* without a word */
        return blind_fail(err, BLIND_VERSION, stage,
                          "the server does not speak version 1 of this channel");
    if (head->status != 200)
        return blind_fail(err, BLIND_EVIDENCE, stage,
                          "no evidence: HTTP %d to the request for it, expected 200", head->status);
    return BLIND_OK;
}

/* One answer counts: what a proxy might make of it does not. */
static blind_code check_head(const bl_http_head *head, blind_error *err)
{
    static const char stage[] = "client.answer";
    BL_TRY(check_status(head, err));
    blind_span type = bl_http_field_get(head, "content-type");
    if (bl_http_field_count(head, "content-type") != 1 ||
        !bl_span_equal(type, bl_span_str(BL_AUTHENTICATOR_TYPE)))
        return blind_fail(err, BLIND_EVIDENCE, stage, "no evidence: media type '%.*s', expected %s",
                          (int)BL_MIN(type.size, 80), (const char *)type.data,
                          BL_AUTHENTICATOR_TYPE);
    if (!head->has_length || head->chunked || head->until_close)
        return blind_fail(err, BLIND_EVIDENCE, stage, "evidence without a Content-Length");
    blind_span coding = bl_http_field_get(head, "content-encoding");
    if (coding.size && !bl_http_equal(coding, "identity"))
        return blind_fail(err, BLIND_EVIDENCE, stage, "evidence with the content coding '%.*s'",
                          (int)BL_MIN(coding.size, 80), (const char *)coding.data);
    if (!head->keep_alive)
        return blind_fail(err, BLIND_EVIDENCE, stage, "evidence on a connection that closes");
    return BLIND_OK;
}

/* A server of another version says in a small answer which it speaks. */
static bool other_version(const bl_http_head *head)
{
    return head->status == 415 && head->has_length && head->length <= MAX_REFUSAL;
}

static blind_code refuse_version(bl_inquiry *x, blind_error *err)
{
    char       *text = bl_buf_cstr(&x->in);
    json_t     *root = text ? json_loadb(text, x->in.size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *said = json_string_value(json_object_get(root, "error"));
    char        line[160];
    bl_client_line(line, sizeof line, said ? said : "it does not say which it speaks");
    json_decref(root);
    return blind_fail(err, BLIND_VERSION, "client.version",
                      "the server does not speak version 1 of this channel: %s", line);
}

/* Takes bytes of the answer; *whole when it is complete. */
static blind_code take(bl_inquiry *x, blind_span input, bool *whole, blind_error *err)
{
    *whole = false;
    bl_http_event event = BL_HTTP_HEAD;
    while ((input.size || event != BL_HTTP_MORE) && !*whole) { /* an end may need no more bytes */
        size_t     used;
        blind_span body;
        BL_TRY(bl_http_parse(&x->parser, input, &used, &event, &body, err));
        input = bl_span(input.data + used, input.size - used);
        if (event == BL_HTTP_HEAD && !other_version(&x->parser.head))
            BL_TRY(check_head(&x->parser.head, err));
        if (event == BL_HTTP_BODY)
            bl_buf_add(&x->in, body);
        *whole = event == BL_HTTP_END;
    }
    BL_TRY(bl_buf_check(&x->in, "client.answer", err));
    if (*whole && other_version(&x->parser.head))
        return refuse_version(x, err);
    if (input.size)
        return blind_fail(err, BLIND_EVIDENCE, "client.answer", "%zu bytes behind the evidence",
                          input.size);
    return BLIND_OK;
}

static blind_code receive(blind_stream *s, blind_error *err)
{
    uint8_t bytes[READ_SIZE];
    bool    whole = false;
    while (!whole) {
        size_t     got;
        blind_code code = bl_tls_read(s->ssl, bytes, sizeof bytes, &got, &s->wants, err);
        if (code == BLIND_CLOSED)
            return blind_fail(err, BLIND_EVIDENCE, "client.answer",
                              "the server closed the connection instead of giving evidence");
        BL_TRY(code);
        code = take(&s->inquiry, bl_span(bytes, got), &whole, err);
        if (code == BLIND_PROTOCOL || code == BLIND_LIMIT) /* whatever that was */
            return blind_fail_in(err, BLIND_EVIDENCE, "no evidence");
        BL_TRY(code);
    }
    return BLIND_OK;
}

static blind_code appraise(blind_stream *s, blind_span bundle, blind_error *err)
{
    blind_dialer          *d = s->dialer;
    blind_expect           expect = { .to = BLIND_BOUND_SESSION };
    blind_appraise_options options = {
        .simulation = d->simulation,
        .debug_mode = d->debug_mode,
        .now_s = d->hooks.wall_s(),
        .identity = s->identity,
    };
    uint8_t binding[32];
    if (bl_binding(bl_span(s->spki, s->spki_size), s->inquiry.keys.exported, binding) ||
        bl_binding_leaf(binding, expect.leaf))
        return blind_fail(err, BLIND_EVIDENCE, "client.binding", "cannot compute the binding");
    bl_auto_free blind_salt *salts = NULL;
    BL_TRY(bl_dialer_salts(d, &salts, &options.salts_len, err));
    options.salts = salts;
    blind_result *result = NULL;
    blind_code    code = blind_appraise(bundle, &expect, d->policy, &options, &result, err);
    blind_result_free(s->result);
    s->result = result;
    if (code == BLIND_OK && !(result && blind_result_bound(result)))
        return blind_fail(err, BLIND_BINDING, "client.binding",
                          "the verdict is not bound to this session");
    return code;
}

static blind_code conclude(blind_stream *s, blind_error *err)
{
    bl_auto_buf bundle = { .max = BL_MAX_BUNDLE_SIZE + BL_MAX_CMW_EXTENSION };
    bl_inquiry *x = &s->inquiry;
    BL_TRY(bl_carriage_open(bl_buf_span(&x->in), bl_buf_span(&x->request), &x->keys,
                            bl_span(s->spki, s->spki_size), &bundle, err));
    BL_TRY(appraise(s, bl_buf_span(&bundle), err));
    int64_t now = s->dialer->hooks.now_ms();
    if (now >= x->deadline_ms)
        return blind_fail(err, BLIND_TIMEOUT, "client.late",
                          "the verdict came later than %d ms after the request",
                          s->dialer->timeout_ms);
    s->expiry_ms = now + s->dialer->verdict_ttl_ms;
    bl_inquiry_done(x);
    x->state = BL_INQUIRY_DONE;
    return BLIND_OK;
}

blind_code bl_stream_attest(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    if (x->state == BL_INQUIRY_DONE)
        return BLIND_OK;
    if (x->state == BL_INQUIRY_START)
        BL_TRY(start(s, err));
    blind_code code = BLIND_OK;
    if (x->state == BL_INQUIRY_SEND)
        code = send_request(s, err);
    if (code == BLIND_OK)
        code = receive(s, err);
    if (code != BLIND_OK && (code != BLIND_AGAIN || bl_client_left_ms(s->dialer, x->deadline_ms)))
        return code;
    if (code == BLIND_AGAIN)
        return blind_fail(err, BLIND_TIMEOUT, "client.late", "no evidence within %d ms",
                          s->dialer->timeout_ms);
    return conclude(s, err);
}
