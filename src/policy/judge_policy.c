/* Is it acceptable?  Time, measurement, isolation, models and server, as the policy asks. */
#include "policy/judge.h"

void bl_judge_policy(bl_appraisal *a)
{
    blind_result *r = a->result;
    int64_t       now = a->options->now_s, end = a->policy->not_after_s;
    bool          known = now > 0;
    if (end == INT64_MAX) {
        bl_result_add(r, "policy", BLIND_PROVEN, false, BLIND_POLICY_EXPIRED, "no end", "no end",
                      "policy: not_after");
        return;
    }
    bl_result_add(r, "policy",
                  !known      ? BLIND_UNKNOWN
                  : now < end ? BLIND_PROVEN
                              : BLIND_REFUTED,
                  true, BLIND_POLICY_EXPIRED, "a policy before its not_after",
                  !known      ? "the time is unknown"
                  : now < end ? bl_result_printf(r, "%lld s left", (long long)(end - now))
                              : bl_result_printf(r, "expired %lld s ago", (long long)(now - end)),
                  "policy: not_after");
}

/* A register that the evidence does not have is no register of any value. */
static bool register_matches(const bl_claims *claims, const bl_rule_register *reg)
{
    blind_span found = bl_claims_measurement(claims, reg->name);
    if (reg->any)
        return found.size > 0;
    return reg->size > 0 && bl_span_equal(found, bl_span(reg->value, reg->size));
}

/* Nothing but "any": in so many letters, nobody asks for a measurement. */
static bool is_any(const bl_rule_set *set)
{
    for (size_t i = 0; i < set->registers_len; i++)
        if (!set->registers[i].any)
            return false;
    return set->registers_len > 0;
}

/* All registers of one set; a set without registers matches nothing. */
static bool set_matches(const bl_claims *claims, const bl_rule_set *set)
{
    if (is_any(set))
        return true;
    for (size_t i = 0; i < set->registers_len; i++)
        if (!register_matches(claims, &set->registers[i]))
            return false;
    return set->registers_len > 0;
}

static const bl_rule_set *match(const bl_claims *claims, const bl_rule_tee *rules)
{
    for (size_t i = 0; rules && i < rules->sets_len; i++)
        if (set_matches(claims, &rules->sets[i]))
            return &rules->sets[i];
    return NULL;
}

static const char *expected_sets(bl_appraisal *a, const bl_rule_tee *rules)
{
    if (!rules || rules->sets_len == 0)
        return "no reference values for this TEE";
    const bl_rule_set *set = &rules->sets[0];
    const char        *first = bl_result_printf(
               a->result, "'%s' %s", set->name,
        set->registers[0].any
                   ? "any"
                   : bl_result_hex(a->result, bl_span(set->registers[0].value, set->registers[0].size),
                                   16));
    return rules->sets_len == 1 ? first
                                : bl_result_printf(a->result, "%s or one of %zu other sets", first,
                                                   rules->sets_len - 1);
}

static const char *found_registers(bl_appraisal *a, const bl_claims *claims)
{
    if (claims->measurements_len == 0)
        return "none";
    const char *first = bl_result_hex(a->result, claims->measurements[0].value, 16);
    return claims->measurements_len == 1 ? first
                                         : bl_result_printf(a->result, "%s and %zu more registers",
                                                            first, claims->measurements_len - 1);
}

bl_subject bl_subject_of(const bl_appraisal *a)
{
    return (bl_subject){ &a->result->claims, a->rules, a->authentic, "" };
}

const bl_rule_set *bl_judge_sets(bl_appraisal *a, const bl_subject *s)
{
    blind_result      *r = a->result;
    const bl_rule_set *set = match(s->claims, s->rules);
    const char        *found = found_registers(a, s->claims);
    bool               any = set && is_any(set), proven = set && !any && s->authentic;
    if (proven)
        found = bl_result_printf(r, "%s = '%s'", found, set->name);
    bl_result_add(r, bl_result_printf(r, "%smeasurement", s->prefix),
                  any || !s->authentic ? BLIND_UNKNOWN
                  : set                ? BLIND_PROVEN
                                       : BLIND_REFUTED,
                  !any, BLIND_MEASUREMENT,
                  any ? "any, as the policy says" : expected_sets(a, s->rules), found,
                  bl_result_printf(r, "policy: %s.reference", s->claims->tee));
    return proven ? set : NULL;
}

