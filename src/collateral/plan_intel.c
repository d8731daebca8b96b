/* Intel's provisioning certification service, version 4.
 * Source: Intel SGX and TDX Provisioning Certification Service API, version 4. */
#include "attest/intel/pck.h"
#include "attest/intel/quote.h"
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

blind_code bl_plan_intel(blind_span evidence, const bl_sources *sources, bl_plan *out,
                         blind_error *err)
{
    asked a;
    char  path[128];
    BL_TRY(read_quote(evidence, &a, err));
    const char *tee = a.tdx ? "tdx" : "sgx", *ca = a.platform ? "platform" : "processor";

    bl_need tcb = { .part = "tcb_info",
                    .header = "TCB-Info-Issuer-Chain",
                    .header_part = "tcb_signing_chain" };
    snprintf(tcb.name, sizeof tcb.name, "intel/%s/tcb-%s.json", tee, a.fmspc);
    snprintf(path, sizeof path, "/%s/certification/v4/tcb?fmspc=%s", tee, a.fmspc);
    BL_TRY(bl_plan_add(out, sources->intel, path, &tcb, err));

    bl_need qe = { .part = "qe_identity" };
    snprintf(qe.name, sizeof qe.name, "intel/%s/qe-identity.json", tee);
    snprintf(path, sizeof path, "/%s/certification/v4/qe/identity", tee);
    BL_TRY(bl_plan_add(out, sources->intel, path, &qe, err));

    bl_need crl = { .part = "pck_crl",
                    .header = "SGX-PCK-CRL-Issuer-Chain",
                    .header_part = "pck_crl_issuer_chain" };
    snprintf(crl.name, sizeof crl.name, "intel/pck-crl-%s.der", ca);
    snprintf(path, sizeof path, "/sgx/certification/v4/pckcrl?ca=%s&encoding=der", ca);
    BL_TRY(bl_plan_add(out, sources->intel, path, &crl, err));

    bl_need root = { .part = "root_ca_crl", .name = "intel/root-ca-crl.der" };
    return bl_plan_add(out, sources->intel_root, "/IntelSGXRootCA.der", &root, err);
}
