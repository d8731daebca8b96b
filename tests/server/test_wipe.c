/* What a client sent and was answered is nowhere in the server's memory once it was answered.
 *
 * The server runs in a child, which searches its own memory for what the parent asks for.  Patterns
 * travel and rest masked, so that the search does not find itself. */
#include "http/kserve.h"
#include "tests/server/harness.h"

#include "crypto/random.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 10000, PATTERN = 16, CHUNK = 1 << 20, MASK = 0xa5 };

typedef struct {
    uint8_t size, bytes[PATTERN]; /* masked */
} pattern;

static struct {
    pid_t    pid;
    int      ask, answer;
    uint16_t port;
} child;

/* ---- the child ---- */

static size_t count_in(const uint8_t *bytes, size_t size, const pattern *p)
{
    size_t found = 0;
    for (size_t i = 0; i + p->size <= size; i++) {
        size_t k = 0;
        while (k < p->size && (bytes[i + k] ^ MASK) == p->bytes[k])
            k++;
        found += k == p->size;
    }
    return found;
}

/* Pages that were never touched are not read. */
static bool any_resident(uintptr_t at, size_t size)
{
    unsigned char pages[CHUNK / 4096];
    if (mincore((void *)at, size, pages) != 0)
        return false;
    for (size_t i = 0; i < size / 4096; i++)
        if (pages[i] & 1)
            return true;
    return false;
}

static size_t search_region(int memory, uintptr_t from, uintptr_t to, uint8_t *chunk,
                            const pattern *p)
{
    size_t found = 0, kept = 0; /* the end of one chunk may begin what the next one ends */
    for (uintptr_t at = from; at < to; at += CHUNK) {
        size_t size = BL_MIN(to - at, (uintptr_t)CHUNK);
        if (!any_resident(at, size) ||
            pread(memory, chunk + kept, size, (off_t)at) != (ssize_t)size) {
            kept = 0;
            continue;
        }
        found += count_in(chunk, kept + size, p);
        kept = p->size - 1u;
        memmove(chunk, chunk + size, kept);
    }
    return found;
}

/* Sanitizers' shadows are regions of terabytes and hold no content. */
static size_t search(const pattern *p)
{
    FILE    *maps = fopen("/proc/self/maps", "re");
    int      memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    uint8_t *chunk = mmap(NULL, CHUNK + 4096, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    size_t   found = 0;
    char     line[512], rights[8];
    if (!maps || memory < 0 || chunk == MAP_FAILED)
        _exit(3);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, rights) != 3 ||
            rights[1] != 'w' || to - from > (uintptr_t)1 << 32 ||
            (from <= (uintptr_t)chunk && (uintptr_t)chunk < to))
            continue;
        found += search_region(memory, from, to, chunk, p);
    }
    munmap(chunk, CHUNK + 4096);
    close(memory);
    fclose(maps);
    return found;
}

static void serve(int asked, int answers)
{
    const char *settings[] = { "model", "sum=tests/vectors/engine/sum.onnx", "model",
                               "turn=tests/vectors/engine/matmuls.onnx",
                               /* two rows are answered together, a row waits for the other */
                               "max-batch", "2", "max-wait-us", "1000000", "model",
                               "chat=examples/llm/demo-llm-f16.gguf", "kv-memory", "4M", NULL };
    test_server server;
    pattern     p;
    test_server_start(&server, settings);
    uint16_t port = bl_server_port(server.server, BL_ON_ATTESTED);
    bool     good = write(answers, &port, sizeof port) == (ssize_t)sizeof port;
    while (good && read(asked, &p, sizeof p) == (ssize_t)sizeof p) {
        size_t found = search(&p);
        good = write(answers, &found, sizeof found) == (ssize_t)sizeof found;
    }
    test_server_stop(&server);
    _exit(0);
}

/* ---- the parent ---- */

static int start(void **state)
{
    int ask[2], answer[2];
    (void)state;
    CHECK(pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0);
    child.pid = fork();
    CHECK(child.pid >= 0);
    if (child.pid == 0) {
        close(ask[1]);
        close(answer[0]);
        serve(ask[0], answer[1]);
    }
    close(ask[0]);
    close(answer[1]);
    child.ask = ask[1];
    child.answer = answer[0];
    CHECK(read(child.answer, &child.port, sizeof child.port) == (ssize_t)sizeof child.port);
    return 0;
}