void bl_judge_measurement(bl_appraisal *a)
{
    bl_subject         tee = bl_subject_of(a);
    const bl_rule_set *set = bl_judge_sets(a, &tee);
    if (set)
        a->set = set->name;
}

static blind_state require_state(const bl_claims *claims, bl_requirement what)
{
    const blind_state states[] = {
        [BL_REQUIRE_MEMORY_ENCRYPTED] = claims->memory_encrypted,
        [BL_REQUIRE_SMT_OFF] = claims->smt_off,
        [BL_REQUIRE_MIGRATION_OFF] = claims->migration_off,
        [BL_REQUIRE_TCB_CURRENT] = claims->tcb_current,
    };
    return states[what];
}

#define X(id, name, code) [BL_REQUIRE_##id] = code,
static const blind_code require_codes[] = { BL_REQUIREMENTS(X) };
#undef X

/* Memory encryption is told even when nobody asks, so that no TEE looks like more than it is. */
void bl_judge_isolation(bl_appraisal *a)
{
    blind_result *r = a->result;
    bool          allowed = a->policy->allow_debug || a->options->debug_mode;
    blind_state   debug = a->authentic ? r->claims.not_debuggable : BLIND_UNKNOWN;
    bl_result_add(r, "debug", debug, !allowed, BLIND_DEBUG,
                  allowed ? "on or off, as allowed" : "off",
                  debug == BLIND_PROVEN    ? "off"
                  : debug == BLIND_REFUTED ? "on: the host reads and writes the enclave"
                                           : "not known",
                  "policy: allow_debug");
    for (size_t i = 0; i < BL_REQUIREMENT_COUNT; i++) {
        bool        asked = a->policy->require[i];
        blind_state state =
            a->authentic ? require_state(&r->claims, (bl_requirement)i) : BLIND_UNKNOWN;
        if (asked || i == BL_REQUIRE_MEMORY_ENCRYPTED || state != BLIND_UNKNOWN)
            bl_result_add(r, bl_requirement_names[i], state, asked, require_codes[i],
                          asked ? "yes" : "yes or no",
                          i == BL_REQUIRE_TCB_CURRENT && r->claims.tcb_found ? r->claims.tcb_found
                          : state == BLIND_PROVEN                            ? "yes"
                          : state == BLIND_REFUTED                           ? "no"
                                                                             : "not known",
                          "policy: require");
    }
}

/* Whether the record is about a file of this digest. */
static bool digest_is(const bl_appraisal *a, const bl_log_model *loaded, const uint8_t sha256[32])
{
    uint8_t salted[32];
    if (!loaded->salted)
        return memcmp(loaded->sha256, sha256, 32) == 0;
    for (size_t i = 0; i < a->options->salts_len; i++)
        if (bl_log_salted(a->options->salts[i].salt, sha256, salted) == BLIND_OK &&
            memcmp(loaded->sha256, salted, 32) == 0)
            return true;
    return false;
}

static const bl_log_model *loaded_as(const bl_log_model *models, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (bl_span_equal(models[i].name, bl_span_str(name)))
            return &models[i];
    return NULL;
}

static void judge_model(bl_appraisal *a, const bl_rule_model *rule, const bl_log_model *models,
                        size_t len)
{
    blind_result       *r = a->result;
    const bl_log_model *m = a->log_proven ? loaded_as(models, len, rule->name) : NULL;
    blind_state         state = !m                              ? BLIND_UNKNOWN
                                : digest_is(a, m, rule->sha256) ? BLIND_PROVEN
                                                                : BLIND_REFUTED;
    bool                optional = a->log_proven && !m && a->policy->absent;
    bl_result_add(r, bl_result_printf(r, "model '%s'", rule->name), state, !optional, BLIND_MODEL,
                  bl_result_hex(r, bl_span(rule->sha256, 32), 16),
                  m               ? bl_result_printf(r, "%s%s", m->salted ? "salted " : "",
                                                     bl_result_hex(r, bl_span(m->sha256, 32), 16))
                  : a->log_proven ? "not loaded"
                                  : "not known without a proven log",
                  "policy: models");
}

