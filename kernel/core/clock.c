/*
 * The TSC as clock. Its frequency comes from the hypervisor's leaf, from the CPU's leaf, or from
 * the interval timer (8254) in that order.
 */
#include "kernel/core/clock.h"

#include "kernel/core/assert.h"
#include "kernel/core/lock.h"
#include "kernel/x86_64/asm.h"

#define PIT_HZ       1193182ull
#define PIT_TICKS    2386ull /* 2 ms */
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PIT_GATE     0x61
#define SHIFT        32
#define CYCLES_SHIFT 28 /* leaves room for a TSC of 64 GHz */

static union {
    struct time_page page;
    uint8_t bytes[PAGE_SIZE];
} time_memory __attribute__((aligned(4096)));
static uint64_t cycles_per_ns; /* fixed point */
static struct spinlock clock_lock = SPINLOCK_INIT(LOCK_LOG);

struct time_page *clock_page(void)
{
    return &time_memory.page;
}

/* KVM and others tell the TSC's kHz in leaf 0x40000010. */
static uint64_t hz_from_hypervisor(void)
{
    if (!(cpuid(1, 0).ecx & 1u << 31)) {
        return 0;
    }
    struct cpuid_result top = cpuid(0x40000000, 0);
    if (top.eax < 0x40000010 || top.ebx == 0x54474354 /* TCG: reports no frequency */) {
        return 0;
    }
    return cpuid(0x40000010, 0).eax * 1000ull;
}

static uint64_t hz_from_cpu(void)
{
    if (cpuid(0, 0).eax < 0x15) {
        return 0;
    }
    struct cpuid_result leaf = cpuid(0x15, 0);
    if (leaf.eax == 0 || leaf.ebx == 0 || leaf.ecx == 0) {
        return 0;
    }
    return (uint64_t)leaf.ecx * leaf.ebx / leaf.eax;
}

/* Let channel 2 count down once and see how far the TSC gets. */
static uint64_t hz_from_interval_timer(void)
{
    port_write8(PIT_GATE, (uint8_t)((port_read8(PIT_GATE) & ~2) | 1));
    port_write8(PIT_COMMAND, 0xb0);
    port_write8(PIT_CHANNEL2, PIT_TICKS & 0xff);
    port_write8(PIT_CHANNEL2, PIT_TICKS >> 8);
    uint64_t start = tsc_read();
    uint64_t cycles;
    do {
        cycles = tsc_read() - start;
        if (cycles > 1ull << 36) {
            return 0;
        }
    } while (!(port_read8(PIT_GATE) & 0x20));
    return cycles * PIT_HZ / PIT_TICKS;
}

void clock_init(void)
{
    uint64_t hz = hz_from_hypervisor();
    if (hz == 0) {
        hz = hz_from_cpu();
    }
    if (hz == 0) {
        hz = hz_from_interval_timer();
    }
    if (hz < 1000000) {
        panic(__FILE__, __LINE__, "no source tells the frequency of the TSC");
    }
    struct time_page *page = clock_page();
    page->tsc_hz = hz;
    page->shift = SHIFT;
    page->multiplier = (1000000000ull << SHIFT) / hz;
    cycles_per_ns = (hz << CYCLES_SHIFT) / 1000000000;
    page->base_tsc = tsc_read();
}

uint64_t clock_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((uint128_t)cycles * clock_page()->multiplier >> SHIFT);
}

uint64_t clock_now_ns(void)
{
    return clock_cycles_to_ns(tsc_read() - clock_page()->base_tsc);
}

uint64_t clock_tsc_at(uint64_t ns)
{
    uint128_t cycles = (uint128_t)ns * cycles_per_ns >> CYCLES_SHIFT;
    uint64_t limit = UINT64_MAX / 2;
    return clock_page()->base_tsc + (cycles > limit ? limit : (uint64_t)cycles);
}

void clock_spin_ns(uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;
    while (clock_now_ns() < end) {
        cpu_pause();
    }
}

void clock_set_wall(uint64_t wall_ns)
{
    struct time_page *page = clock_page();
    spin_lock(&clock_lock);
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    page->wall_offset_ns = wall_ns - clock_now_ns();
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
    spin_unlock(&clock_lock);
}
