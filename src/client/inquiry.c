/* The first request on a connection, its one acceptable answer, and the verdict.
 *
 * Source: CHANNEL, "Binding" and "Carriage". */
#include "attest/binding.h"
#include "client/internal.h"
#include "tls/carriage.h"

void bl_inquiry_done(bl_inquiry *x)
{
    bl_authenticator_keys_done(&x->keys);
    bl_talk_done(&x->talk);
    bl_buf_done(&x->request);
    bl_buf_done(&x->bundle);
    bl_enrolling_done(&x->enrolling);
    *x = (bl_inquiry){ 0 };
}

/* A server of another version says in a small answer which it speaks. */
static bool other_version(const bl_http_head *head)
{
    return bl_talk_is_refusal(head, 415);
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
    if (other_version(head))
        return BLIND_OK;
    BL_TRY(check_status(head, err));
    return bl_talk_check_form(head, BL_AUTHENTICATOR_TYPE, "evidence", BLIND_EVIDENCE, err);
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
    BL_TRY(bl_buf_check(&x->request, "client.attest", err));
    bl_talk_init(&x->talk, BL_MAX_BUNDLE_SIZE + 2 * BL_MAX_CMW_EXTENSION, check_head);
    bl_talk_ask(&x->talk, "POST", BL_AUTHENTICATOR_PATH, s->dialer->authority,
                BL_AUTHENTICATOR_REQUEST_TYPE, BL_AUTHENTICATOR_TYPE, bl_buf_span(&x->request));
    x->deadline_ms = hooks->now_ms() + s->dialer->timeout_ms;
    x->state = BL_INQUIRY_ASK;
    return BLIND_OK;
}

static blind_code refuse_version(bl_talk *t, blind_error *err)
{
    char line[BL_TALK_LINE];
    bl_talk_said(t, "it does not say which it speaks", line);
    return blind_fail(err, BLIND_VERSION, "client.version",
                      "the server does not speak version 1 of this channel: %s", line);
}

static blind_code ask(blind_stream *s, blind_error *err)
{
    bl_talk   *t = &s->inquiry.talk;
    blind_code code = bl_talk_step(s, t, err);
    if (code == BLIND_CLOSED)
        return blind_fail(err, BLIND_EVIDENCE, "client.answer",
                          "the server closed the connection instead of giving evidence");
    if (code == BLIND_PROTOCOL || code == BLIND_LIMIT) /* whatever that was */
        return blind_fail_in(err, BLIND_EVIDENCE, "no evidence");
    BL_TRY(code);
    return other_version(&t->parser.head) ? refuse_version(t, err) : BLIND_OK;
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
    bl_auto_buf record = BL_BUF_EMPTY;
    BL_TRY(bl_enrolment_find(d, bundle, &record, err));
    blind_span enrolment = bl_buf_span(&record);
    options.enrolments = &enrolment;
    options.enrolments_len = record.size > 0;
    blind_result *result = NULL;
    blind_code    code = blind_appraise(bundle, &expect, d->policy, &options, &result, err);
    blind_result_free(s->result);
    s->result = result;
    if (code == BLIND_OK && !(result && blind_result_bound(result)))
        return blind_fail(err, BLIND_BINDING, "client.binding",
                          "the verdict is not bound to this session");
    return code;
}

static blind_code finish(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    int64_t     now = s->dialer->hooks.now_ms();
    if (now >= x->deadline_ms)
        return blind_fail(err, BLIND_TIMEOUT, "client.late",
                          "the verdict came later than %d ms after the request",
                          s->dialer->timeout_ms);
    s->expiry_ms = now + s->dialer->verdict_ttl_ms;
    bl_inquiry_done(x);
    x->state = BL_INQUIRY_DONE;
    return BLIND_OK;
}

/* A TPM's key for which nobody vouches yet is asked to prove itself; every other refusal stands. */
static blind_code conclude(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    x->bundle.max = BL_MAX_BUNDLE_SIZE + BL_MAX_CMW_EXTENSION;
    BL_TRY(bl_carriage_open(bl_buf_span(&x->talk.in), bl_buf_span(&x->request), &x->keys,
                            bl_span(s->spki, s->spki_size), &x->bundle, err));
    blind_code code = appraise(s, bl_buf_span(&x->bundle), err);
    if (code == BLIND_OK)
        return finish(s, err);
    if (code != BLIND_CHAIN || !bl_enrolling_start(s, bl_buf_span(&x->bundle), &x->enrolling))
        return code;
    bl_talk_done(&x->talk);
    bl_enrolling_ask(s, &x->enrolling, &x->talk);
    x->state = BL_INQUIRY_ENROL;
    return BLIND_AGAIN;
}

/* The secret is right: the same evidence is appraised with the new enrolment. */
static blind_code enrol(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    blind_code  code = bl_talk_step(s, &x->talk, err);
    if (code == BLIND_CLOSED)
        return blind_fail(err, BLIND_CHAIN, "client.enrol",
                          "the server closed the connection instead of answering the challenge");
    BL_TRY(code);
    BL_TRY(bl_enrolling_keep(s, &x->enrolling, bl_buf_span(&x->talk.in), err));
    BL_TRY(appraise(s, bl_buf_span(&x->bundle), err));
    return finish(s, err);
}

static blind_code step(blind_stream *s, blind_error *err)
{
    if (s->inquiry.state == BL_INQUIRY_ASK) {
        BL_TRY(ask(s, err));
        blind_code code = conclude(s, err);
        if (code != BLIND_AGAIN)
            return code;
    }
    return enrol(s, err);
}

blind_code bl_stream_attest(blind_stream *s, blind_error *err)
{
    bl_inquiry *x = &s->inquiry;
    if (x->state == BL_INQUIRY_DONE)
        return BLIND_OK;
    if (x->state == BL_INQUIRY_START)
        BL_TRY(start(s, err));
    blind_code code = step(s, err);
    if (code == BLIND_AGAIN && !bl_client_left_ms(s->dialer, x->deadline_ms))
        return blind_fail(err, BLIND_TIMEOUT, "client.late", "no evidence within %d ms",
                          s->dialer->timeout_ms);
    return code;
}
