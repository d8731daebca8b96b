/* The computations of RFC 9261, section 5.2: hash, signature and Finished; and the one field of a
 * certificate that they need. */
#ifndef BL_TLS_TRANSCRIPT_H
#define BL_TLS_TRANSCRIPT_H

#include "crypto/key.h"
#include "tls/authenticator.h"

enum {
    BL_MAX_CONTEXTS = 4096, /* attestations of one connection */
    BL_MAX_EXTENSIONS = 32, /* of one request */
    BL_MAX_CMW = 65535 - 6, /* what an extension list holds */
    BL_MAX_CERTIFICATE = 1 << 16,
};

/* Hash(Handshake Context || request || messages) */
BLIND_MUST_USE blind_code bl_transcript_hash(const bl_authenticator_keys *keys, blind_span request,
                                             blind_span messages, uint8_t hash[BL_MAX_HASH]);
/* HMAC(finished key, hash) */
BLIND_MUST_USE blind_code bl_transcript_mac(const bl_authenticator_keys *keys, const uint8_t *hash,
                                            uint8_t mac[BL_MAX_HASH]);
/* ecdsa_secp256r1_sha256 over 64 spaces, "Exported Authenticator", 0, hash */
BLIND_MUST_USE blind_code bl_transcript_sign(const bl_authenticator_keys *keys, const uint8_t *hash,
                                             const bl_key *key, bl_buf *signature,
                                             blind_error *err);
/* SIGNATURE also for a key that is not on P-256. */
BLIND_MUST_USE blind_code bl_transcript_verify(const bl_authenticator_keys *keys,
                                               const uint8_t *hash, blind_span spki,
                                               blind_span signature, blind_error *err);

/* The SubjectPublicKeyInfo inside a DER certificate, borrowed.  It is compared with that of a
 * certificate that OpenSSL has read, so nothing else here is judged. */
bool bl_der_spki(blind_span certificate, blind_span *spki);

#endif
