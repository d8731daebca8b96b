/* Is it authentic?  Form, TEE, signature, binding, log and freshness. */
#include "policy/judge.h"

static void add_format(bl_appraisal *a, blind_code code, const char *found)
{
    bl_result_add(a->result, "format", code == BLIND_OK ? BLIND_PROVEN : BLIND_REFUTED, true,
                  BLIND_FORMAT, "a well-formed bundle of version 1", found,
                  "RFC 9999, sections 3 and 4; formats/bundle.md");
}

static const bl_rule_tee *rules_of(const blind_policy *policy, blind_span tee)
{
    for (size_t i = 0; i < policy->tees_len; i++)
        if (bl_span_equal(tee, bl_span_str(policy->tees[i].tee)))
            return &policy->tees[i];
    return NULL;
}

static const char *accepted_tees(bl_appraisal *a)
{
    const char *list = "";
    for (size_t i = 0; list && i < a->policy->tees_len; i++)
        list = bl_result_printf(a->result, "%s%s%s", list, i ? ", " : "", a->policy->tees[i].tee);
    return list;
}

static void judge_tee(bl_appraisal *a, const char *name, bool known)
{
    blind_result *r = a->result;
    bool          accepted = known && a->rules;
    bl_result_add(r, "tee", accepted ? BLIND_PROVEN : BLIND_REFUTED, true, BLIND_EVIDENCE,
                  accepted_tees(a),
                  known ? name : bl_result_printf(r, "%s, which this build cannot verify", name),
                  "policy: tees");
}

/* Said by the caller alone; no policy can say it. */
static void judge_simulation(bl_appraisal *a)
{
    bool simulated = a->result->claims.simulated, allowed = a->options->simulation;
    bl_result_add(a->result, "simulation", !simulated || allowed ? BLIND_PROVEN : BLIND_REFUTED,
                  true, BLIND_SIMULATION,
                  allowed ? "hardware or, as the caller allows, simulation" : "hardware",
                  simulated ? "simulation: signed by a key that everybody knows" : "hardware",
                  "caller: simulation");
}

/* One check for each step that the verifier took; a verifier of one step leaves it to us. */
static void judge_steps(bl_appraisal *a, blind_code code, const blind_error *why)
{
    const bl_claims *c = &a->result->claims;
    a->authentic = a->result->authentic = code == BLIND_OK;
    for (size_t i = 0; i < c->findings_len; i++)
        bl_result_add(a->result, c->findings[i].name, c->findings[i].state, c->findings[i].vital,
                      c->findings[i].code, c->findings[i].expected, c->findings[i].found,
                      c->findings[i].source);
    if (c->findings_len == 0 || (!a->authentic && !bl_result_failure(a->result)))
        bl_result_add(a->result, "signature", a->authentic ? BLIND_PROVEN : BLIND_REFUTED, true,
                      code == BLIND_OK ? BLIND_SIGNATURE : code, "a signature of the TEE's key",
                      a->authentic ? "as expected"
                                   : bl_result_printf(a->result, "%s", why->message),
                      "RFC 9334, section 8.2");
}

/* The endorsements but those of a GPU beside it. */
static void tee_parts(const bl_parts *all, bl_parts *out)
{
    *out = (bl_parts){ 0 };
    for (size_t i = 0; i < all->len; i++)
        if (!bl_is_gpu_part(all->items[i].name))
            out->items[out->len++] = all->items[i];
}

static blind_code verify(bl_appraisal *a, const bl_tee *tee, blind_error *err)
{
    static const bl_verify_rules strictest = { 0 };
    static const bl_roots        none = { 0 };
    blind_result                *r = a->result;
    bl_parts                     parts;
    bl_verify_rules              rules = a->rules ? a->rules->verify : strictest;
    tee_parts(&a->parts, &parts);
    rules.enrolments = a->options->enrolments;
    rules.enrolments_len = a->options->enrolments_len;
    bl_verify_input in = { .evidence = a->bundle.evidence,
                           .parts = &parts,
                           .now_s = a->options->now_s,
                           .roots = tee->roots ? tee->roots : &none,
                           .rules = &rules,
                           .cache = a->options->cache,
                           .arena = &r->arena };
    blind_code      code = tee->verify(&in, &r->claims, err);
    r->failed |= r->claims.failed || code == BLIND_MEMORY;
    return code;
}

