/* The held bytes are short: never more than the longest stop text, one character and one token. */
#include "llm/stops.h"

#include "base/utf8.h"

blind_code bl_stops_init(bl_stops *s, const blind_span *stops, size_t n, blind_error *err)
{
    *s = (bl_stops){ .held = { .secret = true }, .texts = { .secret = true } };
    if (n > BL_MAX_STOPS)
        return blind_fail(err, BLIND_LIMIT, "llm.stops", "%zu stop texts, at most %d", n,
                          BL_MAX_STOPS);
    for (size_t i = 0; i < n; i++) {
        if (stops[i].size == 0)
            return blind_fail(err, BLIND_INPUT, "llm.stops", "an empty stop text");
        if (stops[i].size > BL_MAX_STOP_SIZE)
            return blind_fail(err, BLIND_LIMIT, "llm.stops", "a stop text of %zu bytes, at most %d",
                              stops[i].size, BL_MAX_STOP_SIZE);
        bl_buf_add(&s->texts, stops[i]);
    }
    BL_TRY(bl_buf_check(&s->texts, "llm.stops", err));
    size_t at = 0;
    for (size_t i = 0; i < n; at += stops[i].size, i++)
        s->stops[i] = bl_span(s->texts.data + at, stops[i].size);
    s->n_stops = n;
    return BLIND_OK;
}

void bl_stops_done(bl_stops *s)
{
    bl_buf_done(&s->held);
    bl_buf_done(&s->texts);
    *s = (bl_stops){ .stopped = true };
}

/* Where the first stop text begins, or the size of what is held. */
static size_t find_stop(const bl_stops *s)
{
    size_t first = s->held.size;
    for (size_t i = 0; i < s->n_stops; i++) {
        blind_span stop = s->stops[i];
        for (size_t at = 0; at < first && at + stop.size <= s->held.size; at++)
            if (memcmp(s->held.data + at, stop.data, stop.size) == 0)
                first = at;
    }
    return first;
}

/* Whether a stop text may begin at `at` and go on past what is held. */
static bool may_begin(const bl_stops *s, size_t at)
{
    size_t rest = s->held.size - at;
    for (size_t i = 0; i < s->n_stops; i++)
        if (s->stops[i].size > rest && memcmp(s->stops[i].data, s->held.data + at, rest) == 0)
            return true;
    return false;
}

/* Bytes that no stop text can claim any more. */
static size_t free_of_stops(const bl_stops *s)
{
    size_t at = 0;
    while (at < s->held.size && !may_begin(s, at))
        at++;
    return at;
}

/* Bytes of the character that `lead` begins; 0 when it begins none. */
static size_t promised(uint8_t lead)
{
    if (lead >= 0xf0)
        return lead <= 0xf4 ? 4 : 0;
    if (lead >= 0xe0)
        return 3;
    return lead >= 0xc2 ? 2 : 0;
}

/* Whether these bytes, which are no character, may become one. */
static bool unfinished(blind_span s)
{
    static const uint8_t fill[3][3] = { { 0x80, 0x80, 0x80 },
                                        { 0x90, 0x80, 0x80 },
                                        { 0xa0, 0x80, 0x80 } }; /* some second byte is legal */
    size_t               want = promised(s.data[0]);
    uint8_t              whole[4];
    uint32_t             c;
    if (want <= s.size)
        return false;
    memcpy(whole, s.data, s.size);
    for (size_t i = 0; i < BL_LEN(fill); i++) {
        memcpy(whole + s.size, fill[i], want - s.size);
        if (bl_utf8_next(bl_span(whole, want), &c) == want)
            return true;
    }
    return false;
}

/* Moves `size` held bytes out, except a character's beginning at their end unless `all`. */
static void release(bl_stops *s, size_t size, bool all, bl_buf *out)
{
    size_t at = 0;
    while (at < size) {
        blind_span rest = bl_span(s->held.data + at, size - at);
        uint32_t   c;
        size_t     took = bl_utf8_next(rest, &c);
        if (took == 0 && !all && unfinished(rest))
            break;
        bl_buf_add(out, took ? bl_span(rest.data, took) : BL_LITERAL("\xef\xbf\xbd"));
        at += BL_MAX(took, (size_t)1);
    }
    s->passed += at;
    bl_buf_consume(&s->held, at);
}

bool bl_stops_add(bl_stops *s, blind_span bytes, bl_buf *out)
{
    if (s->stopped)
        return true;
    bl_buf_add(&s->held, bytes);
    if (s->held.failed)
        out->failed = true;
    size_t stop = find_stop(s);
    if (stop == s->held.size) {
        release(s, free_of_stops(s), false, out);
        return false;
    }
    release(s, stop, true, out);
    bl_buf_clear(&s->held);
    s->stopped = true;
    return true;
}

void bl_stops_finish(bl_stops *s, bl_buf *out)
{
    release(s, s->held.size, true, out);
    s->stopped = true;
}
