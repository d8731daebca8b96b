/* What a VCEK's and a VLEK's extensions say: product, patch levels, chip or provider.
 *
 * Values are compared as the very bytes that AMD issues, never decoded: another encoding of the
 * same number is another certificate than AMD makes.
 * Source: AMD 57230, sections 3.1 and 3.2. */
#include "attest/snp/snp.h"

#define AMD "1.3.6.1.4.1.3704.1."

static const char STAGE[] = "snp.extension";

enum { IA5_STRING = 0x16, OCTET_STRING = 0x04, MAX_TEXT = 127 };

static const bl_x509 *leaf_of(const bl_snp_chain *chain)
{
    return chain->certs.certs[0];
}

static blind_code get(const bl_snp_chain *chain, const char *oid, const char *what, blind_span *out,
                      blind_error *err)
{
    blind_code code = bl_x509_extension(leaf_of(chain), oid, out, err);
    if (code == BLIND_NOT_FOUND)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the certificate has no extension for %s", what);
    if (code == BLIND_INPUT)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the certificate has two extensions for %s",
                          what);
    return code;
}

static bool is_absent(const bl_snp_chain *chain, const char *oid)
{
    blind_span value;
    return bl_x509_extension(leaf_of(chain), oid, &value, NULL) == BLIND_NOT_FOUND;
}

/* DER INTEGER of one byte: 02 01 xx below 128, 02 02 00 xx from there on. */
static bool is_integer(blind_span der, uint8_t value)
{
    const uint8_t low[] = { 0x02, 0x01, value }, high[] = { 0x02, 0x02, 0x00, value };
    return bl_span_equal(der, value < 128 ? bl_span(low, sizeof low) : bl_span(high, sizeof high));
}

/* The text of an IA5String of one length byte; empty when it is none. */
static blind_span text_of(blind_span der)
{
    if (der.size < 3 || der.data[0] != IA5_STRING || der.data[1] > MAX_TEXT ||
        der.data[1] != der.size - 2)
        return (blind_span){ 0 };
    for (size_t i = 2; i < der.size; i++)
        if (der.data[i] < 0x20 || der.data[i] > 0x7e)
            return (blind_span){ 0 };
    return bl_span(der.data + 2, der.size - 2);
}

/* "Milan", or "Milan-B0" with a stepping. */
static bool is_product(blind_span text, const char *name)
{
    size_t size = strlen(name);
    return text.size >= size && memcmp(text.data, name, size) == 0 &&
           (text.size == size || text.data[size] == '-');
}

blind_code bl_snp_leaf_product(const bl_snp_chain *chain, blind_error *err)
{
    const bl_snp_product *p = chain->product;
    blind_span            structure, name;
    BL_TRY(get(chain, AMD "1", "its structure version", &structure, err));
    BL_TRY(get(chain, AMD "2", "its product", &name, err));
    if (!is_integer(structure, p->fmc))
        return blind_fail(err, BLIND_CHAIN, STAGE, "a structure version other than %d", p->fmc);
    if (is_product(text_of(name), p->name))
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "product '%.*s' under a root of %s",
                      (int)text_of(name).size, (const char *)text_of(name).data, p->name);
}

static const struct {
    const char      *oid, *name;
    bl_snp_component component;
} levels[] = {
    { AMD "3.9", "FMC", BL_SNP_FMC },
    { AMD "3.1", "bootloader", BL_SNP_BOOTLOADER },
    { AMD "3.2", "TEE", BL_SNP_TEE },
    { AMD "3.3", "SNP", BL_SNP_SNP },
    { AMD "3.8", "microcode", BL_SNP_MICROCODE },
};

static blind_code check_level(const bl_snp_chain *chain, size_t row, uint8_t level,
                              blind_error *err)
{
    blind_span der;
    BL_TRY(get(chain, levels[row].oid, levels[row].name, &der, err));
    if (is_integer(der, level))
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE,
                      "the certificate is for another %s level than the reported %u",
                      levels[row].name, level);
}

/* Levels that no component uses yet: absent, or zero as in the report. */
static blind_code check_reserved(const bl_snp_chain *chain, blind_error *err)
{
    static const char *const reserved[] = { AMD "3.4", AMD "3.5", AMD "3.6", AMD "3.7" };
    for (size_t i = 0; i < BL_LEN(reserved); i++) {
        blind_span der;
        blind_code code = bl_x509_extension(leaf_of(chain), reserved[i], &der, err);
        if (code != BLIND_NOT_FOUND && (code != BLIND_OK || !is_integer(der, 0)))
            return blind_fail(err, BLIND_CHAIN, STAGE, "a reserved level that is not zero");
    }
    return BLIND_OK;
}

blind_code bl_snp_leaf_tcb(const bl_snp_chain *chain, uint64_t reported, blind_error *err)
{
    const bl_snp_product *p = chain->product;
    bl_snp_tcb            tcb = bl_snp_tcb_of(p, reported);
    if (tcb.reserved)
        return blind_fail(err, BLIND_CHAIN, STAGE,
                          "a reported TCB with a level that %s does not have", p->name);
    for (size_t i = 0; i < BL_LEN(levels); i++)
        if (levels[i].component != BL_SNP_FMC || p->fmc)
            BL_TRY(check_level(chain, i, tcb.level[levels[i].component], err));
    if (!p->fmc && !is_absent(chain, AMD "3.9"))
        return blind_fail(err, BLIND_CHAIN, STAGE, "an FMC level, which %s does not have", p->name);
    return check_reserved(chain, err);
}

/* AMD issues the bare bytes; an OCTET STRING around them is read too.  The sizes tell them apart.
 */
static blind_span hwid_of(blind_span value, size_t size)
{
    if (value.size == size)
        return value;
    if (value.size == size + 2 && value.data[0] == OCTET_STRING && value.data[1] == size)
        return bl_span(value.data + 2, size);
    return (blind_span){ 0 };
}

blind_code bl_snp_leaf_identity(const bl_snp_chain *chain, blind_span *hwid, blind_span *csp,
                                blind_error *err)
{
    static const char hwid_oid[] = AMD "4", csp_oid[] = AMD "5";
    blind_span        value;
    *hwid = *csp = (blind_span){ 0 };
    if (!is_absent(chain, chain->vlek ? hwid_oid : csp_oid))
        return blind_fail(err, BLIND_CHAIN, STAGE, "a %s with an extension for %s",
                          chain->vlek ? "VLEK" : "VCEK",
                          chain->vlek ? "a hardware id" : "a cloud provider");
    if (chain->vlek) {
        BL_TRY(get(chain, csp_oid, "its cloud provider", &value, err));
        *csp = text_of(value);
        return csp->size ? BLIND_OK
                         : blind_fail(err, BLIND_CHAIN, STAGE, "an unreadable cloud provider");
    }
    BL_TRY(get(chain, hwid_oid, "its hardware id", &value, err));
    *hwid = hwid_of(value, chain->product->hwid_size);
    if (hwid->size)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "a hardware id of %zu bytes, expected %zu",
                      value.size, chain->product->hwid_size);
}
