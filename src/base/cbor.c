/* Heads, strings and counts of deterministic CBOR; every item has one spelling.
 * Source: RFC 8949, sections 3 (heads), 3.3 (simple values), 4.2.1 (determinism). */
#include "base/cbor.h"

#include "base/limits.h"
#include "base/utf8.h"

/* ---- reading ---- */

/* The argument in its shortest form.  Additional information 28 to 31 is reserved or indefinite. */
static bool read_argument(bl_reader *r, uint8_t info, uint64_t *value)
{
    static const uint64_t least[] = { 24, UINT8_MAX + 1, UINT16_MAX + 1, (uint64_t)UINT32_MAX + 1 };
    if (info < 24) {
        *value = info;
        return true;
    }
    if (info > 27)
        return false;
    *value = bl_read_be(r, (size_t)1 << (info - 24));
    return !r->failed && *value >= least[info - 24];
}

/* What only some major types ask of the argument. */
static bool check_argument(const bl_reader *r, const bl_cbor_item *item)
{
    switch (item->major) {
    case BL_CBOR_BYTES:
    case BL_CBOR_TEXT:
    case BL_CBOR_ARRAY: /* each item takes a byte */
        return item->value <= r->rest.size;
    case BL_CBOR_MAP:
        return item->value <= r->rest.size / 2;
    case BL_CBOR_SIMPLE:
        return item->value >= BL_CBOR_FALSE && item->value <= BL_CBOR_NULL;
    default:
        return true;
    }
}

bool bl_cbor_read(bl_reader *r, bl_cbor_item *out)
{
    uint8_t      first = bl_read_u8(r);
    bl_cbor_item item = { .major = (bl_cbor_major)(first >> 5) };
    *out = (bl_cbor_item){ 0 };
    if (r->failed || !read_argument(r, first & 31, &item.value) || !check_argument(r, &item)) {
        r->failed = true;
        return false;
    }
    if (item.major == BL_CBOR_BYTES || item.major == BL_CBOR_TEXT)
        item.string = bl_read_bytes(r, (size_t)item.value);
    if (item.major == BL_CBOR_TEXT && !bl_utf8_valid(item.string)) {
        r->failed = true;
        return false;
    }
    *out = item;
    return true;
}

static bl_cbor_item read_of(bl_reader *r, bl_cbor_major major)
{
    bl_cbor_item item;
    if (bl_cbor_read(r, &item) && item.major == major)
        return item;
    r->failed = true;
    return (bl_cbor_item){ 0 };
}

uint64_t bl_cbor_read_uint(bl_reader *r)
{
    return read_of(r, BL_CBOR_UINT).value;
}

int64_t bl_cbor_read_int(bl_reader *r)
{
    bl_cbor_item item;
    if (!bl_cbor_read(r, &item) || item.major > BL_CBOR_NEGATIVE || item.value > INT64_MAX) {
        r->failed = true;
        return 0;
    }
    return item.major == BL_CBOR_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
}

blind_span bl_cbor_read_bytes(bl_reader *r)
{
    return read_of(r, BL_CBOR_BYTES).string;
}

blind_span bl_cbor_read_text(bl_reader *r)
{
    return read_of(r, BL_CBOR_TEXT).string;
}

uint64_t bl_cbor_read_tag(bl_reader *r)
{
    return read_of(r, BL_CBOR_TAG).value;
}

bool bl_cbor_read_bool(bl_reader *r)
{
    uint64_t value = read_of(r, BL_CBOR_SIMPLE).value;
    if (value != BL_CBOR_FALSE && value != BL_CBOR_TRUE)
        r->failed = true;
    return value == BL_CBOR_TRUE;
}

void bl_cbor_read_null(bl_reader *r)
{
    if (read_of(r, BL_CBOR_SIMPLE).value != BL_CBOR_NULL)
        r->failed = true;
}

size_t bl_cbor_read_array(bl_reader *r)
{
    return (size_t)read_of(r, BL_CBOR_ARRAY).value;
}

bl_cbor_map bl_cbor_read_map(bl_reader *r)
{
    return (bl_cbor_map){ .left = read_of(r, BL_CBOR_MAP).value };
}

/* Bytewise order of the encodings.  Source: RFC 8949, section 4.2.1. */
static bool ascends(blind_span before, blind_span key)
{
    size_t common = BL_MIN(before.size, key.size);
    int    order = common ? memcmp(before.data, key.data, common) : 0;
    return order < 0 || (order == 0 && before.size < key.size);
}

static bool next_key(bl_reader *r, bl_cbor_map *map, bl_cbor_major major, bl_cbor_item *item)
{
    if (r->failed || map->left == 0)
        return false;
    blind_span before = r->rest;
    *item = read_of(r, major);
    blind_span key = { before.data, before.size - r->rest.size };
    if (r->failed || !ascends(map->last, key)) {
        r->failed = true;
        return false;
    }
    map->left--;
    map->last = key;
    return true;
}

