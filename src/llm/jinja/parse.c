/* Words to a tree, by descent: one function for each level of precedence. */
#include "base/limits.h"
#include "llm/jinja/lexer.h"
#include "llm/jinja/tree.h"

#include <errno.h>
#include <stdlib.h>

typedef struct {
    bl_lexer     lexer;
    bl_word      word; /* under the eye */
    bl_arena    *arena;
    size_t       nodes;
    unsigned     depth;
    blind_error *err;
    blind_code   code; /* of the first failure; functions answer NULL then */
} parser;

static bl_node *expression(parser *p);
static bl_node *statements(parser *p, const char *const *ends);

/* Tools.  ------------------------------------------------------------------------------------ */

static void *fail(parser *p, blind_code code, const char *text)
{
    if (p->code == BLIND_OK)
        p->code = blind_fail(p->err, code, "llm.template", "line %u of the chat template: %s",
                             p->word.line, p->lexer.wrong ? p->lexer.wrong : text);
    return NULL;
}

static void advance(parser *p)
{
    p->word = bl_lexer_next(&p->lexer);
    if (p->word.kind == BL_WORD_WRONG)
        (void)fail(p, BLIND_INPUT, "a word that has no meaning");
}

static bl_node *new_node(parser *p, bl_node_kind kind)
{
    if (p->nodes >= BL_MAX_TEMPLATE_NODES)
        return fail(p, BLIND_LIMIT, "too long a template");
    bl_node *n = bl_arena_alloc(p->arena, sizeof *n);
    if (!n)
        return fail(p, BLIND_MEMORY, "out of memory");
    p->nodes++;
    n->kind = kind;
    n->line = p->word.line;
    return n;
}

static bool is_sign(const parser *p, const char *sign)
{
    return p->word.kind == BL_WORD_SIGN && bl_span_equal(p->word.text, bl_span_str(sign));
}

static bool is_name(const parser *p, const char *name)
{
    return p->word.kind == BL_WORD_NAME && bl_span_equal(p->word.text, bl_span_str(name));
}

static bool take_sign(parser *p, const char *sign)
{
    bool found = is_sign(p, sign);
    if (found)
        advance(p);
    return found;
}

static bool take_name(parser *p, const char *name)
{
    bool found = is_name(p, name);
    if (found)
        advance(p);
    return found;
}

static bool need_sign(parser *p, const char *sign)
{
    if (take_sign(p, sign))
        return true;
    char text[40];
    snprintf(text, sizeof text, "expected '%s'", sign);
    (void)fail(p, BLIND_INPUT, text);
    return false;
}

static bool need_kind(parser *p, bl_word_kind kind, const char *what)
{
    if (p->word.kind == kind) {
        advance(p);
        return p->code == BLIND_OK;
    }
    (void)fail(p, BLIND_INPUT, what);
    return false;
}

/* Notes that `below` stands below; a chain like "1 + 1 + 1" grows deep without parentheses. */
static bool stands_below(parser *p, bl_node *n, const bl_node *below)
{
    if (below && below->depth >= n->depth)
        n->depth = below->depth + 1;
    if (n->depth > BL_MAX_TEMPLATE_TREE)
        (void)fail(p, BLIND_LIMIT, "too long an expression");
    return n->depth <= BL_MAX_TEMPLATE_TREE;
}

/* Adds to a node's items. */
static bool add_item(parser *p, bl_node *n, bl_node *item)
{
    if (!stands_below(p, n, item))
        return false;
    if ((n->len & (n->len - 1)) == 0) { /* full: a power of two, or none */
        bl_node **moved = bl_arena_array(p->arena, n->len ? 2 * n->len : 1, sizeof *moved);
        if (!moved) {
            (void)fail(p, BLIND_MEMORY, "out of memory");
            return false;
        }
        if (n->len)
            memcpy(moved, n->items, n->len * sizeof *moved);
        n->items = moved;
    }
    n->items[n->len++] = item;
    return true;
}

static bool deeper(parser *p)
{
    if (++p->depth <= BL_MAX_TEMPLATE_DEPTH)
        return true;
    (void)fail(p, BLIND_LIMIT, "too deep");
    return false;
}

