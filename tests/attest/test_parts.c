/* What goes with evidence, what verification remembers, and the list of its steps. */
#include "attest/cache.h"
#include "attest/claims.h"
#include "attest/parts.h"
#include "tests/test.h"

TEST(parts_come_back_as_they_went)
{
    bl_parts    parts = { 0 }, back;
    bl_auto_buf cbor = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("vcek"), BL_LITERAL("one"), NULL), "set");
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("ark"), BL_LITERAL("two"), NULL), "set");
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("ark"), BL_LITERAL("2"), NULL), "again");
    CHECK_CODE(BLIND_OK, bl_parts_write(&parts, &cbor, NULL), "write");
    CHECK_CODE(BLIND_OK, bl_parts_parse(bl_buf_span(&cbor), &back, NULL), "parse");
    assert_int_equal(2, back.len);
    CHECK(bl_span_equal(BL_LITERAL("one"), bl_parts_get(&back, "vcek")));
    CHECK(bl_span_equal(BL_LITERAL("2"), bl_parts_get(&back, "ark")));
    assert_int_equal(0, bl_parts_get(&back, "ask").size);
    for (size_t size = 1; size < cbor.size; size++)
        CHECK_CODE(BLIND_FORMAT, bl_parts_parse(bl_span(cbor.data, size), &back, NULL), "prefix");
    bl_buf_add_u8(&cbor, 0);
    CHECK_CODE(BLIND_FORMAT, bl_parts_parse(bl_buf_span(&cbor), &back, NULL), "one byte more");
    assert_int_equal(0, back.len);
}

TEST(parts_have_bounds)
{
    bl_parts parts = { 0 };
    char     names[BL_MAX_PARTS + 1][8];
    for (size_t i = 0; i <= BL_MAX_PARTS; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        CHECK_CODE(i < BL_MAX_PARTS ? BLIND_OK : BLIND_LIMIT,
                   bl_parts_set(&parts, bl_span_str(names[i]), BL_LITERAL("x"), NULL), names[i]);
    }
    CHECK_CODE(BLIND_INPUT, bl_parts_set(&parts, BL_LITERAL(""), BL_LITERAL("x"), NULL), "empty");
    CHECK_CODE(BLIND_INPUT, bl_parts_set(&parts, BL_LITERAL("a b"), BL_LITERAL("x"), NULL),
               "blank");
}

TEST(what_is_there_is_not_replaced_by_more)
{
    bl_parts own = { .items = { { BL_LITERAL("vcek"), BL_LITERAL("device") } }, .len = 1 };
    bl_parts more = { .items = { { BL_LITERAL("vcek"), BL_LITERAL("store") },
                                 { BL_LITERAL("crl"), BL_LITERAL("list") } },
                      .len = 2 };
    CHECK_CODE(BLIND_OK, bl_parts_add(&own, &more, NULL), "add");
    assert_int_equal(2, own.len);
    CHECK(bl_span_equal(BL_LITERAL("device"), bl_parts_get(&own, "vcek")));
    CHECK(bl_span_equal(BL_LITERAL("list"), bl_parts_get(&own, "crl")));
}

/* ---- the cache ---- */

typedef struct {
    bl_cached head;
    int      *freed;
} thing;

static void thing_free(void *object)
{
    thing *t = object;
    ++*t->freed;
    free(t);
}
static const bl_cache_kind kind = { thing_free }, other_kind = { thing_free };

static thing *thing_new(int *freed)
{
    thing *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    bl_cached_init(&t->head, &kind);
    t->freed = freed;
    return t;
}

static void key_of(const char *text, uint8_t key[32])
{
    blind_span span = bl_span_str(text);
    CHECK(bl_cache_key(&span, 1, key));
}

