/* Two engines for tests, in the shapes that real ones have.
 *
 * words  emits text token by token (as a language model does), up to four requests per step
 *        file     "words v1 STEP_US\n" and the vocabulary, separated by spaces
 *        inputs   prompt BYTES [1]: its length says where in the vocabulary to begin
 *                 max_tokens INT32 [1]
 * grind  computes node after node, then gives one output (as an ONNX network does)
 *        file     "grind v1 NODES NODE_US\n"
 *        inputs   x FP32 [1]
 *        outputs  y FP32 [1] = x + NODES, computed on the pool */
#ifndef BL_TEST_ENGINES_H
#define BL_TEST_ENGINES_H

#include "server/engine.h"

extern const bl_engine        test_engine_words, test_engine_grind;
extern const bl_engine *const test_engines[];

/* How many models are open now, and jobs. */
extern _Atomic int test_models_open, test_jobs_open;

#endif
