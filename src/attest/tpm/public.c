/* TPMT_PUBLIC: a key of the TPM, bytes to fields, its name, its encoding for others, and whether it
 * is what it must be. */
#include "attest/tpm/tpm.h"

/* Source: part 2, section 6.4 (TPM_ECC_CURVE). */
static const struct curve {
    uint16_t id;
    uint8_t  bytes;
    uint8_t  head[27]; /* of SubjectPublicKeyInfo, up to the point */
    uint8_t  head_size;
} curves[] = {
    { 0x0003,
      32,
      { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 },
      27 },
    { 0x0004,
      48,
      { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
        0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 },
      24 },
};

static const struct curve *curve_of(uint16_t id)
{
    for (size_t i = 0; i < BL_LEN(curves); i++)
        if (curves[i].id == id)
            return &curves[i];
    return NULL;
}

static const struct {
    uint16_t    algorithm;
    bl_hash     hash;
    const char *name;
} hashes[] = {
    { BL_TPM_SHA1, BL_BANK_SHA1, "sha1" },
    { BL_TPM_SHA256, BL_SHA256, "sha256" },
    { BL_TPM_SHA384, BL_SHA384, "sha384" },
    { BL_TPM_SHA512, BL_SHA512, "sha512" },
};

bool bl_tpm_hash(uint16_t algorithm, bl_hash *out)
{
    for (size_t i = 0; i < BL_LEN(hashes); i++)
        if (hashes[i].algorithm == algorithm) {
            *out = hashes[i].hash;
            return true;
        }
    return false;
}

const char *bl_tpm_hash_name(uint16_t algorithm)
{
    for (size_t i = 0; i < BL_LEN(hashes); i++)
        if (hashes[i].algorithm == algorithm)
            return hashes[i].name;
    return "unknown";
}

