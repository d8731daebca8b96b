/* Keys, certificates, revocation lists and signatures for synthetic evidence. */
#include "tests/attest/make_cert.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void must_(bool good, const char *what, int line)
{
    if (good)
        return;
    fprintf(stderr, "make_cert.c:%d: %s\n", line, what);
    ERR_print_errors_fp(stderr);
    abort();
}
#define must(condition) must_((condition), #condition, __LINE__)

EVP_PKEY *make_key(make_key_kind kind)
{
    EVP_PKEY *key = kind == MAKE_P256      ? EVP_EC_gen("P-256")
                    : kind == MAKE_P384    ? EVP_EC_gen("P-384")
                    : kind == MAKE_RSA2048 ? EVP_RSA_gen(2048)
                                           : EVP_RSA_gen(4096);
    must(key);
    return key;
}

#define ADD_DER(i2d, object, out)                                                                  \
    do {                                                                                           \
        int      add_size = i2d((object), NULL);                                                   \
        uint8_t *add_to = add_size > 0 ? bl_buf_reserve((out), (size_t)add_size) : NULL;           \
        must(add_to);                                                                              \
        (out)->size += (size_t)i2d((object), &add_to);                                             \
    } while (0)

void make_spki(EVP_PKEY *key, bl_buf *out)
{
    ADD_DER(i2d_PUBKEY, key, out);
}

static size_t coordinate_size(EVP_PKEY *key)
{
    return ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
}

void make_point(EVP_PKEY *key, bl_buf *out)
{
    const char *const names[] = { OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y };
    int               size = (int)coordinate_size(key);
    for (size_t i = 0; i < 2; i++) {
        BIGNUM  *n = NULL;
        uint8_t *to = bl_buf_reserve(out, (size_t)size);
        must(to && EVP_PKEY_get_bn_param(key, names[i], &n));
        must(BN_bn2binpad(n, to, size) == size);
        out->size += (size_t)size;
        BN_free(n);
    }
}

static const char *digest_of(EVP_PKEY *key, const char *digest)
{
    return digest ? digest : EVP_PKEY_get_bits(key) == 256 ? "SHA256" : "SHA384";
}

/* Prepares to sign; an RSA-PSS salt is as long as its hash. */
static EVP_MD_CTX *signer(EVP_PKEY *key, make_form form, const char *digest)
{
    EVP_MD_CTX   *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    must(ctx &&
         EVP_DigestSignInit_ex(ctx, &options, digest_of(key, digest), NULL, NULL, key, NULL) == 1);
    if (form == MAKE_PSS)
        must(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
    return ctx;
}

static void add_raw(EVP_PKEY *key, const uint8_t *der, size_t size, bl_buf *out)
{
    const uint8_t *at = der;
    ECDSA_SIG     *sig = d2i_ECDSA_SIG(NULL, &at, (long)size);
    int            each = (int)coordinate_size(key);
    uint8_t       *to = bl_buf_reserve(out, 2 * (size_t)each);
    must(sig && to && BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, each) == each);
    must(BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + each, each) == each);
    out->size += 2 * (size_t)each;
    ECDSA_SIG_free(sig);
}

void make_signature(EVP_PKEY *key, make_form form, const char *digest, blind_span message,
                    bl_buf *out)
{
    uint8_t     signature[1024];
    size_t      size = sizeof signature;
    EVP_MD_CTX *ctx = signer(key, form, digest);
    must(EVP_DigestSign(ctx, signature, &size, message.data, message.size) == 1);
    EVP_MD_CTX_free(ctx);
    if (form == MAKE_RAW)
        add_raw(key, signature, size, out);
    else
        bl_buf_add(out, bl_span(signature, size));
    must(bl_buf_ok(out));
}

static void set_name(X509_NAME *name, const char *common, const char *organisation)
{
    if (organisation)
        must(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                        (const unsigned char *)organisation, -1, -1, 0));
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1,
                                    -1, 0));
}

static void add_extension(X509 *cert, const char *oid, blind_span value, bool critical)
{
    ASN1_OBJECT       *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *contents = ASN1_OCTET_STRING_new();
    must(object && contents && ASN1_OCTET_STRING_set(contents, value.data, (int)value.size));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, object, critical, contents);
    must(e && X509_add_ext(cert, e, -1));
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(contents);
    ASN1_OBJECT_free(object);
}

static void add_text(X509 *cert, int nid, const char *text)
{
    X509V3_CTX      ctx = { 0 };
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, text);
    must(e && X509_add_ext(cert, e, -1));
    X509_EXTENSION_free(e);
}

