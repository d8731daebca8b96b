/* AMD SEV-SNP: the attestation report's fields, and the certificates that vouch for it.
 *
 *     0x000  4    version: 2, 3, 4 (read as 3) or 5
 *     0x004  4    guest SVN
 *     0x008  8    guest policy: bits below
 *     0x010  16   family id
 *     0x020  16   image id
 *     0x030  4    VMPL, 0 to 3
 *     0x034  4    signature algorithm: 1, ECDSA P-384 with SHA-384
 *     0x038  8    current TCB
 *     0x040  8    platform info: bits below
 *     0x048  4    bit 0 author key, bit 1 chip key masked, bits 4:2 signing key
 *     0x04c  4    zero
 *     0x050  64   report data
 *     0x090  48   measurement (launch digest)
 *     0x0c0  32   host data
 *     0x0e0  48   id key digest
 *     0x110  48   author key digest
 *     0x140  32   report id
 *     0x160  32   report id of the migration agent
 *     0x180  8    reported TCB
 *     0x188  3    CPUID family, model, stepping (from version 3; else zero)
 *     0x18b  21   zero
 *     0x1a0  64   chip id; zero: masked.  From Turin on its first 8 bytes
 *     0x1e0  8    committed TCB
 *     0x1e8  4    current firmware: build, minor, major, zero
 *     0x1ec  4    committed firmware: the same
 *     0x1f0  8    launch TCB
 *     0x1f8  8    launch mitigation vector (from version 5; else zero)
 *     0x200  8    current mitigation vector (the same)
 *     0x208  152  zero
 *     0x2a0  72   signature r, little-endian
 *     0x2e8  72   signature s, little-endian
 *     0x330  368  zero
 *
 * The signature is over bytes 0x000 to 0x29f.  Integers are little-endian.
 * Source: AMD 56860, section 7.3, ATTESTATION_REPORT, and section 4.3, guest policy. */
#ifndef BL_SNP_H
#define BL_SNP_H

#include "attest/cache.h"
#include "attest/tee.h"
#include "crypto/x509.h"

#define BL_SNP_REPORT_SIZE 0x4a0
#define BL_SNP_SIGNED_SIZE 0x2a0

/* Guest policy, what the owner of the guest asked of the platform. */
#define BL_SNP_POLICY_SMT           (1ull << 16) /* may run with SMT */
#define BL_SNP_POLICY_ONE           (1ull << 17) /* must be one */
#define BL_SNP_POLICY_MIGRATE       (1ull << 18) /* may have a migration agent */
#define BL_SNP_POLICY_DEBUG         (1ull << 19) /* the host may debug */
#define BL_SNP_POLICY_SINGLE_SOCKET (1ull << 20)
#define BL_SNP_POLICY_CXL           (1ull << 21) /* memory may lie on CXL devices */
#define BL_SNP_POLICY_AES_256_XTS   (1ull << 22)
#define BL_SNP_POLICY_RAPL_OFF      (1ull << 23)
#define BL_SNP_POLICY_CIPHERTEXT    (1ull << 24) /* ciphertext hiding */
#define BL_SNP_POLICY_PAGE_SWAP_OFF (1ull << 25)
#define BL_SNP_POLICY_KNOWN         ((1ull << 26) - 1)

/* Platform info, how the platform runs. */
#define BL_SNP_PLATFORM_SMT         (1ull << 0)
#define BL_SNP_PLATFORM_TSME        (1ull << 1)
#define BL_SNP_PLATFORM_ECC         (1ull << 2)
#define BL_SNP_PLATFORM_RAPL_OFF    (1ull << 3)
#define BL_SNP_PLATFORM_CIPHERTEXT  (1ull << 4)
#define BL_SNP_PLATFORM_ALIAS_CHECK (1ull << 5)
#define BL_SNP_PLATFORM_TIO         (1ull << 7)

typedef enum { BL_SNP_VCEK = 0, BL_SNP_VLEK = 1, BL_SNP_NO_KEY = 7 } bl_snp_signer;

typedef struct {
    uint32_t   version, guest_svn;
    uint64_t   policy;
    blind_span family_id, image_id;
    uint32_t   vmpl, algorithm;
    uint64_t   current_tcb, platform_info;
    bool       author_key, chip_key_masked;
    unsigned   signer; /* bl_snp_signer, or a value of no meaning */
    blind_span report_data, measurement, host_data;
    blind_span id_key_digest, author_key_digest, report_id, report_id_ma;
    uint64_t   reported_tcb;
    bool       has_cpuid;
    uint8_t    family, model, stepping;
    blind_span chip_id;
    uint64_t   committed_tcb;
    uint8_t    build, minor, major; /* of the firmware that runs */
    uint64_t   launch_tcb;
    bool       has_mitigations;
    uint64_t   launch_mitigations, current_mitigations;
    blind_span r, s; /* 48 bytes each, little-endian */
} bl_snp_report;

