/* Recurrent layers: what one call of the kernels is asked for.
 *
 * The inputs of all steps have been multiplied already (one product for all of them, biases added);
 * what is left goes step by step: the product of the state with the recurrent weights, then the
 * gates.  Gates lie in ONNX's order: LSTM i o f c, GRU z r h, RNN one.
 *
 *     LSTM       i, o, f = act0(x + h R + peephole . c)   (o sees the new c), g = act1(x_c + h R_c)
 *                c' = f . c + i . g        h' = o . act2(c')
 *     GRU        z, r = act0(x + h R)      g = act1(x_h + (r . h) R_h)
 *     GRU_AFTER  z, r = act0(x + h R)      g = act1(x_h + r . (h R_h + bias))
 *                h' = (1 - z) . g + z . h
 *     RNN        h' = act0(x + h R)
 *
 * Source: ONNX 1.17, operators LSTM, GRU, RNN. */
#ifndef BL_NN_RECURRENT_H
#define BL_NN_RECURRENT_H

#include "nn/ops.h"

typedef enum {
    BL_CELL_RNN,
    BL_CELL_LSTM,
    BL_CELL_GRU,       /* the reset gate is applied before the product */
    BL_CELL_GRU_AFTER, /* and after it: ONNX's linear_before_reset     */
} bl_cell;

typedef struct {
    bl_unary op;
    float    a, b;
} bl_activation;

/* One direction of a layer.  Strides count floats; a row is one sequence of the batch. */
typedef struct {
    bool             reverse; /* from the last step of each row to its first */
    const bl_packed *weights; /* of recurrent_pack(); or NULL: */
    const float     *plain;   /* R as the model has it, [gates * hidden][hidden]; slow */
    const float     *x;       /* of step 0, row 0: gates * hidden products */
    const float  *h_bias;   /* GRU_AFTER: [hidden], of the candidate's recurrent product; or NULL */
    const float  *peephole; /* LSTM: [3][hidden] of i, o, f; or NULL */
    const float  *h0, *c0;  /* first states; NULL: zeros */
    bl_activation act[3];
    float        *y;             /* of step 0, row 0; or NULL.  Beyond a row's length it is zero */
    float        *h_out, *c_out; /* last states; or NULL */
} bl_direction;

typedef struct {
    bl_cell        cell;
    size_t         steps, rows, hidden;
    const int32_t *lens; /* steps of each row, 0..steps: after none, states are zeros; NULL: all */
    size_t         x_step, x_row, y_step, y_row;
    size_t         state_row;    /* from row to row of h0, c0, h_out and c_out */
    float          clip;         /* bounds what gates are functions of; 0: nothing is bounded */
    bool           input_forget; /* LSTM: f is 1 - i */
    size_t         directions;   /* 1 or 2 */
    bl_direction   direction[2];
    void          *scratch; /* recurrent_scratch() bytes, aligned to 64 */
} bl_recurrent;

static inline size_t bl_cell_gates(bl_cell cell)
{
    return cell == BL_CELL_LSTM ? 4 : cell == BL_CELL_RNN ? 1 : 3;
}

#endif
