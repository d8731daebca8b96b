/* Random numbers: RandomUniform, RandomNormal, both as the shape of an input, Bernoulli,
 * Multinomial, and Dropout while it trains.
 *
 * The same model gives the same numbers in every run: those of numpy's RandomState (the generator
 * MT19937) for the attribute `seed` cut to an integer; a node without one takes a number made of
 * its place in the model.  So two runs differ only where their inputs do. Source: Matsumoto and
 * Nishimura 1998, "Mersenne Twister"; ONNX operators of these names. */
#include "onnx/families.h"
#include "onnx/number.h"

#include <math.h>

enum { WORDS = 624, AHEAD = 397 };

typedef struct {
    uint32_t word[WORDS];
    size_t   at;
    bool     has_spare; /* of a pair of normal numbers */
    double   spare;
} generator;

static void start(generator *g, const bl_node *n)
{
    float          seed = bl_attr_float(n, "seed", 0);
    bool           given = bl_attr_find(n, "seed") || strcmp(n->type, "Dropout") == 0;
    uint32_t       word = given ? (uint32_t)(int64_t)(fabsf(seed) < 0x1p62f ? seed : 0)
                                : 0x9e3779b9u * ((uint32_t)n->id + 1);
    const bl_attr *whole = bl_attr_find(n, "seed");
    if (whole && whole->type == BL_ATTR_INT) /* Dropout's */
        word = (uint32_t)whole->i;
    g->has_spare = false;
    g->at = WORDS;
    for (uint32_t i = 0; i < WORDS; i++) {
        g->word[i] = word;
        word = 1812433253u * (word ^ word >> 30) + i + 1;
    }
}

static void turn(generator *g)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint32_t y = (g->word[i] & 0x80000000u) | (g->word[(i + 1) % WORDS] & 0x7fffffffu);
        g->word[i] = g->word[(i + AHEAD) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    g->at = 0;
}

static uint32_t next_word(generator *g)
{
    if (g->at == WORDS)
        turn(g);
    uint32_t y = g->word[g->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [0, 1), 53 bits. */
static double uniform(generator *g)
{
    uint32_t high = next_word(g) >> 5, low = next_word(g) >> 6;
    return ((double)high * 0x1p26 + (double)low) * 0x1p-53;
}

/* Marsaglia's polar method. */
static double normal(generator *g)
{
    double a, b, r;
    if (g->has_spare) {
        g->has_spare = false;
        return g->spare;
    }
    do {
        a = 2 * uniform(g) - 1;
        b = 2 * uniform(g) - 1;
        r = a * a + b * b;
    } while (r >= 1 || r == 0);
    double factor = sqrt(-2 * log(r) / r);
    g->spare = factor * a;
    g->has_spare = true;
    return factor * b;
}

static blind_code infer_as(bl_build *b, bl_node *n, int64_t otherwise, int rank, const int64_t *dim)
{
    int to = bl_dtype_of_onnx(bl_attr_int(n, "dtype", otherwise));
    n->scratch = sizeof(generator);
    if (to < 0 || to == BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "elements of another type");
    return bl_set_out(b, n, 0, (blind_dtype)to, rank, dim);
}

/* RandomUniform, RandomNormal.  -------------------------------------------------------------- */

blind_code bl_op_random_infer(bl_build *b, bl_node *n)
{
    int64_t dim[BL_ONNX_RANK];
    size_t  rank;
    if (n->n_in) {
        const bl_tensor *x = bl_in(b, n, 0);
        return infer_as(b, n, bl_onnx_of_dtype(x->dtype), x->rank, x->dim);
    }
    BL_TRY(bl_attr_ints(b, n, "shape", dim, BL_ONNX_RANK, &rank));
    return infer_as(b, n, 1, (int)rank, dim);
}

blind_code bl_op_random_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    generator *g = x->scratch;
    bool       even = strncmp(n->type, "RandomUniform", 13) == 0;
    double     low = (double)bl_attr_float(n, "low", 0), high = (double)bl_attr_float(n, "high", 1);
    double mean = (double)bl_attr_float(n, "mean", 0), scale = (double)bl_attr_float(n, "scale", 1);
    start(g, n);
    for (size_t i = 0; i < out->len; i++)
        bl_tensor_set_number(out, i,
                             even ? low + (high - low) * uniform(g) : mean + scale * normal(g));
    return BLIND_OK;
}

/* Bernoulli: 1 with the probability that the input has.  --------------------------------------- */

blind_code bl_op_bernoulli_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    return infer_as(b, n, bl_onnx_of_dtype(x->dtype), x->rank, x->dim);
}

