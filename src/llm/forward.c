/* Layer after layer, each step of it split over the pool by rows, by heads or by rows of weights.
 */
#include "llm/forward_internal.h"

#include "llm/dequant.h"
#include "llm/rope.h"

#include <math.h>
#include <stdlib.h>

/* Products.  --------------------------------------------------------------------------------- */

/* Rows first..first + rows - 1 of all factors, by one kind of kernels. */
static void multiply(bl_llm_forward *f, const bl_product_kernels *k, const float *x, size_t x_row,
                     size_t first, size_t rows, const bl_forward_factor *factors, size_t len)
{
    bl_product       products[3];
    bl_product_input in;
    unsigned         forms = 0;
    for (size_t i = 0; i < len; i++)
        forms |= bl_product_form(k, factors[i].w->type);
    bl_product_prepare(k, forms, x + first * x_row, x_row, rows, factors->w->columns, f->prepared,
                       &in, f->pool);
    for (size_t i = 0; i < len; i++)
        products[i] = (bl_product){
            .w = *factors[i].w,
            .in = &in,
            .out = factors[i].to + first * factors[i].to_row,
            .out_row = factors[i].to_row,
            .bias = factors[i].bias,
            .add = factors[i].add,
        };
    bl_product_run(k, products, len, f->scratch, f->pool);
}

void bl_forward_multiply(bl_llm_forward *f, const float *x, size_t x_row, size_t rows,
                         size_t decoded, const bl_forward_factor *factors, size_t len)
{
    if (decoded > 0)
        multiply(f, f->decoding, x, x_row, 0, decoded, factors, len);
    if (decoded < rows)
        multiply(f, f->products, x, x_row, decoded, rows - decoded, factors, len);
}

/* Rows.  ------------------------------------------------------------------------------------- */

static size_t q_width(const bl_llm_forward *f)
{
    return f->s->heads * f->s->head_width;
}

static size_t kv_width(const bl_llm_forward *f)
{
    return f->s->kv_heads * f->s->head_width;
}

typedef struct {
    bl_llm_forward         *f;
    const bl_forward_layer *l;
    size_t                  layer;
    const float            *gain;
} layer_job;

static void norm_row(void *arg, size_t row, int worker)
{
    const layer_job *j = arg;
    bl_llm_forward  *f = j->f;
    size_t           width = f->s->width;
    (void)worker;
    f->k->norm(f->normed + row * width, f->x + row * width, j->gain, width, f->s->epsilon);
}

/* What a layer's half begins with; NULL: the states as they are. */
static const float *enter(bl_llm_forward *f, const float *gain)
{
    layer_job j = { .f = f, .gain = gain };
    if (!gain)
        return f->x;
    bl_forward_each(f, norm_row, &j, f->rows, f->s->width);
    return f->normed;
}

static void leave_row(void *arg, size_t row, int worker)
{
    const layer_job *j = arg;
    bl_llm_forward  *f = j->f;
    size_t           width = f->s->width;
    float           *out = f->out + row * width;
    (void)worker;
    if (j->gain)
        f->k->norm(out, out, j->gain, width, f->s->epsilon);
    f->k->add(f->x + row * width, out, width);
}

/* Adds `out` to the states, behind its norm where it has one. */
static void leave(bl_llm_forward *f, const float *gain)
{
    layer_job j = { .f = f, .gain = gain };
    bl_forward_each(f, leave_row, &j, f->rows, 2 * f->s->width);
}

/* Attention.  -------------------------------------------------------------------------------- */

/* Norms that the heads share, or one across them all. */
static void norm_heads(const bl_llm_forward *f, float *x, const float *gain, size_t heads)
{
    size_t width = f->s->head_width, count = heads;
    if (f->m->family->wide_norm) {
        width *= heads;
        count = 1;
    }
    for (size_t h = 0; gain && h < count; h++)
        f->k->norm(x + h * width, x + h * width, gain, width, f->s->epsilon);
}

static void rotate_heads(const bl_llm_forward *f, float *x, const float *turns, size_t heads)
{
    for (size_t h = 0; h < heads; h++)
        f->k->rotate(x + h * f->s->head_width, turns, f->s->rotated / 2, f->m->family->neox);
}

/* The run that a row is of, and which of its tokens it is. */
static const bl_llm_run *run_of(const bl_llm_forward *f, size_t row, size_t *token)
{
    const bl_llm_run *r = f->runs;
    while (row >= r->len)
        row -= r++->len;
    *token = row;
    return r;
}

