/* Event logs: recorded ones replay to what their machines quoted, synthetic ones to what this file
 * computes, and damaged ones are refused or replay to something else. */
#include "tests/test.h"

#include "attest/event_log.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"

/* ---- logs made here ---- */

static void put_old(bl_buf *b, uint32_t reg, uint32_t type, blind_span data)
{
    uint8_t digest[BL_HASH_MAX];
    CHECK_CODE(BLIND_OK, bl_hash_of(BL_BANK_SHA1, data, digest), "SHA-1");
    bl_buf_add_le(b, reg, 4);
    bl_buf_add_le(b, type, 4);
    if (type == BL_EV_NO_ACTION)
        memset(digest, 0, sizeof digest);
    bl_buf_add(b, bl_span(digest, 20));
    bl_buf_add_le(b, data.size, 4);
    bl_buf_add(b, data);
}

/* Banks of SHA-1, SHA-256, SHA-384, and one that we do not know (SM3). */
static void put_header(bl_buf *b)
{
    bl_auto_buf id = BL_BUF_EMPTY;
    bl_buf_add(&id, bl_span("Spec ID Event03\0\0\0\0\0\0\2\0\2\4\0\0\0", 28));
    bl_buf_add(&id, bl_span("\x04\0\x14\0\x0b\0\x20\0\x0c\0\x30\0\x12\0\x20\0\0", 17));
    put_old(b, 0, BL_EV_NO_ACTION, bl_buf_span(&id));
}

static void put_digest(bl_buf *b, uint16_t alg, bl_hash hash, uint32_t type, blind_span covered)
{
    uint8_t digest[BL_HASH_MAX] = { 0 };
    if (type != BL_EV_NO_ACTION)
        CHECK_CODE(BLIND_OK, bl_hash_of(hash, covered, digest), "digest");
    bl_buf_add_le(b, alg, 2);
    bl_buf_add(b, bl_span(digest, bl_hash_size(hash)));
}

static void put_event_of(bl_buf *b, uint32_t reg, uint32_t type, blind_span data,
                         blind_span covered)
{
    bl_buf_add_le(b, reg, 4);
    bl_buf_add_le(b, type, 4);
    bl_buf_add_le(b, 4, 4);
    put_digest(b, 0x04, BL_BANK_SHA1, type, covered);
    put_digest(b, 0x0b, BL_SHA256, type, covered);
    put_digest(b, 0x12, BL_SHA256, type, covered);
    put_digest(b, 0x0c, BL_SHA384, type, covered);
    bl_buf_add_le(b, data.size, 4);
    bl_buf_add(b, data);
}

static void put_event(bl_buf *b, uint32_t reg, uint32_t type, blind_span data)
{
    put_event_of(b, reg, type, data, data);
}

static blind_code parse(blind_span raw, bl_event_log_kind kind, bl_arena *arena, bl_event_log *log)
{
    blind_error err = { 0 };
    blind_code  code = bl_event_log_parse(raw, kind, arena, log, &err);
    CHECK(code == BLIND_OK || (log->len == 0 && !log->events && err.message[0]));
    return code;
}

static void replay(const bl_event_log *log, bl_hash bank, uint8_t regs[BL_REGISTERS][BL_HASH_MAX],
                   uint32_t *touched)
{
    CHECK_CODE(BLIND_OK, bl_event_log_replay(log, bank, regs, touched, NULL), "replay");
}

static void check_hex(const char *want, const uint8_t *got, size_t size)
{
    char text[2 * BL_HASH_MAX + 1];
    bl_hex_encode(bl_span(got, size), text);
    assert_string_equal(want, text);
}

#define SEPARATOR bl_span("\0\0\0\0", 4)
#define CALLING   BL_LITERAL("Calling EFI Application from Boot Option")

