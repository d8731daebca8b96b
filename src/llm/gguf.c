/* Reads GGUF front to back: header, metadata, table of tensors; the weights are only bounded. */
#include "llm/gguf.h"

#include "base/limits.h"
#include "base/reader.h"

#include <stdlib.h>

enum { MAGIC = 0x46554747, MAGIC_SWAPPED = 0x47475546, DEFAULT_ALIGNMENT = 32 };
enum { LEAST_VALUE = 8 + 4 + 1, LEAST_TENSOR = 8 + 4 + 4 + 8 }; /* bytes of the shortest entries */

static const struct {
    const char *name;
    size_t      size; /* bytes of one; 0: it says so itself */
} kinds[BL_GGUF_KINDS] = {
    [BL_GGUF_U8] = { "u8", 1 },     [BL_GGUF_I8] = { "i8", 1 },
    [BL_GGUF_U16] = { "u16", 2 },   [BL_GGUF_I16] = { "i16", 2 },
    [BL_GGUF_U32] = { "u32", 4 },   [BL_GGUF_I32] = { "i32", 4 },
    [BL_GGUF_F32] = { "f32", 4 },   [BL_GGUF_BOOL] = { "bool", 1 },
    [BL_GGUF_TEXT] = { "text", 0 }, [BL_GGUF_ARRAY] = { "array", 0 },
    [BL_GGUF_U64] = { "u64", 8 },   [BL_GGUF_I64] = { "i64", 8 },
    [BL_GGUF_F64] = { "f64", 8 },
};

const char *bl_gguf_kind_name(bl_gguf_kind kind)
{
    return (unsigned)kind < BL_GGUF_KINDS ? kinds[kind].name : "unknown";
}

static blind_code format_error(blind_error *err, const char *text)
{
    return blind_fail(err, BLIND_INPUT, "gguf", "%s", text);
}

static blind_span read_text(bl_reader *r)
{
    uint64_t size = bl_read_u64le(r);
    if (size > r->rest.size)
        r->failed = true;
    return r->failed ? (blind_span){ 0 } : bl_read_bytes(r, (size_t)size);
}

/* Metadata.  --------------------------------------------------------------------------------- */

static blind_code read_texts(bl_reader *r, bl_gguf_value *v, blind_error *err)
{
    const uint8_t *start = r->rest.data;
    if (v->len > r->rest.size / 8)
        return format_error(err, "an array of texts is cut short");
    for (uint64_t i = 0; i < v->len && !r->failed; i++)
        (void)read_text(r);
    v->bytes = bl_span(start, (size_t)(r->rest.data - start));
    return BLIND_OK;
}

static blind_code read_array(bl_reader *r, bl_gguf_value *v, blind_error *err)
{
    uint32_t item = bl_read_u32le(r);
    v->len = bl_read_u64le(r);
    if (r->failed || item >= BL_GGUF_KINDS)
        return format_error(err, "an array of no known kind");
    v->item = (bl_gguf_kind)item;
    if (v->item == BL_GGUF_ARRAY)
        return blind_fail(err, BLIND_UNSUPPORTED, "gguf", "'%.*s' is an array of arrays",
                          (int)BL_MIN(v->key.size, 80), (const char *)v->key.data);
    if (v->item == BL_GGUF_TEXT)
        return read_texts(r, v, err);
    if (v->len > r->rest.size / kinds[item].size)
        return format_error(err, "an array is cut short");
    v->bytes = bl_read_bytes(r, (size_t)v->len * kinds[item].size);
    return BLIND_OK;
}

static blind_code read_value(bl_reader *r, bl_gguf_value *v, blind_error *err)
{
    *v = (bl_gguf_value){ .key = read_text(r), .len = 1 };
    uint32_t kind = bl_read_u32le(r);
    if (r->failed)
        return format_error(err, "the metadata are cut short");
    if (v->key.size == 0 || v->key.size > BL_MAX_GGUF_NAME || memchr(v->key.data, 0, v->key.size))
        return format_error(err, "a key that is no name");
    if (kind >= BL_GGUF_KINDS)
        return blind_fail(err, BLIND_INPUT, "gguf", "'%.*s' is of kind %u, which is not known",
                          (int)BL_MIN(v->key.size, 80), (const char *)v->key.data, kind);
    v->kind = v->item = (bl_gguf_kind)kind;
    if (v->kind == BL_GGUF_ARRAY)
        BL_TRY(read_array(r, v, err));
    else if (v->kind == BL_GGUF_TEXT)
        v->bytes = read_text(r);
    else
        v->bytes = bl_read_bytes(r, kinds[kind].size);
    return r->failed ? format_error(err, "the metadata are cut short") : BLIND_OK;
}

