/*
 * Ending a wait from outside: deadline, interruption, destruction. Models: kernel/model/park.pml
 * for parking, kernel/model/call.pml for calls.
 */
#pragma once

#include "kernel/object/thread.h"

/*
 * Lock the thread, and before it the queue that it waits in. Returns the queue's lock; NULL: it
 * waits in none. The state `seen` stays, unless the thread runs: then it may begin to wait.
 */
struct spinlock *wait_lock(struct thread *thread, enum thread_state *seen);
void wait_unlock(struct thread *thread, struct spinlock *outer);

/*
 * End the thread's wait with that status, if it waits: it becomes ready. `sequence` 0: whichever
 * wait; otherwise only that one. INTERRUPTED ends none that is not interruptible.
 */
void wait_cancel(struct thread *thread, status_t status, uint64_t sequence);

/* End the thread's wait in a queue whose lock is held; write its results before. */
void wait_end(struct thread *thread, status_t status);

/*
 * End the waits of a queue, which that lock guards, with that status; at most a step's worth. True:
 * the queue is empty.
 */
bool wait_queue_end(struct spinlock *lock, struct list_node *queue, status_t status);

/* The thread is made READY, under the lock that guards its state; write its results before. */
static inline void wait_finish(struct thread *thread, status_t status)
{
    thread->registers.rax = status;
    thread->state = THREAD_READY;
}
