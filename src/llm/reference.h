/* A language model computed slowly, in double precision, as its file means it: what fast kernels
 * are held against. */
#ifndef BL_LLM_REFERENCE_H
#define BL_LLM_REFERENCE_H

#include "llm/model.h"

/* The logits of the token that follows `ids`.
 *
 * ids     each below the vocabulary, 1 <= len <= the model's context
 * out     [vocabulary] f32
 * Errors  INPUT (a token that is none, too many), MEMORY
 * Sources: Touvron et al. 2023, arXiv:2302.13971, section 2.2 (the layers); Su et al. 2021,
 * arXiv:2104.09864, section 3.2 (rotary positions); Peng et al. 2023, arXiv:2309.00071, section 3
 * (YaRN); Ainslie et al. 2023, arXiv:2305.13245 (shared keys); Jiang et al. 2024, arXiv:2401.04088,
 * section 2.1 (experts); Gemma Team 2024, arXiv:2408.00118, section 2 (soft caps, windows). */
BLIND_MUST_USE blind_code bl_llm_reference(const bl_llm_model *m, const int32_t *ids, size_t len,
                                           float *out, blind_error *err);

#endif
