/* Enrolling a TPM's attestation key: a challenge to the endorsement key that its maker certified,
 * whose answer is kept and given to the appraisal.
 *
 * Source: TPM 2.0 part 1, section 24; docs/concepts/tpm.md. */
#ifndef BL_CLIENT_ENROL_H
#define BL_CLIENT_ENROL_H

#include "base/buf.h"
#include "client/talk.h"

struct blind_dialer;
struct blind_stream;

/* An enrolment under way. */
typedef struct {
    uint8_t secret[32];
    bl_buf  credential; /* the challenge */
    bl_buf  record;     /* what is kept when the answer is right */
} bl_enrolling;

void bl_enrolling_done(bl_enrolling *e);

/* Appends the record of the attestation key in a bundle; nothing when it is not enrolled, or the
 * evidence is no TPM's.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_enrolment_find(struct blind_dialer *dialer, blind_span bundle,
                                            bl_buf *record, blind_error *err);
/* Makes a challenge, when the bundle has an endorsement key whose certificate the policy trusts,
 * and this key is not enrolled.  False: there is none to make. */
bool bl_enrolling_start(struct blind_stream *stream, blind_span bundle, bl_enrolling *out);
void bl_enrolling_ask(struct blind_stream *stream, const bl_enrolling *e, bl_talk *talk);
/* Compares the answer and keeps the record.  Errors: CHAIN, IO, MEMORY */
BLIND_MUST_USE blind_code bl_enrolling_keep(struct blind_stream *stream, const bl_enrolling *e,
                                            blind_span answer, blind_error *err);

#endif
