/* TensorProto: raw data is used where it lies, typed fields are converted.
 * Source: onnx.proto3, message TensorProto. */
#include "onnx/graph.h"
#include "onnx/wire.h"

enum {
    T_DIMS = 1,
    T_TYPE = 2,
    T_SEGMENT = 3,
    T_FLOAT = 4,
    T_INT32 = 5,
    T_STRING = 6,
    T_INT64 = 7,
    T_NAME = 8,
    T_RAW = 9,
    T_DOUBLE = 10,
    T_UINT64 = 11,
    T_EXTERNAL = 13,
    T_LOCATION = 14,
};

static const int8_t types[] = {
    -1,
    BLIND_F32,
    BLIND_U8,
    BLIND_I8,
    BLIND_U16,
    BLIND_I16,
    BLIND_I32,
    BLIND_I64,
    BLIND_STRING,
    BLIND_BOOL,
    BLIND_F16,
    BLIND_F64,
    BLIND_U32,
    BLIND_U64,
    -1,
    -1,
    BLIND_BF16,
    BLIND_F8E4M3FN,
    BLIND_F8E4M3FNUZ,
    BLIND_F8E5M2,
    BLIND_F8E5M2FNUZ,
    BLIND_U4,
    BLIND_I4,
};

int bl_dtype_of_onnx(int64_t onnx_type)
{
    return onnx_type > 0 && onnx_type < (int64_t)BL_LEN(types) ? types[onnx_type] : -1;
}

int64_t bl_onnx_of_dtype(blind_dtype dtype)
{
    int64_t type = 1;
    while (types[type] != (int)dtype)
        type++;
    return type;
}

bool bl_tensor_shape(bl_tensor *t, int rank, const int64_t *dim)
{
    size_t len = 1, bytes, element = bl_element_size(t->dtype);
    t->rank = rank;
    bool zero = false;
    for (int i = 0; i < rank; i++) {
        t->dim[i] = dim[i];
        if (dim[i] < 0)
            return false;
        zero = zero || dim[i] == 0;
        if (dim[i] && !bl_mul(len, (size_t)dim[i], &len))
            return false;
    }
    if (!bl_mul(len, element, &bytes) || bytes > (size_t)1 << 46)
        return false;
    t->len = zero ? 0 : len;
    return true;
}

size_t bl_tensor_size(const bl_tensor *t)
{
    return t->len * bl_element_size(t->dtype);
}

size_t bl_element_size(blind_dtype dtype)
{
    return dtype == BLIND_STRING ? sizeof(blind_span) : blind_dtype_size(dtype);
}

size_t bl_element_align(blind_dtype dtype)
{
    return dtype == BLIND_STRING ? _Alignof(blind_span) : blind_dtype_size(dtype);
}

typedef struct {
    int64_t    dim[BL_ONNX_RANK];
    int        rank;
    int64_t    type;
    blind_span raw, name;
    bool       has_raw, external;
    blind_span location; /* of external data: which file, */
    uint64_t   offset;   /* from which byte, */
    uint64_t   size;     /* how many; UINT64_MAX: to its end */
    uint32_t   typed;    /* field number of the data, or 0 */
    size_t     n_typed;
} fields;

static size_t fixed_size(uint32_t number)
{
    return number == T_FLOAT ? 4 : number == T_DOUBLE ? 8 : 0;
}

static bool add_dims(fields *t, const bl_field *f)
{
    bl_reader r = { .rest = f->bytes };
    size_t    n = bl_wire_scalars(f, 0);
    for (size_t i = 0; i < n; i++) {
        if (t->rank == BL_ONNX_RANK)
            return false;
        t->dim[t->rank++] = (int64_t)(f->wire == BL_WIRE_BYTES ? bl_read_varint(&r) : f->value);
    }
    return !r.failed;
}

/* A decimal number of at most 18 digits. */
static bool read_decimal(blind_span text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.size > 0 && text.size <= 18;
}

static bool is_text(blind_span bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* StringStringEntryProto: one key of external data. */
static bool read_entry(blind_span message, fields *t)
{
    bl_reader  r = { .rest = message };
    blind_span key = { .data = (const uint8_t *)"" }, value = key;
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.wire == BL_WIRE_BYTES && f.bytes.size && f.number == 1)
            key = f.bytes;
        if (f.wire == BL_WIRE_BYTES && f.bytes.size && f.number == 2)
            value = f.bytes;
    }
    if (is_text(key, "location"))
        t->location = value;
    if (is_text(key, "offset"))
        return read_decimal(value, &t->offset);
    if (is_text(key, "length"))
        return read_decimal(value, &t->size);
    return !r.failed;
}

