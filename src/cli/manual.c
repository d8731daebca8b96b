/* Man pages in mdoc, one for the program and one for each subcommand. */
#include "cli/generate.h"
#include "cli/help.h"

#include "blind/version.h"

/* Text with what roff would read as its own taken out of its hands. */
static void add_text(bl_buf *out, const char *text, size_t size, bool line_start)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (line_start && (c == '.' || c == '\''))
            bl_buf_add_str(out, "\\&");
        if (c == '\\')
            bl_buf_add_str(out, "\\e");
        else if (c == '-')
            bl_buf_add_str(out, "\\-");
        else
            bl_buf_add_u8(out, (uint8_t)c);
        line_start = c == '\n';
    }
}

/* Paragraphs as roff likes them: a sentence to a line, and .Pp for an empty line. */
static void add_paragraphs(bl_buf *out, const char *text)
{
    bool line_start = true;
    while (*text) {
        size_t word = strcspn(text, " \n"), space = strspn(text + word, " \n");
        bool   paragraph = space > 1 && text[word] == '\n' && text[word + 1] == '\n';
        bool   sentence = word > 0 && text[word - 1] == '.';
        if (!line_start)
            bl_buf_add_str(out, " ");
        add_text(out, text, word, line_start);
        line_start = paragraph || sentence || !text[word + space];
        if (line_start)
            bl_buf_add_str(out, paragraph ? "\n.Pp\n" : "\n");
        text += word + space;
    }
}

/* "policy create" -> "policy-create" */
static void add_dashed(bl_buf *out, const char *name)
{
    for (; *name; name++)
        bl_buf_add_u8(out, (uint8_t)(*name == ' ' ? '-' : *name));
}

