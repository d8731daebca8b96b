/* Claims: what evidence says, in the same struct for all TEEs.
 *
 * A proposition is PROVEN or REFUTED by signed evidence, or UNKNOWN, which zero is.  Spans borrow
 * from the evidence. */
#ifndef BL_CLAIMS_H
#define BL_CLAIMS_H

#include "base/base.h"
#include "blind/appraise.h"

#define BL_MAX_MEASUREMENTS 32

typedef struct {
    const char *name;  /* of the register: "measurement", "pcr4" */
    blind_span  value; /* digest */
} bl_measurement;

typedef enum { BL_TPM_NONE, BL_TPM_DISCRETE, BL_TPM_FIRMWARE, BL_TPM_VIRTUAL } bl_tpm_kind;

typedef struct {
    const char    *tee;       /* "sim" */
    bool           simulated; /* signed by a key that is public knowledge */
    bl_measurement measurements[BL_MAX_MEASUREMENTS];
    size_t         measurements_len;
    blind_span     report_data;
    blind_span     hardware_id; /* empty: unknown */
    int64_t        time_s;      /* when the evidence was made, by its own clock; 0: unknown */
    bl_tpm_kind    tpm_kind;

    /* Propositions. */
    blind_state not_debuggable;
    blind_state memory_encrypted;
    blind_state smt_off;
    blind_state migration_off;
    blind_state tcb_current;
    const char *tcb_found; /* "2 behind, INTEL-SA-00615"; NULL: nothing known */

    /* Whom one still trusts when all checks pass. */
    bool trusts_host, trusts_hypervisor, trusts_firmware;
} bl_claims;

#endif
