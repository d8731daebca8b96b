/* Synthetic SGX and TDX evidence: chains under a root of our own, quotes that they sign,
 * collateral.
 *
 *     intel_made m;
 *     intel_plain(&m, false);                                  good in every respect
 *     intel_edit(m.tcb_info, sizeof m.tcb_info, "\"svn\":5", "\"svn\":9");
 *     intel_sign(&m);                                          signs it as it now stands
 *     CHECK_CODE(BLIND_OK, intel_verify(&m, NULL, &claims, &err), "...");
 *     intel_done(&m);
 */
#ifndef MAKE_INTEL_H
#define MAKE_INTEL_H

#include "attest/intel/verify.h"
#include "tests/attest/make_cert.h"

#define INTEL_NOW    1780000000 /* 2026-05-28T20:26:40Z */
#define INTEL_DAY    86400
#define INTEL_ISSUED "2026-05-27T00:00:00Z"
#define INTEL_NEXT   "2026-06-26T00:00:00Z"

typedef struct {
    /* intel_plain() sets them, tests change them, intel_sign() reads them. */
    bool        tdx;
    unsigned    version, body_kind;
    uint8_t     header[BL_QUOTE_HEADER_SIZE];
    uint8_t     body[BL_TD_REPORT_15_SIZE];
    uint8_t     qe_report[BL_SGX_REPORT_SIZE];
    uint8_t     qe_auth[32];
    bool        unbound; /* the quoting enclave's report data stays as it is */
    unsigned    certification_kind;
    bl_pck      pck;
    bl_buf      extension; /* of the PCK certificate; empty: made of `pck` */
    char        tcb_info[16384], qe_identity[4096]; /* the inner objects */
    const char *pck_name, *authority_name, *signing_name;
    int64_t     from_s, to_s;               /* of the PCK and its authority */
    int64_t     crl_from_s, crl_to_s;       /* of the PCK's list; crl_to_s 0: no nextUpdate */
    uint64_t    revoked, revoked_authority; /* serials in the lists; 0: none */
    EVP_PKEY   *root_key, *qe_key, *ak, *json_key, *crl_key; /* who signs; borrowed */
    /* What came of it. */
    bl_buf quote, tcb_info_part, qe_identity_part, signing_chain, pck_crl, pck_crl_issuer_chain,
        root_ca_crl;
    bl_arena        arena; /* of the last verification */
    bl_verify_rules rules;
    int64_t         now_s;
    blind_span      event_log;
} intel_made;

enum { INTEL_PCK_SERIAL = 0x1001, INTEL_AUTHORITY_SERIAL = 0x2001 };

/* A key that signed nothing good. */
EVP_PKEY       *intel_other_key(void);
const bl_roots *intel_test_roots(void);

void intel_plain(intel_made *m, bool tdx);
/* Replaces the first `from`, which must be there. */
void intel_edit(char *text, size_t size, const char *from, const char *to);
void intel_sign(intel_made *m);
void intel_done(intel_made *m);
/* DER of a PCK certificate's extension. */
void intel_extension(const bl_pck *pck, bl_buf *out);

/* All parts under their names. */
void intel_parts(const intel_made *m, bl_parts *out);
/* Verifies with the test's root. */
blind_code intel_verify(intel_made *m, blind_cache *cache, bl_claims *out, blind_error *err);
blind_code intel_verify_parts(intel_made *m, blind_span quote, const bl_parts *parts,
                              blind_cache *cache, bl_claims *out, blind_error *err);

#endif
