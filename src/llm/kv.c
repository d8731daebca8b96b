/* Each page is in one list, or held:
 *
 *     clean --take--> held --drop--> dirty --wipe or take--> clean
 *                      ^  \--drop, with a name--> kept (longest unused first)
 *                      \--------find--------------/  \--take--> wiped, held
 */
#include "llm/kv.h"

#include "base/limits.h"

#include <stdlib.h>
#include <sys/mman.h>

#define NONE UINT32_MAX

typedef struct {
    uint32_t before, next; /* in the list it is in */
    uint32_t chain;        /* next of the same bucket */
    uint32_t holders;
    bool     named;
    uint8_t  name[BL_KV_NAME_SIZE];
} record;

typedef struct {
    uint32_t first, last;
    size_t   len;
} list;

struct bl_kv {
    bl_kv_layout layout;
    uint8_t     *memory;
    size_t       size;
    record      *pages;
    size_t       len;
    uint32_t    *buckets; /* len of them */
    uint32_t     fresh;   /* pages from here on were never used: they are clean */
    list         clean, dirty, kept;
};

static const char *const type_names[] = {
#define X(name, text) text,
    BL_KV_TYPES(X)
#undef X
};

const char *bl_kv_type_name(bl_kv_type type)
{
    return (unsigned)type < BL_KV_TYPE_COUNT ? type_names[type] : "unknown";
}

bool bl_kv_type_from_name(const char *name, bl_kv_type *out)
{
    for (unsigned i = 0; i < BL_KV_TYPE_COUNT; i++)
        if (strcmp(name, type_names[i]) == 0) {
            *out = (bl_kv_type)i;
            return true;
        }
    return false;
}

blind_code bl_kv_layout_of(bl_kv_type type, size_t layers, size_t heads, size_t head_width,
                           bl_kv_layout *out, blind_error *err)
{
    static const size_t number[] = { [BL_KV_F16] = 2, [BL_KV_Q8_0] = 1, [BL_KV_F32] = 4 };
    bl_kv_layout        l = {
               .type = type,
               .layers = layers,
               .heads = heads,
               .head_width = head_width,
               .width = (head_width + BL_KV_GROUP - 1) / BL_KV_GROUP * BL_KV_GROUP,
    };
    l.scales = l.width * BL_KV_PAGE * number[type];
    l.part = l.scales + (type == BL_KV_Q8_0 ? l.width / BL_KV_GROUP * BL_KV_PAGE * 2 : 0);
    size_t parts;
    if (!bl_mul(2 * layers, heads, &parts) || !bl_mul(parts, l.part, &l.page) ||
        l.page > BL_MAX_KV_PAGE)
        return blind_fail(err, BLIND_LIMIT, "llm.kv",
                          "%zu layers of %zu heads of %zu make pages too large", layers, heads,
                          head_width);
    *out = l;
    return BLIND_OK;
}

/* Lists.  ------------------------------------------------------------------------------------ */

static void push(bl_kv *kv, list *l, uint32_t i)
{
    kv->pages[i].before = l->last;
    kv->pages[i].next = NONE;
    if (l->last != NONE)
        kv->pages[l->last].next = i;
    else
        l->first = i;
    l->last = i;
    l->len++;
}

static void unlink_page(bl_kv *kv, list *l, uint32_t i)
{
    record *p = &kv->pages[i];
    if (p->before != NONE)
        kv->pages[p->before].next = p->next;
    else
        l->first = p->next;
    if (p->next != NONE)
        kv->pages[p->next].before = p->before;
    else
        l->last = p->before;
    l->len--;
}

/* Names.  ------------------------------------------------------------------------------------ */

static uint32_t *bucket_of(const bl_kv *kv, const uint8_t *name)
{
    uint64_t start;
    memcpy(&start, name, sizeof start);
    return &kv->buckets[start % kv->len];
}

static uint32_t look_up(const bl_kv *kv, const uint8_t *name)
{
    uint32_t i = *bucket_of(kv, name);
    while (i != NONE && memcmp(kv->pages[i].name, name, BL_KV_NAME_SIZE) != 0)
        i = kv->pages[i].chain;
    return i;
}

static void forget_name(bl_kv *kv, uint32_t i)
{
    uint32_t *at = bucket_of(kv, kv->pages[i].name);
    while (*at != i)
        at = &kv->pages[*at].chain;
    *at = kv->pages[i].chain;
    kv->pages[i].named = false;
    memset(kv->pages[i].name, 0, BL_KV_NAME_SIZE);
}

/* Life.  ------------------------------------------------------------------------------------- */

