/* The sampler: what each option leaves, that draws follow the distribution, and refusals. */
#include "base/limits.h"
#include "llm/sampler.h"
#include "tests/test.h"

#include <math.h>

enum { TOKENS = 8, DRAWS = 40000 };

/* Probabilities that the logits below mean: 0.4 0.2 0.15 0.1 0.08 0.04 0.02 0.01. */
static const double shares[TOKENS] = { 0.4, 0.2, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01 };

static void logits_of(const double *p, float *out)
{
    for (size_t i = 0; i < TOKENS; i++)
        out[i] = (float)log(p[i]) + 3;
}

static bl_sampler *made(bl_sampling options)
{
    bl_sampler *s;
    blind_error err = { .code = BLIND_OK };
    CHECK_CODE(BLIND_OK, bl_sampler_new(TOKENS, &options, &s, &err), err.message);
    return s;
}

static int32_t picked(bl_sampler *s, const float *logits, const uint32_t *mask, uint64_t position)
{
    int32_t id;
    CHECK_CODE(BLIND_OK, bl_sampler_pick(s, logits, mask, position, &id, NULL), "pick");
    CHECK(id >= 0 && id < TOKENS);
    return id;
}

/* Draws many tokens and holds their counts against the probabilities: chi-squared with at most 7
 * degrees of freedom is above 30 once in 10,000 seeds; the seed is fixed. */
static void expect_shares(bl_sampling options, const uint32_t *mask, const double *want)
{
    float  logits[TOKENS];
    size_t counts[TOKENS] = { 0 };
    double sum = 0, chi = 0;
    options.seed = 7;
    bl_sampler *s = made(options);
    logits_of(shares, logits);
    for (uint64_t i = 0; i < DRAWS; i++)
        counts[picked(s, logits, mask, i)]++;
    bl_sampler_free(s);
    for (size_t i = 0; i < TOKENS; i++)
        sum += want[i];
    for (size_t i = 0; i < TOKENS; i++) {
        double expected = want[i] / sum * DRAWS, off = (double)counts[i] - expected;
        if (want[i] == 0)
            assert_int_equal(0, counts[i]);
        else
            chi += off * off / expected;
    }
    if (chi > 30)
        fail_msg("chi-squared %g", chi);
}

TEST(draws_follow_the_distribution_of_each_option)
{
    bl_sampling o = BL_SAMPLING_PLAIN;
    double      squared[TOKENS];
    expect_shares(o, NULL, shares);
    o.temperature = 0.5;
    for (size_t i = 0; i < TOKENS; i++)
        squared[i] = shares[i] * shares[i];
    expect_shares(o, NULL, squared);
    o = BL_SAMPLING_PLAIN;
    o.top_k = 3;
    expect_shares(o, NULL, (const double[TOKENS]){ 0.4, 0.2, 0.15 });
    o.top_k = 100;
    expect_shares(o, NULL, shares);
    o = BL_SAMPLING_PLAIN;
    o.top_p = 0.7; /* 0.4 + 0.2 is too little */
    expect_shares(o, NULL, (const double[TOKENS]){ 0.4, 0.2, 0.15 });
    o.top_p = 1e-9;
    expect_shares(o, NULL, (const double[TOKENS]){ 1 });
    o = BL_SAMPLING_PLAIN;
    o.min_p = 0.19; /* 0.076 */
    expect_shares(o, NULL, (const double[TOKENS]){ 0.4, 0.2, 0.15, 0.1, 0.08 });
    o.min_p = 1;
    expect_shares(o, NULL, (const double[TOKENS]){ 1 });
    o = BL_SAMPLING_PLAIN;
    o.top_k = 5;
    o.top_p = 0.5 / 0.93; /* of what top_k leaves */
    expect_shares(o, NULL, (const double[TOKENS]){ 0.4, 0.2 });
}

