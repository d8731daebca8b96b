/* `blind conformance`: every case of an index, one line each, and a count at the end. */
#include "blind/conformance.h"

#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "conformance/case.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char STAGE[] = "cli.conformance";

#define MAX_INDEX (16u << 20)

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- another verifier ---- */

/* The case as a verifier is given it: paths absolute, and nothing of what is expected. */
static json_t *question_of(const char *dir, const json_t *one)
{
    static const char *const kept[] = { "id",     "tee",      "what",  "verify_at",
                                        "policy", "platform", "inputs" };
    json_t                  *question = json_object(), *files = json_object(), *file;
    const char              *key;
    for (size_t i = 0; i < BL_LEN(kept); i++)
        if (json_object_get(one, kept[i]))
            json_object_set(question, kept[i], json_object_get(one, kept[i]));
    if (strcmp(text_of(one, "tee"), "launch") == 0) /* the digest is the question */
        json_object_set(question, "measurements", json_object_get(one, "measurements"));
    json_object_foreach(json_object_get(one, "files"), key, file)
    {
        json_t *list = json_array();
        for (size_t i = 0; json_is_array(file) && i < json_array_size(file); i++)
            json_array_append_new(
                list, json_sprintf("%s/%s", dir, json_string_value(json_array_get(file, i))));
        if (json_is_string(file))
            json_object_set_new(files, key, json_sprintf("%s/%s", dir, json_string_value(file)));
        else if (json_is_array(file))
            json_object_set(files, key, list);
        json_decref(list);
    }
    json_object_set_new(question, "files", files);
    return question;
}

/* The first line of what it prints decides: "ok", "reject REASON" or "unsupported". */
static void read_answer(FILE *from, blind_case_judgement *out)
{
    char line[320] = "";
    if (!fgets(line, sizeof line, from))
        line[0] = 0;
    line[strcspn(line, "\r\n")] = 0;
    while (fgetc(from) != EOF) /* it must not stop at a full pipe */
        ;
    const char *rest = line + strcspn(line, " :");
    size_t      word = (size_t)(rest - line);
    rest += strspn(rest, " :");
    if (word == 2 && strncmp(line, "ok", 2) == 0)
        bl_judged_case(out, BLIND_CASE_ACCEPT, "accepted");
    else if (word == 6 && strncmp(line, "reject", 6) == 0)
        bl_judged_case(out, BLIND_CASE_REJECT, "%.300s", *rest ? rest : "no reason given");
    else if (word == 11 && strncmp(line, "unsupported", 11) == 0)
        bl_judged_case(out, BLIND_CASE_UNSUPPORTED, "%.300s", *rest ? rest : "not supported");
    else
        bl_judged_case(out, BLIND_CASE_UNSUPPORTED, "the verifier answered '%.80s'", line);
}

static blind_code run_verifier(const char *command, const char *path, blind_case_judgement *out,
                               blind_error *err)
{
    char shell[8192];
    int  n = snprintf(shell, sizeof shell, "%s %s", command, path);
    if (n < 0 || (size_t)n >= sizeof shell)
        return blind_fail(err, BLIND_USAGE, STAGE, "--verifier is too long");
    /* NOLINTNEXTLINE(cert-env33-c): the caller's own command, as the shell reads it. */
    FILE *from = popen(shell, "re");
    if (!from)
        return blind_fail(err, BLIND_IO, STAGE, "cannot run '%.200s'", command);
    read_answer(from, out);
    int status = pclose(from);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 125)
        bl_judged_case(out, BLIND_CASE_UNSUPPORTED, "the verifier did not run");
    return BLIND_OK;
}

static blind_code ask_verifier(const char *command, const char *dir, const json_t *one,
                               blind_case_judgement *out, blind_error *err)
{
    char          path[] = "/tmp/blind-case-XXXXXX";
    bl_auto_json *question = question_of(dir, one);
    bl_auto_buf   text = BL_BUF_EMPTY;
    BL_TRY(bl_json_write(question, &text, err));
    int fd = mkstemp(path);
    if (fd < 0)
        return blind_fail(err, BLIND_IO, STAGE, "cannot write a case for the verifier");
    close(fd);
    blind_code code = bl_file_write_atomic(path, bl_buf_span(&text), 0600, err);
    if (code == BLIND_OK)
        code = run_verifier(command, path, out, err);
    unlink(path);
    return code;
}

/* ---- the index ---- */

typedef struct {
    size_t  passed, failed, skipped;
    json_t *cases; /* with --json */
} tally;