/* Values from sha256sum and sha1sum: P' = H(P || H(data)). */
TEST(a_log_replays_in_every_bank_it_has)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    uint8_t       regs[BL_REGISTERS][BL_HASH_MAX];
    uint32_t      touched;
    bl_event_log  log;
    put_header(&raw);
    put_event(&raw, 0, BL_EV_NO_ACTION, bl_span("StartupLocality\0\3", 17));
    put_event(&raw, 0, BL_EV_SEPARATOR, SEPARATOR);
    put_event(&raw, 4, BL_EV_EFI_ACTION, CALLING);
    put_event(&raw, 4, BL_EV_SEPARATOR, SEPARATOR);
    CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "parse");
    assert_int_equal(4, log.len);
    assert_int_equal(3, log.locality);
    replay(&log, BL_SHA256, regs, &touched);
    assert_int_equal(0x11, touched);
    check_hex("50bd7d88f0414b40608f8ffc56fd4f3201b5ed0644e36b8128d33624ebe0f053", regs[0], 32);
    check_hex("7a94ffe8a7729a566d3d3c577fcb4b6b1e671f31540375f80eae6382ab785e35", regs[4], 32);
    check_hex("0000000000000000000000000000000000000000000000000000000000000000", regs[5], 32);
    CHECK(regs[17][0] == 0xff && regs[17][31] == 0xff && regs[17][32] == 0 && regs[23][0] == 0);
    replay(&log, BL_BANK_SHA1, regs, NULL);
    check_hex("45a323382bd933f08e7f0e256bc8249e4095b1ec", regs[4], 20);
    replay(&log, BL_SHA384, regs, NULL);
    check_hex("70bc457e087464760a8927d6312248dc117663410914ff8b1e42fd5dc91e16f5"
              "fe3f15ca64372d3e47af8b4c53b01df9",
              regs[4], 48);
    CHECK_CODE(BLIND_FORMAT, bl_event_log_replay(&log, BL_SHA512, regs, &touched, NULL),
               "a bank that is not there");
    CHECK(touched == 0 && regs[17][0] == 0);
}

TEST(an_old_log_has_sha1_only)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    uint8_t       regs[BL_REGISTERS][BL_HASH_MAX];
    bl_event_log  log;
    put_old(&raw, 4, BL_EV_EFI_ACTION, CALLING);
    put_old(&raw, 4, BL_EV_SEPARATOR, SEPARATOR);
    CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "parse");
    replay(&log, BL_BANK_SHA1, regs, NULL);
    check_hex("45a323382bd933f08e7f0e256bc8249e4095b1ec", regs[4], 20);
    CHECK_CODE(BLIND_FORMAT, bl_event_log_replay(&log, BL_SHA256, regs, NULL, NULL), "SHA-256");
    CHECK_CODE(BLIND_FORMAT, parse(bl_buf_span(&raw), BL_LOG_OF_TD, &arena, &log), "of a TD");
}

TEST(only_a_td_may_fill_its_table)
{
    static const uint8_t fill[2] = { 0x00, 0xff };
    for (size_t i = 0; i < BL_LEN(fill); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_auto_buf   raw = BL_BUF_EMPTY;
        bl_event_log  log;
        put_header(&raw);
        put_event(&raw, 1, BL_EV_SEPARATOR, SEPARATOR);
        for (int n = 0; n < 100; n++)
            bl_buf_add_u8(&raw, fill[i]);
        CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TD, &arena, &log), "filled");
        assert_int_equal(1, log.len);
        CHECK_CODE(BLIND_FORMAT, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "a TPM's");
        bl_buf_add_u8(&raw, 7);
        CHECK_CODE(BLIND_FORMAT, parse(bl_buf_span(&raw), BL_LOG_OF_TD, &arena, &log), "and more");
    }
}

static void whole(bl_buf *raw)
{
    put_header(raw);
    put_event(raw, 1, BL_EV_EFI_ACTION, CALLING);
    put_event(raw, 4, BL_EV_SEPARATOR, SEPARATOR);
}

/* A prefix is a log only where an event ends. */
TEST(no_log_is_read_from_a_part_of_it)
{
    bl_auto_buf raw = BL_BUF_EMPTY;
    size_t      header, first;
    put_header(&raw);
    header = raw.size;
    put_event(&raw, 1, BL_EV_EFI_ACTION, CALLING);
    first = raw.size;
    put_event(&raw, 4, BL_EV_SEPARATOR, SEPARATOR);
    for (size_t keep = 0; keep < raw.size; keep++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_event_log  log;
        uint8_t      *exact = malloc(keep + 1); /* so that reading past it is seen */
        memcpy(exact, raw.data, keep);
        CHECK_CODE(keep == header || keep == first ? BLIND_OK : BLIND_FORMAT,
                   parse(bl_span(exact, keep), BL_LOG_OF_TPM, &arena, &log), "a prefix");
        free(exact);
    }
}

