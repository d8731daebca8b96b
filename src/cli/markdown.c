/* Source: CommonMark 0.31, sections 4 to 6, as far as a line and a character are enough to tell. */
#include "cli/markdown.h"

#include "base/utf8.h"

enum { REPLACEMENT = 0xfffd };

static void put(uint32_t c, bl_buf *out)
{
    uint8_t bytes[4];
    bl_buf_add(out, bl_span(bytes, bl_utf8_put(c, bytes)));
}

/* Select Graphic Rendition.  Source: ECMA-48, 8.3.117. */
static void attributes(const bl_markdown *m, bl_buf *out)
{
    if (m->plain)
        return;
    bl_buf_add_str(out, "\033[0");
    if (m->strong || m->heading)
        bl_buf_add_str(out, ";1");
    if (m->quote || m->fence_line)
        bl_buf_add_str(out, ";2");
    if (m->emphasis)
        bl_buf_add_str(out, ";3");
    if (m->code || m->fence)
        bl_buf_add_str(out, ";36");
    bl_buf_add_str(out, "m");
}

/* Sources: ISO/IEC 6429 (C0, C1); Unicode, UAX #9 (embeddings, overrides, isolates, marks). */
static bool steers(uint32_t c)
{
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0x61c;
}

static bool blank(uint32_t c)
{
    return c == 0 || c == ' ' || c == '\t' || c == '\n';
}

static bool letter(uint32_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* What is held, as it was written. */
static void release(bl_markdown *m, bl_buf *out)
{
    for (size_t i = 0; i < m->held_len; i++)
        put(m->held[i], out);
    m->held_len = 0;
}

static bool held_all(const bl_markdown *m, uint32_t c)
{
    for (size_t i = 0; i < m->held_len; i++)
        if (m->held[i] != c)
            return false;
    return m->held_len > 0;
}

/* ---- the start of a line ---- */

static bool may_start(uint32_t c)
{
    return c == '#' || c == '`' || c == '>' || c == '*';
}

/* The marks at the start are complete, `next` is behind them.  True when that was all of them. */
static bool begin_line(bl_markdown *m, uint32_t next, bl_buf *out)
{
    bool fence = m->held_len >= 3 && held_all(m, '`');
    if (fence) {
        m->fence = !m->fence;
        m->fence_line = true;
    } else if (m->fence) {
        ;
    } else if (held_all(m, '#') && m->held_len <= 6 && blank(next)) {
        m->heading = true;
    } else if (held_all(m, '>')) {
        m->quote = true;
    } else if (!(m->held_len == 1 && m->held[0] == '*' && blank(next))) { /* an item of a list */
        return false;
    }
    attributes(m, out);
    release(m, out);
    return true;
}

/* ---- within a line ---- */

static void toggle(bl_markdown *m, bool *what, bl_buf *out)
{
    *what = !*what;
    m->held_len = 0;
    attributes(m, out);
}

/* A run of marks is complete, `next` is behind it: it opens before a word and closes behind one. */
static void end_run(bl_markdown *m, uint32_t next, bl_buf *out)
{
    uint32_t mark = m->held_len ? m->held[0] : 0;
    bool    *what = mark == '`' ? &m->code : m->held_len == 2 ? &m->strong : &m->emphasis;
    bool     flanks = *what ? !blank(m->before) : !blank(next);
    bool     inside_word = mark == '_' && (*what ? letter(next) : letter(m->before));
    bool     toggles = mark == '`' ? m->held_len == 1
                                   : (mark == '*' || mark == '_') && !m->code && m->held_len <= 2 &&
                                     flanks && !inside_word;
    if (toggles)
        toggle(m, what, out);
    else
        release(m, out);
}

static void end_line(bl_markdown *m, bl_buf *out)
{
    bool changed = m->strong || m->emphasis || m->code || m->heading || m->quote || m->fence_line;
    m->strong = m->emphasis = m->code = m->heading = m->quote = m->fence_line = m->started = false;
    m->before = 0;
    if (changed)
        attributes(m, out);
    put('\n', out);
}

static bool is_run(const bl_markdown *m, uint32_t c)
{
    return !m->fence && !m->fence_line && (c == '*' || c == '_' || c == '`');
}

static void write_one(bl_markdown *m, uint32_t c, bl_buf *out)
{
    bool more = m->held_len > 0 && m->held[0] == c && m->held_len < BL_MARKDOWN_HELD;
    if (more || (!m->held_len && !m->started && may_start(c))) {
        m->held[m->held_len++] = c;
        return;
    }
    if (m->held_len && (m->started || !begin_line(m, c, out)))
        end_run(m, c, out);
    m->started = m->started || (c != ' ' && c != '\n');
    if (m->held_len == 0 && is_run(m, c)) {
        m->held[m->held_len++] = c;
        return;
    }
    if (c == '\n') {
        end_line(m, out);
        return;
    }
    put(c, out);
    m->before = c;
}

void bl_markdown_write(bl_markdown *m, blind_span text, bl_buf *out)
{
    while (text.size) {
        uint32_t c;
        size_t   len = bl_utf8_next(text, &c);
        if (len == 0) {
            c = REPLACEMENT;
            len = 1;
        }
        text = bl_span(text.data + len, text.size - len);
        if (steers(c))
            continue;
        if (m->plain)
            put(c, out);
        else
            write_one(m, c, out);
    }
}

void bl_markdown_end(bl_markdown *m, bl_buf *out)
{
    bool plain = m->plain;
    if (m->held_len && (m->started || !begin_line(m, '\n', out)))
        end_run(m, '\n', out);
    *m = (bl_markdown){ .plain = plain };
    attributes(m, out);
}
