/* MakeCredential, in software: the verifier has no TPM. */
#include "attest/tpm/credential.h"

#include "base/reader.h"
#include "crypto/random.h"
#include "crypto/wrap.h"

static const char STAGE[] = "tpm.credential";

/* NIST SP 800-108 in counter mode over HMAC: counter, label with its NUL, contexts, bits.
 * Source: part 1, section 11.4.10.2. */
blind_code bl_tpm_kdfa(bl_hash hash, blind_span key, const char *label, blind_span u, blind_span v,
                       uint8_t *out, size_t bits)
{
    size_t want = bits / 8, done = 0, size = bl_hash_size(hash);
    for (uint32_t counter = 1; done < want; counter++) {
        bl_auto_buf text = { .secret = true };
        uint8_t     block[BL_HASH_MAX];
        bl_buf_add_be(&text, counter, 4);
        bl_buf_add(&text, bl_span(label, strlen(label) + 1));
        bl_buf_add(&text, u);
        bl_buf_add(&text, v);
        bl_buf_add_be(&text, bits, 4);
        if (!bl_buf_ok(&text))
            return BLIND_MEMORY;
        BL_TRY(bl_hmac_of(hash, key, bl_buf_span(&text), block));
        memcpy(out + done, block, BL_MIN(size, want - done));
        done += BL_MIN(size, want - done);
        bl_wipe(block, sizeof block);
    }
    return BLIND_OK;
}

/* NIST SP 800-56A in one step: one digest is as much as a seed needs.
 * Source: part 1, section 11.4.10.3. */
static blind_code kdfe(bl_hash hash, const bl_wrap_ecdh *z, blind_span peer_x, uint8_t *out)
{
    bl_auto_buf text = { .secret = true };
    bl_buf_add_be(&text, 1, 4);
    bl_buf_add(&text, bl_span(z->shared, z->size));
    bl_buf_add(&text, bl_span("IDENTITY", 9));
    bl_buf_add(&text, bl_span(z->x, z->size));
    for (size_t i = peer_x.size; i < z->size; i++)
        bl_buf_add_u8(&text, 0);
    bl_buf_add(&text, peer_x);
    return bl_buf_ok(&text) ? bl_hash_of(hash, bl_buf_span(&text), out) : BLIND_MEMORY;
}

static void add_2b(bl_buf *out, blind_span bytes)
{
    bl_buf_add_be(out, bytes.size, 2);
    bl_buf_add(out, bytes);
}

/* A random seed, encrypted.  Source: part 1, annex B.10.4. */
static blind_code share_rsa(const bl_key *key, bl_hash hash, uint8_t *seed, bl_buf *secret,
                            blind_error *err)
{
    size_t size = bl_hash_size(hash);
    BL_TRY(bl_random(seed, size, err));
    return bl_wrap_oaep(key, hash, bl_span("IDENTITY", 9), bl_span(seed, size), secret, err);
}

