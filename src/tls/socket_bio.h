/* A BIO over a non-blocking socket that raises no SIGPIPE and does not own the descriptor. */
#ifndef BL_TLS_SOCKET_BIO_H
#define BL_TLS_SOCKET_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>

BIO *bl_socket_bio_new(int fd); /* NULL: out of memory */
/* Whether more follows at once: the kernel then waits with a packet that is not full.  Another kind
 * of BIO is left as it is. */
void bl_socket_bio_more(BIO *bio, bool more);

#endif
