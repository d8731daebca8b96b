/* Randomness of OpenSSL's generator, which the kernel seeds. */
#include "crypto/random.h"

#include "crypto/ossl.h"

#include <limits.h>
#include <openssl/rand.h>

blind_code bl_random(void *out, size_t size, blind_error *err)
{
    if (size <= INT_MAX && RAND_bytes(out, (int)size) == 1)
        return BLIND_OK;
    memset(out, 0, size);
    return bl_ossl_fail(err, BLIND_FAILED, "random", "no random bytes");
}
