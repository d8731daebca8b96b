/* What all connections to one server under one policy share. */
#include "base/file.h"
#include "client/internal.h"
#include "crypto/cert.h"
#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_s(void)
{
    return (int64_t)time(NULL);
}

const bl_client_hooks bl_client_hooks_real = { now_ms, wall_s, bl_random, bl_exporter_of };

enum { DEFAULT_PORT = 50051, DEFAULT_TIMEOUT_MS = 30000, DEFAULT_TTL_S = 3600 };

/* ---- the client's key ---- */

enum { MAX_KEY_FILE = 1 << 16 };

/* The certificate beside the key, or one that says nothing: a server looks at the key alone. */
static blind_code take_certificate(blind_dialer *d, blind_span pem, blind_error *err)
{
    bl_cert_options options = { .client = true, .not_after_s = 253402300799 }; /* 9999-12-31 */
    bl_auto_buf     ours = BL_BUF_EMPTY, theirs = BL_BUF_EMPTY;
    blind_code      code = bl_cert_from_pem(pem, 0, &d->client_certificate, err);
    if (code == BLIND_NOT_FOUND)
        return bl_cert_make(d->client_key, NULL, (blind_span){ 0 }, &options,
                            &d->client_certificate, err);
    BL_TRY(code);
    BL_TRY(bl_key_spki(d->client_key, &ours, err));
    BL_TRY(bl_cert_spki(bl_buf_span(&d->client_certificate), &theirs, err));
    if (!bl_span_equal(bl_buf_span(&ours), bl_buf_span(&theirs)))
        return blind_fail(err, BLIND_INPUT, "client.key", "the certificate is not the key's");
    return BLIND_OK;
}

static blind_code take_key(blind_dialer *d, blind_span pem, blind_error *err)
{
    bl_signature_scheme scheme;
    BL_TRY(bl_key_from_private_pem(pem, &d->client_key, err));
    BL_TRY(bl_key_scheme(d->client_key, &scheme, err));
    if (scheme != BL_ECDSA_P256_SHA256)
        return blind_fail(err, BLIND_INPUT, "client.key", "expected a key on P-256");
    return take_certificate(d, pem, err);
}

static blind_code load_key(blind_dialer *d, const blind_dial_options *o, blind_error *err)
{
    bl_auto_buf pem = { .secret = true };
    if (o->client_key_file && o->client_key.size)
        return blind_fail(err, BLIND_USAGE, "client.key", "a client has one key");
    if (o->client_key_file)
        BL_TRY(bl_file_read(o->client_key_file, MAX_KEY_FILE, &pem, err));
    else
        bl_buf_add(&pem, o->client_key);
    BL_TRY(bl_buf_check(&pem, "client.key", err));
    if (pem.size == 0 && !o->client_key_file)
        return BLIND_OK;
    blind_code code = take_key(d, bl_buf_span(&pem), err);
    return code == BLIND_OK ? code
                            : blind_fail_in(err, code, "client key '%s'",
                                            o->client_key_file ? o->client_key_file : "in memory");
}

static blind_code fill(blind_dialer *d, const blind_dial_options *o, blind_error *err)
{
    d->port = o->port ? o->port : DEFAULT_PORT;
    d->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    d->verdict_ttl_ms = 1000 * (int64_t)(o->verdict_ttl_s > 0 ? o->verdict_ttl_s : DEFAULT_TTL_S);
    d->simulation = o->simulation;
    d->debug_mode = o->debug_mode;
    d->policy = blind_policy_share(o->policy);
    d->host = strdup(o->host);
    if (!d->host)
        return blind_fail(err, BLIND_MEMORY, "client.dialer", "out of memory");
    bool v6 = strchr(o->host, ':') != NULL;
    int n = snprintf(d->authority, sizeof d->authority, v6 ? "[%s]:%u" : "%s:%u", o->host, d->port);
    if (n < 0 || (size_t)n >= sizeof d->authority || strpbrk(o->host, "\r\n \t/@"))
        return blind_fail(err, BLIND_USAGE, "client.dialer", "unusable host name '%.64s'", o->host);
    if (o->enrolment_dir && !(d->enrolment_dir = strdup(o->enrolment_dir)))
        return blind_fail(err, BLIND_MEMORY, "client.dialer", "out of memory");
    BL_TRY(load_key(d, o, err));
    bl_tls_client_options tls = {
        .rule = blind_policy_server(o->policy),
        .ca_file = o->ca_file,
        .pin_file = o->pin_file,
        .server_name = o->server_name ? o->server_name : o->host,
    };
    return bl_tls_client_new(&tls, &d->tls, err);
}

