/* The appraisal: asks every question and sums up.  Pure: no file, no network, no clock. */
#include "policy/judge.h"

#include <stdio.h>

/* Checks beside one per model that the policy names. */
enum { FIXED_CHECKS = 16 };

static blind_result *result_new(const blind_policy *policy, const blind_expect *expect,
                                const blind_appraise_options *options)
{
    bl_arena      arena = BL_ARENA_EMPTY;
    blind_result *r = bl_arena_alloc(&arena, sizeof *r);
    if (!r)
        return NULL;
    r->arena = arena; /* from here on the arena lives in its own memory */
    r->checks_max = FIXED_CHECKS + policy->models_len;
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
    if (!bl_judge_format(a, bundle))
        return;
    bl_judge_binding(a);
    bl_judge_log(a);
    bl_judge_freshness(a);
    bl_judge_policy(a);
    bl_judge_measurement(a);
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
        return blind_fail(err, BLIND_MEMORY, "appraise", "out of memory");
    }
    bl_appraisal a = { .result = r, .expect = expect, .policy = policy, .options = options };
    judge_all(&a, copy.data ? copy : bundle);
    sum_up(r, err);
    if (r->failed) {
        blind_result_free(r);
        return blind_fail(err, BLIND_MEMORY, "appraise", "out of memory");
    }
    *out = r;
    return r->code;
}
