/* TOML 1.0 documents: policies and configurations.
 *
 * A document becomes a tree of nodes in an arena.  Each node knows its line and column, so that a
 * caller can point at the rule it refuses.  Source: toml.io, version 1.0.0. */
#ifndef BL_TOML_H
#define BL_TOML_H

#include "base/arena.h"

typedef enum {
    BL_TOML_STRING,
    BL_TOML_INTEGER,
    BL_TOML_FLOAT,
    BL_TOML_BOOL,
    BL_TOML_DATETIME,       /* 1979-05-27T07:32:00-08:00 */
    BL_TOML_DATETIME_LOCAL, /* 1979-05-27T07:32:00       */
    BL_TOML_DATE_LOCAL,     /* 1979-05-27                */
    BL_TOML_TIME_LOCAL,     /* 07:32:00.5                */
    BL_TOML_ARRAY,
    BL_TOML_TABLE,
} bl_toml_type;

/* The parts that the type has; the others are 0. */
typedef struct {
    int     year, month, day, hour, minute, second;
    int32_t nanosecond;
    int     offset_min; /* minutes east of UTC */
} bl_toml_time;

typedef struct bl_toml bl_toml;
struct bl_toml {
    bl_toml_type   type;
    uint32_t       line, column; /* from 1, in characters; of the key, where there is one */
    blind_span     key;          /* in a table: the key, a NUL behind it; else empty */
    const bl_toml *next;         /* the sibling behind this one, in file order, or NULL */
    union {
        blind_span   string; /* a NUL behind it, but it may also hold NULs */
        int64_t      integer;
        double       number;
        bool         truth;
        bl_toml_time time;
        struct {
            const bl_toml *first; /* of an ARRAY or TABLE */
            size_t         len;
        };
    };
};

/* Parses a whole document.
 *
 * text   UTF-8, a leading byte order mark allowed; borrowed for the call
 * arena  owns the tree
 * root   the document's table; NULL on failure
 * Errors INPUT "line 3 column 7: ...", LIMIT (size, depth, nodes of base/limits.h), MEMORY */
BLIND_MUST_USE blind_code bl_toml_parse(blind_span text, bl_arena *arena, const bl_toml **root,
                                        blind_error *err);

/* The value of a key, or NULL when the table is NULL, no table, or has no such key. */
const bl_toml *bl_toml_get(const bl_toml *table, const char *key);

/* The first key of the table that is not among the `len` known ones, or NULL: unknown keys are
 * errors, since a misspelt rule must not be a missing rule. */
const bl_toml *bl_toml_unknown(const bl_toml *table, const char *const *known, size_t len);

/* "a string", "an array": for messages. */
const char *bl_toml_type_name(bl_toml_type type);

/* "line 3 column 7: " before the message, and `code` returned.  A NULL node has no place. */
blind_code bl_toml_fail(const bl_toml *at, blind_error *err, blind_code code, const char *stage,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `code` unless the node is of this type. */
BLIND_MUST_USE blind_code bl_toml_want(const bl_toml *node, bl_toml_type type, blind_code code,
                                       const char *stage, blind_error *err);

/* Seconds since 1970 of a DATETIME; local times and dates are taken as UTC, other types as 0. */
int64_t bl_toml_seconds(const bl_toml *node);

#endif
