/* DER elements. */
#include "base/der.h"

#include "base/clock.h"

/* Shortest form of at most four bytes. */
static bool read_length(bl_reader *r, size_t *out)
{
    uint8_t first = bl_read_u8(r);
    *out = first;
    if (first < 0x80)
        return !r->failed;
    size_t bytes = first & 0x7f;
    if (bytes == 0 || bytes > 4)
        return false;
    *out = (size_t)bl_read_be(r, bytes);
    return !r->failed && *out >= 0x80 && (bytes == 1 || *out >> (8 * (bytes - 1)) != 0);
}

bool bl_der_next(bl_reader *r, bl_der *out)
{
    const uint8_t *start = r->rest.data;
    size_t         length;
    *out = (bl_der){ 0 };
    if (r->failed || r->rest.size == 0)
        return false;
    uint8_t tag = bl_read_u8(r);
    if ((tag & 0x1f) == 0x1f || !read_length(r, &length) || length > r->rest.size) {
        r->failed = true;
        return false;
    }
    size_t head = (size_t)(r->rest.data - start);
    *out = (bl_der){ .tag = tag,
                     .content = bl_span(r->rest.data, length),
                     .whole = bl_span(start, head + length) };
    bl_skip(r, length);
    return true;
}

static bl_der read_tagged(bl_reader *r, uint8_t tag)
{
    bl_der item;
    if (bl_der_next(r, &item) && item.tag == tag)
        return item;
    r->failed = true;
    return (bl_der){ 0 };
}

blind_span bl_der_read(bl_reader *r, uint8_t tag)
{
    return read_tagged(r, tag).content;
}

blind_span bl_der_read_whole(bl_reader *r, uint8_t tag)
{
    return read_tagged(r, tag).whole;
}

uint8_t bl_der_peek(const bl_reader *r)
{
    return r->failed || r->rest.size == 0 ? 0 : r->rest.data[0];
}

bl_reader bl_der_enter(bl_reader *r, uint8_t tag)
{
    blind_span content = bl_der_read(r, tag);
    return (bl_reader){ .rest = content, .failed = r->failed };
}

uint64_t bl_der_read_uint(bl_reader *r, uint8_t tag)
{
    blind_span n = bl_der_read(r, tag);
    bool       long_form = n.size > 1 && n.data[0] == 0 && n.data[1] < 0x80;
    if (r->failed || n.size == 0 || n.size > 9 || n.data[0] >= 0x80 || long_form ||
        (n.size == 9 && n.data[0] != 0)) {
        r->failed = true;
        return 0;
    }
    bl_reader digits = { .rest = n };
    return bl_read_be(&digits, n.size);
}

bool bl_der_read_bool(bl_reader *r)
{
    blind_span b = bl_der_read(r, BL_DER_BOOLEAN);
    if (b.size == 1 && (b.data[0] == 0 || b.data[0] == 0xff))
        return b.data[0] != 0;
    r->failed = true;
    return false;
}

/* ---- time ---- */

static bool take_number(blind_span *text, size_t digits, int *out)
{
    *out = 0;
    if (text->size < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        *out = *out * 10 + (text->data[i] - '0');
    }
    text->data += digits;
    text->size -= digits;
    return true;
}

int64_t bl_der_read_time(bl_reader *r)
{
    bl_der item;
    bool   utc = bl_der_peek(r) == BL_DER_UTC_TIME;
    int    year, month, day, hour, minute, second;
    if (!bl_der_next(r, &item) || (!utc && item.tag != BL_DER_GENERALIZED_TIME)) {
        r->failed = true;
        return 0;
    }
    blind_span t = item.content;
    bool       ok = take_number(&t, utc ? 2 : 4, &year) && take_number(&t, 2, &month) &&
              take_number(&t, 2, &day) && take_number(&t, 2, &hour) &&
              take_number(&t, 2, &minute) && take_number(&t, 2, &second) && t.size == 1 &&
              t.data[0] == 'Z';
    if (ok && utc)
        year += year < 50 ? 2000 : 1900;
    if (!ok || !bl_clock_is_date(year, month, day) || hour > 23 || minute > 59 || second > 59) {
        r->failed = true;
        return 0;
    }
    return bl_clock_days(year, month, day) * 86400 + INT64_C(3600) * hour + INT64_C(60) * minute +
           second;
}

/* ---- object identifiers ---- */

static bool take_arc(const char **text, uint32_t *out)
{
    const char *at = *text;
    uint64_t    value = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > UINT32_MAX)
            return false;
    }
    if (*at == '.')
        at++;
    *text = at;
    *out = (uint32_t)value;
    return true;
}

static bool put_arc(uint64_t arc, uint8_t *out, size_t size, size_t *used)
{
    size_t bytes = 1;
    for (uint64_t rest = arc >> 7; rest; rest >>= 7)
        bytes++;
    if (bytes > size - *used)
        return false;
    for (size_t i = bytes; i > 0; i--)
        out[(*used)++] = (uint8_t)((arc >> (7 * (i - 1)) & 0x7f) | (i > 1 ? 0x80 : 0));
    return true;
}

size_t bl_der_oid(const char *text, uint8_t *out, size_t size)
{
    uint32_t first, second, arc;
    size_t   used = 0;
    if (!take_arc(&text, &first) || !take_arc(&text, &second) || first > 2 ||
        (first < 2 && second > 39) || !put_arc((uint64_t)first * 40 + second, out, size, &used))
        return 0;
    while (*text)
        if (!take_arc(&text, &arc) || !put_arc(arc, out, size, &used))
            return 0;
    return used;
}
