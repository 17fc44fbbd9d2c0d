/*
 * Time: the TSC is the monotonic clock, and the time page tells everyone how to read it.
 */
#pragma once

#include "lib/base/types.h"

/* Find the TSC's frequency and fill the time page; first CPU, once. */
void clock_init(void);
uint64_t clock_now_ns(void);
/* The TSC value at that monotonic time; UINT64_MAX stays far away. */
uint64_t clock_tsc_at(uint64_t ns);
uint64_t clock_cycles_to_ns(uint64_t cycles);
uint64_t clock_ns_to_cycles(uint64_t ns);
void clock_spin_ns(uint64_t ns);
void clock_set_wall(uint64_t wall_ns);
extern struct time_page *const clock_page;
