/* SEV-SNP evidence of real machines: every recorded case has its verdict, and the values it names.
 */
#include "tests/test.h"

#include "attest/snp/snp.h"
#include "base/file.h"
#include "tests/attest/cases.h"

static void check_number(const recorded *c, const json_t *values, const char *name, uint64_t found)
{
    const json_t *want = json_object_get(values, name);
    if (!want || (uint64_t)json_integer_value(want) != found)
        fail_msg("%s: %s is %llu", c->id, name, (unsigned long long)found);
}

static void check_bytes(const recorded *c, const json_t *values, const char *name, blind_span found)
{
    if (!case_hex_is(values, name, found))
        fail_msg("%s: another %s", c->id, name);
}

static void check_raw(const recorded *c, const json_t *values, const char *name, size_t at)
{
    check_bytes(c, values, name, bl_span(c->evidence.data + at, 8));
}

static void check_values(const recorded *c)
{
    bl_snp_report r;
    json_t       *values = case_object(c, "measurements");
    if (!values)
        return;
    CHECK_CODE(BLIND_OK, bl_snp_report_parse(c->evidence, &r, NULL), c->id);
    check_number(c, values, "version", r.version);
    check_number(c, values, "guest_svn", r.guest_svn);
    check_number(c, values, "policy", r.policy);
    check_number(c, values, "vmpl", r.vmpl);
    check_raw(c, values, "current_tcb", 0x38);
    check_raw(c, values, "reported_tcb", 0x180);
    check_raw(c, values, "committed_tcb", 0x1e0);
    check_raw(c, values, "platform_info", 0x40);
    check_bytes(c, values, "measurement", r.measurement);
    check_bytes(c, values, "host_data", r.host_data);
    check_bytes(c, values, "id_key_digest", r.id_key_digest);
    check_bytes(c, values, "author_key_digest", r.author_key_digest);
    check_bytes(c, values, "report_id", r.report_id);
    check_bytes(c, values, "chip_id", r.chip_id);
    check_bytes(c, values, "family_id", r.family_id);
    check_bytes(c, values, "image_id", r.image_id);
    check_bytes(c, c->json, "report_data_hex", r.report_data);
    assert_string_equal(r.signer == BL_SNP_VLEK ? "VLEK" : "VCEK",
                        case_text(values, "signing_key"));
    CHECK(json_is_true(json_object_get(values, "debug")) == !!(r.policy & BL_SNP_POLICY_DEBUG));
    if (case_text(values, "cpuid_fms"))
        check_bytes(c, values, "cpuid_fms", bl_span(c->evidence.data + 0x188, 3));
}

TEST(every_recorded_case_has_its_verdict)
{
    case_list    list;
    recorded     c;
    size_t       accepted = 0, refused = 0;
    blind_cache *cache = blind_cache_new(64);
    if (!cases_open(&list)) {
        blind_cache_free(cache);
        return;
    }
    while (cases_next(&list, "snp", &c)) {
        for (int cached = 0; cached < 3; cached++) {
            blind_result *result = NULL;
            blind_error   err = { 0 };
            blind_code    code = case_appraise(&c, cached ? cache : NULL, &result, &err);
            if ((code == BLIND_OK) != c.accept)
                fail_msg("%s: %s %s, although: %s\n%s", c.id, blind_code_name(code), err.message,
                         c.reason, result ? blind_result_text(result) : "");
            if (!c.accept && blind_code_exit(code) < 10)
                fail_msg("%s: refused for no reason of its own: %s", c.id, err.message);
            blind_result_free(result);
        }
        check_values(&c);
        accepted += c.accept;
        refused += !c.accept;
        case_done(&c);
    }
    print_message("%zu accepted, %zu refused\n", accepted, refused);
    CHECK(accepted && refused);
    cases_close(&list);
    blind_cache_free(cache);
}

/* AMD's own lists of Milan and Genoa, over evidence of their time. */
static const struct {
    const char *id, *list;
    int64_t     now_s;
    blind_code  want;
} lists[] = {
    { "snp-trustee-milan-v3-vlek", "milan", 1748736000, BLIND_OK },
    { "snp-trustee-az-genoa-v3", "genoa", 1740277308, BLIND_OK },
    { "snp-trustee-milan-v3-vlek", "milan", 1736460861, BLIND_STALE }, /* before it was made */
    { "snp-trustee-az-genoa-v3", "genoa", 1767225600, BLIND_STALE },   /* after its end */
    { "snp-trustee-az-genoa-v3", "milan", 1748736000, BLIND_CHAIN },   /* of another root */
};

static void verify_with_list(const recorded *c, size_t i, blind_span list)
{
    static const bl_verify_rules rules = { .crl_optional = false };
    bl_parts                     parts = { .len = 0 };
    bl_auto_arena                arena = BL_ARENA_EMPTY;
    bl_claims                    claims = { 0 };
    for (size_t k = 0; k < c->parts_len; k++)
        CHECK_CODE(BLIND_OK,
                   bl_parts_set(&parts, bl_span_str(c->parts[k].name), c->parts[k].bytes, NULL),
                   "part");
    CHECK_CODE(BLIND_OK, bl_parts_set(&parts, BL_LITERAL("crl"), list, NULL), "part");
    bl_verify_input in = { .evidence = c->evidence,
                           .parts = &parts,
                           .now_s = lists[i].now_s,
                           .roots = bl_tee_snp.roots,
                           .rules = &rules,
                           .arena = &arena };
    CHECK_CODE(lists[i].want, bl_tee_snp.verify(&in, &claims, NULL), lists[i].id);
}

TEST(recorded_lists_are_judged)
{
    case_list list;
    if (!cases_open(&list))
        return;
    for (size_t i = 0; i < BL_LEN(lists); i++) {
        recorded    c;
        char        path[4096];
        bl_auto_buf crl = BL_BUF_EMPTY;
        cases_find(&list, lists[i].id, &c);
        snprintf(path, sizeof path, "%s/snp/_certs/%s-ark-crl.der", list.dir, lists[i].list);
        CHECK_CODE(BLIND_OK, bl_file_read(path, 1 << 20, &crl, NULL), path);
        verify_with_list(&c, i, bl_buf_span(&crl));
        case_done(&c);
    }
    cases_close(&list);
}

TESTS(RUN(recorded_lists_are_judged), RUN(every_recorded_case_has_its_verdict))