static int compare_spans(blind_span a, blind_span b)
{
    int order = memcmp(a.data, b.data, BL_MIN(a.size, b.size));
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_key(const void *a, const void *b)
{
    return compare_spans(((const bl_gguf_value *)a)->key, ((const bl_gguf_value *)b)->key);
}

static blind_code read_values(bl_reader *r, uint64_t len, bl_gguf *g, blind_error *err)
{
    if (len > BL_MAX_GGUF_VALUES)
        return blind_fail(err, BLIND_LIMIT, "gguf", "%llu values, at most %d are read",
                          (unsigned long long)len, BL_MAX_GGUF_VALUES);
    if (len > r->rest.size / LEAST_VALUE)
        return format_error(err, "the metadata are cut short");
    g->values = bl_arena_array(&g->arena, (size_t)len + 1, sizeof *g->values);
    if (!g->values)
        return blind_fail(err, BLIND_MEMORY, "gguf", "out of memory");
    for (; g->n_values < len; g->n_values++)
        BL_TRY(read_value(r, &g->values[g->n_values], err));
    qsort(g->values, g->n_values, sizeof *g->values, by_key);
    for (size_t i = 1; i < g->n_values; i++)
        if (bl_span_equal(g->values[i - 1].key, g->values[i].key))
            return blind_fail(err, BLIND_INPUT, "gguf", "the key '%.*s' is there twice",
                              (int)BL_MIN(g->values[i].key.size, 80),
                              (const char *)g->values[i].key.data);
    return BLIND_OK;
}

/* Tensors.  ---------------------------------------------------------------------------------- */

static blind_code tensor_error(blind_error *err, const bl_gguf_tensor *t, const char *text)
{
    return blind_fail(err, BLIND_INPUT, "gguf.tensor", "'%.*s': %s", (int)BL_MIN(t->name.size, 80),
                      (const char *)t->name.data, text);
}

/* Elements in `len`, and their bytes in `size`. */
static blind_code measure(const bl_gguf_tensor *t, size_t *len, size_t *size, blind_error *err)
{
    *len = 1;
    *size = 0;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] == 0 || t->shape[i] > SIZE_MAX || !bl_mul(*len, (size_t)t->shape[i], len))
            return tensor_error(err, t, "a shape without elements or with too many");
    if (t->shape[0] % t->type->len)
        return tensor_error(err, t, "a row is no whole number of blocks");
    if (!bl_mul(*len / t->type->len, t->type->size, size))
        return tensor_error(err, t, "too large");
    return BLIND_OK;
}

/* The entry; its bytes begin `*offset` behind the start of the weights. */
static blind_code read_tensor(bl_reader *r, bl_gguf_tensor *t, uint64_t *offset, blind_error *err)
{
    *t = (bl_gguf_tensor){ .name = read_text(r), .shape = { 1, 1, 1, 1 } };
    uint32_t rank = bl_read_u32le(r);
    if (r->failed)
        return format_error(err, "the table of tensors is cut short");
    if (t->name.size == 0 || t->name.size > BL_MAX_GGUF_NAME ||
        memchr(t->name.data, 0, t->name.size))
        return format_error(err, "a tensor without a name");
    if (rank < 1 || rank > BL_GGUF_MAX_RANK)
        return tensor_error(err, t, "a rank other than 1 to 4");
    t->rank = (int)rank;
    for (int i = 0; i < t->rank; i++)
        t->shape[i] = bl_read_u64le(r);
    uint32_t type = bl_read_u32le(r);
    *offset = bl_read_u64le(r);
    if (r->failed)
        return format_error(err, "the table of tensors is cut short");
    t->type = bl_quant_type_of(type);
    if (!t->type)
        return blind_fail(err, BLIND_UNSUPPORTED, "gguf.tensor",
                          "'%.*s' is of type %u, which is not known", (int)BL_MIN(t->name.size, 80),
                          (const char *)t->name.data, type);
    return BLIND_OK;
}

static blind_code place(bl_gguf *g, bl_gguf_tensor *t, uint64_t offset, blind_span weights,
                        blind_error *err)
{
    size_t len, size;
    BL_TRY(measure(t, &len, &size, err));
    if (offset % g->alignment)
        return tensor_error(err, t, "its place is not aligned");
    if (offset > weights.size || size > weights.size - offset)
        return tensor_error(err, t, "it lies outside the file");
    t->bytes = bl_span(weights.data + offset, size);
    g->parameters += len;
    g->weights += size;
    return BLIND_OK;
}

static int by_tensor_name(const void *a, const void *b, void *arg)
{
    const bl_gguf *g = arg;
    return compare_spans(g->tensors[*(const uint32_t *)a].name,
                         g->tensors[*(const uint32_t *)b].name);
}

