/* AMD's key distribution service.
 * Source: AMD 57230, section 4, Key Distribution Service. */
#include "attest/snp/snp.h"
#include "collateral/plan.h"

#include <stdio.h>

static const char STAGE[] = "collateral.snp";

static const bl_snp_product *product_of(const bl_snp_report *report, const bl_sources *sources)
{
    const bl_snp_product *own = bl_snp_product_of_report(report);
    return own || !sources->product ? own : bl_snp_product_named(sources->product);
}

static void put_hex(char *out, blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes.data[i]);
}

/* The key's certificate depends on the chip and on every level of its TCB. */
static blind_code add_vcek(const bl_snp_report *report, const bl_snp_product *product,
                           const char *base, bl_plan *out, blind_error *err)
{
    bl_snp_tcb tcb = bl_snp_tcb_of(product, report->reported_tcb);
    char       chip[2 * 64 + 1], path[600], fmc[24] = "";
    bl_need    need = { .part = "vcek" };
    uint8_t    any = 0;
    for (size_t i = 0; i < report->chip_id.size; i++)
        any |= report->chip_id.data[i];
    if (!any)
        return blind_fail(
            err, BLIND_UNSUPPORTED, STAGE,
            "the report does not name its chip, so there is no certificate to ask for");
    put_hex(chip, bl_span(report->chip_id.data, product->hwid_size));
    if (product->fmc)
        snprintf(fmc, sizeof fmc, "fmcSPL=%02u&", tcb.level[BL_SNP_FMC]);
    snprintf(path, sizeof path, "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
             product->name, chip, fmc, tcb.level[BL_SNP_BOOTLOADER], tcb.level[BL_SNP_TEE],
             tcb.level[BL_SNP_SNP], tcb.level[BL_SNP_MICROCODE]);
    snprintf(need.name, sizeof need.name, "snp/%s/vcek-%s-%016llx.der", product->name, chip,
             (unsigned long long)report->reported_tcb);
    return bl_plan_add(out, base, path, &need, err);
}

static blind_code add_shared(const bl_snp_product *product, bool vlek, const char *base,
                             bl_plan *out, blind_error *err)
{
    const char *kind = vlek ? "vlek" : "vcek";
    char        path[80];
    bl_need     chain = { .part = "ask", .second = "ark" }, crl = { .part = "crl" };
    snprintf(path, sizeof path, "/%s/v1/%s/cert_chain", kind, product->name);
    snprintf(chain.name, sizeof chain.name, "snp/%s/%s-cert_chain.pem", product->name, kind);
    BL_TRY(bl_plan_add(out, base, path, &chain, err));
    snprintf(path, sizeof path, "/%s/v1/%s/crl", kind, product->name);
    snprintf(crl.name, sizeof crl.name, "snp/%s/%s-crl.der", product->name, kind);
    return bl_plan_add(out, base, path, &crl, err);
}

blind_code bl_plan_snp(blind_span evidence, const bl_sources *sources, bl_plan *out,
                       blind_error *err)
{
    bl_snp_report report;
    BL_TRY(bl_snp_report_parse(evidence, &report, err));
    const bl_snp_product *product = product_of(&report, sources);
    if (!product)
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "the report does not name its product: give Milan, Genoa or Turin");
    if (report.signer == BL_SNP_VCEK)
        BL_TRY(add_vcek(&report, product, sources->amd, out, err));
    return add_shared(product, report.signer == BL_SNP_VLEK, sources->amd, out, err);
}
