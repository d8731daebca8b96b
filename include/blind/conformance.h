/* Recorded cases with known verdicts: the seed of a suite that any verifier can be driven with.
 * The index and what a case asks for: docs/formats/conformance.md. */
#ifndef BLIND_CONFORMANCE_H
#define BLIND_CONFORMANCE_H

#include "blind/error.h"
#include "blind/span.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    BLIND_CASE_UNSUPPORTED, /* no TEE, kind of case or rule that this library knows */
    BLIND_CASE_ACCEPT,
    BLIND_CASE_REJECT,
} blind_case_verdict;

typedef struct {
    blind_case_verdict verdict;
    char               reason[320]; /* one line */
} blind_case_judgement;

/* Judges one case of an index, whatever it expects, and holds what was read against what the case
 * says was in the evidence: a difference is a rejection.
 *
 * one_json  the case, a JSON object
 * folder    what its files are relative to: the index's own
 * out       owned by the caller; UNSUPPORTED on failure
 * Errors    INPUT (not a case), NOT_FOUND, IO (its files), LIMIT, MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_case_judge(blind_span one_json, const char *folder,
                                                     blind_case_judgement *out, blind_error *err);

#ifdef __cplusplus
}
#endif
#endif