TEST(no_damage_crashes_and_digests_decide)
{
    bl_auto_buf raw = BL_BUF_EMPTY;
    whole(&raw);
    for (size_t i = 0; i < raw.size; i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_event_log  log;
        uint8_t       regs[BL_REGISTERS][BL_HASH_MAX];
        raw.data[i] ^= 0x81;
        if (parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log) == BLIND_OK)
            (void)!bl_event_log_replay(&log, BL_SHA256, regs, NULL, NULL);
        raw.data[i] ^= 0x81;
    }
}

static blind_code parse_patched(size_t at, uint8_t value)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    bl_event_log  log;
    whole(&raw);
    raw.data[at] = value;
    return parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log);
}

TEST(headers_and_events_that_cannot_be_are_refused)
{
    enum { DATA = 32, ALGS = DATA + 28, EVENT = DATA + 45 };
    static const struct {
        const char *name;
        size_t      at;
        uint8_t     value;
        blind_code  want;
    } cases[] = {
        { "as made", 0, 0, BLIND_OK },
        { "another major version", DATA + 21, 1, BLIND_FORMAT },
        { "no algorithms", DATA + 24, 0, BLIND_FORMAT },
        { "too many algorithms", DATA + 24, 17, BLIND_FORMAT },
        { "one algorithm too few", DATA + 24, 3, BLIND_FORMAT },
        { "SHA-1 of 32 bytes", ALGS + 2, 32, BLIND_FORMAT },
        { "the same algorithm twice", ALGS + 4, 4, BLIND_FORMAT },
        { "an empty digest", ALGS + 14, 0, BLIND_FORMAT },
        { "vendor's bytes missing", ALGS + 16, 1, BLIND_FORMAT },
        { "register 24", EVENT, 24, BLIND_FORMAT },
        { "five digests of four", EVENT + 8, 5, BLIND_FORMAT },
        { "gigabytes of digests", EVENT + 11, 0xff, BLIND_FORMAT },
        { "an algorithm that is not listed", EVENT + 12, 0x0d, BLIND_FORMAT },
        { "a digest twice", EVENT + 34, 4, BLIND_FORMAT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(cases[i].want, parse_patched(cases[i].at, cases[i].value), cases[i].name);
}

TEST(registers_of_a_td_are_1_to_4)
{
    for (uint32_t reg = 0; reg < 7; reg++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_auto_buf   raw = BL_BUF_EMPTY;
        bl_event_log  log;
        put_header(&raw);
        put_event(&raw, reg, BL_EV_SEPARATOR, SEPARATOR);
        CHECK_CODE(reg >= 1 && reg <= 4 ? BLIND_OK : BLIND_FORMAT,
                   parse(bl_buf_span(&raw), BL_LOG_OF_TD, &arena, &log), "register");
    }
}

TEST(a_startup_locality_comes_first_and_once)
{
    static const struct {
        const char *name;
        uint32_t    reg;
        const char *data;
        size_t      size;
        bool        late, twice;
        blind_code  want;
    } cases[] = {
        { "locality 0", 0, "StartupLocality\0\0", 17, false, false, BLIND_OK },
        { "locality 4", 0, "StartupLocality\0\4", 17, false, false, BLIND_OK },
        { "another event", 0xffffffff, "SP800-155 Event\0", 16, true, true, BLIND_OK },
        { "locality 1", 0, "StartupLocality\0\1", 17, false, false, BLIND_FORMAT },
        { "no locality", 0, "StartupLocality\0", 16, false, false, BLIND_FORMAT },
        { "of another register", 1, "StartupLocality\0\3", 17, false, false, BLIND_FORMAT },
        { "late", 0, "StartupLocality\0\3", 17, true, false, BLIND_FORMAT },
        { "twice", 0, "StartupLocality\0\3", 17, false, true, BLIND_FORMAT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_auto_buf   raw = BL_BUF_EMPTY;
        bl_event_log  log;
        put_header(&raw);
        if (cases[i].late)
            put_event(&raw, 0, BL_EV_SEPARATOR, SEPARATOR);
        for (int n = 0; n <= cases[i].twice; n++)
            put_event(&raw, cases[i].reg, BL_EV_NO_ACTION, bl_span(cases[i].data, cases[i].size));
        CHECK_CODE(cases[i].want, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log),
                   cases[i].name);
    }
}

TEST(logs_beyond_the_bounds_are_refused)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    bl_event_log  log;
    blind_error   err;
    for (int i = 0; i <= BL_MAX_BOOT_EVENTS; i++)
        put_old(&raw, 0, BL_EV_POST_CODE, (blind_span){ 0 });
    CHECK_CODE(BLIND_LIMIT,
               bl_event_log_parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log, &err), "events");
    (void)bl_buf_reserve(&raw, BL_MAX_BOOT_LOG);
    CHECK_CODE(BLIND_LIMIT,
               bl_event_log_parse(bl_span(raw.data, BL_MAX_BOOT_LOG + 1), BL_LOG_OF_TPM, &arena,
                                  &log, &err),
               "bytes");
}

