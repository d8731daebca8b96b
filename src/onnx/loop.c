/* Loop and SequenceMap: a body that runs in turns.
 *
 * Values carried from turn to turn are handed over, not shared, so that a body that adds to a
 * sequence adds in place.  Source: ONNX operators Loop, SequenceMap. */
#include "onnx/control.h"

#include <stdlib.h>

/* Loop.  ------------------------------------------------------------------------------------- */

static blind_code loop_turn(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_call                 *c = &f->call;
    const bl_body           *body = c->body;
    int                      rank0 = body->inputs[0].rank == 1, rank1 = body->inputs[1].rank == 1;
    size_t                   len = 2 + c->n_state;
    bl_auto_free bl_object **args = calloc(len, sizeof(bl_object *));
    if (!args)
        return bl_control_fail(c->node, err, BLIND_MEMORY, "no memory for a body");
    BL_TRY(bl_make_integer(run, BLIND_I64, rank0, c->at, &args[0], err));
    blind_code code = bl_make_integer(run, BLIND_BOOL, rank1, 1, &args[1], err);
    if (code != BLIND_OK) {
        bl_object_drop(args[0]);
        return code;
    }
    for (size_t i = 0; i < c->n_state; i++)
        args[2 + i] = bl_take_object(&c->state[i]);
    return bl_call_body(run, f, args, len, err);
}

static blind_code loop_end(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_call *c = &f->call;
    for (size_t i = 0; i < c->n_state; i++)
        bl_frame_output(f, c->node, (int)i, bl_take_object(&c->state[i]));
    for (size_t k = 0; k < c->n_made; k++) {
        bl_object *stacked;
        int        out = (int)(c->n_state + k);
        if (c->made[k]->len == 0)
            BL_TRY(bl_empty_stack(run, &c->body->outputs[1 + out], &stacked, err));
        else
            BL_TRY(bl_sequence_join(run, c->node, c->made[k], 0, true, false, &stacked, err));
        bl_frame_output(f, c->node, out, stacked);
    }
    return BLIND_OK;
}

static blind_code loop_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    const bl_body *body;
    int64_t        trip, go;
    BL_TRY(bl_call_attr(n, "body", &body, err));
    BL_TRY(bl_frame_integer(run, f, n, 0, INT64_MAX, &trip, err));
    BL_TRY(bl_frame_integer(run, f, n, 1, 1, &go, err));
    size_t n_state = (size_t)BL_MAX(n->n_formal - 2, 0);
    if (body->n_inputs != n_state + 2 || body->n_outputs < n_state + 1 ||
        (size_t)n->n_out > body->n_outputs - 1)
        return bl_control_fail(n, err, BLIND_INPUT, "a body of %zu inputs and %zu outputs",
                               body->n_inputs, body->n_outputs);
    BL_TRY(
        bl_call_start(f, n, &bl_control_loop, body, n_state, body->n_outputs - 1 - n_state, err));
    f->call.trip = go ? trip : 0;
    for (size_t i = 0; i < n_state; i++) {
        bl_object *o;
        BL_TRY(bl_frame_input(run, f, n, (int)i + 2, &o, err));
        if (!o)
            return bl_control_fail(n, err, BLIND_INPUT, "input %zu is missing", i + 2);
        f->call.state[i] = bl_object_keep(o);
    }
    for (size_t k = 0; k < f->call.n_made; k++)
        BL_TRY(bl_object_sequence(&run->room, body->outputs[1 + n_state + k].dtype,
                                  &f->call.made[k], err));
    return f->call.trip > 0 ? loop_turn(run, f, err) : loop_end(run, f, err);
}

static blind_code loop_resume(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_call   *c = &f->call;
    bl_object *go = c->returned[0];
    if (go->kind != BL_OBJECT_TENSOR || go->t.len != 1 || go->t.dtype != BLIND_BOOL)
        return bl_control_fail(c->node, err, BLIND_INPUT, "a condition that is no single bool");
    for (size_t i = 0; i < c->n_state; i++)
        c->state[i] = bl_take_object(&c->returned[1 + i]);
    for (size_t k = 0; k < c->n_made; k++) {
        bl_object *item = c->returned[1 + c->n_state + k];
        if (item->kind != BL_OBJECT_TENSOR)
            return bl_control_fail(c->node, err, BLIND_INPUT, "a scan output that is no tensor");
        BL_TRY(bl_sequence_insert(c->made[k], c->made[k]->len, item, err));
    }
    c->at++;
    bool more = *(const uint8_t *)go->t.data && c->at < c->trip;
    return more ? loop_turn(run, f, err) : loop_end(run, f, err);
}

const bl_control bl_control_loop = { "Loop", loop_begin, loop_resume };

/* SequenceMap.  ------------------------------------------------------------------------------ */

static blind_code map_turn(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_call                 *c = &f->call;
    bl_auto_free bl_object **args = calloc(c->n_state + 1, sizeof(bl_object *));
    if (!args)
        return bl_control_fail(c->node, err, BLIND_MEMORY, "no memory for a body");
    for (size_t i = 0; i < c->n_state; i++) {
        bl_object *o = c->state[i];
        args[i] = bl_object_keep(o->kind == BL_OBJECT_SEQUENCE ? o->items[c->at] : o);
    }
    return bl_call_body(run, f, args, c->n_state, err);
}

static blind_code map_end(bl_frame *f)
{
    for (size_t k = 0; k < f->call.n_made; k++)
        bl_frame_output(f, f->call.node, (int)k, bl_take_object(&f->call.made[k]));
    return BLIND_OK;
}

static blind_code map_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    const bl_body *body;
    bl_object     *first, *o;
    BL_TRY(bl_call_attr(n, "body", &body, err));
    BL_TRY(bl_frame_sequence(run, f, n, 0, &first, err));
    if (body->n_inputs != (size_t)n->n_formal || body->n_outputs < (size_t)n->n_out)
        return bl_control_fail(n, err, BLIND_INPUT, "a body of %zu inputs and %zu outputs",
                               body->n_inputs, body->n_outputs);
    BL_TRY(
        bl_call_start(f, n, &bl_control_sequence_map, body, body->n_inputs, body->n_outputs, err));
    f->call.trip = (int64_t)first->len;
    for (size_t i = 0; i < body->n_inputs; i++) {
        BL_TRY(bl_frame_input(run, f, n, (int)i, &o, err));
        if (!o || (o->kind == BL_OBJECT_SEQUENCE && o->len != first->len))
            return bl_control_fail(n, err, BLIND_INPUT, "input %zu is missing or of another length",
                                   i);
        f->call.state[i] = bl_object_keep(o);
    }
    for (size_t k = 0; k < body->n_outputs; k++)
        BL_TRY(bl_object_sequence(&run->room, body->outputs[k].dtype, &f->call.made[k], err));
    return f->call.trip > 0 ? map_turn(run, f, err) : map_end(f);
}

static blind_code map_resume(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    bl_call *c = &f->call;
    for (size_t k = 0; k < c->n_made; k++) {
        if (c->returned[k]->kind != BL_OBJECT_TENSOR)
            return bl_control_fail(c->node, err, BLIND_INPUT, "an output that is no tensor");
        c->made[k]->t.dtype = c->returned[k]->t.dtype;
        BL_TRY(bl_sequence_insert(c->made[k], c->made[k]->len, c->returned[k], err));
    }
    c->at++;
    return c->at < c->trip ? map_turn(run, f, err) : map_end(f);
}

const bl_control bl_control_sequence_map = { "SequenceMap", map_begin, map_resume };
