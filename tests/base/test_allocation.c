/* Every allocation of base fails once: each time the answer is MEMORY and nothing leaks. */
#include "tests/alloc.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/npy.h"
#include "base/toml.h"

#include <unistd.h>

static blind_code parse_toml(void)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    const bl_toml *root;
    blind_error    err;
    bl_auto_buf    text = BL_BUF_EMPTY;
    bl_buf_add_str(&text, "x = 1.5\n");
    for (int i = 0; i < 2000; i++)
        bl_buf_printf(&text, "key_%d = ['a string', \"another\"]\n", i);
    BL_TRY(bl_buf_check(&text, "test", &err));
    blind_code code = bl_toml_parse(bl_buf_span(&text), &arena, &root, &err);
    CHECK((root != NULL) == (code == BLIND_OK));
    return code;
}

static blind_code parse_json(void)
{
    bl_auto_json *value = NULL;
    bl_auto_buf   out = BL_BUF_EMPTY;
    BL_TRY(
        bl_json_parse(BL_LITERAL("{\"a\":[1,2.5,\"x\"],\"b\":{\"c\":null}}"), 1000, &value, NULL));
    return bl_json_write(value, &out, NULL);
}

static blind_code round_trip_npy(void)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   file = BL_BUF_EMPTY;
    float         values[2] = { 1, 2 };
    blind_tensor  back, t = { .rank = 1, .shape = { 2 }, .data = values, .size = sizeof values };
    BL_TRY(bl_npy_write(&t, &file, NULL));
    return bl_npy_read(bl_buf_span(&file), &arena, &back, NULL);
}

static blind_code round_trip_base64(void)
{
    bl_auto_buf text = BL_BUF_EMPTY, bytes = BL_BUF_EMPTY, hex = { .secret = true };
    for (int i = 0; i < 100; i++) {
        bl_base64_add(&text, BL_BASE64_STD, BL_LITERAL("abc"));
        bl_hex_add(&hex, BL_LITERAL("abc"));
    }
    BL_TRY(bl_buf_check(&text, "test", NULL));
    BL_TRY(bl_buf_check(&hex, "test", NULL));
    return bl_base64_decode(bl_buf_span(&text), BL_BASE64_STD, &bytes, NULL);
}

static blind_code write_and_read_file(void)
{
    char        path[64];
    bl_auto_buf out = BL_BUF_EMPTY;
    snprintf(path, sizeof path, "/tmp/blind-test-alloc-%d", (int)getpid());
    blind_code code = bl_file_write_atomic(path, BL_LITERAL("x"), 0600, NULL);
    if (code == BLIND_OK)
        code = bl_file_read(path, 10, &out, NULL);
    unlink(path);
    return code;
}

static blind_code fill_arena(void)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    for (size_t size = 1; size < 300000; size *= 3)
        if (!bl_arena_alloc(&arena, size) || !bl_arena_printf(&arena, "%zu", size))
            return BLIND_MEMORY;
    return BLIND_OK;
}

static const struct {
    const char *name;
    blind_code (*run)(void);
    int least;
} runs[] = {
    { "toml", parse_toml, 10 },         { "npy", round_trip_npy, 3 },
    { "base64", round_trip_base64, 6 }, { "file", write_and_read_file, 3 },
    { "arena", fill_arena, 3 },
};

TEST(base_survives_want_of_memory)
{
    for (size_t i = 0; i < BL_LEN(runs); i++) {
        int n = fail_each_allocation(runs[i].run, runs[i].name);
        print_message("%s: %d allocations\n", runs[i].name, n);
        CHECK(n >= runs[i].least);
    }
}

TEST(json_survives_want_of_memory)
{
    CHECK(fail_each_json_allocation(parse_json, "json") > 10);
}

TESTS(RUN(base_survives_want_of_memory), RUN(json_survives_want_of_memory))
