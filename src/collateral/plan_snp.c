/* AMD's key distribution service.
 * Source: AMD 57230, section 4, Key Distribution Service. */
#include "attest/snp/snp.h"
#include "base/hex.h"
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

/* ---- names, as the plan and the mirror put them together ---- */

static void name_vcek(const bl_snp_product *product, const char *chip, uint64_t tcb, bl_need *out)
{
    *out = (bl_need){ .part = "vcek", .type = "application/pkix-cert" };
    snprintf(out->name, sizeof out->name, "snp/%s/vcek-%s-%016llx.der", product->name, chip,
             (unsigned long long)tcb);
}

static void name_chain(const bl_snp_product *product, const char *kind, bl_need *out)
{
    *out = (bl_need){ .part = "ask", .second = "ark", .type = "application/pem-certificate-chain" };
    snprintf(out->name, sizeof out->name, "snp/%s/%s-cert_chain.pem", product->name, kind);
}

static void name_crl(const bl_snp_product *product, const char *kind, bl_need *out)
{
    *out = (bl_need){ .part = "crl", .type = "application/pkix-crl" };
    snprintf(out->name, sizeof out->name, "snp/%s/%s-crl.der", product->name, kind);
}

/* ---- from evidence ---- */

/* The key's certificate depends on the chip and on every level of its TCB. */
static blind_code add_vcek(const bl_snp_report *report, const bl_snp_product *product,
                           const char *base, bl_plan *out, blind_error *err)
{
    bl_snp_tcb tcb = bl_snp_tcb_of(product, report->reported_tcb);
    char       chip[2 * 64 + 1], path[600], fmc[24] = "";
    bl_need    need;
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
    name_vcek(product, chip, report->reported_tcb, &need);
    return bl_plan_add(out, base, path, &need, err);
}

static blind_code add_shared(const bl_snp_product *product, bool vlek, const char *base,
                             bl_plan *out, blind_error *err)
{
    const char *kind = vlek ? "vlek" : "vcek";
    char        path[80];
    bl_need     need;
    snprintf(path, sizeof path, "/%s/v1/%s/cert_chain", kind, product->name);
    name_chain(product, kind, &need);
    BL_TRY(bl_plan_add(out, base, path, &need, err));
    snprintf(path, sizeof path, "/%s/v1/%s/crl", kind, product->name);
    name_crl(product, kind, &need);
    return bl_plan_add(out, base, path, &need, err);
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

/* ---- from a path ---- */

static bool take_product(blind_span *path, const bl_snp_product **out)
{
    const uint8_t *slash = path->size ? memchr(path->data, '/', path->size) : NULL;
    char           name[16];
    size_t         n = slash ? (size_t)(slash - path->data) : 0;
    if (n == 0 || n >= sizeof name)
        return false;
    memcpy(name, path->data, n);
    name[n] = 0;
    *out = bl_snp_product_named(name);
    return *out && bl_take_word(path, name) && bl_take_word(path, "/");
}

/* All of `text` is the chip's id; digits in lower case, as names have them. */
static bool read_chip(blind_span text, const bl_snp_product *product, char out[2 * 64 + 1])
{
    uint8_t chip[64];
    if (!bl_hex_decode(text, chip, product->hwid_size))
        return false;
    put_hex(out, bl_span(chip, product->hwid_size));
    return true;
}

static bool read_level(const char *text, uint8_t *out)
{
    unsigned value = 0;
    size_t   n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    *out = (uint8_t)value;
    return n >= 1 && n <= 3 && value <= 255;
}

static bool read_levels(blind_span query, const bl_snp_product *product, uint64_t *out)
{
    bl_query_value values[BL_SNP_COMPONENTS] = { [BL_SNP_BOOTLOADER] = { .key = "blSPL" },
                                                 [BL_SNP_TEE] = { .key = "teeSPL" },
                                                 [BL_SNP_SNP] = { .key = "snpSPL" },
                                                 [BL_SNP_MICROCODE] = { .key = "ucodeSPL" },
                                                 [BL_SNP_FMC] = { .key = "fmcSPL" } };
    bl_snp_tcb     tcb = { 0 };
    if (!bl_query_read(query, values, BL_LEN(values)))
        return false;
    for (size_t i = 0; i < BL_LEN(values); i++) {
        bool unknown_here = i == BL_SNP_FMC && !product->fmc;
        if (unknown_here ? values[i].value[0] != 0 : !read_level(values[i].value, &tcb.level[i]))
            return false;
    }
    *out = bl_snp_tcb_raw(product, &tcb);
    return true;
}

bool bl_need_at_snp(blind_span path, blind_span query, bl_need *out)
{
    const bl_snp_product *product;
    char                  chip[2 * 64 + 1];
    uint64_t              tcb;
    bool                  vlek = bl_take_word(&path, "/vlek/v1/");
    const char           *kind = vlek ? "vlek" : "vcek";
    if ((!vlek && !bl_take_word(&path, "/vcek/v1/")) || !take_product(&path, &product))
        return false;
    if (bl_span_equal(path, BL_LITERAL("cert_chain")) && query.size == 0)
        name_chain(product, kind, out);
    else if (bl_span_equal(path, BL_LITERAL("crl")) && query.size == 0)
        name_crl(product, kind, out);
    else if (!vlek && read_chip(path, product, chip) && read_levels(query, product, &tcb))
        name_vcek(product, chip, tcb, out);
    else
        return false;
    return true;
}