bool bl_judge_evidence(bl_appraisal *a)
{
    blind_error   err = { 0 };
    blind_result *r = a->result;
    blind_code    code = BLIND_OK;
    const char   *name = bl_arena_copy(&r->arena, a->bundle.tee);
    const bl_tee *tee = bl_tee_find(a->bundle.tee);
    r->failed |= !name;
    if (!name)
        return false;
    a->rules = rules_of(a->policy, a->bundle.tee);
    if (tee)
        code = verify(a, tee, &err);
    add_format(a, code == BLIND_FORMAT ? code : BLIND_OK,
               code == BLIND_FORMAT
                   ? bl_result_printf(r, "%s", err.message)
                   : bl_result_printf(r, "%s evidence, %zu bytes", name, a->bundle.evidence.size));
    judge_tee(a, name, tee != NULL);
    if (!tee || code == BLIND_FORMAT)
        return false;
    judge_simulation(a);
    judge_steps(a, code, &err);
    return true;
}

bool bl_judge_format(bl_appraisal *a, blind_span bundle)
{
    blind_error err = { 0 };
    blind_code  code = bl_bundle_parse(bundle, &a->bundle, &err);
    if (code == BLIND_OK)
        code = bl_parts_parse(a->bundle.endorsements, &a->parts, &err);
    if (code == BLIND_OK)
        return bl_judge_evidence(a);
    add_format(a, code, bl_result_printf(a->result, "%s", err.message));
    return false;
}

/* The report data that the stated binding and log lead to. */
static blind_code stated_value(const bl_bundle_binding *b, uint8_t out[32])
{
    if (b->to == BL_BOUND_TO_KEY)
        return bl_cert_value_of(b->root, &b->log, out);
    return bl_report_value(b->leaves, b->root, &b->log, out);
}

/* Compares with zero padding; an empty expectation equals nothing.  The value stands inside the
 * signed report data; what the bundle states beside it only leads there. */
static bool is_padded(blind_span field, blind_span value)
{
    if (value.size == 0 || value.size > field.size)
        return false;
    uint8_t rest = 0;
    for (size_t i = value.size; i < field.size; i++)
        rest |= field.data[i];
    return rest == 0 && bl_span_equal(value, bl_span(field.data, value.size));
}

/* The caller's own leaf must lead to the signed root: evidence of another session, relayed or
 * replayed, has no path from it.  Source: RFC 9334, section 10.2; docs/formats/bundle.md,
 * "binding". */
static bool session_is_ours(const bl_appraisal *a)
{
    const bl_bundle_binding *b = &a->bundle.binding;
    uint8_t                  root[32];
    return b->to == BL_BOUND_TO_SESSION &&
           bl_merkle_climb(a->expect->leaf, b->index, b->leaves, b->path, root, NULL) == BLIND_OK &&
           memcmp(root, b->root, 32) == 0;
}

/* Key-bound evidence says nothing about a session, and has a label of its own. */
static bool key_is_ours(const bl_appraisal *a)
{
    uint8_t digest[32];
    return a->bundle.binding.to == BL_BOUND_TO_KEY && a->expect->spki.size &&
           bl_sha256(a->expect->spki, digest) == BLIND_OK &&
           memcmp(digest, a->bundle.binding.root, 32) == 0;
}

/* By blind_bound: what is expected, and what stands there instead. */
static const char *const bound_expected[] = {
    [BLIND_BOUND_NOTHING] = "an expectation of the caller",
    [BLIND_BOUND_SESSION] = "this TLS session",
    [BLIND_BOUND_CERTIFICATE] = "this certificate's key",
    [BLIND_BOUND_REPORT_DATA] = "the report data given",
    [BLIND_BOUND_UNBOUND] = "nothing, as the caller says",
};

static bool binding_holds(const bl_appraisal *a)
{
    switch (a->expect->to) {
    case BLIND_BOUND_SESSION:
        return a->consistent && session_is_ours(a);
    case BLIND_BOUND_CERTIFICATE:
        return a->consistent && key_is_ours(a);
    case BLIND_BOUND_REPORT_DATA:
        return is_padded(a->result->claims.report_data, a->expect->report_data);
    default:
        return false;
    }
}

void bl_judge_binding(bl_appraisal *a)
{
    blind_result *r = a->result;
    blind_bound   to = a->expect->to <= BLIND_BOUND_UNBOUND ? a->expect->to : BLIND_BOUND_NOTHING;
    uint8_t       value[32];
    a->consistent = a->authentic && !a->bare &&
                    stated_value(&a->bundle.binding, value) == BLIND_OK &&
                    is_padded(r->claims.report_data, bl_span(value, sizeof value));
    bool        unbound = to == BLIND_BOUND_UNBOUND, holds = binding_holds(a);
    const char *found =
        holds     ? bound_expected[to]
        : unbound ? "not looked at"
        : !a->authentic
            ? "not authentic"
            : bl_result_printf(r, "report data %s", bl_result_hex(r, r->claims.report_data, 16));
    if (to == BLIND_BOUND_CERTIFICATE && holds)
        found = "this certificate's key: key-bound only, evidence can be relayed";
    bl_result_add(r, "binding", unbound ? BLIND_UNKNOWN : bl_judged(a, holds), !unbound,
                  BLIND_BINDING, bound_expected[to], found,
                  "RFC 9334, section 10.2; formats/bundle.md, binding");
}

