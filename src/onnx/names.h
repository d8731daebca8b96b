/* Finds the value of a name: a hash table in an arena. */
#ifndef BL_ONNX_NAMES_H
#define BL_ONNX_NAMES_H

#include "base/arena.h"

typedef struct {
    const char **keys;
    int32_t     *values;
    size_t       mask; /* slots - 1 */
    size_t       used;
    bl_arena    *arena;
} bl_names;

/* Room for `max` names to begin with; false when out of memory. */
bool    bl_names_init(bl_names *n, bl_arena *arena, size_t max);
int32_t bl_names_get(const bl_names *n, const char *name); /* -1: not there */
/* False when the name is there already, or without memory: then bl_names_get says -1.  The name is
 * borrowed. */
bool bl_names_put(bl_names *n, const char *name, int32_t value);

#endif