static void add_upper(bl_buf *out, const char *name)
{
    for (; *name; name++) {
        char c = *name == ' ' ? '-' : *name;
        bl_buf_add_u8(out, (uint8_t)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
    }
}

static void add_head(bl_buf *out, const char *name, const char *summary)
{
    bl_buf_add_str(out, ".Dd " BLIND_RELEASE_DATE "\n.Dt BLIND");
    if (name) {
        bl_buf_add_str(out, "-");
        add_upper(out, name);
    }
    bl_buf_add_str(out, " 1\n.Os blind " BLIND_VERSION "\n.Sh NAME\n.Nm blind");
    if (name) {
        bl_buf_add_str(out, "-");
        add_dashed(out, name);
    }
    bl_buf_add_str(out, "\n.Nd ");
    add_text(out, summary, strlen(summary), true);
    bl_buf_add_str(out, "\n");
}

static void add_synopsis(bl_buf *out, const bl_command *command)
{
    bl_buf_add_str(out, ".Sh SYNOPSIS\n.Nm blind\n.Cm ");
    bl_buf_printf(out, "%s\n", command->name);
    for (const bl_option *o = command->options; o && o->name; o++)
        if (o->required && !o->hidden)
            bl_buf_printf(out, ".Fl \\-%s Ar %s\n", o->name, o->arg);
    bl_buf_add_str(out, ".Op Ar option ...\n");
    for (size_t i = 0; i < BL_MAX_OPERANDS && command->operands[i].arg; i++) {
        const bl_operand *p = &command->operands[i];
        bl_buf_printf(out, ".%sAr %s%s\n", p->optional ? "Op " : "", p->arg,
                      p->repeat ? " ..." : "");
    }
}

static void add_option(bl_buf *out, const bl_option *o)
{
    bl_buf_printf(out, ".It Fl \\-%s", o->name);
    if (o->arg)
        bl_buf_printf(out, " Ar %s", o->arg);
    bl_buf_add_str(out, "\n");
    add_text(out, o->help, strlen(o->help), true);
    if (o->choices) {
        bl_buf_add_str(out, ": ");
        add_text(out, o->choices, strlen(o->choices), true);
    }
    bl_buf_add_str(out, ".\n");
    if (o->repeat)
        bl_buf_add_str(out, "May be repeated.\n");
    if (o->required)
        bl_buf_add_str(out, "Required.\n");
    else if (o->fallback) {
        bl_buf_add_str(out, "Default: ");
        add_text(out, o->fallback, strlen(o->fallback), true);
        bl_buf_add_str(out, ".\n");
    }
}

static void add_options(bl_buf *out, const bl_command *command)
{
    bl_buf_add_str(out, ".Pp\nArguments and options:\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < BL_MAX_OPERANDS && command->operands[i].arg; i++) {
        bl_buf_printf(out, ".It Ar %s\n", command->operands[i].arg);
        add_text(out, command->operands[i].help, strlen(command->operands[i].help), true);
        bl_buf_add_str(out, ".\n");
    }
    for (const bl_option *o = command->options; o && o->name; o++)
        if (!o->hidden)
            add_option(out, o);
    bl_buf_add_str(out, ".It Fl \\-json\nAnswer in one line of JSON.\n"
                        ".It Fl \\-help\nPrint a summary of this page.\n.El\n");
}

static void add_exit(bl_buf *out, const char *status, size_t status_size, const char *text,
                     size_t size)
{
    bl_buf_add_str(out, ".It ");
    bl_buf_add(out, bl_span(status, status_size));
    bl_buf_add_str(out, "\n");
    add_text(out, text, size, true);
    bl_buf_add_str(out, ".\n");
}

static void add_exits(bl_buf *out, const bl_command *command)
{
    size_t             len;
    const bl_exit_row *rows = bl_exit_rows(&len);
    bl_buf_add_str(out, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < len; i++) {
        char status[12];
        if (rows[i].appraisal && !command->appraises)
            continue;
        int size = snprintf(status, sizeof status, "%d", rows[i].status);
        add_exit(out, status, (size_t)size, rows[i].text, strlen(rows[i].text));
    }
    for (const char *at = command->exits; at && *at;) {
        size_t line = strcspn(at, "\n"), digits = strspn(at, "0123456789");
        size_t text = digits + strspn(at + digits, " ");
        add_exit(out, at, digits, at + text, line - text);
        at += line + (at[line] == '\n');
    }
    bl_buf_add_str(out, ".El\n");
}

static void add_command(bl_buf *out, const bl_command *command)
{
    add_head(out, command->name, command->summary);
    add_synopsis(out, command);
    bl_buf_add_str(out, ".Sh DESCRIPTION\n");
    add_paragraphs(out, command->about ? command->about : command->summary);
    add_options(out, command);
    add_exits(out, command);
    bl_buf_add_str(out, ".Sh EXAMPLES\n.Bd -literal\n");
    add_text(out, command->examples, strlen(command->examples), true);
    bl_buf_add_str(out, "\n.Ed\n.Sh SEE ALSO\n.Xr blind 1\n");
}

static void add_program(bl_buf *out)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    add_head(out, NULL, "confidential AI serving");
    bl_buf_add_str(out,
                   ".Sh SYNOPSIS\n.Nm\n.Ar subcommand\n.Op Ar option ...\n.Op Ar argument ...\n"
                   ".Sh DESCRIPTION\n.Nm\nruns models inside a trusted execution environment, and "
                   "lets a client "
                   "prove to itself which\nenvironment, which code and which model it talks to "
                   "before it sends "
                   "one byte of data.\n.Pp\nThe subcommands, each with a page of its own:\n"
                   ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < len; i++) {
        if (all[i]->hidden)
            continue;
        bl_buf_add_str(out, ".It Xr blind-");
        add_dashed(out, all[i]->name);
        bl_buf_add_str(out, " 1\n");
        add_text(out, all[i]->summary, strlen(all[i]->summary), true);
        bl_buf_add_str(out, ".\n");
    }
    bl_buf_add_str(out, ".El\n");
    add_exits(out, &(bl_command){ .appraises = true });
    bl_buf_add_str(out, ".Sh EXAMPLES\nServe, say what is expected, and look:\n.Bd -literal\n");
    const char *examples =
        "blind serve --tee sim --listen 127.0.0.1:50051\n"
        "blind policy create --tee sim --binary /usr/bin/blind >policy.toml\n"
        "blind verify https://127.0.0.1:50051 --policy policy.toml --simulation\n";
    add_text(out, examples, strlen(examples), true);
    bl_buf_add_str(out, ".Ed\n");
}

void bl_generate_man(bl_buf *out, const char *page)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    if (!page || strcmp(page, "blind") == 0)
        add_program(out);
    for (size_t i = 0; i < len; i++) {
        bl_auto_buf name = BL_BUF_EMPTY;
        bl_buf_add_str(&name, "blind-");
        add_dashed(&name, all[i]->name);
        const char *text = bl_buf_cstr(&name);
        if (page && text && strcmp(text, page) == 0)
            add_command(out, all[i]);
    }
}

void bl_generate_pages(bl_buf *out, const char *page)
{
    size_t                   len;
    const bl_command *const *all = bl_commands(&len);
    (void)page;
    bl_buf_add_str(out, "blind\n");
    for (size_t i = 0; i < len; i++) {
        if (all[i]->hidden)
            continue;
        bl_buf_add_str(out, "blind-");
        add_dashed(out, all[i]->name);
        bl_buf_add_str(out, "\n");
    }
}
