/* Names to addresses without blocking: numeric ones at once, others in a thread of their own. */
#ifndef BL_CLIENT_RESOLVE_H
#define BL_CLIENT_RESOLVE_H

#include "base/base.h"

#include <netdb.h>

typedef struct bl_resolve bl_resolve;

BLIND_MUST_USE blind_code bl_resolve_new(const char *host, uint16_t port, bl_resolve **out,
                                         blind_error *err);
int                       bl_resolve_fd(
                          const bl_resolve *resolve); /* readable when _result() has more than AGAIN to say */
/* OK: *out is borrowed from `resolve`.  AGAIN, NETWORK. */
BLIND_MUST_USE blind_code bl_resolve_result(bl_resolve *resolve, const struct addrinfo **out,
                                            blind_error *err);
/* Does not wait for the thread. */
void bl_resolve_free(bl_resolve *resolve);

#endif
