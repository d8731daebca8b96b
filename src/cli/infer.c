/* blind infer: runs a model on a server that proved itself, arrays in and out as .npy files. */
#include "base/file.h"
#include "cli/connect.h"
#include "cli/tensor_file.h"

#include <errno.h>
#include <sys/stat.h>

static blind_code write_output(const blind_tensor *t, const char *dir, json_t *list,
                               blind_error *err)
{
    char path[4096];
    BL_TRY(bl_tensor_file_write(t, dir, path, err));
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer(t->shape[i]));
    json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "name", t->name ? t->name : "",
                                          "datatype", blind_dtype_kserve(t->dtype), "shape", shape,
                                          "file", path));
    return BLIND_OK;
}

static void print_list(const json_t *list)
{
    size_t  i;
    json_t *row;
    json_array_foreach(list, i, row)
    {
        size_t  axis;
        json_t *extent;
        printf("%s  %s [", json_string_value(json_object_get(row, "name")),
               json_string_value(json_object_get(row, "datatype")));
        json_array_foreach(json_object_get(row, "shape"), axis, extent)
            printf("%s%lld", axis ? ", " : "", (long long)json_integer_value(extent));
        printf("]  %s\n", json_string_value(json_object_get(row, "file")));
    }
}

static blind_code write_outputs(bl_args *args, const blind_outputs *outputs, blind_error *err)
{
    const char *dir = bl_args_text(args, "output-dir");
    json_t     *list = json_array();
    blind_code  code = BLIND_OK;
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        code = bl_errno_fail(err, "infer.output", "create", dir, errno);
    for (size_t i = 0; code == BLIND_OK && i < outputs->count; i++)
        code = write_output(&outputs->tensors[i], dir, list, err);
    if (code == BLIND_OK && args->json)
        return bl_args_print_json(args,
                                  json_pack("{s:i, s:f, s:o}", "version", 1, "inference_time_ms",
                                            outputs->inference_time_ms, "outputs", list),
                                  err);
    if (code == BLIND_OK)
        print_list(list);
    json_decref(list);
    return code;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_arena   arena = { .secret = true };
    bl_auto_client *client = NULL;
    blind_tensor   *inputs;
    size_t          count;
    BL_TRY(bl_tensor_files_read(args, &arena, &inputs, &count, err));
    BL_TRY(bl_cli_connect(args, bl_args_operand(args, 0), &client, NULL, err));
    blind_outputs outputs;
    BL_TRY(blind_client_infer(client, bl_args_text(args, "model"), inputs, count, &outputs, err));
    blind_code code = write_outputs(args, &outputs, err);
    blind_outputs_done(&outputs);
    return code;
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_CONNECT,
    BL_OPTION_TOKEN,
    { .name = "model", .kind = BL_TEXT, .arg = "NAME", .required = true,
      .help = "the model, as it was uploaded" },
    BL_OPTIONS_TENSORS,
    { .name = "output-dir", .kind = BL_DIR, .arg = "DIR", .required = true,
      .help = "folder for NAME.npy of every output; made when it is not there" },
    BL_OPTIONS_END
};

const bl_command bl_command_infer = {
    .name = "infer",
    .summary = "run a model on a server that proved itself",
    .about = "Connects, appraises the server's evidence against the policy, and only then sends the\n"
             "arrays. Characters of an output's name outside [A-Za-z0-9._-] become '_'.",
    .operands = { { .arg = "URL", .kind = BL_TEXT, .help = "https://HOST:PORT" } },
    .options = options,
    .examples = "blind infer https://host:50051 --policy p.toml --model digits"
                " --input image=x.npy --output-dir out",
    .run = run,
    .appraises = true,
};
/* clang-format on */
