/* A session over a non-blocking socket, one step at a time. */
#include "tls/context.h"
#include "tls/internal.h"
#include "tls/socket_bio.h"

#include "blind/stream.h"

#include <errno.h>
#include <openssl/err.h>

/* A certificate that does not verify is said in X.509's words, everything else in TLS'. */
static blind_code handshake_failed(SSL *ssl, blind_error *err)
{
    long verified = SSL_get_verify_result(ssl);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verified != X509_V_OK) {
        ERR_clear_error();
        return blind_fail(err, BLIND_TLS, "tls.ca", "server certificate: %s",
                          X509_verify_cert_error_string(verified));
    }
    return bl_tls_fail(err, BLIND_TLS, "tls.handshake", "TLS 1.3 handshake failed");
}

static blind_code cut_off(SSL *ssl, int saved_errno, blind_error *err)
{
    const char *when = SSL_is_init_finished(ssl) ? "" : " during the TLS handshake";
    ERR_clear_error();
    if (saved_errno)
        return blind_fail(err, BLIND_NETWORK, "tls.io", "connection lost%s: %s", when,
                          strerror(saved_errno));
    return blind_fail(err, BLIND_NETWORK, "tls.cut", "connection cut off%s without close_notify",
                      when);
}

/* n  what SSL_do_handshake(), SSL_read_ex() or SSL_write_ex() returned, not successful */
static blind_code stopped(SSL *ssl, int n, int saved_errno, int *wants, blind_error *err)
{
    switch (SSL_get_error(ssl, n)) {
    case SSL_ERROR_WANT_READ:
        *wants = BLIND_WANTS_READ;
        return BLIND_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants = BLIND_WANTS_WRITE;
        return BLIND_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return blind_fail(err, BLIND_CLOSED, "tls.closed", "the server closed the connection");
    case SSL_ERROR_SYSCALL:
        return cut_off(ssl, saved_errno, err);
    default:
        break;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return cut_off(ssl, 0, err);
    if (!SSL_is_init_finished(ssl))
        return handshake_failed(ssl, err);
    return bl_tls_fail(err, BLIND_TLS, "tls.record", "TLS failure");
}

blind_code bl_tls_handshake(SSL *ssl, int *wants, blind_error *err)
{
    *wants = 0;
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(ssl);
    return n == 1 ? BLIND_OK : stopped(ssl, n, errno, wants, err);
}

blind_code bl_tls_read(SSL *ssl, void *to, size_t size, size_t *got, int *wants, blind_error *err)
{
    *got = 0;
    *wants = 0;
    ERR_clear_error();
    errno = 0;
    int n = SSL_read_ex(ssl, to, size, got);
    return n == 1 ? BLIND_OK : stopped(ssl, n, errno, wants, err);
}

blind_code bl_tls_write(SSL *ssl, const void *from, size_t size, size_t *put, int *wants,
                        blind_error *err)
{
    *put = 0;
    *wants = 0;
    if (size == 0)
        return BLIND_OK;
    ERR_clear_error();
    errno = 0;
    bl_socket_bio_more(SSL_get_wbio(ssl), size > SSL3_RT_MAX_PLAIN_LENGTH);
    int n = SSL_write_ex(ssl, from, size, put);
    bl_socket_bio_more(SSL_get_wbio(ssl), false); /* OpenSSL writes by itself, too */
    return n == 1 ? BLIND_OK : stopped(ssl, n, errno, wants, err);
}

/* A buffer that is kept is overwritten; one that is released must have been wiped.  So RELEASE goes
 * first and comes back last, and is told to the record layer by the call that sets no mode: OpenSSL
 * from 3.2 on hears of modes that are set and not of those that are cleared. */
void bl_tls_hold(SSL *ssl, bool on)
{
    if (on) {
        SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
        SSL_set_mode(ssl, 0);
        SSL_clear_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
    } else {
        SSL_set_options(ssl, SSL_OP_CLEANSE_PLAINTEXT);
        SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    }
}

void bl_tls_close(SSL *ssl)
{
    if (!ssl)
        return;
    bl_tls_hold(ssl, false);
    if (SSL_is_init_finished(ssl))
        SSL_shutdown(ssl); /* ours only: nothing more is read */
    SSL_free(ssl);
    ERR_clear_error();
}

bool bl_tls_pending(const SSL *ssl)
{
    return SSL_has_pending(ssl) == 1;
}
