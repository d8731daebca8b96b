/* `blind pipeline pack`: a pipeline.toml and its files as the one file that a server takes. */
#include "pipeline/pipeline.h"
#include "base/file.h"
#include "base/hex.h"
#include "cli/commands.h"
#include "crypto/hash.h"

static blind_code run(bl_args *args, blind_error *err)
{
    const char  *path = bl_args_operand(args, 0), *to = bl_args_text(args, "output");
    bl_auto_buf  packed = BL_BUF_EMPTY;
    bl_pipeline *pipeline;
    uint8_t      digest[32];
    char         hex[2 * sizeof digest + 1];
    BL_TRY(bl_pipeline_pack(path, &packed, err));
    blind_code code = bl_pipeline_open(bl_buf_span(&packed), NULL, &pipeline, err);
    bl_pipeline_close(pipeline);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "'%s'", path);
    if (bl_sha256(bl_buf_span(&packed), digest) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "pipeline.hash", "cannot hash the file");
    BL_TRY(bl_file_write_atomic(to, bl_buf_span(&packed), 0644, err));
    bl_hex_encode(bl_span(digest, sizeof digest), hex);
    if (args->json)
        return bl_args_print_json(args,
                                  json_pack("{s:i,s:s,s:s,s:I}", "version", 1, "file", to, "sha256",
                                            hex, "size", (json_int_t)packed.size),
                                  err);
    printf("%s: %zu bytes, SHA-256 %s\n", to, packed.size, hex);
    return BLIND_OK;
}

/* clang-format off */
static const bl_option options[] = {
    { .name = "output", .kind = BL_FILE, .arg = "FILE", .required = true,
      .help = "where the pipeline goes, a tar" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_pipeline_pack = {
    .name = "pipeline pack",
    .summary = "make a pipeline and its files one file, as servers take it",
    .about =
        "Reads pipeline.toml and, from the same folder, the model and the files that its steps "
        "name; checks all of it; writes one tar. It is uploaded and loaded as a model is, and "
        "its SHA-256, which is printed, stands for everything in it: in the runtime log of the "
        "server and in a policy. The same files give the same bytes.",
    .operands = { { .arg = "PIPELINE", .kind = BL_FILE, .help = "the pipeline.toml" } },
    .options = options,
    .examples = "blind pipeline pack pipeline.toml --output xray.tar\n"
                "blind upload https://HOST:PORT xray.tar --name xray --policy policy.toml",
    .exits = "3  the model needs what is not supported; the message names operator, node and opset",
    .run = run,
};
