/* Product lines, how each writes its TCB, and the levels below which AMD's bulletins name a hole.
 *
 * The table of floors is as of 2026-11.  A platform below a floor is OutOfDate, whatever its
 * evidence says otherwise; a platform at or above all of them is only as good as the table is new.
 */
#include "attest/snp/snp.h"

#define AS_OF "2026-11"

/* Source: AMD 57230, section 4 (names); AMD 56860, section 2.2 (layouts).  Bergamo and Siena,
 * models A0 to AF, are signed for by Genoa's keys. */
static const bl_snp_product products[] = {
    { .name = "Milan",
      .root = "amd-ark-milan",
      .ask = "SEV-Milan",
      .asvk = "SEV-VLEK-Milan",
      .family = 0x19,
      .models = { { 0x00, 0x0f }, { 0x00, 0x0f } },
      .hwid_size = 64 },
    { .name = "Genoa",
      .root = "amd-ark-genoa",
      .ask = "SEV-Genoa",
      .asvk = "SEV-VLEK-Genoa",
      .family = 0x19,
      .models = { { 0x10, 0x1f }, { 0xa0, 0xaf } },
      .hwid_size = 64 },
    { .name = "Turin",
      .root = "amd-ark-turin",
      .ask = "SEV-Turin",
      .asvk = "SEV-VLEK-Turin",
      .family = 0x1a,
      .models = { { 0x00, 0x0f }, { 0x10, 0x1f } },
      .fmc = true,
      .hwid_size = 8 },
};

const bl_snp_product *bl_snp_product_named(const char *name)
{
    for (size_t i = 0; i < BL_LEN(products); i++)
        if (strcmp(products[i].name, name) == 0)
            return &products[i];
    return NULL;
}

const bl_snp_product *bl_snp_product_of_report(const bl_snp_report *report)
{
    for (size_t i = 0; report->has_cpuid && i < BL_LEN(products); i++)
        for (size_t k = 0; k < BL_LEN(products[i].models); k++)
            if (report->family == products[i].family &&
                report->model >= products[i].models[k].first &&
                report->model <= products[i].models[k].last)
                return &products[i];
    return NULL;
}

const bl_snp_product *bl_snp_product_of(const char *authority, bool *vlek)
{
    for (size_t i = 0; i < BL_LEN(products); i++) {
        *vlek = strcmp(authority, products[i].asvk) == 0;
        if (*vlek || strcmp(authority, products[i].ask) == 0)
            return &products[i];
    }
    *vlek = false;
    return NULL;
}

/* Byte of each component in a TCB, by layout; 255: it has none. */
static const uint8_t positions[2][BL_SNP_COMPONENTS] = {
    { [BL_SNP_FMC] = 255,
      [BL_SNP_BOOTLOADER] = 0,
      [BL_SNP_TEE] = 1,
      [BL_SNP_SNP] = 6,
      [BL_SNP_MICROCODE] = 7 },
    { [BL_SNP_FMC] = 0,
      [BL_SNP_BOOTLOADER] = 1,
      [BL_SNP_TEE] = 2,
      [BL_SNP_SNP] = 3,
      [BL_SNP_MICROCODE] = 7 },
};

bl_snp_tcb bl_snp_tcb_of(const bl_snp_product *product, uint64_t raw)
{
    bl_snp_tcb tcb = { 0 };
    uint64_t   rest = raw;
    for (size_t i = 0; i < BL_SNP_COMPONENTS; i++) {
        unsigned at = positions[product->fmc][i];
        if (at == 255)
            continue;
        tcb.level[i] = (uint8_t)(raw >> 8 * at);
        rest &= ~(0xffull << 8 * at);
    }
    tcb.reserved = rest != 0;
    return tcb;
}

uint64_t bl_snp_tcb_raw(const bl_snp_product *product, const bl_snp_tcb *tcb)
{
    uint64_t raw = 0;
    for (size_t i = 0; i < BL_SNP_COMPONENTS; i++) {
        unsigned at = positions[product->fmc][i];
        if (at != 255)
            raw |= (uint64_t)tcb->level[i] << 8 * at;
    }
    return raw;
}

/* ---- floors ---- */

static const char *const component_names[] = {
    [BL_SNP_FMC] = "FMC",          [BL_SNP_BOOTLOADER] = "bootloader", [BL_SNP_TEE] = "TEE",
    [BL_SNP_SNP] = "SNP firmware", [BL_SNP_MICROCODE] = "microcode",
};

/* Microcode floors differ by stepping within a product line and are left to policies. */
static const struct {
    const char      *product;
    bl_snp_component component;
    uint8_t          level;
    const char      *advisory;
} floors[] = {
    { "Milan", BL_SNP_SNP, 0x18, "AMD-SB-3019" }, /* 2025-02, CVE-2024-56161 */
    { "Milan", BL_SNP_SNP, 0x1b, "AMD-SB-3016" }, /* 2026-04, CVE-2023-20585 */
    { "Milan", BL_SNP_SNP, 0x1d, "AMD-SB-3030" }, /* 2026-05, CVE-2025-61971 */
    { "Genoa", BL_SNP_SNP, 0x17, "AMD-SB-3019" }, /* 2025-02, CVE-2024-56161 */
    { "Genoa", BL_SNP_SNP, 0x1b, "AMD-SB-3020" }, /* 2025-10, CVE-2025-0033 */
    { "Genoa", BL_SNP_SNP, 0x1c, "AMD-SB-3034" }, /* 2026, CVE-2025-54510 */
    { "Turin", BL_SNP_SNP, 0x04, "AMD-SB-3020" }, /* 2025-10, CVE-2025-0033 */
};

const char *const bl_snp_tcb_statuses[] = { "UpToDate", "OutOfDate", NULL };

static void up_to_date(const bl_snp_product *product, bl_arena *arena, bl_claims *out)
{
    out->tcb_status = "UpToDate";
    out->tcb_current = BLIND_PROVEN;
    out->tcb_found = bl_arena_printf(arena, "UpToDate: at or above every floor for %s known in %s",
                                     product->name, AS_OF);
    out->failed |= !out->tcb_found;
}

void bl_snp_tcb_judge(const bl_snp_product *product, const bl_snp_tcb *tcb, bl_arena *arena,
                      bl_claims *out)
{
    const char *list = NULL;
    size_t      worst = 0, missed = 0;
    for (size_t i = 0; i < BL_LEN(floors); i++) {
        if (strcmp(floors[i].product, product->name) != 0 ||
            tcb->level[floors[i].component] >= floors[i].level)
            continue;
        list = bl_arena_printf(arena, "%s%s%s", list ? list : "", list ? ", " : "",
                               floors[i].advisory);
        if (!list) {
            out->failed = true;
            return;
        }
        if (!missed++ || floors[i].level > floors[worst].level)
            worst = i;
    }
    if (!missed) {
        up_to_date(product, arena, out);
        return;
    }
    out->tcb_status = "OutOfDate";
    out->tcb_current = BLIND_REFUTED;
    out->advisories = list;
    out->tcb_found = bl_arena_printf(
        arena, "OutOfDate: %s level %u, at least %u asked (as of %s); update the %s",
        component_names[floors[worst].component], tcb->level[floors[worst].component],
        floors[worst].level, AS_OF, component_names[floors[worst].component]);
    out->failed |= !out->tcb_found;
}
