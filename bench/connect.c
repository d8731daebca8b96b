/* Attested connects beside plain TLS 1.3 connects of the same server, and what the difference is
 * made of.  bench/connect starts the server and calls this.
 *
 *     attested    TCP, TLS, the authenticator's request and answer, appraisal, verdict
 *     plain       TCP and TLS to the same port
 *     round trip  one request on such a connection and its answer, a refusal for want of a verdict
 *
 * The kinds take turns, so that a busy machine is as unfair to one as to the others.  The bound is
 * (plain + round trip + two P-256 signatures + two verifications) * 1.3, all medians. */
#include "base/clock.h"
#include "blind/stream.h"
#include "crypto/key.h"
#include "tls/context.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM_UP = 20, SIGNATURES = 200 };

typedef struct {
    const char *name;
    double     *ms;
    size_t      len;
} series;

static int fail(const char *what, const blind_error *err)
{
    fprintf(stderr, "bench/connect: %s: %s\n", what, err->message);
    return 1;
}

static double since_ms(uint64_t start_ns)
{
    return (double)(bl_clock_ns() - start_ns) / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double percentile(series *s, unsigned percent)
{
    qsort(s->ms, s->len, sizeof *s->ms, by_value);
    return s->ms[BL_MIN(s->len * percent / 100, s->len - 1)];
}

/* ---- one connect of each kind ---- */

static blind_code connect_tcp(uint16_t port, int *fd, blind_error *err)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    int                on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&to, sizeof to) != 0)
        return blind_fail(err, BLIND_NETWORK, "bench.connect", "cannot connect to port %u", port);
    setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return BLIND_OK;
}

static blind_code ask_once(struct ssl_st *ssl, blind_error *err)
{
    static const char request[] = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char              answer[4096];
    size_t            n;
    int               wants;
    BL_TRY(bl_tls_write(ssl, request, sizeof request - 1, &n, &wants, err));
    return bl_tls_read(ssl, answer, sizeof answer, &n, &wants, err);
}

/* The socket blocks, so that AGAIN does not happen. */
static blind_code connect_plain(bl_tls_client *client, uint16_t port, double *connect_ms,
                                double *trip_ms, blind_error *err)
{
    bl_auto_fd int fd = -1;
    int            wants;
    uint64_t       start = bl_clock_ns();
    BL_TRY(connect_tcp(port, &fd, err));
    struct ssl_st *ssl = bl_tls_client_session(client, fd);
    if (!ssl)
        return blind_fail(err, BLIND_MEMORY, "bench.connect", "no session");
    blind_code code = bl_tls_handshake(ssl, &wants, err);
    *connect_ms = since_ms(start);
    start = bl_clock_ns();
    if (code == BLIND_OK)
        code = ask_once(ssl, err);
    *trip_ms = since_ms(start);
    bl_tls_close(ssl);
    return code;
}

static blind_code connect_attested(blind_dialer *dialer, double *ms, blind_error *err)
{
    blind_dial   *dial;
    blind_stream *stream = NULL;
    uint64_t      start = bl_clock_ns();
    BL_TRY(blind_dial_new(dialer, &dial, err));
    blind_code code;
    while ((code = blind_dial_step(dial, &stream, err)) == BLIND_AGAIN) {
        struct pollfd p = { .fd = blind_dial_fd(dial) };
        int           wants = blind_dial_wants(dial);
        p.events = (short)((wants & BLIND_WANTS_READ ? POLLIN : 0) |
                           (wants & BLIND_WANTS_WRITE ? POLLOUT : 0));
        poll(&p, 1, blind_dial_timeout_ms(dial));
    }
    *ms = since_ms(start);
    blind_stream_close(stream);
    blind_dial_free(dial);
    return code;
}

/* ---- two signatures, two verifications ---- */

