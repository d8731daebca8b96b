/* Appraisal: an evidence bundle against a policy gives an explained verdict.
 *
 * Pure: no file, no network, no clock.  Two questions, answered apart: is the evidence authentic
 * (signature, chain, freshness, binding), and is what it says acceptable (the policy).  Each check
 * is proven, refuted or unknown; one that was asked for and is not proven refuses. */
#ifndef BLIND_APPRAISE_H
#define BLIND_APPRAISE_H

#include "blind/error.h"
#include "blind/policy.h"
#include "blind/span.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BLIND_UNKNOWN, BLIND_PROVEN, BLIND_REFUTED } blind_state;

/* What the evidence must be bound to.  A zeroed struct expects nothing and refuses everything. */
typedef enum {
    BLIND_BOUND_NOTHING,
    BLIND_BOUND_SESSION,     /* leaf: computed by the caller from its own TLS exporter */
    BLIND_BOUND_CERTIFICATE, /* spki: the key of the certificate that carries the evidence */
    BLIND_BOUND_REPORT_DATA, /* report_data: 1..64 bytes, the rest zero */
    BLIND_BOUND_UNBOUND,     /* binding stays unknown; the verdict says so and gives no mark */
} blind_bound;
typedef struct {
    blind_bound to;
    uint8_t     leaf[32];
    blind_span  spki; /* DER */
    blind_span  report_data;
} blind_expect;

/* How TLS identified the server, beside attestation. */
typedef enum { BLIND_IDENTITY_UNKNOWN, BLIND_IDENTITY_CA, BLIND_IDENTITY_PIN } blind_identity;

/* The salt that an uploader was given, with which it recognises its own model in the log. */
typedef struct {
    uint8_t salt[32];
} blind_salt;

/* What verification may remember from call to call, so that a chain and its collateral are parsed
 * and verified once; NULL where one is taken means none.  Threads may share it. */
typedef struct blind_cache blind_cache;
BLIND_API blind_cache     *blind_cache_new(size_t max_entries); /* NULL: no memory */
BLIND_API void             blind_cache_free(blind_cache *cache);

typedef struct {
    bool              simulation; /* accept evidence signed by the public simulation key */
    bool              debug_mode; /* accept an enclave that its host can debug */
    int64_t           now_s;      /* seconds since 1970, the verifier's clock */
    blind_identity    identity;
    const blind_salt *salts;
    size_t            salts_len;
    blind_cache      *cache;
    /* Records of TPM keys that the caller enrolled (blind_enrolment in client.h); trusted as they
     * are, so they must come from nobody else. */
    const blind_span *enrolments;
    size_t            enrolments_len;
} blind_appraise_options;

typedef struct blind_result blind_result;

/* bundle   as received (CMW collection); borrowed for the call
 * out      owned by the caller, blind_result_free(); made for refusals too, so that they can be
 *          explained; NULL only after MEMORY or USAGE
 * returns  blind_result_code() of the result, and *err says it in one line */
BLIND_API BLIND_MUST_USE blind_code blind_appraise(blind_span bundle, const blind_expect *expect,
                                                   const blind_policy           *policy,
                                                   const blind_appraise_options *options,
                                                   blind_result **out, blind_error *err);
/* A byte string that goes with evidence: "vcek", "tcb_info", ...: docs/formats/evidence.md. */
typedef struct {
    const char *name;
    blind_span  bytes;
} blind_part;

/* The same for a TEE's own evidence, as its device or cloud gave it, without a bundle: there is no
 * runtime log, so models are unknown and a session cannot be expected (USAGE).
 *
 * tee       "snp"; one that this build does not know is refused
 * evidence  report, quote or document
 * parts     endorsements and collateral */
BLIND_API BLIND_MUST_USE blind_code blind_appraise_evidence(
    const char *tee, blind_span evidence, const blind_part *parts, size_t parts_len,
    const blind_expect *expect, const blind_policy *policy, const blind_appraise_options *options,
    blind_result **out, blind_error *err);
BLIND_API void blind_result_free(blind_result *result);

/* OK: every check that was asked for is proven.  Else the failure with the lowest exit status above
 * 9 (or the first failure, when none is above 9). */
BLIND_API blind_code blind_result_code(const blind_result *result);
/* The verdict explained to a person, several lines; and as JSON, docs/formats/claims.md.  Written
 * when first asked for; "" when there is no memory for it. */
BLIND_API const char *blind_result_text(const blind_result *result);
BLIND_API const char *blind_result_json(const blind_result *result);
/* The verdict as a signed token for other relying parties, an EAT Attestation Result (JWT, ES256):
 * docs/formats/ear.md.  Its time is the appraisal's.
 *
 * key_pem  P-256 private key, unencrypted PEM
 * out      NUL-terminated, free() it; NULL on failure
 * Errors   USAGE (no time was given to the appraisal), INPUT (key), MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_result_ear(const blind_result *result, blind_span key_pem,
                                                     char **out, blind_error *err);
BLIND_API const char *blind_result_tee(const blind_result *result); /* "sim"; "" when unreadable */
BLIND_API bool        blind_result_simulated(const blind_result *result);
/* True only for an accepted verdict that is bound to a session. */
BLIND_API bool     blind_result_bound(const blind_result *result);
BLIND_API uint64_t blind_result_log_len(const blind_result *result);
BLIND_API void     blind_result_policy_digest(const blind_result *result, uint8_t out[32]);

typedef struct {
    const char *name; /* stable: "measurement" */
    blind_state state;
    bool        asked;    /* by the policy or by the channel's rules */
    blind_code  code;     /* of its failure, whether or not it failed */
    const char *expected; /* texts of one line */
    const char *found;
    const char *source; /* document and section that ask for it */
} blind_check;
BLIND_API size_t             blind_result_checks(const blind_result *result);
BLIND_API const blind_check *blind_result_check(const blind_result *result, size_t i);

typedef struct {
    const char *name;
    uint8_t     sha256[32]; /* as the log says it */
    bool        salted;     /* SHA-256(salt || SHA-256(file)) */
} blind_loaded_model;
/* Models loaded when the evidence was made; none unless the log is proven. */
BLIND_API size_t                    blind_result_models(const blind_result *result);
BLIND_API const blind_loaded_model *blind_result_model(const blind_result *result, size_t i);

#ifdef __cplusplus
}
#endif
#endif
