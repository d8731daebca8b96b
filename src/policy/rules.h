/* A policy as the appraisal reads it: every rule closed, every default written out. */
#ifndef BL_RULES_H
#define BL_RULES_H

#include "attest/tee.h"
#include "base/arena.h"
#include "base/buf.h"
#include "blind/policy.h"

#include <stdatomic.h>

#define BL_FRESHNESS_S 300 /* of evidence whose binding does not prove it fresh */

/* Propositions that a policy may require, as in `require = [...]`: name, failure. */
#define BL_REQUIREMENTS(X)                                                                         \
    X(MEMORY_ENCRYPTED, "memory-encrypted", BLIND_ISOLATION)                                       \
    X(SMT_OFF, "smt-off", BLIND_SMT)                                                               \
    X(MIGRATION_OFF, "migration-off", BLIND_ISOLATION)                                             \
    X(TCB_CURRENT, "tcb-current", BLIND_TCB)

#define X(id, name, code) BL_REQUIRE_##id,
typedef enum { BL_REQUIREMENTS(X) BL_REQUIREMENT_COUNT } bl_requirement;
#undef X

/* One register and the digest it must hold. */
typedef struct {
    const char *name;
    uint8_t     value[64];
    size_t      size;
    bool        any; /* the policy says "any" in so many letters */
} bl_rule_register;

/* A reference set: all its registers must match. */
typedef struct {
    const char             *name;
    const bl_rule_register *registers;
    size_t                  registers_len;
} bl_rule_set;

/* What a field must be. */
typedef enum { BL_BOUND_MINIMUM, BL_BOUND_MAXIMUM, BL_BOUND_EQUAL, BL_BOUND_KINDS } bl_bound_kind;
typedef struct {
    bl_bound_kind      kind;
    const bl_fact_row *row;
    uint64_t           number; /* of NUMBER and FLAG */
    const uint8_t     *bytes;  /* of BYTES; of TEXT with a NUL behind */
    size_t             size;
} bl_rule_bound;
extern const char *const bl_bound_names[BL_BOUND_KINDS]; /* "minimum" */

/* What is asked of one accepted TEE. */
typedef struct {
    const char          *tee;
    const bl_tee        *row; /* NULL: this build cannot verify it */
    const bl_rule_set   *sets;
    size_t               sets_len;
    const bl_rule_bound *bounds; /* with the TEE's own defaults */
    size_t               bounds_len;
    const char *const   *tcb; /* statuses allowed, of row->tcb_statuses; empty: it has none */
    size_t               tcb_len;
    const blind_span    *hardware; /* ids allowed; none: any */
    size_t               hardware_len;
    bl_verify_rules      verify;
} bl_rule_tee;

typedef struct {
    const char *name;
    uint8_t     sha256[32];
} bl_rule_model;

/* BlindAI's policy.toml.  Integers are the enclave's fields. */
typedef struct {
    uint8_t  mr_enclave[32];
    uint32_t misc_select, misc_mask;
    uint64_t flags, flags_mask, xfrm, xfrm_mask;
} bl_rule_sgx;

struct blind_policy {
    atomic_int owners;
    bl_arena   arena; /* holds everything below */

    int64_t              not_after_s; /* INT64_MAX: no end */
    blind_server_rule    server;
    const bl_rule_tee   *tees; /* accepted ones */
    size_t               tees_len;
    const bl_rule_tee   *gpu; /* what a GPU beside the TEE must prove; NULL: nothing asked */
    bool                 allow_debug;
    int64_t              freshness_s;
    bool                 require[BL_REQUIREMENT_COUNT];
    const bl_rule_model *models; /* sorted by name */
    size_t               models_len;
    bool                 others; /* models beside those named may be loaded */
    bool                 absent; /* those named need not be loaded */
    const bl_rule_sgx   *sgx;    /* BlindAI's form only */

    const char        *text; /* normalised */
    uint8_t            digest[32];
    const char *const *warnings;
    size_t             warnings_len;
};

extern const char *const bl_requirement_names[BL_REQUIREMENT_COUNT];
const char              *bl_server_rule_name(blind_server_rule rule); /* "ca" */

/* Whether what a GPU must prove stands in the table of an accepted TEE. */
bool bl_gpu_is_listed(const blind_policy *policy);

/* Fills text, digest and warnings of a policy whose rules are complete. */
blind_code bl_policy_finish(blind_policy *policy, blind_error *err);

#endif