static blind_code read_fields(blind_span message, fields *t, blind_error *err)
{
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        switch (f.number) {
        case T_DIMS:
            if (!add_dims(t, &f))
                return blind_fail(err, BLIND_UNSUPPORTED, "onnx.tensor",
                                  "a tensor of more than %d axes", BL_ONNX_RANK);
            break;
        case T_TYPE:
            t->type = (int64_t)f.value;
            break;
        case T_FLOAT:
        case T_INT32:
        case T_INT64:
        case T_DOUBLE:
        case T_UINT64:
        case T_STRING:
            if (t->typed && t->typed != f.number)
                return blind_fail(err, BLIND_INPUT, "onnx.tensor", "data in two typed fields");
            t->typed = f.number;
            t->n_typed += f.number == T_STRING ? 1 : bl_wire_scalars(&f, fixed_size(f.number));
            break;
        case T_NAME:
            t->name = f.bytes;
            break;
        case T_RAW:
            t->raw = f.bytes;
            t->has_raw = f.wire == BL_WIRE_BYTES;
            break;
        case T_EXTERNAL:
            if (!read_entry(f.bytes, t))
                return blind_fail(err, BLIND_INPUT, "onnx.tensor", "malformed external data");
            break;
        case T_LOCATION:
            t->external = f.value == 1;
            break;
        default:
            break;
        }
    }
    return r.failed ? blind_fail(err, BLIND_INPUT, "onnx.tensor", "malformed tensor") : BLIND_OK;
}

/* Which typed field holds a type.  Source: the comments on TensorProto's data fields. */
static uint32_t field_of(blind_dtype dtype)
{
    switch (dtype) {
    case BLIND_F32:
        return T_FLOAT;
    case BLIND_F64:
        return T_DOUBLE;
    case BLIND_I64:
        return T_INT64;
    case BLIND_U32:
    case BLIND_U64:
        return T_UINT64;
    case BLIND_STRING:
        return T_STRING;
    default:
        return T_INT32;
    }
}

static void store(uint8_t *to, size_t element, uint64_t value)
{
    for (size_t i = 0; i < element; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

/* The scalars of every field of that number, each cut to `element` bytes.  32-bit floats and
 * doubles are their bits. */
static void convert(blind_span message, uint32_t number, size_t element, uint8_t *to)
{
    bl_reader r = { .rest = message };
    size_t    fixed = fixed_size(number);
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number != number)
            continue;
        bl_reader values = { .rest = f.bytes };
        size_t    n = bl_wire_scalars(&f, fixed);
        for (size_t i = 0; i < n; i++, to += element)
            store(to, element,
                  f.wire != BL_WIRE_BYTES ? f.value
                  : fixed                 ? bl_read_le(&values, fixed)
                                          : bl_read_varint(&values));
    }
}

/* Two elements a byte, the first in its low bits, make one a byte. */
static blind_code read_nibbles(blind_span message, const fields *t, bl_arena *arena, bl_tensor *out,
                               blind_error *err)
{
    size_t packed = out->len / 2 + out->len % 2, found = t->has_raw ? t->raw.size : t->n_typed;
    if (found != packed || (!t->has_raw && t->typed && t->typed != T_INT32))
        return blind_fail(err, BLIND_INPUT, "onnx.tensor", "%zu bytes of data, expected %zu", found,
                          packed);
    uint8_t *data = bl_arena_alloc(arena, out->len + 1), *last = data + out->len - packed;
    if (!data)
        return blind_fail(err, BLIND_MEMORY, "onnx.tensor", "no memory for a constant");
    if (t->has_raw && packed)
        memcpy(last, t->raw.data, packed);
    else if (!t->has_raw)
        convert(message, t->typed, 1, last);
    for (size_t i = 0; i < out->len; i++) { /* never past what is still to be read */
        uint8_t v = last[i / 2] >> (4 * (i % 2)) & 15;
        data[i] = out->dtype == BLIND_I4 && v & 8 ? v | 0xf0 : v;
    }
    out->data = data;
    return BLIND_OK;
}

/* The strings stay where they lie in the file. */
static void read_strings(blind_span message, blind_span *to)
{
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == T_STRING)
            *to++ = f.bytes;
}

