/* Nitro attestation documents: synthetic ones under a root of our own, each field's negative, every
 * prefix and every flipped bit; and the recorded ones under the vendor's root. */
#include "tests/attest/cases.h"
#include "tests/attest/damage.h"
#include "tests/attest/make_cert.h"
#include "tests/test.h"

#include "attest/nitro/nitro.h"
#include "attest/nitro/nsm.h"
#include "base/cbor_any.h"
#include "blind/appraise.h"
#include "crypto/cose.h"

#include <errno.h>

#define NOW       INT64_C(1700000000)
#define USER_DATA "0123456789abcdef0123456789abcdef"
#define SKIP      SIZE_MAX

/* ---- a root, an authority, a leaf and a document ---- */

typedef struct {
    EVP_PKEY         *root, *mid, *leaf;
    make_cert_options root_options, mid_options, leaf_options;
    bl_buf            root_der, mid_der, leaf_der, spki;
    bl_root           anchor;
    bl_roots          roots;
    uint8_t           pcr[4][48];
    bl_nitro_document document;
} world;

static void certify(world *w)
{
    w->root_der.size = w->mid_der.size = w->leaf_der.size = 0;
    make_cert(&w->root_options, &w->root_der);
    make_cert(&w->mid_options, &w->mid_der);
    make_cert(&w->leaf_options, &w->leaf_der);
    w->document.certificate = bl_buf_span(&w->leaf_der);
    w->document.cabundle[0] = bl_buf_span(&w->root_der);
    w->document.cabundle[1] = bl_buf_span(&w->mid_der);
    w->document.cabundle_len = 2;
}

static void world_init(world *w)
{
    *w = (world){ .root = make_key(MAKE_P384),
                  .mid = make_key(MAKE_P384),
                  .leaf = make_key(MAKE_P384) };
    w->root_options = make_root_options(w->root, NOW - 1000000, NOW + 1000000);
    w->mid_options = make_issued_options(w->mid, "mid", &w->root_options, NOW - 1000, NOW + 20000);
    w->mid_options.ca = true;
    w->leaf_options = make_issued_options(w->leaf, "leaf", &w->mid_options, NOW - 100, NOW + 10700);
    make_trusted(w->root, &w->spki, &w->anchor, &w->roots);
    w->document = (bl_nitro_document){ .module_id = BL_LITERAL("i-0123-enc4567"),
                                       .digest = BL_LITERAL("SHA384"),
                                       .timestamp_ms = (uint64_t)NOW * 1000 + 7,
                                       .user_data = BL_LITERAL(USER_DATA) };
    for (size_t i = 0; i < 4; i++) {
        memset(w->pcr[i], (int)(i + 1), 48);
        w->document.pcrs[i] = bl_span(w->pcr[i], 48);
    }
    certify(w);
}

static void world_done(world *w)
{
    EVP_PKEY_free(w->root);
    EVP_PKEY_free(w->mid);
    EVP_PKEY_free(w->leaf);
    bl_buf_done(&w->root_der);
    bl_buf_done(&w->mid_der);
    bl_buf_done(&w->leaf_der);
    bl_buf_done(&w->spki);
}

/* A COSE_Sign1 over `payload`; `alg` as the protected header says it. */
static void sign(EVP_PKEY *key, int64_t alg, blind_span payload, bl_buf *out)
{
    bl_auto_buf header = BL_BUF_EMPTY, tbs = BL_BUF_EMPTY, signature = BL_BUF_EMPTY;
    bl_cbor_put_map(&header, 1);
    bl_cbor_put_uint(&header, 1);
    bl_cbor_put_int(&header, alg);
    bl_cose_to_be_signed(bl_buf_span(&header), payload, &tbs);
    make_signature(key, MAKE_RAW, "SHA384", bl_buf_span(&tbs), &signature);
    bl_cbor_put_array(out, 4);
    bl_cbor_put_bytes(out, bl_buf_span(&header));
    bl_cbor_put_map(out, 0);
    bl_cbor_put_bytes(out, payload);
    bl_cbor_put_bytes(out, bl_buf_span(&signature));
}

static void make(const world *w, bl_buf *out)
{
    bl_auto_buf payload = BL_BUF_EMPTY;
    bl_nitro_document_write(&w->document, &payload);
    bl_buf_clear(out);
    sign(w->leaf, BL_COSE_ES384, bl_buf_span(&payload), out);
}

