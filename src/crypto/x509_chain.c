/* Who signed whom: signatures, chains, revocation.  Source: RFC 5280, sections 5 and 6. */
#include "base/der.h"
#include "crypto/x509_internal.h"

#include <stdlib.h>

static const char STAGE[] = "x509.chain";

/* ---- signature algorithms ---- */

#define OID_SHA256 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01
#define OID_SHA384 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02
#define OID_SHA512 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03
#define OID_PKCS1  0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01
#define OID_ECDSA  0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03

/* Schemes by identifier and kind of key.  SHA-1 and MD5 are in no row.
 * Source: RFC 4055, RFC 5758, RFC 8017. */
static const struct {
    uint8_t             oid[9], size;
    bl_signature_scheme scheme;
} algorithms[] = {
    { { OID_ECDSA, 0x02 }, 8, BL_ECDSA_P256_SHA256 },
    { { OID_ECDSA, 0x02 }, 8, BL_ECDSA_P384_SHA256 },
    { { OID_ECDSA, 0x03 }, 8, BL_ECDSA_P384_SHA384 },
    { { OID_ECDSA, 0x03 }, 8, BL_ECDSA_P256_SHA384 },
    { { OID_PKCS1, 0x0b }, 9, BL_RSA_PKCS1_SHA256 },
    { { OID_PKCS1, 0x0c }, 9, BL_RSA_PKCS1_SHA384 },
    { { OID_PKCS1, 0x0d }, 9, BL_RSA_PKCS1_SHA512 },
};
static const struct {
    uint8_t             hash[9];
    uint64_t            salt;
    bl_signature_scheme scheme;
} pss[] = {
    { { OID_SHA256 }, 32, BL_RSA_PSS_SHA256 },
    { { OID_SHA384 }, 48, BL_RSA_PSS_SHA384 },
    { { OID_SHA512 }, 64, BL_RSA_PSS_SHA512 },
};
static const uint8_t OID_PSS[] = { OID_PKCS1, 0x0a };
static const uint8_t OID_MGF1[] = { OID_PKCS1, 0x08 };

/* AlgorithmIdentifier of a hash: parameters absent or NULL. */
static blind_span read_hash(bl_reader *r)
{
    bl_reader  a = bl_der_enter(r, BL_DER_SEQUENCE);
    blind_span oid = bl_der_read(&a, BL_DER_OID);
    if (bl_der_peek(&a) == BL_DER_NULL)
        (void)bl_der_read(&a, BL_DER_NULL);
    r->failed |= !bl_reader_done(&a);
    return oid;
}

/* RSASSA-PSS-params.  Hash and mask must be the same, the salt as long as the hash.  DER leaves the
 * trailer's default out, but AMD's certificates write it.  Source: RFC 4055, section 3.1. */
static bool read_pss(bl_reader *r, bl_signature_scheme *out)
{
    bl_reader  p = bl_der_enter(r, BL_DER_SEQUENCE);
    bl_reader  f = bl_der_enter(&p, BL_DER_CONTEXT_CONSTRUCTED);
    blind_span hash = read_hash(&f);
    bl_reader  g = bl_der_enter(&p, BL_DER_CONTEXT_CONSTRUCTED | 1);
    bl_reader  m = bl_der_enter(&g, BL_DER_SEQUENCE);
    blind_span mask = bl_der_read(&m, BL_DER_OID), inner = read_hash(&m);
    bl_reader  s = bl_der_enter(&p, BL_DER_CONTEXT_CONSTRUCTED | 2);
    uint64_t   salt = bl_der_read_uint(&s, BL_DER_INTEGER), trailer = 1;
    bl_reader  t = { 0 };
    if (bl_der_peek(&p) == (BL_DER_CONTEXT_CONSTRUCTED | 3)) {
        t = bl_der_enter(&p, BL_DER_CONTEXT_CONSTRUCTED | 3);
        trailer = bl_der_read_uint(&t, BL_DER_INTEGER);
    }
    if (!bl_reader_done(&p) || !bl_reader_done(&f) || !bl_reader_done(&g) || !bl_reader_done(&m) ||
        !bl_reader_done(&s) || !bl_reader_done(&t) || trailer != 1 ||
        !bl_span_equal(mask, bl_span(OID_MGF1, sizeof OID_MGF1)) || !bl_span_equal(hash, inner))
        return false;
    for (size_t i = 0; i < BL_LEN(pss); i++)
        if (bl_span_equal(hash, bl_span(pss[i].hash, sizeof pss[i].hash)) && salt == pss[i].salt) {
            *out = pss[i].scheme;
            return true;
        }
    return false;
}

