/* One TEE.  Instances are const; callers know this struct and nothing more. */
#ifndef BL_TEE_H
#define BL_TEE_H

#include "attest/claims.h"
#include "attest/parts.h"
#include "base/buf.h"

/* Ways in which the simulated TEE misreports itself, for tests of each refusal. */
typedef enum {
    BL_SIM_LIE_MEASUREMENT = 1,
    BL_SIM_LIE_DEBUG = 2,
    BL_SIM_LIE_BINDING = 4,
    BL_SIM_LIE_SIGNATURE = 8,
    BL_SIM_LIE_LOG = 16, /* not the report but the log beside it: bl_sim_lie_log() */
} bl_sim_lie;

typedef struct {
    unsigned sim_lies; /* of bl_sim_lie */
    /* File that sim measures; NULL: the running executable. */
    const char *sim_binary;
    /* configfs-tsm, see tsm.h; zero: the kernel's, at its usual place, at the guest's own level. */
    const struct bl_tsm_fs    *tsm_fs;
    const char                *tsm_root;
    const struct bl_sev_guest *sev_guest; /* SEV-SNP without configfs-tsm; NULL: the device */
    unsigned                   vmpl;      /* SEV-SNP: of the reports, at least */
    /* Gramine's files, see sgx/collect.c; NULL: the kernel's, in /dev/attestation. */
    const struct bl_tsm_fs *gramine_fs;
    const char             *gramine_root;
    const char             *event_log; /* TDX: file of the boot's log; NULL: the firmware's CCEL */
    /* The TPM, see tpm/device.h; zero: the kernel's, its own boot log, a key made for the purpose.
     */
    const char *tpm_tcti;      /* "device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321" */
    const char *tpm_event_log; /* file; NULL: the kernel's, if there is one */
    const char *tpm_ek_chain;  /* file: issuers of the endorsement certificate */
    uint32_t    tpm_ak_handle; /* persistent attestation key */
} bl_tee_options;

/* A trust anchor: a vendor's key, never a certificate. */
typedef struct {
    const char *name; /* "ARK-Milan" */
    blind_span  spki; /* DER SubjectPublicKeyInfo */
} bl_root;

typedef struct {
    const bl_root *items;
    size_t         len;
} bl_roots;

/* What a policy tells the verifier of a TEE before it looks; zero is the strictest of each. */
typedef struct {
    bool    no_collateral;    /* signatures and chains alone: TCB status stays unknown */
    bool    crl_optional;     /* where the TEE's revocation list may be missing */
    bool    allow_sha1;       /* TPM: a SHA-1 bank or signature hash */
    int64_t collateral_age_s; /* issued at most so long ago; 0: its own nextUpdate decides */
    /* SHA-256 of SubjectPublicKeyInfo DER: keys and authorities pinned beside the vendor's. */
    const uint8_t (*keys)[32];
    size_t keys_len;
    const uint8_t (*authorities)[32];
    size_t authorities_len;
    /* Beside the policy: what the caller itself enrolled (attest/tpm/credential.h).  Evidence never
     * brings any. */
    const blind_span *enrolments;
    size_t            enrolments_len;
} bl_verify_rules;

typedef struct {
    blind_span             evidence;
    const bl_parts        *parts; /* endorsements and collateral; names in the TEE's header */
    int64_t                now_s; /* the verifier's clock; <= 0: unknown, nothing is in force */
    const bl_roots        *roots; /* bl_tee.roots but in tests */
    const bl_verify_rules *rules;
    blind_cache           *cache; /* NULL: none */
    bl_arena              *arena; /* texts and copies of the claims */
} bl_verify_input;

/* A register that reference sets name, and the sizes its digest may have. */
typedef struct {
    const char *name;
    size_t      size; /* bytes */
    size_t      more; /* another legal size, or 0 */
} bl_register_row;

/* A field that a policy may bound in [TEE.minimum], [TEE.maximum] and [TEE.equal]. */
typedef struct {
    const char  *name;
    bl_fact_kind kind;
    size_t       size; /* BYTES: exactly so many; 0: up to BL_MAX_FACT_SIZE */
    /* What holds when the policy says nothing. */
    enum { BL_FREE, BL_AT_MOST, BL_EXACTLY } fallback;
    uint64_t   limit;
    blind_code code; /* of its failure; OK stands for MEASUREMENT */
} bl_fact_row;

