/* Synthetic SEV-SNP evidence. */
#include "tests/attest/snp_made.h"

#include <stdio.h>
#include <stdlib.h>

#define AMD "1.3.6.1.4.1.3704.1."

static const struct {
    const char *name, *ark, *ask, *asvk;
    uint8_t     family, model;
} products[MADE_PRODUCTS] = {
    { "Milan-B0", "ARK-Milan", "SEV-Milan", "SEV-VLEK-Milan", 0x19, 0x01 },
    { "Genoa", "ARK-Genoa", "SEV-Genoa", "SEV-VLEK-Genoa", 0x19, 0x11 },
    { "Turin", "ARK-Turin", "SEV-Turin", "SEV-VLEK-Turin", 0x1a, 0x02 },
};

const uint8_t made_levels[BL_SNP_COMPONENTS] = { [BL_SNP_FMC] = 1,
                                                 [BL_SNP_BOOTLOADER] = 4,
                                                 [BL_SNP_TEE] = 0,
                                                 [BL_SNP_SNP] = 0x1d,
                                                 [BL_SNP_MICROCODE] = 0xdb };

static struct {
    EVP_PKEY *ark[MADE_PRODUCTS], *ask, *leaf, *p256, *other;
    bl_buf    spki[MADE_PRODUCTS];
    bl_root   roots[MADE_PRODUCTS];
    bl_roots  list;
} keys;

static void free_keys(void)
{
    for (size_t i = 0; i < MADE_PRODUCTS; i++) {
        EVP_PKEY_free(keys.ark[i]);
        bl_buf_done(&keys.spki[i]);
    }
    EVP_PKEY_free(keys.ask);
    EVP_PKEY_free(keys.leaf);
    EVP_PKEY_free(keys.p256);
    EVP_PKEY_free(keys.other);
}

const bl_roots *made_roots(void)
{
    static const char *const names[] = { "amd-ark-milan", "amd-ark-genoa", "amd-ark-turin" };
    if (keys.ask)
        return &keys.list;
    for (size_t i = 0; i < MADE_PRODUCTS; i++) {
        keys.ark[i] = make_key(MAKE_RSA2048);
        make_spki(keys.ark[i], &keys.spki[i]);
        keys.roots[i] = (bl_root){ names[i], bl_buf_span(&keys.spki[i]) };
    }
    keys.ask = make_key(MAKE_RSA2048);
    keys.leaf = make_key(MAKE_P384);
    keys.p256 = make_key(MAKE_P256);
    keys.other = make_key(MAKE_RSA2048);
    keys.list = (bl_roots){ keys.roots, MADE_PRODUCTS };
    atexit(free_keys);
    return &keys.list;
}

/* ---- the leaf's extensions ---- */

typedef struct {
    uint8_t        bytes[16][80];
    make_extension items[16];
    size_t         len;
} extensions;

static void add(extensions *e, const made_spec *spec, const char *oid, blind_span value)
{
    if (spec->drop && strcmp(spec->drop, oid) == 0)
        return;
    bool replaced = spec->replace && strcmp(spec->replace, oid) == 0;
    if (!replaced || spec->twice) {
        memcpy(e->bytes[e->len], value.data, value.size);
        e->items[e->len] =
            (make_extension){ .oid = oid, .value = bl_span(e->bytes[e->len], value.size) };
        e->len++;
    }
    if (replaced)
        e->items[e->len++] = (make_extension){ .oid = oid, .value = spec->value };
}

static void add_integer(extensions *e, const made_spec *spec, const char *oid, uint8_t value)
{
    const uint8_t low[] = { 2, 1, value }, high[] = { 2, 2, 0, value };
    add(e, spec, oid, value < 128 ? bl_span(low, 3) : bl_span(high, 4));
}

static void add_text(extensions *e, const made_spec *spec, const char *oid, const char *text)
{
    uint8_t der[80] = { 0x16, (uint8_t)strlen(text) };
    memcpy(der + 2, text, strlen(text));
    add(e, spec, oid, bl_span(der, 2 + strlen(text)));
}

