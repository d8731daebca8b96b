/* npy: an accepted file becomes a tensor; written and read again it is the same tensor. Strings are
 * as many as the shape says. */
#include "base/npy.h"
#include "base/reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const blind_tensor *a, const blind_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank || a->size != b->size ||
        memcmp(a->shape, b->shape, sizeof a->shape) != 0 ||
        (a->size && memcmp(a->data, b->data, a->size) != 0))
        abort();
}

static void check_strings(const blind_tensor *t)
{
    bl_reader r = { .rest = bl_span(t->data, t->size) };
    int64_t   left = 1;
    for (int i = 0; i < t->rank; i++)
        left = t->shape[i] == 0 ? 0 : left;
    for (int i = 0; left && i < t->rank; i++)
        left *= t->shape[i];
    for (; left > 0; left--) {
        uint32_t size = bl_read_u32le(&r);
        bl_skip(&r, size);
        if (r.failed)
            abort();
    }
    if (r.rest.size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   file = BL_BUF_EMPTY;
    blind_tensor  first, second;
    if (bl_npy_read(bl_span(data, size), &arena, &first, NULL) != BLIND_OK)
        return 0;
    if (first.dtype == BLIND_STRING) {
        check_strings(&first);
        return 0;
    }
    if (bl_npy_write(&first, &file, NULL) != BLIND_OK ||
        bl_npy_read(bl_buf_span(&file), &arena, &second, NULL) != BLIND_OK)
        abort();
    check_same(&first, &second);
    return 0;
}
