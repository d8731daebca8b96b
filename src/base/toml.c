/* The grammar of TOML: lines, keys, headers, tables and arrays.  Scalars are toml_scalar.c's. */
#include "base/toml.h"

#include "base/limits.h"
#include "base/toml_internal.h"
#include "base/utf8.h"

enum { EXPLICIT = 1, DOTTED = 2, INLINE = 4, OF_TABLES = 8 };

/* Line and column of a place.  Places mostly grow, so each is found from the one before: linear in
 * all. */
static void locate(bl_toml_parser *p, const char *at)
{
    if (at < p->located) {
        p->located = p->begin;
        p->line = p->column = 1;
    }
    for (; p->located < at; p->located++) {
        if (*p->located == '\n') {
            p->line++;
            p->column = 1;
        } else if (((unsigned char)*p->located & 0xc0) != 0x80) {
            p->column++;
        }
    }
}

blind_code bl_toml_refuse(bl_toml_parser *p, const char *at, const char *what)
{
    locate(p, at);
    blind_fail(p->err, BLIND_INPUT, "toml", "line %u column %u: %s", (unsigned)p->line,
               (unsigned)p->column, what);
    return BLIND_INPUT;
}

static blind_code no_memory(bl_toml_parser *p)
{
    blind_fail(p->err, BLIND_MEMORY, "toml", "out of memory");
    return BLIND_MEMORY; /* said twice, so that the analyzer sees that it is no success */
}

/* ---- blanks, comments, line ends ---- */

static void skip_blanks(bl_toml_parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
        p->at++;
}

static void skip_newline(bl_toml_parser *p)
{
    p->at += *p->at == '\r' ? 2 : 1;
}

static blind_code skip_comment(bl_toml_parser *p)
{
    if (p->at == p->end || *p->at != '#')
        return BLIND_OK;
    for (; p->at < p->end && !bl_toml_at_newline(p); p->at++)
        if (bl_toml_is_control(*p->at))
            return bl_toml_refuse(p, p->at, "control character in a comment");
    return BLIND_OK;
}

/* Blanks, comments and line ends, as between the values of an array. */
static blind_code skip_lines(bl_toml_parser *p)
{
    for (;;) {
        skip_blanks(p);
        BL_TRY(skip_comment(p));
        if (!bl_toml_at_newline(p))
            return BLIND_OK;
        skip_newline(p);
    }
}

static blind_code end_of_line(bl_toml_parser *p)
{
    skip_blanks(p);
    BL_TRY(skip_comment(p));
    if (p->at < p->end && !bl_toml_at_newline(p))
        return bl_toml_refuse(p, p->at, "expected the end of the line");
    if (p->at < p->end)
        skip_newline(p);
    return BLIND_OK;
}

/* ---- nodes ---- */

static blind_code new_node(bl_toml_parser *p, bl_toml_type type, const char *at, bl_toml_node **out)
{
    if (p->nodes++ == BL_MAX_TOML_NODES) {
        blind_fail(p->err, BLIND_LIMIT, "toml", "more than %d values", BL_MAX_TOML_NODES);
        return BLIND_LIMIT;
    }
    bl_toml_node *node = bl_arena_alloc(p->arena, sizeof *node);
    if (!node)
        return no_memory(p);
    locate(p, at);
    node->toml = (bl_toml){ .type = type, .line = p->line, .column = p->column };
    *out = node;
    return BLIND_OK;
}

static void append(bl_toml_node *parent, bl_toml_node *node)
{
    if (parent->last)
        parent->last->toml.next = &node->toml;
    else
        parent->toml.first = &node->toml;
    parent->last = node;
    parent->toml.len++;
}

/* All keys of all tables in one hash table, so that large tables stay linear. */
static size_t slot_of(const bl_toml_parser *p, const bl_toml_node *table, blind_span key)
{
    uint64_t hash = (uintptr_t)table * UINT64_C(0x9e3779b97f4a7c15) ^ p->salt;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 29;
    size_t mask = p->slots - 1, at = (size_t)hash & mask;
    while (p->index[at].member &&
           (p->index[at].table != table || !bl_span_equal(p->index[at].member->toml.key, key)))
        at = (at + 1) & mask;
    return at;
}

