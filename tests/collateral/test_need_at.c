/* Vendors' paths and the files they mean: whatever is planned is found again by its own address,
 * and nothing else is found. */
#include "collateral/plan.h"
#include "tests/test.h"

#define CHIP8  "0011223344556677"
#define CHIP64 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8 CHIP8
#define MILAN  "/vcek/v1/Milan/" CHIP64
#define TURIN  "/vcek/v1/Turin/" CHIP8
#define LEVELS "blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
#define TCB    "/tdx/certification/v4/tcb"
#define CRL    "/sgx/certification/v4/pckcrl"

static blind_code find(const char *path, const char *query, bl_need *out)
{
    return bl_need_at(bl_span_str(path), bl_span_str(query), out, NULL);
}

TEST(paths_of_the_vendors_mean_files_of_the_store)
{
    static const struct {
        const char *path, *query, *name, *header;
    } cases[] = {
        { "/vcek/v1/Milan/cert_chain", "", "snp/Milan/vcek-cert_chain.pem", NULL },
        { "/vlek/v1/Genoa/cert_chain", "", "snp/Genoa/vlek-cert_chain.pem", NULL },
        { "/vcek/v1/Turin/crl", "", "snp/Turin/vcek-crl.der", NULL },
        { MILAN, LEVELS, "snp/Milan/vcek-" CHIP64 "-db18000000000004.der", NULL },
        { MILAN, "ucodeSPL=219&snpSPL=24&teeSPL=0&blSPL=4",
          "snp/Milan/vcek-" CHIP64 "-db18000000000004.der", NULL },
        { TURIN, "fmcSPL=01&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=5",
          "snp/Turin/vcek-" CHIP8 "-0500000004030201.der", NULL },
        { TCB, "fmspc=50806F000000", "intel/tdx/tcb-50806f000000.json", "TCB-Info-Issuer-Chain" },
        { "/sgx/certification/v4/tcb", "fmspc=00906ed50000&update=standard",
          "intel/sgx/tcb-00906ed50000.json", "TCB-Info-Issuer-Chain" },
        { "/sgx/certification/v4/qe/identity", "", "intel/sgx/qe-identity.json",
          "SGX-Enclave-Identity-Issuer-Chain" },
        { "/tdx/certification/v4/qe/identity", "update=standard", "intel/tdx/qe-identity.json",
          "SGX-Enclave-Identity-Issuer-Chain" },
        { CRL, "ca=platform&encoding=der", "intel/pck-crl-platform.der",
          "SGX-PCK-CRL-Issuer-Chain" },
        { CRL, "encoding=der&ca=processor", "intel/pck-crl-processor.der",
          "SGX-PCK-CRL-Issuer-Chain" },
        { "/IntelSGXRootCA.der", "", "intel/root-ca-crl.der", NULL },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_need need;
        CHECK_CODE(BLIND_OK, find(cases[i].path, cases[i].query, &need), cases[i].path);
        assert_string_equal(cases[i].name, need.name);
        CHECK(!cases[i].header == !need.header && need.type);
        if (need.header)
            assert_string_equal(cases[i].header, need.header);
    }
}

