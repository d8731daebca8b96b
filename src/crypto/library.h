/* Which cryptographic library this program runs with. */
#ifndef BL_LIBRARY_H
#define BL_LIBRARY_H

const char *bl_crypto_library(void);         /* "OpenSSL 3.0.17 1 Jul 2025" */
const char *bl_crypto_library_version(void); /* "3.0.17" */

#endif