static const uint8_t *levels_of(const made_spec *spec)
{
    for (size_t i = 0; i < BL_SNP_COMPONENTS; i++)
        if (spec->levels[i])
            return spec->levels;
    return made_levels;
}

static void chip_id(const made_spec *spec, uint8_t out[64])
{
    memset(out, 0, 64);
    for (uint8_t i = 0; i < (spec->product == MADE_TURIN ? 8 : 64); i++)
        out[i] = (uint8_t)(i * 7 + 1);
}

static void list_extensions(extensions *e, const made_spec *spec)
{
    const uint8_t *levels = levels_of(spec);
    uint8_t        chip[64];
    chip_id(spec, chip);
    add_integer(e, spec, AMD "1", spec->product == MADE_TURIN);
    add_text(e, spec, AMD "2", products[spec->product].name);
    if (spec->product == MADE_TURIN)
        add_integer(e, spec, AMD "3.9", levels[BL_SNP_FMC]);
    add_integer(e, spec, AMD "3.1", levels[BL_SNP_BOOTLOADER]);
    add_integer(e, spec, AMD "3.2", levels[BL_SNP_TEE]);
    add_integer(e, spec, AMD "3.4", 0);
    add_integer(e, spec, AMD "3.3", levels[BL_SNP_SNP]);
    add_integer(e, spec, AMD "3.8", levels[BL_SNP_MICROCODE]);
    if (spec->vlek)
        add_text(e, spec, AMD "5", "CN=cloud.example");
    else
        add(e, spec, AMD "4", bl_span(chip, spec->product == MADE_TURIN ? 8 : 64));
    if (spec->also)
        e->items[e->len++] =
            (make_extension){ .oid = spec->also, .value = spec->value, .critical = spec->critical };
}

/* ---- certificates ---- */

static void make_authorities(const made_spec *spec, made *out)
{
    EVP_PKEY         *ark = spec->other_ark ? keys.other : keys.ark[spec->product];
    const char       *ask = spec->ask_name ? spec->ask_name
                            : spec->vlek   ? products[spec->product].asvk
                                           : products[spec->product].ask;
    make_cert_options o = { .key = ark,
                            .common_name = products[spec->product].ark,
                            .not_before_s = MADE_NOW - 1000 * (int64_t)MADE_DAY,
                            .not_after_s = MADE_NOW + 1000 * (int64_t)MADE_DAY,
                            .serial = 0x10000,
                            .ca = true,
                            .form = MAKE_PSS };
    make_cert(&o, &out->ark);
    o.key = keys.ask;
    o.issuer_key = ark;
    o.issuer_name = o.common_name;
    o.common_name = ask;
    o.serial = spec->ask_serial ? spec->ask_serial : 0x10001;
    o.ca = !spec->ask_no_ca;
    o.path_len = o.ca ? "0" : NULL;
    make_cert(&o, &out->ask);
}

static void make_leaf(const made_spec *spec, made *out)
{
    extensions e = { .len = 0 };
    list_extensions(&e, spec);
    make_cert_options o = {
        .key = spec->leaf_p256 ? keys.p256 : keys.leaf,
        .issuer_key = keys.ask,
        .common_name = spec->leaf_name ? spec->leaf_name
                       : spec->vlek    ? "SEV-VLEK"
                                       : "SEV-VCEK",
        .issuer_name = spec->ask_name ? spec->ask_name
                       : spec->vlek   ? products[spec->product].asvk
                                      : products[spec->product].ask,
        .not_before_s = spec->leaf_from_s ? spec->leaf_from_s : MADE_NOW - 200 * (int64_t)MADE_DAY,
        .not_after_s = spec->leaf_to_s ? spec->leaf_to_s : MADE_NOW + 200 * (int64_t)MADE_DAY,
        .no_constraints = true,
        .form = MAKE_PSS,
        .digest = "SHA384",
        .extensions = e.items,
        .extensions_len = e.len,
    };
    make_cert(&o, &out->leaf);
}

