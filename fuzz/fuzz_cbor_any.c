/* CBOR of others: an item that is skipped is well-formed, is skipped again in the same bytes inside
 * a list, and what the strict reader takes this one takes too. */
#include "base/cbor_any.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every reader on the same bytes: none may read past the end. */
static void read_all(blind_span in)
{
    bl_reader   r = { .rest = in }, u = r, i = r, b = r, t = r, n = r, a = r, m = r;
    bl_any_list list;
    (void)bl_any_uint(&u);
    (void)bl_any_int(&i);
    (void)bl_any_bytes(&b);
    (void)bl_any_text(&t);
    (void)bl_any_null(&n);
    (void)bl_any_tag(&n, 18);
    list = bl_any_array(&a);
    while (bl_any_more(&a, &list))
        bl_any_skip(&a);
    list = bl_any_map(&m);
    while (bl_any_more(&m, &list)) {
        bl_any_skip(&m);
        bl_any_skip(&m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_reader any = { .rest = { data, size } }, strict = any;
    read_all(any.rest);
    bl_any_skip(&any);
    bl_cbor_skip(&strict);
    if (!strict.failed && (any.failed || any.rest.size != strict.rest.size))
        abort();
    return 0;
}
