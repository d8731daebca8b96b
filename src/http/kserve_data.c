/* Elements: every datatype from JSON values and to them. */
#include "http/kserve_data.h"

#include <inttypes.h>
#include <math.h>

/* Elements that JSON has no number for. */
static bool is_binary_only(blind_dtype dtype)
{
    return dtype == BLIND_F16 || dtype == BLIND_BF16 || dtype > BLIND_STRING;
}

bool bl_kserve_dtype(const char *name, blind_dtype *out)
{
    for (int d = 0; d < BLIND_DTYPE_COUNT; d++)
        if (strcmp(name, blind_dtype_kserve((blind_dtype)d)) == 0) {
            *out = (blind_dtype)d;
            return true;
        }
    return false;
}

blind_code bl_kserve_elements(const blind_tensor *t, size_t *out, blind_error *err)
{
    *out = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->shape[i] < 0)
            return blind_fail(err, BLIND_INPUT, "kserve.shape", "tensor '%s': axis %d is negative",
                              t->name, i);
        if (!bl_mul(*out, (size_t)t->shape[i], out) || *out > INT64_MAX)
            return blind_fail(err, BLIND_LIMIT, "kserve.shape", "tensor '%s': too many elements",
                              t->name);
    }
    return BLIND_OK;
}

static blind_code check_strings(const blind_tensor *t, size_t elements, blind_error *err)
{
    const uint8_t *at = t->data;
    size_t         left = t->size;
    for (size_t i = 0; i < elements; i++) {
        uint32_t n = left < 4 ? UINT32_MAX
                              : (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                                    (uint32_t)at[3] << 24;
        if (left < 4 || n > left - 4)
            return blind_fail(err, BLIND_INPUT, "kserve.bytes",
                              "tensor '%s': string %zu of %zu is cut off", t->name, i, elements);
        at += 4 + (size_t)n;
        left -= 4 + (size_t)n;
    }
    if (left == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "kserve.bytes", "tensor '%s': %zu bytes after %zu strings",
                      t->name, left, elements);
}

blind_code bl_kserve_check_bytes(const blind_tensor *t, blind_error *err)
{
    size_t elements, want;
    BL_TRY(bl_kserve_elements(t, &elements, err));
    if (t->dtype == BLIND_STRING)
        return check_strings(t, elements, err);
    if (bl_mul(elements, blind_dtype_size(t->dtype), &want) && want == t->size)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "kserve.bytes",
                      "tensor '%s': %zu bytes, expected %zu elements of %zu", t->name, t->size,
                      elements, blind_dtype_size(t->dtype));
}

/* ---- from JSON ---- */

typedef struct {
    blind_tensor *t;
    size_t        elements, next;
    bl_buf        strings; /* of STRING, whose size is not known before */
} filler;

static const struct {
    int64_t min, max;
} ranges[BLIND_DTYPE_COUNT] = {
    [BLIND_I8] = { INT8_MIN, INT8_MAX },
    [BLIND_I16] = { INT16_MIN, INT16_MAX },
    [BLIND_I32] = { INT32_MIN, INT32_MAX },
    [BLIND_I64] = { INT64_MIN, INT64_MAX },
    [BLIND_U8] = { 0, UINT8_MAX },
    [BLIND_U16] = { 0, UINT16_MAX },
    [BLIND_U32] = { 0, UINT32_MAX },
    [BLIND_U64] = { 0, INT64_MAX },
    [BLIND_BOOL] = { 0, 1 },
};

static blind_code bad_element(const filler *f, blind_error *err)
{
    return blind_fail(err, BLIND_INPUT, "kserve.data", "tensor '%s': element %zu is no %s",
                      f->t->name, f->next, blind_dtype_kserve(f->t->dtype));
}