static blind_code sort_tensors(bl_gguf *g, blind_error *err)
{
    uint32_t *order = bl_arena_array(&g->arena, g->n_tensors + 1, sizeof *order);
    if (!order)
        return blind_fail(err, BLIND_MEMORY, "gguf", "out of memory");
    for (size_t i = 0; i < g->n_tensors; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, g->n_tensors, sizeof *order, by_tensor_name, g);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (bl_span_equal(g->tensors[order[i - 1]].name, g->tensors[order[i]].name))
            return tensor_error(err, &g->tensors[order[i]], "it is there twice");
    g->by_name = order;
    return BLIND_OK;
}

/* Weights begin at the next multiple of the alignment, counted from the start of the file. */
static blind_span weights_of(const bl_gguf *g, blind_span file, const bl_reader *r)
{
    size_t begin = file.size - r->rest.size;
    size_t pad = (g->alignment - begin % g->alignment) % g->alignment;
    return pad > r->rest.size ? (blind_span){ 0 } : bl_span(r->rest.data + pad, r->rest.size - pad);
}

static blind_code read_tensors(bl_reader *r, blind_span file, uint64_t len, bl_gguf *g,
                               blind_error *err)
{
    if (len > BL_MAX_GGUF_TENSORS)
        return blind_fail(err, BLIND_LIMIT, "gguf", "%llu tensors, at most %d are read",
                          (unsigned long long)len, BL_MAX_GGUF_TENSORS);
    if (len > r->rest.size / LEAST_TENSOR)
        return format_error(err, "the table of tensors is cut short");
    g->tensors = bl_arena_array(&g->arena, (size_t)len + 1, sizeof *g->tensors);
    uint64_t *offsets = bl_arena_array(&g->arena, (size_t)len + 1, sizeof *offsets);
    if (!g->tensors || !offsets)
        return blind_fail(err, BLIND_MEMORY, "gguf", "out of memory");
    for (; g->n_tensors < len; g->n_tensors++)
        BL_TRY(read_tensor(r, &g->tensors[g->n_tensors], &offsets[g->n_tensors], err));
    blind_span weights = weights_of(g, file, r);
    for (size_t i = 0; i < g->n_tensors; i++)
        BL_TRY(place(g, &g->tensors[i], offsets[i], weights, err));
    return sort_tensors(g, err);
}

/* The file.  --------------------------------------------------------------------------------- */

static blind_code read_alignment(bl_gguf *g, blind_error *err)
{
    uint64_t alignment = bl_gguf_uint(g, "general.alignment", DEFAULT_ALIGNMENT);
    if (alignment < 8 || alignment > BL_MAX_GGUF_ALIGNMENT || (alignment & (alignment - 1)))
        return blind_fail(err, BLIND_INPUT, "gguf", "an alignment of %llu",
                          (unsigned long long)alignment);
    g->alignment = (uint32_t)alignment;
    return BLIND_OK;
}

static blind_code read_all(blind_span file, bl_gguf *g, blind_error *err)
{
    bl_reader r = { .rest = file };
    uint32_t  magic = bl_read_u32le(&r);
    g->version = bl_read_u32le(&r);
    if (r.failed || magic != MAGIC)
        return format_error(err, "the file does not begin as GGUF does");
    if (g->version != 2 && g->version != 3)
        return blind_fail(err, BLIND_UNSUPPORTED, "gguf", "%s of GGUF; versions 2 and 3 are read",
                          g->version == 1              ? "version 1"
                          : (g->version & 0xffff) == 0 ? "a file in big endian order"
                                                       : "an unknown version");
    uint64_t tensors = bl_read_u64le(&r);
    uint64_t values = bl_read_u64le(&r);
    if (r.failed)
        return format_error(err, "the header is cut short");
    BL_TRY(read_values(&r, values, g, err));
    BL_TRY(read_alignment(g, err));
    return read_tensors(&r, file, tensors, g, err);
}

blind_code bl_gguf_read(blind_span file, bl_gguf *out, blind_error *err)
{
    *out = (bl_gguf){ .version = 0 };
    blind_code code = read_all(file, out, err);
    if (code != BLIND_OK)
        bl_gguf_done(out);
    return code;
}

void bl_gguf_done(bl_gguf *g)
{
    bl_arena_done(&g->arena);
    *g = (bl_gguf){ .version = 0 };
}

bool bl_gguf_is(blind_span file)
{
    bl_reader r = { .rest = file };
    uint32_t  magic = bl_read_u32le(&r);
    return magic == MAGIC || magic == MAGIC_SWAPPED;
}

/* What is asked for.  ------------------------------------------------------------------------ */

const bl_gguf_value *bl_gguf_find(const bl_gguf *g, const char *key)
{
    bl_gguf_value wanted = { .key = bl_span_str(key) };
    return g->n_values ? bsearch(&wanted, g->values, g->n_values, sizeof wanted, by_key) : NULL;
}

