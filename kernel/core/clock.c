/*
 * The TSC as clock. Its frequency comes from the hypervisor's leaf, from the CPU's leaf, or from
 * the interval timer (8254) in that order.
 *
 * Of the interval timer only channel 0 is used: what gates channel 2 is the speaker's port, which
 * QEMU's microvm leaves out. It counts down once, and its interrupt stays masked.
 */
#include "kernel/core/clock.h"

#include "kernel/core/assert.h"
#include "kernel/core/lock.h"
#include "kernel/core/sealed.h"
#include "kernel/x86_64/asm.h"

#define PIT_HZ          1193182ull
#define PIT_TICKS       2386u /* 2 ms */
#define PIT_CHANNEL0    0x40
#define PIT_COMMAND     0x43
#define PIT_COUNT_ONCE  0x30 /* channel 0, both bytes, mode 0 */
#define PIT_LATCH       0xc2 /* status and count of channel 0 */
#define PIT_STATUS_OUT  0x80
#define PIT_STATUS_MODE 0x3f
#define PIT_SAMPLES     4
#define PIT_TRIES       3 /* the machine may have stood still */

#define SHIFT        32
#define CYCLES_SHIFT 28 /* leaves room for a TSC of 64 GHz */

/* A whole page, by its alignment. */
static struct {
    _Alignas(PAGE_SIZE) struct time_page page;
} time_memory;
static SEALED uint64_t cycles_per_ns; /* fixed point */
static struct spinlock clock_lock = {.lock_class = LOCK_LOG};

struct time_page *const clock_page = &time_memory.page;

/* KVM and others tell the TSC's kHz in leaf 0x40000010. */
static uint64_t hz_from_hypervisor(void)
{
    bool hypervisor = cpuid(1, 0).ecx & 1u << 31;
    struct cpuid_result top = cpuid(0x40000000, 0);
    return hypervisor && top.eax >= 0x40000010 ? cpuid(0x40000010, 0).eax * 1000ull : 0;
}

static uint64_t hz_from_cpu(void)
{
    if (cpuid(0, 0).eax < 0x15) {
        return 0;
    }
    struct cpuid_result leaf = cpuid(0x15, 0);
    return leaf.eax == 0 ? 0 : (uint64_t)leaf.ecx * leaf.ebx / leaf.eax;
}

/* A moment on both clocks; the TSC is the middle of the access that latched the count. */
struct moment {
    uint64_t tsc;
    uint32_t left;
};

/*
 * Of a few tries the one that was interrupted least. False when the timer is not there, or is past
 * its end.
 */
static bool moment_read(struct moment *out)
{
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < PIT_SAMPLES; i++) {
        uint64_t before = tsc_read();
        port_write8(PIT_COMMAND, PIT_LATCH);
        uint64_t width = tsc_read() - before;
        uint8_t status = port_read8(PIT_CHANNEL0);
        uint32_t low = port_read8(PIT_CHANNEL0);
        uint32_t high = port_read8(PIT_CHANNEL0);
        if ((status & PIT_STATUS_MODE) != PIT_COUNT_ONCE || (status & PIT_STATUS_OUT) != 0) {
            return false;
        }
        if (width < narrowest) {
            narrowest = width;
            *out = (struct moment){before + width / 2, high << 8 | low};
        }
    }
    return true;
}

/* 0 without a timer, or when the machine stood still for longer than it counts. */
static uint64_t hz_from_interval_timer(void)
{
    struct moment start;
    struct moment end;
    port_write8(PIT_COMMAND, PIT_COUNT_ONCE);
    port_write8(PIT_CHANNEL0, 0xff);
    port_write8(PIT_CHANNEL0, 0xff);
    if (!moment_read(&start)) {
        return 0;
    }
    do {
        if (!moment_read(&end) || end.left > start.left) {
            return 0;
        }
    } while (start.left - end.left < PIT_TICKS && end.tsc - start.tsc < 1ull << 36);
    uint32_t ticks = start.left - end.left;
    return ticks < PIT_TICKS ? 0 : (end.tsc - start.tsc) * PIT_HZ / ticks;
}

void clock_init(void)
{
    uint64_t hz = hz_from_hypervisor();
    hz = hz != 0 ? hz : hz_from_cpu();
    for (uint32_t i = 0; i < PIT_TRIES && hz == 0; i++) {
        hz = hz_from_interval_timer();
    }
    if (hz < 1000000) {
        panic(__FILE__, __LINE__, "no source tells the frequency of the TSC");
    }
    struct time_page *page = clock_page;
    page->tsc_hz = hz;
    page->shift = SHIFT;
    page->multiplier = (1000000000ull << SHIFT) / hz;
    cycles_per_ns = (hz << CYCLES_SHIFT) / 1000000000;
    page->base_tsc = tsc_read();
}

uint64_t clock_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((uint128_t)cycles * clock_page->multiplier >> SHIFT);
}

uint64_t clock_ns_to_cycles(uint64_t ns)
{
    uint128_t cycles = (uint128_t)ns * cycles_per_ns >> CYCLES_SHIFT;
    uint64_t limit = UINT64_MAX / 2;
    return cycles > limit ? limit : (uint64_t)cycles;
}

uint64_t clock_now_ns(void)
{
    return clock_cycles_to_ns(tsc_read() - clock_page->base_tsc);
}

uint64_t clock_tsc_at(uint64_t ns)
{
    return clock_page->base_tsc + clock_ns_to_cycles(ns);
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
    struct time_page *page = clock_page;
    spin_lock(&clock_lock);
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    page->wall_offset_ns = wall_ns - clock_now_ns();
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
    spin_unlock(&clock_lock);
}
