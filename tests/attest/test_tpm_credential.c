/* Challenges to endorsement keys, opened as a TPM opens them: by OpenSSL's own key derivations, so
 * that ours are held against others. */
#include "tests/test.h"

#include "attest/tpm/credential.h"
#include "tests/attest/make_cert.h"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>

static const uint8_t policy_a[] = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
                                    0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
                                    0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa };
static const uint8_t policy_b[] = { 0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8,
                                    0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb,
                                    0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4,
                                    0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15,
                                    0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12 };

/* template, key, and what its name's algorithm and cipher come to */
static const struct {
    const char   *name, *digest;
    make_key_kind kind;
    uint16_t      name_alg, aes_bits, curve;
    uint32_t      attributes;
} templates[] = {
    { "L-1", "SHA256", MAKE_RSA2048, BL_TPM_SHA256, 128, 0, 0x000300b2 },
    { "L-2", "SHA256", MAKE_P256, BL_TPM_SHA256, 128, 3, 0x000300b2 },
    { "H-3", "SHA384", MAKE_P384, BL_TPM_SHA384, 256, 4, 0x000300f2 },
};

static void add_2b(bl_buf *b, blind_span bytes)
{
    bl_buf_add_be(b, bytes.size, 2);
    bl_buf_add(b, bytes);
}

static void make_ek(size_t i, EVP_PKEY *key, bl_buf *out)
{
    bool high = templates[i].name_alg == BL_TPM_SHA384;
    bl_buf_add_be(out, templates[i].curve ? BL_TPM_ECC : BL_TPM_RSA, 2);
    bl_buf_add_be(out, templates[i].name_alg, 2);
    bl_buf_add_be(out, templates[i].attributes, 4);
    add_2b(out, high ? bl_span(policy_b, sizeof policy_b) : bl_span(policy_a, sizeof policy_a));
    bl_buf_add_be(out, BL_TPM_AES, 2);
    bl_buf_add_be(out, templates[i].aes_bits, 2);
    bl_buf_add_be(out, BL_TPM_CFB, 2);
    bl_buf_add_be(out, BL_TPM_NULL, 2);
    if (templates[i].curve) {
        bl_auto_buf point = BL_BUF_EMPTY;
        make_point(key, &point);
        bl_buf_add_be(out, templates[i].curve, 2);
        bl_buf_add_be(out, BL_TPM_NULL, 2);
        add_2b(out, bl_span(point.data, point.size / 2));
        add_2b(out, bl_span(point.data + point.size / 2, point.size / 2));
        return;
    }
    BIGNUM *n = NULL;
    uint8_t modulus[256];
    CHECK(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
          BN_bn2binpad(n, modulus, sizeof modulus) == sizeof modulus);
    BN_free(n);
    bl_buf_add_be(out, 2048, 2);
    bl_buf_add_be(out, 0, 4);
    add_2b(out, bl_span(modulus, sizeof modulus));
}

/* ---- the TPM's half ---- */

static void derive(const char *name, OSSL_PARAM *params, uint8_t *out, size_t size)
{
    EVP_KDF     *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    CHECK(EVP_KDF_derive(ctx, out, size, params) == 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

#define BYTES(name, span)                                                                          \
    OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)(span).data, (span).size)
#define TEXT(name, text) OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)(text), 0)

static void kdfa(const char *digest, blind_span key, const char *label, blind_span context,
                 uint8_t *out, size_t size)
{
    blind_span nothing = BL_LITERAL("");
    OSSL_PARAM params[] = { TEXT("mode", "counter"),
                            TEXT("mac", "HMAC"),
                            TEXT("digest", digest),
                            BYTES("key", key),
                            BYTES("salt", bl_span_str(label)),
                            BYTES("info", context.size ? context : nothing),
                            OSSL_PARAM_construct_end() };
    derive("KBKDF", params, out, size);
}

static blind_span read_2b(bl_reader *r)
{
    return bl_read_bytes(r, bl_read_u16be(r));
}

