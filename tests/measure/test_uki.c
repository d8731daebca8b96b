/* PE images and UKIs measure to what an implementation in Python computes; what firmware, stub or
 * kernel could take differently is refused or left unknown. */
#include "tests/measure/expected.h"

#include "measure/uki.h"

static void check_digest(const char *build, const char *file, bl_hash bank, const char *key)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_pe       pe;
    uint8_t     digest[BL_HASH_MAX];
    read_build(file, &image);
    CHECK_CODE(BLIND_OK, bl_pe_parse(bl_buf_span(&image), &pe, NULL), file);
    CHECK_CODE(BLIND_OK, bl_pe_digest(&pe, bank, digest, NULL), file);
    check_computed(build, key, digest, bl_hash_size(bank));
}

TEST(images_hash_as_authenticode_says)
{
    check_digest("uki-252", "uki-252.efi", BL_SHA256, "authenticode-sha256");
    check_digest("uki-252", "uki-252.efi", BL_SHA384, "authenticode-sha384");
    check_digest("uki-252", "uki-252-signed.efi", BL_SHA256, "authenticode-sha256");
    check_digest("pe32", "pe32.efi", BL_SHA256, "authenticode-sha256");
    check_digest("pe32", "pe32.efi", BL_BANK_SHA1, "authenticode-sha1");
}

static blind_code digest_of(const bl_buf *image, uint8_t digest[BL_HASH_MAX])
{
    bl_pe      pe;
    blind_code code = bl_pe_parse(bl_buf_span(image), &pe, NULL);
    return code == BLIND_OK ? bl_pe_digest(&pe, BL_SHA256, digest, NULL) : code;
}

enum { COFF = 64, OPTIONAL = COFF + 24, DIRECTORIES = OPTIONAL + 112, TABLE = DIRECTORIES + 128 };

/* Checksum and security directory are not covered, every other header byte is. */
TEST(a_digest_covers_what_it_must)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    uint8_t     whole[BL_HASH_MAX], other[BL_HASH_MAX];
    read_build("uki-252.efi", &image);
    CHECK_CODE(BLIND_OK, digest_of(&image, whole), "whole");
    for (size_t i = 0; i < image.size; i += i < 1024 ? 1 : 97) {
        bool open = (i >= OPTIONAL + 64 && i < OPTIONAL + 68) ||
                    (i >= DIRECTORIES + 32 && i < DIRECTORIES + 40);
        image.data[i] ^= 1;
        if (digest_of(&image, other) == BLIND_OK && open != (memcmp(whole, other, 32) == 0))
            fail_msg("byte %zu", i);
        image.data[i] ^= 1;
    }
}

/* The digest takes sections in the file's order, whatever the table's is. */
TEST(the_order_of_the_table_changes_nothing_but_the_headers)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_pe       before, after;
    uint8_t     rows[80];
    read_build("uki-252.efi", &image);
    CHECK_CODE(BLIND_OK, bl_pe_parse(bl_buf_span(&image), &before, NULL), "before");
    memcpy(rows, image.data + TABLE, 80);
    memcpy(image.data + TABLE, rows + 40, 40);
    memcpy(image.data + TABLE + 40, rows, 40);
    CHECK_CODE(BLIND_OK, bl_pe_parse(bl_buf_span(&image), &after, NULL), "after");
    assert_string_equal(before.sections[0].name, after.sections[1].name);
    uint8_t        got[BL_HASH_MAX], want[BL_HASH_MAX];
    bl_auto_hasher h = BL_HASHER_EMPTY;
    CHECK_CODE(BLIND_OK, bl_pe_digest(&after, BL_SHA256, got, NULL), "digest");
    bl_hasher_init(&h, BL_SHA256); /* as the file lies */
    bl_hasher_update(&h, bl_span(image.data, OPTIONAL + 64));
    bl_hasher_update(&h, bl_span(image.data + OPTIONAL + 68, DIRECTORIES + 32 - OPTIONAL - 68));
    bl_hasher_update(&h, bl_span(image.data + DIRECTORIES + 40, image.size - DIRECTORIES - 40));
    CHECK_CODE(BLIND_OK, bl_hasher_final(&h, want), "want");
    assert_memory_equal(want, got, 32);
}

TEST(no_part_of_an_image_is_one)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    read_build("pe32.efi", &image);
    for (size_t keep = 0; keep < image.size; keep++) {
        bl_pe    pe;
        uint8_t *exact = malloc(keep + 1);
        memcpy(exact, image.data, keep);
        CHECK_CODE(BLIND_INPUT, bl_pe_parse(bl_span(exact, keep), &pe, NULL), "a prefix");
        assert_int_equal(0, pe.sections_len);
        free(exact);
    }
}

static void set_le(bl_buf *b, size_t at, uint32_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        b->data[at + i] = (uint8_t)(value >> 8 * i);
}