static int stop(void **state)
{
    int status;
    (void)state;
    close(child.ask);
    close(child.answer);
    CHECK(waitpid(child.pid, &status, 0) == child.pid && WIFEXITED(status) &&
          WEXITSTATUS(status) == 0);
    return 0;
}

static size_t count(const void *bytes, size_t size)
{
    pattern p = { .size = (uint8_t)size };
    size_t  found;
    CHECK(size <= PATTERN);
    for (size_t i = 0; i < size; i++)
        p.bytes[i] = (uint8_t)(((const uint8_t *)bytes)[i] ^ MASK);
    CHECK(write(child.ask, &p, sizeof p) == (ssize_t)sizeof p);
    CHECK(read(child.answer, &found, sizeof found) == (ssize_t)sizeof found);
    return found;
}

/* The server wipes when it has nothing else to do, which it soon has not. */
static void expect_gone(const char *what, const void *bytes, size_t size)
{
    size_t found = 0;
    for (int i = 0; i < 50; i++) {
        found = count(bytes, size);
        if (found == 0)
            return;
        usleep(100000);
    }
    fail_msg("%s: %zu times in the server's memory", what, found);
}

static float input[ROWS * 3], zeros[3];

/* Three floats in [1, 2) of random digits, again and again: 16 of them, so that products give them
 * back exactly also where tiles sum them in parts. */
static void fill(void)
{
    uint32_t bits[3];
    CHECK(bl_random((uint8_t *)bits, sizeof bits, NULL) == BLIND_OK);
    for (int i = 0; i < 3; i++)
        bits[i] = 0x3f800000 | (bits[i] & 0x007fff00);
    for (size_t i = 0; i < BL_LEN(input); i++)
        memcpy(&input[i], &bits[i % 3], sizeof *input);
}

/* The model's first output is its input: the answer holds what is searched for. */
static void infer(test_peer *p, bool binary, const char *more)
{
    blind_tensor in[] = {
        { "a", BLIND_F32, 2, { ROWS, 3 }, input, sizeof input },
        { "b", BLIND_F32, 1, { 3 }, zeros, sizeof zeros },
    };
    bl_kserve_request r = { .inputs = in, .input_count = 2, .binary_output = binary };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    char              fields[300];
    test_auto_answer  answer = { 0 };
    fill();
    CHECK(bl_kserve_request_write(&r, binary, &body, &json_size, NULL) == BLIND_OK);
    int n = snprintf(fields, sizeof fields, "%s", more);
    if (binary)
        snprintf(fields + n, sizeof fields - (size_t)n, BL_KSERVE_HEADER ": %lld\r\n",
                 (long long)json_size);
    test_ask(p, "POST /v2/models/sum/infer", fields, bl_buf_span(&body), &answer);
    CHECK(answer.status == 200 && answer.body.size > sizeof input);
}

/* Half of a large body: more is to come than the buffer of a session holds. */
static void send_half(test_peer *p)
{
    enum { HEAD = 64 };
    char    head[300];
    uint8_t json[HEAD] = { 0 };
    fill();
    snprintf(head, sizeof head,
             "POST /v2/models/sum/infer HTTP/1.1\r\nHost: a\r\n" BL_KSERVE_HEADER
             ": %d\r\nContent-Length: %zu\r\n\r\n",
             HEAD, HEAD + sizeof input);
    CHECK(test_peer_send(p, bl_span_str(head)));
    CHECK(test_peer_send(p, bl_span(json, sizeof json)));
    CHECK(test_peer_send(p, bl_span(input, sizeof input / 2)));
}

/* Kernels of products keep sums on their stacks.  Shifts of 64 leave a period of four as it is. */
static void turn(test_peer *p)
{
    static float      rows[512 * 96];
    blind_tensor      in = { "x", BLIND_F32, 2, { 512, 96 }, rows, sizeof rows };
    bl_kserve_request r = { .inputs = &in, .input_count = 1, .binary_output = true };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    char              fields[100];
    test_auto_answer  answer = { 0 };
    fill();
    for (size_t i = 0; i < BL_LEN(rows); i++)
        rows[i] = input[i % 4];
    CHECK(bl_kserve_request_write(&r, true, &body, &json_size, NULL) == BLIND_OK);
    snprintf(fields, sizeof fields, BL_KSERVE_HEADER ": %lld\r\n", (long long)json_size);
    test_ask(p, "POST /v2/models/turn/infer", fields, bl_buf_span(&body), &answer);
    CHECK(answer.status == 200 && answer.body.size > sizeof rows);
    const uint8_t *turned = answer.body.data + answer.json_size;
    for (size_t i = 0, wrong = 0; i < BL_LEN(rows) && wrong < 4; i++) {
        float got;
        memcpy(&got, turned + i * sizeof got, sizeof got);
        if (memcmp(&got, &rows[i], sizeof got) != 0)
            print_message("%zu: number %zu is %a, expected %a\n", ++wrong, i, (double)got,
                          (double)rows[i]);
    }
    CHECK(memcmp(turned, rows, sizeof rows) == 0);
}

