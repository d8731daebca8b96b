/* TLS 1.3 and nothing else: no tickets, no resumption, no early data, no renegotiation.
 *
 * Contexts are shared between threads and sessions keep what they need of them.  `struct ssl_st` is
 * OpenSSL's SSL. */
#ifndef BL_TLS_CONTEXT_H
#define BL_TLS_CONTEXT_H

#include "base/base.h"
#include "blind/appraise.h"

struct ssl_st;
typedef struct bl_key        bl_key; /* crypto/key.h */
typedef struct bl_tls_server bl_tls_server;
typedef struct bl_tls_client bl_tls_client;

/* chain  DER certificates, the leaf first; its key is `key` */
BLIND_MUST_USE blind_code bl_tls_server_new(const bl_key *key, const blind_span *chain,
                                            size_t chain_len, bl_tls_server **out,
                                            blind_error *err);
/* A server with certificate and key from PEM files: the unattested helper port. */
BLIND_MUST_USE blind_code bl_tls_server_new_pem(blind_span chain_pem, blind_span key_pem,
                                                bl_tls_server **out, blind_error *err);
/* A session in accept state, without a socket; the caller owns it. */
struct ssl_st *bl_tls_server_session(bl_tls_server *server);
void           bl_tls_server_free(bl_tls_server *server);

typedef struct {
    blind_server_rule rule;        /* what must hold; a CA or pin that is given is checked anyway */
    const char       *ca_file;     /* PEM; NULL where a CA is asked for: the system's */
    const char       *pin_file;    /* PEM: certificate or public key */
    const char       *server_name; /* in SNI, and in the certificate with a CA */
} bl_tls_client_options;

BLIND_MUST_USE blind_code bl_tls_client_new(const bl_tls_client_options *options,
                                            bl_tls_client **out, blind_error *err);
/* A session in connect state over a socket, which it does not own. */
struct ssl_st *bl_tls_client_session(bl_tls_client *client, int fd);
/* After the handshake: identity as asked, TLS 1.3, finished, not resumed.
 * identity  who vouched for the server, as the rule asks */
BLIND_MUST_USE blind_code bl_tls_client_check(const bl_tls_client *client, struct ssl_st *ssl,
                                              blind_identity *identity, blind_error *err);
void                      bl_tls_client_free(bl_tls_client *client);

/* TLS 1.3, the handshake finished on both sides, not resumed, no early data. */
BLIND_MUST_USE blind_code bl_tls_check_fresh(struct ssl_st *ssl, blind_error *err);
/* The SubjectPublicKeyInfo (DER) of the leaf that the server showed; free() it. */
BLIND_MUST_USE blind_code bl_tls_leaf_spki(struct ssl_st *ssl, uint8_t **out, size_t *size,
                                           blind_error *err);

/* Gives a session a non-blocking socket, which it does not own.  False: out of memory. */
bool bl_tls_set_socket(struct ssl_st *ssl, int fd);

/* One step of a session over a non-blocking socket: AGAIN with *wants set, CLOSED at a
 * proper end, NETWORK at any other, TLS. */
BLIND_MUST_USE blind_code bl_tls_handshake(struct ssl_st *ssl, int *wants, blind_error *err);
BLIND_MUST_USE blind_code bl_tls_read(struct ssl_st *ssl, void *to, size_t size, size_t *got,
                                      int *wants, blind_error *err);
BLIND_MUST_USE blind_code bl_tls_write(struct ssl_st *ssl, const void *from, size_t size,
                                       size_t *put, int *wants, blind_error *err);
/* While on, what was deciphered is not wiped record by record but lies in the session's buffer
 * until the next record overwrites it.  To be switched off before the last bytes of a body are
 * read: with them the buffer is wiped and freed as ever.  bl_tls_close() wipes it, too. */
void bl_tls_hold(struct ssl_st *ssl, bool on);
/* Whether bytes have come from the socket that were not read yet; they may turn out to be none. */
bool bl_tls_pending(const struct ssl_st *ssl);
void bl_tls_close(struct ssl_st *ssl); /* close_notify, then free */

#endif