static bl_toml_node *find(const bl_toml_parser *p, const bl_toml_node *table, blind_span key)
{
    return p->index[slot_of(p, table, key)].member;
}

static blind_code add_member(bl_toml_parser *p, bl_toml_node *table, blind_span key,
                             bl_toml_node *node)
{
    if (2 * (p->keys + 1) > p->slots) {
        bl_toml_slot *old = p->index;
        size_t        old_slots = p->slots;
        p->index = bl_arena_array(p->arena, 2 * old_slots, sizeof *p->index);
        if (!p->index)
            return no_memory(p);
        p->slots = 2 * old_slots;
        for (size_t i = 0; i < old_slots; i++)
            if (old[i].member)
                p->index[slot_of(p, old[i].table, old[i].member->toml.key)] = old[i];
    }
    node->toml.key = key;
    p->index[slot_of(p, table, key)] = (bl_toml_slot){ table, node };
    p->keys++;
    append(table, node);
    return BLIND_OK;
}

/* ---- keys ---- */

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static blind_code read_key(bl_toml_parser *p, blind_span *out)
{
    const char *start = p->at;
    if (p->at < p->end && (*p->at == '"' || *p->at == '\''))
        return bl_toml_string(p, false, out);
    while (p->at < p->end && is_bare(*p->at))
        p->at++;
    if (p->at == start)
        return bl_toml_refuse(p, p->at, "expected a key");
    *out = bl_span(start, (size_t)(p->at - start));
    char *copy = bl_arena_copy(p->arena, *out);
    if (!copy)
        return no_memory(p);
    *out = bl_span(copy, out->size);
    return BLIND_OK;
}

/* True at a dot, which is then behind us. */
static bool next_part(bl_toml_parser *p)
{
    skip_blanks(p);
    if (p->at == p->end || *p->at != '.')
        return false;
    p->at++;
    skip_blanks(p);
    return true;
}

/* ---- values ---- */

static blind_code read_value(bl_toml_parser *p, unsigned depth, bl_toml_node **out);

static blind_code read_array(bl_toml_parser *p, unsigned depth, bl_toml_node *array)
{
    p->at++; /* [ */
    for (;;) {
        BL_TRY(skip_lines(p));
        if (p->at < p->end && *p->at == ']')
            break;
        bl_toml_node *value;
        BL_TRY(read_value(p, depth + 1, &value));
        append(array, value);
        BL_TRY(skip_lines(p));
        if (p->at < p->end && *p->at == ']')
            break;
        if (p->at == p->end || *p->at != ',')
            return bl_toml_refuse(p, p->at, "expected ',' or ']' in an array");
        p->at++;
    }
    p->at++;
    return BLIND_OK;
}

static blind_code read_pair(bl_toml_parser *p, bl_toml_node *table, unsigned depth);

static blind_code read_inline(bl_toml_parser *p, unsigned depth, bl_toml_node *table)
{
    p->at++; /* { */
    skip_blanks(p);
    unsigned outer = p->section;
    p->section = ++p->sections;
    if (p->at == p->end || *p->at != '}') {
        for (;;) {
            BL_TRY(read_pair(p, table, depth + 1));
            skip_blanks(p);
            if (p->at < p->end && *p->at == '}')
                break;
            if (p->at == p->end || *p->at != ',')
                return bl_toml_refuse(p, p->at, "expected ',' or '}' in an inline table");
            p->at++;
            skip_blanks(p);
        }
    }
    p->at++;
    p->section = outer;
    table->flags = INLINE;
    return BLIND_OK;
}