/* NULL when a part failed. */
static bl_node *with(parser *p, bl_node_kind kind, bl_node *a, bl_node *b)
{
    bl_node *n = a && p->code == BLIND_OK ? new_node(p, kind) : NULL;
    if (!n || !stands_below(p, n, a) || !stands_below(p, n, b))
        return NULL;
    n->a = a;
    n->b = b;
    return n;
}

/* Values.  ----------------------------------------------------------------------------------- */

static bl_node *literal(parser *p, bl_jinja_value value)
{
    bl_node *n = new_node(p, BL_NODE_VALUE);
    if (n)
        n->value = value;
    advance(p);
    return n;
}

/* Digits, without the "_" between them. */
static bl_node *number(parser *p)
{
    char   digits[64];
    size_t len = 0;
    for (size_t i = 0; i < p->word.text.size; i++)
        if (p->word.text.data[i] != '_' && len + 1 < sizeof digits)
            digits[len++] = (char)p->word.text.data[i];
    digits[len] = '\0';
    errno = 0;
    if (p->word.kind == BL_WORD_FLOAT)
        return literal(p, bl_jinja_float(strtod(digits, NULL)));
    long long whole = strtoll(digits, NULL, 10);
    if (errno || len + 1 == sizeof digits)
        return fail(p, BLIND_LIMIT, "too large a number");
    return literal(p, bl_jinja_int(whole));
}

/* Strings beside each other are one. */
static bl_node *string(parser *p)
{
    bl_node *n = literal(p, bl_jinja_text(p->word.text));
    while (n && p->word.kind == BL_WORD_STRING) {
        blind_span a = n->value.text, b = p->word.text;
        uint8_t   *both = bl_arena_alloc(p->arena, a.size + b.size + 1);
        if (!both)
            return fail(p, BLIND_MEMORY, "out of memory");
        if (a.size)
            memcpy(both, a.data, a.size);
        if (b.size)
            memcpy(both + a.size, b.data, b.size);
        n->value = bl_jinja_text(bl_span(both, a.size + b.size));
        advance(p);
    }
    return n;
}

static bl_node *name(parser *p)
{
    static const struct {
        const char    *name;
        bl_jinja_value value;
    } constants[] = {
        { "true", { .kind = BL_JINJA_BOOL, .flag = true } },
        { "True", { .kind = BL_JINJA_BOOL, .flag = true } },
        { "false", { .kind = BL_JINJA_BOOL } },
        { "False", { .kind = BL_JINJA_BOOL } },
        { "none", { .kind = BL_JINJA_NONE } },
        { "None", { .kind = BL_JINJA_NONE } },
    };
    for (size_t i = 0; i < BL_LEN(constants); i++)
        if (is_name(p, constants[i].name))
            return literal(p, constants[i].value);
    bl_node *n = new_node(p, BL_NODE_NAME);
    if (n)
        n->value = bl_jinja_text(p->word.text);
    advance(p);
    return n;
}

/* Expressions between commas up to `end`; of a dict, keys and values. */
static bl_node *items(parser *p, bl_node_kind kind, const char *end)
{
    bl_node *n = new_node(p, kind);
    advance(p);
    while (n && !take_sign(p, end)) {
        bl_node *item = expression(p);
        if (!item || !add_item(p, n, item))
            return NULL;
        if (kind == BL_NODE_DICT) {
            bl_node *value = need_sign(p, ":") ? expression(p) : NULL;
            if (!value || !add_item(p, n, value))
                return NULL;
        }
        if (!is_sign(p, end) && !need_sign(p, ","))
            return NULL;
    }
    return n;
}

/* "(a)" is a, "()" and "(a, b)" are lists. */
static bl_node *parentheses(parser *p)
{
    bl_node *list = new_node(p, BL_NODE_LIST);
    bool     comma = false;
    advance(p);
    while (list && !take_sign(p, ")")) {
        bl_node *item = expression(p);
        if (!item || !add_item(p, list, item))
            return NULL;
        comma |= is_sign(p, ",");
        if (!is_sign(p, ")") && !need_sign(p, ","))
            return NULL;
    }
    return list && list->len == 1 && !comma ? list->items[0] : list;
}

