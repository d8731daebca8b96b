/* One connection on its way to a verdict. */
#include "base/socket.h"
#include "client/internal.h"
#include "client/resolve.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/*     RESOLVE --addresses--> CONNECT --connected--> TLS --finished, identity--> ATTEST
 *                              |  ^                                               |
 *                              +--+ refused: the next address                  verdict
 *                                                                                 |
 *                                        DONE <--key proved, or there is none-- INTRODUCE
 *
 * Every state may end in FAILED: no answer in time, or any refusal. */
typedef enum { RESOLVE, CONNECT, TLS, ATTEST, INTRODUCE, DONE, FAILED } dial_state;

struct blind_dial {
    dial_state             state;
    blind_dialer          *dialer;
    bl_resolve            *resolve;
    const struct addrinfo *address; /* the one being tried */
    bool                   connecting;
    int64_t                deadline_ms; /* of this state */
    blind_stream          *stream;
    blind_error            failure; /* what every later step says again */
};

blind_code blind_dial_new(blind_dialer *dialer, blind_dial **out, blind_error *err)
{
    *out = NULL;
    blind_dial   *d = calloc(1, sizeof *d);
    blind_stream *s = bl_stream_new(dialer);
    if (!d || !s) {
        free(d);
        blind_stream_close(s);
        return blind_fail(err, BLIND_MEMORY, "client.dial", "out of memory");
    }
    d->dialer = dialer; /* kept by the stream */
    d->stream = s;
    blind_code code = bl_resolve_new(dialer->host, dialer->port, &d->resolve, err);
    d->deadline_ms = dialer->hooks.now_ms() + dialer->timeout_ms;
    if (code == BLIND_OK)
        *out = d;
    else
        blind_dial_free(d);
    return code;
}

void blind_dial_free(blind_dial *d)
{
    if (!d)
        return;
    bl_resolve_free(d->resolve);
    blind_stream_close(d->stream);
    free(d);
}

int blind_dial_fd(const blind_dial *d)
{
    return d->state == RESOLVE ? bl_resolve_fd(d->resolve) : d->stream ? d->stream->fd : -1;
}

int blind_dial_wants(const blind_dial *d)
{
    return d->state == RESOLVE   ? BLIND_WANTS_READ
           : d->state == CONNECT ? BLIND_WANTS_WRITE
           : d->stream           ? d->stream->wants
                                 : 0;
}

int blind_dial_timeout_ms(const blind_dial *d)
{
    if (!d->stream)
        return 0;
    int64_t inquiry = d->stream->inquiry.deadline_ms;
    return bl_client_left_ms(d->dialer, d->state == ATTEST && inquiry ? inquiry : d->deadline_ms);
}

const blind_result *blind_dial_result(const blind_dial *d)
{
    return d->stream ? d->stream->result : NULL;
}

static void enter(blind_dial *d, dial_state state)
{
    d->state = state;
    d->deadline_ms = d->dialer->hooks.now_ms() + d->dialer->timeout_ms;
}

static blind_code step_resolve(blind_dial *d, blind_error *err)
{
    BL_TRY(bl_resolve_result(d->resolve, &d->address, err));
    enter(d, CONNECT);
    return BLIND_OK;
}

static int open_socket(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    if (fd >= 0) {
        bl_socket_hurry(fd, a->ai_addr);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    }
    return fd;
}

/* 0 connected, EINPROGRESS, or why not. */
static int try_connect(blind_dial *d)
{
    if (d->connecting) {
        struct pollfd p = { .fd = d->stream->fd, .events = POLLOUT };
        if (poll(&p, 1, 0) == 0)
            return EINPROGRESS;
        int       failure = 0;
        socklen_t size = sizeof failure;
        return getsockopt(d->stream->fd, SOL_SOCKET, SO_ERROR, &failure, &size) ? errno : failure;
    }
    d->stream->fd = open_socket(d->address);
    if (d->stream->fd < 0)
        return errno;
    if (connect(d->stream->fd, d->address->ai_addr, d->address->ai_addrlen) == 0)
        return 0;
    d->connecting = errno == EINPROGRESS || errno == EINTR;
    return d->connecting ? EINPROGRESS : errno;
}

static blind_code step_connect(blind_dial *d, blind_error *err)
{
    for (;;) {
        int failure = try_connect(d);
        if (failure == 0)
            break;
        if (failure == EINPROGRESS && blind_dial_timeout_ms(d) > 0)
            return BLIND_AGAIN;
        bl_close_fd(&d->stream->fd);
        d->connecting = false;
        d->address = d->address->ai_next;
        if (!d->address && failure == EINPROGRESS)
            return blind_fail(err, BLIND_TIMEOUT, "client.connect", "no answer in %d ms",
                              d->dialer->timeout_ms);
        if (!d->address)
            return blind_fail(err, BLIND_NETWORK, "client.connect", "cannot connect: %s",
                              strerror(failure));
        enter(d, CONNECT);
    }
    d->stream->ssl = bl_tls_client_session(d->dialer->tls, d->stream->fd);
    if (!d->stream->ssl)
        return blind_fail(err, BLIND_MEMORY, "client.tls", "cannot start a TLS session");
    enter(d, TLS);
    return BLIND_OK;
}

