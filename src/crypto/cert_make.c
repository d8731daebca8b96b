/* Certificates and requests for the TEE key. */
#include "crypto/cert.h"
#include "crypto/ossl.h"
#include "crypto/random.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

static const char CMW_OID[] = "1.3.6.1.5.5.7.1.35";

/* Adds one standard extension from its text form. */
static bool add_text(STACK_OF(X509_EXTENSION) * to, int nid, const char *text)
{
    X509V3_CTX      ctx = { 0 };
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, text);
    if (e && sk_X509_EXTENSION_push(to, e) > 0)
        return true;
    X509_EXTENSION_free(e);
    return false;
}

static GENERAL_NAME *general_name(const char *name)
{
    uint8_t       address[16];
    int           size = inet_pton(AF_INET, name, address) == 1    ? 4
                         : inet_pton(AF_INET6, name, address) == 1 ? 16
                                                                   : 0;
    GENERAL_NAME *out = GENERAL_NAME_new();
    ASN1_STRING  *s = size ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    bool ok = out && s && (size ? ASN1_STRING_set(s, address, size) : ASN1_STRING_set(s, name, -1));
    if (!ok) {
        GENERAL_NAME_free(out);
        ASN1_STRING_free(s);
        return NULL;
    }
    GENERAL_NAME_set0_value(out, size ? GEN_IPADD : GEN_DNS, s);
    return out;
}

/* Built from values, not from OpenSSL's text syntax, where a comma in a name would add another. */
static bool add_names(STACK_OF(X509_EXTENSION) * to, const bl_cert_options *options)
{
    if (options->names_len == 0)
        return true;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool           ok = names != NULL;
    for (size_t i = 0; ok && i < options->names_len; i++) {
        GENERAL_NAME *name = general_name(options->names[i]);
        ok = name && sk_GENERAL_NAME_push(names, name) > 0;
        if (!ok)
            GENERAL_NAME_free(name);
    }
    ok = ok && X509V3_add1_i2d(&to, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

/* CMW ::= CHOICE { json UTF8String, cbor OCTET STRING }, not critical.
 * Source: RFC 9999, section 6.1. */
static bool add_cmw(STACK_OF(X509_EXTENSION) * to, blind_span cmw)
{
    if (cmw.size == 0)
        return true;
    ASN1_OBJECT       *oid = OBJ_txt2obj(CMW_OID, 1);
    ASN1_OCTET_STRING *inner = ASN1_OCTET_STRING_new(), *outer = ASN1_OCTET_STRING_new();
    bl_auto_buf        der = BL_BUF_EMPTY;
    X509_EXTENSION    *e = NULL;
    if (oid && inner && outer && cmw.size <= INT32_MAX &&
        ASN1_OCTET_STRING_set(inner, cmw.data, (int)cmw.size) &&
        BL_OSSL_DER(i2d_ASN1_OCTET_STRING, inner, &der) &&
        ASN1_OCTET_STRING_set(outer, der.data, (int)der.size))
        e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, outer);
    ASN1_OBJECT_free(oid);
    ASN1_OCTET_STRING_free(inner);
    ASN1_OCTET_STRING_free(outer);
    if (e && sk_X509_EXTENSION_push(to, e) > 0)
        return true;
    X509_EXTENSION_free(e);
    return false;
}

static STACK_OF(X509_EXTENSION) * extensions_of(const bl_cert_options *options)
{
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    if (list &&
        add_text(list, NID_basic_constraints, options->ca ? "critical,CA:TRUE" : "CA:FALSE") &&
        add_text(list, NID_key_usage,
                 options->ca ? "critical,digitalSignature,keyCertSign,cRLSign"
                             : "critical,digitalSignature") &&
        (options->ca ||
         add_text(list, NID_ext_key_usage, options->client ? "clientAuth" : "serverAuth")) &&
        add_names(list, options) && add_cmw(list, options->cmw))
        return list;
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return NULL;
}

static bool set_name(X509_NAME *name, const bl_cert_options *options)
{
    const char *text = options->common_name ? options->common_name : "blind";
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

/* 127 random bits: positive, and unique without a counter.  Source: RFC 5280, section 4.1.2.2. */
static bool set_serial(X509 *x)
{
    uint8_t bytes[16];
    if (bl_random(bytes, sizeof bytes, NULL) != BLIND_OK)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool    ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool set_time(ASN1_TIME *to, int64_t at_s)
{
    return ASN1_TIME_set(to, (time_t)at_s) != NULL;
}

static bool add_identifier(X509 *x, const X509 *issuer, int nid, const char *text)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, (X509 *)(uintptr_t)issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, text);
    bool            ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* Which key is certified, and which key certifies it, where the issuer has said so.
 * Source: RFC 5280, sections 4.2.1.1 and 4.2.1.2. */
static bool add_identifiers(X509 *x, const X509 *issuer)
{
    bool named = issuer && X509_get0_subject_key_id((X509 *)(uintptr_t)issuer);
    return add_identifier(x, x, NID_subject_key_identifier, "hash") &&
           (!named || add_identifier(x, issuer, NID_authority_key_identifier, "keyid:always"));
}

static bool fill(X509 *x, const bl_key *subject, const X509 *issuer, const bl_cert_options *options)
{
    STACK_OF(X509_EXTENSION) *list = extensions_of(options);
    bool ok = list && X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
              set_time(X509_getm_notBefore(x), options->not_before_s) &&
              set_time(X509_getm_notAfter(x), options->not_after_s) &&
              set_name(X509_get_subject_name(x), options) &&
              X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer)
                                             : X509_get_subject_name(x)) == 1 &&
              X509_set_pubkey(x, bl_key_native(subject)) == 1;
    for (int i = 0; ok && i < sk_X509_EXTENSION_num(list); i++)
        ok = X509_add_ext(x, sk_X509_EXTENSION_value(list, i), -1) == 1;
    ok = ok && add_identifiers(x, issuer);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return ok;
}

