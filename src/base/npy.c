/* The header is the text of a Python dictionary with three keys; it is read as exactly that.
 *
 *     \x93NUMPY, version, header size,
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }   blanks, newline, elements
 *
 * Source: numpy.lib.format, "Format Version 1.0" to "3.0". */
#include "base/npy.h"

#include "base/limits.h"
#include "base/reader.h"

#include <inttypes.h>

#define MAGIC BL_LITERAL("\x93NUMPY")

/* ---- the dictionary ---- */

static void skip_blanks(bl_reader *r)
{
    while (!r->failed && r->rest.size && (r->rest.data[0] == ' ' || r->rest.data[0] == '\n'))
        bl_skip(r, 1);
}

/* Takes the word, if it is next. */
static bool take(bl_reader *r, const char *word)
{
    blind_span want = bl_span_str(word);
    skip_blanks(r);
    if (r->failed || r->rest.size < want.size || memcmp(r->rest.data, want.data, want.size) != 0)
        return false;
    bl_skip(r, want.size);
    return true;
}

static void expect(bl_reader *r, const char *word)
{
    if (!take(r, word))
        r->failed = true;
}

/* 'text' or "text", without escapes. */
static blind_span read_string(bl_reader *r)
{
    skip_blanks(r);
    uint8_t    quote = bl_read_u8(r);
    blind_span rest = r->rest;
    size_t     n = 0;
    while (n < rest.size && rest.data[n] != quote && rest.data[n] != '\\')
        n++;
    blind_span text = bl_read_bytes(r, n);
    if ((quote != '\'' && quote != '"') || bl_read_u8(r) != quote)
        r->failed = true;
    return r->failed ? (blind_span){ 0 } : text;
}

static bool read_bool(bl_reader *r)
{
    bool yes = take(r, "True");
    if (!yes)
        expect(r, "False");
    return yes;
}

/* A number of at most 18 digits; Python 2 put an L behind it. */
static int64_t read_axis(bl_reader *r)
{
    int64_t value = 0;
    int     digits = 0;
    skip_blanks(r);
    for (; r->rest.size && r->rest.data[0] >= '0' && r->rest.data[0] <= '9'; digits++) {
        if (digits == 18)
            r->failed = true;
        if (r->failed)
            return 0;
        value = value * 10 + (bl_read_u8(r) - '0');
    }
    if (digits == 0)
        r->failed = true;
    (void)take(r, "L");
    return value;
}

/* (), (2,), (2, 3) or (2, 3,). */
static void read_shape(bl_reader *r, bl_npy *out)
{
    expect(r, "(");
    for (out->rank = 0; !r->failed && !take(r, ")");) {
        if (out->rank == BLIND_MAX_RANK) {
            r->failed = true;
            return;
        }
        out->shape[out->rank++] = read_axis(r);
        if (!take(r, ",")) {
            if (out->rank == 1) /* (2) is a number, not a tuple */
                r->failed = true;
            expect(r, ")");
            return;
        }
    }
}

/* The three keys, each once, in any order. */
static blind_span read_dictionary(bl_reader *r, bl_npy *out)
{
    blind_span descr = { 0 };
    unsigned   seen = 0;
    expect(r, "{");
    while (!r->failed && !take(r, "}")) {
        blind_span key = read_string(r);
        unsigned   bit = 0;
        expect(r, ":");
        if (bl_span_equal(key, BL_LITERAL("descr"))) {
            descr = read_string(r);
            bit = 1;
        } else if (bl_span_equal(key, BL_LITERAL("fortran_order"))) {
            out->fortran_order = read_bool(r);
            bit = 2;
        } else if (bl_span_equal(key, BL_LITERAL("shape"))) {
            read_shape(r, out);
            bit = 4;
        }
        if (bit == 0 || seen & bit)
            r->failed = true;
        seen |= bit;
        if (!take(r, ",")) {
            expect(r, "}");
            break;
        }
    }
    skip_blanks(r);
    if (seen != 7 || r->rest.size)
        r->failed = true;
    return descr;
}

/* ---- the file ---- */

/* "<U12", UCS-4, or "|S12", bytes: characters of each string. */
static bool find_text(blind_span descr, bl_npy *out)
{
    size_t len = 0;
    if (descr.size < 3 || descr.size > 9 || (descr.data[1] != 'U' && descr.data[1] != 'S'))
        return false;
    for (size_t i = 2; i < descr.size; i++) {
        if (descr.data[i] < '0' || descr.data[i] > '9')
            return false;
        len = len * 10 + (size_t)(descr.data[i] - '0');
    }
    out->dtype = BLIND_STRING;
    out->wide_text = descr.data[1] == 'U';
    out->big_endian = descr.data[0] == '>';
    out->each = out->wide_text ? 4 * len : len;
    return len > 0 && (descr.data[0] == '<' || descr.data[0] == '>' ||
                       (descr.data[0] == '|' && !out->wide_text));
}

