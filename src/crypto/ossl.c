/* OpenSSL's error queue in our terms. */
#include "crypto/ossl.h"

#include <openssl/err.h>

blind_code bl_ossl_fail(blind_error *err, blind_code code, const char *stage, const char *what)
{
    unsigned long newest = ERR_peek_last_error();
    const char   *reason = newest ? ERR_reason_error_string(newest) : NULL;
    if (ERR_GET_REASON(newest) == ERR_R_MALLOC_FAILURE)
        code = BLIND_MEMORY;
    ERR_clear_error();
    if (reason)
        return blind_fail(err, code, stage, "%s: %s", what, reason);
    return blind_fail(err, code, stage, "%s", what);
}
