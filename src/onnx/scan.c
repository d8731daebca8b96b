/* Scan: a body that runs along an axis of its inputs.
 *
 * Before opset 9 each input has a batch axis in front, every row of which is scanned by itself, and
 * rows may end early.  Source: ONNX operator Scan, versions 8, 9, 11. */
#include "onnx/control.h"

#include <stdlib.h>

typedef struct {
    bl_onnx_run *run;
    bl_frame    *f;
    bl_call     *c;
    size_t       n_state, n_scan; /* inputs of the body of each kind */
    int          first;           /* input of the node with the first state */
    blind_error *err;
} scan;

static scan scan_of(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bool   batched = n->opset < 9;
    size_t formal = (size_t)n->n_formal - batched;
    size_t scans = (size_t)BL_MAX(bl_attr_int(n, "num_scan_inputs", 0), 0);
    scans = BL_MIN(scans, formal);
    return (scan){ .run = run,
                   .f = f,
                   .c = &f->call,
                   .n_state = formal - scans,
                   .n_scan = scans,
                   .first = batched,
                   .err = err };
}

static int64_t list_at(const bl_node *n, const char *name, size_t i)
{
    const bl_attr *a = bl_attr_find(n, name);
    return a && a->ints && i < a->len ? a->ints[i] : 0;
}

static bool reversed(const bl_node *n, size_t i)
{
    return list_at(n, n->opset < 9 ? "directions" : "scan_input_directions", i) == 1;
}

/* The axis of scan input i that is walked. */
static blind_code axis_of(const scan *s, const bl_node *n, size_t i, const bl_object *o, int *out)
{
    int64_t axis = n->opset < 9 ? 1 : list_at(n, "scan_input_axes", i);
    if (o->kind != BL_OBJECT_TENSOR || axis < -o->t.rank || axis >= o->t.rank)
        return bl_control_fail(n, s->err, BLIND_INPUT, "scan input %zu has no axis %lld", i,
                               (long long)axis);
    *out = (int)(axis < 0 ? axis + o->t.rank : axis);
    return BLIND_OK;
}

/* The slice of scan input i for this turn. */
static blind_code slice_of(const scan *s, const bl_node *n, size_t i, bl_object **out)
{
    bl_object *o, *row = NULL;
    int        axis = 0;
    int64_t    at = reversed(n, i) ? s->c->trip - 1 - s->c->at : s->c->at;
    BL_TRY(bl_frame_tensor(s->run, s->f, n, s->first + (int)(s->n_state + i), &o, s->err));
    BL_TRY(axis_of(s, n, i, o, &axis));
    if (!s->c->batched)
        return bl_tensor_slice(s->run, o, axis, at, 1, true, out, s->err);
    BL_TRY(bl_tensor_slice(s->run, o, 0, s->c->row, 1, true, &row, s->err));
    blind_code code = bl_tensor_slice(s->run, row, 0, at, 1, true, out, s->err);
    bl_object_drop(row);
    return code;
}

static blind_code scan_turn(const scan *s, const bl_node *n)
{
    size_t                   len = s->n_state + s->n_scan;
    bl_auto_free bl_object **args = calloc(len + 1, sizeof(bl_object *));
    blind_code               code = BLIND_OK;
    if (!args)
        return bl_control_fail(n, s->err, BLIND_MEMORY, "no memory for a body");
    for (size_t i = 0; i < s->n_scan && code == BLIND_OK; i++)
        code = slice_of(s, n, i, &args[s->n_state + i]);
    for (size_t i = 0; i < s->n_state; i++)
        args[i] = bl_take_object(&s->c->state[i]);
    if (code == BLIND_OK)
        return bl_call_body(s->run, s->f, args, len, s->err);
    for (size_t i = 0; i < len; i++)
        bl_object_drop(args[i]);
    return code;
}

/* What scan output k collected, as one tensor. */
static blind_code stack(const scan *s, const bl_node *n, size_t k, bl_object **out)
{
    const bl_onnx_port *port = &s->c->body->outputs[s->n_state + k];
    const bl_object    *made = s->c->made[k];
    if (made->len == 0)
        return bl_empty_stack(s->run, port, out, s->err);
    int     rank = made->items[0]->t.rank + 1;
    int64_t axis = s->c->batched ? 0 : list_at(n, "scan_output_axes", k);
    bool    reverse = !s->c->batched && list_at(n, "scan_output_directions", k) == 1;
    if (axis < -rank || axis >= rank)
        return bl_control_fail(n, s->err, BLIND_INPUT, "scan output %zu has no axis %lld", k,
                               (long long)axis);
    return bl_sequence_join(s->run, n, made, (int)(axis < 0 ? axis + rank : axis), true, reverse,
                            out, s->err);
}

