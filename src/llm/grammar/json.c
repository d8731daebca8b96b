/* Source: RFC 8259, sections 2 to 7.
 *
 * Narrower than it where that keeps answers usable: blanks are bounded, numbers fit a double and
 * integers 64 bits, surrogates come in pairs, and U+0000 is never written. */
#include "llm/grammar/json.h"

enum { MOST_BLANKS = 32, LAST_CODE_POINT = 0x10ffff };

/* Code points as bytes.  ---------------------------------------------------------------------- */

static unsigned size_of(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static void put_utf8(uint32_t c, unsigned size, uint8_t out[4])
{
    static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (unsigned i = 0; i < 4 && i < size; i++) {
        uint32_t bits = c >> 6 * (size - 1 - i);
        out[i] = (uint8_t)(i ? 0x80 | (bits & 0x3f) : leads[size] | bits);
    }
}

/* A range whose bytes are independent of each other: each lies between those of its ends. */
static void write_box(bl_program *p, bl_choice *c, uint32_t from, uint32_t to)
{
    uint8_t  low[4], high[4];
    unsigned size = size_of(from);
    put_utf8(from, size, low);
    put_utf8(to, size, high);
    bl_choice_next(p, c);
    for (unsigned i = 0; i < size; i++)
        bl_write_range(p, low[i], high[i]);
}

/* The largest end of a box that begins at `from`: the bytes behind the first that differs must run
 * over all they can. */
static uint32_t box_end(uint32_t from, uint32_t to)
{
    static const uint32_t last[] = { 0, 0x7f, 0x7ff, 0xffff, LAST_CODE_POINT };
    to = BL_MIN(to, last[size_of(from)]);
    for (unsigned bits = 18; bits >= 6; bits -= 6) {
        uint32_t rest = (1u << bits) - 1;
        if (from >> bits == to >> bits)
            continue;
        if (from & rest)
            return BL_MIN(to, from | rest); /* up to where the higher bytes change */
        if ((to & rest) != rest)
            return (to >> bits << bits) - 1;
    }
    return to;
}

static void write_range(bl_program *p, bl_choice *c, uint32_t from, uint32_t to)
{
    while (from <= to && from <= LAST_CODE_POINT) {
        if (from >= 0xd800 && from <= 0xdfff) {
            from = 0xe000;
            continue;
        }
        uint32_t stop = from < 0xd800 ? BL_MIN(to, 0xd7ffu) : to;
        uint32_t end = box_end(from, stop);
        while (box_end(from, end) != end)
            end = box_end(from, end);
        write_box(p, c, from, end);
        from = end + 1;
    }
}

/* Those of one byte go into one set. */
static void write_ranges(bl_program *p, bl_choice *c, const bl_code_range *ranges, size_t n)
{
    bl_byte_set ascii = { { 0 } };
    bool        any = false;
    for (size_t i = 0; i < n; i++)
        if (ranges[i].from < 0x80) {
            bl_byte_set_add(&ascii, (uint8_t)ranges[i].from, (uint8_t)BL_MIN(ranges[i].to, 0x7fu));
            any = true;
        }
    if (any) {
        bl_choice_next(p, c);
        bl_write_set(p, ascii);
    }
    for (size_t i = 0; i < n; i++)
        if (ranges[i].to >= 0x80)
            write_range(p, c, BL_MAX(ranges[i].from, 0x80u), ranges[i].to);
}

void bl_write_utf8(bl_program *p, const bl_code_range *ranges, size_t n)
{
    bl_choice c;
    bl_choice_begin(&c);
    write_ranges(p, &c, ranges, n);
    bl_choice_end(p, &c);
}

static bool has(const bl_code_range *ranges, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (ranges[i].from <= c && c <= ranges[i].to)
            return true;
    return false;
}

/* What stands behind a backslash for c; 0: \u00XX */
static char short_escape(uint32_t c)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    for (size_t i = 0; i + 1 < sizeof from; i++)
        if ((uint32_t)from[i] == c)
            return to[i];
    return 0;
}

static void write_escapes(bl_program *p, bl_choice *c, const bl_code_range *ranges, size_t n)
{
    for (uint32_t code = 1; code < 0x80; code++) {
        char text[7] = { '\\', short_escape(code) };
        if ((code >= 0x20 && !text[1]) || !has(ranges, n, code))
            continue;
        if (!text[1]) {
            static const char digits[] = "0123456789abcdef";
            memcpy(text, "\\u00", 4);
            text[4] = digits[code >> 4];
            text[5] = digits[code & 15];
        }
        bl_choice_next(p, c);
        bl_write_text(p, text);
    }
}

/* One range without what a string must escape: in up to four. */
static size_t plain_parts(bl_code_range r, bl_code_range out[3])
{
    static const bl_code_range plain[] = { { 0x20, '"' - 1 },
                                           { '"' + 1, '\\' - 1 },
                                           { '\\' + 1, LAST_CODE_POINT } };
    size_t                     n = 0;
    for (size_t i = 0; i < BL_LEN(plain); i++) {
        bl_code_range part = { BL_MAX(r.from, plain[i].from), BL_MIN(r.to, plain[i].to) };
        if (part.from <= part.to)
            out[n++] = part;
    }
    return n;
}