static blind_code read_json(const char *path, json_t **out, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    BL_TRY(bl_file_read(path, MAX_INDEX, &text, err));
    blind_code code = bl_json_parse(bl_buf_span(&text), MAX_INDEX, out, err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

static const char *const words[] = { [BLIND_CASE_ACCEPT] = "ok",
                                     [BLIND_CASE_REJECT] = "reject",
                                     [BLIND_CASE_UNSUPPORTED] = "unsupported" };

static void count(bl_args *args, tally *t, const json_t *one, const blind_case_judgement *j)
{
    bool accept = strcmp(text_of(one, "expect"), "ok") == 0;
    bool pass = j->verdict == (accept ? BLIND_CASE_ACCEPT : BLIND_CASE_REJECT);
    bool skip = j->verdict == BLIND_CASE_UNSUPPORTED;
    t->passed += pass;
    t->failed += !pass && !skip;
    t->skipped += skip;
    if (args->json)
        json_array_append_new(t->cases, json_pack("{s:s,s:s,s:s,s:s,s:b}", "id", text_of(one, "id"),
                                                  "expected", text_of(one, "expect"), "found",
                                                  words[j->verdict], "reason", j->reason, "passed",
                                                  (int)pass));
    else
        printf("%s  %-52s %-7s %s\n",
               pass   ? "pass"
               : skip ? "skip"
                      : "FAIL",
               text_of(one, "id"), words[j->verdict], j->reason);
}

static blind_code judge_here(const char *dir, const json_t *one, blind_case_judgement *out,
                             blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    BL_TRY(bl_json_write(one, &text, err));
    return blind_case_judge(bl_buf_span(&text), dir, out, err);
}

static blind_code judge_all(bl_args *args, const char *dir, const json_t *index, tally *t,
                            blind_error *err)
{
    const char *verifier = bl_args_text(args, "verifier"), *tee = bl_args_text(args, "tee");
    for (size_t i = 0; i < json_array_size(index); i++) {
        const json_t        *one = json_array_get(index, i);
        blind_case_judgement judged;
        if (tee && strcmp(tee, text_of(one, "tee")) != 0)
            continue;
        if (strcmp(text_of(one, "expect"), "ok") != 0 &&
            strcmp(text_of(one, "expect"), "reject") != 0)
            return blind_fail(err, BLIND_INPUT, STAGE,
                              "case '%.80s' expects neither 'ok' nor 'reject'", text_of(one, "id"));
        blind_code code = verifier ? ask_verifier(verifier, dir, one, &judged, err)
                                   : judge_here(dir, one, &judged, err);
        if (code != BLIND_OK)
            return blind_fail_in(err, code, "case '%.80s'", text_of(one, "id"));
        count(args, t, one, &judged);
    }
    return BLIND_OK;
}

/* The folder of a path, "." for a bare name. */
static blind_code folder_of(const char *path, char *out, size_t size, blind_error *err)
{
    char absolute[4096];
    if (!realpath(path, absolute) || strlen(absolute) >= size)
        return blind_fail(err, BLIND_NOT_FOUND, STAGE, "cannot find '%s'", path);
    memcpy(out, absolute, strlen(absolute) + 1);
    *strrchr(out, '/') = 0;
    return BLIND_OK;
}

static blind_code finish(bl_args *args, tally *t, blind_error *err)
{
    if (args->json)
        BL_TRY(bl_args_print_json(args,
                                  json_pack("{s:i,s:i,s:i,s:i,s:O}", "version", 1, "passed",
                                            (int)t->passed, "failed", (int)t->failed, "skipped",
                                            (int)t->skipped, "cases", t->cases),
                                  err));
    else if (t->skipped)
        printf("%zu passed, %zu failed, %zu skipped\n", t->passed, t->failed, t->skipped);
    else
        printf("%zu passed, %zu failed\n", t->passed, t->failed);
    if (t->failed || t->skipped || t->passed == 0)
        return blind_fail(err, BLIND_FAILED, STAGE, "%zu of %zu cases did not pass",
                          t->failed + t->skipped, t->failed + t->skipped + t->passed);
    return BLIND_OK;
}

static blind_code run_index(bl_args *args, const char *path, blind_error *err)
{
    char          dir[4096];
    bl_auto_json *index = NULL, *cases = json_array();
    tally         t = { .cases = cases };
    BL_TRY(folder_of(path, dir, sizeof dir, err));
    BL_TRY(read_json(path, &index, err));
    if (!json_is_array(index))
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s' is no list of cases", path);
    BL_TRY(judge_all(args, dir, index, &t, err));
    return finish(args, &t, err);
}

/* This program as the verifier of another driver: docs/formats/conformance.md. */
static blind_code run_case(const char *path, blind_error *err)
{
    bl_auto_buf          one = BL_BUF_EMPTY;
    blind_case_judgement judged;
    BL_TRY(bl_file_read(path, MAX_INDEX, &one, err));
    BL_TRY(blind_case_judge(bl_buf_span(&one), "", &judged, err));
    printf("%s %s\n", words[judged.verdict], judged.reason);
    return BLIND_OK;
}

static blind_code run(bl_args *args, blind_error *err)
{
    const char *index = bl_args_operand(args, 0), *one = bl_args_text(args, "case");
    if ((index != NULL) == (one != NULL))
        return blind_fail(err, BLIND_USAGE, STAGE, "what to judge: INDEX.json or --case FILE");
    return one ? run_case(one, err) : run_index(args, index, err);
}

static const bl_option options[] = {
    { .name = "verifier",
      .kind = BL_TEXT,
      .arg = "COMMAND",
      .help = "judge by running 'COMMAND CASE.json' for each case, not by this library" },
    { .name = "tee", .kind = BL_TEXT, .arg = "TEE", .help = "only the cases of this TEE" },
    { .name = "case",
      .kind = BL_FILE,
      .arg = "FILE",
      .help = "judge one case, as a driver of verifiers asks: prints ok, reject or unsupported" },
    BL_OPTIONS_END
};

const bl_command bl_command_conformance = {
    .name = "conformance",
    .summary = "judge recorded evidence with known verdicts",
    .about =
        "INDEX.json lists cases: evidence, what goes with it, the time, what is asked, and the\n"
        "verdict that is right. Prints one line a case and 'N passed, N failed' last. A case that\n"
        "the verifier cannot judge is skipped, and the whole is then no success.",
    .operands = { { .arg = "INDEX.json",
                    .kind = BL_FILE,
                    .optional = true,
                    .help = "the cases; their files are relative to its folder" } },
    .options = options,
    .examples = "blind conformance vectors/index.json\n"
                "blind conformance vectors/index.json --tee snp --json\n"
                "blind conformance vectors/index.json --verifier 'python3 other_verifier.py'",
    .run = run,
};
