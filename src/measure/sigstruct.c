/* SIGSTRUCT: fields, signer, signature. */
#include "measure/sigstruct.h"

#include "base/reader.h"
#include "crypto/hash.h"
#include "crypto/key.h"

static const char STAGE[] = "sigstruct";

enum { KEY_SIZE = 384, FLAG_DEBUG = 2, BODY_AT = 900, HEAD_SIZE = 128, BODY_SIZE = 128 };

static const uint8_t HEADER1[16] = { 0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1 };
static const uint8_t HEADER2[16] = { 1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1 };

/* ---- fields ---- */

static bool is_zero(blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i])
            return false;
    return true;
}

static void copy_hash(bl_reader *r, uint8_t out[32])
{
    blind_span bytes = bl_read_bytes(r, 32);
    if (bytes.size)
        memcpy(out, bytes.data, 32);
}

/* True when the fixed fields are as they must be. */
static bool read_fields(blind_span raw, bl_sigstruct *out)
{
    bl_reader r = { .rest = raw };
    bool      ok = bl_span_equal(bl_read_bytes(&r, 16), bl_span(HEADER1, 16)); /* 0 */
    out->vendor = bl_read_u32le(&r);                                           /* 16 */
    out->date = bl_read_u32le(&r);                                             /* 20 */
    ok &= bl_span_equal(bl_read_bytes(&r, 16), bl_span(HEADER2, 16));          /* 24 */
    bl_skip(&r, 4);                                                            /* 40 SWDEFINED */
    ok &= is_zero(bl_read_bytes(&r, 84));                                      /* 44 */
    out->modulus = bl_read_bytes(&r, KEY_SIZE);                                /* 128 */
    ok &= bl_read_u32le(&r) == 3;                                              /* 512 EXPONENT */
    out->signature = bl_read_bytes(&r, KEY_SIZE);                              /* 516 */
    out->misc_select = bl_read_u32le(&r);                                      /* 900 */
    out->misc_mask = bl_read_u32le(&r);                                        /* 904 */
    bl_skip(&r, 20);                              /* 908 CET attributes and mask, ISVFAMILYID */
    out->attributes = bl_read_bytes(&r, 16);      /* 928 */
    out->attributes_mask = bl_read_bytes(&r, 16); /* 944 */
    copy_hash(&r, out->mrenclave);                /* 960 ENCLAVEHASH */
    ok &= is_zero(bl_read_bytes(&r, 16));         /* 992 */
    bl_skip(&r, 16);                              /* 1008 ISVEXTPRODID */
    out->prod_id = bl_read_u16le(&r);             /* 1024 */
    out->svn = bl_read_u16le(&r);                 /* 1026 */
    ok &= is_zero(bl_read_bytes(&r, 12));         /* 1028 */
    bl_skip(&r, KEY_SIZE);                        /* 1040 Q1, help for the processor's division */
    bl_skip(&r, KEY_SIZE);                        /* 1424 Q2 */
    return ok && bl_reader_done(&r) && (out->vendor == 0 || out->vendor == 0x8086);
}

/* ---- signature ---- */

/* SubjectPublicKeyInfo of an RSA key of 3072 bits and exponent 3: what stands before the modulus
 * and behind it. */
static const uint8_t SPKI_HEAD[] = {
    0x30, 0x82, 0x01, 0xa0, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48,
    0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
    0x8d, 0x00, 0x30, 0x82, 0x01, 0x88, 0x02, 0x82, 0x01, 0x81, 0x00,
};
static const uint8_t SPKI_TAIL[] = { 0x02, 0x01, 0x03 };

static void reverse(uint8_t *to, blind_span from)
{
    for (size_t i = 0; i < from.size; i++)
        to[i] = from.data[from.size - 1 - i];
}

static blind_code read_key(const bl_sigstruct *s, bl_key **out, blind_error *err)
{
    uint8_t spki[sizeof SPKI_HEAD + KEY_SIZE + sizeof SPKI_TAIL];
    *out = NULL;
    if (!(s->modulus.data[KEY_SIZE - 1] & 0x80))
        return blind_fail(err, BLIND_INPUT, STAGE, "a key of fewer than 3072 bits");
    memcpy(spki, SPKI_HEAD, sizeof SPKI_HEAD);
    reverse(spki + sizeof SPKI_HEAD, s->modulus);
    memcpy(spki + sizeof SPKI_HEAD + KEY_SIZE, SPKI_TAIL, sizeof SPKI_TAIL);
    return bl_key_from_spki(bl_span(spki, sizeof spki), out, err);
}

/* Signed are the first 128 bytes and the 128 from MISCSELECT on. */
static blind_code check_signature(const bl_sigstruct *s, blind_error *err)
{
    bl_auto_key bl_key *key = NULL;
    uint8_t             message[HEAD_SIZE + BODY_SIZE], signature[KEY_SIZE];
    BL_TRY(read_key(s, &key, err));
    memcpy(message, s->raw.data, HEAD_SIZE);
    memcpy(message + HEAD_SIZE, s->raw.data + BODY_AT, BODY_SIZE);
    reverse(signature, s->signature);
    blind_code code = bl_key_verify(key, BL_RSA_PKCS1_SHA256, bl_span(message, sizeof message),
                                    bl_span(signature, sizeof signature), NULL);
    if (code == BLIND_OK || code == BLIND_MEMORY)
        return code == BLIND_OK ? code : blind_fail(err, code, STAGE, "out of memory");
    return blind_fail(err, BLIND_SIGNATURE, STAGE, "not signed by the key that it names");
}

static blind_code parse(bl_sigstruct *out, blind_error *err)
{
    if (!read_fields(out->raw, out))
        return blind_fail(err, BLIND_INPUT, STAGE, "no SIGSTRUCT (%zu bytes, expected %d)",
                          out->raw.size, BL_SIGSTRUCT_SIZE);
    if (bl_sha256(out->modulus, out->mrsigner) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return check_signature(out, err);
}

blind_code bl_sigstruct_parse(blind_span raw, bl_sigstruct *out, blind_error *err)
{
    *out = (bl_sigstruct){ .raw = raw };
    blind_code code = parse(out, err);
    if (code != BLIND_OK)
        *out = (bl_sigstruct){ 0 };
    return code;
}

bool bl_sigstruct_may_debug(const bl_sigstruct *s)
{
    bool set = s->attributes.data[0] & FLAG_DEBUG, fixed = s->attributes_mask.data[0] & FLAG_DEBUG;
    return set || !fixed;
}
