/* Choices, values and nodes: what templates are written with; and which template comes next. */
#include "fuzz/graph_maker.h"

#include "onnx/number.h"

#include <math.h>

/* Choices.  ---------------------------------------------------------------------------------- */

/* Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators". */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

unsigned graph_roll(graph *g, unsigned n)
{
    if (n < 2)
        return 0;
    if (g->left == 0)
        return (unsigned)(next_random(&g->random) >> 32) % n;
    unsigned byte = *g->bytes++;
    g->left--;
    if (n > 256 && g->left) {
        byte |= (unsigned)*g->bytes++ << 8;
        g->left--;
    }
    return byte % n;
}

int64_t graph_between(graph *g, int64_t low, int64_t high)
{
    return low + (int64_t)graph_roll(g, (unsigned)(high - low + 1));
}

bool graph_chance(graph *g, unsigned n)
{
    return graph_roll(g, n) == n - 1;
}

static int64_t axis_size(graph *g)
{
    static const int64_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 0 };
    static const int64_t larger[] = { 1, 3, 8, 16, 17, 47, 48, 49, 63, 64, 65, 127, 128, 129, 200 };
    if (g->large && graph_chance(g, 3))
        return larger[graph_roll(g, BL_LEN(larger))];
    unsigned i = graph_roll(g, 64);
    return i < 40 ? sizes[i % 5] : sizes[i % BL_LEN(sizes)];
}

int64_t graph_side(graph *g)
{
    static const int64_t small[] = { 1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 31, 33 };
    static const int64_t large[] = {
        15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 95, 96, 97, 130
    };
    return g->large ? large[graph_roll(g, BL_LEN(large))] : small[graph_roll(g, BL_LEN(small))];
}

int graph_shape(graph *g, int min, int max, int64_t *dim)
{
    int     rank = (int)graph_between(g, min, max);
    int64_t len = 1, most = g->large ? 16384 : 256;
    for (int i = 0; i < rank; i++) {
        dim[i] = axis_size(g);
        if (len * dim[i] > most)
            dim[i] = 1 + (int64_t)graph_roll(g, 2);
        if (len * dim[i] > most)
            dim[i] = 1;
        len *= dim[i];
    }
    return rank;
}

blind_dtype graph_type(graph *g, unsigned mask)
{
    if (mask & REAL32 && !graph_chance(g, 4))
        return BLIND_F32;
    if (mask & ANY_OF(I64) && graph_chance(g, 4))
        return BLIND_I64;
    unsigned at = graph_roll(g, BLIND_DTYPE_COUNT);
    for (unsigned i = 0; i < BLIND_DTYPE_COUNT; i++, at = (at + 1) % BLIND_DTYPE_COUNT)
        if (mask >> at & 1)
            return (blind_dtype)at;
    return BLIND_F32;
}

/* Leaves.  ----------------------------------------------------------------------------------- */

size_t graph_len(const graph_value *v)
{
    size_t len = 1;
    for (int i = 0; i < v->rank; i++)
        len *= (size_t)v->dim[i];
    return len;
}

static double unit(uint64_t *random)
{
    return (double)(next_random(random) >> 11) * 0x1p-53;
}

static double hard_number(uint64_t *random)
{
    static const double hard[] = { 0.0,          -0.0, 1e-45, -1e-40, 0x1p-126,
                                   0.5,          1.5,  -2.5,  1,      -1,
                                   65504,        88.8, -104,  3e38,   -3.4028234663852886e38,
                                   2147483648.0, 1e19 };
    unsigned            i = (unsigned)(next_random(random) % 20);
    return i == 17 ? (double)NAN : i == 18 ? INFINITY : i == 19 ? -INFINITY : hard[i];
}

static double make_number(graph_fill fill, const graph_value *v, uint64_t *random)
{
    uint64_t bits = next_random(random);
    switch (fill) {
    case FILL_QUARTERS:
        return (double)(int)(bits % 17) / 4 - 2;
    case FILL_HARD:
        return bits % 4 ? 4 * unit(random) - 2 : hard_number(random);
    case FILL_WIDE:
        return ldexp(bits & 1 ? -unit(random) : unit(random), (int)(bits >> 8 & 63) - 32);
    case FILL_POSITIVE:
        return 0.25 + unit(random);
    case FILL_RANGE:
        return (double)(v->low + (int64_t)(bits % (uint64_t)(v->high - v->low + 1)));
    default:
        return 2 * unit(random) - 1;
    }
}

static uint64_t make_bits(uint64_t *random)
{
    static const uint64_t ends[] = { 0,         1,      UINT64_MAX,  0x80,       0x7f,
                                     0x8000,    0x7fff, 0x80000000u, 0x7fffffff, (uint64_t)1 << 63,
                                     INT64_MAX, 2,      255,         65535 };
    uint64_t              bits = next_random(random);
    return bits % 3 == 0 ? ends[bits / 4 % BL_LEN(ends)] : next_random(random) >> (bits >> 58);
}

