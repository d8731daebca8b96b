/* GPU reports: synthetic ones under a root of our own, every prefix and every flipped bit, each
 * block's and each field's negative; and the recorded ones under the vendor's root. */
#include "tests/attest/cases.h"
#include "tests/attest/make_cert.h"
#include "tests/test.h"

#include "attest/nvidia/nvidia.h"
#include "base/der.h"

#define NOW   INT64_C(1700000000)
#define NONCE "0123456789abcdef0123456789abcdef"
#define OID   "2.23.133.5.4.1.1"

/* ---- a root, a device and a report ---- */

typedef struct {
    EVP_PKEY         *root, *leaf;
    make_cert_options root_options, leaf_options;
    make_extension    extension;
    bl_buf            spki, chain, tcb_info;
    bl_root           anchor;
    bl_roots          roots;
    uint8_t           digest[48], fwid[48];
} world;

static void certify(world *w)
{
    w->chain.size = 0;
    make_cert(&w->leaf_options, &w->chain);
    make_cert(&w->root_options, &w->chain);
}

static void world_init(world *w)
{
    *w = (world){ .root = make_key(MAKE_P384), .leaf = make_key(MAKE_P384) };
    w->root_options = (make_cert_options){ .key = w->root,
                                           .common_name = "root",
                                           .not_before_s = NOW - 1000,
                                           .not_after_s = NOW + 1000,
                                           .ca = true };
    w->leaf_options = (make_cert_options){ .key = w->leaf,
                                           .issuer_key = w->root,
                                           .common_name = "gpu",
                                           .issuer_name = "root",
                                           .serial = 0x1234,
                                           .not_before_s = NOW - 100,
                                           .not_after_s = NOW + 100 };
    make_spki(w->root, &w->spki);
    w->anchor = (bl_root){ "test root", bl_buf_span(&w->spki) };
    w->roots = (bl_roots){ &w->anchor, 1 };
    memset(w->digest, 7, 48);
    memset(w->fwid, 9, 48);
    certify(w);
}

static void world_done(world *w)
{
    EVP_PKEY_free(w->root);
    EVP_PKEY_free(w->leaf);
    bl_buf_done(&w->spki);
    bl_buf_done(&w->chain);
    bl_buf_done(&w->tcb_info);
}

/* A DiceTcbInfo with one FWID, in the device's certificate. */
static void certify_fwid(world *w, const uint8_t fwid[48])
{
    static const uint8_t head[] = { 0x30, 0x3f, 0xa6, 0x3d, 0x30, 0x3b, 0x06, 0x07, 0x60,
                                    0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, 0x30 };
    bl_buf_clear(&w->tcb_info);
    bl_buf_add(&w->tcb_info, bl_span(head, sizeof head));
    bl_buf_add(&w->tcb_info, bl_span(fwid, 48));
    w->extension = (make_extension){ OID, bl_buf_span(&w->tcb_info), false };
    w->leaf_options.extensions = &w->extension;
    w->leaf_options.extensions_len = 1;
    certify(w);
}

static void put_block(bl_buf *out, uint8_t index, blind_span digest)
{
    bl_buf_add_u8(out, index);
    bl_buf_add_u8(out, 1);
    bl_buf_add_le(out, digest.size + 3, 2);
    bl_buf_add_u8(out, 1);
    bl_buf_add_le(out, digest.size, 2);
    bl_buf_add(out, digest);
}

static void put_opaque(bl_buf *out, uint16_t type, blind_span value)
{
    bl_buf_add_le(out, type, 2);
    bl_buf_add_le(out, value.size, 2);
    bl_buf_add(out, value);
}