/* RSA has NULL parameters (or none), ECDSA none. */
static bool read_plain(bl_reader *r, blind_span oid, const bl_key *key, bl_signature_scheme *out)
{
    if (bl_der_peek(r) == BL_DER_NULL && oid.size == 9)
        (void)bl_der_read(r, BL_DER_NULL);
    for (size_t i = 0; i < BL_LEN(algorithms); i++)
        if (bl_span_equal(oid, bl_span(algorithms[i].oid, algorithms[i].size)) &&
            bl_key_fits(key, algorithms[i].scheme)) {
            *out = algorithms[i].scheme;
            return true;
        }
    return false;
}

static bool scheme_of(blind_span algorithm, const bl_key *key, bl_signature_scheme *out)
{
    bl_reader  outer = { .rest = algorithm };
    bl_reader  r = bl_der_enter(&outer, BL_DER_SEQUENCE);
    blind_span oid = bl_der_read(&r, BL_DER_OID);
    bool       known = bl_span_equal(oid, bl_span(OID_PSS, sizeof OID_PSS))
                           ? read_pss(&r, out)
                           : read_plain(&r, oid, key, out);
    return known && bl_reader_done(&r) && bl_reader_done(&outer);
}

blind_code bl_signed_verify(blind_span tbs, blind_span algorithm, blind_span signature,
                            const bl_key *key, blind_error *err)
{
    bl_signature_scheme scheme;
    if (!key)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the issuer's key is of an unknown kind");
    if (!scheme_of(algorithm, key, &scheme))
        return blind_fail(err, BLIND_CHAIN, STAGE,
                          "a signature algorithm that is unknown, too weak, or not of the issuer's "
                          "key");
    if (bl_key_verify(key, scheme, tbs, signature, NULL) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "a certificate's signature is wrong");
}

/* ---- chains ---- */

static const char *name_of(const bl_x509 *cert, char *out, size_t size)
{
    return bl_x509_common_name(cert, out, size) ? out : "?";
}

blind_code bl_x509_signed_by(const bl_x509 *cert, const bl_key *key, blind_error *err)
{
    char name[80];
    if (bl_signed_verify(cert->tbs, cert->algorithm, cert->signature, key, err) == BLIND_OK)
        return BLIND_OK;
    return blind_fail_in(err, BLIND_CHAIN, "certificate '%s'", name_of(cert, name, sizeof name));
}

blind_code bl_x509_issued_by(const bl_x509 *cert, const bl_x509 *issuer, blind_error *err)
{
    char a[80], b[80];
    if (!bl_span_equal(cert->issuer, issuer->subject))
        return blind_fail(err, BLIND_CHAIN, STAGE, "certificate '%s' was not issued by '%s'",
                          name_of(cert, a, sizeof a), name_of(issuer, b, sizeof b));
    if (!bl_x509_is_ca(issuer))
        return blind_fail(err, BLIND_CHAIN, STAGE, "certificate '%s' may not issue others",
                          name_of(issuer, b, sizeof b));
    return bl_x509_signed_by(cert, issuer->key, err);
}

/* Authorities between the leaf and this one, not counting those that issued themselves. */
static blind_code check_path_len(const bl_chain *chain, size_t at, blind_error *err)
{
    int  between = 0;
    char name[80];
    for (size_t i = 1; i < at; i++)
        between += !bl_span_equal(chain->certs[i]->subject, chain->certs[i]->issuer);
    if (chain->certs[at]->path_len < 0 || between <= chain->certs[at]->path_len)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "the chain under '%s' is longer than it allows",
                      name_of(chain->certs[at], name, sizeof name));
}