static void add_constraints(X509 *cert, const make_cert_options *o)
{
    char text[64];
    snprintf(text, sizeof text, "critical,CA:%s%s%s", o->ca ? "TRUE" : "FALSE",
             o->path_len ? ",pathlen:" : "", o->path_len ? o->path_len : "");
    if (!o->no_constraints)
        add_text(cert, NID_basic_constraints, text);
    if (o->key_usage || !o->no_constraints)
        add_text(cert, NID_key_usage,
                 o->key_usage ? o->key_usage
                 : o->ca      ? "critical,keyCertSign,cRLSign"
                              : "critical,digitalSignature");
}

void make_cert(const make_cert_options *o, bl_buf *out)
{
    X509     *cert = X509_new();
    EVP_PKEY *by = o->issuer_key ? o->issuer_key : o->key;
    must(cert && X509_set_version(cert, X509_VERSION_3));
    must(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), o->serial));
    must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)o->not_before_s) &&
         ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)o->not_after_s));
    set_name(X509_get_subject_name(cert), o->common_name, o->organisation);
    set_name(X509_get_issuer_name(cert), o->issuer_name ? o->issuer_name : o->common_name,
             o->organisation);
    must(X509_set_pubkey(cert, o->key));
    add_constraints(cert, o);
    for (size_t i = 0; i < o->extensions_len; i++)
        add_extension(cert, o->extensions[i].oid, o->extensions[i].value,
                      o->extensions[i].critical);
    EVP_MD_CTX *ctx = signer(by, o->form, o->digest);
    must(X509_sign_ctx(cert, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    ADD_DER(i2d_X509, cert, out);
    X509_free(cert);
}

static void revoke(X509_CRL *crl, uint64_t serial, const ASN1_TIME *at)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    must(entry && number && ASN1_INTEGER_set_uint64(number, serial));
    must(X509_REVOKED_set_serialNumber(entry, number) &&
         X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)at) &&
         X509_CRL_add0_revoked(crl, entry));
    ASN1_INTEGER_free(number);
}

make_cert_options make_root_options(EVP_PKEY *key, int64_t not_before_s, int64_t not_after_s)
{
    return (make_cert_options){ .key = key,
                                .common_name = "root",
                                .not_before_s = not_before_s,
                                .not_after_s = not_after_s,
                                .ca = true };
}

make_cert_options make_issued_options(EVP_PKEY *key, const char *name,
                                      const make_cert_options *issuer, int64_t not_before_s,
                                      int64_t not_after_s)
{
    return (make_cert_options){ .key = key,
                                .issuer_key = issuer->key,
                                .common_name = name,
                                .issuer_name = issuer->common_name,
                                .not_before_s = not_before_s,
                                .not_after_s = not_after_s };
}

void make_trusted(EVP_PKEY *root, bl_buf *spki, bl_root *anchor, bl_roots *roots)
{
    make_spki(root, spki);
    *anchor = (bl_root){ "test root", bl_buf_span(spki) };
    *roots = (bl_roots){ anchor, 1 };
}

void make_crl(const make_crl_options *o, bl_buf *out)
{
    X509_CRL  *crl = X509_CRL_new();
    X509_NAME *issuer = X509_NAME_new();
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)o->this_update_s);
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)o->next_update_s);
    must(crl && issuer && this_update && next_update && X509_CRL_set_version(crl, 1));
    set_name(issuer, o->issuer_name, o->organisation);
    must(X509_CRL_set_issuer_name(crl, issuer) && X509_CRL_set1_lastUpdate(crl, this_update));
    if (o->next_update_s)
        must(X509_CRL_set1_nextUpdate(crl, next_update));
    for (size_t i = 0; i < o->serials_len; i++)
        revoke(crl, o->serials[i], this_update);
    must(X509_CRL_sort(crl));
    EVP_MD_CTX *ctx = signer(o->issuer_key, o->form, o->digest);
    must(X509_CRL_sign_ctx(crl, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    ADD_DER(i2d_X509_CRL, crl, out);
    ASN1_TIME_free(next_update);
    ASN1_TIME_free(this_update);
    X509_NAME_free(issuer);
    X509_CRL_free(crl);
}

void make_pem(const char *type, blind_span der, bl_buf *out)
{
    BIO  *bio = BIO_new(BIO_s_mem());
    char *text;
    must(bio && PEM_write_bio(bio, type, "", der.data, (long)der.size) > 0);
    long size = BIO_get_mem_data(bio, &text);
    bl_buf_add(out, bl_span(text, (size_t)size));
    BIO_free(bio);
    must(bl_buf_ok(out));
}
