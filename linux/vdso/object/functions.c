/* The functions of the vDSO. They run in programs: no stack protector, no relocations, no calls. */
#include "lib/base/types.h"

#define NS_PER_SECOND   1000000000ull
#define CALL_CLOCK      228
#define CALL_CLOCK_RES  229
#define CLOCK_REALTIME  0
#define CLOCK_MONOTONIC 1
#define CLOCKS_READABLE 0xf3u /* 0, 1 and 4 to 7: the rest counts CPU time */

struct timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

struct timeval {
    int64_t seconds;
    int64_t microseconds;
};

extern const volatile struct time_page time_page __attribute__((visibility("hidden")));

#define EXPORT __attribute__((visibility("default")))

EXPORT long __vdso_clock_gettime(int clock, struct timespec *time);
EXPORT long __vdso_clock_getres(int clock, struct timespec *time);
EXPORT long __vdso_gettimeofday(struct timeval *time, void *zone);
EXPORT long __vdso_time(long *time);

static inline __attribute__((always_inline)) long call(long number, long a, void *b)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b)
                     : "rcx", "r11", "memory");
    return result;
}

static inline __attribute__((always_inline)) uint64_t now_ns(bool wall)
{
    const volatile struct time_page *page = &time_page;
    for (;;) {
        uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        uint64_t base_tsc = page->base_tsc;
        uint64_t base_ns = page->base_ns + (wall ? page->wall_offset_ns : 0);
        uint64_t multiplier = page->multiplier;
        uint32_t shift = page->shift;
        uint32_t low;
        uint32_t high;
        __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
        uint64_t tsc = (uint64_t)high << 32 | low;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (sequence % 2 == 0 && __atomic_load_n(&page->sequence, __ATOMIC_RELAXED) == sequence) {
            uint64_t ticks = tsc > base_tsc ? tsc - base_tsc : 0;
            return base_ns + (uint64_t)((uint128_t)ticks * multiplier >> (shift & 127));
        }
    }
}

long __vdso_clock_gettime(int clock, struct timespec *time)
{
    if ((unsigned)clock >= 8 || !(CLOCKS_READABLE >> clock & 1)) {
        return call(CALL_CLOCK, clock, time);
    }
    uint64_t ns = now_ns(clock == CLOCK_REALTIME || clock == 5);
    time->seconds = (int64_t)(ns / NS_PER_SECOND);
    time->nanoseconds = (int64_t)(ns % NS_PER_SECOND);
    return 0;
}

long __vdso_clock_getres(int clock, struct timespec *time)
{
    return call(CALL_CLOCK_RES, clock, time);
}

long __vdso_gettimeofday(struct timeval *time, void *zone)
{
    if (time != 0) {
        uint64_t ns = now_ns(true);
        time->seconds = (int64_t)(ns / NS_PER_SECOND);
        time->microseconds = (int64_t)(ns % NS_PER_SECOND / 1000);
    }
    if (zone != 0) {
        *(uint64_t *)zone = 0;
    }
    return 0;
}

long __vdso_time(long *time)
{
    long seconds = (long)(now_ns(true) / NS_PER_SECOND);
    if (time != 0) {
        *time = seconds;
    }
    return seconds;
}
