/* Parses a subcommand's arguments against its row, and hands them out by name. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>

static const bl_option *find(const bl_command *command, const char *name, size_t size)
{
    for (const bl_option *o = command->options; o && o->name; o++)
        if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
            return o;
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *at = choices; *at; at += strcspn(at, "|"), at += *at == '|') {
        if (strcspn(at, "|") == size && memcmp(at, value, size) == 0)
            return true;
    }
    return false;
}

static blind_code check_integer(const bl_option *o, const char *value, blind_error *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    bool      bounded = o->min != 0 || o->max != 0;
    if (end == value || *end || errno || strchr(" \t\n", value[0]))
        return blind_fail(err, BLIND_USAGE, "cli.value", "--%s '%s': expected a whole number",
                          o->name, value);
    if (bounded && (n < o->min || n > o->max))
        return blind_fail(err, BLIND_USAGE, "cli.value",
                          "--%s %s: expected a whole number from %lld to %lld", o->name, value,
                          (long long)o->min, (long long)o->max);
    return BLIND_OK;
}

static blind_code check_number(const bl_option *o, const char *value, blind_error *err)
{
    char  *end;
    double n = strtod(value, &end);
    bool   bounded = o->min != 0 || o->max != 0;
    if (end == value || *end || !(n - n == 0) || strchr(" \t\n", value[0]))
        return blind_fail(err, BLIND_USAGE, "cli.value", "--%s '%s': expected a number", o->name,
                          value);
    if (bounded && (n < (double)o->min || n > (double)o->max))
        return blind_fail(err, BLIND_USAGE, "cli.value",
                          "--%s %s: expected a number from %lld to %lld", o->name, value,
                          (long long)o->min, (long long)o->max);
    return BLIND_OK;
}

static blind_code check_value(const bl_option *o, const char *value, blind_error *err)
{
    if (o->kind == BL_INTEGER)
        return check_integer(o, value, err);
    if (o->kind == BL_NUMBER)
        return check_number(o, value, err);
    if (o->kind == BL_CHOICE && !is_choice(o->choices, value))
        return blind_fail(err, BLIND_USAGE, "cli.value", "--%s '%s': expected one of %s", o->name,
                          value, o->choices);
    if ((o->kind == BL_FILE || o->kind == BL_DIR) && !*value)
        return blind_fail(err, BLIND_USAGE, "cli.value", "--%s '': expected a path", o->name);
    return BLIND_OK;
}

static bool given(const bl_args *args, const char *name)
{
    for (size_t i = 0; i < args->given_len; i++)
        if (strcmp(args->given_name[i], name) == 0)
            return true;
    return false;
}

/* Takes the option at argv[*at], and its value from there or from the next argument. */
static blind_code take_option(bl_args *args, int argc, char *const *argv, int *at, blind_error *err)
{
    const char *name = argv[*at] + 2;
    size_t      size = strcspn(name, "=");
    const char *value = name[size] == '=' ? name + size + 1 : NULL;

    if (!value && strcmp(name, "help") == 0) {
        args->help = true;
        return BLIND_OK;
    }
    if (!value && strcmp(name, "json") == 0) {
        args->json = true;
        return BLIND_OK;
    }
    const bl_option *o = find(args->command, name, size);
    if (!o)
        return blind_fail(err, BLIND_USAGE, "cli.option",
                          "unknown option '--%.*s', see blind %s --help", (int)BL_MIN(size, 64u),
                          name, args->command->name);
    if (o->kind == BL_FLAG && value)
        return blind_fail(err, BLIND_USAGE, "cli.option", "--%s: expected no value, found '%s'",
                          o->name, value);
    if (o->kind != BL_FLAG && !value) {
        if (*at + 1 >= argc)
            return blind_fail(err, BLIND_USAGE, "cli.option", "--%s: expected a value, %s", o->name,
                              o->arg);
        value = argv[++*at];
    }
    if (!o->repeat && given(args, o->name))
        return blind_fail(err, BLIND_USAGE, "cli.option", "--%s: given twice, expected once",
                          o->name);
    if (args->given_len == BL_LEN(args->given))
        return blind_fail(err, BLIND_USAGE, "cli.option", "--%s: more than %zu options", o->name,
                          BL_LEN(args->given));
    if (value)
        BL_TRY(check_value(o, value, err));
    args->given_name[args->given_len] = o->name;
    args->given[args->given_len++] = value ? value : "";
    return BLIND_OK;
}

