/* Completion scripts for bash, zsh and fish. */
#include "cli/cli.h"
#include "cli/generate.h"

typedef struct {
    const bl_command *const *all;
    size_t                   len;
} table;

static table shown(void)
{
    table t;
    t.all = bl_commands(&t.len);
    return t;
}

static size_t first_word(const char *name)
{
    return strcspn(name, " ");
}

/* True for the first visible row that starts with its first word: "policy create", not "policy
 * show". */
static bool opens_word(table t, size_t i)
{
    size_t size = first_word(t.all[i]->name);
    for (size_t k = 0; k < i; k++)
        if (!t.all[k]->hidden && first_word(t.all[k]->name) == size &&
            memcmp(t.all[k]->name, t.all[i]->name, size) == 0)
            return false;
    return !t.all[i]->hidden;
}

static bool in_group_of(table t, size_t i, size_t k)
{
    size_t size = first_word(t.all[i]->name);
    return !t.all[k]->hidden && t.all[k]->name[first_word(t.all[k]->name)] == ' ' &&
           first_word(t.all[k]->name) == size && memcmp(t.all[k]->name, t.all[i]->name, size) == 0;
}

/* True when the row opens a group such as "policy". */
static bool opens_group(table t, size_t i)
{
    return opens_word(t, i) && t.all[i]->name[first_word(t.all[i]->name)] == ' ';
}

static const char *second_word(const bl_command *command)
{
    return command->name + first_word(command->name) + 1;
}

/* Text for inside single quotes, with a backslash before any of `special`.  fish escapes a quote by
 * a backslash, the others leave the quotes for it. */
static void add_quoted(bl_buf *out, const char *text, const char *special, bool fish)
{
    for (; *text; text++) {
        if (*text == '\'')
            bl_buf_add_str(out, fish ? "\\'" : "'\\''");
        else if (strchr(special, *text))
            bl_buf_printf(out, "\\%c", *text);
        else
            bl_buf_add_u8(out, (uint8_t)*text);
    }
}

/* "text|json" -> "text json" */
static void add_choices(bl_buf *out, const char *choices)
{
    for (; *choices; choices++)
        bl_buf_add_u8(out, (uint8_t)(*choices == '|' ? ' ' : *choices));
}

static bool takes_files(const bl_command *command)
{
    for (size_t i = 0; i < BL_MAX_OPERANDS && command->operands[i].arg; i++)
        if (command->operands[i].kind == BL_FILE || command->operands[i].kind == BL_DIR)
            return true;
    return false;
}

/* ---- bash ---- */

