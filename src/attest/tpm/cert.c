/* Certificates of endorsement and attestation keys: chained to an anchor, and read for what they
 * say of the TPM. */
#include "attest/cache.h"
#include "attest/tpm/tpm.h"
#include "base/der.h"
#include "base/hex.h"
#include "crypto/x509.h"

#include <stdio.h>
#include <stdlib.h>

static const char STAGE[] = "tpm.cert";

/* ---- who makes what ---- */

/* Source: TCG TPM Vendor ID Registry 1.06; kinds by what these vendors sell.  A vendor that makes
 * several kinds is in no row. */
static const struct {
    char        id[5];
    bl_tpm_kind kind;
} vendors[] = {
    { "AMD\0", BL_TPM_FIRMWARE }, { "INTC", BL_TPM_FIRMWARE },        { "QCOM", BL_TPM_FIRMWARE },
    { "STM ", BL_TPM_DISCRETE },  { "IFX\0", BL_TPM_DISCRETE },       { "NTC\0", BL_TPM_DISCRETE },
    { "ATML", BL_TPM_DISCRETE },  { "NSM ", BL_TPM_DISCRETE },        { "WEC\0", BL_TPM_DISCRETE },
    { "NTZ\0", BL_TPM_DISCRETE }, { "GOOG", BL_TPM_VIRTUAL },         { "MSFT", BL_TPM_VIRTUAL },
    { "VMW\0", BL_TPM_VIRTUAL },  { "\0\0\x10\x14", BL_TPM_VIRTUAL },
};
/* The last is swtpm, which puts IBM's PCI vendor number there. */

/* Roots that certify virtual TPMs and nothing else: their certificates may leave the vendor out. */
static const char *const virtual_roots[] = { "google-", "azure-" };

static bl_tpm_kind kind_of(const uint8_t id[4], bool has_id, const char *anchor)
{
    for (size_t i = 0; has_id && i < BL_LEN(vendors); i++)
        if (memcmp(vendors[i].id, id, 4) == 0)
            return vendors[i].kind;
    for (size_t i = 0; i < BL_LEN(virtual_roots); i++)
        if (strncmp(anchor, virtual_roots[i], strlen(virtual_roots[i])) == 0)
            return BL_TPM_VIRTUAL;
    return BL_TPM_NONE;
}

const char *bl_tpm_kind_name(bl_tpm_kind kind)
{
    static const char *const names[] = { "unknown", "discrete", "firmware", "virtual" };
    return names[kind];
}

static void copy_printable(blind_span text, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size && n + 1 < size; i++)
        if (text.data[i] >= 0x20 && text.data[i] < 0x7f)
            out[n++] = (char)text.data[i];
    out[n] = 0;
}

/* "id:53544D20": four bytes.  Source: EK Credential Profile, section 3.1.2. */
static bool manufacturer_id(blind_span text, uint8_t out[4])
{
    return text.size == 11 && memcmp(text.data, "id:", 3) == 0 &&
           bl_hex_decode(bl_span(text.data + 3, 8), out, 4);
}

typedef struct {
    uint8_t id[4];
    bool    has_id;
} found_vendor;

/* One AttributeTypeAndValue: tcg-at-tpmManufacturer, -Model or -Version (2.23.133.2.1 to .3). */
static void read_attribute(bl_reader *set, bl_tpm_cert *out, found_vendor *vendor)
{
    static const uint8_t arc[] = { 0x67, 0x81, 0x05, 0x02 };
    bl_reader            pair = bl_der_enter(set, BL_DER_SEQUENCE);
    blind_span           oid = bl_der_read(&pair, BL_DER_OID);
    bl_der               value = { 0 };
    set->failed |= !bl_der_next(&pair, &value) || !bl_reader_done(&pair);
    if (set->failed || oid.size != 5 || memcmp(oid.data, arc, 4) != 0)
        return;
    if (oid.data[4] == 1) {
        vendor->has_id = manufacturer_id(value.content, vendor->id);
        if (vendor->has_id)
            copy_printable(bl_span(vendor->id, 4), out->manufacturer, sizeof out->manufacturer);
    } else if (oid.data[4] == 2) {
        copy_printable(value.content, out->model, sizeof out->model);
    } else if (oid.data[4] == 3) {
        copy_printable(value.content, out->version, sizeof out->version);
    }
}

