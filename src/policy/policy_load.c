/* policy.toml to rules.  What is missing takes the strictest value or makes the policy unusable;
 * what is not known is refused, for a misspelt rule must not be a missing rule. */
#include "policy/load.h"

#include "attest/log_record.h"
#include "attest/tee.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/limits.h"

#include <stdlib.h>

static const char    STAGE[] = "policy.load";
static const int64_t LAST_SECOND = 253402300799; /* 9999-12-31T23:59:59Z */

blind_code bl_load_unknown(const bl_toml *at, blind_error *err)
{
    return bl_toml_fail(at, err, BLIND_POLICY_KEY, STAGE, "unknown key '%.*s'",
                        (int)BL_MIN(at->key.size, 64), (const char *)at->key.data);
}

blind_code bl_load_string(const bl_toml *at, blind_span *out, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_STRING, BLIND_POLICY, STAGE, err));
    *out = at->string;
    return BLIND_OK;
}

blind_code bl_load_bool(const bl_toml *at, bool *out, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_BOOL, BLIND_POLICY, STAGE, err));
    *out = at->truth;
    return BLIND_OK;
}

/* Exactly `size` bytes in hexadecimal; an empty string is none of any size. */
blind_code bl_load_hex(const bl_toml *at, uint8_t *out, size_t size, blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    if (bl_hex_decode(text, out, size))
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE,
                        "expected %zu hexadecimal digits, found %zu characters", 2 * size,
                        text.size);
}

/* "allow" or "refuse". */
static blind_code load_allow(const bl_toml *at, bool *out, blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    *out = bl_span_equal(text, BL_LITERAL("allow"));
    if (*out || bl_span_equal(text, BL_LITERAL("refuse")))
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected \"allow\" or \"refuse\"");
}

static blind_code load_version(blind_policy *p, const bl_toml *at, blind_error *err)
{
    (void)p;
    if (at->type == BL_TOML_INTEGER && at->integer == 1)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE,
                        "not policy version 1, the only one known here");
}

static blind_code load_not_after(blind_policy *p, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_DATETIME, BLIND_POLICY, STAGE, err));
    p->not_after_s = bl_toml_seconds(at);
    if (p->not_after_s >= 0 && p->not_after_s <= LAST_SECOND)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected a time from 1970 to 9999, UTC");
}

static blind_code load_server(blind_policy *p, const bl_toml *at, blind_error *err)
{
    static const blind_server_rule rules[] = { BLIND_SERVER_CA, BLIND_SERVER_PIN,
                                               BLIND_SERVER_ANY };
    blind_span                     text;
    BL_TRY(bl_load_string(at, &text, err));
    for (size_t i = 0; i < BL_LEN(rules); i++)
        if (bl_span_equal(text, bl_span_str(bl_server_rule_name(rules[i])))) {
            p->server = rules[i];
            return BLIND_OK;
        }
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected \"ca\", \"pin\" or \"any\"");
}

/* "required": its table is the one of NVIDIA's TEE, which `tees` may hold as well. */
static blind_code load_gpu(blind_policy *p, const bl_toml *at, blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    if (!bl_span_equal(text, BL_LITERAL("required")))
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected \"required\"");
    for (size_t i = 0; i < p->tees_len; i++)
        if (p->tees[i].row == &bl_tee_nvidia)
            p->gpu = &p->tees[i];
    if (p->gpu)
        return BLIND_OK;
    bl_rule_tee *gpu = bl_arena_alloc(&p->arena, sizeof *gpu);
    if (!gpu)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    *gpu = (bl_rule_tee){ .tee = bl_tee_nvidia.name, .row = &bl_tee_nvidia };
    p->gpu = gpu;
    return BLIND_OK;
}

static blind_code load_allow_debug(blind_policy *p, const bl_toml *at, blind_error *err)
{
    return bl_load_bool(at, &p->allow_debug, err);
}

static blind_code load_freshness(blind_policy *p, const bl_toml *at, blind_error *err)
{
    if (at->type != BL_TOML_INTEGER || at->integer < 1 || at->integer > BL_MAX_FRESHNESS_S)
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected 1 to %lld seconds",
                            (long long)BL_MAX_FRESHNESS_S);
    p->freshness_s = at->integer;
    return BLIND_OK;
}

