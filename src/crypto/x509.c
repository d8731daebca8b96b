/* Certificates as evidence carries them.
 *
 * Read by our own DER reader: OpenSSL decodes the public key of every certificate it parses, which
 * takes longer than verifying with it.  Source: RFC 5280, section 4. */
#include "crypto/x509.h"

#include "base/base64.h"
#include "base/der.h"
#include "crypto/x509_internal.h"

#include <stdio.h>
#include <stdlib.h>

static const char STAGE[] = "x509";

/* ---- extensions that this file knows ---- */

static const uint8_t OID_KEY_USAGE[] = { 0x55, 0x1d, 0x0f };
static const uint8_t OID_BASIC_CONSTRAINTS[] = { 0x55, 0x1d, 0x13 };
static const uint8_t OID_EXTENDED_KEY_USAGE[] = { 0x55, 0x1d, 0x25 };
static const uint8_t OID_COMMON_NAME[] = { 0x55, 0x04, 0x03 };

#define OID_IS(span, oid) bl_span_equal(span, bl_span(oid, sizeof(oid)))

bool bl_x509_next_extension(bl_reader *list, bl_extension *out)
{
    *out = (bl_extension){ 0 };
    if (list->failed || list->rest.size == 0)
        return false;
    bl_reader one = bl_der_enter(list, BL_DER_SEQUENCE);
    out->oid = bl_der_read(&one, BL_DER_OID);
    if (bl_der_peek(&one) == BL_DER_BOOLEAN)
        out->critical = bl_der_read_bool(&one);
    out->value = bl_der_read(&one, BL_DER_OCTET_STRING);
    list->failed |= !bl_reader_done(&one);
    return !list->failed;
}

/* BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL } */
static bool read_basic_constraints(bl_x509 *x, blind_span value)
{
    bl_reader r = { .rest = value };
    bl_reader fields = bl_der_enter(&r, BL_DER_SEQUENCE);
    if (bl_der_peek(&fields) == BL_DER_BOOLEAN)
        x->ca = bl_der_read_bool(&fields);
    if (bl_der_peek(&fields) == BL_DER_INTEGER) {
        uint64_t most = bl_der_read_uint(&fields, BL_DER_INTEGER);
        x->path_len = most > BL_MAX_CHAIN ? BL_MAX_CHAIN : (int)most;
    }
    return bl_reader_done(&fields) && bl_reader_done(&r);
}

/* KeyUsage ::= BIT STRING; bit 0 is the first byte's highest. */
static bool read_key_usage(bl_x509 *x, blind_span value)
{
    bl_reader  r = { .rest = value };
    blind_span bits = bl_der_read(&r, BL_DER_BIT_STRING);
    if (!bl_reader_done(&r) || bits.size < 2 || bits.size > 3 || bits.data[0] > 7)
        return false;
    x->has_key_usage = true;
    x->signs_certs = bits.data[1] & 0x04;
    x->signs_crls = bits.data[1] & 0x02;
    return true;
}

static bool read_extensions(bl_x509 *x)
{
    bl_reader    list = { .rest = x->extensions };
    bl_extension e;
    bool         ok = true;
    x->path_len = -1;
    while (bl_x509_next_extension(&list, &e))
        if (OID_IS(e.oid, OID_BASIC_CONSTRAINTS))
            ok = ok && !x->has_basic && read_basic_constraints(x, e.value), x->has_basic = true;
        else if (OID_IS(e.oid, OID_KEY_USAGE))
            ok = ok && !x->has_key_usage && read_key_usage(x, e.value);
    return ok && bl_reader_done(&list);
}

/* ---- the certificate ---- */

/* [0] version, only when it is not the default 1. */
static int read_version(bl_reader *r)
{
    if (bl_der_peek(r) != BL_DER_CONTEXT_CONSTRUCTED)
        return 1;
    bl_reader inner = bl_der_enter(r, BL_DER_CONTEXT_CONSTRUCTED);
    uint64_t  version = bl_der_read_uint(&inner, BL_DER_INTEGER);
    r->failed |= !bl_reader_done(&inner) || version < 1 || version > 2;
    return (int)version + 1;
}

