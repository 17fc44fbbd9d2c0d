/* Spin locks; see lock.h for the order. */
#include "kernel/core/lock.h"

#include "kernel/core/assert.h"
#include "kernel/core/cpu.h"

#ifdef OAK_DEBUG
static void order_check(const struct spinlock *lock)
{
    uint32_t held = cpu_current()->locks_held;
    assert((held >> lock->lock_class) == 0);
}

static void order_note(const struct spinlock *lock, bool taken)
{
    if (taken) {
        cpu_current()->locks_held |= 1u << lock->lock_class;
    } else {
        cpu_current()->locks_held &= ~(1u << lock->lock_class);
    }
}
#else
static void order_check(const struct spinlock *lock)
{
    (void)lock;
}

static void order_note(const struct spinlock *lock, bool taken)
{
    (void)lock;
    (void)taken;
}
#endif

static void acquire(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0) {
            cpu_serve_requests();
            __builtin_ia32_pause();
        }
    }
}

void spin_lock(struct spinlock *lock)
{
    order_check(lock);
    acquire(lock);
    order_note(lock, true);
}

bool spin_try_lock(struct spinlock *lock)
{
    if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
        return false;
    }
    order_note(lock, true);
    return true;
}

void spin_unlock(struct spinlock *lock)
{
    order_note(lock, false);
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

void spin_lock_nested(struct spinlock *lock)
{
    acquire(lock);
}

void spin_unlock_nested(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

void spin_lock_two(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *first = a < b ? a : b;
    struct spinlock *second = a < b ? b : a;
    spin_lock(first);
    if (second != first) {
        acquire(second);
    }
}

void spin_unlock_two(struct spinlock *a, struct spinlock *b)
{
    if (a != b) {
        __atomic_store_n(&b->held, 0, __ATOMIC_RELEASE);
    }
    spin_unlock(a);
}