static blind_code time_p256(series *sign, series *verify, blind_error *err)
{
    static const uint8_t message[64];
    bl_key              *key = NULL;
    blind_code           code = bl_key_generate(&key, err);
    for (size_t i = 0; i < SIGNATURES && code == BLIND_OK; i++) {
        bl_auto_buf signature = BL_BUF_EMPTY;
        uint64_t    start = bl_clock_ns();
        code = bl_key_sign(key, BL_ECDSA_P256_SHA256, bl_span(message, sizeof message), &signature,
                           err);
        sign->ms[sign->len++] = since_ms(start);
        start = bl_clock_ns();
        if (code == BLIND_OK)
            code = bl_key_verify(key, BL_ECDSA_P256_SHA256, bl_span(message, sizeof message),
                                 bl_buf_span(&signature), err);
        verify->ms[verify->len++] = since_ms(start);
    }
    bl_key_free(key);
    return code;
}

/* ---- the whole ---- */

enum { ATTESTED, PLAIN, TRIP, SIGN, VERIFY, KINDS };

static blind_code measure(blind_dialer *dialer, bl_tls_client *client, uint16_t port, size_t count,
                          series kinds[KINDS], blind_error *err)
{
    for (size_t i = 0; i < count + WARM_UP; i++) {
        double attested = 0, plain = 0, trip = 0;
        BL_TRY(connect_plain(client, port, &plain, &trip, err));
        BL_TRY(connect_attested(dialer, &attested, err));
        if (i < WARM_UP)
            continue;
        kinds[ATTESTED].ms[kinds[ATTESTED].len++] = attested;
        kinds[PLAIN].ms[kinds[PLAIN].len++] = plain;
        kinds[TRIP].ms[kinds[TRIP].len++] = trip;
    }
    return time_p256(&kinds[SIGN], &kinds[VERIFY], err);
}

static int report(series kinds[KINDS])
{
    double p50[KINDS];
    for (int k = 0; k < KINDS; k++) {
        p50[k] = percentile(&kinds[k], 50);
        printf("%-34s p50 %7.3f ms   p99 %7.3f ms   (%zu)\n", kinds[k].name, p50[k],
               percentile(&kinds[k], 99), kinds[k].len);
    }
    double bound = (p50[PLAIN] + p50[TRIP] + 2 * p50[SIGN] + 2 * p50[VERIFY]) * 1.3;
    bool   within = p50[ATTESTED] <= bound;
    printf("(plain + round trip + 2 signatures + 2 verifications) * 1.3 = %.3f ms: %s\n", bound,
           within ? "within" : "NOT within");
    return within ? 0 : 1;
}

int main(int argc, char **argv)
{
    blind_error    err = { 0 };
    blind_policy  *policy = NULL;
    blind_dialer  *dialer = NULL;
    bl_tls_client *client = NULL;
    series         kinds[KINDS] = { { .name = "attested connect" },
                                    { .name = "plain TLS 1.3 connect" },
                                    { .name = "one round trip on it" },
                                    { .name = "P-256 signature" },
                                    { .name = "P-256 verification" } };
    if (argc != 4) {
        fprintf(stderr, "usage: bench_connect PORT POLICY COUNT\n");
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    size_t   count = strtoul(argv[3], NULL, 10), room = BL_MAX(count, (size_t)SIGNATURES);
    for (int k = 0; k < KINDS; k++)
        if (!(kinds[k].ms = calloc(room, sizeof(double))))
            return 1;
    if (count == 0 || blind_policy_load_file(argv[2], &policy, &err) != BLIND_OK)
        return fail(argv[2], &err);
    blind_dial_options options = {
        .host = "127.0.0.1", .port = port, .policy = policy, .simulation = true
    };
    bl_tls_client_options plain = { .rule = BLIND_SERVER_ANY, .server_name = "localhost" };
    if (blind_dialer_new(&options, &dialer, &err) != BLIND_OK ||
        bl_tls_client_new(&plain, &client, &err) != BLIND_OK)
        return fail("set up", &err);
    if (measure(dialer, client, port, count, kinds, &err) != BLIND_OK)
        return fail("connect", &err);
    int status = report(kinds);
    for (int k = 0; k < KINDS; k++)
        free(kinds[k].ms);
    bl_tls_client_free(client);
    blind_dialer_free(dialer);
    blind_policy_free(policy);
    return status;
}