static void read_validity(bl_x509 *x, bl_reader *r)
{
    bl_reader v = bl_der_enter(r, BL_DER_SEQUENCE);
    x->not_before = bl_der_read_time(&v);
    x->not_after = bl_der_read_time(&v);
    r->failed |= !bl_reader_done(&v);
}

/* Unique identifiers of version 2 are skipped; then [3] extensions. */
static void read_tail(bl_x509 *x, bl_reader *r)
{
    while (bl_der_peek(r) == (BL_DER_CONTEXT | 1) || bl_der_peek(r) == (BL_DER_CONTEXT | 2))
        (void)bl_der_read(r, bl_der_peek(r));
    if (bl_der_peek(r) != (BL_DER_CONTEXT_CONSTRUCTED | 3))
        return;
    bl_reader outer = bl_der_enter(r, BL_DER_CONTEXT_CONSTRUCTED | 3);
    x->extensions = bl_der_read(&outer, BL_DER_SEQUENCE);
    r->failed |= !bl_reader_done(&outer) || x->extensions.size == 0 || x->version != 3;
}

static bool read_tbs(bl_x509 *x, blind_span content)
{
    bl_reader r = { .rest = content };
    x->version = read_version(&r);
    x->serial = bl_der_read(&r, BL_DER_INTEGER);
    blind_span algorithm = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    x->issuer = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    read_validity(x, &r);
    x->subject = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    x->spki = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    read_tail(x, &r);
    /* The algorithm stands inside and outside what is signed, and must be the same. */
    return bl_reader_done(&r) && bl_span_equal(algorithm, x->algorithm) && x->serial.size > 0 &&
           x->serial.size <= 32;
}

bool bl_signed_read(blind_span der, bl_signed *out)
{
    bl_reader outer = { .rest = der };
    bl_reader r = bl_der_enter(&outer, BL_DER_SEQUENCE);
    out->tbs = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    out->algorithm = bl_der_read_whole(&r, BL_DER_SEQUENCE);
    blind_span bits = bl_der_read(&r, BL_DER_BIT_STRING);
    if (!bl_reader_done(&r) || !bl_reader_done(&outer) || bits.size < 2 || bits.data[0] != 0)
        return false;
    out->signature = bl_span(bits.data + 1, bits.size - 1);
    return true;
}

static bool read_certificate(bl_x509 *x)
{
    bl_signed parts;
    if (!bl_signed_read(bl_buf_span(&x->der), &parts))
        return false;
    x->tbs = parts.tbs;
    x->algorithm = parts.algorithm;
    x->signature = parts.signature;
    bl_reader tbs = { .rest = parts.tbs };
    return read_tbs(x, bl_der_read(&tbs, BL_DER_SEQUENCE)) && read_extensions(x);
}

blind_code bl_x509_parse(blind_span der, bl_x509 **out, blind_error *err)
{
    *out = NULL;
    bl_x509 *x = calloc(1, sizeof *x);
    if (!x)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_buf_add(&x->der, der);
    if (!bl_buf_ok(&x->der) || !read_certificate(x)) {
        blind_code code = bl_buf_ok(&x->der) ? BLIND_INPUT : BLIND_MEMORY;
        bl_x509_free(x);
        return blind_fail(err, code, STAGE, "not a certificate (%zu bytes)", der.size);
    }
    (void)!bl_key_from_spki(x->spki, &x->key, NULL); /* of a kind we know, or NULL */
    *out = x;
    return BLIND_OK;
}

void bl_x509_free(bl_x509 *cert)
{
    if (!cert)
        return;
    bl_key_free(cert->key);
    bl_buf_done(&cert->der);
    free(cert);
}

void bl_x509_drop(bl_x509 **cert)
{
    bl_x509_free(*cert);
    *cert = NULL;
}

