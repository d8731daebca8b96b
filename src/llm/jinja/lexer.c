/* Cuts a template into words.  Blanks around tags go as trim_blocks and lstrip_blocks say. */
#include "llm/jinja/lexer.h"

#include "base/utf8.h"

void bl_lexer_init(bl_lexer *l, blind_span text, bl_arena *arena)
{
    if (text.size && text.data[text.size - 1] == '\n') /* Jinja drops the last line end */
        text.size--;
    *l = (bl_lexer){ .text = text, .line = 1, .arena = arena };
}

static int at(const bl_lexer *l, size_t offset)
{
    return l->at + offset < l->text.size ? l->text.data[l->at + offset] : -1;
}

static bool is_blank(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(int c)
{
    return c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z') || is_digit(c) || c >= 128;
}

static void skip(bl_lexer *l, size_t n)
{
    for (; n > 0 && l->at < l->text.size; n--)
        l->line += l->text.data[l->at++] == '\n';
}

static bl_word wrong(bl_lexer *l, const char *why)
{
    l->wrong = why;
    l->at = l->text.size;
    l->inside = false;
    return (bl_word){ .kind = BL_WORD_WRONG, .line = l->line };
}

/* Text between tags.  ------------------------------------------------------------------------ */

/* What opens at `i`: '{' a value, '%' a statement, '#' a comment, or 0. */
static int opening(const bl_lexer *l, size_t i)
{
    const uint8_t *t = l->text.data;
    bool           pair = i + 1 < l->text.size && t[i] == '{';
    return pair && (t[i + 1] == '{' || t[i + 1] == '%' || t[i + 1] == '#') ? t[i + 1] : 0;
}

/* Where the text before a tag ends, once blanks that belong to the tag are gone. */
static size_t text_end(const bl_lexer *l, size_t tag, int kind)
{
    int    sign = tag + 2 < l->text.size ? l->text.data[tag + 2] : 0;
    size_t end = tag;
    if (sign == '-') {
        while (end > l->at && is_blank(l->text.data[end - 1]))
            end--;
        return end;
    }
    if (kind == '{' || sign == '+')
        return end;
    while (end > l->at && (l->text.data[end - 1] == ' ' || l->text.data[end - 1] == '\t'))
        end--;
    bool whole_line = end == 0 || l->text.data[end - 1] == '\n';
    return whole_line ? end : tag;
}

static void skip_before_text(bl_lexer *l)
{
    if (l->strip)
        while (is_blank(at(l, 0)))
            skip(l, 1);
    else if (l->trim && at(l, 0) == '\n')
        skip(l, 1);
    else if (l->trim && at(l, 0) == '\r' && at(l, 1) == '\n')
        skip(l, 2);
    l->strip = l->trim = false;
}

/* Past a comment; false: it has no end. */
static bool skip_comment(bl_lexer *l)
{
    const uint8_t *from = l->text.data + l->at;
    const uint8_t *end = memmem(from, l->text.size - l->at, "#}", 2);
    if (!end)
        return false;
    l->strip = end[-1] == '-' && end - from > 2;
    l->trim = end[-1] != '+';
    skip(l, (size_t)(end - from) + 2);
    return true;
}

static void enter(bl_lexer *l, int kind)
{
    skip(l, 2);
    if (at(l, 0) == '-' || at(l, 0) == '+')
        skip(l, 1);
    l->inside = true;
    l->open = 0;
    l->printing = kind == '{';
}

static bl_word outside(bl_lexer *l)
{
    for (;;) {
        skip_before_text(l);
        size_t   tag = l->at;
        uint32_t line = l->line;
        while (tag < l->text.size && !opening(l, tag))
            tag++;
        int    kind = opening(l, tag);
        size_t end = kind ? text_end(l, tag, kind) : tag;
        if (end > l->at) {
            blind_span text = bl_span(l->text.data + l->at, end - l->at);
            skip(l, end - l->at);
            return (bl_word){ BL_WORD_DATA, text, line };
        }
        skip(l, tag - l->at);
        if (!kind)
            return (bl_word){ .kind = BL_WORD_END, .line = l->line };
        if (kind != '#') {
            enter(l, kind);
            return (bl_word){ .kind = kind == '{' ? BL_WORD_PRINT_BEGIN : BL_WORD_TAG_BEGIN,
                              .line = l->line };
        }
        if (!skip_comment(l))
            return wrong(l, "a comment without an end");
    }
}

/* Within tags.  ------------------------------------------------------------------------------ */

/* The code point of "\xHH" or "\uHHHH"; digits begin at offset 2. */
static bool read_escape(const bl_lexer *l, size_t digits, uint32_t *out)
{
    *out = 0;
    for (size_t i = 2; i < 2 + digits; i++) {
        int c = at(l, i), lower = c | 32;
        if (!is_digit(c) && !(lower >= 'a' && lower <= 'f'))
            return false;
        *out = *out * 16 + (uint32_t)(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return true;
}

/* One character of a string into `to`; bytes written. */
static size_t string_character(bl_lexer *l, uint8_t *to)
{
    static const char names[] = "nrtbf\\'\"", values[] = "\n\r\t\b\f\\'\"";
    int               c = at(l, 0), next = at(l, 1);
    if (c != '\\' || next <= 0) {
        *to = (uint8_t)c;
        skip(l, 1);
        return 1;
    }
    uint32_t    code;
    size_t      digits = next == 'x' ? 2 : next == 'u' ? 4 : 0;
    const char *name = strchr(names, next);
    if (digits && read_escape(l, digits, &code)) {
        size_t n = bl_utf8_put(code, to);
        skip(l, 2 + digits);
        return n;
    }
    if (!name) { /* a backslash like any other */
        *to = '\\';
        skip(l, 1);
        return 1;
    }
    *to = (uint8_t)values[name - names];
    skip(l, 2);
    return 1;
}

static bl_word string(bl_lexer *l)
{
    bl_word word = { .kind = BL_WORD_STRING, .line = l->line };
    int     quote = at(l, 0);
    size_t  end = 1, len = 0;
    while (at(l, end) >= 0 && at(l, end) != quote)
        end += at(l, end) == '\\' ? 2 : 1;
    if (at(l, end) < 0)
        return wrong(l, "a string without an end");
    uint8_t *text =
        bl_arena_alloc(l->arena, end + 4); /* escapes are no shorter than what they say */
    if (!text)
        return wrong(l, "out of memory");
    end += l->at;
    for (skip(l, 1); l->at < end;)
        len += string_character(l, text + len);
    skip(l, 1);
    word.text = bl_span(text, len);
    return word;
}

static bl_word number(bl_lexer *l)
{
    bl_word word = { .kind = BL_WORD_INT, .line = l->line };
    size_t  n = 0;
    while (is_digit(at(l, n)) || at(l, n) == '_')
        n++;
    if (at(l, n) == '.' && is_digit(at(l, n + 1))) {
        word.kind = BL_WORD_FLOAT;
        for (n++; is_digit(at(l, n));)
            n++;
    }
    if ((at(l, n) | 32) == 'e' && (is_digit(at(l, n + 1)) || is_digit(at(l, n + 2)))) {
        word.kind = BL_WORD_FLOAT;
        for (n += 2; is_digit(at(l, n));)
            n++;
    }
    word.text = bl_span(l->text.data + l->at, n);
    skip(l, n);
    return word;
}

/* The tag's end, if it stands here: with its sign. */
static bool tag_end(bl_lexer *l)
{
    const char *close = l->printing ? "}}" : "%}";
    size_t      sign = at(l, 0) == '-' || (at(l, 0) == '+' && !l->printing);
    if (at(l, sign) != close[0] || at(l, sign + 1) != close[1])
        return false;
    l->strip = sign && at(l, 0) == '-';
    l->trim = !l->printing && !sign;
    skip(l, sign + 2);
    l->inside = false;
    return true;
}

static bl_word sign(bl_lexer *l)
{
    static const char *const pairs[] = { "==", "!=", "<=", ">=", "//", "**" };
    bl_word                  word = { .kind = BL_WORD_SIGN, .line = l->line };
    size_t                   n = strchr("+-*/%~<>=()[]{}.,:|", at(l, 0)) ? 1 : 0;
    for (size_t i = 0; i < BL_LEN(pairs); i++)
        if (at(l, 0) == pairs[i][0] && at(l, 1) == pairs[i][1])
            n = 2;
    if (n == 0)
        return wrong(l, "a character that has no meaning here");
    word.text = bl_span(l->text.data + l->at, n);
    l->open += n == 1 && strchr("([{", word.text.data[0]);
    l->open -= n == 1 && l->open && strchr(")]}", word.text.data[0]);
    skip(l, n);
    return word;
}

static bl_word inside(bl_lexer *l)
{
    while (is_blank(at(l, 0)))
        skip(l, 1);
    int c = at(l, 0);
    if (c < 0)
        return wrong(l, "a tag without an end");
    bool printing = l->printing;
    if (l->open == 0 && tag_end(l))
        return (bl_word){ .kind = printing ? BL_WORD_PRINT_END : BL_WORD_TAG_END, .line = l->line };
    if (c == '\'' || c == '"')
        return string(l);
    if (is_digit(c))
        return number(l);
    if (!is_name(c))
        return c ? sign(l) : wrong(l, "a character that has no meaning here");
    bl_word word = { .kind = BL_WORD_NAME, .line = l->line };
    size_t  n = 0;
    while (is_name(at(l, n)))
        n++;
    word.text = bl_span(l->text.data + l->at, n);
    skip(l, n);
    return word;
}

bl_word bl_lexer_next(bl_lexer *l)
{
    return l->inside ? inside(l) : outside(l);
}
