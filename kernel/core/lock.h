/*
 * Spin locks. The kernel runs with interrupts off, so a lock is never held across an interrupt.
 *
 * Order: a lock is taken only while every lock held has a smaller class; two of one class only
 * through spin_lock_two. While it spins, a CPU answers shootdown requests: the holder may be
 * waiting for exactly that. Debug builds check the order.
 */
#pragma once

#include "lib/base/types.h"

#define LOCK(name, meaning) LOCK_##name,
enum lock_class {
#include "abi/locks.def"
    LOCK_CLASSES,
};
#undef LOCK

struct spinlock {
    uint32_t held;
    uint32_t lock_class;
};

static inline void spin_init(struct spinlock *lock, enum lock_class lock_class)
{
    *lock = (struct spinlock){.lock_class = lock_class};
}

/* How often a lock of each class was found held; atomic. */
extern uint64_t lock_contended[LOCK_CLASSES];

/* It was held: count that, and take it when it is free, answering requests meanwhile. */
__attribute__((noinline, cold)) void spin_wait(struct spinlock *lock);

/* Debug builds check the order; a release build trusts it. */
#ifdef OAK_DEBUG
void spin_order_check(const struct spinlock *lock);
void spin_order_note(const struct spinlock *lock); /* taken, or given back */
#else
#define spin_order_check(lock) ((void)(lock))
#define spin_order_note(lock)  ((void)(lock))
#endif

/* A second lock of one class, where the class has an order of its own (accounts: child first). */
static inline __attribute__((always_inline)) void spin_lock_nested(struct spinlock *lock)
{
    if (__builtin_expect(__atomic_fetch_or(&lock->held, 1, __ATOMIC_ACQUIRE) & 1, 0)) {
        spin_wait(lock);
    }
}

static inline void spin_unlock_nested(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

static inline __attribute__((always_inline)) void spin_lock(struct spinlock *lock)
{
    spin_order_check(lock);
    spin_lock_nested(lock);
    spin_order_note(lock);
}

static inline void spin_unlock(struct spinlock *lock)
{
    spin_order_note(lock);
    spin_unlock_nested(lock);
}

bool spin_try_lock(struct spinlock *lock);

/* Two locks of one class, in the order of their addresses; they may be the same one. */
void spin_lock_two(struct spinlock *a, struct spinlock *b);
void spin_unlock_two(struct spinlock *a, struct spinlock *b);
