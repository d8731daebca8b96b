/* Named byte strings as one CBOR map. */
#include "attest/parts.h"

#include "base/cbor.h"

#include <stdlib.h>

static const char STAGE[] = "parts";

static bool name_ok(blind_span name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < 0x21 || name.data[i] > 0x7e)
            return false;
    return name.size >= 1 && name.size <= 64;
}

blind_span bl_parts_get(const bl_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->len; i++)
        if (bl_span_equal(parts->items[i].name, bl_span_str(name)))
            return parts->items[i].bytes;
    return (blind_span){ 0 };
}

blind_code bl_parts_set(bl_parts *parts, blind_span name, blind_span bytes, blind_error *err)
{
    size_t i = 0;
    if (!name_ok(name))
        return blind_fail(err, BLIND_INPUT, STAGE, "a part's name is 1 to 64 visible characters");
    while (i < parts->len && !bl_span_equal(parts->items[i].name, name))
        i++;
    if (i == BL_MAX_PARTS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d parts", BL_MAX_PARTS);
    parts->items[i] = (bl_part){ name, bytes };
    if (i == parts->len)
        parts->len++;
    return BLIND_OK;
}

blind_code bl_parts_add(bl_parts *parts, const bl_parts *more, blind_error *err)
{
    size_t before = parts->len;
    for (size_t i = 0; i < more->len; i++) {
        size_t at = 0;
        while (at < before && !bl_span_equal(parts->items[at].name, more->items[i].name))
            at++;
        if (at == before)
            BL_TRY(bl_parts_set(parts, more->items[i].name, more->items[i].bytes, err));
    }
    return BLIND_OK;
}

blind_code bl_parts_parse(blind_span cbor, bl_parts *out, blind_error *err)
{
    bl_reader r = { .rest = cbor };
    *out = (bl_parts){ 0 };
    if (cbor.size == 0)
        return BLIND_OK;
    bl_cbor_map map = bl_cbor_read_map(&r);
    for (blind_span name; bl_cbor_next(&r, &map, &name);) {
        blind_span bytes = bl_cbor_read_bytes(&r);
        if (out->len == BL_MAX_PARTS || !name_ok(name))
            r.failed = true;
        else
            out->items[out->len++] = (bl_part){ name, bytes };
        if (r.failed)
            break;
    }
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_parts){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "not a map of at most %d names to byte strings",
                      BL_MAX_PARTS);
}

/* Shorter names first, then bytewise: the order of their encodings.  Source: RFC 8949, 4.2.1. */
static int by_name(const void *a, const void *b)
{
    blind_span x = ((const bl_part *)a)->name, y = ((const bl_part *)b)->name;
    if (x.size != y.size)
        return x.size < y.size ? -1 : 1;
    return memcmp(x.data, y.data, x.size);
}

blind_code bl_parts_write(const bl_parts *parts, bl_buf *out, blind_error *err)
{
    bl_parts sorted = *parts;
    if (sorted.len == 0)
        return BLIND_OK;
    qsort(sorted.items, sorted.len, sizeof *sorted.items, by_name);
    bl_cbor_put_map(out, sorted.len);
    for (size_t i = 0; i < sorted.len; i++) {
        if (i && bl_span_equal(sorted.items[i - 1].name, sorted.items[i].name))
            return blind_fail(err, BLIND_INPUT, STAGE, "a part twice");
        bl_cbor_put_text_span(out, sorted.items[i].name);
        bl_cbor_put_bytes(out, sorted.items[i].bytes);
    }
    return bl_buf_check(out, STAGE, err);
}
