/* Source: RFC 9261, section 5.2; RFC 8446, section 4.4.3 (the content covered by a signature). */
#include "tls/transcript.h"

#include "base/reader.h"
#include "crypto/hash.h"

static bl_hash hash_of(const bl_authenticator_keys *keys)
{
    return keys->hash_size == 48 ? BL_SHA384 : BL_SHA256;
}

blind_code bl_transcript_hash(const bl_authenticator_keys *keys, blind_span request,
                              blind_span messages, uint8_t hash[BL_MAX_HASH])
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_hasher_init(&h, hash_of(keys));
    bl_hasher_update(&h, bl_span(keys->handshake, keys->hash_size));
    bl_hasher_update(&h, request);
    bl_hasher_update(&h, messages);
    return bl_hasher_final(&h, hash);
}

blind_code bl_transcript_mac(const bl_authenticator_keys *keys, const uint8_t *hash,
                             uint8_t mac[BL_MAX_HASH])
{
    return bl_hmac_of(hash_of(keys), bl_span(keys->finished_key, keys->hash_size),
                      bl_span(hash, keys->hash_size), mac);
}

enum { MAX_CONTENT = 64 + 23 + BL_MAX_HASH };

static blind_span signed_content(const bl_authenticator_keys *keys, const uint8_t *hash,
                                 uint8_t to[MAX_CONTENT])
{
    static const char label[] = "Exported Authenticator"; /* its NUL is the separator */
    _Static_assert(sizeof label == 23, "the label of RFC 9261");
    memset(to, 0x20, 64);
    memcpy(to + 64, label, sizeof label);
    memcpy(to + 64 + sizeof label, hash, keys->hash_size);
    return bl_span(to, 64 + sizeof label + keys->hash_size);
}

blind_code bl_transcript_sign(const bl_authenticator_keys *keys, const uint8_t *hash,
                              const bl_key *key, bl_buf *signature, blind_error *err)
{
    uint8_t content[MAX_CONTENT];
    return bl_key_sign(key, BL_ECDSA_P256_SHA256, signed_content(keys, hash, content), signature,
                       err);
}

blind_code bl_transcript_verify(const bl_authenticator_keys *keys, const uint8_t *hash,
                                blind_span spki, blind_span signature, blind_error *err)
{
    uint8_t             content[MAX_CONTENT];
    bl_auto_key bl_key *key = NULL;
    BL_TRY(bl_key_from_spki(spki, &key, err));
    return bl_key_verify(key, BL_ECDSA_P256_SHA256, signed_content(keys, hash, content), signature,
                         err);
}

/* One DER element with a definite length: its content, and the whole in *all. */
static blind_span read_der(bl_reader *r, uint8_t tag, blind_span *all)
{
    blind_span start = r->rest;
    if (bl_read_u8(r) != tag)
        r->failed = true;
    size_t size = bl_read_u8(r);
    if (size > 0x80 && size <= 0x83)
        size = bl_read_be(r, size & 0x7f);
    else if (size >= 0x80)
        r->failed = true;
    blind_span content = bl_read_bytes(r, size);
    if (all)
        *all = r->failed ? (blind_span){ 0 } : bl_span(start.data, start.size - r->rest.size);
    return content;
}

bool bl_der_spki(blind_span certificate, blind_span *spki)
{
    enum { INTEGER = 0x02, SEQUENCE = 0x30, VERSION = 0xa0 };
    bl_reader r = { .rest = certificate };
    bl_reader outer = { .rest = read_der(&r, SEQUENCE, NULL) };
    bl_reader tbs = { .rest = read_der(&outer, SEQUENCE, NULL) };
    if (tbs.rest.size && tbs.rest.data[0] == VERSION)
        read_der(&tbs, VERSION, NULL);
    read_der(&tbs, INTEGER, NULL);  /* serial number */
    read_der(&tbs, SEQUENCE, NULL); /* signature algorithm */
    read_der(&tbs, SEQUENCE, NULL); /* issuer */
    read_der(&tbs, SEQUENCE, NULL); /* validity */
    read_der(&tbs, SEQUENCE, NULL); /* subject */
    read_der(&tbs, SEQUENCE, spki);
    return bl_reader_done(&r) && !outer.failed && !tbs.failed && spki->size > 0;
}
