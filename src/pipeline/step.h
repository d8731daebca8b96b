/* Steps: what is done to one tensor before the model reads it or after the model wrote it.
 *
 * A step is a row and two functions: `prepare` reads its table of pipeline.toml once, `run` turns
 * the tensor into the next.  Rows are grouped by what they work on: step_image.c, step_audio.c,
 * step_text.c, step_scores.c. */
#ifndef BL_STEP_H
#define BL_STEP_H

#include "base/arena.h"
#include "base/toml.h"
#include "blind/tensor.h"
#include "pipeline/archive.h"

/* What prepare works with. */
typedef struct {
    const bl_toml    *table; /* of the step; its keys are known and its operation is right */
    const bl_archive *files;
    bl_arena         *arena; /* of the pipeline */
    blind_error      *err;
} bl_step_build;

#define BL_STEP_MORE 2

/* What run works with: the tensor that came, replaced by what comes of it. */
typedef struct {
    blind_tensor t;                  /* data not NULL; numbers lie aligned */
    blind_tensor more[BL_STEP_MORE]; /* what a step gives beside it, with a name of its own */
    size_t       more_len;
    bl_arena    *arena; /* of the run: bounded and wiped at its end */
    blind_error *err;
} bl_step_run;

typedef struct {
    const char *name;    /* "resize" */
    const char *keys[6]; /* that its table may have beside "op" */
    blind_dtype takes;   /* of a first step: what clients send */
    int         rank;    /* the same; -1: any */
    blind_dtype gives;   /* of a last step */
    blind_code (*prepare)(const bl_step_build *b, void **params);
    blind_code (*run)(const void *params, bl_step_run *r);
} bl_step_row;

extern const bl_step_row bl_image_steps[], bl_audio_steps[], bl_text_steps[], bl_score_steps[];

/* For prepare.  All fail with INPUT and name line and column. --------------------------------- */

blind_code bl_step_fail(const bl_step_build *b, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
BLIND_MUST_USE blind_code bl_step_params(const bl_step_build *b, size_t size, void *out);
bool                      bl_step_has(const bl_step_build *b, const char *key);
/* The value of a key, `otherwise` where it is left out; min <= value <= max. */
BLIND_MUST_USE blind_code bl_step_int(const bl_step_build *b, const char *key, int64_t otherwise,
                                      int64_t min, int64_t max, int64_t *out);
BLIND_MUST_USE blind_code bl_step_number(const bl_step_build *b, const char *key, double otherwise,
                                         double *out);
BLIND_MUST_USE blind_code bl_step_bool(const bl_step_build *b, const char *key, bool otherwise,
                                       bool *out);
/* Which of the len words; the first where it is left out. */
BLIND_MUST_USE blind_code bl_step_choice(const bl_step_build *b, const char *key,
                                         const char *const *words, size_t len, int *out);
/* A text, copied; data is NULL where it is left out. */
BLIND_MUST_USE blind_code bl_step_text(const bl_step_build *b, const char *key, blind_span *out);
/* A number or an array of at most max numbers; *len is 0 where it is left out. */
BLIND_MUST_USE blind_code bl_step_numbers(const bl_step_build *b, const char *key, double *out,
                                          size_t max, size_t *len);
/* The file that a key names, which must be there. */
BLIND_MUST_USE blind_code bl_step_file(const bl_step_build *b, const char *key, blind_span *out);
/* Its lines, without their ends and without an empty last one. */
BLIND_MUST_USE blind_code bl_step_lines(const bl_step_build *b, const char *key, blind_span **out,
                                        size_t *len);

/* For run.  ---------------------------------------------------------------------------------- */

/* A tensor with room for its elements. Errors: LIMIT (past the run's memory, or an overflow) */
BLIND_MUST_USE blind_code bl_step_tensor(bl_step_run *r, blind_dtype dtype, int rank,
                                         const int64_t *shape, blind_tensor *out);
/* INPUT unless the tensor has this type and rank (-1: any). */
BLIND_MUST_USE blind_code bl_step_want(const bl_step_run *r, const char *op, blind_dtype dtype,
                                       int rank);
/* Makes a tensor of numbers F32. */
BLIND_MUST_USE blind_code bl_step_to_f32(bl_step_run *r, const char *op);
size_t                    bl_step_len(const blind_tensor *t); /* elements */
/* A tensor of strings: filled by adding each, then closed. */
typedef struct {
    bl_buf bytes;
} bl_step_strings;
void                      bl_step_strings_add(bl_step_strings *s, blind_span text);
BLIND_MUST_USE blind_code bl_step_strings_end(bl_step_strings *s, bl_step_run *r, int rank,
                                              const int64_t *shape);

#endif