static blind_code verify_with(const world *w, blind_span evidence, int64_t now_s,
                              blind_cache *cache, bl_arena *arena, bl_claims *claims)
{
    static const bl_verify_rules rules = { 0 };
    bl_parts                     parts = { 0 };
    bl_verify_input              in = { evidence, &parts, now_s, &w->roots, &rules, cache, arena };
    return bl_tee_nitro.verify(&in, claims, NULL);
}

static blind_code verify(const world *w, blind_span evidence, int64_t now_s)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    return verify_with(w, evidence, now_s, NULL, &arena, &claims);
}

/* The document as it stands, signed by the leaf. */
static blind_code verify_made(const world *w)
{
    bl_auto_buf evidence = BL_BUF_EMPTY;
    make(w, &evidence);
    return verify(w, bl_buf_span(&evidence), NOW);
}

static bool fact_is(const bl_claims *claims, const char *name, blind_span want)
{
    const bl_fact *fact = bl_claims_fact(claims, name);
    return fact ? bl_span_equal(fact->bytes, want) : want.size == 0;
}

TEST(a_document_claims_what_it_was_made_from)
{
    world         w;
    bl_auto_buf   evidence = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_claims     claims;
    world_init(&w);
    make(&w, &evidence);
    CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&evidence), NOW, NULL, &arena, &claims), "ok");
    assert_int_equal(4, claims.measurements_len);
    assert_string_equal("pcr3", claims.measurements[3].name);
    CHECK(bl_span_equal(bl_claims_measurement(&claims, "pcr2"), bl_span(w.pcr[2], 48)));
    CHECK(bl_span_equal(claims.report_data, BL_LITERAL(USER_DATA)));
    CHECK(fact_is(&claims, "user_data", BL_LITERAL(USER_DATA)));
    CHECK(fact_is(&claims, "module_id", BL_LITERAL("i-0123-enc4567")));
    assert_null(bl_claims_fact(&claims, "nonce"));
    assert_int_equal(NOW, claims.time_s);
    assert_int_equal(BLIND_PROVEN, claims.not_debuggable);
    assert_int_equal(BLIND_UNKNOWN, claims.memory_encrypted);
    CHECK(claims.trusts_hypervisor && claims.trusts_firmware && !claims.trusts_host);
    world_done(&w);
}

TEST(a_tag_and_another_spelling_are_accepted)
{
    world       w;
    bl_auto_buf evidence = BL_BUF_EMPTY, payload = BL_BUF_EMPTY, open = BL_BUF_EMPTY;
    world_init(&w);
    make(&w, &evidence);
    bl_cbor_put_tag(&open, BL_COSE_TAG_SIGN1);
    bl_buf_add(&open, bl_buf_span(&evidence));
    CHECK_CODE(BLIND_OK, verify(&w, bl_buf_span(&open), NOW), "tag 18");
    open.data[0] ^= 1;
    CHECK_CODE(BLIND_FORMAT, verify(&w, bl_buf_span(&open), NOW), "tag 19");
    bl_nitro_document_write(&w.document, &payload);
    bl_buf_clear(&open);
    bl_buf_add_u8(&open, 0xbf); /* a map without a count, as newer modules write */
    bl_buf_add(&open, bl_span(payload.data + 1, payload.size - 1));
    bl_buf_add_u8(&open, 0xff);
    bl_buf_clear(&evidence);
    sign(w.leaf, BL_COSE_ES384, bl_buf_span(&open), &evidence);
    CHECK_CODE(BLIND_OK, verify(&w, bl_buf_span(&evidence), NOW), "an open map");
    world_done(&w);
}

typedef struct {
    const world *w;
    blind_cache *cache;
} remembering;

static blind_code verify_damaged(void *arg, blind_span evidence)
{
    const remembering *r = arg;
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_claims          claims;
    return verify_with(r->w, evidence, NOW, r->cache, &arena, &claims);
}

TEST(no_damaged_document_is_authentic)
{
    world       w;
    bl_auto_buf evidence = BL_BUF_EMPTY;
    remembering r = { &w, blind_cache_new(4) };
    world_init(&w);
    w.document.cabundle_len = 1; /* shorter: the root issues the leaf itself */
    w.leaf_options.issuer_key = w.root;
    w.leaf_options.issuer_name = "root";
    certify(&w);
    w.document.cabundle_len = 1;
    for (size_t i = 3; i < BL_NITRO_PCRS; i++)
        w.document.pcrs[i] = (blind_span){ 0 };
    make(&w, &evidence);
    damage_bits(&evidence, verify_damaged, &r);
    damage_length(&evidence, verify_damaged, &r);
    blind_cache_free(r.cache);
    world_done(&w);
}

