/* What the two halves of the TOML parser share. */
#ifndef BL_TOML_INTERNAL_H
#define BL_TOML_INTERNAL_H

#include "base/toml.h"

/* A node while the parser builds it. */
typedef struct bl_toml_node bl_toml_node;
struct bl_toml_node {
    bl_toml       toml;           /* first, so that one pointer is both */
    bl_toml_node *last;           /* member of an ARRAY or TABLE */
    unsigned      flags, section; /* how a table came to be, and under which header */
};

typedef struct {
    const bl_toml_node *table;
    bl_toml_node       *member;
} bl_toml_slot;

typedef struct {
    const char   *begin, *at, *end;
    bl_arena     *arena;
    blind_error  *err;
    bl_toml_node *root, *current; /* current: the table of the last header */
    unsigned      section, sections;
    const char   *located; /* line and column are of this place */
    uint32_t      line, column;
    size_t        nodes;
    bl_toml_slot *index; /* every key of every table */
    size_t        slots, keys;
    uint64_t      salt;
} bl_toml_parser;

/* Fails with INPUT and the line and column of `at`. */
BLIND_MUST_USE blind_code bl_toml_refuse(bl_toml_parser *p, const char *at, const char *what);

/* A string at p->at, basic or literal; `lines` allows the multi-line forms. */
BLIND_MUST_USE blind_code bl_toml_string(bl_toml_parser *p, bool lines, blind_span *out);
/* Any value but arrays and tables. */
BLIND_MUST_USE blind_code bl_toml_scalar(bl_toml_parser *p, bl_toml *out);

/* A line end, "\n" or "\r\n", at p->at. */
static inline bool bl_toml_at_newline(const bl_toml_parser *p)
{
    return p->at < p->end &&
           (*p->at == '\n' || (*p->at == '\r' && p->end - p->at > 1 && p->at[1] == '\n'));
}

/* Control characters other than tab. */
static inline bool bl_toml_is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

#endif