/* The message around `blocks` blocks in `record` and `opaque`, signed by the leaf. */
static void make(const world *w, size_t blocks, const bl_buf *record, const bl_buf *opaque,
                 bl_buf *out)
{
    bl_buf_clear(out);
    bl_buf_add(out, BL_LITERAL("\x11\xe0\x01\xff" NONCE));
    bl_buf_add_u8(out, 0);
    bl_buf_add(out, BL_LITERAL("\x11\x60\x00\x00"));
    bl_buf_add_u8(out, (uint8_t)blocks);
    bl_buf_add_le(out, record->size, 3);
    bl_buf_add(out, bl_buf_span(record));
    bl_buf_add(out, BL_LITERAL("ffffffffffffffffffffffffffffffff"));
    bl_buf_add_le(out, opaque->size, 2);
    bl_buf_add(out, bl_buf_span(opaque));
    make_signature(w->leaf, MAKE_RAW, "SHA384", bl_buf_span(out), out);
}

static void make_usual(const world *w, bl_buf *out)
{
    bl_auto_buf record = BL_BUF_EMPTY, opaque = BL_BUF_EMPTY;
    put_block(&record, 1, bl_span(w->digest, 48));
    put_block(&record, 64, bl_span(w->fwid, 48));
    put_opaque(&opaque, 6, BL_LITERAL("\x00\x5e\x00\x96\x01\x00\x00\x00"));
    put_opaque(&opaque, 3, BL_LITERAL("535.86.09\0"));
    put_opaque(&opaque, 14, BL_LITERAL("\xb1\x03\x00\x00"));
    put_opaque(&opaque, 15, BL_LITERAL("882\0"));
    put_opaque(&opaque, 20, bl_span(w->fwid, 48));
    put_opaque(&opaque, 99, BL_LITERAL("?"));
    make(w, 2, &record, &opaque, out);
}

static blind_code verify_with(const world *w, blind_span evidence, int64_t now_s,
                              blind_cache *cache, bl_arena *arena, bl_claims *claims)
{
    static const bl_verify_rules rules = { 0 };
    bl_parts        parts = { .items = { { BL_LITERAL("cert_chain"), bl_buf_span(&w->chain) } },
                              .len = w->chain.size > 0 };
    bl_verify_input in = { evidence, &parts, now_s, &w->roots, &rules, cache, arena };
    return bl_tee_nvidia.verify(&in, claims, NULL);
}

static blind_code verify(const world *w, blind_span evidence, int64_t now_s)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    return verify_with(w, evidence, now_s, NULL, &arena, &claims);
}

static bool fact_is(const bl_claims *claims, const char *name, blind_span want)
{
    const bl_fact *fact = bl_claims_fact(claims, name);
    return fact && bl_span_equal(fact->bytes, want);
}

TEST(a_report_claims_what_it_was_made_from)
{
    world         w;
    bl_auto_buf   report = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    world_init(&w);
    make_usual(&w, &report);
    CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&report), NOW, NULL, &arena, &claims), "ok");
    assert_int_equal(2, claims.measurements_len);
    CHECK(bl_span_equal(bl_claims_measurement(&claims, "m1"), bl_span(w.digest, 48)));
    CHECK(bl_span_equal(bl_claims_measurement(&claims, "m64"), bl_span(w.fwid, 48)));
    CHECK(bl_span_equal(claims.report_data, BL_LITERAL(NONCE)));
    CHECK(fact_is(&claims, "driver_version", BL_LITERAL("535.86.09")));
    CHECK(fact_is(&claims, "vbios_version", BL_LITERAL("96.00.5E.00.01")));
    CHECK(fact_is(&claims, "chip_sku", BL_LITERAL("882")));
    assert_int_equal(535, bl_claims_fact(&claims, "driver_branch")->number);
    assert_int_equal(0x3b1, bl_claims_fact(&claims, "board_id")->number);
    CHECK(bl_span_equal(claims.hardware_id, BL_LITERAL("\x12\x34")));
    assert_int_equal(0, claims.time_s);
    assert_int_equal(BLIND_UNKNOWN, claims.not_debuggable);
    world_done(&w);
}

