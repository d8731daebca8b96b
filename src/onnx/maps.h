/* Maps.  A value that is a map, or a sequence of maps with the same keys, is two values everywhere
 * behind the parser: its keys and its values.
 *
 *     model's NAME                         here
 *     input  map(key, T)                   NAME.keys [len], NAME.values [len]
 *     output sequence(map(key, float))     NAME.keys [len], NAME.values [maps, len]
 *
 * Only ZipMap makes a map, and its maps all have its attribute's labels for keys, so nothing is
 * lost.  Clients get two plain tensors; pipelines and batching need to know nothing of maps. */
#ifndef BL_ONNX_MAPS_H
#define BL_ONNX_MAPS_H

#include "onnx/graph.h"

/* Splits the maps of the model's graph.  Errors: UNSUPPORTED for a map where no operator takes one,
 * INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_maps_split(bl_model *m, bl_arena *arena, blind_error *err);

#endif
