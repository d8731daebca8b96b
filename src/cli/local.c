/* Loads what `blind run` and `blind bench` work on. */
#include "cli/local.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

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

/* A model may lack thousands: what is told is bounded. */
static void tell_unsupported(void *arg, const char *domain, const char *type, const char *name,
                             int64_t opset)
{
    enum { MOST = 100 };
    size_t *told = arg;
    if (++*told <= MOST)
        fprintf(stderr, "not supported: %s%s%s of node '%s', opset %lld\n", domain,
                *domain ? "." : "", type, name, (long long)opset);
    if (*told == MOST + 1)
        fprintf(stderr, "not supported: more\n");
}

static blind_code open_model(const bl_args *args, bl_local *l, blind_span file, blind_error *err)
{
    size_t           told = 0;
    bl_onnx_options  options = { .pool = l->pool,
                                 .packing = l->pool,
                                 .isa = bl_isa_best(),
                                 .needed = bl_hash_along_needed,
                                 .unneeded = bl_hash_along_unneeded,
                                 .needed_arg = &l->along };
    bl_pipeline_run *run = NULL;
    (void)bl_precision_from_name(bl_args_text(args, "precision"), &options.precision);
    options.files = (bl_onnx_files){ bl_external_file, &l->external };
    if (!args->json) {
        options.unsupported = tell_unsupported;
        options.unsupported_arg = &told;
    }
    if (bl_args_has(args, "max-memory"))
        options.max_memory = (size_t)bl_args_integer(args, "max-memory") << 20;
    BL_TRY(bl_pipeline_open(file, &options, &l->model, err));
    if (l->n_inputs) /* plans for these shapes */
        BL_TRY(bl_pipeline_run_start(l->model, l->inputs, l->n_inputs, &run, err));
    bl_pipeline_run_free(run);
    return BLIND_OK;
}

blind_code bl_local_open(const bl_args *args, bl_local *l, blind_error *err)
{
    *l = (bl_local){ 0 };
    const char *path = bl_args_text(args, "model");
    blind_span  file;
    l->external.folder = -1;
    BL_TRY(bl_external_open(path, &l->external, err));
    if (bl_args_has(args, "deadline"))
        l->deadline_ns = (uint64_t)bl_args_integer(args, "deadline") * 1000000000u;
    BL_TRY(bl_value_files_read(args, &l->arena, &l->inputs, &l->n_inputs, err));
    BL_TRY(bl_pool_new((int)bl_args_integer(args, "threads"), &l->pool, err));
    uint64_t start = bl_clock_ns();
    BL_TRY(open_file(l, path, &file, err));
    bl_hash_along_begin(&l->along, &l->file, file);
    blind_code code = open_model(args, l, file, err);
    if (bl_hash_along_end(&l->along, l->sha256) != BLIND_OK && code == BLIND_OK)
        code = blind_fail(err, BLIND_FAILED, "run.hash", "cannot hash the file");
    l->load_ms = (double)(bl_clock_ns() - start) / 1e6;
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

void bl_local_close(bl_local *l)
{
    bl_pipeline_close(l->model);
    bl_pool_free(l->pool);
    bl_file_unmap(&l->file);
    bl_buf_done(&l->packed);
    bl_external_close(&l->external);
    bl_arena_done(&l->arena);
    *l = (bl_local){ 0 };
}

static bool is_late(void *until_ns)
{
    return bl_clock_ns() >= *(uint64_t *)until_ns;
}

static blind_code run_until(const bl_local *l, bl_pipeline_run *run, blind_error *err)
{
    enum { STEP_NS = 10000000 };
    uint64_t   until = bl_clock_ns() + l->deadline_ns;
    blind_code code;
    if (l->deadline_ns)
        bl_pipeline_run_watch(run, is_late, &until);
    do
        code = bl_pipeline_run_step(run, l->deadline_ns ? STEP_NS : 0, err);
    while (code == BLIND_AGAIN && !is_late(&until));
    return code != BLIND_AGAIN && code != BLIND_CANCELLED
               ? code
               : blind_fail(err, BLIND_TIMEOUT, "run.deadline",
                            "the model was not done within %llu seconds",
                            (unsigned long long)(l->deadline_ns / 1000000000u));
}

blind_code bl_local_run(bl_local *l, bl_pipeline_run **out, blind_error *err)
{
    BL_TRY(bl_pipeline_run_start(l->model, l->inputs, l->n_inputs, out, err));
    blind_code code = run_until(l, *out, err);
    if (code != BLIND_OK) {
        bl_pipeline_run_free(*out);
        *out = NULL;
    }
    return code;
}
