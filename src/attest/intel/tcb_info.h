/* Intel's word on which versions of what it trusts are current: TCB info of a family of platforms
 * and the identities of its quoting enclaves.
 *
 * Levels stand in Intel's order, the newest first; the first whose versions all are at most the
 * platform's decides.  Everything lies in the arena that was given.
 *
 * Source: Intel SGX and TDX Provisioning Certification Service API v4, "Get TCB Info" (versions 2
 * of API v3 and 3) and "Get Enclave Identity" (version 2). */
#ifndef BL_INTEL_TCB_INFO_H
#define BL_INTEL_TCB_INFO_H

#include "attest/intel/pck.h"
#include "base/arena.h"

#define BL_MAX_TCB_LEVELS     128
#define BL_MAX_TDX_MODULES    32
#define BL_MAX_TCB_ADVISORIES 256

/* id, Intel's name.  The best first. */
#define BL_TCB_STATUSES(X)                                                                         \
    X(UP_TO_DATE, "UpToDate")                                                                      \
    X(SW_HARDENING, "SWHardeningNeeded")                                                           \
    X(CONFIGURATION, "ConfigurationNeeded")                                                        \
    X(CONFIGURATION_AND_SW_HARDENING, "ConfigurationAndSWHardeningNeeded")                         \
    X(RELAUNCH, "TDRelaunchAdvised")                                                               \
    X(RELAUNCH_CONFIGURATION, "TDRelaunchAdvisedConfigurationNeeded")                              \
    X(OUT_OF_DATE, "OutOfDate")                                                                    \
    X(OUT_OF_DATE_CONFIGURATION, "OutOfDateConfigurationNeeded")                                   \
    X(REVOKED, "Revoked")                                                                          \
    X(NOT_SUPPORTED, "NotSupported") /* no level fits: no policy can allow it */

#define X(id, name) BL_TCB_##id,
typedef enum { BL_TCB_STATUSES(X) BL_TCB_STATUS_COUNT } bl_tcb_status;
#undef X
const char *bl_tcb_status_name(bl_tcb_status status);

/* Advisories of a level: "INTEL-SA-00615", in Intel's order. */
typedef struct {
    const char **items;
    size_t       len;
} bl_advisories;

typedef struct {
    uint8_t       sgx[BL_TCB_COMPONENTS];
    uint8_t       tdx[BL_TCB_COMPONENTS]; /* TDX only */
    uint16_t      pce_svn;
    int64_t       date_s;
    bl_tcb_status status;
    bl_advisories advisories;
} bl_tcb_level;

typedef struct {
    uint16_t      isv_svn;
    int64_t       date_s;
    bl_tcb_status status;
    bl_advisories advisories;
} bl_isv_level;

typedef struct {
    const bl_isv_level *items;
    size_t              len;
} bl_isv_levels;

/* The TDX module, or (with levels) one of its major versions. */
typedef struct {
    unsigned      major; /* of an identity: the number in "TDX_03" */
    uint8_t       mrsigner[48];
    uint8_t       attributes[8], attributes_mask[8];
    bl_isv_levels levels;
} bl_tdx_module;

typedef struct {
    unsigned             version; /* 2 or 3 */
    bool                 tdx;
    int64_t              issue_s, next_s;
    uint8_t              fmspc[6], pce_id[2];
    uint32_t             evaluation; /* tcbEvaluationDataNumber */
    bl_tdx_module        module;     /* TDX only */
    const bl_tdx_module *modules;
    size_t               modules_len;
    const bl_tcb_level  *levels;
    size_t               levels_len;
    /* What a component is: "BIOS Early Microcode Update"; NULL: unnamed. */
    const char *sgx_names[BL_TCB_COMPONENTS], *tdx_names[BL_TCB_COMPONENTS];
} bl_tcb_info;

typedef struct {
    bool          tdx; /* TD_QE, not QE */
    int64_t       issue_s, next_s;
    uint32_t      evaluation;
    uint8_t       misc_select[4], misc_mask[4]; /* as they stand in a report */
    uint8_t       attributes[16], attributes_mask[16];
    uint8_t       mrsigner[32];
    uint16_t      isv_prod_id;
    bl_isv_levels levels;
} bl_qe_identity;

/* Each reads the inner object, whose signature the caller has verified.  Errors: FORMAT, MEMORY;
 * *out is then empty. */
BLIND_MUST_USE blind_code bl_tcb_info_parse(blind_span body, bl_arena *arena, bl_tcb_info *out,
                                            blind_error *err);
BLIND_MUST_USE blind_code bl_qe_identity_parse(blind_span body, bl_arena *arena,
                                               bl_qe_identity *out, blind_error *err);

#endif
