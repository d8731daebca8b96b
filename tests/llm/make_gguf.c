#include "tests/llm/make_gguf.h"

enum { ALIGNMENT = 32 };

static void add_text(bl_buf *b, const char *text)
{
    bl_buf_add_le(b, strlen(text), 8);
    bl_buf_add_str(b, text);
}

static void begin(gguf_made *m, const char *key, bl_gguf_kind kind)
{
    add_text(&m->values, key);
    bl_buf_add_le(&m->values, kind, 4);
    m->n_values++;
}

static void begin_array(gguf_made *m, const char *key, bl_gguf_kind item, size_t len)
{
    begin(m, key, BL_GGUF_ARRAY);
    bl_buf_add_le(&m->values, item, 4);
    bl_buf_add_le(&m->values, len, 8);
}

void gguf_text(gguf_made *m, const char *key, const char *text)
{
    begin(m, key, BL_GGUF_TEXT);
    add_text(&m->values, text);
}

void gguf_u32(gguf_made *m, const char *key, uint32_t value)
{
    begin(m, key, BL_GGUF_U32);
    bl_buf_add_le(&m->values, value, 4);
}

void gguf_f32(gguf_made *m, const char *key, float value)
{
    begin(m, key, BL_GGUF_F32);
    bl_buf_add(&m->values, bl_span(&value, sizeof value));
}

void gguf_flag(gguf_made *m, const char *key, bool value)
{
    begin(m, key, BL_GGUF_BOOL);
    bl_buf_add_u8(&m->values, value);
}

void gguf_texts(gguf_made *m, const char *key, const char *const *texts, size_t len)
{
    begin_array(m, key, BL_GGUF_TEXT, len);
    for (size_t i = 0; i < len; i++)
        add_text(&m->values, texts[i]);
}

void gguf_floats(gguf_made *m, const char *key, const float *values, size_t len)
{
    begin_array(m, key, BL_GGUF_F32, len);
    bl_buf_add(&m->values, bl_span(values, len * sizeof *values));
}

void gguf_ints(gguf_made *m, const char *key, const int32_t *values, size_t len)
{
    begin_array(m, key, BL_GGUF_I32, len);
    bl_buf_add(&m->values, bl_span(values, len * sizeof *values));
}

void gguf_tensor(gguf_made *m, const char *name, uint32_t type, const uint64_t *shape, int rank)
{
    const bl_quant_type *t = bl_quant_type_of(type);
    uint64_t             len = 1;
    add_text(&m->tensors, name);
    bl_buf_add_le(&m->tensors, (uint64_t)rank, 4);
    for (int i = 0; i < rank; i++) {
        bl_buf_add_le(&m->tensors, shape[i], 8);
        len *= shape[i];
    }
    bl_buf_add_le(&m->tensors, type, 4);
    bl_buf_add_le(&m->tensors, m->weights.size, 8);
    for (uint64_t i = 0; t && i < len / t->len * t->size; i++)
        bl_buf_add_u8(&m->weights, 0);
    while (m->weights.size % ALIGNMENT)
        bl_buf_add_u8(&m->weights, 0);
    m->n_tensors++;
}

void gguf_write(const gguf_made *m, bl_buf *out)
{
    bl_buf_clear(out);
    bl_buf_add_str(out, "GGUF");
    bl_buf_add_le(out, m->version, 4);
    bl_buf_add_le(out, m->n_tensors, 8);
    bl_buf_add_le(out, m->n_values, 8);
    bl_buf_add(out, bl_buf_span(&m->values));
    bl_buf_add(out, bl_buf_span(&m->tensors));
    while (out->size % ALIGNMENT)
        bl_buf_add_u8(out, 0);
    bl_buf_add(out, bl_buf_span(&m->weights));
}

void gguf_done(gguf_made *m)
{
    bl_buf_done(&m->values);
    bl_buf_done(&m->tensors);
    bl_buf_done(&m->weights);
}
