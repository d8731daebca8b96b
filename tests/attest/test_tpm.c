/* TPM quotes: what was signed is claimed, by keys that somebody vouches for, and nothing else is
 * accepted. */
#include "tests/test.h"

#include "base/hex.h"
#include "tests/attest/cases.h"
#include "tests/attest/fake_tpm.h"

#define NONCE BL_LITERAL("0123456789abcdef0123456789abcdef")

/* One verification of made evidence; the tests change what they like before verify(). */
typedef struct {
    fake_tpm        tpm;
    fake_evidence   evidence;
    bl_parts        parts;
    bl_root         root;
    bl_roots        roots;
    bl_verify_rules rules;
    bl_verify_input in;
    bl_arena        arena;
    bl_claims       claims;
    blind_error     err;
} bench;

static void set_part(bench *b, const char *name, blind_span bytes)
{
    CHECK_CODE(BLIND_OK, bl_parts_set(&b->parts, bl_span_str(name), bytes, NULL), name);
}

static void quote(bench *b)
{
    fake_evidence_done(&b->evidence);
    fake_tpm_quote(&b->tpm, NONCE, &b->evidence);
    b->parts = (bl_parts){ 0 };
    set_part(b, "signature", bl_buf_span(&b->evidence.signature));
    set_part(b, "ak_public", bl_buf_span(&b->evidence.ak_public));
    set_part(b, "ak_cert", bl_buf_span(&b->evidence.ak_cert));
    set_part(b, "ak_chain", bl_buf_span(&b->evidence.ak_chain));
    set_part(b, "pcrs", bl_buf_span(&b->evidence.pcrs));
    b->root = (bl_root){ "test root", bl_buf_span(&b->evidence.root_spki) };
    b->roots = (bl_roots){ &b->root, 1 };
    b->in = (bl_verify_input){ .evidence = bl_buf_span(&b->evidence.quote),
                               .parts = &b->parts,
                               .now_s = FAKE_NOW,
                               .roots = &b->roots,
                               .rules = &b->rules,
                               .arena = &b->arena };
}

static void set_up(bench *b, bool rsa)
{
    *b = (bench){ 0 };
    fake_tpm_init(&b->tpm, rsa);
    quote(b);
}

static void tear_down(bench *b)
{
    fake_evidence_done(&b->evidence);
    fake_tpm_done(&b->tpm);
    bl_arena_done(&b->arena);
}

static blind_code verify(bench *b)
{
    b->claims = (bl_claims){ 0 };
    return bl_tee_tpm.verify(&b->in, &b->claims, &b->err);
}

static const bl_finding *finding(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->findings_len; i++)
        if (strcmp(claims->findings[i].name, name) == 0)
            return &claims->findings[i];
    return NULL;
}

/* ---- what is accepted ---- */

TEST(a_quote_claims_what_the_tpm_signed)
{
    bench b;
    set_up(&b, false);
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    CHECK(bl_span_equal(b.claims.report_data, NONCE));
    assert_int_equal(16, b.claims.measurements_len);
    CHECK(
        bl_span_equal(bl_claims_measurement(&b.claims, "pcr4"), bl_span(b.tpm.pcrs.values[4], 32)));
    assert_int_equal(7, bl_claims_fact(&b.claims, "reset_count")->number);
    assert_int_equal(0x0001000200030004, bl_claims_fact(&b.claims, "firmware_version")->number);
    assert_int_equal(BL_TPM_DISCRETE, b.claims.tpm_kind);
    assert_int_equal(1, bl_claims_fact(&b.claims, "discrete")->number);
    tear_down(&b);
}

TEST(a_tpm_proves_neither_encrypted_memory_nor_anything_against_its_host)
{
    bench b;
    set_up(&b, false);
    b.tpm.manufacturer = "id:474F4F47";
    quote(&b);
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    assert_int_equal(BL_TPM_VIRTUAL, b.claims.tpm_kind);
    assert_int_equal(BLIND_UNKNOWN, b.claims.memory_encrypted);
    assert_int_equal(BLIND_UNKNOWN, b.claims.not_debuggable);
    assert_int_equal(BLIND_UNKNOWN, b.claims.tcb_current);
    CHECK(b.claims.trusts_host && b.claims.trusts_hypervisor && b.claims.trusts_firmware);
    tear_down(&b);
}