/* TPMT_SYM_DEF_OBJECT.  Source: part 2, section 11.1.7. */
static void read_symmetric(bl_reader *r, bl_tpm_public *out)
{
    out->symmetric = bl_read_u16be(r);
    if (out->symmetric == BL_TPM_NULL)
        return;
    out->key_bits = bl_read_u16be(r);
    out->mode = bl_read_u16be(r);
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME: those that take one hash, or none.  Source: part 2, sections
 * 11.2.4.2 and 11.2.5.6. */
static void read_scheme(bl_reader *r, bl_tpm_public *out)
{
    out->scheme = bl_read_u16be(r);
    r->failed |= out->scheme != BL_TPM_NULL && out->scheme != BL_TPM_RSASSA &&
                 out->scheme != BL_TPM_RSAPSS && out->scheme != BL_TPM_ECDSA;
    if (out->scheme != BL_TPM_NULL)
        out->hash = bl_read_u16be(r);
}

static blind_span read_tpm2b(bl_reader *r, size_t max)
{
    size_t size = bl_read_u16be(r);
    r->failed |= size > max;
    return bl_read_bytes(r, size);
}

/* A modulus of its full size, so that it has one encoding. */
static void read_rsa(bl_reader *r, bl_tpm_public *out)
{
    out->rsa_bits = bl_read_u16be(r);
    out->exponent = bl_read_u32be(r);
    out->x = read_tpm2b(r, 512);
    r->failed |= out->rsa_bits % 1024 || out->rsa_bits < 2048 || out->scheme == BL_TPM_ECDSA ||
                 out->x.size != out->rsa_bits / 8u || !(out->x.data[0] & 0x80);
}

static void read_ecc(bl_reader *r, bl_tpm_public *out)
{
    out->curve = bl_read_u16be(r);
    uint16_t kdf = bl_read_u16be(r);
    if (kdf != BL_TPM_NULL)
        bl_skip(r, 2);
    out->x = read_tpm2b(r, 48);
    out->y = read_tpm2b(r, 48);
    const struct curve *curve = curve_of(out->curve);
    r->failed |= !curve || out->x.size > curve->bytes || out->y.size > curve->bytes ||
                 out->scheme == BL_TPM_RSASSA || out->scheme == BL_TPM_RSAPSS;
}

blind_code bl_tpm_public_parse(blind_span raw, bl_tpm_public *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    if (raw.size > 2 && ((size_t)raw.data[0] << 8 | raw.data[1]) == raw.size - 2)
        bl_skip(&r, 2); /* TPM2B_PUBLIC */
    *out = (bl_tpm_public){ .raw = r.rest };
    out->type = bl_read_u16be(&r);
    out->name_alg = bl_read_u16be(&r);
    out->attributes = bl_read_u32be(&r);
    out->policy = read_tpm2b(&r, BL_HASH_MAX);
    read_symmetric(&r, out);
    read_scheme(&r, out);
    if (r.failed || out->type == BL_TPM_RSA)
        read_rsa(&r, out);
    else if (out->type == BL_TPM_ECC)
        read_ecc(&r, out);
    else
        r.failed = true;
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_tpm_public){ 0 };
    return blind_fail(err, BLIND_FORMAT, "tpm.public",
                      "%zu bytes that are no TPMT_PUBLIC of an RSA, P-256 or P-384 key", raw.size);
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *put_padded(uint8_t *to, blind_span number, size_t size)
{
    memset(to, 0, size);
    if (number.size)
        memcpy(to + size - number.size, number.data, number.size);
    return to + size;
}

/* A tag and a length of two bytes: everything here is longer than 255 bytes. */
static uint8_t *put_head(uint8_t *to, uint8_t tag, size_t size)
{
    uint8_t head[] = { tag, 0x82, (uint8_t)(size >> 8), (uint8_t)size };
    return put(to, head, sizeof head);
}

static size_t rsa_spki(const bl_tpm_public *key, uint8_t out[BL_TPM_SPKI])
{
    static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
    uint32_t             e = key->exponent ? key->exponent : 65537;
    uint8_t              exponent[7] = { 0x02 };
    size_t               n = 1; /* bytes of the exponent, with a zero before a high bit */
    while (n < 5 && e >> (8 * n - 1))
        n++;
    exponent[1] = (uint8_t)n;
    for (size_t i = 0; i < n; i++)
        exponent[2 + i] = (uint8_t)((uint64_t)e >> 8 * (n - 1 - i));
    size_t   modulus = 1 + key->x.size, pair = 4 + modulus + 2 + n, bits = 1 + 4 + pair;
    uint8_t *to = put_head(out, 0x30, sizeof algorithm + 4 + bits);
    to = put(to, algorithm, sizeof algorithm);
    to = put_head(to, 0x03, bits);
    *to++ = 0;
    to = put_head(to, 0x30, pair);
    to = put_head(to, 0x02, modulus);
    *to++ = 0;
    to = put(to, key->x.data, key->x.size);
    to = put(to, exponent, 2 + n);
    return (size_t)(to - out);
}

size_t bl_tpm_public_spki(const bl_tpm_public *key, uint8_t out[BL_TPM_SPKI])
{
    if (key->type == BL_TPM_RSA)
        return rsa_spki(key, out);
    const struct curve *curve = curve_of(key->curve);
    uint8_t            *to = put(out, curve->head, curve->head_size);
    to = put_padded(to, key->x, curve->bytes);
    to = put_padded(to, key->y, curve->bytes);
    return (size_t)(to - out);
}

blind_code bl_tpm_public_name(const bl_tpm_public *key, uint8_t out[BL_TPM_NAME], size_t *size,
                              blind_error *err)
{
    bl_hash hash;
    *size = 0;
    if (!bl_tpm_hash(key->name_alg, &hash) || hash == BL_BANK_SHA1)
        return blind_fail(err, BLIND_UNSUPPORTED, "tpm.name", "a name of algorithm %04x",
                          key->name_alg);
    out[0] = (uint8_t)(key->name_alg >> 8);
    out[1] = (uint8_t)key->name_alg;
    if (bl_hash_of(hash, key->raw, out + 2) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "tpm.name", "out of memory");
    *size = 2 + bl_hash_size(hash);
    return BLIND_OK;
}

static const struct {
    uint32_t    bit;
    const char *name;
} attributes[] = {
    { BL_TPM_FIXED_TPM, "fixedTPM" },
    { BL_TPM_FIXED_PARENT, "fixedParent" },
    { BL_TPM_SENSITIVE_DATA_ORIGIN, "sensitiveDataOrigin" },
    { BL_TPM_ADMIN_WITH_POLICY, "adminWithPolicy" },
    { BL_TPM_RESTRICTED, "restricted" },
    { BL_TPM_DECRYPT, "decrypt" },
    { BL_TPM_SIGN, "sign" },
};

static blind_code check_attributes(const bl_tpm_public *key, uint32_t set, uint32_t clear,
                                   const char *stage, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(attributes); i++) {
        uint32_t bit = attributes[i].bit;
        bool     has = key->attributes & bit;
        if ((set & bit && !has) || (clear & bit && has))
            return blind_fail(err, BLIND_EVIDENCE, stage, "attributes %08x: %s is %s",
                              key->attributes, attributes[i].name, has ? "set" : "clear");
    }
    return BLIND_OK;
}

