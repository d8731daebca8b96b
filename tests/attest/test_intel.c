/* Synthetic SGX and TDX evidence: what is good is accepted, and each way to be wrong is refused for
 * its reason. */
#include "tests/test.h"

#include "base/hex.h"
#include "tests/attest/make_intel.h"

static blind_error last; /* of the last verification */

static blind_code outcome(intel_made *m, bl_claims *out)
{
    intel_sign(m);
    last = (blind_error){ 0 };
    return intel_verify(m, NULL, out, &last);
}

static const char *found_of(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->findings_len; i++)
        if (strcmp(claims->findings[i].name, name) == 0)
            return claims->findings[i].found;
    return "nothing";
}

/* ---- what is good ---- */

static void check_good(bool tdx, unsigned version, unsigned body_kind)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, tdx);
    m.version = version;
    m.body_kind = body_kind;
    blind_code code = outcome(&m, &claims);
    if (code != BLIND_OK)
        fail_msg("version %u: %s", version, last.message);
    assert_string_equal(tdx ? "tdx" : "sgx", claims.tee);
    assert_string_equal("UpToDate", claims.tcb_status);
    assert_int_equal(BLIND_PROVEN, claims.tcb_current);
    assert_int_equal(BLIND_PROVEN, claims.not_debuggable);
    assert_int_equal(BLIND_PROVEN, claims.memory_encrypted);
    assert_int_equal(BLIND_PROVEN, claims.migration_off);
    assert_int_equal(BLIND_UNKNOWN, claims.smt_off);
    assert_null(claims.advisories);
    assert_int_equal(18, bl_claims_fact(&claims, "tcb_eval")->number);
    assert_int_equal(64, claims.report_data.size);
    CHECK(claims.report_data.data[0] == 0x31 && claims.hardware_id.data[0] == 0xc0);
    intel_done(&m);
}

TEST(good_quotes_of_every_version_are_accepted)
{
    for (unsigned version = 3; version <= 5; version++)
        check_good(false, version, BL_BODY_SGX);
    check_good(true, 4, BL_BODY_TD_10);
    check_good(true, 5, BL_BODY_TD_10);
    check_good(true, 5, BL_BODY_TD_15);
}

TEST(the_platforms_configuration_is_told)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, false);
    m.pck.has_instance = true;
    m.pck.dynamic = m.pck.cached_keys = BL_PCK_YES;
    m.pck.smt = BL_PCK_NO;
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_int_equal(BLIND_PROVEN, claims.smt_off);
    intel_done(&m);
    intel_plain(&m, false);
    m.pck.dynamic = m.pck.cached_keys = m.pck.smt = BL_PCK_YES;
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_int_equal(BLIND_REFUTED, claims.smt_off);
    intel_done(&m);
}

TEST(tcb_info_of_version_2_is_read)
{
    static const char body[] =
        "{\"version\":2,\"issueDate\":\"" INTEL_ISSUED "\",\"nextUpdate\":\"" INTEL_NEXT
        "\",\"fmspc\":\"00a067110000\",\"pceId\":\"0000\",\"tcbType\":0,"
        "\"tcbEvaluationDataNumber\":12,\"tcbLevels\":[{\"tcb\":{";
    bl_claims   claims;
    intel_made  m;
    bl_auto_buf text = BL_BUF_EMPTY;
    intel_plain(&m, false);
    bl_buf_add_str(&text, body);
    for (unsigned i = 1; i <= 16; i++)
        bl_buf_printf(&text, "\"sgxtcbcomp%02usvn\":%u,", i, i <= 2 ? 3 : 0);
    bl_buf_add_str(&text, "\"pcesvn\":13},\"tcbDate\":\"2025-01-01T00:00:00Z\","
                          "\"tcbStatus\":\"SWHardeningNeeded\"}]}");
    snprintf(m.tcb_info, sizeof m.tcb_info, "%s", bl_buf_cstr(&text));
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_string_equal("SWHardeningNeeded", claims.tcb_status);
    assert_int_equal(12, bl_claims_fact(&claims, "tcb_eval")->number);
    intel_done(&m);
}

/* ---- each way to be wrong ---- */

