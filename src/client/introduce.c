/* After the verdict: the client proves its key to the server that it has verified.
 *
 * Source: RFC 9261, section 5; CHANNEL, "Carriage". */
#include "client/internal.h"
#include "tls/client_authenticator.h"

static const char stage[] = "client.key";

enum { MAX_CHALLENGE = 1024, MAX_WELCOME = 1024 };

void bl_introduction_done(bl_introduction *x)
{
    bl_talk_done(&x->talk);
    *x = (bl_introduction){ 0 };
}

/* What a server says about a key is heard out. */
static bool refused(const bl_http_head *head)
{
    return bl_talk_is_refusal(head, 401) || bl_talk_is_refusal(head, 403);
}

static blind_code check_status(const bl_http_head *head, blind_error *err)
{
    int status = head->status;
    if (status == 200 || refused(head))
        return BLIND_OK;
    blind_code code = status == 401 || status == 403   ? BLIND_DENIED
                      : status == 404 || status == 405 ? BLIND_NOT_FOUND
                      : status == 429 || status == 503 ? BLIND_BUSY
                                                       : BLIND_SERVER;
    return blind_fail(err, code, stage, "%s (HTTP %d)",
                      code == BLIND_NOT_FOUND ? "this server takes no keys of clients"
                                              : "the server did not take the client's key",
                      status);
}

static blind_code check_challenge(const bl_http_head *head, blind_error *err)
{
    BL_TRY(check_status(head, err));
    if (refused(head))
        return BLIND_OK;
    return bl_talk_check_form(head, BL_CLIENT_REQUEST_TYPE, "challenge", BLIND_PROTOCOL, err);
}

static blind_code check_welcome(const bl_http_head *head, blind_error *err)
{
    BL_TRY(check_status(head, err));
    if (refused(head))
        return BLIND_OK;
    return bl_talk_check_form(head, "application/json", "welcome", BLIND_PROTOCOL, err);
}

static void ask(blind_stream *s)
{
    bl_introduction *x = &s->introduction;
    bl_talk_init(&x->talk, MAX_CHALLENGE, check_challenge);
    bl_talk_ask(&x->talk, "GET", BL_CLIENT_AUTHENTICATOR_PATH, s->dialer->authority, NULL,
                BL_CLIENT_REQUEST_TYPE, (blind_span){ 0 });
    x->state = BL_INTRODUCTION_ASK;
}

/* The server's challenge is judged as strictly as its evidence was, but it is no part of the
 * verdict: whatever is wrong with it is an error of the protocol. */
static blind_code answer(blind_stream *s, blind_error *err)
{
    bl_introduction *x = &s->introduction;
    bl_auto_buf      message = BL_BUF_EMPTY;
    bl_exporter      exporter = s->dialer->hooks.exporter(s->ssl);
    blind_code       code = bl_client_authenticator_write(
              bl_buf_span(&x->talk.in), &exporter, &s->contexts, s->dialer->client_key,
              bl_buf_span(&s->dialer->client_certificate), &message, err);
    if (code == BLIND_MEMORY)
        return code;
    if (code != BLIND_OK)
        return blind_fail_in(err, BLIND_PROTOCOL, "the server's challenge");
    bl_talk_done(&x->talk);
    bl_talk_init(&x->talk, MAX_WELCOME, check_welcome);
    bl_talk_ask(&x->talk, "POST", BL_CLIENT_AUTHENTICATOR_PATH, s->dialer->authority,
                BL_CLIENT_AUTHENTICATOR_TYPE, "application/json", bl_buf_span(&message));
    x->state = BL_INTRODUCTION_ANSWER;
    return BLIND_OK;
}

static blind_code step(blind_stream *s, blind_error *err)
{
    bl_talk   *t = &s->introduction.talk;
    blind_code code = bl_talk_step(s, t, err);
    if (code == BLIND_CLOSED)
        return blind_fail(err, BLIND_DENIED, stage,
                          "the server closed the connection instead of taking the client's key");
    BL_TRY(code);
    if (t->parser.head.status == 200)
        return BLIND_OK;
    char line[BL_TALK_LINE];
    bl_talk_said(t, "it does not say why", line);
    return blind_fail(err, BLIND_DENIED, stage, "the server refused the client's key: %s", line);
}

blind_code bl_stream_introduce(blind_stream *s, blind_error *err)
{
    bl_introduction *x = &s->introduction;
    if (x->state == BL_INTRODUCTION_START)
        ask(s);
    if (x->state == BL_INTRODUCTION_ASK) {
        BL_TRY(step(s, err));
        BL_TRY(answer(s, err));
    }
    BL_TRY(step(s, err));
    bl_introduction_done(x);
    return BLIND_OK;
}
