/* Many at once over HTTP: clients answered by one run, a queue that is full, models that take turns
 * in memory, and what the metrics tell of it. */
#include "http/kserve.h"
#include "tests/server/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WIDTH = 96, IDS = 4 };

static const char *const files[] = { "turn=tests/vectors/engine/matmuls.onnx",
                                     "ids=tests/vectors/engine/ids.onnx",
                                     "digits=examples/digits/model.onnx" };

#define MODELS "model", files[0], "model", files[1], "model", files[2]

/* The number behind "blind_NAME ", -1 where there is none. */
static double metric(const test_server *s, const char *name)
{
    static char        text[1 << 18];
    static const char  ask[] = "GET /metrics HTTP/1.0\r\n\r\n";
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(bl_server_port(s->server, BL_ON_METRICS)) };
    char               line[200];
    size_t             n = 0;
    ssize_t            got;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bl_auto_fd int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(write(fd, ask, sizeof ask - 1) == (ssize_t)sizeof ask - 1);
    while ((got = read(fd, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    CHECK(!strstr(text, "digits"));
    snprintf(line, sizeof line, "\nblind_%s ", name);
    const char *at = strstr(text, line);
    return at ? strtod(at + strlen(line), NULL) : -1;
}

static void send_request(test_peer *p, const char *model, blind_tensor *in)
{
    bl_kserve_request r = { .inputs = in, .input_count = 1, .binary_output = true };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    CHECK(bl_kserve_request_write(&r, true, &body, &json_size, NULL) == BLIND_OK);
    test_peer_printf(p,
                     "POST /v2/models/%s/infer HTTP/1.1\r\nHost: a\r\n" BL_KSERVE_HEADER
                     ": %lld\r\nContent-Length: %zu\r\n\r\n",
                     model, (long long)json_size, body.size);
    CHECK(test_peer_send(p, bl_buf_span(&body)));
}

/* One row of `value`s; the answer is the row turned, and so the same. */
static void send_turn(test_peer *p, float value)
{
    float        row[WIDTH];
    blind_tensor in = { "x", BLIND_F32, 2, { 1, WIDTH }, row, sizeof row };
    for (int i = 0; i < WIDTH; i++)
        row[i] = value;
    send_request(p, "turn", &in);
}

static void expect_turn(test_peer *p, float value)
{
    test_auto_answer a = { 0 };
    test_peer_read(p, &a);
    CHECK(a.status == 200 && a.json_size > 0);
    CHECK(a.body.size == (size_t)a.json_size + WIDTH * sizeof value);
    for (int i = 0; i < WIDTH; i++) {
        float got;
        memcpy(&got, a.body.data + a.json_size + (size_t)i * sizeof got, sizeof got);
        CHECK(got == value);
    }
}

static void send_ids(test_peer *p, int64_t id)
{
    int64_t      ids[IDS] = { id, id, id, id };
    blind_tensor in = { "ids", BLIND_I64, 2, { 1, IDS }, ids, sizeof ids };
    send_request(p, "ids", &in);
}

static int ask_digits(test_peer *p, float scores[10])
{
    float            image[64];
    blind_tensor     in = { "image", BLIND_F32, 4, { 1, 1, 8, 8 }, image, sizeof image };
    test_auto_answer a = { 0 };
    for (int i = 0; i < 64; i++)
        image[i] = (float)(i % 17) / 16;
    send_request(p, "digits", &in);
    test_peer_read(p, &a);
    if (a.status == 200)
        memcpy(scores, a.body.data + a.json_size, 10 * sizeof *scores);
    return a.status;
}

TEST(clients_are_answered_by_one_run)
{
    enum { LEN = 8, ROUNDS = 5 };
    const char *settings[] = { MODELS, "max-batch", "8", "max-wait-us", "1000000", NULL };
    test_server s;
    test_peer   p[LEN];
    test_server_start(&s, settings);
    for (int i = 0; i < LEN; i++)
        test_peer_ready(&p[i], &s);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LEN; i++)
            send_turn(&p[i], (float)(100 * round + i + 1));
        for (int i = 0; i < LEN; i++)
            expect_turn(&p[i], (float)(100 * round + i + 1));
    }
    CHECK(metric(&s, "inferences_joined_total") == ROUNDS * LEN);
    CHECK(metric(&s, "model_batch_rows_bucket{model=\"1\",le=\"4\"}") == 0);
    CHECK(metric(&s, "model_batch_rows_bucket{model=\"1\",le=\"8\"}") == ROUNDS);
    CHECK(metric(&s, "model_batch_rows_sum{model=\"1\"}") == ROUNDS * LEN);
    CHECK(metric(&s, "model_queue_wait_seconds_count{model=\"1\"}") == ROUNDS * LEN);
    CHECK(metric(&s, "model_queue_wait_seconds_count{model=\"2\"}") == 0);
    CHECK(metric(&s, "model_queued{model=\"1\"}") == 0);
    for (int i = 0; i < LEN; i++)
        test_peer_close(&p[i]);
    test_server_stop(&s);
}

/* The bad one is told, and its connection and those of others go on. */
TEST(a_bad_request_among_good_ones)
{
    enum { LEN = 4 };
    const char *settings[] = { MODELS, "max-batch", "4", "max-wait-us", "1000000", NULL };
    test_server s;
    test_peer   p[LEN];
    test_server_start(&s, settings);
    for (int i = 0; i < LEN; i++)
        test_peer_ready(&p[i], &s);
    for (int i = 0; i < LEN; i++)
        send_ids(&p[i], i == 2 ? -99 : i);
    for (int i = 0; i < LEN; i++) {
        test_auto_answer a = { 0 };
        test_peer_read(&p[i], &a);
        CHECK(a.status == (i == 2 ? 400 : 200));
        float got;
        memcpy(&got, a.body.data + BL_MAX(a.json_size, 0), sizeof got);
        CHECK(i == 2 || got == (float)(IDS * 4 * i));
    }
    for (int i = 0; i < LEN; i++)
        test_peer_close(&p[i]);
    test_server_stop(&s);
}

