/* Hex and base64: an accepted text is the one that its bytes are written as. */
#include "base/base64.h"
#include "base/hex.h"

#include <ctype.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_base64(blind_span text, bl_base64 form)
{
    bl_auto_buf bytes = BL_BUF_EMPTY, again = BL_BUF_EMPTY;
    if (bl_base64_decode(text, form, &bytes, NULL) != BLIND_OK)
        return;
    bl_base64_add(&again, form, bl_buf_span(&bytes));
    if (!bl_span_equal(text, bl_buf_span(&again)))
        abort();
}

static void try_hex(blind_span text)
{
    uint8_t     bytes[64];
    char        again[2 * sizeof bytes + 1];
    bl_auto_buf added = BL_BUF_EMPTY;
    size_t      size = text.size / 2;
    if (size > sizeof bytes || !bl_hex_decode(text, bytes, size))
        return;
    bl_hex_encode(bl_span(bytes, size), again);
    bl_hex_add(&added, bl_span(bytes, size));
    for (size_t i = 0; i < text.size; i++)
        if (tolower(text.data[i]) != again[i] || added.data[i] != (uint8_t)again[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span text = { data, size };
    try_base64(text, BL_BASE64_STD);
    try_base64(text, BL_BASE64_URL);
    try_hex(text);
    return 0;
}
