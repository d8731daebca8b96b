#include "http/sse.h"

static const char stage[] = "http.sse";

void bl_sse_init(bl_sse *s, size_t max, bl_sse_take *take, void *arg)
{
    *s = (bl_sse){ .line = { .max = max, .secret = true },
                   .data = { .max = max, .secret = true },
                   .max = max,
                   .take = take,
                   .arg = arg };
}

void bl_sse_done(bl_sse *s)
{
    bl_buf_done(&s->line);
    bl_buf_done(&s->data);
}

/* "data: x" is x; one blank behind the colon belongs to it. */
static bool data_of(blind_span line, blind_span *out)
{
    static const char name[] = "data";
    size_t            len = sizeof name - 1;
    if (line.size < len || memcmp(line.data, name, len) != 0)
        return false;
    if (line.size > len && line.data[len] != ':')
        return false;
    size_t skip = BL_MIN(line.size, len + 1);
    if (line.size > skip && line.data[skip] == ' ')
        skip++;
    *out = bl_span(line.data + skip, line.size - skip);
    return true;
}

static blind_code end_event(bl_sse *s, blind_error *err)
{
    if (!s->has_data)
        return BLIND_OK;
    s->has_data = false;
    BL_TRY(s->take(s->arg, bl_buf_span(&s->data), err));
    bl_buf_clear(&s->data);
    return BLIND_OK;
}

static blind_code end_line(bl_sse *s, blind_error *err)
{
    blind_span data;
    if (s->line.size == 0)
        return end_event(s, err);
    if (data_of(bl_buf_span(&s->line), &data)) {
        if (s->has_data)
            bl_buf_add_u8(&s->data, '\n');
        s->has_data = true;
        bl_buf_add(&s->data, data);
    }
    bl_buf_clear(&s->line);
    return bl_buf_check(&s->data, stage, err);
}

blind_code bl_sse_read(bl_sse *s, blind_span bytes, blind_error *err)
{
    for (size_t at = 0; at < bytes.size;) {
        if (s->cr && bytes.data[at] == '\n') {
            s->cr = false;
            at++;
            continue;
        }
        s->cr = false;
        size_t len = 0;
        while (at + len < bytes.size && bytes.data[at + len] != '\n' &&
               bytes.data[at + len] != '\r')
            len++;
        bl_buf_add(&s->line, bl_span(bytes.data + at, len));
        BL_TRY(bl_buf_check(&s->line, stage, err));
        at += len;
        if (at == bytes.size)
            break;
        s->cr = bytes.data[at++] == '\r';
        BL_TRY(end_line(s, err));
    }
    return BLIND_OK;
}