blind_code blind_dialer_new(const blind_dial_options *options, blind_dialer **out, blind_error *err)
{
    *out = NULL;
    if (!options->host || !*options->host || !options->policy)
        return blind_fail(err, BLIND_USAGE, "client.dialer", "a host and a policy are needed");
    blind_dialer *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, "client.dialer", "out of memory");
    atomic_init(&d->owners, 1);
    pthread_mutex_init(&d->salts_lock, NULL);
    pthread_mutex_init(&d->enrolments_lock, NULL);
    d->hooks = bl_client_hooks_real;
    blind_code code = fill(d, options, err);
    if (code == BLIND_OK)
        *out = d;
    else
        blind_dialer_free(d);
    return code;
}

blind_dialer *bl_dialer_share(blind_dialer *d)
{
    atomic_fetch_add(&d->owners, 1);
    return d;
}

void blind_dialer_free(blind_dialer *d)
{
    if (!d || atomic_fetch_sub(&d->owners, 1) != 1)
        return;
    bl_tls_client_free(d->tls);
    bl_key_free(d->client_key);
    bl_buf_done(&d->client_certificate);
    blind_policy_free(d->policy);
    pthread_mutex_destroy(&d->salts_lock);
    pthread_mutex_destroy(&d->enrolments_lock);
    for (size_t i = 0; i < d->enrolments_len; i++)
        bl_buf_done(&d->enrolments[i]);
    free(d->enrolment_dir);
    free(d->salts);
    free(d->host);
    free(d);
}

blind_code bl_dialer_add_salt(blind_dialer *d, const uint8_t salt[32], blind_error *err)
{
    blind_code code = BLIND_OK;
    pthread_mutex_lock(&d->salts_lock);
    if (d->salts_len == BL_MAX_SALTS) { /* the oldest goes: its model is most likely gone */
        memmove(d->salts, d->salts + 1, (BL_MAX_SALTS - 1) * sizeof *d->salts);
        d->salts_len--;
    }
    blind_salt *salts = realloc(d->salts, (d->salts_len + 1) * sizeof *salts);
    if (salts) {
        d->salts = salts;
        memcpy(d->salts[d->salts_len++].salt, salt, 32);
    } else {
        code = blind_fail(err, BLIND_MEMORY, "client.salt", "out of memory");
    }
    pthread_mutex_unlock(&d->salts_lock);
    return code;
}

blind_code bl_dialer_salts(blind_dialer *d, blind_salt **out, size_t *len, blind_error *err)
{
    pthread_mutex_lock(&d->salts_lock);
    size_t      n = d->salts_len;
    blind_salt *copy = n ? malloc(n * sizeof *copy) : NULL;
    if (copy)
        memcpy(copy, d->salts, n * sizeof *copy);
    pthread_mutex_unlock(&d->salts_lock);
    *out = copy;
    *len = copy ? n : 0;
    return n && !copy ? blind_fail(err, BLIND_MEMORY, "client.salt", "out of memory") : BLIND_OK;
}

void bl_client_line(char *to, size_t size, const char *from)
{
    size_t n = 0;
    for (; from[n] && n + 1 < size; n++)
        to[n] = (unsigned char)from[n] < 0x20 || from[n] == 0x7f ? ' ' : from[n];
    to[n] = 0;
}