static void seed_of_rsa(size_t i, EVP_PKEY *key, blind_span sealed, uint8_t *seed, size_t size)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    uint8_t       plain[256];
    size_t        got = sizeof plain;
    const EVP_MD *md = EVP_get_digestbyname(templates[i].digest);
    CHECK(EVP_PKEY_decrypt_init(ctx) == 1 &&
          EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
          EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, OPENSSL_memdup("IDENTITY", 9), 9) == 1 &&
          EVP_PKEY_decrypt(ctx, plain, &got, sealed.data, sealed.size) == 1 && got == size);
    memcpy(seed, plain, size);
    EVP_PKEY_CTX_free(ctx);
}

static void seed_of_ecc(size_t i, EVP_PKEY *key, blind_span sealed, uint8_t *seed, size_t size)
{
    bl_reader   r = { .rest = sealed };
    blind_span  x = read_2b(&r), y = read_2b(&r);
    uint8_t     point[97] = { 4 }, z[48];
    size_t      z_size = sizeof z;
    bl_auto_buf info = BL_BUF_EMPTY, own = BL_BUF_EMPTY;
    EVP_PKEY   *peer = EVP_PKEY_new();
    CHECK(bl_reader_done(&r) && x.size == y.size);
    memcpy(point + 1, x.data, x.size);
    memcpy(point + 1 + x.size, y.data, y.size);
    CHECK(EVP_PKEY_copy_parameters(peer, key) == 1 &&
          EVP_PKEY_set1_encoded_public_key(peer, point, 1 + 2 * x.size) == 1);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    CHECK(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
          EVP_PKEY_derive(ctx, z, &z_size) == 1);
    make_point(key, &own);
    bl_buf_add(&info, bl_span("IDENTITY", 9));
    bl_buf_add(&info, x);
    bl_buf_add(&info, bl_span(own.data, own.size / 2));
    OSSL_PARAM params[] = { TEXT("digest", templates[i].digest), BYTES("key", bl_span(z, z_size)),
                            BYTES("info", bl_buf_span(&info)), OSSL_PARAM_construct_end() };
    derive("SSKDF", params, seed, size);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
}

/* TPM2_ActivateCredential: false when the challenge is for another name. */
static bool activate(size_t i, EVP_PKEY *key, blind_span name, blind_span credential, bl_buf *out)
{
    blind_span    object, encrypted;
    const EVP_MD *md = EVP_get_digestbyname(templates[i].digest);
    size_t        size = (size_t)EVP_MD_get_size(md);
    uint8_t       seed[48], aes[32], mac_key[48], mac[48], plain[128];
    unsigned      mac_size;
    int           n = 0;
    CHECK_CODE(BLIND_OK, bl_tpm_credential_parse(credential, &object, &encrypted, NULL), "parse");
    encrypted = bl_span(encrypted.data + 2, encrypted.size - 2);
    (templates[i].curve ? seed_of_ecc : seed_of_rsa)(i, key, encrypted, seed, size);
    bl_reader  r = { .rest = bl_span(object.data + 2, object.size - 2) };
    blind_span integrity = read_2b(&r), identity = r.rest;
    kdfa(templates[i].digest, bl_span(seed, size), "INTEGRITY", (blind_span){ 0 }, mac_key, size);
    bl_auto_buf covered = BL_BUF_EMPTY;
    bl_buf_add(&covered, identity);
    bl_buf_add(&covered, name);
    CHECK(HMAC(md, mac_key, (int)size, covered.data, covered.size, mac, &mac_size));
    if (!bl_span_equal(integrity, bl_span(mac, mac_size)))
        return false;
    kdfa(templates[i].digest, bl_span(seed, size), "STORAGE", name, aes,
         templates[i].aes_bits / 8u);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const uint8_t   iv[16] = { 0 };
    CHECK(EVP_DecryptInit_ex(
              ctx, templates[i].aes_bits == 256 ? EVP_aes_256_cfb128() : EVP_aes_128_cfb128(), NULL,
              aes, iv) == 1 &&
          EVP_DecryptUpdate(ctx, plain, &n, identity.data, (int)identity.size) == 1);
    EVP_CIPHER_CTX_free(ctx);
    bl_reader  inner = { .rest = bl_span(plain, (size_t)n) };
    blind_span secret = read_2b(&inner);
    CHECK(bl_reader_done(&inner));
    bl_buf_add(out, secret);
    return true;
}

