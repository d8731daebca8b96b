/* Mixtures of experts: each token goes through the few that its router likes best.
 *
 * Expert after expert, with all tokens of the pass that chose it.  A token's sum is in the order of
 * the experts' numbers, so it does not depend on what others chose.
 *
 * Source: Jiang et al. 2024, arXiv:2401.04088, section 2.1. */
#include "llm/forward_internal.h"

#include <math.h>

static void softmax(float *x, size_t len)
{
    float most = -INFINITY, sum = 0;
    for (size_t i = 0; i < len; i++)
        most = fmaxf(most, x[i]);
    for (size_t i = 0; i < len; i++)
        sum += x[i] = expf(x[i] - most);
    for (size_t i = 0; i < len; i++)
        x[i] /= sum;
}

static size_t best_of(const float *scores, size_t len)
{
    size_t best = 0;
    for (size_t i = 1; i < len; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* The experts that a token uses, and their shares, which add up to one. */
static void choose(const bl_llm_forward *f, size_t row)
{
    size_t    used = f->s->experts_used;
    float    *routes = f->routes + row * f->s->experts, *shares = f->shares + row * used, total = 0;
    uint32_t *chosen = f->chosen + row * used;
    softmax(routes, f->s->experts);
    for (size_t i = 0; i < used; i++) {
        size_t best = best_of(routes, f->s->experts);
        chosen[i] = (uint32_t)best;
        total += shares[i] = routes[best];
        routes[best] = -1;
    }
    for (size_t i = 0; i < used; i++)
        shares[i] /= total;
}

/* Collects the rows that chose `expert`, and what goes in. */
static size_t gather(const bl_llm_forward *f, const float *x, size_t expert, float *shares)
{
    size_t width = f->s->width, used = f->s->experts_used, len = 0;
    for (size_t row = 0; row < f->rows; row++)
        for (size_t i = 0; i < used; i++)
            if (f->chosen[row * used + i] == expert) {
                memcpy(f->gathered + len * width, x + row * width, width * sizeof *x);
                shares[len] = f->shares[row * used + i];
                f->members[len++] = (uint32_t)row;
            }
    return len;
}

static void ask(bl_llm_forward *f, const bl_forward_layer *l, const float *x, size_t expert)
{
    size_t width = f->s->width, inner = f->s->inner;
    float *shares = f->key; /* keys are in their pages */
    size_t len = gather(f, x, expert, shares);
    size_t decoded = 0;
    if (len == 0)
        return;
    while (decoded < len && f->members[decoded] < f->decoded)
        decoded++;
    bl_weights              gate = bl_weights_rows(&l->gate_experts, expert * inner, inner);
    bl_weights              up = bl_weights_rows(&l->up_experts, expert * inner, inner);
    bl_weights              down = bl_weights_rows(&l->down_experts, expert * width, width);
    const bl_forward_factor in[] = {
        { .w = &gate, .to = f->gate, .to_row = inner },
        { .w = &up, .to = f->up, .to_row = inner },
    };
    const bl_forward_factor out = { .w = &down, .to = f->gathered, .to_row = width };
    bl_forward_multiply(f, f->gathered, width, len, decoded, in, 2);
    bl_forward_activate(f, len);
    bl_forward_multiply(f, f->gate, inner, len, decoded, &out, 1);
    for (size_t i = 0; i < len; i++)
        f->k->add_scaled(f->out + f->members[i] * width, f->gathered + i * width, shares[i], width);
}

void bl_forward_experts(bl_llm_forward *f, const bl_forward_layer *l, const float *x)
{
    const bl_forward_factor router = {
        .w = &l->router,
        .to = f->routes,
        .to_row = f->s->experts,
    };
    bl_forward_multiply(f, x, f->s->width, f->rows, f->decoded, &router, 1);
    memset(f->out, 0, f->rows * f->s->width * sizeof *f->out);
    for (size_t row = 0; row < f->rows; row++)
        choose(f, row);
    for (size_t expert = 0; expert < f->s->experts; expert++)
        ask(f, l, x, expert);
}
