#include "linux/core/lock.h"

#include "lib/oak/kernel.h"
#include "linux/core/thread.h"

struct mutex_waiter {
    struct mutex_waiter *next;
    uint32_t thread; /* slot, to unpark */
    uint32_t granted;
};

static void guard_take(struct mutex *mutex)
{
    while (__atomic_exchange_n(&mutex->guard, 1, __ATOMIC_ACQUIRE) != 0) {
        /* The holder was preempted within a few instructions: let it finish. */
        (void)kernel_thread_yield();
    }
}

static void guard_release(struct mutex *mutex)
{
    __atomic_store_n(&mutex->guard, 0, __ATOMIC_RELEASE);
}

void mutex_lock_slow(struct mutex *mutex)
{
    struct mutex_waiter waiter = {.thread = thread_self()->slot};
    guard_take(mutex);
    if (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_ACQUIRE) == 0) {
        /* Freed meanwhile; 2 although nobody waits only makes the unlock look. */
        guard_release(mutex);
        return;
    }
    if (mutex->last != NULL) {
        mutex->last->next = &waiter;
    } else {
        mutex->first = &waiter;
    }
    mutex->last = &waiter;
    guard_release(mutex);
    while (__atomic_load_n(&waiter.granted, __ATOMIC_ACQUIRE) == 0) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
}

void mutex_unlock_slow(struct mutex *mutex)
{
    guard_take(mutex);
    struct mutex_waiter *waiter = mutex->first;
    if (waiter == NULL) {
        __atomic_store_n(&mutex->state, 0, __ATOMIC_RELEASE);
        guard_release(mutex);
        return;
    }
    mutex->first = waiter->next;
    if (mutex->first == NULL) {
        mutex->last = NULL;
    }
    uint32_t thread = waiter->thread;
    /* Ours no more: the waiter's stack may be gone as soon as it is granted. */
    __atomic_store_n(&waiter->granted, 1, __ATOMIC_RELEASE);
    guard_release(mutex);
    (void)kernel_thread_unpark(thread);
}