/* A seed agreed on; the TPM gets the other point.  Source: part 1, annex C.6.4. */
static blind_code share_ecc(const bl_tpm_public *ek, const bl_key *key, bl_hash hash, uint8_t *seed,
                            bl_buf *secret, blind_error *err)
{
    bl_wrap_ecdh z;
    BL_TRY(bl_wrap_ecdh_with(key, &z, err));
    blind_code code = kdfe(hash, &z, ek->x, seed);
    add_2b(secret, bl_span(z.x, z.size));
    add_2b(secret, bl_span(z.y, z.size));
    bl_wipe(&z, sizeof z);
    return code == BLIND_OK ? code : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

static blind_code share_seed(const bl_tpm_public *ek, bl_hash hash, uint8_t *seed, bl_buf *secret,
                             blind_error *err)
{
    uint8_t             spki[BL_TPM_SPKI];
    bl_auto_key bl_key *key = NULL;
    BL_TRY(bl_key_from_spki(bl_span(spki, bl_tpm_public_spki(ek, spki)), &key, err));
    if (ek->type == BL_TPM_RSA)
        return share_rsa(key, hash, seed, secret, err);
    return share_ecc(ek, key, hash, seed, secret, err);
}

/* Encrypted identity and its HMAC, which covers the name too.  Source: part 1, section 24.4. */
static blind_code protect(const bl_tpm_public *ek, bl_hash hash, const uint8_t *seed,
                          blind_span ak_name, blind_span secret, bl_buf *out, blind_error *err)
{
    size_t      size = bl_hash_size(hash);
    blind_span  none = { 0 }, from = bl_span(seed, size);
    uint8_t     key[32], mac_key[BL_HASH_MAX], mac[BL_HASH_MAX];
    bl_auto_buf identity = { .secret = true };
    add_2b(&identity, secret);
    size_t     plain = identity.size;
    blind_code code = bl_buf_check(&identity, STAGE, err);
    if (code == BLIND_OK)
        code = bl_tpm_kdfa(hash, from, "STORAGE", ak_name, none, key, ek->key_bits);
    if (code == BLIND_OK)
        code = bl_wrap_aes_cfb(bl_span(key, ek->key_bits / 8u), identity.data, plain, err);
    if (code == BLIND_OK)
        code = bl_tpm_kdfa(hash, from, "INTEGRITY", none, none, mac_key, 8 * size);
    bl_buf_add(&identity, ak_name);
    if (code == BLIND_OK && bl_buf_ok(&identity))
        code = bl_hmac_of(hash, bl_span(mac_key, size), bl_buf_span(&identity), mac);
    bl_wipe(key, sizeof key);
    bl_wipe(mac_key, sizeof mac_key);
    if (code != BLIND_OK || !bl_buf_ok(&identity))
        return blind_fail(err, BLIND_FAILED, STAGE, "cannot make the challenge");
    bl_buf_add_be(out, 2 + size + plain, 2);
    add_2b(out, bl_span(mac, size));
    bl_buf_add(out, bl_span(identity.data, plain));
    return bl_buf_check(out, STAGE, err);
}

blind_code bl_tpm_make_credential(const bl_tpm_public *ek, blind_span ak_name, blind_span secret,
                                  bl_buf *out, blind_error *err)
{
    uint8_t     seed[BL_HASH_MAX];
    bl_auto_buf shared = BL_BUF_EMPTY;
    bl_hash     hash;
    BL_TRY(bl_tpm_check_ek(ek, err));
    if (!bl_tpm_hash(ek->name_alg, &hash) || secret.size == 0 || secret.size > bl_hash_size(hash))
        return blind_fail(err, BLIND_INPUT, STAGE, "a secret of %zu bytes", secret.size);
    blind_code code = share_seed(ek, hash, seed, &shared, err);
    if (code == BLIND_OK)
        code = protect(ek, hash, seed, ak_name, secret, out, err);
    bl_wipe(seed, sizeof seed);
    BL_TRY(code);
    add_2b(out, bl_buf_span(&shared));
    return bl_buf_check(out, STAGE, err);
}

static blind_span read_2b(bl_reader *r)
{
    blind_span from = r->rest;
    size_t     size = bl_read_u16be(r);
    bl_skip(r, size);
    return r->failed ? (blind_span){ 0 } : bl_span(from.data, size + 2);
}

blind_code bl_tpm_credential_parse(blind_span credential, blind_span *id_object,
                                   blind_span *encrypted_secret, blind_error *err)
{
    bl_reader r = { .rest = credential };
    *id_object = read_2b(&r);
    *encrypted_secret = read_2b(&r);
    if (bl_reader_done(&r) && id_object->size <= 134 && encrypted_secret->size <= 514)
        return BLIND_OK;
    *id_object = *encrypted_secret = (blind_span){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes that are no credential",
                      credential.size);
}
