/* JSON by jansson, bounded, and getters that say what is wrong. */
#ifndef BL_JSON_H
#define BL_JSON_H

#include "base/buf.h"

#include <jansson.h>

void bl_json_done(json_t **value);
#define bl_auto_json __attribute__((cleanup(bl_json_done))) json_t

/* Parses one whole document: at most `max` bytes (and BL_MAX_JSON_SIZE), BL_MAX_JSON_DEPTH deep, no
 * key twice, any value at the top.  `*out` is the caller's, bl_json_done(); NULL on failure.
 * Errors INPUT "line 1 column 9: ...", LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_json_parse(blind_span text, size_t max, json_t **out,
                                        blind_error *err);

/* Appends the value on one line, keys in their order.  Errors MEMORY, LIMIT */
BLIND_MUST_USE blind_code bl_json_write(const json_t *value, bl_buf *out, blind_error *err);

/* Members of an object by key.  Errors INPUT: absent, or of another type; borrowed results. */
BLIND_MUST_USE blind_code bl_json_string(const json_t *object, const char *key, const char **out,
                                         blind_error *err);
BLIND_MUST_USE blind_code bl_json_int(const json_t *object, const char *key, int64_t min,
                                      int64_t max, int64_t *out, blind_error *err);
BLIND_MUST_USE blind_code bl_json_bool(const json_t *object, const char *key, bool *out,
                                       blind_error *err);
BLIND_MUST_USE blind_code bl_json_array(const json_t *object, const char *key, json_t **out,
                                        blind_error *err);
BLIND_MUST_USE blind_code bl_json_object(const json_t *object, const char *key, json_t **out,
                                         blind_error *err);
/* Whether the key is there and not null: optional members are asked for first. */
bool bl_json_has(const json_t *object, const char *key);

#endif