static blind_code put_number(filler *f, const json_t *value, blind_error *err)
{
    size_t   size = blind_dtype_size(f->t->dtype);
    uint8_t *to = (uint8_t *)f->t->data + f->next * size;
    if (f->t->dtype == BLIND_F32 || f->t->dtype == BLIND_F64) {
        if (!json_is_number(value))
            return bad_element(f, err);
        double d = json_number_value(value);
        float  single = (float)d;
        if (f->t->dtype == BLIND_F32 && isinf(single))
            return bad_element(f, err);
        memcpy(to, f->t->dtype == BLIND_F32 ? (void *)&single : (void *)&d, size);
        return BLIND_OK;
    }
    if (!json_is_integer(value) && !(f->t->dtype == BLIND_BOOL && json_is_boolean(value)))
        return bad_element(f, err);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : json_is_true(value);
    if (n < ranges[f->t->dtype].min || n > ranges[f->t->dtype].max)
        return bad_element(f, err);
    memcpy(to, &n, size); /* little-endian, as all that this builds for */
    return BLIND_OK;
}

static blind_code put_string(filler *f, const json_t *value, blind_error *err)
{
    if (!json_is_string(value) || json_string_length(value) > UINT32_MAX)
        return bad_element(f, err);
    size_t n = json_string_length(value);
    bl_buf_add_le(&f->strings, n, 4);
    bl_buf_add(&f->strings, bl_span(json_string_value(value), n));
    return BLIND_OK;
}

/* Counted before anything is allocated: a shape alone must cost nothing. */
static blind_code count_leaves(filler *f, const json_t *array, int depth, blind_error *err)
{
    size_t  i;
    json_t *value;
    if (depth > BLIND_MAX_RANK)
        return blind_fail(err, BLIND_LIMIT, "kserve.data", "tensor '%s': arrays nested too deep",
                          f->t->name);
    json_array_foreach(array, i, value)
    {
        if (json_is_array(value))
            BL_TRY(count_leaves(f, value, depth + 1, err));
        else
            f->next++;
    }
    return BLIND_OK;
}

static blind_code fill(filler *f, const json_t *array, blind_error *err)
{
    size_t  i;
    json_t *value;
    json_array_foreach(array, i, value)
    {
        if (json_is_array(value)) {
            BL_TRY(fill(f, value, err));
            continue;
        }
        BL_TRY(f->t->dtype == BLIND_STRING ? put_string(f, value, err) : put_number(f, value, err));
        f->next++;
    }
    return BLIND_OK;
}

static blind_code fill_strings(filler *f, const json_t *data, bl_arena *a, blind_error *err)
{
    blind_code code = fill(f, data, err);
    if (code == BLIND_OK)
        code = bl_buf_check(&f->strings, "kserve.data", err);
    if (code == BLIND_OK) {
        f->t->size = f->strings.size;
        f->t->data = bl_arena_copy(a, bl_buf_span(&f->strings));
        if (!f->t->data)
            code = blind_fail(err, BLIND_MEMORY, "kserve.data", "out of memory");
    }
    bl_buf_done(&f->strings);
    return code;
}

blind_code bl_kserve_data_parse(const json_t *data, bl_arena *a, blind_tensor *t, blind_error *err)
{
    filler f = { .t = t, .strings.secret = true };
    if (is_binary_only(t->dtype))
        return blind_fail(err, BLIND_UNSUPPORTED, "kserve.data",
                          "tensor '%s': %s travels as binary data only", t->name,
                          blind_dtype_kserve(t->dtype));
    if (!json_is_array(data))
        return blind_fail(err, BLIND_INPUT, "kserve.data", "tensor '%s': data is no array",
                          t->name);
    BL_TRY(bl_kserve_elements(t, &f.elements, err));
    BL_TRY(count_leaves(&f, data, 1, err));
    if (f.next != f.elements)
        return blind_fail(err, BLIND_INPUT, "kserve.data",
                          "tensor '%s': %zu elements, its shape has %zu", t->name, f.next,
                          f.elements);
    f.next = 0;
    if (t->dtype == BLIND_STRING)
        return fill_strings(&f, data, a, err);
    t->size = f.elements * blind_dtype_size(t->dtype);
    t->data = bl_arena_alloc(a, t->size ? t->size : 1);
    if (!t->data)
        return blind_fail(err, BLIND_MEMORY, "kserve.data", "out of memory");
    return fill(&f, data, err);
}

