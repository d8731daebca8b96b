/* Content in the memory of libraries, libevent's buffers and jansson's trees: wiped as they free
 * it. OpenSSL wipes what it deciphered itself (SSL_OP_CLEANSE_PLAINTEXT, tls/context.c). */
#include "server/internal.h"

#include <event2/event.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

static void free_wiped(void *data)
{
    if (data)
        bl_wipe(data, malloc_usable_size(data));
    free(data);
}

/* Moves always: realloc() might leave a copy behind. */
static void *realloc_wiped(void *data, size_t size)
{
    void *moved = malloc(size);
    if (!moved || !data)
        return moved;
    memcpy(moved, data, BL_MIN(size, malloc_usable_size(data)));
    free_wiped(data);
    return moved;
}

static void set_hooks(void)
{
    event_set_mem_functions(malloc, realloc_wiped, free_wiped);
    json_set_alloc_funcs(malloc, free_wiped);
}

void bl_wipe_libraries(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks);
}
