/* One recorded case: its files, and whether what was read is what is there. */
#include "conformance/case.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"

#include <stdarg.h>
#include <stdlib.h>

static const char STAGE[] = "conformance.case";

void bl_judged_case(blind_case_judgement *out, blind_case_verdict verdict, const char *format, ...)
{
    va_list args;
    out->verdict = verdict;
    va_start(args, format);
    vsnprintf(out->reason, sizeof out->reason, format, args);
    va_end(args);
}

/* ---- files ---- */

static blind_code read_one(const char *dir, const json_t *file, bl_buf *out, blind_error *err)
{
    const char *name = json_string_value(file);
    char        path[4096];
    if (!name)
        return blind_fail(err, BLIND_INPUT, STAGE, "a case's file is no path");
    int n = snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : dir,
                     name[0] == '/' ? "" : "/", name);
    if (n < 0 || (size_t)n >= sizeof path)
        return blind_fail(err, BLIND_INPUT, STAGE, "a path that is too long");
    return bl_file_read(path, BL_MAX_CASE_FILE, out, err);
}

blind_code bl_case_read(const char *dir, const json_t *file, bl_buf *out, blind_error *err)
{
    if (!json_is_array(file))
        return read_one(dir, file, out, err);
    for (size_t i = 0; i < json_array_size(file); i++)
        BL_TRY(read_one(dir, json_array_get(file, i), out, err));
    return BLIND_OK;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- what the case says was in the evidence ---- */

/* A name in a field of bytes: the index has the letters, a verdict their digits. */
static bool is_text_in_hex(const char *hex, const json_t *text)
{
    const char *want = json_string_value(text);
    size_t      n = want ? strlen(want) : 0;
    bool        same = want && hex && strlen(hex) == 2 * n;
    for (size_t i = 0; same && i < n; i++) {
        uint8_t byte;
        same = bl_hex_decode(bl_span(hex + 2 * i, 2), &byte, 1) && byte == (uint8_t)want[i];
    }
    return same;
}

/* A recorded value against the claims: by register, then by field; one that is neither, such as
 * the issuer's name, is not compared. */
static bool value_differs(const json_t *claims, const char *name, const json_t *want)
{
    const json_t *found = json_object_get(json_object_get(claims, "measurements"), name);
    if (!found)
        found = json_object_get(json_object_get(claims, "facts"), name);
    if (!found || json_is_array(want) || json_is_object(want))
        return false;
    if (json_is_null(found))
        return !json_is_string(want) || *json_string_value(want);
    if (json_is_string(want) != json_is_string(found))
        return false; /* told in another form: a word for a number */
    return !json_equal(found, want) && !is_text_in_hex(json_string_value(found), want);
}

/* Relaunch advice is a finer word for what other verifiers call out of date. */
static bool same_status(const char *want, const char *found)
{
    static const char finer[] = "TDRelaunchAdvised", plain[] = "OutOfDate";
    if (strncmp(found, finer, sizeof finer - 1) == 0 && strncmp(want, plain, sizeof plain - 1) == 0)
        return strcmp(want + sizeof plain - 1, found + sizeof finer - 1) == 0;
    return strcmp(want, found) == 0;
}

static const char *first_difference(const json_t *one, const json_t *claims)
{
    const char               *key, *report_data = text_of(one, "report_data_hex");
    json_t                   *value, *measurements = json_object_get(one, "measurements");
    static _Thread_local char name[40];
    if (report_data &&
        strcmp(report_data, text_of(claims, "report_data") ? text_of(claims, "report_data") : "") !=
            0)
        return "report_data";
    const char *want = text_of(one, "tcb_status"), *found = text_of(claims, "tcb_status");
    if (want && (!found || !same_status(want, found)))
        return "tcb_status";
    json_object_foreach(measurements, key, value) if (value_differs(claims, key, value)) return key;
    json_object_foreach(json_object_get(measurements, "pcrs"), key, value)
    {
        snprintf(name, sizeof name, "pcr%s", key);
        if (value_differs(claims, name, value))
            return name;
    }
    return NULL;
}

/* ---- judging ---- */

enum { MAX_FILES = 24 };

typedef struct {
    bl_buf     bytes[MAX_FILES];
    blind_part parts[MAX_FILES];
    size_t     len;
    blind_span evidence;
} case_files;

static void files_done(case_files *f)
{
    for (size_t i = 0; i < f->len; i++)
        bl_buf_done(&f->bytes[i]);
}

/* The evidence is the first buffer; `root` is not handed over: anchors are the verifier's own. */
static blind_code read_files(const char *dir, const json_t *one, case_files *f, blind_error *err)
{
    json_t     *files, *file;
    const char *key;
    BL_TRY(bl_json_object(one, "files", &files, err));
    if (!json_object_get(files, "evidence"))
        return blind_fail(err, BLIND_INPUT, STAGE, "a case without evidence");
    f->len = 1;
    BL_TRY(bl_case_read(dir, json_object_get(files, "evidence"), &f->bytes[0], err));
    f->evidence = bl_buf_span(&f->bytes[0]);
    json_object_foreach(files, key, file)
    {
        if (strcmp(key, "evidence") == 0 || strcmp(key, "root") == 0)
            continue;
        if (f->len == MAX_FILES)
            return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d files", MAX_FILES);
        size_t i = f->len++;
        BL_TRY(bl_case_read(dir, file, &f->bytes[i], err));
        f->parts[i] = (blind_part){ .name = key, .bytes = bl_buf_span(&f->bytes[i]) };
    }
    return BLIND_OK;
}

/* 0 where time does not matter. */
static blind_code read_time(const json_t *one, int64_t *out, blind_error *err)
{
    const char *text = text_of(one, "verify_at");
    *out = 0;
    if (!text || bl_clock_parse(text, out))
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "verify_at is no time: '%.32s'", text);
}

