/*
 * From one thread to another on this CPU: what the scheduler and the short ways of calls have in
 * common, and the short ways' switches past the run queue. Three of them: a call hands its CPU to
 * the receiver, a reply to the caller (scheduler_switch); who parks or waits for a signal, to the
 * one that it, or somebody here, woke last (scheduler_give_way, scheduler_next).
 */
#pragma once

#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/core/trace.h"
#include "kernel/core/traps.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/cpu.h"

/* Save the current thread's FPU state and bases, and count its time in that mode, its own. */
static inline void scheduler_save(struct cpu *cpu, struct thread *thread, uint8_t mode)
{
    fpu_save(thread->fpu);
    bases_save(&thread->fs_base, &thread->gs_base);
    time_count(cpu, thread, mode);
}

/*
 * Announce the new halves, load the root, then leave the old ones: never unannounced. A root
 * belongs to one pair of halves.
 */
static inline void halves_load(struct cpu *cpu, struct space *space, struct domain *domain,
                               uint64_t root)
{
    struct space *old_space = cpu->loaded_space;
    struct domain *old_domain = cpu->loaded_domain;
    if (space != old_space && space != NULL) {
        region_map_loaded(&space->map, cpu->bit);
    }
    if (domain != old_domain) {
        cpu->loaded_domain = domain;
        region_map_loaded(&domain->window, cpu->bit);
        /* Not for the idle loop, which looks at nothing. */
        if (__builtin_expect(cpu_features.domain_barrier && domain->object.handle != 0, 0)) {
            cpu_domain_barrier(cpu, domain->object.handle);
        }
    }
    cpu->root_loaded = root;
    cr3_write(root);
    if (domain != old_domain) {
        region_map_unloaded(&old_domain->window, cpu->bit);
    }
    if (space != old_space) {
        cpu->loaded_space = space;
        if (old_space != NULL) {
            region_map_unloaded(&old_space->map, cpu->bit);
        }
    }
}

/* Load the thread, which is current and RUNNING on this CPU; what ran before is saved. */
static inline void context_load(struct cpu *cpu, struct thread *next, uint64_t root)
{
    if (cpu->root_loaded != root) {
        halves_load(cpu, next->space, next->domain, root);
    }
    fpu_restore(next->fpu);
    bases_restore(next->fs_base, next->gs_base);
    cpu->tss.rsp[0] = (uint64_t)(&next->registers + 1); /* traps push their frame there */
    /* RUNNING before we look at attention: pairs with thread_attend. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline uint64_t root_of(const struct thread *thread)
{
    return thread->mode == MODE_APPLICATION ? thread->root_application : thread->root_personality;
}

/* --- waking: the usual case, and the others --------------------------------------------------- */

extern uint64_t scheduler_idle; /* bit per CPU that sleeps and nobody has woken yet; atomic */

static inline bool somebody_idle(void)
{
    return __atomic_load_n(&scheduler_idle, __ATOMIC_RELAXED) != 0;
}

/* Wake one of them, the next one from that CPU on. */
void scheduler_wake_idle(uint32_t near);

/* Work came to a busy CPU's queue. A CPU that falls asleep looks at the queues after it said so. */
static inline void idle_wake(uint32_t near)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (somebody_idle()) {
        scheduler_wake_idle(near);
    }
}

/* A CPU that runs a lower band than the thread's; else the one where it ran last. */
uint32_t scheduler_busy_cpu(const struct thread *thread);

/* Put a woken thread, which is counted or not, into a queue. */
void scheduler_place(struct thread *thread);

/*
 * The usual case: it waits for the current thread on the CPU where it ran last, and is not due
 * before that; nobody else waits. False when it is not so.
 */
static inline bool place_here(struct cpu *cpu, const struct thread *current, struct thread *thread)
{
    if (thread->cpu != cpu->number || current == NULL || current->band < thread->band ||
        somebody_idle() || (cpu_count > 1 && scheduler_busy_cpu(thread) != cpu->number) ||
        !run_queue_put_only(&cpu->queue, thread)) {
        return false;
    }
    trace(TRACE_WAKE, 0, object_number(&thread->object), cpu->number);
    idle_wake(cpu->number);
    return true;
}

/*
 * A woken thread waits. Its account counts it, but not if somebody runs for that one here and it
 * comes to wait alone: then it is counted when it leaves that place, most often for the other.
 */
