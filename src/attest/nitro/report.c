/* The payload of a Nitro attestation document, bytes to fields and back.
 * Source: AWS, attestation_process.md, sections 2.2 (CDDL) and 3.2.2 (checks of the fields). */
#include "attest/nitro/nitro.h"

#include "base/cbor_any.h"

static const char STAGE[] = "nitro.document";

/* Text or bytes of a bounded size. */
static blind_span bounded(bl_reader *r, blind_span value, size_t least, size_t most)
{
    if (value.size < least || value.size > most)
        r->failed = true;
    return value;
}

static void read_module_id(bl_reader *r, bl_nitro_document *out)
{
    out->module_id = bounded(r, bl_any_text(r), 1, BL_NITRO_MAX_FIELD);
}

static void read_digest(bl_reader *r, bl_nitro_document *out)
{
    out->digest = bl_any_text(r);
    if (!bl_span_equal(out->digest, BL_LITERAL("SHA384")))
        r->failed = true;
}

static void read_timestamp(bl_reader *r, bl_nitro_document *out)
{
    out->timestamp_ms = bl_any_uint(r);
    if (out->timestamp_ms == 0 || out->timestamp_ms > INT64_MAX)
        r->failed = true;
}

static void read_pcrs(bl_reader *r, bl_nitro_document *out)
{
    bl_any_list map = bl_any_map(r);
    size_t      len = 0;
    while (bl_any_more(r, &map)) {
        uint64_t   i = bl_any_uint(r);
        blind_span value = bl_any_bytes(r);
        if ((value.size != 32 && value.size != 48 && value.size != 64) || i >= BL_NITRO_PCRS ||
            out->pcrs[i].size) {
            r->failed = true;
            return;
        }
        out->pcrs[i] = value;
        len++;
    }
    r->failed |= len == 0;
}

static void read_certificate(bl_reader *r, bl_nitro_document *out)
{
    out->certificate = bounded(r, bl_any_bytes(r), 1, BL_NITRO_MAX_FIELD);
}

static void read_cabundle(bl_reader *r, bl_nitro_document *out)
{
    bl_any_list list = bl_any_array(r);
    while (bl_any_more(r, &list)) {
        blind_span der = bounded(r, bl_any_bytes(r), 1, BL_NITRO_MAX_FIELD);
        if (r->failed || out->cabundle_len == BL_NITRO_MAX_BUNDLE) {
            r->failed = true;
            return;
        }
        out->cabundle[out->cabundle_len++] = der;
    }
    r->failed |= out->cabundle_len == 0;
}

static blind_span read_optional(bl_reader *r)
{
    if (bl_any_null(r))
        return (blind_span){ 0 };
    return bounded(r, bl_any_bytes(r), 0, BL_NITRO_MAX_FIELD);
}

static void read_public_key(bl_reader *r, bl_nitro_document *out)
{
    out->public_key = read_optional(r);
}
static void read_user_data(bl_reader *r, bl_nitro_document *out)
{
    out->user_data = read_optional(r);
}
static void read_nonce(bl_reader *r, bl_nitro_document *out)
{
    out->nonce = read_optional(r);
}

static const struct {
    const char *name;
    void (*read)(bl_reader *r, bl_nitro_document *out);
    bool optional;
} fields[] = {
    { "module_id", read_module_id, false },
    { "digest", read_digest, false },
    { "timestamp", read_timestamp, false },
    { "pcrs", read_pcrs, false },
    { "certificate", read_certificate, false },
    { "cabundle", read_cabundle, false },
    { "public_key", read_public_key, true },
    { "user_data", read_user_data, true },
    { "nonce", read_nonce, true },
};

/* A field of this name, once; one that is not known is refused, for what it would change is not
 * known either.  Source: attestation_process.md, section 2.2: the map is closed. */
static void read_field(bl_reader *r, blind_span name, unsigned *seen, bl_nitro_document *out)
{
    for (unsigned i = 0; i < BL_LEN(fields); i++)
        if (bl_span_equal(name, bl_span_str(fields[i].name))) {
            r->failed |= (*seen >> i & 1) != 0;
            *seen |= 1u << i;
            if (!r->failed)
                fields[i].read(r, out);
            return;
        }
    r->failed = true;
}

static bool all_seen(unsigned seen)
{
    for (unsigned i = 0; i < BL_LEN(fields); i++)
        if (!fields[i].optional && !(seen >> i & 1))
            return false;
    return true;
}

blind_code bl_nitro_document_parse(blind_span payload, bl_nitro_document *out, blind_error *err)
{
    bl_reader r = { .rest = payload };
    unsigned  seen = 0;
    *out = (bl_nitro_document){ 0 };
    if (payload.size == 0 || payload.size > BL_NITRO_MAX_PAYLOAD)
        return blind_fail(err, BLIND_FORMAT, STAGE, "a payload of %zu bytes, at most %d",
                          payload.size, BL_NITRO_MAX_PAYLOAD);
    bl_any_list map = bl_any_map(&r);
    while (bl_any_more(&r, &map)) {
        blind_span name = bl_any_text(&r);
        if (!r.failed)
            read_field(&r, name, &seen, out);
    }
    if (bl_reader_done(&r) && all_seen(seen))
        return BLIND_OK;
    *out = (bl_nitro_document){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE,
                      "%zu bytes of payload that are no attestation document", payload.size);
}

/* ---- writing ---- */

static void put_optional(bl_buf *out, const char *name, blind_span value)
{
    bl_cbor_put_text(out, name);
    if (value.size)
        bl_cbor_put_bytes(out, value);
    else
        bl_cbor_put_null(out);
}

static void put_pcrs(bl_buf *out, const bl_nitro_document *d)
{
    size_t len = 0;
    for (size_t i = 0; i < BL_NITRO_PCRS; i++)
        len += d->pcrs[i].size > 0;
    bl_cbor_put_text(out, "pcrs");
    bl_cbor_put_map(out, len);
    for (size_t i = 0; i < BL_NITRO_PCRS; i++)
        if (d->pcrs[i].size) {
            bl_cbor_put_uint(out, i);
            bl_cbor_put_bytes(out, d->pcrs[i]);
        }
}

void bl_nitro_document_write(const bl_nitro_document *d, bl_buf *out)
{
    bl_cbor_put_map(out, BL_LEN(fields));
    bl_cbor_put_text(out, "module_id");
    bl_cbor_put_text_span(out, d->module_id);
    bl_cbor_put_text(out, "digest");
    bl_cbor_put_text_span(out, d->digest);
    bl_cbor_put_text(out, "timestamp");
    bl_cbor_put_uint(out, d->timestamp_ms);
    put_pcrs(out, d);
    bl_cbor_put_text(out, "certificate");
    bl_cbor_put_bytes(out, d->certificate);
    bl_cbor_put_text(out, "cabundle");
    bl_cbor_put_array(out, d->cabundle_len);
    for (size_t i = 0; i < d->cabundle_len; i++)
        bl_cbor_put_bytes(out, d->cabundle[i]);
    put_optional(out, "public_key", d->public_key);
    put_optional(out, "user_data", d->user_data);
    put_optional(out, "nonce", d->nonce);
}
