/* The engine: its memory, and who goes through the layers in a step. */
#include "llm/engine.h"

#include "base/clock.h"
#include "llm/engine_internal.h"

#include <stdlib.h>

#define DEFAULT_ROWS  512
#define LEAST_ROWS    16   /* of prompts, while others decode */
#define MOST_GATHERED 4096 /* tokens of prompts that somebody waits for */

static blind_code settle_options(bl_llm_engine *e, const bl_llm_engine_options *o, blind_error *err)
{
    const bl_llm_shape *s = &e->model.shape;
    bl_kv_layout        layout;
    size_t              memory = o->kv_memory;
    e->forget = o->forget;
    e->max_context = o->max_context ? BL_MIN(o->max_context, s->context) : s->context;
    e->max_rows = o->max_rows ? BL_MIN(o->max_rows, (size_t)BL_MAX_LLM_ROWS) : DEFAULT_ROWS;
    e->max_rows = BL_MAX(e->max_rows, (size_t)BL_MAX_LLM_DRAFT);
    BL_TRY(bl_kv_layout_of(o->kv_type, s->layers, s->kv_heads, s->head_width, &layout, err));
    if (memory == 0 && !bl_mul(bl_llm_pages(e->max_context), layout.page, &memory))
        return blind_fail(err, BLIND_LIMIT, "llm.engine", "a context of %zu tokens",
                          e->max_context);
    BL_TRY(bl_kv_new(&layout, memory, &e->kv, err));
    return bl_llm_forward_new(&e->model, &layout, o->isa, e->max_rows, BL_MAX(o->threads, 1),
                              &e->forward, err);
}

static blind_code open_engine(bl_llm_engine *e, bl_gguf *g, const bl_llm_engine_options *o,
                              blind_error *err)
{
    BL_TRY(bl_llm_model_open(g, &e->model, err));
    BL_TRY(settle_options(e, o, err));
    e->runs = bl_arena_array(&e->arena, e->max_rows, sizeof *e->runs);
    e->owners = bl_arena_array(&e->arena, e->max_rows, sizeof *e->owners);
    e->wanted = bl_arena_array(&e->arena, e->max_rows, sizeof *e->wanted);
    e->outs = bl_arena_array(&e->arena, e->max_rows, sizeof *e->outs);
    e->seen = bl_arena_array(&e->arena, e->model.shape.vocabulary, sizeof *e->seen);
    e->state = bl_arena_array(&e->arena, e->model.shape.width, sizeof *e->state);
    if (!e->runs || !e->owners || !e->wanted || !e->outs || !e->seen || !e->state)
        return blind_fail(err, BLIND_MEMORY, "llm.engine", "out of memory");
    return BLIND_OK;
}

blind_code bl_llm_engine_open(bl_gguf *g, const bl_llm_engine_options *options, bl_llm_engine **out,
                              blind_error *err)
{
    *out = NULL;
    bl_llm_engine *e = calloc(1, sizeof *e);
    if (!e)
        return blind_fail(err, BLIND_MEMORY, "llm.engine", "out of memory");
    e->arena.secret = true;
    blind_code code = open_engine(e, g, options, err);
    if (code == BLIND_OK)
        *out = e;
    else
        bl_llm_engine_close(e);
    return code;
}

void bl_llm_engine_close(bl_llm_engine *e)
{
    if (!e)
        return;
    bl_llm_forward_free(e->forward);
    bl_kv_free(e->kv);
    bl_arena_done(&e->arena);
    bl_llm_model_done(&e->model);
    free(e);
}

const bl_llm_model *bl_llm_engine_model(const bl_llm_engine *e)
{
    return &e->model;
}

size_t bl_llm_engine_max_context(const bl_llm_engine *e)
{
    return e->max_context;
}

size_t bl_llm_engine_size(const bl_llm_engine *e)
{
    return bl_kv_size(e->kv) + bl_llm_forward_size(e->forward) + e->arena.used;
}

bl_kv_counts bl_llm_engine_pages(const bl_llm_engine *e)
{
    return bl_kv_count(e->kv);
}

bool bl_llm_engine_wipe(bl_llm_engine *e, size_t most)
{
    return bl_kv_wipe(e->kv, most);
}

/* Steps.  ------------------------------------------------------------------------------------ */

/* What goes through the layers together. */
typedef struct {
    size_t runs, rows;
} pass;

static void add_run(bl_llm_engine *e, pass *p, bl_llm_sequence *s, size_t len)
{
    e->owners[p->runs] = s;
    e->runs[p->runs++] = (bl_llm_run){
        .ids = s->ids + s->done,
        .pages = s->pages,
        .position = s->done,
        .len = len,
        .prompt = s->done < s->prompt,
    };
    p->rows += len;
}

/* Logits that a pass asks for: after the last token of a prompt, and after each that is decoded. */
static void collect(bl_llm_engine *e, const pass *p, bl_pool *pool)
{
    size_t row = 0, len = 0;
    for (size_t i = 0; i < p->runs; i++) {
        const bl_llm_run *r = &e->runs[i];
        bl_llm_sequence  *s = e->owners[i];
        for (size_t k = 0; k < r->len; k++, row++) {
            size_t position = r->position + k;
            if (position + 1 < s->prompt)
                continue;
            e->wanted[len] = (uint32_t)row;
            e->outs[len++] = s->logits + (position - s->first) * e->model.shape.vocabulary;
        }
    }
    bl_llm_forward_logits(e->forward, e->wanted, e->outs, len, pool);
}