/* A root's own certificate must be signed too: nothing in it may be anybody's word. */
static blind_code check_root(const bl_x509 *last, blind_span root, blind_error *err)
{
    bl_auto_key bl_key *key = NULL;
    if (root.size && bl_span_equal(last->spki, root))
        return bl_self_signed_is_known(bl_buf_span(&last->der))
                   ? BLIND_OK
                   : bl_x509_signed_by(last, last->key, err);
    if (root.size == 0 || bl_key_from_spki(root, &key, NULL) != BLIND_OK ||
        bl_x509_signed_by(last, key, err) != BLIND_OK)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the chain does not end in the pinned key");
    return BLIND_OK;
}

blind_code bl_chain_verify(const bl_chain *chain, blind_span root, blind_error *err)
{
    if (chain->len == 0)
        return blind_fail(err, BLIND_CHAIN, STAGE, "no certificate");
    for (size_t i = 0; i + 1 < chain->len; i++) {
        BL_TRY(bl_x509_issued_by(chain->certs[i], chain->certs[i + 1], err));
        BL_TRY(check_path_len(chain, i + 1, err));
    }
    return check_root(chain->certs[chain->len - 1], root, err);
}

blind_code bl_chain_at(const bl_chain *chain, int64_t now_s, blind_error *err)
{
    for (size_t i = 0; i < chain->len; i++)
        BL_TRY(bl_x509_at(chain->certs[i], now_s, err));
    return chain->len ? BLIND_OK : blind_fail(err, BLIND_CHAIN, STAGE, "no certificate");
}

/* ---- revocation ---- */

/* Extensions of a list or an entry; a critical one would change what the list means. */
static void skip_extensions(bl_reader *r)
{
    bl_reader    list = bl_der_enter(r, BL_DER_SEQUENCE);
    bl_extension e;
    while (bl_x509_next_extension(&list, &e))
        r->failed |= e.critical;
    r->failed |= list.failed;
}

static bool next_entry(bl_reader *list, blind_span *serial)
{
    if (list->failed || list->rest.size == 0)
        return false;
    bl_reader e = bl_der_enter(list, BL_DER_SEQUENCE);
    *serial = bl_der_read(&e, BL_DER_INTEGER);
    (void)bl_der_read_time(&e);
    if (e.rest.size)
        skip_extensions(&e);
    list->failed |= !bl_reader_done(&e);
    return !list->failed;
}

static bool is_time(uint8_t tag)
{
    return tag == BL_DER_UTC_TIME || tag == BL_DER_GENERALIZED_TIME;
}

static bool read_list(bl_crl *crl)
{
    bl_signed parts;
    if (!bl_signed_read(bl_buf_span(&crl->der), &parts))
        return false;
    crl->tbs = parts.tbs;
    crl->algorithm = parts.algorithm;
    crl->signature = parts.signature;
    bl_reader tbs = { .rest = parts.tbs }, r = bl_der_enter(&tbs, BL_DER_SEQUENCE);
    if (bl_der_peek(&r) == BL_DER_INTEGER && bl_der_read_uint(&r, BL_DER_INTEGER) != 1)
        return false;
    blind_span algorithm = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    crl->issuer = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    crl->this_update = bl_der_read_time(&r);
    crl->next_update = is_time(bl_der_peek(&r)) ? bl_der_read_time(&r) : INT64_MIN;
    if (bl_der_peek(&r) == BL_DER_SEQUENCE)
        crl->entries = bl_der_read(&r, BL_DER_SEQUENCE);
    if (bl_der_peek(&r) == BL_DER_CONTEXT_CONSTRUCTED) {
        bl_reader ext = bl_der_enter(&r, BL_DER_CONTEXT_CONSTRUCTED);
        skip_extensions(&ext);
        r.failed |= !bl_reader_done(&ext);
    }
    bl_reader  list = { .rest = crl->entries };
    blind_span serial;
    while (next_entry(&list, &serial))
        ;
    return bl_reader_done(&r) && bl_reader_done(&list) && bl_span_equal(algorithm, crl->algorithm);
}

