/* SEV-SNP evidence of our own making: what is right passes, each wrong thing is refused by name. */
#include "tests/test.h"

#include "tests/attest/snp_made.h"

#define AMD "1.3.6.1.4.1.3704.1."
#define DATA(...)                                                                                  \
    {                                                                                              \
        (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })                 \
    }

static blind_code verify_spec(const made_spec *spec, bl_claims *claims, blind_error *err)
{
    made     m;
    bl_parts parts;
    made_evidence(spec, &m);
    made_parts(&m, true, &parts);
    blind_code code = made_verify(&m, &parts, NULL, claims, err);
    made_done(&m);
    return code;
}

static const bl_finding *finding(const bl_claims *claims, const char *name)
{
    for (size_t i = 0; i < claims->findings_len; i++)
        if (strcmp(claims->findings[i].name, name) == 0)
            return &claims->findings[i];
    fail_msg("no finding '%s'", name);
    return NULL;
}

static uint64_t number(const bl_claims *claims, const char *name)
{
    const bl_fact *fact = bl_claims_fact(claims, name);
    if (!fact)
        fail_msg("no fact '%s'", name);
    return fact ? fact->number : 0;
}

TEST(right_evidence_of_each_product_is_authentic)
{
    const made_spec specs[] = {
        { .product = MADE_MILAN },
        { .product = MADE_MILAN, .version = 2 },
        { .product = MADE_MILAN, .version = 4 },
        { .product = MADE_MILAN, .version = 5 },
        { .product = MADE_MILAN, .vlek = true },
        { .product = MADE_GENOA },
        { .product = MADE_GENOA, .version = 5, .patch_at = 0x189, .patch = 0xa0 },
        { .product = MADE_TURIN },
        { .product = MADE_TURIN, .vlek = true },
        { .product = MADE_TURIN, .patch_at = 0x189, .patch = 0x11 },
        { .crl = "good" },
        { .vlek = true, .crl = "good" },
        /* an OCTET STRING around the chip's id */
        { .product = MADE_TURIN,
          .replace = AMD "4",
          .value = DATA(4, 8, 1, 8, 15, 22, 29, 36, 43, 50) },
    };
    for (size_t i = 0; i < BL_LEN(specs); i++) {
        bl_claims   claims;
        blind_error err = { 0 };
        char        name[16];
        snprintf(name, sizeof name, "spec %zu", i);
        blind_code code = verify_spec(&specs[i], &claims, &err);
        if (code != BLIND_OK)
            print_message("%s\n", err.message);
        CHECK_CODE(BLIND_OK, code, name);
    }
}

TEST(the_fields_are_claimed)
{
    made      m;
    bl_parts  parts;
    bl_claims c;
    made_evidence(&(made_spec){ .product = MADE_TURIN }, &m);
    made_parts(&m, true, &parts);
    CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "verify");
    const uint8_t *report = m.report.data;
    CHECK(strcmp(c.tee, "snp") == 0 && !c.simulated && c.time_s == 0);
    CHECK(bl_span_equal(c.report_data, bl_span(report + 0x50, 64)));
    CHECK(bl_span_equal(c.hardware_id, bl_span(report + 0x1a0, 8)));
    CHECK(bl_span_equal(bl_claims_measurement(&c, "measurement"), bl_span(report + 0x90, 48)));
    CHECK(bl_span_equal(bl_claims_measurement(&c, "host_data"), bl_span(report + 0xc0, 32)));
    CHECK(bl_span_equal(bl_claims_measurement(&c, "id_key_digest"), bl_span(report + 0xe0, 48)));
    CHECK(
        bl_span_equal(bl_claims_measurement(&c, "author_key_digest"), bl_span(report + 0x110, 48)));
    CHECK(bl_span_equal(bl_claims_fact(&c, "family_id")->bytes, bl_span(report + 0x10, 16)));
    CHECK(bl_span_equal(bl_claims_fact(&c, "image_id")->bytes, bl_span(report + 0x20, 16)));
    CHECK(bl_span_equal(bl_claims_fact(&c, "chip_id")->bytes, bl_span(report + 0x1a0, 64)));
    assert_int_equal(7, number(&c, "guest_svn"));
    assert_int_equal(0, number(&c, "vmpl"));
    assert_int_equal(1, number(&c, "tcb_fmc"));
    assert_int_equal(4, number(&c, "tcb_bootloader"));
    assert_int_equal(0x1d, number(&c, "tcb_snp"));
    assert_int_equal(0xdb, number(&c, "tcb_microcode"));
    assert_int_equal(11, number(&c, "launch_mitigations"));
    assert_int_equal(0x1a, number(&c, "cpuid_family"));
    assert_int_equal(1, number(&c, "alias_check"));
    assert_int_equal(BLIND_PROVEN, c.not_debuggable);
    assert_int_equal(BLIND_PROVEN, c.memory_encrypted);
    assert_int_equal(BLIND_PROVEN, c.migration_off);
    assert_int_equal(BLIND_REFUTED, c.smt_off); /* allowed, and on */
    assert_int_equal(BLIND_PROVEN, c.tcb_current);
    CHECK(!c.trusts_host && !c.trusts_hypervisor && c.trusts_firmware);
    made_done(&m);
}

