/* Thin macros over cmocka, and the folders that tests read.
 *
 *     TEST(reader_refuses_a_short_input) { CHECK_CODE(BLIND_FORMAT, parse(...), "short"); }
 *     TESTS(RUN(reader_refuses_a_short_input), ...)
 */
#ifndef BL_TEST_H
#define BL_TEST_H

/* cmocka wants these four, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define TEST(name) static void name(void **test_state __attribute__((unused)))
#define RUN(name)  cmocka_unit_test(name)
#define TESTS(...)                                                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s", #condition);                                                            \
    } while (0)

/* Both codes by name when they differ, and which case it was. */
#define CHECK_CODE(want, got, case_name)                                                           \
    do {                                                                                           \
        blind_code check_want = (want), check_got = (got);                                         \
        if (check_want != check_got)                                                               \
            fail_msg("%s: expected %s, found %s", (case_name), blind_code_name(check_want),        \
                     blind_code_name(check_got));                                                  \
    } while (0)

/* The recorded vectors, or NULL after saying that they are not there. */
static inline const char *test_vectors(void)
{
    const char *dir = getenv("BLIND_VECTORS");
    FILE       *f = NULL;
    if (dir && *dir) {
        char path[4096];
        snprintf(path, sizeof path, "%s/index.json", dir);
        f = fopen(path, "rb");
    }
    if (!f) {
        print_message("skipped: no recorded vectors\n");
        return NULL;
    }
    fclose(f);
    return dir;
}

#endif
