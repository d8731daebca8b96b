/* Reading a model, between its files: parse.c (graphs and nodes), parse_attr.c, parse_port.c,
 * parse_function.c, parse_fused.c.
 *
 * A scope is a set of names over one graph: the model's own, that of a body, or that of a call of a
 * function, whose nodes go to the graph of the call.
 *
 *     main graph --- names it lacks? none
 *       `- body of a node: taken from the scope around it, and listed as captured
 *       `- call of a function: the same graph, its own names, nothing from around it */
#ifndef BL_ONNX_PARSE_H
#define BL_ONNX_PARSE_H

#include "onnx/graph.h"
#include "onnx/names.h"
#include "onnx/wire.h"

/* What is one for the whole file. */
typedef struct {
    bl_arena            *arena;
    const bl_onnx_files *files; /* for weights beside the model, or NULL */
    bl_model            *model;
    size_t               expanded; /* nodes and calls so far, in all graphs */
    blind_error         *err;
} bl_parsing;

typedef struct bl_scope bl_scope;
struct bl_scope {
    bl_parsing     *all;
    bl_body        *body;
    bl_graph       *graph;  /* &body->graph */
    bl_scope       *around; /* where a body finds the names it lacks, or NULL */
    bl_names        names;
    const bl_opset *opsets;
    size_t          n_opsets;
    const bl_attr  *given; /* attributes of the call, for ref_attr_name; NULL outside functions */
    size_t          n_given;
    bool            in_function;
    unsigned        depth;
};

enum { BL_SCOPE_ABSENT = -2 }; /* the value of a formal input that the call leaves out */

blind_code bl_parse_no_memory(const bl_scope *s);
blind_code bl_parse_malformed(const bl_scope *s, const char *what);

/* A name: text in one line, so that messages and file names made of it stay harmless. */
BLIND_MUST_USE blind_code bl_parse_name(const bl_scope *s, blind_span bytes, const char **out);

/* The value of a name here or around; -1 where there is none, or BL_SCOPE_ABSENT. */
int32_t bl_scope_find(bl_scope *s, const char *name);

BLIND_MUST_USE blind_code bl_parse_attr(bl_scope *s, blind_span message, bl_attr *out);
BLIND_MUST_USE blind_code bl_parse_port(bl_scope *s, blind_span message, bl_onnx_port *out);
BLIND_MUST_USE blind_code bl_parse_node(bl_scope *s, blind_span message);
/* Puts a node into the graph.  Its outputs are named in the message; without one they are there. */
BLIND_MUST_USE blind_code bl_parse_append(bl_scope *s, blind_span message, bl_node *n);
/* The graph of an attribute. */
BLIND_MUST_USE blind_code bl_parse_body(bl_scope *s, blind_span message, bl_body **out);
BLIND_MUST_USE blind_code bl_parse_opset(const bl_scope *s, blind_span message, bl_opset *out);

/* parse_function.c: which function a node calls, or NULL. */
const bl_function        *bl_function_find(const bl_model *m, const char *domain, const char *name,
                                           const char *overload);
BLIND_MUST_USE blind_code bl_function_read(const bl_scope *s, blind_span message, bl_function *out);
/* Puts the nodes of the function in place of the node, whose edges and attributes are read. */
BLIND_MUST_USE blind_code bl_function_expand(bl_scope *s, const bl_function *f, const bl_node *call,
                                             blind_span message);

/* parse_fused.c: the same for nodes that stand for several of the default domain. */
bool                      bl_fused_is(const bl_node *n);
BLIND_MUST_USE blind_code bl_fused_expand(bl_scope *s, const bl_node *fused, blind_span message);

#endif
