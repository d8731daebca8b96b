/* `blind model logits`: what a language model says of the next token, for those who check engines.
 */
#include "base/file.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/token_ids.h"
#include "llm/engine.h"
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

static blind_code by_reference(asked *a, float *out, blind_error *err)
{
    BL_TRY(bl_llm_model_open(&a->gguf, &a->model, err));
    return bl_llm_reference(&a->model, bl_tokens_ids(&a->ids), bl_tokens_len(&a->ids), out, err);
}

/* Reads all but the last `decoded` tokens as a prompt, and decodes those one by one. */
static blind_code take_on(bl_llm_engine *e, const asked *a, size_t decoded, bl_pool *pool,
                          float *out, blind_error *err)
{
    bl_llm_sequence *s;
    const int32_t   *ids = bl_tokens_ids(&a->ids);
    size_t           len = bl_tokens_len(&a->ids), read = len - BL_MIN(decoded, len - 1);
    bl_llm_request   request = { .prompt = ids, .len = read, .more = len - read };
    blind_code       code = bl_llm_sequence_new(e, &request, &s, err);
    BL_TRY(code);
    for (size_t i = read; code == BLIND_OK; i++) {
        while (!bl_llm_sequence_ready(s))
            bl_llm_step(e, &s, 1, 0, pool);
        if (i == len)
            break;
        code = bl_llm_sequence_append(s, ids + i, 1, err);
    }
    if (code == BLIND_OK)
        memcpy(out, bl_llm_sequence_logits(s, 0),
               bl_llm_engine_model(e)->shape.vocabulary * sizeof *out);
    bl_llm_sequence_free(s);
    return code;
}

static blind_code by_engine(const bl_args *args, asked *a, float *out, blind_error *err)
{
    bl_llm_engine_options options = {
        .isa = bl_isa_best(),
        .threads = (int)bl_args_integer(args, "threads"),
        .max_context = bl_tokens_len(&a->ids),
        .max_rows = (size_t)bl_args_integer(args, "rows"),
    };
    bl_llm_engine *engine;
    bl_pool       *pool = NULL;
    (void)bl_kv_type_from_name(bl_args_text(args, "kv"), &options.kv_type);
    BL_TRY(bl_llm_engine_open(&a->gguf, &options, &engine, err));
    blind_code code = bl_pool_new(options.threads, &pool, err);
    if (code == BLIND_OK)
        code = take_on(engine, a, (size_t)bl_args_integer(args, "decode"), pool, out, err);
    bl_pool_free(pool);
    bl_llm_engine_close(engine);
    return code;
}

/* The vocabulary's size, before a model is opened for good. */
static blind_code vocabulary_of(asked *a, size_t *out, blind_error *err)
{
    BL_TRY(bl_llm_model_open(&a->gguf, &a->model, err));
    *out = a->model.shape.vocabulary;
    bl_llm_model_done(&a->model);
    return BLIND_OK;
}

static blind_code compute(const bl_args *args, asked *a, blind_error *err)
{
    size_t vocabulary;
    BL_TRY(bl_file_map(bl_args_operand(args, 0), &a->file, err));
    BL_TRY(bl_gguf_read(a->file.bytes, &a->gguf, err));
    BL_TRY(vocabulary_of(a, &vocabulary, err));
    size_t   size = vocabulary * sizeof(float);
    uint8_t *logits = bl_buf_reserve(&a->logits, size);
    if (!logits)
        return bl_buf_check(&a->logits, "model.logits", err);
    a->logits.size = size;
    if (bl_tokens_len(&a->ids) == 0)
        return blind_fail(err, BLIND_USAGE, "model.logits", "there are no tokens");
    if (bl_args_has(args, "reference"))
        return by_reference(a, (float *)(void *)logits, err);
    return by_engine(args, a, (float *)(void *)logits, err);
}

static blind_code run(bl_args *args, blind_error *err)
{
    const char *path = bl_args_operand(args, 0), *to = bl_args_operand(args, 2);
    asked       a = { .ids = BL_TOKENS_EMPTY };
    blind_code  code =
        bl_read_token_ids(bl_args_operand(args, 1), INT32_MAX, BLIND_USAGE, &a.ids, err);
    if (code == BLIND_OK) {
        code = compute(args, &a, err);
        if (code != BLIND_OK)
            code = blind_fail_in(err, code, "'%s'", path);
    }
    if (code == BLIND_OK)
        code = bl_file_write_atomic(to, bl_buf_span(&a.logits), 0644, err);
    asked_done(&a);
    return code;
}

/* clang-format off */
static const bl_option options[] = {
    { .name = "kv", .kind = BL_CHOICE, .choices = "f32|f16|q8_0", .arg = "TYPE", .fallback = "f32",
      .help = "how keys and values are kept" },
    { .name = "decode", .kind = BL_INTEGER, .arg = "N", .min = 0, .max = 1 << 24, .fallback = "0",
      .help = "decode the last N tokens one by one instead of reading them as a prompt" },
    { .name = "rows", .kind = BL_INTEGER, .arg = "N", .min = 16, .max = 8192, .fallback = "512",
      .help = "tokens that go through the layers together; the result does not depend on it" },
    { .name = "threads", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 256, .fallback = "1",
      .help = "compute threads; the result does not depend on them" },
    { .name = "reference", .kind = BL_FLAG,
      .help = "compute in double precision, one row of weights at a time: slow and exact" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_model_logits = {
    .name = "model logits",
    .summary = "write a language model's logits after some tokens",
    .about =
        "Computes the logits of the token that would follow, by the engine that serves, or with "
        "--reference as exactly as the file's numbers are. They are written as float32 in the "
        "machine's order, one for each token of the vocabulary.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the model, GGUF" },
                  { .arg = "IDS", .kind = BL_TEXT, .help = "the tokens so far, between blanks" },
                  { .arg = "OUT", .kind = BL_FILE, .help = "where the logits go" } },
    .options = options,
    .examples = "blind model logits model.gguf '1 15043 3186' logits.f32",
    .exits = "3  a model that is not supported; the message says why",
    .run = run,
};
