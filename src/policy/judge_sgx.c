/* Is it acceptable?  BlindAI's own rules for an SGX enclave: its attributes under masks.
 *
 * Source: BlindAI's policy.toml, as its clients judged it: INIT, which an enclave has from its
 * start on, is asked for whatever the policy's flags say. */
#include "attest/sgx/sgx.h"
#include "policy/judge.h"

#include <inttypes.h>

static void judge_masked(bl_appraisal *a, const char *fact_name, const char *name, uint64_t mask,
                         uint64_t want)
{
    const bl_fact *fact = bl_claims_fact(&a->result->claims, fact_name);
    bool           holds = fact && (fact->number & mask) == want;
    bl_result_add(
        a->result, name, fact ? bl_judged(a, holds) : BLIND_UNKNOWN, true, BLIND_MEASUREMENT,
        bl_result_printf(a->result, "0x%" PRIx64 " under the mask 0x%" PRIx64, want, mask),
        fact ? bl_result_printf(a->result, "0x%" PRIx64, fact->number) : "not in the evidence",
        "policy: BlindAI's policy.toml");
}

void bl_judge_sgx(bl_appraisal *a)
{
    const bl_rule_sgx *sgx = a->policy->sgx;
    if (!sgx || !a->rules)
        return;
    judge_masked(a, "attributes_flags", "attributes flags", sgx->flags_mask,
                 sgx->flags | BL_SGX_FLAG_INIT);
    judge_masked(a, "attributes_xfrm", "attributes xfrm", sgx->xfrm_mask, sgx->xfrm);
    judge_masked(a, "misc_select", "misc select", sgx->misc_mask, sgx->misc_select);
}