blind_code bl_crl_parse(blind_span list, bl_crl **out, blind_error *err)
{
    *out = NULL;
    bl_crl *crl = calloc(1, sizeof *crl);
    if (!crl)
        return blind_fail(err, BLIND_MEMORY, "x509.crl", "out of memory");
    blind_code code = BLIND_OK;
    if (list.size && list.data[0] == BL_DER_SEQUENCE)
        bl_buf_add(&crl->der, list);
    else
        code = bl_pem_next(&list, "X509 CRL", &crl->der, NULL);
    if (code == BLIND_OK && bl_buf_ok(&crl->der) && read_list(crl)) {
        *out = crl;
        return BLIND_OK;
    }
    bool memory = code == BLIND_MEMORY || !bl_buf_ok(&crl->der);
    bl_crl_free(crl);
    return blind_fail(err, memory ? BLIND_MEMORY : BLIND_INPUT, "x509.crl",
                      memory ? "out of memory" : "not a revocation list that can be read whole");
}

void bl_crl_free(bl_crl *crl)
{
    if (!crl)
        return;
    bl_buf_done(&crl->der);
    free(crl);
}

void bl_crl_drop(bl_crl **crl)
{
    bl_crl_free(*crl);
    *crl = NULL;
}

blind_code bl_crl_issued_by(const bl_crl *crl, const bl_x509 *issuer, blind_error *err)
{
    if (!bl_span_equal(crl->issuer, issuer->subject))
        return blind_fail(err, BLIND_CHAIN, "x509.crl", "a revocation list of another issuer");
    if (issuer->has_key_usage && !issuer->signs_crls)
        return blind_fail(err, BLIND_CHAIN, "x509.crl", "its issuer may not sign revocation lists");
    if (bl_signed_verify(crl->tbs, crl->algorithm, crl->signature, issuer->key, NULL) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, "x509.crl", "the revocation list's signature is wrong");
}

blind_code bl_crl_signed_by(const bl_crl *crl, const bl_key *key, blind_error *err)
{
    if (bl_signed_verify(crl->tbs, crl->algorithm, crl->signature, key, NULL) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, "x509.crl", "the revocation list's signature is wrong");
}

blind_code bl_crl_at(const bl_crl *crl, int64_t now_s, blind_error *err)
{
    if (now_s <= 0)
        return blind_fail(err, BLIND_STALE, "x509.crl", "the time is unknown");
    if (crl->next_update == INT64_MIN)
        return blind_fail(err, BLIND_STALE, "x509.crl", "a revocation list without nextUpdate");
    if (now_s < crl->this_update)
        return blind_fail(err, BLIND_STALE, "x509.crl", "a revocation list from the future");
    if (now_s > crl->next_update)
        return blind_fail(err, BLIND_STALE, "x509.crl", "a revocation list that ended %lld s ago",
                          (long long)(now_s - crl->next_update));
    return BLIND_OK;
}

blind_code bl_crl_clears(const bl_crl *crl, const bl_x509 *cert, blind_error *err)
{
    char       name[80];
    bl_reader  list = { .rest = crl->entries };
    blind_span serial;
    if (!bl_span_equal(crl->issuer, cert->issuer))
        return blind_fail(err, BLIND_CHAIN, "x509.crl",
                          "a revocation list of another issuer than the certificate's");
    while (next_entry(&list, &serial))
        if (bl_span_equal(serial, cert->serial))
            return blind_fail(err, BLIND_REVOKED, "x509.crl", "certificate '%s' was revoked",
                              name_of(cert, name, sizeof name));
    return BLIND_OK;
}

int64_t bl_crl_this_update(const bl_crl *crl)
{
    return crl->this_update;
}

int64_t bl_crl_next_update(const bl_crl *crl)
{
    return crl->next_update;
}