static const EVP_MD *digest_for(const bl_key *key)
{
    return EVP_PKEY_get_bits(bl_key_native(key)) == 384 ? EVP_sha384() : EVP_sha256();
}

blind_code bl_cert_make(const bl_key *subject, const bl_key *issuer_key, blind_span issuer_cert,
                        const bl_cert_options *options, bl_buf *out, blind_error *err)
{
    const bl_key *signer = issuer_key ? issuer_key : subject;
    auto_X509    *issuer = issuer_key ? bl_x509_from_der(issuer_cert) : NULL;
    auto_X509    *x = X509_new();
    if (issuer_key && !issuer)
        return bl_ossl_fail(err, BLIND_INPUT, "cert.make", "the issuer's certificate is none");
    if (issuer && X509_check_private_key(issuer, bl_key_native(issuer_key)) != 1)
        return bl_ossl_fail(err, BLIND_INPUT, "cert.make",
                            "the issuer's key is not its certificate's");
    if (x && fill(x, subject, issuer, options) &&
        X509_sign(x, bl_key_native(signer), digest_for(signer)) > 0 &&
        BL_OSSL_DER(i2d_X509, x, out))
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_FAILED, "cert.make", "cannot make a certificate");
}

blind_code bl_cert_request(const bl_key *subject, const bl_cert_options *options, bl_buf *out,
                           blind_error *err)
{
    X509_REQ *r = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *list = extensions_of(options);
    bool ok = r && list && X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 &&
              set_name(X509_REQ_get_subject_name(r), options) &&
              X509_REQ_set_pubkey(r, bl_key_native(subject)) == 1 &&
              X509_REQ_add_extensions(r, list) == 1 &&
              X509_REQ_sign(r, bl_key_native(subject), digest_for(subject)) > 0 &&
              BL_OSSL_DER(i2d_X509_REQ, r, out);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    X509_REQ_free(r);
    if (ok)
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_FAILED, "cert.request", "cannot make a request");
}
