/* Values of a run that has no single plan: tensors of their own, sequences, and optionals without a
 * value.  Counted references; all bytes are counted against one bound and wiped when dropped.
 *
 * A tensor's bytes are its own, those of another object, or lent: by the model, by the caller or by
 * a plan.  An optional with a value is that value. */
#ifndef BL_ONNX_OBJECT_H
#define BL_ONNX_OBJECT_H

#include "onnx/graph.h"

typedef enum { BL_OBJECT_TENSOR, BL_OBJECT_SEQUENCE, BL_OBJECT_NOTHING } bl_object_kind;

/* How many bytes the objects of a run have and may have. */
typedef struct {
    size_t used, max; /* max 0: no bound */
} bl_room;

typedef struct bl_object bl_object;
struct bl_object {
    bl_object_kind kind;
    size_t         refs;
    bl_room       *room;
    size_t         size;    /* bytes counted */
    bl_tensor      t;       /* of a sequence: dtype of its tensors */
    bl_object     *base;    /* whose bytes these are, or NULL */
    bool           of_plan; /* the bytes end with the plan that lent them */
    bool           settled; /* strings: none lies in a plan */
    bl_object    **items;
    size_t         len, cap;
};

/* Takes bytes from the room or gives them back.  Errors: LIMIT */
BLIND_MUST_USE blind_code bl_room_take(bl_room *room, size_t size, blind_error *err);
void                      bl_room_give(bl_room *room, size_t size);

/* A tensor of that type and shape with room for its data, of strings all empty.  Errors: LIMIT,
 * MEMORY */
BLIND_MUST_USE blind_code bl_object_tensor(bl_room *room, const bl_tensor *shape, bl_object **out,
                                           blind_error *err);
/* A tensor over bytes that are there: those of `base`, or with NULL lent ones. */
BLIND_MUST_USE blind_code bl_object_over(bl_room *room, const bl_tensor *t, bl_object *base,
                                         bl_object **out, blind_error *err);
BLIND_MUST_USE blind_code bl_object_nothing(bl_room *room, bl_object **out, blind_error *err);

BLIND_MUST_USE blind_code bl_object_sequence(bl_room *room, blind_dtype dtype, bl_object **out,
                                             blind_error *err);
/* Puts an item, which gets a reference of its own, before `at` (len: at the end). */
BLIND_MUST_USE blind_code bl_sequence_insert(bl_object *sequence, size_t at, bl_object *item,
                                             blind_error *err);

bl_object *bl_object_keep(bl_object *o);
void       bl_object_drop(bl_object *o); /* NULL is nothing */

#endif
