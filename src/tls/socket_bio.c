/* OpenSSL's own socket BIO calls write(), whose SIGPIPE would end the program a library is in, and
 * which cannot say that more follows. */
#include "tls/socket_bio.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

static BIO_METHOD    *method;
static int            type; /* its number */
static pthread_once_t once = PTHREAD_ONCE_INIT;

typedef struct {
    int  fd;
    bool more; /* follows what is written next */
} target;

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int bio_write(BIO *bio, const char *from, int size)
{
    const target *t = BIO_get_data(bio);
    ssize_t       n = send(t->fd, from, (size_t)size, MSG_NOSIGNAL | (t->more ? MSG_MORE : 0));
    BIO_clear_retry_flags(bio);
    if (n < 0 && again())
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *to, int size)
{
    const target *t = BIO_get_data(bio);
    ssize_t       n = recv(t->fd, to, (size_t)size, 0);
    BIO_clear_retry_flags(bio);
    if (n < 0 && again())
        BIO_set_retry_read(bio);
    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    target *t = calloc(1, sizeof *t);
    BIO_set_data(bio, t);
    BIO_set_init(bio, t != NULL);
    return t != NULL;
}

static int bio_destroy(BIO *bio)
{
    free(BIO_get_data(bio));
    BIO_set_data(bio, NULL);
    return 1;
}

static void make_method(void)
{
    type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    BIO_METHOD *made = BIO_meth_new(type, "blind socket");
    if (made && BIO_meth_set_write(made, bio_write) && BIO_meth_set_read(made, bio_read) &&
        BIO_meth_set_ctrl(made, bio_ctrl) && BIO_meth_set_create(made, bio_create) &&
        BIO_meth_set_destroy(made, bio_destroy))
        method = made; /* lives as long as the process */
    else
        BIO_meth_free(made);
}

BIO *bl_socket_bio_new(int fd)
{
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio)
        *(target *)BIO_get_data(bio) = (target){ .fd = fd };
    return bio;
}

void bl_socket_bio_more(BIO *bio, bool more)
{
    if (bio && method && BIO_method_type(bio) == type)
        ((target *)BIO_get_data(bio))->more = more;
}
