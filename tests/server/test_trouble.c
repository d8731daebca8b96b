/* A server under bad clients and bad luck: slow, large, cut off, many at once, no disk, no port,
 * and the end.  Others go on being served. */
#include "http/kserve.h"
#include "tests/server/harness.h"

#include <dirent.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOTHING ((blind_span){ 0 })

static const char *const quick[] = { "head-s",   "1",           "body-s",
                                     "1",        "handshake-s", "1",
                                     "max-body", "1M",          "max-model-size",
                                     "8M",       "model",       "digits=examples/digits/model.onnx",
                                     NULL };

static uint16_t port_of(const test_server *t)
{
    return bl_server_port(t->server, BL_ON_ATTESTED);
}

static void raw_infer(test_peer *p, test_answer *out)
{
    static const float image[64];
    test_ask(p, "POST /v2/models/digits/infer", BL_KSERVE_HEADER ": 0\r\n",
             bl_span(image, sizeof image), out);
}

static int put_digits(test_peer *p)
{
    bl_auto_buf      file = BL_BUF_EMPTY;
    test_auto_answer a = { 0 };
    CHECK(bl_file_read("examples/digits/model.onnx", 1 << 24, &file, NULL) == BLIND_OK);
    test_ask(p, "PUT /v2/models/mine", "", bl_buf_span(&file), &a);
    return a.status;
}

static void still_serves(const test_server *t)
{
    test_peer        p;
    test_auto_answer a = { 0 };
    test_peer_ready(&p, t);
    raw_infer(&p, &a);
    CHECK(a.status == 200);
    test_peer_close(&p);
}

/* Files in the state folder but for the helper's certificate: what uploads left behind. */
static int left_behind(const test_server *t)
{
    int            n = 0;
    DIR           *dir = opendir(t->dir);
    struct dirent *entry;
    CHECK(dir);
    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.' && strncmp(entry->d_name, "host_server.", 12) != 0;
    closedir(dir);
    return n;
}

TEST(loads_of_one_principal_are_bounded)
{
    static const char *const two[] = { "max-loads-per-principal", "2", NULL };
    test_server              t;
    test_peer                p;
    test_auto_answer         unload = { 0 }, reload = { 0 };
    test_server_start(&t, two);
    test_peer_ready(&p, &t);
    CHECK(put_digits(&p) == 201);
    CHECK(put_digits(&p) == 200);
    CHECK(put_digits(&p) == 413);
    test_ask(&p, "POST /v2/repository/models/mine/unload", "", NOTHING, &unload);
    test_ask(&p, "POST /v2/repository/models/mine/load", "", NOTHING, &reload);
    CHECK(unload.status == 200 && reload.status == 413);
    test_peer_close(&p);
    test_server_stop(&t);
}

