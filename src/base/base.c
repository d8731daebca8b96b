/* Scope exits and secrets. */
#include "base/base.h"

#include <stdlib.h>
#include <unistd.h>

void bl_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void bl_free_pointer(void *pointer_to_pointer)
{
    void *p;
    memcpy(&p, pointer_to_pointer, sizeof p);
    free(p);
    p = NULL;
    memcpy(pointer_to_pointer, &p, sizeof p);
}

void bl_wipe(void *data, size_t size)
{
    if (size)
        explicit_bzero(data, size);
}

__attribute__((noinline)) void bl_wipe_stack(void)
{
    uint8_t below[32 * 1024];
    bl_wipe(below, sizeof below);
}

bool bl_equal_secret(blind_span a, blind_span b)
{
    if (a.size != b.size)
        return false;
    volatile uint8_t different = 0;
    for (size_t i = 0; i < a.size; i++)
        different = (uint8_t)(different | (a.data[i] ^ b.data[i]));
    return different == 0;
}
