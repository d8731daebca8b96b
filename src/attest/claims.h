/* Claims: what evidence says, in the same struct for all TEEs.
 *
 * A proposition is PROVEN or REFUTED by signed evidence, or UNKNOWN, which zero is.  Spans borrow
 * from the evidence or live in the arena of the verification. */
#ifndef BL_CLAIMS_H
#define BL_CLAIMS_H

#include "base/arena.h"
#include "blind/appraise.h"

#define BL_MAX_MEASUREMENTS 64
#define BL_MAX_FACTS        64
#define BL_MAX_FINDINGS     40
#define BL_MAX_FACT_SIZE    1024 /* of BYTES and TEXT that a policy may ask for */

typedef struct {
    const char *name;  /* of the register: "measurement", "pcr4" */
    blind_span  value; /* digest */
} bl_measurement;

/* A field of the evidence that a policy may bound: "guest_svn", "tcb.microcode", "nonce". */
typedef enum { BL_FACT_NUMBER, BL_FACT_FLAG, BL_FACT_BYTES, BL_FACT_TEXT } bl_fact_kind;
typedef struct {
    const char  *name; /* of a row of bl_tee.facts */
    bl_fact_kind kind;
    uint64_t     number; /* NUMBER; FLAG: 0 or 1 */
    blind_span   bytes;  /* BYTES; may be empty.  TEXT: UTF-8 */
} bl_fact;

/* One step of the verification and how it went. */
typedef struct {
    const char *name; /* stable: "chain", "tcb info" */
    blind_state state;
    bool        vital; /* authenticity hangs on it */
    blind_code  code;  /* of its failure */
    const char *expected, *found, *source;
} bl_finding;

typedef enum { BL_TPM_NONE, BL_TPM_DISCRETE, BL_TPM_FIRMWARE, BL_TPM_VIRTUAL } bl_tpm_kind;

typedef struct {
    const char    *tee;       /* "sim" */
    bool           simulated; /* signed by a key that is public knowledge */
    bl_measurement measurements[BL_MAX_MEASUREMENTS];
    size_t         measurements_len;
    bl_fact        facts[BL_MAX_FACTS];
    size_t         facts_len;
    bl_finding     findings[BL_MAX_FINDINGS];
    size_t         findings_len;
    blind_span     report_data;
    blind_span     hardware_id; /* empty: unknown */
    int64_t        time_s;      /* when the evidence was made, by its own clock; 0: unknown */
    bl_tpm_kind    tpm_kind;
    bool           failed; /* a table was full or memory ran out: nothing above counts */

    /* Propositions. */
    blind_state not_debuggable;
    blind_state memory_encrypted;
    blind_state smt_off;
    blind_state migration_off;
    blind_state tcb_current;

    /* The TEE's own word for its TCB ("OutOfDate"), one of bl_tee.tcb_statuses; NULL: not known. */
    const char *tcb_status;
    const char *tcb_found;  /* "OutOfDate: 2 levels behind, update the microcode"; NULL: nothing */
    const char *advisories; /* "INTEL-SA-00615, INTEL-SA-00289"; NULL: none known */

    /* Whom one still trusts when all checks pass. */
    bool trusts_host, trusts_hypervisor, trusts_firmware;
} bl_claims;

/* Each adds a row; `name` is static.  A full table sets `failed`. */
void bl_claim_measurement(bl_claims *claims, const char *name, blind_span digest);
void bl_claim_number(bl_claims *claims, const char *name, uint64_t value);
void bl_claim_flag(bl_claims *claims, const char *name, bool value);
void bl_claim_bytes(bl_claims *claims, const char *name, blind_span bytes);
void bl_claim_text(bl_claims *claims, const char *name, blind_span text);
/* NULL when the evidence has no such field. */
const bl_fact *bl_claims_fact(const bl_claims *claims, const char *name);
blind_span     bl_claims_measurement(const bl_claims *claims, const char *name);

/* Adds a finding.  Texts are static or in the arena; NULL counts as out of memory.
 *
 *     bl_find(out, "chain", code == BLIND_OK, BLIND_CHAIN, "a chain to AMD's root", found, source);
 */
void bl_find(bl_claims *claims, const char *name, bool holds, blind_code code, const char *expected,
             const char *found, const char *source);
/* The same of a step that returned `code` and filled `err`: OK is proven and found "as expected";
 * else it is refuted with that code and message.  Returns `code`. */
blind_code bl_find_step(bl_claims *claims, bl_arena *arena, const char *name, blind_code code,
                        const blind_error *err, const char *expected, const char *source);
/* The same of a step that authenticity does not hang on, or that could not be looked at. */
void bl_find_beside(bl_claims *claims, const char *name, blind_state state, blind_code code,
                    const char *expected, const char *found, const char *source);
/* OK: there are vital findings and all are proven.  Else the first that is not, in *err; MEMORY
 * with `failed`. */
BLIND_MUST_USE blind_code bl_findings_code(const bl_claims *claims, blind_error *err);

#endif