static void bash_words(bl_buf *out, table t)
{
    bl_buf_add_str(
        out, "    if ((COMP_CWORD == 1)); then\n        mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < t.len; i++)
        if (opens_word(t, i))
            bl_buf_printf(out, "%.*s ", (int)first_word(t.all[i]->name), t.all[i]->name);
    bl_buf_add_str(out, "--help --version' -- \"$cur\")\n        return\n    fi\n");
    for (size_t i = 0; i < t.len; i++) {
        if (!opens_group(t, i))
            continue;
        bl_buf_printf(out,
                      "    if [[ $command == %.*s ]]; then\n        if ((COMP_CWORD == 2)); then\n"
                      "            mapfile -t COMPREPLY < <(compgen -W '",
                      (int)first_word(t.all[i]->name), t.all[i]->name);
        for (size_t k = i; k < t.len; k++)
            if (in_group_of(t, i, k))
                bl_buf_printf(out, "%s ", second_word(t.all[k]));
        bl_buf_add_str(out, "--help' -- \"$cur\")\n            return\n        fi\n"
                            "        command=\"$command ${COMP_WORDS[2]}\"\n    fi\n");
    }
}

static void bash_value(bl_buf *out, const bl_command *command, const bl_option *o)
{
    if (o->hidden || o->kind == BL_FLAG)
        return;
    bl_buf_printf(out, "    '%s:--%s')", command->name, o->name);
    if (o->kind == BL_CHOICE) {
        bl_buf_add_str(out, " mapfile -t COMPREPLY < <(compgen -W '");
        add_choices(out, o->choices);
        bl_buf_add_str(out, "' -- \"$cur\");");
    } else if (o->kind == BL_FILE || o->kind == BL_TEXT) {
        bl_buf_add_str(out, " mapfile -t COMPREPLY < <(compgen -f -- \"${cur##*=}\");");
    } else if (o->kind == BL_DIR) {
        bl_buf_add_str(out, " mapfile -t COMPREPLY < <(compgen -d -- \"$cur\");");
    }
    bl_buf_add_str(out, " return ;;\n");
}

void bl_generate_bash(bl_buf *out, const char *page)
{
    table t = shown();
    (void)page;
    bl_buf_add_str(out,
                   "# bash completion for blind, generated from its table of subcommands\n"
                   "_blind()\n{\n"
                   "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                   "    local command=${COMP_WORDS[1]} words=\n    COMPREPLY=()\n");
    bash_words(out, t);
    bl_buf_add_str(out, "    case \"$command:$prev\" in\n");
    for (size_t i = 0; i < t.len; i++)
        for (const bl_option *o = t.all[i]->options; !t.all[i]->hidden && o && o->name; o++)
            bash_value(out, t.all[i], o);
    bl_buf_add_str(out, "    esac\n    case $command in\n");
    for (size_t i = 0; i < t.len; i++) {
        if (t.all[i]->hidden)
            continue;
        bl_buf_printf(out, "    '%s') words='", t.all[i]->name);
        for (const bl_option *o = t.all[i]->options; o && o->name; o++)
            if (!o->hidden)
                bl_buf_printf(out, "--%s ", o->name);
        bl_buf_add_str(out, "--json --help' ;;\n");
    }
    bl_buf_add_str(out,
                   "    esac\n    if [[ $cur == -* ]]; then\n"
                   "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
                   "    else\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n"
                   "complete -o filenames -F _blind blind\n");
}

/* ---- zsh ---- */

static void zsh_option(bl_buf *out, const bl_option *o)
{
    bl_buf_printf(out, " \\\n            '%s--%s%s[", o->repeat ? "*" : "", o->name,
                  o->kind == BL_FLAG ? "" : "=");
    add_quoted(out, o->help, "[]:", false);
    bl_buf_add_str(out, "]");
    if (o->kind != BL_FLAG) {
        bl_buf_add_str(out, ":");
        add_quoted(out, o->arg, ":", false);
        bl_buf_add_str(out, ":");
    }
    if (o->kind == BL_CHOICE) {
        bl_buf_add_str(out, "(");
        add_choices(out, o->choices);
        bl_buf_add_str(out, ")");
    } else if (o->kind == BL_FILE) {
        bl_buf_add_str(out, "_files");
    } else if (o->kind == BL_DIR) {
        bl_buf_add_str(out, "_files -/");
    }
    bl_buf_add_str(out, "'");
}

static void zsh_command(bl_buf *out, const bl_command *command)
{
    bl_buf_printf(out, "    '%s')\n        _arguments", command->name);
    for (const bl_option *o = command->options; o && o->name; o++)
        if (!o->hidden)
            zsh_option(out, o);
    bl_buf_add_str(out, " \\\n            '--json[answer in one line of JSON]'"
                        " \\\n            '(- *)--help[the help]'");
    bl_buf_printf(out, " \\\n            '*:argument:%s'\n        ;;\n",
                  takes_files(command) ? "_files" : "");
}

static void zsh_describe(bl_buf *out, const char *name, size_t size, const char *summary)
{
    bl_buf_printf(out, "            '%.*s:", (int)size, name);
    add_quoted(out, summary, ":", false);
    bl_buf_add_str(out, "'\n");
}

static void zsh_group(bl_buf *out, table t, size_t i)
{
    size_t size = first_word(t.all[i]->name);
    bl_buf_printf(out,
                  "    if [[ $command == %.*s ]]; then\n        if ((CURRENT == 2)); then\n"
                  "            commands=(\n",
                  (int)size, t.all[i]->name);
    for (size_t k = i; k < t.len; k++)
        if (in_group_of(t, i, k))
            zsh_describe(out, second_word(t.all[k]), strlen(second_word(t.all[k])),
                         t.all[k]->summary);
    bl_buf_add_str(out,
                   "            )\n            _describe subcommand commands\n            return\n"
                   "        fi\n        command=\"$command $words[2]\"\n        shift words\n"
                   "        ((CURRENT--))\n    fi\n");
}

void bl_generate_zsh(bl_buf *out, const char *page)
{
    table t = shown();
    (void)page;
    bl_buf_add_str(out, "#compdef blind\n# zsh completion for blind, generated from its table of "
                        "subcommands\n_blind()\n{\n    local -a commands\n"
                        "    if ((CURRENT == 2)); then\n        commands=(\n");
    for (size_t i = 0; i < t.len; i++)
        if (opens_word(t, i))
            zsh_describe(out, t.all[i]->name, first_word(t.all[i]->name),
                         opens_group(t, i) ? "its own subcommands" : t.all[i]->summary);
    bl_buf_add_str(out, "        )\n        _describe subcommand commands\n        return\n    fi\n"
                        "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n");
    for (size_t i = 0; i < t.len; i++)
        if (opens_group(t, i))
            zsh_group(out, t, i);
    bl_buf_add_str(out, "    case $command in\n");
    for (size_t i = 0; i < t.len; i++)
        if (!t.all[i]->hidden)
            zsh_command(out, t.all[i]);
    bl_buf_add_str(out,
                   "    esac\n}\nif [[ $funcstack[1] == _blind ]]; then\n    _blind \"$@\"\nelse\n"
                   "    compdef _blind blind\nfi\n");
}

/* ---- fish ---- */

/* complete -c blind -n 'the subcommand is this one' */
static void fish_head(bl_buf *out, const bl_command *command)
{
    size_t size = first_word(command->name);
    bl_buf_printf(out, "complete -c blind -n '__fish_seen_subcommand_from %.*s", (int)size,
                  command->name);
    if (command->name[size])
        bl_buf_printf(out, "; and __fish_seen_subcommand_from %s", second_word(command));
    bl_buf_add_str(out, "'");
}

static void fish_option(bl_buf *out, const bl_command *command, const bl_option *o)
{
    fish_head(out, command);
    bl_buf_printf(out, " -l %s", o->name);
    if (o->kind == BL_CHOICE) {
        bl_buf_add_str(out, " -x -a '");
        add_choices(out, o->choices);
        bl_buf_add_str(out, "'");
    } else if (o->kind == BL_FILE || o->kind == BL_TEXT) {
        bl_buf_add_str(out, " -r -F");
    } else if (o->kind == BL_DIR) {
        bl_buf_add_str(out, " -x -a '(__fish_complete_directories)'");
    } else if (o->kind != BL_FLAG) {
        bl_buf_add_str(out, " -x");
    }
    bl_buf_add_str(out, " -d '");
    add_quoted(out, o->help, "\\", true);
    bl_buf_add_str(out, "'\n");
}

static void fish_words(bl_buf *out, table t)
{
    for (size_t i = 0; i < t.len; i++) {
        const char *name = t.all[i]->name;
        size_t      size = first_word(name);
        if (!opens_word(t, i))
            continue;
        bl_buf_printf(out, "complete -c blind -n __fish_use_subcommand -a %.*s -d '", (int)size,
                      name);
        add_quoted(out, name[size] ? "its own subcommands" : t.all[i]->summary, "\\", true);
        bl_buf_add_str(out, "'\n");
        for (size_t k = i; k < t.len; k++) {
            if (!in_group_of(t, i, k))
                continue;
            bl_buf_printf(out, "complete -c blind -n '__fish_seen_subcommand_from %.*s' -a %s -d '",
                          (int)size, name, second_word(t.all[k]));
            add_quoted(out, t.all[k]->summary, "\\", true);
            bl_buf_add_str(out, "'\n");
        }
    }
}

void bl_generate_fish(bl_buf *out, const char *page)
{
    table t = shown();
    (void)page;
    bl_buf_add_str(out, "# fish completion for blind, generated from its table of subcommands\n"
                        "complete -c blind -f\n");
    fish_words(out, t);
    for (size_t i = 0; i < t.len; i++) {
        if (t.all[i]->hidden)
            continue;
        for (const bl_option *o = t.all[i]->options; o && o->name; o++)
            if (!o->hidden)
                fish_option(out, t.all[i], o);
        fish_head(out, t.all[i]);
        bl_buf_add_str(out, " -l json -d 'answer in one line of JSON'\n");
        fish_head(out, t.all[i]);
        bl_buf_add_str(out, " -l help -d 'the help'\n");
        if (takes_files(t.all[i])) {
            fish_head(out, t.all[i]);
            bl_buf_add_str(out, " -F\n");
        }
    }
}
