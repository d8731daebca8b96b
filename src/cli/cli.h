/* The program `blind`: one table of subcommands.
 *
 * A subcommand is a file and a row.  The file defines `const bl_command bl_command_NAME` and its
 * run function; commands.c names it.  Parsing, --help, the man pages and the shell completions all
 * come from the row, so none of them can disagree with another.
 *
 *     static blind_code run(bl_args *args, blind_error *err)
 *     {
 *         const char *policy = bl_args_text(args, "policy");      // NULL when not given
 *         int64_t     threads = bl_args_integer(args, "threads"); // checked against min and max
 *         ...
 *         return blind_fail(err, BLIND_IO, "verify.read", "cannot open '%s': %s", path, why);
 *     }
 *
 *     static const bl_option options[] = {
 *         { .name = "threads", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 256,
 *           .fallback = "1", .help = "compute threads" },
 *         BL_OPTIONS_END
 *     };
 *
 *     const bl_command bl_command_verify = { .name = "verify", ..., .options = options, .run = run
 * };
 *
 * run() returns a code.  main prints `blind verify: MESSAGE` on stderr, one line, and exits with
 * blind_code_exit(code).  Answers go to stdout, as plain text or, with --json, through
 * bl_args_print_json(). */
#ifndef BL_CLI_H
#define BL_CLI_H

#include "base/base.h"

#include <jansson.h>
#include <stdio.h>

/* How a value is checked, and what a shell offers for it. */
typedef enum {
    BL_FLAG,    /* takes no value */
    BL_TEXT,    /* any text */
    BL_FILE,    /* a path; not opened here */
    BL_DIR,     /* a folder */
    BL_INTEGER, /* decimal, min <= value <= max */
    BL_NUMBER,  /* decimal with fraction, min <= value <= max */
    BL_CHOICE   /* one of .choices, "text|json" */
} bl_option_kind;

typedef struct {
    const char    *name; /* "model": given as --model VALUE or --model=VALUE */
    bl_option_kind kind;
    const char    *arg; /* what the help calls the value, "FILE"; NULL for a flag */
    const char    *help;
    const char    *fallback; /* value when not given, shown by the help; NULL: none */
    const char    *choices;  /* BL_CHOICE only */
    int64_t        min, max; /* BL_INTEGER and BL_NUMBER; both 0: no bound but that of the type */
    bool           repeat;   /* may be given more than once */
    bool           required;
    bool           hidden; /* understood, but neither shown nor completed: for tests */
} bl_option;

/* Closes every option table. */
/* clang-format off */
#define BL_OPTIONS_END { .name = NULL }

/* Rows shared by the subcommands that connect to a server. */
#define BL_OPTIONS_CONNECT                                                                         \
    { .name = "policy", .kind = BL_FILE, .arg = "FILE", .required = true,                          \
      .help = "what the server must prove: policy.toml" },                                         \
    { .name = "simulation", .kind = BL_FLAG,                                                       \
      .help = "accept evidence of the simulated TEE, which protects nothing" },                    \
    { .name = "debug-mode", .kind = BL_FLAG,                                                       \
      .help = "accept a TEE that its host can debug" },                                            \
    { .name = "ca", .kind = BL_FILE, .arg = "FILE",                                                \
      .help = "PEM certificates that may issue the server's, for server = \"ca\"" },               \
    { .name = "pin", .kind = BL_FILE, .arg = "FILE",                                               \
      .help = "PEM certificate that the server must have, for server = \"pin\"" },                 \
    { .name = "server-name", .kind = BL_TEXT, .arg = "NAME",                                       \
      .help = "name expected in the server's certificate, when it is not the host" },              \
    { .name = "client-key", .kind = BL_FILE, .arg = "FILE",                                        \
      .help = "PEM key that the server knows (blind key create), proved after the verdict" },      \
    { .name = "enrolment", .kind = BL_TEXT, .arg = "DIR",                                          \
      .help = "where TPM keys that proved themselves are kept; ~/.local/state/blind/enrolments "   \
              "without it, \"\" for nowhere" },                                                    \
    { .name = "timeout-ms", .kind = BL_INTEGER, .arg = "MS", .min = 1, .max = 3600000,             \
      .fallback = "30000", .help = "from the request for evidence to the verdict" }
