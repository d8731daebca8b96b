/* `blind chat`: a conversation with a language model on a server that proved itself. */
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/conversation.h"
#include "cli/line.h"
#include "cli/markdown.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    bl_conversation talk;
    blind_client   *client;
    bl_markdown     markdown;
    bool            person; /* sits at both ends */
    bool            ended;
} chat;

static volatile int interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void print(bl_buf *text)
{
    if (text->size)
        fwrite(text->data, 1, text->size, stdout);
    fflush(stdout);
}

static void show(void *arg, blind_span piece)
{
    chat       *c = arg;
    bl_auto_buf out = { .secret = true };
    bl_markdown_write(&c->markdown, piece, &out);
    print(&out);
}

/* ---- one turn ---- */

/* ^C ends the answer, and not the program. */
static blind_code ask(chat *c, blind_span question, blind_error *err)
{
    struct sigaction mine = { .sa_handler = on_interrupt }, before;
    bl_auto_buf      rest = BL_BUF_EMPTY;
    interrupted = 0;
    sigaction(SIGINT, &mine, &before);
    blind_code code = bl_conversation_ask(&c->talk, question, err);
    sigaction(SIGINT, &before, NULL);
    bl_markdown_end(&c->markdown, &rest);
    print(&rest);
    if (code == BLIND_OK || code == BLIND_CANCELLED)
        puts(code == BLIND_OK ? "" : "\n(stopped)");
    if (code == BLIND_OK && strcmp(c->talk.ended, "length") == 0 && c->person)
        puts("(cut off: the longest answer, or the model's memory, is reached)");
    return code;
}

/* ---- commands ---- */

static blind_code do_help(chat *c, const char *text, blind_error *err);

static blind_code do_system(chat *c, const char *text, blind_error *err)
{
    return bl_conversation_system(&c->talk, text, err);
}

static blind_code do_reset(chat *c, const char *text, blind_error *err)
{
    (void)text;
    (void)err;
    bl_conversation_reset(&c->talk);
    return BLIND_OK;
}

static blind_code do_undo(chat *c, const char *text, blind_error *err)
{
    (void)text;
    if (!bl_conversation_undo(&c->talk, NULL))
        return blind_fail(err, BLIND_INPUT, "chat", "nothing was said yet");
    return BLIND_OK;
}

static blind_code do_retry(chat *c, const char *text, blind_error *err)
{
    bl_auto_buf question = { .secret = true };
    (void)text;
    if (!bl_conversation_undo(&c->talk, &question))
        return blind_fail(err, BLIND_INPUT, "chat", "nothing was said yet");
    return ask(c, bl_buf_span(&question), err);
}

static blind_code do_model(chat *c, const char *text, blind_error *err)
{
    bl_auto_buf names = BL_BUF_EMPTY, line = BL_BUF_EMPTY;
    bl_buf_add_str(&names, "\n"); /* each name stands between line ends */
    BL_TRY(bl_conversation_models(c->client, &names, err));
    if (!*text) {
        printf("asking '%s'; the server has:", c->talk.model);
        print(&names);
        return BLIND_OK;
    }
    bl_buf_printf(&line, "\n%s\n", text);
    const char *all = bl_buf_cstr(&names), *wanted = bl_buf_cstr(&line);
    if (!all || !wanted || !strstr(all, wanted))
        return blind_fail(err, BLIND_NOT_FOUND, "chat", "the server has no model '%.100s'", text);
    snprintf(c->talk.model, sizeof c->talk.model, "%s", text);
    return BLIND_OK;
}

