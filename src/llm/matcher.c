/* Places with stacks, sets of them interned as states, states as rows of a table that is filled as
 * it is walked through.
 *
 * A stack is a linked list of frames, and equal stacks are one: frames are interned, too.  When all
 * that is kept grows past its bounds it is thrown away but for the current state. */
#include "llm/matcher.h"

#include "base/limits.h"
#include "llm/grammar/program.h"

#include <stdlib.h>

enum { UNKNOWN = 0, DEAD = 1, NO_FRAME = 0, FIRST_SLOTS = 128 };

typedef struct {
    uint32_t parent, pc, count; /* pc: where to go on, or the LOOP */
    uint32_t depth;
} frame;

typedef struct {
    uint32_t pc, frame;
} place;

typedef struct {
    uint32_t first, n; /* places */
    bool     accepting;
    uint8_t  stays; /* whether plain bytes lead back to it: see stays() */
} state;

enum { UNASKED, STAYS, LEAVES };

/* Numbers of things by their hash. */
typedef struct {
    uint32_t *slots; /* number, or 0 */
    size_t    mask, used;
} index_table;

typedef struct {
    uint32_t  of; /* state */
    uint32_t *bits;
} kept_mask;

typedef struct {
    place    p;
    uint32_t closure; /* in which it was seen */
} seen_slot;

struct bl_matcher {
    const bl_grammar    *g;
    const bl_token_tree *tree;
    bl_buf               frames, states, places, next;
    index_table          frame_index, state_index;
    uint32_t             current;
    bool                 full; /* bounds are reached: what is kept must go */
    kept_mask            masks[BL_MAX_GRAMMAR_MASKS];
    size_t               n_masks, mask_words;
    /* Of one closure. */
    bl_buf     work, found;
    seen_slot *seen; /* [seen_mask + 1] */
    size_t     seen_mask, n_seen;
    uint32_t   closure;
    bool       accepting;
};

static frame *frames_of(const bl_matcher *m)
{
    return (frame *)(void *)m->frames.data;
}
static state *states_of(const bl_matcher *m)
{
    return (state *)(void *)m->states.data;
}
static place *places_of(const bl_matcher *m)
{
    return (place *)(void *)m->places.data;
}
static uint32_t *next_of(const bl_matcher *m)
{
    return (uint32_t *)(void *)m->next.data;
}

/* Tables.  ----------------------------------------------------------------------------------- */