TEST(no_damaged_report_is_authentic)
{
    world        w;
    bl_auto_buf  report = BL_BUF_EMPTY;
    blind_cache *cache = blind_cache_new(4);
    bl_claims    claims;
    world_init(&w);
    make_usual(&w, &report);
    blind_span all = bl_buf_span(&report);
    for (size_t bit = 0; bit < 8 * report.size; bit++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        report.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (verify_with(&w, all, NOW, cache, &arena, &claims) == BLIND_OK)
            fail_msg("bit %zu of byte %zu does not matter", bit % 8, bit / 8);
        report.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t keep = 0; keep < report.size; keep++)
        CHECK_CODE(BLIND_FORMAT, verify(&w, bl_span(report.data, keep), NOW), "a prefix");
    bl_buf_add_u8(&report, 0);
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&report), NOW), "one byte more");
    blind_cache_free(cache);
    world_done(&w);
}

TEST(blocks_come_once_each_and_are_digests)
{
    static const struct {
        const char *name;
        uint8_t     first, second;
        size_t      size, blocks;
        blind_code  want;
    } rows[] = {
        { "two", 1, 2, 48, 2, BLIND_OK },           { "none", 1, 2, 48, 0, BLIND_FORMAT },
        { "one twice", 3, 3, 48, 2, BLIND_FORMAT }, { "index 0", 0, 1, 48, 2, BLIND_FORMAT },
        { "index 65", 1, 65, 48, 2, BLIND_FORMAT }, { "SHA-256", 1, 2, 32, 2, BLIND_FORMAT },
        { "too few", 1, 2, 48, 1, BLIND_FORMAT },   { "too many", 1, 2, 48, 3, BLIND_FORMAT },
    };
    world       w;
    bl_auto_buf opaque = BL_BUF_EMPTY, report = BL_BUF_EMPTY;
    world_init(&w);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_auto_buf record = BL_BUF_EMPTY;
        put_block(&record, rows[i].first, bl_span(w.digest, 48));
        put_block(&record, rows[i].second, bl_span(w.digest, rows[i].size));
        make(&w, rows[i].blocks, &record, &opaque, &report);
        CHECK_CODE(rows[i].want, verify(&w, bl_buf_span(&report), NOW), rows[i].name);
    }
    world_done(&w);
}

TEST(opaque_fields_come_once_and_odd_ones_say_nothing)
{
    world         w;
    bl_auto_buf   record = BL_BUF_EMPTY, opaque = BL_BUF_EMPTY, report = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    world_init(&w);
    put_block(&record, 1, bl_span(w.digest, 48));
    put_opaque(&opaque, 3, BL_LITERAL("535\0x"));
    put_opaque(&opaque, 6, BL_LITERAL("\x01"));
    put_opaque(&opaque, 14, BL_LITERAL("\x01"));
    put_opaque(&opaque, 20, BL_LITERAL("\x01"));
    make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&report), NOW, NULL, &arena, &claims), "odd");
    CHECK(!bl_claims_fact(&claims, "driver_version") && !bl_claims_fact(&claims, "fwid") &&
          !bl_claims_fact(&claims, "vbios_version") && !bl_claims_fact(&claims, "board_id"));
    put_opaque(&opaque, 3, BL_LITERAL("535"));
    make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&report), NOW), "twice");
    bl_buf_clear(&opaque);
    bl_buf_add(&opaque, BL_LITERAL("\x03\x00\x09"));
    make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&report), NOW), "cut");
    world_done(&w);
}

