/* AWS Nitro Enclaves: the attestation document and what it proves.
 *
 * A document is a COSE_Sign1 (ES384) whose payload is a CBOR map, as the Nitro security module
 * writes it: map keys in no particular order, lists sometimes without a count.
 *
 *     module_id    text          "i-<instance>-enc<enclave>"
 *     digest       text          "SHA384"
 *     timestamp    uint          milliseconds since 1970, by the hypervisor's clock
 *     pcrs         {uint: bytes} 1 to 32 registers 0..31, each of 32, 48 or 64 bytes
 *     certificate  bytes         DER of the certificate whose key signed, valid three hours
 *     cabundle     [bytes]       DER, root first, then down to the issuer of `certificate`
 *     public_key   bytes|null    at most 1024 bytes, from the enclave
 *     user_data    bytes|null    at most 1024 bytes, from the enclave: our report data
 *     nonce        bytes|null    at most 1024 bytes, from the enclave
 *
 * Parts: none, everything is inside.  There is no revocation list.
 * Source: AWS, aws-nitro-enclaves-nsm-api, docs/attestation_process.md, sections 2 and 3. */
#ifndef BL_NITRO_H
#define BL_NITRO_H

#include "attest/tee.h"

#define BL_NITRO_PCRS        32
#define BL_NITRO_MAX_PAYLOAD 16384
#define BL_NITRO_MAX_FIELD   1024 /* of public_key, user_data and nonce */
#define BL_NITRO_MAX_BUNDLE  8    /* certificates above the leaf */
#define BL_NITRO_SKEW_S      60   /* how far a document may be ahead of the verifier's clock */

typedef struct {
    blind_span module_id, digest; /* texts */
    uint64_t   timestamp_ms;
    blind_span pcrs[BL_NITRO_PCRS]; /* empty: not in the document */
    blind_span certificate;
    blind_span cabundle[BL_NITRO_MAX_BUNDLE];
    size_t     cabundle_len;
    blind_span public_key, user_data, nonce; /* empty: null or absent */
} bl_nitro_document;

/* Reads the payload of the COSE_Sign1; spans borrow from it.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_nitro_document_parse(blind_span payload, bl_nitro_document *out,
                                                  blind_error *err);
/* Appends the payload as the security module writes it; for tests. */
void bl_nitro_document_write(const bl_nitro_document *document, bl_buf *out);

extern const bl_roots bl_nitro_roots;

/* The functions of the row bl_tee_nitro. */
blind_code bl_nitro_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);
blind_code bl_nitro_open(const bl_tee_options *options, void **out, blind_error *err);
blind_code bl_nitro_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                            blind_error *err);
void       bl_nitro_close(void *opened);

#endif
