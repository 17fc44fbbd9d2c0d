/*
 * What the scheduler knows of each CPU, for its own files: scheduler.c chooses and switches,
 * timers.c ends waits in time, billing.c has the time paid for. All but the timers is the CPU's
 * own.
 */
#pragma once

#include "kernel/core/scheduler.h"
#include "kernel/x86_64/asm.h"

#define ALERTS 8

struct scheduler {
    struct run_queue queue;
    bool look; /* own CPU: somebody on another one should rather run */

    struct thread *handoff; /* run this next; state RUNNING */
    struct space *loaded_space;
    struct domain *loaded_domain;
    handle_t billing;            /* who pays for what was counted since tsc_billed */
    handle_t own;                /* of the thread that ran last, when none runs: its own account */
    uint64_t tsc_billed;         /* up to here that was paid; not later than tsc_since */
    uint64_t application_billed; /* of the CPU's application_cycles */
    uint64_t look_tsc;           /* when to look at the other CPUs' queues again */
    uint64_t slice_end_tsc;      /* of the turn; 0: it has no end */
    uint64_t tick_tsc;           /* 0: none is due */

    handle_t alert[ALERTS]; /* accounts whose use came above their mark */
    uint32_t alert_count;

    struct spinlock timer_lock;
    struct tree timers; /* by deadline */
    uint64_t armed_tsc; /* what the hardware timer is set to; 0: stopped */
};

/* --- timers.c -------------------------------------------------------------------------------- */

void timers_init(struct scheduler *scheduler);

/* An interrupt at that time or earlier; 0: none. An earlier one that is in vain does no harm. */
void timer_want(struct scheduler *scheduler, uint64_t tsc);

/* One when the run queue's next account gets its quota. */
void timer_want_release(struct scheduler *scheduler);

/* End the waits whose time has come, and want the next. */
void timers_expire(struct scheduler *scheduler);

/* --- billing.c ------------------------------------------------------------------------------- */

/* An account that pays for several threads in turn pays at least this often, where the scheduler
 * chooses them; those who hand the CPU to each other, at each tick and at the turn's end. */
#define BILL_CYCLES (1ull << 20)

static inline void time_count(struct cpu *cpu, struct thread *thread, uint8_t mode)
{
    uint64_t now = tsc_read();
    uint64_t cycles = now - cpu->tsc_since;
    cpu->tsc_since = now;
    thread->mode_cycles[mode] += cycles;
    if (mode == MODE_APPLICATION) {
        cpu->application_cycles += cycles;
    }
}

/*
 * Let pay for all that was counted. The thread's own account pays when the billed one is dead, and
 * loses its place in the queues in any case: they are ordered by it.
 */
void time_bill(const struct cpu *cpu);

/* From now on another may pay. Several threads of one account pay together, but not for long. */
void billing_switch(const struct cpu *cpu, handle_t billing);

/* Count and bill where nobody waited: who comes now does not begin where this one began. */
void bill_alone(struct thread *thread);

/* Somebody billed to the account runs now (1), or does so no more (-1). */
void billing_change(handle_t billing, int change);

/* The thread is READY or RUNNING, and counts from now on as one that its account runs. */
static inline void billing_count(struct thread *thread)
{
    if (!thread->counted) {
        thread->counted = true;
        billing_change(thread->billing, 1);
    }
}

static inline uint64_t cycles_used(const struct thread *thread)
{
    return thread->mode_cycles[MODE_APPLICATION] + thread->mode_cycles[MODE_PERSONALITY];
}

/* On the way out: is it the time that scheduler_set_time_trap told? */
void time_trap_check(struct thread *thread);
