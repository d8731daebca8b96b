/* Keys and values of sequences, in pages.
 *
 * A page holds BL_KV_PAGE positions of all layers and heads.  It is free, or sequences hold it, or
 * it is kept for a prompt that begins alike: then it is found by its name, which is a hash over the
 * salt of the principal and all tokens up to its end.  Names are SHA-256, so what is found is what
 * was meant, and without the salt nobody can find a page, or tell by time that it is there.
 *
 * Two numbers that are multiplied and added to each other lie side by side, so that tiles and
 * vectors take them as they are:
 *
 *     keys    [width / 2][BL_KV_PAGE][2]    of a layer and head: pairs of elements of a position
 *     values  [BL_KV_PAGE / 2][width][2]    behind them: pairs of positions
 *
 * where width is the head's, rounded up to a multiple of 32; what is beyond the head's is zero.
 * Q8_0 numbers are bytes in the same order, and behind those of the keys, and of the values, their
 * scales: f16 [width / 32][BL_KV_PAGE], one for 32 elements of a position. */
#ifndef BL_LLM_KV_H
#define BL_LLM_KV_H

#include "base/base.h"

#define BL_KV_PAGE      64 /* positions */
#define BL_KV_GROUP     32 /* elements with one scale */
#define BL_KV_NAME_SIZE 32

#define BL_KV_TYPES(X) X(F16, "f16") X(Q8_0, "q8_0") X(F32, "f32")

#define X(name, text) BL_KV_##name,
typedef enum { BL_KV_TYPES(X) BL_KV_TYPE_COUNT } bl_kv_type;
#undef X

const char *bl_kv_type_name(bl_kv_type type);
bool        bl_kv_type_from_name(const char *name, bl_kv_type *out); /* false: unknown */

typedef struct {
    bl_kv_type type;
    size_t     layers, heads;     /* of keys */
    size_t     head_width, width; /* width: rounded up */
    size_t     scales;            /* bytes from the numbers of a part to their scales */
    size_t     part;              /* bytes of the keys, or of the values, of one head */
    size_t     page;              /* bytes of a page */
} bl_kv_layout;

/* Errors  LIMIT (a page that is too large) */
BLIND_MUST_USE blind_code bl_kv_layout_of(bl_kv_type type, size_t layers, size_t heads,
                                          size_t head_width, bl_kv_layout *out, blind_error *err);

/* From a page's begin to the keys of a layer's head; its values follow `part` bytes behind. */
static inline size_t bl_kv_at(const bl_kv_layout *l, size_t layer, size_t head)
{
    return (layer * l->heads + head) * 2 * l->part;
}

typedef struct bl_kv bl_kv;

/* Memory for pages, `memory` bytes at most, which the system gives as they are used.
 * Errors  LIMIT (not one page, or too many), MEMORY */
BLIND_MUST_USE blind_code bl_kv_new(const bl_kv_layout *layout, size_t memory, bl_kv **out,
                                    blind_error *err);
void                      bl_kv_free(bl_kv *kv); /* wiped; NULL is nothing */

/* Takes `len` pages, all zeros: free ones, then such as are kept and longest unused.  False when
 * there are not as many: then none is taken. */
bool bl_kv_take(bl_kv *kv, size_t len, uint32_t *pages);
/* Takes the page of a name, which others may hold too; false when there is none.  It is read only.
 */
bool bl_kv_find(bl_kv *kv, const uint8_t name[BL_KV_NAME_SIZE], uint32_t *page);
/* Gives a page a name, so that it is kept when it is dropped.  Nothing happens where the page, or
 * another, has one. */
void bl_kv_name(bl_kv *kv, uint32_t page, const uint8_t name[BL_KV_NAME_SIZE]);
/* Gives a page back.  It is kept when it has a name, else wiped before it is given out again. */
void bl_kv_drop(bl_kv *kv, uint32_t page);
/* Wipes up to `most` bytes (at least one page) of pages that were dropped; true while there is
 * more.
 */
bool bl_kv_wipe(bl_kv *kv, size_t most);

uint8_t *bl_kv_page(const bl_kv *kv, uint32_t page);

typedef struct {
    size_t all, used, kept; /* pages; kept: nobody's, but with a name */
} bl_kv_counts;

bl_kv_counts bl_kv_count(const bl_kv *kv);
size_t       bl_kv_size(const bl_kv *kv); /* bytes of all pages */

#endif