static void vendor(intel_made *m)
{
    m->header[12] ^= 1;
}
static void version_2(intel_made *m)
{
    m->version = 2;
}
static void version_6(intel_made *m)
{
    m->version = 6;
}
static void key_kind(intel_made *m)
{
    m->header[2] = 3;
}
static void tee_kind(intel_made *m)
{
    m->header[4] = 0x42;
}
static void other_tee(intel_made *m)
{
    m->tdx = !m->tdx; /* read by the other TEE's verifier */
}
static void body_15_in_version_4(intel_made *m)
{
    m->body_kind = BL_BODY_TD_15;
}
static void encrypted_ppid(intel_made *m)
{
    m->certification_kind = 3;
}
static void other_root(intel_made *m)
{
    m->root_key = intel_other_key();
}
static void other_qe_key(intel_made *m)
{
    m->qe_key = intel_other_key();
}
static void unbound_key(intel_made *m)
{
    m->unbound = true;
}
static void bound_with_more(intel_made *m)
{
    m->unbound = true; /* the right hash, and a byte behind it that is not zero */
    m->qe_report[383] = 1;
}
static void pck_name(intel_made *m)
{
    m->pck_name = "Intel SGX PCK";
}
static void signing_name(intel_made *m)
{
    m->signing_name = "Intel SGX PCK Certificate";
}
static void expired_pck(intel_made *m)
{
    m->to_s = INTEL_NOW - 1;
}
static void future_pck(intel_made *m)
{
    m->from_s = INTEL_NOW + 1;
}
static void other_json_key(intel_made *m)
{
    m->json_key = intel_other_key();
}
static void other_crl_key(intel_made *m)
{
    m->crl_key = intel_other_key();
}
static void revoked_pck(intel_made *m)
{
    m->revoked = INTEL_PCK_SERIAL;
}
static void revoked_authority(intel_made *m)
{
    m->revoked_authority = INTEL_AUTHORITY_SERIAL;
}
static void stale_crl(intel_made *m)
{
    m->crl_to_s = INTEL_NOW - 1;
}
static void future_crl(intel_made *m)
{
    m->crl_from_s = INTEL_NOW + 1;
}
static void endless_crl(intel_made *m)
{
    m->crl_to_s = 0;
}
static void no_clock(intel_made *m)
{
    m->now_s = 0;
}
static void not_initialised(intel_made *m)
{
    m->body[48] &= (uint8_t)~1u;
}
static void seam_signer(intel_made *m)
{
    m->body[64] = 1;
}
static void seam_attributes(intel_made *m)
{
    m->body[112] = 1;
}
static void other_module(intel_made *m)
{
    m->body[1] = 3; /* no identity TDX_03 */
}
static void qe_misc(intel_made *m)
{
    m->qe_report[16] = 1;
}
static void qe_debug(intel_made *m)
{
    m->qe_report[48] |= 2;
}
static void qe_signer(intel_made *m)
{
    m->qe_report[128] ^= 1;
}
static void qe_product(intel_made *m)
{
    m->qe_report[256] = 9;
}
static void no_extension(intel_made *m)
{
    bl_buf_add_u8(&m->extension, 0x30);
    bl_buf_add_u8(&m->extension, 0);
}
static void longer_extension(intel_made *m)
{
    intel_extension(&m->pck, &m->extension);
    bl_buf_add_u8(&m->extension, 0);
}

