/* Source: madvise(2), MADV_HUGEPAGE and MADV_POPULATE_WRITE; both are hints that may fail. */
#include "base/pages.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define FEW_PAGES 16

/* Asks for the pages of [data, size) at once: a fault for each takes longer than clearing it. */
static void take_pages(char *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data;
    uintptr_t from = (begin + page - 1) & ~(page - 1), to = (begin + size) & ~(page - 1);
    if (to > from && to - from >= FEW_PAGES * page)
        (void)madvise(data + (from - begin), to - from, MADV_POPULATE_WRITE);
}

void *bl_pages_new(size_t size)
{
    void  *data = NULL;
    size_t huge = size / HUGE_PAGE * HUGE_PAGE;
    if (posix_memalign(&data, huge ? HUGE_PAGE : 64, BL_MAX(size, (size_t)64)) != 0)
        return NULL;
    if (huge)
        (void)madvise(data, huge, MADV_HUGEPAGE);
    take_pages((char *)data + huge, size - huge);
    return data;
}
