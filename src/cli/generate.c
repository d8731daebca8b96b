/* `blind generate`, for the build: man pages and shell completions from the table. */
#include "cli/generate.h"

#include "cli/commands.h"

static const struct {
    const char *name;
    void (*write)(bl_buf *out, const char *page);
} kinds[] = {
    { "man", bl_generate_man },   { "bash", bl_generate_bash },   { "zsh", bl_generate_zsh },
    { "fish", bl_generate_fish }, { "pages", bl_generate_pages },
};

static blind_code run(bl_args *args, blind_error *err)
{
    const char *kind = bl_args_operand(args, 0);
    for (size_t i = 0; i < BL_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, kind) != 0)
            continue;
        bl_auto_buf text = BL_BUF_EMPTY;
        kinds[i].write(&text, bl_args_operand(args, 1));
        BL_TRY(bl_buf_check(&text, "generate.text", err));
        if (text.size == 0)
            return blind_fail(err, BLIND_USAGE, "generate.page", "no page '%s'",
                              bl_args_operand(args, 1));
        fwrite(text.data, 1, text.size, stdout);
        return BLIND_OK;
    }
    return blind_fail(err, BLIND_USAGE, "generate.kind",
                      "'%s': expected one of man, pages, bash, zsh, fish", kind);
}

const bl_command bl_command_generate = {
    .name = "generate",
    .summary = "man pages and completions, for the build",
    .operands = { { .arg = "KIND", .help = "man, pages, bash, zsh or fish" },
                  { .arg = "PAGE", .help = "a page that `pages` lists", .optional = true } },
    .examples = "blind generate man blind-verify",
    .run = run,
    .hidden = true,
};
