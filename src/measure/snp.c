/* Recomputes the launch digest page by page. */
#include "measure/snp.h"

#include "crypto/hash.h"
#include "measure/snp_vmsa.h"

static const char STAGE[] = "snp.measure";

enum { DIGEST = BL_SHA384_SIZE, PAGE_INFO = 0x70 };

/* PAGE_INFO.PAGE_TYPE. */
typedef enum { NORMAL = 1, VMSA = 2, ZERO = 3, UNMEASURED = 4, SECRETS = 5, CPUID = 6 } page_type;

/* VMSA pages are recorded at the last page below 2^48. */
static const uint64_t VMSA_ADDRESS = 0xfffffffff000;

typedef struct {
    uint8_t              digest[DIGEST];
    blind_code           code; /* the first failure sticks */
    const bl_ovmf       *ovmf;
    const bl_snp_launch *launch;
} builder;

static void put_le(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* ---- pages ---- */

/* digest = SHA-384(PAGE_INFO): the digest so far, that of the contents, type and address. */
static void add_page(builder *b, page_type type, uint64_t address, const uint8_t contents[DIGEST])
{
    uint8_t info[PAGE_INFO] = { 0 };
    if (b->code != BLIND_OK)
        return;
    memcpy(info, b->digest, DIGEST);
    memcpy(info + 0x30, contents, DIGEST);
    put_le(info + 0x60, PAGE_INFO, 2);
    info[0x62] = (uint8_t)type;
    put_le(info + 0x68, address, 8);
    b->code = bl_sha384(bl_span(info, sizeof info), b->digest);
}

/* Pages whose contents the guest does not choose. */
static void add_blank_pages(builder *b, page_type type, uint64_t address, uint64_t size)
{
    static const uint8_t zeros[DIGEST];
    for (uint64_t at = 0; at < size; at += BL_GUEST_PAGE)
        add_page(b, type, address + at, zeros);
}

static void add_pages(builder *b, page_type type, uint64_t address, blind_span data)
{
    for (size_t at = 0; at < data.size && b->code == BLIND_OK; at += BL_GUEST_PAGE) {
        uint8_t contents[DIGEST];
        b->code = bl_sha384(bl_span(data.data + at, BL_GUEST_PAGE), contents);
        add_page(b, type, address + at, contents);
    }
}

/* ---- kernel hashes ---- */

static const uint8_t TABLE_GUID[16] = { 0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                        0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 };
static const uint8_t LINE_GUID[16] = { 0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                       0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a };
static const uint8_t INITRD_GUID[16] = { 0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                         0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d };
static const uint8_t KERNEL_GUID[16] = { 0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                         0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b };

enum { HASH_ROW = 16 + 2 + 32, HASH_TABLE = 16 + 2 + 3 * HASH_ROW };

static void put_row(uint8_t *to, const uint8_t guid[16], const uint8_t digest[32])
{
    memcpy(to, guid, 16);
    put_le(to + 16, HASH_ROW, 2);
    memcpy(to + 18, digest, 32);
}

/* The command line with its NUL. */
static blind_code hash_line(blind_span line, uint8_t out[32])
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_hasher_init(&h, BL_SHA256);
    bl_hasher_update(&h, line);
    bl_hasher_update(&h, bl_span("", 1));
    return bl_hasher_final(&h, out);
}

/* QEMU's table of hashes in its page.  Source: QEMU, target/i386/sev.c (SevHashTable). */
static void add_hashes(builder *b, const bl_sev_section *s)
{
    uint8_t page[BL_GUEST_PAGE] = { 0 }, line[32], initrd[32], kernel[32];
    size_t  at = b->ovmf->hashes_address % BL_GUEST_PAGE;
    if (hash_line(b->launch->command_line, line) != BLIND_OK ||
        bl_sha256(b->launch->initrd, initrd) != BLIND_OK ||
        bl_sha256(b->launch->kernel, kernel) != BLIND_OK) {
        b->code = BLIND_MEMORY;
        return;
    }
    uint8_t *table = page + at, *rows = table + 18;
    memcpy(table, TABLE_GUID, 16);
    put_le(table + 16, HASH_TABLE, 2);
    put_row(rows, LINE_GUID, line);
    put_row(rows + HASH_ROW, INITRD_GUID, initrd);
    put_row(rows + HASH_ROW + HASH_ROW, KERNEL_GUID, kernel);
    add_pages(b, NORMAL, s->address, bl_span(page, sizeof page));
}