TEST(certificates_and_the_clock_are_judged)
{
    static const struct {
        const char *name;
        int64_t     now_s, made_s;
        blind_code  want;
    } times[] = {
        { "now", NOW, NOW, BLIND_OK },
        { "the leaf's first second", NOW - 100, NOW - 100, BLIND_OK },
        { "a second before", NOW - 101, NOW - 101, BLIND_CHAIN },
        { "the leaf's last second", NOW + 10700, NOW, BLIND_OK },
        { "a second after", NOW + 10701, NOW, BLIND_STALE },
        { "no clock", 0, NOW, BLIND_STALE },
        { "a clock before 1970", -5, NOW, BLIND_STALE },
        { "made a minute ahead", NOW, NOW + BL_NITRO_SKEW_S, BLIND_OK },
        { "made further ahead", NOW, NOW + BL_NITRO_SKEW_S + 1, BLIND_STALE },
        { "made before its certificate", NOW, NOW - 101, BLIND_CHAIN },
        { "made after its certificate", NOW + 10700, NOW + 10701, BLIND_STALE },
    };
    world w;
    world_init(&w);
    for (size_t i = 0; i < BL_LEN(times); i++) {
        bl_auto_buf evidence = BL_BUF_EMPTY;
        w.document.timestamp_ms = (uint64_t)times[i].made_s * 1000;
        make(&w, &evidence);
        CHECK_CODE(times[i].want, verify(&w, bl_buf_span(&evidence), times[i].now_s),
                   times[i].name);
    }
    world_done(&w);
}

TEST(only_a_whole_chain_to_the_pinned_key_counts)
{
    world            w, other;
    bl_auto_buf      twice = BL_BUF_EMPTY;
    static uint8_t   yes[] = { 0x05, 0x00 };
    make_extension   unknown = { "1.2.3.4", { yes, sizeof yes }, true };
    const blind_span none = { 0 };
    world_init(&w);
    world_init(&other);
    CHECK_CODE(BLIND_OK, verify_made(&w), "intact");

    w.roots = other.roots;
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "another root");
    w.roots = (bl_roots){ NULL, 0 };
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "no root");
    w.anchor.spki = none;
    w.roots = (bl_roots){ &w.anchor, 1 };
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "an empty root");
    w.anchor.spki = bl_buf_span(&w.spki);

    w.document.cabundle[0] = bl_buf_span(&w.mid_der);
    w.document.cabundle[1] = bl_buf_span(&w.root_der);
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "the root last");
    certify(&w);
    w.document.cabundle_len = 1;
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "without the authority");
    certify(&w);
    w.document.certificate = bl_buf_span(&other.leaf_der);
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "a leaf of other keys");
    certify(&w);
    w.document.certificate = BL_LITERAL("no certificate");
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "no certificate");
    certify(&w);
    bl_buf_add(&twice, bl_buf_span(&w.leaf_der));
    bl_buf_add(&twice, bl_buf_span(&w.mid_der));
    w.document.certificate = bl_buf_span(&twice);
    w.document.cabundle_len = 1;
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "two certificates in one field");

    w.mid_options.ca = false;
    certify(&w);
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "an issuer that may not issue");
    w.mid_options.ca = true;
    w.leaf_options.ca = true;
    certify(&w);
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "a leaf that may issue");
    w.leaf_options.ca = false;
    w.leaf_options.extensions = &unknown;
    w.leaf_options.extensions_len = 1;
    certify(&w);
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "an unknown critical extension");
    w.leaf_options.extensions_len = 0;
    w.mid_options.not_after_s = NOW - 1;
    certify(&w);
    CHECK_CODE(BLIND_STALE, verify_made(&w), "an expired authority");
    world_done(&w);
    world_done(&other);
}

