/* `blind conformance`: the cases of an index, judged by this library or by another verifier. */
#ifndef BL_CONFORMANCE_H
#define BL_CONFORMANCE_H

#include "base/buf.h"
#include "blind/appraise.h"

#include <jansson.h>

#define BL_MAX_CASE_FILE (16u << 20)

typedef enum { BL_JUDGED_ACCEPT, BL_JUDGED_REJECT, BL_JUDGED_UNSUPPORTED } bl_judged_as;

typedef struct {
    bl_judged_as verdict;
    char         reason[320]; /* one line */
} bl_judgement;

/* A file of the case as bytes: a path, relative to `dir`, or a list of them, one after another. */
BLIND_MUST_USE blind_code bl_case_read(const char *dir, const json_t *file, bl_buf *out,
                                       blind_error *err);

/* The policy that stands for what the case asks: docs/formats/conformance.md.  Errors: INPUT (the
 * case asks for something that no policy can say), MEMORY */
BLIND_MUST_USE blind_code bl_case_policy(const json_t *one, bl_buf *out, blind_error *err);

/* Judges one case, and holds what was read against what the case says was in the evidence: a
 * difference is a rejection.  Errors: those of an unreadable case or file. */
BLIND_MUST_USE blind_code bl_case_judge(const char *dir, const json_t *one, bl_judgement *out,
                                        blind_error *err);
/* The same of the cases that are no evidence of a TEE, by their "what". */
BLIND_MUST_USE blind_code bl_case_judge_other(const char *dir, const json_t *one, const char *what,
                                              bl_judgement *out, blind_error *err);

blind_code bl_case_judge_launch(const char *dir, const json_t *one, bl_judgement *out,
                                blind_error *err);
blind_code bl_case_judge_rtmrs(const char *dir, const json_t *one, bl_judgement *out,
                               blind_error *err);

/* Fills a judgement. */
void bl_judged_case(bl_judgement *out, bl_judged_as verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
