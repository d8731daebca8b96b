/* Many clients at once against one server; tests/soak/run starts both.
 *
 *     soak --url https://HOST:PORT --policy FILE --model NAME --input NAME:DTYPE:DIM,DIM,...
 *          [--clients 64] [--requests 10000] [--pid SERVER] [--reconnect N] [--upload PATH]
 *
 * Every answer is compared with the first: equal input, equal output.  One line of JSON on stdout:
 * requests, errors, latencies, and the server's resident memory after a tenth and at the end.
 *
 * --reconnect N  each client opens a new attested connection every N requests
 * --upload FILE  one more client uploads broken versions of FILE all the while: each must be
 * refused by an answer, and the others must not notice */
#include "base/base.h"
#include "blind/client.h"
#include "blind/policy.h"
#include "blind/tensor.h"

#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 1024, HOSTILE_MAX = 1 << 20 };

typedef struct {
    const char   *url, *policy_path, *model, *upload, *token;
    long          clients, requests, reconnect, pid;
    blind_tensor  input;
    blind_policy *policy;
} settings;

static settings set = { .clients = 64, .requests = 10000 };

static struct {
    pthread_mutex_t lock;
    uint8_t        *expected; /* the first answer's first output */
    size_t          expected_size;
    char            first_error[300];
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Atomic long next_request, errors, connects, refused_uploads, bad_uploads, rss_early_kb;
static _Atomic bool over;
static double      *latency_ms;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static long rss_kb(void)
{
    char path[64];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", set.pid);
    FILE *f = set.pid ? fopen(path, "r") : NULL;
    char  line[200];
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static void report(const char *what, const blind_error *err)
{
    atomic_fetch_add(&errors, 1);
    pthread_mutex_lock(&shared.lock);
    if (!shared.first_error[0])
        snprintf(shared.first_error, sizeof shared.first_error, "%s: %s %.200s", what,
                 blind_code_name(err->code), err->message);
    pthread_mutex_unlock(&shared.lock);
}

static blind_client *connect_client(void)
{
    blind_client_options options = {
        .dial = { .policy = set.policy, .simulation = true },
        .token = set.token,
        .idle_max = 1,
    };
    blind_client *client = NULL;
    blind_error   err = { 0 };
    if (blind_client_open_url(set.url, &options, &client, NULL, &err) != BLIND_OK)
        report("connect", &err);
    else
        atomic_fetch_add(&connects, 1);
    return client;
}

/* True when it is the first answer or equals it. */
static bool is_expected(const blind_tensor *output)
{
    pthread_mutex_lock(&shared.lock);
    if (!shared.expected && (shared.expected = malloc(output->size + 1))) {
        memcpy(shared.expected, output->data, output->size);
        shared.expected_size = output->size;
    }
    bool same = shared.expected && output->size == shared.expected_size &&
                memcmp(output->data, shared.expected, output->size) == 0;
    pthread_mutex_unlock(&shared.lock);
    return same;
}

static void ask(blind_client *client, long number)
{
    blind_outputs outputs = { 0 };
    blind_error   err = { 0 };
    double        begin = now_ms();
    if (blind_client_infer(client, set.model, &set.input, 1, &outputs, &err) != BLIND_OK) {
        report("infer", &err);
        return;
    }
    latency_ms[number] = now_ms() - begin;
    if (outputs.count < 1 || !is_expected(&outputs.tensors[0])) {
        blind_fail(&err, BLIND_FAILED, "soak.answer", "another answer than the first");
        report("infer", &err);
    }
    blind_outputs_done(&outputs);
    if (number == set.requests / 10)
        atomic_store(&rss_early_kb, rss_kb());
}

static void *run_client(void *arg)
{
    blind_client *client = connect_client();
    long          asked = 0;
    (void)arg;
    while (client) {
        long number = atomic_fetch_add(&next_request, 1);
        if (number >= set.requests)
            break;
        if (set.reconnect && asked++ % set.reconnect == set.reconnect - 1) {
            blind_client_close(client);
            if (!(client = connect_client()))
                break;
        }
        ask(client, number);
    }
    blind_client_close(client);
    return NULL;
}

/* ---- hostile uploads ---- */

/* Any answer that refuses; a connection that breaks is the server's fault. */
static void upload_broken(blind_client *client, uint8_t *bytes, size_t size)
{
    blind_error      err = { 0 };
    blind_model_info info;
    char             name[32];
    snprintf(name, sizeof name, "hostile-%ld", atomic_load(&refused_uploads) % 4);
    blind_code code =
        blind_client_upload_bytes(client, name, bl_span(bytes, size), NULL, &info, &err);
    if (code == BLIND_OK)
        code = blind_client_delete(client, name, &err); /* harmless after all */
    if (code == BLIND_NETWORK || code == BLIND_TLS || code == BLIND_TIMEOUT ||
        code == BLIND_PROTOCOL) {
        atomic_fetch_add(&bad_uploads, 1);
        report("upload", &err);
    }
    atomic_fetch_add(&refused_uploads, 1);
}

static size_t read_file(const char *path, uint8_t *bytes)
{
    FILE  *f = fopen(path, "rb");
    size_t size = f ? fread(bytes, 1, HOSTILE_MAX, f) : 0;
    if (f)
        fclose(f);
    return size;
}

/* File `number` of the folder, or the file itself.  The first round goes unchanged, later ones are
 * truncated, flipped, or both. */
static size_t make_hostile(struct dirent **files, int len, unsigned number, uint8_t *bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", set.upload,
             len > 0 ? files[number % (unsigned)len]->d_name : "");
    size_t   size = read_file(len > 0 ? path : set.upload, bytes);
    unsigned seed = number;
    if (size < 2 || (len > 0 && number < (unsigned)len))
        return size;
    for (unsigned i = 0; i < number % 5; i++)
        bytes[(size_t)rand_r(&seed) % size] ^= (uint8_t)(1 << number % 8);
    return number % 2 ? 1 + (size_t)rand_r(&seed) % (size - 1) : size;
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void *run_uploads(void *arg)
{
    bl_auto_free uint8_t *bytes = malloc(HOSTILE_MAX);
    struct dirent       **files = NULL;
    int                   len = scandir(set.upload, &files, is_file, alphasort);
    blind_client         *client = bytes ? connect_client() : NULL;
    (void)arg;
    for (unsigned number = 0; client && (!atomic_load(&over) || (int)number < len); number++) {
        size_t size = make_hostile(files, len, number, bytes);
        if (size)
            upload_broken(client, bytes, size);
    }
    blind_client_close(client);
    for (int i = 0; i < len; i++)
        free(files[i]);
    free(files);
    return NULL;
}

/* ---- the whole ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_summary(double seconds)
{
    long n = set.requests;
    qsort(latency_ms, (size_t)n, sizeof *latency_ms, compare);
    printf("{\"clients\": %ld, \"requests\": %ld, \"errors\": %ld, \"connects\": %ld, "
           "\"seconds\": %.2f, \"per_second\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
           "\"hostile_uploads\": %ld, \"hostile_failures\": %ld, \"rss_early_kb\": %ld, "
           "\"rss_late_kb\": %ld}\n",
           set.clients, n, atomic_load(&errors), atomic_load(&connects), seconds,
           (double)n / seconds, latency_ms[n / 2], latency_ms[n * 99 / 100],
           atomic_load(&refused_uploads), atomic_load(&bad_uploads), atomic_load(&rss_early_kb),
           rss_kb());
    if (shared.first_error[0])
        fprintf(stderr, "soak: first error: %s\n", shared.first_error);
}

static int soak(void)
{
    static pthread_t threads[MAX_CLIENTS];
    pthread_t        uploads;
    double           begin = now_ms();
    latency_ms = calloc((size_t)set.requests, sizeof *latency_ms);
    if (!latency_ms || (set.upload && pthread_create(&uploads, NULL, run_uploads, NULL) != 0))
        return 1;
    for (long i = 0; i < set.clients; i++)
        if (pthread_create(&threads[i], NULL, run_client, NULL) != 0)
            return 1;
    for (long i = 0; i < set.clients; i++)
        pthread_join(threads[i], NULL);
    double seconds = (now_ms() - begin) / 1e3;
    atomic_store(&over, true);
    if (set.upload)
        pthread_join(uploads, NULL);
    print_summary(seconds);
    free(latency_ms);
    free(shared.expected);
    return atomic_load(&errors) ? 1 : 0;
}

/* "image:FP32:1,1,8,8" */
static bool parse_input(char *text, blind_tensor *t)
{
    char *dtype = strchr(text, ':'), *dims = dtype ? strchr(dtype + 1, ':') : NULL;
    if (!dims)
        return false;
    *dtype++ = *dims++ = 0;
    t->name = text;
    t->dtype = strcmp(dtype, "INT64") == 0 ? BLIND_I64 : BLIND_F32;
    size_t len = 1;
    for (char *dim = strtok(dims, ","); dim && t->rank < BLIND_MAX_RANK; dim = strtok(NULL, ",")) {
        t->shape[t->rank++] = atol(dim);
        len *= (size_t)atol(dim);
    }
    t->size = len * blind_dtype_size(t->dtype);
    if (!(t->data = calloc(len, 8)))
        return false;
    for (size_t i = 0; i < len; i++)
        if (t->dtype == BLIND_I64)
            ((int64_t *)t->data)[i] = (int64_t)(i % 17);
        else
            ((float *)t->data)[i] = (float)(i % 17) / 17;
    return true;
}

static bool parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        { "url", 1, NULL, 'u' },
        { "policy", 1, NULL, 'p' },
        { "model", 1, NULL, 'm' },
        { "input", 1, NULL, 'i' },
        { "clients", 1, NULL, 'c' },
        { "requests", 1, NULL, 'r' },
        { "reconnect", 1, NULL, 'n' },
        { "pid", 1, NULL, 'P' },
        { "upload", 1, NULL, 'U' },
        { "token", 1, NULL, 't' },
        { 0 },
    };
    bool ok = true;
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'u':
            set.url = optarg;
            break;
        case 'p':
            set.policy_path = optarg;
            break;
        case 'm':
            set.model = optarg;
            break;
        case 'U':
            set.upload = optarg;
            break;
        case 't':
            set.token = optarg;
            break;
        case 'i':
            ok &= parse_input(optarg, &set.input);
            break;
        case 'c':
            set.clients = atol(optarg);
            break;
        case 'r':
            set.requests = atol(optarg);
            break;
        case 'n':
            set.reconnect = atol(optarg);
            break;
        case 'P':
            set.pid = atol(optarg);
            break;
        default:
            ok = false;
        }
    }
    return ok && set.url && set.policy_path && set.model && set.input.data && set.clients >= 1 &&
           set.clients <= MAX_CLIENTS && set.requests >= 1;
}

int main(int argc, char **argv)
{
    blind_error err = { 0 };
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "usage: soak --url URL --policy FILE --model NAME --input N:T:D,D\n");
        return 2;
    }
    if (blind_policy_load_file(set.policy_path, &set.policy, &err) != BLIND_OK) {
        fprintf(stderr, "soak: %s\n", err.message);
        return 1;
    }
    int status = soak();
    blind_policy_free(set.policy);
    free(set.input.data);
    return status;
}
