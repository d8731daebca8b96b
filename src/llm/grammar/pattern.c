/* A recursive descent into a tree of sets, sequences, alternatives and repetitions. */
#include "llm/grammar/pattern.h"

#include "base/limits.h"
#include "base/utf8.h"

typedef enum { SET, EMPTY, SEQUENCE, EITHER, REPEAT } node_kind;

struct bl_pattern {
    node_kind      kind;
    bl_code_range *ranges; /* of a SET */
    size_t         n_ranges;
    bl_pattern    *left, *right; /* REPEAT: left */
    uint32_t       min, max;
};

enum { LAST_CODE_POINT = 0x10ffff, MOST_RANGES = 512 };

typedef struct {
    blind_span   text;
    size_t       at;
    unsigned     depth;
    bl_arena    *arena;
    blind_error *err;
    blind_code   code;
} parser;

typedef struct {
    bl_code_range ranges[MOST_RANGES];
    size_t        n;
    bool          full;
} ranges;

/* Small things.  ----------------------------------------------------------------------------- */

static bl_pattern *refuse(parser *p, blind_code code, const char *what)
{
    if (p->code == BLIND_OK)
        p->code = blind_fail(p->err, code, "llm.pattern", "pattern, byte %zu: %s", p->at + 1, what);
    return NULL;
}

static bool more(const parser *p)
{
    return p->at < p->text.size;
}
static bool next_is(const parser *p, const char *text)
{
    size_t n = strlen(text);
    return p->text.size - p->at >= n && memcmp(p->text.data + p->at, text, n) == 0;
}
static bool take(parser *p, const char *text)
{
    bool there = next_is(p, text);
    if (there)
        p->at += strlen(text);
    return there;
}

static uint32_t take_code_point(parser *p)
{
    uint32_t c = 0;
    size_t   n = bl_utf8_next(bl_span(p->text.data + p->at, p->text.size - p->at), &c);
    if (n == 0)
        refuse(p, BLIND_INPUT, "not UTF-8");
    p->at += BL_MAX(n, (size_t)1);
    return c;
}

static bl_pattern *node(parser *p, node_kind kind, bl_pattern *left, bl_pattern *right)
{
    bl_pattern *made = bl_arena_alloc(p->arena, sizeof *made);
    if (!made)
        return refuse(p, BLIND_MEMORY, "out of memory");
    *made = (bl_pattern){ .kind = kind, .left = left, .right = right };
    return made;
}

/* Sets.  ------------------------------------------------------------------------------------- */

static void add(ranges *r, uint32_t from, uint32_t to)
{
    if (r->n == MOST_RANGES) {
        r->full = true;
        return;
    }
    r->ranges[r->n++] = (bl_code_range){ from, to };
}

/* In order, none touching another. */
static void tidy(ranges *r)
{
    for (size_t i = 1; i < r->n; i++)
        for (size_t j = i; j > 0 && r->ranges[j].from < r->ranges[j - 1].from; j--) {
            bl_code_range moved = r->ranges[j];
            r->ranges[j] = r->ranges[j - 1];
            r->ranges[j - 1] = moved;
        }
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (kept && r->ranges[i].from <= r->ranges[kept - 1].to + 1)
            r->ranges[kept - 1].to = BL_MAX(r->ranges[kept - 1].to, r->ranges[i].to);
        else
            r->ranges[kept++] = r->ranges[i];
    }
    r->n = kept;
}

static void invert(ranges *r)
{
    tidy(r);
    ranges   other = { .n = 0, .full = r->full };
    uint32_t from = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->ranges[i].from > from)
            add(&other, from, r->ranges[i].from - 1);
        from = r->ranges[i].to + 1;
    }
    if (from <= LAST_CODE_POINT)
        add(&other, from, LAST_CODE_POINT);
    *r = other;
}

/* Source: ECMA-262, section 22.2.2.9 (CharacterClassEscape); white space and line ends of 12.2 and
 * 12.3.  Readers differ in what else than ASCII is white: no such character is written for \s, nor
 * for what is not \s. */
