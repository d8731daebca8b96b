/* What both sides refuse: every version but 1.3, tickets, resumption, early data.
 *
 * Source: CHANNEL, "Binding" and "Who answers"; draft-fossati-seat-expat (no tickets). */
#include "tls/context.h"

#include "crypto/key.h"
#include "tls/internal.h"
#include "tls/socket_bio.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct bl_tls_server {
    SSL_CTX *context;
};

struct bl_tls_client {
    SSL_CTX          *context;
    blind_server_rule rule;
    bool              with_ca;
    uint8_t          *pin; /* SPKI, or NULL */
    size_t            pin_size;
    char             *server_name; /* or NULL */
    bool              server_name_is_address;
};

blind_code bl_tls_fail(blind_error *err, blind_code code, const char *stage, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char   *reason = error ? ERR_reason_error_string(error) : NULL;
    ERR_clear_error();
    if (!reason)
        return blind_fail(err, code, stage, "%s", what);
    return blind_fail(err, code, stage, "%s: %s", what, reason);
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *c = SSL_CTX_new(method);
    if (!c)
        return NULL;
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(c, 1); /* one recv() for a record, not two */
    /* The hybrid group where this OpenSSL has it. */
    bool groups = SSL_CTX_set1_groups_list(c, "X25519MLKEM768:X25519:P-256") == 1 ||
                  SSL_CTX_set1_groups_list(c, "X25519:P-256") == 1;
    if (groups && SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                    "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
        SSL_CTX_set_num_tickets(c, 0) == 1 && SSL_CTX_set_max_early_data(c, 0) == 1 &&
        SSL_CTX_set_recv_max_early_data(c, 0) == 1) {
        ERR_clear_error();
        return c;
    }
    SSL_CTX_free(c);
    return NULL;
}

/* ---- server ---- */

static blind_code server_wrap(SSL_CTX *context, bl_tls_server **out, blind_error *err)
{
    if (SSL_CTX_check_private_key(context) != 1) {
        SSL_CTX_free(context);
        return bl_tls_fail(err, BLIND_TLS, "tls.server", "key and certificate do not fit");
    }
    bl_tls_server *server = malloc(sizeof *server);
    if (!server) {
        SSL_CTX_free(context);
        return blind_fail(err, BLIND_MEMORY, "tls.server", "out of memory");
    }
    *server = (bl_tls_server){ context };
    *out = server;
    return BLIND_OK;
}

static bool use_der(SSL_CTX *context, blind_span der, bool leaf)
{
    const uint8_t *at = der.data;
    X509          *x = d2i_X509(NULL, &at, (long)der.size);
    bool           ok =
        x && at == der.data + der.size &&
        (leaf ? SSL_CTX_use_certificate(context, x) : SSL_CTX_add1_chain_cert(context, x)) == 1;
    X509_free(x);
    return ok;
}

blind_code bl_tls_server_new(const bl_key *key, const blind_span *chain, size_t chain_len,
                             bl_tls_server **out, blind_error *err)
{
    *out = NULL;
    SSL_CTX *context = context_new(TLS_server_method());
    if (!context)
        return bl_tls_fail(err, BLIND_TLS, "tls.server", "cannot make a context");
    bool ok = chain_len > 0;
    for (size_t i = 0; ok && i < chain_len; i++)
        ok = use_der(context, chain[i], i == 0);
    if (!ok || SSL_CTX_use_PrivateKey(context, bl_key_native(key)) != 1) {
        SSL_CTX_free(context);
        return bl_tls_fail(err, BLIND_TLS, "tls.server", "cannot use the certificate or its key");
    }
    return server_wrap(context, out, err);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
    (void)to, (void)size, (void)writing, (void)arg;
    return -1;
}

static bool use_pem_chain(SSL_CTX *context, blind_span pem)
{
    BIO   *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    size_t count = 0;
    bool   ok = bio != NULL;
    for (X509 *x; ok && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)); count++) {
        ok = (count ? SSL_CTX_add1_chain_cert(context, x) : SSL_CTX_use_certificate(context, x)) ==
             1;
        X509_free(x);
    }
    BIO_free(bio);
    ERR_clear_error(); /* "no more certificates" */
    return ok && count > 0;
}

