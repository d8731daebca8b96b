/* One recorded case: its files, the policy it asks for, and whether what was read is what is there.
 */
#include "cli/conformance.h"

#include "attest/tee.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "crypto/hash.h"

#include <stdarg.h>
#include <stdlib.h>

static const char STAGE[] = "cli.conformance";

void bl_judged_case(bl_judgement *out, bl_judged_as verdict, const char *format, ...)
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

/* ---- the policy ---- */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool has_register(const bl_tee *tee, const char *name)
{
    for (const bl_register_row *r = tee->registers; r && r->name; r++)
        if (strcmp(r->name, name) == 0)
            return true;
    return false;
}

static bool has_fact(const bl_tee *tee, const char *name)
{
    for (const bl_fact_row *f = tee->facts; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

/* "expect_NAME_hex" -> NAME. */
static bool expected_name(const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    if (!starts_with(key, "expect_") || n <= 11 || strcmp(key + n - 4, "_hex") != 0 ||
        n - 11 >= size)
        return false;
    memcpy(out, key + 7, n - 11);
    out[n - 11] = 0;
    return true;
}

static void put_list(bl_buf *b, const char *key, const json_t *list)
{
    bl_buf_printf(b, "%s = [", key);
    for (size_t i = 0; i < json_array_size(list); i++)
        bl_buf_printf(b, "%s\"%s\"", i ? ", " : "", json_string_value(json_array_get(list, i)));
    bl_buf_add_str(b, "]\n");
}

/* Where no TCB information comes with a case, nobody judged a status when it was recorded. */
static void put_tcb(bl_buf *b, const bl_tee *tee, const json_t *one)
{
    const json_t *list = json_object_get(json_object_get(one, "policy"), "allow_tcb");
    bool          stated = json_object_get(json_object_get(one, "files"), "tcb_info") != NULL;
    if (!tee->tcb_statuses)
        return;
    if (list) {
        put_list(b, "allow_tcb", list);
    } else if (!stated) {
        bl_buf_add_str(b, "allow_tcb = [");
        for (const char *const *s = tee->tcb_statuses; *s; s++)
            bl_buf_printf(b, "%s\"%s\"", s == tee->tcb_statuses ? "" : ", ", *s);
        bl_buf_add_str(b, "]\n");
    }
}

/* Members of `object` as bounds: min_tcb { "snp": 28 } -> tcb_snp = 28. */
static void put_numbers(bl_buf *b, const char *prefix, const json_t *object)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        bl_buf_printf(b, "%s%s = %lld\n", prefix, key, (long long)json_integer_value(value));
}

static void put_bounds(bl_buf *b, const bl_tee *tee, const json_t *asked)
{
    const char *key;
    json_t     *value;
    char        name[64];
    bl_buf_printf(b, "[%s.minimum]\n", tee->name);
    put_numbers(b, "tcb_", json_object_get(asked, "min_tcb"));
    json_object_foreach((json_t *)(uintptr_t)asked, key,
                        value) if (starts_with(key, "min_") && json_is_integer(value))
        bl_buf_printf(b, "%s = %lld\n", key + 4, (long long)json_integer_value(value));
    bl_buf_printf(b, "[%s.maximum]\n", tee->name);
    if (has_fact(tee, "vmpl") && !json_object_get(asked, "max_vmpl"))
        bl_buf_add_str(b, "vmpl = 3\n");
    json_object_foreach((json_t *)(uintptr_t)asked, key,
                        value) if (starts_with(key, "max_") && json_is_integer(value))
        bl_buf_printf(b, "%s = %lld\n", key + 4, (long long)json_integer_value(value));
    bl_buf_printf(b, "[%s.equal]\n", tee->name);
    json_object_foreach((json_t *)(uintptr_t)asked, key,
                        value) if (expected_name(key, name, sizeof name) && has_fact(tee, name))
        bl_buf_printf(b, "%s = \"%s\"\n", name, json_string_value(value));
}

static void put_reference(bl_buf *b, const bl_tee *tee, const json_t *asked)
{
    const char *key;
    json_t     *value;
    char        name[64];
    size_t      set = 0;
    bl_buf_printf(b, "[[%s.reference]]\n", tee->name);
    json_object_foreach((json_t *)(uintptr_t)asked, key,
                        value) if (expected_name(key, name, sizeof name) && has_register(tee, name))
    {
        bl_buf_printf(b, "%s = \"%s\"\n", name, json_string_value(value));
        set++;
    }
    json_object_foreach(json_object_get(asked, "expect_pcrs"), key, value)
    {
        bl_buf_printf(b, "pcr%s = \"%s\"\n", key, json_string_value(value));
        set++;
    }
    if (set == 0 && tee->registers)
        bl_buf_printf(b, "%s = \"any\"\n", tee->registers[0].name);
}

blind_code bl_case_policy(const json_t *one, bl_buf *out, blind_error *err)
{
    const char   *name = text_of(one, "tee");
    const bl_tee *tee = name ? bl_tee_find(bl_span_str(name)) : NULL;
    const json_t *asked = json_object_get(one, "policy");
    if (!tee)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "no TEE '%.32s' in this build",
                          name ? name : "");
    bl_buf_printf(out,
                  "version = 1\nserver = \"any\"\ntees = [\"%s\"]\nallow_debug = %s\n"
                  "freshness_s = 300000000\n[models]\nothers = \"allow\"\n[%s]\n",
                  name,
                  tee->silent_on_debug || json_is_true(json_object_get(asked, "allow_debug"))
                      ? "true"
                      : "false",
                  name);
    put_tcb(out, tee, one);
    if (tee->has_collateral && text_of(asked, "collateral"))
        bl_buf_printf(out, "collateral = \"%s\"\n", text_of(asked, "collateral"));
    if (tee->has_crl)
        bl_buf_add_str(out, "crl = \"optional\"\n");
    if (tee->has_sha1 && json_is_true(json_object_get(asked, "allow_sha1")))
        bl_buf_add_str(out, "allow_sha1 = true\n");
    if (text_of(one, "pinned_key"))
        bl_buf_printf(out, "keys = [\"%s\"]\n", text_of(one, "pinned_key"));
    if (tee->facts)
        put_bounds(out, tee, asked);
    put_reference(out, tee, asked);
    return bl_buf_check(out, STAGE, err);
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

/* What the evidence must be bound to: a report data, a nonce or user data that is no field of its
 * own.  Empty: nothing is expected. */
static blind_code read_expectation(const json_t *one, uint8_t bytes[64], blind_expect *out,
                                   blind_error *err)
{
    static const char *const keys[] = { "expect_report_data_hex", "expect_nonce_hex",
                                        "expect_user_data_hex" };
    const json_t            *asked = json_object_get(one, "policy");
    const bl_tee            *tee = bl_tee_find(bl_span_str(text_of(one, "tee")));
    char                     name[64];
    *out = (blind_expect){ .to = BLIND_BOUND_UNBOUND };
    for (size_t i = 0; i < BL_LEN(keys); i++) {
        const char *hex = text_of(asked, keys[i]);
        if (!hex || (expected_name(keys[i], name, sizeof name) && tee && has_fact(tee, name)))
            continue;
        size_t digits = strlen(hex);
        if (digits == 0 || digits > 128 || !bl_hex_decode(bl_span_str(hex), bytes, digits / 2))
            return blind_fail(err, BLIND_INPUT, STAGE, "%s is not 1 to 64 bytes of hex", keys[i]);
        *out = (blind_expect){ .to = BLIND_BOUND_REPORT_DATA,
                               .report_data = bl_span(bytes, digits / 2) };
    }
    return BLIND_OK;
}

static blind_code judge_files(const json_t *one, const case_files *files, blind_policy *policy,
                              bl_judgement *out, blind_error *err)
{
    blind_appraise_options options = { 0 };
    blind_expect           expect;
    blind_result          *result;
    blind_error            why = { 0 };
    uint8_t                bytes[64];
    BL_TRY(read_time(one, &options.now_s, err));
    BL_TRY(read_expectation(one, bytes, &expect, err));
    blind_code code =
        blind_appraise_evidence(text_of(one, "tee"), files->evidence, files->parts + 1,
                                files->len - 1, &expect, policy, &options, &result, &why);
    if (!result)
        return blind_fail(err, code, STAGE, "%s", why.message);
    if (code != BLIND_OK) {
        bl_judged_case(out, BL_JUDGED_REJECT, "%s", why.message);
    } else {
        bl_auto_json *verdict = json_loads(blind_result_json(result), 0, NULL);
        const char   *other = first_difference(one, json_object_get(verdict, "claims"));
        if (other)
            bl_judged_case(out, BL_JUDGED_REJECT, "%s was read otherwise than recorded", other);
        else
            bl_judged_case(out, BL_JUDGED_ACCEPT, "as expected");
    }
    blind_result_free(result);
    return BLIND_OK;
}

/* An attestation key that comes with the case is pinned, as its index means it to be. */
static blind_code pin_key(json_t *one, const case_files *files, blind_error *err)
{
    uint8_t digest[32];
    char    hex[65];
    for (size_t i = 1; i < files->len; i++) {
        if (strcmp(files->parts[i].name, "ak_spki") != 0)
            continue;
        if (bl_sha256(files->parts[i].bytes, digest) != BLIND_OK)
            return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
        for (size_t k = 0; k < sizeof digest; k++)
            snprintf(hex + 2 * k, 3, "%02x", digest[k]);
        if (json_object_set_new(one, "pinned_key", json_string(hex)) != 0)
            return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    }
    return BLIND_OK;
}

static blind_code judge_evidence(const json_t *given, case_files *files, bl_judgement *out,
                                 blind_error *err)
{
    bl_auto_json *one = json_copy((json_t *)(uintptr_t)given);
    bl_auto_buf   text = BL_BUF_EMPTY;
    blind_policy *policy;
    if (!one)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    BL_TRY(pin_key(one, files, err));
    blind_code code = bl_case_policy(one, &text, err);
    if (code == BLIND_UNSUPPORTED) {
        bl_judged_case(out, BL_JUDGED_UNSUPPORTED, "%s", err->message);
        return BLIND_OK;
    }
    BL_TRY(code);
    BL_TRY(blind_policy_load_text(bl_buf_span(&text), &policy, err));
    code = judge_files(one, files, policy, out, err);
    blind_policy_free(policy);
    return code;
}

blind_code bl_case_judge(const char *dir, const json_t *one, bl_judgement *out, blind_error *err)
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
