/* The appraisal: asks every question and sums up.  Pure: no file, no network, no clock. */
#include "policy/judge.h"

#include <stdio.h>

/* Checks beside one per model and bound that the policy names and per step of the verifier. */
enum { FIXED_CHECKS = 20 };

static size_t most_bounds(const blind_policy *policy)
{
    size_t most = 0;
    for (size_t i = 0; i < policy->tees_len; i++)
        most = BL_MAX(most, policy->tees[i].bounds_len);
    return most + (policy->gpu ? policy->gpu->bounds_len + BL_MAX_FINDINGS : 0);
}

static blind_result *result_new(const blind_policy *policy, const blind_expect *expect,
                                const blind_appraise_options *options)
{
    bl_arena      arena = BL_ARENA_EMPTY;
    blind_result *r = bl_arena_alloc(&arena, sizeof *r);
    if (!r)
        return NULL;
    r->arena = arena; /* from here on the arena lives in its own memory */
    r->checks_max = FIXED_CHECKS + policy->models_len + most_bounds(policy) + BL_MAX_FINDINGS;
    r->checks = bl_arena_array(&r->arena, r->checks_max, sizeof *r->checks);
    r->to = expect->to <= BLIND_BOUND_UNBOUND ? expect->to : BLIND_BOUND_NOTHING;
    r->identity = options->identity;
    r->now_s = options->now_s;
    r->server = policy->server;
    blind_policy_digest(policy, r->policy_digest);
    if (r->checks)
        return r;
    blind_result_free(r);
    return NULL;
}

static void judge_all(bl_appraisal *a, blind_span bundle)
{
    if (!(a->bare ? bl_judge_evidence(a) : bl_judge_format(a, bundle)))
        return;
    bl_judge_binding(a);
    bl_judge_log(a);
    bl_judge_freshness(a);
    bl_judge_gpu(a);
    bl_judge_policy(a);
    bl_judge_measurement(a);
    bl_judge_tcb(a);
    bl_judge_bounds(a);
    bl_judge_sgx(a);
    bl_judge_hardware(a);
    bl_judge_isolation(a);
    bl_judge_models(a);
    bl_judge_server(a);
}

/* Zero checks refuse. */
static void sum_up(blind_result *r, blind_error *err)
{
    const blind_check *failure = bl_result_failure(r);
    size_t             failures = 0;
    for (size_t i = 0; i < r->checks_len; i++)
        failures += bl_check_fails(&r->checks[i]);
    r->code = failure ? failure->code : r->checks_len ? BLIND_OK : BLIND_EVIDENCE;
    r->bound = r->code == BLIND_OK && r->to == BLIND_BOUND_SESSION;
    if (!failure)
        return;
    char more[40] = "";
    if (failures > 1)
        snprintf(more, sizeof more, " (and %zu more)", failures - 1);
    blind_fail(err, r->code, "appraise", "%s: found %s, expected %s%s", failure->name,
               failure->found, failure->expected, more);
}

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "appraise", "out of memory");
}

/* Judges and hands over; frees `a`'s result where it cannot be explained. */
static blind_code finish(bl_appraisal *a, blind_span bundle, blind_result **out, blind_error *err)
{
    blind_result *r = a->result;
    judge_all(a, bundle);
    sum_up(r, err);
    if (r->failed) {
        blind_result_free(r);
        return no_memory(err);
    }
    *out = r;
    return r->code;
}

blind_code blind_appraise(blind_span bundle, const blind_expect *expect, const blind_policy *policy,
                          const blind_appraise_options *options, blind_result **out,
                          blind_error *err)
{
    *out = NULL;
    if (!expect || !policy || !options)
        return blind_fail(err, BLIND_USAGE, "appraise", "no expectation, policy or options");
    blind_result *r = result_new(policy, expect, options);
    blind_span    copy = { 0 };
    if (r && bundle.size <= BL_MAX_BUNDLE_SIZE)
        copy = bl_span(bl_arena_copy(&r->arena, bundle), bundle.size);
    if (!r || (!copy.data && bundle.size <= BL_MAX_BUNDLE_SIZE)) {
        blind_result_free(r);
        return no_memory(err);
    }
    bl_appraisal a = { .result = r, .expect = expect, .policy = policy, .options = options };
    return finish(&a, copy.data ? copy : bundle, out, err);
}

/* Copies evidence and parts into the result, whose claims borrow from them.  Errors: MEMORY, LIMIT,
 * INPUT */
static blind_code copy_bare(bl_appraisal *a, const char *tee, blind_span evidence,
                            const blind_part *parts, size_t len, blind_error *err)
{
    bl_arena *arena = &a->result->arena;
    size_t    total = evidence.size;
    for (size_t i = 0; i < len; i++)
        if (!bl_add(total, parts[i].bytes.size, &total))
            total = SIZE_MAX;
    if (total > BL_MAX_BUNDLE_SIZE)
        return blind_fail(err, BLIND_LIMIT, "appraise", "more than %u bytes of evidence",
                          BL_MAX_BUNDLE_SIZE);
    a->bundle.tee = bl_span_str(tee);
    a->bundle.evidence = bl_span(bl_arena_copy(arena, evidence), evidence.size);
    if (!a->bundle.evidence.data)
        return no_memory(err);
    for (size_t i = 0; i < len; i++) {
        const char *bytes = bl_arena_copy(arena, parts[i].bytes);
        if (!bytes)
            return no_memory(err);
        BL_TRY(bl_parts_set(&a->parts, bl_span_str(parts[i].name),
                            bl_span(bytes, parts[i].bytes.size), err));
    }
    return BLIND_OK;
}

blind_code blind_appraise_evidence(const char *tee, blind_span evidence, const blind_part *parts,
                                   size_t parts_len, const blind_expect *expect,
                                   const blind_policy           *policy,
                                   const blind_appraise_options *options, blind_result **out,
                                   blind_error *err)
{
    *out = NULL;
    if (!tee || !expect || !policy || !options)
        return blind_fail(err, BLIND_USAGE, "appraise", "no TEE, expectation, policy or options");
    if (expect->to == BLIND_BOUND_SESSION || expect->to == BLIND_BOUND_CERTIFICATE)
        return blind_fail(err, BLIND_USAGE, "appraise",
                          "evidence without a bundle says nothing of a session or a certificate");
    blind_result *r = result_new(policy, expect, options);
    if (!r)
        return no_memory(err);
    bl_appraisal a = {
        .result = r, .expect = expect, .policy = policy, .options = options, .bare = true
    };
    blind_code code = copy_bare(&a, tee, evidence, parts, parts_len, err);
    if (code != BLIND_OK) {
        blind_result_free(r);
        return code;
    }
    return finish(&a, evidence, out, err);
}
