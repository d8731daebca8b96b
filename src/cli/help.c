/* `blind help`, --help and what they print, from the table alone. */
#include "cli/help.h"

#include "cli/commands.h"

#define COLUMN 28 /* where the help of an option starts */
#define WIDTH  96

static const bl_exit_row exits[] = {
    { 0, "done", false },
    { 1, "failed: network, server, input or output", false },
    { 2, "wrong usage", false },
    { 10, "not an enclave: no authentic, fresh evidence bound to this session", true },
    { 11, "authentic, but another code or model than the policy names", true },
    { 12, "right code, isolated less than the policy asks", true },
    { 13, "the policy itself is unusable", true },
};

const bl_exit_row *bl_exit_rows(size_t *len)
{
    *len = BL_LEN(exits);
    return exits;
}

/* Adds text wrapped at WIDTH; every line after the first starts at `indent`.  A line end in the
 * text is a space like any other; an empty line parts paragraphs. */
static void add_wrapped(bl_buf *out, const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t word = strcspn(text, " \n"), space = strspn(text + word, " \n");
        if (column > indent && column + 1 + word > WIDTH) {
            bl_buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            bl_buf_add_str(out, " ");
            column++;
        }
        bl_buf_add(out, bl_span(text, word));
        column += word;
        if (space > 1 && text[word] == '\n' && text[word + 1] == '\n') {
            bl_buf_printf(out, "\n\n%*s", (int)indent, "");
            column = indent;
        }
        text += word + space;
    }
    bl_buf_add_str(out, "\n");
}

/* "  LEFT        right, wrapped" */
static void add_row(bl_buf *out, const char *left, const char *right)
{
    size_t used = strlen(left) + 2;
    bl_buf_printf(out, "  %s", left);
    if (used + 2 > COLUMN)
        bl_buf_printf(out, "\n%*s", COLUMN, "");
    else
        bl_buf_printf(out, "%*s", (int)(COLUMN - used), "");
    add_wrapped(out, right, COLUMN);
}

void bl_help_usage(bl_buf *out, const bl_command *command)
{
    bl_buf_printf(out, "blind %s", command->name);
    for (const bl_option *o = command->options; o && o->name; o++)
        if (o->required && !o->hidden)
            bl_buf_printf(out, " --%s %s", o->name, o->arg);
    bl_buf_add_str(out, " [OPTION]...");
    for (size_t i = 0; i < BL_MAX_OPERANDS && command->operands[i].arg; i++) {
        const bl_operand *p = &command->operands[i];
        bl_buf_printf(out, p->optional ? " [%s]%s" : " %s%s", p->arg, p->repeat ? "..." : "");
    }
}