/* ---- what is in an event ---- */

/* Name "db" in UTF-16, one byte. */
static const char variable[] = "\xcb\xb2\x19\xd7\x3a\x3d\x96\x45\xa3\xbc\xda\xd0\x0e\x67\x65\x6f"
                               "\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0d\0b\0\x2a";
#define VARIABLE bl_span(variable, sizeof variable - 1)
/* A load event of 4096 bytes whose device path is a file. */
static const char image[] = "\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0"
                            "\4\4\x0a\0\\\0u\0\0\0\x7f\xff\4\0";

TEST(events_are_described_and_held_against_their_digests)
{
    static const struct {
        uint32_t       type;
        const char    *data;
        size_t         size;
        int            from; /* of what the digest covers in data; -1: something else */
        size_t         covered;
        bl_event_cover want;
        const char    *text;
    } cases[] = {
        { BL_EV_SEPARATOR, "\0\0\0\0", 4, 0, 4, BL_EVENT_COVERED, "separator 00000000" },
        { BL_EV_SEPARATOR, "\1\0\0\0", 4, -1, 0, BL_EVENT_FALSE, "separator of an error 01000000" },
        { BL_EV_EFI_ACTION, "Boot", 4, 0, 4, BL_EVENT_COVERED, "Boot" },
        { BL_EV_EFI_ACTION, "Boot", 4, -1, 0, BL_EVENT_FALSE, "Boot" },
        { BL_EV_EFI_ACTION, "", 0, -1, 0, BL_EVENT_OPEN, "" },
        { BL_EV_IPL, ".linux\0", 7, 0, 7, BL_EVENT_COVERED, ".linux" },
        { BL_EV_IPL, ".\0l\0\0\0", 6, -1, 0, BL_EVENT_OPEN, ".l" },
        { BL_EV_IPL, "grub_cmd: a\nb\0", 14, 10, 3, BL_EVENT_COVERED, "grub_cmd: a b" },
        { BL_EV_IPL, "grub_cmd: set a=b\0", 18, 10, 7, BL_EVENT_COVERED, "grub_cmd: set a=b" },
        { BL_EV_IPL, "kernel_cmdline (hd0)/v ro\0", 26, 15, 10, BL_EVENT_COVERED,
          "kernel_cmdline (hd0)/v ro" },
        { BL_EV_EFI_VARIABLE_DRIVER_CONFIG, variable, sizeof variable - 1, 0, sizeof variable - 1,
          BL_EVENT_COVERED, "db = 2a" },
        { BL_EV_EFI_VARIABLE_DRIVER_CONFIG, variable, sizeof variable - 1, 36, 1, BL_EVENT_FALSE,
          "db = 2a" },
        { BL_EV_EFI_VARIABLE_BOOT, variable, sizeof variable - 1, 36, 1, BL_EVENT_COVERED,
          "db = 2a" },
        { BL_EV_EFI_VARIABLE_AUTHORITY, variable, sizeof variable - 1, -1, 0, BL_EVENT_OPEN,
          "db = 2a" },
        { BL_EV_EFI_VARIABLE_BOOT, variable, 20, -1, 0, BL_EVENT_FALSE,
          "cbb219d73a3d9645a3bcdad00e67656f... (20 bytes)" },
        { BL_EV_EFI_BOOT_SERVICES_APPLICATION, image, sizeof image - 1, -1, 0, BL_EVENT_OPEN,
          "image of 4096 bytes \\u" },
        { BL_EV_EVENT_TAG, "\xec\x22\x3b\x8f\x0d\0\0\0Linux initrd\0", 21, -1, 0, BL_EVENT_OPEN,
          "tag 8f3b22ec Linux initrd" },
        { BL_EV_EFI_PLATFORM_FIRMWARE_BLOB2, "\3FVX\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, -1, 0,
          BL_EVENT_OPEN, "FVX" },
        { 0x1234, "a\x1b[31m", 6, -1, 0, BL_EVENT_OPEN, "611b5b33316d" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_arena  arena = BL_ARENA_EMPTY;
        bl_auto_buf    raw = BL_BUF_EMPTY;
        bl_event_log   log;
        bl_event_cover cover;
        blind_span     covered, data = bl_span(cases[i].data, cases[i].size);
        char           text[80];
        put_header(&raw);
        put_event_of(&raw, 4, cases[i].type, data,
                     cases[i].from < 0 ? BL_LITERAL("something else")
                                       : bl_span(data.data + cases[i].from, cases[i].covered));
        CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "parse");
        bl_event_describe(&log.events[0], text, sizeof text);
        assert_string_equal(cases[i].text, text);
        CHECK_CODE(BLIND_OK, bl_event_check(&log.events[0], BL_SHA256, &cover, &covered, NULL),
                   text);
        assert_int_equal(cases[i].want, cover);
        if (cover == BL_EVENT_COVERED)
            assert_int_equal(cases[i].covered, covered.size);
        CHECK_CODE(BLIND_FORMAT, bl_event_check(&log.events[0], BL_SHA512, &cover, &covered, NULL),
                   "no bank");
        bl_event_describe(&log.events[0], text, 5);
        CHECK(strlen(text) <= 4);
    }
}

