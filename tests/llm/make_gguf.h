/* Writes small GGUF files, right ones and wrong ones. */
#ifndef TEST_MAKE_GGUF_H
#define TEST_MAKE_GGUF_H

#include "base/buf.h"
#include "llm/gguf.h"

typedef struct {
    bl_buf   values, tensors, weights;
    uint64_t n_values, n_tensors;
    uint32_t version;
} gguf_made;

#define GGUF_MADE ((gguf_made){ .version = 3 })

void gguf_text(gguf_made *m, const char *key, const char *text);
void gguf_u32(gguf_made *m, const char *key, uint32_t value);
void gguf_f32(gguf_made *m, const char *key, float value);
void gguf_flag(gguf_made *m, const char *key, bool value);
void gguf_texts(gguf_made *m, const char *key, const char *const *texts, size_t len);
void gguf_floats(gguf_made *m, const char *key, const float *values, size_t len);
void gguf_ints(gguf_made *m, const char *key, const int32_t *values, size_t len);
/* With weights of zeros. */
void gguf_tensor(gguf_made *m, const char *name, uint32_t type, const uint64_t *shape, int rank);
void gguf_write(const gguf_made *m, bl_buf *out);
void gguf_done(gguf_made *m);

#endif