static bool add_class(ranges *r, uint8_t letter, bool inverted)
{
    static const bl_code_range spaces[] = {
        { 9, 13 },          { ' ', ' ' },       { 0xa0, 0xa0 },     { 0x1680, 0x1680 },
        { 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
        { 0x3000, 0x3000 }, { 0xfeff, 0xfeff },
    };
    ranges one = { .n = 0 };
    size_t n = inverted || letter == 'S' ? BL_LEN(spaces) : 2;
    switch (letter | 0x20) {
    case 'd':
        add(&one, '0', '9');
        break;
    case 'w':
        add(&one, '0', '9');
        add(&one, 'A', 'Z');
        add(&one, '_', '_');
        add(&one, 'a', 'z');
        break;
    case 's':
        for (size_t i = 0; i < n; i++)
            add(&one, spaces[i].from, spaces[i].to);
        break;
    default:
        return false;
    }
    if (letter < 'a')
        invert(&one);
    for (size_t i = 0; i < one.n; i++)
        add(r, one.ranges[i].from, one.ranges[i].to);
    return true;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t take_hex(parser *p, unsigned digits)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        int one = more(p) ? hex_value(p->text.data[p->at]) : -1;
        if (one < 0) {
            refuse(p, BLIND_INPUT, "hexadecimal digits expected");
            return 0;
        }
        value = value << 4 | (uint32_t)one;
        p->at++;
    }
    return value;
}

static uint32_t take_unicode(parser *p)
{
    if (!take(p, "{")) {
        uint32_t high = take_hex(p, 4);
        if (high < 0xd800 || high > 0xdbff || !take(p, "\\u"))
            return high;
        uint32_t low = take_hex(p, 4);
        return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                                              : 0xd800;
    }
    uint32_t value = 0;
    while (more(p) && !next_is(p, "}") && value <= LAST_CODE_POINT)
        value = value << 4 | take_hex(p, 1);
    if (!take(p, "}"))
        refuse(p, BLIND_INPUT, "} expected");
    return value;
}

/* The code point of an escape, behind its backslash. */
static uint32_t take_escape(parser *p)
{
    static const char letters[] = "tnrfv0", means[] = "\t\n\r\f\v";
    if (!more(p)) {
        refuse(p, BLIND_INPUT, "nothing behind a backslash");
        return 0;
    }
    uint8_t     c = p->text.data[p->at];
    const char *letter = strchr(letters, c);
    if (c && letter) {
        p->at++;
        return (uint8_t)means[letter - letters];
    }
    if (take(p, "x"))
        return take_hex(p, 2);
    if (take(p, "u")) {
        uint32_t value = take_unicode(p);
        if (value > LAST_CODE_POINT || (value >= 0xd800 && value <= 0xdfff))
            refuse(p, BLIND_INPUT, "no character");
        return value;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        refuse(p, BLIND_UNSUPPORTED, "an escape that is not supported");
        return 0;
    }
    return take_code_point(p);
}

static bl_pattern *set_of(parser *p, ranges *r, bool inverted)
{
    if (inverted)
        invert(r);
    else
        tidy(r);
    bl_pattern *made = node(p, SET, NULL, NULL);
    if (r->full)
        return refuse(p, BLIND_LIMIT, "too large a class");
    if (!made || r->n == 0)
        return made;
    made->ranges = bl_arena_array(p->arena, r->n, sizeof *made->ranges);
    if (!made->ranges)
        return refuse(p, BLIND_MEMORY, "out of memory");
    memcpy(made->ranges, r->ranges, r->n * sizeof *made->ranges);
    made->n_ranges = r->n;
    return made;
}

/* One end of a range; false for a class such as \d, which is added. */
static bool take_class_atom(parser *p, ranges *r, bool inverted, uint32_t *c)
{
    if (!take(p, "\\")) {
        *c = take_code_point(p);
        return true;
    }
    if (more(p) && add_class(r, p->text.data[p->at], inverted)) {
        p->at++;
        return false;
    }
    *c = take(p, "b") ? '\b' : take_escape(p);
    return true;
}

