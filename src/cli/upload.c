/* blind upload: sends a model file over an attested session. */
#include "cli/connect.h"

static blind_code show(void *arg, uint64_t sent, uint64_t total, blind_error *err)
{
    bl_progress *bar = arg;
    (void)err;
    bar->total = total;
    bl_progress_set(bar, sent);
    return BLIND_OK;
}

static blind_code answer(bl_args *args, const blind_model_info *info, blind_error *err)
{
    if (args->json) {
        json_t *root = json_pack("{s:i, s:s, s:s, s:I}", "version", 1, "name", info->name, "sha256",
                                 info->sha256, "size", (json_int_t)info->size);
        if (root && *info->salt)
            json_object_set_new(root, "salt", json_string(info->salt));
        return bl_args_print_json(args, root, err);
    }
    printf("uploaded '%s': %llu bytes, SHA-256 %s\n", info->name, (unsigned long long)info->size,
           info->sha256);
    if (*info->salt)
        printf("its entry in the server's log is salted with %s\n", info->salt);
    return BLIND_OK;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_client  *client = NULL;
    blind_model_info info;
    bl_progress      bar;
    BL_TRY(bl_cli_connect(args, bl_args_operand(args, 0), &client, NULL, err));
    bl_progress_start(&bar, bl_args_text(args, "name"), 0);
    blind_upload_options options = { .no_replace = bl_args_has(args, "no-replace"),
                                     .progress = show,
                                     .progress_arg = &bar };
    blind_code           code = blind_client_upload(client, bl_args_text(args, "name"),
                                                    bl_args_operand(args, 1), &options, &info, err);
    bl_progress_end(&bar);
    BL_TRY(code);
    return answer(args, &info, err);
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_CONNECT,
    BL_OPTION_TOKEN,
    { .name = "name", .kind = BL_TEXT, .arg = "NAME", .required = true,
      .help = "what the server shall call the model" },
    { .name = "no-replace", .kind = BL_FLAG,
      .help = "fail where the server has a model of that name" },
    BL_OPTIONS_END
};

const bl_command bl_command_upload = {
    .name = "upload",
    .summary = "send a model to a server that proved itself",
    .about = "Connects, appraises the server's evidence against the policy, and only then sends the\n"
             "file. The server answers with the SHA-256 of what it took, which must be the file's.",
    .operands = { { .arg = "URL", .kind = BL_TEXT, .help = "https://HOST:PORT" },
                  { .arg = "FILE", .kind = BL_FILE, .help = "the model, ONNX" } },
    .options = options,
    .examples = "blind upload https://localhost:50051 --policy policy.toml --name digits digits.onnx",
    .run = run,
    .appraises = true,
};
/* clang-format on */
