/* A BIO over a non-blocking socket that raises no SIGPIPE and does not own the descriptor. */
#ifndef BL_TLS_SOCKET_BIO_H
#define BL_TLS_SOCKET_BIO_H

#include <openssl/bio.h>

BIO *bl_socket_bio_new(int fd); /* NULL: out of memory */

#endif
