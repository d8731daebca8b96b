/* All places where a special token stands, then the longest tokens first: a token that overlaps one
 * that was cut out before it does not count. */
#include "llm/special.h"

#include "base/buf.h"

#include <stdlib.h>

typedef struct {
    uint64_t at;
    uint32_t size;
    uint32_t which; /* of bl_specials.sorted */
    uint32_t place;
    bool     cut;
} occurrence;

static bool is_special(const bl_vocab *v, int32_t id)
{
    uint8_t kind = v->kind[id];
    return v->text[id].size > 0 &&
           (kind == BL_TOKEN_CONTROL || kind == BL_TOKEN_USER || kind == BL_TOKEN_UNKNOWN);
}

static int by_bytes(const void *a, const void *b, void *arg)
{
    const bl_vocab *v = arg;
    blind_span      x = v->text[*(const int32_t *)a], y = v->text[*(const int32_t *)b];
    int             order = memcmp(x.data, y.data, BL_MIN(x.size, y.size));
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

typedef struct {
    const bl_vocab    *v;
    const bl_specials *s;
} context;

static int by_length(const void *a, const void *b, void *arg)
{
    const context *c = arg;
    int32_t        i = c->s->sorted[*(const uint32_t *)a], k = c->s->sorted[*(const uint32_t *)b];
    size_t         x = c->v->text[i].size, y = c->v->text[k].size;
    return x != y ? (x < y) - (x > y) : (i > k) - (i < k);
}

static bool contains(blind_span text, const char *part)
{
    return text.size && memmem(text.data, text.size, part, strlen(part));
}

/* Phi-3's tokenizer takes blanks behind its own special tokens away; its files say so by name only.
 */
static void find_strips(const bl_vocab *v, const bl_gguf *g, bl_specials *s)
{
    static const char *const keep[] = { "<unk>", "<s>", "<|endoftext|>" };
    blind_span               name = bl_gguf_text(g, "general.name");
    if (!contains(name, "phi-3") && !contains(name, "phi3") && !contains(name, "Phi-3") &&
        !contains(name, "Phi3") && !contains(name, "Phi 3"))
        return;
    for (size_t i = 0; i < s->len; i++) {
        s->strips[i] = true;
        for (size_t k = 0; k < BL_LEN(keep); k++)
            if (bl_span_equal(v->text[s->sorted[i]], bl_span_str(keep[k])))
                s->strips[i] = false;
    }
}

/* order  scratch for `len` indices of sorted */
static void sort(const bl_vocab *v, bl_specials *s, uint32_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < v->len; i++)
        if (is_special(v, (int32_t)i)) {
            s->sorted[n] = (int32_t)i;
            order[n] = (uint32_t)n;
            s->begins[v->text[i].data[0]] = true;
            n++;
        }
    qsort_r(s->sorted, n, sizeof *s->sorted, by_bytes, (void *)(uintptr_t)v);
    qsort_r(order, n, sizeof *order, by_length, &(context){ v, s });
    for (size_t i = 0; i < n; i++)
        s->place[order[i]] = (uint32_t)i;
}

blind_code bl_specials_find(const bl_vocab *v, bl_gguf *g, bl_specials *out, blind_error *err)
{
    *out = (bl_specials){ .len = 0 };
    for (size_t i = 0; i < v->len; i++)
        out->len += is_special(v, (int32_t)i);
    out->sorted = bl_arena_array(&g->arena, out->len + 1, sizeof *out->sorted);
    out->place = bl_arena_array(&g->arena, out->len + 1, sizeof *out->place);
    out->strips = bl_arena_array(&g->arena, out->len + 1, sizeof *out->strips);
    uint32_t *order = bl_arena_array(&g->arena, out->len + 1, sizeof *order);
    if (!out->sorted || !out->place || !out->strips || !order)
        return blind_fail(err, BLIND_MEMORY, "llm.special", "out of memory");
    sort(v, out, order);
    find_strips(v, g, out);
    return BLIND_OK;
}

/* Cutting.  ---------------------------------------------------------------------------------- */

typedef struct {
    const bl_specials *s;
    const bl_vocab    *v;
    blind_span         text;
    bool               control;
    bl_buf             found; /* occurrence each */
    uint8_t           *taken; /* a byte for each of the text: it was cut out */
} cutting;

