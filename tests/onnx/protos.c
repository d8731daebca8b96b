/* Source: onnx.proto3 (ModelProto, TypeProto, TensorProto) and onnx-data.proto3 (SequenceProto,
 * OptionalProto). */
#include "tests/onnx/protos.h"

#include "onnx/wire.h"

#include <math.h>
#include <stdio.h>

static const char stage[] = "conformance";

/* Types.  ------------------------------------------------------------------------------------ */

enum { TYPE_TENSOR = 1, TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_OPTIONAL = 9, ELEMENT_BF16 = 16 };

static uint64_t number_of(blind_span message, uint32_t number)
{
    bl_reader r = { .rest = message };
    uint64_t  value = 0;
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == number)
            value = f.value;
    return value;
}

static blind_code read_type(blind_span message, bl_arena *arena, int depth, case_type *out,
                            blind_error *err)
{
    bl_reader r = { .rest = message };
    *out = (case_type){ .kind = CASE_TENSOR };
    if (depth > BL_MAX_GRAPH_DEPTH)
        return blind_fail(err, BLIND_LIMIT, stage, "a type of types of types");
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == TYPE_TENSOR)
            out->element = number_of(f.bytes, 1);
        if (f.number == TYPE_MAP)
            out->kind = CASE_MAP;
        if (f.number != TYPE_SEQUENCE && f.number != TYPE_OPTIONAL)
            continue;
        out->kind = f.number == TYPE_SEQUENCE ? CASE_SEQUENCE : CASE_OPTIONAL;
        out->of = bl_arena_alloc(arena, sizeof *out->of);
        bl_reader inner = { .rest = f.bytes };
        for (bl_field e; out->of && bl_wire_next(&inner, &e);)
            if (e.number == 1)
                BL_TRY(read_type(e.bytes, arena, depth + 1, out->of, err));
        if (!out->of)
            return blind_fail(err, BLIND_MEMORY, stage, "no memory for a type");
    }
    return BLIND_OK;
}

static blind_code read_value_info(blind_span message, bl_arena *arena, case_type *type,
                                  const char **name, blind_error *err)
{
    bl_reader r = { .rest = message };
    *type = (case_type){ .kind = CASE_TENSOR };
    *name = "";
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number == 1)
            *name = bl_arena_copy(arena, f.bytes);
        if (f.number == 2)
            BL_TRY(read_type(f.bytes, arena, 0, type, err));
    }
    return *name ? BLIND_OK : blind_fail(err, BLIND_MEMORY, stage, "no memory for a name");
}

static blind_span field_of(blind_span message, uint32_t number)
{
    bl_reader  r = { .rest = message };
    blind_span found = { 0 };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == number)
            found = f.bytes;
    return found;
}

static bool has_initializer(blind_span graph, const char *name)
{
    bl_reader r = { .rest = graph };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == 5 && bl_span_equal(field_of(f.bytes, 8), bl_span_str(name)))
            return true;
    return false;
}

blind_code case_ports_read(blind_span model, bl_arena *arena, case_ports *out, blind_error *err)
{
    blind_span graph = field_of(model, 7);
    bl_reader  r = { .rest = graph };
    *out = (case_ports){ .inputs = 0 };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (out->inputs == CASE_VALUES || out->outputs == CASE_VALUES)
            return blind_fail(err, BLIND_LIMIT, stage, "more than %d inputs or outputs",
                              CASE_VALUES);
        if (f.number == 11) {
            BL_TRY(read_value_info(f.bytes, arena, &out->input[out->inputs],
                                   &out->input_name[out->inputs], err));
            out->inputs += !has_initializer(graph, out->input_name[out->inputs]);
        }
        if (f.number == 12) {
            BL_TRY(read_value_info(f.bytes, arena, &out->output[out->outputs],
                                   &out->output_name[out->outputs], err));
            out->outputs++;
        }
    }
    return BLIND_OK;
}

/* Values.  ----------------------------------------------------------------------------------- */

/* Strings as a blind_tensor holds them: a u32 little-endian size and the bytes, one after another.
 */
static blind_code read_strings(blind_span message, bl_arena *arena, blind_tensor *out,
                               blind_error *err)
{
    bl_reader r = { .rest = message };
    size_t    size = 0;
    out->dtype = BLIND_STRING;
    for (bl_field f; bl_wire_next(&r, &f);) {
        size += f.number == 6 ? 4 + f.bytes.size : 0;
        if (f.number == 1 && f.wire == BL_WIRE_VARINT)
            out->shape[out->rank++] = (int64_t)f.value;
        bl_reader dims = { .rest = f.bytes };
        while (f.number == 1 && f.wire == BL_WIRE_BYTES && dims.rest.size && out->rank < 8)
            out->shape[out->rank++] = (int64_t)bl_read_varint(&dims);
    }
    uint8_t *to = bl_arena_alloc(arena, size ? size : 1);
    if (!to)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for strings");
    out->data = to;
    out->size = size;
    r = (bl_reader){ .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);) {
        if (f.number != 6)
            continue;
        for (size_t i = 0; i < 4; i++)
            *to++ = (uint8_t)(f.bytes.size >> (8 * i));
        if (f.bytes.size)
            memcpy(to, f.bytes.data, f.bytes.size);
        to += f.bytes.size;
    }
    return BLIND_OK;
}