static bl_node *primary(parser *p)
{
    switch (p->word.kind) {
    case BL_WORD_INT:
    case BL_WORD_FLOAT:
        return number(p);
    case BL_WORD_STRING:
        return string(p);
    case BL_WORD_NAME:
        return name(p);
    default:
        break;
    }
    if (is_sign(p, "["))
        return items(p, BL_NODE_LIST, "]");
    if (is_sign(p, "{"))
        return items(p, BL_NODE_DICT, "}");
    if (is_sign(p, "("))
        return parentheses(p);
    return fail(p, BLIND_INPUT, "expected a value");
}

/* Behind a value: attributes, calls, filters, tests.  ------------------------------------------ */

/* Arguments behind an open "(", into n->items. */
static bool arguments(parser *p, bl_node *n)
{
    while (!take_sign(p, ")")) {
        bl_node *item = expression(p);
        if (item && item->kind == BL_NODE_NAME && take_sign(p, "=")) {
            item->a = expression(p);
            if (!item->a)
                return false;
        }
        if (!item || !add_item(p, n, item) || (!is_sign(p, ")") && !need_sign(p, ",")))
            return false;
    }
    return true;
}

static bl_node *attribute(parser *p, bl_node *of)
{
    advance(p);
    bl_node *n = with(p, BL_NODE_ATTR, of, NULL);
    if (!n)
        return NULL;
    if (p->word.kind == BL_WORD_INT) { /* "a.0" is "a[0]" */
        n->kind = BL_NODE_INDEX;
        n->b = number(p);
        return n->b ? n : NULL;
    }
    n->value = bl_jinja_text(p->word.text);
    return need_kind(p, BL_WORD_NAME, "expected a name behind '.'") ? n : NULL;
}

/* One of "from:to:step", which may be missing. */
static bool slice_part(parser *p, bl_node *n)
{
    bool     missing = is_sign(p, ":") || is_sign(p, "]");
    bl_node *part = missing ? NULL : expression(p);
    return (missing || part) && add_item(p, n, part);
}

static bl_node *subscript(parser *p, bl_node *of)
{
    advance(p);
    bl_node *first = is_sign(p, ":") ? NULL : expression(p);
    if (p->code != BLIND_OK)
        return NULL;
    if (!is_sign(p, ":")) {
        bl_node *n = with(p, BL_NODE_INDEX, of, first);
        return n && need_sign(p, "]") ? n : NULL;
    }
    bl_node *n = with(p, BL_NODE_SLICE, of, NULL);
    if (!n || !add_item(p, n, first))
        return NULL;
    while (n->len < 3 && take_sign(p, ":"))
        if (!slice_part(p, n))
            return NULL;
    return need_sign(p, "]") ? n : NULL;
}

static bl_node *call(parser *p, bl_node *of)
{
    advance(p);
    bl_node *n = with(p, BL_NODE_CALL, of, NULL);
    return n && arguments(p, n) ? n : NULL;
}

/* A filter's or a test's name, with dots, and its arguments in parentheses. */
static bl_node *named(parser *p, bl_node_kind kind, bl_node *of)
{
    bl_node *n = with(p, kind, of, NULL);
    if (!n)
        return NULL;
    n->value = bl_jinja_text(p->word.text);
    if (!need_kind(p, BL_WORD_NAME, "expected the name of a filter or a test"))
        return NULL;
    if (is_sign(p, "(")) {
        advance(p);
        return arguments(p, n) ? n : NULL;
    }
    return n;
}

static bl_node *postfix(parser *p)
{
    bl_node *n = primary(p);
    while (n && p->code == BLIND_OK) {
        if (is_sign(p, "."))
            n = attribute(p, n);
        else if (is_sign(p, "["))
            n = subscript(p, n);
        else if (is_sign(p, "("))
            n = call(p, n);
        else
            break;
    }
    return n;
}

/* A test's one argument may stand without parentheses: "x is divisibleby 3". */
static bool begins_argument(const parser *p)
{
    static const char *const others[] = {
        "and", "or", "not", "else", "if", "is", "in", "recursive"
    };
    if (p->word.kind == BL_WORD_NAME) {
        for (size_t i = 0; i < BL_LEN(others); i++)
            if (is_name(p, others[i]))
                return false;
        return true;
    }
    return p->word.kind == BL_WORD_STRING || p->word.kind == BL_WORD_INT ||
           p->word.kind == BL_WORD_FLOAT || is_sign(p, "[") || is_sign(p, "{");
}

