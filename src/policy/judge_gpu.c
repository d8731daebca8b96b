/* A GPU beside the TEE: authentic by its vendor's key, of this session by its nonce, and in a state
 * that the policy names.
 *
 * The TEE's report data is the value of the session's binding; the GPU signs the same 32 bytes as
 * its nonce.  A report of another machine's GPU, or of another session, has another one. */
#include "policy/judge.h"

static const char    SOURCE[] = "policy: gpu; formats/bundle.md, gpu";
static const uint8_t PREFIX[] = "gpu.";
enum { PREFIX_SIZE = sizeof PREFIX - 1, NONCE_SIZE = 32 };

/* Its own among the endorsements: names after "gpu.". */
static void own_parts(const bl_parts *all, bl_parts *out)
{
    *out = (bl_parts){ 0 };
    for (size_t i = 0; i < all->len; i++) {
        bl_part part = all->items[i];
        if (!bl_is_gpu_part(part.name))
            continue;
        part.name = bl_span(part.name.data + PREFIX_SIZE, part.name.size - PREFIX_SIZE);
        out->items[out->len++] = part;
    }
}

bool bl_is_gpu_part(blind_span name)
{
    return name.size > PREFIX_SIZE && memcmp(name.data, PREFIX, PREFIX_SIZE) == 0;
}

static blind_code verify(bl_appraisal *a, const bl_rule_tee *rules, bl_claims *out,
                         blind_error *err)
{
    static const bl_roots none = { 0 };
    bl_parts              parts;
    own_parts(&a->parts, &parts);
    bl_verify_input in = { .evidence = a->bundle.gpu,
                           .parts = &parts,
                           .now_s = a->options->now_s,
                           .roots = rules->row->roots ? rules->row->roots : &none,
                           .rules = &rules->verify,
                           .cache = a->options->cache,
                           .arena = &a->result->arena };
    blind_code      code = rules->row->verify(&in, out, err);
    a->result->failed |= out->failed || code == BLIND_MEMORY;
    return code;
}

/* Whether there is one at all, and each step of its verification. */
static void add_steps(bl_appraisal *a, blind_code code, const bl_claims *claims,
                      const blind_error *why)
{
    blind_result *r = a->result;
    bl_result_add(r, "gpu", code == BLIND_OK ? BLIND_PROVEN : BLIND_REFUTED, true,
                  code == BLIND_OK ? BLIND_EVIDENCE : code, "an authentic report of a GPU",
                  code == BLIND_OK ? "as expected" : bl_result_printf(r, "%s", why->message),
                  SOURCE);
    for (size_t i = 0; i < claims->findings_len; i++) {
        const bl_finding *f = &claims->findings[i];
        bl_result_add(r, bl_result_printf(r, "gpu %s", f->name), f->state, f->vital, f->code,
                      f->expected, f->found, f->source);
    }
}

/* The nonce is the value inside the TEE's signed report data, and that value is the binding's. */
static void judge_nonce(bl_appraisal *a, const bl_claims *claims, bool authentic)
{
    blind_result *r = a->result;
    blind_span    tee = r->claims.report_data, gpu = claims->report_data;
    bool          known = authentic && a->consistent;
    bool          same = known && gpu.size == NONCE_SIZE && tee.size >= NONCE_SIZE &&
                bl_span_equal(gpu, bl_span(tee.data, NONCE_SIZE));
    bl_result_add(r, "gpu binding",
                  !known ? BLIND_UNKNOWN
                  : same ? BLIND_PROVEN
                         : BLIND_REFUTED,
                  true, BLIND_BINDING, "the TEE's report data as its nonce",
                  same         ? "as expected"
                  : !authentic ? "not authentic"
                  : !known     ? "the TEE's own report data is not that of its binding"
                               : bl_result_printf(r, "nonce %s", bl_result_hex(r, gpu, 16)),
                  SOURCE);
}

void bl_judge_gpu(bl_appraisal *a)
{
    const bl_rule_tee *rules = a->policy->gpu;
    blind_error        err = { 0 };
    if (!rules) {
        if (a->bundle.gpu.size)
            bl_result_add(a->result, "gpu", BLIND_UNKNOWN, false, BLIND_EVIDENCE, "nothing",
                          "a report that nobody asked for, not looked at", SOURCE);
        return;
    }
    if (a->bundle.gpu.size == 0) {
        bl_result_add(a->result, "gpu", BLIND_REFUTED, true, BLIND_EVIDENCE,
                      "an authentic report of a GPU", "none", SOURCE);
        return;
    }
    bl_claims *claims = bl_arena_alloc(&a->result->arena, sizeof *claims);
    if (!claims) {
        a->result->failed = true;
        return;
    }
    blind_code code = verify(a, rules, claims, &err);
    bl_subject gpu = { claims, rules, code == BLIND_OK, "gpu " };
    add_steps(a, code, claims, &err);
    judge_nonce(a, claims, gpu.authentic);
    (void)bl_judge_sets(a, &gpu);
    bl_judge_fields(a, &gpu);
}
