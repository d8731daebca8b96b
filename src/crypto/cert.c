/* Certificates read: key, evidence, PEM. */
#include "crypto/cert.h"

#include "crypto/hash.h"
#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* id-pe-cmw.  Source: RFC 9999, section 6.1. */
static const char CMW_OID[] = "1.3.6.1.5.5.7.1.35";

X509 *bl_x509_from_der(blind_span der)
{
    const uint8_t *at = der.data;
    X509 *x = der.size && der.size <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.size) : NULL;
    if (x && at != der.data + der.size) {
        X509_free(x);
        return NULL;
    }
    return x;
}

blind_code bl_cert_spki(blind_span cert, bl_buf *out, blind_error *err)
{
    auto_X509 *x = bl_x509_from_der(cert);
    if (!x)
        return bl_ossl_fail(err, BLIND_INPUT, "cert", "not a certificate");
    if (BL_OSSL_DER(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(x), out))
        return BLIND_OK;
    return bl_ossl_fail(err, BLIND_MEMORY, "cert.spki", "cannot encode the public key");
}

blind_code bl_cert_sha256(blind_span cert, uint8_t out[32], blind_error *err)
{
    if (bl_sha256(cert, out) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_MEMORY, "cert.sha256", "out of memory");
}

/* The extension's place in *at, -1 without one, -2 with several; false when memory ran out. */
static bool find_cmw(const X509 *x, int *at)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(CMW_OID, 1);
    if (!oid)
        return false;
    *at = X509_get_ext_by_OBJ(x, oid, -1);
    if (*at >= 0 && X509_get_ext_by_OBJ(x, oid, *at) >= 0)
        *at = -2;
    ASN1_OBJECT_free(oid);
    return true;
}

blind_code bl_cert_cmw(blind_span cert, bl_buf *out, blind_error *err)
{
    auto_X509 *x = bl_x509_from_der(cert);
    if (!x)
        return bl_ossl_fail(err, BLIND_INPUT, "cert", "not a certificate");
    int at;
    if (!find_cmw(x, &at))
        return bl_ossl_fail(err, BLIND_MEMORY, "cert.cmw", "out of memory");
    if (at == -1)
        return blind_fail(err, BLIND_NOT_FOUND, "cert.cmw", "a certificate without evidence");
    if (at < 0)
        return blind_fail(err, BLIND_FORMAT, "cert.cmw", "two extensions with evidence");
    ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(x, at));
    const uint8_t     *p = ASN1_STRING_get0_data(value), *end = p + ASN1_STRING_length(value);
    ASN1_OCTET_STRING *inner = d2i_ASN1_OCTET_STRING(NULL, &p, (long)(end - p));
    bool               whole = inner && p == end;
    if (whole)
        bl_buf_add(out, bl_span(ASN1_STRING_get0_data(inner), (size_t)ASN1_STRING_length(inner)));
    ASN1_OCTET_STRING_free(inner);
    ERR_clear_error();
    if (!whole)
        return blind_fail(err, BLIND_FORMAT, "cert.cmw", "the extension is no OCTET STRING");
    return bl_buf_check(out, "cert.cmw", err);
}

static blind_code take_pem(BIO *bio, bool written, bl_buf *out, blind_error *err)
{
    char *text;
    if (!written)
        return bl_ossl_fail(err, BLIND_INPUT, "cert.pem", "cannot write PEM");
    long size = BIO_get_mem_data(bio, &text);
    bl_buf_add(out, bl_span(text, (size_t)size));
    return bl_buf_check(out, "cert.pem", err);
}

blind_code bl_cert_to_pem(blind_span cert, bl_buf *out, blind_error *err)
{
    auto_X509 *x = bl_x509_from_der(cert);
    auto_BIO  *bio = BIO_new(BIO_s_mem());
    return take_pem(bio, x && bio && PEM_write_bio_X509(bio, x) == 1, out, err);
}

blind_code bl_cert_request_to_pem(blind_span request, bl_buf *out, blind_error *err)
{
    const uint8_t *at = request.data;
    X509_REQ      *r = d2i_X509_REQ(NULL, &at, (long)request.size);
    auto_BIO      *bio = BIO_new(BIO_s_mem());
    blind_code     code = take_pem(bio, r && bio && PEM_write_bio_X509_REQ(bio, r) == 1, out, err);
    X509_REQ_free(r);
    return code;
}

blind_code bl_cert_from_pem(blind_span pem, size_t index, bl_buf *out, blind_error *err)
{
    auto_BIO *bio = pem.size <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.size) : NULL;
    for (size_t i = 0; bio; i++) {
        auto_X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!x)
            break;
        if (i == index)
            return BL_OSSL_DER(i2d_X509, x, out)
                       ? BLIND_OK
                       : bl_ossl_fail(err, BLIND_MEMORY, "cert.pem", "cannot encode");
    }
    ERR_clear_error();
    return blind_fail(err, BLIND_NOT_FOUND, "cert.pem", "no certificate number %zu", index + 1);
}
