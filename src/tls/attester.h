/* The server's half of attestation: one quote answers all sessions that wait at that moment.
 *
 *     loop thread   bl_attester_prepare(ssl, request)   exports what the session gives; cheap
 *     any thread    bl_attester_answer(sessions, n)     one quote, n answers; as slow as the TEE
 *     loop thread   sends bl_attestation.response as BL_AUTHENTICATOR_TYPE, remembers log_len
 */
#ifndef BL_TLS_ATTESTER_H
#define BL_TLS_ATTESTER_H

#include "attest/runtime_log.h"
#include "attest/tee.h"
#include "tls/authenticator.h"
#include "tls/carriage.h"

typedef struct bl_attester bl_attester;

/* One session's request on its way to an answer. */
typedef struct {
    bl_authenticator_keys keys;
    bl_buf                request;
    uint8_t               binding[32];
    bl_buf                response; /* the answer's body */
    uint64_t              log_len;  /* the runtime log's length that the answer attests */
} bl_attestation;

#define BL_ATTESTATION_EMPTY ((bl_attestation){ 0 })
void bl_attestation_done(bl_attestation *attestation);

typedef struct {
    const char     *tee;         /* "sim" */
    const bl_key   *key;         /* of the TLS certificate; borrowed */
    blind_span      certificate; /* DER leaf; copied */
    bl_runtime_log *log;         /* borrowed */
    const char     *log_path; /* keeps the log there when the TEE has a register for it; or NULL */
    bl_tee_options  tee_options; /* copied; its strings are borrowed */
    /* Parts from elsewhere to send beside the device's own: appends them as bl_parts_write() does.
     * Called by whichever thread answers; NULL: none.  When it fails they are left out. */
    blind_code (*staple)(void *arg, blind_span evidence, bl_buf *parts, blind_error *err);
    void *staple_arg;
} bl_attester_options;

BLIND_MUST_USE blind_code bl_attester_new(const bl_attester_options *options, bl_attester **out,
                                          blind_error *err);
void                      bl_attester_free(bl_attester *attester);

/* Parses the request and exports what it needs from the session.
 *
 * contexts  those used on this connection; the new one is added
 * Errors    FORMAT, UNSUPPORTED, BINDING (a context used before), LIMIT, EVIDENCE (exporter), TLS
 */
BLIND_MUST_USE blind_code bl_attester_prepare(bl_attester *attester, struct ssl_st *ssl,
                                              bl_contexts *contexts, blind_span request,
                                              bl_attestation *out, blind_error *err);

/* Answers n prepared sessions, 1 <= n <= 65,536, with one quote.  Thread-safe.  On failure no
 * response is filled. */
BLIND_MUST_USE blind_code bl_attester_answer(bl_attester *attester, bl_attestation *const *sessions,
                                             size_t n, blind_error *err);

/* Answers a challenge to the TEE's endorsement key; appends the secret.  Thread-safe.
 * Errors: UNSUPPORTED (it has none), FORMAT, IO */
BLIND_MUST_USE blind_code bl_attester_activate(bl_attester *attester, blind_span credential,
                                               bl_buf *secret, blind_error *err);

/* The key-bound evidence (`blind cert v1`) for certificates and the helper port: a bundle. */
BLIND_MUST_USE blind_code bl_attester_certificate_evidence(bl_attester *attester, bl_buf *out,
                                                           blind_error *err);

#endif
