/* Nodes with bodies: If, Loop, Scan, SequenceMap; and what all nodes of dynamic.c's kind need. */
#include "onnx/control.h"
#include "onnx/families.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const bl_control *bl_control_find(const bl_node *n)
{
    static const bl_control *const rows[] = {
        &bl_control_if,
        &bl_control_loop,
        &bl_control_scan,
        &bl_control_sequence_map,
        &bl_control_sequence_empty,
        &bl_control_sequence_construct,
        &bl_control_sequence_insert,
        &bl_control_sequence_erase,
        &bl_control_sequence_at,
        &bl_control_sequence_length,
        &bl_control_split_to_sequence,
        &bl_control_concat_from_sequence,
        &bl_control_optional,
        &bl_control_optional_has_element,
        &bl_control_optional_get_element,
    };
    for (size_t i = 0; i < BL_LEN(rows); i++)
        if (strcmp(rows[i]->name, n->type) == 0)
            return rows[i];
    return NULL;
}

blind_code bl_control_fail(const bl_node *n, blind_error *err, blind_code code, const char *format,
                           ...)
{
    char    text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return blind_fail(err, code, "onnx.run", "node '%.50s' (%.30s, opset %lld): %s", n->name,
                      n->type, (long long)n->opset, text);
}

/* infer of every such node: it is asked for nothing before it runs. */
blind_code bl_op_control_infer(bl_build *b, bl_node *n)
{
    (void)b;
    (void)n;
    return BL_LATER;
}

/* Inputs and outputs.  ----------------------------------------------------------------------- */

blind_code bl_frame_input(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i, bl_object **out,
                          blind_error *err)
{
    int32_t v = i < n->n_in ? n->in[i] : -1;
    *out = v < 0 ? NULL : f->cells[v];
    if (v < 0 || *out)
        return BLIND_OK;
    if (!f->body->graph.values[v].constant)
        return bl_control_fail(n, err, BLIND_INPUT, "input %d is not there", i);
    bl_object *o;
    bl_tensor  t = f->body->graph.tensors[v];
    bool       aligned = (uintptr_t)t.data % bl_element_align(t.dtype) == 0;
    if (aligned)
        BL_TRY(bl_object_over(&run->room, &t, NULL, &o, err));
    else
        BL_TRY(bl_object_tensor(&run->room, &t, &o, err));
    if (!aligned && t.len)
        memcpy(o->t.data, t.data, bl_tensor_size(&t));
    *out = f->cells[v] = o;
    return BLIND_OK;
}

blind_code bl_frame_tensor(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i, bl_object **out,
                           blind_error *err)
{
    BL_TRY(bl_frame_input(run, f, n, i, out, err));
    if (!*out || (*out)->kind != BL_OBJECT_TENSOR)
        return bl_control_fail(n, err, BLIND_INPUT, "input %d is no tensor", i);
    return BLIND_OK;
}

blind_code bl_frame_sequence(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                             bl_object **out, blind_error *err)
{
    BL_TRY(bl_frame_input(run, f, n, i, out, err));
    if (!*out || (*out)->kind != BL_OBJECT_SEQUENCE)
        return bl_control_fail(n, err, BLIND_INPUT, "input %d is no sequence", i);
    return BLIND_OK;
}

blind_code bl_frame_integer(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i,
                            int64_t otherwise, int64_t *out, blind_error *err)
{
    bl_object *o;
    *out = otherwise;
    if (i >= n->n_formal || n->in[i] < 0)
        return BLIND_OK;
    BL_TRY(bl_frame_tensor(run, f, n, i, &o, err));
    if (o->t.len != 1 ||
        (o->t.dtype != BLIND_I64 && o->t.dtype != BLIND_I32 && o->t.dtype != BLIND_BOOL))
        return bl_control_fail(n, err, BLIND_INPUT, "input %d is no single integer", i);
    if (o->t.dtype == BLIND_I64)
        memcpy(out, o->t.data, sizeof *out);
    else if (o->t.dtype == BLIND_I32)
        *out = *(const int32_t *)o->t.data;
    else
        *out = *(const uint8_t *)o->t.data != 0;
    return BLIND_OK;
}

void bl_frame_output(bl_frame *f, const bl_node *n, int i, bl_object *o)
{
    if (i < n->n_out && n->out[i] >= 0)
        bl_frame_set(f, n->out[i], o);
    else
        bl_object_drop(o);
}

bool bl_frame_is_last(const bl_frame *f, const bl_node *n, int i, const bl_object *o)
{
    int32_t v = n->in[i];
    return o->refs == 1 && f->cells[v] == o && f->body->graph.values[v].uses == 1;
}

/* Calls.  ------------------------------------------------------------------------------------ */

