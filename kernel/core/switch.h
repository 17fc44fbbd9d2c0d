/*
 * From one thread to another on this CPU: what the scheduler and the short ways of calls have in
 * common, and the short ways' switch past the run queue.
 */
#pragma once

#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/core/traps.h"
#include "kernel/object/domain.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/cpu.h"

/*
 * Announce the new halves, load the root, then leave the old ones: never unannounced. A root
 * belongs to one pair of halves.
 */
static inline void halves_load(struct cpu *cpu, struct space *space, struct domain *domain,
                               uint64_t root)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    struct space *old_space = scheduler->loaded_space;
    struct domain *old_domain = scheduler->loaded_domain;
    scheduler->loaded_space = space;
    scheduler->loaded_domain = domain;
    if (space != old_space && space != NULL) {
        region_map_loaded(&space->map, cpu->bit);
    }
    if (domain != old_domain && domain != NULL) {
        region_map_loaded(&domain->window, cpu->bit);
        if (__builtin_expect(cpu_features.domain_barrier, 0)) {
            cpu_domain_barrier(cpu, domain->object.handle);
        }
    }
    cpu->root_loaded = root;
    cr3_write(root);
    if (domain != old_domain && old_domain != NULL) {
        region_map_unloaded(&old_domain->window, cpu->bit);
    }
    if (space != old_space && old_space != NULL) {
        region_map_unloaded(&old_space->map, cpu->bit);
    }
}

/* Load the thread, which is RUNNING on this CPU; what ran before is saved. */
static inline void context_load(struct cpu *cpu, struct thread *next, uint64_t root)
{
    cpu->current = next;
    if (cpu->root_loaded != root) {
        halves_load(cpu, next->space, next->domain, root);
    }
    fpu_restore(next->fpu);
    bases_restore(next->fs_base, next->gs_base);
    cpu->tss.rsp[0] = (uint64_t)(&next->registers + 1); /* traps push their frame there */
    /* RUNNING before we look at attention: pairs with thread_attend. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The same, when others wait or turns have bounds: then this one must have an end. */
bool scheduler_may_switch_busy(const struct cpu *cpu, const struct thread *next);

/*
 * May that thread take this CPU over at once, in what is left of the current turn? Not while anyone
 * is due here whom only scheduler_leave would serve.
 */
static inline bool scheduler_may_switch(const struct cpu *cpu, const struct thread *next)
{
    const struct scheduler *scheduler = scheduler_of(cpu);
    uint64_t due = cpu->deferred | scheduler->reschedule;
    due |= scheduler->queue.ready_count;
    return __builtin_expect((due | scheduler_turn_bounds) == 0, 1) ||
           scheduler_may_switch_busy(cpu, next);
}

/*
 * The two parts of such a switch: save the current thread, and count its time; leave the kernel
 * with the next, which is RUNNING on this CPU, in personality mode and billed to the same account,
 * while the former waits. The next one's call is OK, with those results. That account takes over
 * that somebody billed to it runs, and pays at the end of the turn.
 */
static inline void scheduler_save_for_switch(struct cpu *cpu, struct thread *thread)
{
    fpu_save(thread->fpu);
    bases_save(&thread->fs_base, &thread->gs_base);
    time_count(cpu, thread, MODE_PERSONALITY);
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

__attribute__((noreturn)) static inline void
scheduler_switch(struct cpu *cpu, struct thread *next, uint64_t rdi, uint64_t rsi, uint64_t rdx)
{
    context_load(cpu, next, next->root_personality);
    call_leave(cpu, next, next->attention == 0, rdi, rsi, rdx);
}
