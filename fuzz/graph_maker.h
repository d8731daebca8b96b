/* Small valid graphs from fuzz bytes: operators of the table with types, shapes and attributes that
 * fit, in chains, and inputs that hold what numbers are hard: NaN, infinities, denormals, zeros of
 * both signs, the ends of the integers.
 *
 *     graph_make(&graph, data, size);
 *     graph_write(&graph, true, &model);         a ModelProto whose outputs are every value
 *     ... run it ...
 *     graph_bounds(&graph, seen, mode, bounds);  how far another run's values may be from these
 *     graph_differs(want, got, bounds[i], why, sizeof why);
 *
 * Bodies of If, Loop and Scan are nodes and values of the same lists that say which body they lie
 * in.
 *
 * When the bytes are over, a generator seeded by them goes on: eight bytes are enough for a graph.
 */
#ifndef BL_GRAPH_MAKER_H
#define BL_GRAPH_MAKER_H

#include "base/buf.h"
#include "onnx/graph.h"

enum {
    GRAPH_NODES = 24,
    GRAPH_VALUES = 128,
    GRAPH_RANK = 6,
    NODE_IN = 10,
    NODE_OUT = 6,
    NODE_ATTRS = 16,
    ATTR_INTS = 48,
    GRAPH_BODIES = 8,
    BODY_PORTS = 4,
    GRAPH_MEMORY = 1 << 20, /* bytes of all leaves */
};

/* What a leaf is filled with. */
typedef enum {
    FILL_UNIT,     /* -1 to 1                                             */
    FILL_QUARTERS, /* few numbers, exact in every type                    */
    FILL_HARD,     /* one in four is NaN, an infinity, a denormal, a zero */
    FILL_WIDE,     /* magnitudes of all exponents within 2^-30 to 2^30    */
    FILL_POSITIVE, /* 0.25 to 1.25                                        */
    FILL_RANGE,    /* whole numbers of low..high                          */
    FILL_BITS,     /* any integer, often the ends                         */
    FILL_WORDS,    /* strings                                             */
    FILL_GIVEN,    /* as the template set it                              */
} graph_fill;

typedef enum { FROM_INPUT, FROM_WEIGHT, FROM_NODE } graph_origin;

typedef struct {
    blind_dtype  dtype;
    int          rank; /* -1: only a run tells the shape */
    int64_t      dim[GRAPH_RANK];
    graph_origin origin;
    graph_fill   fill;
    int64_t      low, high;
    void        *data; /* of leaves; strings as a blind_tensor has them */
    size_t       size;
    bool         rough; /* rounded on its way: what jumps should not read it */
    bool         read;  /* by a node */
    bool         free;  /* as an input: no axis is declared fixed */
    int          body;  /* that it is made in; 0: the graph itself */
} graph_value;

typedef enum {
    ATTR_INT,
    ATTR_FLOAT,
    ATTR_TEXT,
    ATTR_LIST,
    ATTR_FLOATS,
    ATTR_TENSOR,
    ATTR_WORDS, /* ints: graph_word() */
    ATTR_BODY,  /* i */
} graph_attr_kind;

typedef struct {
    const char     *name;
    graph_attr_kind kind;
    int64_t         i;
    float           f;
    const char     *text;
    int64_t         ints[ATTR_INTS];
    float           floats[ATTR_INTS];
    int             len;
    blind_dtype     dtype; /* of a tensor of `len` ints or of the float f */
} graph_attr;

/* How errors of inputs reach outputs, and what an operator adds of its own: see graph_bounds.c. */
typedef enum {
    RULE_MOVE,   /* elements as they are                              */
    RULE_JUMP,   /* of exact inputs alone                             */
    RULE_SMOOTH, /* slope times the inputs' error                     */
    RULE_ADD,    /* the sum of the inputs' errors                     */
    RULE_MUL,
    RULE_DIV,
    RULE_EXP,
    RULE_LOG,
    RULE_SQRT,
    RULE_SUM,   /* of `terms` elements                                */
    RULE_DOT,   /* sums of `terms` products of inputs 0 and 1, then 2 */
    RULE_ROUND, /* to whole numbers: one more or less                 */
    RULE_LOOSE, /* of exact inputs, within `own`                      */
} graph_rule;