/* One row of numbers of its own from each of two clients, in one run: each gets its own back, and
 * neither's stay. */
static void send_row(test_peer *p, const float row[96])
{
    blind_tensor in = { "x", BLIND_F32, 2, { 1, 96 }, (void *)(uintptr_t)row, 96 * sizeof *row };
    bl_kserve_request r = { .inputs = &in, .input_count = 1, .binary_output = true };
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    CHECK(bl_kserve_request_write(&r, true, &body, &json_size, NULL) == BLIND_OK);
    test_peer_printf(p,
                     "POST /v2/models/turn/infer HTTP/1.1\r\nHost: a\r\n" BL_KSERVE_HEADER
                     ": %lld\r\nContent-Length: %zu\r\n\r\n",
                     (long long)json_size, body.size);
    CHECK(test_peer_send(p, bl_buf_span(&body)));
}

static void turn_together(test_peer p[2])
{
    static float rows[2][96];
    for (int i = 0; i < 2; i++) {
        fill();
        for (int k = 0; k < 96; k++)
            rows[i][k] = input[k % 4];
        send_row(&p[i], rows[i]);
    }
    for (int i = 0; i < 2; i++) {
        test_auto_answer answer = { 0 };
        test_peer_read(&p[i], &answer);
        CHECK(answer.status == 200 && answer.body.size > sizeof rows[i]);
        CHECK(memcmp(answer.body.data + answer.json_size, rows[i], sizeof rows[i]) == 0);
    }
    for (int i = 0; i < 2; i++)
        expect_gone("a row", rows[i], PATTERN);
}

static char there[] = "there from before"; /* the fork */

TEST(the_search_finds_what_is_there)
{
    CHECK(count(there, PATTERN) > 0);
    there[0]++; /* what is never written lies where it cannot be */
}

TEST(a_binary_request_leaves_nothing)
{
    test_peer p;
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    infer(&p, true, "");
    expect_gone("the numbers", input, 3 * sizeof *input);
    test_peer_close(&p);
}

/* The session's buffer holds the last of it until the session ends. */
TEST(a_body_that_is_cut_off_leaves_nothing)
{
    test_peer p;
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    send_half(&p);
    for (int i = 0; count(input, 3 * sizeof *input) == 0; i++) {
        CHECK(i < 50); /* until it got there */
        usleep(100000);
    }
    test_peer_close(&p);
    expect_gone("the numbers", input, 3 * sizeof *input);
}

TEST(kernels_leave_nothing)
{
    test_peer p;
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    turn(&p);
    expect_gone("the numbers", input, PATTERN);
    test_peer_close(&p);
}

TEST(joined_requests_leave_nothing)
{
    test_peer p[2];
    for (int i = 0; i < 2; i++) {
        test_peer_open(&p[i], child.port);
        CHECK(test_peer_attest(&p[i]) == 200);
    }
    turn_together(p);
    for (int i = 0; i < 2; i++)
        test_peer_close(&p[i]);
}

TEST(a_json_request_leaves_nothing)
{
    test_peer p;
    char      text[64]; /* the beginning of which is searched for */
    double    wide;
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    infer(&p, false, "");
    expect_gone("the numbers", input, 3 * sizeof *input);
    snprintf(text, sizeof text, "%.9g,%.9g", (double)input[0], (double)input[1]);
    expect_gone("the text", text, PATTERN);
    wide = (double)input[0];
    expect_gone("the parsed number", &wide, sizeof wide);
    test_peer_close(&p);
}

