/* Spin locks: the order's check and what is not short; see lock.h for the order. */
#include "kernel/core/lock.h"

#include "kernel/core/assert.h"
#include "kernel/core/cpu.h"

#ifdef OAK_DEBUG
void spin_order_check(const struct spinlock *lock)
{
    uint32_t held = cpu_current()->locks_held;
    assert((held >> lock->lock_class) == 0);
}

void spin_order_note(const struct spinlock *lock)
{
    cpu_current()->locks_held ^= 1u << lock->lock_class;
}
#endif

uint64_t lock_contended[LOCK_CLASSES];

void spin_wait(struct spinlock *lock)
{
    __atomic_fetch_add(&lock_contended[lock->lock_class], 1, __ATOMIC_RELAXED);
    do {
        cpu_serve_requests();
        __builtin_ia32_pause();
    } while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0 ||
             __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0);
}

bool spin_try_lock(struct spinlock *lock)
{
    bool taken = __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) == 0;
    if (taken) {
        spin_order_note(lock);
    }
    return taken;
}

void spin_lock_two(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *first = a < b ? a : b;
    struct spinlock *second = a < b ? b : a;
    spin_lock(first);
    if (second != first) {
        spin_lock_nested(second);
    }
}

void spin_unlock_two(struct spinlock *a, struct spinlock *b)
{
    if (a != b) {
        spin_unlock_nested(b);
    }
    spin_unlock(a);
}
