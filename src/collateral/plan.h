/* What verifying a piece of evidence takes beside it, and where its vendor offers that. */
#ifndef BL_PLAN_H
#define BL_PLAN_H

#include "attest/parts.h"
#include "collateral/fetch.h"

#define BL_MAX_NEEDS 12

/* One answer of a vendor and the parts of the verification that it gives. */
typedef struct {
    char url[1024];
    char name[BL_MAX_STORE_NAME]; /* in the store */
    /* The body becomes `part`; with `second` too it is a PEM list whose first certificate is the
     * one and whose second is the other. */
    const char *part, *second;
    /* A header of the answer to keep, and the part it becomes; NULL: none, and a header without a
     * part is kept for those who are served from the store. */
    const char *header, *header_part;
    const char *type; /* the body's media type */
} bl_need;

typedef struct {
    bl_need items[BL_MAX_NEEDS];
    size_t  len;
} bl_plan;

/* Where from.  A mirror that keeps the vendors' paths can stand for all of them. */
typedef struct {
    const char *amd;        /* "https://kdsintf.amd.com" */
    const char *intel;      /* "https://api.trustedservices.intel.com" */
    const char *intel_root; /* "https://certificates.trustedservices.intel.com" */
    const char *product;    /* SNP reports of version 2 do not name it: "Milan"; NULL: unknown */
} bl_sources;
extern const bl_sources bl_sources_vendors;

/* tee     "snp", "sgx", "tdx"
 * Errors  UNSUPPORTED: a TEE that needs nothing fetched, or evidence whose certificate only its
 *         cloud hands out; FORMAT, INPUT */
BLIND_MUST_USE blind_code bl_plan_for(const char *tee, blind_span evidence,
                                      const bl_sources *sources, bl_plan *out, blind_error *err);

/* The other way round, for a mirror: the need whose address ends in this path and query.  Of `out`
 * name, header and type are set.  Names are put together from what was understood, never copied
 * from the path.  Errors: NOT_FOUND */
BLIND_MUST_USE blind_code bl_need_at(blind_span path, blind_span query, bl_need *out,
                                     blind_error *err);

/* Rows of the tables: one file each. */
blind_code bl_plan_snp(blind_span evidence, const bl_sources *sources, bl_plan *out,
                       blind_error *err);
blind_code bl_plan_intel(blind_span evidence, const bl_sources *sources, bl_plan *out,
                         blind_error *err);
bool       bl_need_at_snp(blind_span path, blind_span query, bl_need *out);
bool       bl_need_at_intel(blind_span path, blind_span query, bl_need *out);

/* Takes `word` off the front of `rest`; false where it does not begin so. */
bool bl_take_word(blind_span *rest, const char *word);

/* A query's value for a key: letters and digits, "" without. */
typedef struct {
    const char *key;
    char        value[24];
} bl_query_value;
/* "a=1&b=2": false for a key that is not among `values` or comes twice, and for any value that is
 * empty, too long or more than letters and digits. */
bool bl_query_read(blind_span query, bl_query_value *values, size_t len);

/* Adds a need; `path` begins with '/'. */
BLIND_MUST_USE blind_code bl_plan_add(bl_plan *plan, const char *base, const char *path,
                                      const bl_need *need, blind_error *err);

/* Parts from the store, made by bl_collateral_take(). */
typedef struct {
    bl_parts parts;
    bl_buf   bytes[2 * BL_MAX_NEEDS];
    size_t   len;
} bl_collateral;
void bl_collateral_done(bl_collateral *collateral);
#define bl_auto_collateral __attribute__((cleanup(bl_collateral_done))) bl_collateral

/* Adds the parts that an item gives.  Errors: INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_collateral_take(bl_collateral *collateral, const bl_need *need,
                                             const bl_item *item, blind_error *err);
/* All items of a plan from the store, no network.  Errors: NOT_FOUND, and as above */
BLIND_MUST_USE blind_code bl_collateral_load(bl_collateral *collateral, const bl_plan *plan,
                                             const char *dir, blind_error *err);

#endif
