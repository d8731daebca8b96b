/* The parser that all subcommands share. */
#include "cli/cli.h"
#include "tests/test.h"

static const bl_option options[] = {
    { .name = "model", .kind = BL_TEXT, .arg = "NAME=FILE", .help = "models", .repeat = true },
    { .name = "threads",
      .kind = BL_INTEGER,
      .arg = "N",
      .help = "threads",
      .min = 1,
      .max = 64,
      .fallback = "2" },
    { .name = "seconds", .kind = BL_NUMBER, .arg = "S", .help = "seconds", .max = 10 },
    { .name = "log",
      .kind = BL_CHOICE,
      .arg = "FORM",
      .help = "form",
      .choices = "text|json",
      .fallback = "text" },
    { .name = "check", .kind = BL_FLAG, .help = "only check" },
    { .name = "policy", .kind = BL_FILE, .arg = "FILE", .help = "policy", .required = true },
    BL_OPTIONS_END
};

static const bl_command command = {
    .name = "test",
    .options = options,
    .operands = { { .arg = "URL", .help = "where" },
                  { .arg = "FILE", .help = "what", .optional = true } },
};

#define MAX_WORDS 16

static const struct {
    const char *name;
    const char *words[MAX_WORDS];
    blind_code  want;
    const char *message;
} cases[] = {
    { "all that is required", { "u", "--policy", "p" }, BLIND_OK, "" },
    { "value after =", { "u", "--policy=p" }, BLIND_OK, "" },
    { "empty text", { "u", "--policy=p", "--model=" }, BLIND_OK, "" },
    { "value that looks like an option", { "u", "--policy", "--check" }, BLIND_OK, "" },
    { "a dash is an operand", { "-", "--policy=p" }, BLIND_OK, "" },
    { "operands after --", { "--policy=p", "--", "--check" }, BLIND_OK, "" },
    { "help asks for nothing else", { "--help" }, BLIND_OK, "" },
    { "no operand", { "--policy=p" }, BLIND_USAGE, "missing URL: where" },
    { "no required option", { "u" }, BLIND_USAGE, "missing --policy FILE: policy" },
    { "too many operands",
      { "u", "f", "g", "--policy=p" },
      BLIND_USAGE,
      "unexpected argument 'g'" },
    { "unknown option", { "u", "--polic=p" }, BLIND_USAGE, "unknown option '--polic'" },
    { "a prefix is not an option", { "u", "--pol=p" }, BLIND_USAGE, "unknown option '--pol'" },
    { "one dash", { "u", "-p" }, BLIND_USAGE, "unknown option '-p'" },
    { "no value", { "u", "--policy" }, BLIND_USAGE, "--policy: expected a value, FILE" },
    { "empty path", { "u", "--policy=" }, BLIND_USAGE, "--policy '': expected a path" },
    { "flag with value", { "u", "--check=1" }, BLIND_USAGE, "--check: expected no value" },
    { "twice", { "u", "--policy=p", "--policy=q" }, BLIND_USAGE, "--policy: given twice" },
    { "least integer", { "u", "--policy=p", "--threads=1" }, BLIND_OK, "" },
    { "below", { "u", "--threads=0" }, BLIND_USAGE, "--threads 0: expected a whole number from 1" },
    { "above", { "u", "--threads=65" }, BLIND_USAGE, "--threads 65: expected" },
    { "no integer", { "u", "--threads=2x" }, BLIND_USAGE, "--threads '2x': expected" },
    { "space before", { "u", "--threads= 2" }, BLIND_USAGE, "--threads ' 2': expected" },
    { "empty integer", { "u", "--threads=" }, BLIND_USAGE, "--threads '': expected" },
    { "overflow", { "u", "--threads=9223372036854775808" }, BLIND_USAGE, "expected a whole" },
    { "number", { "u", "--policy=p", "--seconds=0.5" }, BLIND_OK, "" },
    { "number above", { "u", "--seconds=10.5" }, BLIND_USAGE, "expected a number from 0 to 10" },
    { "not a number", { "u", "--seconds=nan" }, BLIND_USAGE, "--seconds 'nan': expected a number" },
    { "infinite", { "u", "--seconds=inf" }, BLIND_USAGE, "--seconds 'inf': expected a number" },
    { "choice", { "u", "--policy=p", "--log=json" }, BLIND_OK, "" },
    { "no choice", { "u", "--log=js" }, BLIND_USAGE, "--log 'js': expected one of text|json" },
    { "two choices", { "u", "--log=text|json" }, BLIND_USAGE, "expected one of text|json" },
    { "empty choice", { "u", "--log=" }, BLIND_USAGE, "expected one of text|json" },
};