/* "<f4" and its kin; ">" is taken where numpy has "<", and "=" nowhere, since files name an order.
 */
static bool find_dtype(blind_span descr, bl_npy *out)
{
    if (find_text(descr, out))
        return true;
    if (descr.size != 3)
        return false;
    for (int d = 0; d < BLIND_DTYPE_COUNT; d++) {
        const char *name = blind_dtype_numpy((blind_dtype)d);
        if (name[0] == '\0' || memcmp(descr.data + 1, name + 1, 2) != 0)
            continue;
        bool wide = name[0] == '<';
        out->dtype = (blind_dtype)d;
        out->each = blind_dtype_size(out->dtype);
        out->big_endian = wide && descr.data[0] == '>';
        return wide ? descr.data[0] == '<' || descr.data[0] == '>'
                    : descr.data[0] == '|' || descr.data[0] == '<' || descr.data[0] == '>';
    }
    return false;
}

static blind_code refuse_dtype(blind_span descr, blind_error *err)
{
    char   shown[24] = { 0 };
    size_t n = BL_MIN(descr.size, sizeof shown - 1);
    for (size_t i = 0; i < n; i++)
        shown[i] = descr.data[i] >= 0x20 && descr.data[i] < 0x7f ? (char)descr.data[i] : '?';
    return blind_fail(err, BLIND_UNSUPPORTED, "npy.dtype",
                      "npy elements '%s', expected booleans, integers, floats or strings", shown);
}

/* The bytes that the shape asks for; false when they do not fit a size. */
static bool tensor_size(const int64_t *shape, int rank, size_t each, size_t *out)
{
    size_t size = each;
    bool   empty = false, fits = true;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return false;
        if (shape[i] == 0)
            empty = true;
        else
            fits = fits && bl_mul(size, (size_t)shape[i], &size);
    }
    *out = empty ? 0 : size;
    return empty || fits;
}

/* The header's text, behind magic, version and size. */
static bool read_header(bl_reader *r, blind_span *header)
{
    blind_span magic = bl_read_bytes(r, 6);
    uint8_t    major = bl_read_u8(r), minor = bl_read_u8(r);
    if (!bl_span_equal(magic, MAGIC) || major < 1 || major > 3 || minor != 0)
        return false;
    uint32_t size = major == 1 ? bl_read_u16le(r) : bl_read_u32le(r);
    if (size > BL_MAX_NPY_HEADER)
        return false;
    *header = bl_read_bytes(r, size);
    return !r->failed;
}

blind_code bl_npy_parse(blind_span file, bl_npy *out, blind_error *err)
{
    bl_reader  r = { .rest = file };
    blind_span header;
    bl_npy     npy = { 0 };
    *out = npy;
    if (!read_header(&r, &header))
        return blind_fail(err, BLIND_INPUT, "npy.header", "no npy file of version 1 to 3");
    bl_reader  text = { .rest = header };
    blind_span descr = read_dictionary(&text, &npy);
    if (text.failed)
        return blind_fail(err, BLIND_INPUT, "npy.header",
                          "malformed npy header, or one of records");
    if (!find_dtype(descr, &npy))
        return refuse_dtype(descr, err);
    size_t size = 0;
    if (!tensor_size(npy.shape, npy.rank, npy.each, &size) || size != r.rest.size)
        return blind_fail(err, BLIND_INPUT, "npy.size", "%zu bytes of elements, the shape says %s",
                          r.rest.size, size > r.rest.size ? "more" : "less");
    npy.elements = r.rest;
    *out = npy;
    return BLIND_OK;
}

/* ---- into a tensor ---- */

/* Column-major to row-major: walks the output in order, an index per axis. */
static void copy_fortran(const bl_npy *npy, uint8_t *to, size_t each, size_t count)
{
    size_t stride[BLIND_MAX_RANK] = { 0 }, from = 0;
    size_t index[BLIND_MAX_RANK] = { 0 };
    for (int i = 0; i < npy->rank; i++)
        stride[i] = i ? stride[i - 1] * (size_t)npy->shape[i - 1] : each;
    for (size_t n = 0; n < count; n++) {
        memcpy(to + n * each, npy->elements.data + from, each);
        for (int i = npy->rank - 1; i >= 0; i--) {
            from += stride[i];
            if (++index[i] < (size_t)npy->shape[i])
                break;
            from -= stride[i] * index[i];
            index[i] = 0;
        }
    }
}