static inline void scheduler_ready_here(struct cpu *cpu, const struct thread *current,
                                        struct thread *thread)
{
    thread->counted = false;
    if (current == NULL || current->billing != thread->billing) {
        billing_count(thread);
    }
    if (!place_here(cpu, current, thread)) {
        scheduler_place(thread);
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Once a turn a CPU compares its own with what waits elsewhere. */
static inline bool look_is_due(const struct cpu *cpu)
{
    return cpu->tsc_since >= cpu->look_tsc;
}

/* Who waits here alone, unless quotas or other CPUs must be looked at. */
static inline struct thread *take_only(struct cpu *cpu)
{
    if (scheduler_turn_bounds != 0 || look_is_due(cpu)) {
        return NULL;
    }
    struct thread *only = run_queue_take_only(&cpu->queue);
    if (only != NULL) {
        __atomic_store_n(&only->state, THREAD_RUNNING, __ATOMIC_RELEASE);
    }
    return only;
}

/*
 * The current thread begins to wait, as scheduler_detach; before anyone can end that. Who waits
 * alone here is next, if nothing else is due: choose() looks at it again, scheduler_next need not.
 */
static inline void scheduler_give_way(struct cpu *cpu, struct thread *thread)
{
    struct thread *next = cpu->due != 0 ? NULL : take_only(cpu);
    if (next != NULL && !next->counted && next->billing == thread->billing) {
        next->counted = true; /* in the place of this one */
    } else {
        billing_change(thread->billing, -1);
        if (next != NULL) {
            billing_count(next);
        }
    }
    cpu->handoff = next;
    cpu->billing_own = thread->billing_own;
    cpu->current = NULL;
}

/*
 * After scheduler_give_way: the next one takes over in what is left of the turn. Its account is the
 * one that pays already, and does so at the end of the turn.
 */
__attribute__((noreturn)) static inline void scheduler_next(struct cpu *cpu)
{
    struct thread *next = cpu->handoff;
    if (next == NULL || next->billing != cpu->billing) {
        scheduler_leave();
    }
    cpu->handoff = NULL;
    cpu->current = next;
    context_load(cpu, next, root_of(next));
    if (next->attention != 0) {
        scheduler_leave();
    }
    cpu->kernel_entries++;
    kernel_leave(next);
}

/* --- calls ------------------------------------------------------------------------------------ */

/*
 * May that thread take this CPU over at once, in what is left of the current turn? Not while anyone
 * is due here whom only scheduler_leave would serve.
 */
static inline bool scheduler_may_switch(const struct cpu *cpu, const struct thread *next)
{
    uint64_t due = cpu->due | cpu->queue.ready_count | (uint64_t)cpu->queue.only;
    return __builtin_expect((due | scheduler_turn_bounds) == 0, 1) ||
           /* Others wait, or turns have bounds: then this one must have an end. */
           (cpu->due == 0 && cpu->slice_end_tsc != 0 &&
            (scheduler_freezes == 0 || !account_is_frozen(next->object.payer)) &&
            !run_queue_waits(&cpu->queue, next->band + 1));
}

/* May the current thread go on from a kernel call that changed nothing of its own? */
static inline bool call_goes_on(const struct cpu *cpu, const struct thread *thread)
{
    return (cpu->due | thread->attention) == 0 &&
           (cpu->slice_end_tsc != 0 || !run_queue_ready(&cpu->queue));
}

/* Out of a kernel call of the current thread, which is loaded and goes on if nobody objects. */
__attribute__((noreturn)) static inline void call_leave(struct cpu *cpu, struct thread *thread,
                                                        bool goes_on, uint64_t rdi, uint64_t rsi,
                                                        uint64_t rdx)
{
    if (!goes_on) {
        struct registers *registers = &thread->registers;
        registers->rax = STATUS_OK;
        registers->rdi = rdi;
        registers->rsi = rsi;
        registers->rdx = rdx;
        scheduler_leave();
    }
    cpu->kernel_entries++;
    kernel_leave_call(rdi, rsi, rdx, thread);
}

/*
 * Leave the kernel with the next thread, which is current and RUNNING on this CPU, in personality
 * mode and billed to the same account, while the one before, which is saved, waits. Its call is OK,
 * with those results. That account takes over that somebody billed to it runs, and pays at the end
 * of the turn.
 */
__attribute__((noreturn)) static inline void
scheduler_switch(struct cpu *cpu, struct thread *next, uint64_t rdi, uint64_t rsi, uint64_t rdx)
{
    context_load(cpu, next, next->root_personality);
    call_leave(cpu, next, next->attention == 0, rdi, rsi, rdx);
}
