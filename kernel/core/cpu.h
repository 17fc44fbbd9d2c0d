/*
 * What each CPU owns. Found through GS; its own CPU alone writes it, except where said.
 */
#pragma once

#include "kernel/core/object.h"
#include "kernel/core/run_queue.h"

#define CPUS_MAX           64
#define KERNEL_STACK_BYTES 16384
#define CPU_ALERTS         8

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
    struct thread *current;      /* gs:24; others read it (core/barrier.h) */
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
    uint32_t locks_held;  /* debug: bit per lock class */
    struct tss tss;       /* x86_64/cpu.c */
    bool traced;          /* `syscall` leads to the entry that traces */
    uint64_t last_domain; /* handle of the one that ran last (x86_64/features.h) */

    /* The scheduler's. */
    struct run_queue queue;
    struct thread *handoff; /* run this next; state RUNNING */
    struct space *loaded_space;
    struct domain *loaded_domain;
    handle_t billing;            /* who pays for what was counted since tsc_billed */
    handle_t billing_own;        /* of the thread that ran last, when none runs: its own account */
    uint64_t tsc_billed;         /* up to here that was paid; not later than tsc_since */
    uint64_t application_billed; /* of application_cycles */
    uint64_t look_tsc;           /* when to look at the other CPUs' queues again; 0: now */
    uint64_t slice_end_tsc;      /* of the turn; 0: it has no end */
    uint64_t tick_tsc;           /* 0: none is due */

    handle_t alert[CPU_ALERTS]; /* accounts whose use came above their mark */
    uint32_t alert_count;

    struct spinlock timer_lock;
    struct tree timers; /* by deadline; under the lock */
    uint64_t armed_tsc; /* what the hardware timer is set to; UINT64_MAX: stopped */
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