static void swap_bytes(uint8_t *data, size_t each, size_t count)
{
    for (size_t n = 0; n < count; n++, data += each)
        for (size_t i = 0; i < each / 2; i++) {
            uint8_t b = data[i];
            data[i] = data[each - 1 - i];
            data[each - 1 - i] = b;
        }
}

/* numpy's booleans are 0 and 1; a file can hold anything. */
static blind_code check_bools(blind_span elements, blind_error *err)
{
    for (size_t i = 0; i < elements.size; i++)
        if (elements.data[i] > 1)
            return blind_fail(err, BLIND_INPUT, "npy.bool", "a boolean of value %d",
                              elements.data[i]);
    return BLIND_OK;
}

blind_code bl_npy_read(blind_span file, bl_arena *arena, blind_tensor *out, blind_error *err)
{
    bl_npy npy;
    *out = (blind_tensor){ 0 };
    BL_TRY(bl_npy_parse(file, &npy, err));
    if (npy.dtype == BLIND_BOOL)
        BL_TRY(check_bools(npy.elements, err));
    if (npy.dtype == BLIND_STRING && (!npy.fortran_order || npy.rank < 2))
        return bl_npy_text(&npy, npy.elements, arena, out, err);
    size_t   each = npy.each, count = npy.elements.size / each;
    uint8_t *data = bl_arena_alloc(arena, BL_MAX(npy.elements.size, (size_t)64));
    if (!data)
        return blind_fail(err, BLIND_MEMORY, "npy.read", "out of memory for %zu bytes",
                          npy.elements.size);
    if (npy.fortran_order && npy.rank > 1)
        copy_fortran(&npy, data, each, count);
    else if (npy.elements.size)
        memcpy(data, npy.elements.data, npy.elements.size);
    if (npy.dtype == BLIND_STRING)
        return bl_npy_text(&npy, bl_span(data, npy.elements.size), arena, out, err);
    if (npy.big_endian)
        swap_bytes(data, each, count);
    *out = (blind_tensor){
        .dtype = npy.dtype, .rank = npy.rank, .data = data, .size = npy.elements.size
    };
    memcpy(out->shape, npy.shape, sizeof out->shape);
    return BLIND_OK;
}

/* ---- writing ---- */

static void put_dictionary(const blind_tensor *t, bl_buf *out)
{
    bl_buf_printf(out, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                  blind_dtype_numpy(t->dtype));
    for (int i = 0; i < t->rank; i++)
        bl_buf_printf(out, "%s%" PRId64 "%s", i ? " " : "", t->shape[i],
                      i + 1 < t->rank || t->rank == 1 ? "," : "");
    bl_buf_add_str(out, "), }");
}

blind_code bl_npy_put_header(const blind_tensor *t, bl_buf *out, blind_error *err)
{
    enum { BEFORE = 10, ALIGNMENT = 64 };
    size_t size;
    if (blind_dtype_numpy(t->dtype)[0] == '\0')
        return blind_fail(err, BLIND_UNSUPPORTED, "npy.dtype", "numpy has no elements like %s",
                          blind_dtype_name(t->dtype));
    if (t->rank < 0 || t->rank > BLIND_MAX_RANK ||
        !tensor_size(t->shape, t->rank, blind_dtype_size(t->dtype), &size) || size != t->size)
        return blind_fail(err, BLIND_INPUT, "npy.shape", "%zu bytes are not of the tensor's shape",
                          t->size);
    bl_auto_buf text = BL_BUF_EMPTY;
    put_dictionary(t, &text);
    while ((BEFORE + text.size + 1) % ALIGNMENT != 0 && bl_buf_ok(&text))
        bl_buf_add_u8(&text, ' ');
    bl_buf_add_u8(&text, '\n');
    bl_buf_add(out, MAGIC);
    bl_buf_add(out, BL_LITERAL("\x01\x00"));
    bl_buf_add_le(out, text.size, 2);
    bl_buf_add(out, bl_buf_span(&text));
    out->failed = out->failed || text.failed;
    return bl_buf_check(out, "npy.write", err);
}

blind_code bl_npy_write(const blind_tensor *t, bl_buf *out, blind_error *err)
{
    BL_TRY(bl_npy_put_header(t, out, err));
    bl_buf_add(out, bl_span(t->data, t->size));
    return bl_buf_check(out, "npy.write", err);
}
