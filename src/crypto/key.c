/* Keys: made, read, written, owned. */
#include "crypto/key.h"

#include "base/der.h"
#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>

BL_OSSL_DROP(BIGNUM, BN_clear_free)
BL_OSSL_DROP(EC_GROUP, EC_GROUP_free)
BL_OSSL_DROP(EC_POINT, EC_POINT_free)
BL_OSSL_DROP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
BL_OSSL_DROP(OSSL_PARAM, OSSL_PARAM_free)

/* A bl_key is an EVP_PKEY under another name: OpenSSL counts its owners. */
static EVP_PKEY *pkey_of(const bl_key *key)
{
    return (EVP_PKEY *)(uintptr_t)key;
}

struct evp_pkey_st *bl_key_native(const bl_key *key)
{
    return pkey_of(key);
}

/* P-256, P-384, or RSA of 2048 to 8192 bits. */
static bool kind_is_known(const EVP_PKEY *pkey)
{
    char group[32] = "";
    if (EVP_PKEY_is_a(pkey, "EC"))
        return EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
               (strcmp(group, SN_X9_62_prime256v1) == 0 || strcmp(group, SN_secp384r1) == 0);
    int bits = EVP_PKEY_get_bits(pkey);
    return EVP_PKEY_is_a(pkey, "RSA") && bits >= 2048 && bits <= 8192;
}

blind_code bl_key_wrap(EVP_PKEY *pkey, bl_key **out, blind_error *err)
{
    *out = NULL;
    if (!pkey)
        return bl_ossl_fail(err, BLIND_INPUT, "key", "not a key");
    if (!kind_is_known(pkey)) {
        EVP_PKEY_free(pkey);
        return blind_fail(err, BLIND_INPUT, "key.kind",
                          "a key of a kind other than P-256, P-384 and RSA of 2048 to 8192 bits");
    }
    *out = (bl_key *)pkey;
    return BLIND_OK;
}

bl_key *bl_key_share(bl_key *key)
{
    return EVP_PKEY_up_ref(pkey_of(key)) == 1 ? key : NULL;
}

void bl_key_free(bl_key *key)
{
    EVP_PKEY_free(pkey_of(key));
}

void bl_key_drop(bl_key **key)
{
    bl_key_free(*key);
    *key = NULL;
}

blind_code bl_key_generate(bl_key **out, blind_error *err)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    *out = NULL;
    if (!pkey)
        return bl_ossl_fail(err, BLIND_FAILED, "key.generate", "cannot generate a key");
    return bl_key_wrap(pkey, out, err);
}

blind_code bl_key_from_private_der(blind_span der, bl_key **out, blind_error *err)
{
    const uint8_t *at = der.data;
    *out = NULL;
    EVP_PKEY *pkey =
        der.size && der.size <= LONG_MAX ? d2i_AutoPrivateKey(NULL, &at, (long)der.size) : NULL;
    if (pkey && at != der.data + der.size) {
        EVP_PKEY_free(pkey);
        return blind_fail(err, BLIND_INPUT, "key.private", "bytes behind the private key");
    }
    return bl_key_wrap(pkey, out, err);
}

/* Answers for a password: there is none, and nobody is asked. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return 0;
}

blind_code bl_key_from_private_pem(blind_span pem, bl_key **out, blind_error *err)
{
    auto_BIO *bio = pem.size <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
    *out = NULL;
    return bl_key_wrap(bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL, out,
                       err);
}

/* What stands before the coordinates of an uncompressed point.  Source: RFC 5480, section 2. */
static const uint8_t p256_head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                     0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
static const uint8_t p384_head[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                     0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                     0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 };
static const struct {
    const char    *group;
    const uint8_t *head;
    size_t         head_size, coordinate;
} points[] = {
    { "P-256", p256_head, sizeof p256_head, 32 },
    { "P-384", p384_head, sizeof p384_head, 48 },
};

/* The parameters of a group, made once each: making them takes four times as long as copying. */
static _Atomic(EVP_PKEY *) groups[BL_LEN(points)];

