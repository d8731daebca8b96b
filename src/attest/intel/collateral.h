/* The PCK certificate chain of a quote, and the collateral that goes with it: as far as their bytes
 * alone decide, so that both are remembered between verifications.
 *
 * Parts, as Intel's provisioning certification service (API v3 and v4) gives them:
 *
 *     tcb_info              { "tcbInfo": ..., "signature": ... }
 *     qe_identity           { "enclaveIdentity": ..., "signature": ... }
 *     tcb_signing_chain     certificates: TCB signing, root
 *     pck_crl               revocation list of the PCK's authority
 *     pck_crl_issuer_chain  certificates: that authority, root; may be missing: the quote has them
 *     root_ca_crl           revocation list of the root */
#ifndef BL_INTEL_COLLATERAL_H
#define BL_INTEL_COLLATERAL_H

#include "attest/cache.h"
#include "attest/intel/tcb_info.h"
#include "attest/tee.h"
#include "crypto/x509.h"

extern const bl_roots bl_intel_roots;

typedef struct {
    bl_cached cached;
    bl_chain  chain; /* PCK, its authority, root */
    bl_pck    pck;
} bl_pck_chain;

/* Reads a quote's chain and verifies it to one of the roots; no time is looked at.  The caller
 * releases it: bl_cached_release().  Errors: CHAIN, MEMORY */
BLIND_MUST_USE blind_code bl_pck_chain_get(const bl_verify_input *in, blind_span list,
                                           bl_pck_chain **out, blind_error *err);

typedef enum {
    BL_STEP_SIGNING_CHAIN,
    BL_STEP_ROOT_CRL,
    BL_STEP_PCK_CRL,
    BL_STEP_TCB_INFO,
    BL_STEP_QE_IDENTITY,
    BL_COLLATERAL_STEPS,
} bl_collateral_step;

/* What a step gave is there when its error's code is OK. */
typedef struct {
    bl_cached      cached;
    bl_arena       arena;
    bl_chain       signing;
    bl_crl        *pck_crl, *root_crl;
    bl_tcb_info    tcb;
    bl_qe_identity qe;
    blind_error    steps[BL_COLLATERAL_STEPS]; /* NOT_FOUND: the part is missing */
} bl_collateral;

/* Reads what there is and verifies signatures and chains.  The caller releases it.  NULL: no
 * memory. */
bl_collateral *bl_collateral_get(const bl_verify_input *in, const bl_pck_chain *pck);

#endif