/* systemd-stub writes ".linux" in UTF-16 and extends the digest of its ASCII with the NUL. */
TEST(names_of_sections_are_proven)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    bl_auto_buf    raw = BL_BUF_EMPTY;
    bl_event_log   log;
    bl_event_cover cover;
    blind_span     covered, wide = bl_span(".\0l\0i\0n\0u\0x\0\0\0", 14);
    put_header(&raw);
    put_event_of(&raw, 11, BL_EV_IPL, wide, bl_span(".linux", 7));
    put_event_of(&raw, 11, BL_EV_IPL, wide, BL_LITERAL("the section's contents"));
    CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "parse");
    CHECK_CODE(BLIND_OK, bl_event_check(&log.events[0], BL_SHA256, &cover, &covered, NULL), "name");
    CHECK(cover == BL_EVENT_COVERED && covered.size == 14);
    CHECK_CODE(BLIND_OK, bl_event_check(&log.events[1], BL_SHA256, &cover, &covered, NULL), "data");
    CHECK(cover == BL_EVENT_OPEN && covered.size == 0);
}

TEST(a_register_lists_its_own_events)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    bl_event_log  log;
    put_header(&raw);
    put_event(&raw, 4, BL_EV_NO_ACTION, SEPARATOR);
    put_event(&raw, 4, BL_EV_EFI_ACTION, CALLING);
    put_event(&raw, 5, BL_EV_SEPARATOR, SEPARATOR);
    put_event(&raw, 4, BL_EV_SEPARATOR, SEPARATOR);
    CHECK_CODE(BLIND_OK, parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log), "parse");
    const bl_event *e = bl_event_log_next(&log, 4, NULL);
    assert_string_equal("EV_EFI_ACTION", bl_event_type_name(e->type));
    e = bl_event_log_next(&log, 4, e);
    assert_string_equal("EV_SEPARATOR", bl_event_type_name(e->type));
    assert_null(bl_event_log_next(&log, 4, e));
    assert_null(bl_event_type_name(0x1234));
    assert_string_equal("pcr23", bl_event_register_name(BL_LOG_OF_TPM, 23));
    assert_string_equal("rtmr3", bl_event_register_name(BL_LOG_OF_TD, 4));
    assert_string_equal("mrtd", bl_event_register_name(BL_LOG_OF_TD, 0));
    assert_null(bl_event_register_name(BL_LOG_OF_TPM, 24));
    assert_null(bl_event_register_name(BL_LOG_OF_TD, 5));
}

/* ---- dstack's JSON ---- */

#define ZEROS24 "000000000000000000000000000000000000000000000000"
#define ZEROS48 ZEROS24 ZEROS24

