/* The two clocks.  Only programs and event loops read them; whatever is tested takes the time as an
 * argument. */
#ifndef BL_CLOCK_H
#define BL_CLOCK_H

#include <stdint.h>

uint64_t bl_clock_ns(void);     /* since an arbitrary start, never back */
int64_t  bl_clock_wall_s(void); /* since 1970 */
int64_t  bl_clock_wall_ms(void);

#endif
