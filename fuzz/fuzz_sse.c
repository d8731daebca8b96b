/* Server-sent events: whole, and in pieces of the first byte's length, with the same events. */
#include "http/sse.h"

#include <stdlib.h>

enum { MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events one behind the other, each with its length. */
static blind_code collect(void *arg, blind_span data, blind_error *err)
{
    bl_buf *all = arg;
    bl_buf_add_be(all, data.size, 8);
    bl_buf_add(all, data);
    return bl_buf_check(all, "fuzz", err);
}

static blind_code read_all(blind_span input, size_t step, bl_buf *out)
{
    blind_error err;
    blind_code  code = BLIND_OK;
    bl_sse      reader;
    bl_sse_init(&reader, MAX, collect, out);
    for (size_t at = 0; at < input.size && code == BLIND_OK; at += step)
        code = bl_sse_read(&reader, bl_span(input.data + at, BL_MIN(step, input.size - at)), &err);
    bl_sse_done(&reader);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_buf whole = BL_BUF_EMPTY, pieces = BL_BUF_EMPTY;
    if (size < 2)
        return 0;
    blind_span input = bl_span(data + 1, size - 1);
    blind_code a = read_all(input, input.size, &whole);
    blind_code b = read_all(input, 1 + data[0] % 16u, &pieces);
    bool       same = whole.size == pieces.size &&
                (whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0);
    if (a != b || !same)
        abort();
    return 0;
}
