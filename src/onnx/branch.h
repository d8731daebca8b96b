/* Ifs of which the model says by an initializer or a Constant which branch they take. */
#ifndef BL_ONNX_BRANCH_H
#define BL_ONNX_BRANCH_H

#include "onnx/graph.h"

/* Puts the nodes of the branch in place of each, in every graph.  Errors: LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_branches_inline(bl_model *m, bl_arena *arena, blind_error *err);

#endif