#define SGX    1
#define TDX    2
#define EITHER 3
static const struct {
    const char *name;
    unsigned    on;
    void (*change)(intel_made *m);
    blind_code want;
} wrongs[] = {
    { "another vendor of the quoting enclave", EITHER, vendor, BLIND_EVIDENCE },
    { "version 2", EITHER, version_2, BLIND_FORMAT },
    { "version 6", EITHER, version_6, BLIND_FORMAT },
    { "another kind of key", EITHER, key_kind, BLIND_FORMAT },
    { "another kind of TEE", EITHER, tee_kind, BLIND_FORMAT },
    { "a quote of the other TEE", EITHER, other_tee, BLIND_FORMAT },
    { "a body of version 5 in version 4", TDX, body_15_in_version_4, BLIND_FORMAT },
    { "encrypted PPID", EITHER, encrypted_ppid, BLIND_CHAIN },
    { "another root", EITHER, other_root, BLIND_CHAIN },
    { "a quoting enclave that the PCK did not sign", EITHER, other_qe_key, BLIND_SIGNATURE },
    { "an attestation key that is not bound", EITHER, unbound_key, BLIND_SIGNATURE },
    { "a byte behind the key's hash", EITHER, bound_with_more, BLIND_SIGNATURE },
    { "a leaf with another name", EITHER, pck_name, BLIND_CHAIN },
    { "a PCK as TCB signer", EITHER, signing_name, BLIND_CHAIN },
    { "an expired PCK", EITHER, expired_pck, BLIND_STALE },
    { "a PCK of tomorrow", EITHER, future_pck, BLIND_CHAIN },
    { "collateral signed by another key", EITHER, other_json_key, BLIND_SIGNATURE },
    { "a list signed by another key", EITHER, other_crl_key, BLIND_CHAIN },
    { "a revoked PCK", EITHER, revoked_pck, BLIND_REVOKED },
    { "a revoked authority", EITHER, revoked_authority, BLIND_REVOKED },
    { "a stale list", EITHER, stale_crl, BLIND_STALE },
    { "a list of tomorrow", EITHER, future_crl, BLIND_STALE },
    { "a list without nextUpdate", EITHER, endless_crl, BLIND_STALE },
    { "no clock", EITHER, no_clock, BLIND_STALE },
    { "an enclave that was not initialised", SGX, not_initialised, BLIND_EVIDENCE },
    { "a module signed by another", TDX, seam_signer, BLIND_EVIDENCE },
    { "a module with attributes", TDX, seam_attributes, BLIND_EVIDENCE },
    { "a module that TCB info does not name", TDX, other_module, BLIND_EVIDENCE },
    { "a quoting enclave with MISCSELECT", EITHER, qe_misc, BLIND_EVIDENCE },
    { "a quoting enclave in debug mode", EITHER, qe_debug, BLIND_EVIDENCE },
    { "a quoting enclave of another signer", EITHER, qe_signer, BLIND_EVIDENCE },
    { "a quoting enclave of another product", EITHER, qe_product, BLIND_EVIDENCE },
    { "a PCK without fields", EITHER, no_extension, BLIND_CHAIN },
    { "a PCK with a byte behind its fields", EITHER, longer_extension, BLIND_CHAIN },
};

TEST(each_way_to_be_wrong_has_its_refusal)
{
    for (size_t i = 0; i < BL_LEN(wrongs); i++)
        for (unsigned tdx = 0; tdx < 2; tdx++) {
            bl_claims  claims;
            intel_made m;
            if (!(wrongs[i].on & (tdx ? TDX : SGX)))
                continue;
            intel_plain(&m, tdx);
            wrongs[i].change(&m);
            bool changed = m.tdx != (tdx == 1);
            m.tdx = tdx;
            intel_sign(&m);
            m.tdx ^= changed;
            CHECK_CODE(wrongs[i].want, intel_verify(&m, NULL, &claims, &last), wrongs[i].name);
            intel_done(&m);
        }
}

/* ---- collateral that says something else ---- */