/* Behind "[". */
static bl_pattern *take_class(parser *p)
{
    ranges r = { .n = 0 };
    bool   inverted = take(p, "^");
    while (more(p) && !next_is(p, "]") && p->code == BLIND_OK) {
        uint32_t from, to;
        if (!take_class_atom(p, &r, inverted, &from))
            continue;
        to = from;
        if (next_is(p, "-") && !next_is(p, "-]")) {
            p->at++;
            if (!more(p) || !take_class_atom(p, &r, inverted, &to) || to < from)
                return refuse(p, BLIND_INPUT, "a range that is none");
        }
        add(&r, from, to);
    }
    if (!take(p, "]"))
        return refuse(p, BLIND_INPUT, "] expected");
    return p->code == BLIND_OK ? set_of(p, &r, inverted) : NULL;
}

/* Everything, or without the ends of lines. */
static bl_pattern *any(parser *p, bool lines)
{
    ranges r = { .n = 0 };
    if (!lines)
        return add(&r, 0, LAST_CODE_POINT), set_of(p, &r, false);
    add(&r, '\n', '\n');
    add(&r, '\r', '\r');
    add(&r, 0x2028, 0x2029);
    return set_of(p, &r, true);
}

/* The grammar.  ------------------------------------------------------------------------------ */

static bl_pattern *take_alternatives(parser *p);

static bl_pattern *take_group(parser *p)
{
    if (take(p, "?<")) {
        if (next_is(p, "=") || next_is(p, "!"))
            return refuse(p, BLIND_UNSUPPORTED, "lookbehind is not supported");
        while (more(p) && !next_is(p, ">"))
            p->at++;
        if (!take(p, ">"))
            return refuse(p, BLIND_INPUT, "> expected");
    } else if (next_is(p, "?") && !take(p, "?:")) {
        return refuse(p, BLIND_UNSUPPORTED, "lookahead and flags are not supported");
    }
    bl_pattern *inner = take_alternatives(p);
    if (inner && !take(p, ")"))
        return refuse(p, BLIND_INPUT, ") expected");
    return inner;
}

static bl_pattern *take_atom(parser *p)
{
    ranges r = { .n = 0 };
    if (take(p, "("))
        return take_group(p);
    if (take(p, "["))
        return take_class(p);
    if (take(p, "."))
        return any(p, true);
    if (next_is(p, "^") || next_is(p, "$"))
        return refuse(p, BLIND_UNSUPPORTED, "^ and $ are supported only at the ends");
    if (next_is(p, "*") || next_is(p, "+") || next_is(p, "?") || next_is(p, "{"))
        return refuse(p, BLIND_INPUT, "nothing to repeat");
    if (take(p, "\\")) {
        if (more(p) && add_class(&r, p->text.data[p->at], false))
            p->at++;
        else if (next_is(p, "b") || next_is(p, "B"))
            return refuse(p, BLIND_UNSUPPORTED, "\\b is not supported");
        else {
            uint32_t c = take_escape(p);
            add(&r, c, c);
        }
    } else {
        uint32_t c = take_code_point(p);
        add(&r, c, c);
    }
    return p->code == BLIND_OK ? set_of(p, &r, false) : NULL;
}

static uint32_t take_number(parser *p)
{
    uint32_t value = 0;
    size_t   begin = p->at;
    for (; more(p) && p->text.data[p->at] >= '0' && p->text.data[p->at] <= '9'; p->at++)
        value = BL_MIN(value * 10 + p->text.data[p->at] - '0', BL_MAX_PATTERN_REPEAT + 1u);
    if (p->at == begin)
        refuse(p, BLIND_INPUT, "a number expected");
    else if (value > BL_MAX_PATTERN_REPEAT)
        refuse(p, BLIND_LIMIT, "too many repetitions");
    return value;
}

