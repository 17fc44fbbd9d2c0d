/*
 * One CPU's tables and features: descriptor tables, control registers, FPU state.
 */
#pragma once

#include "kernel/core/cpu.h"

/* What this machine's CPUs can do; filled from the first, every other must match. */
struct cpu_features {
    bool x2apic;
    bool tsc_deadline;
    bool xsaveopt;
    bool umip;
    bool gigabyte_pages;
    uint64_t xsave_mask;  /* XCR0 */
    uint32_t xsave_bytes; /* of an area with that mask */
};
extern struct cpu_features cpu_features;

/* Read the features; panic with a clear line when one that the kernel needs is missing. */
void cpu_features_read(void);

/* Load tables and control registers on the calling CPU and make it `cpu`. */
void cpu_init(struct cpu *cpu);

/* Where a trap from user mode pushes its frame. */
void cpu_set_trap_stack(struct cpu *cpu, uint64_t end);

void fpu_init_area(void *area);

/* All that XCR0 enables, which is xsave_mask. */
static inline void fpu_save(void *area)
{
    if (__builtin_expect(cpu_features.xsaveopt, 1)) {
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    } else {
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    }
}

static inline void fpu_restore(const void *area)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
}

/* The user's FS and GS bases, while in the kernel. */
static inline void bases_save(uint64_t *fs_base, uint64_t *gs_base)
{
    uint64_t fs;
    uint64_t gs;
    __asm__ volatile("rdfsbase %0\n\t"
                     "swapgs\n\t"
                     "rdgsbase %1\n\t"
                     "swapgs"
                     : "=&r"(fs), "=&r"(gs));
    *fs_base = fs;
    *gs_base = gs;
}

static inline void bases_restore(uint64_t fs_base, uint64_t gs_base)
{
    __asm__ volatile("wrfsbase %0\n\t"
                     "swapgs\n\t"
                     "wrgsbase %1\n\t"
                     "swapgs"
                     :
                     : "r"(fs_base), "r"(gs_base));
}
