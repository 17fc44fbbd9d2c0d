/*
 * Locks of the personality. A mutex sleeps by park and hands itself to the first waiter; its guard
 * is a spin lock held for a few instructions that never fault, block or call anything.
 *
 * The total order; a lock is taken only while every lock held stands above it:
 *   exec/exit of a thread group (group->lock)
 *   epoll (event/epoll.h: epoll_nest_lock, epoll->lock), changes of O_ASYNC (event/async.h)
 *   timers (event/timer.h)
 *   moves of pages (mm->moving)
 *   process table (container.tasks_lock)
 *   mm->lock
 *   descriptor table
 *   open file position
 *   authority that files give (file/walk.h: authority_lock)
 *   directory inode, then file inode (by address within one kind)
 *   overlay and tmpfs nodes, pipe, socket (net/unix.h, net/inet.h), tty, channel
 *   signals (group->signals_lock)
 *   watches of files (event/inotify.c)
 *   list of signalfds
 *   wait queue (an epoll's own behind those of the files that it watches)
 *   ready list of an epoll, list of a file's watchers, signals of O_ASYNC (event/async.h)
 *   futex bucket
 *   heap, window, slots, thread blocks
 * User memory is never touched with a lock held that handling a fault could need: mm->lock and
 * everything below "wait queue".
 */
#pragma once

#include "lib/base/types.h"

struct mutex_waiter;

struct mutex {
    uint32_t state; /* 0 free, 1 held, 2 held with waiters */
    uint32_t guard;
    struct mutex_waiter *first;
    struct mutex_waiter *last;
};

#define MUTEX_INIT                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }

static inline void mutex_init(struct mutex *mutex)
{
    *mutex = (struct mutex)MUTEX_INIT;
}

void mutex_lock_slow(struct mutex *mutex);
void mutex_unlock_slow(struct mutex *mutex);

static inline bool mutex_try_lock(struct mutex *mutex)
{
    uint32_t free = 0;
    return __atomic_compare_exchange_n(&mutex->state, &free, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void mutex_lock(struct mutex *mutex)
{
    if (!mutex_try_lock(mutex)) {
        mutex_lock_slow(mutex);
    }
}

static inline void mutex_unlock(struct mutex *mutex)
{
    uint32_t held = 1;
    if (!__atomic_compare_exchange_n(&mutex->state, &held, 0, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED)) {
        mutex_unlock_slow(mutex);
    }
}