TEST(the_cache_remembers_the_latest_and_lets_go_of_the_oldest)
{
    blind_cache *cache = blind_cache_new(2);
    uint8_t      keys[3][32];
    int          freed = 0;
    const char  *names[] = { "a", "b", "c" };
    for (size_t i = 0; i < 3; i++) {
        thing *t = thing_new(&freed);
        key_of(names[i], keys[i]);
        bl_cache_put(cache, keys[i], t);
        bl_cached_release(t);
        if (i == 1) { /* "a" was used later than "b" */
            void *a = bl_cache_get(cache, &kind, keys[0]);
            CHECK(a != NULL);
            bl_cached_release(a);
        }
    }
    assert_int_equal(1, freed);
    assert_null(bl_cache_get(cache, &kind, keys[1]));
    assert_null(bl_cache_get(cache, &other_kind, keys[0]));
    void *held = bl_cache_get(cache, &kind, keys[0]);
    assert_non_null(held);
    blind_cache_free(cache);
    assert_int_equal(2, freed);
    bl_cached_release(held); /* outlives the cache */
    assert_int_equal(3, freed);
}

TEST(no_cache_is_no_cache)
{
    uint8_t key[32];
    int     freed = 0;
    thing  *t = thing_new(&freed);
    key_of("a", key);
    bl_cache_put(NULL, key, t);
    assert_null(bl_cache_get(NULL, &kind, key));
    bl_cached_release(t);
    assert_int_equal(1, freed);
}

TEST(keys_depend_on_where_one_span_ends)
{
    blind_span one[] = { BL_LITERAL("ab"), BL_LITERAL("c") };
    blind_span two[] = { BL_LITERAL("a"), BL_LITERAL("bc") };
    uint8_t    a[32], b[32];
    CHECK(bl_cache_key(one, 2, a) && bl_cache_key(two, 2, b));
    CHECK(memcmp(a, b, 32) != 0);
}

/* ---- findings ---- */

TEST(nothing_verified_is_refusal)
{
    bl_claims claims = { 0 };
    CHECK_CODE(BLIND_EVIDENCE, bl_findings_code(&claims, NULL), "no findings");
    bl_find_beside(&claims, "tcb", BLIND_PROVEN, BLIND_TCB, "x", "x", "x");
    CHECK_CODE(BLIND_EVIDENCE, bl_findings_code(&claims, NULL), "none of them vital");
    bl_find(&claims, "chain", true, BLIND_CHAIN, "x", "x", "x");
    CHECK_CODE(BLIND_OK, bl_findings_code(&claims, NULL), "proven");
    bl_find(&claims, "signature", false, BLIND_SIGNATURE, "x", "y", "x");
    bl_find(&claims, "crl", false, BLIND_REVOKED, "x", "y", "x");
    CHECK_CODE(BLIND_SIGNATURE, bl_findings_code(&claims, NULL), "the first that failed");
}

TEST(full_tables_refuse)
{
    bl_claims claims = { 0 };
    for (size_t i = 0; i <= BL_MAX_FINDINGS; i++)
        bl_find(&claims, "chain", true, BLIND_CHAIN, "x", "x", "x");
    CHECK_CODE(BLIND_MEMORY, bl_findings_code(&claims, NULL), "findings");
    claims = (bl_claims){ 0 };
    for (size_t i = 0; i <= BL_MAX_FACTS; i++)
        bl_claim_number(&claims, "n", i);
    CHECK(claims.failed);
    claims = (bl_claims){ 0 };
    for (size_t i = 0; i <= BL_MAX_MEASUREMENTS; i++)
        bl_claim_measurement(&claims, "m", BL_LITERAL("x"));
    CHECK(claims.failed);
}

TESTS(RUN(parts_come_back_as_they_went), RUN(parts_have_bounds),
      RUN(what_is_there_is_not_replaced_by_more),
      RUN(the_cache_remembers_the_latest_and_lets_go_of_the_oldest), RUN(no_cache_is_no_cache),
      RUN(keys_depend_on_where_one_span_ends), RUN(nothing_verified_is_refusal),
      RUN(full_tables_refuse))
