/*
 * What each CPU owns. Found through GS; its own CPU alone writes it, except where said.
 */
#pragma once

#include "lib/base/types.h"

#define CPUS_MAX           64
#define KERNEL_STACK_BYTES 16384

/* One flush that other CPUs must do, of the initiator, which waits for them. */
struct shootdown {
    uint64_t cpus_left; /* bit per CPU that has not answered; atomic */
    const struct shootdown_batch *batch;
};

/* What the hardware looks at when it takes a trap (Intel SDM 3A, 8.7). */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));

struct cpu {
    struct cpu *self;            /* must be first: gs:0 */
    uint64_t user_rsp;           /* gs:8, scratch of the syscall entry */
    uint64_t stack_top;          /* gs:16, as on a function's entry */
    struct thread *current;      /* gs:24 */
    uint64_t kernel_entries;     /* gs:32, odd while inside the kernel; others read it */
    uint64_t root_loaded;        /* gs:40, what CR3 holds */
    uint64_t tsc_since;          /* gs:48, the current thread's time counts from here on */
    uint64_t application_cycles; /* gs:56, spent in application mode, ever */
    uint64_t entry_scratch;      /* gs:64 */
    uint64_t bit;                /* 1 << number */
    uint32_t number;
    uint32_t apic_id;

    struct shootdown shootdown_own;
    uint64_t shootdown_pending; /* bit per initiator; atomic */

    union {
        struct {
            uint32_t deferred;   /* dead objects that wait for the barrier (core/barrier.c) */
            uint16_t reschedule; /* 1: give the turn to another */
            uint16_t debugged;   /* 1: breakpoints of the current thread are loaded */
        };
        uint64_t due; /* only scheduler_leave sees to either */
    };
    uint32_t locks_held;         /* debug: bit per lock class */
    struct tss tss;              /* x86_64/cpu.c */
    bool traced;                 /* `syscall` leads to the entry that traces */
    uint64_t last_domain;        /* handle of the one that ran last (x86_64/features.h) */
    struct scheduler *scheduler; /* core/scheduler.c */
};

extern struct cpu *cpus[CPUS_MAX];
extern uint32_t cpu_count;

#if __STDC_HOSTED__
struct cpu *cpu_current(void);
#else
static inline struct cpu *cpu_current(void)
{
    struct cpu *cpu;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}
#endif

/* Interrupt another CPU so that it looks at its requests (shootdown, barrier, reschedule). */
void cpu_kick(uint32_t number);

/* Do what others asked of this CPU; safe while spinning, holding any lock. */
void cpu_serve_requests(void);
