/* The log replays to what was appended, and to nothing else. */
#include "tests/test.h"

#include "attest/runtime_log.h"

#include <pthread.h>

static bl_log_event load(const char *name, uint8_t first)
{
    return (
        bl_log_event){ .type = BL_LOG_MODEL_LOAD, .name = bl_span_str(name), .sha256 = { first } };
}

static void append(bl_runtime_log *log, bl_log_event event)
{
    CHECK_CODE(BLIND_OK, bl_runtime_log_append(log, &event, NULL, NULL), "append");
}

static void fill(bl_runtime_log *log)
{
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(log, NULL), "init");
    append(log, (bl_log_event){ .type = BL_LOG_CONFIG, .sha256 = { 9 } });
    append(log, load("a", 1));
    append(log, load("b", 2));
    append(log, load("a", 3));
    append(log, (bl_log_event){ .type = BL_LOG_MODEL_UNLOAD, .name = BL_LITERAL("b") });
    bl_log_event salted = load("c", 4);
    salted.salted = true;
    append(log, salted);
}

static blind_code replay(blind_span bytes, bl_arena *arena, bl_log_replay *out)
{
    return bl_runtime_log_replay(bytes, arena, out, NULL);
}

TEST(a_log_replays_to_its_state_and_models)
{
    bl_runtime_log log;
    bl_log_state   state;
    bl_auto_buf    bytes = BL_BUF_EMPTY;
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    bl_log_replay  got;
    fill(&log);
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&log, &state, &bytes, NULL), "snapshot");
    CHECK_CODE(BLIND_OK, replay(bl_buf_span(&bytes), &arena, &got), "replay");
    assert_int_equal(6, got.len);
    assert_int_equal(state.len, got.state.len);
    assert_memory_equal(state.head, got.state.head, 32);
    const bl_log_model *models;
    size_t              len;
    CHECK_CODE(BLIND_OK, bl_log_models(&got, &arena, &models, &len, NULL), "models");
    assert_int_equal(2, len);
    CHECK(bl_span_equal(models[0].name, BL_LITERAL("a")) && models[0].sha256[0] == 3);
    CHECK(!models[0].salted);
    CHECK(bl_span_equal(models[1].name, BL_LITERAL("c")) && models[1].salted);
    bl_runtime_log_done(&log);
}

TEST(an_empty_log_has_a_zero_head)
{
    static const uint8_t zeros[32];
    bl_auto_arena        arena = BL_ARENA_EMPTY;
    bl_log_replay        got;
    const bl_log_model  *models;
    size_t               len;
    CHECK_CODE(BLIND_OK, replay((blind_span){ 0 }, &arena, &got), "replay");
    assert_int_equal(0, got.state.len);
    assert_memory_equal(zeros, got.state.head, 32);
    CHECK_CODE(BLIND_OK, bl_log_models(&got, &arena, &models, &len, NULL), "models");
    assert_int_equal(0, len);
}

/* A prefix that ends between two events is a log, but another one: its head differs. */
TEST(no_damaged_log_has_the_same_head)
{
    bl_runtime_log log;
    bl_log_state   state;
    bl_auto_buf    bytes = BL_BUF_EMPTY;
    fill(&log);
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&log, &state, &bytes, NULL), "snapshot");
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_log_replay got;
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        blind_code code = replay(bl_buf_span(&bytes), &arena, &got);
        CHECK(code == BLIND_LOG || memcmp(got.state.head, state.head, 32) != 0);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t keep = 0; keep < bytes.size; keep++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_log_replay got;
        blind_code    code = replay(bl_span(bytes.data, keep), &arena, &got);
        CHECK(code == BLIND_LOG || memcmp(got.state.head, state.head, 32) != 0);
    }
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_log_replay got;
    bl_buf_add_u8(&bytes, 0);
    CHECK_CODE(BLIND_LOG, replay(bl_buf_span(&bytes), &arena, &got), "one byte more");
    bl_runtime_log_done(&log);
}

