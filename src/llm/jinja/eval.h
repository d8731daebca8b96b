/* Runs a template's tree; what filters, tests and functions need of it. */
#ifndef BL_LLM_JINJA_EVAL_H
#define BL_LLM_JINJA_EVAL_H

#include "llm/jinja/tree.h"

/* Names and what they stand for; the inner ones hide the outer. */
typedef struct bl_jinja_scope {
    struct bl_jinja_scope *outer;
    bl_jinja_dict         *names;
} bl_jinja_scope;

typedef struct {
    bl_arena       *arena;
    bl_buf         *out;
    bl_jinja_scope *scope, *root;
    size_t          steps;
    unsigned        depth;   /* of macros */
    unsigned        nesting; /* of eval() and run() */
    uint32_t        line;
    int64_t         now_s;
    blind_error    *err;
    blind_code      code; /* of the first failure */
} bl_jinja_run;

/* Arguments of a call: first those in order, then those with names. */
typedef struct {
    bl_jinja_value *items;
    size_t          len;
    bl_jinja_dict  *named;
} bl_jinja_arguments;

/* Notes the first failure and answers undefined. */
bl_jinja_value bl_jinja_fail(bl_jinja_run *r, blind_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Argument `i`, or the one of this name, or NULL. */
const bl_jinja_value *bl_jinja_argument(const bl_jinja_arguments *a, size_t i, const char *name);

/* A text of what `out` holds, which is emptied. */
bl_jinja_value bl_jinja_take(bl_jinja_run *r, bl_buf *out);

/* What a loop over `v` sees: items, keys of a dict, characters.  False (and a failure): none. */
bool bl_jinja_iterate(bl_jinja_run *r, const bl_jinja_value *v, bl_jinja_list *out);
/* v[key], undefined where there is none. */
bl_jinja_value bl_jinja_index(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_value *key);

bl_jinja_value bl_jinja_filter(bl_jinja_run *r, blind_span name, const bl_jinja_value *v,
                               const bl_jinja_arguments *a);
bl_jinja_value bl_jinja_test(bl_jinja_run *r, blind_span name, const bl_jinja_value *v,
                             const bl_jinja_arguments *a);
/* v.name(arguments) for texts and dicts. */
bl_jinja_value bl_jinja_method(bl_jinja_run *r, const bl_jinja_value *v, blind_span name,
                               const bl_jinja_arguments *a);
/* range, namespace, dict, raise_exception, strftime_now; false: no such function. */
bool           bl_jinja_function(bl_jinja_run *r, blind_span name, const bl_jinja_arguments *a,
                                 bl_jinja_value *out);
bl_jinja_value bl_jinja_operate(bl_jinja_run *r, blind_span sign, const bl_jinja_value *a,
                                const bl_jinja_value *b);

/* a in b */
bool bl_jinja_contains(bl_jinja_run *r, const bl_jinja_value *b, const bl_jinja_value *a);

#endif