static bool use_pem_key(SSL_CTX *context, blind_span pem)
{
    BIO      *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    bool      ok = key && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

blind_code bl_tls_server_new_pem(blind_span chain_pem, blind_span key_pem, bl_tls_server **out,
                                 blind_error *err)
{
    *out = NULL;
    if (chain_pem.size > INT32_MAX || key_pem.size > INT32_MAX)
        return blind_fail(err, BLIND_LIMIT, "tls.server", "certificate file too large");
    SSL_CTX *context = context_new(TLS_server_method());
    if (!context)
        return bl_tls_fail(err, BLIND_TLS, "tls.server", "cannot make a context");
    const char *wrong = !use_pem_chain(context, chain_pem) ? "cannot read the PEM certificate"
                        : !use_pem_key(context, key_pem)   ? "cannot read the PEM private key"
                                                           : NULL;
    if (!wrong)
        return server_wrap(context, out, err);
    SSL_CTX_free(context);
    return bl_tls_fail(err, BLIND_TLS, "tls.server", wrong);
}

SSL *bl_tls_server_session(bl_tls_server *server)
{
    SSL *ssl = SSL_new(server->context);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

void bl_tls_server_free(bl_tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->context);
    free(server);
}

/* ---- client ---- */

static uint8_t *spki_der(X509_PUBKEY *key, size_t *size)
{
    int      n = key ? i2d_X509_PUBKEY(key, NULL) : -1;
    uint8_t *der = n > 0 ? malloc((size_t)n) : NULL, *at = der;
    if (der && i2d_X509_PUBKEY(key, &at) == n) {
        *size = (size_t)n;
        return der;
    }
    free(der);
    return NULL;
}

static blind_code load_pin(bl_tls_client *client, const char *path, blind_error *err)
{
    BIO *bio = BIO_new_file(path, "r");
    if (!bio)
        return bl_tls_fail(err, BLIND_IO, "tls.pin", "cannot open the pinned certificate");
    X509 *x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (x) {
        client->pin = spki_der(X509_get_X509_PUBKEY(x), &client->pin_size);
    } else if (BIO_seek(bio, 0) == 0) {
        EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
        X509_PUBKEY *public = NULL;
        if (key && X509_PUBKEY_set(&public, key) == 1)
            client->pin = spki_der(public, &client->pin_size);
        X509_PUBKEY_free(public);
        EVP_PKEY_free(key);
    }
    X509_free(x);
    BIO_free(bio);
    ERR_clear_error();
    if (client->pin)
        return BLIND_OK;
    return blind_fail(err, BLIND_TLS, "tls.pin", "'%s' holds neither a PEM certificate nor a key",
                      path);
}

static blind_code load_ca(bl_tls_client *client, const char *path, blind_error *err)
{
    int ok = path ? SSL_CTX_load_verify_locations(client->context, path, NULL)
                  : SSL_CTX_set_default_verify_paths(client->context);
    if (ok != 1) {
        ERR_clear_error();
        return blind_fail(err, BLIND_IO, "tls.ca", "cannot read CA certificates from '%s'",
                          path ? path : "the system");
    }
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->context);
    /* An operator's own certificate may be the anchor without being a root. */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    client->with_ca = true;
    return BLIND_OK;
}

