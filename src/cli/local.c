/* Loads what `blind run` and `blind bench` work on. */
#include "cli/local.h"

#include "base/clock.h"
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

/* A pipeline.toml becomes the one file that a server would get. */
static blind_code open_file(bl_local *l, const char *path, blind_span *out, blind_error *err)
{
    size_t size = strlen(path);
    if (size > 5 && strcmp(path + size - 5, ".toml") == 0) {
        BL_TRY(bl_pipeline_pack(path, &l->packed, err));
        *out = bl_buf_span(&l->packed);
        return BLIND_OK;
    }
    BL_TRY(bl_file_map(path, &l->file, err));
    *out = l->file.bytes;
    return BLIND_OK;
}

blind_code bl_local_open(const bl_args *args, bl_local *l, blind_error *err)
{
    *l = (bl_local){ 0 };
    const char *path = bl_args_text(args, "model");
    blind_span  file;
    BL_TRY(bl_tensor_files_read(args, &l->arena, &l->inputs, &l->n_inputs, err));
    BL_TRY(bl_pool_new((int)bl_args_integer(args, "threads"), &l->pool, err));
    uint64_t start = bl_clock_ns();
    BL_TRY(open_file(l, path, &file, err));
    if (bl_sha256(file, l->sha256) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "run.hash", "cannot hash the file");
    bl_onnx_options options = {
        .pool = l->pool, .isa = bl_isa_best(), .unneeded = drop_pages, .unneeded_arg = &l->file
    };
    (void)bl_precision_from_name(bl_args_text(args, "precision"), &options.precision);
    blind_code       code = bl_pipeline_open(file, &options, &l->model, err);
    bl_pipeline_run *run = NULL;
    if (code == BLIND_OK && l->n_inputs) /* plans for these shapes */
        code = bl_pipeline_run_new(l->model, l->inputs, l->n_inputs, &run, err);
    bl_pipeline_run_free(run);
    l->load_ms = (double)(bl_clock_ns() - start) / 1e6;
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

void bl_local_close(bl_local *l)
{
    bl_pipeline_close(l->model);
    bl_pool_free(l->pool);
    bl_file_unmap(&l->file);
    bl_buf_done(&l->packed);
    bl_arena_done(&l->arena);
    *l = (bl_local){ 0 };
}

blind_code bl_local_run(bl_local *l, bl_pipeline_run **out, blind_error *err)
{
    BL_TRY(bl_pipeline_run_new(l->model, l->inputs, l->n_inputs, out, err));
    blind_code code = bl_pipeline_run_step(*out, 0, err);
    if (code != BLIND_OK) {
        bl_pipeline_run_free(*out);
        *out = NULL;
    }
    return code;
}
