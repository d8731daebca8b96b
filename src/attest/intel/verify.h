/* The order in which a quote of SGX or TDX is judged, shared by both.
 *
 * Source: Intel SGX DCAP Quote Verification Library, section 4.1.2.4. */
#ifndef BL_INTEL_VERIFY_H
#define BL_INTEL_VERIFY_H

#include "attest/intel/collateral.h"
#include "attest/intel/quote.h"
#include "attest/intel/tcb.h"
#include "attest/sgx/sgx.h"
#include "attest/tdx/tdx.h"

/* What a TEE's verify() and the shared steps pass along. */
typedef struct {
    const bl_verify_input *in;
    bl_claims             *out;
    bl_quote               quote;
    bl_sgx_report          qe;
    const bl_td_report    *td; /* NULL with SGX */
    bl_pck_chain          *pck;
    bl_collateral         *collateral;
} bl_intel_case;

/* Reads the quote and the quoting enclave's report; `tee` is which quotes are expected.  Errors:
 * FORMAT */
BLIND_MUST_USE blind_code bl_intel_open(bl_intel_case *c, uint32_t tee, blind_error *err);
/* Every step from the chain to the TCB, as findings and claims. */
void bl_intel_steps(bl_intel_case *c);
void bl_intel_close(bl_intel_case *c);

/* One span as hexadecimal digits in the arena; NULL: no memory. */
const char *bl_intel_text(bl_arena *arena, blind_span bytes);

/* Steps with collateral, of bl_intel_steps(). */
void bl_intel_judge_collateral(bl_intel_case *c);

#endif