void bl_write_json_characters(bl_program *p, const bl_code_range *ranges, size_t n)
{
    bl_choice c;
    bl_choice_begin(&c);
    for (size_t i = 0; i < n; i++) {
        bl_code_range parts[3];
        write_ranges(p, &c, parts, plain_parts(ranges[i], parts));
    }
    write_escapes(p, &c, ranges, n);
    bl_choice_end(p, &c);
}

/* The pieces.  ------------------------------------------------------------------------------- */

static void write_blank(bl_program *p)
{
    bl_choice   c;
    bl_byte_set blanks = { { 0 } };
    bl_byte_set_add(&blanks, ' ', ' ');
    bl_byte_set_add(&blanks, '\t', '\t');
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    bl_choice_next(p, &c);
    bl_write_text(p, " ");
    bl_choice_next(p, &c);
    bl_write_text(p, "\n");
    uint32_t loop = bl_loop_begin(p, 0, MOST_BLANKS);
    bl_write_set(p, blanks);
    bl_loop_end(p, loop);
    bl_choice_end(p, &c);
}

void bl_write_json_comma(bl_program *p)
{
    bl_write_text(p, ",");
    bl_write_json(p, BL_JSON_BLANK);
}

void bl_write_json_open(bl_program *p, char bracket)
{
    bl_write_bytes(p, bl_span(&bracket, 1));
    bl_write_json(p, BL_JSON_BLANK);
}

void bl_write_json_close(bl_program *p, char bracket)
{
    bl_write_json(p, BL_JSON_BLANK);
    bl_write_bytes(p, bl_span(&bracket, 1));
}

/* Brackets around any number of pieces. */
static void write_list(bl_program *p, const char *brackets, bl_json_piece piece)
{
    bl_choice c;
    bl_write_json_open(p, brackets[0]);
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    bl_write_bytes(p, bl_span(brackets + 1, 1));
    bl_choice_next(p, &c);
    bl_write_json(p, piece);
    uint32_t loop = bl_loop_begin(p, 0, BL_LOOP_FOREVER);
    bl_write_json_comma(p);
    bl_write_json(p, piece);
    bl_loop_end(p, loop);
    bl_write_json_close(p, brackets[1]);
    bl_choice_end(p, &c);
}

static void write_member(bl_program *p)
{
    bl_write_json(p, BL_JSON_STRING);
    bl_write_text(p, ":");
    bl_write_json(p, BL_JSON_BLANK);
    bl_write_json(p, BL_JSON_VALUE);
}

static void write_string(bl_program *p)
{
    bl_write_text(p, "\"");
    uint32_t loop = bl_loop_begin(p, 0, BL_LOOP_FOREVER);
    bl_write_json(p, BL_JSON_CHARACTER);
    bl_loop_end(p, loop);
    bl_write_text(p, "\"");
}

static void write_plain(bl_program *p)
{
    static const bl_code_range all = { 0, LAST_CODE_POINT };
    bl_code_range              parts[3];
    bl_write_utf8(p, parts, plain_parts(all, parts));
}

static void write_hex(bl_program *p, const char *first, const char *second, int any)
{
    const char *const digits[] = { first, second };
    bl_byte_set       set = { { 0 } };
    for (int i = 0; i < 2; i++) {
        bl_byte_set one = { { 0 } };
        for (const char *c = digits[i]; *c; c++)
            bl_byte_set_add(&one, (uint8_t)*c, (uint8_t)*c);
        if (*digits[i])
            bl_write_set(p, one);
    }
    for (const char *c = "0123456789abcdefABCDEF"; *c; c++)
        bl_byte_set_add(&set, (uint8_t)*c, (uint8_t)*c);
    for (int i = 0; i < any; i++)
        bl_write_set(p, set);
}

/* Behind "\u": not 0000, and surrogates in pairs. */
static void write_unicode_escape(bl_program *p)
{
    static const char some[] = "123456789abcdefABCDEF", all[] = "0123456789abcdefABCDEF";
    bl_choice         c;
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    write_hex(p, "123456789abcefABCEF", "", 3);
    bl_choice_next(p, &c);
    write_hex(p, "dD", "01234567", 2);
    bl_choice_next(p, &c);
    write_hex(p, "dD", "89abAB", 2);
    bl_write_text(p, "\\u");
    write_hex(p, "dD", "cdefCDEF", 2);
    bl_choice_next(p, &c);
    write_hex(p, "0", some, 2);
    bl_choice_next(p, &c);
    write_hex(p, "0", "0", 0);
    write_hex(p, some, all, 0);
    bl_choice_next(p, &c);
    write_hex(p, "0", "0", 0);
    write_hex(p, "0", some, 0);
    bl_choice_end(p, &c);
}