const bl_key *bl_x509_key(const bl_x509 *cert)
{
    return cert->key;
}
blind_span bl_x509_spki(const bl_x509 *cert)
{
    return cert->spki;
}
blind_span bl_x509_der(const bl_x509 *cert)
{
    return bl_buf_span(&cert->der);
}
blind_span bl_x509_serial(const bl_x509 *cert)
{
    return cert->serial;
}
blind_span bl_x509_subject(const bl_x509 *cert)
{
    return cert->subject;
}
blind_span bl_x509_issuer(const bl_x509 *cert)
{
    return cert->issuer;
}
int64_t bl_x509_not_before(const bl_x509 *cert)
{
    return cert->not_before;
}
int64_t bl_x509_not_after(const bl_x509 *cert)
{
    return cert->not_after;
}
bool bl_x509_is_ca(const bl_x509 *cert)
{
    return cert->ca && (!cert->has_key_usage || cert->signs_certs);
}
int bl_x509_version(const bl_x509 *cert)
{
    return cert->version;
}

/* Name ::= SEQUENCE OF SET OF SEQUENCE { type OID, value string } */
bool bl_x509_common_name(const bl_x509 *cert, char *out, size_t size)
{
    bl_reader  r = { .rest = cert->subject };
    bl_reader  name = bl_der_enter(&r, BL_DER_SEQUENCE);
    blind_span found = { 0 };
    size_t     count = 0;
    while (!name.failed && name.rest.size) {
        bl_reader set = bl_der_enter(&name, BL_DER_SET);
        while (!set.failed && set.rest.size) {
            bl_reader  pair = bl_der_enter(&set, BL_DER_SEQUENCE);
            blind_span type = bl_der_read(&pair, BL_DER_OID);
            bl_der     value;
            if (bl_der_next(&pair, &value) && OID_IS(type, OID_COMMON_NAME)) {
                found = value.content;
                count++;
            }
        }
    }
    if (count != 1 || found.size >= size || memchr(found.data, 0, found.size))
        return false;
    memcpy(out, found.data, found.size);
    out[found.size] = 0;
    return true;
}

blind_code bl_x509_extension(const bl_x509 *cert, const char *oid, blind_span *out,
                             blind_error *err)
{
    uint8_t      wanted[32];
    size_t       size = bl_der_oid(oid, wanted, sizeof wanted), count = 0;
    bl_reader    list = { .rest = cert->extensions };
    bl_extension e;
    *out = (blind_span){ 0 };
    while (size && bl_x509_next_extension(&list, &e))
        if (bl_span_equal(e.oid, bl_span(wanted, size))) {
            *out = e.value;
            count++;
        }
    if (count == 1)
        return BLIND_OK;
    *out = (blind_span){ 0 };
    return count ? blind_fail(err, BLIND_INPUT, STAGE, "extension %s twice", oid)
                 : blind_fail(err, BLIND_NOT_FOUND, STAGE, "no extension %s", oid);
}

static bool is_known(blind_span oid, const char *const *known)
{
    uint8_t bytes[32];
    if (OID_IS(oid, OID_BASIC_CONSTRAINTS) || OID_IS(oid, OID_KEY_USAGE) ||
        OID_IS(oid, OID_EXTENDED_KEY_USAGE))
        return true;
    for (; known && *known; known++)
        if (bl_span_equal(oid, bl_span(bytes, bl_der_oid(*known, bytes, sizeof bytes))))
            return true;
    return false;
}

bool bl_x509_has_unknown_critical(const bl_x509 *cert, const char *const *known)
{
    bl_reader    list = { .rest = cert->extensions };
    bl_extension e;
    while (bl_x509_next_extension(&list, &e))
        if (e.critical && !is_known(e.oid, known))
            return true;
    return false;
}