TEST(the_signature_is_es384_of_the_leaf)
{
    world       w;
    bl_auto_buf payload = BL_BUF_EMPTY, evidence = BL_BUF_EMPTY;
    EVP_PKEY   *p256 = make_key(MAKE_P256);
    world_init(&w);
    bl_nitro_document_write(&w.document, &payload);
    sign(w.mid, BL_COSE_ES384, bl_buf_span(&payload), &evidence);
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, bl_buf_span(&evidence), NOW), "the authority's key");
    bl_buf_clear(&evidence);
    sign(w.leaf, BL_COSE_ES256, bl_buf_span(&payload), &evidence);
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, bl_buf_span(&evidence), NOW), "ES256 in the header");
    bl_buf_clear(&evidence);
    w.leaf_options.key = p256;
    certify(&w);
    bl_buf_clear(&payload);
    bl_nitro_document_write(&w.document, &payload);
    sign(p256, BL_COSE_ES384, bl_buf_span(&payload), &evidence);
    CHECK_CODE(BLIND_SIGNATURE, verify(&w, bl_buf_span(&evidence), NOW), "a P-256 leaf");
    EVP_PKEY_free(p256);
    world_done(&w);
}

/* ---- fields ---- */

TEST(field_limits_are_those_of_real_documents)
{
    static uint8_t big[BL_NITRO_MAX_FIELD + 1] = { 1 };
    world          w;
    world_init(&w);
    blind_span *const optional[] = { &w.document.public_key, &w.document.user_data,
                                     &w.document.nonce };
    for (size_t i = 0; i < BL_LEN(optional); i++) {
        blind_span before = *optional[i];
        *optional[i] = bl_span(big, BL_NITRO_MAX_FIELD);
        CHECK_CODE(BLIND_OK, verify_made(&w), "1024 bytes");
        *optional[i] = bl_span(big, sizeof big);
        CHECK_CODE(BLIND_FORMAT, verify_made(&w), "1025 bytes");
        *optional[i] = (blind_span){ 0 };
        CHECK_CODE(BLIND_OK, verify_made(&w), "null");
        *optional[i] = before;
    }
    for (size_t size = 1; size <= 64; size++) {
        w.document.pcrs[9] = bl_span(big, size);
        CHECK_CODE(size == 32 || size == 48 || size == 64 ? BLIND_OK : BLIND_FORMAT,
                   verify_made(&w), "a register's size");
    }
    w.document.pcrs[9] = (blind_span){ 0 };
    w.document.pcrs[31] = bl_span(big, 48);
    CHECK_CODE(BLIND_OK, verify_made(&w), "register 31");
    w.document.digest = BL_LITERAL("SHA256");
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "another digest");
    w.document.digest = BL_LITERAL("SHA384");
    w.document.timestamp_ms = 0;
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "no time");
    w.document.timestamp_ms = UINT64_MAX;
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "no time that fits");
    w.document.timestamp_ms = (uint64_t)NOW * 1000;
    w.document.module_id = (blind_span){ 0 };
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "no module");
    w.document.module_id = BL_LITERAL("i");
    w.document.cabundle_len = 0;
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "an empty bundle");
    for (size_t i = 0; i < BL_NITRO_MAX_BUNDLE; i++)
        w.document.cabundle[i] = bl_buf_span(&w.root_der);
    w.document.cabundle_len = BL_NITRO_MAX_BUNDLE;
    CHECK_CODE(BLIND_CHAIN, verify_made(&w), "a full bundle");
    for (size_t i = 0; i < BL_NITRO_PCRS; i++)
        w.document.pcrs[i] = (blind_span){ 0 };
    CHECK_CODE(BLIND_FORMAT, verify_made(&w), "no registers");
    world_done(&w);
}

static const char *const names[] = { "module_id", "digest",     "timestamp", "pcrs", "certificate",
                                     "cabundle",  "public_key", "user_data", "nonce" };

/* The payload's pairs, one span each. */
static void split(blind_span payload, blind_span pairs[9])
{
    bl_reader   r = { .rest = payload };
    bl_any_list map = bl_any_map(&r);
    for (size_t i = 0; bl_any_more(&r, &map); i++) {
        blind_span before = r.rest;
        bl_any_skip(&r);
        bl_any_skip(&r);
        pairs[i] = bl_span(before.data, before.size - r.rest.size);
    }
    CHECK(bl_reader_done(&r));
}

