/* Chooses the next token from a model's logits.
 *
 * In this order: penalties and bias change the logits; a mask takes tokens out; the temperature
 * divides; what is left by top_k, then top_p, then min_p, then typical_p is drawn from.  The draw
 * for position n depends on the seed and on n alone, so tokens that were guessed ahead and checked
 * later come out as they would have one by one.
 *
 * Sources: Holtzman et al. 2019, arXiv:1904.09751 (top-p); Nguyen et al. 2024, arXiv:2407.01082
 * (min-p); Meister et al. 2022, arXiv:2202.00666 (typical); Keskar et al. 2019, arXiv:1909.05858
 * (repetition penalty); OpenAI, "API reference" (frequency and presence penalties, logit bias). */
#ifndef BL_LLM_SAMPLER_H
#define BL_LLM_SAMPLER_H

#include "llm/tokens.h"

typedef struct {
    int32_t id;
    float   bias; /* is added to the logit; -100 or less takes the token out */
} bl_logit_bias;

typedef struct {
    double               temperature;        /* 0, or below 0.0001: the likeliest */
    size_t               top_k;              /* 0: all */
    double               top_p;              /* in (0, 1]; 1: all */
    double               min_p;              /* in [0, 1]; 0: all */
    double               typical_p;          /* in (0, 1]; 1: all */
    double               repetition_penalty; /* over prompt and answer; 1: none */
    double               frequency_penalty;  /* over the answer, for each time; 0: none */
    double               presence_penalty;   /* over the answer, once; 0: none */
    uint64_t             seed;
    const bl_logit_bias *bias; /* [n_bias], each token once; copied */
    size_t               n_bias;
} bl_sampling;

#define BL_SAMPLING_PLAIN                                                                          \
    ((bl_sampling){ .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1 })

typedef struct {
    int32_t id;
    float   logprob; /* natural logarithm of the probability that the model itself gives */
} bl_logprob;

enum { BL_NO_LOGPROB = -1 }; /* the id of places that a small vocabulary leaves empty */

typedef struct bl_sampler bl_sampler;

/* Errors INPUT (a number out of its range, a bias of no token), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_sampler_new(size_t vocabulary, const bl_sampling *options,
                                         bl_sampler **out, blind_error *err);
void                      bl_sampler_free(bl_sampler *s);

/* Tells of a token that was said: in the prompt, or in the answer. */
void bl_sampler_saw(bl_sampler *s, int32_t id, bool answer);

/* Chooses the token at position `position` of the answer; allocates nothing.
 *
 * logits  [vocabulary], borrowed
 * mask    [(vocabulary + 31) / 32], bit id % 32 of word id / 32 is set where a token may come, or
 *         NULL: any may
 * Errors  INPUT (logits that are not numbers), UNSUPPORTED (the mask leaves no token) */
BLIND_MUST_USE blind_code bl_sampler_pick(bl_sampler *s, const float *logits, const uint32_t *mask,
                                          uint64_t position, int32_t *out, blind_error *err);

/* What the model itself thinks, before penalties, mask and temperature: the logprob of `id`, and
 * the `n` likeliest tokens, the likeliest first, n <= BL_MAX_LOGPROBS. */
float bl_logprobs(const float *logits, size_t vocabulary, int32_t id, bl_logprob *top, size_t n);

#endif
