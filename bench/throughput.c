/* Many clients at once: `bench_throughput (URL POLICY | HOST:PORT -) MODEL INPUT.npy NAME CLIENTS
 * SECONDS`.
 *
 * Each client has a connection of its own, which is attested before the clock starts, and asks
 * again as soon as it was answered.  With HOST:PORT the same request goes over plain HTTP/1.1 to a
 * server that speaks KServe V2 (bench/peers/ort_server.py): the bytes are made beforehand and the
 * answer is not decoded, which favours that server.  bench/throughput starts both.  A line is
 * requests a second, and the median and the 99th of a hundred latencies in milliseconds. */
#include "base/clock.h"
#include "base/file.h"
#include "base/npy.h"
#include "blind/client.h"
#include "blind/policy.h"
#include "http/kserve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CLIENTS = 256, MAX_ANSWERS = 1 << 18, WARM_UP = 2, HEAD = 4096 };

static struct {
    const char       *url, *model;
    blind_policy     *policy; /* NULL: plain */
    blind_tensor      input;
    bl_buf            request; /* plain */
    double            seconds;
    pthread_barrier_t ready;
} set;

typedef struct {
    blind_client *client;
    int           fd;
    uint8_t      *bytes; /* of an answer */
    size_t        capacity;
    float        *ms;
    size_t        len;
    uint64_t      ended_ns;
} asker;

static _Atomic bool failed;

static void fail_with(const char *what, const char *why)
{
    if (!atomic_exchange(&failed, true))
        fprintf(stderr, "bench/throughput: %s: %s\n", what, why);
}

/* ---- plain ---- */

static int open_plain(const char *address)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    const char        *colon = strrchr(address, ':');
    char               host[64];
    int                one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - address) : 0, address);
    to.sin_port = htons((uint16_t)strtoul(colon ? colon + 1 : "0", NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail_with("connect", address);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool send_all(int fd, blind_span bytes)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n <= 0)
            return false;
        bytes = bl_span(bytes.data + n, bytes.size - (size_t)n);
    }
    return true;
}

/* Head and body; true for a 200 with a length. */
static bool read_answer(asker *a)
{
    size_t size = 0, want = SIZE_MAX;
    while (size < want) {
        if (size + HEAD > a->capacity) {
            uint8_t *more = realloc(a->bytes, a->capacity = 2 * (size + HEAD));
            if (!more)
                return false;
            a->bytes = more;
        }
        ssize_t n = read(a->fd, a->bytes + size, a->capacity - size - 1);
        if (n <= 0)
            return false;
        size += (size_t)n;
        a->bytes[size] = 0;
        char *end = want == SIZE_MAX ? strstr((char *)a->bytes, "\r\n\r\n") : NULL;
        char *length = end ? strstr((char *)a->bytes, "Content-Length: ") : NULL;
        if (end && (!length || strncmp((char *)a->bytes, "HTTP/1.1 200", 12) != 0))
            return false;
        if (length)
            want = (size_t)(end + 4 - (char *)a->bytes) + strtoul(length + 16, NULL, 10);
    }
    return true;
}

static bool make_request(blind_error *err)
{
    bl_kserve_request r = { .inputs = &set.input, .input_count = 1, .binary_output = true };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    if (bl_kserve_request_write(&r, true, &body, &json_size, err) != BLIND_OK)
        return false;
    bl_buf_printf(&set.request,
                  "POST /v2/models/%s/infer HTTP/1.1\r\nHost: peer\r\n" BL_KSERVE_HEADER
                  ": %lld\r\nContent-Length: %zu\r\n\r\n",
                  set.model, (long long)json_size, body.size);
    bl_buf_add(&set.request, bl_buf_span(&body));
    return true;
}

/* ---- asking ---- */

static bool ask(asker *a)
{
    if (!set.policy)
        return send_all(a->fd, bl_buf_span(&set.request)) && read_answer(a);
    blind_outputs outputs;
    blind_error   err = { 0 };
    if (blind_client_infer(a->client, set.model, &set.input, 1, &outputs, &err) != BLIND_OK) {
        fail_with("infer", err.message);
        return false;
    }
    blind_outputs_done(&outputs);
    return true;
}