/* "temperature=0.2": a number, true, false, or a text */
static blind_code do_set(chat *c, const char *text, blind_error *err)
{
    char          name[64];
    const char   *value;
    bl_auto_json *parsed = NULL;
    if (!*text) {
        bl_auto_buf all = BL_BUF_EMPTY;
        BL_TRY(bl_json_write(c->talk.settings, &all, err));
        bl_buf_add_str(&all, "\n");
        print(&all);
        return BLIND_OK;
    }
    BL_TRY(bl_args_pair(text, name, sizeof name, &value, err));
    if (!*value)
        return json_object_del(c->talk.settings, name) == 0
                   ? BLIND_OK
                   : blind_fail(err, BLIND_INPUT, "chat", "'%s' was not set", name);
    if (bl_json_parse(bl_span_str(value), 4096, &parsed, err) != BLIND_OK)
        parsed = json_string(value);
    if (!parsed || json_object_set(c->talk.settings, name, parsed) != 0)
        return blind_fail(err, BLIND_INPUT, "chat", "no value for '%s'", name);
    return BLIND_OK;
}

static blind_code do_save(chat *c, const char *text, blind_error *err)
{
    bl_auto_buf out = { .secret = true };
    if (!*text)
        return blind_fail(err, BLIND_USAGE, "chat", "expected /save FILE");
    BL_TRY(bl_json_write(c->talk.messages, &out, err));
    bl_buf_add_str(&out, "\n");
    return bl_file_write_atomic(text, bl_buf_span(&out), 0600, err);
}

static blind_code do_load(chat *c, const char *text, blind_error *err)
{
    bl_auto_buf   in = { .secret = true };
    bl_auto_json *messages = NULL;
    size_t        i;
    json_t       *row;
    const char   *ignored;
    if (!*text)
        return blind_fail(err, BLIND_USAGE, "chat", "expected /load FILE");
    BL_TRY(bl_file_read(text, 16 << 20, &in, err));
    BL_TRY(bl_json_parse(bl_buf_span(&in), 16 << 20, &messages, err));
    if (!json_is_array(messages))
        return blind_fail(err, BLIND_INPUT, "chat", "'%s' holds no conversation", text);
    json_array_foreach(messages, i, row)
    {
        BL_TRY(bl_json_string(row, "role", &ignored, err));
        BL_TRY(bl_json_string(row, "content", &ignored, err));
    }
    json_decref(c->talk.messages);
    c->talk.messages = json_incref(messages);
    return BLIND_OK;
}

static blind_code do_verdict(chat *c, const char *text, blind_error *err)
{
    (void)text;
    char *verdict = blind_client_verdict_text(c->client);
    if (!verdict)
        return blind_fail(err, BLIND_MEMORY, "chat", "out of memory");
    fputs(verdict, stdout);
    free(verdict);
    return BLIND_OK;
}

static blind_code do_tokens(chat *c, const char *text, blind_error *err)
{
    (void)text;
    (void)err;
    printf("the last turn: %lld tokens of prompt, %lld of answer\n",
           (long long)c->talk.prompt_tokens, (long long)c->talk.answer_tokens);
    return BLIND_OK;
}

static blind_code do_quit(chat *c, const char *text, blind_error *err)
{
    (void)text;
    (void)err;
    c->ended = true;
    return BLIND_OK;
}

typedef struct {
    const char *name, *arg, *help;
    blind_code (*run)(chat *c, const char *text, blind_error *err);
} command;

static const command commands[] = {
    { "help", "", "what can be typed", do_help },
    { "system", "TEXT", "what the model shall be; without a text: nothing", do_system },
    { "reset", "", "forgets what was said but for the system's text", do_reset },
    { "undo", "", "forgets the last question and its answer", do_undo },
    { "retry", "", "asks the last question again", do_retry },
    { "model", "[NAME]", "asks another model; without a name: which there are", do_model },
    { "set", "[NAME=VALUE]", "temperature=0.2, max_tokens=100, seed=1, ...; NAME= takes it back",
      do_set },
    { "save", "FILE", "writes the conversation as JSON", do_save },
    { "load", "FILE", "goes on with one that was saved", do_load },
    { "verdict", "", "what the server proved", do_verdict },
    { "tokens", "", "how long the last turn was", do_tokens },
    { "quit", "", "ends; so does the end of input", do_quit },
};

