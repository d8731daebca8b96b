/* A whole TPM, by swtpm: quotes that verify, challenges that only it answers, its runtime register.
 */
#include "tests/test.h"

#include "attest/tpm/credential.h"
#include "attest/tpm/device.h"
#include "crypto/random.h"
#include "tests/attest/swtpm.h"

#include <time.h>

#define NONCE BL_LITERAL("0123456789abcdef0123456789abcdef")

static swtpm tpm;
static bool  there;

typedef struct {
    void           *device;
    bl_buf          evidence, beside;
    bl_parts        parts;
    bl_root         root;
    bl_roots        roots;
    bl_verify_rules rules;
    bl_verify_input in;
    bl_arena        arena;
    bl_claims       claims;
    blind_error     err;
} bench;

static void set_up(bench *b)
{
    const bl_tee_options options = { .tpm_tcti = tpm.tcti, .tpm_ek_chain = tpm.chain };
    *b = (bench){ 0 };
    CHECK_CODE(BLIND_OK, bl_tpm_open(&options, &b->device, &b->err), b->err.message);
    CHECK_CODE(BLIND_OK, bl_tpm_collect(b->device, NONCE, 0, &b->evidence, &b->err),
               b->err.message);
    CHECK_CODE(BLIND_OK, bl_tpm_endorse(b->device, &b->beside, &b->err), b->err.message);
    CHECK_CODE(BLIND_OK, bl_parts_parse(bl_buf_span(&b->beside), &b->parts, NULL), "parts");
    b->root = (bl_root){ "swtpm", bl_buf_span(&tpm.root_spki) };
    b->roots = (bl_roots){ &b->root, 1 };
    b->in = (bl_verify_input){ .evidence = bl_buf_span(&b->evidence),
                               .parts = &b->parts,
                               .now_s = time(NULL) + 60,
                               .roots = &b->roots,
                               .rules = &b->rules,
                               .arena = &b->arena };
}

static void tear_down(bench *b)
{
    bl_tpm_close(b->device);
    bl_buf_done(&b->evidence);
    bl_buf_done(&b->beside);
    bl_arena_done(&b->arena);
}

static blind_code verify(bench *b)
{
    b->claims = (bl_claims){ 0 };
    return bl_tee_tpm.verify(&b->in, &b->claims, &b->err);
}

/* The verifier's half of an enrolment: a challenge, its answer, a record. */
static void ak_name(bench *b, uint8_t out[BL_TPM_NAME], size_t *size)
{
    bl_tpm_public ak;
    CHECK_CODE(BLIND_OK, bl_tpm_public_parse(bl_parts_get(&b->parts, "ak_public"), &ak, NULL),
               "ak_public");
    CHECK_CODE(BLIND_OK, bl_tpm_public_name(&ak, out, size, NULL), "name");
}

static bl_tpm_enrolment enrolment_of(bench *b, blind_span name)
{
    return (bl_tpm_enrolment){ .ak_name = name,
                               .ek_public = bl_parts_get(&b->parts, "ek_public"),
                               .ek_cert = bl_parts_get(&b->parts, "ek_cert"),
                               .ek_chain = bl_parts_get(&b->parts, "ek_chain"),
                               .time_s = b->in.now_s };
}

static blind_code challenge(bench *b, blind_span name, blind_span secret, bl_buf *answer)
{
    bl_auto_buf   credential = BL_BUF_EMPTY;
    bl_tpm_public ek;
    CHECK_CODE(BLIND_OK, bl_tpm_public_parse(bl_parts_get(&b->parts, "ek_public"), &ek, NULL),
               "ek_public");
    CHECK_CODE(BLIND_OK, bl_tpm_make_credential(&ek, name, secret, &credential, &b->err),
               b->err.message);
    return bl_tpm_activate(b->device, bl_buf_span(&credential), answer, &b->err);
}

TEST(an_enrolled_key_quotes)
{
    bench       b;
    uint8_t     name[BL_TPM_NAME], secret[BL_TPM_SECRET];
    size_t      size;
    bl_auto_buf answer = BL_BUF_EMPTY, record = BL_BUF_EMPTY;
    if (!there)
        return;
    set_up(&b);
    CHECK_CODE(BLIND_CHAIN, verify(&b), "nobody vouches yet");
    ak_name(&b, name, &size);
    CHECK_CODE(BLIND_OK, bl_random(secret, sizeof secret, NULL), "secret");
    CHECK_CODE(BLIND_OK,
               challenge(&b, bl_span(name, size), bl_span(secret, sizeof secret), &answer),
               b.err.message);
    CHECK(bl_span_equal(bl_buf_span(&answer), bl_span(secret, sizeof secret)));
    bl_tpm_enrolment enrolment = enrolment_of(&b, bl_span(name, size));
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_write(&enrolment, &record, NULL), "record");
    blind_span records[] = { bl_buf_span(&record) };
    b.rules.enrolments = records;
    b.rules.enrolments_len = 1;
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    CHECK(bl_span_equal(b.claims.report_data, NONCE));
    assert_int_equal(16, b.claims.measurements_len);
    assert_int_equal(BL_TPM_VIRTUAL, b.claims.tpm_kind);
    assert_int_equal(32, b.claims.hardware_id.size);
    /* The anchor is asked for anew each time. */
    b.in.roots = NULL;
    CHECK_CODE(BLIND_CHAIN, verify(&b), "no anchor");
    tear_down(&b);
}