blind_code bl_op_bernoulli_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    generator *g = x->scratch;
    start(g, n);
    for (size_t i = 0; i < out->len; i++) {
        double p = 0;
        bl_tensor_number(bl_arg(x, n, 0), i, &p);
        bl_tensor_set_number(out, i, uniform(g) < p ? 1 : 0);
    }
    return BLIND_OK;
}

/* Multinomial: classes drawn by their unnormalised log-probabilities.  ------------------------- */

blind_code bl_op_multinomial_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[2] = { x->dim[0], bl_attr_int(n, "sample_size", 1) };
    if (x->rank != 2 || x->dim[1] < 1 || dim[1] < 0)
        return bl_op_fail(b, n, BLIND_INPUT, "an input that is no [batch, classes]");
    return infer_as(b, n, 6, 2, dim);
}

blind_code bl_op_multinomial_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    generator       *g = x->scratch;
    size_t           classes = (size_t)in->dim[1], samples = (size_t)out->dim[1];
    start(g, n);
    for (size_t i = 0; i < out->len; i++) {
        size_t row = i / samples * classes, c = 0;
        double most = -(double)INFINITY, sum = 0, v = 0;
        for (size_t k = 0; k < classes && bl_tensor_number(in, row + k, &v); k++)
            most = fmax(most, v);
        for (size_t k = 0; k < classes && bl_tensor_number(in, row + k, &v); k++)
            sum += exp(v - most);
        double left = uniform(g) * sum;
        for (; c + 1 < classes && bl_tensor_number(in, row + c, &v); c++) {
            left -= exp(v - most);
            if (left < 0)
                break;
        }
        bl_tensor_set_number(out, i, (double)c);
    }
    return BLIND_OK;
}

/* Dropout: as it is, unless input 2 says that the model trains.  The mask keeps all then; before
 * opset 12, where nothing says what it is outside of training, it is false, as ONNX Runtime has it.
 */

blind_code bl_op_dropout_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bool             may_train = n->opset >= 12 && bl_has_in(n, 2);
    if (may_train && bl_is_const(b, n, 2) && bl_in(b, n, 2)->len == 1)
        may_train = *(const uint8_t *)bl_in(b, n, 2)->data != 0;
    if (!may_train && !bl_has_out(n, 1))
        bl_set_view(b, n, 0, 0);
    n->scratch = sizeof(generator);
    BL_TRY(bl_set_out(b, n, 1, n->opset < 10 ? x->dtype : BLIND_BOOL, x->rank, x->dim));
    return bl_set_out(b, n, 0, x->dtype, x->rank, x->dim);
}

blind_code bl_op_dropout_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0), *training = n->opset < 12 ? NULL : bl_arg(x, n, 2);
    bl_tensor       *out = bl_result(x, n, 0), *mask = bl_result(x, n, 1);
    generator       *g = x->scratch;
    bool             trains = training && *(const uint8_t *)training->data;
    double           ratio = 0.5, v = 0;
    if (n->opset >= 12 && bl_arg(x, n, 1))
        bl_tensor_number(bl_arg(x, n, 1), 0, &ratio);
    if (!trains && out->data != in->data && out->len)
        memcpy(out->data, in->data, bl_tensor_size(in));
    start(g, n);
    for (size_t i = 0; i < out->len && (trains || mask); i++) {
        bool kept = trains ? uniform(g) >= ratio : n->opset >= 12;
        if (mask)
            bl_tensor_set_number(mask, i, kept);
        if (trains && bl_tensor_number(in, i, &v))
            bl_tensor_set_number(out, i, kept ? v / (1 - ratio) : 0);
    }
    return BLIND_OK;
}