static void run_pass(bl_llm_engine *e, const pass *p, bl_pool *pool)
{
    if (p->rows == 0)
        return;
    bl_llm_forward_run(e->forward, e->runs, p->runs, pool);
    size_t row = 0;
    for (size_t i = 0; i < p->runs; i++) {
        bl_llm_sequence_take(e->owners[i], row, e->runs[i].len, pool);
        row += e->runs[i].len;
    }
    collect(e, p, pool);
    for (size_t i = 0; i < p->runs; i++)
        bl_llm_sequence_advance(e->owners[i], e->runs[i].len);
}

static bool decodes(const bl_llm_sequence *s)
{
    return s->done >= s->prompt && s->done < s->len;
}

/* Everybody's appended tokens, in as many passes as they need; returns how many there were. */
static size_t decode(bl_llm_engine *e, bl_llm_sequence *const *sequences, size_t len, pass *p,
                     bl_pool *pool)
{
    size_t rows = 0;
    for (size_t i = 0; i < len; i++) {
        bl_llm_sequence *s = sequences[i];
        if (!decodes(s))
            continue;
        if (p->rows + s->len - s->done > e->max_rows) {
            run_pass(e, p, pool);
            *p = (pass){ 0 };
        }
        rows += s->len - s->done;
        add_run(e, p, s, s->len - s->done);
    }
    return rows;
}

static bool is_unread(const bl_llm_sequence *s)
{
    return s->done < s->prompt;
}

/* last  number of the last sequence that counts */
static void add_prompts(bl_llm_engine *e, bl_llm_sequence *const *sequences, size_t len, pass *p,
                        size_t most, uint64_t last)
{
    most = BL_MIN(most, e->max_rows - p->rows);
    for (size_t i = 0; i < len && most > 0; i++) {
        bl_llm_sequence *s = sequences[i];
        if (!is_unread(s) || s->number > last)
            continue;
        bl_llm_sequence_take_over(s);
        size_t rows = BL_MIN(s->prompt - s->done, most);
        add_run(e, p, s, rows);
        most -= rows;
    }
}

/* How many tokens of prompts may join so many that decode. */
static size_t rows_in(const bl_llm_engine *e, size_t decoding, uint64_t budget_ns)
{
    if (decoding == 0)
        return e->max_rows;
    if (budget_ns == 0)
        budget_ns = e->decode_ns / 4 * 3;
    if (e->row_ns <= 0)
        return LEAST_ROWS;
    double rows = BL_MIN((double)budget_ns / e->row_ns, (double)e->max_rows);
    return BL_MAX((size_t)rows, (size_t)LEAST_ROWS);
}

static double average(double so_far, double now)
{
    return so_far > 0 ? (3 * so_far + now) / 4 : now;
}

/* What steps took: running averages.  A token of a prompt costs what comes on top of reading the
 * weights; few tell too little of it. */
static void learn(bl_llm_engine *e, size_t prompts, uint64_t ns)
{
    double rest = (double)(ns - BL_MIN(ns, e->decode_ns));
    if (prompts == 0)
        e->decode_ns = (uint64_t)average((double)e->decode_ns, (double)ns);
    else if (prompts >= LEAST_ROWS)
        e->row_ns = average(e->row_ns, rest / (double)prompts);
}

/* Sequences that come at about the same time begin to decode together: a pass over few tokens of a
 * prompt, beside those that decode, costs nearly as much as one over many.  So whoever would be the
 * first to decode waits for the prompts that are there then, unless they are long; for later ones
 * nobody waits, and who has begun is never held up.  True while there is somebody to wait for. */
static bool gathers(bl_llm_engine *e, bl_llm_sequence *const *sequences, size_t len)
{
    size_t   unread = 0, awaited = 0;
    uint64_t last = 0;
    bool     waits = false;
    for (size_t i = 0; i < len; i++) {
        const bl_llm_sequence *s = sequences[i];
        if (s->done > s->prompt) {
            e->gathered = 0;
            return false;
        }
        waits |= decodes(s);
        unread += s->prompt - s->done;
        awaited += is_unread(s) && s->number <= e->gathered;
        last = BL_MAX(last, s->number);
    }
    if (e->gathered && awaited == 0) { /* complete: they begin now */
        e->gathered = 0;
        return false;
    }
    if (!e->gathered && waits && unread > 0 && unread <= MOST_GATHERED)
        e->gathered = last;
    return waits && e->gathered > 0;
}

void bl_llm_step(bl_llm_engine *e, bl_llm_sequence *const *sequences, size_t len,
                 uint64_t budget_ns, bl_pool *pool)
{
    pass     p = { 0 };
    uint64_t start = bl_clock_ns();
    bool     gathering = gathers(e, sequences, len);
    size_t   decoding = gathering ? 0 : decode(e, sequences, len, &p, pool), before = p.rows;
    add_prompts(e, sequences, len, &p, rows_in(e, decoding, budget_ns),
                gathering ? e->gathered : UINT64_MAX);
    size_t prompts = p.rows - before;
    run_pass(e, &p, pool);
    if (decoding + prompts > 0)
        learn(e, prompts, bl_clock_ns() - start);
}
