#include "linux/core/facts.h"

#include "lib/oak/clock.h"
#include "linux/core/container.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"

#define CPUID_XSAVE    0xd
#define CPUS_SHOWN_MAX 64

static struct {
    uint64_t xsave_mask;
    uint32_t xsave_bytes;
    const volatile struct time_page *time;
} facts;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

/* What the kernel has enabled, which is what XSAVE saves. */
static uint64_t xcr0_read(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

void facts_read(void)
{
    uint32_t leaf[4];
    void *page;
    cpuid(CPUID_XSAVE, 0, leaf);
    facts.xsave_bytes = leaf[1];
    facts.xsave_mask = xcr0_read();
    if (window_map_source(SLOT_TIME, PAGE_SIZE, &page) != 0) {
        personality_panic("template: cannot map the time page");
    }
    facts.time = page;
}

uint64_t cpu_xsave_mask(void)
{
    return facts.xsave_mask;
}

uint32_t cpu_xsave_bytes(void)
{
    return facts.xsave_bytes;
}

uint32_t cpu_count(void)
{
    return (uint32_t)MIN(MAX(facts.time->cpus, 1), CPUS_SHOWN_MAX);
}

uint64_t clock_now_ns(void)
{
    return clock_read(facts.time).monotonic_ns;
}

uint64_t clock_wall_ns(void)
{
    return clock_read(facts.time).wall_ns;
}
