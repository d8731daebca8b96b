/* Rotary positions: by how much each pair of elements turns from one position to the next. */
#ifndef BL_LLM_ROPE_H
#define BL_LLM_ROPE_H

#include "llm/model.h"

/* The angle per position of a pair < rotated / 2, with the model's scaling of long contexts.
 *
 * local   of a layer with a window
 * factor  what the rotated pair is multiplied by
 * Sources: Su et al. 2021, arXiv:2104.09864, section 3.2; Peng et al. 2023, arXiv:2309.00071,
 * section 3 (YaRN). */
double bl_rope_frequency(const bl_llm_model *m, bool local, size_t pair, double *factor);

#endif