const char *graph_word(int64_t i)
{
    static const char *const words[GRAPH_WORDS + GRAPH_MODES] = {
        "a",         "B",          "",          "a b",       "-12",       "3",    "\xc3\xa4",
        "ab",        "B,",         "ba",        "aB ",       "b, a",      "LEAF", "BRANCH_LEQ",
        "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"
    };
    return words[i];
}

/* Strings as a blind_tensor has them: the size of each before its bytes. */
static void fill_words(graph_value *v, uint64_t *random)
{
    uint8_t *to = v->data;
    for (size_t i = 0, len = graph_len(v); i < len; i++) {
        const char *word = graph_word((int64_t)(next_random(random) % GRAPH_WORDS));
        size_t      size = strlen(word);
        memcpy(to, (uint8_t[]){ (uint8_t)size, 0, 0, 0 }, 4);
        memcpy(to + 4, word, size);
        to += 4 + size;
    }
    v->size = (size_t)(to - (uint8_t *)v->data);
}

static void fill(graph_value *v, uint64_t *random)
{
    if (v->fill == FILL_WORDS) {
        fill_words(v, random);
        return;
    }
    size_t   element = blind_dtype_size(v->dtype), len = v->fill == FILL_GIVEN ? 0 : graph_len(v);
    uint8_t *to = v->data;
    for (size_t i = 0; i < len; i++, to += element) {
        if (v->fill == FILL_BITS) {
            bl_integer_store(v->dtype, to, make_bits(random));
            continue;
        }
        double x = make_number(v->fill, v, random);
        if (v->dtype == BLIND_BOOL)
            *to = fmod(x, 2) > 0;
        else
            bl_number_store(v->dtype, to, x, false);
    }
}

static int new_value(graph *g, blind_dtype dtype, int rank, const int64_t *dim)
{
    if (g->n_values == GRAPH_VALUES || rank > GRAPH_RANK) {
        g->full = true;
        return -1;
    }
    graph_value *v = &g->value[g->n_values];
    *v = (graph_value){ .dtype = dtype, .rank = rank, .body = g->inside };
    for (int i = 0; i < rank; i++)
        v->dim[i] = dim[i];
    return g->n_values++;
}

int graph_leaf(graph *g, blind_dtype dtype, int rank, const int64_t *dim, graph_fill kind)
{
    int i = new_value(g, dtype, rank, dim);
    if (i < 0)
        return -1;
    graph_value *v = &g->value[i];
    bool         words = dtype == BLIND_STRING;
    v->body = 0;
    v->size = graph_len(v) * (words ? 4 + GRAPH_WORD_SIZE : blind_dtype_size(dtype));
    if (graph_len(v) > GRAPH_MEMORY || v->size > GRAPH_MEMORY - g->used) {
        g->n_values--;
        g->full = true;
        return -1;
    }
    v->origin = graph_chance(g, 3) ? FROM_WEIGHT : FROM_INPUT;
    v->free = graph_chance(g, 4);
    v->data = g->memory + g->used;
    v->fill = words ? FILL_WORDS
              : !(REALS >> dtype & 1) && kind != FILL_RANGE && kind != FILL_GIVEN
                  ? dtype == BLIND_BOOL ? FILL_QUARTERS : FILL_BITS
                  : kind;
    g->used += (v->size + 63) & ~(size_t)63;
    fill(v, &g->random);
    return i;
}

int graph_numbers(graph *g, blind_dtype dtype, int rank, const int64_t *dim, int64_t low,
                  int64_t high)
{
    int i = graph_leaf(g, dtype, rank, dim, FILL_GIVEN);
    if (i < 0)
        return -1;
    g->value[i].fill = FILL_RANGE;
    g->value[i].low = low;
    g->value[i].high = BL_MAX(high, low);
    fill(&g->value[i], &g->random);
    return i;
}

int graph_list(graph *g, const int64_t *list, int len)
{
    int i = graph_leaf(g, BLIND_I64, 1, &(int64_t){ len }, FILL_GIVEN);
    if (i < 0)
        return -1;
    if (len)
        memcpy(g->value[i].data, list, (size_t)len * sizeof *list);
    g->value[i].origin = graph_chance(g, 16) ? FROM_INPUT : FROM_WEIGHT;
    return i;
}

int graph_number(graph *g, blind_dtype dtype, double number)
{
    int i = graph_leaf(g, dtype, 0, NULL, FILL_GIVEN);
    if (i < 0)
        return -1;
    bl_number_store(dtype, g->value[i].data, number, false);
    g->value[i].origin = graph_chance(g, 8) ? FROM_INPUT : FROM_WEIGHT;
    return i;
}