/* Norms, positions, and the key and the value into the row's page. */
static void place_row(void *arg, size_t row, int worker)
{
    const layer_job        *j = arg;
    bl_llm_forward         *f = j->f;
    const bl_forward_layer *l = j->l;
    float                  *q = f->q + row * q_width(f), *k = f->key + row * kv_width(f);
    const float            *v = f->value + row * kv_width(f);
    const float            *turns = f->turns[l->local] + row * f->s->rotated;
    size_t                  token;
    const bl_llm_run       *r = run_of(f, row, &token);
    size_t                  position = r->position + token;
    (void)worker;
    norm_heads(f, q, l->q_norm, f->s->heads);
    norm_heads(f, k, l->k_norm, f->s->kv_heads);
    rotate_heads(f, q, turns, f->s->heads);
    rotate_heads(f, k, turns, f->s->kv_heads);
    for (size_t h = 0; h < f->s->kv_heads; h++)
        f->k->store(&f->layout, r->pages[position / BL_KV_PAGE] + bl_kv_at(&f->layout, j->layer, h),
                    position % BL_KV_PAGE, k + h * f->s->head_width, v + h * f->s->head_width);
}

static void attend_part(void *arg, size_t index, int worker)
{
    const layer_job       *j = arg;
    bl_llm_forward        *f = j->f;
    const bl_llm_shape    *s = f->s;
    size_t                 head = index % s->kv_heads, shared = s->heads / s->kv_heads;
    const bl_forward_tile *t = &f->tiles[index / s->kv_heads];
    const bl_llm_run      *r = &f->runs[t->run];
    size_t                 at = t->row * q_width(f) + head * shared * s->head_width;
    bl_attend              a = {
                     .layout = &f->layout,
                     .pages = r->pages,
                     .at = bl_kv_at(&f->layout, j->layer, head),
                     .position = r->position + t->skip,
                     .tokens = t->len,
                     .window = j->l->local ? s->window : 0,
                     .q = f->q + at,
                     .out = f->mixed + at,
                     .q_row = q_width(f),
                     .out_row = q_width(f),
                     .heads = shared,
                     .scale = s->query_scale,
                     .cap = s->softcap_attention,
                     .scratch = f->attention + (size_t)worker * f->attention_size,
    };
    if (r->prompt)
        f->k->attend_prompt(&a);
    else
        f->k->attend_decode(&a);
}

static void attention(bl_llm_forward *f, size_t layer)
{
    const bl_forward_layer *l = &f->layers[layer];
    layer_job               j = { .f = f, .l = l, .layer = layer };
    const bl_forward_factor in[] = {
        { .w = &l->q, .to = f->q, .to_row = q_width(f), .bias = l->q_bias },
        { .w = &l->k, .to = f->key, .to_row = kv_width(f), .bias = l->k_bias },
        { .w = &l->v, .to = f->value, .to_row = kv_width(f), .bias = l->v_bias },
    };
    bool                    direct = !l->post_attn_norm;
    const bl_forward_factor out = {
        .w = &l->out,
        .to = direct ? f->x : f->out,
        .to_row = f->s->width,
        .bias = l->out_bias,
        .add = direct,
    };
    bl_forward_multiply(f, enter(f, l->attn_norm), f->s->width, f->rows, f->decoded, in, 3);
    bl_forward_each(f, place_row, &j, f->rows, q_width(f) + 4 * kv_width(f));
    bl_forward_each(f, attend_part, &j, f->n_tiles * f->s->kv_heads, f->reach * f->s->head_width);
    bl_forward_multiply(f, f->mixed, q_width(f), f->rows, f->decoded, &out, 1);
    if (!direct)
        leave(f, l->post_attn_norm);
}

/* Feed-forward.  ----------------------------------------------------------------------------- */

static void activate_row(void *arg, size_t row, int worker)
{
    const layer_job *j = arg;
    bl_llm_forward  *f = j->f;
    size_t           inner = f->s->inner;
    (void)worker;
    f->k->activate(f->gate + row * inner, f->up + row * inner, inner, f->m->family->gelu);
}

void bl_forward_activate(bl_llm_forward *f, size_t rows)
{
    layer_job j = { .f = f };
    bl_forward_each(f, activate_row, &j, rows, 4 * f->s->inner);
}

