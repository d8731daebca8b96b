/* `blind model logits`: what a language model says of the next token, for those who check engines.
 */
#include "base/file.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/token_ids.h"
#include "llm/reference.h"

typedef struct {
    bl_mapping   file;
    bl_gguf      gguf;
    bl_llm_model model;
    bl_tokens    ids;
    bl_buf       logits;
} asked;

static void asked_done(asked *a)
{
    bl_buf_done(&a->logits);
    bl_tokens_done(&a->ids);
    bl_llm_model_done(&a->model);
    bl_gguf_done(&a->gguf);
    bl_file_unmap(&a->file);
}

static blind_code compute(const char *path, asked *a, blind_error *err)
{
    BL_TRY(bl_file_map(path, &a->file, err));
    BL_TRY(bl_gguf_read(a->file.bytes, &a->gguf, err));
    BL_TRY(bl_llm_model_open(&a->gguf, &a->model, err));
    size_t   size = a->model.shape.vocabulary * sizeof(float);
    uint8_t *logits = bl_buf_reserve(&a->logits, size);
    if (!logits)
        return bl_buf_check(&a->logits, "model.logits", err);
    a->logits.size = size;
    return bl_llm_reference(&a->model, bl_tokens_ids(&a->ids), bl_tokens_len(&a->ids),
                            (float *)(void *)logits, err);
}

static blind_code run(bl_args *args, blind_error *err)
{
    const char *path = bl_args_operand(args, 0), *to = bl_args_operand(args, 2);
    asked       a = { .ids = BL_TOKENS_EMPTY };
    blind_code  code =
        bl_read_token_ids(bl_args_operand(args, 1), INT32_MAX, BLIND_USAGE, &a.ids, err);
    if (code == BLIND_OK) {
        code = compute(path, &a, err);
        if (code != BLIND_OK)
            code = blind_fail_in(err, code, "'%s'", path);
    }
    if (code == BLIND_OK)
        code = bl_file_write_atomic(to, bl_buf_span(&a.logits), 0644, err);
    asked_done(&a);
    return code;
}

/* clang-format off */
static const bl_option options[] = { BL_OPTIONS_END };
/* clang-format on */

const bl_command bl_command_model_logits = {
    .name = "model logits",
    .summary = "write a language model's logits after some tokens",
    .about =
        "Computes the logits of the token that would follow, in double precision and one row of "
        "weights at a time: slow, and as exact as the file's numbers. They are written as "
        "float32 in the machine's order, one for each token of the vocabulary.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the model, GGUF" },
                  { .arg = "IDS", .kind = BL_TEXT, .help = "the tokens so far, between blanks" },
                  { .arg = "OUT", .kind = BL_FILE, .help = "where the logits go" } },
    .options = options,
    .examples = "blind model logits model.gguf '1 15043 3186' logits.f32",
    .exits = "3  a model that is not supported; the message says why",
    .run = run,
};
