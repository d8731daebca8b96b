/* TPMS_ATTEST and TPMT_SIGNATURE, bytes to fields. */
#include "attest/tpm/tpm.h"

enum { TYPE_QUOTE = 0x8018, MAX_SELECTIONS = 16, MAX_EXTRA_DATA = 66 };

static blind_span read_tpm2b(bl_reader *r, size_t max)
{
    size_t size = bl_read_u16be(r);
    r->failed |= size > max;
    return bl_read_bytes(r, size);
}

/* Bits in the order of the selection's bytes: bit i of byte j is PCR 8j + i.  Source: part 2,
 * section 10.6. */
static uint32_t read_bits(bl_reader *r, size_t size)
{
    return (uint32_t)bl_read_le(r, size);
}

/* TPML_PCR_SELECTION.  Values of two banks would be two sets of measurements: one bank is quoted,
 * selections of others must be empty. */
static void read_selections(bl_reader *r, bl_tpm_quote *out)
{
    uint32_t count = bl_read_u32be(r);
    r->failed |= count > MAX_SELECTIONS;
    for (uint32_t i = 0; !r->failed && i < count; i++) {
        uint16_t bank = bl_read_u16be(r);
        size_t   size = bl_read_u8(r);
        r->failed |= size > 4;
        uint32_t bits = read_bits(r, size);
        r->failed |= (bits && out->selection) || bits >> BL_TPM_PCRS;
        if (bits) {
            out->bank = bank;
            out->selection = bits;
        }
    }
}

blind_code bl_tpm_quote_parse(blind_span raw, bl_tpm_quote *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    uint32_t  magic = bl_read_u32be(&r);
    uint16_t  type = bl_read_u16be(&r);
    *out = (bl_tpm_quote){ 0 };
    if (magic != BL_TPM_MAGIC || type != TYPE_QUOTE)
        return blind_fail(err, BLIND_FORMAT, "tpm.quote",
                          "magic %08x and type %04x, expected ff544347 and 8018", magic, type);
    out->qualified_signer = read_tpm2b(&r, BL_TPM_NAME);
    out->extra_data = read_tpm2b(&r, MAX_EXTRA_DATA);
    out->clock_ms = bl_read_u64be(&r);
    out->reset_count = bl_read_u32be(&r);
    out->restart_count = bl_read_u32be(&r);
    uint8_t safe = bl_read_u8(&r);
    out->safe = safe;
    out->firmware_version = bl_read_u64be(&r);
    read_selections(&r, out);
    out->pcr_digest = read_tpm2b(&r, BL_HASH_MAX);
    if (bl_reader_done(&r) && safe <= 1)
        return BLIND_OK;
    *out = (bl_tpm_quote){ 0 };
    return blind_fail(err, BLIND_FORMAT, "tpm.quote", "%zu bytes that are no TPMS_ATTEST",
                      raw.size);
}

blind_code bl_tpm_signature_parse(blind_span raw, bl_tpm_signature *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    *out = (bl_tpm_signature){ .scheme = bl_read_u16be(&r) };
    out->hash = bl_read_u16be(&r);
    if (out->scheme == BL_TPM_RSASSA || out->scheme == BL_TPM_RSAPSS) {
        out->rsa = read_tpm2b(&r, 1024);
    } else {
        r.failed |= out->scheme != BL_TPM_ECDSA;
        out->r = read_tpm2b(&r, 66);
        out->s = read_tpm2b(&r, 66);
    }
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_tpm_signature){ 0 };
    return blind_fail(err, BLIND_FORMAT, "tpm.signature",
                      "%zu bytes that are no TPMT_SIGNATURE of RSASSA, RSAPSS or ECDSA", raw.size);
}

blind_span bl_tpm_nv_trim(blind_span raw)
{
    bl_reader r = { .rest = raw };
    size_t    tag = bl_read_u8(&r), size = bl_read_u8(&r);
    if (size == 0x81)
        size = bl_read_u8(&r);
    else if (size == 0x82)
        size = bl_read_u16be(&r);
    else
        r.failed |= size >= 0x80;
    bl_skip(&r, size);
    if (r.failed || tag != 0x30)
        return (blind_span){ 0 };
    for (size_t i = 1; i < r.rest.size; i++)
        if (r.rest.data[i] != r.rest.data[0])
            return (blind_span){ 0 };
    if (r.rest.size && r.rest.data[0] != 0xff && r.rest.data[0] != 0x00)
        return (blind_span){ 0 };
    return bl_span(raw.data, raw.size - r.rest.size);
}
