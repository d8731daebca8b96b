/* The body in which an authenticator travels: CBOR {"bundle": bytes, "authenticator": bytes}.
 *
 * Inside the authenticator: evidence and binding (a TLS extension holds 65,535 bytes).  Beside it,
 * in "bundle": runtime log, endorsements, collateral, which authenticate themselves or are covered
 * by the report.  Both are CMW collections. */
#ifndef BL_TLS_CARRIAGE_H
#define BL_TLS_CARRIAGE_H

#include "base/buf.h"
#include "tls/authenticator.h"

#define BL_AUTHENTICATOR_PATH "/.well-known/blind/authenticator"
#define BL_AUTHENTICATOR_TYPE "application/vnd.blind.authenticator.v1+cbor"
/* The body of the POST: the RFC 9261 request as it is. */
#define BL_AUTHENTICATOR_REQUEST_TYPE "application/vnd.blind.authenticator-request.v1"
enum { BL_MAX_AUTHENTICATOR_REQUEST = 1024 };

/* A client that enrols a TPM's attestation key sends a challenge to its endorsement key and gets
 * the secret back; between evidence and verdict, on the same connection.  docs/concepts/tpm.md. */
#define BL_ACTIVATION_PATH        "/.well-known/blind/ak-activation"
#define BL_ACTIVATION_TYPE        "application/vnd.blind.ak-challenge.v1"
#define BL_ACTIVATION_ANSWER_TYPE "application/vnd.blind.ak-secret.v1"
enum { BL_MAX_ACTIVATION = 1024, BL_MAX_ACTIVATION_ANSWER = 64 };

BLIND_MUST_USE blind_code bl_carriage_write(blind_span authenticator, blind_span beside,
                                            bl_buf *out, blind_error *err);
/* Both borrow from `body`.  FORMAT */
BLIND_MUST_USE blind_code bl_carriage_parse(blind_span body, blind_span *authenticator,
                                            blind_span *beside, blind_error *err);

/* From the answer's body to a bundle that blind_appraise() takes, everything but the appraisal
 * checked: carriage, authenticator, join.  Errors: those of bl_authenticator_verify(), FORMAT,
 * LIMIT, MEMORY. */
BLIND_MUST_USE blind_code bl_carriage_open(blind_span body, blind_span request,
                                           const bl_authenticator_keys *keys, blind_span spki,
                                           bl_buf *bundle, blind_error *err);

#endif
