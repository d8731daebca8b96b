/* Sequences of tensors.  A sequence is never changed once others may see it: what adds or removes
 * makes another, unless nobody else has it.
 * Source: ONNX operators Sequence*, SplitToSequence, ConcatFromSequence. */
#include "onnx/control.h"

/* An item for a sequence: it may outlive everything here. */
static blind_code insert(bl_onnx_run *run, bl_object *s, size_t at, bl_object *item,
                         blind_error *err)
{
    bl_object *own = bl_object_keep(item);
    blind_code code = bl_object_settle(run, &own, err);
    if (code == BLIND_OK)
        code = bl_sequence_insert(s, at, own, err);
    bl_object_drop(own);
    return code;
}

/* Sets output 0 when it came to something, else drops what there is of it. */
static blind_code give(bl_frame *f, const bl_node *n, bl_object *o, blind_code code)
{
    if (code == BLIND_OK)
        bl_frame_output(f, n, 0, o);
    else
        bl_object_drop(o);
    return code;
}

/* The sequence of input 0 for changing: itself where this node is the last to see it. */
static blind_code take_sequence(bl_onnx_run *run, bl_frame *f, const bl_node *n, bl_object **out,
                                blind_error *err)
{
    bl_object *s;
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    if (bl_frame_is_last(f, n, 0, s)) {
        *out = bl_take_object(&f->cells[n->in[0]]);
        return BLIND_OK;
    }
    BL_TRY(bl_object_sequence(&run->room, s->t.dtype, out, err));
    for (size_t i = 0; i < s->len; i++) {
        blind_code code = bl_sequence_insert(*out, i, s->items[i], err);
        if (code != BLIND_OK) {
            bl_object_drop(*out);
            return code;
        }
    }
    return BLIND_OK;
}

/* The position of input i in 0..most; `otherwise` where it is left out. */
static blind_code position(bl_onnx_run *run, bl_frame *f, const bl_node *n, int i, size_t len,
                           bool at_end, size_t *out, blind_error *err)
{
    int64_t at = 0, size = (int64_t)len;
    BL_TRY(bl_frame_integer(run, f, n, i, at_end ? size : size - 1, &at, err));
    if (at < -size || at >= size + at_end)
        return bl_control_fail(n, err, BLIND_INPUT, "position %lld in a sequence of %zu",
                               (long long)at, len);
    *out = (size_t)(at < 0 ? at + size : at);
    return BLIND_OK;
}

static blind_code empty_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    int        dtype = bl_dtype_of_onnx(bl_attr_int(n, "dtype", 1));
    bl_object *s;
    if (dtype < 0)
        return bl_control_fail(n, err, BLIND_UNSUPPORTED, "elements of type %lld",
                               (long long)bl_attr_int(n, "dtype", 1));
    BL_TRY(bl_object_sequence(&run->room, (blind_dtype)dtype, &s, err));
    return give(f, n, s, BLIND_OK);
}

static blind_code construct_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s, *item;
    blind_code code = BLIND_OK;
    BL_TRY(bl_frame_tensor(run, f, n, 0, &item, err));
    BL_TRY(bl_object_sequence(&run->room, item->t.dtype, &s, err));
    for (int i = 0; i < n->n_formal && code == BLIND_OK; i++) {
        code = bl_frame_tensor(run, f, n, i, &item, err);
        if (code == BLIND_OK && item->t.dtype != s->t.dtype)
            code = bl_control_fail(n, err, BLIND_INPUT, "input %d is of another type", i);
        if (code == BLIND_OK)
            code = insert(run, s, s->len, item, err);
    }
    return give(f, n, s, code);
}

static blind_code insert_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s, *item;
    size_t     at = 0;
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    BL_TRY(bl_frame_tensor(run, f, n, 1, &item, err));
    BL_TRY(position(run, f, n, 2, s->len, true, &at, err));
    if (item->t.dtype != s->t.dtype)
        return bl_control_fail(n, err, BLIND_INPUT, "a tensor of %s into a sequence of %s",
                               blind_dtype_name(item->t.dtype), blind_dtype_name(s->t.dtype));
    BL_TRY(take_sequence(run, f, n, &s, err));
    return give(f, n, s, insert(run, s, at, item, err));
}

static blind_code erase_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s;
    size_t     at = 0;
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    BL_TRY(position(run, f, n, 1, s->len, false, &at, err));
    BL_TRY(take_sequence(run, f, n, &s, err));
    bl_object_drop(s->items[at]);
    s->len--;
    memmove(&s->items[at], &s->items[at + 1], (s->len - at) * sizeof *s->items);
    return give(f, n, s, BLIND_OK);
}

