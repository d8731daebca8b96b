/* Loads what `blind run` and `blind bench` work on. */
#include "cli/local.h"

#include "base/clock.h"
#include "base/npy.h"
#include "crypto/hash.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Weights that were packed are not read again: their pages need not stay in memory. */
static void drop_pages(void *arg, blind_span part)
{
    const bl_mapping *file = arg;
    uintptr_t         page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)part.data;
    if (start < (uintptr_t)file->bytes.data ||
        start >= (uintptr_t)file->bytes.data + file->bytes.size)
        return;
    uintptr_t from = (start + page - 1) & ~(page - 1), to = (start + part.size) & ~(page - 1);
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

static size_t count_inputs(const bl_args *args)
{
    size_t n = 0;
    while (bl_args_nth(args, "input", n))
        n++;
    return n;
}

static blind_code read_input(bl_local *l, const char *text, blind_tensor *out, blind_error *err)
{
    char        name[256];
    const char *path;
    bl_auto_buf bytes = BL_BUF_EMPTY;
    BL_TRY(bl_args_pair(text, name, sizeof name, &path, err));
    BL_TRY(bl_file_read(path, SIZE_MAX / 4, &bytes, err));
    blind_code code = bl_npy_read(bl_span(bytes.data, bytes.size), &l->arena, out, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "'%s'", path);
    out->name = bl_arena_copy(&l->arena, bl_span_str(name));
    return out->name ? BLIND_OK : blind_fail(err, BLIND_MEMORY, "run.input", "out of memory");
}

static blind_code read_inputs(const bl_args *args, bl_local *l, blind_error *err)
{
    size_t n = count_inputs(args);
    l->inputs = bl_arena_array(&l->arena, n + 1, sizeof *l->inputs);
    if (!l->inputs)
        return blind_fail(err, BLIND_MEMORY, "run.input", "out of memory");
    for (; l->n_inputs < n; l->n_inputs++)
        BL_TRY(
            read_input(l, bl_args_nth(args, "input", l->n_inputs), &l->inputs[l->n_inputs], err));
    return BLIND_OK;
}

blind_code bl_local_open(const bl_args *args, bl_local *l, blind_error *err)
{
    *l = (bl_local){ 0 };
    const char *path = bl_args_text(args, "model");
    BL_TRY(read_inputs(args, l, err));
    BL_TRY(bl_pool_new((int)bl_args_integer(args, "threads"), &l->pool, err));
    uint64_t start = bl_clock_ns();
    BL_TRY(bl_file_map(path, &l->file, err));
    if (bl_sha256(l->file.bytes, l->sha256) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "run.hash", "cannot hash the file");
    bl_onnx_options options = {
        .pool = l->pool, .isa = bl_isa_best(), .unneeded = drop_pages, .unneeded_arg = &l->file
    };
    (void)bl_precision_from_name(bl_args_text(args, "precision"), &options.precision);
    blind_code   code = bl_onnx_open(l->file.bytes, &options, &l->model, err);
    bl_onnx_run *run = NULL;
    if (code == BLIND_OK && l->n_inputs) /* plans for these shapes */
        code = bl_onnx_run_new(l->model, l->inputs, l->n_inputs, &run, err);
    bl_onnx_run_free(run);
    l->load_ms = (double)(bl_clock_ns() - start) / 1e6;
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

void bl_local_close(bl_local *l)
{
    bl_onnx_close(l->model);
    bl_pool_free(l->pool);
    bl_file_unmap(&l->file);
    bl_arena_done(&l->arena);
    *l = (bl_local){ 0 };
}

blind_code bl_local_run(bl_local *l, bl_onnx_run **out, blind_error *err)
{
    BL_TRY(bl_onnx_run_new(l->model, l->inputs, l->n_inputs, out, err));
    blind_code code = bl_onnx_run_step(*out, 0, err);
    if (code != BLIND_OK) {
        bl_onnx_run_free(*out);
        *out = NULL;
    }
    return code;
}
