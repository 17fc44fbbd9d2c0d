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
void fpu_save(void *area);
void fpu_restore(const void *area);

/* The user's FS and GS bases, while in the kernel. */
void bases_save(uint64_t *fs_base, uint64_t *gs_base);
void bases_restore(uint64_t fs_base, uint64_t gs_base);