/* Narrows [*from, *to) of sorted, whose first `depth` bytes agree, to those with `byte` behind. */
static void narrow(const cutting *c, size_t depth, uint8_t byte, size_t *from, size_t *to)
{
    size_t ends[2];
    for (unsigned side = 0; side < 2; side++) { /* the first not below byte, and byte + 1 */
        size_t low = *from, high = *to;
        while (low < high) {
            size_t     middle = low + (high - low) / 2;
            blind_span t = c->v->text[c->s->sorted[middle]];
            if (t.size <= depth || t.data[depth] < byte + side)
                low = middle + 1;
            else
                high = middle;
        }
        ends[side] = low;
    }
    *from = ends[0];
    *to = ends[1];
}

/* Every token that begins at `at`. */
static void find_at(cutting *c, size_t at)
{
    size_t from = 0, to = c->s->len;
    for (size_t depth = 0; at + depth < c->text.size; depth++) {
        narrow(c, depth, c->text.data[at + depth], &from, &to);
        if (from == to)
            return;
        int32_t id = c->s->sorted[from];
        if (c->v->text[id].size != depth + 1 || (!c->control && c->v->kind[id] != BL_TOKEN_USER))
            continue;
        occurrence o = { at, (uint32_t)depth + 1, (uint32_t)from, c->s->place[from], false };
        bl_buf_add(&c->found, bl_span(&o, sizeof o));
    }
}

static int by_place(const void *a, const void *b)
{
    const occurrence *x = a, *y = b;
    return x->place != y->place ? (x->place > y->place) - (x->place < y->place)
                                : (x->at > y->at) - (x->at < y->at);
}

static int by_position(const void *a, const void *b)
{
    const occurrence *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void cut(cutting *c, occurrence *o)
{
    if (memchr(c->taken + o->at, 1, o->size))
        return;
    size_t end = o->at + o->size;
    if (c->s->strips[o->which])
        while (end < c->text.size && !c->taken[end] && is_blank(c->text.data[end]))
            end++;
    memset(c->taken + o->at, 1, end - o->at);
    o->cut = true;
}

static blind_code tell(const cutting *c, const occurrence *all, size_t len, bl_stretch_found *found,
                       void *arg)
{
    size_t at = 0, k = 0;
    while (at < c->text.size) {
        while (k < len && (!all[k].cut || all[k].at < at))
            k++;
        size_t next = k < len ? all[k].at : c->text.size;
        size_t begin = at;
        while (begin < next && c->taken[begin]) /* stripped */
            begin++;
        if (begin < next)
            BL_TRY(found(arg, BL_NO_TOKEN, bl_span(c->text.data + begin, next - begin)));
        if (k < len)
            BL_TRY(
                found(arg, c->s->sorted[all[k].which], bl_span(c->text.data + next, all[k].size)));
        at = k < len ? next + all[k].size : next;
    }
    return BLIND_OK;
}

static blind_code cut_all(cutting *c, bl_stretch_found *found, void *arg, blind_error *err)
{
    for (size_t at = 0; at < c->text.size; at++)
        if (c->s->begins[c->text.data[at]])
            find_at(c, at);
    BL_TRY(bl_buf_check(&c->found, "llm.special", err));
    if (c->found.size == 0)
        return c->text.size ? found(arg, BL_NO_TOKEN, c->text) : BLIND_OK;
    c->taken = calloc(c->text.size, 1);
    if (!c->taken)
        return blind_fail(err, BLIND_MEMORY, "llm.special", "out of memory");
    occurrence *all = (occurrence *)(void *)c->found.data;
    size_t      len = c->found.size / sizeof *all;
    qsort(all, len, sizeof *all, by_place);
    for (size_t i = 0; i < len; i++)
        cut(c, &all[i]);
    qsort(all, len, sizeof *all, by_position);
    return tell(c, all, len, found, arg);
}

blind_code bl_specials_cut(const bl_specials *s, const bl_vocab *v, blind_span text, bool control,
                           bl_stretch_found *found, void *arg, blind_error *err)
{
    cutting c = { .s = s, .v = v, .text = text, .control = control, .found = { .secret = true } };
    blind_code code = cut_all(&c, found, arg, err);
    bl_buf_done(&c.found);
    free(c.taken);
    return code;
}
