/* The recorded cases of BLIND_VECTORS/index.json, one after another:
 *
 *     case_list list;
 *     recorded  c;
 *     if (!cases_open(&list))
 *         return; // it said so
 *     while (cases_next(&list, "snp", &c)) {
 *         ... c.evidence, case_file(&c, "vcek") ...
 *         case_done(&c);
 *     }
 *     cases_close(&list);
 *
 * Files lie in memory of exactly their size, so that the sanitizers see a read past the end.  A
 * file that is missing or an index of another shape aborts: the vectors are then not the vectors.
 */
#ifndef CASES_H
#define CASES_H

#include "base/buf.h"
#include "blind/appraise.h"

#include <jansson.h>

#define CASE_MAX_FILES 32

typedef struct {
    const char *id, *tee, *kind, *reason;
    bool        accept; /* "expect": "ok" */
    int64_t     now_s;  /* verify_at, seconds since 1970; 0: time does not matter */
    blind_span  evidence;
    blind_part  parts[CASE_MAX_FILES]; /* "vcek", ...; a list of files one after another */
    size_t      parts_len;
    json_t     *json; /* the whole case, borrowed from the list */
} recorded;

typedef struct {
    json_t     *index;
    const char *dir;
    size_t      next;
} case_list;

/* False, after saying so, without recorded vectors. */
bool cases_open(case_list *list);
/* The next case of a TEE (NULL: of any); false past the last. */
bool cases_next(case_list *list, const char *tee, recorded *out);
/* The case of this id, which must be there. */
void cases_find(case_list *list, const char *id, recorded *out);
void case_done(recorded *c);
void cases_close(case_list *list);

/* Empty when there is no such file. */
blind_span case_file(const recorded *c, const char *name);

/* A member of the case or of an object in it; NULL when it is not there.
 *
 *     case_text(c->json, "tcb_status")    case_text(case_object(c, "measurements"), "mrtd") */
json_t     *case_object(const recorded *c, const char *name);
const char *case_text(const json_t *object, const char *name);
/* Whether the member is the hexadecimal text of these bytes. */
bool case_hex_is(const json_t *object, const char *name, blind_span bytes);

/* ---- what a case asks for ---- */

/* The policy that stands for it (conformance/case.h), with what the evidence must be bound to.  A
 * rule that it cannot say aborts. */
typedef struct {
    blind_policy          *policy; /* blind_policy_free() */
    blind_expect           expect; /* borrows from `bytes`: the struct stays where it is */
    blind_appraise_options options;
    uint8_t                bytes[64];
} case_question;
BLIND_MUST_USE blind_code case_ask(const recorded *c, blind_cache *cache, case_question *out,
                                   blind_error *err);
/* Appraises the evidence by it, at the case's time.  `cache` may be NULL; *out as from
 * blind_appraise_evidence(). */
BLIND_MUST_USE blind_code case_appraise(const recorded *c, blind_cache *cache, blind_result **out,
                                        blind_error *err);

#endif