/* ---- metadata ---- */

static void add_section(builder *b, const bl_sev_section *s)
{
    bl_vmm vmm = b->launch->vmm;
    switch ((bl_sev_kind)s->kind) {
    case BL_SEV_ZEROED:
        add_blank_pages(b, vmm == BL_VMM_GCE ? UNMEASURED : ZERO, s->address, s->size);
        break;
    case BL_SEV_SECRETS:
        add_blank_pages(b, SECRETS, s->address, BL_GUEST_PAGE);
        break;
    case BL_SEV_CPUID:
        if (vmm != BL_VMM_EC2) /* which adds it last */
            add_blank_pages(b, CPUID, s->address, BL_GUEST_PAGE);
        break;
    case BL_SEV_SVSM_CALLING_AREA:
        add_blank_pages(b, ZERO, s->address, s->size);
        break;
    case BL_SEV_KERNEL_HASHES:
        if (b->launch->with_kernel)
            add_hashes(b, s);
        else
            add_blank_pages(b, ZERO, s->address, s->size);
        break;
    }
}

static void add_metadata(builder *b)
{
    for (size_t i = 0; i < b->ovmf->sev_len; i++)
        add_section(b, &b->ovmf->sev[i]);
    for (size_t i = 0; b->launch->vmm == BL_VMM_EC2 && i < b->ovmf->sev_len; i++)
        if (b->ovmf->sev[i].kind == BL_SEV_CPUID)
            add_blank_pages(b, CPUID, b->ovmf->sev[i].address, BL_GUEST_PAGE);
}

/* ---- processors ---- */

static void add_processors(builder *b)
{
    uint8_t page[BL_VMSA_SIZE], contents[DIGEST];
    for (uint32_t i = 0; i < b->launch->vcpus && b->code == BLIND_OK; i++) {
        if (i <= 1) { /* all after the first start alike */
            bl_snp_vmsa(b->launch, i == 0 ? BL_VMSA_RESET : b->ovmf->reset_eip, page);
            b->code = bl_sha384(bl_span(page, sizeof page), contents);
        }
        add_page(b, VMSA, VMSA_ADDRESS, contents);
    }
}

/* ---- the whole ---- */

static const bl_sev_section *find_kind(const bl_ovmf *ovmf, bl_sev_kind kind)
{
    for (size_t i = 0; i < ovmf->sev_len; i++)
        if (ovmf->sev[i].kind == (uint32_t)kind)
            return &ovmf->sev[i];
    return NULL;
}

/* Whether kernel hashes have a page to be in, and lie within it. */
static bool has_room(const bl_ovmf *ovmf)
{
    const bl_sev_section *s = find_kind(ovmf, BL_SEV_KERNEL_HASHES);
    uint32_t              at = ovmf->hashes_address;
    return s && s->size == BL_GUEST_PAGE && at >= s->address &&
           at - s->address <= BL_GUEST_PAGE - HASH_TABLE;
}

