/* Enclave images of Nitro: registers as computed by hashlib, refusals of every other form. */
#include "tests/measure/expected.h"

#include "measure/eif.h"

static void check_build(const char *name, bool is_signed)
{
    bl_auto_buf        image = BL_BUF_EMPTY;
    bl_eif             eif;
    bl_eif_measurement m;
    char               file[64];
    snprintf(file, sizeof file, "%s.eif", name);
    read_build(file, &image);
    CHECK_CODE(BLIND_OK, bl_eif_parse(bl_buf_span(&image), &eif, NULL), name);
    CHECK_CODE(BLIND_OK, bl_eif_measure(&eif, &m, NULL), name);
    CHECK(m.is_signed == is_signed);
    check_computed(name, "pcr0", m.pcr0, 48);
    check_computed(name, "pcr1", m.pcr1, 48);
    check_computed(name, "pcr2", m.pcr2, 48);
    check_computed(name, "pcr8", m.pcr8, 48);
}

TEST(images_measure_as_computed_apart)
{
    check_build("plain", false);
    check_build("signed", true);
}

TEST(crc_is_the_one_of_the_standard)
{
    uint8_t image[BL_EIF_HEADER + 9] = { 0 };
    assert_int_equal(0, bl_eif_crc32((blind_span){ 0 }));
    assert_int_equal(0xcbf43926, bl_eif_crc32(BL_LITERAL("123456789")));
    uint32_t crc = bl_eif_crc32(bl_span(image, sizeof image));
    memset(image + BL_EIF_CRC_AT, 0xff, 4);
    assert_int_equal(crc, bl_eif_crc32(bl_span(image, sizeof image)));
}

static void fix_crc(bl_buf *image)
{
    uint32_t crc = bl_eif_crc32(bl_buf_span(image));
    for (int i = 0; i < 4; i++)
        image->data[BL_EIF_CRC_AT + i] = (uint8_t)(crc >> (24 - 8 * i));
}

TEST(no_part_of_an_image_is_one)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_eif      eif;
    read_build("plain.eif", &image);
    for (size_t keep = 0; keep < image.size; keep++) {
        uint8_t *exact = malloc(keep + 1);
        memcpy(exact, image.data, keep);
        CHECK_CODE(BLIND_INPUT, bl_eif_parse(bl_span(exact, keep), &eif, NULL), "a prefix");
        free(exact);
    }
    bl_buf_add_u8(&image, 0);
    fix_crc(&image);
    CHECK_CODE(BLIND_INPUT, bl_eif_parse(bl_buf_span(&image), &eif, NULL), "one byte more");
}

TEST(every_bit_is_covered_by_the_crc)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_eif      eif;
    read_build("plain.eif", &image);
    for (size_t i = 0; i < image.size; i++) {
        image.data[i] ^= 0x10;
        CHECK_CODE(BLIND_INPUT, bl_eif_parse(bl_buf_span(&image), &eif, NULL), "damaged");
        image.data[i] ^= 0x10;
    }
}

TEST(headers_and_sections_that_cannot_be_are_refused)
{
    enum { OFFSETS = 28, SIZES = OFFSETS + 256, FIRST = BL_EIF_HEADER, SECOND = FIRST + 12 + 360 };
    static const struct {
        const char *name;
        size_t      at;
        uint8_t     value;
        blind_code  want;
    } cases[] = {
        { "as made", 0, '.', BLIND_OK },
        { "version 1", 5, 1, BLIND_INPUT },
        { "version 5", 5, 5, BLIND_INPUT },
        { "unknown flags", 7, 2, BLIND_INPUT },
        { "for Arm", 7, 1, BLIND_OK },
        { "two sections", 27, 2, BLIND_INPUT },
        { "33 sections", 27, 33, BLIND_INPUT },
        { "another offset", OFFSETS + 7, 0, BLIND_INPUT },
        { "another size", SIZES + 7, 0, BLIND_INPUT },
        { "a huge size", SIZES, 0xff, BLIND_INPUT },
        { "another size in the section", FIRST + 11, 0, BLIND_INPUT },
        { "no type", FIRST + 1, 0, BLIND_INPUT },
        { "an unknown type", FIRST + 1, 6, BLIND_INPUT },
        { "a ramdisk first", FIRST + 1, 3, BLIND_INPUT },
        { "two kernels", SECOND + 1, 1, BLIND_INPUT },
        { "a signature before ramdisks", SECOND + 1, 4, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf image = BL_BUF_EMPTY;
        bl_eif      eif;
        read_build("plain.eif", &image);
        image.data[cases[i].at] = cases[i].value;
        fix_crc(&image);
        CHECK_CODE(cases[i].want, bl_eif_parse(bl_buf_span(&image), &eif, NULL), cases[i].name);
        CHECK(cases[i].want == BLIND_OK || eif.ramdisks_len == 0);
    }
}

TEST(signature_sections_of_another_form_are_refused)
{
    static const struct {
        const char *name, *cbor;
        size_t      size;
    } cases[] = {
        { "nothing", "\x80", 1 },
        { "no map", "\x81\x01", 2 },
        { "another key", "\x81\xa2\x61x\x01\x61y\x01", 9 },
        { "a key twice", "\x81\xa2\x69signature\x81\x01\x69signature\x81\x01", 26 },
        { "no certificate",
          "\x81\xa2\x73signing_certificate\x43"
          "abc\x69signature\x40",
          37 },
        { "a number too large", "\x81\xa2\x73signing_certificate\x81\x19\x01\x00\x69signature\x40",
          37 },
        { "bytes over", "\x81\xa2\x73signing_certificate\x41x\x69signature\x41xx", 37 },
    };
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_eif      eif;
    read_build("plain.eif", &image);
    CHECK_CODE(BLIND_OK, bl_eif_parse(bl_buf_span(&image), &eif, NULL), "plain");
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_eif_measurement m = { .is_signed = true };
        eif.signature = bl_span(cases[i].cbor, cases[i].size);
        CHECK_CODE(BLIND_INPUT, bl_eif_measure(&eif, &m, NULL), cases[i].name);
        CHECK(!m.is_signed && m.pcr0[0] == 0);
    }
}

TESTS(RUN(images_measure_as_computed_apart), RUN(crc_is_the_one_of_the_standard),
      RUN(no_part_of_an_image_is_one), RUN(every_bit_is_covered_by_the_crc),
      RUN(headers_and_sections_that_cannot_be_are_refused),
      RUN(signature_sections_of_another_form_are_refused))