static bool is_address(const char *name)
{
    uint8_t address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static blind_code client_fill(bl_tls_client *client, const bl_tls_client_options *options,
                              blind_error *err)
{
    client->context = context_new(TLS_client_method());
    if (!client->context)
        return bl_tls_fail(err, BLIND_TLS, "tls.client", "cannot make a context");
    if (options->server_name) {
        client->server_name = strdup(options->server_name);
        if (!client->server_name)
            return blind_fail(err, BLIND_MEMORY, "tls.client", "out of memory");
        client->server_name_is_address = is_address(options->server_name);
    }
    if (options->rule == BLIND_SERVER_UNSET)
        return blind_fail(err, BLIND_POLICY_OPEN, "tls.rule",
                          "the policy does not say how the server is identified");
    if (options->rule == BLIND_SERVER_PIN && !options->pin_file)
        return blind_fail(err, BLIND_POLICY_OPEN, "tls.pin",
                          "the policy asks for a pinned certificate and none was given");
    client->rule = options->rule;
    if (options->pin_file)
        BL_TRY(load_pin(client, options->pin_file, err));
    bool want_ca = options->rule == BLIND_SERVER_CA ||
                   (options->rule == BLIND_SERVER_IDENTIFIED && !options->pin_file);
    if (!options->ca_file && !want_ca)
        return BLIND_OK;
    if (!options->server_name)
        return blind_fail(err, BLIND_USAGE, "tls.ca", "no server name to find in the certificate");
    return load_ca(client, options->ca_file, err);
}

blind_code bl_tls_client_new(const bl_tls_client_options *options, bl_tls_client **out,
                             blind_error *err)
{
    *out = NULL;
    bl_tls_client *client = calloc(1, sizeof *client);
    if (!client)
        return blind_fail(err, BLIND_MEMORY, "tls.client", "out of memory");
    blind_code code = client_fill(client, options, err);
    if (code == BLIND_OK)
        *out = client;
    else
        bl_tls_client_free(client);
    return code;
}

static bool name_server(const bl_tls_client *client, SSL *ssl)
{
    if (!client->server_name)
        return true;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (client->server_name_is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(param, client->server_name) == 1;
    return SSL_set_tlsext_host_name(ssl, client->server_name) == 1 &&
           SSL_set1_host(ssl, client->server_name) == 1;
}

SSL *bl_tls_client_session(bl_tls_client *client, int fd)
{
    SSL *ssl = SSL_new(client->context);
    if (!ssl || !name_server(client, ssl) || !bl_tls_set_socket(ssl, fd)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

blind_code bl_tls_client_check(const bl_tls_client *client, SSL *ssl, blind_identity *identity,
                               blind_error *err)
{
    *identity = BLIND_IDENTITY_UNKNOWN;
    BL_TRY(bl_tls_check_fresh(ssl, err));
    long verified = SSL_get_verify_result(ssl);
    if (client->with_ca && verified != X509_V_OK)
        return blind_fail(err, BLIND_TLS, "tls.ca", "server certificate: %s",
                          X509_verify_cert_error_string(verified));
    if (client->pin) {
        bl_auto_free uint8_t *spki = NULL;
        size_t                size = 0;
        BL_TRY(bl_tls_leaf_spki(ssl, &spki, &size, err));
        if (!bl_span_equal(bl_span(spki, size), bl_span(client->pin, client->pin_size)))
            return blind_fail(err, BLIND_TLS, "tls.pin",
                              "the server uses another key than the pinned certificate");
    }
    bool by_pin = client->pin && (client->rule != BLIND_SERVER_CA || !client->with_ca);
    *identity = by_pin            ? BLIND_IDENTITY_PIN
                : client->with_ca ? BLIND_IDENTITY_CA
                                  : BLIND_IDENTITY_UNKNOWN;
    return BLIND_OK;
}

void bl_tls_client_free(bl_tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    free(client->pin);
    free(client->server_name);
    free(client);
}

/* ---- both ---- */

bool bl_tls_set_socket(SSL *ssl, int fd)
{
    BIO *bio = bl_socket_bio_new(fd);
    if (bio)
        SSL_set_bio(ssl, bio, bio);
    return bio != NULL;
}

blind_code bl_tls_check_fresh(SSL *ssl, blind_error *err)
{
    if (!SSL_is_init_finished(ssl))
        return blind_fail(err, BLIND_TLS, "tls.finished", "the handshake is not finished");
    if (SSL_version(ssl) != TLS1_3_VERSION)
        return blind_fail(err, BLIND_TLS, "tls.version", "found %s, expected TLSv1.3",
                          SSL_get_version(ssl));
    if (SSL_session_reused(ssl))
        return blind_fail(err, BLIND_TLS, "tls.resumed", "a resumed session cannot be attested");
    if (SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED)
        return blind_fail(err, BLIND_TLS, "tls.early", "a session with early data");
    return BLIND_OK;
}

blind_code bl_tls_leaf_spki(SSL *ssl, uint8_t **out, size_t *size, blind_error *err)
{
    X509 *leaf = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
    *size = 0;
    *out = leaf ? spki_der(X509_get_X509_PUBKEY(leaf), size) : NULL;
    if (*out)
        return BLIND_OK;
    return bl_tls_fail(err, BLIND_TLS, "tls.leaf", "the server showed no usable certificate");
}
