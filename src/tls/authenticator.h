/* Exported authenticators (RFC 9261) that carry evidence (cmw_attestation).
 *
 * The client asks with a ClientCertificateRequest; the server answers Certificate,
 * CertificateVerify and Finished.  All secrets come from the exporter of the TLS session, an
 * argument here, so that tests and fuzzing need no socket.  The hash is that of the session's
 * cipher suite.
 *
 *     request        = 17 u24 | context<0..255> | extensions<2..>
 *     authenticator  = Certificate | CertificateVerify | Finished
 *
 * Source: RFC 9261, sections 4 to 6; draft-fossati-seat-expat. */
#ifndef BL_TLS_AUTHENTICATOR_H
#define BL_TLS_AUTHENTICATOR_H

#include "base/base.h"
#include "base/buf.h"

struct ssl_st;
typedef struct bl_key bl_key;

/* The extension cmw_attestation has no assigned number yet: one of the private-use range. */
enum { BL_TLS_EXT_CMW_ATTESTATION = 0xffa9 };
#define BL_LABEL_ATTESTATION "Attestation"
#define BL_LABEL_HANDSHAKE   "EXPORTER-server authenticator handshake context"
#define BL_LABEL_FINISHED    "EXPORTER-server authenticator finished key"

enum { BL_CONTEXT_SIZE = 32, BL_EXPORTER_SIZE = 32, BL_MAX_HASH = 48 };

/* TLS-Exporter(label, context, size) of one session; false is refusal, never a reason to go on. */
typedef struct {
    bool (*export_key)(void *arg, const char *label, blind_span context, uint8_t *out, size_t size);
    void  *arg;
    size_t hash_size; /* 32 SHA-256, 48 SHA-384; 0: the session has no TLS 1.3 suite */
} bl_exporter;

/* The exporter of a finished TLS 1.3 session; never the early one. */
bl_exporter bl_exporter_of(struct ssl_st *ssl);

/* What one request and one session fix before any evidence exists: plain bytes, usable in any
 * thread and after the session has gone. */
typedef struct {
    uint8_t context[BL_CONTEXT_SIZE];
    uint8_t exported[BL_EXPORTER_SIZE]; /* goes into the binding */
    uint8_t handshake[BL_MAX_HASH];     /* Handshake Context */
    uint8_t finished_key[BL_MAX_HASH];
    size_t  hash_size;
} bl_authenticator_keys;

void bl_authenticator_keys_done(bl_authenticator_keys *keys); /* wipes */

/* The contexts used on one connection, so that none is used twice.  {0} is empty. */
typedef struct {
    uint8_t (*used)[BL_CONTEXT_SIZE];
    size_t count, room;
} bl_contexts;

/* BINDING when the context was used before, LIMIT after BL_MAX_CONTEXTS, MEMORY. */
BLIND_MUST_USE blind_code bl_contexts_add(bl_contexts  *contexts,
                                          const uint8_t context[BL_CONTEXT_SIZE], blind_error *err);
void                      bl_contexts_done(bl_contexts *contexts);

/* ---- client ---- */

void bl_authenticator_request_write(bl_buf *out, const uint8_t context[BL_CONTEXT_SIZE]);

/* Checks everything but the evidence.
 *
 * spki      of the TLS handshake's leaf: the authenticator's must be equal
 * cmw       the extension's content, borrowed from `message`
 * Errors    FORMAT, SIGNATURE (CertificateVerify), BINDING (another session, key, context),
 * EVIDENCE (the empty authenticator) */
BLIND_MUST_USE blind_code bl_authenticator_verify(blind_span message, blind_span request,
                                                  const bl_authenticator_keys *keys,
                                                  blind_span spki, blind_span *cmw,
                                                  blind_error *err);

/* ---- server ---- */

/* Takes exactly one request: strict parse, the context 32 bytes, cmw_attestation offered empty,
 * ecdsa_secp256r1_sha256 among the algorithms.  FORMAT else, UNSUPPORTED for the last two. */
BLIND_MUST_USE blind_code bl_authenticator_request_parse(blind_span   request,
                                                         uint8_t      context[BL_CONTEXT_SIZE],
                                                         blind_error *err);

/* certificate  DER, its key is `key` (P-256) */
BLIND_MUST_USE blind_code bl_authenticator_write(blind_span                   request,
                                                 const bl_authenticator_keys *keys,
                                                 const bl_key *key, blind_span certificate,
                                                 blind_span cmw, bl_buf *out, blind_error *err);

/* ---- both ---- */

/* All exports at once; EVIDENCE when one fails. */
BLIND_MUST_USE blind_code bl_authenticator_keys_derive(const bl_exporter *exporter,
                                                       const uint8_t      context[BL_CONTEXT_SIZE],
                                                       bl_authenticator_keys *out,
                                                       blind_error           *err);

#endif
