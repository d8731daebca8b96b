/* Code points to bytes and back.  Source: RFC 3629, section 4 (the table of well-formed forms). */
#include "base/utf8.h"

size_t bl_utf8_next(blind_span s, uint32_t *code_point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (s.size == 0)
        return 0;
    uint8_t first = s.data[0];
    size_t  n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (n == 0 || n > s.size || first > 0xf7)
        return 0;
    uint32_t c = n == 1 ? first : first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.data[i] & 0x3fu);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code_point = c;
    return n;
}

bool bl_utf8_valid(blind_span s)
{
    while (s.size) {
        uint32_t c;
        size_t   n = bl_utf8_next(s, &c);
        if (n == 0)
            return false;
        s = bl_span(s.data + n, s.size - n);
    }
    return true;
}

size_t bl_utf8_put(uint32_t c, uint8_t out[4])
{
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00u >> n & 0xff) | c);
    return n;
}