static const struct {
    const char *name;
    unsigned    on;
    bool        qe; /* in the identity, not in TCB info */
    const char *from, *to;
    blind_code  want; /* OK: authentic, with this status */
    const char *status;
} edits[] = {
    { "TCB info of the other TEE", SGX, false, "\"SGX\"", "\"TDX\"", BLIND_FORMAT, NULL },
    { "TCB info of an unknown TEE", EITHER, false, "{\"id\":\"", "{\"id\":\"X", BLIND_FORMAT,
      NULL },
    { "TCB info of another FMSPC", EITHER, false, "00A067110000", "00A067110001", BLIND_EVIDENCE,
      NULL },
    { "TCB info of another PCEID", EITHER, false, "\"pceId\":\"0000\"", "\"pceId\":\"0001\"",
      BLIND_EVIDENCE, NULL },
    { "TCB info of tomorrow", EITHER, false, INTEL_ISSUED, "2026-05-29T00:00:00Z", BLIND_STALE,
      NULL },
    { "TCB info of yesterday", EITHER, false, INTEL_NEXT, "2026-05-28T20:26:39Z", BLIND_STALE,
      NULL },
    { "TCB info to this second", EITHER, false, INTEL_NEXT, "2026-05-28T20:26:40Z", BLIND_OK,
      "UpToDate" },
    { "TCB info from this second", EITHER, false, INTEL_ISSUED, "2026-05-28T20:26:40Z", BLIND_OK,
      "UpToDate" },
    { "TCB info of version 4", EITHER, false, "\"version\":3", "\"version\":4", BLIND_FORMAT,
      NULL },
    { "TCB info of another type", EITHER, false, "\"tcbType\":0", "\"tcbType\":1", BLIND_FORMAT,
      NULL },
    { "a key twice", EITHER, false, "\"tcbType\":0", "\"tcbType\":0,\"tcbType\":0", BLIND_FORMAT,
      NULL },
    { "an impossible date", EITHER, false, INTEL_NEXT, "2026-06-31T00:00:00Z", BLIND_FORMAT, NULL },
    { "a date without zone", EITHER, false, INTEL_NEXT, "2026-06-26T00:00:00", BLIND_FORMAT, NULL },
    { "dates the wrong way round", EITHER, false, INTEL_NEXT, "2026-05-26T00:00:00Z", BLIND_FORMAT,
      NULL },
    { "a component of 256", EITHER, false, "\"svn\":3,", "\"svn\":256,", BLIND_FORMAT, NULL },
    { "a component below zero", EITHER, false, "\"svn\":3,", "\"svn\":-1,", BLIND_FORMAT, NULL },
    { "15 components", EITHER, false, ",{\"svn\":0}]", "]", BLIND_FORMAT, NULL },
    { "an unknown status", EITHER, false, "\"OutOfDate\"", "\"Fine\"", BLIND_FORMAT, NULL },
    { "a level that is relaunch advice", EITHER, false, "\"OutOfDate\"", "\"TDRelaunchAdvised\"",
      BLIND_FORMAT, NULL },
    { "no levels", EITHER, true, "\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":[", BLIND_FORMAT,
      NULL },
    { "a key that is not known", EITHER, false, "\"tcbType\"", "\"new\":{},\"tcbType\"", BLIND_OK,
      "UpToDate" },
    { "the first level above the platform", EITHER, false, "\"svn\":3", "\"svn\":4", BLIND_OK,
      "OutOfDate" },
    { "PCESVN above the platform's", EITHER, false, "\"pcesvn\":13", "\"pcesvn\":14", BLIND_OK,
      "OutOfDate" },
    { "hardening needed", EITHER, false, "\"UpToDate\"", "\"SWHardeningNeeded\"", BLIND_OK, NULL },
    { "identity of the other TEE", SGX, true, "\"QE\"", "\"TD_QE\"", BLIND_EVIDENCE, NULL },
    { "identity of the other TEE", TDX, true, "\"TD_QE\"", "\"QE\"", BLIND_EVIDENCE, NULL },
    { "identity of another enclave", EITHER, true, "QE\"", "PCE\"", BLIND_FORMAT, NULL },
    { "identity of version 3", EITHER, true, "\"version\":2", "\"version\":3", BLIND_FORMAT, NULL },
    { "identity of yesterday", EITHER, true, INTEL_NEXT, "2026-05-28T20:26:39Z", BLIND_STALE,
      NULL },
    { "identity of tomorrow", EITHER, true, INTEL_ISSUED, "2026-05-28T20:26:41Z", BLIND_STALE,
      NULL },
    { "identity of another signer", EITHER, true, "\"A0A1", "\"A0A2", BLIND_EVIDENCE, NULL },
    { "identity with a short signer", EITHER, true, "\"A0A1", "\"A1", BLIND_FORMAT, NULL },
    { "quoting enclave out of date", EITHER, true, "\"isvsvn\":4", "\"isvsvn\":5", BLIND_OK,
      "OutOfDate" },
    { "levels that rise", EITHER, true, "\"isvsvn\":2", "\"isvsvn\":6", BLIND_FORMAT, NULL },
    { "quoting enclave revoked", EITHER, true, "\"UpToDate\"", "\"Revoked\"", BLIND_OK, "Revoked" },
    { "quoting enclave below all levels", EITHER, true, "\"isvsvn\":4},", "\"isvsvn\":9},",
      BLIND_OK, "OutOfDate" },
    { "module out of date", TDX, false, "\"isvsvn\":6", "\"isvsvn\":7", BLIND_OK, "OutOfDate" },
    { "module revoked", TDX, false, "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"Revoked\"",
      BLIND_OK, "Revoked" },
    { "module twice", TDX, false, "\"tdxModuleIdentities\":[",
      "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"},", BLIND_FORMAT, NULL },
    { "module with an odd name", TDX, false, "TDX_01", "TDX_G1", BLIND_FORMAT, NULL },
    { "module names in lower case", TDX, false, "TDX_01", "tdx_01", BLIND_OK, "UpToDate" },
    { "no module identities", TDX, false, "tdxModuleIdentities", "tdxModuleIdentitie",
      BLIND_EVIDENCE, NULL },
    { "no TDX module", TDX, false, "tdxModule\"", "tdxModul\"", BLIND_FORMAT, NULL },
    { "module of another signer", TDX, false, "\"id\":\"TDX_01\",\"mrsigner\":\"00",
      "\"id\":\"TDX_01\",\"mrsigner\":\"01", BLIND_EVIDENCE, NULL },
};

TEST(collateral_that_says_something_else)
{
    for (size_t i = 0; i < BL_LEN(edits); i++)
        for (unsigned tdx = 0; tdx < 2; tdx++) {
            bl_claims  claims;
            intel_made m;
            if (!(edits[i].on & (tdx ? TDX : SGX)))
                continue;
            intel_plain(&m, tdx);
            intel_edit(edits[i].qe ? m.qe_identity : m.tcb_info,
                       edits[i].qe ? sizeof m.qe_identity : sizeof m.tcb_info, edits[i].from,
                       edits[i].to);
            blind_code code = outcome(&m, &claims);
            if (code != edits[i].want)
                fail_msg("%s: %s: %s", edits[i].name, blind_code_name(code), last.message);
            if (edits[i].status)
                assert_string_equal(edits[i].status, claims.tcb_status);
            if (code == BLIND_OK && claims.tcb_current == BLIND_PROVEN)
                assert_string_equal("UpToDate", claims.tcb_status);
            intel_done(&m);
        }
}

/* ---- parts that are missing, swapped or written anew ---- */

static const char *const needed[] = { "tcb_info", "qe_identity", "tcb_signing_chain", "pck_crl",
                                      "root_ca_crl" };

static void without(const bl_parts *all, const char *name, bl_parts *out)
{
    *out = (bl_parts){ 0 };
    for (size_t i = 0; i < all->len; i++)
        if (!bl_span_equal(all->items[i].name, bl_span_str(name)))
            out->items[out->len++] = all->items[i];
}

TEST(missing_collateral_is_refused)
{
    bl_claims  claims;
    intel_made m;
    bl_parts   all, some;
    intel_plain(&m, true);
    intel_sign(&m);
    intel_parts(&m, &all);
    for (size_t i = 0; i < BL_LEN(needed); i++) {
        without(&all, needed[i], &some);
        CHECK_CODE(BLIND_EVIDENCE,
                   intel_verify_parts(&m, bl_buf_span(&m.quote), &some, NULL, &claims, &last),
                   needed[i]);
    }
    without(&all, "pck_crl_issuer_chain", &some); /* the quote has it */
    CHECK_CODE(BLIND_OK, intel_verify_parts(&m, bl_buf_span(&m.quote), &some, NULL, &claims, &last),
               "issuer chain");
    without(&all, "pck_crl", &some);
    m.rules.crl_optional = true;
    CHECK_CODE(BLIND_OK, intel_verify_parts(&m, bl_buf_span(&m.quote), &some, NULL, &claims, &last),
               "optional list");
    assert_string_equal("no revocation list", found_of(&claims, "PCK CRL"));
    intel_done(&m);
}

/* Without an identity the quoting enclave must be of Intel's known signer: a host may load one of
 * its own that the PCK certifies as well. */
TEST(without_collateral_the_quoting_enclave_is_intels)
{
    static const char *const signers[] = {
        "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff",
        "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"
    };
    static const struct {
        const char *name;
        size_t      at; /* byte of the quoting enclave's report that is changed */
        uint8_t     by;
        blind_code  want;
    } cases[] = { { "as it is", 0, 0, BLIND_OK },
                  { "another signer", 128, 1, BLIND_EVIDENCE },
                  { "another product", 256, 4, BLIND_EVIDENCE },
                  { "in debug mode", 48, 2, BLIND_EVIDENCE } };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        for (int tdx = 0; tdx < 2; tdx++) {
            bl_claims      claims;
            intel_made     m;
            const bl_parts none = { 0 };
            intel_plain(&m, tdx);
            CHECK(bl_hex_decode(bl_span_str(signers[tdx]), m.qe_report + 128, 32));
            m.qe_report[cases[i].at] ^= cases[i].by;
            intel_sign(&m);
            m.rules.no_collateral = true;
            CHECK_CODE(cases[i].want,
                       intel_verify_parts(&m, bl_buf_span(&m.quote), &none, NULL, &claims, &last),
                       cases[i].name);
            assert_null(claims.tcb_status);
            assert_int_equal(BLIND_UNKNOWN, claims.tcb_current);
            intel_done(&m);
        }
}

TEST(an_optional_list_that_is_there_still_counts)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, false);
    m.rules.crl_optional = true;
    m.revoked = INTEL_PCK_SERIAL;
    CHECK_CODE(BLIND_REVOKED, outcome(&m, &claims), "revoked");
    intel_done(&m);
}