TEST(images_that_two_could_read_differently_are_refused)
{
    static const struct {
        const char *name;
        size_t      at, size;
        uint32_t    value;
        blind_code  want;
    } cases[] = {
        { "as made", 0, 1, 'M', BLIND_OK },
        { "no MZ", 0, 1, 'm', BLIND_INPUT },
        { "PE header in the DOS header", 60, 4, 2, BLIND_INPUT },
        { "PE header past the end", 60, 4, 0xfffffff0, BLIND_INPUT },
        { "no sections", COFF + 6, 2, 0, BLIND_INPUT },
        { "65535 sections", COFF + 6, 2, 0xffff, BLIND_LIMIT },
        { "96 sections in these headers", COFF + 6, 2, 96, BLIND_INPUT },
        { "a huge optional header", COFF + 20, 2, 0xffff, BLIND_INPUT },
        { "an optional header of 64 bytes", COFF + 20, 2, 64, BLIND_INPUT },
        { "another magic", OPTIONAL, 2, 0x107, BLIND_INPUT },
        { "17 directories", OPTIONAL + 108, 4, 17, BLIND_INPUT },
        { "headers past the end", OPTIONAL + 60, 4, 0x10000, BLIND_INPUT },
        { "headers of 64 bytes", OPTIONAL + 60, 4, 64, BLIND_INPUT },
        { "signatures inside", DIRECTORIES + 32, 4, 4096, BLIND_INPUT },
        { "signatures of 0 bytes", DIRECTORIES + 32, 4, 8192, BLIND_INPUT },
        { "a section past the end", TABLE + 16, 4, 0x10000, BLIND_INPUT },
        { "a section that wraps", TABLE + 16, 4, 0xffffffff, BLIND_INPUT },
        { "a section in the headers", TABLE + 20, 4, 0, BLIND_INPUT },
        { "a section over the next", TABLE + 16, 4, 4096, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf image = BL_BUF_EMPTY;
        bl_pe       pe;
        read_build("uki-252.efi", &image);
        set_le(&image, cases[i].at, cases[i].value, cases[i].size);
        CHECK_CODE(cases[i].want, bl_pe_parse(bl_buf_span(&image), &pe, NULL), cases[i].name);
    }
}

/* ---- UKI ---- */

static void check_pcrs(const char *name, const bl_uki_boot *boot, unsigned stub)
{
    static const struct {
        bl_hash     bank;
        const char *name;
    } banks[] = { { BL_SHA256, "sha256" }, { BL_SHA384, "sha384" } };
    bl_auto_buf uki = BL_BUF_EMPTY;
    char        text[64];
    snprintf(text, sizeof text, "%s.efi", name);
    read_build(text, &uki);
    for (size_t i = 0; i < BL_LEN(banks); i++) {
        bl_uki_measurement m;
        CHECK_CODE(BLIND_OK, bl_uki_measure(bl_buf_span(&uki), boot, banks[i].bank, &m, NULL),
                   name);
        assert_int_equal(BL_UKI_PCRS, m.known);
        assert_int_equal(stub, m.stub);
        for (unsigned pcr = 0; pcr < 24; pcr++) {
            if (!(BL_UKI_PCRS >> pcr & 1))
                continue;
            snprintf(text, sizeof text, "pcr%u-%s", pcr, banks[i].name);
            check_computed(name, text, m.pcrs[pcr], bl_hash_size(banks[i].bank));
        }
    }
}

TEST(ukis_measure_as_computed_apart)
{
    check_pcrs("uki-252", &(bl_uki_boot){ .secure_boot = BL_SECURE_BOOT_OFF }, 252);
    check_pcrs("uki-257",
               &(bl_uki_boot){ .start = BL_UKI_FROM_LOADER, .secure_boot = BL_SECURE_BOOT_EMPTY },
               257);
    check_pcrs("uki-252-signed",
               &(bl_uki_boot){ .secure_boot = BL_SECURE_BOOT_ON,
                               .pk = BL_LITERAL("PKPKPK"),
                               .kek = BL_LITERAL("KEKKEKKEK"),
                               .db = BL_LITERAL("dbdbdb"),
                               .dbx = BL_LITERAL("dbxdbxdbx"),
                               .authority = BL_LITERAL("owner and certificate"),
                               .phases = "enter-initrd:leave-initrd" },
               252);
}

static bl_uki_measurement measure(const char *file, const bl_uki_boot *boot)
{
    bl_auto_buf        uki = BL_BUF_EMPTY;
    bl_uki_measurement m;
    read_build(file, &uki);
    CHECK_CODE(BLIND_OK, bl_uki_measure(bl_buf_span(&uki), boot, BL_SHA256, &m, NULL), file);
    return m;
}

TEST(what_was_not_compared_stays_unknown)
{
    static const struct {
        const char *name;
        bl_uki_boot boot;
        uint32_t    unknown;
    } cases[] = {
        { "no word of Secure Boot", { .stub = 252 }, 1 << 7 },
        { "stub 255", { .stub = 255, .secure_boot = BL_SECURE_BOOT_OFF }, 1 << 4 | 1 << 9 },
        { "stub 253",
          { .stub = 253, .secure_boot = BL_SECURE_BOOT_OFF },
          1 << 4 | 1 << 9 | 1 << 11 },
        { "stub 261",
          { .stub = 261, .secure_boot = BL_SECURE_BOOT_OFF },
          1 << 4 | 1 << 9 | 1 << 11 },
        { "Secure Boot, for which nothing is missing",
          { .stub = 257, .secure_boot = BL_SECURE_BOOT_ON, .authority = BL_LITERAL("x") },
          0 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_uki_measurement m = measure("uki-252.efi", &cases[i].boot);
        if (m.known != (BL_UKI_PCRS & ~cases[i].unknown))
            fail_msg("%s: known %x", cases[i].name, m.known);
        for (unsigned pcr = 0; pcr < 24; pcr++)
            CHECK((cases[i].unknown >> pcr & 1) == (m.why[pcr] != NULL));
    }
}

/* Renames section `from` in the table, or gives it another size in memory. */
static blind_code measure_changed(const char *from, const char *to, uint32_t size,
                                  bl_uki_measurement *m)
{
    bl_auto_buf uki = BL_BUF_EMPTY;
    read_build("uki-257.efi", &uki);
    for (size_t at = TABLE; at < TABLE + 8 * 40; at += 40) {
        if (strncmp((char *)uki.data + at, from, 8) != 0)
            continue;
        if (size)
            set_le(&uki, at + 8, size, 4);
        memset(uki.data + at, 0, 8);
        memcpy(uki.data + at, to, strlen(to));
    }
    return bl_uki_measure(bl_buf_span(&uki), &(bl_uki_boot){ .secure_boot = BL_SECURE_BOOT_OFF },
                          BL_SHA256, m, NULL);
}

TEST(sections_decide_what_can_be_known)
{
    static const struct {
        const char *name, *from, *to;
        uint32_t    size;
        blind_code  want;
        uint32_t    unknown;
    } cases[] = {
        { "as made", ".osrel", ".osrel", 0, BLIND_OK, 0 },
        { "no kernel", ".linux", ".other", 0, BLIND_INPUT, 0 },
        { "a kernel that is none", ".linux", ".linux", 100, BLIND_INPUT, 0 },
        { "two kernels", ".uname", ".linux", 0, BLIND_INPUT, 0 },
        { "no stub", ".sdmagic", ".magic", 0, BLIND_INPUT, 0 },
        { "profiles", ".uname", ".profile", 0, BLIND_INPUT, 0 },
        { "a section larger than its bytes", ".osrel", ".osrel", 100000, BLIND_INPUT, 0 },
        { "no os-release", ".osrel", ".other", 0, BLIND_OK, 1 << 9 },
        { "no initrd", ".initrd", ".other", 0, BLIND_OK, 1 << 9 },
        { "no command line", ".cmdline", ".other", 0, BLIND_OK, 1 << 9 },
        { "microcode", ".uname", ".ucode", 0, BLIND_OK, 1 << 9 },
        { "a signature for PCR 11", ".uname", ".pcrsig", 0, BLIND_OK, 1 << 9 },
        { "a command line with NUL", ".cmdline", ".cmdline", 24, BLIND_OK, 1 << 9 },
        { "a command line with a blank at its end", ".cmdline", ".cmdline", 14, BLIND_OK, 1 << 9 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_uki_measurement m;
        CHECK_CODE(cases[i].want, measure_changed(cases[i].from, cases[i].to, cases[i].size, &m),
                   cases[i].name);
        if (m.known != (cases[i].want == BLIND_OK ? BL_UKI_PCRS & ~cases[i].unknown : 0))
            fail_msg("%s: known %x", cases[i].name, m.known);
    }
}

TEST(a_certificate_belongs_to_secure_boot)
{
    bl_auto_buf        uki = BL_BUF_EMPTY;
    bl_uki_measurement m;
    read_build("uki-252.efi", &uki);
    bl_uki_boot boot = { .secure_boot = BL_SECURE_BOOT_ON };
    CHECK_CODE(BLIND_INPUT, bl_uki_measure(bl_buf_span(&uki), &boot, BL_SHA256, &m, NULL), "none");
    boot = (bl_uki_boot){ .secure_boot = BL_SECURE_BOOT_OFF, .authority = BL_LITERAL("x") };
    CHECK_CODE(BLIND_INPUT, bl_uki_measure(bl_buf_span(&uki), &boot, BL_SHA256, &m, NULL), "off");
}

TESTS(RUN(images_hash_as_authenticode_says), RUN(a_digest_covers_what_it_must),
      RUN(the_order_of_the_table_changes_nothing_but_the_headers), RUN(no_part_of_an_image_is_one),
      RUN(images_that_two_could_read_differently_are_refused), RUN(ukis_measure_as_computed_apart),
      RUN(what_was_not_compared_stays_unknown), RUN(sections_decide_what_can_be_known),
      RUN(a_certificate_belongs_to_secure_boot))