static EVP_PKEY *group_new(const char *name)
{
    char group[8];
    memcpy(group, name, strlen(name) + 1);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_end(),
    };
    auto_EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY          *pkey = NULL;
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEY_PARAMETERS, params);
    return pkey;
}

/* Borrowed; NULL without memory, and the next call tries again. */
static EVP_PKEY *group_of(size_t at)
{
    EVP_PKEY *group = atomic_load(&groups[at]), *other = NULL;
    if (group)
        return group;
    group = group_new(points[at].group);
    if (!group || atomic_compare_exchange_strong(&groups[at], &other, group))
        return group;
    EVP_PKEY_free(group); /* another thread was first */
    return other;
}

/* OpenSSL's decoder takes many times as long for these, whose one encoding is known.  The point is
 * checked to be on the curve. */
static EVP_PKEY *point_key(size_t at, blind_span point)
{
    EVP_PKEY *group = group_of(at), *pkey = group ? EVP_PKEY_dup(group) : NULL;
    if (pkey && EVP_PKEY_set1_encoded_public_key(pkey, point.data, point.size) == 1)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

/* rsaEncryption with its NULL, as a whole AlgorithmIdentifier.  Source: RFC 3279, section 2.3.1. */
static const uint8_t rsa_algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };

/* Content of a positive INTEGER in its shortest form, without the sign's zero. */
static bool read_positive(bl_reader *r, blind_span *out)
{
    *out = bl_der_read(r, BL_DER_INTEGER);
    if (out->size == 0 || out->data[0] >= 0x80)
        return false;
    if (out->data[0] == 0 && (out->size == 1 || out->data[1] < 0x80))
        return false;
    return true;
}

/* Modulus and exponent; false when this is no RSA key in DER. */
static bool read_rsa(blind_span der, blind_span *n, blind_span *e)
{
    bl_reader  outer = { .rest = der }, r = bl_der_enter(&outer, BL_DER_SEQUENCE);
    blind_span algorithm = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    blind_span bits = bl_der_read(&r, BL_DER_BIT_STRING);
    if (!bl_reader_done(&r) || !bl_reader_done(&outer) || bits.size < 2 || bits.data[0] != 0 ||
        !bl_span_equal(algorithm, bl_span(rsa_algorithm, sizeof rsa_algorithm)))
        return false;
    bl_reader inner = { .rest = bl_span(bits.data + 1, bits.size - 1) };
    bl_reader key = bl_der_enter(&inner, BL_DER_SEQUENCE);
    return read_positive(&key, n) && read_positive(&key, e) && bl_reader_done(&key) &&
           bl_reader_done(&inner) && n->size <= 1025 && e->size <= 8;
}

static EVP_PKEY *rsa_key(blind_span n, blind_span e)
{
    __attribute__((cleanup(drop_BIGNUM))) BIGNUM *bn = BN_bin2bn(n.data, (int)n.size, NULL);
    __attribute__((cleanup(drop_BIGNUM))) BIGNUM *be = BN_bin2bn(e.data, (int)e.size, NULL);
    __attribute__((cleanup(drop_OSSL_PARAM_BLD))) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!bn || !be || !build || !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) ||
        !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be))
        return NULL;
    __attribute__((cleanup(drop_OSSL_PARAM))) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    auto_EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY          *pkey = NULL;
    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    return pkey;
}

/* A public key has one encoding: written again it gives the same bytes, and a point is neither
 * compressed nor of the hybrid form.  Source: RFC 5480, section 2.2; RFC 8446, section 4.2.8.2. */
static bool is_canonical(const EVP_PKEY *pkey, blind_span der)
{
    bl_auto_buf again = BL_BUF_EMPTY;
    size_t      point = 2 * (size_t)((EVP_PKEY_get_bits(pkey) + 7) / 8) + 1;
    if (EVP_PKEY_is_a(pkey, "EC") &&
        (der.size <= point || der.data[der.size - point] != POINT_CONVERSION_UNCOMPRESSED))
        return false;
    return BL_OSSL_DER(i2d_PUBKEY, pkey, &again) && bl_span_equal(der, bl_buf_span(&again));
}

