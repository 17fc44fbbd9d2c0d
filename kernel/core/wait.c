#include "kernel/core/wait.h"

#include "kernel/core/scheduler.h"

#define WAKES_PER_STEP 32

struct spinlock *wait_lock(struct thread *thread, enum thread_state *seen)
{
    for (;;) {
        spin_lock(&thread->lock);
        enum thread_state state = __atomic_load_n(&thread->state, __ATOMIC_ACQUIRE);
        bool in_queue = state >= THREAD_RECEIVING && state <= THREAD_SIGNAL_WAIT;
        struct spinlock *outer = in_queue ? thread->queue_lock : NULL;
        spin_unlock(&thread->lock);
        /* The queue's lock comes before the thread's, and the short ways of calls take it alone:
         * look again with both. */
        if (outer != NULL) {
            spin_lock(outer);
        }
        spin_lock(&thread->lock);
        if (thread->state == state && (outer == NULL || thread->queue_lock == outer)) {
            *seen = state;
            return outer;
        }
        wait_unlock(thread, outer);
    }
}

void wait_unlock(struct thread *thread, struct spinlock *outer)
{
    spin_unlock(&thread->lock);
    if (outer != NULL) {
        spin_unlock(outer);
    }
}

void wait_end(struct thread *thread, status_t status)
{
    list_remove(&thread->wait_node);
    spin_lock(&thread->lock);
    wait_finish(thread, status);
    spin_unlock(&thread->lock);
}

void wait_cancel(struct thread *thread, status_t status, uint64_t sequence)
{
    enum thread_state state;
    struct spinlock *outer = wait_lock(thread, &state);
    bool waits = outer != NULL || state == THREAD_PARKED;
    bool ends = waits && (sequence == 0 || sequence == thread->wait_sequence) &&
                (status != STATUS_INTERRUPTED || thread->interruptible);
    if (ends) {
        if (outer != NULL) {
            list_remove(&thread->wait_node);
        }
        wait_finish(thread, status);
    }
    wait_unlock(thread, outer);
    if (ends) {
        timer_disarm(thread);
        scheduler_ready(thread);
    }
}

bool wait_queue_end(struct spinlock *lock, struct list_node *queue, status_t status)
{
    for (uint32_t i = 0; i < WAKES_PER_STEP; i++) {
        spin_lock(lock);
        if (list_empty(queue)) {
            spin_unlock(lock);
            return true;
        }
        struct thread *thread = CONTAINER_OF(queue->next, struct thread, wait_node);
        wait_end(thread, status);
        spin_unlock(lock);
        timer_disarm(thread);
        scheduler_ready(thread);
    }
    return false;
}