TEST(kinds_are_told_by_the_certificates_manufacturer)
{
    static const struct {
        const char *id;
        bl_tpm_kind kind;
    } rows[] = {
        { "id:53544D20", BL_TPM_DISCRETE }, { "id:49465800", BL_TPM_DISCRETE },
        { "id:494e5443", BL_TPM_FIRMWARE }, { "id:414D4400", BL_TPM_FIRMWARE },
        { "id:00001014", BL_TPM_VIRTUAL },  { "id:4D534654", BL_TPM_VIRTUAL },
        { "id:12345678", BL_TPM_NONE },     { "id:5354", BL_TPM_NONE },
        { "id:5354XX20", BL_TPM_NONE },     { NULL, BL_TPM_NONE },
    };
    bench b;
    set_up(&b, false);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        b.tpm.manufacturer = rows[i].id;
        quote(&b);
        CHECK_CODE(BLIND_OK, verify(&b), rows[i].id ? rows[i].id : "none");
        assert_int_equal(rows[i].kind, b.claims.tpm_kind);
        CHECK(!!bl_claims_fact(&b.claims, "virtual") == (rows[i].kind != BL_TPM_NONE));
    }
    tear_down(&b);
}

TEST(rsa_keys_sign_by_both_schemes)
{
    static const uint16_t schemes[] = { BL_TPM_RSASSA, BL_TPM_RSAPSS };
    bench                 b;
    set_up(&b, true);
    for (size_t i = 0; i < 2; i++) {
        b.tpm.scheme = schemes[i];
        b.tpm.hash = i ? BL_TPM_SHA384 : BL_TPM_SHA256;
        quote(&b);
        CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    }
    tear_down(&b);
}

TEST(our_own_form_holds_its_parts)
{
    bench       b;
    bl_auto_buf map = BL_BUF_EMPTY;
    bl_parts    inside = { 0 };
    set_up(&b, false);
    (void)!bl_parts_set(&inside, BL_LITERAL("quote"), bl_buf_span(&b.evidence.quote), NULL);
    (void)!bl_parts_set(&inside, BL_LITERAL("signature"), bl_buf_span(&b.evidence.signature), NULL);
    CHECK_CODE(BLIND_OK, bl_parts_write(&inside, &map, NULL), "write");
    b.in.evidence = bl_buf_span(&map);
    CHECK_CODE(BLIND_FORMAT, verify(&b), "signature inside and beside");
    b.parts = (bl_parts){ 0 };
    set_part(&b, "ak_public", bl_buf_span(&b.evidence.ak_public));
    set_part(&b, "ak_cert", bl_buf_span(&b.evidence.ak_cert));
    set_part(&b, "ak_chain", bl_buf_span(&b.evidence.ak_chain));
    set_part(&b, "pcrs", bl_buf_span(&b.evidence.pcrs));
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    tear_down(&b);
}

TEST(a_pinned_key_needs_nobody_else)
{
    bench       b;
    uint8_t     digest[1][32];
    bl_auto_buf spki = BL_BUF_EMPTY;
    set_up(&b, false);
    make_spki(b.tpm.ak, &spki);
    CHECK_CODE(BLIND_OK, bl_sha256(bl_buf_span(&spki), digest[0]), "digest");
    b.in.roots = NULL;
    set_part(&b, "ak_cert", (blind_span){ 0 });
    CHECK_CODE(BLIND_CHAIN, verify(&b), "nobody vouches");
    b.rules.keys = (const uint8_t(*)[32])digest;
    b.rules.keys_len = 1;
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    assert_int_equal(BL_TPM_NONE, b.claims.tpm_kind);
    set_part(&b, "ak_public", (blind_span){ 0 });
    CHECK_CODE(BLIND_FORMAT, verify(&b), "no key at all");
    set_part(&b, "ak_spki", bl_buf_span(&spki));
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    assert_int_equal(BLIND_UNKNOWN, finding(&b.claims, "ak attributes")->state);
    digest[0][31] ^= 1;
    CHECK_CODE(BLIND_CHAIN, verify(&b), "another key is pinned");
    tear_down(&b);
}

