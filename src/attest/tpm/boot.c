/* The boot's event log against the PCRs that the TPM signed.
 *
 * A log proves nothing by itself: replayed it must give the values, and then each event's digest is
 * what was extended.  Data that its digest does not cover is shown to people and nobody else. */
#include "attest/event_log.h"
#include "attest/tpm/internal.h"

#include <stdio.h>

static const char SOURCE[] = "TCG PC Client Platform Firmware Profile 1.06, section 10";

/* An event whose digest must be that of its data, and is not, was altered. */
static blind_code check_events(const bl_event_log *log, bl_hash bank, blind_error *err)
{
    for (size_t i = 0; i < log->len; i++) {
        bl_event_cover cover;
        blind_span     covered;
        if (log->events[i].type == BL_EV_NO_ACTION)
            continue;
        BL_TRY(bl_event_check(&log->events[i], bank, &cover, &covered, err));
        if (cover == BL_EVENT_FALSE)
            return blind_fail(err, BLIND_EVIDENCE, "tpm.event_log",
                              "event %zu of PCR %u: its digest is not that of its data", i,
                              log->events[i].reg);
    }
    return BLIND_OK;
}

static blind_code replay(const bl_tpm_session *s, const bl_event_log *log, blind_error *err)
{
    uint8_t  regs[BL_REGISTERS][BL_HASH_MAX];
    uint32_t touched;
    bl_hash  bank;
    if (!bl_tpm_hash(s->quote.bank, &bank))
        return blind_fail(err, BLIND_EVIDENCE, "tpm.event_log", "no bank that can be replayed");
    BL_TRY(bl_event_log_replay(log, bank, regs, &touched, err));
    for (unsigned i = 0; i < BL_TPM_PCRS; i++)
        if (touched & s->pcrs.listed & 1u << i &&
            memcmp(regs[i], s->pcrs.values[i], s->pcrs.size) != 0)
            return blind_fail(err, BLIND_EVIDENCE, "tpm.event_log",
                              "PCR %u: the log gives another value than the TPM signed", i);
    return check_events(log, bank, err);
}

/* "EV_SEPARATOR, EV_EFI_VARIABLE_AUTHORITY db: ..., and 3 more" */
static const char *explain(const bl_event_log *log, unsigned pcr, bl_arena *arena)
{
    char            text[512] = "", one[128];
    size_t          used = 0, more = 0;
    const bl_event *event = NULL;
    while ((event = bl_event_log_next(log, pcr, event))) {
        const char *type = bl_event_type_name(event->type);
        bl_event_describe(event, one, sizeof one);
        size_t room = sizeof text - 32 - used;
        int    wrote = more ? -1
                            : snprintf(text + used, room, "%s%s%s%s", used ? "; " : "",
                                    type ? type : "unknown type", *one ? " " : "", one);
        if (wrote < 0 || (size_t)wrote >= room) {
            text[used] = 0;
            more++;
        } else {
            used += (size_t)wrote;
        }
    }
    if (more)
        snprintf(text + used, sizeof text - used, "; and %zu more", more);
    return bl_arena_printf(arena, "%s", text);
}

static void explain_all(const bl_tpm_session *s, const bl_event_log *log, bl_claims *out)
{
    for (unsigned i = 0; i < BL_TPM_MEANING; i++) {
        if (!(s->pcrs.listed >> i & 1) || !bl_event_log_next(log, i, NULL))
            continue;
        bl_find_beside(out, bl_event_register_name(BL_LOG_OF_TPM, i), BLIND_PROVEN,
                       BLIND_MEASUREMENT, "its events in the log", explain(log, i, s->in->arena),
                       SOURCE);
    }
}

void bl_tpm_judge_event_log(const bl_tpm_session *s, bl_claims *out)
{
    blind_error  why = { 0 };
    bl_event_log log;
    blind_span   raw = bl_parts_get(&s->parts, "event_log");
    if (!raw.size || !s->has_pcrs)
        return;
    blind_code code = bl_event_log_parse(raw, BL_LOG_OF_TPM, s->in->arena, &log, &why);
    if (code == BLIND_OK)
        code = replay(s, &log, &why);
    out->failed |= code == BLIND_MEMORY;
    if (code != BLIND_OK && code != BLIND_FORMAT)
        code = BLIND_EVIDENCE;
    if (bl_find_step(out, s->in->arena, "event log", code, &why,
                     "a log that replays to the PCR values", SOURCE) == BLIND_OK)
        explain_all(s, &log, out);
}