static blind_code take_operand(bl_args *args, const char *text, blind_error *err)
{
    const bl_operand *operands = args->command->operands;
    size_t            known = 0;
    while (known < BL_MAX_OPERANDS && operands[known].arg)
        known++;
    bool open_ended = known > 0 && operands[known - 1].repeat;
    if ((args->operand_len >= known && !open_ended) || args->operand_len == BL_LEN(args->operands))
        return blind_fail(err, BLIND_USAGE, "cli.operand",
                          "unexpected argument '%.64s', see blind %s --help", text,
                          args->command->name);
    args->operands[args->operand_len++] = text;
    return BLIND_OK;
}

static blind_code check_complete(const bl_args *args, blind_error *err)
{
    const bl_operand *operands = args->command->operands;
    for (size_t i = 0; i < BL_MAX_OPERANDS && operands[i].arg; i++)
        if (!operands[i].optional && i >= args->operand_len)
            return blind_fail(err, BLIND_USAGE, "cli.operand", "missing %s: %s", operands[i].arg,
                              operands[i].help);
    for (const bl_option *o = args->command->options; o && o->name; o++)
        if (o->required && !given(args, o->name))
            return blind_fail(err, BLIND_USAGE, "cli.option", "missing --%s %s: %s", o->name,
                              o->arg, o->help);
    return BLIND_OK;
}

blind_code bl_args_parse(const bl_command *command, int argc, char *const *argv, bl_args *out,
                         blind_error *err)
{
    *out = (bl_args){ .command = command };
    bool options = true; /* until "--" */
    for (int i = 0; i < argc; i++) {
        const char *text = argv[i];
        if (options && strcmp(text, "--") == 0)
            options = false;
        else if (options && strcmp(text, "-h") == 0)
            out->help = true;
        else if (options && strncmp(text, "--", 2) == 0)
            BL_TRY(take_option(out, argc, argv, &i, err));
        else if (options && text[0] == '-' && text[1])
            return blind_fail(err, BLIND_USAGE, "cli.option",
                              "unknown option '%.64s', see blind %s --help", text, command->name);
        else
            BL_TRY(take_operand(out, text, err));
    }
    return out->help ? BLIND_OK : check_complete(out, err);
}

const char *bl_args_text(const bl_args *args, const char *name)
{
    for (size_t i = args->given_len; i > 0; i--)
        if (strcmp(args->given_name[i - 1], name) == 0)
            return args->given[i - 1];
    const bl_option *o = find(args->command, name, strlen(name));
    return o ? o->fallback : NULL;
}

int64_t bl_args_integer(const bl_args *args, const char *name)
{
    const char *text = bl_args_text(args, name);
    return text ? strtoll(text, NULL, 10) : 0;
}

double bl_args_number(const bl_args *args, const char *name)
{
    const char *text = bl_args_text(args, name);
    return text ? strtod(text, NULL) : 0;
}

bool bl_args_has(const bl_args *args, const char *name)
{
    return given(args, name);
}

const char *bl_args_nth(const bl_args *args, const char *name, size_t index)
{
    for (size_t i = 0; i < args->given_len; i++)
        if (strcmp(args->given_name[i], name) == 0 && index-- == 0)
            return args->given[i];
    return NULL;
}

const char *bl_args_operand(const bl_args *args, size_t index)
{
    return index < args->operand_len ? args->operands[index] : NULL;
}

blind_code bl_args_pair(const char *text, char *name, size_t name_size, const char **value,
                        blind_error *err)
{
    *value = NULL;
    size_t size = strcspn(text, "=");
    if (size == 0 || size >= name_size || !text[size])
        return blind_fail(err, BLIND_USAGE, "cli.value", "'%.64s': expected NAME=VALUE", text);
    memcpy(name, text, size);
    name[size] = 0;
    *value = text + size + 1;
    return BLIND_OK;
}

blind_code bl_args_print_json(bl_args *args, json_t *value, blind_error *err)
{
    if (!value)
        return blind_fail(err, BLIND_MEMORY, "cli.json", "out of memory");
    int failed = json_dumpf(value, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) ||
                 putchar('\n') < 0 || fflush(stdout);
    json_decref(value);
    args->answered = true;
    if (failed)
        return blind_fail(err, BLIND_IO, "cli.json", "cannot write to stdout: %s", strerror(errno));
    return BLIND_OK;
}
