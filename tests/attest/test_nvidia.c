/* GPU reports: synthetic ones under a root of our own, every prefix and every flipped bit, each
 * block's and each field's negative; and the recorded ones under the vendor's root. */
#include "tests/attest/cases.h"
#include "tests/attest/damage.h"
#include "tests/attest/nvidia_made.h"
#include "tests/test.h"

#define NOW GPU_NOW

static blind_code verify_with(const gpu_world *w, blind_span evidence, int64_t now_s,
                              blind_cache *cache, bl_arena *arena, bl_claims *claims)
{
    static const bl_verify_rules rules = { 0 };
    bl_parts        parts = { .items = { { BL_LITERAL("cert_chain"), bl_buf_span(&w->chain) } },
                              .len = w->chain.size > 0 };
    bl_verify_input in = { evidence, &parts, now_s, &w->roots, &rules, cache, arena };
    return bl_tee_nvidia.verify(&in, claims, NULL);
}

static blind_code verify(const gpu_world *w, blind_span evidence, int64_t now_s)
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
    gpu_world     w;
    bl_auto_buf   report = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    gpu_init(&w);
    gpu_make_usual(&w, &report);
    CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&report), NOW, NULL, &arena, &claims), "ok");
    assert_int_equal(2, claims.measurements_len);
    CHECK(bl_span_equal(bl_claims_measurement(&claims, "m1"), bl_span(w.digest, 48)));
    CHECK(bl_span_equal(bl_claims_measurement(&claims, "m64"), bl_span(w.fwid, 48)));
    CHECK(bl_span_equal(claims.report_data, BL_LITERAL(GPU_NONCE)));
    CHECK(fact_is(&claims, "driver_version", BL_LITERAL("535.86.09")));
    CHECK(fact_is(&claims, "vbios_version", BL_LITERAL("96.00.5E.00.01")));
    CHECK(fact_is(&claims, "chip_sku", BL_LITERAL("882")));
    assert_int_equal(535, bl_claims_fact(&claims, "driver_branch")->number);
    assert_int_equal(0x3b1, bl_claims_fact(&claims, "board_id")->number);
    CHECK(bl_span_equal(claims.hardware_id, BL_LITERAL("\x12\x34")));
    assert_int_equal(0, claims.time_s);
    assert_int_equal(BLIND_UNKNOWN, claims.not_debuggable);
    gpu_done(&w);
}

typedef struct {
    const gpu_world *w;
    blind_cache     *cache;
} remembering;

static blind_code verify_damaged(void *arg, blind_span evidence)
{
    const remembering *r = arg;
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_claims          claims;
    return verify_with(r->w, evidence, NOW, r->cache, &arena, &claims);
}

TEST(no_damaged_report_is_authentic)
{
    gpu_world   w;
    bl_auto_buf report = BL_BUF_EMPTY;
    remembering r = { &w, blind_cache_new(4) };
    gpu_init(&w);
    gpu_make_usual(&w, &report);
    damage_bits(&report, verify_damaged, &r);
    damage_length(&report, verify_damaged, &r);
    blind_cache_free(r.cache);
    gpu_done(&w);
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
    gpu_world   w;
    bl_auto_buf opaque = BL_BUF_EMPTY, report = BL_BUF_EMPTY;
    gpu_init(&w);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_auto_buf record = BL_BUF_EMPTY;
        gpu_put_block(&record, rows[i].first, bl_span(w.digest, 48));
        gpu_put_block(&record, rows[i].second, bl_span(w.digest, rows[i].size));
        gpu_make(&w, rows[i].blocks, &record, &opaque, &report);
        CHECK_CODE(rows[i].want, verify(&w, bl_buf_span(&report), NOW), rows[i].name);
    }
    gpu_done(&w);
}

TEST(opaque_fields_come_once_and_odd_ones_say_nothing)
{
    gpu_world     w;
    bl_auto_buf   record = BL_BUF_EMPTY, opaque = BL_BUF_EMPTY, report = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    gpu_init(&w);
    gpu_put_block(&record, 1, bl_span(w.digest, 48));
    gpu_put_opaque(&opaque, 3, BL_LITERAL("535\0x"));
    gpu_put_opaque(&opaque, 6, BL_LITERAL("\x01"));
    gpu_put_opaque(&opaque, 14, BL_LITERAL("\x01"));
    gpu_put_opaque(&opaque, 20, BL_LITERAL("\x01"));
    gpu_make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&report), NOW, NULL, &arena, &claims), "odd");
    CHECK(!bl_claims_fact(&claims, "driver_version") && !bl_claims_fact(&claims, "fwid") &&
          !bl_claims_fact(&claims, "vbios_version") && !bl_claims_fact(&claims, "board_id"));
    gpu_put_opaque(&opaque, 3, BL_LITERAL("535"));
    gpu_make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&report), NOW), "twice");
    bl_buf_clear(&opaque);
    bl_buf_add(&opaque, BL_LITERAL("\x03\x00\x09"));
    gpu_make(&w, 1, &record, &opaque, &report);
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&report), NOW), "cut");
    gpu_done(&w);
}

TEST(the_chain_is_judged)
{
    gpu_world   w, other;
    bl_auto_buf report = BL_BUF_EMPTY;
    EVP_PKEY   *p256 = make_key(MAKE_P256);
    gpu_init(&w);
    gpu_init(&other);
    gpu_make_usual(&w, &report);
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
    gpu_certify(&w);
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, all, NOW), "a P-256 device");
    EVP_PKEY_free(p256);
    gpu_done(&w);
    gpu_done(&other);
}

TEST(the_firmware_is_that_of_the_certificate)
{
    gpu_world   w;
    bl_auto_buf report = BL_BUF_EMPTY, record = BL_BUF_EMPTY, none = BL_BUF_EMPTY;
    gpu_init(&w);
    gpu_make_usual(&w, &report);
    gpu_certify_fwid(&w, w.fwid);
    CHECK_CODE(BLIND_OK, verify(&w, bl_buf_span(&report), NOW), "the same");
    gpu_certify_fwid(&w, w.digest);
    CHECK_CODE(BLIND_CHAIN, verify(&w, bl_buf_span(&report), NOW), "another");
    gpu_certify_fwid(&w, w.fwid);
    gpu_put_block(&record, 1, bl_span(w.digest, 48));
    gpu_make(&w, 1, &record, &none, &report);
    CHECK_CODE(BLIND_CHAIN, verify(&w, bl_buf_span(&report), NOW), "none in the report");
    gpu_done(&w);
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
