/* The questions of an appraisal, one function each; every one adds its checks to the result. */
#ifndef BL_JUDGE_H
#define BL_JUDGE_H

#include "attest/tee.h"
#include "policy/result.h"

typedef struct {
    blind_result                 *result;
    const blind_expect           *expect;
    const blind_policy           *policy;
    const blind_appraise_options *options;
    bl_bundle                     bundle;
    bl_log_replay                 replay;
    bool                          authentic;  /* the TEE's key signed the claims */
    bool                          consistent; /* and the report data is the value of the binding */
    bool                          log_proven;
    bool                          bare; /* the TEE's own evidence, without a bundle around it */
    bl_parts                      parts;
    const bl_rule_tee            *rules; /* for its TEE; NULL: not accepted */
    const char                   *set;   /* name of the reference set that matched */
} bl_appraisal;

/* Nothing that was not signed proves or refutes anything. */
static inline blind_state bl_judged(const bl_appraisal *a, bool holds)
{
    return !a->authentic ? BLIND_UNKNOWN : holds ? BLIND_PROVEN : BLIND_REFUTED;
}

/* What the questions of reference sets and bounds are asked of: the TEE, or a GPU beside it. */
typedef struct {
    const bl_claims   *claims;
    const bl_rule_tee *rules; /* NULL: not accepted */
    bool               authentic;
    const char        *prefix; /* of the names of checks: "", "gpu " */
} bl_subject;
bl_subject bl_subject_of(const bl_appraisal *a);
/* The set that matches, or NULL; adds the check. */
const bl_rule_set *bl_judge_sets(bl_appraisal *a, const bl_subject *subject);
void               bl_judge_fields(bl_appraisal *a, const bl_subject *subject);

/* Authentic? */
bool bl_judge_format(bl_appraisal *a, blind_span bundle); /* false: nothing left to judge */
/* The same of a->bundle.tee, a->bundle.evidence and a->parts, which are filled. */
bool bl_judge_evidence(bl_appraisal *a);
void bl_judge_binding(bl_appraisal *a);
void bl_judge_log(bl_appraisal *a);
void bl_judge_freshness(bl_appraisal *a);
void bl_judge_gpu(bl_appraisal *a);
bool bl_is_gpu_part(blind_span name); /* "gpu.cert_chain": for the GPU, not for the TEE */
/* Acceptable? */
void bl_judge_policy(bl_appraisal *a);
void bl_judge_measurement(bl_appraisal *a);
void bl_judge_tcb(bl_appraisal *a);
void bl_judge_bounds(bl_appraisal *a);
void bl_judge_sgx(bl_appraisal *a);
void bl_judge_hardware(bl_appraisal *a);
void bl_judge_isolation(bl_appraisal *a);
void bl_judge_models(bl_appraisal *a);
void bl_judge_server(bl_appraisal *a);

#endif