typedef struct {
    const char *type, *domain;
    int         in[NODE_IN], out[NODE_OUT]; /* -1: left out */
    int         n_in, n_out;
    graph_attr  attrs[NODE_ATTRS];
    int         n_attrs;
    graph_rule  rule;
    bool        doubt; /* nothing is known of what it gives */
    double      slope, terms;
    double      ulps; /* of the result, on another instruction set than scalar's; 0: none */
    double      own;  /* absolute, on another instruction set */
    double      peer; /* relative to the largest, of another implementation; 0: as ulps */
    double      held; /* the largest factor that attributes hold, of a RULE_DOT of one input */
    int         body;
} graph_node;

/* A graph within the graph; its nodes are those that name it. */
typedef struct {
    int around; /* the body that it lies in; 0: the graph itself */
    int in[BODY_PORTS], out[BODY_PORTS];
    int n_in, n_out;
} graph_body;

typedef struct {
    graph_value value[GRAPH_VALUES];
    graph_node  node[GRAPH_NODES];
    graph_body  body[GRAPH_BODIES + 1]; /* from 1 */
    int         n_values, n_nodes, n_bodies;
    int         inside; /* the body that is being made; 0: none */
    int         opset;
    bool        large; /* up to the edges of blocked kernels */
    bool        full;  /* no room for more */
    /* Choices. */
    const uint8_t *bytes;
    size_t         left;
    uint64_t       random;
    size_t         used;
    _Alignas(64) uint8_t memory[GRAPH_MEMORY];
} graph;

/* Always makes at least one node. */
void graph_make(graph *g, const uint8_t *data, size_t size);
/* New numbers in the inputs, from another seed; weights stay. */
void graph_refill(graph *g, uint64_t seed);

/* A ModelProto.  Its outputs are all values that nodes make, or those that no node reads.
 * Value i is called "v<i>". */
void graph_write(const graph *g, bool all, bl_buf *out);
/* Whether value i is an output of it. */
bool graph_is_output(const graph *g, bool all, int i);

/* How far a value may be off: absolute + relative * |value|; absolute INFINITY: anything. */
typedef struct {
    double absolute, relative;
} graph_bound;

typedef struct {
    double product; /* of sums of products, relative to the sum of their magnitudes */
    bool   fused;   /* nodes may have been joined: float arithmetic rounds otherwise */
    bool   other;   /* not scalar code */
    bool   peer;    /* another implementation */
} graph_mode;

/* seen[i]: value i of a run; data NULL where it is not known, which makes what it reaches unknown.
 */
void graph_bounds(const graph *g, const blind_tensor *seen, const graph_mode *mode,
                  graph_bound *out);

/* True when got is another tensor than want, beyond the bound; `why` says where. */
bool graph_differs(const blind_tensor *want, const blind_tensor *got, graph_bound bound, char *why,
                   size_t size);

/* The graph for people. */
void graph_print(const graph *g);

/* For templates: graph_*.c.  ----------------------------------------------------------------- */

#define ANY_OF(dtype) (1u << BLIND_##dtype)
enum {
    REAL32 = ANY_OF(F32),
    REALS = ANY_OF(F32) | ANY_OF(F64) | ANY_OF(F16) | ANY_OF(BF16),
    SIGNED = ANY_OF(I8) | ANY_OF(I16) | ANY_OF(I32) | ANY_OF(I64),
    UNSIGNED = ANY_OF(U8) | ANY_OF(U16) | ANY_OF(U32) | ANY_OF(U64),
    INTEGERS = SIGNED | UNSIGNED,
    NUMBERS = REALS | INTEGERS,
    EVERYTHING = NUMBERS | ANY_OF(BOOL),
    ANYTHING = EVERYTHING | ANY_OF(STRING),
};