/* Exactly one report; spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_snp_report_parse(blind_span raw, bl_snp_report *out, blind_error *err);

/* A product line: its names in certificates, its CPUs and how it writes a TCB. */
typedef struct {
    const char *name;       /* "Milan" */
    const char *root;       /* "amd-ark-milan", of bl_roots */
    const char *ask, *asvk; /* common names of what issues VCEKs and VLEKs */
    uint8_t     family;     /* CPUID */
    struct {
        uint8_t first, last;
    } models[2];
    bool   fmc;       /* the TCB begins with the FMC, as from Turin on */
    size_t hwid_size; /* bytes of the chip id that certificates name */
} bl_snp_product;

/* By its own name, or NULL. */
const bl_snp_product *bl_snp_product_named(const char *name);
/* By the CPUID of a report; NULL when it has none or names another line. */
const bl_snp_product *bl_snp_product_of_report(const bl_snp_report *report);
/* By the common name of an ASK or ASVK; NULL when it is none. */
const bl_snp_product *bl_snp_product_of(const char *authority, bool *vlek);

/* Security patch levels of a TCB.  Source: AMD 56860, section 2.2, TCB_VERSION. */
typedef enum {
    BL_SNP_FMC,
    BL_SNP_BOOTLOADER,
    BL_SNP_TEE,
    BL_SNP_SNP,
    BL_SNP_MICROCODE,
    BL_SNP_COMPONENTS
} bl_snp_component;
typedef struct {
    uint8_t level[BL_SNP_COMPONENTS]; /* FMC: 0 before Turin */
    bool    reserved;                 /* a byte that must be zero is not */
} bl_snp_tcb;
bl_snp_tcb bl_snp_tcb_of(const bl_snp_product *product, uint64_t raw);
uint64_t   bl_snp_tcb_raw(const bl_snp_product *product, const bl_snp_tcb *tcb);

/* Compares the reported TCB with the lowest levels that AMD's bulletins ask for: fills tcb_status,
 * tcb_found, advisories and tcb_current. */
void bl_snp_tcb_judge(const bl_snp_product *product, const bl_snp_tcb *tcb, bl_arena *arena,
                      bl_claims *out);
extern const char *const bl_snp_tcb_statuses[];

/* The certificates as they came: single ones, or in a table. */
typedef struct {
    blind_span ark, ask, vcek, vlek, crl;
} bl_snp_certs;
/* Reads the certificate table that a host hands to its guest: entries of GUID, u32 offset, u32
 * length, ended by a GUID of zeros.  Other GUIDs are skipped; a name twice is refused.  Spans
 * borrow from `table`.  Errors: FORMAT, LIMIT
 * Source: AMD 56421, section 4.1.8.1, SNP Extended Guest Request. */
BLIND_MUST_USE blind_code bl_snp_cert_table_parse(blind_span table, bl_snp_certs *out,
                                                  blind_error *err);
/* Parts `ark`, `ask`, `vcek`, `vlek`, `crl`, and `cert_table` for those that are not there.  The
 * same certificate both ways is refused.  Errors: FORMAT, LIMIT */
BLIND_MUST_USE blind_code bl_snp_certs_of(const bl_parts *parts, bl_snp_certs *out,
                                          blind_error *err);

/* A chain whose signatures are right: VCEK or VLEK, ASK or ASVK, perhaps ARK. */
typedef struct {
    bl_cached             cached;
    const bl_snp_product *product;
    bool                  vlek;
    bl_chain              certs;
    bl_key               *root;
} bl_snp_chain;
/* Verifies it up to the pinned key, no time looked at; remembered in in->cache.  The caller ends it
 * with bl_cached_release().  Errors: CHAIN, INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_snp_chain_get(const bl_verify_input *in, const bl_snp_certs *certs,
                                           bl_snp_chain **out, blind_error *err);
/* The root's list does not name the authority.  Errors: REVOKED, STALE, CHAIN, MEMORY */
BLIND_MUST_USE blind_code bl_snp_crl_check(const bl_verify_input *in, blind_span crl,
                                           const bl_snp_chain *chain, blind_error *err);

/* What the certificate's extensions say about the report.  Errors of each: CHAIN
 * Source: AMD 57230, section 3.1, VCEK certificate extensions, and section 3.2, VLEK. */
BLIND_MUST_USE blind_code bl_snp_leaf_product(const bl_snp_chain *chain, blind_error *err);
BLIND_MUST_USE blind_code bl_snp_leaf_tcb(const bl_snp_chain *chain, uint64_t reported,
                                          blind_error *err);
/* VCEK: the chip's id, raw bytes.  VLEK: none, and *csp is the cloud provider's name. */
BLIND_MUST_USE blind_code bl_snp_leaf_identity(const bl_snp_chain *chain, blind_span *hwid,
                                               blind_span *csp, blind_error *err);

extern const bl_roots bl_snp_roots;
bool                  bl_snp_is_revoked(const bl_snp_product *product, blind_span serial);

/* The functions of the row bl_tee_snp. */
blind_code bl_snp_open(const bl_tee_options *options, void **out, blind_error *err);
blind_code bl_snp_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
blind_code bl_snp_endorse(void *opened, bl_buf *endorsements, blind_error *err);
void       bl_snp_close(void *opened);
blind_code bl_snp_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
