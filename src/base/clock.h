/* The two clocks.  Only programs and event loops read them; whatever is tested takes the time as an
 * argument. */
#ifndef BL_CLOCK_H
#define BL_CLOCK_H

#include <stdint.h>

uint64_t bl_clock_ns(void);     /* since an arbitrary start, never back */
int64_t  bl_clock_wall_s(void); /* since 1970 */
int64_t  bl_clock_wall_ms(void);

/* Days since 1970-01-01 of a date of the Gregorian calendar, year 0 and before included. */
int64_t bl_clock_days(int year, int month, int day);

#endif
