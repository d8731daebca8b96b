/* Packed weights: made once per node and fusion, shared by all plans of a model. */
#include "base/pages.h"
#include "onnx/plan.h"

#include <stdlib.h>

const bl_weights *bl_store_find(const bl_build *b, const bl_node *n, int variant)
{
    if (bl_is_derived(b, n, 1) || (size_t)n->id >= b->store->n_nodes)
        return NULL;
    for (const bl_store_entry *e = b->store->heads[n->id]; e; e = e->next)
        if (e->variant == variant)
            return &e->weights;
    return NULL;
}

blind_code bl_store_keep(bl_build *b, const bl_node *n, int variant, bl_packed *packed,
                         const float *bias, size_t bias_len, const bl_weights **out)
{
    bl_store       *s = b->store;
    bool            derived = bl_is_derived(b, n, 1);
    bl_arena       *arena = derived ? b->arena : s->arena;
    bl_store_entry *e = bl_arena_alloc(arena, sizeof *e);
    float          *copy = bias ? bl_arena_array(arena, bias_len + 1, sizeof *copy) : NULL;
    if (!e || (bias && !copy)) {
        bl_packed_free(packed);
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for packed weights");
    }
    if (bias)
        memcpy(copy, bias, bias_len * sizeof *copy);
    bl_store_entry **head = derived ? &s->derived : &s->heads[n->id];
    *e = (bl_store_entry){ .next = *head,
                           .variant = variant,
                           .derived = derived,
                           .weights = { .packed = packed, .bias = copy } };
    *head = e;
    *s->total += bl_packed_size(packed);
    *out = &e->weights;
    return BLIND_OK;
}

const bl_reading *bl_store_reading(const bl_build *b)
{
    return b->store->reading.next ? &b->store->reading : NULL;
}

void bl_store_needed(const bl_build *b, const bl_tensor *t)
{
    const bl_onnx_options *o = b->store->options;
    if (o->needed && t->data)
        o->needed(o->needed_arg, bl_span(t->data, bl_tensor_size(t)));
}

void bl_store_unneeded(const bl_build *b, const bl_tensor *t)
{
    const bl_onnx_options *o = b->store->options;
    if (o->unneeded && t->data)
        o->unneeded(o->needed_arg, bl_span(t->data, bl_tensor_size(t)));
}

void *bl_stage(bl_build *b, size_t size)
{
    if (size > b->stage_size || !b->stage) {
        bl_build_done(b);
        b->stage = bl_pages_new(size);
        b->stage_size = b->stage ? size : 0;
    }
    return b->stage;
}

void bl_build_done(bl_build *b)
{
    free(b->stage);
    b->stage = NULL;
    b->stage_size = 0;
}
