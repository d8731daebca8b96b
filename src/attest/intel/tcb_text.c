/* How far behind a platform is, in words. */
#include "attest/intel/tcb.h"
#include "base/buf.h"

#include <stdio.h>
#include <time.h>

/* Adds "PCE 3 of 5" for a version below the newest. */
static void add_behind(bl_buf *text, unsigned *count, const char *name, unsigned have,
                       unsigned newest)
{
    if (have < newest)
        bl_buf_printf(text, "%s%s %u of %u", (*count)++ ? ", " : "; behind: ", name, have, newest);
}

static void add_components(bl_buf *text, unsigned *count, const char *kind, const uint8_t *have,
                           const bl_tcb_level *newest, bool tdx, size_t from,
                           const char *const names[BL_TCB_COMPONENTS])
{
    for (size_t i = from; i < BL_TCB_COMPONENTS; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s %zu%s%s%s:", kind, i + 1, names[i] ? " (" : "",
                 names[i] ? names[i] : "", names[i] ? ")" : "");
        add_behind(text, count, name, have[i], tdx ? newest->tdx[i] : newest->sgx[i]);
    }
}

static const char *advice(const bl_tcb_standing *s)
{
    switch (s->status) {
    case BL_TCB_UP_TO_DATE:
        return NULL;
    case BL_TCB_SW_HARDENING:
        return "the code inside must mitigate the advisories itself";
    case BL_TCB_CONFIGURATION:
        return "change the platform's configuration (BIOS settings)";
    case BL_TCB_CONFIGURATION_AND_SW_HARDENING:
        return "change the platform's configuration (BIOS settings), and the code inside must "
               "mitigate the advisories itself";
    case BL_TCB_RELAUNCH:
        return "launch the domain anew: the TDX module was updated under it";
    case BL_TCB_RELAUNCH_CONFIGURATION:
        return "launch the domain anew, and change the platform's configuration (BIOS settings)";
    case BL_TCB_OUT_OF_DATE:
        return s->platform == BL_TCB_UP_TO_DATE || s->platform == BL_TCB_SW_HARDENING
                   ? s->module == BL_TCB_OUT_OF_DATE ? "update the TDX module"
                                                     : "update the quoting enclave"
                   : "update what is behind and fetch a new PCK certificate";
    case BL_TCB_OUT_OF_DATE_CONFIGURATION:
        return "update what is behind, fetch a new PCK certificate and change the platform's "
               "configuration (BIOS settings)";
    case BL_TCB_REVOKED:
        return "Intel withdrew its trust";
    default:
        return "older than every level Intel lists, or not of this family";
    }
}

static void add_level(bl_buf *text, const bl_tcb_info *info, const bl_tcb_level *level)
{
    struct tm date;
    time_t    at = level ? (time_t)level->date_s : 0;
    if (!level)
        bl_buf_printf(text, ": below all %zu levels", info->levels_len);
    else if (gmtime_r(&at, &date))
        bl_buf_printf(text, ": level %zu of %zu, of %04d-%02d-%02d",
                      (size_t)(level - info->levels) + 1, info->levels_len, date.tm_year + 1900,
                      date.tm_mon + 1, date.tm_mday);
}

const char *bl_tcb_explain(const bl_tcb_info *info, const bl_qe_identity *qe,
                           const bl_tcb_subject *subject, const bl_tcb_standing *standing,
                           bl_arena *arena)
{
    bl_auto_buf         text = BL_BUF_EMPTY;
    const bl_tcb_level *newest = &info->levels[0];
    const uint8_t      *tee = subject->tee_tcb_svn.data;
    unsigned            count = 0;
    bl_buf_add_str(&text, bl_tcb_status_name(standing->status));
    add_level(&text, info, standing->level);
    add_components(&text, &count, "component", subject->pck->components, newest, false, 0,
                   info->sgx_names);
    add_behind(&text, &count, "PCE", subject->pck->pce_svn, newest->pce_svn);
    if (tee)
        add_components(&text, &count, "TDX component", tee, newest, true, tee[1] ? 2 : 0,
                       info->tdx_names);
    if (tee && standing->identity)
        add_behind(&text, &count, "TDX module", tee[0],
                   standing->identity->levels.items[0].isv_svn);
    add_behind(&text, &count, "quoting enclave", subject->qe_svn, qe->levels.items[0].isv_svn);
    if (advice(standing))
        bl_buf_printf(&text, "; %s", advice(standing));
    return bl_buf_ok(&text) ? bl_arena_copy(arena, bl_buf_span(&text)) : NULL;
}

static bool listed(const bl_advisories *list, size_t len, const char *id)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(list->items[i], id) == 0)
            return true;
    return false;
}

const char *bl_tcb_advisories(const bl_tcb_standing *s, bl_arena *arena, bool *failed)
{
    static const bl_advisories none = { 0 };
    const bl_advisories       *lists[] = { s->level ? &s->level->advisories : &none,
                                     s->module_level ? &s->module_level->advisories : &none,
                                     s->qe_level ? &s->qe_level->advisories : &none };
    bl_auto_buf text = BL_BUF_EMPTY;
    for (size_t i = 0; i < BL_LEN(lists); i++)
        for (size_t k = 0; k < lists[i]->len; k++) {
            const char *id = lists[i]->items[k];
            bool        known = listed(lists[i], k, id);
            for (size_t j = 0; j < i; j++)
                known |= listed(lists[j], lists[j]->len, id);
            if (!known)
                bl_buf_printf(&text, "%s%s", text.size ? ", " : "", id);
        }
    if (text.size == 0 && bl_buf_ok(&text))
        return NULL;
    const char *copy = bl_buf_ok(&text) ? bl_arena_copy(arena, bl_buf_span(&text)) : NULL;
    *failed |= !copy;
    return copy;
}