static void open_asker(asker *a)
{
    blind_client_options options = { .dial = { .policy = set.policy, .simulation = true },
                                     .idle_max = 1 };
    blind_error          err = { 0 };
    if (!set.policy)
        a->fd = open_plain(set.url);
    else if (blind_client_open_url(set.url, &options, &a->client, NULL, &err) != BLIND_OK)
        fail_with("connect", err.message);
    a->ms = calloc(MAX_ANSWERS, sizeof *a->ms);
    for (int i = 0; i < WARM_UP && !atomic_load(&failed); i++)
        if (!ask(a))
            fail_with("warm up", set.url);
}

static void *run(void *arg)
{
    asker *a = arg;
    open_asker(a);
    pthread_barrier_wait(&set.ready);
    uint64_t now = bl_clock_ns(), end = now + (uint64_t)(set.seconds * 1e9);
    while (now < end && a->len < MAX_ANSWERS && !atomic_load(&failed)) {
        if (!ask(a)) {
            fail_with("ask", set.url);
            break;
        }
        uint64_t then = now;
        now = bl_clock_ns();
        a->ms[a->len++] = (float)(now - then) / 1e6f;
    }
    a->ended_ns = now;
    blind_client_close(a->client);
    if (!set.policy)
        close(a->fd);
    free(a->bytes);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int print_summary(asker *askers, size_t clients, uint64_t began_ns)
{
    size_t   len = 0, at = 0;
    uint64_t ended_ns = began_ns + 1;
    for (size_t i = 0; i < clients; i++) {
        len += askers[i].len;
        ended_ns = BL_MAX(ended_ns, askers[i].ended_ns);
    }
    bl_auto_free float *all = calloc(len + 1, sizeof *all);
    if (!all || len == 0)
        return 1;
    for (size_t i = 0; i < clients; i++) {
        memcpy(all + at, askers[i].ms, askers[i].len * sizeof *all);
        at += askers[i].len;
        free(askers[i].ms);
    }
    qsort(all, len, sizeof *all, compare);
    printf("%.1f %.3f %.3f\n", (double)len / ((double)(ended_ns - began_ns) / 1e9),
           (double)all[len / 2], (double)all[len * 99 / 100]);
    return 0;
}

static int measure(size_t clients)
{
    static asker     askers[MAX_CLIENTS];
    static pthread_t threads[MAX_CLIENTS];
    pthread_barrier_init(&set.ready, NULL, (unsigned)clients + 1);
    for (size_t i = 0; i < clients; i++)
        if (pthread_create(&threads[i], NULL, run, &askers[i]) != 0)
            return 1;
    pthread_barrier_wait(&set.ready);
    uint64_t began_ns = bl_clock_ns();
    for (size_t i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    return atomic_load(&failed) ? 1 : print_summary(askers, clients, began_ns);
}

int main(int argc, char **argv)
{
    blind_error err = { 0 };
    bl_arena    arena = BL_ARENA_EMPTY;
    bl_buf      file = BL_BUF_EMPTY;
    if (argc != 8 || strtoul(argv[6], NULL, 10) - 1 >= MAX_CLIENTS) {
        fprintf(stderr, "usage: bench_throughput (URL POLICY | HOST:PORT -) MODEL INPUT.npy NAME "
                        "CLIENTS SECONDS\n");
        return 2;
    }
    set.url = argv[1];
    set.model = argv[3];
    set.seconds = strtod(argv[7], NULL);
    bool good =
        strcmp(argv[2], "-") == 0 || blind_policy_load_file(argv[2], &set.policy, &err) == BLIND_OK;
    good = good && bl_file_read(argv[4], 1 << 30, &file, &err) == BLIND_OK &&
           bl_npy_read(bl_buf_span(&file), &arena, &set.input, &err) == BLIND_OK;
    set.input.name = argv[5];
    good = good && (set.policy || make_request(&err));
    int status = good ? measure(strtoul(argv[6], NULL, 10)) : 1;
    if (!good)
        fail_with("input", err.message);
    blind_policy_free(set.policy);
    bl_buf_done(&set.request);
    bl_arena_done(&arena);
    bl_buf_done(&file);
    return status;
}
