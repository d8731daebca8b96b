/* A real server in this process, and raw clients over loopback that may break every rule. */
#ifndef TESTS_SERVER_HARNESS_H
#define TESTS_SERVER_HARNESS_H

#include "base/file.h"
#include "http/message.h"
#include "server/internal.h"
#include "tests/test.h"

typedef struct {
    bl_config  config;
    bl_server *server;
    pthread_t  thread;
    char       dir[64]; /* its state folder */
} test_server;

/* Settings as "flag", "value", ..., NULL. */
void test_server_start(test_server *t, const char *const *settings);
/* Drains, and says how long that took. */
uint64_t test_server_stop(test_server *t);

/* One TLS connection; any error fails the test unless the function says otherwise. */
typedef struct {
    bl_tls_client *client;
    struct ssl_st *ssl;
    int            fd;
    bl_buf         in;
} test_peer;

typedef struct {
    int     status; /* 0: the connection closed instead */
    bool    closes; /* Connection: close */
    char    code[32];
    bl_buf  body;
    int64_t json_size;
    char    type[64], tag[80]; /* Content-Type, ETag */
    char    chain[256];        /* an issuer chain of Intel's answers */
} test_answer;

void test_peer_open(test_peer *p, uint16_t port);
void test_peer_close(test_peer *p);
/* False when the server closed. */
bool test_peer_send(test_peer *p, blind_span bytes);
void test_peer_printf(test_peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void test_peer_read(test_peer *p, test_answer *out);
/* Whether the server closes within timeout_ms, reading over what it sends. */
bool test_peer_closed(test_peer *p, int timeout_ms);
/* The request for evidence, answered; 200 means attested. */
int  test_peer_attest(test_peer *p);
void test_attest_request(bl_buf *out); /* the whole HTTP message */
/* Opens and attests. */
void test_peer_ready(test_peer *p, const test_server *t);
/* Sends "METHOD TARGET" with a body and reads the answer. */
void test_ask(test_peer *p, const char *line, const char *fields, blind_span body,
              test_answer *out);
void test_answer_done(test_answer *a);
#define test_auto_answer __attribute__((cleanup(test_answer_done))) test_answer

#endif