blind_code bl_x509_at(const bl_x509 *cert, int64_t now_s, blind_error *err)
{
    char name[80];
    if (!bl_x509_common_name(cert, name, sizeof name))
        memcpy(name, "?", 2);
    if (now_s <= 0)
        return blind_fail(err, BLIND_STALE, STAGE, "the time is unknown");
    if (now_s < cert->not_before)
        return blind_fail(err, BLIND_CHAIN, STAGE, "certificate '%s' is not valid for %lld s yet",
                          name, (long long)(cert->not_before - now_s));
    if (now_s > cert->not_after)
        return blind_fail(err, BLIND_STALE, STAGE, "certificate '%s' expired %lld s ago", name,
                          (long long)(now_s - cert->not_after));
    return BLIND_OK;
}

/* ---- lists ---- */

void bl_chain_done(bl_chain *chain)
{
    for (size_t i = 0; i < chain->len; i++)
        bl_x509_free(chain->certs[i]);
    chain->len = 0;
}

static blind_code add_one(bl_chain *chain, blind_span der, blind_error *err)
{
    if (chain->len == BL_MAX_CHAIN)
        return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d certificates", BL_MAX_CHAIN);
    BL_TRY(bl_x509_parse(der, &chain->certs[chain->len], err));
    chain->len++;
    return BLIND_OK;
}

static blind_code add_der(bl_chain *chain, blind_span list, blind_error *err)
{
    bl_reader r = { .rest = list };
    bl_der    item;
    while (bl_der_next(&r, &item))
        BL_TRY(add_one(chain, item.whole, err));
    return r.failed ? blind_fail(err, BLIND_INPUT, STAGE, "not a list of certificates") : BLIND_OK;
}

/* The base64 text of the next block of this kind, which `text` moves past. */
static bool next_block(blind_span *text, const char *kind, blind_span *out)
{
    char begin[64], end[64];
    snprintf(begin, sizeof begin, "-----BEGIN %s-----", kind);
    snprintf(end, sizeof end, "-----END %s-----", kind);
    const uint8_t *from = text->size ? memmem(text->data, text->size, begin, strlen(begin)) : NULL;
    if (!from)
        return false;
    from += strlen(begin);
    size_t         left = text->size - (size_t)(from - text->data);
    const uint8_t *to = memmem(from, left, end, strlen(end));
    if (!to)
        return false;
    *out = bl_span(from, (size_t)(to - from));
    to += strlen(end);
    *text = bl_span(to, text->size - (size_t)(to - text->data));
    return true;
}

blind_code bl_pem_next(blind_span *text, const char *kind, bl_buf *der, blind_error *err)
{
    blind_span  block;
    bl_auto_buf packed = BL_BUF_EMPTY;
    if (!next_block(text, kind, &block))
        return blind_fail(err, BLIND_NOT_FOUND, "pem", "no %s", kind);
    for (size_t i = 0; i < block.size; i++)
        if (!strchr(" \t\r\n", block.data[i]))
            bl_buf_add_u8(&packed, block.data[i]);
    BL_TRY(bl_buf_check(&packed, "pem", err));
    bl_buf_clear(der);
    return bl_base64_decode(bl_buf_span(&packed), BL_BASE64_STD, der, err);
}

static blind_code add_pem(bl_chain *chain, blind_span text, blind_error *err)
{
    bl_auto_buf der = BL_BUF_EMPTY;
    for (;;) {
        blind_code code = bl_pem_next(&text, "CERTIFICATE", &der, err);
        if (code == BLIND_NOT_FOUND)
            return BLIND_OK;
        BL_TRY(code);
        BL_TRY(add_one(chain, bl_buf_span(&der), err));
    }
}

blind_code bl_chain_add(bl_chain *chain, blind_span list, blind_error *err)
{
    size_t before = chain->len;
    BL_TRY(list.size && list.data[0] == BL_DER_SEQUENCE ? add_der(chain, list, err)
                                                        : add_pem(chain, list, err));
    return chain->len > before
               ? BLIND_OK
               : blind_fail(err, BLIND_INPUT, STAGE, "no certificate in %zu bytes", list.size);
}
