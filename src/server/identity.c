/* Who the server says it is: the TEE key, made here at start and never stored, its certificate,
 * issued by the operator's key, and the helper port's certificate, which is the operator's. */
#include "base/file.h"
#include "crypto/cert.h"
#include "server/internal.h"

#include <stdio.h>
#include <unistd.h>

enum { MAX_PEM = 1 << 20, MAX_CHAIN = 8, YEAR_S = 365 * 24 * 3600 };

/* The operator's certificate and key. */
typedef struct {
    bl_buf  cert_pem, key_pem, cert; /* PEM, PEM, DER */
    bl_key *key;
} operator_files;

static void operator_done(operator_files *o)
{
    bl_buf_done(&o->cert_pem);
    bl_buf_done(&o->key_pem);
    bl_buf_done(&o->cert);
    bl_key_free(o->key);
}

static size_t names_of(const bl_config *config, const char *names[BL_MAX_CONFIG_NAMES + 4])
{
    static const char *const fixed[] = { "blindai-srv", "localhost", "127.0.0.1", "::1" };
    size_t                   n = 0;
    for (size_t i = 0; i < BL_LEN(fixed); i++)
        names[n++] = fixed[i];
    for (size_t i = 0; i < config->server_names.count; i++)
        names[n++] = config->server_names.each[i];
    return n;
}

static bl_cert_options cert_options(const char *common_name, const char **names, size_t len)
{
    int64_t now = bl_clock_wall_s();
    return (bl_cert_options){
        .common_name = common_name,
        .names = names,
        .names_len = len,
        .not_before_s = now - 3600,
        .not_after_s = now + 10LL * YEAR_S,
    };
}

/* ---- the operator's ---- */

static blind_code make_operator(const bl_config *config, const char *cert_path,
                                const char *key_path, blind_error *err)
{
    const char         *names[BL_MAX_CONFIG_NAMES + 4];
    bl_cert_options     options = cert_options("blindai-srv", names, names_of(config, names));
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         cert = BL_BUF_EMPTY, cert_pem = BL_BUF_EMPTY, key_pem = { .secret = true };
    options.ca = true;
    BL_TRY(bl_key_generate(&key, err));
    BL_TRY(bl_cert_make(key, NULL, (blind_span){ 0 }, &options, &cert, err));
    BL_TRY(bl_cert_to_pem(bl_buf_span(&cert), &cert_pem, err));
    BL_TRY(bl_key_private_pem(key, &key_pem, err));
    BL_TRY(bl_file_write_atomic(key_path, bl_buf_span(&key_pem), 0600, err));
    return bl_file_write_atomic(cert_path, bl_buf_span(&cert_pem), 0644, err);
}

static blind_code load_operator(const bl_config *config, operator_files *o, blind_error *err)
{
    char        cert[4096], key[4096];
    const char *cert_path = config->host_cert, *key_path = config->host_key;
    if (!*cert_path) {
        int n = snprintf(cert, sizeof cert, "%s/host_server.pem", config->state_dir);
        snprintf(key, sizeof key, "%s/host_server.key", config->state_dir);
        if (n >= (int)sizeof cert)
            return blind_fail(err, BLIND_USAGE, "server.identity", "state-dir: name too long");
        cert_path = cert;
        key_path = key;
        if (access(cert, F_OK) != 0 || access(key, F_OK) != 0)
            BL_TRY(make_operator(config, cert, key, err));
    }
    o->key_pem.secret = true;
    BL_TRY(bl_file_read(cert_path, MAX_PEM, &o->cert_pem, err));
    BL_TRY(bl_file_read(key_path, MAX_PEM, &o->key_pem, err));
    BL_TRY(bl_cert_from_pem(bl_buf_span(&o->cert_pem), 0, &o->cert, err));
    return bl_key_from_private_pem(bl_buf_span(&o->key_pem), &o->key, err);
}

/* ---- the TEE's ---- */

static blind_code new_attester(bl_server *s, blind_span certificate, bl_attester **out,
                               blind_error *err)
{
    char log_path[4096];
    int  n = snprintf(log_path, sizeof log_path, "%s/runtime.log", s->config->state_dir);
    if (n < 0 || (size_t)n >= sizeof log_path)
        return blind_fail(err, BLIND_USAGE, "server.identity", "state-dir: name too long");
    bl_attester_options options = {
        .tee = s->config->tee,
        .key = s->key,
        .certificate = certificate,
        .log = &s->log,
        .log_path = log_path,
    };
    const bl_config *config = s->config;
    if (*config->collateral_dir && !s->staple)
        BL_TRY(bl_staple_new(config->collateral_dir, config->tee, &s->staple, err));
    options.staple = s->staple ? bl_staple_parts : NULL;
    options.staple_arg = s->staple;
    options.tee_options.tpm_tcti = *config->tcti ? config->tcti : NULL;
    options.tee_options.tpm_ek_chain = *config->tpm_ek_chain ? config->tpm_ek_chain : NULL;
    options.tee_options.tpm_event_log = *config->tpm_event_log ? config->tpm_event_log : NULL;
    BL_TRY(bl_config_ak_handle(config, &options.tee_options.tpm_ak_handle, err));
    if (*s->config->sim_lie)
        BL_TRY(bl_sim_lies_parse(s->config->sim_lie, &options.tee_options.sim_lies, err));
    return bl_attester_new(&options, out, err);
}

