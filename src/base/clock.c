/* clock_gettime() in the units that are used here; with these clocks it cannot fail. */
#include "base/clock.h"

#include <time.h>

uint64_t bl_clock_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t bl_clock_wall_s(void)
{
    return bl_clock_wall_ms() / 1000;
}

int64_t bl_clock_wall_ms(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