static blind_code check(const bl_ovmf *ovmf, const bl_snp_launch *launch, blind_error *err)
{
    if (launch->vcpus == 0 || launch->vcpus > BL_MAX_VCPUS)
        return blind_fail(err, BLIND_USAGE, STAGE, "%u processors, expected 1 to %d", launch->vcpus,
                          BL_MAX_VCPUS);
    if (launch->vcpus > 1 && !ovmf->reset_eip)
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "the firmware does not say where further processors start");
    if (ovmf->sev_len == 0)
        return blind_fail(err, BLIND_INPUT, STAGE, "firmware without SEV metadata");
    if (launch->with_kernel && !has_room(ovmf))
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "this firmware does not measure a kernel: it has no page for hashes");
    uint64_t total = 0;
    for (size_t i = 0; i < ovmf->sev_len; i++) {
        const bl_sev_section *s = &ovmf->sev[i];
        total += s->size;
        if (s->kind == 0 || (s->kind > BL_SEV_SVSM_CALLING_AREA && s->kind != BL_SEV_KERNEL_HASHES))
            return blind_fail(err, BLIND_INPUT, STAGE, "SEV metadata of unknown kind %u", s->kind);
    }
    return total <= BL_MAX_GUEST_MEMORY
               ? BLIND_OK
               : blind_fail(err, BLIND_LIMIT, STAGE, "%llu bytes of memory listed, at most %u",
                            (unsigned long long)total, BL_MAX_GUEST_MEMORY);
}

blind_code bl_snp_measure(const bl_ovmf *ovmf, const bl_snp_launch *launch, uint8_t out[48],
                          blind_error *err)
{
    builder b = { .ovmf = ovmf, .launch = launch };
    memset(out, 0, DIGEST);
    BL_TRY(check(ovmf, launch, err));
    if (launch->firmware_digest)
        memcpy(b.digest, launch->firmware_digest, DIGEST);
    else
        add_pages(&b, NORMAL, (1ull << 32) - ovmf->image.size, ovmf->image);
    add_metadata(&b);
    add_processors(&b);
    if (b.code != BLIND_OK)
        return blind_fail(err, b.code, STAGE, "%s", blind_code_text(b.code));
    memcpy(out, b.digest, DIGEST);
    return BLIND_OK;
}

/* ---- QEMU's processor models ---- */

/* CPUID Fn0000_0001_EAX: base family 15, extended family and model.  Source: AMD 25481. */
#define SIGNATURE(family, model, stepping)                                                         \
    (((family)-15u) << 20 | ((model) >> 4) << 16 | 15u << 8 | ((model)&15u) << 4 | (stepping))

static const struct {
    const char *name;
    uint32_t    signature;
} models[] = {
    { "EPYC", SIGNATURE(23u, 1u, 2u) },           { "EPYC-v1", SIGNATURE(23u, 1u, 2u) },
    { "EPYC-v2", SIGNATURE(23u, 1u, 2u) },        { "EPYC-v3", SIGNATURE(23u, 1u, 2u) },
    { "EPYC-v4", SIGNATURE(23u, 1u, 2u) },        { "EPYC-IBPB", SIGNATURE(23u, 1u, 2u) },
    { "EPYC-Rome", SIGNATURE(23u, 49u, 0u) },     { "EPYC-Rome-v1", SIGNATURE(23u, 49u, 0u) },
    { "EPYC-Rome-v2", SIGNATURE(23u, 49u, 0u) },  { "EPYC-Rome-v3", SIGNATURE(23u, 49u, 0u) },
    { "EPYC-Milan", SIGNATURE(25u, 1u, 1u) },     { "EPYC-Milan-v1", SIGNATURE(25u, 1u, 1u) },
    { "EPYC-Milan-v2", SIGNATURE(25u, 1u, 1u) },  { "EPYC-Genoa", SIGNATURE(25u, 17u, 0u) },
    { "EPYC-Genoa-v1", SIGNATURE(25u, 17u, 0u) }, { "EPYC-Turin", SIGNATURE(26u, 0u, 0u) },
};

const char *bl_snp_vcpu_model(size_t i)
{
    return i < BL_LEN(models) ? models[i].name : NULL;
}

uint32_t bl_snp_vcpu_signature(const char *model)
{
    for (size_t i = 0; i < BL_LEN(models); i++)
        if (strcmp(models[i].name, model) == 0)
            return models[i].signature;
    return 0;
}
