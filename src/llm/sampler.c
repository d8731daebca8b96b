/* The chain from logits to a token, in memory that is taken once. */
#include "llm/sampler.h"

#include "base/limits.h"

#include <math.h>
#include <stdlib.h>

/* A token that is farther below the likeliest than this, in units of the temperature, cannot change
 * a draw of 53 bits. */
static const float FARTHEST = 64;

/* Below it the temperature is as good as 0. */
static const double COLDEST = 1e-4;

typedef struct {
    int32_t id;
    float   value; /* its logit over the temperature, then its probability */
} candidate;

typedef struct {
    double value; /* how far a candidate's information is from the mean */
    size_t at;
} surprise;

struct bl_sampler {
    size_t      vocabulary;
    bl_sampling options;
    float      *logits;     /* [vocabulary], as changed */
    uint32_t   *answered;   /* [vocabulary] times in the answer */
    uint8_t    *said;       /* [vocabulary] in the prompt or the answer */
    int32_t    *seen;       /* those of `said`, in the order of their first time */
    candidate  *candidates; /* [vocabulary] */
    surprise   *surprises;  /* [vocabulary], or NULL where typical_p leaves all */
    size_t      n_seen;
};

/* Options.  ---------------------------------------------------------------------------------- */

static blind_code within(const char *name, double value, double low, double high, blind_error *err)
{
    if (value >= low && value <= high)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "llm.sampler", "%s is %g, expected %g to %g", name, value,
                      low, high);
}

/* A probability that must leave something. */
static blind_code some(const char *name, double value, blind_error *err)
{
    if (value > 0 && value <= 1)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "llm.sampler", "%s is %g, expected above 0, at most 1",
                      name, value);
}

static blind_code check(const bl_sampling *o, size_t vocabulary, blind_error *err)
{
    BL_TRY(within("temperature", o->temperature, 0, 100, err));
    BL_TRY(some("top_p", o->top_p, err));
    BL_TRY(within("min_p", o->min_p, 0, 1, err));
    BL_TRY(some("typical_p", o->typical_p, err));
    BL_TRY(within("repetition_penalty", o->repetition_penalty, 0.01, 100, err));
    BL_TRY(within("frequency_penalty", o->frequency_penalty, -100, 100, err));
    BL_TRY(within("presence_penalty", o->presence_penalty, -100, 100, err));
    if (vocabulary == 0 || vocabulary > BL_MAX_VOCABULARY || o->n_bias > BL_MAX_LOGIT_BIAS)
        return blind_fail(err, BLIND_LIMIT, "llm.sampler", "%zu tokens, %zu with a bias",
                          vocabulary, o->n_bias);
    for (size_t i = 0; i < o->n_bias; i++) {
        if (o->bias[i].id < 0 || (size_t)o->bias[i].id >= vocabulary)
            return blind_fail(err, BLIND_INPUT, "llm.sampler", "a bias of token %d of %zu",
                              (int)o->bias[i].id, vocabulary);
        BL_TRY(within("a bias", o->bias[i].bias, -1e6, 1e6, err));
    }
    return BLIND_OK;
}

static bool take_memory(bl_sampler *s, const bl_sampling *o)
{
    size_t         n = s->vocabulary;
    bl_logit_bias *bias = o->n_bias ? calloc(o->n_bias, sizeof *bias) : NULL;
    s->options.bias = bias;
    s->logits = malloc(n * sizeof *s->logits);
    s->answered = calloc(n, sizeof *s->answered);
    s->said = calloc(n, sizeof *s->said);
    s->seen = malloc(n * sizeof *s->seen);
    s->candidates = malloc(n * sizeof *s->candidates);
    s->surprises = o->typical_p < 1 ? malloc(n * sizeof *s->surprises) : NULL;
    if ((o->n_bias && !bias) || (o->typical_p < 1 && !s->surprises) || !s->logits || !s->answered ||
        !s->said || !s->seen || !s->candidates)
        return false;
    if (bias)
        memcpy(bias, o->bias, o->n_bias * sizeof *bias);
    return true;
}

blind_code bl_sampler_new(size_t vocabulary, const bl_sampling *options, bl_sampler **out,
                          blind_error *err)
{
    *out = NULL;
    BL_TRY(check(options, vocabulary, err));
    bl_sampler *s = calloc(1, sizeof *s);
    if (s) {
        s->vocabulary = vocabulary;
        s->options = *options;
    }
    if (!s || !take_memory(s, options)) {
        bl_sampler_free(s);
        return blind_fail(err, BLIND_MEMORY, "llm.sampler", "out of memory");
    }
    *out = s;
    return BLIND_OK;
}

/* What was said, and how likely it was, is what an answer says: wiped. */
static void wipe_free(void *data, size_t size)
{
    if (data)
        bl_wipe(data, size);
    free(data);
}

