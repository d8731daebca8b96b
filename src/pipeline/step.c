/* What all steps share: reading their tables, making their tensors. */
#include "pipeline/step.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* Tables.  ----------------------------------------------------------------------------------- */

blind_code bl_step_fail(const bl_step_build *b, const char *key, const char *format, ...)
{
    const bl_toml *at = key ? bl_toml_get(b->table, key) : b->table;
    char           message[160];
    va_list        args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return bl_toml_fail(at ? at : b->table, b->err, BLIND_INPUT, "pipeline.step", "%s%s%s",
                        key ? key : "", key ? ": " : "", message);
}

blind_code bl_step_params(const bl_step_build *b, size_t size, void *out)
{
    void *params = bl_arena_alloc(b->arena, size);
    memcpy(out, &params, sizeof params);
    return params ? BLIND_OK
                  : blind_fail(b->err, BLIND_MEMORY, "pipeline.step", "no memory for a step");
}

bool bl_step_has(const bl_step_build *b, const char *key)
{
    return bl_toml_get(b->table, key) != NULL;
}

blind_code bl_step_int(const bl_step_build *b, const char *key, int64_t otherwise, int64_t min,
                       int64_t max, int64_t *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *out = otherwise;
    if (!at)
        return BLIND_OK;
    if (at->type != BL_TOML_INTEGER || at->integer < min || at->integer > max)
        return bl_step_fail(b, key, "expected an integer from %lld to %lld", (long long)min,
                            (long long)max);
    *out = at->integer;
    return BLIND_OK;
}

blind_code bl_step_text(const bl_step_build *b, const char *key, blind_span *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *out = (blind_span){ 0 };
    if (!at)
        return BLIND_OK;
    if (at->type != BL_TOML_STRING)
        return bl_step_fail(b, key, "expected a text");
    const char *copy = bl_arena_copy(b->arena, at->string);
    if (!copy)
        return blind_fail(b->err, BLIND_MEMORY, "pipeline.step", "no memory for a step");
    *out = bl_span(copy, at->string.size);
    return BLIND_OK;
}

static bool is_number(const bl_toml *at, double *out)
{
    *out = at->type == BL_TOML_INTEGER ? (double)at->integer : at->number;
    return (at->type == BL_TOML_INTEGER || at->type == BL_TOML_FLOAT) && isfinite(*out);
}

blind_code bl_step_number(const bl_step_build *b, const char *key, double otherwise, double *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *out = otherwise;
    if (at && !is_number(at, out))
        return bl_step_fail(b, key, "expected a number");
    return BLIND_OK;
}

blind_code bl_step_bool(const bl_step_build *b, const char *key, bool otherwise, bool *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *out = at ? at->truth : otherwise;
    if (at && at->type != BL_TOML_BOOL)
        return bl_step_fail(b, key, "expected true or false");
    return BLIND_OK;
}

blind_code bl_step_choice(const bl_step_build *b, const char *key, const char *const *words,
                          size_t len, int *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *out = 0;
    if (!at)
        return BLIND_OK;
    for (size_t i = 0; i < len && at->type == BL_TOML_STRING; i++)
        if (bl_span_equal(at->string, bl_span_str(words[i]))) {
            *out = (int)i;
            return BLIND_OK;
        }
    return bl_step_fail(b, key, "expected \"%s\"%s%s%s%s", words[0], len > 1 ? ", \"" : "",
                        len > 1 ? words[1] : "", len > 1 ? "\"" : "", len > 2 ? ", ..." : "");
}

blind_code bl_step_numbers(const bl_step_build *b, const char *key, double *out, size_t max,
                           size_t *len)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    *len = 0;
    if (!at)
        return BLIND_OK;
    if (at->type != BL_TOML_ARRAY) {
        *len = 1;
        return is_number(at, out) ? BLIND_OK : bl_step_fail(b, key, "expected numbers");
    }
    for (const bl_toml *c = at->first; c; c = c->next)
        if (*len == max || !is_number(c, &out[(*len)++]))
            return bl_step_fail(b, key, "expected at most %zu numbers", max);
    return BLIND_OK;
}

blind_code bl_step_file(const bl_step_build *b, const char *key, blind_span *out)
{
    const bl_toml *at = bl_toml_get(b->table, key);
    if (!at || at->type != BL_TOML_STRING)
        return bl_step_fail(b, key, "expected the name of a file");
    const bl_member *m = bl_archive_find(b->files, (const char *)at->string.data);
    if (!m)
        return bl_step_fail(b, key, "there is no file '%.80s'", (const char *)at->string.data);
    *out = m->bytes;
    return BLIND_OK;
}