static blind_code at_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s;
    size_t     at = 0;
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    BL_TRY(position(run, f, n, 1, s->len, false, &at, err));
    return give(f, n, bl_object_keep(s->items[at]), BLIND_OK);
}

static blind_code length_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s, *o;
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    BL_TRY(bl_make_integer(run, BLIND_I64, 0, (int64_t)s->len, &o, err));
    return give(f, n, o, BLIND_OK);
}

/* SplitToSequence.  -------------------------------------------------------------------------- */

/* How many elements the next part has: `split` is absent (1), one size, or a list of them. */
static blind_code part_size(const bl_node *n, const bl_object *split, size_t k, int64_t left,
                            int64_t *out, blind_error *err)
{
    double size = 1;
    bool   list = split && split->t.rank > 0;
    if (split && !bl_tensor_number(&split->t, list ? k : 0, &size))
        return bl_control_fail(n, err, BLIND_INPUT, "parts that do not add up");
    if (!list && size > (double)left)
        size = (double)left; /* the last part may be smaller */
    if (!(size >= (list ? 0 : 1)) || size > (double)left)
        return bl_control_fail(n, err, BLIND_INPUT, "a part of %.0f of %lld elements", size,
                               (long long)left);
    *out = (int64_t)size;
    return BLIND_OK;
}

static blind_code split_into(bl_onnx_run *run, const bl_node *n, bl_object *x,
                             const bl_object *split, int axis, bl_object *s, blind_error *err)
{
    int64_t at = 0, size = 0, total = x->t.dim[axis];
    bool    drop = !split && bl_attr_int(n, "keepdims", 1) == 0;
    bool    list = split && split->t.rank > 0;
    for (size_t k = 0; list ? k < split->t.len : at < total; k++, at += size) {
        bl_object *part;
        BL_TRY(part_size(n, split, k, total - at, &size, err));
        BL_TRY(bl_tensor_slice(run, x, axis, at, size, drop, &part, err));
        blind_code code = insert(run, s, s->len, part, err);
        bl_object_drop(part);
        if (code != BLIND_OK)
            return code;
    }
    return at == total ? BLIND_OK
                       : bl_control_fail(n, err, BLIND_INPUT, "parts that do not add up");
}

static blind_code split_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *x, *split, *s;
    int64_t    axis = bl_attr_int(n, "axis", 0);
    BL_TRY(bl_frame_tensor(run, f, n, 0, &x, err));
    BL_TRY(bl_frame_input(run, f, n, 1, &split, err));
    if (axis < -x->t.rank || axis >= x->t.rank)
        return bl_control_fail(n, err, BLIND_INPUT, "axis %lld of a tensor of %d axes",
                               (long long)axis, x->t.rank);
    axis = axis < 0 ? axis + x->t.rank : axis;
    if (split && (split->kind != BL_OBJECT_TENSOR || split->t.rank > 1 ||
                  (split->t.dtype != BLIND_I64 && split->t.dtype != BLIND_I32)))
        return bl_control_fail(n, err, BLIND_INPUT, "input 1 is no list of sizes");
    BL_TRY(bl_object_sequence(&run->room, x->t.dtype, &s, err));
    return give(f, n, s, split_into(run, n, x, split, (int)axis, s, err));
}

static blind_code concat_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *s, *o;
    bool       new_axis = bl_attr_int(n, "new_axis", 0) != 0;
    int64_t    axis = bl_attr_int(n, "axis", 0);
    BL_TRY(bl_frame_sequence(run, f, n, 0, &s, err));
    int64_t rank = (s->len ? s->items[0]->t.rank : 0) + new_axis;
    if (axis < -rank || axis >= rank)
        return bl_control_fail(n, err, BLIND_INPUT, "axis %lld of tensors of %lld axes",
                               (long long)axis, (long long)rank);
    BL_TRY(bl_sequence_join(run, n, s, (int)(axis < 0 ? axis + rank : axis), new_axis, false, &o,
                            err));
    return give(f, n, o, BLIND_OK);
}

const bl_control bl_control_sequence_empty = { "SequenceEmpty", empty_begin, NULL };
const bl_control bl_control_sequence_construct = { "SequenceConstruct", construct_begin, NULL };
const bl_control bl_control_sequence_insert = { "SequenceInsert", insert_begin, NULL };
const bl_control bl_control_sequence_erase = { "SequenceErase", erase_begin, NULL };
const bl_control bl_control_sequence_at = { "SequenceAt", at_begin, NULL };
const bl_control bl_control_sequence_length = { "SequenceLength", length_begin, NULL };
const bl_control bl_control_split_to_sequence = { "SplitToSequence", split_begin, NULL };
const bl_control bl_control_concat_from_sequence = { "ConcatFromSequence", concat_begin, NULL };
