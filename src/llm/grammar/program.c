/* Writes programs, and finds out what of them can come to an end. */
#include "llm/grammar/program.h"

#include "base/limits.h"

#include <stdlib.h>

void bl_program_init(bl_program *p)
{
    *p = (bl_program){ .ops = { .max = BL_MAX_GRAMMAR_OPS * sizeof(bl_op) },
                       .rules = { .max = BL_MAX_GRAMMAR_OPS * sizeof(uint32_t) },
                       .sets = { .max = BL_MAX_GRAMMAR_SETS * sizeof(bl_byte_set) } };
    bl_rule_new(p);
}

void bl_program_done(bl_program *p)
{
    bl_buf_done(&p->ops);
    bl_buf_done(&p->rules);
    bl_buf_done(&p->sets);
}

static bl_op *ops_of(const bl_program *p)
{
    return (bl_op *)(void *)p->ops.data;
}

uint32_t bl_program_here(const bl_program *p)
{
    return (uint32_t)(p->ops.size / sizeof(bl_op));
}

static uint32_t put(bl_program *p, bl_op op)
{
    uint32_t at = bl_program_here(p);
    bl_buf_add(&p->ops, bl_span(&op, sizeof op));
    return at;
}

/* Changes an operation that is there: none is after a failure. */
static bl_op *op_at(bl_program *p, uint32_t at)
{
    static _Thread_local bl_op nothing;
    return at < bl_program_here(p) ? ops_of(p) + at : &nothing;
}

uint32_t bl_rule_new(bl_program *p)
{
    uint32_t rule = (uint32_t)(p->rules.size / sizeof(uint32_t)), nowhere = BL_NOWHERE;
    bl_buf_add(&p->rules, bl_span(&nowhere, sizeof nowhere));
    return rule;
}

void bl_rule_begin(bl_program *p, uint32_t rule)
{
    uint32_t here = bl_program_here(p);
    if (rule < p->rules.size / sizeof rule)
        memcpy(p->rules.data + rule * sizeof rule, &here, sizeof here);
}

void bl_rule_end(bl_program *p)
{
    put(p, (bl_op){ .kind = BL_OP_RETURN });
}

void bl_write_set(bl_program *p, bl_byte_set set)
{
    size_t             n = p->sets.size / sizeof set, at = 0;
    const bl_byte_set *sets = (const bl_byte_set *)p->sets.data;
    while (at < n && memcmp(&sets[at], &set, sizeof set) != 0)
        at++;
    if (at == n)
        bl_buf_add(&p->sets, bl_span(&set, sizeof set));
    put(p, (bl_op){ .kind = BL_OP_BYTES, .a = (uint32_t)at });
}

void bl_write_range(bl_program *p, uint8_t from, uint8_t to)
{
    bl_byte_set set = { { 0 } };
    bl_byte_set_add(&set, from, to);
    bl_write_set(p, set);
}

void bl_write_bytes(bl_program *p, blind_span text)
{
    for (size_t i = 0; i < text.size && !p->ops.failed; i++)
        bl_write_range(p, text.data[i], text.data[i]);
}

void bl_write_text(bl_program *p, const char *text)
{
    bl_write_bytes(p, bl_span_str(text));
}

void bl_write_call(bl_program *p, uint32_t rule)
{
    put(p, (bl_op){ .kind = BL_OP_CALL, .a = rule });
}

void bl_write_fail(bl_program *p)
{
    put(p, (bl_op){ .kind = BL_OP_FAIL });
}

uint32_t bl_write_jump(bl_program *p)
{
    return put(p, (bl_op){ .kind = BL_OP_JUMP });
}

uint32_t bl_write_split(bl_program *p)
{
    return put(p, (bl_op){ .kind = BL_OP_SPLIT, .a = bl_program_here(p) + 1 });
}

void bl_program_patch(bl_program *p, uint32_t at, uint32_t to)
{
    bl_op *op = op_at(p, at);
    if (op->kind == BL_OP_SPLIT)
        op->b = to;
    else
        op->a = to;
}

/* A choice is a chain: SPLIT to an alternative or to the next SPLIT; the last one to a FAIL. */
void bl_choice_begin(bl_choice *c)
{
    *c = (bl_choice){ BL_NOWHERE, BL_NOWHERE };
}

void bl_choice_next(bl_program *p, bl_choice *c)
{
    if (c->split != BL_NOWHERE) {
        c->ends = put(p, (bl_op){ .kind = BL_OP_JUMP, .a = c->ends });
        op_at(p, c->split)->b = bl_program_here(p);
    }
    c->split = put(p, (bl_op){ .kind = BL_OP_SPLIT });
    op_at(p, c->split)->a = c->split + 1;
}

void bl_choice_end(bl_program *p, bl_choice *c)
{
    c->ends = put(p, (bl_op){ .kind = BL_OP_JUMP, .a = c->ends });
    uint32_t fail = put(p, (bl_op){ .kind = BL_OP_FAIL });
    if (c->split != BL_NOWHERE)
        op_at(p, c->split)->b = fail;
    else
        op_at(p, c->ends)->kind = BL_OP_FAIL;
    for (uint32_t at = c->ends; at != BL_NOWHERE && !p->ops.failed;) {
        uint32_t before = op_at(p, at)->a;
        op_at(p, at)->a = fail + 1;
        at = before;
    }
}

