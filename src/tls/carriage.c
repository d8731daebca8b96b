/* One map of two byte strings, in the one order and with the one spelling of sizes that
 * deterministic CBOR allows, so it is read like a fixed layout.
 *
 * Source: RFC 8949, section 4.2.1. */
#include "tls/carriage.h"

#include "attest/bundle.h"
#include "base/limits.h"
#include "base/reader.h"

static const char key_beside[] = "\xa2\x66"
                                 "bundle";
static const char key_authenticator[] = "\x6d"
                                        "authenticator";

static void put_bytes(bl_buf *out, blind_span bytes)
{
    size_t n = bytes.size;
    size_t wide = n < 24 ? 0 : n <= UINT8_MAX ? 1 : n <= UINT16_MAX ? 2 : 4;
    if (wide == 0)
        bl_buf_add_u8(out, (uint8_t)(0x40 + n));
    else
        bl_buf_add_u8(out, (uint8_t)(wide == 1 ? 0x58 : wide == 2 ? 0x59 : 0x5a));
    bl_buf_add_be(out, n, wide);
    bl_buf_add(out, bytes);
}

blind_code bl_carriage_write(blind_span authenticator, blind_span beside, bl_buf *out,
                             blind_error *err)
{
    if (authenticator.size > BL_MAX_BUNDLE_SIZE || beside.size > BL_MAX_BUNDLE_SIZE)
        return blind_fail(err, BLIND_LIMIT, "carriage.write", "evidence of %zu bytes", beside.size);
    bl_buf_add_str(out, key_beside);
    put_bytes(out, beside);
    bl_buf_add_str(out, key_authenticator);
    put_bytes(out, authenticator);
    return bl_buf_check(out, "carriage.write", err);
}

static void expect(bl_reader *r, const char *key)
{
    blind_span want = bl_span_str(key);
    if (!bl_span_equal(bl_read_bytes(r, want.size), want))
        r->failed = true;
}

/* A byte string whose size is spelt as short as it can be. */
static blind_span get_bytes(bl_reader *r)
{
    uint8_t  head = bl_read_u8(r);
    size_t   wide = head == 0x58 ? 1 : head == 0x59 ? 2 : head == 0x5a ? 4 : 0;
    uint64_t size = wide ? bl_read_be(r, wide) : (uint64_t)head - 0x40;
    bool     shortest = wide == 0   ? head >= 0x40 && size < 24
                        : wide == 1 ? size >= 24
                        : wide == 2 ? size > UINT8_MAX
                                    : size > UINT16_MAX;
    if (!shortest || size > BL_MAX_BUNDLE_SIZE)
        r->failed = true;
    return bl_read_bytes(r, (size_t)size);
}

blind_code bl_carriage_parse(blind_span body, blind_span *authenticator, blind_span *beside,
                             blind_error *err)
{
    bl_reader r = { .rest = body };
    expect(&r, key_beside);
    *beside = get_bytes(&r);
    expect(&r, key_authenticator);
    *authenticator = get_bytes(&r);
    if (bl_reader_done(&r))
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
