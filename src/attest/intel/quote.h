/* Intel's quote of versions 3, 4 and 5: what surrounds the report of an enclave or a trust domain.
 *
 * Header, 48 bytes, little-endian integers:
 *
 *     0x00  2   version: 3 (SGX), 4, 5
 *     0x02  2   kind of attestation key: 2, ECDSA with P-256
 *     0x04  4   kind of TEE: 0 SGX, 0x81 TDX (version 3: reserved, 0)
 *     0x08  4   versions of the quoting enclave and the PCE (version 4: reserved)
 *     0x0c  16  vendor of the quoting enclave: Intel's 939a7233f79c4ca9940a0db3957f0607
 *     0x1c  20  the quoting enclave's data
 *
 * then the body: of version 3 an enclave report (384 bytes), of version 4 that or a TD report
 * (584), of version 5 a u16 kind (1 enclave report, 2 TD report, 3 TD report 1.5 of 648 bytes), a
 * u32 size and the report.  Header and body are what the attestation key signs.  Then a u32 size
 * and so many bytes of signature data:
 *
 *     64   signature over header and body, r || s
 *     64   attestation key, x || y
 *     (versions 4 and 5: u16 kind 6, u32 size of all that follows)
 *     384  report of the quoting enclave
 *     64   its signature by the PCK, r || s
 *     2+n  the quoting enclave's authentication data
 *     2+4+n  certification data: kind and bytes; kind 5 is the PCK certificate chain in PEM
 *
 * Behind the declared end only zero bytes may follow: quotes travel in buffers of a fixed size.
 * Source: Intel SGX ECDSA Quote Library API Reference, appendix A; Intel TDX DCAP Quote Generation
 * Library, appendix A.3 and A.4. */
#ifndef BL_INTEL_QUOTE_H
#define BL_INTEL_QUOTE_H

#include "base/base.h"

#define BL_QUOTE_HEADER_SIZE   48
#define BL_SGX_REPORT_SIZE     384
#define BL_TD_REPORT_10_SIZE   584
#define BL_TD_REPORT_15_SIZE   648
#define BL_QUOTE_SGX           0u
#define BL_QUOTE_TDX           0x81u
#define BL_CERTIFICATION_CHAIN 5 /* PCK certificate chain, PEM */

typedef enum { BL_BODY_SGX = 1, BL_BODY_TD_10 = 2, BL_BODY_TD_15 = 3 } bl_body_kind;

typedef struct {
    uint16_t     version;
    uint32_t     tee; /* BL_QUOTE_SGX, BL_QUOTE_TDX */
    blind_span   vendor, user_data;
    bl_body_kind body_kind;
    blind_span   body;
    blind_span   signed_bytes; /* header and body, as the attestation key signed them */
    blind_span   signature;    /* r || s */
    blind_span   key;          /* x || y */
    blind_span   qe_report, qe_signature, qe_auth;
    uint16_t     certification_kind;
    blind_span   certification;
    blind_span   padding; /* zeros behind the declared end */
} bl_quote;

/* Spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_quote_parse(blind_span raw, bl_quote *out, blind_error *err);
/* Whether the quoting enclave is Intel's. */
bool bl_quote_vendor_is_intel(const bl_quote *quote);
/* "PCK certificate chain (5)", "encrypted PPID, RSA-3072 (3)" */
const char *bl_certification_name(unsigned kind);

#endif
