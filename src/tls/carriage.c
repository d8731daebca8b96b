/* One map of two byte strings, and nothing else: an unknown key is another version's.
 *
 * Source: RFC 8949, section 4.2.1. */
#include "tls/carriage.h"

#include "attest/bundle.h"
#include "base/cbor.h"
#include "base/limits.h"

static const char bundle_key[] = "bundle", authenticator_key[] = "authenticator";

blind_code bl_carriage_write(blind_span authenticator, blind_span beside, bl_buf *out,
                             blind_error *err)
{
    if (authenticator.size > BL_MAX_BUNDLE_SIZE || beside.size > BL_MAX_BUNDLE_SIZE)
        return blind_fail(err, BLIND_LIMIT, "carriage.write", "evidence of %zu bytes", beside.size);
    bl_cbor_put_map(out, 2);
    bl_cbor_put_text(out, bundle_key);
    bl_cbor_put_bytes(out, beside);
    bl_cbor_put_text(out, authenticator_key);
    bl_cbor_put_bytes(out, authenticator);
    return bl_buf_check(out, "carriage.write", err);
}

/* The value of this very key, which must be the next. */
static blind_span read_value(bl_reader *r, bl_cbor_map *map, const char *want)
{
    blind_span key;
    if (!bl_cbor_next(r, map, &key) || !bl_span_equal(key, bl_span_str(want)))
        r->failed = true;
    blind_span value = bl_cbor_read_bytes(r);
    if (value.size > BL_MAX_BUNDLE_SIZE)
        r->failed = true;
    return value;
}

blind_code bl_carriage_parse(blind_span body, blind_span *authenticator, blind_span *beside,
                             blind_error *err)
{
    bl_reader   r = { .rest = body };
    bl_cbor_map map = bl_cbor_read_map(&r);
    *beside = read_value(&r, &map, bundle_key);
    *authenticator = read_value(&r, &map, authenticator_key);
    if (map.left == 0 && bl_reader_done(&r))
        return BLIND_OK;
    *authenticator = *beside = (blind_span){ 0 };
    return blind_fail(err, BLIND_FORMAT, "carriage",
                      "no CBOR map of bundle and authenticator in %zu bytes", body.size);
}

blind_code bl_carriage_open(blind_span body, blind_span request, const bl_authenticator_keys *keys,
                            blind_span spki, bl_buf *bundle, blind_error *err)
{
    blind_span authenticator, beside, inside;
    BL_TRY(bl_carriage_parse(body, &authenticator, &beside, err));
    BL_TRY(bl_authenticator_verify(authenticator, request, keys, spki, &inside, err));
    return bl_bundle_join(inside, beside, bundle, err);
}