TEST(an_authority_is_pinned_by_its_key)
{
    bench       b;
    uint8_t     digest[1][32];
    bl_auto_buf spki = BL_BUF_EMPTY;
    set_up(&b, false);
    make_spki(b.tpm.ca, &spki);
    CHECK_CODE(BLIND_OK, bl_sha256(bl_buf_span(&spki), digest[0]), "digest");
    b.in.roots = NULL;
    CHECK_CODE(BLIND_CHAIN, verify(&b), "no anchor");
    b.rules.authorities = (const uint8_t(*)[32])digest;
    b.rules.authorities_len = 1;
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    /* The attestation key itself is no authority, nor is one that is not there. */
    bl_buf_clear(&spki);
    make_spki(b.tpm.ak, &spki);
    CHECK_CODE(BLIND_OK, bl_sha256(bl_buf_span(&spki), digest[0]), "digest");
    CHECK_CODE(BLIND_CHAIN, verify(&b), "the leaf pinned as an authority");
    tear_down(&b);
}

TEST(certificates_from_nv_memory_may_be_padded)
{
    static const struct {
        uint8_t    byte, last;
        blind_code want;
    } rows[] = { { 0xff, 0xff, BLIND_OK },
                 { 0x00, 0x00, BLIND_OK },
                 { 0xff, 0x00, BLIND_CHAIN },
                 { 0x20, 0x20, BLIND_CHAIN },
                 { 0xff, 0x30, BLIND_CHAIN } };
    bench b;
    set_up(&b, false);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_auto_buf padded = BL_BUF_EMPTY;
        bl_buf_add(&padded, bl_buf_span(&b.evidence.ak_cert));
        for (size_t n = 0; n < 63; n++)
            bl_buf_add_u8(&padded, rows[i].byte);
        bl_buf_add_u8(&padded, rows[i].last);
        set_part(&b, "ak_cert", bl_buf_span(&padded));
        CHECK_CODE(rows[i].want, verify(&b), "padding");
    }
    tear_down(&b);
}

TEST(a_cache_changes_no_verdict)
{
    bench        b;
    blind_cache *cache = blind_cache_new(8);
    set_up(&b, false);
    b.in.cache = cache;
    for (size_t i = 0; i < 3; i++)
        CHECK_CODE(BLIND_OK, verify(&b), "cached");
    b.in.now_s = FAKE_NOW + 1001;
    CHECK_CODE(BLIND_STALE, verify(&b), "cached, but no longer in force");
    b.in.now_s = FAKE_NOW;
    EVP_PKEY *ak = b.tpm.ak;
    b.tpm.ak = make_key(MAKE_P256);
    bl_auto_buf area = BL_BUF_EMPTY;
    fake_tpm_public(&b.tpm, &area);
    set_part(&b, "ak_public", bl_buf_span(&area));
    CHECK_CODE(BLIND_CHAIN, verify(&b), "cached, but of another key");
    EVP_PKEY_free(b.tpm.ak);
    b.tpm.ak = ak;
    blind_cache_free(cache);
    tear_down(&b);
}

/* ---- what is refused ---- */

TEST(no_other_key_signs_quotes)
{
    static const struct {
        const char *name;
        uint32_t    set, clear;
        blind_code  want;
    } rows[] = {
        { "as it must be", 0, 0, BLIND_OK },
        { "unrestricted: signs what anybody likes", 0, BL_TPM_RESTRICTED, BLIND_EVIDENCE },
        { "not a signing key", 0, BL_TPM_SIGN, BLIND_EVIDENCE },
        { "decrypts too", BL_TPM_DECRYPT, 0, BLIND_EVIDENCE },
        { "may move to another TPM", 0, BL_TPM_FIXED_TPM, BLIND_EVIDENCE },
        { "may move to another parent", 0, BL_TPM_FIXED_PARENT, BLIND_EVIDENCE },
        { "came from outside", 0, BL_TPM_SENSITIVE_DATA_ORIGIN, BLIND_EVIDENCE },
    };
    bench b;
    set_up(&b, false);
    uint32_t good = b.tpm.attributes;
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        b.tpm.attributes = (good | rows[i].set) & ~rows[i].clear;
        quote(&b);
        CHECK_CODE(rows[i].want, verify(&b), rows[i].name);
    }
    tear_down(&b);
}

