/* A key with its certificate, and two sessions that shake hands in one thread. */
#ifndef TESTS_TLS_PAIR_H
#define TESTS_TLS_PAIR_H

#include "crypto/cert.h"
#include "crypto/key.h"
#include "tests/test.h"
#include "tls/context.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    bl_key *key;
    bl_buf  cert, spki;
} test_identity;

/* name    in the certificate; NULL: "localhost"
 * issuer  NULL: self-signed */
static inline void test_identity_init(test_identity *id, const char *name,
                                      const test_identity *issuer, bool ca)
{
    const char     *names[] = { name ? name : "localhost", "127.0.0.1" };
    bl_cert_options options = { .common_name = names[0],
                                .names = names,
                                .names_len = name ? 1 : 2,
                                .not_before_s = 1000000000,
                                .not_after_s = 4000000000,
                                .ca = ca };
    *id = (test_identity){ 0 };
    assert_int_equal(BLIND_OK, bl_key_generate(&id->key, NULL));
    assert_int_equal(BLIND_OK, bl_key_spki(id->key, &id->spki, NULL));
    blind_error err;
    if (bl_cert_make(id->key, issuer ? issuer->key : NULL,
                     issuer ? bl_buf_span(&issuer->cert) : (blind_span){ 0 }, &options, &id->cert,
                     &err) != BLIND_OK)
        fail_msg("%s", err.message);
}

static inline void test_identity_done(test_identity *id)
{
    bl_buf_done(&id->cert);
    bl_buf_done(&id->spki);
    bl_key_free(id->key);
}

/* A PEM file of a certificate, or of the key when `private`; unlink() it. */
static inline void test_pem_file(char path[64], const test_identity *id, bool private)
{
    bl_auto_buf pem = BL_BUF_EMPTY;
    snprintf(path, 64, "/tmp/blind-test-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    assert_int_equal(BLIND_OK, private ? bl_key_private_pem(id->key, &pem, NULL)
                                       : bl_cert_to_pem(bl_buf_span(&id->cert), &pem, NULL));
    assert_int_equal(pem.size, write(fd, pem.data, pem.size));
    close(fd);
}

static inline bl_tls_server *test_tls_server(const test_identity *id)
{
    bl_tls_server *server;
    blind_span     chain = bl_buf_span(&id->cert);
    assert_int_equal(BLIND_OK, bl_tls_server_new(id->key, &chain, 1, &server, NULL));
    return server;
}

typedef struct {
    SSL *client, *server;
    int  fds[2]; /* client's, server's */
} test_pair;

static inline void test_pair_open(test_pair *p)
{
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds));
}

/* Shakes hands; what the client said, while the server may go on for itself. */
static inline blind_code test_pair_shake(test_pair *p, blind_error *err)
{
    blind_code code = BLIND_AGAIN;
    SSL_set_fd(p->server, p->fds[1]);
    for (int i = 0, wants; i < 20; i++) {
        if (code == BLIND_AGAIN)
            code = bl_tls_handshake(p->client, &wants, err);
        if (!SSL_is_init_finished(p->server))
            SSL_do_handshake(p->server);
    }
    return code;
}

static inline void test_pair_close(test_pair *p)
{
    /* A session that was not shut down would be forgotten, and never resumed. */
    SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p->client);
    SSL_free(p->server);
    close(p->fds[0]);
    close(p->fds[1]);
}

#endif
