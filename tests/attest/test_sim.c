/* Simulated reports: what was signed is claimed, everything else is refused, each lie is seen. */
#include "tests/attest/damage.h"
#include "tests/test.h"

#include "attest/sim/sim.h"
#include "crypto/hash.h"
#include "measure/measure.h"

#define DATA BL_LITERAL("0123456789abcdef0123456789abcdef")

static void collect(unsigned lies, bl_buf *out)
{
    bl_tee_options options = { .sim_lies = lies };
    void          *device;
    CHECK_CODE(BLIND_OK, bl_tee_sim.open(&options, &device, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_tee_sim.collect(device, DATA, 1700000000, out, NULL), "collect");
    bl_tee_sim.close(device);
}

static blind_code verify(blind_span evidence, bl_claims *claims)
{
    bl_parts        parts = { 0 };
    bl_verify_input in = { .evidence = evidence, .parts = &parts, .now_s = 1700000000 };
    return bl_tee_sim.verify(&in, claims, NULL);
}

TEST(a_report_claims_what_it_was_made_from)
{
    bl_auto_buf report = BL_BUF_EMPTY;
    bl_claims   claims;
    uint8_t     measurement[48];
    collect(0, &report);
    assert_int_equal(BL_SIM_REPORT_SIZE, report.size);
    CHECK_CODE(BLIND_OK, verify(bl_buf_span(&report), &claims), "verify");
    CHECK_CODE(BLIND_OK, bl_measure_sim("/proc/self/exe", measurement, NULL, NULL), "measure");
    CHECK(bl_span_equal(claims.measurements[0].value, bl_span(measurement, 48)));
    assert_memory_equal(DATA.data, claims.report_data.data, 32);
    assert_int_equal(1700000000, claims.time_s);
    assert_int_equal(BLIND_PROVEN, claims.not_debuggable);
    assert_int_equal(BLIND_REFUTED, claims.memory_encrypted);
    CHECK(claims.simulated && claims.trusts_host);
}

/* Damaged or not, it names itself. */
static blind_code verify_damaged(void *arg, blind_span evidence)
{
    bl_claims  claims;
    blind_code code = verify(evidence, &claims);
    (void)arg;
    CHECK(code == BLIND_OK || code == BLIND_FORMAT || code == BLIND_SIGNATURE);
    CHECK(claims.simulated);
    return code;
}

TEST(no_damaged_report_is_authentic)
{
    bl_auto_buf report = BL_BUF_EMPTY;
    collect(0, &report);
    damage_bits(&report, verify_damaged, NULL);
    damage_length(&report, verify_damaged, NULL);
}

TEST(a_report_of_another_key_is_refused)
{
    bl_auto_buf         report = BL_BUF_EMPTY;
    bl_auto_key bl_key *key = NULL;
    bl_claims           claims;
    collect(0, &report);
    report.size = BL_SIM_SIGNED_SIZE;
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK,
               bl_key_sign(key, BL_ECDSA_P256_SHA256_RAW, bl_buf_span(&report), &report, NULL),
               "sign");
    CHECK_CODE(BLIND_SIGNATURE, verify(bl_buf_span(&report), &claims), "another key");
}

TEST(endorsements_are_refused_where_none_belong)
{
    bl_auto_buf report = BL_BUF_EMPTY;
    bl_claims   claims;
    bl_parts    parts = { .items = { { BL_LITERAL("x"), BL_LITERAL("y") } }, .len = 1 };
    collect(0, &report);
    bl_verify_input in = { .evidence = bl_buf_span(&report), .parts = &parts };
    CHECK_CODE(BLIND_FORMAT, bl_tee_sim.verify(&in, &claims, NULL), "a part");
}