/* Each row is one record, wrapped in its byte string by the test. */
static const struct {
    const char *name;
    blind_span  record;
} malformed[] = {
    { "an empty record", { 0 } },
    { "version 2", BL_LITERAL("\xa3\x61v\x02\x64type\x66"
                              "config") },
    { "an unknown type", BL_LITERAL("\xa2\x61v\x01\x64type\x63"
                                    "foo") },
    { "a type without its digest", BL_LITERAL("\xa2\x61v\x01\x64type\x66"
                                              "config") },
    { "an unload without a name", BL_LITERAL("\xa2\x61v\x01\x64type\x6cmodel.unload") },
    { "an empty name", BL_LITERAL("\xa3\x61v\x01\x64name\x60\x64type\x6cmodel.unload") },
    { "a name with an escape sequence",
      BL_LITERAL("\xa3\x61v\x01\x64name\x62\x1b[\x64type\x6cmodel.unload") },
    { "a name with a space", BL_LITERAL("\xa3\x61v\x01\x64name\x62 a\x64type\x6cmodel.unload") },
    { "one pair too many stated", BL_LITERAL("\xa4\x61v\x01\x64name\x61"
                                             "a\x64type\x6cmodel.unload") },
    { "a long form of the version", BL_LITERAL("\xa3\x61v\x18\x01\x64name\x61"
                                               "a\x64type\x6cmodel.unload") },
    { "a byte behind the record", BL_LITERAL("\xa3\x61v\x01\x64name\x61"
                                             "a\x64type\x6cmodel.unload\x00") },
    { "a short digest", BL_LITERAL("\xa3\x61v\x01\x64type\x66"
                                   "config\x66sha256\x41\x01") },
    { "a salted configuration", BL_LITERAL("\xa3\x61v\x01\x64type\x66"
                                           "config\x66salted\x58\x20"
                                           "01234567890123456789012345678901") },
    { "an indefinite map", BL_LITERAL("\xbf\x61v\x01\x64name\x61"
                                      "a\x64type\x6cmodel.unload\xff") },
};

TEST(malformed_records_are_refused)
{
    for (size_t i = 0; i < BL_LEN(malformed); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_auto_buf   log = BL_BUF_EMPTY;
        bl_log_replay got;
        bl_buf_add_u8(&log, 0x58);
        bl_buf_add_u8(&log, (uint8_t)malformed[i].record.size);
        if (malformed[i].record.size < 24) {
            bl_buf_clear(&log);
            bl_buf_add_u8(&log, (uint8_t)(0x40 + malformed[i].record.size));
        }
        bl_buf_add(&log, malformed[i].record);
        CHECK_CODE(BLIND_LOG, replay(bl_buf_span(&log), &arena, &got), malformed[i].name);
    }
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_log_replay got;
    CHECK_CODE(BLIND_OK,
               replay(BL_LITERAL("\x58\x1d\xa3\x61v\x01\x64name\x61"
                                 "a\x64type\x6cmodel.unload"),
                      &arena, &got),
               "the good record");
    CHECK_CODE(BLIND_LOG, replay(BL_LITERAL("\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), &arena, &got),
               "a record of 2^64 - 1 bytes");
}

TEST(names_are_bounded_visible_ascii)
{
    bl_runtime_log log;
    char           name[BL_MAX_MODEL_NAME + 2];
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "init");
    memset(name, 'n', sizeof name);
    bl_log_event e = { .type = BL_LOG_MODEL_LOAD };
    const struct {
        blind_span name;
        blind_code want;
    } cases[] = {
        { { 0 }, BLIND_INPUT },
        { BL_LITERAL("a b"), BLIND_INPUT },
        { BL_LITERAL("a\n"), BLIND_INPUT },
        { BL_LITERAL("\xc3\xa9"), BLIND_INPUT },
        { bl_span(name, BL_MAX_MODEL_NAME), BLIND_OK },
        { bl_span(name, BL_MAX_MODEL_NAME + 1), BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        e.name = cases[i].name;
        CHECK_CODE(cases[i].want, bl_runtime_log_append(&log, &e, NULL, NULL), "name");
    }
    assert_int_equal(1, bl_runtime_log_len(&log));
    bl_runtime_log_done(&log);
}

TEST(a_salted_digest_needs_its_salt)
{
    uint8_t salt[32] = { 1 }, other[32] = { 2 }, sha[32] = { 3 }, a[32], b[32];
    CHECK_CODE(BLIND_OK, bl_log_salted(salt, sha, a), "salted");
    CHECK_CODE(BLIND_OK, bl_log_salted(other, sha, b), "salted");
    CHECK(memcmp(a, b, 32) != 0);
}

enum { THREADS = 4, EACH = 500 };

static void *append_many(void *arg)
{
    for (int i = 0; i < EACH; i++) {
        bl_log_event e = load("m", (uint8_t)i);
        uint64_t     len;
        if (bl_runtime_log_append(arg, &e, &len, NULL) != BLIND_OK || len == 0)
            return arg;
        bl_log_state state;
        bl_auto_buf  bytes = BL_BUF_EMPTY;
        if (i % 100 == 0 && bl_runtime_log_snapshot(arg, &state, &bytes, NULL) == BLIND_OK) {
            bl_auto_arena arena = BL_ARENA_EMPTY;
            bl_log_replay got;
            if (replay(bl_buf_span(&bytes), &arena, &got) != BLIND_OK ||
                memcmp(got.state.head, state.head, 32) != 0)
                return arg;
        }
    }
    return NULL;
}

TEST(threads_append_and_look_at_once)
{
    bl_runtime_log log;
    pthread_t      threads[THREADS];
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "init");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, append_many, &log));
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(THREADS * EACH, bl_runtime_log_len(&log));
    bl_runtime_log_done(&log);
}

