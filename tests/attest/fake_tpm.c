/* A TPM of software, as far as quotes go. */
#include "tests/attest/fake_tpm.h"

#include <openssl/core_names.h>
#include <stdio.h>
#include <stdlib.h>

static void must(bool good)
{
    if (!good)
        abort();
}

void fake_tpm_init(fake_tpm *t, bool rsa)
{
    *t = (fake_tpm){ .ak = make_key(rsa ? MAKE_RSA2048 : MAKE_P256),
                     .ca = make_key(MAKE_P256),
                     .root = make_key(MAKE_P256),
                     .scheme = rsa ? BL_TPM_RSASSA : BL_TPM_ECDSA,
                     .hash = BL_TPM_SHA256,
                     .attributes = BL_TPM_FIXED_TPM | BL_TPM_FIXED_PARENT |
                                   BL_TPM_SENSITIVE_DATA_ORIGIN | BL_TPM_USER_WITH_AUTH |
                                   BL_TPM_RESTRICTED | BL_TPM_SIGN,
                     .bank = BL_TPM_SHA256,
                     .selection = 0xffff,
                     .type = 0x8018,
                     .magic = BL_TPM_MAGIC,
                     .key_usage = "critical,digitalSignature",
                     .manufacturer = "id:53544D20",
                     .pcrs = { .bank = BL_TPM_SHA256, .size = 32, .listed = 0xffff } };
    for (unsigned i = 0; i < BL_TPM_PCRS; i++)
        memset(t->pcrs.values[i], (int)i + 1, BL_HASH_MAX);
}

void fake_tpm_done(fake_tpm *t)
{
    EVP_PKEY_free(t->ak);
    EVP_PKEY_free(t->ca);
    EVP_PKEY_free(t->root);
}

void fake_evidence_done(fake_evidence *e)
{
    bl_buf *all[] = { &e->quote,    &e->signature, &e->ak_public, &e->ak_cert,
                      &e->ak_chain, &e->pcrs,      &e->root_spki };
    for (size_t i = 0; i < BL_LEN(all); i++)
        bl_buf_done(all[i]);
}

static void add_2b(bl_buf *b, blind_span bytes)
{
    bl_buf_add_be(b, bytes.size, 2);
    bl_buf_add(b, bytes);
}

static void add_modulus(EVP_PKEY *key, bl_buf *out)
{
    BIGNUM *n = NULL;
    uint8_t bytes[256];
    must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
         BN_bn2binpad(n, bytes, sizeof bytes) == sizeof bytes);
    BN_free(n);
    add_2b(out, bl_span(bytes, sizeof bytes));
}

void fake_tpm_public(const fake_tpm *t, bl_buf *out)
{
    bool        rsa = t->scheme != BL_TPM_ECDSA;
    bl_auto_buf point = BL_BUF_EMPTY;
    bl_buf_add_be(out, rsa ? BL_TPM_RSA : BL_TPM_ECC, 2);
    bl_buf_add_be(out, BL_TPM_SHA256, 2);
    bl_buf_add_be(out, t->attributes, 4);
    bl_buf_add_be(out, 0, 2);
    bl_buf_add_be(out, BL_TPM_NULL, 2);
    bl_buf_add_be(out, t->scheme, 2);
    bl_buf_add_be(out, t->hash, 2);
    if (rsa) {
        bl_buf_add_be(out, 2048, 2);
        bl_buf_add_be(out, 0, 4);
        add_modulus(t->ak, out);
        return;
    }
    bl_buf_add_be(out, 3, 2);
    bl_buf_add_be(out, BL_TPM_NULL, 2);
    make_point(t->ak, &point);
    add_2b(out, bl_span(point.data, 32));
    add_2b(out, bl_span(point.data + 32, 32));
}

static const char *digest_name(uint16_t hash)
{
    return hash == BL_TPM_SHA1 ? "SHA1" : hash == BL_TPM_SHA384 ? "SHA384" : "SHA256";
}

static void add_pcr_digest(const fake_tpm *t, bl_buf *out)
{
    bl_auto_buf all = BL_BUF_EMPTY;
    uint8_t     digest[BL_HASH_MAX];
    bl_hash     hash;
    for (unsigned i = 0; i < BL_TPM_PCRS; i++)
        if (t->selection >> i & 1)
            bl_buf_add(&all, bl_span(t->pcrs.values[i], t->pcrs.size));
    must(bl_tpm_hash(t->hash, &hash) && bl_hash_of(hash, bl_buf_span(&all), digest) == BLIND_OK);
    add_2b(out, bl_span(digest, bl_hash_size(hash)));
}

