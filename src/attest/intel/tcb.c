/* TCB levels: which one fits, and what several statuses come to.  Source: tcb.h. */
#include "attest/intel/tcb.h"

static bool at_least(const uint8_t *svn, const uint8_t *wanted, size_t from)
{
    for (size_t i = from; i < BL_TCB_COMPONENTS; i++)
        if (svn[i] < wanted[i])
            return false;
    return true;
}

/* The first level whose versions all are at most the platform's.  With a module of major version 1
 * and up, the first two TDX components are the module's own levels' business.
 * *sgx gets the first that fits without looking at TDX. */
static const bl_tcb_level *find_level(const bl_tcb_info *info, const bl_tcb_subject *subject,
                                      const bl_tcb_level **sgx)
{
    const bl_pck  *pck = subject->pck;
    const uint8_t *tee = subject->tee_tcb_svn.data;
    *sgx = NULL;
    for (size_t i = 0; i < info->levels_len; i++) {
        const bl_tcb_level *level = &info->levels[i];
        if (!at_least(pck->components, level->sgx, 0) || pck->pce_svn < level->pce_svn)
            continue;
        if (!*sgx)
            *sgx = level;
        if (!tee || at_least(tee, level->tdx, tee[1] > 0 ? 2 : 0))
            return level;
    }
    return NULL;
}

static const bl_isv_level *find_isv_level(const bl_isv_levels *levels, uint16_t svn)
{
    for (size_t i = 0; i < levels->len; i++)
        if (levels->items[i].isv_svn <= svn)
            return &levels->items[i];
    return NULL;
}

const bl_tdx_module *bl_tcb_module(const bl_tcb_info *info, unsigned major)
{
    for (size_t i = 0; i < info->modules_len; i++)
        if (info->modules[i].major == major)
            return &info->modules[i];
    return NULL;
}

/* A part that is out of date makes the whole so; a revoked or unknown part rules. */
static bl_tcb_status converge(bl_tcb_status whole, bl_tcb_status part)
{
    if (part == BL_TCB_REVOKED || part == BL_TCB_NOT_SUPPORTED)
        return part;
    if (part != BL_TCB_OUT_OF_DATE)
        return whole;
    if (whole == BL_TCB_UP_TO_DATE || whole == BL_TCB_SW_HARDENING)
        return BL_TCB_OUT_OF_DATE;
    if (whole == BL_TCB_CONFIGURATION || whole == BL_TCB_CONFIGURATION_AND_SW_HARDENING)
        return BL_TCB_OUT_OF_DATE_CONFIGURATION;
    return whole;
}

static bool needs_configuration(bl_tcb_status status)
{
    return status == BL_TCB_CONFIGURATION || status == BL_TCB_OUT_OF_DATE_CONFIGURATION ||
           status == BL_TCB_CONFIGURATION_AND_SW_HARDENING;
}

/* Whether the module that runs now is the newest, though the domain was started under an older
 * one. */
static bool module_is_newest(const bl_tcb_info *info, const uint8_t *now)
{
    const bl_tcb_level  *newest = &info->levels[0];
    const bl_tdx_module *identity = now[1] ? bl_tcb_module(info, now[1]) : NULL;
    unsigned             wanted = newest->tdx[0];
    if (now[1] && !identity)
        return false;
    if (identity)
        wanted = identity->levels.items[0].isv_svn;
    return now[0] >= wanted && now[2] >= newest->tdx[2];
}

/* An out of date module was replaced under the running domain: launching it anew is all it takes.
 */
static bl_tcb_status advise_relaunch(const bl_tcb_info *info, const bl_tcb_subject *subject,
                                     bl_tcb_status sgx, bl_tcb_status whole,
                                     const bl_tcb_standing *s)
{
    bool qe_good =
        s->qe != BL_TCB_OUT_OF_DATE && s->qe != BL_TCB_REVOKED && s->qe != BL_TCB_NOT_SUPPORTED;
    bool sgx_good = sgx == BL_TCB_UP_TO_DATE || sgx == BL_TCB_SW_HARDENING ||
                    sgx == BL_TCB_CONFIGURATION || sgx == BL_TCB_CONFIGURATION_AND_SW_HARDENING;
    bool behind = whole == BL_TCB_OUT_OF_DATE || whole == BL_TCB_OUT_OF_DATE_CONFIGURATION;
    if (!qe_good || !sgx_good || !behind || s->module != BL_TCB_OUT_OF_DATE ||
        !module_is_newest(info, subject->tee_tcb_svn_2.data))
        return whole;
    return needs_configuration(sgx) || needs_configuration(whole) ? BL_TCB_RELAUNCH_CONFIGURATION
                                                                  : BL_TCB_RELAUNCH;
}

static void judge_module(const bl_tcb_info *info, const uint8_t *tee, bl_tcb_standing *out)
{
    if (!tee || tee[1] == 0)
        return;
    out->has_module = true;
    out->identity = bl_tcb_module(info, tee[1]);
    if (out->identity)
        out->module_level = find_isv_level(&out->identity->levels, tee[0]);
    out->module = out->module_level ? out->module_level->status : BL_TCB_NOT_SUPPORTED;
}

void bl_tcb_judge(const bl_tcb_info *info, const bl_qe_identity *qe, const bl_tcb_subject *subject,
                  bl_tcb_standing *out)
{
    const bl_tcb_level *sgx;
    *out = (bl_tcb_standing){ .level = find_level(info, subject, &sgx) };
    out->qe_level = find_isv_level(&qe->levels, subject->qe_svn);
    out->qe = out->qe_level ? out->qe_level->status : BL_TCB_NOT_SUPPORTED;
    out->platform = out->level ? out->level->status : BL_TCB_NOT_SUPPORTED;
    judge_module(info, subject->tee_tcb_svn.data, out);
    bl_tcb_status whole = out->platform;
    if (whole != BL_TCB_NOT_SUPPORTED) {
        whole = converge(whole, out->module);
        if (subject->tee_tcb_svn_2.size)
            whole = advise_relaunch(info, subject, sgx->status, whole, out);
        if (whole != BL_TCB_REVOKED && whole != BL_TCB_NOT_SUPPORTED)
            whole = converge(whole, out->qe);
    }
    out->status = whole;
}