TEST(json_logs_are_read_strictly)
{
    static const struct {
        const char *name, *text;
        blind_code  want;
    } cases[] = {
        { "no events", "[]", BLIND_OK },
        { "one",
          "[{\"imr\":3,\"event_type\":134217729,\"digest\":\"" ZEROS48
          "\",\"event\":\"a\",\"event_payload\":\"00\"}]",
          BLIND_OK },
        { "no such register",
          "[{\"imr\":4,\"event_type\":1,\"digest\":\"" ZEROS48
          "\",\"event\":\"a\",\"event_payload\":\"\"}]",
          BLIND_FORMAT },
        { "a negative type",
          "[{\"imr\":0,\"event_type\":-1,\"digest\":\"" ZEROS48
          "\",\"event\":\"a\",\"event_payload\":\"\"}]",
          BLIND_FORMAT },
        { "a short digest",
          "[{\"imr\":0,\"event_type\":1,\"digest\":\"00\",\"event\":\"a\",\"event_payload\":\"\"}]",
          BLIND_FORMAT },
        { "half a byte",
          "[{\"imr\":0,\"event_type\":1,\"digest\":\"" ZEROS48
          "\",\"event\":\"a\",\"event_payload\":\"0\"}]",
          BLIND_FORMAT },
        { "no payload", "[{\"imr\":0,\"event_type\":1,\"digest\":\"" ZEROS48 "\",\"event\":\"a\"}]",
          BLIND_FORMAT },
        { "no object", "[1]", BLIND_FORMAT },
        { "no array", "{}", BLIND_FORMAT },
        { "no JSON", "[", BLIND_FORMAT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_event_log  log;
        CHECK_CODE(cases[i].want,
                   bl_event_log_parse_json(bl_span_str(cases[i].text), &arena, &log, NULL),
                   cases[i].name);
    }
}

/* ---- recorded ---- */

static json_t *read_json(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    json_t *value = json_load_file(path, 0, NULL);
    assert_non_null(value);
    return value;
}

static void read_vector(const char *dir, const char *name, bl_buf *out)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1u << 22, out, NULL), path);
}

static bool digest_is(const char *hex, const uint8_t *got, size_t size)
{
    uint8_t want[BL_HASH_MAX];
    return bl_hex_decode(bl_span_str(hex), want, size) && memcmp(want, got, size) == 0;
}

/* Whether every register that the log touches is as listed: {"0": hex, ...}. */
static bool equals(const bl_event_log *log, bl_hash bank, const json_t *pcrs)
{
    uint8_t     regs[BL_REGISTERS][BL_HASH_MAX];
    uint32_t    touched;
    const char *key;
    json_t     *value;
    if (bl_event_log_replay(log, bank, regs, &touched, NULL) != BLIND_OK)
        return false;
    json_object_foreach((json_t *)(uintptr_t)pcrs, key, value)
    {
        unsigned long reg = strtoul(key, NULL, 10);
        if (touched >> reg & 1 &&
            !digest_is(json_string_value(value), regs[reg], bl_hash_size(bank)))
            return false;
    }
    return true;
}

static bool tpm_case(const char *dir, const json_t *files)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY;
    bl_event_log  log;
    bool          good = true;
    static const struct {
        const char *key;
        bl_hash     bank;
    } banks[] = { { "pcrs_sha1", BL_BANK_SHA1 }, { "pcrs_sha256", BL_SHA256 } };
    read_vector(dir, json_string_value(json_object_get(files, "evidence")), &raw);
    if (parse(bl_buf_span(&raw), BL_LOG_OF_TPM, &arena, &log) != BLIND_OK)
        return false;
    for (size_t i = 0; i < BL_LEN(banks); i++) {
        const char *name = json_string_value(json_object_get(files, banks[i].key));
        if (!name)
            continue;
        bl_auto_json *pcrs = read_json(dir, name);
        good &= equals(&log, banks[i].bank, json_object_get(pcrs, "pcrs"));
    }
    return good;
}

/* RTMR0 to RTMR3 stand in the TD report at 48 + 328.  Source: Intel TDX DCAP quote, version 4. */
static bool td_case(const char *dir, const json_t *files)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   raw = BL_BUF_EMPTY, quote = BL_BUF_EMPTY;
    uint8_t       regs[BL_REGISTERS][BL_HASH_MAX];
    bl_event_log  log;
    const char   *name = json_string_value(json_object_get(files, "evidence"));
    read_vector(dir, name, &raw);
    read_vector(dir, json_string_value(json_object_get(files, "quote")), &quote);
    CHECK_CODE(BLIND_OK,
               strstr(name, ".json")
                   ? bl_event_log_parse_json(bl_buf_span(&raw), &arena, &log, NULL)
                   : parse(bl_buf_span(&raw), BL_LOG_OF_TD, &arena, &log),
               name);
    replay(&log, BL_SHA384, regs, NULL);
    for (size_t i = 0; i < 4; i++)
        if (memcmp(regs[i + 1], quote.data + 48 + 328 + 48 * i, 48) != 0)
            return false;
    return true;
}