TEST(certificates_must_be_of_an_attestation_key_in_force)
{
    bench b;
    set_up(&b, false);
    b.tpm.key_usage = "critical,keyEncipherment";
    quote(&b);
    CHECK_CODE(BLIND_CHAIN, verify(&b), "an endorsement key's certificate");
    b.tpm.key_usage = "critical,digitalSignature,keyCertSign";
    b.tpm.ca_leaf = true;
    quote(&b);
    CHECK_CODE(BLIND_CHAIN, verify(&b), "an authority's certificate");
    b.tpm.key_usage = "critical,digitalSignature";
    b.tpm.ca_leaf = false;
    quote(&b);
    b.in.now_s = FAKE_NOW - 1001;
    CHECK_CODE(BLIND_CHAIN, verify(&b), "not yet in force");
    b.in.now_s = FAKE_NOW + 1001;
    CHECK_CODE(BLIND_STALE, verify(&b), "no longer in force");
    b.in.now_s = 0;
    CHECK(verify(&b) != BLIND_OK);
    b.in.now_s = FAKE_NOW;
    set_part(&b, "ak_chain", (blind_span){ 0 });
    CHECK_CODE(BLIND_CHAIN, verify(&b), "no chain");
    set_part(&b, "ak_cert", (blind_span){ 0 });
    CHECK_CODE(BLIND_CHAIN, verify(&b), "no certificate");
    tear_down(&b);
}

TEST(sha1_signatures_only_where_the_policy_says_so)
{
    bench b;
    set_up(&b, true);
    b.tpm.hash = BL_TPM_SHA1;
    quote(&b);
    CHECK_CODE(BLIND_EVIDENCE, verify(&b), "SHA-1");
    b.rules.allow_sha1 = true;
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    tear_down(&b);
}

TEST(what_is_no_quote_is_malformed)
{
    bench b;
    set_up(&b, false);
    b.tpm.magic = 0xff544348;
    quote(&b);
    CHECK_CODE(BLIND_FORMAT, verify(&b), "magic");
    b.tpm.magic = BL_TPM_MAGIC;
    b.tpm.type = 0x8017; /* TPM2_Certify */
    quote(&b);
    CHECK_CODE(BLIND_FORMAT, verify(&b), "type");
    b.tpm.type = 0x8018;
    quote(&b);
    for (size_t keep = 0; keep < b.evidence.quote.size; keep++) {
        b.in.evidence = bl_span(b.evidence.quote.data, keep);
        CHECK_CODE(BLIND_FORMAT, verify(&b), "a prefix");
    }
    bl_buf_add_u8(&b.evidence.quote, 0);
    b.in.evidence = bl_buf_span(&b.evidence.quote);
    CHECK_CODE(BLIND_FORMAT, verify(&b), "one byte more");
    tear_down(&b);
}

TEST(parts_are_read_whole)
{
    static const char *const names[] = { "signature", "ak_public", "pcrs" };
    bench                    b;
    set_up(&b, false);
    for (size_t i = 0; i < BL_LEN(names); i++) {
        blind_span  whole = bl_parts_get(&b.parts, names[i]);
        bl_auto_buf more = BL_BUF_EMPTY;
        bl_buf_add(&more, whole);
        bl_buf_add_u8(&more, 'x');
        for (size_t keep = i == 2; keep < whole.size; keep++) {
            set_part(&b, names[i], bl_span(whole.data, keep));
            CHECK_CODE(BLIND_FORMAT, verify(&b), names[i]);
        }
        set_part(&b, names[i], bl_buf_span(&more));
        CHECK_CODE(BLIND_FORMAT, verify(&b), names[i]);
        set_part(&b, names[i], whole);
    }
    CHECK_CODE(BLIND_OK, verify(&b), "whole again");
    tear_down(&b);
}

/* Every bit of the quote and its signature means something.  Of the public area a certificate
 * covers the key alone: the algorithm of its name and the attributes that nobody asks for are free
 * (an enrolment covers them, by the name). */
