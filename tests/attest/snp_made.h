/* Synthetic SEV-SNP evidence: chains under roots of our own, and reports that they sign. */
#ifndef SNP_MADE_H
#define SNP_MADE_H

#include "attest/snp/snp.h"
#include "tests/attest/make_cert.h"

#define MADE_NOW 1780000000 /* 2026-05-28 */
#define MADE_DAY 86400

typedef enum { MADE_MILAN, MADE_GENOA, MADE_TURIN, MADE_PRODUCTS } made_product;

/* What to make; a zeroed struct is Milan, version 3, VCEK, nothing wrong. */
typedef struct {
    made_product product;
    bool         vlek;
    uint32_t     version; /* 0: 3 (Turin 5) */
    /* Extension of the leaf left out, or given another value; NULL: neither. */
    const char *drop, *replace;
    blind_span  value;
    bool        twice;     /* the replaced one is there beside the right one */
    bool        critical;  /* `also` is */
    const char *also;      /* one more extension with `value` */
    const char *leaf_name; /* NULL: the right one */
    const char *ask_name;
    int64_t     leaf_from_s, leaf_to_s; /* 0: a year around now */
    bool        ask_no_ca;
    uint64_t    ask_serial; /* 0: 0x10001 */
    bool        other_ark;  /* signed by a key that is not pinned */
    bool        leaf_p256;
    bool        masked;                /* chip id zero */
    bool        milan_layout;          /* the TCB's bytes as on Milan, whatever the product */
    uint64_t    policy, platform_info; /* added to the plain ones */
    uint32_t    vmpl;
    int         signer;   /* 0: as the chain; else value + 1 */
    int         patch_at; /* report byte to set before signing, or 0 */
    uint8_t     patch;
    uint8_t     levels[BL_SNP_COMPONENTS]; /* all 0: those of made_levels */
    const char
        *crl; /* "good", "stale", "no next", "revoked", "other key", "other issuer", "future" */
} made_spec;

extern const uint8_t made_levels[BL_SNP_COMPONENTS];

typedef struct {
    bl_buf   report, ark, ask, leaf, crl;
    bool     vlek;
    bl_arena arena;
} made;

/* Keys are made once per process. */
void            made_evidence(const made_spec *spec, made *out);
void            made_done(made *m);
const bl_roots *made_roots(void);
/* The table a host would hand over; GUIDs as EFI writes them with `efi`. */
void made_table(const made *m, bool efi, bl_buf *out);

/* Parts of the evidence, each under its name; `ark` only when asked. */
void made_parts(const made *m, bool ark, bl_parts *out);
/* Verifies with the test's roots, the list optional, at MADE_NOW. */
blind_code made_verify(made *m, const bl_parts *parts, blind_cache *cache, bl_claims *out,
                       blind_error *err);

#endif