static bl_node *tested(parser *p, bl_node *of)
{
    bool     negated = take_name(p, "not");
    bl_node *n = named(p, BL_NODE_TEST, of);
    if (n && n->len == 0 && begins_argument(p)) {
        bl_node *argument = postfix(p);
        if (!argument || !add_item(p, n, argument))
            return NULL;
    }
    return negated ? with(p, BL_NODE_NOT, n, NULL) : n;
}

static bl_node *decorated(parser *p, bl_node *n)
{
    while (n && p->code == BLIND_OK) {
        if (take_sign(p, "|"))
            n = named(p, BL_NODE_FILTER, n);
        else if (take_name(p, "is"))
            n = tested(p, n);
        else
            break;
    }
    return n;
}

/* Operators, the tightest first.  -------------------------------------------------------------- */

static bl_node *binary(parser *p, bl_node *a, const char *sign, bl_node *b)
{
    bl_node *n = with(p, BL_NODE_BINARY, a, b);
    if (n)
        n->value = bl_jinja_text(bl_span_str(sign));
    return n;
}

static bl_node *unary(parser *p, bool decorate)
{
    bl_node *n;
    if (!deeper(p))
        return NULL;
    if (take_sign(p, "-"))
        n = with(p, BL_NODE_MINUS, unary(p, false), NULL);
    else if (take_sign(p, "+"))
        n = unary(p, false);
    else
        n = postfix(p);
    p->depth--;
    return decorate ? decorated(p, n) : n;
}

static bl_node *power(parser *p)
{
    bl_node *n = unary(p, true);
    while (n && take_sign(p, "**"))
        n = binary(p, n, "**", unary(p, true));
    return n;
}

/* Levels of operators of two sides, from left to right. */
static bl_node *level(parser *p, int depth)
{
    static const char *const levels[][5] = { { "+", "-" }, { "~" }, { "*", "/", "//", "%" } };
    if (depth == BL_LEN(levels))
        return power(p);
    bl_node *n = level(p, depth + 1);
    for (bool found = true; n && found;) {
        found = false;
        for (size_t i = 0; i < BL_LEN(levels[0]) && levels[depth][i] && !found; i++)
            if (is_sign(p, levels[depth][i])) {
                found = true;
                advance(p);
                n = binary(p, n, levels[depth][i], level(p, depth + 1));
            }
    }
    return n;
}

/* The sign of a comparison, taken; NULL: there is none. */
static const char *comparison_sign(parser *p)
{
    static const char *const signs[] = { "==", "!=", "<=", ">=", "<", ">" };
    for (size_t i = 0; i < BL_LEN(signs); i++)
        if (take_sign(p, signs[i]))
            return signs[i];
    if (take_name(p, "in"))
        return "in";
    if (!take_name(p, "not"))
        return NULL;
    if (!take_name(p, "in"))
        return fail(p, BLIND_INPUT, "expected 'in' behind 'not'");
    return "not in";
}

/* "a < b < c" is "a < b and b < c". */
static bl_node *comparison(parser *p)
{
    bl_node    *left = level(p, 0), *all = NULL;
    const char *sign = left ? comparison_sign(p) : NULL;
    if (!sign)
        return p->code == BLIND_OK ? left : NULL;
    for (; sign && left; sign = comparison_sign(p)) {
        bl_node *right = level(p, 0), *one = binary(p, left, sign, right);
        all = all ? with(p, BL_NODE_AND, all, one) : one;
        left = right;
    }
    return p->code == BLIND_OK ? all : NULL;
}

static bl_node *negation(parser *p)
{
    if (!deeper(p))
        return NULL;
    bl_node *n = take_name(p, "not") ? with(p, BL_NODE_NOT, negation(p), NULL) : comparison(p);
    p->depth--;
    return n;
}

static bl_node *conjunction(parser *p)
{
    bl_node *n = negation(p);
    while (n && take_name(p, "and"))
        n = with(p, BL_NODE_AND, n, negation(p));
    return n;
}

static bl_node *disjunction(parser *p)
{
    bl_node *n = conjunction(p);
    while (n && take_name(p, "or"))
        n = with(p, BL_NODE_OR, n, conjunction(p));
    return n;
}