static uint32_t mix(uint32_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

static uint32_t hash_of_frame(frame f)
{
    return mix(mix(mix(1, f.parent), f.pc), f.count);
}

static uint32_t hash_of_places(const place *p, size_t n, bool accepting)
{
    uint32_t hash = accepting;
    for (size_t i = 0; i < n; i++)
        hash = mix(mix(hash, p[i].pc), p[i].frame);
    return hash;
}

static uint32_t hash_of(const bl_matcher *m, const index_table *t, uint32_t number)
{
    if (t == &m->frame_index)
        return hash_of_frame(frames_of(m)[number]);
    const state *s = &states_of(m)[number];
    return hash_of_places(places_of(m) + s->first, s->n, s->accepting);
}

/* Doubles the table when it is half full. */
static bool make_room(bl_matcher *m, index_table *t)
{
    if (t->slots && 2 * t->used <= t->mask)
        return true;
    size_t    slots = t->slots ? 2 * (t->mask + 1) : 256;
    uint32_t *grown = calloc(slots, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; t->slots && i <= t->mask; i++) {
        if (!t->slots[i])
            continue;
        size_t at = hash_of(m, t, t->slots[i]) & (slots - 1);
        while (grown[at])
            at = (at + 1) & (slots - 1);
        grown[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = grown;
    t->mask = slots - 1;
    return true;
}

static void empty_index(index_table *t)
{
    if (t->slots)
        memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    t->used = 0;
}

/* The number of this frame; 0 when there is no room. */
static uint32_t frame_number(bl_matcher *m, uint32_t parent, uint32_t pc, uint32_t count)
{
    frame  f = { parent, pc, count, frames_of(m)[parent].depth + 1 };
    size_t n = m->frames.size / sizeof f;
    if (!make_room(m, &m->frame_index))
        return 0;
    size_t at = hash_of_frame(f) & m->frame_index.mask;
    for (; m->frame_index.slots[at]; at = (at + 1) & m->frame_index.mask) {
        const frame *have = &frames_of(m)[m->frame_index.slots[at]];
        if (have->parent == parent && have->pc == pc && have->count == count)
            return m->frame_index.slots[at];
    }
    if (n * sizeof f > BL_MAX_GRAMMAR_MEMORY / 4) {
        m->full = true;
        return 0;
    }
    bl_buf_add(&m->frames, bl_span(&f, sizeof f));
    if (m->frames.failed)
        return 0;
    m->frame_index.slots[at] = (uint32_t)n;
    m->frame_index.used++;
    return (uint32_t)n;
}

static bool same_places(const bl_matcher *m, uint32_t number, const place *p, size_t n,
                        bool accepting)
{
    const state *s = &states_of(m)[number];
    return s->n == n && s->accepting == accepting &&
           (n == 0 || memcmp(places_of(m) + s->first, p, n * sizeof *p) == 0);
}

static bool may_grow(const bl_matcher *m, size_t places)
{
    size_t states = m->states.size / sizeof(state);
    return states < BL_MAX_GRAMMAR_STATES &&
           m->next.size + m->g->classes * sizeof(uint32_t) <= BL_MAX_GRAMMAR_MEMORY &&
           m->places.size + places * sizeof(place) <= BL_MAX_GRAMMAR_MEMORY / 2;
}

/* The number of the state of these places, which are sorted; 0 when there is no room. */
static uint32_t state_number(bl_matcher *m, const place *p, size_t n, bool accepting)
{
    if (n == 0 && !accepting)
        return DEAD;
    if (!make_room(m, &m->state_index))
        return 0;
    size_t at = hash_of_places(p, n, accepting) & m->state_index.mask;
    for (; m->state_index.slots[at]; at = (at + 1) & m->state_index.mask)
        if (same_places(m, m->state_index.slots[at], p, n, accepting))
            return m->state_index.slots[at];
    if (!may_grow(m, n)) {
        m->full = true;
        return 0;
    }
    state    s = { (uint32_t)(m->places.size / sizeof *p), (uint32_t)n, accepting, UNASKED };
    uint32_t number = (uint32_t)(m->states.size / sizeof s);
    size_t   row = m->g->classes * sizeof(uint32_t);
    bl_buf_add(&m->places, bl_span(p, n * sizeof *p));
    bl_buf_add(&m->states, bl_span(&s, sizeof s));
    uint8_t *next = bl_buf_reserve(&m->next, row);
    if (!next || m->places.failed || m->states.failed)
        return 0;
    memset(next, 0, row);
    m->next.size += row;
    m->state_index.slots[at] = number;
    m->state_index.used++;
    return number;
}

/* Closures: all places that are reached without a byte.  -------------------------------------- */

static void closure_begin(bl_matcher *m)
{
    m->closure++;
    m->n_seen = 0;
    m->accepting = false;
    m->work.size = m->found.size = 0;
}

static void visit(bl_matcher *m, uint32_t pc, uint32_t at)
{
    place p = { pc, at };
    if (frames_of(m)[at].depth + m->g->need[pc] <= BL_MAX_GRAMMAR_DEPTH)
        bl_buf_add(&m->work, bl_span(&p, sizeof p));
}

static seen_slot *slot_of(const bl_matcher *m, seen_slot *slots, size_t mask, place p)
{
    size_t at = mix(mix(7, p.pc), p.frame) & mask;
    while (slots[at].closure == m->closure &&
           (slots[at].p.pc != p.pc || slots[at].p.frame != p.frame))
        at = (at + 1) & mask;
    return &slots[at];
}

static bool grow_seen(bl_matcher *m)
{
    size_t     slots = m->seen ? 2 * (m->seen_mask + 1) : FIRST_SLOTS;
    seen_slot *grown = calloc(slots, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; m->seen && i <= m->seen_mask; i++)
        if (m->seen[i].closure == m->closure)
            *slot_of(m, grown, slots - 1, m->seen[i].p) = m->seen[i];
    free(m->seen);
    m->seen = grown;
    m->seen_mask = slots - 1;
    return true;
}

/* False where this closure was before, or when there is no memory: then its work has failed. */
static bool first_time(bl_matcher *m, place p)
{
    if ((!m->seen || 2 * m->n_seen > m->seen_mask) && !grow_seen(m)) {
        m->work.failed = true;
        return false;
    }
    seen_slot *slot = slot_of(m, m->seen, m->seen_mask, p);
    if (slot->closure == m->closure)
        return false;
    *slot = (seen_slot){ p, m->closure };
    m->n_seen++;
    return true;
}

/* Into a frame, or nowhere when there is no room for it. */
static bool enter(bl_matcher *m, uint32_t pc, uint32_t parent, uint32_t back, uint32_t count)
{
    uint32_t inner = frame_number(m, parent, back, count);
    if (inner)
        visit(m, pc, inner);
    return inner != 0;
}

static bool enter_loop(bl_matcher *m, uint32_t pc, uint32_t at)
{
    bl_op loop = m->g->ops[pc];
    if (loop.a == 0)
        visit(m, loop.c, at);
    return loop.b == 0 || enter(m, pc + 1, at, pc, 0);
}

/* At the end of a loop's body.  Without a bound above, what counts is whether `min` is reached. */
static bool count_loop(bl_matcher *m, uint32_t at)
{
    frame    f = frames_of(m)[at];
    bl_op    loop = m->g->ops[f.pc];
    uint32_t count = f.count + 1;
    if (loop.b == BL_LOOP_FOREVER)
        count = BL_MIN(count, loop.a);
    if (count >= loop.a)
        visit(m, loop.c, f.parent);
    return count >= loop.b || enter(m, f.pc + 1, f.parent, f.pc, count);
}

static void leave(bl_matcher *m, uint32_t at)
{
    frame f = frames_of(m)[at];
    if (at == NO_FRAME)
        m->accepting = true;
    else
        visit(m, f.pc, f.parent);
}

static bool follow(bl_matcher *m, place p)
{
    bl_op op = m->g->ops[p.pc];
    switch (op.kind) {
    case BL_OP_BYTES:
        bl_buf_add(&m->found, bl_span(&p, sizeof p));
        break;
    case BL_OP_SPLIT:
        visit(m, op.b, p.frame);
        visit(m, op.a, p.frame);
        break;
    case BL_OP_JUMP:
        visit(m, op.a, p.frame);
        break;
    case BL_OP_CALL:
        return enter(m, m->g->rules[op.a], p.frame, p.pc + 1, 0);
    case BL_OP_LOOP:
        return enter_loop(m, p.pc, p.frame);
    case BL_OP_NEXT:
        return count_loop(m, p.frame);
    case BL_OP_RETURN:
        leave(m, p.frame);
        break;
    default:
        break;
    }
    return true;
}

static int by_place(const void *left, const void *right)
{
    const place *a = left, *b = right;
    if (a->pc != b->pc)
        return a->pc < b->pc ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

/* The state of all that was visited, and of what is reached from there; 0 on failure. */
static uint32_t closure_end(bl_matcher *m)
{
    while (m->work.size) {
        place p;
        m->work.size -= sizeof p;
        memcpy(&p, m->work.data + m->work.size, sizeof p);
        if (!first_time(m, p))
            continue;
        if (m->n_seen > BL_MAX_GRAMMAR_PLACES) {
            m->full = true;
            return 0;
        }
        if (!follow(m, p))
            return 0;
    }
    place *found = (place *)(void *)m->found.data;
    size_t n = m->found.size / sizeof *found;
    if (m->work.failed || m->found.failed)
        return 0;
    if (n > 1)
        qsort(found, n, sizeof *found, by_place);
    return state_number(m, found, n, m->accepting);
}

static uint32_t step(bl_matcher *m, uint32_t from, uint8_t class)
{
    uint8_t byte = m->g->byte_of[class];
    state   s = states_of(m)[from];
    closure_begin(m);
    for (size_t i = 0; i < s.n; i++) {
        place p = places_of(m)[s.first + i];
        if (bl_byte_set_has(&m->g->sets[m->g->ops[p.pc].a], byte))
            visit(m, p.pc + 1, p.frame);
    }
    uint32_t to = closure_end(m);
    if (to)
        next_of(m)[from * m->g->classes + class] = to;
    return to;
}

static uint32_t known_step(bl_matcher *m, uint32_t from, uint8_t byte)
{
    uint8_t class = m->g->class_of[byte];
    uint32_t to = next_of(m)[from * m->g->classes + class];
    return to ? to : step(m, from, class);
}

/* Beginnings.  ------------------------------------------------------------------------------- */

/* Tables with the frame of an empty stack, no state 0, and the dead one. */
static bool clear(bl_matcher *m)
{
    static const frame none;
    static const state nothing[2];
    size_t             rows = 2 * m->g->classes * sizeof(uint32_t);
    m->frames.size = m->states.size = m->places.size = m->next.size = 0;
    empty_index(&m->frame_index);
    empty_index(&m->state_index);
    for (size_t i = 0; i < m->n_masks; i++)
        m->masks[i].of = UNKNOWN;
    m->full = false;
    bl_buf_add(&m->frames, bl_span(&none, sizeof none));
    bl_buf_add(&m->states, bl_span(nothing, sizeof nothing));
    uint8_t *next = bl_buf_reserve(&m->next, rows);
    if (!next || m->frames.failed || m->states.failed)
        return false;
    memset(next, 0, rows);
    m->next.size = rows;
    for (size_t c = 0; c < m->g->classes; c++)
        next_of(m)[DEAD * m->g->classes + c] = DEAD;
    return true;
}

/* A stack of another matcher's frames, made again; 0 also when it is empty. */
static uint32_t copy_stack(bl_matcher *m, const frame *old, uint32_t at, bool *ok)
{
    uint32_t chain[BL_MAX_GRAMMAR_DEPTH + 1], n = 0, made = NO_FRAME;
    for (; at != NO_FRAME && n < BL_LEN(chain); at = old[at].parent)
        chain[n++] = at;
    while (n-- > 0 && *ok) {
        made = frame_number(m, made, old[chain[n]].pc, old[chain[n]].count);
        *ok = made != 0;
    }
    return made;
}

/* Throws all away but the current state. */
static blind_code start_again(bl_matcher *m, blind_error *err)
{
    state       s = states_of(m)[m->current];
    bl_auto_buf frames = BL_BUF_EMPTY, places = BL_BUF_EMPTY;
    bool        ok = true;
    bl_buf_add(&frames, bl_buf_span(&m->frames));
    bl_buf_add(&places, bl_span(places_of(m) + s.first, s.n * sizeof(place)));
    if (frames.failed || places.failed || !clear(m))
        return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
    place *p = (place *)(void *)places.data;
    for (size_t i = 0; i < s.n; i++)
        p[i].frame = copy_stack(m, (const frame *)(const void *)frames.data, p[i].frame, &ok);
    if (s.n)
        qsort(p, s.n, sizeof *p, by_place);
    m->current = ok ? state_number(m, p, s.n, s.accepting) : 0;
    bl_wipe(frames.data, frames.size);
    bl_wipe(places.data, places.size);
    if (!m->current)
        return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
    return BLIND_OK;
}

static blind_code begin(bl_matcher *m, blind_error *err)
{
    if (!clear(m))
        return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
    closure_begin(m);
    visit(m, m->g->rules[0], NO_FRAME);
    m->current = closure_end(m);
    if (m->full)
        return blind_fail(err, BLIND_LIMIT, "llm.matcher", "a grammar that is too ambiguous");
    if (!m->current)
        return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
    return BLIND_OK;
}

blind_code bl_matcher_new(const bl_grammar *g, const bl_token_tree *tree, bl_matcher **out,
                          blind_error *err)
{
    *out = NULL;
    bl_matcher *m = calloc(1, sizeof *m);
    if (!m)
        return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
    m->g = g;
    m->tree = tree;
    m->mask_words = (tree->vocabulary + 31) / 32;
    m->frames.secret = m->states.secret = m->places.secret = m->next.secret = true;
    blind_code code = begin(m, err);
    if (code != BLIND_OK) {
        bl_matcher_free(m);
        return code;
    }
    *out = m;
    return BLIND_OK;
}

void bl_matcher_free(bl_matcher *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_masks; i++)
        free(m->masks[i].bits);
    bl_buf_done(&m->frames);
    bl_buf_done(&m->states);
    bl_buf_done(&m->places);
    bl_buf_done(&m->next);
    bl_buf_done(&m->work);
    bl_buf_done(&m->found);
    free(m->frame_index.slots);
    free(m->state_index.slots);
    free(m->seen);
    free(m);
}

/* Masks.  ------------------------------------------------------------------------------------ */

/* No text of a token is longer than this many rounds of a loop: a loop that is farther than that
 * from its bounds gives the same mask wherever it is. */
static uint32_t rounded_count(const bl_matcher *m, frame f)
{
    bl_op    op = m->g->ops[f.pc];
    uint64_t far = m->tree->longest + 1;
    if (op.kind != BL_OP_LOOP || op.b == BL_LOOP_FOREVER)
        return op.kind == BL_OP_LOOP && f.count + far <= op.a ? 0 : f.count;
    if (f.count + far <= op.a)
        return 0;
    return f.count >= op.a && f.count + far <= op.b ? op.a : f.count;
}

static uint32_t rounded_stack(bl_matcher *m, uint32_t at, bool *ok)
{
    uint32_t chain[BL_MAX_GRAMMAR_DEPTH + 1], n = 0, made = NO_FRAME;
    for (; at != NO_FRAME && n < BL_LEN(chain); at = frames_of(m)[at].parent)
        chain[n++] = at;
    while (n-- > 0 && *ok) {
        frame f = frames_of(m)[chain[n]];
        made = frame_number(m, made, f.pc, rounded_count(m, f));
        *ok = made != 0;
    }
    return made;
}

/* A state with the same mask as the current one, the same for many; 0 on failure. */
static uint32_t rounded_state(bl_matcher *m)
{
    if (!m->g->counts)
        return m->current;
    state s = states_of(m)[m->current];
    bool  ok = true;
    m->found.size = 0;
    for (size_t i = 0; i < s.n; i++) {
        place p = places_of(m)[s.first + i];
        p.frame = rounded_stack(m, p.frame, &ok);
        bl_buf_add(&m->found, bl_span(&p, sizeof p));
    }
    if (!ok || m->found.failed)
        return 0;
    if (s.n)
        qsort(m->found.data, s.n, sizeof(place), by_place);
    return state_number(m, (const place *)(const void *)m->found.data, s.n, s.accepting);
}

static void allow(uint32_t *bits, int32_t id)
{
    bits[id / 32] |= 1u << id % 32;
}

/* Whether every plain byte leads from this state to itself, as within a string; asked once. */
static bool stays(bl_matcher *m, uint32_t at)
{
    if (states_of(m)[at].stays == UNASKED) {
        bool same = true;
        for (unsigned byte = 0x7e; byte >= 0x20 && same; byte--)
            same = !bl_token_tree_plain((uint8_t)byte) || known_step(m, at, (uint8_t)byte) == at;
        states_of(m)[at].stays = same ? STAYS : LEAVES;
    }
    return states_of(m)[at].stays == STAYS;
}

static bool walk(bl_matcher *m, uint32_t from, uint32_t *bits)
{
    const bl_token_tree *tree = m->tree;
    uint32_t             at[BL_MAX_TOKEN_TEXT + 1]; /* states behind the bytes of this path */
    size_t               classes = m->g->classes;
    const uint32_t      *next = next_of(m);
    at[0] = from;
    for (size_t i = 0; i < tree->n_nodes;) {
        bl_token_node node = tree->nodes[i];
        uint32_t      s = at[node.depth - 1];
        uint8_t class = m->g->class_of[node.byte];
        uint32_t to = next[s * classes + class];
        if (to == UNKNOWN) {
            to = step(m, s, class);
            next = next_of(m);
        }
        if (to == UNKNOWN)
            return false;
        if (to == s && node.plain) {
            bool all = stays(m, s); /* all that begins so comes back here */
            next = next_of(m);
            if (all) {
                for (uint32_t t = node.tokens; t < tree->nodes[node.skip].tokens; t++)
                    allow(bits, tree->sorted[t]);
                i = node.skip;
                continue;
            }
        }
        if (to == DEAD) {
            i = node.skip;
            continue;
        }
        at[node.depth] = to;
        for (uint32_t t = node.tokens; t < tree->nodes[i + 1].tokens; t++)
            allow(bits, tree->sorted[t]);
        i++;
    }
    return true;
}

/* Room for one more mask: unused, or the one made the longest ago. */
static kept_mask *mask_room(bl_matcher *m)
{
    kept_mask *room = &m->masks[0];
    if (m->n_masks < BL_MAX_GRAMMAR_MASKS) {
        room = &m->masks[m->n_masks];
        room->bits = malloc(m->mask_words * sizeof *room->bits);
        m->n_masks += room->bits != NULL;
    } else {
        kept_mask oldest = m->masks[0];
        memmove(&m->masks[0], &m->masks[1], (m->n_masks - 1) * sizeof *room);
        room = &m->masks[m->n_masks - 1];
        *room = oldest;
    }
    return room->bits ? room : NULL;
}

static bool make_mask(bl_matcher *m, const uint32_t **mask)
{
    uint32_t of = rounded_state(m);
    if (!of)
        return false;
    for (size_t i = 0; i < m->n_masks; i++)
        if (m->masks[i].of == of) {
            *mask = m->masks[i].bits;
            return true;
        }
    kept_mask *room = mask_room(m);
    if (!room)
        return false;
    room->of = UNKNOWN;
    memset(room->bits, 0, m->mask_words * sizeof *room->bits);
    if (!walk(m, of, room->bits))
        return false;
    for (size_t i = 0; states_of(m)[of].accepting && i < m->tree->n_ends; i++)
        allow(room->bits, m->tree->ends[i]);
    room->of = of;
    *mask = room->bits;
    return true;
}

static blind_code failed(const bl_matcher *m, blind_error *err)
{
    if (m->full)
        return blind_fail(err, BLIND_LIMIT, "llm.matcher", "a grammar that is too ambiguous");
    return blind_fail(err, BLIND_MEMORY, "llm.matcher", "out of memory");
}

blind_code bl_matcher_mask(bl_matcher *m, const uint32_t **mask, blind_error *err)
{
    *mask = NULL;
    if (make_mask(m, mask))
        return BLIND_OK;
    if (m->full) {
        BL_TRY(start_again(m, err));
        if (make_mask(m, mask))
            return BLIND_OK;
    }
    return failed(m, err);
}

/* Going on.  --------------------------------------------------------------------------------- */

static uint32_t go_on(bl_matcher *m, blind_span text)
{
    uint32_t at = m->current;
    for (size_t i = 0; i < text.size && at > DEAD; i++)
        at = known_step(m, at, text.data[i]);
    return at;
}

blind_code bl_matcher_take_bytes(bl_matcher *m, blind_span text, blind_error *err)
{
    uint32_t to = go_on(m, text);
    if (to == UNKNOWN && m->full) {
        BL_TRY(start_again(m, err));
        to = go_on(m, text);
    }
    if (to == UNKNOWN)
        return failed(m, err);
    if (to == DEAD)
        return blind_fail(err, BLIND_INPUT, "llm.matcher", "the grammar does not go on so");
    m->current = to;
    return BLIND_OK;
}

blind_code bl_matcher_take(bl_matcher *m, int32_t id, blind_error *err)
{
    blind_span text = bl_token_tree_text(m->tree, id);
    if (text.size == 0)
        return blind_fail(err, BLIND_INPUT, "llm.matcher", "a token without a text");
    return bl_matcher_take_bytes(m, text, err);
}

bool bl_matcher_complete(const bl_matcher *m)
{
    return states_of(m)[m->current].accepting;
}

bool bl_matcher_ended(const bl_matcher *m)
{
    const state *s = &states_of(m)[m->current];
    return s->accepting && s->n == 0;
}