TEST(every_claimed_fact_is_in_the_row)
{
    for (int vlek = 0; vlek < 2; vlek++) {
        bl_claims c;
        CHECK_CODE(BLIND_OK,
                   verify_spec(&(made_spec){ .product = MADE_TURIN, .vlek = vlek }, &c, NULL),
                   "verify");
        for (size_t i = 0; i < c.facts_len; i++) {
            const bl_fact_row *row = bl_tee_snp.facts;
            while (row->name && strcmp(row->name, c.facts[i].name) != 0)
                row++;
            if (!row->name || row->kind != c.facts[i].kind)
                fail_msg("fact '%s' is not in the row", c.facts[i].name);
            for (size_t k = 0; k < i; k++)
                CHECK(strcmp(c.facts[i].name, c.facts[k].name) != 0);
        }
    }
}

static const struct {
    const char *name;
    made_spec   spec;
    const char *finding; /* NULL: the report itself does not parse */
    blind_code  want;
} wrong[] = {
    { "version 1", { .version = 1 }, NULL, BLIND_FORMAT },
    { "version 6", { .version = 6 }, NULL, BLIND_FORMAT },
    { "version 0x10003", { .patch_at = 2, .patch = 1 }, NULL, BLIND_FORMAT },
    { "another signature algorithm", { .patch_at = 0x34, .patch = 2 }, NULL, BLIND_FORMAT },
    { "VMPL 4", { .vmpl = 4 }, NULL, BLIND_FORMAT },
    { "bit 17 of the guest policy is zero", { .policy = 0x20000 }, NULL, BLIND_FORMAT },
    { "a reserved bit of the guest policy", { .policy = 1ull << 26 }, NULL, BLIND_FORMAT },
    { "a reserved bit of the key's info", { .patch_at = 0x49, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x4c", { .patch_at = 0x4c, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x18b", { .patch_at = 0x18b, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x19f", { .patch_at = 0x19f, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x1eb", { .patch_at = 0x1eb, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x208", { .patch_at = 0x208, .patch = 1 }, NULL, BLIND_FORMAT },
    { "byte 0x29f", { .patch_at = 0x29f, .patch = 1 }, NULL, BLIND_FORMAT },
    { "CPUID in version 2", { .version = 2, .patch_at = 0x188, .patch = 1 }, NULL, BLIND_FORMAT },
    { "mitigations in version 3", { .patch_at = 0x1f8, .patch = 1 }, NULL, BLIND_FORMAT },

    { "another root", { .other_ark = true }, "chain", BLIND_CHAIN },
    { "an ASK that is no CA", { .ask_no_ca = true }, "chain", BLIND_CHAIN },
    { "an unknown authority", { .ask_name = "SEV-Rome" }, "chain", BLIND_CHAIN },
    { "an ASVK with a VCEK", { .ask_name = "SEV-VLEK-Milan" }, "chain", BLIND_CHAIN },
    { "an ASK with a VLEK", { .vlek = true, .ask_name = "SEV-Milan" }, "chain", BLIND_CHAIN },
    { "an ASK of Genoa under ARK-Milan", { .ask_name = "SEV-Genoa" }, "chain", BLIND_CHAIN },
    { "a leaf named VLEK under the ASK", { .leaf_name = "SEV-VLEK" }, "chain", BLIND_CHAIN },
    { "a leaf of another name", { .leaf_name = "SEV-VCEK2" }, "chain", BLIND_CHAIN },
    { "a critical extension", { .also = "1.2.3.4", .critical = true }, "chain", BLIND_CHAIN },

    { "expired", { .leaf_to_s = MADE_NOW - 1 }, "validity", BLIND_STALE },
    { "not yet valid", { .leaf_from_s = MADE_NOW + 1 }, "validity", BLIND_CHAIN },

    { "a stale list", { .crl = "stale" }, "revocation", BLIND_STALE },
    { "a list without nextUpdate", { .crl = "no next" }, "revocation", BLIND_STALE },
    { "a list from the future", { .crl = "future" }, "revocation", BLIND_STALE },
    { "a revoked ASK", { .crl = "revoked" }, "revocation", BLIND_REVOKED },
    { "a list of another key", { .crl = "other key" }, "revocation", BLIND_CHAIN },
    { "a list of another issuer", { .crl = "other issuer" }, "revocation", BLIND_CHAIN },
    { "an ASK known to be revoked",
      { .product = MADE_GENOA, .ask_serial = 0x20001 },
      "revocation",
      BLIND_REVOKED },

    { "signing key says VLEK", { .signer = 2 }, "signing key", BLIND_CHAIN },
    { "signing key says VCEK", { .vlek = true, .signer = 1 }, "signing key", BLIND_CHAIN },
    { "signing key says none", { .signer = 8 }, "signing key", BLIND_CHAIN },
    { "signing key reserved", { .signer = 3 }, "signing key", BLIND_CHAIN },

    { "no product", { .drop = AMD "2" }, "product", BLIND_CHAIN },
    { "another product",
      { .replace = AMD "2", .value = DATA(0x16, 5, 'G', 'e', 'n', 'o', 'a') },
      "product",
      BLIND_CHAIN },
    { "a product that begins alike",
      { .replace = AMD "2", .value = DATA(0x16, 6, 'M', 'i', 'l', 'a', 'n', 'X') },
      "product",
      BLIND_CHAIN },
    { "a product of another type",
      { .replace = AMD "2", .value = DATA(0x0c, 5, 'M', 'i', 'l', 'a', 'n') },
      "product",
      BLIND_CHAIN },
    { "no structure version", { .drop = AMD "1" }, "product", BLIND_CHAIN },
    { "structure version of Turin",
      { .replace = AMD "1", .value = DATA(2, 1, 1) },
      "product",
      BLIND_CHAIN },
    { "a Genoa CPU under Milan", { .patch_at = 0x189, .patch = 0x11 }, "product", BLIND_CHAIN },
    { "a Turin CPU under Milan", { .patch_at = 0x188, .patch = 0x1a }, "product", BLIND_CHAIN },
    { "Turin in version 2", { .product = MADE_TURIN, .version = 2 }, "product", BLIND_CHAIN },

    { "no SNP level", { .drop = AMD "3.3" }, "tcb extensions", BLIND_CHAIN },
    { "no bootloader level", { .drop = AMD "3.1" }, "tcb extensions", BLIND_CHAIN },
    { "no TEE level", { .drop = AMD "3.2" }, "tcb extensions", BLIND_CHAIN },
    { "no microcode level", { .drop = AMD "3.8" }, "tcb extensions", BLIND_CHAIN },
    { "another SNP level",
      { .replace = AMD "3.3", .value = DATA(2, 1, 0x1e) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a level in two bytes",
      { .replace = AMD "3.3", .value = DATA(2, 2, 0, 0x1d) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a level with a long length",
      { .replace = AMD "3.3", .value = DATA(2, 0x81, 1, 0x1d) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a level with a byte behind",
      { .replace = AMD "3.3", .value = DATA(2, 1, 0x1d, 0) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a level of another type",
      { .replace = AMD "3.3", .value = DATA(4, 1, 0x1d) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a negative microcode level",
      { .replace = AMD "3.8", .value = DATA(2, 1, 0xdb) },
      "tcb extensions",
      BLIND_CHAIN },
    { "a level twice",
      { .replace = AMD "3.3", .value = DATA(2, 1, 0x1d), .twice = true },
      "tcb extensions",
      BLIND_CHAIN },
    { "an empty level",
      { .replace = AMD "3.3", .value = { NULL, 0 } },
      "tcb extensions",
      BLIND_CHAIN },
    { "a reserved level",
      { .replace = AMD "3.4", .value = DATA(2, 1, 1) },
      "tcb extensions",
      BLIND_CHAIN },
    { "an FMC level on Milan",
      { .also = AMD "3.9", .value = DATA(2, 1, 0) },
      "tcb extensions",
      BLIND_CHAIN },
    { "no FMC level on Turin",
      { .product = MADE_TURIN, .drop = AMD "3.9" },
      "tcb extensions",
      BLIND_CHAIN },
    { "Turin with the layout of Milan",
      { .product = MADE_TURIN, .milan_layout = true },
      "tcb extensions",
      BLIND_CHAIN },
    { "a reserved byte of the TCB",
      { .patch_at = 0x182, .patch = 1 },
      "tcb extensions",
      BLIND_CHAIN },

    { "no hardware id", { .drop = AMD "4" }, "hardware id", BLIND_CHAIN },
    { "a short hardware id",
      { .replace = AMD "4", .value = DATA(1, 8, 15) },
      "hardware id",
      BLIND_CHAIN },
    { "another chip", { .patch_at = 0x1a5, .patch = 0xff }, "hardware id", BLIND_CHAIN },
    { "a chip id that goes on on Turin",
      { .product = MADE_TURIN, .patch_at = 0x1a8, .patch = 1 },
      "hardware id",
      BLIND_CHAIN },
    { "a VCEK of a cloud provider",
      { .also = AMD "5", .value = DATA(0x16, 1, 'x') },
      "hardware id",
      BLIND_CHAIN },
    { "a VLEK with a hardware id",
      { .vlek = true, .also = AMD "4", .value = DATA(1, 2, 3, 4, 5, 6, 7, 8) },
      "hardware id",
      BLIND_CHAIN },
    { "a VLEK without a provider", { .vlek = true, .drop = AMD "5" }, "hardware id", BLIND_CHAIN },
    { "a VLEK with an empty provider",
      { .vlek = true, .replace = AMD "5", .value = DATA(0x16, 0) },
      "hardware id",
      BLIND_CHAIN },

    { "a leaf of another curve", { .leaf_p256 = true }, "report signature", BLIND_SIGNATURE },
};

TEST(each_wrong_thing_is_refused_by_name)
{
    for (size_t i = 0; i < BL_LEN(wrong); i++) {
        bl_claims   claims;
        blind_error err = { 0 };
        CHECK_CODE(wrong[i].want, verify_spec(&wrong[i].spec, &claims, &err), wrong[i].name);
        if (!wrong[i].finding)
            continue;
        const bl_finding *f = finding(&claims, wrong[i].finding);
        if (f->state != BLIND_REFUTED || f->code != wrong[i].want)
            fail_msg("%s: '%s' is not refuted", wrong[i].name, wrong[i].finding);
    }
}

TEST(every_prefix_and_one_byte_more_is_refused)
{
    made      m;
    bl_parts  parts;
    bl_claims c;
    made_evidence(&(made_spec){ .crl = "good" }, &m);
    made_parts(&m, true, &parts);
    for (m.report.size = 0; m.report.size < BL_SNP_REPORT_SIZE; m.report.size++)
        CHECK_CODE(BLIND_FORMAT, made_verify(&m, &parts, NULL, &c, NULL), "a prefix");
    bl_buf_add_u8(&m.report, 0);
    CHECK_CODE(BLIND_FORMAT, made_verify(&m, &parts, NULL, &c, NULL), "one byte more");
    m.report.size--;
    bl_buf *const certs[] = { &m.ark, &m.ask, &m.leaf, &m.crl };
    for (size_t i = 0; i < BL_LEN(certs); i++) {
        size_t whole = certs[i]->size;
        for (certs[i]->size = 1; certs[i]->size < whole; certs[i]->size++) {
            made_parts(&m, true, &parts);
            CHECK(made_verify(&m, &parts, NULL, &c, NULL) != BLIND_OK);
        }
        bl_buf_add_u8(certs[i], 0);
        made_parts(&m, true, &parts);
        CHECK(made_verify(&m, &parts, NULL, &c, NULL) != BLIND_OK);
        certs[i]->size--;
    }
    made_parts(&m, true, &parts);
    CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "whole again");
    made_done(&m);
}

/* There are no free bytes in a report, nor in its certificates and list (every third bit of those,
 * for time's sake). */
TEST(no_flipped_bit_is_authentic)
{
    made         m;
    bl_parts     parts;
    bl_claims    c;
    blind_cache *cache = blind_cache_new(8);
    made_evidence(&(made_spec){ .product = MADE_TURIN, .crl = "good" }, &m);
    made_parts(&m, true, &parts);
    for (size_t bit = 0; bit < 8 * m.report.size; bit++) {
        m.report.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        blind_code code = made_verify(&m, &parts, cache, &c, NULL);
        if (code == BLIND_OK || blind_code_exit(code) != 10)
            fail_msg("bit %zu of the report: %s", bit, blind_code_name(code));
        m.report.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bl_arena_done(&m.arena);
    }
    bl_buf *const certs[] = { &m.ark, &m.ask, &m.leaf, &m.crl };
    for (size_t i = 0; i < BL_LEN(certs); i++)
        for (size_t bit = i; bit < 8 * certs[i]->size; bit += 3) {
            certs[i]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            blind_code code = made_verify(&m, &parts, NULL, &c, NULL);
            if (code == BLIND_OK || blind_code_exit(code) != 10)
                fail_msg("bit %zu of certificate %zu: %s", bit, i, blind_code_name(code));
            certs[i]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            bl_arena_done(&m.arena);
        }
    CHECK_CODE(BLIND_OK, made_verify(&m, &parts, cache, &c, NULL), "whole again");
    made_done(&m);
    blind_cache_free(cache);
}

TEST(a_masked_chip_is_unknown)
{
    bl_claims c;
    CHECK_CODE(BLIND_OK, verify_spec(&(made_spec){ .masked = true }, &c, NULL), "masked");
    assert_int_equal(BLIND_UNKNOWN, finding(&c, "hardware id")->state);
    CHECK(c.hardware_id.size == 0 && !bl_claims_fact(&c, "chip_id"));
    CHECK_CODE(BLIND_OK, verify_spec(&(made_spec){ .vlek = true, .masked = true }, &c, NULL),
               "VLEK");
    CHECK(c.hardware_id.size == 0 && bl_claims_fact(&c, "csp"));
    /* a certificate for no chip matches no masked one either */
    uint8_t   zero[64] = { 0 };
    made_spec spec = { .masked = true, .replace = AMD "4", .value = bl_span(zero, 64) };
    CHECK_CODE(BLIND_OK, verify_spec(&spec, &c, NULL), "zero");
    assert_int_equal(BLIND_UNKNOWN, finding(&c, "hardware id")->state);
}

TEST(propositions_follow_policy_and_platform)
{
    static const struct {
        const char *name;
        uint64_t    policy, platform;
        blind_state smt_off, migration_off, not_debuggable, encrypted;
    } cases[] = {
        { "SMT forbidden, and on", 0, 0, BLIND_PROVEN, BLIND_PROVEN, BLIND_PROVEN, BLIND_PROVEN },
        { "SMT forbidden, and off", 0, 1, BLIND_PROVEN, BLIND_PROVEN, BLIND_PROVEN, BLIND_PROVEN },
        { "SMT allowed, and on", BL_SNP_POLICY_SMT, 0, BLIND_REFUTED, BLIND_PROVEN, BLIND_PROVEN,
          BLIND_PROVEN },
        { "SMT allowed, and off", BL_SNP_POLICY_SMT, 1, BLIND_PROVEN, BLIND_PROVEN, BLIND_PROVEN,
          BLIND_PROVEN },
        { "SMT off, until it migrates", BL_SNP_POLICY_SMT | BL_SNP_POLICY_MIGRATE, 1, BLIND_UNKNOWN,
          BLIND_REFUTED, BLIND_PROVEN, BLIND_PROVEN },
        { "debug", BL_SNP_POLICY_DEBUG, 0, BLIND_PROVEN, BLIND_PROVEN, BLIND_REFUTED,
          BLIND_REFUTED },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        /* the plain policy allows SMT and the plain platform has it on */
        made_spec spec = { .policy = cases[i].policy ^ BL_SNP_POLICY_SMT,
                           .platform_info = cases[i].platform };
        bl_claims c;
        CHECK_CODE(BLIND_OK, verify_spec(&spec, &c, NULL), cases[i].name);
        if (c.smt_off != cases[i].smt_off || c.migration_off != cases[i].migration_off ||
            c.not_debuggable != cases[i].not_debuggable || c.memory_encrypted != cases[i].encrypted)
            fail_msg("%s: other propositions", cases[i].name);
    }
}

TEST(tcb_floors_say_what_to_update)
{
    static const struct {
        made_product product;
        uint8_t      snp;
        const char  *status, *advisories;
    } cases[] = {
        { MADE_MILAN, 0x17, "OutOfDate", "AMD-SB-3019, AMD-SB-3016, AMD-SB-3030" },
        { MADE_MILAN, 0x18, "OutOfDate", "AMD-SB-3016, AMD-SB-3030" },
        { MADE_MILAN, 0x1c, "OutOfDate", "AMD-SB-3030" },
        { MADE_MILAN, 0x1d, "UpToDate", NULL },
        { MADE_GENOA, 0x16, "OutOfDate", "AMD-SB-3019, AMD-SB-3020, AMD-SB-3034" },
        { MADE_GENOA, 0x17, "OutOfDate", "AMD-SB-3020, AMD-SB-3034" },
        { MADE_GENOA, 0x1c, "UpToDate", NULL },
        { MADE_TURIN, 0x03, "OutOfDate", "AMD-SB-3020" },
        { MADE_TURIN, 0x04, "UpToDate", NULL },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        made_spec spec = { .product = cases[i].product };
        memcpy(spec.levels, made_levels, sizeof spec.levels);
        spec.levels[BL_SNP_SNP] = cases[i].snp;
        made      m;
        bl_parts  parts;
        bl_claims c;
        made_evidence(&spec, &m);
        made_parts(&m, true, &parts);
        CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "verify");
        assert_string_equal(cases[i].status, c.tcb_status);
        CHECK(!cases[i].advisories == !c.advisories);
        if (c.advisories)
            assert_string_equal(cases[i].advisories, c.advisories);
        CHECK(!c.advisories || strstr(c.tcb_found, "update the SNP firmware"));
        assert_int_equal(c.advisories ? BLIND_REFUTED : BLIND_PROVEN, c.tcb_current);
        made_done(&m);
    }
}

/* ---- how certificates come ---- */

static void set(bl_parts *parts, const char *name, blind_span bytes)
{
    CHECK_CODE(BLIND_OK, bl_parts_set(parts, bl_span_str(name), bytes, NULL), name);
}

TEST(certificates_come_in_several_ways)
{
    made        m;
    bl_parts    parts;
    bl_claims   c;
    bl_auto_buf pem = BL_BUF_EMPTY, list = BL_BUF_EMPTY;
    made_evidence(&(made_spec){ 0 }, &m);
    made_parts(&m, false, &parts);
    CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "without the ARK");
    make_pem("CERTIFICATE", bl_buf_span(&m.leaf), &pem);
    set(&parts, "vcek", bl_buf_span(&pem));
    make_pem("CERTIFICATE", bl_buf_span(&m.ask), &list);
    make_pem("CERTIFICATE", bl_buf_span(&m.ark), &list);
    set(&parts, "ask", bl_buf_span(&list));
    CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "PEM, the ARK behind the ASK");
    for (int efi = 0; efi < 2; efi++) {
        bl_auto_buf table = BL_BUF_EMPTY;
        made_table(&m, efi, &table);
        parts = (bl_parts){ 0 };
        set(&parts, "cert_table", bl_buf_span(&table));
        CHECK_CODE(BLIND_OK, made_verify(&m, &parts, NULL, &c, NULL), "a table");
        set(&parts, "vcek", bl_buf_span(&m.leaf));
        CHECK_CODE(BLIND_FORMAT, made_verify(&m, &parts, NULL, &c, NULL), "both ways");
    }
    made_done(&m);
}

TEST(missing_and_mixed_certificates_are_refused)
{
    made      m;
    bl_parts  parts = { 0 };
    bl_claims c;
    made_evidence(&(made_spec){ 0 }, &m);
    CHECK_CODE(BLIND_CHAIN, made_verify(&m, &parts, NULL, &c, NULL), "none");
    assert_int_equal(BLIND_UNKNOWN, finding(&c, "report signature")->state);
    CHECK(bl_claims_measurement(&c, "measurement").size == 48); /* as it was read */
    set(&parts, "vcek", bl_buf_span(&m.leaf));
    CHECK_CODE(BLIND_CHAIN, made_verify(&m, &parts, NULL, &c, NULL), "no ASK");
    set(&parts, "ask", bl_buf_span(&m.ark));
    CHECK_CODE(BLIND_CHAIN, made_verify(&m, &parts, NULL, &c, NULL), "an ARK for the ASK");
    set(&parts, "ask", bl_buf_span(&m.ask));
    set(&parts, "vlek", bl_buf_span(&m.leaf));
    CHECK_CODE(BLIND_CHAIN, made_verify(&m, &parts, NULL, &c, NULL), "VCEK and VLEK");
    parts = (bl_parts){ 0 };
    set(&parts, "vlek", bl_buf_span(&m.leaf));
    set(&parts, "ask", bl_buf_span(&m.ask));
    CHECK_CODE(BLIND_CHAIN, made_verify(&m, &parts, NULL, &c, NULL), "a VCEK as VLEK");
    made_done(&m);
}

TEST(a_list_is_required_unless_the_policy_says_otherwise)
{
    made            m;
    bl_parts        parts;
    bl_claims       c = { 0 };
    bl_verify_rules strict = { 0 }, none = { .no_collateral = true };
    made_evidence(&(made_spec){ 0 }, &m);
    made_parts(&m, true, &parts);
    bl_verify_input in = { .evidence = bl_buf_span(&m.report),
                           .parts = &parts,
                           .now_s = MADE_NOW,
                           .roots = made_roots(),
                           .rules = &strict,
                           .arena = &m.arena };
    CHECK_CODE(BLIND_CHAIN, bl_snp_verify(&in, &c, NULL), "required");
    assert_int_equal(BLIND_REFUTED, finding(&c, "revocation")->state);
    in.rules = &none;
    c = (bl_claims){ 0 };
    CHECK_CODE(BLIND_OK, bl_snp_verify(&in, &c, NULL), "not looked at");
    CHECK(!c.tcb_status && c.tcb_current == BLIND_UNKNOWN);
    in.now_s = 0;
    c = (bl_claims){ 0 };
    CHECK(bl_snp_verify(&in, &c, NULL) != BLIND_OK);
    made_done(&m);
}

TEST(test_roots_are_not_amds)
{
    made      m;
    bl_parts  parts;
    bl_claims c = { 0 };
    made_evidence(&(made_spec){ 0 }, &m);
    made_parts(&m, true, &parts);
    bl_verify_rules rules = { .crl_optional = true };
    bl_verify_input in = { .evidence = bl_buf_span(&m.report),
                           .parts = &parts,
                           .now_s = MADE_NOW,
                           .roots = bl_tee_snp.roots,
                           .rules = &rules,
                           .arena = &m.arena };
    CHECK_CODE(BLIND_CHAIN, bl_tee_snp.verify(&in, &c, NULL), "a whole forgery");
    in.roots = &(bl_roots){ NULL, 0 };
    c = (bl_claims){ 0 };
    CHECK_CODE(BLIND_CHAIN, bl_tee_snp.verify(&in, &c, NULL), "no roots");
    assert_int_equal(3, bl_snp_roots.len);
    made_done(&m);
}

TEST(what_is_remembered_is_judged_again)
{
    made            m;
    bl_parts        parts;
    bl_claims       c = { 0 };
    blind_cache    *cache = blind_cache_new(8);
    bl_verify_rules rules = { 0 };
    made_evidence(&(made_spec){ .crl = "good" }, &m);
    made_parts(&m, true, &parts);
    for (int i = 0; i < 3; i++)
        CHECK_CODE(BLIND_OK, made_verify(&m, &parts, cache, &c, NULL), "cached");
    bl_verify_input in = { .evidence = bl_buf_span(&m.report),
                           .parts = &parts,
                           .now_s = MADE_NOW + 150 * (int64_t)MADE_DAY,
                           .roots = made_roots(),
                           .rules = &rules,
                           .cache = cache,
                           .arena = &m.arena };
    c = (bl_claims){ 0 };
    CHECK_CODE(BLIND_STALE, bl_snp_verify(&in, &c, NULL), "the list ended");
    assert_int_equal(BLIND_PROVEN, finding(&c, "validity")->state);
    in.now_s = MADE_NOW + 300 * (int64_t)MADE_DAY;
    c = (bl_claims){ 0 };
    CHECK_CODE(BLIND_STALE, bl_snp_verify(&in, &c, NULL), "the leaf ended");
    assert_int_equal(BLIND_REFUTED, finding(&c, "validity")->state);
    in.roots = bl_tee_snp.roots;
    in.now_s = MADE_NOW;
    c = (bl_claims){ 0 };
    CHECK_CODE(BLIND_CHAIN, bl_snp_verify(&in, &c, NULL), "other roots");
    made_done(&m);
    blind_cache_free(cache);
}

TEST(certificate_tables_are_bounded)
{
    made         m;
    bl_snp_certs certs;
    bl_auto_buf  table = BL_BUF_EMPTY, many = BL_BUF_EMPTY;
    made_evidence(&(made_spec){ 0 }, &m);
    made_table(&m, false, &table);
    CHECK_CODE(BLIND_OK, bl_snp_cert_table_parse(bl_buf_span(&table), &certs, NULL), "whole");
    CHECK(bl_span_equal(certs.vcek, bl_buf_span(&m.leaf)) && !certs.vlek.size);
    for (size_t keep = 1; keep < table.size; keep++)
        CHECK_CODE(BLIND_FORMAT, bl_snp_cert_table_parse(bl_span(table.data, keep), &certs, NULL),
                   "a prefix");
    bl_buf_add_u8(&table, 9);
    CHECK_CODE(BLIND_OK, bl_snp_cert_table_parse(bl_buf_span(&table), &certs, NULL),
               "a page's rest");
    memset(table.data + 20, 0xff, 4); /* length of the first */
    CHECK_CODE(BLIND_FORMAT, bl_snp_cert_table_parse(bl_buf_span(&table), &certs, NULL),
               "gigabytes");
    CHECK(!certs.vcek.size);
    memset(table.data + 16, 0xff, 4);
    CHECK_CODE(BLIND_FORMAT, bl_snp_cert_table_parse(bl_buf_span(&table), &certs, NULL), "offset");
    CHECK_CODE(BLIND_OK, bl_snp_cert_table_parse((blind_span){ 0 }, &certs, NULL), "none");
    for (size_t i = 0; i < 24 * 40; i++)
        bl_buf_add_u8(&many, i % 24 == 0);
    for (size_t i = 0; i < 24; i++)
        bl_buf_add_u8(&many, 0);
    CHECK_CODE(BLIND_LIMIT, bl_snp_cert_table_parse(bl_buf_span(&many), &certs, NULL), "many");
    made_done(&m);
}

TESTS(RUN(right_evidence_of_each_product_is_authentic), RUN(the_fields_are_claimed),
      RUN(every_claimed_fact_is_in_the_row), RUN(each_wrong_thing_is_refused_by_name),
      RUN(every_prefix_and_one_byte_more_is_refused), RUN(no_flipped_bit_is_authentic),
      RUN(a_masked_chip_is_unknown), RUN(propositions_follow_policy_and_platform),
      RUN(tcb_floors_say_what_to_update), RUN(certificates_come_in_several_ways),
      RUN(missing_and_mixed_certificates_are_refused),
      RUN(a_list_is_required_unless_the_policy_says_otherwise), RUN(test_roots_are_not_amds),
      RUN(what_is_remembered_is_judged_again), RUN(certificate_tables_are_bounded))
