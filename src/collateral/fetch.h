/* One file from its vendor, by way of the store: asked for again only when it is old, with the tag
 * it had, patiently where the vendor is busy. */
#ifndef BL_FETCH_H
#define BL_FETCH_H

#include "collateral/store.h"

typedef struct {
    const char *dir;         /* the store */
    const char *ca_file;     /* PEM; NULL: the system's authorities */
    int         attempts;    /* tries in all; 0: 5 */
    int         timeout_s;   /* of one try; 0: 30 */
    int64_t     max_age_s;   /* younger items are not asked for again; 0: always asked for */
    int64_t     now_s;       /* the wall clock */
    void (*wait_ms)(int ms); /* NULL: sleeps; tests count instead */
} bl_fetch_options;

/* What became of it. */
typedef enum {
    BL_FETCHED,   /* new bytes */
    BL_UNCHANGED, /* the vendor says that they are still the same (304) */
    BL_KEPT,      /* young enough: nobody was asked */
    BL_OLD,       /* the vendor could not be reached: what was there before, *err says why */
} bl_fetch_outcome;

/* url     https://...; redirects stay https
 * name    in the store
 * header  of the answer to keep, percent-decoded ("TCB-Info-Issuer-Chain"); NULL: none.  An answer
 *         without it is refused
 * Errors  NOT_FOUND (404), NETWORK, TIMEOUT, LIMIT, IO, MEMORY, BUSY (429 to the end) */
BLIND_MUST_USE blind_code bl_fetch(const bl_fetch_options *options, const char *url,
                                   const char *name, const char *header, bl_item *out,
                                   bl_fetch_outcome *outcome, blind_error *err);

#endif
