/* Heads, strings and lists of any well-formed CBOR but strings in pieces.
 * Source: RFC 8949, sections 3 (heads), 3.2 (breaks), 3.3 (simple values). */
#include "base/cbor_any.h"

#include "base/limits.h"
#include "base/utf8.h"

enum { BREAK = 0xff, OPEN = 31 };

typedef struct {
    bl_cbor_major major;
    uint64_t      value; /* of a floating-point number: UINT64_MAX, which is no simple value */
    blind_span    string;
    bool          open;
} item;

/* Information 28 to 30 is reserved. */
static void read_argument(bl_reader *r, uint8_t info, item *out)
{
    if (info < 24)
        out->value = info;
    else if (info < 28)
        out->value = bl_read_be(r, (size_t)1 << (info - 24));
    else if (info == OPEN && (out->major == BL_CBOR_ARRAY || out->major == BL_CBOR_MAP))
        out->open = true;
    else
        r->failed = true;
}

/* A simple value below 32 has one byte. */
static void check_simple(bl_reader *r, uint8_t info, item *out)
{
    if (info == 24 && out->value < 32)
        r->failed = true;
    if (info > 24)
        out->value = UINT64_MAX;
}

/* One head, with the bytes of a string.  A count that the input cannot hold is refused. */
static item read_item(bl_reader *r)
{
    uint8_t first = bl_read_u8(r), info = first & 31;
    item    it = { .major = (bl_cbor_major)(first >> 5) };
    if (!r->failed)
        read_argument(r, info, &it);
    if (it.major == BL_CBOR_SIMPLE)
        check_simple(r, info, &it);
    size_t room = it.major == BL_CBOR_MAP ? r->rest.size / 2 : r->rest.size;
    if (it.major >= BL_CBOR_BYTES && it.major <= BL_CBOR_MAP && it.value > room)
        r->failed = true;
    if (!r->failed && (it.major == BL_CBOR_BYTES || it.major == BL_CBOR_TEXT))
        it.string = bl_read_bytes(r, (size_t)it.value);
    if (it.major == BL_CBOR_TEXT && !bl_utf8_valid(it.string))
        r->failed = true;
    return r->failed ? (item){ 0 } : it;
}

static item read_of(bl_reader *r, bl_cbor_major major)
{
    item it = read_item(r);
    if (it.major != major)
        r->failed = true;
    return r->failed ? (item){ 0 } : it;
}

uint64_t bl_any_uint(bl_reader *r)
{
    return read_of(r, BL_CBOR_UINT).value;
}

int64_t bl_any_int(bl_reader *r)
{
    item it = read_item(r);
    if (it.major > BL_CBOR_NEGATIVE || it.value > INT64_MAX)
        r->failed = true;
    if (r->failed)
        return 0;
    return it.major == BL_CBOR_UINT ? (int64_t)it.value : -1 - (int64_t)it.value;
}

blind_span bl_any_bytes(bl_reader *r)
{
    return read_of(r, BL_CBOR_BYTES).string;
}

blind_span bl_any_text(bl_reader *r)
{
    return read_of(r, BL_CBOR_TEXT).string;
}

/* Whether the next item is this, which is then taken. */
static bool take(bl_reader *r, bl_cbor_major major, uint64_t value)
{
    bl_reader ahead = *r;
    item      it = read_item(&ahead);
    if (ahead.failed || it.major != major || it.value != value)
        return false;
    *r = ahead;
    return true;
}

bool bl_any_null(bl_reader *r)
{
    return take(r, BL_CBOR_SIMPLE, BL_CBOR_NULL);
}

bool bl_any_tag(bl_reader *r, uint64_t tag)
{
    return take(r, BL_CBOR_TAG, tag);
}

static bl_any_list read_list(bl_reader *r, bl_cbor_major major)
{
    item it = read_of(r, major);
    return (bl_any_list){ .left = it.value, .open = it.open };
}

bl_any_list bl_any_array(bl_reader *r)
{
    return read_list(r, BL_CBOR_ARRAY);
}

bl_any_list bl_any_map(bl_reader *r)
{
    return read_list(r, BL_CBOR_MAP);
}

static bool take_break(bl_reader *r)
{
    if (r->failed || r->rest.size == 0 || r->rest.data[0] != BREAK)
        return false;
    bl_skip(r, 1);
    return true;
}

bool bl_any_more(bl_reader *r, bl_any_list *list)
{
    if (r->failed)
        return false;
    if (list->open)
        return !take_break(r);
    return list->left && list->left--;
}

/* One level of what is being skipped: items, keys and values counted alike. */
typedef struct {
    uint64_t left;
    bool     open, map, odd;
} level;

/* Whether nothing is left of it; a map must not end between a key and its value. */
static bool ended(bl_reader *r, level *l)
{
    if (!l->open)
        return l->left == 0;
    if (!take_break(r))
        return false;
    r->failed |= l->map && l->odd;
    return true;
}

static level level_of(const item *it)
{
    bool map = it->major == BL_CBOR_MAP;
    return (level){ .left = it->major == BL_CBOR_TAG ? 1
                            : map                    ? 2 * it->value
                                                     : it->value,
                    .open = it->open,
                    .map = map };
}

void bl_any_skip(bl_reader *r)
{
    level levels[BL_MAX_CBOR_DEPTH + 1] = { { .left = 1 } };
    for (size_t depth = 0; !r->failed;) {
        level *l = &levels[depth];
        if (ended(r, l)) {
            if (depth-- == 0)
                return;
            continue;
        }
        item it = read_item(r);
        l->left -= !l->open;
        l->odd = !l->odd;
        if (it.major < BL_CBOR_ARRAY || it.major > BL_CBOR_TAG)
            continue;
        if (depth == BL_MAX_CBOR_DEPTH)
            r->failed = true;
        else
            levels[++depth] = level_of(&it);
    }
}