/* ---- to JSON ---- */

/* ASCII that JSON takes as it is. */
static bool is_plain(blind_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

blind_code bl_kserve_write_string(blind_span text, bl_buf *out, blind_error *err)
{
    if (is_plain(text)) {
        bl_buf_add_u8(out, '"');
        bl_buf_add(out, text);
        bl_buf_add_u8(out, '"');
        return BLIND_OK;
    }
    json_t *string = json_stringn(text.size ? (const char *)text.data : "", text.size);
    char   *dumped = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    json_decref(string);
    if (!dumped)
        return blind_fail(err, BLIND_INPUT, "kserve.string",
                          "a string that is not UTF-8 travels as binary data only");
    bl_buf_add_str(out, dumped);
    bl_wipe(dumped, strlen(dumped));
    free(dumped);
    return BLIND_OK;
}

static blind_code write_strings(const blind_tensor *t, bl_buf *out, blind_error *err)
{
    const uint8_t *at = t->data, *end = at + t->size;
    for (const uint8_t *p = at; p < end;) {
        uint32_t n =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        if (p != at)
            bl_buf_add_u8(out, ',');
        BL_TRY(bl_kserve_write_string(bl_span(p + 4, n), out, err));
        p += 4 + (size_t)n;
    }
    return BLIND_OK;
}

static void write_integer(const blind_tensor *t, const uint8_t *from, bl_buf *out)
{
    uint64_t u = 0;
    size_t   size = blind_dtype_size(t->dtype);
    memcpy(&u, from, size);
    bool     sign = ranges[t->dtype].min < 0;
    unsigned shift = (unsigned)(64 - 8 * size);
    if (t->dtype == BLIND_BOOL)
        bl_buf_add_str(out, u ? "true" : "false");
    else if (sign)
        bl_buf_printf(out, "%" PRId64, (int64_t)(u << shift) >> shift);
    else
        bl_buf_printf(out, "%" PRIu64, u);
}

static blind_code write_real(const blind_tensor *t, const uint8_t *from, bl_buf *out,
                             blind_error *err)
{
    float  single = 0;
    double d = 0;
    if (t->dtype == BLIND_F32) {
        memcpy(&single, from, sizeof single);
        d = (double)single;
    } else {
        memcpy(&d, from, sizeof d);
    }
    if (!isfinite(d))
        return blind_fail(err, BLIND_INPUT, "kserve.data",
                          "tensor '%s' holds a NaN or infinity, which JSON cannot carry: ask for "
                          "binary_data",
                          t->name);
    if (d == 0.0) /* JSON's -0 would be an integer, which has no sign */
        bl_buf_add_str(out, signbit(d) ? "-0.0" : "0");
    else
        bl_buf_printf(out, t->dtype == BLIND_F32 ? "%.9g" : "%.17g", d);
    return BLIND_OK;
}

blind_code bl_kserve_data_write(const blind_tensor *t, bl_buf *out, blind_error *err)
{
    size_t size = blind_dtype_size(t->dtype);
    if (is_binary_only(t->dtype))
        return blind_fail(err, BLIND_UNSUPPORTED, "kserve.data",
                          "tensor '%s': %s travels as binary data only: ask for binary_data",
                          t->name, blind_dtype_kserve(t->dtype));
    bl_buf_add_u8(out, '[');
    if (t->dtype == BLIND_STRING)
        BL_TRY(write_strings(t, out, err));
    for (size_t at = 0; size > 0 && at < t->size; at += size) {
        if (at)
            bl_buf_add_u8(out, ',');
        if (t->dtype == BLIND_F32 || t->dtype == BLIND_F64)
            BL_TRY(write_real(t, (const uint8_t *)t->data + at, out, err));
        else
            write_integer(t, (const uint8_t *)t->data + at, out);
    }
    bl_buf_add_u8(out, ']');
    return BLIND_OK;
}
