/* Nodes that dynamic.c hands to code of their own: a file per family.
 *
 * control.c   If           loop.c   Loop        scan.c   Scan        join.c  slices and stacks
 * sequence.c  Sequence*, SplitToSequence, ConcatFromSequence         optional.c  Optional* */
#ifndef BL_ONNX_CONTROL_H
#define BL_ONNX_CONTROL_H

#include "onnx/run.h"

extern const bl_control bl_control_if, bl_control_loop, bl_control_scan, bl_control_sequence_map,
    bl_control_sequence_empty, bl_control_sequence_construct, bl_control_sequence_insert,
    bl_control_sequence_erase, bl_control_sequence_at, bl_control_sequence_length,
    bl_control_split_to_sequence, bl_control_concat_from_sequence, bl_control_optional,
    bl_control_optional_has_element, bl_control_optional_get_element;

/* Takes the reference; NULL stays behind. */
bl_object *bl_take_object(bl_object **from);

/* The graph of an attribute. */
BLIND_MUST_USE blind_code bl_call_attr(const bl_node *n, const char *name, const bl_body **out,
                                       blind_error *err);

/* What items of which there are none make together: as many axes as `port` declares, and one of no
 * elements in front. */
BLIND_MUST_USE blind_code bl_empty_stack(bl_onnx_run *run, const bl_onnx_port *port,
                                         bl_object **out, blind_error *err);

/* One number, of rank 0 or 1. */
BLIND_MUST_USE blind_code bl_make_integer(bl_onnx_run *run, blind_dtype dtype, int rank,
                                          int64_t value, bl_object **out, blind_error *err);

#endif
