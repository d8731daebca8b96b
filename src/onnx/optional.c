/* Optionals: one with a value is that value, one without is nothing.
 * Source: ONNX operators Optional, OptionalHasElement, OptionalGetElement. */
#include "onnx/control.h"

static blind_code make_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *o;
    BL_TRY(bl_frame_input(run, f, n, 0, &o, err));
    if (o)
        o = bl_object_keep(o);
    else
        BL_TRY(bl_object_nothing(&run->room, &o, err));
    bl_frame_output(f, n, 0, o);
    return BLIND_OK;
}

static blind_code has_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *o, *yes;
    BL_TRY(bl_frame_input(run, f, n, 0, &o, err));
    BL_TRY(bl_make_integer(run, BLIND_BOOL, 0, o && o->kind != BL_OBJECT_NOTHING, &yes, err));
    bl_frame_output(f, n, 0, yes);
    return BLIND_OK;
}

static blind_code get_begin(bl_onnx_run *run, bl_frame *f, const bl_node *n, blind_error *err)
{
    bl_object *o;
    BL_TRY(bl_frame_input(run, f, n, 0, &o, err));
    if (!o || o->kind == BL_OBJECT_NOTHING)
        return bl_control_fail(n, err, BLIND_INPUT, "an optional without a value");
    bl_frame_output(f, n, 0, bl_object_keep(o));
    return BLIND_OK;
}

const bl_control bl_control_optional = { "Optional", make_begin, NULL };
const bl_control bl_control_optional_has_element = { "OptionalHasElement", has_begin, NULL };
const bl_control bl_control_optional_get_element = { "OptionalGetElement", get_begin, NULL };