/* The bytes of another file take the place of raw data. */
static blind_code find_external(fields *t, const bl_onnx_files *files, bl_arena *arena,
                                blind_error *err)
{
    blind_span whole;
    if (!files || !files->open)
        return blind_fail(err, BLIND_UNSUPPORTED, "onnx.tensor",
                          "weights in another file (external data)");
    char *name = bl_arena_copy(arena, t->location);
    if (!name)
        return blind_fail(err, BLIND_MEMORY, "onnx.tensor", "no memory for a name");
    for (size_t i = 0; i < t->location.size; i++)
        if (t->location.data[i] < 0x20 || t->location.data[i] == 0x7f)
            return blind_fail(err, BLIND_INPUT, "onnx.tensor",
                              "a control character in a file name");
    BL_TRY(files->open(files->arg, name, &whole, err));
    uint64_t left = t->offset > whole.size ? 0 : whole.size - t->offset;
    uint64_t size = t->size == UINT64_MAX ? left : t->size;
    if (t->offset > whole.size || size > left)
        return blind_fail(err, BLIND_INPUT, "onnx.tensor",
                          "%llu bytes from byte %llu on of '%.80s', which has %zu",
                          (unsigned long long)t->size, (unsigned long long)t->offset, name,
                          whole.size);
    t->raw = bl_span(whole.data ? whole.data + t->offset : NULL, size);
    t->has_raw = true;
    return BLIND_OK;
}

static blind_code read_data(blind_span message, const fields *t, bl_arena *arena, bl_tensor *out,
                            blind_error *err)
{
    size_t element = bl_element_size(out->dtype);
    if (out->dtype == BLIND_STRING && t->has_raw)
        return blind_fail(err, BLIND_INPUT, "onnx.tensor", "strings as raw data");
    if (out->dtype == BLIND_I4 || out->dtype == BLIND_U4)
        return read_nibbles(message, t, arena, out, err);
    if (t->has_raw) {
        if (t->raw.size != out->len * element)
            return blind_fail(err, BLIND_INPUT, "onnx.tensor",
                              "%zu bytes of data, expected %zu for the shape", t->raw.size,
                              out->len * element);
        out->data = (void *)(uintptr_t)t->raw.data;
        if (out->data)
            return BLIND_OK;
    }
    if (!t->has_raw && (t->n_typed != out->len || (t->typed && t->typed != field_of(out->dtype))))
        return blind_fail(err, BLIND_INPUT, "onnx.tensor", "%zu values of data, expected %zu",
                          t->n_typed, out->len);
    uint8_t *data = bl_arena_array(arena, out->len ? out->len : 1, element);
    if (!data)
        return blind_fail(err, BLIND_MEMORY, "onnx.tensor", "no memory for a constant");
    if (out->dtype == BLIND_STRING)
        read_strings(message, (blind_span *)(void *)data);
    else if (!t->has_raw)
        convert(message, t->typed, element, data);
    out->data = data;
    return BLIND_OK;
}

static bool empty(const fields *t)
{
    return !t->has_raw && !t->typed && t->type == 0;
}

blind_code bl_tensor_parse(blind_span message, bl_arena *arena, const bl_onnx_files *files,
                           bl_tensor *out, const char **name, blind_error *err)
{
    fields t = { .size = UINT64_MAX };
    *out = (bl_tensor){ 0 };
    BL_TRY(read_fields(message, &t, err));
    const char *copy = bl_arena_copy(arena, t.name);
    if (!copy)
        return blind_fail(err, BLIND_MEMORY, "onnx.tensor", "no memory for a name");
    if (name)
        *name = copy;
    int dtype = bl_dtype_of_onnx(t.type);
    if (dtype < 0)
        return blind_fail(err, empty(&t) ? BLIND_INPUT : BLIND_UNSUPPORTED, "onnx.tensor",
                          "constant '%.80s' of type %lld", copy, (long long)t.type);
    out->dtype = (blind_dtype)dtype;
    blind_code code = BLIND_OK;
    if (!bl_tensor_shape(out, t.rank, t.dim))
        code = blind_fail(err, BLIND_INPUT, "onnx.tensor", "impossible shape");
    if (code == BLIND_OK && t.external)
        code = find_external(&t, files, arena, err);
    if (code == BLIND_OK)
        code = read_data(message, &t, arena, out, err);
    if (code != BLIND_OK)
        *out = (bl_tensor){ 0 };
    return code == BLIND_OK ? code : blind_fail_in(err, code, "constant '%.80s'", copy);
}
