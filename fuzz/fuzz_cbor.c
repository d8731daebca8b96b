/* CBOR: what the reader accepts, the writer spells in exactly the same bytes. */
#include "base/cbor.h"
#include "base/limits.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_item(bl_reader *r, bl_buf *out, int depth);

static void copy_all(bl_reader *r, bl_buf *out, uint64_t count, int depth)
{
    for (uint64_t i = 0; i < count && !r->failed; i++)
        copy_item(r, out, depth);
}

static void copy_simple(uint64_t value, bl_buf *out)
{
    if (value == BL_CBOR_NULL)
        bl_cbor_put_null(out);
    else
        bl_cbor_put_bool(out, value == BL_CBOR_TRUE);
}

static void copy_integer(bl_reader before, const bl_cbor_item *item, bl_buf *out)
{
    int64_t value = bl_cbor_read_int(&before);
    if (!before.failed)
        bl_cbor_put_int(out, value);
    else if (item->major == BL_CBOR_UINT && item->value > INT64_MAX)
        bl_cbor_put_uint(out, item->value);
    else /* below INT64_MIN: no value of ours, but skipped */
        bl_buf_add(out, (blind_span){ before.rest.data - 9, 9 });
}

static void copy_item(bl_reader *r, bl_buf *out, int depth)
{
    bl_reader    before = *r;
    bl_cbor_item item;
    if (!bl_cbor_read(r, &item))
        abort(); /* bl_cbor_skip() accepted it */
    switch (item.major) {
    case BL_CBOR_UINT:
    case BL_CBOR_NEGATIVE:
        copy_integer(before, &item, out);
        break;
    case BL_CBOR_BYTES:
        bl_cbor_put_bytes(out, item.string);
        break;
    case BL_CBOR_TEXT:
        bl_cbor_put_text_span(out, item.string);
        break;
    case BL_CBOR_ARRAY:
        bl_cbor_put_array(out, item.value);
        copy_all(r, out, item.value, depth + 1);
        break;
    case BL_CBOR_MAP:
        bl_cbor_put_map(out, item.value);
        copy_all(r, out, 2 * item.value, depth + 1);
        break;
    case BL_CBOR_TAG:
        bl_cbor_put_tag(out, item.value);
        copy_item(r, out, depth + 1);
        break;
    case BL_CBOR_SIMPLE:
        copy_simple(item.value, out);
    }
    if (depth > BL_MAX_CBOR_DEPTH)
        abort();
}

/* The getters, on whatever is there: none may accept what it did not ask for. */
static void read_typed(blind_span input)
{
    bl_reader   r = { .rest = input };
    bl_cbor_map map = bl_cbor_read_map(&r);
    blind_span  key;
    uint64_t    number;
    bl_reader   numbered = r;
    bl_cbor_map by_number = map;
    while (bl_cbor_next(&r, &map, &key))
        (void)bl_cbor_read_raw(&r);
    while (bl_cbor_next_uint(&numbered, &by_number, &number))
        switch (number % 6) {
        case 0:
            (void)bl_cbor_read_uint(&numbered);
            break;
        case 1:
            (void)bl_cbor_read_bytes(&numbered);
            break;
        case 2:
            (void)bl_cbor_read_text(&numbered);
            break;
        case 3:
            (void)bl_cbor_read_bool(&numbered);
            break;
        case 4:
            (void)bl_cbor_read_array(&numbered);
            break;
        default:
            (void)bl_cbor_read_tag(&numbered);
            bl_cbor_read_null(&numbered);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_reader   r = { .rest = { data, size } }, again = r;
    bl_auto_buf out = BL_BUF_EMPTY;
    read_typed(r.rest);
    blind_span raw = bl_cbor_read_raw(&r);
    if (r.failed)
        return 0;
    copy_item(&again, &out, 0);
    if (bl_buf_ok(&out) && !bl_span_equal(raw, bl_buf_span(&out)))
        abort();
    return 0;
}