/* A client that goes while it waits for company takes nobody along. */
TEST(a_client_that_goes_leaves_the_others)
{
    const char *settings[] = { MODELS, "max-batch", "3", "max-wait-us", "1000000", NULL };
    test_server s;
    test_peer   p[4];
    test_server_start(&s, settings);
    for (int i = 0; i < 4; i++)
        test_peer_ready(&p[i], &s);
    send_turn(&p[0], 1);
    send_turn(&p[1], 2);
    while (metric(&s, "model_queued{model=\"1\"}") < 2)
        usleep(1000);
    test_peer_close(&p[0]);
    while (metric(&s, "model_queued{model=\"1\"}") > 1)
        usleep(1000);
    send_turn(&p[2], 3);
    send_turn(&p[3], 4);
    for (int i = 1; i < 4; i++) {
        expect_turn(&p[i], (float)(i + 1));
        test_peer_close(&p[i]);
    }
    CHECK(metric(&s, "inferences_cancelled_total") == 1);
    test_server_stop(&s);
}

TEST(a_full_queue_says_so)
{
    const char      *settings[] = { MODELS,        "max-batch", "8",
                                    "max-wait-us", "1000000",   "max-queue-per-principal",
                                    "9",           "max-queue", "2",
                                    NULL };
    test_server      s;
    test_peer        p[3];
    test_auto_answer a = { 0 };
    test_server_start(&s, settings);
    for (int i = 0; i < 3; i++)
        test_peer_ready(&p[i], &s);
    send_turn(&p[0], 1);
    send_turn(&p[1], 2);
    while (metric(&s, "model_queued{model=\"1\"}") < 2)
        usleep(1000);
    send_turn(&p[2], 3); /* two are waiting for company */
    test_peer_read(&p[2], &a);
    CHECK(a.status == 429 && strcmp(a.code, "BUSY") == 0);
    CHECK(metric(&s, "inferences_refused_total") == 1);
    expect_turn(&p[0], 1);
    expect_turn(&p[1], 2);
    for (int i = 0; i < 3; i++)
        test_peer_close(&p[i]);
    test_server_stop(&s);
}

TEST(metadata_tells_the_batch)
{
    const char      *settings[] = { MODELS,      "model", "sum=tests/vectors/engine/sum.onnx",
                                    "max-batch", "16",    NULL };
    test_server      s;
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 };
    test_server_start(&s, settings);
    test_peer_ready(&p, &s);
    test_ask(&p, "GET /v2/models/turn", "", (blind_span){ 0 }, &a);
    test_ask(&p, "GET /v2/models/sum", "", (blind_span){ 0 }, &b);
    CHECK(a.status == 200 && strstr(bl_buf_cstr(&a.body), "\"max_batch\":16"));
    CHECK(b.status == 200 && strstr(bl_buf_cstr(&b.body), "\"max_batch\":1,"));
    test_peer_close(&p);
    test_server_stop(&s);
}

/* Every model asked in turn; what the sessions verified holds, so nobody is asked to attest again.
 */
static void ask_all(test_server *s, int rounds, float first[10])
{
    test_peer p;
    float     scores[10];
    test_peer_ready(&p, s);
    for (int round = 0; round < rounds; round++) {
        test_auto_answer a = { 0 };
        send_turn(&p, (float)round);
        expect_turn(&p, (float)round);
        send_ids(&p, 3);
        test_peer_read(&p, &a);
        CHECK(a.status == 200);
        CHECK(ask_digits(&p, scores) == 200);
        if (round == 0 && first[0] == 0)
            memcpy(first, scores, sizeof scores);
        CHECK(memcmp(first, scores, sizeof scores) == 0);
    }
    test_peer_close(&p);
}

TEST(models_take_turns_in_memory)
{
    const char *settings[] = { MODELS, "max-memory", "1G", NULL };
    char        most[32];
    float       first[10] = { 0 };
    test_server s;
    test_server_start(&s, settings);
    ask_all(&s, 2, first);
    double all = metric(&s, "memory_reserved_bytes");
    CHECK(metric(&s, "models_in_memory") == 3 && metric(&s, "models_put_away_total") == 0);
    test_server_stop(&s);

    snprintf(most, sizeof most, "%.0f", all - 100000); /* the largest fits, beside a request */
    settings[7] = most;
    test_server_start(&s, settings);
    ask_all(&s, 6, first);
    print_message("%.0f bytes for three models, then %s: put away %.0f times\n", all, most,
                  metric(&s, "models_put_away_total"));
    CHECK(metric(&s, "models_put_away_total") >= 3);
    CHECK(metric(&s, "models_returned_total") >= 3);
    CHECK(metric(&s, "models_return_failures_total") == 0);
    CHECK(metric(&s, "models_ready") == 3 && metric(&s, "model_loads_total") == 3);
    CHECK(metric(&s, "memory_reserved_bytes") <= all - 100000);
    test_server_stop(&s);
}

TESTS(RUN(clients_are_answered_by_one_run), RUN(a_bad_request_among_good_ones),
      RUN(a_client_that_goes_leaves_the_others), RUN(a_full_queue_says_so),
      RUN(metadata_tells_the_batch), RUN(models_take_turns_in_memory))