/* A register that nothing but a reboot resets tells more than the report data, which holds the head
 * that the program says: that nothing was left out since the machine started.  Others may use the
 * register as well, so it is told and not asked for. */
static void judge_register(bl_appraisal *a)
{
    const bl_tee *tee = bl_tee_find(a->bundle.tee);
    const char   *name = tee ? tee->runtime_register : NULL;
    blind_span    value = { 0 };
    if (name)
        value = bl_claims_measurement(&a->result->claims, name);
    if (!value.size || !a->log_proven)
        return;
    bool same = bl_span_equal(value, bl_span(a->replay.state.head, 32));
    bl_result_add(a->result, "log register", same ? BLIND_PROVEN : BLIND_UNKNOWN, false, BLIND_LOG,
                  bl_result_printf(a->result, "%s holds the log's head", name),
                  same ? "the whole log since the machine started" : "another value",
                  "formats/bundle.md, log");
}

/* Replays the log as received; its head must be the one inside the report data.
 * Source: docs/formats/bundle.md, "log". */
void bl_judge_log(bl_appraisal *a)
{
    blind_result       *r = a->result;
    blind_error         err = { 0 };
    const bl_log_state *stated = &a->bundle.binding.log;
    if (a->bare) {
        bl_result_add(r, "log", BLIND_UNKNOWN, false, BLIND_LOG, "none", "no runtime log",
                      "formats/bundle.md, log");
        return;
    }
    blind_code code = bl_runtime_log_replay(a->bundle.log, &r->arena, &a->replay, &err);
    bool       same = code == BLIND_OK && a->replay.state.len == stated->len &&
                memcmp(a->replay.state.head, stated->head, 32) == 0;
    r->failed |= code == BLIND_MEMORY;
    a->log_proven = a->consistent && same;
    r->log_proven = a->log_proven;
    if (a->log_proven)
        r->log = a->replay.state;
    const char *found =
        code != BLIND_OK ? bl_result_printf(r, "%s", err.message)
        : !same          ? bl_result_printf(r, "head %s after %llu events",
                                            bl_result_hex(r, bl_span(a->replay.state.head, 32), 16),
                                            (unsigned long long)a->replay.state.len)
        : !a->consistent
            ? "not in the report data"
            : bl_result_printf(r, "%llu event%s", (unsigned long long)a->replay.state.len,
                               a->replay.state.len == 1 ? "" : "s");
    bl_result_add(r, "log",
                  a->log_proven   ? BLIND_PROVEN
                  : a->consistent ? BLIND_REFUTED
                                  : BLIND_UNKNOWN,
                  true, BLIND_LOG,
                  bl_result_printf(r, "head %s after %llu events",
                                   bl_result_hex(r, bl_span(stated->head, 32), 16),
                                   (unsigned long long)stated->len),
                  found, "formats/bundle.md, log");
    judge_register(a);
}

/* A session's exporter is fresh by itself; all else shows its age by its own clock.
 * Source: RFC 9334, section 10. */
void bl_judge_freshness(bl_appraisal *a)
{
    static const char source[] = "RFC 9334, section 10; policy: freshness_s";
    blind_result     *r = a->result;
    int64_t now = a->options->now_s, made = r->claims.time_s, limit = a->policy->freshness_s;
    if (a->expect->to == BLIND_BOUND_SESSION) {
        bl_result_add(r, "freshness", bl_judged(a, binding_holds(a)), true, BLIND_STALE,
                      "made for this session",
                      binding_holds(a) ? "made for this session" : "bound to something else",
                      source);
        return;
    }
    /* A TEE without a clock cannot show its age; outside a bundle the caller's own report data, or
     * nothing, stands for it. */
    bool        clockless = a->bare && made == 0;
    bool        known = made > 0 && now > 0;
    int64_t     age = known ? now - made : 0;
    const char *found =
        known ? bl_result_printf(r, "%lld s old", (long long)age) : "of unknown age";
    bl_result_add(r, "freshness",
                  known ? bl_judged(a, age <= limit && age >= -BL_FRESHNESS_S) : BLIND_UNKNOWN,
                  !clockless, BLIND_STALE,
                  bl_result_printf(r, "at most %lld s old", (long long)limit), found, source);
}
