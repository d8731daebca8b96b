/* TPM 2.0 quotes: what a TPM signs, the keys it signs with, who vouches for them.
 *
 * evidence        TPMS_ATTEST as the TPM returned it (it starts with ff 54 43 47), the rest in
 * parts beside it; or our own form, a map of parts (attest/parts.h) with `quote` in it
 *
 * parts           signature   TPMT_SIGNATURE
 *                 ak_public   TPMT_PUBLIC or TPM2B_PUBLIC of the attestation key (AK)
 *                 ak_spki     the same as SubjectPublicKeyInfo, where its public area is not kept
 *                 ak_cert     the AK's certificate; ak_chain: its issuers, leaf first
 *                 pcrs        {"bank": "sha256", "pcrs": {"0": "64 hexadecimal digits", ...}}
 *                 event_log   the boot's TCG event log
 *                 hcl_report  Azure's confidential machines: the report that vouches for the AK,
 * with runtime_data, snp_report or td_quote and their endorsements (attest/tpm/hcl.c)
 *
 * TPMS_ATTEST     magic ff544347, type u16 8018, qualifiedSigner TPM2B, extraData TPM2B,
 *                 clock u64, resetCount u32, restartCount u32, safe u8, firmwareVersion u64,
 *                 PCR selections: count u32 of { hash u16, size u8, bits }, pcrDigest TPM2B
 *
 * All numbers are big-endian; a TPM2B is a size u16 and that many bytes.
 * Source: TCG TPM 2.0 Library 1.59, part 2, sections 10.12 (TPMS_ATTEST), 11.2.4 (TPMT_PUBLIC:
 * 12.2.4) and 11.3 (TPMT_SIGNATURE). */
#ifndef BL_TPM_H
#define BL_TPM_H

#include "attest/tee.h"
#include "base/reader.h"
#include "crypto/hash.h"
#include "crypto/key.h"

#define BL_TPM_MAGIC 0xff544347u
#define BL_TPM_PCRS  24
#define BL_TPM_MEANING                                                                             \
    16                  /* PCR 0 to 15 are reset by nothing but a reboot, and may carry meaning    \
                         */
#define BL_TPM_NAME 66  /* bytes of the largest name: algorithm and digest */
#define BL_TPM_SPKI 600 /* bytes of the largest key, RSA-4096 */

/* TPM_ALG_ID.  Source: part 2, section 6.3. */
enum {
    BL_TPM_RSA = 0x0001,
    BL_TPM_SHA1 = 0x0004,
    BL_TPM_AES = 0x0006,
    BL_TPM_SHA256 = 0x000b,
    BL_TPM_SHA384 = 0x000c,
    BL_TPM_SHA512 = 0x000d,
    BL_TPM_NULL = 0x0010,
    BL_TPM_RSASSA = 0x0014,
    BL_TPM_RSAPSS = 0x0016,
    BL_TPM_ECDSA = 0x0018,
    BL_TPM_ECC = 0x0023,
    BL_TPM_CFB = 0x0043,
};

/* TPMA_OBJECT.  Source: part 2, section 8.3. */
enum {
    BL_TPM_FIXED_TPM = 1 << 1,
    BL_TPM_FIXED_PARENT = 1 << 4,
    BL_TPM_SENSITIVE_DATA_ORIGIN = 1 << 5,
    BL_TPM_USER_WITH_AUTH = 1 << 6,
    BL_TPM_ADMIN_WITH_POLICY = 1 << 7,
    BL_TPM_NO_DA = 1 << 10,
    BL_TPM_RESTRICTED = 1 << 16,
    BL_TPM_DECRYPT = 1 << 17,
    BL_TPM_SIGN = 1 << 18,
};

typedef struct {
    blind_span qualified_signer;
    blind_span extra_data; /* the attester's bytes */
    uint64_t   clock_ms;   /* the TPM's own, since it was made */
    uint32_t   reset_count, restart_count;
    bool       safe; /* the clock went back by no loss of power */
    uint64_t   firmware_version;
    uint16_t   bank;      /* TPM_ALG_ID of the one bank quoted; 0: none */
    uint32_t   selection; /* bit i: PCR i */
    blind_span pcr_digest;
} bl_tpm_quote;

typedef struct {
    uint16_t   scheme, hash; /* BL_TPM_RSASSA, ...; TPM_ALG_ID */
    blind_span rsa;          /* of RSASSA and RSAPSS */
    blind_span r, s;         /* of ECDSA, without leading zeros or with */
} bl_tpm_signature;

typedef struct {
    blind_span raw;             /* TPMT_PUBLIC: what its name digests */
    uint16_t   type, name_alg;  /* BL_TPM_RSA or BL_TPM_ECC */
    uint32_t   attributes;      /* BL_TPM_FIXED_TPM | ... */
    blind_span policy;          /* authPolicy */
    uint16_t   symmetric;       /* BL_TPM_AES or BL_TPM_NULL */
    uint16_t   key_bits, mode;  /* of the symmetric cipher */
    uint16_t   scheme, hash;    /* BL_TPM_NULL: any */
    uint16_t   rsa_bits, curve; /* of its type; curve: 3 P-256, 4 P-384 */
    uint32_t   exponent;        /* 0: 65537 */
    blind_span x, y;            /* RSA: the modulus in x */
} bl_tpm_public;

/* Bytes to fields; nothing is allocated, spans borrow from `raw`, *out is empty on failure.
 * Errors: FORMAT */
BLIND_MUST_USE blind_code bl_tpm_quote_parse(blind_span raw, bl_tpm_quote *out, blind_error *err);
BLIND_MUST_USE blind_code bl_tpm_signature_parse(blind_span raw, bl_tpm_signature *out,
                                                 blind_error *err);
