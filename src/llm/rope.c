/* Frequencies of rotary positions: plain, stretched, and YaRN's mixture of both. */
#include "llm/rope.h"

#include "base/limits.h"
#include "llm/dequant.h"

#include <math.h>

/* Between which pairs YaRN passes from stretched to plain frequencies. */
static double yarn_edge(const bl_llm_shape *s, double turns)
{
    const double two_pi = 6.283185307179586;
    return (double)s->rotated * log((double)s->trained_context / (turns * two_pi)) /
           (2 * log((double)s->theta));
}

static double yarn_share(const bl_llm_shape *s, size_t pair)
{
    double low = fmax(0, floor(yarn_edge(s, 32)));
    double high = fmin((double)s->rotated - 1, ceil(yarn_edge(s, 1)));
    double at = ((double)pair - low) / fmax(0.001, high - low);
    return 1 - fmin(1, fmax(0, at));
}

/* What long contexts divide a pair's frequency by, where the file says so. */
static double divisor(const bl_llm_model *m, size_t pair)
{
    float all[BL_MAX_LLM_HEAD / 2];
    if (!m->frequencies)
        return 1;
    bl_dequant(m->frequencies->type, m->frequencies->bytes.data, m->shape.rotated / 2, all);
    return (double)all[pair];
}

double bl_rope_frequency(const bl_llm_model *m, bool local, size_t pair, double *factor)
{
    const bl_llm_shape *s = &m->shape;
    bool                own = local && m->family->local_theta;
    double              theta = own ? 10000 : (double)s->theta;
    double              f = pow(theta, -2.0 * (double)pair / (double)s->rotated);
    *factor = (double)s->attention_factor;
    if (own)
        return f;
    f /= divisor(m, pair);
    if (s->scaling == BL_ROPE_LINEAR)
        return f / (double)s->scale;
    if (s->scaling == BL_ROPE_YARN) {
        double share = yarn_share(s, pair);
        *factor *= 1 + 0.1 * log((double)s->scale);
        return f * share + f / (double)s->scale * (1 - share);
    }
    return f;
}
