/* Is it acceptable?  What a TEE's own table in the policy asks: TCB status, bounds, hardware. */
#include "policy/judge.h"

static bool is_allowed(const bl_rule_tee *rules, const char *status)
{
    for (size_t i = 0; i < rules->tcb_len; i++)
        if (strcmp(rules->tcb[i], status) == 0)
            return true;
    return false;
}

static const char *allowed_statuses(bl_appraisal *a)
{
    const char *list = "";
    for (size_t i = 0; list && i < a->rules->tcb_len; i++)
        list = bl_result_printf(a->result, "%s%s%s", list, i ? " or " : "", a->rules->tcb[i]);
    return list;
}

static const char *found_tcb(bl_appraisal *a)
{
    const bl_claims *c = &a->result->claims;
    const char      *what = c->tcb_found ? c->tcb_found : c->tcb_status;
    return c->advisories ? bl_result_printf(a->result, "%s (%s)", what, c->advisories) : what;
}

/* The vendor's word on firmware and microcode. */
void bl_judge_tcb(bl_appraisal *a)
{
    const char *status = a->result->claims.tcb_status;
    const char *source = bl_result_printf(a->result, "policy: %s.allow_tcb", a->result->claims.tee);
    if (!a->rules || !a->rules->row || !a->rules->row->tcb_statuses)
        return;
    bool        ignored = a->rules->verify.no_collateral;
    blind_state state = !status || !a->authentic       ? BLIND_UNKNOWN
                        : is_allowed(a->rules, status) ? BLIND_PROVEN
                                                       : BLIND_REFUTED;
    bl_result_add(a->result, "tcb", ignored ? BLIND_UNKNOWN : state, !ignored, BLIND_TCB,
                  ignored ? "not looked at, as the policy says" : allowed_statuses(a),
                  status ? found_tcb(a) : "not known", source);
}

/* ---- bounds ---- */

static bool bound_holds(const bl_rule_bound *bound, const bl_fact *fact)
{
    if (bound->row->kind == BL_FACT_BYTES || bound->row->kind == BL_FACT_TEXT)
        return bound->size > 0 && bl_span_equal(fact->bytes, bl_span(bound->bytes, bound->size));
    return bound->kind == BL_BOUND_MINIMUM   ? fact->number >= bound->number
           : bound->kind == BL_BOUND_MAXIMUM ? fact->number <= bound->number
                                             : fact->number == bound->number;
}

/* As a person may see it: what is no visible ASCII becomes a question mark. */
static const char *text_value(bl_appraisal *a, blind_span text)
{
    size_t size = BL_MIN(text.size, 80);
    char  *copy = bl_arena_copy(&a->result->arena, bl_span(text.data, size));
    for (size_t i = 0; copy && i < size; i++)
        if (copy[i] < 0x20 || copy[i] > 0x7e)
            copy[i] = '?';
    return copy ? bl_result_printf(a->result, "'%s'%s", copy, size < text.size ? "..." : "") : NULL;
}

static const char *value_text(bl_appraisal *a, const bl_fact_row *row, uint64_t number,
                              blind_span bytes)
{
    if (row->kind == BL_FACT_BYTES)
        return bytes.size ? bl_result_hex(a->result, bytes, 16) : "nothing";
    if (row->kind == BL_FACT_TEXT)
        return text_value(a, bytes);
    if (row->kind == BL_FACT_FLAG)
        return number ? "true" : "false";
    return bl_result_printf(a->result, "%llu", (unsigned long long)number);
}

static void judge_bound(bl_appraisal *a, const bl_subject *s, const bl_rule_bound *bound)
{
    static const char *const words[BL_BOUND_KINDS] = { "at least ", "at most ", "" };
    const bl_fact_row       *row = bound->row;
    const bl_fact           *fact = bl_claims_fact(s->claims, row->name);
    const char *want = value_text(a, row, bound->number, bl_span(bound->bytes, bound->size));
    bl_result_add(
        a->result, bl_result_printf(a->result, "%s%s", s->prefix, row->name),
        !fact || !s->authentic     ? BLIND_UNKNOWN
        : bound_holds(bound, fact) ? BLIND_PROVEN
                                   : BLIND_REFUTED,
        true, row->code == BLIND_OK ? BLIND_MEASUREMENT : row->code,
        bl_result_printf(a->result, "%s%s", words[bound->kind], want ? want : ""),
        fact ? value_text(a, row, fact->number, fact->bytes) : "not in the evidence",
        bl_result_printf(a->result, "policy: %s.%s", s->claims->tee, bl_bound_names[bound->kind]));
}

void bl_judge_fields(bl_appraisal *a, const bl_subject *s)
{
    for (size_t i = 0; s->rules && i < s->rules->bounds_len; i++)
        judge_bound(a, s, &s->rules->bounds[i]);
}

void bl_judge_bounds(bl_appraisal *a)
{
    bl_subject tee = bl_subject_of(a);
    bl_judge_fields(a, &tee);
}

/* ---- hardware ---- */

void bl_judge_hardware(bl_appraisal *a)
{
    blind_span id = a->result->claims.hardware_id;
    bool       listed = false;
    if (!a->rules || a->rules->hardware_len == 0)
        return;
    for (size_t i = 0; i < a->rules->hardware_len; i++)
        listed |= bl_span_equal(id, a->rules->hardware[i]);
    bl_result_add(a->result, "hardware", id.size ? bl_judged(a, listed) : BLIND_UNKNOWN, true,
                  BLIND_EVIDENCE,
                  bl_result_printf(a->result, "one of %zu machines", a->rules->hardware_len),
                  id.size ? bl_result_hex(a->result, id, 16) : "not known",
                  bl_result_printf(a->result, "policy: %s.hardware", a->result->claims.tee));
}
