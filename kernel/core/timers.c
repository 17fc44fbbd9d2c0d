/* Deadlines of waiting threads, a tree of them for each CPU, and the one timer that each CPU has.
 */
#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/core/wait.h"
#include "kernel/x86_64/apic.h"

#define EXPIRES_MAX 16 /* in one interrupt: the next comes at once */

static int timer_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct thread *left = CONTAINER_OF(a, struct thread, timer_node);
    const struct thread *right = CONTAINER_OF(b, struct thread, timer_node);
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns ? -1 : 1;
    }
    return left < right ? -1 : left > right;
}

void timers_init(struct cpu *cpu)
{
    spin_init(&cpu->timer_lock, LOCK_TIMER);
    tree_init(&cpu->timers, timer_compare);
    cpu->armed_tsc = UINT64_MAX;
}

void timer_want(struct cpu *cpu, uint64_t tsc)
{
    if (tsc != 0 && tsc < cpu->armed_tsc) {
        cpu->armed_tsc = tsc;
        apic_timer_set(tsc_read(), tsc);
    }
}

void timer_insert(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    spin_lock(&cpu->timer_lock);
    assert(!thread->timer_armed);
    thread->timer_cpu = cpu->number;
    thread->timer_armed = true;
    tree_insert(&cpu->timers, &thread->timer_node);
    spin_unlock(&cpu->timer_lock);
    timer_want(cpu, clock_tsc_at(thread->deadline_ns));
}

void timer_remove(struct thread *thread)
{
    struct cpu *cpu = cpus[thread->timer_cpu];
    spin_lock(&cpu->timer_lock);
    if (thread->timer_armed) {
        tree_remove(&cpu->timers, &thread->timer_node);
        thread->timer_armed = false;
    }
    spin_unlock(&cpu->timer_lock);
}

void timers_expire(struct cpu *cpu)
{
    uint64_t now_ns = clock_now_ns();
    for (uint32_t left = EXPIRES_MAX;; left--) {
        spin_lock(&cpu->timer_lock);
        struct tree_node *first = tree_first(&cpu->timers);
        struct thread *thread =
            first == NULL ? NULL : CONTAINER_OF(first, struct thread, timer_node);
        if (thread == NULL || thread->deadline_ns > now_ns || left == 0) {
            uint64_t next_tsc = thread == NULL ? 0 : clock_tsc_at(thread->deadline_ns);
            spin_unlock(&cpu->timer_lock);
            timer_want(cpu, next_tsc);
            return;
        }
        tree_remove(&cpu->timers, first);
        /* Read first: whoever sees it disarmed may let the thread go on to its next wait. */
        uint64_t sequence = thread->wait_sequence;
        __atomic_store_n(&thread->timer_armed, false, __ATOMIC_RELEASE);
        spin_unlock(&cpu->timer_lock);
        wait_cancel(thread, STATUS_TIMED_OUT, sequence);
    }
}
