/* The messages of RFC 9261 and the exports behind them, whichever side sends the authenticator.
 *
 *     request        = type u24 | context<0..255> | extensions<2..>
 *     authenticator  = Certificate | CertificateVerify | Finished
 *
 * Source: RFC 9261, sections 4 and 5; RFC 8446, section 4.4. */
#ifndef BL_TLS_MESSAGES_H
#define BL_TLS_MESSAGES_H

#include "tls/authenticator.h"

enum { BL_TLS_CERTIFICATE = 11, BL_TLS_CERTIFICATE_VERIFY = 15, BL_TLS_FINISHED = 20 };

/* Who sends an authenticator.  Labels and types differ, so neither side's passes for the other's.
 */
typedef struct {
    uint8_t     request;         /* the type of the request that it answers */
    bool        evidence;        /* its certificate carries cmw_attestation */
    const char *handshake_label; /* of the exporter */
    const char *finished_label;
} bl_sender;

extern const bl_sender bl_sender_server, bl_sender_client;

/* Handshake Context and finished key, and the exporter's value for this context where there is
 * evidence to bind.  EVIDENCE when one export fails, and *out is zero. */
BLIND_MUST_USE blind_code bl_sender_keys(const bl_sender *sender, const bl_exporter *exporter,
                                         const uint8_t          context[BL_CONTEXT_SIZE],
                                         bl_authenticator_keys *out, blind_error *err);

/* What the other side asks of a sender: context, ecdsa_secp256r1_sha256 and, where it has evidence,
 * cmw_attestation. */
void bl_request_write(const bl_sender *sender, bl_buf *out, const uint8_t context[BL_CONTEXT_SIZE]);
/* Takes exactly one request.  FORMAT; UNSUPPORTED when it does not offer what the answer uses. */
BLIND_MUST_USE blind_code bl_request_parse(const bl_sender *sender, blind_span request,
                                           uint8_t context[BL_CONTEXT_SIZE], blind_error *err);

/* Appends the three messages.
 *
 * certificate  DER, its key is `key` (P-256)
 * extensions   of its one entry, as they stand in the message */
BLIND_MUST_USE blind_code bl_messages_write(blind_span request, const bl_authenticator_keys *keys,
                                            const bl_key *key, blind_span certificate,
                                            blind_span extensions, bl_buf *out, blind_error *err);

/* An authenticator's parts, borrowed. */
typedef struct {
    blind_span all, context, certificate, extensions, signature, mac;
    size_t     certificate_end, verify_end; /* where the transcripts stop */
    uint16_t   algorithm;
} bl_messages;

/* A Finished alone: the sender's refusal. */
bool bl_messages_empty(blind_span message);
/* Three messages with one certificate entry, no other spelling.  False: FORMAT. */
bool bl_messages_parse(blind_span message, bl_messages *out);
/* Context and Finished: who cannot compute it was not asked, or in another session.  BINDING */
BLIND_MUST_USE blind_code bl_messages_check_session(const bl_messages *m, blind_span request,
                                                    const bl_authenticator_keys *keys,
                                                    blind_error                 *err);
/* CertificateVerify, by the key inside the certificate.
 *
 * spki  that key, borrowed
 * Errors FORMAT (no certificate), SIGNATURE */
BLIND_MUST_USE blind_code bl_messages_check_signature(const bl_messages *m, blind_span request,
                                                      const bl_authenticator_keys *keys,
                                                      blind_span spki, blind_error *err);
/* The key inside the certificate.  FORMAT */
BLIND_MUST_USE blind_code bl_messages_spki(const bl_messages *m, blind_span *spki,
                                           blind_error *err);

#endif