blind_code bl_call_start(bl_frame *f, const bl_node *n, const bl_control *control,
                         const bl_body *body, size_t n_state, size_t n_made, blind_error *err)
{
    bl_call_done(f);
    f->call = (bl_call){ .node = n,
                         .control = control,
                         .body = body,
                         .n_state = n_state,
                         .n_made = n_made,
                         .n_returned = body->n_outputs,
                         .state = calloc(n_state + 1, sizeof(bl_object *)),
                         .final = calloc(n_state + n_made + 1, sizeof(bl_object *)),
                         .made = calloc(n_made + 1, sizeof(bl_object *)),
                         .returned = calloc(body->n_outputs + 1, sizeof(bl_object *)) };
    if (!f->call.state || !f->call.final || !f->call.made || !f->call.returned)
        return bl_control_fail(n, err, BLIND_MEMORY, "no memory for a body");
    return BLIND_OK;
}

static void drop_all(bl_object **objects, size_t len)
{
    for (size_t i = 0; objects && i < len; i++)
        bl_object_drop(objects[i]);
    free(objects);
}

void bl_call_done(bl_frame *f)
{
    drop_all(f->call.state, f->call.n_state);
    drop_all(f->call.final, f->call.n_state + f->call.n_made);
    drop_all(f->call.made, f->call.n_made);
    drop_all(f->call.returned, f->call.n_returned);
    f->call = (bl_call){ 0 };
}

bl_object *bl_take_object(bl_object **from)
{
    bl_object *o = *from;
    *from = NULL;
    return o;
}

blind_code bl_call_attr(const bl_node *n, const char *name, const bl_body **out, blind_error *err)
{
    const bl_attr *a = bl_attr_find(n, name);
    *out = a ? a->body : NULL;
    return *out ? BLIND_OK : bl_control_fail(n, err, BLIND_INPUT, "no graph '%s'", name);
}

blind_code bl_make_integer(bl_onnx_run *run, blind_dtype dtype, int rank, int64_t value,
                           bl_object **out, blind_error *err)
{
    int64_t   one = 1;
    bl_tensor t = { .dtype = dtype };
    (void)bl_tensor_shape(&t, rank, &one);
    BL_TRY(bl_object_tensor(&run->room, &t, out, err));
    bl_tensor_set_number(&(*out)->t, 0, (double)value);
    if (dtype == BLIND_I64)
        memcpy((*out)->t.data, &value, sizeof value);
    return BLIND_OK;
}

/* Copies.  ----------------------------------------------------------------------------------- */

/* Strings of a plan become strings of the run. */
static blind_code settle_strings(bl_onnx_run *run, const bl_tensor *from, blind_span *to,
                                 blind_error *err)
{
    const blind_span *s = from->data;
    for (size_t i = 0; i < from->len; i++) {
        char *copy = bl_arena_copy(&run->strings, s[i]);
        if (!copy)
            return blind_fail(err, BLIND_LIMIT, "onnx.run", "no memory for a string of %zu bytes",
                              s[i].size);
        to[i] = bl_span(copy, s[i].size);
    }
    return BLIND_OK;
}

blind_code bl_object_copy(bl_onnx_run *run, const bl_object *o, bl_object **out, blind_error *err)
{
    BL_TRY(bl_object_tensor(&run->room, &o->t, out, err));
    (*out)->settled = true;
    if (o->t.dtype == BLIND_STRING && !o->settled) {
        blind_code code = settle_strings(run, &o->t, (*out)->t.data, err);
        if (code != BLIND_OK)
            bl_object_drop(bl_take_object(out));
        return code;
    }
    if (o->t.len)
        memcpy((*out)->t.data, o->t.data, bl_tensor_size(&o->t));
    return BLIND_OK;
}

blind_code bl_object_settle(bl_onnx_run *run, bl_object **o, blind_error *err)
{
    bl_object *copy;
    bool       strings = (*o)->t.dtype == BLIND_STRING && !(*o)->settled;
    if ((*o)->kind != BL_OBJECT_TENSOR || (!(*o)->of_plan && !strings))
        return BLIND_OK; /* what a sequence holds was settled when it was put in */
    BL_TRY(bl_object_copy(run, *o, &copy, err));
    bl_object_drop(*o);
    *o = copy;
    return BLIND_OK;
}

/* If.  --------------------------------------------------------------------------------------- */

static blind_code if_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    const bl_body *body;
    int64_t        yes;
    BL_TRY(bl_frame_integer(run, f, n, 0, 0, &yes, err));
    BL_TRY(bl_call_attr(n, yes ? "then_branch" : "else_branch", &body, err));
    if (body->n_outputs < (size_t)n->n_out)
        return bl_control_fail(n, err, BLIND_INPUT, "a branch of %zu outputs", body->n_outputs);
    BL_TRY(bl_call_start(f, n, &bl_control_if, body, 0, 0, err));
    return bl_call_body(run, f, NULL, 0, err);
}

static blind_code if_resume(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    (void)run;
    (void)err;
    for (int i = 0; i < f->call.node->n_out; i++)
        bl_frame_output(f, f->call.node, i, bl_take_object(&f->call.returned[i]));
    return BLIND_OK;
}

const bl_control bl_control_if = { "If", if_begin, if_resume };