static bool allocate(bl_kv *kv)
{
    kv->size = kv->len * kv->layout.page;
    kv->pages = calloc(kv->len, sizeof *kv->pages);
    kv->buckets = calloc(kv->len, sizeof *kv->buckets);
    void *memory = mmap(NULL, kv->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    kv->memory = memory;
    (void)madvise(memory, kv->size, MADV_HUGEPAGE);
    (void)madvise(memory, kv->size, MADV_DONTDUMP);
    if (!kv->pages || !kv->buckets)
        return false;
    memset(kv->buckets, 0xff, kv->len * sizeof *kv->buckets);
    return true;
}

blind_code bl_kv_new(const bl_kv_layout *layout, size_t memory, bl_kv **out, blind_error *err)
{
    *out = NULL;
    size_t len = memory / layout->page;
    if (len == 0 || len >= BL_MAX_KV_PAGES)
        return blind_fail(err, BLIND_LIMIT, "llm.kv",
                          "%zu bytes for keys and values, in pages of %zu", memory, layout->page);
    bl_kv *kv = calloc(1, sizeof *kv);
    if (!kv)
        return blind_fail(err, BLIND_MEMORY, "llm.kv", "out of memory");
    const list empty = { NONE, NONE, 0 };
    *kv = (bl_kv){ .layout = *layout, .len = len, .clean = empty, .dirty = empty, .kept = empty };
    if (!allocate(kv)) {
        bl_kv_free(kv);
        return blind_fail(err, BLIND_MEMORY, "llm.kv", "out of memory for %zu pages of %zu bytes",
                          len, layout->page);
    }
    *out = kv;
    return BLIND_OK;
}

void bl_kv_free(bl_kv *kv)
{
    if (!kv)
        return;
    if (kv->memory) {
        bl_wipe(kv->memory, kv->fresh * kv->layout.page);
        munmap(kv->memory, kv->size);
    }
    free(kv->pages);
    free(kv->buckets);
    free(kv);
}

uint8_t *bl_kv_page(const bl_kv *kv, uint32_t page)
{
    return kv->memory + page * kv->layout.page;
}

static void wipe(const bl_kv *kv, uint32_t i)
{
    bl_wipe(bl_kv_page(kv, i), kv->layout.page);
}

/* Taking and dropping.  ---------------------------------------------------------------------- */

static size_t available(const bl_kv *kv)
{
    return kv->len - kv->fresh + kv->clean.len + kv->dirty.len + kv->kept.len;
}

static uint32_t take_one(bl_kv *kv)
{
    list    *from = kv->clean.len ? &kv->clean : kv->dirty.len ? &kv->dirty : &kv->kept;
    uint32_t i = from->first;
    if (kv->clean.len == 0 && kv->fresh < kv->len)
        return kv->fresh++;
    unlink_page(kv, from, i);
    if (from == &kv->kept)
        forget_name(kv, i);
    if (from != &kv->clean)
        wipe(kv, i);
    return i;
}

bool bl_kv_take(bl_kv *kv, size_t len, uint32_t *pages)
{
    if (len > available(kv))
        return false;
    for (size_t i = 0; i < len; i++) {
        pages[i] = take_one(kv);
        kv->pages[pages[i]].holders = 1;
    }
    return true;
}

bool bl_kv_find(bl_kv *kv, const uint8_t name[BL_KV_NAME_SIZE], uint32_t *page)
{
    uint32_t i = look_up(kv, name);
    if (i == NONE)
        return false;
    if (kv->pages[i].holders++ == 0)
        unlink_page(kv, &kv->kept, i);
    *page = i;
    return true;
}

void bl_kv_name(bl_kv *kv, uint32_t page, const uint8_t name[BL_KV_NAME_SIZE])
{
    if (kv->pages[page].named || look_up(kv, name) != NONE)
        return;
    memcpy(kv->pages[page].name, name, BL_KV_NAME_SIZE);
    kv->pages[page].named = true;
    kv->pages[page].chain = *bucket_of(kv, name);
    *bucket_of(kv, name) = page;
}

void bl_kv_drop(bl_kv *kv, uint32_t page)
{
    if (--kv->pages[page].holders == 0)
        push(kv, kv->pages[page].named ? &kv->kept : &kv->dirty, page);
}

bool bl_kv_wipe(bl_kv *kv, size_t most)
{
    for (size_t wiped = 0; kv->dirty.len > 0; wiped += kv->layout.page) {
        if (wiped > 0 && most - BL_MIN(most, wiped) < kv->layout.page)
            return true;
        uint32_t i = kv->dirty.first;
        unlink_page(kv, &kv->dirty, i);
        wipe(kv, i);
        push(kv, &kv->clean, i);
    }
    return false;
}

bl_kv_counts bl_kv_count(const bl_kv *kv)
{
    return (bl_kv_counts){ kv->len, kv->len - available(kv), kv->kept.len };
}

size_t bl_kv_size(const bl_kv *kv)
{
    return kv->size;
}