TEST(a_challenge_to_another_key_is_not_answered)
{
    bench       b;
    uint8_t     name[BL_TPM_NAME], secret[BL_TPM_SECRET] = { 1 };
    size_t      size;
    bl_auto_buf answer = BL_BUF_EMPTY;
    if (!there)
        return;
    set_up(&b);
    ak_name(&b, name, &size);
    name[5] ^= 1;
    CHECK_CODE(BLIND_IO,
               challenge(&b, bl_span(name, size), bl_span(secret, sizeof secret), &answer),
               "another name");
    assert_int_equal(0, answer.size);
    CHECK_CODE(BLIND_FORMAT, bl_tpm_activate(b.device, BL_LITERAL("x"), &answer, NULL),
               "no challenge");
    name[5] ^= 1;
    for (int i = 0; i < 8; i++) /* a TPM has room for few sessions: none may stay */
        CHECK_CODE(BLIND_OK,
                   challenge(&b, bl_span(name, size), bl_span(secret, sizeof secret), &answer),
                   b.err.message);
    tear_down(&b);
}

TEST(an_enrolment_is_of_one_key_and_comes_from_the_caller)
{
    bench       b;
    uint8_t     name[BL_TPM_NAME];
    size_t      size;
    bl_auto_buf record = BL_BUF_EMPTY;
    if (!there)
        return;
    set_up(&b);
    ak_name(&b, name, &size);
    bl_tpm_enrolment enrolment = enrolment_of(&b, bl_span(name, size));
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_write(&enrolment, &record, NULL), "record");
    CHECK_CODE(BLIND_OK,
               bl_parts_set(&b.parts, BL_LITERAL("enrolment"), bl_buf_span(&record), NULL), "part");
    CHECK_CODE(BLIND_CHAIN, verify(&b), "an enrolment that came with the evidence");
    name[7] ^= 1;
    bl_buf_clear(&record);
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_write(&enrolment, &record, NULL), "record");
    blind_span records[] = { BL_LITERAL("junk"), bl_buf_span(&record) };
    b.rules.enrolments = records;
    b.rules.enrolments_len = 2;
    CHECK_CODE(BLIND_CHAIN, verify(&b), "an enrolment of another key");
    tear_down(&b);
}

TEST(every_start_makes_the_same_key)
{
    bench       b, c;
    bl_auto_buf first = BL_BUF_EMPTY;
    if (!there)
        return;
    set_up(&b);
    bl_buf_add(&first, bl_parts_get(&b.parts, "ak_public"));
    tear_down(&b);
    swtpm_restart(&tpm);
    set_up(&c);
    CHECK(bl_span_equal(bl_buf_span(&first), bl_parts_get(&c.parts, "ak_public")));
    tear_down(&c);
}

TEST(the_runtime_register_is_in_the_quote)
{
    bench       b;
    uint8_t     digest[32] = { 7 }, value[32], both[64] = { 0 };
    bl_auto_buf again = BL_BUF_EMPTY;
    if (!there)
        return;
    set_up(&b);
    CHECK_CODE(BLIND_OK, bl_tpm_extended(b.device, both, &b.err), b.err.message);
    CHECK_CODE(BLIND_OK, bl_tpm_extend(b.device, digest, &b.err), b.err.message);
    CHECK_CODE(BLIND_OK, bl_tpm_extended(b.device, value, &b.err), b.err.message);
    memcpy(both + 32, digest, 32);
    CHECK_CODE(BLIND_OK, bl_sha256(bl_span(both, 64), digest), "sha256");
    assert_memory_equal(digest, value, 32);
    CHECK_CODE(BLIND_OK, bl_tpm_collect(b.device, NONCE, 0, &again, &b.err), b.err.message);
    b.in.evidence = bl_buf_span(&again);
    CHECK_CODE(BLIND_CHAIN, verify(&b), "not enrolled here");
    CHECK(bl_span_equal(bl_claims_measurement(&b.claims, "pcr15"), bl_span(value, 32)));
    tear_down(&b);
}

TEST(what_is_no_tpm_is_refused)
{
    const bl_tee_options nobody = { .tpm_tcti = "swtpm:host=127.0.0.1,port=1" };
    const bl_tee_options nothing = { .tpm_tcti = "no such transport" };
    void                *device;
    blind_error          err = { 0 };
    CHECK(bl_tpm_open(&nobody, &device, &err) != BLIND_OK && !device);
    CHECK(bl_tpm_open(&nothing, &device, &err) != BLIND_OK && !device);
    bl_tpm_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_enrolled_key_quotes),
        RUN(a_challenge_to_another_key_is_not_answered),
        RUN(an_enrolment_is_of_one_key_and_comes_from_the_caller),
        RUN(every_start_makes_the_same_key),
        RUN(the_runtime_register_is_in_the_quote),
        RUN(what_is_no_tpm_is_refused),
    };
    setenv("TSS2_LOG", "all+none", 1);
    there = swtpm_start(&tpm);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    swtpm_stop(&tpm);
    return failed;
}