blind_code bl_tpm_check_ak(const bl_tpm_public *ak, blind_error *err)
{
    static const uint32_t set = BL_TPM_FIXED_TPM | BL_TPM_FIXED_PARENT |
                                BL_TPM_SENSITIVE_DATA_ORIGIN | BL_TPM_RESTRICTED | BL_TPM_SIGN;
    BL_TRY(check_attributes(ak, set, BL_TPM_DECRYPT, "tpm.ak", err));
    /* A restricted key names its scheme: what it signs cannot be chosen later. */
    if (ak->scheme == BL_TPM_NULL || ak->symmetric != BL_TPM_NULL)
        return blind_fail(err, BLIND_EVIDENCE, "tpm.ak", "a key without a signing scheme");
    return BLIND_OK;
}

/* authPolicy of the templates, by size.  Source: TCG EK Credential Profile 2.5, annexes B.3 (L-1,
 * L-2: PolicyA) and B.4 (H-1 to H-6: PolicyB of SHA-256 and of SHA-384). */
static const uint8_t policy_a[32] = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
                                      0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                      0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
                                      0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa };
static const uint8_t policy_b256[32] = { 0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06,
                                         0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3,
                                         0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd, 0x45, 0x90,
                                         0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0 };
static const uint8_t policy_b384[48] = { 0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8,
                                         0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb,
                                         0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4,
                                         0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15,
                                         0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12 };

/* One row per template that a key of a kind we know can have. */
static const struct {
    const char    *name;
    uint16_t       type, name_alg, aes_bits, size; /* size: bits of the modulus; of ECC the curve */
    bool           user_with_auth;
    const uint8_t *policy;
    size_t         policy_size;
} templates[] = {
    { "L-1", BL_TPM_RSA, BL_TPM_SHA256, 128, 2048, false, policy_a, sizeof policy_a },
    { "L-2", BL_TPM_ECC, BL_TPM_SHA256, 128, 3, false, policy_a, sizeof policy_a },
    { "H-1", BL_TPM_RSA, BL_TPM_SHA256, 128, 2048, true, policy_b256, sizeof policy_b256 },
    { "H-2", BL_TPM_ECC, BL_TPM_SHA256, 128, 3, true, policy_b256, sizeof policy_b256 },
    { "H-3", BL_TPM_ECC, BL_TPM_SHA384, 256, 4, true, policy_b384, sizeof policy_b384 },
    { "H-6", BL_TPM_RSA, BL_TPM_SHA384, 256, 3072, true, policy_b384, sizeof policy_b384 },
    { "H-7", BL_TPM_RSA, BL_TPM_SHA384, 256, 4096, true, policy_b384, sizeof policy_b384 },
};

static bool fits_template(const bl_tpm_public *ek, size_t i)
{
    bool user_with_auth = ek->attributes & BL_TPM_USER_WITH_AUTH;
    return ek->type == templates[i].type && ek->name_alg == templates[i].name_alg &&
           ek->key_bits == templates[i].aes_bits &&
           (ek->type == BL_TPM_RSA ? ek->rsa_bits : ek->curve) == templates[i].size &&
           user_with_auth == templates[i].user_with_auth &&
           bl_span_equal(ek->policy, bl_span(templates[i].policy, templates[i].policy_size));
}

blind_code bl_tpm_check_ek(const bl_tpm_public *ek, blind_error *err)
{
    static const uint32_t set = BL_TPM_FIXED_TPM | BL_TPM_FIXED_PARENT |
                                BL_TPM_SENSITIVE_DATA_ORIGIN | BL_TPM_ADMIN_WITH_POLICY |
                                BL_TPM_RESTRICTED | BL_TPM_DECRYPT;
    BL_TRY(check_attributes(ek, set, BL_TPM_SIGN, "tpm.ek", err));
    if (ek->scheme == BL_TPM_NULL && ek->symmetric == BL_TPM_AES && ek->mode == BL_TPM_CFB &&
        (ek->exponent == 0 || ek->exponent == 65537))
        for (size_t i = 0; i < BL_LEN(templates); i++)
            if (fits_template(ek, i))
                return BLIND_OK;
    return blind_fail(err, BLIND_EVIDENCE, "tpm.ek",
                      "an endorsement key of no template of the EK credential profile");
}
