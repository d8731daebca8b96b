/* Recorded cases: what one asks for, and how each kind is judged. */
#ifndef BL_CONFORMANCE_CASE_H
#define BL_CONFORMANCE_CASE_H

#include "base/buf.h"
#include "blind/appraise.h"
#include "blind/conformance.h"

#include <jansson.h>

#define BL_MAX_CASE      (16u << 20) /* bytes of its description; a launch's inputs stand in it */
#define BL_MAX_CASE_FILE (16u << 20)

/* ---- what it asks for ---- */

/* The policy that stands for it: docs/formats/conformance.md.
 *
 * ak_spki  an attestation key that comes with the case, or nothing: it is meant to be trusted
 * Errors   UNSUPPORTED (no such TEE in this build, or a rule that none of its policies can say),
 *          MEMORY */
BLIND_MUST_USE blind_code bl_case_policy(const json_t *one, blind_span ak_spki, bl_buf *out,
                                         blind_error *err);
/* What the evidence must be bound to: report data, or a nonce or user data where these are no
 * fields of the TEE.  *out borrows from `bytes`.  Errors: INPUT */
BLIND_MUST_USE blind_code bl_case_expect(const json_t *one, uint8_t bytes[64], blind_expect *out,
                                         blind_error *err);

/* ---- judging ---- */

/* A file of the case as bytes: a path, relative to `dir`, or a list of them, one after another. */
BLIND_MUST_USE blind_code bl_case_read(const char *dir, const json_t *file, bl_buf *out,
                                       blind_error *err);
/* One that is no evidence of a TEE, by its "what". */
BLIND_MUST_USE blind_code bl_case_judge_other(const char *dir, const json_t *one, const char *what,
                                              blind_case_judgement *out, blind_error *err);
blind_code bl_case_judge_launch(const char *dir, const json_t *one, blind_case_judgement *out,
                                blind_error *err);
blind_code bl_case_judge_rtmrs(const char *dir, const json_t *one, blind_case_judgement *out,
                               blind_error *err);

/* Fills a judgement. */
void bl_judged_case(blind_case_judgement *out, blind_case_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