TEST(recorded_logs_replay_to_what_was_quoted)
{
    const char *dir = test_vectors();
    int         count = 0;
    if (!dir)
        skip();
    bl_auto_json *index = read_json(dir, "index.json");
    size_t        i;
    json_t       *c;
    json_array_foreach(index, i, c)
    {
        const char *what = json_string_value(json_object_get(c, "what"));
        bool        tpm = what && strcmp(what, "event_log") == 0;
        if (!tpm && !(what && strcmp(what, "tdx_rtmr_replay") == 0))
            continue;
        const json_t *files = json_object_get(c, "files");
        const char   *id = json_string_value(json_object_get(c, "id"));
        bool          ok = strcmp(json_string_value(json_object_get(c, "expect")), "ok") == 0;
        if (ok != (tpm ? tpm_case(dir, files) : td_case(dir, files)))
            fail_msg("%s: expected %s", id, ok ? "ok" : "reject");
        count++;
    }
    assert_int_equal(16, count);
}

/* In every recorded log no event is false, and dstack's own are covered. */
TEST(recorded_events_are_what_they_say)
{
    const char *dir = test_vectors();
    if (!dir)
        skip();
    bl_auto_json *index = read_json(dir, "index.json");
    size_t        n, covered_count = 0;
    json_t       *c;
    json_array_foreach(index, n, c)
    {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_auto_buf   raw = BL_BUF_EMPTY;
        bl_event_log  log;
        const json_t *files = json_object_get(c, "files");
        const char   *what = json_string_value(json_object_get(c, "what"));
        const char   *kind = json_string_value(json_object_get(c, "kind"));
        const char   *name = json_string_value(json_object_get(files, "evidence"));
        bool          td = what && strcmp(what, "tdx_rtmr_replay") == 0;
        if (!(td || (what && strcmp(what, "event_log") == 0)) || strcmp(kind, "recorded") != 0)
            continue;
        read_vector(dir, name, &raw);
        CHECK_CODE(BLIND_OK,
                   strstr(name, ".json")
                       ? bl_event_log_parse_json(bl_buf_span(&raw), &arena, &log, NULL)
                       : parse(bl_buf_span(&raw), td ? BL_LOG_OF_TD : BL_LOG_OF_TPM, &arena, &log),
                   name);
        for (size_t i = 0; i < log.len; i++) {
            bl_event_cover  cover;
            blind_span      covered;
            const bl_event *e = &log.events[i];
            if (e->type == BL_EV_NO_ACTION)
                continue;
            CHECK_CODE(BLIND_OK,
                       bl_event_check(e, td ? BL_SHA384 : BL_SHA256, &cover, &covered, NULL), name);
            if (cover == BL_EVENT_FALSE && strstr(name, ".json") == NULL)
                fail_msg("%s: event %zu (%s) is false", name, i + 1, bl_event_type_name(e->type));
            if (e->type == BL_EV_DSTACK)
                assert_int_equal(BL_EVENT_COVERED, cover);
            covered_count += cover == BL_EVENT_COVERED;
        }
    }
    CHECK(covered_count > 200);
}

TESTS(RUN(a_log_replays_in_every_bank_it_has), RUN(an_old_log_has_sha1_only),
      RUN(only_a_td_may_fill_its_table), RUN(no_log_is_read_from_a_part_of_it),
      RUN(no_damage_crashes_and_digests_decide), RUN(headers_and_events_that_cannot_be_are_refused),
      RUN(registers_of_a_td_are_1_to_4), RUN(a_startup_locality_comes_first_and_once),
      RUN(logs_beyond_the_bounds_are_refused),
      RUN(events_are_described_and_held_against_their_digests), RUN(names_of_sections_are_proven),
      RUN(a_register_lists_its_own_events), RUN(json_logs_are_read_strictly),
      RUN(recorded_logs_replay_to_what_was_quoted), RUN(recorded_events_are_what_they_say))
