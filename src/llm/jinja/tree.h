/* A chat template as a tree, and the parser that makes it. */
#ifndef BL_LLM_JINJA_TREE_H
#define BL_LLM_JINJA_TREE_H

#include "llm/jinja/value.h"

typedef enum {
    /* Statements. */
    BL_NODE_TEXT,  /* value: as it stands */
    BL_NODE_PRINT, /* a */
    BL_NODE_IF,    /* a: condition (NULL: else), body, next: the branch tried after this one */
    BL_NODE_FOR,   /* items: targets, a: of what, b: only those (or NULL), body, next: if none */
    BL_NODE_SET,   /* items: targets (names or attributes), a: to what, or body: a block */
    BL_NODE_MACRO, /* value: name, items: parameters (NAME, a: what it is when not given), body */
    BL_NODE_BREAK,
    BL_NODE_CONTINUE,
    BL_NODE_BLOCK, /* body */
    /* Expressions. */
    BL_NODE_VALUE,  /* value */
    BL_NODE_NAME,   /* value: name; of an argument a: its value */
    BL_NODE_LIST,   /* items */
    BL_NODE_DICT,   /* items: keys and values in turn */
    BL_NODE_ATTR,   /* a, value: name */
    BL_NODE_INDEX,  /* a, b */
    BL_NODE_SLICE,  /* a, items: from, to, step; NULL where not given */
    BL_NODE_CALL,   /* a, items: arguments, those with names are NAME with a */
    BL_NODE_FILTER, /* a, value: name, items: arguments */
    BL_NODE_TEST,   /* a, value: name, items: arguments */
    BL_NODE_NOT,    /* a */
    BL_NODE_MINUS,  /* a */
    BL_NODE_AND,    /* a, b */
    BL_NODE_OR,     /* a, b */
    BL_NODE_CHOICE, /* a if b else next */
    BL_NODE_BINARY, /* a value b: value is the operator's text */
} bl_node_kind;

typedef struct bl_node bl_node;
struct bl_node {
    bl_node_kind   kind;
    uint32_t       line, depth; /* depth: of nodes below */
    bl_jinja_value value;
    bl_node       *a, *b, *next;
    bl_node       *body;    /* first of statements */
    bl_node       *sibling; /* the statement, or the item, behind this one */
    bl_node      **items;
    size_t         len; /* of items */
};

/* Parses a template, with blocks trimmed as chat templates expect (trim_blocks, lstrip_blocks).
 *
 * text    borrowed by the tree; valid UTF-8
 * Errors  INPUT (with the line), UNSUPPORTED (a tag that is not known), LIMIT, MEMORY
 * Source: Jinja, "Template Designer Documentation", version 3.1. */
BLIND_MUST_USE blind_code bl_jinja_parse(blind_span text, bl_arena *arena, bl_node **out,
                                         blind_error *err);

#endif