graph_fill graph_floats(graph *g)
{
    static const graph_fill fills[] = { FILL_UNIT, FILL_UNIT,     FILL_UNIT, FILL_QUARTERS,
                                        FILL_HARD, FILL_POSITIVE, FILL_UNIT, FILL_WIDE };
    return fills[graph_roll(g, BL_LEN(fills))];
}

void graph_refill(graph *g, uint64_t seed)
{
    uint64_t random = seed;
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].origin == FROM_INPUT)
            fill(&g->value[i], &random);
}

/* Taking.  ----------------------------------------------------------------------------------- */

/* Made in the body that is being made, or around it. */
static bool is_visible(const graph *g, const graph_value *v)
{
    int body = g->inside;
    while (body && body != v->body)
        body = g->body[body].around;
    return body == v->body;
}

static bool fits(const graph *g, const graph_value *v, unsigned mask, int min, int max, bool rough)
{
    return is_visible(g, v) && mask >> v->dtype & 1 && v->rank >= min && v->rank <= max &&
           (rough || !v->rough) &&
           (v->origin == FROM_NODE || v->fill < FILL_RANGE || v->fill == FILL_BITS ||
            v->fill == FILL_WORDS);
}

int graph_take(graph *g, unsigned mask, int min, int max, bool rough)
{
    int64_t dim[GRAPH_RANK];
    bool    any = graph_chance(g, 4);
    if (!graph_chance(g, 5))
        for (int i = g->n_values - 1; i >= 0; i--)
            if (fits(g, &g->value[i], mask, min, max, rough) && (!any || graph_chance(g, 2)))
                return i;
    blind_dtype dtype = graph_type(g, mask);
    int         rank = graph_shape(g, min, max, dim);
    return graph_leaf(g, dtype, rank, dim, graph_floats(g));
}

int graph_partner(graph *g, int v, bool rough)
{
    const graph_value *to = &g->value[v];
    int64_t            dim[GRAPH_RANK];
    int                skip = graph_chance(g, 3) ? (int)graph_roll(g, (unsigned)to->rank + 1) : 0;
    if (graph_chance(g, 2))
        for (int i = g->n_values - 1; i >= 0; i--) {
            const graph_value *o = &g->value[i];
            if (i != v && fits(g, o, 1u << to->dtype, to->rank, to->rank, rough) &&
                !memcmp(o->dim, to->dim, (size_t)to->rank * sizeof *o->dim))
                return i;
        }
    for (int i = skip; i < to->rank; i++)
        dim[i - skip] = graph_chance(g, 4) ? 1 : to->dim[i];
    return graph_leaf(g, to->dtype, to->rank - skip, dim, graph_floats(g));
}

/* Nodes.  ------------------------------------------------------------------------------------ */

graph_node *graph_add(graph *g, const char *type, int n_in, const int *in)
{
    if (g->n_nodes == GRAPH_NODES || n_in > NODE_IN || g->full) {
        g->full = true;
        return NULL;
    }
    graph_node *n = &g->node[g->n_nodes++];
    *n = (graph_node){
        .type = type, .domain = "", .n_in = n_in, .slope = 1, .terms = 1, .body = g->inside
    };
    for (int i = 0; i < n_in; i++) {
        n->in[i] = in[i];
        if (in[i] >= 0)
            g->value[in[i]].read = true;
    }
    return n;
}

int graph_result(graph *g, graph_node *n, blind_dtype dtype, int rank, const int64_t *dim)
{
    int i = new_value(g, dtype, rank, dim);
    if (i < 0)
        return -1;
    graph_value *v = &g->value[i];
    v->origin = FROM_NODE;
    v->rough = n->rule != RULE_JUMP && n->rule != RULE_MOVE && REALS >> dtype & 1;
    for (int k = 0; k < n->n_in; k++)
        v->rough = v->rough || (n->in[k] >= 0 && g->value[n->in[k]].rough);
    n->out[n->n_out++] = i;
    return i;
}

int graph_result_like(graph *g, graph_node *n, int v)
{
    graph_value like = g->value[v];
    return graph_result(g, n, like.dtype, like.rank, like.dim);
}

static graph_attr *new_attr(graph_node *n, const char *name, graph_attr_kind kind)
{
    static graph_attr none;
    graph_attr       *a = n->n_attrs < NODE_ATTRS ? &n->attrs[n->n_attrs++] : &none;
    *a = (graph_attr){ .name = name, .kind = kind };
    return a;
}

void graph_attr_int(graph_node *n, const char *name, int64_t i)
{
    new_attr(n, name, ATTR_INT)->i = i;
}

