/* The bytes of a request there and those of its answer back, through TLS and nothing else: what no
 * server over this TLS can do without. */
#ifndef BENCH_TLS_ALONE_H
#define BENCH_TLS_ALONE_H

#include "base/base.h"

typedef struct tls_alone tls_alone;

/* Two ends on loopback, the far one in a thread; caller and thread are bound to a processor each.
 * The sizes of every exchange, in bytes. */
BLIND_MUST_USE blind_code tls_alone_open(size_t request, size_t answer, tls_alone **out,
                                         blind_error *err);
/* One exchange.
 *
 * bytes  the request */
BLIND_MUST_USE blind_code tls_alone_time(tls_alone *t, const void *bytes, double *took_ms,
                                         blind_error *err);
void                      tls_alone_close(tls_alone *t);

#endif
