/* Synthetic builds of tests/vectors/measure, and what their makers in Python say they measure to.
 */
#ifndef BL_EXPECTED_H
#define BL_EXPECTED_H

#include "tests/test.h"

#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"

#define BUILDS "tests/vectors/measure/"

static inline void read_build(const char *name, bl_buf *out)
{
    char path[256];
    snprintf(path, sizeof path, BUILDS "%s", name);
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1u << 20, out, NULL), path);
}

/* The line "build key hex" of expected.txt. */
static inline void check_computed(const char *build, const char *key, const uint8_t *got,
                                  size_t size)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    char        line[512], hex[2 * BL_HASH_MAX + 1];
    read_build("expected.txt", &text);
    bl_hex_encode(bl_span(got, size), hex);
    snprintf(line, sizeof line, "\n%s %s ", build, key);
    const char *all = bl_buf_cstr(&text), *at = strstr(all, line);
    if (!at)
        fail_msg("expected.txt says nothing of %s %s", build, key);
    at += strlen(line);
    if (strncmp(at, hex, strlen(hex)) != 0 || at[strlen(hex)] != '\n')
        fail_msg("%s %s: found %s, expected %.*s", build, key, hex, (int)strcspn(at, "\n"), at);
}

#endif