TEST(sizes_are_refused_before_they_are_read)
{
    test_server t;
    static const struct {
        const char *name, *head;
        int         status;
    } cases[] = {
        { "input",
          "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n",
          413 },
        { "model", "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 8388609\r\n\r\n", 413 },
        { "document",
          "POST /v2/repository/index HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", 413 },
        { "no length",
          "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          411 },
        { "two lengths",
          "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
          400 },
        { "both",
          "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
          "Transfer-Encoding: chunked\r\n\r\n",
          400 },
        { "another coding",
          "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
        { "HTTP/2 in disguise", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
    };
    test_server_start(&t, quick);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer        p;
        test_auto_answer a = { 0 };
        test_peer_ready(&p, &t);
        test_peer_printf(&p, "%s", cases[i].head);
        test_peer_read(&p, &a);
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, a.status);
        test_peer_close(&p);
    }
    still_serves(&t);
    test_server_stop(&t);
}

TEST(a_long_head_is_431_and_a_long_target_414)
{
    test_server      t;
    test_peer        p;
    test_auto_answer a = { 0 }, b = { 0 }, c = { 0 };
    bl_auto_buf      head = BL_BUF_EMPTY;
    test_server_start(&t, quick);
    bl_buf_printf(&head, "GET /v2 HTTP/1.1\r\nHost: h\r\nX: %040000d\r\n\r\n", 0);
    test_peer_ready(&p, &t);
    test_peer_send(&p, bl_buf_span(&head));
    test_peer_read(&p, &a);
    CHECK(a.status == 431 && a.closes);
    test_peer_close(&p);
    bl_buf_clear(&head);
    bl_buf_printf(&head, "GET /%05000d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    test_peer_ready(&p, &t);
    test_peer_send(&p, bl_buf_span(&head));
    test_peer_read(&p, &b);
    CHECK(b.status == 414);
    test_peer_close(&p);
    test_peer_ready(&p, &t); /* a chunked upload grows past the limit on its way */
    bl_buf_clear(&head);
    bl_buf_add_str(&head,
                   "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++)
        bl_buf_printf(&head, "80000\r\n\b%0*d\r\n", 0x80000 - 1, 0);
    test_peer_send(&p, bl_buf_span(&head));
    test_peer_read(&p, &c);
    CHECK(c.status == 413);
    test_peer_close(&p);
    CHECK(left_behind(&t) == 0);
    still_serves(&t);
    test_server_stop(&t);
}

TEST(slow_clients_are_let_go)
{
    static const struct {
        const char *name, *begin;
        bool        attest;
        int         status;
    } cases[] = {
        { "nothing after TLS", "", false, 0 },
        { "half a head", "GET /v2 HT", false, 408 },
        { "half a head after evidence", "GET /v2 HT", true, 408 },
        { "half a body",
          "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
          "Content-Length: 100\r\n\r\n{",
          true, 408 },
        { "half an upload", "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{",
          true, 408 },
    };
    test_server t;
    test_server_start(&t, quick);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer        p;
        test_auto_answer a = { 0 };
        uint64_t         began = bl_clock_ns();
        test_peer_open(&p, port_of(&t));
        CHECK(!cases[i].attest || test_peer_attest(&p) == 200);
        test_peer_send(&p, bl_span_str(cases[i].begin));
        test_peer_read(&p, &a);
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, a.status);
        CHECK(bl_clock_ns() - began < 5000000000u);
        test_peer_close(&p);
    }
    test_peer drip; /* a byte now and then keeps no body alive */
    test_peer_ready(&drip, &t);
    test_peer_printf(&drip, "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 8000\r\n\r\n");
    uint64_t began = bl_clock_ns();
    while (bl_clock_ns() - began < 6000000000u && test_peer_send(&drip, BL_LITERAL("x")) &&
           !test_peer_closed(&drip, 100))
        ;
    CHECK(bl_clock_ns() - began < 6000000000u);
    test_peer_close(&drip);
    CHECK(left_behind(&t) == 0);
    still_serves(&t);
    test_server_stop(&t);
}

typedef struct {
    const test_server *t;
    int                good;
} client;

static void *ask_often(void *arg)
{
    client   *c = arg;
    test_peer p;
    test_peer_ready(&p, c->t);
    for (int i = 0; i < 10; i++) {
        test_auto_answer a = { 0 };
        raw_infer(&p, &a);
        c->good += a.status == 200;
    }
    test_peer_close(&p);
    return NULL;
}

TEST(sixty_four_clients_at_once)
{
    test_server t;
    pthread_t   threads[64];
    client      clients[64];
    test_server_start(&t, quick + 6); /* patient, on a machine that tests share */
    for (int i = 0; i < 64; i++) {
        clients[i] = (client){ .t = &t };
        CHECK(pthread_create(&threads[i], NULL, ask_often, &clients[i]) == 0);
    }
    for (int i = 0; i < 64; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 64; i++)
        CHECK(clients[i].good == 10);
    CHECK(atomic_load(&t.server->counters.attestations) == 64);
    CHECK(atomic_load(&t.server->counters.quotes) <= 64);
    test_server_stop(&t);
}

TEST(an_upload_cut_off_leaves_nothing)
{
    test_server      t;
    test_peer        p;
    test_auto_answer a = { 0 };
    bl_auto_buf      half = BL_BUF_EMPTY;
    test_server_start(&t, quick);
    bl_buf_printf(&half, "\b%0*d", 2 << 20, 0); /* as an ONNX file begins */
    test_peer_ready(&p, &t);
    test_peer_printf(&p, "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n");
    CHECK(test_peer_send(&p, bl_buf_span(&half)));
    test_peer_close(&p);
    test_peer_ready(&p, &t);
    test_ask(&p, "GET /v2/models/x", "", NOTHING, &a);
    CHECK(a.status == 404);
    test_peer_close(&p);
    CHECK(left_behind(&t) == 0);
    still_serves(&t);
    test_server_stop(&t);
}

TEST(what_is_no_model_is_refused_after_its_first_block)
{
    test_server      t;
    test_peer        p;
    test_auto_answer a = { 0 };
    bl_auto_buf      body = BL_BUF_EMPTY;
    test_server_start(&t, quick);
    bl_buf_printf(&body, "%0*d", 2 << 20, 0);
    test_peer_ready(&p, &t);
    test_peer_printf(&p, "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
    test_peer_send(&p, bl_buf_span(&body));
    test_peer_read(&p, &a); /* 6 MB were not sent */
    CHECK(a.status == 400 && a.closes);
    test_peer_close(&p);
    test_server_stop(&t);
}

TEST(a_full_disk_is_507)
{
    test_server      t;
    test_peer        p;
    test_auto_answer a = { 0 };
    struct rlimit    was, small = { 256 * 1024, 256 * 1024 };
    bl_auto_buf      body = BL_BUF_EMPTY;
    test_server_start(&t, quick);
    bl_buf_printf(&body, "\b%0*d", 4 << 20, 0);
    CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
    small.rlim_max = was.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    test_peer_ready(&p, &t);
    test_ask(&p, "PUT /v2/models/x", "", bl_buf_span(&body), &a);
    CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
    if (a.status != 507)
        fail_msg("%d %.*s", a.status, (int)a.body.size, (char *)a.body.data);
    CHECK(strstr(bl_buf_cstr(&a.body), "no space left"));
    test_peer_close(&p);
    CHECK(left_behind(&t) == 0);
    still_serves(&t);
    test_server_stop(&t);
}

TEST(a_port_in_use_is_told_in_words)
{
    test_server t;
    bl_config   second;
    bl_server  *server = NULL;
    blind_error err = { 0 };
    char        listen[32];
    test_server_start(&t, quick);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", port_of(&t));
    second = t.config;
    second.listen = listen;
    CHECK_CODE(BLIND_IO, bl_server_new(&second, &server, &err), "in use");
    CHECK(!server && strstr(err.message, "in use") && strstr(err.message, listen));
    static const char *const addresses[] = { "nowhere", "127.0.0.1:x", "127.0.0.1:999999",
                                             "::1:50051", "192.0.2.1:0" };
    for (size_t i = 0; i < BL_LEN(addresses); i++) {
        second.listen = addresses[i];
        CHECK(bl_server_new(&second, &server, &err) != BLIND_OK && !server);
    }
    test_server_stop(&t);
}

static void *stop_server(void *arg)
{
    bl_server_stop(((test_server *)arg)->server);
    return NULL;
}

TEST(an_end_lets_running_requests_finish)
{
    test_server        t;
    test_peer          busy, idle;
    test_auto_answer   a = { 0 };
    static const float image[64];
    test_server_start(&t, quick + 6);
    test_peer_ready(&busy, &t);
    test_peer_ready(&idle, &t);
    test_peer_printf(&busy, "POST /v2/models/digits/infer HTTP/1.1\r\nHost: h\r\n"
                            "Content-Length: 256\r\n" BL_KSERVE_HEADER ": 0\r\n\r\n");
    poll(NULL, 0, 100);
    stop_server(&t);
    CHECK(test_peer_closed(&idle, 5000));
    CHECK(test_peer_send(&busy, bl_span(image, sizeof image)));
    test_peer_read(&busy, &a);
    CHECK(a.status == 200 && a.closes);
    CHECK(test_peer_closed(&busy, 5000));
    test_peer_close(&busy);
    test_peer_close(&idle);
    CHECK(test_server_stop(&t) < 5000);
}

TEST(an_end_waits_no_longer_than_told)
{
    static const char *const settings[] = { "drain-s", "1", NULL };
    test_server              t;
    test_peer                stuck;
    test_server_start(&t, settings);
    test_peer_ready(&stuck, &t);
    test_peer_printf(&stuck, "PUT /v2/models/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
    poll(NULL, 0, 100);
    uint64_t took = test_server_stop(&t);
    CHECK(took >= 900 && took < 8000);
    test_peer_close(&stuck);
}

TESTS(RUN(loads_of_one_principal_are_bounded), RUN(sizes_are_refused_before_they_are_read),
      RUN(a_long_head_is_431_and_a_long_target_414), RUN(slow_clients_are_let_go),
      RUN(sixty_four_clients_at_once), RUN(an_upload_cut_off_leaves_nothing),
      RUN(what_is_no_model_is_refused_after_its_first_block), RUN(a_full_disk_is_507),
      RUN(a_port_in_use_is_told_in_words), RUN(an_end_lets_running_requests_finish),
      RUN(an_end_waits_no_longer_than_told))
