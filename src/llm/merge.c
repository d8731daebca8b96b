/* A list of symbols and a binary heap of pairs.  Pairs that an earlier join made stale stay in the
 * heap and are passed over. */
#include "llm/merge.h"

#include "base/utf8.h"

enum { NONE = -1 };

typedef struct {
    uint32_t at, size; /* in the text; size 0: joined to its left */
    int32_t  before, after;
} symbol;

typedef struct {
    uint32_t rank, left; /* the pair's left symbol */
    uint32_t size;       /* of both */
} pair;

typedef struct {
    bl_merge     *m;
    blind_span    text;
    bl_pair_rank *rank;
    const void   *rank_arg;
} work;

void bl_merge_done(bl_merge *m)
{
    bl_buf_done(&m->symbols);
    bl_buf_done(&m->heap);
}

static symbol *symbol_at(const work *w, int32_t i)
{
    return (symbol *)(void *)w->m->symbols.data + i;
}

/* Heap.  ------------------------------------------------------------------------------------- */

static bool goes_before(const pair *a, const pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void push(bl_buf *heap, const pair *p)
{
    bl_buf_add(heap, bl_span(p, sizeof *p));
    if (!bl_buf_ok(heap))
        return;
    pair  *all = (pair *)(void *)heap->data;
    size_t i = heap->size / sizeof *p - 1;
    for (; i > 0 && goes_before(p, &all[(i - 1) / 2]); i = (i - 1) / 2)
        all[i] = all[(i - 1) / 2];
    all[i] = *p;
}

static pair pop(bl_buf *heap)
{
    pair  *all = (pair *)(void *)heap->data;
    pair   first = all[0];
    size_t len = heap->size / sizeof first - 1;
    pair   moved = all[len];
    size_t i = 0;
    heap->size -= sizeof first;
    for (size_t child = 1; child < len; child = 2 * i + 1) {
        if (child + 1 < len && goes_before(&all[child + 1], &all[child]))
            child++;
        if (!goes_before(&all[child], &moved))
            break;
        all[i] = all[child];
        i = child;
    }
    if (len > 0)
        all[i] = moved;
    return first;
}

/* Pairs.  ------------------------------------------------------------------------------------ */

static blind_span text_of(const work *w, const symbol *s)
{
    return bl_span(w->text.data + s->at, s->size);
}

static void consider(const work *w, int32_t left)
{
    if (left == NONE || symbol_at(w, left)->after == NONE)
        return;
    const symbol *a = symbol_at(w, left), *b = symbol_at(w, a->after);
    uint32_t      rank = w->rank(w->rank_arg, text_of(w, a), text_of(w, b));
    if (rank != UINT32_MAX)
        push(&w->m->heap, &(pair){ rank, (uint32_t)left, a->size + b->size });
}

static void join(const work *w, const pair *p)
{
    symbol *a = symbol_at(w, (int32_t)p->left);
    if (a->size == 0 || a->after == NONE || a->size + symbol_at(w, a->after)->size != p->size)
        return;
    symbol *b = symbol_at(w, a->after);
    a->size = p->size;
    a->after = b->after;
    b->size = 0;
    if (a->after != NONE)
        symbol_at(w, a->after)->before = (int32_t)p->left;
    consider(w, a->before);
    consider(w, (int32_t)p->left);
}

static blind_code split(const work *w, blind_error *err)
{
    bl_buf *symbols = &w->m->symbols;
    int32_t len = 0;
    bl_buf_clear(symbols);
    for (size_t at = 0; at < w->text.size;) {
        uint32_t c;
        size_t   size = BL_MAX(bl_utf8_next(bl_span(w->text.data + at, w->text.size - at), &c), 1u);
        bool     last = at + size == w->text.size;
        symbol   s = { (uint32_t)at, (uint32_t)size, len - 1, last ? NONE : len + 1 };
        bl_buf_add(symbols, bl_span(&s, sizeof s));
        at += size;
        len++;
    }
    BL_TRY(bl_buf_check(symbols, "llm.merge", err));
    bl_buf_clear(&w->m->heap);
    for (int32_t i = 0; i < len; i++)
        consider(w, i);
    return BLIND_OK;
}

blind_code bl_merge_run(bl_merge *m, blind_span text, bl_pair_rank *rank, const void *rank_arg,
                        blind_code (*found)(void *arg, blind_span symbol), void *arg,
                        blind_error *err)
{
    work w = { m, text, rank, rank_arg };
    if (text.size > INT32_MAX)
        return blind_fail(err, BLIND_LIMIT, "llm.merge", "a text of more than 2 GiB");
    if (text.size == 0)
        return BLIND_OK;
    BL_TRY(split(&w, err));
    while (m->heap.size > 0 && bl_buf_ok(&m->heap)) {
        pair best = pop(&m->heap);
        join(&w, &best);
    }
    BL_TRY(bl_buf_check(&m->heap, "llm.merge", err));
    for (int32_t i = 0; i != NONE; i = symbol_at(&w, i)->after)
        BL_TRY(found(arg, text_of(&w, symbol_at(&w, i))));
    return BLIND_OK;
}