/* Rows.  ------------------------------------------------------------------------------------- */

/* A row that ended early is filled up with zeros to `len` elements. */
static blind_code fill_up(const scan *s, int64_t len, bl_object **o)
{
    bl_tensor  t = (*o)->t;
    bl_object *whole;
    int64_t    dim[BL_ONNX_RANK];
    if (t.dim[0] == len)
        return BLIND_OK;
    memcpy(dim, t.dim, sizeof dim);
    dim[0] = len;
    if (!bl_tensor_shape(&t, t.rank, dim))
        return blind_fail(s->err, BLIND_LIMIT, "onnx.run", "an output of impossible size");
    BL_TRY(bl_object_tensor(&s->run->room, &t, &whole, s->err));
    memset(whole->t.data, 0, bl_tensor_size(&t));
    if ((*o)->t.len)
        memcpy(whole->t.data, (*o)->t.data, bl_tensor_size(&(*o)->t));
    bl_object_drop(*o);
    *o = whole;
    return BLIND_OK;
}

/* Length of the axis that all scan inputs are walked along. */
static blind_code scan_length(const scan *s, const bl_node *n, int64_t *out)
{
    *out = -1;
    for (size_t i = 0; i < s->n_scan; i++) {
        bl_object *o;
        int        axis = 0;
        BL_TRY(bl_frame_tensor(s->run, s->f, n, s->first + (int)(s->n_state + i), &o, s->err));
        BL_TRY(axis_of(s, n, i, o, &axis));
        bool rows = !s->c->batched || o->t.dim[0] == s->c->rows;
        if (!rows || (*out >= 0 && *out != o->t.dim[axis]))
            return bl_control_fail(n, s->err, BLIND_INPUT, "scan inputs of different lengths");
        *out = o->t.dim[axis];
    }
    return *out >= 0 ? BLIND_OK : bl_control_fail(n, s->err, BLIND_INPUT, "nothing to scan");
}

static blind_code start_row(const scan *s, const bl_node *n)
{
    bl_object *lens = NULL;
    BL_TRY(scan_length(s, n, &s->c->trip));
    s->c->at = 0;
    if (s->c->batched)
        BL_TRY(bl_frame_input(s->run, s->f, n, 0, &lens, s->err));
    if (lens) {
        double len;
        if (lens->kind != BL_OBJECT_TENSOR ||
            !bl_tensor_number(&lens->t, (size_t)s->c->row, &len) || len < 0 ||
            len > (double)s->c->trip)
            return bl_control_fail(n, s->err, BLIND_INPUT, "sequence lengths that do not fit");
        s->c->trip = (int64_t)len;
    }
    for (size_t i = 0; i < s->n_state; i++) {
        bl_object *o;
        BL_TRY(bl_frame_input(s->run, s->f, n, s->first + (int)i, &o, s->err));
        if (!o || (s->c->batched &&
                   (o->kind != BL_OBJECT_TENSOR || o->t.rank < 1 || o->t.dim[0] != s->c->rows)))
            return bl_control_fail(n, s->err, BLIND_INPUT, "state %zu is missing or does not fit",
                                   i);
        if (s->c->batched)
            BL_TRY(bl_tensor_slice(s->run, o, 0, s->c->row, 1, true, &s->c->state[i], s->err));
        else
            s->c->state[i] = bl_object_keep(o);
    }
    for (size_t k = 0; k < s->c->n_made; k++) {
        bl_object_drop(s->c->made[k]);
        s->c->made[k] = NULL;
        BL_TRY(bl_object_sequence(&s->run->room, s->c->body->outputs[s->n_state + k].dtype,
                                  &s->c->made[k], s->err));
    }
    return BLIND_OK;
}