static bool take_quantifier(parser *p, uint32_t *min, uint32_t *max)
{
    *min = take(p, "+") ? 1 : 0;
    *max = BL_LOOP_FOREVER;
    if (*min || take(p, "*"))
        return true;
    if (take(p, "?")) {
        *max = 1;
        return true;
    }
    if (!take(p, "{"))
        return false;
    *min = *max = take_number(p);
    if (take(p, ","))
        *max = next_is(p, "}") ? BL_LOOP_FOREVER : take_number(p);
    if (!take(p, "}"))
        refuse(p, BLIND_INPUT, "} expected");
    else if (*max < *min)
        refuse(p, BLIND_INPUT, "a range that is none");
    return true;
}

static bl_pattern *take_term(parser *p)
{
    uint32_t    min, max;
    bl_pattern *atom = take_atom(p);
    if (!atom || !take_quantifier(p, &min, &max))
        return atom;
    take(p, "?");
    bl_pattern *made = node(p, REPEAT, atom, NULL);
    if (!made || p->code != BLIND_OK)
        return NULL;
    made->min = bl_pattern_shortest(atom) == 0 ? 0 : min; /* the empty text does for the others */
    made->max = max;
    return made;
}

static bool at_end(const parser *p)
{
    return !more(p) || next_is(p, "|") || next_is(p, ")") ||
           (next_is(p, "$") && (p->at + 1 == p->text.size || p->text.data[p->at + 1] == '|'));
}

static bl_pattern *take_sequence(parser *p)
{
    bl_pattern *all = node(p, EMPTY, NULL, NULL);
    while (all && p->code == BLIND_OK && !at_end(p)) {
        bl_pattern *term = take_term(p);
        if (!term)
            return NULL;
        all = all->kind == EMPTY ? term : node(p, SEQUENCE, all, term);
    }
    return p->code == BLIND_OK ? all : NULL;
}

static bl_pattern *take_alternatives(parser *p)
{
    if (++p->depth > BL_MAX_PATTERN_DEPTH)
        return refuse(p, BLIND_LIMIT, "too deep");
    bl_pattern *all = take_sequence(p);
    while (all && take(p, "|")) {
        bl_pattern *other = take_sequence(p);
        all = other ? node(p, EITHER, all, other) : NULL;
    }
    p->depth--;
    return all;
}

static bl_pattern *anything(parser *p)
{
    bl_pattern *one = any(p, false), *made = one ? node(p, REPEAT, one, NULL) : NULL;
    if (made)
        made->max = BL_LOOP_FOREVER;
    return made;
}

/* One alternative at the top, with anything around it where it is not anchored. */
static bl_pattern *take_anchored(parser *p)
{
    bool        begins = take(p, "^");
    bl_pattern *all = take_sequence(p);
    bool        ends = all && take(p, "$");
    if (all && !begins) {
        bl_pattern *before = anything(p);
        all = before ? node(p, SEQUENCE, before, all) : NULL;
    }
    if (all && !ends) {
        bl_pattern *behind = anything(p);
        all = behind ? node(p, SEQUENCE, all, behind) : NULL;
    }
    return all;
}

blind_code bl_pattern_parse(blind_span text, bl_arena *arena, const bl_pattern **out,
                            blind_error *err)
{
    *out = NULL;
    parser p = { .text = text, .arena = arena, .err = err, .code = BLIND_OK };
    if (text.size > BL_MAX_PATTERN_SIZE)
        return blind_fail(err, BLIND_LIMIT, "llm.pattern", "a pattern of %zu bytes", text.size);
    bl_pattern *all = take_anchored(&p);
    while (all && take(&p, "|")) {
        bl_pattern *other = take_anchored(&p);
        all = other ? node(&p, EITHER, all, other) : NULL;
    }
    if (all && more(&p))
        refuse(&p, BLIND_INPUT,
               next_is(&p, ")") ? "a ) too many" : "$ is supported only at the end");
    if (p.code == BLIND_OK && !all)
        refuse(&p, BLIND_MEMORY, "out of memory");
    *out = p.code == BLIND_OK ? all : NULL;
    return p.code;
}