TEST(a_connection_leaves_no_head)
{
    test_peer p;
    uint8_t   random[PATTERN / 2];
    char      text[PATTERN + 1], fields[64];
    CHECK(bl_random(random, sizeof random, NULL) == BLIND_OK);
    bl_hex_encode(bl_span(random, sizeof random), text);
    snprintf(fields, sizeof fields, "X-Secret: %s\r\n", text);
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    infer(&p, true, fields);
    test_peer_close(&p);
    expect_gone("a field", text, PATTERN);
}

/* Sixteen letters and digits that nobody used before. */
static void make_canary(char text[PATTERN + 1])
{
    uint8_t random[PATTERN / 2];
    CHECK(bl_random(random, sizeof random, NULL) == BLIND_OK);
    bl_hex_encode(bl_span(random, sizeof random), text);
}

static void post(test_peer *p, const char *path, const char *body)
{
    char             line[64];
    test_auto_answer answer = { 0 };
    snprintf(line, sizeof line, "POST %s", path);
    test_ask(p, line, "", bl_span_str(body), &answer);
    if (answer.status != 200)
        fail_msg("%d %.*s", answer.status, (int)answer.body.size, (char *)answer.body.data);
}

/* What is asked, in each form, and what is answered: an echo is both. */
TEST(a_language_model_leaves_nothing)
{
    static const struct {
        const char *name, *path, *format;
    } ways[] = {
        { "a chat", "/v1/chat/completions",
          "{\"model\":\"chat\",\"max_tokens\":3,\"messages\":[{\"role\":\"user\","
          "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}]}" },
        { "an echo", "/v1/completions",
          "{\"model\":\"chat\",\"max_tokens\":3,\"echo\":true,\"prompt\":\"%s\"}" },
        { "a stream", "/v1/completions",
          "{\"model\":\"chat\",\"max_tokens\":3,\"echo\":true,\"stream\":true,"
          "\"prompt\":\"%s\"}" },
        { "a response", "/v1/responses",
          "{\"model\":\"chat\",\"max_output_tokens\":3,\"instructions\":\"%s\","
          "\"input\":\"x\"}" },
        { "an embedding", "/v1/embeddings", "{\"model\":\"chat\",\"input\":\"%s\"}" },
        { "a schema", "/v1/chat/completions",
          "{\"model\":\"chat\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}"
          "],"
          "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\","
          "\"schema\":{\"enum\":[\"%s\"]}}}}" },
        { "a text to stop at", "/v1/completions",
          "{\"model\":\"chat\",\"max_tokens\":3,\"stop\":\"%s\",\"prompt\":\"x\"}" },
    };
    for (size_t i = 0; i < BL_LEN(ways); i++) {
        test_peer p;
        char      canary[PATTERN + 1], body[512];
        make_canary(canary);
        snprintf(body, sizeof body, ways[i].format, canary);
        test_peer_open(&p, child.port);
        CHECK(test_peer_attest(&p) == 200);
        post(&p, ways[i].path, body);
        expect_gone(ways[i].name, canary, PATTERN);
        test_peer_close(&p);
    }
}

TEST(tokens_leave_nothing)
{
    test_peer p;
    int32_t   ids[PATTERN / sizeof(int32_t)];
    char      text[64], body[256];
    size_t    at = 0;
    CHECK(bl_random(ids, sizeof ids, NULL) == BLIND_OK);
    for (size_t i = 0; i < BL_LEN(ids); i++) {
        ids[i] = 1000 + (ids[i] & 0x3ff);
        at += (size_t)snprintf(text + at, sizeof text - at, i ? ",%d" : "%d", ids[i]);
    }
    snprintf(body, sizeof body, "{\"model\":\"chat\",\"max_tokens\":2,\"prompt\":[%s]}", text);
    test_peer_open(&p, child.port);
    CHECK(test_peer_attest(&p) == 200);
    post(&p, "/v1/completions", body);
    expect_gone("the tokens", ids, sizeof ids);
    expect_gone("the tokens' text", text, PATTERN);
    test_peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_search_finds_what_is_there),
        RUN(a_binary_request_leaves_nothing),
        RUN(a_body_that_is_cut_off_leaves_nothing),
        RUN(kernels_leave_nothing),
        RUN(joined_requests_leave_nothing),
        RUN(a_json_request_leaves_nothing),
        RUN(a_connection_leaves_no_head),
        RUN(a_language_model_leaves_nothing),
        RUN(tokens_leave_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