/* Once without evidence, to have an attester that gives the evidence for the second. */
static blind_code certify(bl_server *s, const operator_files *o, blind_error *err)
{
    const char     *names[BL_MAX_CONFIG_NAMES + 4];
    bl_cert_options options = cert_options("blind", names, names_of(s->config, names));
    bl_auto_buf     plain = BL_BUF_EMPTY, evidence = BL_BUF_EMPTY;
    bl_attester    *first = NULL;
    BL_TRY(bl_cert_make(s->key, o->key, bl_buf_span(&o->cert), &options, &plain, err));
    BL_TRY(new_attester(s, bl_buf_span(&plain), &first, err));
    blind_code code = bl_attester_certificate_evidence(first, &evidence, err);
    bl_attester_free(first);
    BL_TRY(code);
    options.cmw = bl_buf_span(&evidence);
    BL_TRY(bl_cert_make(s->key, o->key, bl_buf_span(&o->cert), &options, &s->certificate, err));
    return new_attester(s, bl_buf_span(&s->certificate), &s->attester, err);
}

static blind_code make(bl_server *s, operator_files *o, blind_error *err)
{
    BL_TRY(load_operator(s->config, o, err));
    BL_TRY(bl_key_generate(&s->key, err));
    BL_TRY(certify(s, o, err));
    blind_span chain[] = { bl_buf_span(&s->certificate), bl_buf_span(&o->cert) };
    BL_TRY(bl_tls_server_new(s->key, chain, BL_LEN(chain), &s->tls, err));
    return bl_tls_server_new_pem(bl_buf_span(&o->cert_pem), bl_buf_span(&o->key_pem),
                                 &s->helper_tls, err);
}

blind_code bl_identity_make(bl_server *s, blind_error *err)
{
    operator_files o = { 0 };
    blind_code     code = make(s, &o, err);
    operator_done(&o);
    return code;
}

blind_code bl_identity_csr(bl_server *s, bl_buf *pem, blind_error *err)
{
    const char     *names[BL_MAX_CONFIG_NAMES + 4];
    bl_cert_options options = cert_options("blind", names, names_of(s->config, names));
    bl_auto_buf     der = BL_BUF_EMPTY;
    BL_TRY(bl_cert_request(s->key, &options, &der, err));
    return bl_cert_request_to_pem(bl_buf_span(&der), pem, err);
}

/* ---- an installed chain ---- */

static blind_code use_chain(bl_server *s, blind_span pem, blind_error *err)
{
    bl_auto_buf    own = BL_BUF_EMPTY, theirs = BL_BUF_EMPTY;
    bl_buf         certs[MAX_CHAIN] = { 0 };
    blind_span     chain[MAX_CHAIN];
    size_t         n = 0;
    bl_tls_server *tls = NULL;
    blind_code     code = BLIND_OK;
    while (n < MAX_CHAIN && bl_cert_from_pem(pem, n, &certs[n], err) == BLIND_OK) {
        chain[n] = bl_buf_span(&certs[n]);
        n++;
    }
    if (n == 0)
        code = blind_fail(err, BLIND_INPUT, "server.chain", "no certificate");
    if (code == BLIND_OK)
        code = bl_key_spki(s->key, &own, err);
    if (code == BLIND_OK)
        code = bl_cert_spki(chain[0], &theirs, err);
    if (code == BLIND_OK && !bl_span_equal(bl_buf_span(&own), bl_buf_span(&theirs)))
        code = blind_fail(err, BLIND_INPUT, "server.chain",
                          "the first certificate is for another key: issue it from /csr");
    if (code == BLIND_OK)
        code = bl_tls_server_new(s->key, chain, n, &tls, err);
    if (code == BLIND_OK) {
        pthread_rwlock_wrlock(&s->tls_lock);
        bl_tls_server *old = s->tls;
        s->tls = tls;
        pthread_rwlock_unlock(&s->tls_lock);
        bl_tls_server_free(old);
    }
    for (size_t i = 0; i < MAX_CHAIN; i++)
        bl_buf_done(&certs[i]);
    return code;
}

blind_code bl_identity_reload(bl_server *s, blind_error *err)
{
    char        path[4096];
    bl_auto_buf pem = BL_BUF_EMPTY;
    snprintf(path, sizeof path, "%s/server_chain.pem", s->config->state_dir);
    if (access(path, F_OK) != 0)
        return BLIND_OK;
    BL_TRY(bl_file_read(path, MAX_PEM, &pem, err));
    blind_code code = use_chain(s, bl_buf_span(&pem), err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}