static blind_code load_requirement(blind_policy *p, const bl_toml *at, blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    for (size_t i = 0; i < BL_REQUIREMENT_COUNT; i++)
        if (bl_span_equal(text, bl_span_str(bl_requirement_names[i]))) {
            p->require[i] = true;
            return BLIND_OK;
        }
    return bl_toml_fail(at, err, BLIND_POLICY_KEY, STAGE, "unknown requirement '%.*s'",
                        (int)BL_MIN(text.size, 64), (const char *)text.data);
}

static blind_code load_require(blind_policy *p, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    for (const bl_toml *c = at->first; c; c = c->next)
        BL_TRY(load_requirement(p, c, err));
    return BLIND_OK;
}

static bool is_listed(const bl_rule_tee *tees, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(tees[i].tee, name) == 0)
            return true;
    return false;
}

static blind_code load_tees(blind_policy *p, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    bl_rule_tee *tees = bl_arena_array(&p->arena, at->len + 1, sizeof *tees);
    if (!tees)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    p->tees = tees;
    for (const bl_toml *c = at->first; c; c = c->next) {
        blind_span name;
        BL_TRY(bl_load_string(c, &name, err));
        const bl_tee *tee = bl_tee_find(name);
        if (!tee)
            return bl_toml_fail(c, err, BLIND_POLICY, STAGE, "no TEE '%.*s' in this build",
                                (int)BL_MIN(name.size, 32), (const char *)name.data);
        if (is_listed(tees, p->tees_len, tee->name))
            return bl_toml_fail(c, err, BLIND_POLICY, STAGE, "'%s' twice", tee->name);
        tees[p->tees_len++] = (bl_rule_tee){ .tee = tee->name,
                                             .row = tee,
                                             .verify = { .crl_optional = tee->crl_if_given } };
    }
    return BLIND_OK;
}

static blind_code load_model(blind_policy *p, const bl_toml *at, bl_rule_model *out,
                             blind_error *err)
{
    if (!bl_log_name_ok(at->key))
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE,
                            "a model's name is 1 to %d visible ASCII characters",
                            BL_MAX_MODEL_NAME);
    out->name = bl_arena_copy(&p->arena, at->key);
    if (!out->name)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return bl_load_hex(at, out->sha256, sizeof out->sha256, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bl_rule_model *)a)->name, ((const bl_rule_model *)b)->name);
}

static blind_code load_models(blind_policy *p, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_POLICY, STAGE, err));
    bl_rule_model *models = bl_arena_array(&p->arena, at->len + 1, sizeof *models);
    if (!models)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (const bl_toml *c = at->first; c; c = c->next) {
        if (bl_span_equal(c->key, BL_LITERAL("others")))
            BL_TRY(load_allow(c, &p->others, err));
        else if (bl_span_equal(c->key, BL_LITERAL("absent")))
            BL_TRY(load_allow(c, &p->absent, err));
        else
            BL_TRY(load_model(p, c, &models[p->models_len++], err));
    }
    qsort(models, p->models_len, sizeof *models, by_name);
    p->models = models;
    return BLIND_OK;
}

bool bl_load_is_plain(blind_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return false;
    return text.size >= 1 && text.size <= 64;
}

/* ---- the whole ---- */

static const struct {
    const char *key;
    blind_code (*load)(blind_policy *p, const bl_toml *at, blind_error *err);
} rules[] = {
    { "version", load_version },         { "not_after", load_not_after },
    { "server", load_server },           { "tees", load_tees },
    { "allow_debug", load_allow_debug }, { "freshness_s", load_freshness },
    { "require", load_require },         { "models", load_models },
};

