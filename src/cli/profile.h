/* Where the time of a run goes: node by node, after fusion. */
#ifndef BL_CLI_PROFILE_H
#define BL_CLI_PROFILE_H

#include "onnx/onnx.h"

#include <stdio.h>

typedef struct {
    const char *type, *name;  /* of the model, which outlives the profile */
    uint64_t    start_ns, ns; /* since the profile started */
} bl_profile_node;

typedef struct {
    uint64_t         started_ns;
    bl_profile_node *nodes;               /* in the order in which they ran */
    size_t           len, capacity, lost; /* lost: no memory to note them */
} bl_profile;

/* Notes every node that the model runs, until bl_profile_stop(). */
void bl_profile_start(bl_profile *p, bl_onnx *model);
void bl_profile_stop(bl_onnx *model);
void bl_profile_done(bl_profile *p);
#define bl_auto_profile __attribute__((cleanup(bl_profile_done))) bl_profile

/* A table of the nodes, and one of the operators, the dearest first. */
void bl_profile_print(const bl_profile *p, FILE *to);

/* Writes the nodes as complete events ("X", microseconds), for chrome://tracing and Perfetto.
 * Source: Trace Event Format. */
BLIND_MUST_USE blind_code bl_profile_write(const bl_profile *p, const char *path, blind_error *err);

#endif
