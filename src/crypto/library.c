/* The version that is loaded, not the one compiled against. */
#include "crypto/library.h"

#include <openssl/crypto.h>

const char *bl_crypto_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

const char *bl_crypto_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