static void add_option(bl_buf *out, const bl_option *o)
{
    bl_auto_buf left = BL_BUF_EMPTY, right = BL_BUF_EMPTY;
    bl_buf_printf(&left, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    bl_buf_add_str(&right, o->help);
    if (o->choices && o->arg && strcmp(o->choices, o->arg) != 0)
        bl_buf_printf(&right, ": %s", o->choices);
    if (o->repeat)
        bl_buf_add_str(&right, "; may be repeated");
    if (o->required)
        bl_buf_add_str(&right, " (required)");
    else if (o->fallback)
        bl_buf_printf(&right, " (default %s)", o->fallback);
    const char *l = bl_buf_cstr(&left), *r = bl_buf_cstr(&right);
    if (l && r)
        add_row(out, l, r);
}

static void add_exits(bl_buf *out, const bl_command *command)
{
    bl_buf_add_str(out, "\nExit status:\n");
    for (size_t i = 0; i < BL_LEN(exits); i++)
        if (command->appraises || !exits[i].appraisal)
            bl_buf_printf(out, "  %2d  %s\n", exits[i].status, exits[i].text);
    for (const char *at = command->exits; at && *at;) {
        size_t line = strcspn(at, "\n");
        bl_buf_printf(out, "  %s%.*s\n", at[1] == ' ' ? " " : "", (int)line, at);
        at += line + (at[line] == '\n');
    }
}

void bl_help_command(bl_buf *out, const bl_command *command)
{
    bl_buf_printf(out, "blind %s: %s\n\nUsage:\n  ", command->name, command->summary);
    bl_help_usage(out, command);
    bl_buf_add_str(out, "\n");
    if (command->about) {
        bl_buf_add_str(out, "\n");
        add_wrapped(out, command->about, 0);
    }
    if (command->operands[0].arg)
        bl_buf_add_str(out, "\nArguments:\n");
    for (size_t i = 0; i < BL_MAX_OPERANDS && command->operands[i].arg; i++)
        add_row(out, command->operands[i].arg, command->operands[i].help);
    bl_buf_add_str(out, "\nOptions:\n");
    for (const bl_option *o = command->options; o && o->name; o++)
        if (!o->hidden)
            add_option(out, o);
    add_row(out, "--json", "answer in one line of JSON");
    add_row(out, "--help", "this text");
    bl_buf_add_str(out, "\nExample:\n");
    for (const char *at = command->examples; *at;) {
        size_t line = strcspn(at, "\n");
        bl_buf_printf(out, "  %.*s\n", (int)line, at);
        at += line + (at[line] == '\n');
    }
    add_exits(out, command);
}

/* True when the name is `word` or starts with it and a space. */
static bool in_group(const char *name, const char *word)
{
    size_t size = strlen(word);
    return strncmp(name, word, size) == 0 && (name[size] == ' ' || !name[size]);
}

void bl_help_table(bl_buf *out, const char *group)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    bl_buf_add_str(
        out, "blind: confidential AI serving.  A client proves to itself which enclave, which "
             "code and\nwhich model it talks to before it sends one byte of data.\n\n"
             "Usage:\n  blind SUBCOMMAND [OPTION]... [ARGUMENT]...\n\nSubcommands:\n");
    for (size_t i = 0; i < len; i++)
        if (!all[i]->hidden && (!group || in_group(all[i]->name, group)))
            bl_buf_printf(out, "  %-17s %s\n", all[i]->name, all[i]->summary);
    bl_buf_add_str(out,
                   "\nEach has --help with an example, and --json for machines.\n\nExample:\n"
                   "  blind serve --tee sim --listen 127.0.0.1:50051\n"
                   "  blind policy create --tee sim --binary /usr/bin/blind >policy.toml\n"
                   "  blind verify https://127.0.0.1:50051 --policy policy.toml --simulation\n");
}

bool bl_command_is_group(const char *word)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    for (size_t i = 0; i < len; i++)
        if (in_group(all[i]->name, word) && all[i]->name[strlen(word)] == ' ')
            return true;
    return false;
}

const bl_command *bl_command_find(int argc, char *const *argv, int *words)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    for (size_t i = 0; i < len && argc > 0; i++) {
        const char *name = all[i]->name, *space = strchr(name, ' ');
        *words = space ? 2 : 1;
        if (!space && strcmp(name, argv[0]) == 0)
            return all[i];
        if (space && argc > 1 && in_group(name, argv[0]) && strcmp(space + 1, argv[1]) == 0)
            return all[i];
    }
    *words = 0;
    return NULL;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_buf       text = BL_BUF_EMPTY;
    int               words;
    const char       *first = bl_args_operand(args, 0);
    const bl_command *command =
        bl_command_find((int)args->operand_len, (char *const *)args->operands, &words);
    if (first && !command && !bl_command_is_group(first))
        return blind_fail(err, BLIND_USAGE, "help.command",
                          "unknown subcommand '%.64s', see blind help", first);
    if (args->json) {
        size_t                   len;
        const bl_command *const *all = bl_commands(&len);
        json_t                  *list = json_array();
        for (size_t i = 0; list && i < len; i++)
            if (!all[i]->hidden && (!first || in_group(all[i]->name, first)))
                json_array_append_new(
                    list, json_pack("{s:s,s:s}", "name", all[i]->name, "summary", all[i]->summary));
        return bl_args_print_json(args, json_pack("{s:i,s:o}", "version", 1, "subcommands", list),
                                  err);
    }
    if (command)
        bl_help_command(&text, command);
    else
        bl_help_table(&text, first);
    BL_TRY(bl_buf_check(&text, "help.text", err));
    fwrite(text.data, 1, text.size, stdout);
    return BLIND_OK;
}

const bl_command bl_command_help = {
    .name = "help",
    .summary = "what there is, or one subcommand's help",
    .operands = { { .arg = "SUBCOMMAND",
                    .help = "as in `blind help policy create`",
                    .optional = true,
                    .repeat = true } },
    .examples = "blind help verify",
    .run = run,
};
