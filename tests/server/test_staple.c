/* Collateral from the store beside evidence: read once, again when it changed, left out when it is
 * not there. */
#include "attest/parts.h"
#include "collateral/store.h"
#include "server/staple.h"
#include "tests/test.h"

#include <unistd.h>

/* An SNP report of Genoa whose signature nobody made: enough to say what is needed. */
static void report(uint8_t out[0x4a0])
{
    memset(out, 0, 0x4a0);
    out[0] = 3;
    out[0x0a] = 2; /* policy: bit 17 */
    out[0x34] = 1;
    out[0x188] = 0x19;
    out[0x189] = 0x11;
    memset(out + 0x1a0, 0xab, 64);
}

static void put(const char *dir, const char *name, const char *body)
{
    bl_auto_item item = BL_ITEM_EMPTY;
    bl_buf_add_str(&item.body, body);
    CHECK_CODE(BLIND_OK, bl_store_write(dir, name, &item, NULL), name);
}

static void vcek_name(char *out, size_t size)
{
    char chip[129];
    for (size_t i = 0; i < 64; i++)
        snprintf(chip + 2 * i, 3, "ab");
    snprintf(out, size, "snp/Genoa/vcek-%s-0000000000000000.der", chip);
}

TEST(nothing_in_the_store_is_nothing_beside_the_evidence)
{
    uint8_t     raw[0x4a0];
    char        dir[] = "/tmp/blind-staple-XXXXXX";
    bl_staple  *staple;
    bl_auto_buf parts = BL_BUF_EMPTY;
    assert_non_null(mkdtemp(dir));
    report(raw);
    CHECK_CODE(BLIND_OK, bl_staple_new(dir, "snp", &staple, NULL), "new");
    CHECK_CODE(BLIND_NOT_FOUND, bl_staple_parts(staple, bl_span(raw, sizeof raw), &parts, NULL),
               "empty");
    assert_int_equal(0, parts.size);
    bl_staple_free(staple);
    rmdir(dir);
}

TEST(tees_without_collateral_have_none)
{
    bl_staple  *staple;
    bl_auto_buf parts = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_staple_new("/nonexistent", "sim", &staple, NULL), "new");
    CHECK_CODE(BLIND_UNSUPPORTED, bl_staple_parts(staple, BL_LITERAL("x"), &parts, NULL), "sim");
    bl_staple_free(staple);
}

TEST(a_list_that_is_none_is_left_out_whole)
{
    uint8_t     raw[0x4a0];
    char        dir[] = "/tmp/blind-staple-XXXXXX", name[256], remove[320];
    bl_staple  *staple;
    bl_auto_buf parts = BL_BUF_EMPTY;
    assert_non_null(mkdtemp(dir));
    report(raw);
    vcek_name(name, sizeof name);
    put(dir, name, "a key's certificate");
    put(dir, "snp/Genoa/vcek-cert_chain.pem", "no certificates");
    put(dir, "snp/Genoa/vcek-crl.der", "a list");
    CHECK_CODE(BLIND_OK, bl_staple_new(dir, "snp", &staple, NULL), "new");
    CHECK_CODE(BLIND_INPUT, bl_staple_parts(staple, bl_span(raw, sizeof raw), &parts, NULL),
               "a chain of nothing");
    assert_int_equal(0, parts.size);
    bl_staple_free(staple);
    snprintf(remove, sizeof remove, "rm -rf %s", dir);
    assert_int_equal(0, system(remove));
}

TESTS(RUN(nothing_in_the_store_is_nothing_beside_the_evidence),
      RUN(tees_without_collateral_have_none), RUN(a_list_that_is_none_is_left_out_whole))
