/* The table of a TEE in policy.toml: reference sets, bounds on fields, TCB statuses, what to look
 * at.
 *
 * Which registers, fields and statuses there are is the TEE's row to say; nothing here knows any of
 * them by name. */
#include "policy/load.h"

#include "base/hex.h"

#include <stdlib.h>

static const char STAGE[] = "policy.tee";

const char *const bl_bound_names[BL_BOUND_KINDS] = {
    [BL_BOUND_MINIMUM] = "minimum", [BL_BOUND_MAXIMUM] = "maximum", [BL_BOUND_EQUAL] = "equal"
};

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

/* ---- reference sets ---- */

static const bl_register_row *find_register(const bl_tee *row, blind_span name)
{
    for (const bl_register_row *r = row->registers; r && r->name; r++)
        if (bl_span_equal(name, bl_span_str(r->name)))
            return r;
    return NULL;
}

/* Hexadecimal of one of the register's sizes; "any" says in so many letters that its
 * value does not matter. */
static blind_code load_register(bl_rule_register *out, const bl_tee *row, const bl_toml *at,
                                blind_error *err)
{
    const bl_register_row *reg = find_register(row, at->key);
    blind_span             text;
    if (!reg)
        return bl_load_unknown(at, err);
    BL_TRY(bl_load_string(at, &text, err));
    out->name = reg->name;
    out->size = reg->more && text.size == 2 * reg->more ? reg->more : reg->size;
    out->any = bl_span_equal(text, BL_LITERAL("any"));
    return out->any ? BLIND_OK : bl_load_hex(at, out->value, out->size, err);
}

static blind_code load_set_name(blind_policy *p, bl_rule_set *out, const bl_toml *at,
                                blind_error *err)
{
    blind_span name;
    BL_TRY(bl_load_string(at, &name, err));
    if (!bl_load_is_plain(name))
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE,
                            "a set's name is 1 to 64 printable ASCII characters");
    out->name = bl_arena_copy(&p->arena, name);
    return out->name ? BLIND_OK : no_memory(err);
}

static blind_code load_set(blind_policy *p, const bl_tee *row, const bl_toml *at, size_t number,
                           bl_rule_set *out, blind_error *err)
{
    bl_rule_register *regs;
    BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_POLICY, STAGE, err));
    regs = bl_arena_array(&p->arena, at->len + 1, sizeof *regs);
    out->name = bl_arena_printf(&p->arena, "set %zu", number);
    out->registers = regs;
    if (!regs || !out->name)
        return no_memory(err);
    for (const bl_toml *c = at->first; c; c = c->next)
        if (bl_span_equal(c->key, BL_LITERAL("name")))
            BL_TRY(load_set_name(p, out, c, err));
        else
            BL_TRY(load_register(&regs[out->registers_len++], row, c, err));
    if (out->registers_len == 0)
        return bl_toml_fail(at, err, BLIND_POLICY_OPEN, STAGE,
                            "a reference set without a measurement");
    return BLIND_OK;
}

static blind_code load_reference(blind_policy *p, bl_rule_tee *tee, const bl_toml *at,
                                 blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    bl_rule_set *sets = bl_arena_array(&p->arena, at->len + 1, sizeof *sets);
    if (!sets)
        return no_memory(err);
    tee->sets = sets;
    for (const bl_toml *c = at->first; c; c = c->next) {
        BL_TRY(load_set(p, tee->row, c, tee->sets_len + 1, &sets[tee->sets_len], err));
        tee->sets_len++;
    }
    return BLIND_OK;
}

/* ---- bounds ---- */

static const bl_fact_row *find_fact(const bl_tee *row, blind_span name)
{
    for (const bl_fact_row *f = row->facts; f && f->name; f++)
        if (bl_span_equal(name, bl_span_str(f->name)))
            return f;
    return NULL;
}

static blind_code load_fact_bytes(blind_policy *p, const bl_toml *at, bl_rule_bound *out,
                                  blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    out->size = out->row->size ? out->row->size : text.size / 2;
    if (out->size > BL_MAX_FACT_SIZE)
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "longer than %d bytes", BL_MAX_FACT_SIZE);
    uint8_t *bytes = bl_arena_alloc(&p->arena, out->size + 1);
    if (!bytes)
        return no_memory(err);
    out->bytes = bytes;
    return bl_load_hex(at, bytes, out->size, err);
}

static blind_code load_fact_text(blind_policy *p, const bl_toml *at, bl_rule_bound *out,
                                 blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    if (text.size == 0 || text.size > BL_MAX_FACT_SIZE || memchr(text.data, 0, text.size))
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected 1 to %d bytes of text",
                            BL_MAX_FACT_SIZE);
    const char *copy = bl_arena_copy(&p->arena, text);
    if (!copy)
        return no_memory(err);
    out->bytes = (const uint8_t *)copy;
    out->size = text.size;
    return BLIND_OK;
}

