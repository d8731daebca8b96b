/* Valid evidence, damaged in every small way. */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "base/buf.h"

typedef blind_code damage_verify(void *arg, blind_span evidence);

/* Every single bit flipped: none may be accepted.  The evidence is as before afterwards. */
void damage_bits(bl_buf *evidence, damage_verify *verify, void *arg);
/* Every strict prefix and one byte more: each is malformed. */
void damage_length(bl_buf *evidence, damage_verify *verify, void *arg);

#endif