void graph_attr_float(graph_node *n, const char *name, float f)
{
    new_attr(n, name, ATTR_FLOAT)->f = f;
}

void graph_attr_text(graph_node *n, const char *name, const char *text)
{
    new_attr(n, name, ATTR_TEXT)->text = text;
}

void graph_attr_list(graph_node *n, const char *name, const int64_t *list, int len)
{
    graph_attr *a = new_attr(n, name, ATTR_LIST);
    a->len = BL_MIN(len, (int)ATTR_INTS);
    if (len)
        memcpy(a->ints, list, (size_t)a->len * sizeof *list);
}

void graph_attr_floats(graph_node *n, const char *name, const float *list, int len)
{
    graph_attr *a = new_attr(n, name, ATTR_FLOATS);
    a->len = BL_MIN(len, (int)ATTR_INTS);
    if (len)
        memcpy(a->floats, list, (size_t)a->len * sizeof *list);
}

void graph_attr_words(graph_node *n, const char *name, const int64_t *words, int len)
{
    graph_attr_list(n, name, words, len);
    n->attrs[n->n_attrs - 1].kind = ATTR_WORDS;
}

void graph_attr_body(graph_node *n, const char *name, int body)
{
    new_attr(n, name, ATTR_BODY)->i = body;
}

/* Bodies.  ----------------------------------------------------------------------------------- */

int graph_body_begin(graph *g)
{
    if (g->n_bodies == GRAPH_BODIES || g->full) {
        g->full = true;
        return 0;
    }
    g->body[++g->n_bodies] = (graph_body){ .around = g->inside };
    return g->inside = g->n_bodies;
}

int graph_body_input(graph *g, blind_dtype dtype, int rank, const int64_t *dim)
{
    graph_body *b = &g->body[g->inside];
    int         v = b->n_in == BODY_PORTS ? -1 : new_value(g, dtype, rank, dim);
    if (v < 0)
        return -1;
    g->value[v].origin = FROM_NODE;
    g->value[v].free = true; /* another turn may bring another shape */
    return b->in[b->n_in++] = v;
}

void graph_body_output(graph *g, int v)
{
    graph_body *b = &g->body[g->inside];
    if (v < 0 || b->n_out == BODY_PORTS) {
        g->full = true;
        return;
    }
    b->out[b->n_out++] = v;
}

void graph_body_end(graph *g)
{
    g->inside = g->body[g->inside].around;
}

/* Graphs.  ----------------------------------------------------------------------------------- */

static const struct {
    const graph_family *families;
    const size_t       *len;
} kinds[] = { { graph_elements, &graph_elements_len },   { graph_moves, &graph_moves_len },
              { graph_nets, &graph_nets_len },           { graph_elements, &graph_elements_len },
              { graph_moves, &graph_moves_len },         { graph_nets, &graph_nets_len },
              { graph_microsoft, &graph_microsoft_len }, { graph_learned, &graph_learned_len },
              { graph_texts, &graph_texts_len },         { graph_control, &graph_control_len } };

static void add_one(graph *g, unsigned kind)
{
    unsigned total = 0;
    for (size_t i = 0; i < *kinds[kind].len; i++)
        total += kinds[kind].families[i].weight;
    unsigned at = graph_roll(g, total);
    for (size_t i = 0; i < *kinds[kind].len; at -= kinds[kind].families[i++].weight)
        if (at < kinds[kind].families[i].weight) {
            (void)kinds[kind].families[i].make(g);
            return;
        }
}

/* Bodies in bodies go two deep. */
void graph_body_add(graph *g)
{
    bool deep = g->body[g->inside].around != 0;
    add_one(g, !deep && graph_chance(g, 10) ? BL_LEN(kinds) - 1 : graph_roll(g, 2));
}

void graph_make(graph *g, const uint8_t *data, size_t size)
{
    static const int opsets[] = { 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11 };
    g->n_values = g->n_nodes = g->n_bodies = g->inside = 0;
    g->full = false;
    g->used = 0;
    g->bytes = data;
    g->left = size;
    g->random = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        g->random = (g->random ^ data[i]) * 0x100000001b3u;
    g->opset = opsets[graph_roll(g, BL_LEN(opsets))];
    g->large = graph_chance(g, 24);
    unsigned want = 1 + graph_roll(g, 8);
    for (unsigned tries = 0; tries < 4 * want && g->n_nodes < (int)want && !g->full; tries++)
        add_one(g, graph_roll(g, BL_LEN(kinds)));
    if (g->n_nodes == 0) {
        int v = graph_leaf(g, BLIND_F32, 1, &(int64_t){ 4 }, FILL_UNIT);
        g->full = false;
        graph_node *n = graph_add(g, "Identity", 1, &v);
        if (n)
            graph_result_like(g, n, v);
    }
}