/* Only the very bytes that were signed verify. */
TEST(collateral_written_anew_is_refused)
{
    bl_claims   claims;
    intel_made  m;
    bl_parts    parts;
    bl_auto_buf spaced = BL_BUF_EMPTY, more = BL_BUF_EMPTY, swapped = BL_BUF_EMPTY;
    intel_plain(&m, false);
    intel_sign(&m);
    intel_parts(&m, &parts);
    blind_span text = bl_buf_span(&m.tcb_info_part);
    blind_span body = bl_span_str(m.tcb_info);
    bl_buf_add(&spaced, bl_span(text.data, 12));
    bl_buf_add_str(&spaced, " ");
    bl_buf_add(&spaced, bl_span(text.data + 12, text.size - 12));
    bl_buf_add(&more, text);
    bl_buf_add_str(&more, " x");
    const struct {
        const char *name;
        blind_span  text;
        blind_code  want;
    } cases[] = { { "a blank inside", bl_buf_span(&spaced), BLIND_SIGNATURE },
                  { "something behind", bl_buf_span(&more), BLIND_FORMAT },
                  { "the inner object alone", body, BLIND_FORMAT },
                  { "blanks behind what is no object", BL_LITERAL("x  \n"), BLIND_FORMAT },
                  { "the identity in its place", bl_buf_span(&m.qe_identity_part), BLIND_FORMAT } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("tcb_info"), cases[i].text, NULL), "");
        CHECK_CODE(cases[i].want,
                   intel_verify_parts(&m, bl_buf_span(&m.quote), &parts, NULL, &claims, &last),
                   cases[i].name);
    }
    /* The wrapper is not signed: blanks and the order of its members are free. */
    bl_buf_add_str(&swapped, " {\n\"signature\" : ");
    bl_buf_add(&swapped, bl_span(text.data + text.size - 131, 130));
    bl_buf_add_str(&swapped, ",\"tcbInfo\":");
    bl_buf_add(&swapped, body);
    bl_buf_add(&swapped, bl_span("}\n", 3)); /* with its NUL */
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("tcb_info"), bl_buf_span(&swapped), NULL),
               "");
    CHECK_CODE(BLIND_OK,
               intel_verify_parts(&m, bl_buf_span(&m.quote), &parts, NULL, &claims, &last),
               last.message);
    intel_done(&m);
}

