/* COSE_Sign1, read and verified.  Source: RFC 9052, sections 3.1, 4.2 and 4.4. */
#include "crypto/cose.h"

#include "base/cbor_any.h"

static const char STAGE[] = "cose";

enum { LABEL_ALG = 1, LABEL_CRIT = 2 };

/* A label is an integer or a text; texts stand for no label that is known here. */
static int64_t read_label(bl_reader *r)
{
    bl_cbor_major major;
    if (bl_cbor_peek(r, &major) && major == BL_CBOR_TEXT) {
        bl_any_skip(r);
        return 0;
    }
    return bl_any_int(r);
}

/* The algorithm, once.  "crit" would list headers that must be understood. */
static bool read_protected(blind_span header, int64_t *alg)
{
    bl_reader   r = { .rest = header };
    bl_any_list map = bl_any_map(&r);
    size_t      found = 0;
    while (bl_any_more(&r, &map)) {
        int64_t label = read_label(&r);
        if (label == LABEL_CRIT)
            return false;
        if (label == LABEL_ALG) {
            *alg = bl_any_int(&r);
            found++;
        } else {
            bl_any_skip(&r);
        }
    }
    return bl_reader_done(&r) && found == 1;
}

static bool is_empty_map(bl_reader *r)
{
    bl_any_list map = bl_any_map(r);
    return !bl_any_more(r, &map) && !r->failed;
}

/* The next of the four members. */
static void want_more(bl_reader *r, bl_any_list *list)
{
    if (!bl_any_more(r, list))
        r->failed = true;
}

blind_code bl_cose_sign1_parse(blind_span raw, bl_cose_sign1 *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    *out = (bl_cose_sign1){ 0 };
    (void)bl_any_tag(&r, BL_COSE_TAG_SIGN1);
    bl_any_list list = bl_any_array(&r);
    want_more(&r, &list);
    out->protected_header = bl_any_bytes(&r);
    want_more(&r, &list);
    bool plain = is_empty_map(&r);
    want_more(&r, &list);
    out->payload = bl_any_bytes(&r);
    want_more(&r, &list);
    out->signature = bl_any_bytes(&r);
    bool end = !bl_any_more(&r, &list) && bl_reader_done(&r);
    if (end && plain && read_protected(out->protected_header, &out->alg))
        return BLIND_OK;
    *out = (bl_cose_sign1){ 0 };
    if (!end)
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "%zu bytes that are no COSE_Sign1 and nothing else", raw.size);
    return blind_fail(err, BLIND_FORMAT, STAGE,
                      plain ? "a protected header without one algorithm, or with critical headers"
                            : "an unprotected header");
}

void bl_cose_to_be_signed(blind_span protected_header, blind_span payload, bl_buf *out)
{
    bl_cbor_put_array(out, 4);
    bl_cbor_put_text(out, "Signature1");
    bl_cbor_put_bytes(out, protected_header);
    bl_cbor_put_bytes(out, (blind_span){ 0 });
    bl_cbor_put_bytes(out, payload);
}

static bool scheme_of(int64_t alg, bl_signature_scheme *out)
{
    *out = alg == BL_COSE_ES256 ? BL_ECDSA_P256_SHA256_RAW : BL_ECDSA_P384_SHA384_RAW;
    return alg == BL_COSE_ES256 || alg == BL_COSE_ES384;
}

blind_code bl_cose_sign1_verify(const bl_cose_sign1 *message, int64_t alg, const bl_key *key,
                                blind_error *err)
{
    bl_signature_scheme scheme;
    bl_auto_buf         signed_bytes = BL_BUF_EMPTY;
    if (message->alg != alg || !scheme_of(alg, &scheme))
        return blind_fail(err, BLIND_SIGNATURE, STAGE, "algorithm %lld, expected %lld",
                          (long long)message->alg, (long long)alg);
    if (!key || !bl_key_fits(key, scheme))
        return blind_fail(err, BLIND_SIGNATURE, STAGE, "a key of another kind than the algorithm");
    bl_cose_to_be_signed(message->protected_header, message->payload, &signed_bytes);
    BL_TRY(bl_buf_check(&signed_bytes, STAGE, err));
    return bl_key_verify(key, scheme, bl_buf_span(&signed_bytes), message->signature, err);
}