static void feed_forward(bl_llm_forward *f, const bl_forward_layer *l)
{
    const float *x = enter(f, l->ffn_norm);
    bool         direct = !l->post_ffn_norm && !f->s->experts;
    if (f->s->experts) {
        bl_forward_experts(f, l, x);
    } else {
        const bl_forward_factor in[] = {
            { .w = &l->gate, .to = f->gate, .to_row = f->s->inner },
            { .w = &l->up, .to = f->up, .to_row = f->s->inner },
        };
        const bl_forward_factor out = {
            .w = &l->down,
            .to = direct ? f->x : f->out,
            .to_row = f->s->width,
            .add = direct,
        };
        bl_forward_multiply(f, x, f->s->width, f->rows, f->decoded, in, 2);
        bl_forward_activate(f, f->rows);
        bl_forward_multiply(f, f->gate, f->s->inner, f->rows, f->decoded, &out, 1);
    }
    if (!direct)
        leave(f, l->post_ffn_norm);
}

/* The pass.  --------------------------------------------------------------------------------- */

/* The token's embedding, and by how much its position turns. */
static void begin_row(void *arg, size_t row, int worker)
{
    const layer_job  *j = arg;
    bl_llm_forward   *f = j->f;
    size_t            token, width = f->s->width, half = f->s->rotated / 2;
    const bl_llm_run *r = run_of(f, row, &token);
    const bl_weights  w = bl_weights_rows(&f->embedding, (size_t)r->ids[token], 1);
    float            *x = f->x + row * width;
    (void)worker;
    bl_dequant(w.type, w.data, width, x);
    for (size_t i = 0; f->token_scale != 1 && i < width; i++)
        x[i] *= f->token_scale;
    for (int kind = 0; kind < 2; kind++) {
        float *turns = f->turns[kind] + row * f->s->rotated;
        for (size_t i = 0; i < half && f->turns_by[kind]; i++) {
            double angle = f->turns_by[kind][i] * (double)(r->position + token);
            turns[i] = (float)(cos(angle) * f->turn_factor[kind]);
            turns[half + i] = (float)(sin(angle) * f->turn_factor[kind]);
        }
    }
}

static void lay_tiles(bl_llm_forward *f)
{
    f->n_tiles = f->rows = f->decoded = f->reach = 0;
    for (size_t i = 0; i < f->n_runs; i++) {
        f->reach = BL_MAX(f->reach, f->runs[i].position + f->runs[i].len);
        for (size_t skip = 0, len; skip < f->runs[i].len; skip += len) {
            len = BL_MIN(f->runs[i].len - skip, f->runs[i].prompt ? f->tile : 1);
            f->tiles[f->n_tiles++] = (bl_forward_tile){
                .run = (uint32_t)i,
                .row = (uint32_t)f->rows,
                .skip = (uint32_t)skip,
                .len = (uint32_t)len,
            };
            f->rows += len;
        }
        if (!f->runs[i].prompt)
            f->decoded = f->rows;
    }
}

void bl_llm_forward_run(bl_llm_forward *f, const bl_llm_run *runs, size_t len, bl_pool *pool)
{
    layer_job j = { .f = f };
    f->runs = runs;
    f->n_runs = len;
    f->pool = pool;
    lay_tiles(f);
    bl_forward_each(f, begin_row, &j, f->rows, f->s->width + 16 * f->s->rotated);
    for (size_t i = 0; i < f->s->layers; i++) {
        attention(f, i);
        feed_forward(f, &f->layers[i]);
    }
    f->runs = NULL;
}

void bl_llm_forward_state(bl_llm_forward *f, size_t row, float *out)
{
    f->k->norm(out, f->x + row * f->s->width, f->out_norm, f->s->width, f->s->epsilon);
}

static void some_logits(bl_llm_forward *f, const uint32_t *rows, float *const *outs, size_t len)
{
    size_t                  vocabulary = f->s->vocabulary, width = f->s->width;
    const bl_forward_factor head = {
        .w = &f->head,
        .to = len == 1 ? outs[0] : f->logits,
        .to_row = vocabulary,
    };
    size_t decoded = 0;
    for (size_t i = 0; i < len; i++) {
        bl_llm_forward_state(f, rows[i], f->normed + i * width);
        decoded += rows[i] < f->decoded;
    }
    bl_forward_multiply(f, f->normed, width, len, decoded, &head, 1);
    for (size_t i = 0; i < len; i++) {
        if (len > 1)
            memcpy(outs[i], f->logits + i * vocabulary, vocabulary * sizeof *f->logits);
        if (f->s->softcap_logits > 0)
            f->k->soft_cap(outs[i], vocabulary, f->s->softcap_logits);
    }
}

void bl_llm_forward_logits(bl_llm_forward *f, const uint32_t *rows, float *const *outs, size_t len,
                           bl_pool *pool)
{
    f->pool = pool;
    for (size_t i = 0; i < len; i += BL_FORWARD_LOGITS)
        some_logits(f, rows + i, outs + i, BL_MIN(len - i, (size_t)BL_FORWARD_LOGITS));
}
