/* Bundles: one spelling each, and every other is refused. */
#include "tests/test.h"

#include "attest/bundle.h"

static bl_bundle session(void)
{
    static const uint8_t path[2][32] = { { 1 }, { 2 } };
    bl_bundle            b = { .tee = BL_LITERAL("sim"),
                               .evidence = BL_LITERAL("report"),
                               .log = BL_LITERAL("log"),
                               .endorsements = BL_LITERAL("") };
    b.binding = (bl_bundle_binding){ .to = BL_BOUND_TO_SESSION,
                                     .leaves = 3,
                                     .index = 1,
                                     .root = { 3 },
                                     .path = bl_span(path, sizeof path),
                                     .log = { 7, { 4 } } };
    return b;
}

static bl_bundle key_bound(void)
{
    bl_bundle b = session();
    b.binding.to = BL_BOUND_TO_KEY;
    return b;
}

static bl_bundle with_gpu(void)
{
    bl_bundle b = session();
    b.gpu = BL_LITERAL("a GPU's report");
    return b;
}

static void write(const bl_bundle *b, bl_bundle_part part, bl_buf *out)
{
    CHECK_CODE(BLIND_OK, bl_bundle_write(b, part, out, NULL), "write");
}

TEST(what_was_written_is_read)
{
    bl_bundle in[] = { session(), key_bound(), with_gpu() }, out;
    for (size_t i = 0; i < BL_LEN(in); i++) {
        bl_auto_buf whole = BL_BUF_EMPTY;
        write(&in[i], BL_BUNDLE_WHOLE, &whole);
        CHECK_CODE(BLIND_OK, bl_bundle_parse(bl_buf_span(&whole), &out, NULL), "parse");
        CHECK(bl_span_equal(in[i].tee, out.tee) && bl_span_equal(in[i].evidence, out.evidence));
        CHECK(bl_span_equal(in[i].log, out.log) && out.endorsements.size == 0);
        assert_int_equal(in[i].binding.to, out.binding.to);
        assert_int_equal(7, out.binding.log.len);
        assert_memory_equal(in[i].binding.root, out.binding.root, 32);
        assert_memory_equal(in[i].binding.log.head, out.binding.log.head, 32);
        CHECK(bl_span_equal(in[i].gpu, out.gpu));
        if (i != 1)
            CHECK(out.binding.leaves == 3 && out.binding.index == 1 &&
                  bl_span_equal(in[i].binding.path, out.binding.path));
        else
            CHECK(out.binding.leaves == 0 && out.binding.path.size == 0);
    }
}

static void check_parts(bl_bundle b)
{
    bl_auto_buf whole = BL_BUF_EMPTY, inside = BL_BUF_EMPTY, beside = BL_BUF_EMPTY;
    bl_auto_buf joined = BL_BUF_EMPTY, again = BL_BUF_EMPTY, none = BL_BUF_EMPTY;
    write(&b, BL_BUNDLE_WHOLE, &whole);
    write(&b, BL_BUNDLE_INSIDE, &inside);
    write(&b, BL_BUNDLE_BESIDE, &beside);
    blind_span w = bl_buf_span(&whole), i = bl_buf_span(&inside), s = bl_buf_span(&beside),
               o = { 0 };
    CHECK_CODE(BLIND_OK, bl_bundle_join(i, s, &joined, NULL), "both");
    CHECK(bl_span_equal(w, bl_buf_span(&joined)));
    CHECK_CODE(BLIND_OK, bl_bundle_join(w, o, &again, NULL), "a whole");
    CHECK(bl_span_equal(w, bl_buf_span(&again)));
    CHECK_CODE(BLIND_FORMAT, bl_bundle_join(i, o, &none, NULL), "inside alone");
    CHECK_CODE(BLIND_FORMAT, bl_bundle_join(w, s, &none, NULL), "a whole and a part");
    CHECK_CODE(BLIND_FORMAT, bl_bundle_join(s, i, &none, NULL), "the wrong way round");
    CHECK_CODE(BLIND_FORMAT, bl_bundle_join(i, i, &none, NULL), "evidence twice");
    CHECK_CODE(BLIND_FORMAT, bl_bundle_join(o, s, &none, NULL), "beside alone");
    assert_int_equal(0, none.size);
}

