/*
 * Which thread runs where. Each CPU has a run queue (core/run_queue.h): by band, then fairly by
 * account, then in turn. Idle CPUs take what waits anywhere, and sleep without a tick.
 *
 * A thread that blocks: scheduler_save (its context is complete), then, under the lock of what it
 * waits at and its own, its new state, and scheduler_detach or scheduler_give_way (core/switch.h);
 * from then on another CPU may run it. A thread that wakes: under the lock the state READY, then
 * scheduler_ready.
 */
#pragma once

#include "kernel/core/cpu.h"
#include "kernel/object/thread.h"

void scheduler_init(struct cpu *cpu);

/* The current thread's mode is about to change: count what it used in this one. */
void scheduler_count(struct thread *thread);

/* Count and bill the current thread's time. */
void scheduler_bill(struct thread *thread);

/* Let another account pay for its time from now on. If it runs, its time has been counted. */
void scheduler_set_billing(struct thread *thread, handle_t billing);

/* Add what the threads billed to the account, or to one below it, used since they last paid. */
void scheduler_add_turns(const struct account *account, uint64_t *application_ns,
                         uint64_t *personality_ns);

/* Trap once when the thread has run for so long in all; UINT64_MAX: never. */
void scheduler_set_time_trap(struct thread *thread, uint64_t total_ns);

/* Quotas, frozen accounts and time traps that exist: without any, a turn needs no end unless
 * somebody waits, and every thread may run. */
extern uint64_t scheduler_turn_bounds;
/* Frozen accounts that exist: without any, a thread may take over in another's turn unseen. */
extern uint64_t scheduler_freezes;

/* An account is frozen from now on: remember which CPUs are in the kernel, and may not have seen.
 */
void scheduler_freeze(void);

/*
 * Threads of the account that run. Of a frozen one also the CPUs that may be choosing one still;
 * the others that run one are asked to stop.
 */
uint64_t scheduler_running(const struct account *account, bool frozen);

/* On the way out of the kernel, call account_alert. False: too many already; ask again later. */
bool scheduler_alert(handle_t account);

/* Cycles of the turn that the thread is in on some CPU, which were not counted yet; 0: in none. */
uint64_t scheduler_turn_cycles(const struct thread *thread);

/* The CPU runs nobody now; what was current may be anywhere already. */
void scheduler_detach(void);

/* Put a woken thread into a run queue, and wake or preempt a CPU for it. */
void scheduler_ready(struct thread *thread);

/* The same, but prefer to run it next on this CPU: the other half of a call or a reply. */
void scheduler_handoff(struct thread *thread);

/* Give up the rest of the turn. */
void scheduler_yield(void);

/* Take a READY thread out of its run queue; false when it is not in one (about to run). */
bool scheduler_withdraw(struct thread *thread);

/* The way out of the kernel: run what is due, or idle until something is. */
__attribute__((noinline, noreturn)) void scheduler_leave(void);

/* The same, short when the thread that came in simply goes on. */
__attribute__((noreturn)) void scheduler_return(struct thread *thread);

/* The timer interrupt of this CPU, and a kick from another. */
void scheduler_timer(void);
void scheduler_kicked(void);

void timer_insert(struct thread *thread);
void timer_remove(struct thread *thread);

/* Wake the thread's wait at that time, with TIMED_OUT. Before anyone can end it. */
static inline void timer_arm(struct thread *thread, uint64_t deadline_ns)
{
    thread->deadline_ns = deadline_ns;
    if (deadline_ns != DEADLINE_NEVER) {
        timer_insert(thread);
    }
}

static inline void timer_disarm(struct thread *thread)
{
    if (__atomic_load_n(&thread->timer_armed, __ATOMIC_ACQUIRE)) {
        timer_remove(thread);
    }
}
