/* The types of a GGUF file's weights: how many elements a block holds, and in how many bytes. */
#ifndef BL_LLM_QUANT_H
#define BL_LLM_QUANT_H

#include "base/base.h"

typedef struct {
    const char *name; /* as GGUF's tools write it: "Q4_K" */
    uint32_t    id;   /* in a file */
    uint16_t    len;  /* elements of a block */
    uint16_t    size; /* bytes of a block */
} bl_quant_type;

/* NULL where no such type is known. */
const bl_quant_type *bl_quant_type_of(uint32_t id);
const bl_quant_type *bl_quant_type_named(const char *name);

#endif
