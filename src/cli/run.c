/* `blind run`: one inference with a model file on this machine. */
#include "cli/commands.h"
#include "cli/local.h"
#include "cli/profile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void print_output(const char *path, const bl_onnx_value *v)
{
    const blind_tensor *t = v->items;
    if (v->kind == BL_ONNX_NOTHING) {
        printf("%s: no value\n", v->name);
    } else if (v->kind == BL_ONNX_SEQUENCE) {
        printf("%s: a sequence of %zu\n", path, v->len);
    } else {
        printf("%s: %s [", path, blind_dtype_name(t->dtype));
        for (int i = 0; i < t->rank; i++)
            printf("%s%lld", i ? ", " : "", (long long)t->shape[i]);
        printf("]\n");
    }
}

static blind_code write_output(const char *dir, const bl_onnx_value *v, bl_args *args, json_t *list,
                               blind_error *err)
{
    char path[4096];
    BL_TRY(bl_value_file_write(v, dir, path, err));
    if (args->json && *path)
        json_array_append_new(list, json_string(path));
    if (!args->json)
        print_output(path, v);
    return BLIND_OK;
}

/* The run itself; with --profile a table on stderr and DIR/trace.json beside the outputs. */
static blind_code compute(const bl_args *args, bl_local *local, const char *dir,
                          bl_pipeline_run **out, blind_error *err)
{
    bl_auto_profile p = { 0 };
    char            path[4096];
    if (!bl_args_has(args, "profile"))
        return bl_local_run(local, out, err);
    if ((size_t)snprintf(path, sizeof path, "%s/trace.json", dir) >= sizeof path)
        return blind_fail(err, BLIND_USAGE, "run.output", "too long a path: '%.100s'", dir);
    bl_profile_start(&p, bl_pipeline_model(local->model));
    blind_code code = bl_local_run(local, out, err);
    bl_profile_stop(bl_pipeline_model(local->model));
    BL_TRY(code);
    bl_profile_print(&p, stderr);
    code = bl_profile_write(&p, path, err);
    if (code != BLIND_OK)
        bl_pipeline_run_free(*out);
    return code;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_local    local = { 0 };
    bl_pipeline_run *done = NULL;
    const char      *dir = bl_args_text(args, "output-dir");
    size_t           n;
    BL_TRY(bl_local_open(args, &local, err));
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return bl_errno_fail(err, "run.output", "make", dir, errno);
    BL_TRY(compute(args, &local, dir, &done, err));
    json_t    *list = json_array();
    blind_code code = BLIND_OK;
    bl_pipeline_outputs(local.model, &n);
    for (size_t i = 0; i < n && code == BLIND_OK; i++)
        code = write_output(dir, bl_pipeline_run_value(done, i), args, list, err);
    bl_pipeline_run_free(done);
    if (code == BLIND_OK && args->json)
        return bl_args_print_json(args, json_pack("{s:i,s:o}", "version", 1, "outputs", list), err);
    json_decref(list);
    return code;
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_LOCAL,
    { .name = "output-dir", .kind = BL_DIR, .arg = "DIR", .required = true,
      .help = "where each output goes, as NAME.npy; made when it is not there" },
    { .name = "profile", .kind = BL_FLAG,
      .help = "print the time of each node, after fusion, on stderr, and write DIR/trace.json, a "
              "Chrome trace" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_run = {
    .name = "run",
    .summary = "run a model file once on this machine, without a server",
    .about = "Reads the model and its inputs, computes, and writes each output as a NumPy file, "
             "strings as a text file, a sequence as a folder of 0.npy, 1.npy and so on; "
             "an optional without a value is not written. An input may be such a folder. "
             "Characters of an output's name outside [A-Za-z0-9._-] become "
             "\"_\" in its file name.",
    .options = options,
    .examples = "blind run --model digits.onnx --input image=one.npy --output-dir out\n"
                "blind run --model pipeline.toml --input image=chest.png --output-dir out",
    .exits = "3  the model needs what is not supported; the message names operator, node and opset",
    .run = run,
};
