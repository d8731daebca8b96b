/* Connects to a server whose TPM makes three quotes a second: `bench/tpm` starts blind and calls
 * this.
 *
 *     bench_tpm BLIND [CONNECTS [THREADS]]
 *
 * The TPM is swtpm behind a relay that lets quotes begin no closer than a third of a second, as a
 * discrete TPM would.  Clients connect one after another in each of many threads, every connection
 * with its own evidence; the key is enrolled before, and enrolments are timed apart. */
#include "base/clock.h"
#include "base/hex.h"
#include "blind/stream.h"
#include "crypto/hash.h"
#include "tests/attest/swtpm.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUOTE = 0x158, QUOTE_MS = 334, ENROLMENTS = 10, MAX_CONNECTS = 100000 };

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench/tpm: %s\n", what);
    exit(1);
}

/* ---- the slow TPM ---- */

typedef struct {
    int  listener, to; /* the port behind */
    bool slow;
} relay;

static atomic_int quotes;
static int64_t    last_quote_ms;

static bool read_whole(int fd, uint8_t *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, to + at, size - at);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* One TPM message: tag, size, code, rest. */
static bool pass(int from, int to, uint32_t *code)
{
    static uint8_t message[8192];
    if (!read_whole(from, message, 10))
        return false;
    uint32_t size = (uint32_t)message[2] << 24 | (uint32_t)message[3] << 16 |
                    (uint32_t)message[4] << 8 | message[5];
    *code = (uint32_t)message[6] << 24 | (uint32_t)message[7] << 16 | (uint32_t)message[8] << 8 |
            message[9];
    return size >= 10 && size <= sizeof message && read_whole(from, message + 10, size - 10) &&
           write(to, message, size) == (ssize_t)size;
}

static void wait_for_quote(void)
{
    int64_t left = last_quote_ms + QUOTE_MS - (int64_t)(bl_clock_ns() / 1000000);
    if (left > 0)
        poll(NULL, 0, (int)left);
    last_quote_ms = (int64_t)(bl_clock_ns() / 1000000);
    atomic_fetch_add(&quotes, 1);
}

/* A quote is as slow as the time since the last one lacks of a third of a second. */
static void relay_commands(int client, int tpm)
{
    uint32_t command, answer;
    while (pass(client, tpm, &command)) {
        if (command == QUOTE)
            wait_for_quote();
        if (!pass(tpm, client, &answer))
            return;
    }
}