static blind_code load_value(blind_policy *p, const bl_toml *at, bl_rule_bound *out,
                             blind_error *err)
{
    bool truth;
    switch (out->row->kind) {
    case BL_FACT_NUMBER:
        BL_TRY(bl_toml_want(at, BL_TOML_INTEGER, BLIND_POLICY, STAGE, err));
        if (at->integer < 0)
            return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "a negative number");
        out->number = (uint64_t)at->integer;
        return BLIND_OK;
    case BL_FACT_FLAG:
        BL_TRY(bl_load_bool(at, &truth, err));
        out->number = truth;
        return BLIND_OK;
    case BL_FACT_TEXT:
        return load_fact_text(p, at, out, err);
    default:
        return load_fact_bytes(p, at, out, err);
    }
}

static blind_code load_bound(blind_policy *p, bl_rule_tee *tee, bl_bound_kind kind,
                             const bl_toml *at, bl_rule_bound *bounds, blind_error *err)
{
    const bl_fact_row *row = find_fact(tee->row, at->key);
    if (!row)
        return bl_load_unknown(at, err);
    if (kind != BL_BOUND_EQUAL && row->kind != BL_FACT_NUMBER)
        return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "no number: it can only be in 'equal'");
    bounds[tee->bounds_len] = (bl_rule_bound){ .kind = kind, .row = row };
    BL_TRY(load_value(p, at, &bounds[tee->bounds_len], err));
    tee->bounds_len++;
    return BLIND_OK;
}

/* Room for one bound of each kind on each fact. */
static bl_rule_bound *bounds_of(blind_policy *p, bl_rule_tee *tee)
{
    size_t rows = 0;
    if (tee->bounds)
        return (bl_rule_bound *)(uintptr_t)tee->bounds;
    for (const bl_fact_row *f = tee->row->facts; f && f->name; f++)
        rows++;
    bl_rule_bound *bounds =
        bl_arena_array(&p->arena, BL_BOUND_KINDS * rows + 1, sizeof(bl_rule_bound));
    tee->bounds = bounds;
    return bounds;
}

static blind_code load_bounds(blind_policy *p, bl_rule_tee *tee, bl_bound_kind kind,
                              const bl_toml *at, blind_error *err)
{
    bl_rule_bound *bounds = bounds_of(p, tee);
    BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_POLICY, STAGE, err));
    if (!bounds)
        return no_memory(err);
    for (const bl_toml *c = at->first; c; c = c->next)
        BL_TRY(load_bound(p, tee, kind, c, bounds, err));
    return BLIND_OK;
}

static bool is_bounded(const bl_rule_tee *tee, const bl_fact_row *row)
{
    for (size_t i = 0; i < tee->bounds_len; i++)
        if (tee->bounds[i].row == row && tee->bounds[i].kind != BL_BOUND_MINIMUM)
            return true;
    return false;
}

/* ---- the other rules ---- */

static blind_code load_tcb(blind_policy *p, bl_rule_tee *tee, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    const char **list = bl_arena_array(&p->arena, at->len + 1, sizeof *list);
    if (!list)
        return no_memory(err);
    tee->tcb = list;
    for (const bl_toml *c = at->first; c; c = c->next) {
        blind_span         word;
        const char *const *known = tee->row->tcb_statuses;
        BL_TRY(bl_load_string(c, &word, err));
        while (*known && !bl_span_equal(word, bl_span_str(*known)))
            known++;
        if (!*known)
            return bl_toml_fail(c, err, BLIND_POLICY, STAGE, "no TCB status of %s", tee->tee);
        list[tee->tcb_len++] = *known;
    }
    if (tee->tcb_len)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "no status allowed: nothing would pass");
}

/* One of two words; the second is the looser one. */
static blind_code load_choice(const bl_toml *at, const char *strict, const char *loose, bool *out,
                              blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    *out = bl_span_equal(text, bl_span_str(loose));
    if (*out || bl_span_equal(text, bl_span_str(strict)))
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected \"%s\" or \"%s\"", strict, loose);
}

static blind_code load_age(const bl_toml *at, int64_t *out, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_INTEGER, BLIND_POLICY, STAGE, err));
    *out = at->integer;
    if (*out >= 1 && *out <= BL_MAX_FRESHNESS_S)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected seconds, at least 1");
}

