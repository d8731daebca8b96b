/* Memory with one owner and one end: a request, an appraisal and a graph plan each have one. */
#ifndef BL_ARENA_H
#define BL_ARENA_H

#include "base/base.h"

typedef struct bl_arena_block bl_arena_block;

typedef struct {
    bl_arena_block *first;
    size_t          used;   /* bytes handed out in all */
    size_t          max;    /* 0: no bound but memory */
    bool            secret; /* wiped when it ends */
} bl_arena;

#define BL_ARENA_EMPTY ((bl_arena){ 0 })

void bl_arena_done(bl_arena *a);
#define bl_auto_arena __attribute__((cleanup(bl_arena_done))) bl_arena

/* Zeroed memory aligned to 64 bytes for 64 bytes or more, to 16 else; NULL when there is none. */
void *bl_arena_alloc(bl_arena *a, size_t size);
/* The same for count elements of size, overflow checked. */
void *bl_arena_array(bl_arena *a, size_t count, size_t size);
/* A NUL-terminated copy. */
char *bl_arena_copy(bl_arena *a, blind_span bytes);
char *bl_arena_printf(bl_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