static void make_list(const made_spec *spec, made *out)
{
    const uint64_t   serials[] = { 5, spec->ask_serial ? spec->ask_serial : 0x10001, 0x20000 };
    bool             revoked = strcmp(spec->crl, "revoked") == 0;
    make_crl_options o = {
        .issuer_key = strcmp(spec->crl, "other key") ? keys.ark[spec->product] : keys.other,
        .issuer_name = strcmp(spec->crl, "other issuer") ? products[spec->product].ark : "ARK-Rome",
        .this_update_s = MADE_NOW - 100 * MADE_DAY,
        .next_update_s = MADE_NOW + 100 * MADE_DAY,
        .serials = serials,
        .serials_len = revoked ? 3 : 1,
        .form = MAKE_PSS,
        .digest = "SHA384",
    };
    if (strcmp(spec->crl, "stale") == 0)
        o.next_update_s = MADE_NOW - 1;
    if (strcmp(spec->crl, "no next") == 0)
        o.next_update_s = 0;
    if (strcmp(spec->crl, "future") == 0)
        o.this_update_s = MADE_NOW + 1;
    make_crl(&o, &out->crl);
}

/* ---- the report ---- */

static void put(bl_buf *report, size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        report->data[at + i] = (uint8_t)(value >> 8 * i);
}

static void fill(bl_buf *report, size_t at, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        report->data[at + i] = (uint8_t)(first + i);
}

static uint64_t tcb_of(const made_spec *spec)
{
    const uint8_t *l = levels_of(spec);
    uint64_t       top = (uint64_t)l[BL_SNP_MICROCODE] << 56;
    if (spec->product == MADE_TURIN && !spec->milan_layout)
        return top | (uint64_t)l[BL_SNP_SNP] << 24 | (uint64_t)l[BL_SNP_TEE] << 16 |
               (uint64_t)l[BL_SNP_BOOTLOADER] << 8 | l[BL_SNP_FMC];
    return top | (uint64_t)l[BL_SNP_SNP] << 48 | (uint64_t)l[BL_SNP_TEE] << 8 |
           l[BL_SNP_BOOTLOADER];
}

static void write_fields(const made_spec *spec, bl_buf *b)
{
    uint32_t version = spec->version ? spec->version : spec->product == MADE_TURIN ? 5 : 3;
    unsigned signer = spec->signer ? (unsigned)spec->signer - 1 : spec->vlek;
    put(b, 0x000, version, 4);
    put(b, 0x004, 7, 4);
    put(b, 0x008, 0x30000 ^ spec->policy, 8);
    fill(b, 0x010, 32, 0x80);
    put(b, 0x030, spec->vmpl, 4);
    put(b, 0x034, 1, 4);
    put(b, 0x040, 0x25 ^ spec->platform_info, 8);
    put(b, 0x048, signer << 2, 4);
    fill(b, 0x050, 64, 1);
    fill(b, 0x090, 48, 0x30);
    fill(b, 0x0c0, 32, 0x40);
    fill(b, 0x0e0, 48, 0x50);
    fill(b, 0x110, 48, 0x60);
    fill(b, 0x140, 32, 0x70);
    fill(b, 0x160, 32, 0x90);
    for (size_t i = 0; i < 4; i++)
        put(b, (const size_t[]){ 0x038, 0x180, 0x1e0, 0x1f0 }[i], tcb_of(spec), 8);
    if (version >= 3) {
        put(b, 0x188, products[spec->product].family, 1);
        put(b, 0x189, products[spec->product].model, 1);
        put(b, 0x18a, 1, 1);
    }
    if (version >= 5) {
        put(b, 0x1f8, 11, 8);
        put(b, 0x200, 15, 8);
    }
    if (!spec->masked)
        chip_id(spec, b->data + 0x1a0);
    fill(b, 0x1e8, 3, 0x1d);
    fill(b, 0x1ec, 3, 0x1d);
    if (spec->patch_at)
        b->data[spec->patch_at] = spec->patch;
}

