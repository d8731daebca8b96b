/* Recurrent layers in plain C: the specification.  Sums are kept in double. */
#include "nn/internal.h"
#include "nn/scalar.h"

blind_code bl_scalar_recurrent_pack(bl_cell cell, size_t hidden, const float *r, bl_packed **out,
                                    blind_error *err)
{
    size_t rows;
    *out = NULL;
    if (!bl_mul(hidden, bl_cell_gates(cell), &rows))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "a layer of %zu units", hidden);
    BL_TRY(bl_packed_new(rows, hidden, 1, 1, BL_LAYOUT_ROWS, out, err));
    memcpy((*out)->data, r, rows * hidden * sizeof *r);
    return BLIND_OK;
}

/* Of each direction and row: h, c, r . h, and the gates: 7 times hidden. */
enum { PARTS = 7 };

size_t bl_scalar_recurrent_scratch(const bl_recurrent *r, int threads)
{
    (void)threads;
    return r->directions * PARTS * r->rows * r->hidden * sizeof(float);
}

typedef struct {
    const bl_recurrent *r;
    const bl_direction *d;
    const float        *weights;
    float              *h, *c, *reset, *gate; /* of one row; gate [4][hidden] */
} cell_state;

/* Row `unit` of gate `g` of R times v. */
static double product(const cell_state *s, size_t g, size_t unit, const float *v)
{
    const float *w = s->weights + (g * s->r->hidden + unit) * s->r->hidden;
    double       sum = 0;
    for (size_t k = 0; k < s->r->hidden; k++)
        sum += (double)w[k] * v[k];
    return sum;
}

static float bounded(const cell_state *s, double x)
{
    float y = (float)x, clip = s->r->clip;
    return clip > 0 ? bl_unary_scalar(BL_UNARY_CLIP, y, -clip, clip) : y;
}

static float act(const cell_state *s, int which, float x)
{
    const bl_activation *a = &s->d->act[which];
    return bl_unary_scalar(a->op, x, a->a, a->b);
}

static float peep(const cell_state *s, size_t gate, size_t unit, float c)
{
    return s->d->peephole ? s->d->peephole[gate * s->r->hidden + unit] * c : 0;
}

static void lstm_step(const cell_state *s, const float *x)
{
    size_t hidden = s->r->hidden;
    for (size_t g = 0; g < 4; g++)
        for (size_t u = 0; u < hidden; u++)
            s->gate[g * hidden + u] = (float)(x[g * hidden + u] + product(s, g, u, s->h));
    for (size_t u = 0; u < hidden; u++) {
        float c = s->c[u], *gate = s->gate + u;
        float i = act(s, 0, bounded(s, gate[0] + peep(s, 0, u, c)));
        float f = act(s, 0, bounded(s, gate[2 * hidden] + peep(s, 2, u, c)));
        float g = act(s, 1, bounded(s, gate[3 * hidden]));
        if (s->r->input_forget)
            f = 1 - i;
        s->c[u] = f * c + i * g;
        float o = act(s, 0, bounded(s, gate[hidden] + peep(s, 1, u, s->c[u])));
        s->h[u] = o * act(s, 2, s->c[u]);
    }
}

static void gru_step(const cell_state *s, const float *x)
{
    size_t hidden = s->r->hidden;
    bool   after = s->r->cell == BL_CELL_GRU_AFTER;
    float *z = s->gate, *r = z + hidden, *g = r + hidden;
    for (size_t u = 0; u < hidden; u++) {
        z[u] = act(s, 0, bounded(s, x[u] + product(s, 0, u, s->h)));
        r[u] = act(s, 0, bounded(s, x[hidden + u] + product(s, 1, u, s->h)));
        s->reset[u] = r[u] * s->h[u];
    }
    for (size_t u = 0; u < hidden; u++) {
        double bias = s->d->h_bias ? s->d->h_bias[u] : 0;
        double p = after ? r[u] * (product(s, 2, u, s->h) + bias) : product(s, 2, u, s->reset);
        g[u] = act(s, 1, bounded(s, x[2 * hidden + u] + p));
    }
    for (size_t u = 0; u < hidden; u++)
        s->h[u] = (1 - z[u]) * g[u] + z[u] * s->h[u];
}

static void rnn_step(const cell_state *s, const float *x)
{
    for (size_t u = 0; u < s->r->hidden; u++)
        s->gate[u] = act(s, 0, bounded(s, x[u] + product(s, 0, u, s->h)));
    memcpy(s->h, s->gate, s->r->hidden * sizeof *s->h);
}

static void set_state(float *to, const float *from, size_t len)
{
    if (from)
        memcpy(to, from, len * sizeof *to);
    else
        memset(to, 0, len * sizeof *to);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the state in it is written */
static void one_row(const bl_recurrent *r, const bl_direction *d, size_t row, float *memory)
{
    size_t     hidden = r->hidden, steps = r->lens ? (size_t)r->lens[row] : r->steps;
    cell_state s = { .r = r,
                     .d = d,
                     .weights = d->weights ? d->weights->data : d->plain,
                     .h = memory,
                     .c = memory + hidden,
                     .reset = memory + 2 * hidden,
                     .gate = memory + 3 * hidden };
    set_state(s.h, d->h0 && steps ? d->h0 + row * r->state_row : NULL, hidden);
    set_state(s.c, d->c0 && steps ? d->c0 + row * r->state_row : NULL, hidden);
    for (size_t step = 0; step < r->steps; step++) {
        size_t       at = d->reverse && step < steps ? steps - 1 - step : step;
        const float *x = d->x + at * r->x_step + row * r->x_row;
        if (step < steps && r->cell == BL_CELL_LSTM)
            lstm_step(&s, x);
        else if (step < steps && r->cell == BL_CELL_RNN)
            rnn_step(&s, x);
        else if (step < steps)
            gru_step(&s, x);
        if (d->y)
            set_state(d->y + at * r->y_step + row * r->y_row, step < steps ? s.h : NULL, hidden);
    }
    if (d->h_out)
        memcpy(d->h_out + row * r->state_row, s.h, hidden * sizeof *s.h);
    if (d->c_out)
        memcpy(d->c_out + row * r->state_row, s.c, hidden * sizeof *s.c);
}

static void row_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const bl_recurrent *r = arg;
    one_row(r, &r->direction[index % r->directions], index / r->directions,
            (float *)r->scratch + index * PARTS * r->hidden);
}

void bl_scalar_recurrent(const bl_recurrent *r, bl_pool *pool)
{
    if (r->hidden > 0)
        bl_pool_run(pool, row_part, (void *)(uintptr_t)r, r->rows * r->directions);
}
