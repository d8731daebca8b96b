/* Quotes, bytes to fields.  Layout and sources: quote.h. */
#include "attest/intel/quote.h"

#include "base/reader.h"

#define KEY_ECDSA_P256          2
#define CERTIFICATION_QE_REPORT 6

static const char    STAGE[] = "intel.quote";
static const uint8_t INTEL_VENDOR[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                          0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

bool bl_quote_vendor_is_intel(const bl_quote *quote)
{
    return bl_span_equal(quote->vendor, bl_span(INTEL_VENDOR, sizeof INTEL_VENDOR));
}

const char *bl_certification_name(unsigned kind)
{
    static const char *const names[] = { "none (0)",
                                         "PPID in the clear (1)",
                                         "encrypted PPID, RSA-2048 (2)",
                                         "encrypted PPID, RSA-3072 (3)",
                                         "a PCK certificate alone (4)",
                                         "PCK certificate chain (5)",
                                         "report of another quoting enclave (6)",
                                         "platform manifest (7)" };
    return kind < BL_LEN(names) ? names[kind] : "of a kind that Intel does not define";
}

static size_t body_size(bl_body_kind kind)
{
    return kind == BL_BODY_SGX     ? BL_SGX_REPORT_SIZE
           : kind == BL_BODY_TD_10 ? BL_TD_REPORT_10_SIZE
           : kind == BL_BODY_TD_15 ? BL_TD_REPORT_15_SIZE
                                   : 0;
}

static blind_code read_header(bl_reader *r, bl_quote *out, blind_error *err)
{
    out->version = bl_read_u16le(r);       /* 0x00 */
    unsigned key = bl_read_u16le(r);       /* 0x02 */
    out->tee = bl_read_u32le(r);           /* 0x04 */
    bl_skip(r, 4);                         /* 0x08 */
    out->vendor = bl_read_bytes(r, 16);    /* 0x0c */
    out->user_data = bl_read_bytes(r, 20); /* 0x1c */
    if (r->failed)
        return blind_fail(err, BLIND_FORMAT, STAGE, "cut inside the header");
    if (out->version < 3 || out->version > 5)
        return blind_fail(err, BLIND_FORMAT, STAGE, "version %u, expected 3, 4 or 5", out->version);
    if (key != KEY_ECDSA_P256)
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "attestation key of kind %u, expected 2 (ECDSA with P-256)", key);
    if (out->tee != BL_QUOTE_SGX && (out->tee != BL_QUOTE_TDX || out->version == 3))
        return blind_fail(err, BLIND_FORMAT, STAGE, "TEE of kind 0x%x in version %u", out->tee,
                          out->version);
    return BLIND_OK;
}

static blind_code read_body(bl_reader *r, bl_quote *out, blind_error *err)
{
    bool     sgx = out->tee == BL_QUOTE_SGX;
    unsigned kind = sgx ? BL_BODY_SGX : BL_BODY_TD_10;
    if (out->version == 5)
        kind = bl_read_u16le(r);
    size_t size = body_size(kind);
    if (out->version == 5 && bl_read_u32le(r) != size)
        size = 0;
    if (r->failed || size == 0 || sgx != (kind == BL_BODY_SGX))
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "body of kind %u with another size or for another TEE", kind);
    out->body_kind = kind;
    out->body = bl_read_bytes(r, size);
    return r->failed ? blind_fail(err, BLIND_FORMAT, STAGE, "cut inside the report") : BLIND_OK;
}

/* From versions 4 on, the quoting enclave's report and what follows are certification data of their
 * own, of kind 6. */
static bool unwrap(bl_reader *r, unsigned version)
{
    if (version == 3)
        return true;
    unsigned kind = bl_read_u16le(r);
    uint32_t size = bl_read_u32le(r);
    return !r->failed && kind == CERTIFICATION_QE_REPORT && size == r->rest.size;
}

static blind_code read_signature(bl_reader r, bl_quote *out, blind_error *err)
{
    out->signature = bl_read_bytes(&r, 64);
    out->key = bl_read_bytes(&r, 64);
    if (!unwrap(&r, out->version))
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "certification data is not the quoting enclave's report (6), or has "
                          "another size");
    out->qe_report = bl_read_bytes(&r, BL_SGX_REPORT_SIZE);
    out->qe_signature = bl_read_bytes(&r, 64);
    out->qe_auth = bl_read_bytes(&r, bl_read_u16le(&r));
    out->certification_kind = bl_read_u16le(&r);
    out->certification = bl_read_bytes(&r, bl_read_u32le(&r));
    if (bl_reader_done(&r))
        return BLIND_OK;
    return blind_fail(err, BLIND_FORMAT, STAGE, "signature data is cut or has bytes left over");
}

static bool all_zero(blind_span bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.size; i++)
        any |= bytes.data[i];
    return any == 0;
}

static blind_code read_quote(blind_span raw, bl_quote *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    BL_TRY(read_header(&r, out, err));
    BL_TRY(read_body(&r, out, err));
    out->signed_bytes = bl_span(raw.data, raw.size - r.rest.size);
    bl_reader signature = { .rest = bl_read_bytes(&r, bl_read_u32le(&r)) };
    if (r.failed)
        return blind_fail(err, BLIND_FORMAT, STAGE, "cut inside the signature data");
    BL_TRY(read_signature(signature, out, err));
    out->padding = r.rest;
    if (all_zero(out->padding))
        return BLIND_OK;
    return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes behind the end are not all zero",
                      out->padding.size);
}

blind_code bl_quote_parse(blind_span raw, bl_quote *out, blind_error *err)
{
    *out = (bl_quote){ 0 };
    blind_code code = read_quote(raw, out, err);
    if (code != BLIND_OK)
        *out = (bl_quote){ 0 };
    return code;
}
