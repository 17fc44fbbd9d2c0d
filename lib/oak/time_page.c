/* Reading the time page (abi/kernel.h), wherever it is mapped. */
#include "lib/oak/clock.h"

uint64_t clock_scale(uint64_t ticks, uint64_t multiplier, uint32_t shift)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)ticks * multiplier >> (shift & 127));
}

static uint64_t read_tsc(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

struct clock_reading clock_read(const volatile struct time_page *page)
{
    for (;;) {
        uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
        uint64_t base_tsc = page->base_tsc;
        uint64_t base_ns = page->base_ns;
        uint64_t multiplier = page->multiplier;
        uint32_t shift = page->shift;
        uint64_t wall_offset_ns = page->wall_offset_ns;
        uint64_t tsc = read_tsc();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (sequence % 2 != 0 || __atomic_load_n(&page->sequence, __ATOMIC_RELAXED) != sequence) {
            continue;
        }
        /* Another CPU's TSC may be a little behind the one that wrote the base. */
        uint64_t ticks = tsc > base_tsc ? tsc - base_tsc : 0;
        uint64_t now_ns = base_ns + clock_scale(ticks, multiplier, shift);
        return (struct clock_reading){now_ns, now_ns + wall_offset_ns};
    }
}