/* The pairs but `without`, then once more `again`. */
static blind_code parse_pairs(const blind_span pairs[9], size_t without, size_t again)
{
    bl_auto_buf       out = BL_BUF_EMPTY;
    bl_nitro_document document;
    bl_buf_add_u8(&out, 0xbf);
    for (size_t i = 9; i-- > 0;) /* in another order */
        if (i != without)
            bl_buf_add(&out, pairs[i]);
    if (again != SKIP)
        bl_buf_add(&out, pairs[again]);
    bl_buf_add_u8(&out, 0xff);
    return bl_nitro_document_parse(bl_buf_span(&out), &document, NULL);
}

TEST(each_key_comes_once_and_none_is_unknown)
{
    world             w;
    bl_auto_buf       payload = BL_BUF_EMPTY, more = BL_BUF_EMPTY;
    blind_span        pairs[9];
    bl_nitro_document document;
    world_init(&w);
    bl_nitro_document_write(&w.document, &payload);
    split(bl_buf_span(&payload), pairs);
    CHECK_CODE(BLIND_OK, parse_pairs(pairs, SKIP, SKIP), "another order");
    for (size_t i = 0; i < 9; i++) {
        CHECK_CODE(i < 6 ? BLIND_FORMAT : BLIND_OK, parse_pairs(pairs, i, SKIP), names[i]);
        CHECK_CODE(BLIND_FORMAT, parse_pairs(pairs, SKIP, i), names[i]);
    }
    bl_buf_add_u8(&more, 0xaa);
    bl_buf_add(&more, bl_span(payload.data + 1, payload.size - 1));
    bl_cbor_put_text(&more, "debug");
    bl_cbor_put_bool(&more, true);
    CHECK_CODE(BLIND_FORMAT, bl_nitro_document_parse(bl_buf_span(&more), &document, NULL),
               "an unknown key");
    CHECK_CODE(BLIND_FORMAT, bl_nitro_document_parse((blind_span){ 0 }, &document, NULL), "empty");
    world_done(&w);
}

TEST(a_register_twice_or_out_of_range_is_refused)
{
    static const uint64_t numbers[][2] = { { 0, 0 }, { 0, 32 }, { 0, UINT64_MAX }, { 0, 1 } };
    world                 w;
    bl_auto_buf           payload = BL_BUF_EMPTY;
    blind_span            pairs[9];
    world_init(&w);
    bl_nitro_document_write(&w.document, &payload);
    split(bl_buf_span(&payload), pairs);
    for (size_t i = 0; i < BL_LEN(numbers); i++) {
        bl_auto_buf pcrs = BL_BUF_EMPTY;
        bl_cbor_put_text(&pcrs, "pcrs");
        bl_cbor_put_map(&pcrs, 2);
        for (size_t k = 0; k < 2; k++) {
            bl_cbor_put_uint(&pcrs, numbers[i][k]);
            bl_cbor_put_bytes(&pcrs, bl_span(w.pcr[0], 48));
        }
        pairs[3] = bl_buf_span(&pcrs);
        CHECK_CODE(i == 3 ? BLIND_OK : BLIND_FORMAT, parse_pairs(pairs, SKIP, SKIP), "registers");
    }
    world_done(&w);
}

TEST(zeros_in_the_first_registers_mean_debug)
{
    static const struct {
        const char *set; /* one letter per register: z(ero), v(alue), - */
        blind_state want;
    } rows[] = { { "zzz", BLIND_REFUTED }, { "vvv", BLIND_PROVEN },  { "zvv", BLIND_UNKNOWN },
                 { "vzz", BLIND_UNKNOWN }, { "vv-", BLIND_UNKNOWN }, { "-zz", BLIND_UNKNOWN } };
    static uint8_t zero[48];
    world          w;
    world_init(&w);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        bl_auto_buf   evidence = BL_BUF_EMPTY;
        bl_auto_arena arena = BL_ARENA_EMPTY;
        bl_claims     claims;
        for (size_t k = 0; k < 3; k++)
            w.document.pcrs[k] = rows[i].set[k] == 'v'   ? bl_span(w.pcr[k], 48)
                                 : rows[i].set[k] == 'z' ? bl_span(zero, 48)
                                                         : (blind_span){ 0 };
        make(&w, &evidence);
        CHECK_CODE(BLIND_OK, verify_with(&w, bl_buf_span(&evidence), NOW, NULL, &arena, &claims),
                   rows[i].set);
        assert_int_equal(rows[i].want, claims.not_debuggable);
    }
    world_done(&w);
}

