/* Pages: who has them, what is found by name, and that nobody reads what another left. */
#include "llm/kv.h"
#include "tests/test.h"

static bl_kv *make(size_t pages, size_t *size)
{
    bl_kv_layout l;
    bl_kv       *kv;
    CHECK_CODE(BLIND_OK, bl_kv_layout_of(BL_KV_F16, 2, 1, 8, &l, NULL), "layout");
    CHECK(l.width == 32 && l.page == (size_t)2 * 2 * 32 * BL_KV_PAGE * 2);
    CHECK_CODE(BLIND_OK, bl_kv_new(&l, pages * l.page, &kv, NULL), "new");
    *size = l.page;
    return kv;
}

static bool is_clean(const bl_kv *kv, uint32_t page, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bl_kv_page(kv, page)[i])
            return false;
    return true;
}

static void check_counts(const bl_kv *kv, size_t used, size_t kept, const char *when)
{
    bl_kv_counts c = bl_kv_count(kv);
    if (c.used != used || c.kept != kept)
        fail_msg("%s: %zu used and %zu kept, expected %zu and %zu", when, c.used, c.kept, used,
                 kept);
}

static const uint8_t names[3][BL_KV_NAME_SIZE] = { { 1 }, { 2 }, { 1, 0, 0, 0, 0, 0, 0, 0, 9 } };

TEST(pages_come_clean)
{
    size_t   size;
    bl_kv   *kv = make(3, &size);
    uint32_t pages[3], again[3];
    CHECK(!bl_kv_take(kv, 4, pages));
    check_counts(kv, 0, 0, "after a refusal");
    CHECK(bl_kv_take(kv, 3, pages));
    for (size_t i = 0; i < 3; i++) {
        CHECK(is_clean(kv, pages[i], size));
        memset(bl_kv_page(kv, pages[i]), 7, size);
    }
    CHECK(!bl_kv_take(kv, 1, again));
    bl_kv_drop(kv, pages[0]);
    bl_kv_drop(kv, pages[1]);
    CHECK(bl_kv_wipe(kv, size)); /* one of two */
    CHECK(is_clean(kv, pages[0], size) && !is_clean(kv, pages[1], size));
    CHECK(bl_kv_take(kv, 2, again));
    CHECK(is_clean(kv, again[0], size) && is_clean(kv, again[1], size));
    CHECK(!bl_kv_wipe(kv, size));
    bl_kv_free(kv);
}

TEST(named_pages_are_kept_and_found)
{
    size_t   size;
    bl_kv   *kv = make(3, &size);
    uint32_t pages[3], found, other;
    CHECK(bl_kv_take(kv, 3, pages));
    for (size_t i = 0; i < 3; i++)
        bl_kv_name(kv, pages[i], names[i]);
    bl_kv_name(kv, pages[0], names[1]); /* has one already */
    for (size_t i = 0; i < 3; i++) {
        memset(bl_kv_page(kv, pages[i]), (int)i + 1, size);
        bl_kv_drop(kv, pages[i]);
    }
    check_counts(kv, 0, 3, "dropped");
    CHECK(!bl_kv_wipe(kv, size));
    for (size_t i = 0; i < 3; i++)
        CHECK(bl_kv_find(kv, names[i], &found) && found == pages[i] &&
              bl_kv_page(kv, found)[0] == i + 1);
    CHECK(bl_kv_find(kv, names[0], &found)); /* two hold it now */
    bl_kv_drop(kv, found);
    check_counts(kv, 3, 0, "found");
    bl_kv_drop(kv, pages[1]);
    bl_kv_drop(kv, pages[0]);
    CHECK(bl_kv_take(kv, 1, &other) && other == pages[1]); /* longest unused */
    CHECK(is_clean(kv, other, size) && !bl_kv_find(kv, names[1], &found));
    CHECK(bl_kv_find(kv, names[0], &found));
    bl_kv_name(kv, other, names[0]); /* another has it */
    bl_kv_drop(kv, other);
    check_counts(kv, 2, 0, "a name that was taken");
    bl_kv_free(kv);
}

TEST(memory_that_holds_no_page_is_refused)
{
    bl_kv_layout l;
    bl_kv       *kv;
    CHECK_CODE(BLIND_OK, bl_kv_layout_of(BL_KV_Q8_0, 1, 1, 33, &l, NULL), "layout");
    CHECK(l.width == 64 && l.part == 64 * BL_KV_PAGE + 2 * 2 * BL_KV_PAGE);
    CHECK_CODE(BLIND_LIMIT, bl_kv_new(&l, l.page - 1, &kv, NULL), "less than a page");
    CHECK(kv == NULL);
    CHECK_CODE(BLIND_LIMIT, bl_kv_layout_of(BL_KV_F32, 1024, 1024, 1024, &l, NULL), "large pages");
}

TEST(types_have_names)
{
    bl_kv_type type;
    CHECK(bl_kv_type_from_name("q8_0", &type) && type == BL_KV_Q8_0);
    CHECK(strcmp(bl_kv_type_name(BL_KV_F16), "f16") == 0);
    CHECK(!bl_kv_type_from_name("q4_0", &type));
}

TESTS(RUN(pages_come_clean), RUN(named_pages_are_kept_and_found),
      RUN(memory_that_holds_no_page_is_refused), RUN(types_have_names))