TEST(no_damaged_bit_is_accepted)
{
    bench b;
    set_up(&b, false);
    bl_buf *all[] = { &b.evidence.quote, &b.evidence.signature, &b.evidence.ak_public };
    for (size_t i = 0; i < BL_LEN(all); i++)
        for (size_t bit = 0; bit < 8 * all[i]->size; bit++) {
            bool free = i == 2 && bit / 8 >= 2 && bit / 8 < 8;
            all[i]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CHECK(verify(&b) != BLIND_OK || free);
            all[i]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    CHECK_CODE(BLIND_OK, verify(&b), "whole again");
    tear_down(&b);
}

TEST(pcr_values_must_give_the_digest)
{
    static const char *const bad[] = {
        "{}",
        "{\"bank\":\"sha256\"}",
        "{\"bank\":\"md5\",\"pcrs\":{}}",
        "{\"bank\":\"sha256\",\"pcrs\":{},\"more\":1}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"24\":\"00\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"00\":\"00\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"1\":7}}",
    };
    bench       b;
    bl_auto_buf text = BL_BUF_EMPTY;
    set_up(&b, false);
    for (size_t i = 0; i < BL_LEN(bad); i++) {
        set_part(&b, "pcrs", bl_span_str(bad[i]));
        CHECK_CODE(BLIND_FORMAT, verify(&b), bad[i]);
    }
    bl_tpm_pcrs pcrs = b.tpm.pcrs;
    pcrs.values[4][31] ^= 1;
    CHECK_CODE(BLIND_OK, bl_tpm_pcrs_write(&pcrs, &text, NULL), "write");
    set_part(&b, "pcrs", bl_buf_span(&text));
    CHECK_CODE(BLIND_EVIDENCE, verify(&b), "another value");
    assert_int_equal(0, b.claims.measurements_len);
    pcrs = b.tpm.pcrs;
    pcrs.listed |= 1u << 16;
    bl_buf_clear(&text);
    CHECK_CODE(BLIND_OK, bl_tpm_pcrs_write(&pcrs, &text, NULL), "write");
    set_part(&b, "pcrs", bl_buf_span(&text));
    CHECK_CODE(BLIND_EVIDENCE, verify(&b), "a value that was not quoted");
    set_part(&b, "pcrs", (blind_span){ 0 });
    CHECK_CODE(BLIND_OK, verify(&b), "no values: no measurements");
    assert_int_equal(0, b.claims.measurements_len);
    tear_down(&b);
}

TEST(pcrs_that_anybody_may_reset_carry_no_meaning)
{
    bench b;
    set_up(&b, false);
    b.tpm.selection = b.tpm.pcrs.listed = 0xffffff;
    quote(&b);
    CHECK_CODE(BLIND_OK, verify(&b), b.err.message);
    assert_int_equal(16, b.claims.measurements_len);
    CHECK(!bl_claims_measurement(&b.claims, "pcr16").size);
    tear_down(&b);
}

TEST(an_event_log_that_does_not_replay_is_refused)
{
    bench b;
    set_up(&b, false);
    set_part(&b, "event_log", BL_LITERAL("not a log"));
    CHECK_CODE(BLIND_FORMAT, verify(&b), "no log");
    tear_down(&b);
}

/* ---- recorded evidence ---- */

static const bl_verify_rules no_rules;

/* The case's policy: a nonce that must be quoted, SHA-1. */
static bool nonce_is(const recorded *c, blind_span found)
{
    const json_t *policy = case_object(c, "policy");
    if (case_text(policy, "expect_nonce_hex"))
        return case_hex_is(policy, "expect_nonce_hex", found);
    return !case_text(c->json, "nonce_hex") || case_hex_is(c->json, "nonce_hex", found);
}

static void check_measurements(const recorded *c, const bl_claims *claims)
{
    json_t     *pcrs = json_object_get(case_object(c, "measurements"), "pcrs");
    const char *key;
    json_t     *value;
    json_object_foreach(pcrs, key, value)
    {
        char name[16];
        snprintf(name, sizeof name, "pcr%s", key);
        if (atoi(key) < BL_TPM_MEANING)
            CHECK(case_hex_is(pcrs, key, bl_claims_measurement(claims, name)));
    }
}

static blind_code verify_quote(const recorded *c, bl_arena *arena, bl_claims *claims,
                               blind_error *err)
{
    bl_parts        parts = { 0 };
    uint8_t         digest[1][32];
    bl_verify_rules rules = { .allow_sha1 = json_is_true(
                                  json_object_get(case_object(c, "policy"), "allow_sha1")) };
    for (size_t i = 0; i < c->parts_len; i++)
        CHECK_CODE(BLIND_OK,
                   bl_parts_set(&parts, bl_span_str(c->parts[i].name), c->parts[i].bytes, NULL),
                   c->id);
    /* Nobody vouches for the other keys here: they are pinned. */
    CHECK_CODE(BLIND_OK, bl_sha256(case_file(c, "ak_spki"), digest[0]), c->id);
    if (!case_file(c, "ak_cert").size) {
        rules.keys = (const uint8_t(*)[32])digest;
        rules.keys_len = 1;
    }
    const bl_verify_input in = { .evidence = c->evidence,
                                 .parts = &parts,
                                 .now_s = c->now_s,
                                 .roots = &bl_tpm_roots,
                                 .rules = &rules,
                                 .arena = arena };
    blind_code            code = bl_tee_tpm.verify(&in, claims, err);
    if (code == BLIND_OK && !nonce_is(c, claims->report_data))
        code = blind_fail(err, BLIND_BINDING, "test", "another nonce");
    return code;
}

static blind_code verify_cert(const recorded *c, blind_error *err)
{
    bl_tpm_cert             cert;
    const bl_tpm_cert_input in = { .role = strncmp(c->id, "tpm-ek", 6) == 0 ? BL_TPM_EK_CERT
                                                                            : BL_TPM_AK_CERT,
                                   .cert = c->evidence,
                                   .chain = case_file(c, "chain"),
                                   .roots = &bl_tpm_roots,
                                   .rules = &no_rules,
                                   .now_s = c->now_s };
    return bl_tpm_cert_verify(&in, (blind_span){ 0 }, &cert, err);
}

TEST(recorded_quotes_and_certificates)
{
    case_list list;
    recorded  c;
    size_t    seen = 0;
    if (!cases_open(&list))
        return;
    while (cases_next(&list, "tpm", &c)) {
        const char   *what = case_text(c.json, "what");
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_claims     claims = { 0 };
        blind_error   err = { 0 };
        blind_code    code = BLIND_OK;
        if (strcmp(what, "quote") == 0)
            code = verify_quote(&c, &arena, &claims, &err);
        else if (strcmp(what, "ek_or_ak_cert") == 0)
            code = verify_cert(&c, &err);
        bool looked_at = strcmp(what, "event_log") != 0;
        if (looked_at && (code == BLIND_OK) != c.accept)
            fail_msg("%s: %s (%s)", c.id, code ? err.message : "accepted", c.reason);
        if (c.accept)
            check_measurements(&c, &claims);
        seen += looked_at;
        case_done(&c);
    }
    cases_close(&list);
    assert_int_equal(41, seen);
}

/* Nobody but the hardware vouches for the key here; AMD's intermediate is another recording's. */
static blind_code verify_azure(const recorded *c, blind_span hcl, blind_span ask, bl_claims *claims)
{
    static const bl_verify_rules rules = { .crl_optional = true };
    bl_auto_arena                arena = BL_ARENA_EMPTY;
    bl_parts                     parts = { 0 };
    for (size_t i = 0; i < c->parts_len; i++)
        CHECK_CODE(BLIND_OK,
                   bl_parts_set(&parts, bl_span_str(c->parts[i].name), c->parts[i].bytes, NULL),
                   c->id);
    (void)!bl_parts_set(&parts, BL_LITERAL("hcl_report"), hcl, NULL);
    (void)!bl_parts_set(&parts, BL_LITERAL("snp_report"), (blind_span){ 0 }, NULL);
    (void)!bl_parts_set(&parts, BL_LITERAL("ask"), ask, NULL);
    const bl_verify_input in = { .evidence = c->evidence,
                                 .parts = &parts,
                                 .now_s = c->now_s,
                                 .roots = &bl_tpm_roots,
                                 .rules = &rules,
                                 .arena = &arena };
    *claims = (bl_claims){ 0 };
    return bl_tee_tpm.verify(&in, claims, NULL);
}

TEST(azures_hardware_vouches_for_the_key_and_the_memory)
{
    /* offsets into the HCL report: of the hardware's report, 32 bytes in */
    static const struct {
        const char *name;
        size_t      at;
    } flips[] = {
        { "magic", 0 },
        { "the report's VMPL", 32 + 0x30 },
        { "its report data", 32 + 0x50 },
        { "its measurement", 32 + 0x90 },
        { "its signature", 32 + 0x2a0 },
        { "the kind of report", 0x4c8 },
        { "the runtime claims", 0x4e0 },
        { "the padding", 2599 },
    };
    case_list   list;
    recorded    c, amd;
    bl_claims   claims;
    bl_auto_buf hcl = BL_BUF_EMPTY;
    if (!cases_open(&list))
        return;
    cases_find(&list, "tpm-az-snp-trustee", &c);
    cases_find(&list, "snp-trustee-az-milan-v3", &amd);
    blind_span ask = case_file(&amd, "ask");
    bl_buf_add(&hcl, case_file(&c, "hcl_report"));
    CHECK_CODE(BLIND_OK, verify_azure(&c, bl_buf_span(&hcl), ask, &claims), "as recorded");
    assert_int_equal(BLIND_PROVEN, claims.memory_encrypted);
    assert_int_equal(BLIND_PROVEN, claims.not_debuggable);
    CHECK(claims.measurements_len == 16 && claims.hardware_id.size > 0);
    CHECK(verify_azure(&c, bl_buf_span(&hcl), (blind_span){ 0 }, &claims) != BLIND_OK);
    assert_int_equal(BLIND_UNKNOWN, claims.memory_encrypted);
    for (size_t i = 0; i < BL_LEN(flips); i++) {
        hcl.data[flips[i].at] ^= 1;
        if (verify_azure(&c, bl_buf_span(&hcl), ask, &claims) == BLIND_OK)
            fail_msg("%s", flips[i].name);
        CHECK(claims.memory_encrypted != BLIND_PROVEN);
        hcl.data[flips[i].at] ^= 1;
    }
    for (size_t keep = 0; keep < 0x4c0 + 20 + 0x456; keep += 7)
        CHECK(verify_azure(&c, bl_span(hcl.data, keep), ask, &claims) != BLIND_OK);
    case_done(&c);
    case_done(&amd);
    cases_close(&list);
}

TEST(recorded_endorsement_keys_fit_a_template)
{
    case_list     list;
    recorded      c;
    bl_tpm_public ek;
    if (!cases_open(&list))
        return;
    cases_find(&list, "tpm-safeboot-t490", &c);
    CHECK_CODE(BLIND_OK, bl_tpm_public_parse(case_file(&c, "ek_public"), &ek, NULL), "parse");
    CHECK_CODE(BLIND_OK, bl_tpm_check_ek(&ek, NULL), "template");
    ek.attributes |= BL_TPM_SIGN;
    CHECK_CODE(BLIND_EVIDENCE, bl_tpm_check_ek(&ek, NULL), "signs too");
    ek.attributes &= ~(uint32_t)(BL_TPM_SIGN | BL_TPM_ADMIN_WITH_POLICY);
    CHECK_CODE(BLIND_EVIDENCE, bl_tpm_check_ek(&ek, NULL), "without its policy");
    case_done(&c);
    cases_close(&list);
}

TESTS(RUN(a_quote_claims_what_the_tpm_signed),
      RUN(a_tpm_proves_neither_encrypted_memory_nor_anything_against_its_host),
      RUN(kinds_are_told_by_the_certificates_manufacturer), RUN(rsa_keys_sign_by_both_schemes),
      RUN(our_own_form_holds_its_parts), RUN(a_pinned_key_needs_nobody_else),
      RUN(an_authority_is_pinned_by_its_key), RUN(certificates_from_nv_memory_may_be_padded),
      RUN(a_cache_changes_no_verdict), RUN(no_other_key_signs_quotes),
      RUN(certificates_must_be_of_an_attestation_key_in_force),
      RUN(sha1_signatures_only_where_the_policy_says_so), RUN(what_is_no_quote_is_malformed),
      RUN(parts_are_read_whole), RUN(no_damaged_bit_is_accepted),
      RUN(pcr_values_must_give_the_digest), RUN(pcrs_that_anybody_may_reset_carry_no_meaning),
      RUN(an_event_log_that_does_not_replay_is_refused), RUN(recorded_quotes_and_certificates),
      RUN(azures_hardware_vouches_for_the_key_and_the_memory),
      RUN(recorded_endorsement_keys_fit_a_template))
