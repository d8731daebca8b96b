/* One block per object; its bytes stand behind the header, aligned for kernels. */
#include "onnx/object.h"

#include <stdlib.h>

static const char stage[] = "onnx.run";

enum { ALIGN = 64, HEADER = (sizeof(bl_object) + ALIGN - 1) / ALIGN * ALIGN };

blind_code bl_room_take(bl_room *room, size_t size, blind_error *err)
{
    size_t total;
    if (!bl_add(room->used, size, &total) || (room->max && total > room->max))
        return blind_fail(err, BLIND_LIMIT, stage, "a run needs %zu bytes, the limit is %zu",
                          room->used + size, room->max);
    room->used = total;
    return BLIND_OK;
}

void bl_room_give(bl_room *room, size_t size)
{
    room->used -= size;
}

static blind_code object_new(bl_room *room, bl_object_kind kind, size_t data, bl_object **out,
                             blind_error *err)
{
    size_t size;
    *out = NULL;
    if (!bl_add(data, HEADER + ALIGN - 1, &size))
        return blind_fail(err, BLIND_LIMIT, stage, "more memory than there can be");
    size &= ~(size_t)(ALIGN - 1);
    BL_TRY(bl_room_take(room, size, err));
    bl_object *o = aligned_alloc(ALIGN, size);
    if (!o) {
        bl_room_give(room, size);
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for %zu bytes of a run", size);
    }
    *o = (bl_object){ .kind = kind, .refs = 1, .room = room, .size = size };
    *out = o;
    return BLIND_OK;
}

blind_code bl_object_tensor(bl_room *room, const bl_tensor *shape, bl_object **out,
                            blind_error *err)
{
    size_t size = bl_tensor_size(shape);
    BL_TRY(object_new(room, BL_OBJECT_TENSOR, size ? size : 1, out, err));
    (*out)->t = *shape;
    (*out)->t.data = (uint8_t *)*out + HEADER;
    if (shape->dtype == BLIND_STRING)
        memset((*out)->t.data, 0, size);
    return BLIND_OK;
}

blind_code bl_object_over(bl_room *room, const bl_tensor *t, bl_object *base, bl_object **out,
                          blind_error *err)
{
    BL_TRY(object_new(room, BL_OBJECT_TENSOR, 0, out, err));
    (*out)->t = *t;
    if (base) {
        (*out)->base = bl_object_keep(base->base ? base->base : base);
        (*out)->of_plan = base->of_plan;
    }
    return BLIND_OK;
}

blind_code bl_object_nothing(bl_room *room, bl_object **out, blind_error *err)
{
    return object_new(room, BL_OBJECT_NOTHING, 0, out, err);
}

blind_code bl_object_sequence(bl_room *room, blind_dtype dtype, bl_object **out, blind_error *err)
{
    BL_TRY(object_new(room, BL_OBJECT_SEQUENCE, 0, out, err));
    (*out)->t.dtype = dtype;
    return BLIND_OK;
}

static blind_code grow(bl_object *s, blind_error *err)
{
    size_t more = s->cap ? s->cap : 8;
    BL_TRY(bl_room_take(s->room, more * sizeof *s->items, err));
    bl_object **items = realloc(s->items, (s->cap + more) * sizeof *items);
    if (!items) {
        bl_room_give(s->room, more * sizeof *items);
        return blind_fail(err, BLIND_MEMORY, stage, "no memory for a sequence");
    }
    s->items = items;
    s->cap += more;
    return BLIND_OK;
}

blind_code bl_sequence_insert(bl_object *s, size_t at, bl_object *item, blind_error *err)
{
    if (s->len >= BL_MAX_SEQUENCE)
        return blind_fail(err, BLIND_LIMIT, stage, "a sequence of more than %u tensors",
                          BL_MAX_SEQUENCE);
    if (s->len == s->cap)
        BL_TRY(grow(s, err));
    memmove(&s->items[at + 1], &s->items[at], (s->len - at) * sizeof *s->items);
    s->items[at] = bl_object_keep(item);
    s->len++;
    return BLIND_OK;
}

bl_object *bl_object_keep(bl_object *o)
{
    o->refs++;
    return o;
}

/* Items are tensors and a base is an object that has none, so this goes no deeper than that. */
void bl_object_drop(bl_object *o)
{
    if (!o || --o->refs)
        return;
    for (size_t i = 0; i < o->len; i++)
        bl_object_drop(o->items[i]);
    bl_object_drop(o->base);
    free(o->items);
    bl_room_give(o->room, o->size + o->cap * sizeof *o->items);
    bl_wipe((uint8_t *)o + HEADER, o->size - HEADER);
    free(o);
}
