/* The CMW collection of one answer, written and read in one fixed order, so that each bundle has
 * one spelling.  Source: RFC 9999, sections 3 and 4; docs/formats/bundle.md. */
#include "attest/bundle.h"

#include "attest/wire.h"

#define TYPE_START   "application/vnd.blind."
#define SESSION_TYPE TYPE_START "session.v1+cbor"
#define CERT_TYPE    TYPE_START "cert.v1+cbor"
#define LOG_TYPE     TYPE_START "log.v1+cbor-seq"
#define ENDORSE_TYPE TYPE_START "endorsements.v1+cbor"
#define GPU_TYPE     TYPE_START "nvidia.v1"
#define VERSION_END  ".v1"

enum { IND_ENDORSEMENTS = 1 << 1, IND_EVIDENCE = 1 << 2 };

/* ---- writing ---- */

static void put_key(bl_buf *out, const char *key, const char *type)
{
    bl_cbor_put_text(out, key);
    bl_cbor_put_array(out, 3);
    bl_cbor_put_text(out, type);
}

static void put_record(bl_buf *out, const char *key, const char *type, blind_span value,
                       uint64_t indicator)
{
    put_key(out, key, type);
    bl_cbor_put_bytes(out, value);
    bl_cbor_put_uint(out, indicator);
}

static void put_evidence(bl_buf *out, const bl_bundle *b)
{
    bl_auto_buf type = BL_BUF_EMPTY;
    bl_buf_add_str(&type, TYPE_START);
    bl_buf_add(&type, b->tee);
    bl_buf_add_str(&type, VERSION_END);
    out->failed |= type.failed;
    bl_cbor_put_text(out, "evidence");
    bl_cbor_put_array(out, 3);
    bl_cbor_put_text_span(out, bl_buf_span(&type));
    bl_cbor_put_bytes(out, b->evidence);
    bl_cbor_put_uint(out, IND_EVIDENCE);
}

/* [log_len, log_head, root] of a key, and of a session also leaves, index, path. */
static void put_binding_fields(bl_buf *out, const bl_bundle_binding *b)
{
    bool session = b->to == BL_BOUND_TO_SESSION;
    bl_cbor_put_array(out, session ? 6 : 3);
    bl_cbor_put_uint(out, b->log.len);
    bl_cbor_put_bytes(out, bl_span(b->log.head, 32));
    bl_cbor_put_bytes(out, bl_span(b->root, 32));
    if (session) {
        bl_cbor_put_uint(out, b->leaves);
        bl_cbor_put_uint(out, b->index);
        bl_cbor_put_bytes(out, b->path);
    }
}

static void put_binding(bl_buf *out, const bl_bundle_binding *b)
{
    bl_auto_buf fields = BL_BUF_EMPTY;
    put_binding_fields(&fields, b);
    out->failed |= fields.failed;
    put_record(out, "binding", b->to == BL_BOUND_TO_SESSION ? SESSION_TYPE : CERT_TYPE,
               bl_buf_span(&fields), IND_EVIDENCE);
}

blind_code bl_bundle_write(const bl_bundle *bundle, bl_bundle_part part, bl_buf *out,
                           blind_error *err)
{
    bool     inside = part != BL_BUNDLE_BESIDE, beside = part != BL_BUNDLE_INSIDE;
    bool     gpu = beside && bundle->gpu.size;
    uint64_t records = (inside ? 2u : 0u) + (beside ? 2u : 0u) + gpu;
    bl_cbor_put_map(out, records);
    if (gpu)
        put_record(out, "gpu", GPU_TYPE, bundle->gpu, IND_EVIDENCE);
    if (beside)
        put_record(out, "log", LOG_TYPE, bundle->log, IND_EVIDENCE);
    if (inside) {
        put_binding(out, &bundle->binding);
        put_evidence(out, bundle);
    }
    if (beside)
        put_record(out, "endorsements", ENDORSE_TYPE, bundle->endorsements, IND_ENDORSEMENTS);
    return bl_buf_check(out, "bundle.write", err);
}

/* ---- reading ---- */

static blind_span get_record(bl_reader *r, const char *type, uint64_t indicator)
{
    if (bl_cbor_read_array(r) != 3 || !wire_text_is(r, type))
        r->failed = true;
    blind_span value = bl_cbor_read_bytes(r);
    if (bl_cbor_read_uint(r) != indicator)
        r->failed = true;
    return value;
}

/* "application/vnd.blind.TEE.v1" -> TEE: 1 to 16 small letters, digits and '-'. */
static blind_span tee_of(blind_span type)
{
    const size_t start = sizeof TYPE_START - 1, end = sizeof VERSION_END - 1;
    if (type.size <= start + end || type.size > start + end + 16 ||
        memcmp(type.data, TYPE_START, start) != 0 ||
        memcmp(type.data + type.size - end, VERSION_END, end) != 0)
        return (blind_span){ 0 };
    blind_span tee = { type.data + start, type.size - start - end };
    for (size_t i = 0; i < tee.size; i++) {
        uint8_t c = tee.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return (blind_span){ 0 };
    }
    return tee;
}

