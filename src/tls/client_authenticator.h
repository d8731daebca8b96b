/* The client's authenticator: a key that is proved after the verdict, on the attested session.
 *
 *     server   bl_challenge_make()            a CertificateRequest with a context never used before
 *     client   bl_client_authenticator_write  Certificate, CertificateVerify, Finished
 *     server   bl_challenge_answer()          the key's id, once; the challenge is spent
 *
 * No evidence is in it, and of the certificate the key alone counts: who may do what is in the
 * server's file, by the SHA-256 of the SubjectPublicKeyInfo.
 *
 * Source: RFC 9261, sections 4 and 5; CHANNEL, "Carriage". */
#ifndef BL_TLS_CLIENT_AUTHENTICATOR_H
#define BL_TLS_CLIENT_AUTHENTICATOR_H

#include "tls/authenticator.h"

#define BL_CLIENT_AUTHENTICATOR_PATH "/.well-known/blind/client-authenticator"
/* The answer to GET, and the body of POST: the RFC 9261 messages as they are. */
#define BL_CLIENT_REQUEST_TYPE       "application/vnd.blind.client-authenticator-request.v1"
#define BL_CLIENT_AUTHENTICATOR_TYPE "application/vnd.blind.client-authenticator.v1"
enum { BL_MAX_CLIENT_AUTHENTICATOR = 8192, BL_KEY_ID_SIZE = 32 };

#define BL_LABEL_CLIENT_HANDSHAKE "EXPORTER-client authenticator handshake context"
#define BL_LABEL_CLIENT_FINISHED  "EXPORTER-client authenticator finished key"

/* SHA-256 of a key's SubjectPublicKeyInfo (DER): how a server's file names it. */
BLIND_MUST_USE blind_code bl_key_id(blind_span spki, uint8_t out[BL_KEY_ID_SIZE], blind_error *err);

/* ---- server ---- */

/* One question, until it is answered or another is asked. */
typedef struct {
    bl_authenticator_keys keys;
    bl_buf                request; /* the message; empty: nothing was asked */
} bl_challenge;

#define BL_CHALLENGE_EMPTY ((bl_challenge){ 0 })
void bl_challenge_done(bl_challenge *challenge);

/* Asks, instead of what was asked before.
 *
 * context   32 random bytes
 * contexts  those used on this connection, whoever asked; the new one is added
 * Errors    BINDING (a context used before), LIMIT, EVIDENCE (exporter), MEMORY */
BLIND_MUST_USE blind_code bl_challenge_make(bl_challenge *challenge, const bl_exporter *exporter,
                                            bl_contexts  *contexts,
                                            const uint8_t context[BL_CONTEXT_SIZE],
                                            blind_error  *err);
/* Judges the answer.  Whatever it is, the challenge is spent.
 *
 * id      the key that this very session's client holds
 * Errors  FORMAT, BINDING (another session, context or side; nothing was asked), SIGNATURE,
 * DENIED (the empty authenticator); *id is zero then */
BLIND_MUST_USE blind_code bl_challenge_answer(bl_challenge *challenge, blind_span message,
                                              uint8_t id[BL_KEY_ID_SIZE], blind_error *err);

/* ---- client ---- */

/* Takes exactly one CertificateRequest.  FORMAT, UNSUPPORTED */
BLIND_MUST_USE blind_code bl_challenge_parse(blind_span request, uint8_t context[BL_CONTEXT_SIZE],
                                             blind_error *err);
/* Answers a challenge that bl_challenge_parse() took; the context goes into `contexts`.
 *
 * certificate  DER, its key is `key` (P-256)
 * Errors       FORMAT, UNSUPPORTED, BINDING (a context used before), LIMIT, EVIDENCE (exporter) */
BLIND_MUST_USE blind_code bl_client_authenticator_write(blind_span         request,
                                                        const bl_exporter *exporter,
                                                        bl_contexts *contexts, const bl_key *key,
                                                        blind_span certificate, bl_buf *out,
                                                        blind_error *err);

#endif