blind_code bl_key_from_spki(blind_span der, bl_key **out, blind_error *err)
{
    const uint8_t *at = der.data;
    *out = NULL;
    for (size_t i = 0; i < BL_LEN(points); i++)
        if (der.size == points[i].head_size + 2 * points[i].coordinate &&
            memcmp(der.data, points[i].head, points[i].head_size) == 0)
            return bl_key_wrap(point_key(i, bl_span(der.data + points[i].head_size - 1,
                                                    2 * points[i].coordinate + 1)),
                               out, err);
    blind_span n, e;
    if (read_rsa(der, &n, &e))
        return bl_key_wrap(rsa_key(n, e), out, err);
    EVP_PKEY *pkey =
        der.size && der.size <= LONG_MAX ? d2i_PUBKEY(NULL, &at, (long)der.size) : NULL;
    if (pkey && (at != der.data + der.size || !is_canonical(pkey, der))) {
        EVP_PKEY_free(pkey);
        return blind_fail(err, BLIND_INPUT, "key.spki",
                          "a public key in another encoding than DER's");
    }
    return bl_key_wrap(pkey, out, err);
}

/* The public point of a scalar, uncompressed. */
static bool p256_public(const BIGNUM *scalar, uint8_t point[65])
{
    __attribute__((cleanup(drop_EC_GROUP))) EC_GROUP *group =
        EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    __attribute__((cleanup(drop_EC_POINT))) EC_POINT *p = group ? EC_POINT_new(group) : NULL;
    return p && !BN_is_zero(scalar) && BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
           EC_POINT_mul(group, p, scalar, NULL, NULL, NULL) == 1 &&
           EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL) == 65;
}

static EVP_PKEY *p256_from_params(const BIGNUM *scalar, const uint8_t point[65])
{
    __attribute__((cleanup(drop_OSSL_PARAM_BLD))) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (!build || !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) ||
        !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 65) ||
        !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar))
        return NULL;
    __attribute__((cleanup(drop_OSSL_PARAM))) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    auto_EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY          *pkey = NULL;
    if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params);
    return pkey;
}

blind_code bl_key_from_p256_scalar(const uint8_t scalar[32], bl_key **out, blind_error *err)
{
    uint8_t                                       point[65];
    __attribute__((cleanup(drop_BIGNUM))) BIGNUM *n = BN_secure_new();
    *out = NULL;
    if (!n || !BN_bin2bn(scalar, 32, n) || !p256_public(n, point))
        return bl_ossl_fail(err, BLIND_INPUT, "key.scalar", "not a P-256 scalar");
    return bl_key_wrap(p256_from_params(n, point), out, err);
}

blind_code bl_key_spki(const bl_key *key, bl_buf *out, blind_error *err)
{
    if (BL_OSSL_DER(i2d_PUBKEY, pkey_of(key), out))
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_MEMORY, "key.spki", "cannot encode the public key");
}

blind_code bl_key_private_der(const bl_key *key, bl_buf *out, blind_error *err)
{
    out->secret = true;
    if (BL_OSSL_DER(i2d_PrivateKey, pkey_of(key), out))
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_INPUT, "key.private", "no private key to encode");
}

blind_code bl_key_private_pem(const bl_key *key, bl_buf *out, blind_error *err)
{
    auto_BIO *bio = BIO_new(BIO_s_secmem());
    char     *text;
    out->secret = true;
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, pkey_of(key), NULL, NULL, 0, NULL, NULL) != 1)
        return bl_ossl_fail(err, BLIND_INPUT, "key.private", "no private key to encode");
    long size = BIO_get_mem_data(bio, &text);
    bl_buf_add(out, bl_span(text, (size_t)size));
    return bl_buf_check(out, "key.private", err);
}
