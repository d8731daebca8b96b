/* The two clocks.  Only programs and event loops read them; whatever is tested takes the time as an
 * argument. */
#ifndef BL_CLOCK_H
#define BL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

uint64_t bl_clock_ns(void);     /* since an arbitrary start, never back */
int64_t  bl_clock_wall_s(void); /* since 1970 */
int64_t  bl_clock_wall_ms(void);

/* Days since 1970-01-01 of a date of the Gregorian calendar, year 0 and before included. */
int64_t bl_clock_days(int year, int month, int day);

/* Whether the calendar has it. */
bool bl_clock_is_date(int year, int month, int day);
/* "2026-01-31T12:00:00Z" in seconds since 1970; false when it is no such time, from 1970 to 9999.
 */
bool bl_clock_parse(const char *text, int64_t *out);

#endif