TEST(old_collateral_is_refused_when_the_policy_says_so)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, false);
    m.rules.collateral_age_s = INTEL_DAY;
    CHECK_CODE(BLIND_STALE, outcome(&m, &claims), "a day");
    m.rules.collateral_age_s = 2 * INTEL_DAY;
    CHECK_CODE(BLIND_OK, intel_verify(&m, NULL, &claims, &last), last.message);
    intel_done(&m);
}

/* Another machine's collateral does not fit this machine's quote, nor another's chain. */
TEST(evidence_of_two_machines_is_refused)
{
    bl_claims  claims;
    intel_made a, b;
    bl_parts   parts;
    intel_plain(&a, false);
    intel_plain(&b, true);
    intel_sign(&a);
    intel_sign(&b);
    intel_parts(&b, &parts);
    CHECK_CODE(BLIND_EVIDENCE,
               intel_verify_parts(&a, bl_buf_span(&a.quote), &parts, NULL, &claims, &last),
               "TDX collateral with SGX");
    intel_done(&a);
    intel_done(&b);
}

/* What is remembered is what bytes alone decide: time, rules and other parts are judged anew. */
TEST(a_cache_forgets_no_check)
{
    bl_claims    claims;
    intel_made   m, other;
    bl_parts     parts, some;
    blind_cache *cache = blind_cache_new(8);
    intel_plain(&m, true);
    intel_sign(&m);
    intel_parts(&m, &parts);
    blind_span quote = bl_buf_span(&m.quote);
    for (int i = 0; i < 2; i++)
        CHECK_CODE(BLIND_OK, intel_verify_parts(&m, quote, &parts, cache, &claims, &last),
                   last.message);
    static const int64_t times[] = { INTEL_NOW - 2 * INTEL_DAY, INTEL_NOW + 21 * INTEL_DAY,
                                     INTEL_NOW + 40 * INTEL_DAY, 0 };
    for (size_t i = 0; i < BL_LEN(times); i++) {
        m.now_s = times[i];
        CHECK_CODE(BLIND_STALE, intel_verify_parts(&m, quote, &parts, cache, &claims, &last),
                   "another time");
    }
    m.now_s = INTEL_NOW + 2 * (int64_t)365 * INTEL_DAY;
    CHECK_CODE(BLIND_STALE, intel_verify_parts(&m, quote, &parts, cache, &claims, &last),
               "certificates that ended");
    m.now_s = INTEL_NOW;
    m.rules.collateral_age_s = 60;
    CHECK_CODE(BLIND_STALE, intel_verify_parts(&m, quote, &parts, cache, &claims, &last), "age");
    m.rules.collateral_age_s = 0;
    without(&parts, "pck_crl", &some);
    CHECK_CODE(BLIND_EVIDENCE, intel_verify_parts(&m, quote, &some, cache, &claims, &last),
               "a part less");
    intel_plain(&other, true);
    other.revoked = INTEL_PCK_SERIAL;
    intel_sign(&other);
    CHECK_CODE(BLIND_OK,
               bl_parts_set(&parts, BL_LITERAL("pck_crl"), bl_buf_span(&other.pck_crl), NULL), "");
    CHECK_CODE(BLIND_REVOKED, intel_verify_parts(&m, quote, &parts, cache, &claims, &last),
               "another list");
    intel_parts(&m, &parts);
    bl_verify_input in = { quote, &parts, INTEL_NOW, bl_tee_tdx.roots, &m.rules, cache, &m.arena };
    claims = (bl_claims){ 0 };
    CHECK_CODE(BLIND_CHAIN, bl_tdx_verify(&in, &claims, &last), "Intel's own root");
    blind_cache_free(cache);
    intel_done(&m);
    intel_done(&other);
}