TEST(typical_sampling_takes_what_is_nearest_to_the_mean_information)
{
    /* The mean is 1.706 nats: 0.2 (1.609), 0.15 (1.897), 0.1 (2.303), then 0.4 (0.916). */
    bl_sampling o = BL_SAMPLING_PLAIN;
    o.typical_p = 0.19;
    expect_shares(o, NULL, (const double[TOKENS]){ 0, 0.2 });
    o.typical_p = 0.34;
    expect_shares(o, NULL, (const double[TOKENS]){ 0, 0.2, 0.15 });
    o.typical_p = 0.8;
    expect_shares(o, NULL, (const double[TOKENS]){ 0.4, 0.2, 0.15, 0.1 });
}

TEST(a_mask_leaves_only_its_tokens)
{
    bl_sampling    o = BL_SAMPLING_PLAIN;
    const uint32_t mask = 0xb2; /* 1, 4, 5, 7 */
    expect_shares(o, &mask, (const double[TOKENS]){ 0, 0.2, 0, 0, 0.08, 0.04, 0, 0.01 });
    o.temperature = 0;
    expect_shares(o, &mask, (const double[TOKENS]){ 0, 1 });
    o.top_p = 0.5; /* of what the mask leaves */
    o.temperature = 1;
    expect_shares(o, &mask, (const double[TOKENS]){ 0, 1 });
}

TEST(bias_moves_a_token_or_takes_it_out)
{
    const bl_logit_bias bias[] = { { 0, -100 }, { 2, (float)log(2) } };
    bl_sampling         o = BL_SAMPLING_PLAIN;
    o.bias = bias;
    o.n_bias = 2;
    expect_shares(o, NULL, (const double[TOKENS]){ 0, 0.2, 0.3, 0.1, 0.08, 0.04, 0.02, 0.01 });
}

TEST(penalties_count_what_was_said)
{
    float       logits[TOKENS] = { 4, 3, 2, -1, 0, 0, 0, 0 };
    bl_sampling o = BL_SAMPLING_PLAIN;
    o.temperature = 0;
    o.repetition_penalty = 2;
    bl_sampler *s = made(o);
    bl_sampler_saw(s, 0, false);
    bl_sampler_saw(s, 0, false);
    bl_sampler_saw(s, -1, true);
    bl_sampler_saw(s, TOKENS, true);
    assert_int_equal(1, picked(s, logits, NULL, 0)); /* 4 / 2, once */
    bl_sampler_saw(s, 1, true);
    assert_int_equal(0, picked(s, logits, NULL, 1)); /* 2, 1.5, 2: the first */
    bl_sampler_free(s);
    o.repetition_penalty = 1;
    o.frequency_penalty = 0.6;
    s = made(o);
    bl_sampler_saw(s, 0, false);
    assert_int_equal(0, picked(s, logits, NULL, 0)); /* the prompt does not count */
    bl_sampler_saw(s, 0, true);
    assert_int_equal(0, picked(s, logits, NULL, 1));
    bl_sampler_saw(s, 0, true);
    assert_int_equal(1, picked(s, logits, NULL, 2)); /* 4 - 1.2 */
    bl_sampler_free(s);
    o.frequency_penalty = 0;
    o.presence_penalty = 0.6;
    s = made(o);
    for (int i = 0; i < 5; i++)
        bl_sampler_saw(s, 0, true);
    assert_int_equal(0, picked(s, logits, NULL, 0)); /* once only */
    bl_sampler_free(s);
}

TEST(the_same_seed_and_position_draw_the_same_token_and_others_do_not)
{
    float       logits[TOKENS] = { 0 };
    bl_sampling o = BL_SAMPLING_PLAIN;
    size_t      same = 0, next = 0, pairs[TOKENS][TOKENS] = { { 0 } };
    o.seed = 1;
    bl_sampler *a = made(o), *again = made(o);
    o.seed = 2;
    bl_sampler *b = made(o);
    for (uint64_t i = 4000; i-- > 0;) { /* in any order */
        int32_t id = picked(a, logits, NULL, i), other = picked(b, logits, NULL, i);
        assert_int_equal(id, picked(again, logits, NULL, i));
        same += id == other;
        next += id == picked(a, logits, NULL, i + 1);
        pairs[id][other]++;
    }
    CHECK(same > 350 && same < 650 && next > 350 && next < 650); /* 500, 5 sigma is 105 */
    for (size_t i = 0; i < BL_LEN(pairs); i++)
        for (size_t j = 0; j < BL_LEN(pairs); j++)
            CHECK(pairs[i][j] > 20 && pairs[i][j] < 110); /* 62 */
    bl_sampler_free(a);
    bl_sampler_free(again);
    bl_sampler_free(b);
}