static blind_code read_value(bl_toml_parser *p, unsigned depth, bl_toml_node **out)
{
    if (depth > BL_MAX_TOML_DEPTH)
        return bl_toml_refuse(p, p->at, "nested too deeply");
    if (p->at == p->end)
        return bl_toml_refuse(p, p->at, "expected a value");
    if (*p->at == '[') {
        BL_TRY(new_node(p, BL_TOML_ARRAY, p->at, out));
        return read_array(p, depth, *out);
    }
    if (*p->at == '{') {
        BL_TRY(new_node(p, BL_TOML_TABLE, p->at, out));
        return read_inline(p, depth, *out);
    }
    BL_TRY(new_node(p, BL_TOML_STRING, p->at, out));
    return bl_toml_scalar(p, &(*out)->toml);
}

/* The table that one more part of a dotted key leads to, made where it is missing. */
static blind_code enter_dotted(bl_toml_parser *p, bl_toml_node **table, blind_span key,
                               const char *at)
{
    bl_toml_node *inner = find(p, *table, key);
    if (!inner) {
        BL_TRY(new_node(p, BL_TOML_TABLE, at, &inner));
        BL_TRY(add_member(p, *table, key, inner));
    } else if (inner->toml.type != BL_TOML_TABLE ||
               (inner->flags && !(inner->flags == DOTTED && inner->section == p->section))) {
        return bl_toml_refuse(p, at, "the key extends something that is already defined");
    }
    inner->flags = DOTTED;
    inner->section = p->section;
    *table = inner;
    return BLIND_OK;
}

/* key = value, or a.b.key = value, into `table`. */
static blind_code read_pair(bl_toml_parser *p, bl_toml_node *table, unsigned depth)
{
    const char *start = p->at;
    blind_span  key;
    BL_TRY(read_key(p, &key));
    for (unsigned parts = depth; next_part(p); parts++) {
        if (parts >= BL_MAX_TOML_DEPTH)
            return bl_toml_refuse(p, start, "nested too deeply");
        BL_TRY(enter_dotted(p, &table, key, start));
        start = p->at;
        BL_TRY(read_key(p, &key));
    }
    if (find(p, table, key))
        return bl_toml_refuse(p, start, "the key is already defined");
    if (p->at == p->end || *p->at != '=')
        return bl_toml_refuse(p, p->at, "expected '=' after the key");
    p->at++;
    skip_blanks(p);
    locate(p, start);
    uint32_t      line = p->line, column = p->column;
    bl_toml_node *value;
    BL_TRY(read_value(p, depth, &value));
    value->toml.line = line;
    value->toml.column = column;
    return add_member(p, table, key, value);
}

/* ---- headers ---- */

/* The table that one more part of a header leads to: a table, or the last of an array of tables. */
static blind_code enter_header(bl_toml_parser *p, bl_toml_node **table, blind_span key,
                               const char *at)
{
    bl_toml_node *inner = find(p, *table, key);
    if (!inner) {
        BL_TRY(new_node(p, BL_TOML_TABLE, at, &inner));
        BL_TRY(add_member(p, *table, key, inner));
    } else if (inner->toml.type == BL_TOML_ARRAY && inner->flags & OF_TABLES) {
        inner = inner->last;
    }
    if (inner->toml.type != BL_TOML_TABLE || inner->flags & INLINE)
        return bl_toml_refuse(p, at, "the header extends something that is already defined");
    *table = inner;
    return BLIND_OK;
}

static blind_code open_table(bl_toml_parser *p, bl_toml_node *parent, blind_span key,
                             const char *at)
{
    bl_toml_node *table = find(p, parent, key);
    if (!table) {
        BL_TRY(new_node(p, BL_TOML_TABLE, at, &table));
        BL_TRY(add_member(p, parent, key, table));
    } else if (table->toml.type != BL_TOML_TABLE || table->flags) {
        return bl_toml_refuse(p, at, "the table is already defined");
    }
    table->flags = EXPLICIT;
    p->current = table;
    return BLIND_OK;
}