static void sign(const made_spec *spec, bl_buf *report)
{
    bl_auto_buf raw = BL_BUF_EMPTY;
    EVP_PKEY   *key = spec->leaf_p256 ? keys.p256 : keys.leaf;
    make_signature(key, MAKE_RAW, "SHA384", bl_span(report->data, BL_SNP_SIGNED_SIZE), &raw);
    size_t each = raw.size / 2;
    for (size_t i = 0; i < each; i++) {
        report->data[0x2a0 + i] = raw.data[each - 1 - i];
        report->data[0x2e8 + i] = raw.data[2 * each - 1 - i];
    }
}

void made_evidence(const made_spec *spec, made *out)
{
    *out = (made){ .vlek = spec->vlek };
    (void)made_roots();
    make_authorities(spec, out);
    make_leaf(spec, out);
    if (spec->crl)
        make_list(spec, out);
    uint8_t *bytes = bl_buf_reserve(&out->report, BL_SNP_REPORT_SIZE);
    if (!bytes)
        abort();
    memset(bytes, 0, BL_SNP_REPORT_SIZE);
    out->report.size = BL_SNP_REPORT_SIZE;
    write_fields(spec, &out->report);
    sign(spec, &out->report);
}

void made_done(made *m)
{
    bl_buf_done(&m->report);
    bl_buf_done(&m->ark);
    bl_buf_done(&m->ask);
    bl_buf_done(&m->leaf);
    bl_buf_done(&m->crl);
    bl_arena_done(&m->arena);
}

void made_table(const made *m, bool efi, bl_buf *out)
{
    static const uint8_t guids[4][16] = {
        { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
          0xcd },
        { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
          0xa1 },
        { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
          0x82 },
        { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
          0xae },
    };
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    const struct {
        const uint8_t *guid;
        blind_span     der;
    } rows[] = { { guids[m->vlek], bl_buf_span(&m->leaf) },
                 { guids[2], bl_buf_span(&m->ask) },
                 { guids[3], bl_buf_span(&m->ark) } };
    size_t at = 24 * (BL_LEN(rows) + 1);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        for (size_t k = 0; k < 16; k++)
            bl_buf_add_u8(out, rows[i].guid[efi ? order[k] : k]);
        bl_buf_add_le(out, at, 4);
        bl_buf_add_le(out, rows[i].der.size, 4);
        at += rows[i].der.size;
    }
    for (size_t i = 0; i < 24; i++)
        bl_buf_add_u8(out, 0);
    for (size_t i = 0; i < BL_LEN(rows); i++)
        bl_buf_add(out, rows[i].der);
}

static void set(bl_parts *parts, const char *name, blind_span bytes)
{
    if (bytes.size && bl_parts_set(parts, bl_span_str(name), bytes, NULL) != BLIND_OK)
        abort();
}

void made_parts(const made *m, bool ark, bl_parts *out)
{
    *out = (bl_parts){ .len = 0 };
    set(out, m->vlek ? "vlek" : "vcek", bl_buf_span(&m->leaf));
    set(out, "ask", bl_buf_span(&m->ask));
    set(out, "ark", ark ? bl_buf_span(&m->ark) : (blind_span){ 0 });
    set(out, "crl", bl_buf_span(&m->crl));
}

blind_code made_verify(made *m, const bl_parts *parts, blind_cache *cache, bl_claims *out,
                       blind_error *err)
{
    static const bl_verify_rules rules = { .crl_optional = true };
    bl_verify_input              in = { .evidence = bl_buf_span(&m->report),
                                        .parts = parts,
                                        .now_s = MADE_NOW,
                                        .roots = made_roots(),
                                        .rules = &rules,
                                        .cache = cache,
                                        .arena = &m->arena };
    *out = (bl_claims){ 0 };
    return bl_snp_verify(&in, out, err);
}