TEST(the_likeliest_of_equals_is_the_first_and_what_is_no_number_is_refused)
{
    float       logits[TOKENS] = { 1, 2, 2, 0, 0, 0, 0, 0 };
    bl_sampling o = BL_SAMPLING_PLAIN;
    int32_t     id;
    o.temperature = 0;
    bl_sampler *s = made(o);
    assert_int_equal(1, picked(s, logits, NULL, 0));
    const uint32_t none = 0;
    CHECK_CODE(BLIND_UNSUPPORTED, bl_sampler_pick(s, logits, &none, 0, &id, NULL), "empty mask");
    for (size_t i = 0; i < TOKENS; i++) {
        float wrong[TOKENS] = { 0 };
        wrong[i] = NAN;
        CHECK_CODE(BLIND_INPUT, bl_sampler_pick(s, wrong, NULL, 0, &id, NULL), "NaN");
        wrong[i] = INFINITY;
        CHECK_CODE(BLIND_INPUT, bl_sampler_pick(s, wrong, NULL, 0, &id, NULL), "infinity");
        wrong[i] = -INFINITY;
        CHECK_CODE(BLIND_OK, bl_sampler_pick(s, wrong, NULL, 0, &id, NULL), "no chance");
        assert_int_equal(i == 0, id);
    }
    bl_sampler_free(s);
}

static void expect_code(blind_code want, bl_sampling o, const char *name)
{
    bl_sampler *s;
    CHECK_CODE(want, bl_sampler_new(TOKENS, &o, &s, NULL), name);
    CHECK((s != NULL) == (want == BLIND_OK));
    bl_sampler_free(s);
}

TEST(options_out_of_their_range_are_refused)
{
    bl_sampling o;
    const struct {
        const char *name;
        double     *field, value;
        blind_code  want;
    } cases[] = {
        { "temperature 0", &o.temperature, 0, BLIND_OK },
        { "temperature 100", &o.temperature, 100, BLIND_OK },
        { "temperature below 0", &o.temperature, -0.1, BLIND_INPUT },
        { "temperature NaN", &o.temperature, NAN, BLIND_INPUT },
        { "temperature infinite", &o.temperature, INFINITY, BLIND_INPUT },
        { "top_p 0", &o.top_p, 0, BLIND_INPUT },
        { "top_p above 1", &o.top_p, 1.01, BLIND_INPUT },
        { "top_p NaN", &o.top_p, NAN, BLIND_INPUT },
        { "min_p below 0", &o.min_p, -0.01, BLIND_INPUT },
        { "min_p above 1", &o.min_p, 1.01, BLIND_INPUT },
        { "typical_p 0", &o.typical_p, 0, BLIND_INPUT },
        { "typical_p 2", &o.typical_p, 2, BLIND_INPUT },
        { "repetition_penalty 0", &o.repetition_penalty, 0, BLIND_INPUT },
        { "repetition_penalty NaN", &o.repetition_penalty, NAN, BLIND_INPUT },
        { "frequency_penalty 101", &o.frequency_penalty, 101, BLIND_INPUT },
        { "presence_penalty -101", &o.presence_penalty, -101, BLIND_INPUT },
        { "presence_penalty -2", &o.presence_penalty, -2, BLIND_OK },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        o = BL_SAMPLING_PLAIN;
        *cases[i].field = cases[i].value;
        expect_code(cases[i].want, o, cases[i].name);
    }
    static const bl_logit_bias wrong[] = { { TOKENS, 1 }, { -1, 1 }, { 0, NAN } };
    for (size_t i = 0; i < BL_LEN(wrong); i++) {
        o = BL_SAMPLING_PLAIN;
        o.bias = &wrong[i];
        o.n_bias = 1;
        expect_code(BLIND_INPUT, o, "a bias of no token, or of no number");
    }
    o.n_bias = BL_MAX_LOGIT_BIAS + 1;
    expect_code(BLIND_LIMIT, o, "too many biases");
}

