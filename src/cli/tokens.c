/* `blind model tokenize` and `blind model detokenize`: text to a model's tokens and back. */
#include "base/file.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/token_ids.h"
#include "llm/tokenizer.h"

typedef struct {
    bl_mapping    file;
    bl_gguf       gguf;
    bl_tokenizer *tokenizer;
} opened;

static void opened_done(opened *o)
{
    bl_tokenizer_close(o->tokenizer);
    bl_gguf_done(&o->gguf);
    bl_file_unmap(&o->file);
}

static blind_code open_file(const char *path, opened *o, blind_error *err)
{
    BL_TRY(bl_file_map(path, &o->file, err));
    BL_TRY(bl_gguf_read(o->file.bytes, &o->gguf, err));
    return bl_tokenizer_open(&o->gguf, &o->tokenizer, err);
}

static blind_code open_model(const char *path, opened *o, blind_error *err)
{
    blind_code code = open_file(path, o, err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

static blind_code read_input(bl_buf *out, blind_error *err)
{
    return bl_file_read("/dev/stdin", BL_MAX_PROMPT_SIZE, out, err);
}

/* tokenize  ---------------------------------------------------------------------------------- */

static json_t *json_ids(const bl_tokens *tokens)
{
    json_t *list = json_array();
    for (size_t i = 0; i < bl_tokens_len(tokens); i++)
        json_array_append_new(list, json_integer(bl_tokens_ids(tokens)[i]));
    return list;
}

static blind_code print_ids(bl_args *args, const bl_tokens *tokens, blind_error *err)
{
    if (args->json)
        return bl_args_print_json(
            args, json_pack("{s:i,s:o}", "version", 1, "ids", json_ids(tokens)), err);
    for (size_t i = 0; i < bl_tokens_len(tokens); i++)
        printf("%s%d", i ? " " : "", bl_tokens_ids(tokens)[i]);
    printf("\n");
    return BLIND_OK;
}

static blind_code tokenize(bl_args *args, const opened *o, blind_error *err)
{
    bl_auto_buf         text = { .secret = true };
    bl_auto_tokens      tokens = BL_TOKENS_EMPTY;
    bl_tokenize_options options = {
        .add_special = bl_args_has(args, "add-special"),
        .parse_special = strcmp(bl_args_text(args, "special"), "parse") == 0,
    };
    BL_TRY(read_input(&text, err));
    BL_TRY(bl_tokenize(o->tokenizer, bl_buf_span(&text), options, &tokens, err));
    return print_ids(args, &tokens, err);
}

static blind_code run_tokenize(bl_args *args, blind_error *err)
{
    opened     o = { .tokenizer = NULL };
    blind_code code = open_model(bl_args_operand(args, 0), &o, err);
    if (code == BLIND_OK)
        code = tokenize(args, &o, err);
    opened_done(&o);
    return code;
}

/* clang-format off */
static const bl_option tokenize_options[] = {
    { .name = "add-special", .kind = BL_FLAG,
      .help = "put the tokens around the text that the file asks for, such as BOS" },
    { .name = "special", .kind = BL_CHOICE, .choices = "parse|text", .arg = "HOW", .fallback = "parse",
      .help = "what <|im_end|> in the text is: that token, or text like other text" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_model_tokenize = {
    .name = "model tokenize",
    .summary = "print the tokens of the text on standard input",
    .about =
        "Reads all of standard input, its last line end included, and prints the numbers of the "
        "tokens that the model would read, on one line.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the model, GGUF" } },
    .options = tokenize_options,
    .examples = "blind model tokenize model.gguf --add-special < prompt.txt\n"
                "blind model tokenize model.gguf --special text --json < prompt.txt",
    .exits = "3  a tokenizer that is not supported",
    .run = run_tokenize,
};

/* detokenize  -------------------------------------------------------------------------------- */

static blind_code detokenize(bl_args *args, const opened *o, blind_error *err)
{
    bl_auto_buf    numbers = { .secret = true }, text = { .secret = true };
    bl_auto_tokens tokens = BL_TOKENS_EMPTY;
    BL_TRY(read_input(&numbers, err));
    const char *ids = bl_buf_cstr(&numbers);
    if (!ids)
        return bl_buf_check(&numbers, "model.detokenize", err);
    BL_TRY(
        bl_read_token_ids(ids, bl_tokenizer_vocab(o->tokenizer)->len, BLIND_INPUT, &tokens, err));
    bl_detokenize(o->tokenizer, bl_tokens_ids(&tokens), bl_tokens_len(&tokens),
                  !bl_args_has(args, "no-special"), &text);
    BL_TRY(bl_buf_check(&text, "model.detokenize", err));
    if (text.size)
        (void)fwrite(text.data, 1, text.size, stdout);
    return BLIND_OK;
}

static blind_code run_detokenize(bl_args *args, blind_error *err)
{
    opened     o = { .tokenizer = NULL };
    blind_code code = open_model(bl_args_operand(args, 0), &o, err);
    if (code == BLIND_OK)
        code = detokenize(args, &o, err);
    opened_done(&o);
    return code;
}

/* clang-format off */
static const bl_option detokenize_options[] = {
    { .name = "no-special", .kind = BL_FLAG, .help = "leave special tokens out instead of writing them" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_model_detokenize = {
    .name = "model detokenize",
    .summary = "print the text of the tokens on standard input",
    .about =
        "Reads numbers from standard input and writes the text of these tokens, and nothing "
        "behind it. What tokenize printed comes back as it was, but for a blank that some models "
        "put in front of a text and for malformed UTF-8.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the model, GGUF" } },
    .options = detokenize_options,
    .examples = "blind model detokenize model.gguf <<< '15043 3186'",
    .exits = "3  a tokenizer that is not supported",
    .run = run_detokenize,
};