TEST(everything_else_is_not_there)
{
    static const struct {
        const char *path, *query;
    } cases[] = {
        { "", "" },
        { "/", "" },
        { "/vcek/v1/", "" },
        { "/vcek/v1/Milan", "" },
        { "/vcek/v1/Milan/", "" },
        { "/vcek/v1/milan/crl", "" },
        { "/vcek/v1/../crl", "" },
        { "/vcek/v1/%4dilan/crl", "" },
        { "/vcek/v1/Milan/crl/", "" },
        { "/vcek/v1/Milan/crl", "x=1" },
        { "/vcek/v1/Milan/cert_chain/../crl", "" },
        { "/vcek/v1/Milan/../../../../etc/passwd", "" },
        { "/vcek/v1/Milan/../../store/x", LEVELS },
        { "/vcek/v2/Milan/crl", "" },
        { "/vlek/v1/Milan/" CHIP64, LEVELS },
        { MILAN, "" },
        { MILAN, "blSPL=04&teeSPL=00&snpSPL=24" },
        { MILAN, LEVELS "&" },
        { MILAN, "&" LEVELS },
        { MILAN, LEVELS "&blSPL=04" },
        { MILAN, LEVELS "&fmcSPL=1" },
        { MILAN, LEVELS "&other=1" },
        { MILAN, "blSPL=256&teeSPL=00&snpSPL=24&ucodeSPL=219" },
        { MILAN, "blSPL=0004&teeSPL=00&snpSPL=24&ucodeSPL=219" },
        { MILAN, "blSPL=-4&teeSPL=00&snpSPL=24&ucodeSPL=219" },
        { MILAN, "blSPL=4a&teeSPL=00&snpSPL=24&ucodeSPL=219" },
        { MILAN, "blSPL=&teeSPL=00&snpSPL=24&ucodeSPL=219" },
        { MILAN "00", LEVELS },
        { "/vcek/v1/Milan/" CHIP8, LEVELS },
        { TURIN, LEVELS },
        { "/vcek/v1/Turin/" CHIP64, "fmcSPL=01&" LEVELS },
        { "/tdx/certification/v4/", "" },
        { "/tdx/certification/v3/tcb", "fmspc=50806f000000" },
        { TCB, "" },
        { TCB, "fmspc=50806f0000" },
        { TCB, "fmspc=50806f00000000" },
        { TCB, "fmspc=../../../../x" },
        { TCB, "fmspc=50806f00000g" },
        { TCB, "fmspc=50806f000000&update=early" },
        { "/tdx/certification/v4/qe/identity", "fmspc=50806f000000" },
        { "/tdx/certification/v4/qe", "" },
        { "/tdx/certification/v4/pckcrl", "ca=platform&encoding=der" },
        { CRL, "ca=platform" },
        { CRL, "ca=platform&encoding=pem" },
        { CRL, "ca=other&encoding=der" },
        { CRL, "ca=&encoding=der" },
        { "/IntelSGXRootCA.der", "x" },
        { "/IntelSGXRootCA.der/", "" },
        { "/intel/root-ca-crl.der", "" },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_need need;
        if (find(cases[i].path, cases[i].query, &need) != BLIND_NOT_FOUND || need.name[0])
            fail_msg("found '%s' '%s': %s", cases[i].path, cases[i].query, need.name);
    }
}

/* An SNP report whose signature nobody made: enough to say what is needed. */
static void report(uint8_t family, uint8_t model, uint8_t out[0x4a0])
{
    static const uint8_t milan[8] = { 4, 0, 0, 0, 0, 0, 24, 219 },
                         turin[8] = { 1, 2, 3, 4, [7] = 9 };
    memset(out, 0, 0x4a0);
    out[0] = 3;
    out[0x0a] = 2; /* policy: bit 17 */
    out[0x34] = 1;
    memcpy(out + 0x180, family == 0x1a ? turin : milan, 8);
    out[0x188] = family;
    out[0x189] = model;
    memset(out + 0x1a0, 0xab, family == 0x1a ? 8 : 64);
}

TEST(whatever_is_planned_is_found_by_its_address)
{
    static const struct {
        uint8_t family, model;
    } cpus[] = { { 0x19, 0x01 }, { 0x19, 0x11 }, { 0x1a, 0x02 } };
    size_t base = strlen(bl_sources_vendors.amd);
    for (size_t i = 0; i < BL_LEN(cpus); i++) {
        uint8_t raw[0x4a0];
        bl_plan plan;
        report(cpus[i].family, cpus[i].model, raw);
        CHECK_CODE(BLIND_OK,
                   bl_plan_for("snp", bl_span(raw, sizeof raw), &bl_sources_vendors, &plan, NULL),
                   "plan");
        assert_int_equal(3, plan.len);
        for (size_t k = 0; k < plan.len; k++) {
            bl_need     need;
            const char *path = plan.items[k].url + base, *mark = strchr(path, '?');
            blind_span  query = mark ? bl_span_str(mark + 1) : bl_span_str("");
            size_t      size = mark ? (size_t)(mark - path) : strlen(path);
            CHECK_CODE(BLIND_OK, bl_need_at(bl_span(path, size), query, &need, NULL), path);
            assert_string_equal(plan.items[k].name, need.name);
        }
    }
}

TESTS(RUN(paths_of_the_vendors_mean_files_of_the_store), RUN(everything_else_is_not_there),
      RUN(whatever_is_planned_is_found_by_its_address))