/* A table named like an accepted TEE holds its reference values. */
static blind_code load_rule(blind_policy *p, const bl_toml *at, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(rules); i++)
        if (bl_span_equal(at->key, bl_span_str(rules[i].key)))
            return rules[i].load(p, at, err);
    bl_rule_tee *tees = (bl_rule_tee *)(uintptr_t)p->tees;
    for (size_t i = 0; i < p->tees_len; i++)
        if (bl_span_equal(at->key, bl_span_str(tees[i].tee)))
            return bl_load_tee(p, &tees[i], at, err);
    if (p->gpu && bl_span_equal(at->key, bl_span_str(p->gpu->tee)))
        return bl_load_tee(p, (bl_rule_tee *)(uintptr_t)p->gpu, at, err);
    if (bl_tee_find(at->key))
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE,
                            "reference values of a TEE that 'tees' does not accept");
    return bl_load_unknown(at, err);
}

static blind_code check_closed(const blind_policy *p, blind_error *err)
{
    if (p->server == BLIND_SERVER_UNSET)
        return blind_fail(err, BLIND_POLICY_OPEN, STAGE,
                          "no rule 'server': write \"ca\", \"pin\" or, for any server, \"any\"");
    if (p->tees_len == 0)
        return blind_fail(err, BLIND_POLICY_OPEN, STAGE, "no rule 'tees': write those accepted");
    for (size_t i = 0; i < p->tees_len; i++)
        if (p->tees[i].sets_len == 0)
            return blind_fail(err, BLIND_POLICY_OPEN, STAGE,
                              "no [[%s.reference]]: any code would pass", p->tees[i].tee);
    if (p->gpu && p->gpu->sets_len == 0)
        return blind_fail(err, BLIND_POLICY_OPEN, STAGE,
                          "no [[%s.reference]]: a GPU in any state would pass", p->gpu->tee);
    return BLIND_OK;
}

static blind_code load_native(blind_policy *p, const bl_toml *root, blind_error *err)
{
    const bl_toml *tees = bl_toml_get(root, "tees"), *gpu = bl_toml_get(root, "gpu");
    if (!bl_toml_get(root, "version"))
        return blind_fail(err, BLIND_POLICY, STAGE, "no rule 'version': write version = 1");
    p->freshness_s = BL_FRESHNESS_S;
    if (tees) /* first, for the tables named after them */
        BL_TRY(load_tees(p, tees, err));
    if (gpu)
        BL_TRY(load_gpu(p, gpu, err));
    for (const bl_toml *c = root->first; c; c = c->next)
        if (c != tees && c != gpu)
            BL_TRY(load_rule(p, c, err));
    BL_TRY(check_closed(p, err));
    bl_rule_tee *accepted = (bl_rule_tee *)(uintptr_t)p->tees;
    for (size_t i = 0; i < p->tees_len; i++)
        BL_TRY(bl_load_tee_defaults(p, &accepted[i], err));
    if (p->gpu && !bl_gpu_is_listed(p))
        BL_TRY(bl_load_tee_defaults(p, (bl_rule_tee *)(uintptr_t)p->gpu, err));
    return BLIND_OK;
}

static blind_code load(blind_policy *p, blind_span text, blind_error *err)
{
    bl_auto_arena  scratch = BL_ARENA_EMPTY;
    const bl_toml *root;
    p->not_after_s = INT64_MAX;
    blind_code code = bl_toml_parse(text, &scratch, &root, err);
    if (code != BLIND_OK) {
        if (err && code != BLIND_MEMORY)
            err->code = BLIND_POLICY;
        return code == BLIND_MEMORY ? code : BLIND_POLICY;
    }
    BL_TRY(bl_toml_get(root, "mr_enclave") ? bl_load_blindai(p, root, err)
                                           : load_native(p, root, err));
    return bl_policy_finish(p, err);
}

blind_code blind_policy_load_text(blind_span text, blind_policy **out, blind_error *err)
{
    *out = NULL;
    blind_policy *p = calloc(1, sizeof *p);
    if (!p)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    atomic_init(&p->owners, 1);
    blind_code code = load(p, text, err);
    if (code == BLIND_OK)
        *out = p;
    else
        blind_policy_free(p);
    return code;
}

blind_code blind_policy_load_file(const char *path, blind_policy **out, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    *out = NULL;
    BL_TRY(bl_file_read(path, BL_MAX_TOML_SIZE, &text, err));
    blind_code code = blind_policy_load_text(bl_buf_span(&text), out, err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "policy '%s'", path);
}
