/* Values of a chat template: what Jinja takes from Python, in one arena. */
#ifndef BL_LLM_JINJA_VALUE_H
#define BL_LLM_JINJA_VALUE_H

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

typedef enum {
    BL_JINJA_UNDEFINED,
    BL_JINJA_NONE,
    BL_JINJA_BOOL,
    BL_JINJA_INT,
    BL_JINJA_FLOAT,
    BL_JINJA_TEXT,
    BL_JINJA_LIST,
    BL_JINJA_DICT,  /* and namespaces */
    BL_JINJA_MACRO, /* and functions */
} bl_jinja_kind;

typedef struct bl_jinja_list bl_jinja_list;
typedef struct bl_jinja_dict bl_jinja_dict;

typedef struct {
    bl_jinja_kind kind;
    union {
        bool           flag;
        int64_t        whole;
        double         real;
        blind_span     text; /* UTF-8; borrowed or in the arena */
        bl_jinja_list *list;
        bl_jinja_dict *dict;
        const void    *code; /* of a macro */
    };
} bl_jinja_value;

struct bl_jinja_list {
    bl_jinja_value *items;
    size_t          len, capacity;
    unsigned        depth; /* of containers within: bounded, so that recursion is */
};

typedef struct {
    bl_jinja_value key, value;
} bl_jinja_pair;

struct bl_jinja_dict {
    bl_jinja_pair *pairs; /* in the order of their making */
    size_t         len, capacity;
    unsigned       depth;
    bool           is_namespace; /* may be assigned to, and so contain itself: never walked into */
};

static inline bl_jinja_value bl_jinja_text(blind_span text)
{
    return (bl_jinja_value){ .kind = BL_JINJA_TEXT, .text = text };
}
static inline bl_jinja_value bl_jinja_bool(bool flag)
{
    return (bl_jinja_value){ .kind = BL_JINJA_BOOL, .flag = flag };
}
static inline bl_jinja_value bl_jinja_int(int64_t whole)
{
    return (bl_jinja_value){ .kind = BL_JINJA_INT, .whole = whole };
}
static inline bl_jinja_value bl_jinja_float(double real)
{
    return (bl_jinja_value){ .kind = BL_JINJA_FLOAT, .real = real };
}

/* Empty; NULL within when out of memory. */
bl_jinja_value bl_jinja_new_list(bl_arena *arena);
bl_jinja_value bl_jinja_new_dict(bl_arena *arena);

/* False when out of memory, too deep (BL_MAX_JSON_DEPTH) or, of a dict, too long. */
bool bl_jinja_append(bl_arena *arena, bl_jinja_list *list, bl_jinja_value item);
bool bl_jinja_put(bl_arena *arena, bl_jinja_dict *dict, bl_jinja_value key, bl_jinja_value value);

/* NULL where there is none. */
const bl_jinja_value *bl_jinja_get(const bl_jinja_dict *dict, bl_jinja_value key);
const bl_jinja_value *bl_jinja_get_text(const bl_jinja_dict *dict, const char *key);

/* As Python has it: 1 == 1.0 == true; texts, lists and dicts by what they hold. */
bool bl_jinja_equal(const bl_jinja_value *a, const bl_jinja_value *b);
/* -1, 0, 1 for numbers and for texts; false where these have no order. */
bool   bl_jinja_compare(const bl_jinja_value *a, const bl_jinja_value *b, int *out);
bool   bl_jinja_true(const bl_jinja_value *v);
bool   bl_jinja_is_number(const bl_jinja_value *v); /* bool is one */
double bl_jinja_number(const bl_jinja_value *v);

/* str(v) and repr(v). */
void bl_jinja_print(const bl_jinja_value *v, bl_buf *out);
void bl_jinja_repr(const bl_jinja_value *v, bl_buf *out);
/* json.dumps(v, ensure_ascii=False, indent=indent); indent < 0: on one line.  False: not a thing of
 * JSON. */
bool bl_jinja_json(const bl_jinja_value *v, int indent, bl_buf *out);

/* A JSON value; text is copied.  False when out of memory or too deep. */
bool bl_jinja_from_json(bl_arena *arena, const json_t *json, bl_jinja_value *out);

const char *bl_jinja_kind_name(const bl_jinja_value *v); /* as Python calls it */

#endif