const bl_gguf_tensor *bl_gguf_tensor_of(const bl_gguf *g, const char *name)
{
    blind_span wanted = bl_span_str(name);
    size_t     from = 0, to = g->n_tensors;
    while (from < to) {
        size_t                middle = from + (to - from) / 2;
        const bl_gguf_tensor *t = &g->tensors[g->by_name[middle]];
        int                   order = compare_spans(wanted, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

static uint64_t bits_at(const bl_gguf_value *v, uint64_t i)
{
    size_t    size = kinds[v->item].size;
    bl_reader r = { .rest = bl_span(v->bytes.data + i * size, size) };
    return bl_read_le(&r, size);
}

static bool is_signed(bl_gguf_kind kind)
{
    return kind == BL_GGUF_I8 || kind == BL_GGUF_I16 || kind == BL_GGUF_I32 || kind == BL_GGUF_I64;
}

static bool is_float(bl_gguf_kind kind)
{
    return kind == BL_GGUF_F32 || kind == BL_GGUF_F64;
}

static int64_t extend(uint64_t bits, size_t size)
{
    unsigned shift = (unsigned)(64 - 8 * size);
    return (int64_t)(bits << shift) >> shift;
}

bool bl_gguf_uint_at(const bl_gguf_value *v, uint64_t i, uint64_t *out)
{
    *out = 0;
    if (i >= v->len || v->item == BL_GGUF_TEXT || v->item == BL_GGUF_ARRAY || is_float(v->item))
        return false;
    uint64_t bits = bits_at(v, i);
    if (is_signed(v->item) && extend(bits, kinds[v->item].size) < 0)
        return false;
    *out = bits;
    return true;
}

bool bl_gguf_number_at(const bl_gguf_value *v, uint64_t i, double *out)
{
    *out = 0;
    if (i >= v->len || v->item == BL_GGUF_TEXT || v->item == BL_GGUF_ARRAY)
        return false;
    uint64_t bits = bits_at(v, i);
    if (v->item == BL_GGUF_F32) {
        uint32_t low = (uint32_t)bits;
        float    value;
        memcpy(&value, &low, sizeof value);
        *out = (double)value;
    } else if (v->item == BL_GGUF_F64) {
        memcpy(out, &bits, sizeof *out);
    } else if (is_signed(v->item)) {
        *out = (double)extend(bits, kinds[v->item].size);
    } else {
        *out = (double)bits;
    }
    return true;
}

static const bl_gguf_value *find_single(const bl_gguf *g, const char *key)
{
    const bl_gguf_value *v = bl_gguf_find(g, key);
    return v && v->kind != BL_GGUF_ARRAY ? v : NULL;
}

uint64_t bl_gguf_uint(const bl_gguf *g, const char *key, uint64_t fallback)
{
    const bl_gguf_value *v = find_single(g, key);
    uint64_t             value;
    return v && bl_gguf_uint_at(v, 0, &value) ? value : fallback;
}

double bl_gguf_number(const bl_gguf *g, const char *key, double fallback)
{
    const bl_gguf_value *v = find_single(g, key);
    double               value;
    return v && bl_gguf_number_at(v, 0, &value) ? value : fallback;
}

bool bl_gguf_flag(const bl_gguf *g, const char *key, bool fallback)
{
    const bl_gguf_value *v = find_single(g, key);
    return v && v->kind == BL_GGUF_BOOL ? v->bytes.data[0] != 0 : fallback;
}

blind_span bl_gguf_text(const bl_gguf *g, const char *key)
{
    const bl_gguf_value *v = find_single(g, key);
    return v && v->kind == BL_GGUF_TEXT ? v->bytes : (blind_span){ 0 };
}

blind_code bl_gguf_texts(bl_gguf *g, const char *key, size_t max, blind_span **out, size_t *len,
                         blind_error *err)
{
    const bl_gguf_value *v = bl_gguf_find(g, key);
    *out = NULL;
    *len = 0;
    if (!v || v->kind != BL_GGUF_ARRAY || v->item != BL_GGUF_TEXT)
        return blind_fail(err, BLIND_INPUT, "gguf", "'%s' is no array of texts", key);
    if (v->len > max)
        return blind_fail(err, BLIND_LIMIT, "gguf", "'%s' has %llu entries, at most %zu are read",
                          key, (unsigned long long)v->len, max);
    blind_span *texts = bl_arena_array(&g->arena, (size_t)v->len + 1, sizeof *texts);
    if (!texts)
        return blind_fail(err, BLIND_MEMORY, "gguf", "out of memory");
    bl_reader r = { .rest = v->bytes };
    for (size_t i = 0; i < v->len; i++)
        texts[i] = read_text(&r);
    *out = texts;
    *len = (size_t)v->len;
    return BLIND_OK;
}