TEST(the_chain_is_judged)
{
    world       w, other;
    bl_auto_buf report = BL_BUF_EMPTY;
    EVP_PKEY   *p256 = make_key(MAKE_P256);
    world_init(&w);
    world_init(&other);
    make_usual(&w, &report);
    blind_span all = bl_buf_span(&report);
    CHECK_CODE(BLIND_CHAIN, verify(&w, all, NOW - 101), "not yet");
    CHECK_CODE(BLIND_STALE, verify(&w, all, NOW + 101), "no longer");
    CHECK_CODE(BLIND_STALE, verify(&w, all, 0), "no clock");
    w.roots = other.roots;
    CHECK_CODE(BLIND_CHAIN, verify(&w, all, NOW), "another root");
    w.roots = (bl_roots){ &w.anchor, 1 };
    bl_buf mine = w.chain;
    w.chain = other.chain;
    CHECK_CODE(BLIND_CHAIN, verify(&w, all, NOW), "another device's chain");
    w.roots = other.roots;
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, all, NOW), "another device");
    w.roots = (bl_roots){ &w.anchor, 1 };
    w.chain = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_CHAIN, verify(&w, all, NOW), "no chain");
    w.chain = mine;
    w.leaf_options.key = p256;
    certify(&w);
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, all, NOW), "a P-256 device");
    EVP_PKEY_free(p256);
    world_done(&w);
    world_done(&other);
}

TEST(the_firmware_is_that_of_the_certificate)
{
    world       w;
    bl_auto_buf report = BL_BUF_EMPTY, record = BL_BUF_EMPTY, none = BL_BUF_EMPTY;
    world_init(&w);
    make_usual(&w, &report);
    certify_fwid(&w, w.fwid);
    CHECK_CODE(BLIND_OK, verify(&w, bl_buf_span(&report), NOW), "the same");
    certify_fwid(&w, w.digest);
    CHECK_CODE(BLIND_CHAIN, verify(&w, bl_buf_span(&report), NOW), "another");
    certify_fwid(&w, w.fwid);
    put_block(&record, 1, bl_span(w.digest, 48));
    make(&w, 1, &record, &none, &report);
    CHECK_CODE(BLIND_CHAIN, verify(&w, bl_buf_span(&report), NOW), "none in the report");
    world_done(&w);
}

/* ---- recorded reports ---- */

static void check_fields(const recorded *c)
{
    json_t          *want = case_object(c, "measurements"), *digest;
    const char      *number;
    bl_nvidia_report report;
    if (!json_object_size(want))
        return;
    CHECK_CODE(BLIND_OK, bl_nvidia_report_parse(c->evidence, &report, NULL), c->id);
    CHECK(case_hex_is(c->json, "nonce_hex", report.nonce));
    json_object_foreach(want, number, digest)
        CHECK(case_hex_is(want, number, report.measurements[atoi(number)]));
}

TEST(recorded_reports_are_judged_right)
{
    case_list list;
    recorded  c;
    size_t    accepted = 0, refused = 0;
    if (!cases_open(&list))
        return;
    blind_cache *cache = blind_cache_new(8);
    while (cases_next(&list, "nvidia", &c)) {
        for (int i = 0; i < 3; i++) { /* alone, then with a memory, empty and filled */
            blind_result *result;
            blind_error   err = { 0 };
            blind_code    code = case_appraise(&c, i ? cache : NULL, &result, &err);
            if ((code == BLIND_OK) != c.accept)
                fail_msg("%s: %s", c.id, result ? blind_result_text(result) : err.message);
            blind_result_free(result);
        }
        check_fields(&c);
        accepted += c.accept;
        refused += !c.accept;
        case_done(&c);
    }
    print_message("nvidia: %zu recorded cases accepted, %zu refused\n", accepted, refused);
    CHECK(accepted >= 3 && refused >= 6);
    blind_cache_free(cache);
    cases_close(&list);
}

TESTS(RUN(a_report_claims_what_it_was_made_from), RUN(no_damaged_report_is_authentic),
      RUN(blocks_come_once_each_and_are_digests),
      RUN(opaque_fields_come_once_and_odd_ones_say_nothing), RUN(the_chain_is_judged),
      RUN(the_firmware_is_that_of_the_certificate), RUN(recorded_reports_are_judged_right))
