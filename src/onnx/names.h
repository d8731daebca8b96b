/* Finds the value of a name: a hash table that never grows, sized when the names are counted. */
#ifndef BL_ONNX_NAMES_H
#define BL_ONNX_NAMES_H

#include "base/arena.h"

typedef struct {
    const char **keys;
    int32_t     *values;
    size_t       mask; /* slots - 1 */
} bl_names;

/* Room for `max` names; false when out of memory. */
bool    bl_names_init(bl_names *n, bl_arena *arena, size_t max);
int32_t bl_names_get(const bl_names *n, const char *name); /* -1: not there */
/* False when the name is there already.  The name is borrowed. */
bool bl_names_put(bl_names *n, const char *name, int32_t value);

#endif
