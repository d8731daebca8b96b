/* Certificates as they come with a report: parts of their own, or the host's table of GUIDs.
 * Source: AMD 56421, section 4.1.8.1. */
#include "attest/snp/snp.h"
#include "base/limits.h"
#include "base/reader.h"

#include <stddef.h>

static const char STAGE[] = "snp.cert_table";

enum { GUID_SIZE = 16 };

/* GUIDs as they are written, most significant byte first. */
static const struct {
    const char *name;
    size_t      field;
    uint8_t     guid[GUID_SIZE];
} kinds[] = {
    { "vcek",
      offsetof(bl_snp_certs, vcek),
      { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
        0xcd } },
    { "vlek",
      offsetof(bl_snp_certs, vlek),
      { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
        0xa1 } },
    { "ask",
      offsetof(bl_snp_certs, ask),
      { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
        0x82 } },
    { "ark",
      offsetof(bl_snp_certs, ark),
      { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
        0xae } },
    { "crl",
      offsetof(bl_snp_certs, crl),
      { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67,
        0xea } },
};

static blind_span *field_of(bl_snp_certs *certs, size_t kind)
{
    return (blind_span *)((char *)certs + kinds[kind].field);
}

/* Hosts write them most significant byte first, AMD's own tool too; some follow EFI, whose first
 * three fields are little-endian.  No two GUIDs here are each other's swapped form. */
static bool guid_is(blind_span found, const uint8_t guid[GUID_SIZE])
{
    static const uint8_t efi[GUID_SIZE] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    bool                 plain = true, swapped = true;
    for (size_t i = 0; i < GUID_SIZE; i++) {
        plain &= found.data[i] == guid[i];
        swapped &= found.data[i] == guid[efi[i]];
    }
    return plain || swapped;
}

static bool is_zero(blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i])
            return false;
    return true;
}

static blind_code add_entry(blind_span table, blind_span guid, uint32_t offset, uint32_t length,
                            bl_snp_certs *out, blind_error *err)
{
    if (offset > table.size || length > table.size - offset)
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "a certificate of %u bytes at %u, in a table of %zu", length, offset,
                          table.size);
    for (size_t i = 0; i < BL_LEN(kinds); i++) {
        if (!guid_is(guid, kinds[i].guid))
            continue;
        blind_span *field = field_of(out, i);
        if (field->size)
            return blind_fail(err, BLIND_FORMAT, STAGE, "two certificates '%s'", kinds[i].name);
        *field = bl_span(table.data + offset, length);
    }
    return BLIND_OK;
}

static blind_code read_entries(blind_span table, bl_snp_certs *certs, blind_error *err)
{
    bl_reader r = { .rest = table };
    for (size_t entries = 0; table.size; entries++) {
        blind_span guid = bl_read_bytes(&r, GUID_SIZE);
        uint32_t   offset = bl_read_u32le(&r), length = bl_read_u32le(&r);
        if (r.failed)
            return blind_fail(err, BLIND_FORMAT, STAGE, "the table does not end");
        if (is_zero(guid))
            break;
        if (entries == BL_MAX_SNP_CERTS)
            return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d certificates",
                              BL_MAX_SNP_CERTS);
        BL_TRY(add_entry(table, guid, offset, length, certs, err));
    }
    return BLIND_OK;
}

blind_code bl_snp_cert_table_parse(blind_span table, bl_snp_certs *out, blind_error *err)
{
    bl_snp_certs certs = { 0 };
    *out = certs;
    BL_TRY(read_entries(table, &certs, err));
    *out = certs;
    return BLIND_OK;
}

blind_code bl_snp_certs_of(const bl_parts *parts, bl_snp_certs *out, blind_error *err)
{
    BL_TRY(bl_snp_cert_table_parse(bl_parts_get(parts, "cert_table"), out, err));
    for (size_t i = 0; i < BL_LEN(kinds); i++) {
        blind_span *field = field_of(out, i), part = bl_parts_get(parts, kinds[i].name);
        if (part.size && field->size)
            return blind_fail(err, BLIND_FORMAT, STAGE,
                              "'%s' both in the certificate table and beside it", kinds[i].name);
        if (part.size)
            *field = part;
    }
    return BLIND_OK;
}