static const bl_rule_model *rule_for(const blind_policy *policy, blind_span name)
{
    for (size_t i = 0; i < policy->models_len; i++)
        if (bl_span_equal(name, bl_span_str(policy->models[i].name)))
            return &policy->models[i];
    return NULL;
}

static void judge_others(bl_appraisal *a, const bl_log_model *models, size_t len)
{
    blind_result *r = a->result;
    const char   *first = NULL;
    size_t        others = 0;
    for (size_t i = 0; i < len; i++)
        if (!rule_for(a->policy, models[i].name) && others++ == 0)
            first = bl_arena_copy(&r->arena, models[i].name);
    r->failed |= others > 0 && !first;
    const char *found = !a->log_proven ? "not known without a proven log"
                        : others == 0  ? "none"
                        : others == 1  ? bl_result_printf(r, "'%s'", first)
                                      : bl_result_printf(r, "'%s' and %zu more", first, others - 1);
    blind_state state = !a->log_proven ? BLIND_UNKNOWN : others ? BLIND_REFUTED : BLIND_PROVEN;
    bl_result_add(r, "other models", a->policy->others && others ? BLIND_UNKNOWN : state,
                  !a->policy->others, BLIND_MODEL, a->policy->others ? "any" : "none", found,
                  "policy: models.others");
}

/* The caller's view of what is loaded; the log is proven. */
static void keep_models(bl_appraisal *a, const bl_log_model *models, size_t len)
{
    blind_result *r = a->result;
    r->models = bl_arena_array(&r->arena, len + 1, sizeof *r->models);
    r->failed |= !r->models;
    for (size_t i = 0; r->models && i < len; i++) {
        blind_loaded_model *m = &r->models[r->models_len++];
        m->name = bl_arena_copy(&r->arena, models[i].name);
        m->salted = models[i].salted;
        memcpy(m->sha256, models[i].sha256, 32);
        r->failed |= !m->name;
    }
}

void bl_judge_models(bl_appraisal *a)
{
    const bl_log_model *models = NULL;
    size_t              len = 0;
    if (a->log_proven) {
        if (bl_log_models(&a->replay, &a->result->arena, &models, &len, NULL) != BLIND_OK)
            a->result->failed = true;
        keep_models(a, models, len);
    }
    for (size_t i = 0; i < a->policy->models_len; i++)
        judge_model(a, &a->policy->models[i], models, len);
    judge_others(a, models, len);
}

/* A file has no server; everything else must be identified as the policy says. */
void bl_judge_server(bl_appraisal *a)
{
    static const char *const found[] = { [BLIND_IDENTITY_UNKNOWN] = "not identified",
                                         [BLIND_IDENTITY_CA] = "ca",
                                         [BLIND_IDENTITY_PIN] = "pin" };
    blind_server_rule        rule = a->policy->server;
    blind_identity           id =
        a->options->identity <= BLIND_IDENTITY_PIN ? a->options->identity : BLIND_IDENTITY_UNKNOWN;
    bool file = a->expect->to == BLIND_BOUND_UNBOUND || a->expect->to == BLIND_BOUND_REPORT_DATA;
    bool known = (id == BLIND_IDENTITY_CA && rule != BLIND_SERVER_PIN) ||
                 (id == BLIND_IDENTITY_PIN && rule != BLIND_SERVER_CA);
    bl_result_add(a->result, "server", known && rule ? BLIND_PROVEN : BLIND_UNKNOWN,
                  rule == BLIND_SERVER_UNSET || (rule != BLIND_SERVER_ANY && !file), BLIND_TLS,
                  bl_server_rule_name(rule), file ? "no connection" : found[id], "policy: server");
}
