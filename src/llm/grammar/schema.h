/* What the files that turn schemas into grammars share. */
#ifndef BL_LLM_GRAMMAR_SCHEMA_H
#define BL_LLM_GRAMMAR_SCHEMA_H

#include "base/arena.h"
#include "base/limits.h"
#include "llm/grammar/json.h"

/* Kinds of value: bits.  An integer is a number, too; BL_TYPE_NUMBER alone is one with decimals. */
enum {
    BL_TYPE_NULL = 1,
    BL_TYPE_BOOLEAN = 2,
    BL_TYPE_INTEGER = 4,
    BL_TYPE_NUMBER = 8,
    BL_TYPE_STRING = 16,
    BL_TYPE_ARRAY = 32,
    BL_TYPE_OBJECT = 64,
    BL_TYPE_ALL = 127,
};

enum { BL_SCHEMA_SLOTS = 4 * BL_MAX_SCHEMA_NODES };

/* A rule that is to be written: of a schema, or of the members of an object that it does not
 * declare. */
typedef struct {
    const json_t *schema;
    const char   *path; /* where it stands, for messages */
    uint32_t      rule;
    bool          extra;
} bl_schema_item;

typedef struct {
    const json_t *schema;
    uint32_t      rule;
} bl_schema_slot;

typedef struct {
    const json_t   *root;
    bl_program      program;
    bl_arena        arena;
    bl_buf          items; /* bl_schema_item */
    bl_schema_slot *slots; /* [BL_SCHEMA_SLOTS] rules of schemas by their address */
    bool            full;  /* too many */
    blind_error    *err;
} bl_schema;

/* Fills *err with where the schema stands, and returns `code`. */
blind_code bl_schema_refuse(bl_schema *s, const bl_schema_item *i, blind_code code,
                            const char *what);

/* The rule of a schema that stands at from's path / keyword / name; name may be NULL. */
uint32_t bl_schema_rule(bl_schema *s, const bl_schema_item *from, const json_t *schema,
                        const char *keyword, const char *name);
/* A rule for members of an object that are not declared: bl_schema_extra_member() writes it. */
uint32_t bl_schema_extra_rule(bl_schema *s, const bl_schema_item *of);

unsigned bl_schema_type_of(const json_t *value);
/* What "type" and "nullable" allow; 0 where they are wrong. */
unsigned bl_schema_types(const json_t *schema);
/* What a reference points to, or NULL. */
const json_t *bl_schema_follow(const json_t *root, const json_t *ref);
/* Whether no value can satisfy both; false when that is not sure. */
bool bl_schema_disjoint(const bl_schema *s, const json_t *a, const json_t *b);

/* Each writes values of its kind, as the schema wants them. */
blind_code bl_schema_object(bl_schema *s, const bl_schema_item *i);
blind_code bl_schema_extra_member(bl_schema *s, const bl_schema_item *i);
blind_code bl_schema_array(bl_schema *s, const bl_schema_item *i);
blind_code bl_schema_string(bl_schema *s, const bl_schema_item *i);
blind_code bl_schema_number(bl_schema *s, const bl_schema_item *i);
blind_code bl_schema_integer(bl_schema *s, const bl_schema_item *i);

/* A count such as minItems: `otherwise` where it is not there.  Errors INPUT */
blind_code bl_schema_count(bl_schema *s, const bl_schema_item *i, const char *name,
                           uint32_t otherwise, uint32_t *out);

#endif