bool bl_cbor_next(bl_reader *r, bl_cbor_map *map, blind_span *key)
{
    bl_cbor_item item = { 0 };
    bool         found = next_key(r, map, BL_CBOR_TEXT, &item);
    *key = found ? item.string : (blind_span){ 0 };
    return found;
}

bool bl_cbor_next_uint(bl_reader *r, bl_cbor_map *map, uint64_t *key)
{
    bl_cbor_item item = { 0 };
    bool         found = next_key(r, map, BL_CBOR_UINT, &item);
    *key = found ? item.value : 0;
    return found;
}

bool bl_cbor_peek(const bl_reader *r, bl_cbor_major *out)
{
    if (r->failed || r->rest.size == 0)
        return false;
    *out = (bl_cbor_major)(r->rest.data[0] >> 5);
    return true;
}

/* One level of what is being skipped. */
typedef struct {
    uint64_t   left; /* items, keys and values counted alike */
    bool       map;
    blind_span before; /* the key before */
} level;

/* A key in its place: keys of any kind, ascending by their encoding. */
static void check_key(bl_reader *r, level *l, blind_span key)
{
    if (l->map && l->left % 2 == 0) {
        if (!ascends(l->before, key))
            r->failed = true;
        l->before = key;
    }
}

void bl_cbor_skip(bl_reader *r)
{
    level levels[BL_MAX_CBOR_DEPTH + 1] = { { .left = 1 } };
    for (size_t depth = 0; !r->failed;) {
        level *l = &levels[depth];
        if (l->left == 0) {
            if (depth-- == 0)
                return;
            continue;
        }
        bl_cbor_item item;
        blind_span   at = r->rest;
        if (!bl_cbor_read(r, &item))
            return;
        bool holds =
            item.major == BL_CBOR_ARRAY || item.major == BL_CBOR_MAP || item.major == BL_CBOR_TAG;
        if (l->map && l->left % 2 == 0 && holds) /* no format here has such keys */
            r->failed = true;
        check_key(r, l, bl_span(at.data, at.size - r->rest.size));
        l->left--;
        if (!holds)
            continue;
        if (depth == BL_MAX_CBOR_DEPTH) {
            r->failed = true;
            return;
        }
        bool map = item.major == BL_CBOR_MAP;
        levels[++depth] = (level){
            .left = item.major == BL_CBOR_TAG ? 1
                    : map                     ? 2 * item.value
                                              : item.value,
            .map = map,
        };
    }
}

blind_span bl_cbor_read_raw(bl_reader *r)
{
    blind_span before = r->rest;
    bl_cbor_skip(r);
    return r->failed ? (blind_span){ 0 } : bl_span(before.data, before.size - r->rest.size);
}

/* ---- writing ---- */

static void put(bl_buf *b, bl_cbor_major major, uint64_t value)
{
    uint8_t top = (uint8_t)(major << 5);
    if (value < 24) {
        bl_buf_add_u8(b, (uint8_t)(top | value));
        return;
    }
    uint8_t log2 = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    bl_buf_add_u8(b, (uint8_t)(top | (24 + log2)));
    bl_buf_add_be(b, value, (size_t)1 << log2);
}

void bl_cbor_put_uint(bl_buf *b, uint64_t value)
{
    put(b, BL_CBOR_UINT, value);
}

void bl_cbor_put_int(bl_buf *b, int64_t value)
{
    if (value < 0)
        put(b, BL_CBOR_NEGATIVE, (uint64_t)(-1 - value));
    else
        put(b, BL_CBOR_UINT, (uint64_t)value);
}

void bl_cbor_put_bytes(bl_buf *b, blind_span bytes)
{
    put(b, BL_CBOR_BYTES, bytes.size);
    bl_buf_add(b, bytes);
}

void bl_cbor_put_text_span(bl_buf *b, blind_span text)
{
    put(b, BL_CBOR_TEXT, text.size);
    bl_buf_add(b, text);
}

void bl_cbor_put_text(bl_buf *b, const char *text)
{
    bl_cbor_put_text_span(b, bl_span_str(text));
}

void bl_cbor_put_array(bl_buf *b, uint64_t len)
{
    put(b, BL_CBOR_ARRAY, len);
}

void bl_cbor_put_map(bl_buf *b, uint64_t pairs)
{
    put(b, BL_CBOR_MAP, pairs);
}

void bl_cbor_put_tag(bl_buf *b, uint64_t tag)
{
    put(b, BL_CBOR_TAG, tag);
}

void bl_cbor_put_bool(bl_buf *b, bool value)
{
    put(b, BL_CBOR_SIMPLE, value ? BL_CBOR_TRUE : BL_CBOR_FALSE);
}

void bl_cbor_put_null(bl_buf *b)
{
    put(b, BL_CBOR_SIMPLE, BL_CBOR_NULL);
}
