/* Where a platform stands among Intel's TCB levels.
 *
 * Source: Intel SGX DCAP Quote Verification Library, sections 4.1.2.4.11 and 4.1.2.4.17 of its
 * requirements (TCB level, TDX module, TD relaunch, convergence). */
#ifndef BL_INTEL_TCB_H
#define BL_INTEL_TCB_H

#include "attest/intel/tcb_info.h"

/* What the evidence says of itself. */
typedef struct {
    const bl_pck *pck;
    uint16_t      qe_svn;        /* of the quoting enclave's report */
    blind_span    tee_tcb_svn;   /* 16 bytes; empty with SGX */
    blind_span    tee_tcb_svn_2; /* 16 bytes; empty but in TD reports 1.5 */
} bl_tcb_subject;

typedef struct {
    bl_tcb_status        status;               /* of all together */
    bl_tcb_status        platform, qe, module; /* module: UP_TO_DATE without one to judge */
    bool                 has_module;           /* a module identity was looked up */
    const bl_tcb_level  *level;                /* of the platform; NULL: none fits */
    const bl_isv_level  *qe_level, *module_level;
    const bl_tdx_module *identity; /* of the module's major version; NULL: none, or not needed */
} bl_tcb_standing;

void bl_tcb_judge(const bl_tcb_info *info, const bl_qe_identity *qe, const bl_tcb_subject *subject,
                  bl_tcb_standing *out);
/* The identity of a major version; NULL when there is none. */
const bl_tdx_module *bl_tcb_module(const bl_tcb_info *info, unsigned major);

/* One line for people: the status, which level of how many and of when, which versions are below
 * the newest, and what to do.  NULL: no memory. */
const char *bl_tcb_explain(const bl_tcb_info *info, const bl_qe_identity *qe,
                           const bl_tcb_subject *subject, const bl_tcb_standing *standing,
                           bl_arena *arena);
/* "INTEL-SA-00615, INTEL-SA-00289", each once; NULL: none, or no memory with *failed. */
const char *bl_tcb_advisories(const bl_tcb_standing *standing, bl_arena *arena, bool *failed);

#endif