void bl_sampler_free(bl_sampler *s)
{
    if (!s)
        return;
    size_t n = s->vocabulary;
    wipe_free(s->logits, n * sizeof *s->logits);
    wipe_free(s->answered, n * sizeof *s->answered);
    wipe_free(s->said, n * sizeof *s->said);
    wipe_free(s->seen, n * sizeof *s->seen);
    wipe_free(s->candidates, n * sizeof *s->candidates);
    wipe_free(s->surprises, n * sizeof *s->surprises);
    wipe_free((void *)(uintptr_t)s->options.bias, s->options.n_bias * sizeof *s->options.bias);
    free(s);
}

void bl_sampler_saw(bl_sampler *s, int32_t id, bool answer)
{
    if (id < 0 || (size_t)id >= s->vocabulary)
        return;
    if (!s->said[id])
        s->seen[s->n_seen++] = id;
    s->said[id] = 1;
    if (answer && s->answered[id] < UINT32_MAX)
        s->answered[id]++;
}

/* The logits.  ------------------------------------------------------------------------------- */

static void penalise(bl_sampler *s)
{
    const bl_sampling *o = &s->options;
    if (o->repetition_penalty == 1 && o->frequency_penalty == 0 && o->presence_penalty == 0)
        return;
    float repetition = (float)o->repetition_penalty;
    for (size_t i = 0; i < s->n_seen; i++) {
        int32_t id = s->seen[i];
        float   x = s->logits[id];
        x = x > 0 ? x / repetition : x * repetition;
        if (s->answered[id])
            x -= (float)(o->frequency_penalty * s->answered[id] + o->presence_penalty);
        s->logits[id] = x;
    }
}

static void add_bias(bl_sampler *s)
{
    for (size_t i = 0; i < s->options.n_bias; i++) {
        bl_logit_bias b = s->options.bias[i];
        s->logits[b.id] = b.bias <= -100 ? -INFINITY : s->logits[b.id] + b.bias;
    }
}

static void apply_mask(bl_sampler *s, const uint32_t *mask)
{
    for (size_t at = 0; at < s->vocabulary; at += 32) {
        uint32_t word = mask[at / 32];
        size_t   n = BL_MIN((size_t)32, s->vocabulary - at);
        for (size_t i = 0; word != UINT32_MAX && i < n; i++)
            if (!(word >> i & 1))
                s->logits[at + i] = -INFINITY;
    }
}

/* The likeliest token, of equal ones the first; -1 when a logit is no number. */
static int32_t likeliest(const float *x, size_t n)
{
    float  most = x[0];
    size_t at = 0;
    bool   numbers = true;
    for (size_t i = 0; i < n; i++) {
        numbers &= x[i] == x[i];
        if (x[i] > most) {
            most = x[i];
            at = i;
        }
    }
    return numbers && most != INFINITY ? (int32_t)at : -1;
}

/* The candidates.  --------------------------------------------------------------------------- */

static int likelier_first(const void *left, const void *right)
{
    const candidate *a = left, *b = right;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static bool below(candidate a, candidate b)
{
    return a.value != b.value ? a.value < b.value : a.id > b.id;
}

/* Puts c[at] where it belongs in a heap whose least likely candidate is c[0]. */
static void sift(candidate *c, size_t n, size_t at)
{
    for (size_t child = 2 * at + 1; child < n; at = child, child = 2 * at + 1) {
        if (child + 1 < n && below(c[child + 1], c[child]))
            child++;
        if (!below(c[child], c[at]))
            return;
        candidate moved = c[at];
        c[at] = c[child];
        c[child] = moved;
    }
}

/* The k likeliest of n, k < n, in front and in no order. */
static void keep_top(candidate *c, size_t n, size_t k)
{
    for (size_t i = k / 2; i-- > 0;)
        sift(c, k, i);
    for (size_t i = k; i < n; i++)
        if (below(c[0], c[i])) {
            c[0] = c[i];
            sift(c, k, 0);
        }
}

/* All that may come, their logits over the temperature. */
static size_t collect(bl_sampler *s, float most)
{
    float  scale = (float)(1 / s->options.temperature);
    size_t n = 0;
    for (size_t i = 0; i < s->vocabulary; i++) {
        float x = (s->logits[i] - most) * scale;
        s->candidates[n] = (candidate){ (int32_t)i, x };
        n += x >= -FARTHEST;
    }
    return n;
}

/* Logits to probabilities that are not yet divided by their sum, which is returned. */
static double exponentials(candidate *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        c[i].value = expf(c[i].value);
        sum += (double)c[i].value;
    }
    return sum;
}

/* Candidates above `least`, in their order. */
static size_t keep_above(candidate *c, size_t n, double least)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        candidate one = c[i];
        c[kept] = one;
        kept += (double)one.value >= least;
    }
    return kept;
}

/* The fewest candidates, the likeliest first, that have `share` of the sum. */
static size_t keep_share(const candidate *c, size_t n, double share)
{
    double reached = 0;
    for (size_t i = 0; i < n; i++) {
        reached += (double)c[i].value;
        if (reached >= share)
            return i + 1;
    }
    return n;
}

