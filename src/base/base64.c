/* Four digits for three bytes.  Unused bits must be zero, so that each run of bytes has one text.
 * Source: RFC 4648, sections 3.3 (other characters), 3.5 (canonical), 4 and 5 (alphabets). */
#include "base/base64.h"

static const char alphabets[][65] = {
    [BL_BASE64_STD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BL_BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void bl_base64_add(bl_buf *b, bl_base64 form, blind_span bytes)
{
    const char *alphabet = alphabets[form];
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t   n = BL_MIN(bytes.size - i, (size_t)3);
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        if (n > 1)
            bits |= (uint32_t)bytes.data[i + 1] << 8;
        if (n > 2)
            bits |= bytes.data[i + 2];
        for (size_t k = 0; k <= n; k++)
            bl_buf_add_u8(b, (uint8_t)alphabet[bits >> (18 - 6 * k) & 63]);
        for (size_t k = n; k < 3 && form == BL_BASE64_STD; k++)
            bl_buf_add_u8(b, '=');
    }
}

static int value_of(uint8_t c, bl_base64 form)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (uint8_t)alphabets[form][62])
        return 62;
    return c == (uint8_t)alphabets[form][63] ? 63 : -1;
}

/* The digits without their padding; false when the padding is not as the form has it. */
static bool strip_padding(blind_span *text, bl_base64 form)
{
    if (form == BL_BASE64_STD) {
        if (text->size % 4 != 0)
            return false;
        for (int i = 0; i < 2 && text->size && text->data[text->size - 1] == '='; i++)
            text->size--;
    }
    return text->size % 4 != 1;
}

/* Decodes to `out`, which has room; the number of bytes, or SIZE_MAX. */
static size_t decode(blind_span text, bl_base64 form, uint8_t *out)
{
    uint32_t bits = 0;
    size_t   held = 0, size = 0; /* bits held, bytes written */
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.data[i], form);
        if (value < 0)
            return SIZE_MAX;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[size++] = (uint8_t)(bits >> held);
        }
    }
    return bits & ((1u << held) - 1) ? SIZE_MAX : size;
}

blind_code bl_base64_decode(blind_span text, bl_base64 form, bl_buf *out, blind_error *err)
{
    if (!strip_padding(&text, form))
        return blind_fail(err, BLIND_INPUT, "base64", "wrong length or padding");
    uint8_t *to = bl_buf_reserve(out, text.size / 4 * 3 + 3);
    if (!to)
        return bl_buf_check(out, "base64", err);
    size_t size = decode(text, form, to);
    if (size == SIZE_MAX)
        return blind_fail(err, BLIND_INPUT, "base64", "a digit that is none, or unused bits set");
    out->size += size;
    return BLIND_OK;
}