TEST(two_parts_join_to_the_whole)
{
    check_parts(session());
    check_parts(with_gpu());
}

/* One spelling: what parses at all, written again, gives the same bytes. */
static void check_spelling(blind_span raw)
{
    bl_bundle   out;
    bl_auto_buf again = BL_BUF_EMPTY;
    if (bl_bundle_parse(raw, &out, NULL) != BLIND_OK)
        return;
    write(&out, BL_BUNDLE_WHOLE, &again);
    CHECK(bl_span_equal(raw, bl_buf_span(&again)));
}

TEST(every_damaged_bundle_is_refused_or_another_bundle)
{
    bl_bundle in[] = { session(), key_bound(), with_gpu() }, out;
    for (size_t i = 0; i < BL_LEN(in); i++) {
        bl_auto_buf raw = BL_BUF_EMPTY;
        write(&in[i], BL_BUNDLE_WHOLE, &raw);
        for (size_t bit = 0; bit < 8 * raw.size; bit++) {
            raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            check_spelling(bl_buf_span(&raw));
            raw.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t keep = 0; keep < raw.size; keep++)
            CHECK_CODE(BLIND_FORMAT, bl_bundle_parse(bl_span(raw.data, keep), &out, NULL),
                       "prefix");
        bl_buf_add_u8(&raw, 0);
        CHECK_CODE(BLIND_FORMAT, bl_bundle_parse(bl_buf_span(&raw), &out, NULL), "one byte more");
    }
}

TEST(paths_that_do_not_fit_their_leaf_are_refused)
{
    const struct {
        const char *name;
        uint32_t    leaves, index;
        size_t      path;
    } cases[] = { { "no leaves", 0, 0, 0 },        { "index past the leaves", 3, 3, 64 },
                  { "a path too long", 1, 0, 32 }, { "a path too short", 3, 1, 32 },
                  { "half a hash", 2, 0, 16 },     { "too many leaves", 65537, 0, 64 } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_bundle   b = session(), out;
        bl_auto_buf raw = BL_BUF_EMPTY;
        b.binding.leaves = cases[i].leaves;
        b.binding.index = cases[i].index;
        b.binding.path.size = cases[i].path;
        write(&b, BL_BUNDLE_WHOLE, &raw);
        CHECK_CODE(BLIND_FORMAT, bl_bundle_parse(bl_buf_span(&raw), &out, NULL), cases[i].name);
    }
}

TEST(names_of_tees_are_short_and_plain)
{
    const char *const wrong[] = { "", "SIM", "si m", "sim.v2/", "abcdefghijklmnopq", "\x1b[2J" };
    for (size_t i = 0; i < BL_LEN(wrong); i++) {
        bl_bundle   b = session(), out;
        bl_auto_buf raw = BL_BUF_EMPTY;
        b.tee = bl_span_str(wrong[i]);
        write(&b, BL_BUNDLE_WHOLE, &raw);
        CHECK_CODE(BLIND_FORMAT, bl_bundle_parse(bl_buf_span(&raw), &out, NULL), wrong[i]);
    }
}

TEST(a_bundle_past_the_limit_is_refused)
{
    bl_bundle   b = session(), out;
    bl_auto_buf raw = BL_BUF_EMPTY;
    uint8_t    *log = calloc(1, BL_MAX_BUNDLE_SIZE);
    assert_non_null(log);
    b.log = bl_span(log, BL_MAX_BUNDLE_SIZE);
    write(&b, BL_BUNDLE_WHOLE, &raw);
    free(log);
    CHECK_CODE(BLIND_FORMAT, bl_bundle_parse(bl_buf_span(&raw), &out, NULL), "too large");
}

TESTS(RUN(what_was_written_is_read), RUN(two_parts_join_to_the_whole),
      RUN(every_damaged_bundle_is_refused_or_another_bundle),
      RUN(paths_that_do_not_fit_their_leaf_are_refused), RUN(names_of_tees_are_short_and_plain),
      RUN(a_bundle_past_the_limit_is_refused))
