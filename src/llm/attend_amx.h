/* Attention of prompts on AMX tiles, see attend_amx.c. */
#ifndef BL_LLM_ATTEND_AMX_H
#define BL_LLM_ATTEND_AMX_H

#include "llm/layer.h"

#define BL_ATTEND_AMX_TOKENS 32 /* of one call, at most */

size_t bl_attend_amx_scratch(const bl_kv_layout *layout, size_t heads, size_t tokens);
/* Keys and values as floats go to AVX-512, which keeps all their bits. */
void bl_attend_amx(const bl_attend *a);

#endif