static blind_code read_tensor(blind_span message, bl_arena *arena, blind_tensor *out,
                              blind_error *err)
{
    bl_tensor   t;
    const char *name;
    *out = (blind_tensor){ .name = "" };
    if (number_of(message, 2) == 8)
        return read_strings(message, arena, out, err);
    BL_TRY(bl_tensor_parse(message, arena, NULL, &t, &name, err));
    *out = (blind_tensor){ .name = name, .dtype = t.dtype, .rank = t.rank };
    memcpy(out->shape, t.dim, (size_t)t.rank * sizeof *out->shape);
    out->size = bl_tensor_size(&t);
    out->data = bl_arena_alloc(arena, out->size ? out->size : 1); /* aligned */
    if (!out->data)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a tensor");
    if (out->size)
        memcpy(out->data, t.data, out->size);
    return BLIND_OK;
}

/* Fields of SequenceProto and OptionalProto that hold an item of a kind. */
static uint32_t item_field(case_kind of, case_kind item)
{
    bool optional = of == CASE_OPTIONAL;
    return item == CASE_TENSOR ? 3 : item == CASE_SEQUENCE ? 5 : optional ? 7 : 7;
}

blind_code case_value_read(blind_span message, const case_type *type, bl_arena *arena,
                           case_value *out, blind_error *err)
{
    *out = (case_value){ .kind = type->kind };
    if (type->kind == CASE_TENSOR)
        BL_TRY(read_tensor(message, arena, &out->tensor, err));
    if (type->kind == CASE_TENSOR && type->element == ELEMENT_BF16 &&
        out->tensor.dtype == BLIND_U16)
        out->tensor.dtype = BLIND_BF16; /* numpy has none: the files of some cases say U16 */
    if (type->kind == CASE_TENSOR)
        return BLIND_OK;
    if (type->kind == CASE_MAP || !type->of)
        return blind_fail(err, BLIND_UNSUPPORTED, stage, "a value that is a map");
    uint32_t number = item_field(type->kind, type->of->kind);
    out->items = bl_arena_array(arena, bl_wire_count(message, number) + 1, sizeof *out->items);
    if (!out->items)
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a sequence");
    bl_reader r = { .rest = message };
    for (bl_field f; bl_wire_next(&r, &f);)
        if (f.number == number)
            BL_TRY(case_value_read(f.bytes, type->of, arena, &out->items[out->len++], err));
    return BLIND_OK;
}

/* Comparing.  -------------------------------------------------------------------------------- */

static double half(uint16_t h)
{
    int    exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent == 31 ? (mantissa ? (double)NAN : (double)INFINITY)
               : exponent     ? ldexp(mantissa + 1024, exponent - 25)
                              : ldexp(mantissa, -24);
    return h & 0x8000 ? -v : v;
}

static double number_at(const blind_tensor *t, size_t i)
{
    uint16_t h;
    uint32_t bits;
    float    f;
    double   d;
    switch (t->dtype) {
    case BLIND_F32:
        memcpy(&f, (const char *)t->data + 4 * i, 4);
        return (double)f;
    case BLIND_F64:
        memcpy(&d, (const char *)t->data + 8 * i, 8);
        return d;
    case BLIND_BF16:
        memcpy(&h, (const char *)t->data + 2 * i, 2);
        bits = (uint32_t)h << 16;
        memcpy(&f, &bits, 4);
        return (double)f;
    default:
        memcpy(&h, (const char *)t->data + 2 * i, 2);
        return half(h);
    }
}

static bool floats_equal(const blind_tensor *want, const blind_tensor *got, char *why, size_t size)
{
    size_t len = want->size / blind_dtype_size(want->dtype);
    for (size_t i = 0; i < len; i++) {
        double w = number_at(want, i), g = number_at(got, i);
        if (w == g || (isnan(w) && isnan(g)) || fabs(w - g) <= 1e-5 + 1e-3 * fabs(w))
            continue;
        snprintf(why, size, "element %zu is %.7g, expected %.7g", i, g, w);
        return false;
    }
    return true;
}

bool case_tensors_equal(const blind_tensor *want, const blind_tensor *got, char *why, size_t size)
{
    bool same = want->rank == got->rank;
    for (int i = 0; same && i < want->rank; i++)
        same = want->shape[i] == got->shape[i];
    if (want->dtype != got->dtype) {
        snprintf(why, size, "elements are %s, expected %s", blind_dtype_name(got->dtype),
                 blind_dtype_name(want->dtype));
        return false;
    }
    if (!same) {
        snprintf(why, size, "%d axes, the first %lld; expected %d, the first %lld", got->rank,
                 got->rank ? (long long)got->shape[0] : 0, want->rank,
                 want->rank ? (long long)want->shape[0] : 0);
        return false;
    }
    bool floats = want->dtype == BLIND_F32 || want->dtype == BLIND_F64 ||
                  want->dtype == BLIND_F16 || want->dtype == BLIND_BF16;
    if (floats && want->size == got->size)
        return floats_equal(want, got, why, size);
    if (want->size == got->size && (!want->size || !memcmp(want->data, got->data, want->size)))
        return true;
    snprintf(why, size, "elements of %s differ", blind_dtype_name(want->dtype));
    for (size_t i = 0; i < want->size && want->size == got->size; i++)
        if (((const uint8_t *)want->data)[i] != ((const uint8_t *)got->data)[i]) {
            snprintf(why, size, "byte %zu of the %s elements is %u, expected %u", i,
                     blind_dtype_name(want->dtype), ((const uint8_t *)got->data)[i],
                     ((const uint8_t *)want->data)[i]);
            break;
        }
    return false;
}
