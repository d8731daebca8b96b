/* What all connections to one server under one policy share. */
#include "client/internal.h"
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
    blind_policy_free(d->policy);
    pthread_mutex_destroy(&d->salts_lock);
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
