/*
 * Clocks by their numbers (clock_gettime(2)), those of processes and threads included: a negative
 * number names the CPU time of a process or thread (CPUCLOCK_* of Linux).
 */
#pragma once

#include "lib/base/types.h"

#define CLOCK_REALTIME         0u
#define CLOCK_MONOTONIC        1u
#define CLOCK_PROCESS_CPUTIME  2u
#define CLOCK_THREAD_CPUTIME   3u
#define CLOCK_MONOTONIC_RAW    4u
#define CLOCK_REALTIME_COARSE  5u
#define CLOCK_MONOTONIC_COARSE 6u
#define CLOCK_BOOTTIME         7u
#define CLOCK_REALTIME_ALARM   8u
#define CLOCK_BOOTTIME_ALARM   9u
#define CLOCK_TAI              11u
#define TIMER_ABSTIME          1u

/* Whether one can wait for a time of it: 0; -EINVAL: there is no such clock; -EOPNOTSUPP; -EPERM:
 * it would wake the machine up. The clocks of CPU time are not among them (cpu_clock.h). */
long clock_can_wait(uint32_t clock);

/* The monotonic moment at which such a clock shows that time, or after that long; never 0. */
uint64_t clock_deadline(uint32_t clock, uint64_t ns, bool absolute);