static bl_node *expression(parser *p)
{
    if (!deeper(p))
        return NULL;
    bl_node *n = disjunction(p);
    while (n && take_name(p, "if")) {
        bl_node *choice = with(p, BL_NODE_CHOICE, n, disjunction(p));
        if (choice && take_name(p, "else") && !(choice->next = expression(p)))
            choice = NULL;
        n = choice;
    }
    p->depth--;
    return p->code == BLIND_OK ? n : NULL;
}

/* Statements.  ------------------------------------------------------------------------------- */

/* An expression, or several between commas as a list. */
static bl_node *tuple(parser *p)
{
    bl_node *first = expression(p);
    if (!first || !is_sign(p, ","))
        return first;
    bl_node *list = new_node(p, BL_NODE_LIST);
    if (!list || !add_item(p, list, first))
        return NULL;
    while (take_sign(p, ",") && p->word.kind != BL_WORD_TAG_END) {
        bl_node *item = expression(p);
        if (!item || !add_item(p, list, item))
            return NULL;
    }
    return list;
}

static bool end_tag(parser *p)
{
    return need_kind(p, BL_WORD_TAG_END, "expected the end of the tag");
}

/* The body behind a tag, up to one of `ends`, whose name is then under the eye. */
static bool body(parser *p, bl_node *n, const char *const *ends)
{
    if (!end_tag(p) || !deeper(p))
        return false;
    n->body = statements(p, ends);
    p->depth--;
    return p->code == BLIND_OK;
}

static bl_node *if_statement(parser *p)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    bl_node                 *first = NULL, **at = &first;
    bool                     otherwise = false;
    do {
        bl_node *n = new_node(p, BL_NODE_IF);
        advance(p); /* if, elif, else */
        if (n && !otherwise && !(n->a = expression(p)))
            return NULL;
        if (!n || !body(p, n, ends))
            return NULL;
        *at = n;
        at = &n->next;
        if (otherwise && !is_name(p, "endif"))
            return fail(p, BLIND_INPUT, "expected 'endif'");
        otherwise = is_name(p, "else");
    } while (!is_name(p, "endif"));
    advance(p);
    return end_tag(p) ? first : NULL;
}

/* "a" or "a, b", as names. */
static bool targets(parser *p, bl_node *n)
{
    bool parentheses = take_sign(p, "(");
    do {
        bl_node *target = p->word.kind == BL_WORD_NAME ? name(p) : NULL;
        if (!target || target->kind != BL_NODE_NAME) {
            (void)fail(p, BLIND_INPUT, "expected a name");
            return false;
        }
        if (!add_item(p, n, target))
            return false;
    } while (take_sign(p, ","));
    return !parentheses || need_sign(p, ")");
}

static bl_node *for_statement(parser *p)
{
    static const char *const ends[] = { "else", "endfor", NULL }, *const end[] = { "endfor", NULL };
    bl_node *n = new_node(p, BL_NODE_FOR);
    advance(p);
    if (!n || !targets(p, n))
        return NULL;
    if (!take_name(p, "in"))
        return fail(p, BLIND_INPUT, "expected 'in'");
    n->a = disjunction(p);
    if (n->a && take_name(p, "if"))
        n->b = expression(p);
    if (is_name(p, "recursive"))
        return fail(p, BLIND_UNSUPPORTED, "recursive loops are not supported");
    if (!n->a || p->code != BLIND_OK || !body(p, n, ends))
        return NULL;
    if (take_name(p, "else")) {
        n->next = new_node(p, BL_NODE_BLOCK);
        if (!n->next || !body(p, n->next, end))
            return NULL;
    }
    advance(p);
    return end_tag(p) ? n : NULL;
}

static bl_node *set_statement(parser *p)
{
    static const char *const end[] = { "endset", NULL };
    bl_node                 *n = new_node(p, BL_NODE_SET);
    advance(p);
    do {
        bl_node *target = postfix(p);
        if (!n || !target || !add_item(p, n, target))
            return NULL;
        bool plain = target->kind == BL_NODE_NAME ||
                     (target->kind == BL_NODE_ATTR && target->a->kind == BL_NODE_NAME);
        if (!plain)
            return fail(p, BLIND_INPUT, "this cannot be set");
    } while (take_sign(p, ","));
    if (take_sign(p, "=")) {
        n->a = tuple(p);
        return n->a && end_tag(p) ? n : NULL;
    }
    if (!body(p, n, end))
        return NULL;
    advance(p);
    return end_tag(p) ? n : NULL;
}