TEST(a_remembered_chain_is_judged_by_its_time_and_its_root)
{
    world         w, other;
    bl_auto_buf   evidence = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_cache  *cache = blind_cache_new(4);
    bl_claims     claims;
    world_init(&w);
    world_init(&other);
    make(&w, &evidence);
    blind_span all = bl_buf_span(&evidence);
    for (int i = 0; i < 2; i++)
        CHECK_CODE(BLIND_OK, verify_with(&w, all, NOW, cache, &arena, &claims), "cached");
    CHECK_CODE(BLIND_STALE, verify_with(&w, all, NOW + 20001, cache, &arena, &claims), "later");
    w.roots = other.roots;
    CHECK_CODE(BLIND_CHAIN, verify_with(&w, all, NOW, cache, &arena, &claims), "another root");
    evidence.data[evidence.size - 1] ^= 1;
    w.roots = (bl_roots){ &w.anchor, 1 };
    CHECK_CODE(BLIND_SIGNATURE, verify_with(&w, all, NOW, cache, &arena, &claims), "damaged");
    blind_cache_free(cache);
    world_done(&w);
    world_done(&other);
}

/* ---- the device ---- */

static bl_buf nsm_answer;
static int    nsm_status;
static size_t nsm_user_data;
static bool   nsm_well_asked;

/* What the driver is documented to do: read the request, write the response and its size. */
static int stand_in(int fd, bl_nsm_raw *raw)
{
    bl_reader   r = { .rest = { (const uint8_t *)(uintptr_t)raw->request.addr,
                                (size_t)raw->request.len } };
    bl_cbor_map map = bl_cbor_read_map(&r);
    nsm_well_asked = fd == 7 && map.left == 1 &&
                     bl_span_equal(bl_cbor_read_text(&r), BL_LITERAL("Attestation")) &&
                     bl_cbor_read_map(&r).left == 3 &&
                     bl_span_equal(bl_cbor_read_text(&r), BL_LITERAL("user_data"));
    nsm_user_data = bl_any_null(&r) ? 0 : bl_cbor_read_bytes(&r).size;
    nsm_well_asked &= bl_span_equal(bl_cbor_read_text(&r), BL_LITERAL("nonce"));
    bl_cbor_read_null(&r);
    nsm_well_asked &= bl_span_equal(bl_cbor_read_text(&r), BL_LITERAL("public_key"));
    bl_cbor_read_null(&r);
    nsm_well_asked &= bl_reader_done(&r);
    if (nsm_status) {
        errno = nsm_status;
        return -1;
    }
    memcpy((void *)(uintptr_t)raw->response.addr, nsm_answer.data,
           BL_MIN(nsm_answer.size, raw->response.len));
    raw->response.len = nsm_answer.size;
    return 0;
}

TEST(the_device_is_asked_as_documented)
{
    bl_auto_buf document = BL_BUF_EMPTY;
    bl_cbor_put_map(&nsm_answer, 1);
    bl_cbor_put_text(&nsm_answer, "Attestation");
    bl_cbor_put_map(&nsm_answer, 1);
    bl_cbor_put_text(&nsm_answer, "document");
    bl_cbor_put_bytes(&nsm_answer, BL_LITERAL("the document"));
    CHECK_CODE(BLIND_OK, bl_nsm_attest(7, stand_in, BL_LITERAL(USER_DATA), &document, NULL), "ask");
    CHECK(nsm_well_asked && nsm_user_data == 32);
    CHECK(bl_span_equal(bl_buf_span(&document), BL_LITERAL("the document")));
    CHECK_CODE(BLIND_OK, bl_nsm_attest(7, stand_in, (blind_span){ 0 }, &document, NULL), "null");
    CHECK(nsm_well_asked && nsm_user_data == 0);
    nsm_status = EIO;
    CHECK_CODE(BLIND_IO, bl_nsm_attest(7, stand_in, (blind_span){ 0 }, &document, NULL), "EIO");
    nsm_status = 0;
    for (size_t keep = 0; keep < nsm_answer.size; keep++) {
        blind_span part;
        CHECK_CODE(BLIND_INPUT, bl_nsm_response_parse(bl_span(nsm_answer.data, keep), &part, NULL),
                   "a prefix");
    }
    bl_buf_clear(&nsm_answer);
    bl_cbor_put_map(&nsm_answer, 1);
    bl_cbor_put_text(&nsm_answer, "Error");
    bl_cbor_put_text(&nsm_answer, "InvalidOperation");
    CHECK_CODE(BLIND_FAILED, bl_nsm_attest(7, stand_in, (blind_span){ 0 }, &document, NULL), "no");
    bl_buf_clear(&nsm_answer);
    (void)!bl_buf_reserve(&nsm_answer, BL_NSM_MAX_RESPONSE + 1);
    nsm_answer.size = BL_NSM_MAX_RESPONSE + 1;
    memset(nsm_answer.data, 0, nsm_answer.size);
    CHECK_CODE(BLIND_INPUT, bl_nsm_attest(7, stand_in, (blind_span){ 0 }, &document, NULL), "long");
    bl_buf_done(&nsm_answer);
}