/* Cuts the next line off the text. */
static blind_span take_line(blind_span *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    size_t         size = end ? (size_t)(end - text->data) : text->size;
    blind_span     line = bl_span(text->data, size);
    *text = bl_span(text->data + size + (end != NULL), text->size - size - (end != NULL));
    if (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

blind_code bl_step_lines(const bl_step_build *b, const char *key, blind_span **out, size_t *len)
{
    blind_span text = { 0 };
    size_t     lines = 1;
    BL_TRY(bl_step_file(b, key, &text));
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    *len = 0;
    *out = bl_arena_array(b->arena, lines, sizeof **out);
    if (!*out)
        return blind_fail(b->err, BLIND_MEMORY, "pipeline.step", "no memory for %zu lines", lines);
    while (text.size)
        (*out)[(*len)++] = take_line(&text);
    return *len ? BLIND_OK : bl_step_fail(b, key, "the file is empty");
}

/* Tensors.  ---------------------------------------------------------------------------------- */

size_t bl_step_len(const blind_tensor *t)
{
    size_t len = 1;
    for (int i = 0; i < t->rank; i++)
        len *= (size_t)t->shape[i];
    return len;
}

blind_code bl_step_tensor(bl_step_run *r, blind_dtype dtype, int rank, const int64_t *shape,
                          blind_tensor *out)
{
    size_t size = blind_dtype_size(dtype);
    bool   fits = rank <= BLIND_MAX_RANK;
    *out = (blind_tensor){ .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank && fits; i++) {
        out->shape[i] = shape[i];
        fits = shape[i] >= 0 && bl_mul(size, (size_t)shape[i], &size);
    }
    out->size = size;
    out->data = fits ? bl_arena_alloc(r->arena, BL_MAX(size, 64)) : NULL;
    return out->data ? BLIND_OK
                     : blind_fail(r->err, BLIND_LIMIT, "pipeline.memory",
                                  "a step of the pipeline needs more memory than a run may take");
}

blind_code bl_step_want(const bl_step_run *r, const char *op, blind_dtype dtype, int rank)
{
    if (r->t.dtype != dtype || (rank >= 0 && r->t.rank != rank))
        return blind_fail(r->err, BLIND_INPUT, "pipeline.type",
                          "%s takes %s of %d axes, found %s of %d", op, blind_dtype_name(dtype),
                          rank, blind_dtype_name(r->t.dtype), r->t.rank);
    return BLIND_OK;
}

static double element(const blind_tensor *t, size_t i)
{
    switch (t->dtype) {
    case BLIND_U8:
    case BLIND_BOOL:
        return ((const uint8_t *)t->data)[i];
    case BLIND_I8:
        return ((const int8_t *)t->data)[i];
    case BLIND_U16:
        return ((const uint16_t *)t->data)[i];
    case BLIND_I16:
        return ((const int16_t *)t->data)[i];
    case BLIND_U32:
        return ((const uint32_t *)t->data)[i];
    case BLIND_I32:
        return ((const int32_t *)t->data)[i];
    case BLIND_U64:
        return (double)((const uint64_t *)t->data)[i];
    case BLIND_I64:
        return (double)((const int64_t *)t->data)[i];
    case BLIND_F64:
        return ((const double *)t->data)[i];
    default:
        return NAN;
    }
}

blind_code bl_step_to_f32(bl_step_run *r, const char *op)
{
    blind_tensor out;
    if (r->t.dtype == BLIND_F32)
        return BLIND_OK;
    if (r->t.dtype > BLIND_BOOL)
        return bl_step_want(r, op, BLIND_F32, r->t.rank);
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, r->t.shape, &out));
    size_t len = bl_step_len(&out);
    for (size_t i = 0; i < len; i++)
        ((float *)out.data)[i] = (float)element(&r->t, i);
    r->t = out;
    return BLIND_OK;
}

void bl_step_strings_add(bl_step_strings *s, blind_span text)
{
    s->bytes.secret = true;
    bl_buf_add_le(&s->bytes, text.size, 4);
    bl_buf_add(&s->bytes, text);
}

blind_code bl_step_strings_end(bl_step_strings *s, bl_step_run *r, int rank, const int64_t *shape)
{
    bl_auto_buf bytes = s->bytes;
    int64_t     size = (int64_t)bytes.size;
    BL_TRY(bl_buf_check(&bytes, "pipeline.memory", r->err));
    BL_TRY(bl_step_tensor(r, BLIND_U8, 1, &size, &r->t));
    if (bytes.size)
        memcpy(r->t.data, bytes.data, bytes.size);
    r->t.dtype = BLIND_STRING;
    r->t.rank = rank;
    memcpy(r->t.shape, shape, (size_t)rank * sizeof *shape);
    return BLIND_OK;
}