static bl_node *macro_statement(parser *p)
{
    static const char *const end[] = { "endmacro", NULL };
    bl_node                 *n = new_node(p, BL_NODE_MACRO);
    advance(p);
    if (!n)
        return NULL;
    n->value = bl_jinja_text(p->word.text);
    if (!need_kind(p, BL_WORD_NAME, "expected the name of a macro") || !need_sign(p, "(") ||
        !arguments(p, n))
        return NULL;
    for (size_t i = 0; i < n->len; i++)
        if (n->items[i]->kind != BL_NODE_NAME)
            return fail(p, BLIND_INPUT, "a parameter that is no name");
    if (!body(p, n, end))
        return NULL;
    advance(p);
    return end_tag(p) ? n : NULL;
}

/* "generation" marks what a model said; it changes nothing. */
static bl_node *generation_statement(parser *p)
{
    static const char *const end[] = { "endgeneration", NULL };
    bl_node                 *n = new_node(p, BL_NODE_BLOCK);
    advance(p);
    if (!n || !body(p, n, end))
        return NULL;
    advance(p);
    return end_tag(p) ? n : NULL;
}

static bl_node *jump_statement(parser *p)
{
    bl_node *n = new_node(p, is_name(p, "break") ? BL_NODE_BREAK : BL_NODE_CONTINUE);
    advance(p);
    return n && end_tag(p) ? n : NULL;
}

static bl_node *tag(parser *p)
{
    static const struct {
        const char *name;
        bl_node *(*parse)(parser *p);
    } tags[] = {
        { "if", if_statement },
        { "for", for_statement },
        { "set", set_statement },
        { "macro", macro_statement },
        { "break", jump_statement },
        { "continue", jump_statement },
        { "generation", generation_statement },
    };
    for (size_t i = 0; i < BL_LEN(tags); i++)
        if (is_name(p, tags[i].name))
            return tags[i].parse(p);
    char text[80];
    snprintf(text, sizeof text, "the tag '%.*s' is not supported",
             (int)BL_MIN(p->word.text.size, 40), (const char *)p->word.text.data);
    return fail(p, BLIND_UNSUPPORTED, text);
}

static bool is_end(const parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (is_name(p, *ends))
            return true;
    return false;
}

static bl_node *data(parser *p)
{
    bl_node *n = new_node(p, BL_NODE_TEXT);
    if (n)
        n->value = bl_jinja_text(p->word.text);
    advance(p);
    return n;
}

static bl_node *print(parser *p)
{
    bl_node *n = new_node(p, BL_NODE_PRINT);
    advance(p);
    if (n)
        n->a = tuple(p);
    return n && n->a && need_kind(p, BL_WORD_PRINT_END, "expected '}}'") ? n : NULL;
}

/* Statements up to the end, or up to a tag of `ends`. */
static bl_node *statements(parser *p, const char *const *ends)
{
    bl_node *first = NULL, **at = &first;
    while (p->code == BLIND_OK) {
        bl_node *n;
        if (p->word.kind == BL_WORD_END) {
            if (ends)
                (void)fail(p, BLIND_INPUT, "the template ends within a block");
            return first;
        }
        if (p->word.kind == BL_WORD_DATA) {
            n = data(p);
        } else if (p->word.kind == BL_WORD_PRINT_BEGIN) {
            n = print(p);
        } else {
            advance(p);
            if (is_end(p, ends))
                return first;
            n = p->code == BLIND_OK ? tag(p) : NULL;
        }
        if (!n)
            return NULL;
        *at = n;
        at = &n->sibling;
    }
    return NULL;
}

blind_code bl_jinja_parse(blind_span text, bl_arena *arena, bl_node **out, blind_error *err)
{
    parser p = { .arena = arena, .err = err };
    *out = NULL;
    if (text.size > BL_MAX_TEMPLATE_SIZE)
        return blind_fail(err, BLIND_LIMIT, "llm.template", "a chat template of %zu bytes",
                          text.size);
    bl_lexer_init(&p.lexer, text, arena);
    bl_node *root = new_node(&p, BL_NODE_BLOCK);
    advance(&p);
    if (root && p.code == BLIND_OK)
        root->body = statements(&p, NULL);
    if (p.code == BLIND_OK)
        *out = root;
    return p.code;
}