TEST(outside_an_enclave_there_is_no_device)
{
    bl_tee_options options = { 0 };
    void          *device;
    blind_code     code = bl_tee_nitro.open(&options, &device, NULL);
    CHECK(code == BLIND_IO || code == BLIND_OK);
    if (code != BLIND_OK)
        assert_null(device);
    bl_tee_nitro.close(device);
}

/* ---- recorded documents ---- */

static blind_code appraise(const recorded *c, blind_cache *cache)
{
    blind_result *result;
    blind_error   err = { 0 };
    blind_code    code = case_appraise(c, cache, &result, &err);
    if (!result || (c->accept && code != BLIND_OK))
        fail_msg("%s: %s", c->id, result ? blind_result_text(result) : err.message);
    blind_result_free(result);
    return code;
}

static void check_fields(const recorded *c)
{
    const json_t *want = case_object(c, "measurements");
    json_t       *pcrs = json_object_get(want, "pcrs"), *digest;
    const char   *number;
    if (!json_object_size(want))
        return;
    bl_cose_sign1     cose;
    bl_nitro_document d;
    CHECK_CODE(BLIND_OK, bl_cose_sign1_parse(c->evidence, &cose, NULL), c->id);
    CHECK_CODE(BLIND_OK, bl_nitro_document_parse(cose.payload, &d, NULL), c->id);
    CHECK(bl_span_equal(d.module_id, bl_span_str(case_text(want, "module_id"))));
    CHECK((json_int_t)d.timestamp_ms == json_integer_value(json_object_get(want, "timestamp_ms")));
    CHECK(case_hex_is(c->json, "nonce_hex", d.nonce));
    CHECK(case_hex_is(c->json, "user_data_hex", d.user_data));
    CHECK(case_hex_is(c->json, "public_key_hex", d.public_key));
    json_object_foreach(pcrs, number, digest)
        CHECK(case_hex_is(pcrs, number, d.pcrs[atoi(number)]));
}

TEST(recorded_documents_are_judged_right)
{
    case_list list;
    recorded  c;
    size_t    accepted = 0, refused = 0;
    if (!cases_open(&list))
        return;
    blind_cache *cache = blind_cache_new(8);
    while (cases_next(&list, "nitro", &c)) {
        for (int i = 0; i < 3; i++) { /* alone, then with a memory, empty and filled */
            blind_code code = appraise(&c, i ? cache : NULL);
            if (!c.accept && code == BLIND_OK)
                fail_msg("%s: accepted, but %s", c.id, c.reason);
        }
        check_fields(&c);
        accepted += c.accept;
        refused += !c.accept;
        case_done(&c);
    }
    print_message("nitro: %zu recorded cases accepted, %zu refused\n", accepted, refused);
    CHECK(accepted >= 16 && refused >= 25);
    blind_cache_free(cache);
    cases_close(&list);
}

TESTS(RUN(a_document_claims_what_it_was_made_from), RUN(a_tag_and_another_spelling_are_accepted),
      RUN(no_damaged_document_is_authentic), RUN(certificates_and_the_clock_are_judged),
      RUN(only_a_whole_chain_to_the_pinned_key_counts), RUN(the_signature_is_es384_of_the_leaf),
      RUN(field_limits_are_those_of_real_documents), RUN(each_key_comes_once_and_none_is_unknown),
      RUN(a_register_twice_or_out_of_range_is_refused),
      RUN(zeros_in_the_first_registers_mean_debug),
      RUN(a_remembered_chain_is_judged_by_its_time_and_its_root),
      RUN(the_device_is_asked_as_documented), RUN(outside_an_enclave_there_is_no_device),
      RUN(recorded_documents_are_judged_right))
