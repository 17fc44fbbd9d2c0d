/* The clocks, read from the kernel's time page (SLOT_TIME) without a kernel call. */
#pragma once

#include "lib/base/types.h"

uint64_t clock_now_ns(void);  /* monotonic, since the kernel started; deadlines are in it */
uint64_t clock_wall_ns(void); /* since 1970 */

/* One consistent reading of a time page that the caller has mapped. */
struct clock_reading {
    uint64_t monotonic_ns;
    uint64_t wall_ns;
};
struct clock_reading clock_read(const volatile struct time_page *page);

/* Nanoseconds since the time page's base for that many TSC ticks, without overflow. */
uint64_t clock_scale(uint64_t ticks, uint64_t multiplier, uint32_t shift);