TEST(a_challenge_opens_for_its_key_and_name)
{
    static const uint8_t name[34] = { 0x00, 0x0b, 7 }, other[34] = { 0x00, 0x0b, 8 };
    static const uint8_t secret[BL_TPM_SECRET] = "a secret of thirty-two bytes";
    for (size_t i = 0; i < BL_LEN(templates); i++) {
        EVP_PKEY     *key = make_key(templates[i].kind);
        bl_auto_buf   area = BL_BUF_EMPTY, credential = BL_BUF_EMPTY, answer = BL_BUF_EMPTY;
        bl_tpm_public ek;
        make_ek(i, key, &area);
        CHECK_CODE(BLIND_OK, bl_tpm_public_parse(bl_buf_span(&area), &ek, NULL), templates[i].name);
        CHECK_CODE(BLIND_OK,
                   bl_tpm_make_credential(&ek, bl_span(name, sizeof name),
                                          bl_span(secret, sizeof secret), &credential, NULL),
                   templates[i].name);
        CHECK(activate(i, key, bl_span(name, sizeof name), bl_buf_span(&credential), &answer));
        CHECK(bl_span_equal(bl_buf_span(&answer), bl_span(secret, sizeof secret)));
        CHECK(!activate(i, key, bl_span(other, sizeof other), bl_buf_span(&credential), &answer));
        EVP_PKEY_free(key);
    }
}

TEST(no_challenge_to_a_key_of_no_template)
{
    EVP_PKEY     *key = make_key(MAKE_P256);
    bl_auto_buf   area = BL_BUF_EMPTY, credential = BL_BUF_EMPTY;
    bl_tpm_public ek;
    make_ek(1, key, &area);
    area.data[7] ^= 0x02; /* not fixedTPM */
    CHECK_CODE(BLIND_OK, bl_tpm_public_parse(bl_buf_span(&area), &ek, NULL), "parse");
    CHECK_CODE(
        BLIND_EVIDENCE,
        bl_tpm_make_credential(&ek, BL_LITERAL("name"), BL_LITERAL("secret"), &credential, NULL),
        "a key that may leave its TPM");
    assert_int_equal(0, credential.size);
    EVP_PKEY_free(key);
}

TEST(challenges_and_records_are_read_whole)
{
    static const uint8_t   good[] = { 0, 3, 'a', 'b', 'c', 0, 2, 'd', 'e' };
    blind_span             a, b;
    bl_auto_buf            record = BL_BUF_EMPTY;
    bl_tpm_enrolment       read;
    const bl_tpm_enrolment e = { .ak_name = BL_LITERAL("name"),
                                 .ek_public = BL_LITERAL("public"),
                                 .ek_cert = BL_LITERAL("cert"),
                                 .time_s = 1700000000 };
    CHECK_CODE(BLIND_OK, bl_tpm_credential_parse(bl_span(good, sizeof good), &a, &b, NULL), "good");
    CHECK(a.size == 5 && b.size == 4);
    for (size_t keep = 0; keep < sizeof good; keep++)
        CHECK_CODE(BLIND_FORMAT, bl_tpm_credential_parse(bl_span(good, keep), &a, &b, NULL), "cut");
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_write(&e, &record, NULL), "write");
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_parse(bl_buf_span(&record), &read, NULL), "read");
    CHECK(bl_span_equal(read.ak_name, e.ak_name) && read.time_s == e.time_s);
    for (size_t keep = 0; keep < record.size; keep++)
        CHECK(bl_tpm_enrolment_parse(bl_span(record.data, keep), &read, NULL) != BLIND_OK);
}

TESTS(RUN(a_challenge_opens_for_its_key_and_name), RUN(no_challenge_to_a_key_of_no_template),
      RUN(challenges_and_records_are_read_whole))