/* The directory name among the alternative names: Name is a SEQUENCE of SETs of attributes. */
static void read_names(blind_span extension, bl_tpm_cert *out, found_vendor *vendor)
{
    bl_reader r = { .rest = extension }, names = bl_der_enter(&r, BL_DER_SEQUENCE);
    bl_der    name;
    while (bl_der_next(&names, &name)) {
        if (name.tag != (BL_DER_CONTEXT_CONSTRUCTED | 4))
            continue;
        bl_reader inner = { .rest = name.content }, sets = bl_der_enter(&inner, BL_DER_SEQUENCE);
        while (!sets.failed && sets.rest.size) {
            bl_reader set = bl_der_enter(&sets, BL_DER_SET);
            while (!set.failed && set.rest.size)
                read_attribute(&set, out, vendor);
            sets.failed |= set.failed;
        }
    }
}

static blind_code describe(const bl_x509 *leaf, const char *anchor, bl_tpm_cert *out,
                           blind_error *err)
{
    blind_span   names;
    found_vendor vendor = { { 0 }, false };
    snprintf(out->anchor, sizeof out->anchor, "%s", anchor);
    if (bl_x509_extension(leaf, "2.5.29.17", &names, NULL) == BLIND_OK)
        read_names(names, out, &vendor);
    out->kind = kind_of(vendor.id, vendor.has_id, anchor);
    if (bl_sha256(bl_x509_spki(leaf), out->spki_sha256) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return BLIND_OK;
}

/* ---- what its key is for ---- */

/* KeyUsage, bit 0 being the first byte's highest.  Source: RFC 5280, section 4.2.1.3; an EK
 * decrypts (RSA: keyEncipherment, ECC: keyAgreement), an AK signs. */
static blind_code check_leaf(const bl_x509 *leaf, bl_tpm_role role, blind_error *err)
{
    static const char *const known[] = { "2.5.29.17", "2.5.29.32", NULL };
    blind_span               usage;
    uint8_t                  wanted = role == BL_TPM_EK_CERT ? 0x28 : 0x80;
    if (bl_x509_is_ca(leaf))
        return blind_fail(err, BLIND_CHAIN, STAGE, "the certificate of an authority, not a TPM's");
    if (bl_x509_has_unknown_critical(leaf, known))
        return blind_fail(err, BLIND_CHAIN, STAGE, "a critical extension that is not understood");
    BL_TRY(bl_x509_extension(leaf, "2.5.29.15", &usage, err) == BLIND_OK
               ? BLIND_OK
               : blind_fail(err, BLIND_CHAIN, STAGE, "a certificate that does not say its use"));
    bl_reader  r = { .rest = usage };
    blind_span bits = bl_der_read(&r, BL_DER_BIT_STRING);
    if (bl_reader_done(&r) && bits.size >= 2 && bits.data[1] & wanted)
        return BLIND_OK;
    return blind_fail(err, BLIND_CHAIN, STAGE, "a certificate of a key for another use than %s",
                      role == BL_TPM_EK_CERT ? "an endorsement key's" : "an attestation key's");
}

/* ---- the chain ---- */

/* What the certificates' bytes and the anchors alone decide. */
typedef struct {
    bl_cached cached;
    bl_chain  chain; /* up to the anchor */
    char      anchor[64];
} verified;

static void free_verified(void *object)
{
    verified *v = object;
    bl_chain_done(&v->chain);
    free(v);
}

static const bl_cache_kind kind = { free_verified };

/* Ends the chain in the vendor's root. */
static blind_code find_root(verified *v, const bl_roots *roots, blind_error *err)
{
    blind_code code = blind_fail(err, BLIND_CHAIN, STAGE, "no trusted authority");
    for (size_t i = 0; roots && i < roots->len; i++) {
        code = bl_chain_verify(&v->chain, roots->items[i].spki, err);
        if (code != BLIND_OK)
            continue;
        snprintf(v->anchor, sizeof v->anchor, "%s", roots->items[i].name);
        return BLIND_OK;
    }
    return code;
}

static bool is_pinned(const bl_x509 *cert, const bl_verify_rules *rules)
{
    uint8_t digest[32];
    if (!rules->authorities_len || bl_sha256(bl_x509_spki(cert), digest) != BLIND_OK)
        return false;
    for (size_t i = 0; i < rules->authorities_len; i++)
        if (memcmp(digest, rules->authorities[i], 32) == 0)
            return true;
    return false;
}

/* Ends the chain in an authority that the policy pins by its key: the certificates below it must
 * chain to it, what is above it does not matter. */
static blind_code find_authority(verified *v, const bl_verify_rules *rules, blind_error *err)
{
    for (size_t at = 1; at < v->chain.len; at++) {
        bl_x509 *authority = v->chain.certs[at];
        if (!is_pinned(authority, rules))
            continue;
        bl_chain below = { .len = at };
        memcpy(below.certs, v->chain.certs, at * sizeof *below.certs);
        BL_TRY(bl_x509_issued_by(v->chain.certs[at - 1], authority, err));
        BL_TRY(bl_chain_verify(&below, bl_x509_spki(authority), err));
        while (v->chain.len > at + 1)
            bl_x509_free(v->chain.certs[--v->chain.len]);
        snprintf(v->anchor, sizeof v->anchor, "an authority of the policy");
        return BLIND_OK;
    }
    return BLIND_CHAIN;
}

static blind_code verify_chain(const bl_tpm_cert_input *in, verified *v, blind_error *err)
{
    blind_span leaf = in->cert;
    if (leaf.size && leaf.data[0] == 0x30)
        leaf = bl_tpm_nv_trim(leaf);
    blind_code code = bl_chain_add(&v->chain, leaf, err);
    if (code == BLIND_OK && v->chain.len != 1)
        return blind_fail(err, BLIND_CHAIN, STAGE, "%zu certificates of one key", v->chain.len);
    if (code == BLIND_OK && in->chain.size)
        code = bl_chain_add(&v->chain, in->chain, err);
    if (code != BLIND_OK)
        return code == BLIND_MEMORY ? code : blind_fail_in(err, BLIND_CHAIN, "certificate");
    if (find_authority(v, in->rules, err) == BLIND_OK)
        return BLIND_OK;
    return find_root(v, in->roots, err);
}

enum { MAX_ROOTS = 16 };

/* The anchors are part of the key: an entry holds under them and no others. */
static bool cache_key(const bl_tpm_cert_input *in, uint8_t out[32])
{
    blind_span spans[3 + MAX_ROOTS] = {
        in->cert, in->chain, bl_span(in->rules->authorities, 32 * in->rules->authorities_len)
    };
    size_t n = 3;
    if (in->roots && in->roots->len > MAX_ROOTS)
        return false;
    for (size_t i = 0; in->roots && i < in->roots->len; i++)
        spans[n++] = in->roots->items[i].spki;
    return bl_cache_key(spans, n, out);
}

/* The caller releases *out. */
static blind_code chain_of(const bl_tpm_cert_input *in, verified **out, blind_error *err)
{
    uint8_t key[32];
    bool    keyed = in->cache && cache_key(in, key);
    *out = keyed ? bl_cache_get(in->cache, &kind, key) : NULL;
    if (*out)
        return BLIND_OK;
    verified *v = calloc(1, sizeof *v);
    if (!v)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_cached_init(&v->cached, &kind);
    blind_code code = verify_chain(in, v, err);
    if (code == BLIND_OK) {
        *out = v;
        if (keyed)
            bl_cache_put(in->cache, key, v);
    } else {
        bl_cached_release(v);
    }
    return code;
}

static blind_code judge(const bl_tpm_cert_input *in, const verified *v, blind_span spki,
                        bl_tpm_cert *out, blind_error *err)
{
    const bl_x509 *leaf = v->chain.certs[0];
    if (spki.size && !bl_span_equal(spki, bl_x509_spki(leaf)))
        return blind_fail(err, BLIND_CHAIN, STAGE, "a certificate of another key");
    BL_TRY(check_leaf(leaf, in->role, err));
    BL_TRY(bl_chain_at(&v->chain, in->now_s, err));
    return describe(leaf, v->anchor, out, err);
}

blind_code bl_tpm_cert_verify(const bl_tpm_cert_input *in, blind_span spki, bl_tpm_cert *out,
                              blind_error *err)
{
    verified *v;
    *out = (bl_tpm_cert){ 0 };
    if (!in->cert.size)
        return blind_fail(err, BLIND_CHAIN, STAGE, "no certificate");
    BL_TRY(chain_of(in, &v, err));
    blind_code code = judge(in, v, spki, out, err);
    bl_cached_release(v);
    if (code != BLIND_OK)
        *out = (bl_tpm_cert){ 0 };
    return code;
}
