/* A pool of attested streams to one server under one policy, and what is tried again.
 *
 * Again, on another connection: a pooled one that died before a byte of the answer came, when the
 * request may be sent twice.  Again, on the same: 409 `reattest`, after the new verdict. */
#include "client/ask.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    DEFAULT_IDLE = 8,
    DEFAULT_REQUEST_MS = 300000,
    MAX_ATTESTATIONS = 3,
    MAX_DEAD = 16,
    RENEW_PART = 10, /* a verdict is renewed when a tenth of its time is left: requests last too */
};

struct blind_client {
    blind_dialer   *dialer;
    char           *token;
    int             request_ms;
    size_t          answer_max;
    pthread_mutex_t lock; /* of everything below */
    blind_stream  **idle; /* the newest last */
    size_t          idle_len, idle_max;
    char           *verdict_json, *verdict_text;
};

/* ---- verdicts, to be shown ---- */

/* Keeps the texts of a verdict whose stream goes, or which refused. */
static void keep_verdict(blind_client *c, const blind_result *result)
{
    if (!result)
        return;
    char *json = strdup(blind_result_json(result)), *text = strdup(blind_result_text(result));
    pthread_mutex_lock(&c->lock);
    free(c->verdict_json);
    free(c->verdict_text);
    c->verdict_json = json;
    c->verdict_text = text;
    pthread_mutex_unlock(&c->lock);
}

/* Of the newest idle connection, else as kept. */
static char *show_verdict(blind_client *c, const char *(*of)(const blind_result *),
                          char *const  *kept)
{
    pthread_mutex_lock(&c->lock);
    const char *from = c->idle_len ? of(blind_stream_result(c->idle[c->idle_len - 1])) : *kept;
    char       *copy = from ? strdup(from) : NULL;
    pthread_mutex_unlock(&c->lock);
    return copy;
}

char *blind_client_verdict_json(blind_client *c)
{
    return show_verdict(c, blind_result_json, &c->verdict_json);
}

char *blind_client_verdict_text(blind_client *c)
{
    return show_verdict(c, blind_result_text, &c->verdict_text);
}

blind_code blind_client_ear(blind_client *c, blind_span key_pem, char **out, blind_error *err)
{
    blind_code code;
    *out = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->idle_len)
        code = blind_result_ear(blind_stream_result(c->idle[c->idle_len - 1]), key_pem, out, err);
    else
        code = blind_fail(err, BLIND_CLOSED, "client.ear", "no connection is open");
    pthread_mutex_unlock(&c->lock);
    return code;
}

/* ---- the pool ---- */

static blind_stream *pop(blind_client *c)
{
    pthread_mutex_lock(&c->lock);
    blind_stream *s = c->idle_len ? c->idle[--c->idle_len] : NULL;
    pthread_mutex_unlock(&c->lock);
    return s;
}

static void push(blind_client *c, blind_stream *s)
{
    pthread_mutex_lock(&c->lock);
    bool kept = c->idle_len < c->idle_max;
    if (kept)
        c->idle[c->idle_len++] = s;
    pthread_mutex_unlock(&c->lock);
    if (!kept)
        blind_stream_close(s);
}

static blind_code dial(blind_client *c, blind_stream **out, blind_result **refused,
                       blind_error *err)
{
    blind_result *result = NULL;
    blind_code    code = bl_dial_wait(c->dialer, out, &result, err);
    keep_verdict(c, result);
    if (refused)
        *refused = bl_take(result);
    blind_result_free(result);
    return code;
}

static blind_code reattest(blind_client *c, blind_stream *s, blind_error *err)
{
    blind_code code;
    while ((code = blind_stream_reattest(s, err)) == BLIND_AGAIN) {
        code = blind_stream_wait(s, blind_stream_timeout_ms(s), err);
        if (code != BLIND_OK && code != BLIND_TIMEOUT)
            break;
    }
    if (code != BLIND_OK)
        keep_verdict(c, blind_stream_result(s));
    return code;
}