static blind_code load_digests(blind_policy *p, const bl_toml *at, const uint8_t (**out)[32],
                               size_t *len, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    uint8_t(*list)[32] = bl_arena_array(&p->arena, at->len + 1, sizeof *list);
    if (!list)
        return no_memory(err);
    for (const bl_toml *c = at->first; c; c = c->next)
        BL_TRY(bl_load_hex(c, list[(*len)++], 32, err));
    *out = (const uint8_t(*)[32])list;
    return BLIND_OK;
}

static blind_code load_hardware(blind_policy *p, bl_rule_tee *tee, const bl_toml *at,
                                blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_ARRAY, BLIND_POLICY, STAGE, err));
    blind_span *list = bl_arena_array(&p->arena, at->len + 1, sizeof *list);
    if (!list)
        return no_memory(err);
    tee->hardware = list;
    for (const bl_toml *c = at->first; c; c = c->next) {
        blind_span text;
        BL_TRY(bl_load_string(c, &text, err));
        uint8_t *bytes = bl_arena_alloc(&p->arena, text.size / 2 + 1);
        if (!bytes)
            return no_memory(err);
        if (text.size == 0 || text.size > 256)
            return bl_toml_fail(c, err, BLIND_POLICY, STAGE, "expected 1 to 128 bytes");
        BL_TRY(bl_load_hex(c, bytes, text.size / 2, err));
        list[tee->hardware_len++] = bl_span(bytes, text.size / 2);
    }
    if (tee->hardware_len)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "no hardware allowed: nothing would pass");
}

static blind_code load_verify_rule(blind_policy *p, bl_rule_tee *tee, const bl_toml *at,
                                   blind_error *err)
{
    const bl_tee    *row = tee->row;
    bl_verify_rules *v = &tee->verify;
    blind_span       key = at->key;
    if (row->has_collateral && bl_span_equal(key, BL_LITERAL("collateral")))
        return load_choice(at, "required", "none", &v->no_collateral, err);
    if (row->has_collateral && bl_span_equal(key, BL_LITERAL("collateral_age_s")))
        return load_age(at, &v->collateral_age_s, err);
    if (row->has_crl && bl_span_equal(key, BL_LITERAL("crl")))
        return load_choice(at, "required", "optional", &v->crl_optional, err);
    if (row->has_sha1 && bl_span_equal(key, BL_LITERAL("allow_sha1")))
        return bl_load_bool(at, &v->allow_sha1, err);
    if (row->has_pins && bl_span_equal(key, BL_LITERAL("keys")))
        return load_digests(p, at, &v->keys, &v->keys_len, err);
    if (row->has_pins && bl_span_equal(key, BL_LITERAL("authorities")))
        return load_digests(p, at, &v->authorities, &v->authorities_len, err);
    return bl_load_unknown(at, err);
}

static blind_code load_rule(blind_policy *p, bl_rule_tee *tee, const bl_toml *at, blind_error *err)
{
    if (bl_span_equal(at->key, BL_LITERAL("reference")))
        return load_reference(p, tee, at, err);
    for (size_t i = 0; i < BL_BOUND_KINDS; i++)
        if (tee->row->facts && bl_span_equal(at->key, bl_span_str(bl_bound_names[i])))
            return load_bounds(p, tee, (bl_bound_kind)i, at, err);
    if (tee->row->tcb_statuses && bl_span_equal(at->key, BL_LITERAL("allow_tcb")))
        return load_tcb(p, tee, at, err);
    if (!tee->row->simulated && bl_span_equal(at->key, BL_LITERAL("hardware")))
        return load_hardware(p, tee, at, err);
    return load_verify_rule(p, tee, at, err);
}

blind_code bl_load_tee(blind_policy *p, bl_rule_tee *tee, const bl_toml *at, blind_error *err)
{
    BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_POLICY, STAGE, err));
    for (const bl_toml *c = at->first; c; c = c->next)
        BL_TRY(load_rule(p, tee, c, err));
    return BLIND_OK;
}

blind_code bl_load_tee_defaults(blind_policy *p, bl_rule_tee *tee, blind_error *err)
{
    bl_rule_bound *bounds = bounds_of(p, tee);
    if (!bounds)
        return no_memory(err);
    for (const bl_fact_row *f = tee->row->facts; f && f->name; f++)
        if (f->fallback != BL_FREE && !is_bounded(tee, f))
            bounds[tee->bounds_len++] =
                (bl_rule_bound){ .kind =
                                     f->fallback == BL_AT_MOST ? BL_BOUND_MAXIMUM : BL_BOUND_EQUAL,
                                 .row = f,
                                 .number = f->limit };
    if (tee->tcb_len == 0 && tee->row->tcb_statuses) {
        tee->tcb = tee->row->tcb_statuses;
        tee->tcb_len = 1;
    }
    return BLIND_OK;
}