static void relay_bytes(int a, int b)
{
    struct pollfd fds[] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
    uint8_t       bytes[4096];
    while (poll(fds, 2, -1) > 0)
        for (int i = 0; i < 2; i++)
            if (fds[i].revents) {
                ssize_t n = read(fds[i].fd, bytes, sizeof bytes);
                if (n <= 0 || write(fds[1 - i].fd, bytes, (size_t)n) != n)
                    return;
            }
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void *run_relay(void *arg)
{
    const relay *r = arg;
    for (;;) {
        int                client = accept(r->listener, NULL, NULL);
        int                tpm = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = loopback(r->to);
        if (connect(tpm, (struct sockaddr *)&at, sizeof at) == 0)
            (r->slow ? relay_commands : relay_bytes)(client, tpm);
        close(tpm);
        close(client);
    }
    return NULL;
}

static int listen_at(int port)
{
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in at = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Two neighbouring ports that relay to the TPM's. */
static int start_relay(const swtpm *tpm)
{
    static relay relays[2];
    for (int port = tpm->port + 100; port < tpm->port + 1000; port += 2) {
        int a = listen_at(port), b = a >= 0 ? listen_at(port + 1) : -1;
        if (b < 0)
            continue;
        relays[0] = (relay){ a, tpm->port, true };
        relays[1] = (relay){ b, tpm->port + 1, false };
        for (int i = 0; i < 2; i++) {
            pthread_t thread;
            must(pthread_create(&thread, NULL, run_relay, &relays[i]) == 0, "thread");
        }
        return port;
    }
    must(false, "no port for the relay");
    return 0;
}

/* ---- the server ---- */

static pid_t start_server(const char *blind, const swtpm *tpm, int relay_port, uint16_t *port)
{
    char tcti[96], dir[96], file[128];
    snprintf(tcti, sizeof tcti, "swtpm:host=127.0.0.1,port=%d", relay_port);
    snprintf(dir, sizeof dir, "%s/state", tpm->dir);
    snprintf(file, sizeof file, "%s/ports", tpm->dir);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        execl(blind, blind, "serve", "--tee", "tpm", "--tcti", tcti, "--tpm-ek-chain", tpm->chain,
              "--state-dir", dir, "--listen", "127.0.0.1:0", "--helper-listen", "",
              "--metrics-listen", "", "--max-pending", "4096", "--max-connections", "8192",
              "--port-file", file, "--log-level", "warn", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 600; i++) {
        json_t *ports = json_load_file(file, 0, NULL);
        *port = (uint16_t)json_integer_value(json_object_get(ports, "attested"));
        json_decref(ports);
        if (*port)
            return pid;
        poll(NULL, 0, 50);
    }
    must(false, "the server did not start");
    return pid;
}

/* ---- the clients ---- */

static blind_policy *policy_for(const swtpm *tpm)
{
    uint8_t       digest[32];
    char          hex[65], text[512];
    blind_policy *policy;
    blind_error   err;
    must(bl_sha256(bl_buf_span(&tpm->root_spki), digest) == BLIND_OK, "sha256");
    bl_hex_encode(bl_span(digest, 32), hex);
    snprintf(text, sizeof text,
             "version = 1\nserver = \"any\"\ntees = [\"tpm\"]\nallow_debug = true\n[models]\n"
             "others = \"allow\"\n[tpm]\nauthorities = [\"%s\"]\n[[tpm.reference]]\npcr0 = "
             "\"any\"\n",
             hex);
    must(blind_policy_load_text(bl_span_str(text), &policy, &err) == BLIND_OK, err.message);
    return policy;
}

static double     ms[MAX_CONNECTS];
static atomic_int next_connect, refused, stale;
static int        connects;

static blind_dial_options options;

static void *client(void *arg)
{
    (void)arg;
    for (int i; (i = atomic_fetch_add(&next_connect, 1)) < connects;) {
        blind_stream *stream;
        blind_error   err = { 0 };
        uint64_t      start = bl_clock_ns();
        blind_code    code = blind_stream_open(&options, &stream, NULL, &err);
        ms[i] = (double)(bl_clock_ns() - start) / 1e6;
        blind_stream_close(stream);
        if (code != BLIND_OK && atomic_fetch_add(&refused, 1) < 5)
            fprintf(stderr, "refused: %s\n", err.message);
        atomic_fetch_add(&stale, code == BLIND_STALE);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, by_value);
    printf("%-11s %5d  p50 %7.1f ms  p99 %7.1f ms  max %7.1f ms\n", what, n, ms[n / 2],
           ms[BL_MIN(n * 99 / 100, n - 1)], ms[n - 1]);
}

/* Each with a store of its own. */
static void enrol(const swtpm *tpm)
{
    for (int i = 0; i < ENROLMENTS; i++) {
        blind_stream *stream;
        blind_error   err = { 0 };
        char          dir[128];
        snprintf(dir, sizeof dir, "%s/enrolments-%d", tpm->dir, i);
        options.enrolment_dir = dir;
        uint64_t start = bl_clock_ns();
        must(blind_stream_open(&options, &stream, NULL, &err) == BLIND_OK, err.message);
        ms[i] = (double)(bl_clock_ns() - start) / 1e6;
        blind_stream_close(stream);
    }
    report("enrolments", ENROLMENTS);
}

static void connect_all(const swtpm *tpm, int threads)
{
    pthread_t each[1024];
    char      dir[128];
    int       before = atomic_load(&quotes);
    snprintf(dir, sizeof dir, "%s/enrolments-0", tpm->dir);
    options.enrolment_dir = dir;
    uint64_t start = bl_clock_ns();
    for (int i = 0; i < threads; i++)
        must(pthread_create(&each[i], NULL, client, NULL) == 0, "thread");
    for (int i = 0; i < threads; i++)
        pthread_join(each[i], NULL);
    double s = (double)(bl_clock_ns() - start) / 1e9;
    int    made = atomic_load(&quotes) - before;
    report("connects", connects);
    printf("            %d at a time, %.1f s, %d quotes (%.2f a second), %d refused, %d of them "
           "stale\n",
           threads, s, made, made / s, atomic_load(&refused), atomic_load(&stale));
}

int main(int argc, char **argv)
{
    swtpm    tpm;
    uint16_t port;
    int      status, threads = argc > 3 ? atoi(argv[3]) : 100;
    must(argc > 1, "usage: bench_tpm BLIND [CONNECTS [THREADS]]");
    connects = argc > 2 ? atoi(argv[2]) : 1000;
    must(connects >= 1 && connects <= MAX_CONNECTS && threads >= 1 && threads <= 1024, "numbers");
    setenv("TSS2_LOG", "all+none", 1);
    signal(SIGPIPE, SIG_IGN);
    if (!swtpm_start(&tpm))
        return 0;
    pid_t server = start_server(argv[1], &tpm, start_relay(&tpm), &port);
    options = (blind_dial_options){ .host = "127.0.0.1", .port = port, .policy = policy_for(&tpm) };
    enrol(&tpm);
    connect_all(&tpm, threads);
    kill(server, SIGTERM);
    waitpid(server, &status, 0);
    blind_policy_free(options.policy);
    swtpm_stop(&tpm);
    return atomic_load(&refused) > 0;
}