TEST(the_public_key_is_that_of_the_published_text)
{
    bl_auto_key bl_key *private = NULL, *public = NULL;
    bl_auto_buf a = BL_BUF_EMPTY, b = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_sim_private_key(&private, NULL), "private");
    CHECK_CODE(BLIND_OK, bl_sim_public_key(&public, NULL), "public");
    CHECK_CODE(BLIND_OK, bl_key_spki(private, &a, NULL), "spki");
    CHECK_CODE(BLIND_OK, bl_key_spki(public, &b, NULL), "spki");
    CHECK(bl_span_equal(bl_buf_span(&a), bl_buf_span(&b)));
}

TEST(each_lie_shows)
{
    bl_auto_buf honest = BL_BUF_EMPTY, liar = BL_BUF_EMPTY;
    bl_claims   truth, claims;
    collect(0, &honest);
    CHECK_CODE(BLIND_OK, verify(bl_buf_span(&honest), &truth), "honest");
    collect(BL_SIM_LIE_MEASUREMENT, &liar);
    CHECK_CODE(BLIND_OK, verify(bl_buf_span(&liar), &claims), "measurement");
    CHECK(!bl_span_equal(truth.measurements[0].value, claims.measurements[0].value));
    bl_buf_clear(&liar);
    collect(BL_SIM_LIE_DEBUG, &liar);
    CHECK_CODE(BLIND_OK, verify(bl_buf_span(&liar), &claims), "debug");
    assert_int_equal(BLIND_REFUTED, claims.not_debuggable);
    bl_buf_clear(&liar);
    collect(BL_SIM_LIE_BINDING, &liar);
    CHECK_CODE(BLIND_OK, verify(bl_buf_span(&liar), &claims), "binding");
    CHECK(!bl_span_equal(truth.report_data, claims.report_data));
    bl_buf_clear(&liar);
    collect(BL_SIM_LIE_SIGNATURE, &liar);
    CHECK_CODE(BLIND_SIGNATURE, verify(bl_buf_span(&liar), &claims), "signature");
}

TEST(lies_are_named)
{
    unsigned lies;
    CHECK_CODE(BLIND_OK, bl_sim_lies_parse("measurement,debug", &lies, NULL), "two");
    assert_int_equal(BL_SIM_LIE_MEASUREMENT | BL_SIM_LIE_DEBUG, lies);
    CHECK_CODE(BLIND_OK, bl_sim_lies_parse("binding,signature,log", &lies, NULL), "three");
    assert_int_equal(BL_SIM_LIE_BINDING | BL_SIM_LIE_SIGNATURE | BL_SIM_LIE_LOG, lies);
    const char *const wrong[] = { "", "debu", "debug,", ",debug", "debug,,log", "all" };
    for (size_t i = 0; i < BL_LEN(wrong); i++)
        CHECK_CODE(BLIND_USAGE, bl_sim_lies_parse(wrong[i], &lies, NULL), wrong[i]);
}

TEST(what_cannot_be_measured_is_not_opened)
{
    bl_tee_options options = { .sim_binary = "/nonexistent" };
    bl_tee_options folder = { .sim_binary = "/" };
    void          *device;
    CHECK_CODE(BLIND_IO, bl_tee_sim.open(&options, &device, NULL), "no file");
    assert_null(device);
    CHECK_CODE(BLIND_IO, bl_tee_sim.open(&folder, &device, NULL), "a folder");
}

TEST(the_table_finds_by_whole_name)
{
    CHECK(bl_tee_find(BL_LITERAL("sim")) == &bl_tee_sim);
    assert_null(bl_tee_find(BL_LITERAL("si")));
    assert_null(bl_tee_find(BL_LITERAL("simm")));
    assert_null(bl_tee_find((blind_span){ 0 }));
}

TESTS(RUN(a_report_claims_what_it_was_made_from), RUN(no_damaged_report_is_authentic),
      RUN(a_report_of_another_key_is_refused), RUN(endorsements_are_refused_where_none_belong),
      RUN(the_public_key_is_that_of_the_published_text), RUN(each_lie_shows), RUN(lies_are_named),
      RUN(what_cannot_be_measured_is_not_opened), RUN(the_table_finds_by_whole_name))