/* clang-format on */

/* An argument that is no option. */
typedef struct {
    const char    *arg;  /* "URL" */
    bl_option_kind kind; /* BL_TEXT, BL_FILE or BL_DIR */
    const char    *help;
    bool           optional;
    bool           repeat; /* the last one only: takes all that follow */
} bl_operand;

#define BL_MAX_OPERANDS 4

typedef struct bl_args bl_args;

typedef struct bl_command {
    const char      *name;    /* "verify", "policy create" */
    const char      *summary; /* one line, lower case, no full stop */
    const char      *about;   /* paragraphs for --help and the man page; NULL: none */
    bl_operand       operands[BL_MAX_OPERANDS]; /* ends at the first without .arg */
    const bl_option *options;                   /* ends with BL_OPTIONS_END; NULL: none */
    const char      *examples;                  /* one command to a line, each with its "blind" */
    const char      *exits; /* lines beyond the common ones, "3  the model is not supported" */
    blind_code (*run)(bl_args *args, blind_error *err);
    bool appraises; /* may exit with 10 to 13: the help lists them */
    bool hidden;    /* neither shown nor completed */
} bl_command;

/* A row's arguments as given.  Every subcommand has --json and --help beside its own options. */
struct bl_args {
    const bl_command *command;
    const char       *given_name[256]; /* the option's name ... */
    const char       *given[256];      /* ... and its value; "" for a flag */
    size_t            given_len;
    const char       *operands[256];
    size_t            operand_len;
    bool              json;     /* --json */
    bool              help;     /* --help: run is not called */
    bool              answered; /* the JSON answer was printed; an error adds none */
};

/* The value given last, else the fallback, else NULL. */
const char *bl_args_text(const bl_args *args, const char *name);
/* The same as numbers; 0 when there is neither value nor fallback.  Bounds were checked. */
int64_t bl_args_integer(const bl_args *args, const char *name);
double  bl_args_number(const bl_args *args, const char *name);
/* True when the option was given, flag or not. */
bool bl_args_has(const bl_args *args, const char *name);
/* Values of a repeated option, in the order given; NULL past the last. */
const char *bl_args_nth(const bl_args *args, const char *name, size_t index);
/* An operand, NULL when it was left out. */
const char *bl_args_operand(const bl_args *args, size_t index);
/* Splits "NAME=VALUE" into the name, copied, and the value, borrowed; USAGE when there is no name.
 */
BLIND_MUST_USE blind_code bl_args_pair(const char *text, char *name, size_t name_size,
                                       const char **value, blind_error *err);

/* Prints one line of JSON on stdout and marks the command as answered.  Takes `value`, which may be
 * NULL after an allocation failed: MEMORY then. */
BLIND_MUST_USE blind_code bl_args_print_json(bl_args *args, json_t *value, blind_error *err);

/* Parses what follows the subcommand's name.  Errors: USAGE, in words that name the option. */
BLIND_MUST_USE blind_code bl_args_parse(const bl_command *command, int argc, char *const *argv,
                                        bl_args *out, blind_error *err);

/* A progress bar on stderr; silent unless stderr is a terminal. */
typedef struct {
    const char *label;
    uint64_t    total; /* bytes; 0: not known */
    int64_t     started_ns, drawn_ns;
    bool        on;
} bl_progress;

void bl_progress_start(bl_progress *p, const char *label, uint64_t total);
void bl_progress_set(bl_progress *p, uint64_t done);
void bl_progress_end(bl_progress *p); /* erases the bar */

/* The table, in the order of the help. */
const bl_command *const *bl_commands(size_t *len);

#endif
