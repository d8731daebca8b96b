/* What the files of src/tls share. */
#ifndef BL_TLS_INTERNAL_H
#define BL_TLS_INTERNAL_H

#include "base/base.h"

#include <openssl/ssl.h>

/* Fails with `what` and the reason on top of OpenSSL's error queue, which it empties. */
blind_code bl_tls_fail(blind_error *err, blind_code code, const char *stage, const char *what);

#endif
