/* SIGSTRUCTs: fields and signer as computed by hashlib; whatever is signed cannot change. */
#include "tests/measure/expected.h"

#include "measure/sigstruct.h"

static void check_build(const char *name, bool debug)
{
    bl_auto_buf  raw = BL_BUF_EMPTY;
    bl_sigstruct s;
    char         file[64];
    snprintf(file, sizeof file, "%s.sigstruct", name);
    read_build(file, &raw);
    CHECK_CODE(BLIND_OK, bl_sigstruct_parse(bl_buf_span(&raw), &s, NULL), name);
    check_computed(name, "mrenclave", s.mrenclave, 32);
    check_computed(name, "mrsigner", s.mrsigner, 32);
    assert_int_equal(7, s.prod_id);
    assert_int_equal(3, s.svn);
    assert_int_equal(0x20241121, s.date);
    assert_int_equal(0xffffffff, s.misc_mask);
    assert_int_equal(3, s.attributes.data[8]);
    CHECK(bl_sigstruct_may_debug(&s) == debug);
}

TEST(sigstructs_say_what_they_were_made_from)
{
    check_build("release", false);
    check_build("debug", true);
}

/* Fields that no signature covers: Q1 and Q2, which only help the processor. */
TEST(no_damage_passes)
{
    bl_auto_buf  raw = BL_BUF_EMPTY;
    bl_sigstruct s;
    read_build("release.sigstruct", &raw);
    for (size_t i = 0; i < raw.size; i++) {
        raw.data[i] ^= 1;
        blind_code code = bl_sigstruct_parse(bl_buf_span(&raw), &s, NULL);
        CHECK(i >= 1040 ? code == BLIND_OK : code == BLIND_INPUT || code == BLIND_SIGNATURE);
        CHECK(code == BLIND_OK || s.raw.size == 0);
        raw.data[i] ^= 1;
    }
}

TEST(only_its_size_is_a_sigstruct)
{
    bl_auto_buf  raw = BL_BUF_EMPTY;
    bl_sigstruct s;
    read_build("release.sigstruct", &raw);
    for (size_t keep = 0; keep < raw.size; keep++)
        CHECK_CODE(BLIND_INPUT, bl_sigstruct_parse(bl_span(raw.data, keep), &s, NULL), "a prefix");
    bl_buf_add_u8(&raw, 0);
    CHECK_CODE(BLIND_INPUT, bl_sigstruct_parse(bl_buf_span(&raw), &s, NULL), "one byte more");
}

TEST(a_short_key_is_refused)
{
    bl_auto_buf  raw = BL_BUF_EMPTY;
    bl_sigstruct s;
    read_build("release.sigstruct", &raw);
    raw.data[128 + 383] &= 0x7f;
    CHECK_CODE(BLIND_INPUT, bl_sigstruct_parse(bl_buf_span(&raw), &s, NULL), "3071 bits");
}

TESTS(RUN(sigstructs_say_what_they_were_made_from), RUN(no_damage_passes),
      RUN(only_its_size_is_a_sigstruct), RUN(a_short_key_is_refused))
