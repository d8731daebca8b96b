/* Cases as the library judges them: every recorded one as its index says, and what is no case, no
 * file or no rule of this build. */
#include "base/file.h"
#include "blind/conformance.h"
#include "tests/test.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

TEST(every_recorded_case_comes_out_as_its_index_says)
{
    char        path[4096];
    const char *dir = getenv("BLIND_VECTORS");
    bl_auto_buf text = BL_BUF_EMPTY;
    size_t      judged = 0;
    snprintf(path, sizeof path, "%s/index.json", dir ? dir : "");
    if (!dir || !*dir || bl_file_read(path, 64u << 20, &text, NULL) != BLIND_OK) {
        printf("skipped: no recorded vectors\n");
        return;
    }
    json_t *index = json_loadb((const char *)text.data, text.size, 0, NULL);
    for (; judged < json_array_size(index); judged++) {
        const json_t        *one = json_array_get(index, judged);
        const char          *id = json_string_value(json_object_get(one, "id"));
        bool                 ok = !strcmp(json_string_value(json_object_get(one, "expect")), "ok");
        char                *json = json_dumps(one, 0);
        blind_case_judgement found;
        CHECK_CODE(BLIND_OK, blind_case_judge(bl_span_str(json), dir, &found, NULL), id);
        if (found.verdict != (ok ? BLIND_CASE_ACCEPT : BLIND_CASE_REJECT) || !found.reason[0])
            fail_msg("%s: %d %s", id, found.verdict, found.reason);
        free(json);
    }
    json_decref(index);
    CHECK(judged > 200);
}

TEST(what_is_no_case_is_an_error)
{
    static const struct {
        const char *json;
        blind_code  want;
    } cases[] = {
        { "", BLIND_INPUT },
        { "{", BLIND_INPUT },
        { "[]", BLIND_INPUT },
        { "{}", BLIND_INPUT },
        { "{\"tee\":7,\"files\":{\"evidence\":\"here\"}}", BLIND_INPUT },
        { "{\"tee\":\"snp\"}", BLIND_INPUT },
        { "{\"tee\":\"snp\",\"files\":{}}", BLIND_INPUT },
        { "{\"tee\":\"snp\",\"files\":{\"evidence\":7}}", BLIND_INPUT },
        { "{\"tee\":\"snp\",\"files\":{\"evidence\":\"none\"}}", BLIND_NOT_FOUND },
        { "{\"tee\":\"snp\",\"files\":{\"evidence\":[\"here\",\"none\"]}}", BLIND_NOT_FOUND },
        { "{\"tee\":\"snp\",\"files\":{\"evidence\":\"here\"},\"verify_at\":\"now\"}",
          BLIND_INPUT },
        { "{\"tee\":\"snp\",\"files\":{\"evidence\":\"here\"},"
          "\"policy\":{\"expect_report_data_hex\":\"0\"}}",
          BLIND_INPUT },
    };
    char dir[] = "/tmp/blind-case-XXXXXX", path[64];
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/here", dir);
    CHECK(bl_file_write_atomic(path, BL_LITERAL("x"), 0600, NULL) == BLIND_OK);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_case_judgement found = { .verdict = BLIND_CASE_ACCEPT };
        CHECK_CODE(cases[i].want, blind_case_judge(bl_span_str(cases[i].json), dir, &found, NULL),
                   cases[i].json);
        CHECK(found.verdict == BLIND_CASE_UNSUPPORTED);
    }
    unlink(path);
    rmdir(dir);
}

TEST(what_this_build_cannot_ask_is_not_judged_as_less)
{
    static const char *const rules[] = {
        "\"min_nothing\":1",       "\"expect_nothing_hex\":\"00\"",
        "\"misspelt\":true",       "\"expect_pcrs\":{\"0\":\"00\"}",
        "\"allow_sha1\":true",     "\"allow_tcb\":[1]",
        "\"min_tcb\":{\"x\":1}",   "\"min_tcb\":{\"snp\":\"1\"}",
        "\"allow_debug\":\"yes\"", "\"expect_report_data_hex\":1",
    };
    char dir[] = "/tmp/blind-case-XXXXXX", path[64], json[512];
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/here", dir);
    CHECK(bl_file_write_atomic(path, BL_LITERAL("x"), 0600, NULL) == BLIND_OK);
    for (size_t i = 0; i < BL_LEN(rules); i++) {
        blind_case_judgement found;
        snprintf(json, sizeof json,
                 "{\"tee\":\"snp\",\"files\":{\"evidence\":\"here\"},\"policy\":{%s}}", rules[i]);
        CHECK_CODE(BLIND_OK, blind_case_judge(bl_span_str(json), dir, &found, NULL), rules[i]);
        if (found.verdict != BLIND_CASE_UNSUPPORTED)
            fail_msg("%s: %s", rules[i], found.reason);
    }
    unlink(path);
    rmdir(dir);
}

TESTS(RUN(every_recorded_case_comes_out_as_its_index_says), RUN(what_is_no_case_is_an_error),
      RUN(what_this_build_cannot_ask_is_not_judged_as_less))
