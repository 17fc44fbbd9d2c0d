/*
 * What the kinds of futexes have in common: words of user memory as keys, and their waiters in
 * buckets. A waiter stands on its thread's stack.
 *
 * A waiter enters its bucket first and looks at the word then: whoever changes the word and then
 * looks for waiters finds it there. So no user memory is touched under a bucket's lock.
 */
#pragma once

#include "linux/core/lock.h"

struct mm;
struct task;

#define FUTEX_WAIT               0
#define FUTEX_WAKE               1
#define FUTEX_REQUEUE            3
#define FUTEX_CMP_REQUEUE        4
#define FUTEX_WAKE_OP            5
#define FUTEX_LOCK_PI            6
#define FUTEX_UNLOCK_PI          7
#define FUTEX_TRYLOCK_PI         8
#define FUTEX_WAIT_BITSET        9
#define FUTEX_WAKE_BITSET        10
#define FUTEX_LOCK_PI2           13
#define FUTEX_PRIVATE            128u
#define FUTEX_REALTIME           256u
#define FUTEX_COMMAND(operation) ((operation)&127u)

#define FUTEX_BUCKETS 64

/* The words of locks that are known to the kernel. */
#define FUTEX_WAITERS    0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK   0x3fffffffu

struct futex_key {
    const void *object; /* mm, shared_pages or inode */
    uint64_t place;
};

struct futex_waiter {
    struct futex_waiter *next;
    struct futex_waiter *previous;
    struct futex_key key;
    uint32_t bits; /* that a wake has to have in common; 0: it waits for a lock (futex_lock.c) */
    uint32_t thread;
    uint32_t bucket; /* where it stands; changes under both buckets' locks */
    bool woken;      /* out of the bucket, by a waker */
};

struct bucket {
    struct mutex lock;
    struct futex_waiter *first;
    struct futex_waiter *last;
};
extern struct bucket futex_buckets[FUTEX_BUCKETS];

/* -EINVAL: misaligned; -EFAULT. */
long futex_key_find(struct mm *mm, uint64_t address, bool private, struct futex_key *key);
bool futex_key_is(const struct futex_key *a, const struct futex_key *b);
uint32_t futex_bucket_of(const struct futex_key *key);

/* Under the bucket's lock. */
void futex_bucket_add(uint32_t number, struct futex_waiter *waiter);
void futex_bucket_remove(struct futex_waiter *waiter);

/* Take a waiter out, wherever it was moved to. False: a waker was faster. */
bool futex_waiter_leave(struct futex_waiter *waiter);

/* futex_lock.c: FUTEX_LOCK_PI and its like. */
long futex_lock(struct task *task, uint64_t address, bool private, uint64_t deadline_ns);
long futex_try_lock(struct task *task, uint64_t address, bool private);
long futex_unlock(struct task *task, uint64_t address, bool private);