TEST(logprobs_are_those_of_the_model)
{
    float      logits[TOKENS];
    bl_logprob top[BL_MAX_LOGPROBS];
    logits_of(shares, logits);
    logits[1] += 1; /* 0.2 e = 0.5437 becomes the likeliest */
    double sum = 0.8 + 0.2 * exp(1);
    CHECK(fabs((double)bl_logprobs(logits, TOKENS, 4, top, 3) - log(0.08 / sum)) < 1e-5);
    const int32_t order[] = { 1, 0, 2 };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(order[i], top[i].id);
    CHECK(fabs((double)top[0].logprob - log(0.2 * exp(1) / sum)) < 1e-5);
    CHECK(fabs((double)top[2].logprob - log(0.15 / sum)) < 1e-5);
    bl_logprobs(logits, TOKENS, 4, top, BL_MAX_LOGPROBS);
    assert_int_equal(7, top[7].id);
    assert_int_equal(BL_NO_LOGPROB, top[8].id);
    CHECK(bl_logprobs(logits, TOKENS, TOKENS, top, 0) == -INFINITY);
    double all = 0;
    for (int32_t i = 0; i < TOKENS; i++)
        all += exp((double)bl_logprobs(logits, TOKENS, i, NULL, 0));
    CHECK(fabs(all - 1) < 1e-5);
}

/* Heap, threshold and sort against the plain definition, on many random logits with equal ones. */
TEST(top_k_and_top_p_are_what_sorting_everything_gives)
{
    enum { MANY = 500 };
    float    logits[MANY];
    uint32_t state = 1;
    for (int round = 0; round < 60; round++) {
        bl_sampling o = BL_SAMPLING_PLAIN;
        for (size_t i = 0; i < MANY; i++) {
            state = state * 1664525u + 1013904223u;
            logits[i] = (float)(state >> 24) / 16;
        }
        o.top_k = 1 + (size_t)round % 20;
        o.top_p = 0.05 + (double)(round % 19) / 20;
        bl_sampler *s;
        CHECK_CODE(BLIND_OK, bl_sampler_new(MANY, &o, &s, NULL), "new");
        /* Rank and mass before a token, counted over all others. */
        double total = 0;
        for (size_t i = 0; i < MANY; i++) {
            size_t rank = 0;
            for (size_t j = 0; j < MANY; j++)
                rank += logits[j] > logits[i] || (logits[j] == logits[i] && j < i);
            total += rank < o.top_k ? exp((double)logits[i]) : 0;
        }
        for (uint64_t position = 0; position < 50; position++) {
            int32_t id;
            size_t  rank = 0;
            double  before = 0;
            CHECK_CODE(BLIND_OK, bl_sampler_pick(s, logits, NULL, position, &id, NULL), "pick");
            for (size_t j = 0; j < MANY; j++)
                if (logits[j] > logits[id] || (logits[j] == logits[id] && j < (size_t)id)) {
                    rank++;
                    before += exp((double)logits[j]);
                }
            CHECK(rank < o.top_k && before < o.top_p * total * (1 + 1e-5));
        }
        bl_sampler_free(s);
    }
}

TESTS(RUN(draws_follow_the_distribution_of_each_option),
      RUN(typical_sampling_takes_what_is_nearest_to_the_mean_information),
      RUN(a_mask_leaves_only_its_tokens), RUN(bias_moves_a_token_or_takes_it_out),
      RUN(penalties_count_what_was_said),
      RUN(the_same_seed_and_position_draw_the_same_token_and_others_do_not),
      RUN(the_likeliest_of_equals_is_the_first_and_what_is_no_number_is_refused),
      RUN(options_out_of_their_range_are_refused), RUN(logprobs_are_those_of_the_model),
      RUN(top_k_and_top_p_are_what_sorting_everything_gives))