static blind_code step_tls(blind_dial *d, blind_error *err)
{
    blind_stream *s = d->stream;
    BL_TRY(bl_tls_handshake(s->ssl, &s->wants, err));
    BL_TRY(bl_tls_client_check(d->dialer->tls, s->ssl, &s->identity, err));
    BL_TRY(bl_tls_leaf_spki(s->ssl, &s->spki, &s->spki_size, err));
    enter(d, ATTEST);
    return BLIND_OK;
}

static blind_code advance(blind_dial *d, blind_error *err)
{
    switch (d->state) {
    case RESOLVE:
        return step_resolve(d, err);
    case CONNECT:
        return step_connect(d, err);
    case TLS:
        return step_tls(d, err);
    case ATTEST:
        BL_TRY(bl_stream_attest(d->stream, err));
        enter(d, INTRODUCE);
        return BLIND_OK;
    case INTRODUCE:
        if (d->dialer->client_key)
            BL_TRY(bl_stream_introduce(d->stream, err));
        d->state = DONE;
        return BLIND_OK;
    case DONE:
        return blind_fail(err, BLIND_USAGE, "client.dial", "the stream was already taken");
    case FAILED:
        break;
    }
    return blind_fail(err, d->failure.code, d->failure.stage, "%s", d->failure.message);
}

static const char *const waiting_for[] = { "a name server", "the connection", "the TLS handshake",
                                           "evidence", "an answer to the client's key" };

blind_code blind_dial_step(blind_dial *d, blind_stream **out, blind_error *err)
{
    *out = NULL;
    blind_error own;
    dial_state  before = d->state;
    blind_code  code = BLIND_OK;
    while (code == BLIND_OK && d->state != DONE)
        code = advance(d, &own);
    if (code == BLIND_AGAIN && blind_dial_timeout_ms(d) == 0)
        code = blind_fail(&own, BLIND_TIMEOUT, "client.dial", "waited %d ms for %s",
                          d->dialer->timeout_ms, waiting_for[d->state]);
    if (code == BLIND_OK) {
        *out = bl_take(d->stream);
        return code;
    }
    if (code == BLIND_AGAIN)
        return code;
    if (before != FAILED && before != DONE) {
        blind_fail_in(&own, code, "'%s'", d->dialer->authority);
        d->state = FAILED;
        d->failure = own;
    }
    if (err)
        *err = own;
    return code;
}

/* ---- blocking ---- */

blind_code bl_client_poll(int fd, int wants, int timeout_ms, blind_error *err)
{
    short         events = (short)((wants & BLIND_WANTS_READ ? POLLIN : 0) |
                           (wants & BLIND_WANTS_WRITE ? POLLOUT : 0));
    struct pollfd p = { .fd = fd, .events = events };
    int           n = poll(&p, 1, timeout_ms);
    if (n > 0 || (n < 0 && errno == EINTR))
        return BLIND_OK;
    if (n == 0)
        return blind_fail(err, BLIND_TIMEOUT, "client.wait", "nothing within %d ms", timeout_ms);
    return blind_fail(err, BLIND_NETWORK, "client.wait", "cannot wait: %s", strerror(errno));
}

int bl_client_left_ms(const blind_dialer *dialer, int64_t deadline_ms)
{
    int64_t left = deadline_ms - dialer->hooks.now_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

blind_code bl_dial_wait(blind_dialer *dialer, blind_stream **out, blind_result **result,
                        blind_error *err)
{
    *out = NULL;
    blind_dial *dial;
    BL_TRY(blind_dial_new(dialer, &dial, err));
    blind_code code;
    while ((code = blind_dial_step(dial, out, err)) == BLIND_AGAIN) {
        code = bl_client_poll(blind_dial_fd(dial), blind_dial_wants(dial),
                              blind_dial_timeout_ms(dial), err);
        if (code != BLIND_OK && code != BLIND_TIMEOUT) /* the next step says what was late */
            break;
    }
    if (result && dial->stream) /* a refusal is handed over to be explained */
        *result = bl_take(dial->stream->result);
    blind_dial_free(dial);
    return code;
}

blind_code blind_stream_open(const blind_dial_options *options, blind_stream **out,
                             blind_result **result, blind_error *err)
{
    *out = NULL;
    if (result)
        *result = NULL;
    blind_dialer *dialer;
    BL_TRY(blind_dialer_new(options, &dialer, err));
    blind_code code = bl_dial_wait(dialer, out, result, err);
    blind_dialer_free(dialer);
    return code;
}
