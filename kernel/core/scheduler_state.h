/*
 * What the scheduler's files have in common: scheduler.c chooses and switches, timers.c ends waits
 * in time, billing.c has the time paid for.
 */
#pragma once

#include "kernel/core/scheduler.h"
#include "kernel/x86_64/asm.h"

/* --- timers.c -------------------------------------------------------------------------------- */

void timers_init(struct cpu *cpu);

/* An interrupt at that time or earlier; 0 and UINT64_MAX: none. An earlier one does no harm. */
void timer_want(struct cpu *cpu, uint64_t tsc);

/* End the waits whose time has come, and want the next. */
void timers_expire(struct cpu *cpu);

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
void time_bill(struct cpu *cpu);

/* From now on another may pay. Several threads of one account pay together, but not for long. */
void billing_switch(struct cpu *cpu, handle_t billing);

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