/* Lengths.  ---------------------------------------------------------------------------------- */

static uint32_t clamp(uint64_t n)
{
    return (uint32_t)BL_MIN(n, (uint64_t)UINT32_MAX);
}

/* Sequences are chains to the left as long as the pattern: they are walked, not called. */
static uint32_t length(const bl_pattern *t, bool longest)
{
    uint64_t sum = 0;
    for (; t->kind == SEQUENCE; t = t->left)
        sum += length(t->right, longest);
    uint32_t left = 0, right;
    switch (t->kind) {
    case SET:
        left = 1;
        break;
    case EITHER:
        left = length(t->right, longest);
        for (t = t->left; t->kind == EITHER; t = t->left) {
            right = length(t->right, longest);
            left = longest ? BL_MAX(left, right) : BL_MIN(left, right);
        }
        right = length(t, longest);
        left = longest ? BL_MAX(left, right) : BL_MIN(left, right);
        break;
    case REPEAT:
        left = length(t->left, longest);
        left = clamp((uint64_t)left * (longest ? t->max : t->min));
        break;
    default:
        break;
    }
    return clamp(sum + left);
}

uint32_t bl_pattern_shortest(const bl_pattern *pattern)
{
    return length(pattern, false);
}

uint32_t bl_pattern_longest(const bl_pattern *pattern)
{
    return length(pattern, true);
}

/* Writing.  ---------------------------------------------------------------------------------- */

static void write_node(bl_program *p, const bl_pattern *t, bl_write_characters *write);

/* A chain to the left, its first part first. */
static void write_sequence(bl_program *p, const bl_pattern *t, bl_write_characters *write)
{
    size_t            n = 1;
    const bl_pattern *first = t;
    for (; first->kind == SEQUENCE; first = first->left)
        n++;
    write_node(p, first, write);
    for (size_t i = 1; i < n; i++) {
        const bl_pattern *part = t;
        for (size_t up = n - 1; up > i; up--)
            part = part->left;
        write_node(p, part->right, write);
    }
}

static void write_either(bl_program *p, const bl_pattern *t, bl_write_characters *write)
{
    bl_choice c;
    bl_choice_begin(&c);
    for (; t->kind == EITHER; t = t->left) {
        bl_choice_next(p, &c);
        write_node(p, t->right, write);
    }
    bl_choice_next(p, &c);
    write_node(p, t, write);
    bl_choice_end(p, &c);
}

static void write_node(bl_program *p, const bl_pattern *t, bl_write_characters *write)
{
    switch (t->kind) {
    case SET:
        write(p, t->ranges, t->n_ranges);
        break;
    case SEQUENCE:
        write_sequence(p, t, write);
        break;
    case EITHER:
        write_either(p, t, write);
        break;
    case REPEAT: {
        uint32_t loop = bl_loop_begin(p, t->min, t->max);
        write_node(p, t->left, write);
        bl_loop_end(p, loop);
        break;
    }
    case EMPTY:
        break;
    }
}

void bl_write_pattern(bl_program *p, const bl_pattern *pattern, bl_write_characters *write)
{
    write_node(p, pattern, write);
}

blind_code bl_grammar_pattern(blind_span pattern, bl_grammar **out, blind_error *err)
{
    *out = NULL;
    bl_auto_arena     arena = BL_ARENA_EMPTY;
    const bl_pattern *parsed;
    bl_program        p;
    BL_TRY(bl_pattern_parse(pattern, &arena, &parsed, err));
    bl_program_init(&p);
    bl_rule_begin(&p, 0);
    bl_write_pattern(&p, parsed, bl_write_utf8);
    bl_rule_end(&p);
    blind_code code = bl_program_finish(&p, out, err);
    bl_program_done(&p);
    return code;
}