static int less_surprising_first(const void *left, const void *right)
{
    const surprise *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* Those whose information is nearest to the mean, until they have typical_p of the sum; sorted by
 * likelihood again. */
static size_t keep_typical(candidate *c, size_t n, double share, surprise *room)
{
    double sum = 0, mean = 0, reached = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)c[i].value;
    for (size_t i = 0; i < n; i++)
        mean -= (double)c[i].value / sum * log((double)c[i].value / sum);
    for (size_t i = 0; i < n; i++)
        room[i] = (surprise){ fabs(-log((double)c[i].value / sum) - mean), i };
    qsort(room, n, sizeof *room, less_surprising_first);
    size_t kept = 0;
    while (kept < n && reached < share * sum)
        reached += (double)c[room[kept++].at].value;
    for (size_t i = kept; i < n; i++)
        c[room[i].at].value = -1;
    size_t left = keep_above(c, n, 0);
    qsort(c, left, sizeof *c, likelier_first);
    return left;
}

/* What the options leave, the likeliest first unless all is left; *sum is theirs. */
static size_t choose_from(bl_sampler *s, float most, double *sum)
{
    const bl_sampling *o = &s->options;
    candidate         *c = s->candidates;
    size_t             n = collect(s, most);
    bool               all = true;
    if (o->top_k && o->top_k < n) {
        keep_top(c, n, o->top_k);
        n = o->top_k;
        all = false;
    }
    *sum = exponentials(c, n);
    if (o->min_p > 0)
        n = keep_above(c, n, o->min_p);
    if (o->top_p < 1) /* tokens less likely than this have together less than what is cut off */
        n = keep_above(c, n, BL_MIN(1.0, (1 - o->top_p) * *sum / (double)s->vocabulary));
    if (!all || o->min_p > 0 || o->top_p < 1)
        qsort(c, n, sizeof *c, likelier_first);
    if (o->top_p < 1)
        n = keep_share(c, n, o->top_p * *sum);
    if (o->typical_p < 1)
        n = keep_typical(c, n, o->typical_p, s->surprises);
    *sum = 0;
    for (size_t i = 0; i < n; i++)
        *sum += (double)c[i].value;
    return n;
}

/* The draw.  --------------------------------------------------------------------------------- */

/* SplitMix64's finisher.  Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
 * generators", figure 17 (variant 13 of Stafford). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* In [0, 1), of the seed and the position alone. */
static double draw(uint64_t seed, uint64_t position)
{
    uint64_t stream = mix(seed + 0x9e3779b97f4a7c15u);
    return (double)(mix(stream ^ mix((position + 1) * 0x9e3779b97f4a7c15u)) >> 11) * 0x1p-53;
}

static int32_t drawn(const candidate *c, size_t n, double target)
{
    double reached = 0;
    for (size_t i = 0; i < n; i++) {
        reached += (double)c[i].value;
        if (target < reached)
            return c[i].id;
    }
    return c[n - 1].id;
}

blind_code bl_sampler_pick(bl_sampler *s, const float *logits, const uint32_t *mask,
                           uint64_t position, int32_t *out, blind_error *err)
{
    memcpy(s->logits, logits, s->vocabulary * sizeof *logits);
    penalise(s);
    add_bias(s);
    if (mask)
        apply_mask(s, mask);
    int32_t best = likeliest(s->logits, s->vocabulary);
    *out = best;
    if (best < 0)
        return blind_fail(err, BLIND_INPUT, "llm.sampler", "logits that are not numbers");
    if (s->logits[best] == -INFINITY)
        return blind_fail(err, BLIND_UNSUPPORTED, "llm.sampler",
                          "no token of the vocabulary may come next");
    if (s->options.temperature < COLDEST)
        return BLIND_OK;
    double sum;
    size_t n = choose_from(s, s->logits[best], &sum);
    *out = drawn(s->candidates, n, draw(s->options.seed, position) * sum);
    return BLIND_OK;
}

/* What the model thinks.  -------------------------------------------------------------------- */

static double log_of_sum(const float *logits, size_t n)
{
    float  most = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(logits[i] - most);
    return (double)most + log(sum);
}

float bl_logprobs(const float *logits, size_t vocabulary, int32_t id, bl_logprob *top, size_t n)
{
    candidate heap[BL_MAX_LOGPROBS];
    double    base = log_of_sum(logits, vocabulary);
    size_t    kept = BL_MIN(BL_MIN(n, vocabulary), (size_t)BL_MAX_LOGPROBS);
    for (size_t i = 0; i < kept; i++)
        heap[i] = (candidate){ (int32_t)i, logits[i] };
    for (size_t i = kept / 2; i-- > 0;)
        sift(heap, kept, i);
    for (size_t i = kept; kept && i < vocabulary; i++)
        if (logits[i] > heap[0].value) {
            heap[0] = (candidate){ (int32_t)i, logits[i] };
            sift(heap, kept, 0);
        }
    qsort(heap, kept, sizeof *heap, likelier_first);
    for (size_t i = 0; i < n; i++)
        top[i] = i < kept ? (bl_logprob){ heap[i].id, (float)((double)heap[i].value - base) }
                          : (bl_logprob){ BL_NO_LOGPROB, 0 };
    bl_wipe(heap, sizeof heap);
    return id >= 0 && (size_t)id < vocabulary ? (float)((double)logits[id] - base) : -INFINITY;
}