static blind_code parse(const char *const *words, bl_args *out, blind_error *err)
{
    int len = 0;
    while (len < MAX_WORDS && words[len])
        len++;
    *err = (blind_error){ 0 };
    return bl_args_parse(&command, len, (char *const *)words, out, err);
}

TEST(options_are_checked_against_the_row)
{
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_args     args;
        blind_error err;
        CHECK_CODE(cases[i].want, parse(cases[i].words, &args, &err), cases[i].name);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: expected '%s', found '%s'", cases[i].name, cases[i].message, err.message);
    }
}

TEST(values_come_back_by_name)
{
    const char *words[] = { "u",           "--policy", "p",           "--model", "a=1",
                            "--model=b=2", "--check",  "--seconds=2", "--json",  NULL };
    bl_args     args;
    blind_error err;
    CHECK_CODE(BLIND_OK, parse(words, &args, &err), "good");
    assert_string_equal(bl_args_text(&args, "policy"), "p");
    assert_string_equal(bl_args_text(&args, "log"), "text");
    assert_string_equal(bl_args_nth(&args, "model", 0), "a=1");
    assert_string_equal(bl_args_nth(&args, "model", 1), "b=2");
    CHECK(!bl_args_nth(&args, "model", 2));
    CHECK(bl_args_integer(&args, "threads") == 2);
    CHECK(bl_args_number(&args, "seconds") == 2.0);
    CHECK(bl_args_has(&args, "check") && !bl_args_has(&args, "threads"));
    CHECK(args.json && !args.help);
    assert_string_equal(bl_args_operand(&args, 0), "u");
    CHECK(!bl_args_operand(&args, 1));
}

TEST(more_options_than_there_is_room_for_are_refused)
{
    static char *words[600];
    bl_args      args;
    blind_error  err;
    for (size_t i = 0; i < BL_LEN(words); i++)
        words[i] = (char *)"--model=a=b";
    CHECK_CODE(BLIND_USAGE, bl_args_parse(&command, BL_LEN(words), words, &args, &err), "600");
    for (size_t i = 0; i < BL_LEN(words); i++)
        words[i] = (char *)"operand";
    CHECK_CODE(BLIND_USAGE, bl_args_parse(&command, BL_LEN(words), words, &args, &err), "600");
}

TEST(a_pair_has_a_name_and_a_value)
{
    char        name[8];
    const char *value;
    blind_error err;
    CHECK_CODE(BLIND_OK, bl_args_pair("a=b=c", name, sizeof name, &value, &err), "a=b=c");
    assert_string_equal(name, "a");
    assert_string_equal(value, "b=c");
    CHECK_CODE(BLIND_OK, bl_args_pair("1234567=", name, sizeof name, &value, &err), "longest");
    CHECK_CODE(BLIND_USAGE, bl_args_pair("12345678=", name, sizeof name, &value, &err), "long");
    CHECK_CODE(BLIND_USAGE, bl_args_pair("=v", name, sizeof name, &value, &err), "no name");
    CHECK_CODE(BLIND_USAGE, bl_args_pair("name", name, sizeof name, &value, &err), "no value");
    CHECK_CODE(BLIND_USAGE, bl_args_pair("", name, sizeof name, &value, &err), "empty");
}

TESTS(RUN(options_are_checked_against_the_row), RUN(values_come_back_by_name),
      RUN(more_options_than_there_is_room_for_are_refused), RUN(a_pair_has_a_name_and_a_value))