static void get_evidence(bl_reader *r, bl_bundle *out)
{
    if (bl_cbor_read_array(r) != 3)
        r->failed = true;
    out->tee = tee_of(bl_cbor_read_text(r));
    out->evidence = bl_cbor_read_bytes(r);
    if (bl_cbor_read_uint(r) != IND_EVIDENCE || out->tee.size == 0)
        r->failed = true;
}

static bool shape_ok(const bl_bundle_binding *b)
{
    return b->leaves >= 1 && b->leaves <= BL_MAX_MERKLE_LEAVES && b->index < b->leaves &&
           b->path.size == 32 * bl_merkle_path_len(b->index, b->leaves);
}

static bool parse_binding(blind_span raw, bl_bundle_binding *out)
{
    bl_reader r = { .rest = raw };
    bool      session = out->to == BL_BOUND_TO_SESSION;
    if (bl_cbor_read_array(&r) != (session ? 6 : 3))
        return false;
    out->log.len = bl_cbor_read_uint(&r);
    wire_get_fixed(&r, out->log.head, 32);
    wire_get_fixed(&r, out->root, 32);
    if (session) {
        uint64_t leaves = bl_cbor_read_uint(&r), index = bl_cbor_read_uint(&r);
        out->path = bl_cbor_read_bytes(&r);
        if (leaves > UINT32_MAX || index > UINT32_MAX)
            return false;
        out->leaves = (uint32_t)leaves;
        out->index = (uint32_t)index;
    }
    return bl_reader_done(&r) && (!session || shape_ok(out));
}

static void get_binding(bl_reader *r, bl_bundle_binding *out)
{
    bl_reader peek = *r;
    (void)bl_cbor_read_array(&peek);
    bool session = wire_text_is(&peek, SESSION_TYPE);
    out->to = session ? BL_BOUND_TO_SESSION : BL_BOUND_TO_KEY;
    blind_span raw = get_record(r, session ? SESSION_TYPE : CERT_TYPE, IND_EVIDENCE);
    if (r->failed || !parse_binding(raw, out))
        r->failed = true;
}

/* Reads records in their one order; those of the other part are not expected. */
static blind_code parse_part(blind_span cmw, bl_bundle_part part, bl_bundle *out, blind_error *err)
{
    bool      inside = part != BL_BUNDLE_BESIDE, beside = part != BL_BUNDLE_INSIDE;
    bl_reader r = { .rest = cmw };
    if (cmw.size > BL_MAX_BUNDLE_SIZE)
        return blind_fail(err, BLIND_FORMAT, "bundle", "a bundle of %zu bytes, at most %u",
                          cmw.size, BL_MAX_BUNDLE_SIZE);
    uint64_t records = (inside ? 2u : 0u) + (beside ? 2u : 0u), found = bl_cbor_read_map(&r).left;
    bool     gpu = beside && found == records + 1;
    r.failed |= found != records + gpu;
    if (gpu) {
        r.failed |= !wire_text_is(&r, "gpu");
        out->gpu = get_record(&r, GPU_TYPE, IND_EVIDENCE);
        r.failed |= out->gpu.size == 0;
    }
    if (beside) {
        r.failed |= !wire_text_is(&r, "log");
        out->log = get_record(&r, LOG_TYPE, IND_EVIDENCE);
    }
    if (inside) {
        r.failed |= !wire_text_is(&r, "binding");
        get_binding(&r, &out->binding);
        r.failed |= !wire_text_is(&r, "evidence");
        get_evidence(&r, out);
    }
    if (beside) {
        r.failed |= !wire_text_is(&r, "endorsements");
        out->endorsements = get_record(&r, ENDORSE_TYPE, IND_ENDORSEMENTS);
    }
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_bundle){ 0 };
    return blind_fail(err, BLIND_FORMAT, "bundle",
                      "%zu bytes that are no evidence bundle of version 1", cmw.size);
}

blind_code bl_bundle_parse(blind_span cmw, bl_bundle *out, blind_error *err)
{
    *out = (bl_bundle){ 0 };
    return parse_part(cmw, BL_BUNDLE_WHOLE, out, err);
}

blind_code bl_bundle_join(blind_span inside, blind_span beside, bl_buf *out, blind_error *err)
{
    bl_bundle whole = { 0 };
    if (beside.size == 0) {
        BL_TRY(parse_part(inside, BL_BUNDLE_WHOLE, &whole, err));
    } else {
        BL_TRY(parse_part(inside, BL_BUNDLE_INSIDE, &whole, err));
        BL_TRY(parse_part(beside, BL_BUNDLE_BESIDE, &whole, err));
    }
    return bl_bundle_write(&whole, BL_BUNDLE_WHOLE, out, err);
}