static void write_character(bl_program *p)
{
    bl_choice   c, escape;
    bl_byte_set one = { { 0 } };
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    bl_write_json(p, BL_JSON_PLAIN);
    bl_choice_next(p, &c);
    bl_write_text(p, "\\");
    bl_choice_begin(&escape);
    bl_choice_next(p, &escape);
    for (const char *s = "\"\\/bfnrt"; *s; s++)
        bl_byte_set_add(&one, (uint8_t)*s, (uint8_t)*s);
    bl_write_set(p, one);
    bl_choice_next(p, &escape);
    bl_write_text(p, "u");
    write_unicode_escape(p);
    bl_choice_end(p, &escape);
    bl_choice_end(p, &c);
}

static void write_digits(bl_program *p, uint32_t min, uint32_t max)
{
    uint32_t loop = bl_loop_begin(p, min, max);
    bl_write_range(p, '0', '9');
    bl_loop_end(p, loop);
}

static void write_maybe(bl_program *p, const char *text)
{
    uint32_t loop = bl_loop_begin(p, 0, 1);
    bl_write_text(p, text);
    bl_loop_end(p, loop);
}

static void write_whole(bl_program *p, uint32_t digits)
{
    bl_choice c;
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    bl_write_text(p, "0");
    bl_choice_next(p, &c);
    bl_write_range(p, '1', '9');
    write_digits(p, 0, digits - 1);
    bl_choice_end(p, &c);
}

/* Below 1e16 * 1e99: no double is too small for it. */
static void write_number(bl_program *p)
{
    bl_byte_set e = { { 0 } }, sign = { { 0 } };
    bl_byte_set_add(&e, 'e', 'e');
    bl_byte_set_add(&e, 'E', 'E');
    bl_byte_set_add(&sign, '+', '+');
    bl_byte_set_add(&sign, '-', '-');
    write_maybe(p, "-");
    write_whole(p, 16);
    uint32_t fraction = bl_loop_begin(p, 0, 1);
    bl_write_text(p, ".");
    write_digits(p, 1, 20);
    bl_loop_end(p, fraction);
    uint32_t exponent = bl_loop_begin(p, 0, 1);
    bl_write_set(p, e);
    uint32_t signs = bl_loop_begin(p, 0, 1);
    bl_write_set(p, sign);
    bl_loop_end(p, signs);
    write_digits(p, 1, 2);
    bl_loop_end(p, exponent);
}

/* Below 10^18: fits 64 bits. */
static void write_integer(bl_program *p)
{
    bl_choice c;
    bl_choice_begin(&c);
    bl_choice_next(p, &c);
    bl_write_text(p, "0");
    bl_choice_next(p, &c);
    write_maybe(p, "-");
    bl_write_range(p, '1', '9');
    write_digits(p, 0, 17);
    bl_choice_end(p, &c);
}

static void write_value(bl_program *p)
{
    static const bl_json_piece pieces[] = { BL_JSON_OBJECT, BL_JSON_ARRAY, BL_JSON_STRING,
                                            BL_JSON_NUMBER };
    static const char *const   words[] = { "true", "false", "null" };
    bl_choice                  c;
    bl_choice_begin(&c);
    for (size_t i = 0; i < BL_LEN(pieces); i++) {
        bl_choice_next(p, &c);
        bl_write_json(p, pieces[i]);
    }
    for (size_t i = 0; i < BL_LEN(words); i++) {
        bl_choice_next(p, &c);
        bl_write_text(p, words[i]);
    }
    bl_choice_end(p, &c);
}

static void write_object(bl_program *p)
{
    write_list(p, "{}", BL_JSON_MEMBER);
}

static void write_array(bl_program *p)
{
    write_list(p, "[]", BL_JSON_VALUE);
}

void bl_write_json(bl_program *p, bl_json_piece piece)
{
    if (!p->shared[piece])
        p->shared[piece] = bl_rule_new(p);
    bl_write_call(p, p->shared[piece]);
}

void bl_write_json_rules(bl_program *p)
{
    static void (*const write[])(bl_program *) = {
        [BL_JSON_BLANK] = write_blank,   [BL_JSON_VALUE] = write_value,
        [BL_JSON_OBJECT] = write_object, [BL_JSON_ARRAY] = write_array,
        [BL_JSON_STRING] = write_string, [BL_JSON_CHARACTER] = write_character,
        [BL_JSON_NUMBER] = write_number, [BL_JSON_INTEGER] = write_integer,
        [BL_JSON_MEMBER] = write_member, [BL_JSON_PLAIN] = write_plain,
    };
    bool written[BL_JSON_PIECES] = { false };
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < BL_JSON_PIECES; i++)
            if (p->shared[i] && !written[i]) {
                bl_rule_begin(p, p->shared[i]);
                write[i](p);
                bl_rule_end(p);
                written[i] = more = true;
            }
    }
}

blind_code bl_grammar_json(bool object, bl_grammar **out, blind_error *err)
{
    bl_program p;
    bl_program_init(&p);
    bl_rule_begin(&p, 0);
    bl_write_json(&p, BL_JSON_BLANK);
    bl_write_json(&p, object ? BL_JSON_OBJECT : BL_JSON_VALUE);
    bl_rule_end(&p);
    bl_write_json_rules(&p);
    blind_code code = bl_program_finish(&p, out, err);
    bl_program_done(&p);
    return code;
}