/* A test root is none of a release. */
TEST(the_roots_compiled_in_are_intels_alone)
{
    assert_ptr_equal(bl_tee_sgx.roots, bl_tee_tdx.roots);
    assert_int_equal(1, bl_tee_sgx.roots->len);
    assert_string_equal("intel-sgx-root-ca", bl_tee_sgx.roots->items[0].name);
    assert_int_equal(91, bl_tee_sgx.roots->items[0].spki.size);
}

/* ---- what is claimed ---- */

TEST(debug_is_claimed_not_hidden)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, false);
    m.body[48] |= 2;
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_int_equal(BLIND_REFUTED, claims.not_debuggable);
    intel_done(&m);
    for (unsigned bit = 0; bit < 8; bit++) {
        intel_plain(&m, true);
        m.body[120] = (uint8_t)(1u << bit);
        CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
        assert_int_equal(BLIND_REFUTED, claims.not_debuggable);
        intel_done(&m);
    }
    intel_plain(&m, true);
    m.body[123] |= 0x20;
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_int_equal(BLIND_REFUTED, claims.migration_off);
    assert_int_equal(1, bl_claims_fact(&claims, "migratable")->number);
    intel_done(&m);
}

TEST(an_updated_module_advises_to_launch_anew)
{
    static const struct {
        uint8_t     first[3], now[3];
        const char *platform, *want;
    } cases[] = {
        { { 4, 1, 3 }, { 6, 1, 3 }, "UpToDate", "TDRelaunchAdvised" },
        { { 4, 1, 3 }, { 5, 1, 3 }, "UpToDate", "OutOfDate" },
        { { 4, 1, 3 }, { 6, 1, 2 }, "UpToDate", "OutOfDate" },
        { { 4, 1, 3 }, { 6, 3, 3 }, "UpToDate", "OutOfDate" },
        { { 4, 1, 3 }, { 5, 0, 3 }, "UpToDate", "TDRelaunchAdvised" },
        { { 4, 1, 3 }, { 6, 1, 3 }, "ConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded" },
        { { 6, 1, 3 }, { 4, 1, 3 }, "UpToDate", "UpToDate" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_claims  claims;
        intel_made m;
        intel_plain(&m, true);
        m.version = 5;
        m.body_kind = BL_BODY_TD_15;
        memcpy(m.body, cases[i].first, 3);
        memcpy(m.body + 584, cases[i].now, 3);
        char *levels = strstr(m.tcb_info, "\"sgxtcbcomponents\"");
        intel_edit(levels, sizeof m.tcb_info - (size_t)(levels - m.tcb_info), "UpToDate",
                   cases[i].platform);
        CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
        assert_string_equal(cases[i].want, claims.tcb_status);
        intel_done(&m);
    }
}

TEST(how_far_behind_is_said)
{
    bl_claims  claims;
    intel_made m;
    intel_plain(&m, true);
    m.pck.components[0] = 2;
    m.body[0] = 4;
    m.qe_report[258] = 3;
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_string_equal("OutOfDate: level 2 of 3, of 2025-01-02; behind: component 1 (BIOS Early "
                        "Microcode Update): 2 of 3, TDX module 4 of 6, quoting enclave 3 of 4; "
                        "update what is behind and fetch a new PCK certificate",
                        claims.tcb_found);
    assert_string_equal("INTEL-SA-00001, INTEL-SA-00002, INTEL-SA-00003, INTEL-SA-00004",
                        claims.advisories);
    assert_string_equal("OutOfDate", found_of(&claims, "platform TCB"));
    assert_string_equal("OutOfDate", found_of(&claims, "TDX module TCB"));
    intel_done(&m);
    intel_plain(&m, false);
    memset(m.pck.components, 0, sizeof m.pck.components);
    CHECK_CODE(BLIND_OK, outcome(&m, &claims), last.message);
    assert_string_equal("NotSupported", claims.tcb_status);
    assert_int_equal(BLIND_REFUTED, claims.tcb_current);
    intel_done(&m);
}

TESTS(RUN(good_quotes_of_every_version_are_accepted), RUN(the_platforms_configuration_is_told),
      RUN(tcb_info_of_version_2_is_read), RUN(each_way_to_be_wrong_has_its_refusal),
      RUN(collateral_that_says_something_else), RUN(missing_collateral_is_refused),
      RUN(without_collateral_the_quoting_enclave_is_intels),
      RUN(an_optional_list_that_is_there_still_counts), RUN(collateral_written_anew_is_refused),
      RUN(old_collateral_is_refused_when_the_policy_says_so),
      RUN(evidence_of_two_machines_is_refused), RUN(a_cache_forgets_no_check),
      RUN(the_roots_compiled_in_are_intels_alone), RUN(debug_is_claimed_not_hidden),
      RUN(an_updated_module_advises_to_launch_anew), RUN(how_far_behind_is_said))