/* TPMT_PUBLIC, or TPM2B_PUBLIC. */
BLIND_MUST_USE blind_code bl_tpm_public_parse(blind_span raw, bl_tpm_public *out, blind_error *err);
/* The key as SubjectPublicKeyInfo, DER; `out` may be short of no key that parses.  Returns its
 * size.  Source: RFC 3279, section 2.3.1; RFC 5480, section 2. */
size_t bl_tpm_public_spki(const bl_tpm_public *key, uint8_t out[BL_TPM_SPKI]);
/* Algorithm and digest of the public area.  Errors: UNSUPPORTED (the name's algorithm), MEMORY
 * Source: TPM 2.0 part 1, section 16. */
BLIND_MUST_USE blind_code bl_tpm_public_name(const bl_tpm_public *key, uint8_t out[BL_TPM_NAME],
                                             size_t *size, blind_error *err);
/* The bytes of the first DER element; behind it, as NV memory gives certificates, may be only bytes
 * of 0xff or of 0x00.  Empty when it is not so. */
blind_span bl_tpm_nv_trim(blind_span raw);

/* BL_SHA256 of BL_TPM_SHA256, ...; false for another algorithm. */
bool        bl_tpm_hash(uint16_t algorithm, bl_hash *out);
const char *bl_tpm_hash_name(uint16_t algorithm); /* "sha256"; "unknown" */

/* Checks what a TPM must be unable to get around: an attestation key that signs nothing it did not
 * make itself, is held by one TPM and came from nowhere else.  Errors: EVIDENCE
 * Source: TPM 2.0 part 1, section 31.3 (restricted signing keys). */
BLIND_MUST_USE blind_code bl_tpm_check_ak(const bl_tpm_public *ak, blind_error *err);
/* The endorsement key is of a template of the TCG's.  Errors: EVIDENCE
 * Source: TCG EK Credential Profile 2.5, annex B. */
BLIND_MUST_USE blind_code bl_tpm_check_ek(const bl_tpm_public *ek, blind_error *err);

/* PCR values, as the part `pcrs` lists them. */
typedef struct {
    uint16_t bank;   /* TPM_ALG_ID */
    size_t   size;   /* bytes of each */
    uint32_t listed; /* bit i: PCR i */
    uint8_t  values[BL_TPM_PCRS][BL_HASH_MAX];
} bl_tpm_pcrs;
/* Errors: FORMAT, MEMORY */
BLIND_MUST_USE blind_code bl_tpm_pcrs_parse(blind_span json, bl_tpm_pcrs *out, blind_error *err);
BLIND_MUST_USE blind_code bl_tpm_pcrs_write(const bl_tpm_pcrs *pcrs, bl_buf *out, blind_error *err);

/* A certificate of an EK or AK: its chain to an anchor, and what it says of the TPM.
 *
 * A certificate chains to a vendor's root (bl_roots), or to an authority that the policy pins: a
 * certificate in the chain whose key has this SHA-256. */
typedef struct {
    char        anchor[64]; /* name of the root; "an authority of the policy" */
    bl_tpm_kind kind;
    char        manufacturer[5]; /* "STM "; "" unknown */
    char        model[32];       /* "ST33HTPHAHC0" */
    char        version[16];     /* "id:00490008" without "id:" */
    uint8_t     spki_sha256[32]; /* of the certified key */
} bl_tpm_cert;
typedef enum { BL_TPM_EK_CERT, BL_TPM_AK_CERT } bl_tpm_role;
typedef struct {
    bl_tpm_role            role;        /* what the certificate's key must be for */
    blind_span             cert, chain; /* leaf, which may be padded; issuers, the next one first */
    const bl_roots        *roots;
    const bl_verify_rules *rules;
    int64_t                now_s;
    blind_cache           *cache;
} bl_tpm_cert_input;
/* spki    of the key that must be certified, DER; empty: any
 * Errors  CHAIN, STALE, MEMORY
 * Source: TCG EK Credential Profile 2.5, section 3; RFC 5280, section 6. */
BLIND_MUST_USE blind_code bl_tpm_cert_verify(const bl_tpm_cert_input *in, blind_span spki,
                                             bl_tpm_cert *out, blind_error *err);
/* "discrete", "firmware", "virtual", "unknown" */
const char *bl_tpm_kind_name(bl_tpm_kind kind);

extern const bl_roots bl_tpm_roots;

/* Verifies a TPMT_SIGNATURE over `message`.  Errors: FORMAT, SIGNATURE */
BLIND_MUST_USE blind_code bl_tpm_signature_verify(const bl_tpm_signature *signature,
                                                  const bl_key *key, blind_span message,
                                                  blind_error *err);

/* Azure's HCL report, bytes to fields; nothing is allocated.
 *
 *     0x000  "HCLA", version u32, size u32, type u32 (2), 16 bytes 0     little-endian, as all here
 *     0x020  hardware report, 1184 bytes: SNP's, or a TDREPORT and zeros
 *     0x4c0  size u32, version u32, kind u32 (2 SNP, 4 TDX), hash u32 (1 SHA-256), claims u32
 *     0x4d4  runtime claims: JSON, whose hash is in the hardware report; then zeros
 *
 * Source: Microsoft, "Guest attestation for confidential VMs", and the recorded reports. */
#define BL_HCL_HARDWARE 1184
typedef struct {
    blind_span hardware, claims;
    uint32_t   kind; /* BL_HCL_SNP, BL_HCL_TDX */
} bl_hcl_report;
enum { BL_HCL_SNP = 2, BL_HCL_TDX = 4 };
/* Errors: FORMAT */
BLIND_MUST_USE blind_code bl_hcl_parse(blind_span raw, bl_hcl_report *out, blind_error *err);

blind_code bl_tpm_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
