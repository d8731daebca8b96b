/* The cases of a file of tests/onnx/data, one after another.  Made by make_cases.py and its kin. */
#ifndef BL_TEST_ONNX_CASES_H
#define BL_TEST_ONNX_CASES_H

#include "tests/test.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/npy.h"
#include "base/reader.h"
#include "onnx/onnx.h"

enum { CASE_TENSORS = 16 };

typedef struct {
    const char  *name;
    blind_span   model;
    blind_tensor inputs[CASE_TENSORS], outputs[CASE_TENSORS];
    size_t       n_inputs, n_outputs;
} onnx_case;

static inline blind_span case_piece(bl_reader *r)
{
    uint32_t size = bl_read_u32le(r);
    return bl_read_bytes(r, size);
}

/* Strings: "STR", rank, dims, then each with its size in front, as clients send them. */
static inline void case_strings(blind_span item, bl_arena *arena, blind_tensor *out)
{
    bl_reader r = { .rest = item };
    bl_skip(&r, 3);
    *out = (blind_tensor){ .dtype = BLIND_STRING, .rank = bl_read_u8(&r) };
    for (int i = 0; i < out->rank; i++)
        out->shape[i] = (int64_t)bl_read_le(&r, 8);
    out->size = r.rest.size;
    out->data = bl_arena_copy(arena, r.rest);
}

/* A tensor: strings or a .npy file. */
static inline void case_tensor(bl_reader *r, bl_arena *arena, const char *name, blind_tensor *out)
{
    blind_span item = case_piece(r);
    if (item.size > 3 && memcmp(item.data, "STR", 3) == 0)
        case_strings(item, arena, out);
    else
        CHECK_CODE(BLIND_OK, bl_npy_read(item, arena, out, NULL), name);
    out->name = name;
}

static inline size_t case_tensors(bl_reader *r, bl_arena *arena, blind_tensor *out)
{
    size_t n = bl_read_u32le(r);
    CHECK(n <= CASE_TENSORS);
    for (size_t i = 0; i < n; i++) {
        const char *name = bl_arena_copy(arena, case_piece(r));
        case_tensor(r, arena, name, &out[i]);
    }
    return n;
}

/* The next case, in the arena; false at the end. */
static inline bool case_next(bl_reader *r, bl_arena *arena, onnx_case *out)
{
    if (r->rest.size == 0)
        return false;
    out->name = bl_arena_copy(arena, case_piece(r));
    out->model = case_piece(r);
    out->n_inputs = case_tensors(r, arena, out->inputs);
    out->n_outputs = case_tensors(r, arena, out->outputs);
    CHECK(!r->failed);
    return true;
}

static inline void cases_open_file(const char *path, bl_buf *file, bl_reader *r)
{
    CHECK_CODE(BLIND_OK, bl_file_read(path, 64u << 20, file, NULL), path);
    *r = (bl_reader){ .rest = bl_span(file->data, file->size) };
}

static inline void cases_open(bl_buf *file, bl_reader *r)
{
    cases_open_file("tests/onnx/data/cases.bin", file, r);
}

/* The model of one case, copied; the test fails when there is none. */
static inline blind_span case_model(bl_arena *arena, const char *name, onnx_case *whole)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    cases_open(&file, &r);
    while (case_next(&r, arena, whole))
        if (strcmp(whole->name, name) == 0) {
            whole->model = bl_span(bl_arena_copy(arena, whole->model), whole->model.size);
            return whole->model;
        }
    fail_msg("no case %s", name);
    return (blind_span){ 0 };
}

/* NULL where the model has no output of this name. */
static inline const blind_tensor *case_output(bl_onnx *model, const bl_onnx_run *run,
                                              const char *name)
{
    size_t              len;
    const bl_onnx_port *ports = bl_onnx_outputs(model, &len);
    for (size_t i = 0; i < len; i++)
        if (strcmp(ports[i].name, name) == 0)
            return bl_onnx_run_output(run, i);
    return NULL;
}

#endif