/* 0..n-1 */
unsigned graph_roll(graph *g, unsigned n);
/* low..high */
int64_t graph_between(graph *g, int64_t low, int64_t high);
/* One in n. */
bool graph_chance(graph *g, unsigned n);

/* A shape of min..max axes, small. */
int graph_shape(graph *g, int min, int max, int64_t *dim);
/* A size of one axis for products and planes: around the tiles of kernels when the graph is large.
 */
int64_t graph_side(graph *g);
/* A type of the mask. */
blind_dtype graph_type(graph *g, unsigned mask);

/* A leaf; -1 when there is no room.  Numbers of every type. */
int graph_leaf(graph *g, blind_dtype dtype, int rank, const int64_t *dim, graph_fill fill);
/* Whole numbers of low..high; `weight`: never an input. */
int graph_numbers(graph *g, blind_dtype dtype, int rank, const int64_t *dim, int64_t low,
                  int64_t high);
/* A constant of I64 with these numbers, one axis. */
int graph_list(graph *g, const int64_t *list, int len);
/* A constant number without axes. */
int graph_number(graph *g, blind_dtype dtype, double number);
/* What kind of floats this graph likes. */
graph_fill graph_floats(graph *g);

/* A value of a type in the mask with min..max axes: the latest that fits, or a new leaf.  `smooth`:
 * it may have been rounded. */
int graph_take(graph *g, unsigned mask, int min, int max, bool rough);
/* Another of the same type and of a shape that broadcasts with it. */
int graph_partner(graph *g, int v, bool rough);

/* A node; its inputs are marked as read. */
graph_node *graph_add(graph *g, const char *type, int n_in, const int *in);
/* An output of it, at its end; rank -1: only a run tells. */
int  graph_result(graph *g, graph_node *n, blind_dtype dtype, int rank, const int64_t *dim);
int  graph_result_like(graph *g, graph_node *n, int v);
void graph_attr_int(graph_node *n, const char *name, int64_t i);
void graph_attr_float(graph_node *n, const char *name, float f);
void graph_attr_text(graph_node *n, const char *name, const char *text);
void graph_attr_list(graph_node *n, const char *name, const int64_t *list, int len);
void graph_attr_floats(graph_node *n, const char *name, const float *list, int len);
void graph_attr_words(graph_node *n, const char *name, const int64_t *words, int len);
void graph_attr_body(graph_node *n, const char *name, int body);

/* Strings of which some are letters, some numbers, one is empty and one no ASCII; from GRAPH_WORDS
 * on the modes of trees' nodes, the first of which is a leaf's. */
const char *graph_word(int64_t i);
enum { GRAPH_WORDS = 12, GRAPH_MODES = 7, GRAPH_WORD_SIZE = 8 };

/* A body: what is made until its end is in it, and reads what lies around.  0: no room. */
int  graph_body_begin(graph *g);
int  graph_body_input(graph *g, blind_dtype dtype, int rank, const int64_t *dim);
void graph_body_output(graph *g, int v);
void graph_body_end(graph *g);
/* A node or several in it, from a template that fits there. */
void graph_body_add(graph *g);

size_t                     graph_len(const graph_value *v);
static inline graph_value *graph_at(graph *g, int v)
{
    return &g->value[v];
}

/* A template adds a node or several; false when it could not. */
typedef bool graph_template(graph *g);
typedef struct {
    graph_template *make;
    unsigned        weight;
} graph_family;

extern const graph_family graph_elements[], graph_moves[], graph_nets[], graph_control[],
    graph_texts[], graph_learned[], graph_microsoft[];
extern const size_t graph_elements_len, graph_moves_len, graph_nets_len, graph_control_len,
    graph_texts_len, graph_learned_len, graph_microsoft_len;

#endif
