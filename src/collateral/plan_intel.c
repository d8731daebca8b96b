/* Intel's provisioning certification service, version 4.
 * Source: Intel SGX and TDX Provisioning Certification Service API, version 4. */
#include "attest/intel/pck.h"
#include "attest/intel/quote.h"
#include "base/hex.h"
#include "collateral/plan.h"
#include "crypto/x509.h"

#include <stdio.h>

static const char STAGE[] = "collateral.intel";

/* What the addresses depend on. */
typedef struct {
    bool tdx, platform; /* the PCK was issued by the CA of multi-package platforms */
    char fmspc[13];
} asked;

static blind_code read_ca(const bl_x509 *issuer, bool *platform, blind_error *err)
{
    char name[64];
    bool known = bl_x509_common_name(issuer, name, sizeof name);
    *platform = known && strcmp(name, "Intel SGX PCK Platform CA") == 0;
    if (*platform || (known && strcmp(name, "Intel SGX PCK Processor CA") == 0))
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "the quote's PCK certificate is of no known CA");
}

static blind_code read_quote(blind_span evidence, asked *out, blind_error *err)
{
    bl_quote      quote;
    bl_pck        pck;
    blind_span    extension;
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    BL_TRY(bl_quote_parse(evidence, &quote, err));
    if (quote.certification_kind != BL_CERTIFICATION_CHAIN)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "a quote without its PCK certificates: %s",
                          bl_certification_name(quote.certification_kind));
    BL_TRY(bl_chain_add(&chain, quote.certification, err));
    if (chain.len < 2)
        return blind_fail(err, BLIND_INPUT, STAGE, "a PCK certificate without its issuer's");
    BL_TRY(bl_x509_extension(chain.certs[0], BL_PCK_EXTENSION, &extension, err));
    BL_TRY(bl_pck_parse(extension, &pck, err));
    BL_TRY(read_ca(chain.certs[1], &out->platform, err));
    out->tdx = quote.tee == BL_QUOTE_TDX;
    for (size_t i = 0; i < sizeof pck.fmspc; i++)
        snprintf(out->fmspc + 2 * i, 3, "%02x", pck.fmspc[i]);
    return BLIND_OK;
}

/* ---- names, as the plan and the mirror put them together ---- */

static void name_tcb(const char *tee, const char *fmspc, bl_need *out)
{
    *out = (bl_need){ .part = "tcb_info",
                      .header = "TCB-Info-Issuer-Chain",
                      .header_part = "tcb_signing_chain",
                      .type = "application/json" };
    snprintf(out->name, sizeof out->name, "intel/%s/tcb-%s.json", tee, fmspc);
}

/* Its chain is TCB info's; other verifiers want it here too. */
static void name_qe(const char *tee, bl_need *out)
{
    *out = (bl_need){ .part = "qe_identity",
                      .header = "SGX-Enclave-Identity-Issuer-Chain",
                      .type = "application/json" };
    snprintf(out->name, sizeof out->name, "intel/%s/qe-identity.json", tee);
}

static void name_pck_crl(const char *ca, bl_need *out)
{
    *out = (bl_need){ .part = "pck_crl",
                      .header = "SGX-PCK-CRL-Issuer-Chain",
                      .header_part = "pck_crl_issuer_chain",
                      .type = "application/pkix-crl" };
    snprintf(out->name, sizeof out->name, "intel/pck-crl-%s.der", ca);
}

static const bl_need root_crl = { .part = "root_ca_crl",
                                  .name = "intel/root-ca-crl.der",
                                  .type = "application/pkix-crl" };

/* ---- from evidence ---- */

blind_code bl_plan_intel(blind_span evidence, const bl_sources *sources, bl_plan *out,
                         blind_error *err)
{
    asked   a;
    bl_need need;
    char    path[128];
    BL_TRY(read_quote(evidence, &a, err));
    const char *tee = a.tdx ? "tdx" : "sgx", *ca = a.platform ? "platform" : "processor";

    name_tcb(tee, a.fmspc, &need);
    snprintf(path, sizeof path, "/%s/certification/v4/tcb?fmspc=%s", tee, a.fmspc);
    BL_TRY(bl_plan_add(out, sources->intel, path, &need, err));

    name_qe(tee, &need);
    snprintf(path, sizeof path, "/%s/certification/v4/qe/identity", tee);
    BL_TRY(bl_plan_add(out, sources->intel, path, &need, err));

    name_pck_crl(ca, &need);
    snprintf(path, sizeof path, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der", ca);
    BL_TRY(bl_plan_add(out, sources->intel, path, &need, err));

    return bl_plan_add(out, sources->intel_root, "/IntelSGXRootCA.der", &root_crl, err);
}

/* ---- from a path ---- */

/* `update` chooses between two editions of one document; the store has the standard one. */
static bool is_standard(const bl_query_value *update)
{
    return !update->value[0] || strcmp(update->value, "standard") == 0;
}

static bool at_tcb(const char *tee, blind_span query, bl_need *out)
{
    bl_query_value values[] = { { .key = "fmspc" }, { .key = "update" } };
    uint8_t        fmspc[6];
    char           hex[13];
    if (!bl_query_read(query, values, BL_LEN(values)) || !is_standard(&values[1]) ||
        !bl_hex_decode(bl_span_str(values[0].value), fmspc, sizeof fmspc))
        return false;
    bl_hex_encode(bl_span(fmspc, sizeof fmspc), hex);
    name_tcb(tee, hex, out);
    return true;
}

static bool at_qe(const char *tee, blind_span query, bl_need *out)
{
    bl_query_value values[] = { { .key = "update" } };
    if (!bl_query_read(query, values, BL_LEN(values)) || !is_standard(&values[0]))
        return false;
    name_qe(tee, out);
    return true;
}

/* Intel's default is PEM; the store has DER. */
static bool at_pck_crl(blind_span query, bl_need *out)
{
    bl_query_value values[] = { { .key = "ca" }, { .key = "encoding" } };
    if (!bl_query_read(query, values, BL_LEN(values)) || strcmp(values[1].value, "der") != 0)
        return false;
    name_pck_crl(values[0].value, out);
    return strcmp(values[0].value, "platform") == 0 || strcmp(values[0].value, "processor") == 0;
}

bool bl_need_at_intel(blind_span path, blind_span query, bl_need *out)
{
    *out = root_crl;
    if (bl_span_equal(path, BL_LITERAL("/IntelSGXRootCA.der")))
        return query.size == 0;
    bool        tdx = bl_take_word(&path, "/tdx/certification/v4/");
    const char *tee = tdx ? "tdx" : "sgx";
    if (!tdx && !bl_take_word(&path, "/sgx/certification/v4/"))
        return false;
    if (bl_span_equal(path, BL_LITERAL("tcb")))
        return at_tcb(tee, query, out);
    if (bl_span_equal(path, BL_LITERAL("qe/identity")))
        return at_qe(tee, query, out);
    return !tdx && bl_span_equal(path, BL_LITERAL("pckcrl")) && at_pck_crl(query, out);
}