static blind_code do_help(chat *c, const char *text, blind_error *err)
{
    (void)c;
    (void)text;
    (void)err;
    for (size_t i = 0; i < BL_LEN(commands); i++)
        printf("  /%-7s %-13s %s\n", commands[i].name, commands[i].arg, commands[i].help);
    puts("A line that ends with \\ goes on in the next. ^C stops an answer.");
    return BLIND_OK;
}

static blind_code run_command(chat *c, const char *line, blind_error *err)
{
    size_t len = strcspn(line, " ");
    for (size_t i = 0; i < BL_LEN(commands); i++)
        if (strlen(commands[i].name) == len && memcmp(commands[i].name, line, len) == 0)
            return commands[i].run(c, line + len + strspn(line + len, " "), err);
    return blind_fail(err, BLIND_USAGE, "chat", "no command '/%.*s': /help lists them",
                      (int)BL_MIN(len, 40), line);
}

/* ---- the conversation ---- */

/* A line, with those that it goes on in; false at the end of input. */
static bool read_turn(bl_buf *out)
{
    const char *prompt = "> ";
    while (bl_line_read(prompt, out)) {
        if (out->size == 0 || out->data[out->size - 1] != '\\')
            return true;
        out->data[out->size - 1] = '\n';
        prompt = ". ";
    }
    return out->size > 0;
}

static blind_code take_turn(chat *c, bl_buf *line, blind_error *err)
{
    const char *text = bl_buf_cstr(line);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, "chat", "out of memory");
    if (!*text)
        return BLIND_OK;
    if (*text == '/')
        return run_command(c, text + 1, err);
    return ask(c, bl_buf_span(line), err);
}

/* A person reads what went wrong and goes on; a script ends at the first failure. */
static blind_code loop(chat *c, blind_error *err)
{
    while (!c->ended) {
        bl_auto_buf line = { .secret = true };
        if (!read_turn(&line))
            break;
        blind_code code = take_turn(c, &line, err);
        if (code != BLIND_OK && !c->person)
            return code;
        if (code != BLIND_OK && code != BLIND_CANCELLED)
            printf("%s\n", err->message);
    }
    if (c->person)
        puts("");
    return BLIND_OK;
}

static blind_code greet(chat *c, const char *url, blind_error *err)
{
    bl_auto_json *verdict = NULL;
    char         *text = blind_client_verdict_json(c->client);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, "chat", "out of memory");
    blind_code code = bl_json_parse(bl_span_str(text), BL_MAX_JSON_SIZE, &verdict, err);
    free(text);
    BL_TRY(code);
    const char *tee = json_string_value(json_object_get(verdict, "tee"));
    bool        simulated = json_is_true(json_object_get(verdict, "simulated"));
    printf("%s: verified, %s%s; model '%s'. /verdict says what was proved, /help the rest.\n", url,
           tee ? tee : "no TEE", simulated ? " (simulated: protects nothing)" : "", c->talk.model);
    return BLIND_OK;
}

static blind_code apply_options(chat *c, const bl_args *args, blind_error *err)
{
    static const char *const numbers[] = { "temperature", "top-p" };
    static const char *const integers[] = { "max-tokens", "seed" };
    json_t                  *s = c->talk.settings;
    int                      bad = 0;
    for (size_t i = 0; i < BL_LEN(numbers); i++)
        if (bl_args_has(args, numbers[i]))
            bad |= json_object_set_new(s, i ? "top_p" : "temperature",
                                       json_real(bl_args_number(args, numbers[i])));
    for (size_t i = 0; i < BL_LEN(integers); i++)
        if (bl_args_has(args, integers[i]))
            bad |= json_object_set_new(s, i ? "seed" : "max_tokens",
                                       json_integer(bl_args_integer(args, integers[i])));
    if (bad)
        return blind_fail(err, BLIND_MEMORY, "chat", "out of memory");
    const char *system = bl_args_text(args, "system");
    return system ? bl_conversation_system(&c->talk, system, err) : BLIND_OK;
}

