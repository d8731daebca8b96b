/* Content in the memory of libraries, jansson's trees: wiped as they free it.  OpenSSL wipes what
 * it deciphered itself (SSL_OP_CLEANSE_PLAINTEXT, tls/context.c; once for a body, bl_tls_hold());
 * libevent sees none. */
#include "server/internal.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

static void free_wiped(void *data)
{
    if (data)
        bl_wipe(data, malloc_usable_size(data));
    free(data);
}

static void set_hooks(void)
{
    json_set_alloc_funcs(malloc, free_wiped);
}

void bl_wipe_libraries(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks);
}