static blind_code open_array(bl_toml_parser *p, bl_toml_node *parent, blind_span key,
                             const char *at)
{
    bl_toml_node *array = find(p, parent, key), *table;
    if (!array) {
        BL_TRY(new_node(p, BL_TOML_ARRAY, at, &array));
        BL_TRY(add_member(p, parent, key, array));
        array->flags = OF_TABLES;
    } else if (array->toml.type != BL_TOML_ARRAY || !(array->flags & OF_TABLES)) {
        return bl_toml_refuse(p, at, "the array of tables is already defined as something else");
    }
    BL_TRY(new_node(p, BL_TOML_TABLE, at, &table));
    table->flags = EXPLICIT;
    append(array, table);
    p->current = table;
    return BLIND_OK;
}

static blind_code read_header(bl_toml_parser *p)
{
    p->at++; /* [ */
    bool array = p->at < p->end && *p->at == '[';
    p->at += array;
    skip_blanks(p);
    const char   *start = p->at;
    bl_toml_node *table = p->root;
    blind_span    key;
    BL_TRY(read_key(p, &key));
    for (unsigned parts = 1; next_part(p); parts++) {
        if (parts >= BL_MAX_TOML_DEPTH)
            return bl_toml_refuse(p, start, "nested too deeply");
        BL_TRY(enter_header(p, &table, key, start));
        start = p->at;
        BL_TRY(read_key(p, &key));
    }
    p->section = ++p->sections;
    BL_TRY(array ? open_array(p, table, key, start) : open_table(p, table, key, start));
    for (int i = 0; i < 1 + array; i++, p->at++)
        if (p->at == p->end || *p->at != ']')
            return bl_toml_refuse(p, p->at, "expected ']' at the end of the header");
    return BLIND_OK;
}

/* ---- the document ---- */

static blind_code check_utf8(bl_toml_parser *p)
{
    for (const char *s = p->begin; s < p->end;) {
        uint32_t c;
        size_t   n = bl_utf8_next(bl_span(s, (size_t)(p->end - s)), &c);
        if (n == 0)
            return bl_toml_refuse(p, s, "invalid UTF-8");
        s += n;
    }
    return BLIND_OK;
}

static blind_code read_document(bl_toml_parser *p)
{
    while (p->at < p->end) {
        skip_blanks(p);
        if (p->at < p->end && *p->at == '[')
            BL_TRY(read_header(p));
        else if (p->at < p->end && *p->at != '#' && !bl_toml_at_newline(p))
            BL_TRY(read_pair(p, p->current, 1));
        BL_TRY(end_of_line(p));
    }
    return BLIND_OK;
}

blind_code bl_toml_parse(blind_span text, bl_arena *arena, const bl_toml **root, blind_error *err)
{
    static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };
    *root = NULL;
    if (text.size > BL_MAX_TOML_SIZE)
        return blind_fail(err, BLIND_LIMIT, "toml", "%zu bytes, at most %d", text.size,
                          BL_MAX_TOML_SIZE);
    if (text.size >= sizeof mark && memcmp(text.data, mark, sizeof mark) == 0)
        text = bl_span(text.data + sizeof mark, text.size - sizeof mark);
    const char    *begin = text.size ? (const char *)text.data : "";
    bl_toml_parser p = { .begin = begin,
                         .at = begin,
                         .end = begin + text.size,
                         .arena = arena,
                         .err = err,
                         .located = begin,
                         .line = 1,
                         .column = 1,
                         .slots = 64 };
    p.salt = (uintptr_t)&p;
    p.index = bl_arena_array(arena, p.slots, sizeof *p.index);
    if (!p.index)
        return no_memory(&p);
    BL_TRY(check_utf8(&p));
    BL_TRY(new_node(&p, BL_TOML_TABLE, begin, &p.root));
    p.root->flags = EXPLICIT;
    p.current = p.root;
    BL_TRY(read_document(&p));
    *root = &p.root->toml;
    return BLIND_OK;
}