/* The question of the command line alone. */
static blind_code answer_once(chat *c, bl_args *args, const char *question, blind_error *err)
{
    if (!args->json)
        return ask(c, bl_span_str(question), err);
    c->talk.show = NULL;
    BL_TRY(bl_conversation_ask(&c->talk, bl_span_str(question), err));
    return bl_args_print_json(
        args,
        json_pack("{s:i, s:s, s:s%, s:s, s:I, s:I}", "version", 1, "model", c->talk.model, "answer",
                  c->talk.answer.data ? (const char *)c->talk.answer.data : "", c->talk.answer.size,
                  "finish_reason", c->talk.ended, "prompt_tokens",
                  (json_int_t)c->talk.prompt_tokens, "answer_tokens",
                  (json_int_t)c->talk.answer_tokens),
        err);
}

static blind_code converse(chat *c, bl_args *args, blind_error *err)
{
    const char *question = bl_args_operand(args, 1);
    BL_TRY(bl_conversation_begin(&c->talk, c->client, bl_args_text(args, "model"), err));
    BL_TRY(apply_options(c, args, err));
    c->talk.show = show;
    c->talk.show_arg = c;
    c->talk.cancel = &interrupted;
    if (question)
        return answer_once(c, args, question, err);
    if (args->json)
        return blind_fail(err, BLIND_USAGE, "chat", "--json goes with a QUESTION");
    if (c->person)
        BL_TRY(greet(c, bl_args_operand(args, 0), err));
    return loop(c, err);
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_client *client = NULL;
    BL_TRY(bl_cli_connect(args, bl_args_operand(args, 0), &client, NULL, err));
    chat       c = { .client = client,
                     .markdown = { .plain = bl_args_has(args, "plain") || !isatty(STDOUT_FILENO) },
                     .person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
    blind_code code = converse(&c, args, err);
    bl_conversation_done(&c.talk);
    return code;
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_CONNECT,
    BL_OPTION_TOKEN,
    { .name = "model", .kind = BL_TEXT, .arg = "NAME",
      .help = "the model; not needed where the server has one" },
    { .name = "system", .kind = BL_TEXT, .arg = "TEXT", .help = "what the model shall be" },
    { .name = "temperature", .kind = BL_NUMBER, .arg = "T", .min = 0, .max = 2,
      .help = "0: the likeliest token, always" },
    { .name = "top-p", .kind = BL_NUMBER, .arg = "P", .min = 0, .max = 1,
      .help = "only the likeliest tokens that have this share together" },
    { .name = "max-tokens", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 1 << 24,
      .help = "longest answer" },
    { .name = "seed", .kind = BL_INTEGER, .arg = "N", .min = 0, .max = INT64_MAX,
      .help = "the same seed and question have the same answer" },
    { .name = "plain", .kind = BL_FLAG,
      .help = "shows Markdown as it is written; so does an output that is no terminal" },
    BL_OPTIONS_END
};

const bl_command bl_command_chat = {
    .name = "chat",
    .summary = "talk with a language model on a server that proved itself",
    .about = "Connects, appraises the server's evidence against the policy, and only then sends what is\n"
             "typed. Answers come as they are written. A line that begins with / is a command: /help lists\n"
             "them. Lines can come from a file or a pipe, too, one question each; with QUESTION that one is\n"
             "asked and answered.\n\n"
             "Control characters in an answer are left out, so that no model steers the terminal.",
    .operands = { { .arg = "URL", .kind = BL_TEXT, .help = "https://HOST:PORT" },
                  { .arg = "QUESTION", .kind = BL_TEXT, .optional = true, .help = "asked instead of lines that are typed" } },
    .options = options,
    .examples = "blind chat https://host:50051 --policy p.toml\n"
                "blind chat https://host:50051 --policy p.toml --model demo --temperature 0 'Once upon a time'",
    .run = run,
    .appraises = true,
};
/* clang-format on */
