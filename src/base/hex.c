/* Two digits a byte. */
#include "base/hex.h"

static const char digits[] = "0123456789abcdef";

void bl_hex_encode(blind_span bytes, char *out)
{
    for (size_t i = 0; i < bytes.size; i++) {
        *out++ = digits[bytes.data[i] >> 4];
        *out++ = digits[bytes.data[i] & 15];
    }
    *out = '\0';
}

void bl_hex_add(bl_buf *b, blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        bl_buf_add_u8(b, (uint8_t)digits[bytes.data[i] >> 4]);
        bl_buf_add_u8(b, (uint8_t)digits[bytes.data[i] & 15]);
    }
}

/* 0 to 15, or -1. */
static int value_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool bl_hex_decode(blind_span text, uint8_t *out, size_t size)
{
    bool good = text.size / 2 == size && text.size % 2 == 0;
    for (size_t i = 0; good && i < size; i++) {
        int high = value_of(text.data[2 * i]), low = value_of(text.data[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            out[i] = (uint8_t)(high << 4 | low);
    }
    if (!good && size)
        memset(out, 0, size);
    return good;
}
