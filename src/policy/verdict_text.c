/* The verdict as a person reads it: one line per check, in columns, and a clear last line.
 *
 *     sim evidence: SIMULATED, signed by a key that everybody knows
 *
 *       proven   signature     as expected
 *       REFUTED  measurement   4cf1...; expected 'this build' 99a0...  [policy: sim.reference]
 *
 *     REFUSED  11 MEASUREMENT  authentic, but another measurement (measurement)
 */
#include "policy/result.h"

static size_t widest_name(const blind_result *r)
{
    size_t widest = 0;
    for (size_t i = 0; i < r->checks_len; i++)
        widest = BL_MAX(widest, strlen(r->checks[i].name));
    return BL_MIN(widest, 40);
}

static void put_check(bl_buf *b, const blind_check *c, int width)
{
    bool fails = bl_check_fails(c);
    bl_buf_printf(b, "  %-8s %-*s  %s",
                  !fails                      ? bl_state_name(c->state)
                  : c->state == BLIND_REFUTED ? "REFUTED"
                                              : "UNKNOWN",
                  width, c->name, c->found);
    if (fails)
        bl_buf_printf(b, "; expected %s  [%s]", c->expected, c->source);
    else if (!c->asked)
        bl_buf_printf(b, "  (not asked for)");
    bl_buf_add_str(b, "\n");
}

static void put_models(blind_result *r, bl_buf *b, int width)
{
    for (size_t i = 0; i < r->models_len; i++) {
        const blind_loaded_model *m = &r->models[i];
        const char               *hex = bl_result_hex(r, bl_span(m->sha256, 32), 0);
        bl_buf_printf(b, "  loaded   %-*s  %s%s\n", width, m->name, m->salted ? "salted " : "",
                      hex ? hex : "");
    }
}

static void put_trust(const blind_result *r, bl_buf *b)
{
    const bl_claims *c = &r->claims;
    if (!c->trusts_host && !c->trusts_hypervisor && !c->trusts_firmware)
        return;
    bl_buf_printf(b, "\nstill trusted:%s%s%s\n", c->trusts_host ? " host" : "",
                  c->trusts_hypervisor ? " hypervisor" : "", c->trusts_firmware ? " firmware" : "");
}

static void put_refusal(const blind_result *r, bl_buf *b)
{
    const char *before = " (";
    bl_buf_printf(b, "\nREFUSED  %d %s: %s", blind_code_exit(r->code), blind_code_name(r->code),
                  blind_code_text(r->code));
    for (size_t i = 0; i < r->checks_len; i++)
        if (bl_check_fails(&r->checks[i])) {
            bl_buf_printf(b, "%s%s", before, r->checks[i].name);
            before = ", ";
        }
    bl_buf_add_str(b, r->checks_len ? ")\n" : "\n");
}

static const char *const accepted[] = {
    [BLIND_BOUND_NOTHING] = "",
    [BLIND_BOUND_SESSION] = "ACCEPTED  bound to this TLS session",
    [BLIND_BOUND_CERTIFICATE] = "ACCEPTED  key-bound only: says nothing about a session",
    [BLIND_BOUND_REPORT_DATA] = "ACCEPTED  bound to the report data given",
    [BLIND_BOUND_UNBOUND] =
        "UNBOUND  acceptable, but binding: unknown; says nothing about any connection",
};

void bl_verdict_text(blind_result *r)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    const char *tee = blind_result_tee(r);
    int         width = (int)widest_name(r);
    bl_buf_printf(&b, "%s evidence%s\n\n", *tee ? tee : "no readable",
                  r->claims.simulated ? ": SIMULATED, signed by a key that everybody knows" : "");
    for (size_t i = 0; i < r->checks_len; i++)
        put_check(&b, &r->checks[i], width);
    put_models(r, &b, width);
    put_trust(r, &b);
    if (r->code != BLIND_OK)
        put_refusal(r, &b);
    else
        bl_buf_printf(&b, "\n%s%s\n", accepted[r->to],
                      r->claims.simulated ? "; SIMULATED: proves nothing about hardware" : "");
    if (bl_buf_cstr(&b))
        r->text = (char *)bl_buf_take(&b, NULL);
    r->failed |= !r->text;
}