uint32_t bl_loop_begin(bl_program *p, uint32_t min, uint32_t max)
{
    return put(p, (bl_op){ .kind = BL_OP_LOOP, .a = min, .b = max });
}

void bl_loop_end(bl_program *p, uint32_t loop)
{
    put(p, (bl_op){ .kind = BL_OP_NEXT, .a = loop });
    op_at(p, loop)->c = bl_program_here(p);
}

/* What can end.  ----------------------------------------------------------------------------- */

enum { NEVER = BL_MAX_GRAMMAR_DEPTH + 1 };

static uint16_t one_more(uint16_t need)
{
    return (uint16_t)BL_MIN(need + 1, NEVER);
}

static uint16_t need_at(const bl_grammar *g, size_t at)
{
    const bl_op *op = &g->ops[at];
    switch (op->kind) {
    case BL_OP_BYTES:
        return g->need[at + 1];
    case BL_OP_SPLIT:
        return BL_MIN(g->need[op->a], g->need[op->b]);
    case BL_OP_JUMP:
        return g->need[op->a];
    case BL_OP_CALL:
        return BL_MAX(one_more(g->need[g->rules[op->a]]), g->need[at + 1]);
    case BL_OP_LOOP:
        return op->a ? BL_MAX(one_more(g->need[at + 1]), g->need[op->c]) : g->need[op->c];
    case BL_OP_RETURN:
    case BL_OP_NEXT:
        return 0;
    default:
        return NEVER;
    }
}

/* Places need less and less until nothing changes; most jumps go forward, so that few rounds from
 * the last to the first do. */
static void find_needs(bl_grammar *g)
{
    for (size_t i = 0; i < g->n_ops; i++)
        g->need[i] = NEVER;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t at = g->n_ops; at-- > 0;) {
            uint16_t need = need_at(g, at);
            changed |= need != g->need[at];
            g->need[at] = need;
        }
    }
}

/* Splits the bytes until each set holds all or none of a class. */
static void find_classes(bl_grammar *g)
{
    uint8_t class_of[256] = { 0 };
    size_t  classes = 1;
    for (size_t s = 0; s < g->n_sets; s++) {
        int16_t renamed[256][2];
        size_t  n = 0;
        memset(renamed, -1, sizeof renamed);
        for (unsigned b = 0; b < 256; b++) {
            int16_t *to = &renamed[class_of[b]][bl_byte_set_has(&g->sets[s], (uint8_t)b)];
            if (*to < 0)
                *to = (int16_t)n++;
            class_of[b] = (uint8_t)*to;
        }
        classes = n;
    }
    g->classes = classes;
    memcpy(g->class_of, class_of, sizeof class_of);
    for (unsigned b = 256; b-- > 0;)
        g->byte_of[class_of[b]] = (uint8_t)b;
}

static void find_counts(bl_grammar *g)
{
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->ops[i].kind == BL_OP_LOOP)
            g->counts |= g->ops[i].a > 1 || (g->ops[i].b > 1 && g->ops[i].b != BL_LOOP_FOREVER);
}

static blind_code failed(const bl_program *p, blind_error *err)
{
    if (p->ops.full || p->rules.full || p->sets.full)
        return blind_fail(err, BLIND_LIMIT, "llm.grammar", "a grammar of more than %u steps",
                          BL_MAX_GRAMMAR_OPS);
    return blind_fail(err, BLIND_MEMORY, "llm.grammar", "out of memory");
}

blind_code bl_program_finish(bl_program *p, bl_grammar **out, blind_error *err)
{
    *out = NULL;
    put(p, (bl_op){ .kind = BL_OP_FAIL }); /* whatever comes last has a place behind it */
    if (p->ops.failed || p->rules.failed || p->sets.failed)
        return failed(p, err);
    bl_grammar *g = calloc(1, sizeof *g);
    size_t      n = bl_program_here(p);
    uint16_t   *need = malloc(n * sizeof *need);
    if (!g || !need) {
        free(g);
        free(need);
        return blind_fail(err, BLIND_MEMORY, "llm.grammar", "out of memory");
    }
    size_t size;
    g->n_ops = n;
    g->n_rules = p->rules.size / sizeof(uint32_t);
    g->n_sets = p->sets.size / sizeof(bl_byte_set);
    g->need = need;
    g->ops = (bl_op *)(void *)bl_buf_take(&p->ops, &size);
    g->rules = (uint32_t *)(void *)bl_buf_take(&p->rules, &size);
    g->sets = (bl_byte_set *)(void *)bl_buf_take(&p->sets, &size);
    find_needs(g);
    find_classes(g);
    find_counts(g);
    if (g->need[g->rules[0]] > BL_MAX_GRAMMAR_DEPTH) {
        bl_grammar_free(g);
        return blind_fail(err, BLIND_INPUT, "llm.grammar", "nothing can satisfy the schema");
    }
    *out = g;
    return BLIND_OK;
}

void bl_grammar_free(bl_grammar *g)
{
    if (!g)
        return;
    free(g->ops);
    free(g->rules);
    free(g->sets);
    free(g->need);
    free(g);
}
