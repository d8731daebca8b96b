/* GGUF: the metadata and the table of tensors of a language model, read in place.
 *
 * Versions 2 and 3, little endian.  Everything is borrowed from the file: names and texts are spans
 * of it, arrays are read where they lie.
 *
 * Source: the GGUF specification in ggml's documentation ("GGUF", versions 2 and 3). */
#ifndef BL_LLM_GGUF_H
#define BL_LLM_GGUF_H

#include "base/arena.h"
#include "llm/quant.h"

typedef enum {
    BL_GGUF_U8,
    BL_GGUF_I8,
    BL_GGUF_U16,
    BL_GGUF_I16,
    BL_GGUF_U32,
    BL_GGUF_I32,
    BL_GGUF_F32,
    BL_GGUF_BOOL,
    BL_GGUF_TEXT,
    BL_GGUF_ARRAY,
    BL_GGUF_U64,
    BL_GGUF_I64,
    BL_GGUF_F64,
    BL_GGUF_KINDS,
} bl_gguf_kind;

typedef struct {
    blind_span   key;
    bl_gguf_kind kind;  /* of the value */
    bl_gguf_kind item;  /* of an array's elements; no array of arrays */
    uint64_t     len;   /* elements of an array, else 1 */
    blind_span   bytes; /* of the elements, all of them in the file; a text without its length */
} bl_gguf_value;

enum { BL_GGUF_MAX_RANK = 4 };

typedef struct {
    blind_span name;
    int        rank;
    uint64_t   shape[BL_GGUF_MAX_RANK]; /* the first is that of a row, 1 behind the last */
    const bl_quant_type *type;
    blind_span           bytes; /* whole rows of blocks */
} bl_gguf_tensor;

typedef struct {
    uint32_t        version;
    uint32_t        alignment; /* of the tensors' bytes in the file */
    bl_gguf_value  *values;    /* by key */
    size_t          n_values;
    bl_gguf_tensor *tensors; /* as in the file */
    size_t          n_tensors;
    uint64_t        parameters; /* elements of all tensors */
    uint64_t        weights;    /* bytes of all tensors */
    const uint32_t *by_name;    /* of tensors, sorted */
    bl_arena        arena;
} bl_gguf;

/* Reads all of a file but its weights.
 *
 * file    borrowed until bl_gguf_done()
 * Errors  INPUT (cut short, a key or a tensor twice, a tensor outside the file or of a type that is
 *         not known, ...), LIMIT, MEMORY, UNSUPPORTED (version 1, big endian, arrays of arrays);
 *         *out is empty then */
BLIND_MUST_USE blind_code bl_gguf_read(blind_span file, bl_gguf *out, blind_error *err);
void                      bl_gguf_done(bl_gguf *g);

/* Whether a file begins as GGUF does. */
bool bl_gguf_is(blind_span file);

/* NULL where there is none of the name. */
const bl_gguf_value  *bl_gguf_find(const bl_gguf *g, const char *key);
const bl_gguf_tensor *bl_gguf_tensor_of(const bl_gguf *g, const char *name);

/* A value as what is asked for, or `fallback` where it is not there or another kind: any integer
 * that fits, a float of either width, a text, a flag. */
uint64_t   bl_gguf_uint(const bl_gguf *g, const char *key, uint64_t fallback);
double     bl_gguf_number(const bl_gguf *g, const char *key, double fallback);
bool       bl_gguf_flag(const bl_gguf *g, const char *key, bool fallback);
blind_span bl_gguf_text(const bl_gguf *g, const char *key);

/* The elements of an array of texts, of `key` and at most `max`, in the arena of `g`.
 * Errors INPUT (no such array, or of another kind), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_gguf_texts(bl_gguf *g, const char *key, size_t max, blind_span **out,
                                        size_t *len, blind_error *err);

/* Element `i` < len of an array, or a value that is none (i = 0): as an integer; false when it is
 * of a kind that has none, or negative. */
bool bl_gguf_uint_at(const bl_gguf_value *v, uint64_t i, uint64_t *out);
/* The same as a number of any kind but text. */
bool bl_gguf_number_at(const bl_gguf_value *v, uint64_t i, double *out);

const char *bl_gguf_kind_name(bl_gguf_kind kind);

#endif
