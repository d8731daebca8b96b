/* The program: finds the subcommand's row, parses, runs, and turns its code into an exit status. */
#include "cli/commands.h"
#include "cli/help.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* "InvalidEnclaveCode: " for the refusals, exit statuses 10 to 13; the message says which one. */
static const char *refusal(blind_code code)
{
    static const blind_code classes[] = { BLIND_EVIDENCE, BLIND_CODE, BLIND_ISOLATION,
                                          BLIND_POLICY };
    for (size_t i = 0; i < BL_LEN(classes); i++)
        if (blind_code_exit(code) == blind_code_exit(classes[i]))
            return blind_code_exception(classes[i]);
    return NULL;
}

/* One line on stderr whatever the message holds; with --json also an object on stdout. */
static int report(bl_args *args, const char *name, blind_code code, const blind_error *err)
{
    char line[sizeof err->message];
    snprintf(line, sizeof line, "%s", err->message[0] ? err->message : blind_code_text(code));
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    const char *refused = refusal(code);
    fprintf(stderr, "blind%s%s: %s%s%s\n", *name ? " " : "", name, refused ? refused : "",
            refused ? ": " : "", line);
    if (args->json && !args->answered) {
        blind_error ignored;
        (void)!bl_args_print_json(
            args,
            json_pack("{s:i,s:s,s:s,s:i,s:s,s:s}", "version", 1, "code", blind_code_name(code),
                      "error", blind_code_exception(code), "exit", blind_code_exit(code), "stage",
                      err->stage ? err->stage : "", "message", line),
            &ignored);
    }
    return blind_code_exit(code);
}

static int print(const bl_buf *text)
{
    if (!bl_buf_ok(text) || fwrite(text->data, 1, text->size, stdout) != text->size ||
        fflush(stdout))
        return blind_code_exit(BLIND_IO);
    return 0;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* No row has this name: the whole table, a group's, or an error. */
static int no_command(int argc, char **argv)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    bl_args     none = { 0 };
    blind_error err = { 0 };
    const char *word = argc > 1 ? argv[1] : NULL;
    if (word && is_help(word)) {
        bl_help_table(&text, NULL);
        return print(&text);
    }
    if (word && bl_command_is_group(word) && argc > 2 && is_help(argv[2])) {
        bl_help_table(&text, word);
        return print(&text);
    }
    blind_code code = !word ? blind_fail(&err, BLIND_USAGE, "cli.command",
                                         "expected a subcommand, see blind help")
                      : bl_command_is_group(word)
                          ? blind_fail(&err, BLIND_USAGE, "cli.command",
                                       "'%.64s' is no subcommand of '%s', see blind %s --help",
                                       argc > 2 ? argv[2] : "", word, word)
                          : blind_fail(&err, BLIND_USAGE, "cli.command",
                                       "unknown subcommand '%.64s', see blind help", word);
    return report(&none, "", code, &err);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);                /* a closed peer is an error code, not a death */
    (void)setenv("TSS2_LOG", "all+NONE", 0); /* tpm2-tss prints; our one line says it */
    char *version[] = { argv[0], (char[]){ "version" }, NULL };
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        argv = version;

    int               words;
    const bl_command *command = bl_command_find(argc - 1, argv + 1, &words);
    if (!command)
        return no_command(argc, argv);

    static bl_args args;
    blind_error    err = { 0 };
    blind_code     code = bl_args_parse(command, argc - 1 - words, argv + 1 + words, &args, &err);
    if (code != BLIND_OK)
        return report(&args, command->name, code, &err);
    if (args.help) {
        bl_auto_buf text = BL_BUF_EMPTY;
        bl_help_command(&text, command);
        return print(&text);
    }
    code = command->run(&args, &err);
    if (code == BLIND_OK && (fflush(stdout) || ferror(stdout)))
        code =
            blind_fail(&err, BLIND_IO, "cli.stdout", "cannot write to stdout: %s", strerror(errno));
    return code == BLIND_OK ? 0 : report(&args, command->name, code, &err);
}
