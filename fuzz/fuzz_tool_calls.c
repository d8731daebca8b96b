/* What a model writes, in pieces: the first byte says in which style and of what size.  Nothing is
 * lost: where no call was found, the text is the answer. */
#include "llm/tool_calls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    bl_buf text;
    size_t calls;
} heard;

static bool on_text(void *arg, blind_span text)
{
    bl_buf_add(&((heard *)arg)->text, text);
    return true;
}

static bool on_call(void *arg, blind_span name, blind_span arguments)
{
    if (name.size == 0 || !arguments.data)
        abort();
    ((heard *)arg)->calls++;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    heard h = { 0 };
    if (size < 1)
        return 0;
    bl_calls   c = { .style = (bl_calls_style)((data[0] & 15) % 3),
                     .one = data[0] & 16,
                     .text = on_text,
                     .call = on_call,
                     .arg = &h };
    size_t     step = (size_t)(data[0] >> 5) + 1;
    blind_span all = { data + 1, size - 1 };
    for (size_t at = 0; at < all.size; at += step)
        if (bl_calls_read(&c, bl_span(all.data + at, BL_MIN(step, all.size - at)), NULL) !=
            BLIND_OK)
            abort();
    if (bl_calls_end(&c, NULL) != BLIND_OK)
        abort();
    if (h.calls == 0 && !bl_span_equal(bl_buf_span(&h.text), all))
        abort();
    bl_calls_done(&c);
    bl_buf_done(&h.text);
    return 0;
}