/* Rows without a fallback, as most are. */
/* clang-format off */
#define BL_FACT_ROW(field, is, many, why) { .name = (field), .kind = (is), .size = (many), .code = (why) }
/* clang-format on */
#define BL_NUMBER(field, why)      BL_FACT_ROW(field, BL_FACT_NUMBER, 0, why)
#define BL_FLAG(field, why)        BL_FACT_ROW(field, BL_FACT_FLAG, 0, why)
#define BL_TEXT(field)             BL_FACT_ROW(field, BL_FACT_TEXT, 0, BLIND_OK)
#define BL_BYTES(field, many, why) BL_FACT_ROW(field, BL_FACT_BYTES, many, why)
#define BL_NO_MORE_FACTS           BL_FACT_ROW(NULL, BL_FACT_NUMBER, 0, BLIND_OK)

typedef struct bl_tee {
    const char *name;             /* "sim", as on the command line and in policies */
    size_t      report_data_size; /* bytes the hardware signs for us */
    bool        simulated;        /* its key is public knowledge: never chosen by "auto" */

    /* What policies may say of it.  Tables end with a row without name, or NULL. */
    const bl_register_row *registers;
    const bl_fact_row     *facts;        /* NULL: none */
    const char *const     *tcb_statuses; /* NULL: it has none; the first is the best */
    const bl_roots        *roots;        /* NULL: none */
    /* Which of the rules of bl_verify_rules mean something here. */
    bool        has_collateral, has_crl, has_pins, has_sha1;
    bool        crl_if_given;     /* `crl` is "optional" unless the policy says "required" */
    const char *runtime_register; /* which the runtime log is extended into: "pcr15"; NULL: none */
    /* Evidence says nothing of debugging: only a policy with allow_debug accepts it. */
    bool silent_on_debug;

    /* Attester.  NULL where this build cannot run inside the TEE.  One device serves all threads.
     */
    blind_code (*open)(const bl_tee_options *options, void **device, blind_error *err);
    /* Appends evidence over `report_data`, at most report_data_size bytes, padded with zeros. */
    blind_code (*collect)(void *device, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
    /* Appends the parts that go with the evidence collected last, as bl_parts_write() does: what
     * the device or the host hands out.  NULL: none. */
    blind_code (*endorse)(void *device, bl_buf *endorsements, blind_error *err);
    /* Appends the secret inside a challenge to the device's endorsement key
     * (attest/tpm/credential.h). Errors: FORMAT, IO.  NULL: it has none. */
    blind_code (*activate)(void *device, blind_span credential, bl_buf *secret, blind_error *err);
    /* The runtime register, which the log's head is extended into; NULL: there is none.  Errors: IO
     */
    blind_code (*extend)(void *device, const uint8_t digest[32], blind_error *err);
    blind_code (*extended)(void *device, uint8_t out[32], blind_error *err); /* reads it */
    void (*close)(void *device);

    /* Verifier.  Pure: no device, no network; the time is an argument.  `out` comes zeroed.  OK:
     * authentic, and *out says what was signed.  Errors: FORMAT, SIGNATURE, CHAIN, REVOKED, STALE,
     * MEMORY.  Except after FORMAT, *out holds the fields as they were read, for the report to
     * show.  out->findings are the steps taken; a TEE of one signature may leave them out. */
    blind_code (*verify)(const bl_verify_input *in, bl_claims *out, blind_error *err);
} bl_tee;

extern const bl_tee bl_tee_sim;
extern const bl_tee bl_tee_sgx;
extern const bl_tee bl_tee_snp;
extern const bl_tee bl_tee_nitro;
extern const bl_tee bl_tee_nvidia;
extern const bl_tee bl_tee_tpm;
extern const bl_tee bl_tee_tdx;

/* The TEE that this machine is: the first whose device opens, never one that is simulated; NULL
 * when there is none.  `why` gets one line: what was looked for, and how that went. */
const bl_tee *bl_tee_detect(const bl_tee_options *options, bl_buf *why);
/* NULL when there is no such TEE. */
const bl_tee *bl_tee_find(blind_span name);
/* The i-th row of the table, NULL past its end. */
const bl_tee *bl_tee_at(size_t i);

/* "measurement,debug" -> flags.  Errors: USAGE */
BLIND_MUST_USE blind_code bl_sim_lies_parse(const char *text, unsigned *out, blind_error *err);
/* Damages a log's encoding when `lies` has BL_SIM_LIE_LOG. */
void bl_sim_lie_log(unsigned lies, bl_buf *log);

#endif