/* Puts a row's result beside those of the rows before it. */
static blind_code add_row(const scan *s, size_t i, bl_object *o)
{
    if (!s->c->final[i])
        BL_TRY(bl_object_sequence(&s->run->room, o->t.dtype, &s->c->final[i], s->err));
    return bl_sequence_insert(s->c->final[i], s->c->final[i]->len, o, s->err);
}

static blind_code end_row(const scan *s, const bl_node *n)
{
    int64_t longest;
    BL_TRY(scan_length(s, n, &longest));
    for (size_t i = 0; i < s->n_state; i++) {
        BL_TRY(add_row(s, i, s->c->state[i]));
        bl_object_drop(bl_take_object(&s->c->state[i]));
    }
    for (size_t k = 0; k < s->c->n_made; k++) {
        bl_object *o;
        BL_TRY(stack(s, n, k, &o));
        blind_code code = fill_up(s, longest, &o);
        if (code == BLIND_OK)
            code = add_row(s, s->n_state + k, o);
        bl_object_drop(o);
        if (code != BLIND_OK)
            return code;
    }
    s->c->row++;
    return BLIND_OK;
}

/* Ends.  ------------------------------------------------------------------------------------- */

static blind_code end_batch(const scan *s, const bl_node *n)
{
    for (size_t i = 0; i < s->n_state + s->c->n_made; i++) {
        bl_object *o;
        BL_TRY(bl_sequence_join(s->run, n, s->c->final[i], 0, true, false, &o, s->err));
        bl_frame_output(s->f, n, (int)i, o);
    }
    return BLIND_OK;
}

static blind_code end_scan(const scan *s, const bl_node *n)
{
    for (size_t i = 0; i < s->n_state; i++)
        bl_frame_output(s->f, n, (int)i, bl_take_object(&s->c->state[i]));
    for (size_t k = 0; k < s->c->n_made; k++) {
        bl_object *o;
        BL_TRY(stack(s, n, k, &o));
        bl_frame_output(s->f, n, (int)(s->n_state + k), o);
    }
    return BLIND_OK;
}

/* The next turn, the next row, or the end. */
static blind_code go_on(const scan *s, const bl_node *n)
{
    while (s->c->at >= s->c->trip) {
        if (!s->c->batched)
            return end_scan(s, n);
        BL_TRY(end_row(s, n));
        if (s->c->row >= s->c->rows)
            return end_batch(s, n);
        BL_TRY(start_row(s, n));
    }
    return scan_turn(s, n);
}

static blind_code scan_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    const bl_body *body;
    BL_TRY(bl_call_attr(n, "body", &body, err));
    scan s = scan_of(run, f, n, err);
    if (body->n_inputs != s.n_state + s.n_scan || body->n_outputs < s.n_state ||
        body->n_outputs < (size_t)n->n_out)
        return bl_control_fail(n, err, BLIND_INPUT, "a body of %zu inputs and %zu outputs",
                               body->n_inputs, body->n_outputs);
    BL_TRY(
        bl_call_start(f, n, &bl_control_scan, body, s.n_state, body->n_outputs - s.n_state, err));
    f->call.batched = n->opset < 9;
    if (f->call.batched) {
        bl_object *o;
        BL_TRY(bl_frame_tensor(run, f, n, n->n_formal - 1, &o, err));
        f->call.rows = o->t.rank > 0 ? o->t.dim[0] : 0;
        if (f->call.rows == 0)
            return bl_control_fail(n, err, BLIND_INPUT, "no rows to scan");
    }
    BL_TRY(start_row(&s, n));
    return go_on(&s, n);
}

static blind_code scan_resume(bl_onnx_run *run, bl_frame *f, blind_error *err)
{
    const bl_node *n = f->call.node;
    scan           s = scan_of(run, f, n, err);
    for (size_t i = 0; i < s.n_state; i++)
        s.c->state[i] = bl_take_object(&s.c->returned[i]);
    for (size_t k = 0; k < s.c->n_made; k++) {
        bl_object *item = s.c->returned[s.n_state + k];
        if (item->kind != BL_OBJECT_TENSOR)
            return bl_control_fail(n, err, BLIND_INPUT, "a scan output that is no tensor");
        BL_TRY(bl_sequence_insert(s.c->made[k], s.c->made[k]->len, item, err));
    }
    s.c->at++;
    return go_on(&s, n);
}

const bl_control bl_control_scan = { "Scan", scan_begin, scan_resume };
