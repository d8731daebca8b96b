/* Source: RFC 9261, section 5.2; RFC 8446, section 4.4.3 (the content covered by a signature). */
#include "tls/transcript.h"

#include "base/reader.h"

#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

static const EVP_MD *digest_of(const bl_authenticator_keys *keys)
{
    return keys->hash_size == 32 ? EVP_sha256() : keys->hash_size == 48 ? EVP_sha384() : NULL;
}

bool bl_transcript_hash(const bl_authenticator_keys *keys, blind_span request, blind_span messages,
                        uint8_t hash[BL_MAX_HASH])
{
    const EVP_MD *md = digest_of(keys);
    EVP_MD_CTX   *c = md ? EVP_MD_CTX_new() : NULL;
    bool          ok = c && EVP_DigestInit_ex(c, md, NULL) == 1 &&
              EVP_DigestUpdate(c, keys->handshake, keys->hash_size) == 1 &&
              EVP_DigestUpdate(c, request.data, request.size) == 1 &&
              EVP_DigestUpdate(c, messages.data, messages.size) == 1 &&
              EVP_DigestFinal_ex(c, hash, NULL) == 1;
    EVP_MD_CTX_free(c);
    return ok;
}

bool bl_transcript_mac(const bl_authenticator_keys *keys, const uint8_t *hash,
                       uint8_t mac[BL_MAX_HASH])
{
    const EVP_MD *md = digest_of(keys);
    return md && HMAC(md, keys->finished_key, (int)keys->hash_size, hash, keys->hash_size, mac,
                      NULL) != NULL;
}

enum { MAX_CONTENT = 64 + 23 + BL_MAX_HASH };

static size_t signed_content(const bl_authenticator_keys *keys, const uint8_t *hash,
                             uint8_t to[MAX_CONTENT])
{
    static const char label[] = "Exported Authenticator"; /* its NUL is the separator */
    _Static_assert(sizeof label == 23, "the label of RFC 9261");
    memset(to, 0x20, 64);
    memcpy(to + 64, label, sizeof label);
    memcpy(to + 64 + sizeof label, hash, keys->hash_size);
    return 64 + sizeof label + keys->hash_size;
}

static bool is_p256(EVP_PKEY *key)
{
    char   group[32];
    size_t size = 0;
    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
           OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

bool bl_transcript_sign(const bl_authenticator_keys *keys, const uint8_t *hash, EVP_PKEY *key,
                        uint8_t *signature, size_t *size)
{
    uint8_t     content[MAX_CONTENT];
    size_t      content_size = signed_content(keys, hash, content);
    EVP_MD_CTX *c = is_p256(key) ? EVP_MD_CTX_new() : NULL;
    bool        ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(c, signature, size, content, content_size) == 1;
    EVP_MD_CTX_free(c);
    return ok;
}

bool bl_transcript_verify(const bl_authenticator_keys *keys, const uint8_t *hash, blind_span spki,
                          blind_span signature)
{
    uint8_t        content[MAX_CONTENT];
    size_t         content_size = signed_content(keys, hash, content);
    const uint8_t *at = spki.data;
    EVP_PKEY      *key = spki.size <= INT32_MAX ? d2i_PUBKEY(NULL, &at, (long)spki.size) : NULL;
    EVP_MD_CTX    *c = is_p256(key) ? EVP_MD_CTX_new() : NULL;
    bool           ok = c && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(c, signature.data, signature.size, content, content_size) == 1;
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    return ok;
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
