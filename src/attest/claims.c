/* Claims and findings, row by row. */
#include "attest/claims.h"

void bl_claim_measurement(bl_claims *claims, const char *name, blind_span digest)
{
    if (claims->measurements_len == BL_MAX_MEASUREMENTS)
        claims->failed = true;
    else
        claims->measurements[claims->measurements_len++] =
            (bl_measurement){ .name = name, .value = digest };
}

static void claim_fact(bl_claims *claims, bl_fact fact)
{
    if (claims->facts_len == BL_MAX_FACTS)
        claims->failed = true;
    else
        claims->facts[claims->facts_len++] = fact;
}

void bl_claim_number(bl_claims *claims, const char *name, uint64_t value)
{
    claim_fact(claims, (bl_fact){ .name = name, .kind = BL_FACT_NUMBER, .number = value });
}

void bl_claim_flag(bl_claims *claims, const char *name, bool value)
{
    claim_fact(claims, (bl_fact){ .name = name, .kind = BL_FACT_FLAG, .number = value });
}

void bl_claim_bytes(bl_claims *claims, const char *name, blind_span bytes)
{
    claim_fact(claims, (bl_fact){ .name = name, .kind = BL_FACT_BYTES, .bytes = bytes });
}

void bl_claim_text(bl_claims *claims, const char *name, blind_span text)
{
    claim_fact(claims, (bl_fact){ .name = name, .kind = BL_FACT_TEXT, .bytes = text });
}

const bl_fact *bl_claims_fact(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->facts_len; i++)
        if (strcmp(claims->facts[i].name, name) == 0)
            return &claims->facts[i];
    return NULL;
}

blind_span bl_claims_measurement(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->measurements_len; i++)
        if (strcmp(claims->measurements[i].name, name) == 0)
            return claims->measurements[i].value;
    return (blind_span){ 0 };
}

/* ---- findings ---- */

static void add_finding(bl_claims *claims, bl_finding finding)
{
    if (claims->findings_len == BL_MAX_FINDINGS || !finding.expected || !finding.found)
        claims->failed = true;
    else
        claims->findings[claims->findings_len++] = finding;
}

void bl_find(bl_claims *claims, const char *name, bool holds, blind_code code, const char *expected,
             const char *found, const char *source)
{
    add_finding(claims, (bl_finding){ .name = name,
                                      .state = holds ? BLIND_PROVEN : BLIND_REFUTED,
                                      .vital = true,
                                      .code = code,
                                      .expected = expected,
                                      .found = found,
                                      .source = source });
}

blind_code bl_find_step(bl_claims *claims, bl_arena *arena, const char *name, blind_code code,
                        const blind_error *err, const char *expected, const char *source)
{
    const char *found =
        code == BLIND_OK ? "as expected" : bl_arena_copy(arena, bl_span_str(err->message));
    claims->failed |= code == BLIND_MEMORY;
    bl_find(claims, name, code == BLIND_OK, code == BLIND_OK ? BLIND_EVIDENCE : code, expected,
            found, source);
    return code;
}

void bl_find_beside(bl_claims *claims, const char *name, blind_state state, blind_code code,
                    const char *expected, const char *found, const char *source)
{
    add_finding(claims, (bl_finding){ .name = name,
                                      .state = state,
                                      .code = code,
                                      .expected = expected,
                                      .found = found,
                                      .source = source });
}

blind_code bl_findings_code(const bl_claims *claims, blind_error *err)
{
    size_t vital = 0;
    if (claims->failed)
        return blind_fail(err, BLIND_MEMORY, "findings", "out of memory");
    for (size_t i = 0; i < claims->findings_len; i++) {
        const bl_finding *f = &claims->findings[i];
        vital += f->vital;
        if (f->vital && f->state != BLIND_PROVEN)
            return blind_fail(err, f->code, "findings", "%s: found %s, expected %s", f->name,
                              f->found, f->expected);
    }
    if (vital)
        return BLIND_OK;
    return blind_fail(err, BLIND_EVIDENCE, "findings", "nothing was verified");
}
