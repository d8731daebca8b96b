/* A server that attests as it should, or breaks one rule on purpose.
 *
 * Real sockets on loopback, one thread per connection.  What a connection does is a function, so a
 * test of a rule is the function that breaks it. */
#ifndef TESTS_CHANNEL_PEER_H
#define TESTS_CHANNEL_PEER_H

#include "blind/client.h"
#include "http/message.h"
#include "tests/tls/tls_pair.h"
#include "tls/attester.h"
#include "tls/client_authenticator.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct test_peer test_peer;

typedef struct {
    test_peer     *peer;
    SSL           *ssl;
    int            fd, number; /* of the connection, from 0 */
    int            requests;   /* before this one */
    bl_contexts    contexts;
    bl_challenge   challenge;              /* what was asked of the client's key */
    uint8_t        key_id[BL_KEY_ID_SIZE]; /* what it proved */
    bl_http_parser parser;
    pthread_t      thread;
} test_conn;

/* Answers one request.  False closes the connection. */
typedef bool test_answer(test_conn *conn, const bl_http_head *head, blind_span body);

struct test_peer {
    test_answer         *attest; /* POST of the authenticator; NULL: as it should be */
    test_answer         *other;  /* any other request; NULL: 200 "hello" */
    test_answer         *early;  /* called when the head is there, before the body; may be NULL */
    bool                 wants_certificate; /* of the client, in the handshake */
    bool                 no_tls;            /* says something else than TLS */
    const test_identity *tls_key;           /* NULL: the attester's */
    unsigned             sim_lies;
    void                *arg;

    test_identity   identity;
    bl_runtime_log  log;
    bl_attester    *attester;
    bl_tls_server  *tls;
    int             listener;
    uint16_t        port;
    pthread_t       thread;
    pthread_mutex_t lock;
    test_conn      *conns[512];
    int             conn_count;
    atomic_int      connections, attestations, requests, application_bytes;
    bl_buf          seen; /* heads of all requests; under lock */
};

/* Zero a peer, set what differs, start it; the rest is filled here. */
void test_peer_start(test_peer *peer);
void test_peer_stop(test_peer *peer);

/* ---- for answers ---- */

void test_send(test_conn *conn, blind_span bytes);
void test_send_text(test_conn *conn, const char *text);
/* HTTP/1.1 with a Content-Length; `fields` end in CRLF each. */
void test_send_answer(test_conn *conn, int status, const char *fields, blind_span body);
/* The right body for an authenticator request; false when the attester refuses the request. */
bool test_evidence(test_conn *conn, blind_span request, bl_buf *body);
bool test_attest_well(test_conn *conn, const bl_http_head *head, blind_span body);
/* The client's key, asked for as it should be, and any key taken; other paths as test_hello(). */
bool test_take_key(test_conn *conn, const bl_http_head *head, blind_span body);
void test_send_challenge(test_conn *conn);
#define TEST_CHALLENGE "Content-Type: " BL_CLIENT_REQUEST_TYPE "\r\n"
#define TEST_WELCOME   "Content-Type: application/json\r\n"
bool test_hello(test_conn *conn, const bl_http_head *head, blind_span body);

/* ---- for clients ---- */

/* A policy for evidence that this very program makes, with server = "any"; the caller's own. */
blind_policy *test_policy(void);
/* Options that reach the peer. */
blind_dial_options test_dial_options(const test_peer *peer, blind_policy *policy);

#endif