static blind_code judge_files(const json_t *one, const case_files *files, blind_policy *policy,
                              blind_case_judgement *out, blind_error *err)
{
    blind_appraise_options options = { 0 };
    blind_expect           expect;
    blind_result          *result;
    blind_error            why = { 0 };
    uint8_t                bytes[64];
    BL_TRY(read_time(one, &options.now_s, err));
    BL_TRY(bl_case_expect(one, bytes, &expect, err));
    blind_code code =
        blind_appraise_evidence(text_of(one, "tee"), files->evidence, files->parts + 1,
                                files->len - 1, &expect, policy, &options, &result, &why);
    if (!result)
        return blind_fail(err, code, STAGE, "%s", why.message);
    if (code != BLIND_OK) {
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
    } else {
        bl_auto_json *verdict = json_loads(blind_result_json(result), 0, NULL);
        const char   *other = first_difference(one, json_object_get(verdict, "claims"));
        if (other)
            bl_judged_case(out, BLIND_CASE_REJECT, "%s was read otherwise than recorded", other);
        else
            bl_judged_case(out, BLIND_CASE_ACCEPT, "as expected");
    }
    blind_result_free(result);
    return BLIND_OK;
}

static blind_span file_named(const case_files *files, const char *name)
{
    for (size_t i = 1; i < files->len; i++)
        if (strcmp(files->parts[i].name, name) == 0)
            return files->parts[i].bytes;
    return (blind_span){ 0 };
}

static blind_code judge_evidence(const json_t *one, const case_files *files,
                                 blind_case_judgement *out, blind_error *err)
{
    bl_auto_buf   text = BL_BUF_EMPTY;
    blind_policy *policy;
    blind_error   why;
    blind_code    code = bl_case_policy(one, file_named(files, "ak_spki"), &text, &why);
    if (code == BLIND_UNSUPPORTED) {
        bl_judged_case(out, BLIND_CASE_UNSUPPORTED, "%s", why.message);
        return BLIND_OK;
    }
    if (code != BLIND_OK)
        return blind_fail(err, code, STAGE, "%s", why.message);
    BL_TRY(blind_policy_load_text(bl_buf_span(&text), &policy, err));
    code = judge_files(one, files, policy, out, err);
    blind_policy_free(policy);
    return code;
}

static blind_code judge(const char *dir, const json_t *one, blind_case_judgement *out,
                        blind_error *err)
{
    const char *what = text_of(one, "what");
    case_files  files = { 0 };
    if (!text_of(one, "tee"))
        return blind_fail(err, BLIND_INPUT, STAGE, "a case without a TEE");
    if (what && strcmp(what, "quote") != 0)
        return bl_case_judge_other(dir, one, what, out, err);
    blind_code code = read_files(dir, one, &files, err);
    if (code == BLIND_OK)
        code = judge_evidence(one, &files, out, err);
    files_done(&files);
    return code;
}

blind_code blind_case_judge(blind_span one_json, const char *folder, blind_case_judgement *out,
                            blind_error *err)
{
    bl_auto_json *one = NULL;
    *out = (blind_case_judgement){ 0 };
    BL_TRY(bl_json_parse(one_json, BL_MAX_CASE, &one, err));
    if (!json_is_object(one))
        return blind_fail(err, BLIND_INPUT, STAGE, "a case that is no JSON object");
    blind_code code = judge(folder, one, out, err);
    if (code != BLIND_OK)
        *out = (blind_case_judgement){ 0 };
    return code;
}
