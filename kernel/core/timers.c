/* Deadlines of waiting threads, a tree of them for each CPU, and the one timer that each CPU has.
 */
#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/core/wait.h"
#include "kernel/x86_64/apic.h"

static int timer_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct thread *left = CONTAINER_OF(a, struct thread, timer_node);
    const struct thread *right = CONTAINER_OF(b, struct thread, timer_node);
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns ? -1 : 1;
    }
    return left < right ? -1 : left > right;
}

void timers_init(struct scheduler *scheduler)
{
    spin_init(&scheduler->timer_lock, LOCK_TIMER);
    tree_init(&scheduler->timers, timer_compare);
}

void timer_want(struct scheduler *scheduler, uint64_t tsc)
{
    if (tsc != 0 && (scheduler->armed_tsc == 0 || tsc < scheduler->armed_tsc)) {
        scheduler->armed_tsc = tsc;
        apic_timer_set(tsc_read(), tsc);
    }
}

void timer_want_release(struct scheduler *scheduler)
{
    uint64_t release_ns = scheduler->queue.release_ns;
    if (release_ns != DEADLINE_NEVER) {
        timer_want(scheduler, clock_tsc_at(release_ns));
    }
}

void timer_insert(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    struct scheduler *scheduler = cpu->scheduler;
    spin_lock(&scheduler->timer_lock);
    assert(!thread->timer_armed);
    thread->timer_cpu = cpu->number;
    thread->timer_armed = true;
    tree_insert(&scheduler->timers, &thread->timer_node);
    spin_unlock(&scheduler->timer_lock);
    timer_want(scheduler, clock_tsc_at(thread->deadline_ns));
}

void timer_remove(struct thread *thread)
{
    struct scheduler *scheduler = cpus[thread->timer_cpu]->scheduler;
    spin_lock(&scheduler->timer_lock);
    if (thread->timer_armed) {
        tree_remove(&scheduler->timers, &thread->timer_node);
        thread->timer_armed = false;
    }
    spin_unlock(&scheduler->timer_lock);
}

void timers_expire(struct scheduler *scheduler)
{
    uint64_t now_ns = clock_now_ns();
    for (;;) {
        spin_lock(&scheduler->timer_lock);
        struct tree_node *first = tree_first(&scheduler->timers);
        struct thread *thread =
            first == NULL ? NULL : CONTAINER_OF(first, struct thread, timer_node);
        if (thread == NULL || thread->deadline_ns > now_ns) {
            uint64_t next_tsc = thread == NULL ? 0 : clock_tsc_at(thread->deadline_ns);
            spin_unlock(&scheduler->timer_lock);
            timer_want(scheduler, next_tsc);
            return;
        }
        tree_remove(&scheduler->timers, first);
        /* Read first: whoever sees it disarmed may let the thread go on to its next wait. */
        uint64_t sequence = thread->wait_sequence;
        __atomic_store_n(&thread->timer_armed, false, __ATOMIC_RELEASE);
        spin_unlock(&scheduler->timer_lock);
        wait_cancel(thread, STATUS_TIMED_OUT, sequence);
    }
}
