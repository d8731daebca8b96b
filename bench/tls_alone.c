/* The quickest two ends that were found: the contexts that client and server have, sockets and
 * buffers as theirs are, and a far end that sleeps until a request begins.  From there on both ends
 * have a processor to themselves and ask again instead of sleeping. */
#include "tls_alone.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/socket.h"
#include "crypto/cert.h"
#include "tls/context.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    struct ssl_st *ssl;
    int            fd;
} end;

struct tls_alone {
    size_t         request, answer;
    bl_tls_server *server;
    bl_tls_client *client;
    end            near, far;
    uint8_t       *heard, *told, *answered; /* a request, its answer, and that at the near end */
    pthread_t      thread;
    bool           started;
};

static blind_code send_all(end *e, const uint8_t *bytes, size_t size, blind_error *err)
{
    int wants;
    for (size_t put; size > 0; bytes += put, size -= put) {
        blind_code code = bl_tls_write(e->ssl, bytes, size, &put, &wants, err);
        if (code != BLIND_AGAIN)
            BL_TRY(code);
    }
    return BLIND_OK;
}

static blind_code read_all(end *e, uint8_t *to, size_t size, blind_error *err)
{
    enum { HELD = 32 * 1024 };
    int wants;
    for (size_t got; size > 0; to += got, size -= got) {
        bl_tls_hold(e->ssl, size > HELD);
        blind_code code = bl_tls_read(e->ssl, to, size, &got, &wants, err);
        if (code != BLIND_AGAIN)
            BL_TRY(code);
    }
    return BLIND_OK;
}

static blind_code shake(end *e, blind_error *err)
{
    int        wants;
    blind_code code;
    while ((code = bl_tls_handshake(e->ssl, &wants, err)) == BLIND_AGAIN)
        ;
    return code;
}

static void sleep_until_readable(const end *e)
{
    struct pollfd p = { .fd = e->fd, .events = POLLIN };
    (void)!poll(&p, 1, -1);
}

static void *answer_all(void *arg)
{
    tls_alone *t = arg;
    blind_code code = shake(&t->far, NULL);
    while (code == BLIND_OK) {
        sleep_until_readable(&t->far);
        code = read_all(&t->far, t->heard, t->request, NULL);
        if (code == BLIND_OK)
            code = send_all(&t->far, t->told, t->answer, NULL);
    }
    return NULL;
}

/* ---- two ends ---- */

static void bind_to(pthread_t thread, size_t cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)pthread_setaffinity_np(thread, sizeof one, &one);
}

/* From here on the caller stays where it is put; with one processor nothing helps. */
static void part(const tls_alone *t)
{
    cpu_set_t allowed;
    size_t    cpu[2], found = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    for (size_t i = 0; i < CPU_SETSIZE && found < BL_LEN(cpu); i++)
        if (CPU_ISSET(i, &allowed))
            cpu[found++] = i;
    if (found < BL_LEN(cpu))
        return;
    bind_to(pthread_self(), cpu[0]);
    bind_to(t->thread, cpu[1]);
}

static blind_code connect_both(tls_alone *t, blind_error *err)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr   *any = (struct sockaddr *)&at;
    socklen_t          size = sizeof at;
    int                listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    t->near.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listening, any, size) == 0 && listen(listening, 1) == 0 &&
        getsockname(listening, any, &size) == 0 && connect(t->near.fd, any, size) == 0)
        t->far.fd = accept(listening, NULL, NULL);
    close(listening);
    if (t->far.fd < 0)
        return blind_fail(err, BLIND_NETWORK, "bench.alone", "no connection on loopback");
    bl_socket_hurry(t->near.fd, any);
    bl_socket_hurry(t->far.fd, any);
    fcntl(t->near.fd, F_SETFL, O_NONBLOCK);
    fcntl(t->far.fd, F_SETFL, O_NONBLOCK);
    return BLIND_OK;
}

static blind_code make_contexts(tls_alone *t, blind_error *err)
{
    bl_auto_buf           cert = BL_BUF_EMPTY;
    bl_key               *key = NULL;
    bl_cert_options       of = { .not_before_s = bl_clock_wall_s() - 60,
                                 .not_after_s = bl_clock_wall_s() + 3600 };
    bl_tls_client_options any = { .rule = BLIND_SERVER_ANY };
    BL_TRY(bl_key_generate(&key, err));
    blind_code code = bl_cert_make(key, NULL, (blind_span){ 0 }, &of, &cert, err);
    blind_span chain = bl_buf_span(&cert);
    if (code == BLIND_OK)
        code = bl_tls_server_new(key, &chain, 1, &t->server, err);
    bl_key_free(key);
    BL_TRY(code);
    return bl_tls_client_new(&any, &t->client, err);
}

static blind_code open_ends(tls_alone *t, blind_error *err)
{
    BL_TRY(make_contexts(t, err));
    BL_TRY(connect_both(t, err));
    t->far.ssl = bl_tls_server_session(t->server);
    t->near.ssl = bl_tls_client_session(t->client, t->near.fd);
    t->heard = calloc(1, t->request);
    t->told = calloc(1, t->answer);
    t->answered = calloc(1, t->answer);
    if (!t->far.ssl || !t->near.ssl || !t->heard || !t->told || !t->answered ||
        !bl_tls_set_socket(t->far.ssl, t->far.fd))
        return blind_fail(err, BLIND_MEMORY, "bench.alone", "out of memory");
    t->started = pthread_create(&t->thread, NULL, answer_all, t) == 0;
    if (!t->started)
        return blind_fail(err, BLIND_FAILED, "bench.alone", "cannot start a thread");
    part(t);
    return shake(&t->near, err);
}

blind_code tls_alone_open(size_t request, size_t answer, tls_alone **out, blind_error *err)
{
    *out = NULL;
    tls_alone *t = calloc(1, sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "bench.alone", "out of memory");
    t->request = request;
    t->answer = answer;
    t->near.fd = t->far.fd = -1;
    blind_code code = open_ends(t, err);
    if (code == BLIND_OK)
        *out = t;
    else
        tls_alone_close(t);
    return code;
}

blind_code tls_alone_time(tls_alone *t, const void *bytes, double *took_ms, blind_error *err)
{
    uint64_t start = bl_clock_ns();
    BL_TRY(send_all(&t->near, bytes, t->request, err));
    BL_TRY(read_all(&t->near, t->answered, t->answer, err));
    *took_ms = (double)(bl_clock_ns() - start) / 1e6;
    return BLIND_OK;
}

void tls_alone_close(tls_alone *t)
{
    if (!t)
        return;
    bl_tls_close(t->near.ssl);
    bl_close_fd(&t->near.fd);
    if (t->started)
        pthread_join(t->thread, NULL);
    bl_tls_close(t->far.ssl);
    bl_close_fd(&t->far.fd);
    bl_tls_server_free(t->server);
    bl_tls_client_free(t->client);
    free(t->heard);
    free(t->told);
    free(t->answered);
    free(t);
}