static void add_quote(const fake_tpm *t, blind_span nonce, bl_buf *out)
{
    uint8_t name[34] = { 0x00, 0x0b, 1, 2, 3 };
    bl_buf_add_be(out, t->magic, 4);
    bl_buf_add_be(out, t->type, 2);
    add_2b(out, bl_span(name, sizeof name));
    add_2b(out, nonce);
    bl_buf_add_be(out, 123456, 8); /* clock */
    bl_buf_add_be(out, 7, 4);      /* resets */
    bl_buf_add_be(out, 3, 4);      /* restarts */
    bl_buf_add_u8(out, 1);
    bl_buf_add_be(out, 0x0001000200030004, 8); /* firmware */
    bl_buf_add_be(out, 1, 4);
    bl_buf_add_be(out, t->bank, 2);
    bl_buf_add_u8(out, 3);
    bl_buf_add_le(out, t->selection, 3);
    add_pcr_digest(t, out);
}

static void add_signature(const fake_tpm *t, blind_span message, bl_buf *out)
{
    bl_auto_buf raw = BL_BUF_EMPTY;
    make_form   form = t->scheme == BL_TPM_ECDSA    ? MAKE_RAW
                       : t->scheme == BL_TPM_RSAPSS ? MAKE_PSS
                                                    : MAKE_DER;
    make_signature(t->ak, form, digest_name(t->hash), message, &raw);
    bl_buf_add_be(out, t->scheme, 2);
    bl_buf_add_be(out, t->hash, 2);
    if (t->scheme != BL_TPM_ECDSA) {
        add_2b(out, bl_buf_span(&raw));
        return;
    }
    add_2b(out, bl_span(raw.data, 32));
    add_2b(out, bl_span(raw.data + 32, 32));
}

static void add_der(bl_buf *out, uint8_t tag, blind_span content)
{
    must(content.size < 128);
    bl_buf_add_u8(out, tag);
    bl_buf_add_u8(out, (uint8_t)content.size);
    bl_buf_add(out, content);
}

static void add_attribute(bl_buf *sets, uint8_t last, const char *text)
{
    const uint8_t oid[] = { 0x67, 0x81, 0x05, 0x02, last };
    bl_auto_buf   pair = BL_BUF_EMPTY, set = BL_BUF_EMPTY;
    add_der(&pair, 0x06, bl_span(oid, sizeof oid));
    add_der(&pair, 0x0c, bl_span_str(text));
    add_der(&set, 0x30, bl_buf_span(&pair));
    add_der(sets, 0x31, bl_buf_span(&set));
}

void fake_tpm_names(const char *manufacturer, const char *model, bl_buf *out)
{
    bl_auto_buf sets = BL_BUF_EMPTY, name = BL_BUF_EMPTY, general = BL_BUF_EMPTY;
    add_attribute(&sets, 1, manufacturer);
    add_attribute(&sets, 2, model);
    add_attribute(&sets, 3, "id:00010002");
    add_der(&name, 0x30, bl_buf_span(&sets));
    add_der(&general, 0xa4, bl_buf_span(&name));
    add_der(out, 0x30, bl_buf_span(&general));
}

static void add_certificates(const fake_tpm *t, fake_evidence *out)
{
    bl_auto_buf       names = BL_BUF_EMPTY;
    make_cert_options root = { .key = t->root,
                               .common_name = "Test TPM Root",
                               .not_before_s = FAKE_NOW - 1000,
                               .not_after_s = FAKE_NOW + 1000,
                               .serial = 1,
                               .ca = true };
    make_cert_options ca = root, leaf = root;
    ca.key = t->ca;
    ca.issuer_key = t->root;
    ca.common_name = "Test TPM CA";
    ca.issuer_name = "Test TPM Root";
    leaf.key = t->ak;
    leaf.issuer_key = t->ca;
    leaf.common_name = "an attestation key";
    leaf.issuer_name = "Test TPM CA";
    leaf.ca = t->ca_leaf;
    leaf.key_usage = t->key_usage;
    leaf.digest = "SHA256";
    if (t->manufacturer)
        fake_tpm_names(t->manufacturer, "FAKE", &names);
    make_extension extension = { "2.5.29.17", bl_buf_span(&names), true };
    leaf.extensions = &extension;
    leaf.extensions_len = t->manufacturer ? 1 : 0;
    make_cert(&leaf, &out->ak_cert);
    make_cert(&ca, &out->ak_chain);
    make_cert(&root, &out->ak_chain);
    make_spki(t->root, &out->root_spki);
}

void fake_tpm_quote(const fake_tpm *t, blind_span nonce, fake_evidence *out)
{
    *out = (fake_evidence){ 0 };
    add_quote(t, nonce, &out->quote);
    add_signature(t, bl_buf_span(&out->quote), &out->signature);
    fake_tpm_public(t, &out->ak_public);
    must(bl_tpm_pcrs_write(&t->pcrs, &out->pcrs, NULL) == BLIND_OK);
    add_certificates(t, out);
}
