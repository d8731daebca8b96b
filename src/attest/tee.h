/* One TEE.  Instances are const; callers know this struct and nothing more. */
#ifndef BL_TEE_H
#define BL_TEE_H

#include "attest/claims.h"
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
} bl_tee_options;

typedef struct bl_tee {
    const char *name;             /* "sim", as on the command line and in policies */
    size_t      report_data_size; /* bytes the hardware signs for us */
    bool        simulated;        /* its key is public knowledge: never chosen by "auto" */

    /* Attester.  NULL where this build cannot run inside the TEE.  One device serves all threads.
     */
    blind_code (*open)(const bl_tee_options *options, void **device, blind_error *err);
    /* Appends evidence over `report_data`, at most report_data_size bytes, padded with zeros. */
    blind_code (*collect)(void *device, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
    void (*close)(void *device);

    /* Verifier.  Pure: no device, no network; the time is an argument.  OK: authentic, and *out
     * says what was signed.  Errors: FORMAT, SIGNATURE, CHAIN, REVOKED, STALE.  Except after
     * FORMAT, *out holds the fields as they were read, for the report to show. */
    blind_code (*verify)(blind_span evidence, blind_span endorsements, int64_t now_s,
                         bl_claims *out, blind_error *err);
} bl_tee;

extern const bl_tee bl_tee_sim;

/* NULL when there is no such TEE. */
const bl_tee *bl_tee_find(blind_span name);
/* The i-th row of the table, NULL past its end. */
const bl_tee *bl_tee_at(size_t i);

/* "measurement,debug" -> flags.  Errors: USAGE */
BLIND_MUST_USE blind_code bl_sim_lies_parse(const char *text, unsigned *out, blind_error *err);
/* Damages a log's encoding when `lies` has BL_SIM_LIE_LOG. */
void bl_sim_lie_log(unsigned lies, bl_buf *log);

#endif