/* A stream that can carry a request now: pooled, or new (*fresh). */
static blind_code take_stream(blind_client *c, bool *fresh, blind_stream **out, blind_error *err)
{
    *fresh = false;
    while ((*out = pop(c))) {
        blind_stream *s = *out;
        if (!bl_stream_quiet(s)) {
            blind_stream_close(s);
            continue;
        }
        if (blind_stream_expiry_ms(s) > c->dialer->verdict_ttl_ms / RENEW_PART)
            return BLIND_OK;
        blind_code code = reattest(c, s, err);
        if (code == BLIND_OK)
            return code;
        blind_stream_close(s);
        *out = NULL;
        if (code != BLIND_NETWORK && code != BLIND_CLOSED)
            return code;
    }
    *fresh = true;
    return dial(c, out, NULL, err);
}

/* ---- requests ---- */

static bool may_repeat(const blind_request *r)
{
    static const char *const always[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" };
    bool conditional = bl_ask_has_header(r, "if-none-match"); /* of what a first try had done */
    for (size_t i = 0; i < BL_LEN(always); i++)
        if (strcmp(r->method, always[i]) == 0 && !conditional)
            return true;
    return r->idempotent;
}

static bool rewound(const bl_ask *ask)
{
    const blind_request *r = ask->request;
    if (!r->body_read || !ask->body_begun)
        return true;
    return r->body_rewind && r->body_rewind(r->body_arg, NULL) == BLIND_OK;
}

/* The stream after a request: back to the pool, attested again, or closed. */
static blind_code settle(blind_client *c, const bl_ask *ask, blind_stream *s, blind_error *err)
{
    blind_code code = BLIND_OK;
    bool       keep = ask->reusable;
    if (ask->reattest && keep) {
        code = reattest(c, s, err);
        keep = code == BLIND_OK;
    }
    if (keep) {
        push(c, s);
        return code;
    }
    blind_stream_close(s);
    if (!ask->reattest || code != BLIND_OK)
        return code;
    BL_TRY(dial(c, &s, NULL, err)); /* others in the pool have seen no more than this one had */
    push(c, s);
    return BLIND_OK;
}

static blind_code request(blind_client *c, bl_ask *ask, blind_error *err)
{
    int attestations = 0, dead = 0;
    for (;;) {
        bool          fresh;
        blind_stream *s;
        BL_TRY(take_stream(c, &fresh, &s, err));
        blind_code code = bl_ask_run(ask, s, err);
        bool       lost = code == BLIND_NETWORK || code == BLIND_CLOSED || code == BLIND_REATTEST;
        blind_code settled = settle(c, ask, s, err);
        if (code == BLIND_OK && !ask->reattest)
            return code;
        if (code == BLIND_OK) {
            BL_TRY(settled);
            if (!rewound(ask))
                return blind_fail(
                    err, BLIND_REATTEST, "client.request",
                    "the server's models changed, and the body can be read only once");
            if (++attestations > MAX_ATTESTATIONS)
                return blind_fail(err, BLIND_REATTEST, "client.request",
                                  "the server's models changed again before it answered");
            continue;
        }
        bool again = lost && !fresh && !ask->answered && may_repeat(ask->request);
        if (!again || ++dead > MAX_DEAD || !rewound(ask))
            return code;
    }
}

static blind_code begin(blind_client *c, bl_ask *ask, blind_error *err)
{
    const blind_request *r = ask->request;
    *ask->out = (blind_response){ 0 };
    if (!r->method || !r->target || r->target[0] != '/')
        return blind_fail(err, BLIND_USAGE, "client.request", "a method and a path are needed");
    int ms = r->request_ms ? r->request_ms : c->request_ms;
    ask->authority = c->dialer->authority;
    ask->token = c->token;
    ask->idle_ms = ms < 0 ? -1 : ms;
    ask->answer_max = c->answer_max;
    return request(c, ask, err);
}

blind_code bl_client_request_parts(blind_client *c, const blind_request *r, const blind_span *parts,
                                   size_t part_count, blind_response *out, blind_error *err)
{
    bl_ask ask = { .request = r, .parts = parts, .part_count = part_count, .out = out };
    return begin(c, &ask, err);
}

blind_code bl_client_request_for(blind_client *c, const blind_request *r, int fd,
                                 blind_response *out, blind_error *err)
{
    bl_ask ask = { .request = r, .gone_fd = &fd, .out = out };
    return begin(c, &ask, err);
}

blind_code blind_client_request(blind_client *c, const blind_request *r, blind_response *out,
                                blind_error *err)
{
    bl_ask ask = { .request = r, .out = out };
    return begin(c, &ask, err);
}

blind_code blind_client_reattest(blind_client *c, blind_error *err)
{
    blind_stream *s = pop(c);
    blind_code    code;
    if (s && bl_stream_quiet(s)) {
        code = reattest(c, s, err);
        if (code == BLIND_OK)
            push(c, s);
        else
            blind_stream_close(s);
        if (code != BLIND_NETWORK && code != BLIND_CLOSED)
            return code;
        s = NULL;
    }
    blind_stream_close(s);
    BL_TRY(dial(c, &s, NULL, err));
    push(c, s);
    return BLIND_OK;
}

blind_code bl_client_add_salt(blind_client *c, const uint8_t salt[32], blind_error *err)
{
    return bl_dialer_add_salt(c->dialer, salt, err);
}

/* ---- opening ---- */

static blind_code fill(blind_client *c, const blind_client_options *o, blind_result **result,
                       blind_error *err)
{
    c->request_ms = o->request_ms ? o->request_ms : DEFAULT_REQUEST_MS;
    c->answer_max = o->answer_max ? o->answer_max : (size_t)1 << 30;
    c->idle_max = o->idle_max > 0 ? (size_t)o->idle_max : DEFAULT_IDLE;
    c->idle = calloc(c->idle_max, sizeof(blind_stream *));
    c->token = o->token ? strdup(o->token) : NULL;
    if (!c->idle || (o->token && !c->token))
        return blind_fail(err, BLIND_MEMORY, "client.open", "out of memory");
    BL_TRY(blind_dialer_new(&o->dial, &c->dialer, err));
    blind_stream *s;
    BL_TRY(dial(c, &s, result, err));
    keep_verdict(c, blind_stream_result(s));
    push(c, s);
    return BLIND_OK;
}

blind_code blind_client_open(const blind_client_options *options, blind_client **out,
                             blind_result **result, blind_error *err)
{
    *out = NULL;
    if (result)
        *result = NULL;
    blind_client *c = calloc(1, sizeof *c);
    if (!c)
        return blind_fail(err, BLIND_MEMORY, "client.open", "out of memory");
    pthread_mutex_init(&c->lock, NULL);
    blind_code code = fill(c, options, result, err);
    if (code == BLIND_OK)
        *out = c;
    else
        blind_client_close(c);
    return code;
}

/* "https://HOST[:PORT][/]", HOST a name, an address or [an IPv6 address]. */
static bool split_url(const char *url, char *host, size_t room, uint16_t *port)
{
    static const char scheme[] = "https://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    url += sizeof scheme - 1;
    bool   bracket = *url == '[';
    size_t n = strcspn(url += bracket, bracket ? "]" : ":/?#@");
    if (n == 0 || n >= room || (bracket && url[n] != ']'))
        return false;
    memcpy(host, url, n);
    host[n] = 0;
    url += n + bracket;
    uint64_t number = 0;
    if (*url == ':') {
        size_t digits = strspn(++url, "0123456789");
        if (digits > 5 || !bl_http_number(bl_span(url, digits), &number) || number == 0 ||
            number > UINT16_MAX)
            return false;
        url += digits;
    }
    *port = (uint16_t)number;
    return *url == 0 || strcmp(url, "/") == 0;
}

blind_code blind_client_open_url(const char *url, const blind_client_options *options,
                                 blind_client **out, blind_result **result, blind_error *err)
{
    char                 host[256];
    blind_client_options with_host = *options;
    *out = NULL;
    if (!split_url(url, host, sizeof host, &with_host.dial.port))
        return blind_fail(err, BLIND_USAGE, "client.url", "'%.100s' is not https://HOST:PORT", url);
    with_host.dial.host = host;
    return blind_client_open(&with_host, out, result, err);
}

void blind_client_close(blind_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->idle_len; i++)
        blind_stream_close(c->idle[i]);
    free(c->idle);
    if (c->token)
        bl_wipe(c->token, strlen(c->token));
    free(c->token);
    free(c->verdict_json);
    free(c->verdict_text);
    blind_dialer_free(c->dialer);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
