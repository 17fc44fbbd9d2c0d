/*
 * One CPU: descriptor tables, control registers, FPU state.
 */
#pragma once

#include "kernel/core/cpu.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/features.h"

/* What lgdt and lidt take. */
struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/*
 * Read the features, changed as the command line says; panic with a clear line when one that the
 * kernel needs is missing, or when the CPU has a flaw that the kernel does not work around.
 */
void cpu_features_read(const char *command_line);

/* cpu_current() is `cpu` from here on; locks and the log need that. */
void cpu_set_current(struct cpu *cpu);

/* Load tables and control registers on the calling CPU and make it `cpu`, which has its stacks. */
void cpu_init(struct cpu *cpu);

/* The domain of that handle runs next on this CPU: nothing that others left may lead or tell it. */
void cpu_domain_barrier(struct cpu *cpu, uint64_t domain);

/* Where `syscall` leads on this CPU: the usual entry, or the one that traces. */
void cpu_set_syscall_entry(bool traced);

/* Nobody can guess it, if the CPU has RDRAND; else it depends on when the machine started. */
uint64_t cpu_random(void);