TEST(a_full_log_refuses_and_stays_as_it_was)
{
    bl_runtime_log log;
    bl_log_state   before, after;
    bl_log_event   e = load("m", 1);
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "init");
    for (uint32_t i = 0; i < BL_MAX_LOG_EVENTS; i++)
        append(&log, e);
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&log, &before, NULL, NULL), "before");
    CHECK_CODE(BLIND_LIMIT, bl_runtime_log_append(&log, &e, NULL, NULL), "one more");
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&log, &after, NULL, NULL), "after");
    assert_memory_equal(before.head, after.head, 32);
    assert_int_equal(BL_MAX_LOG_EVENTS, after.len);
    bl_runtime_log_done(&log);
}

/* Records with the longest names fill it by size: a bundle must still take it. */
TEST(a_log_stays_smaller_than_a_bundle)
{
    bl_runtime_log log;
    char           name[BL_MAX_MODEL_NAME + 1];
    memset(name, 'n', sizeof name);
    name[BL_MAX_MODEL_NAME] = 0;
    bl_log_event e = load(name, 1);
    blind_code   code = BLIND_OK;
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "init");
    while (code == BLIND_OK)
        code = bl_runtime_log_append(&log, &e, NULL, NULL);
    CHECK_CODE(BLIND_LIMIT, code, "full");
    CHECK(log.bytes.size <= BL_MAX_LOG_SIZE && log.bytes.size > BL_MAX_LOG_SIZE - 1000);
    CHECK(BL_MAX_LOG_SIZE + (1u << 20) < BL_MAX_BUNDLE_SIZE);
    bl_runtime_log_done(&log);
}

TESTS(RUN(a_log_replays_to_its_state_and_models), RUN(an_empty_log_has_a_zero_head),
      RUN(no_damaged_log_has_the_same_head), RUN(malformed_records_are_refused),
      RUN(names_are_bounded_visible_ascii), RUN(a_salted_digest_needs_its_salt),
      RUN(threads_append_and_look_at_once), RUN(a_full_log_refuses_and_stays_as_it_was),
      RUN(a_log_stays_smaller_than_a_bundle))
