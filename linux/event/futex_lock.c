/*
 * Locks that the kernel hands over: FUTEX_LOCK_PI and its like (futex(2)). The word holds the
 * number of the thread that owns the lock; 0: nobody. All threads here have one priority, so there
 * is none to inherit; what remains is that an unlock gives the lock to the first that waits, and
 * that the end of an owner is noticed.
 *
 * A waiter enters its bucket before it looks at the word. An unlocker takes the first waiter out,
 * marks it GRANTING, writes its number into the word without a lock, and then says how that went:
 * until then the waiter stays, whatever else may happen to it. An unlocker who finds no waiter
 * frees the word and looks again; whoever came meanwhile is woken to look at the word himself.
 *
 * Another thread may change the word each time before we do: whoever tries again looks at his
 * signals first, and makes the call again after them.
 */
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/event/futex.h"
#include "linux/event/futex_wait.h"
#include "linux/proc/task.h"

enum grant {
    WAITING,  /* in the bucket */
    GRANTING, /* out of it; an unlocker is at work */
    GRANTED,  /* the word is ours */
    AGAIN,    /* the unlocker failed */
};

struct lock_waiter {
    struct futex_waiter waiter; /* bits: 0 */
    uint32_t tid;
    uint32_t owner; /* that it waits for; 0: none yet. Atomic */
    uint32_t grant; /* enum grant; changes under the bucket's lock, or by who is granting */
};

#define TAKEN 1
#define RETRY 2

static uint32_t waiters; /* atomic: so that the end of a thread need not look for them */

/* --- the bucket --------------------------------------------------------------------------------
 */

static struct lock_waiter *lock_waiter(struct futex_waiter *waiter)
{
    return CONTAINER_OF(waiter, struct lock_waiter, waiter);
}

/* The first that waits for the lock, other than `self`. Under the bucket's lock. */
static struct lock_waiter *bucket_first(const struct futex_key *key, const struct lock_waiter *self)
{
    struct futex_waiter *waiter = futex_buckets[futex_bucket_of(key)].first;
    while (waiter != NULL && (waiter->bits != 0 || !futex_key_is(&waiter->key, key) ||
                              (self != NULL && waiter == &self->waiter))) {
        waiter = waiter->next;
    }
    return waiter == NULL ? NULL : lock_waiter(waiter);
}

static bool others_wait(const struct futex_key *key, const struct lock_waiter *self)
{
    struct bucket *bucket = &futex_buckets[futex_bucket_of(key)];
    mutex_lock(&bucket->lock);
    bool others = bucket_first(key, self) != NULL;
    mutex_unlock(&bucket->lock);
    return others;
}

static uint32_t grant_of(const struct lock_waiter *self)
{
    return __atomic_load_n(&self->grant, __ATOMIC_ACQUIRE);
}

static void enter(struct lock_waiter *self)
{
    uint32_t number = futex_bucket_of(&self->waiter.key);
    mutex_lock(&futex_buckets[number].lock);
    self->grant = WAITING;
    futex_bucket_add(number, &self->waiter);
    mutex_unlock(&futex_buckets[number].lock);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Out of the bucket, and out of an unlocker's hands. What became of it decides over `result`. */
static long leave(struct lock_waiter *self, long result)
{
    struct bucket *bucket = &futex_buckets[self->waiter.bucket];
    mutex_lock(&bucket->lock);
    bool waiting = self->grant == WAITING;
    if (waiting) {
        futex_bucket_remove(&self->waiter);
    }
    mutex_unlock(&bucket->lock);
    if (waiting) {
        return result;
    }
    while (grant_of(self) == GRANTING) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
    return grant_of(self) == GRANTED ? TAKEN : result;
}

/* --- the word ----------------------------------------------------------------------------------
 */

static bool task_exists(uint32_t tid)
{
    mutex_lock(&tasks_lock);
    bool exists = task_find((int)tid) != NULL;
    mutex_unlock(&tasks_lock);
    return exists;
}

/* Make the lock ours: TAKEN, 0: the word has changed, -EFAULT. */
static long word_take(uint64_t address, uint32_t *word, uint32_t kept, uint32_t tid,
                      const struct futex_key *key, const struct lock_waiter *self)
{
    uint32_t wait_bit = others_wait(key, self) ? FUTEX_WAITERS : 0;
    return exchange_user_u32(address, word, tid | kept | wait_bit);
}

/* TAKEN; 0: it has an owner, who knows that somebody waits; or an error. */
static long lock_look(struct lock_waiter *self, uint64_t address)
{
    uint32_t word;
    long result = copy_from_user(&word, address, sizeof(word));
    for (bool again = false; result == 0; again = true) {
        uint32_t owner = word & FUTEX_TID_MASK;
        uint32_t before = self->owner;
        if (again && task_signal_pending(task_current())) {
            return -ERESTARTNOINTR;
        }
        if (owner == self->tid) {
            return grant_of(self) != WAITING ? 0 : -EDEADLK;
        }
        /* First known as its waiter, then looked for: it cannot end unnoticed. */
        __atomic_store_n(&self->owner, owner, __ATOMIC_SEQ_CST);
        if (owner == 0) {
            result = word_take(address, &word, word & FUTEX_OWNER_DIED, self->tid,
                               &self->waiter.key, self);
        } else if (!task_exists(owner)) {
            if (before != owner) {
                return -ESRCH;
            }
            result = word_take(address, &word, FUTEX_OWNER_DIED | FUTEX_WAITERS, self->tid,
                               &self->waiter.key, self);
        } else if (word & FUTEX_WAITERS) {
            return 0;
        } else {
            result = exchange_user_u32(address, &word, word | FUTEX_WAITERS);
            if (result == 1) {
                return 0;
            }
        }
    }
    return result;
}

/* --- the calls ---------------------------------------------------------------------------------
 */

static long lock_wait(struct lock_waiter *self, const struct task *task, uint64_t address,
                      uint64_t deadline_ns)
{
    bool late = false;
    while (grant_of(self) == WAITING) {
        long result = lock_look(self, address);
        if (result != 0) {
            return result;
        }
        if (task_signal_pending(task)) {
            return -ERESTARTNOINTR;
        }
        if (late) {
            return -ETIMEDOUT;
        }
        if (grant_of(self) == WAITING) {
            late = wait_park(deadline_ns) == STATUS_TIMED_OUT;
        }
    }
    return RETRY;
}

/* The word may be free: the first that waits looks at it. */
static void wake_first(const struct futex_key *key)
{
    struct bucket *bucket = &futex_buckets[futex_bucket_of(key)];
    mutex_lock(&bucket->lock);
    const struct lock_waiter *first = bucket_first(key, NULL);
    if (first != NULL) {
        (void)kernel_thread_unpark(first->waiter.thread);
    }
    mutex_unlock(&bucket->lock);
}

long futex_lock(struct task *task, uint64_t address, bool private, uint64_t deadline_ns)
{
    struct lock_waiter self = {.waiter = {.thread = task->thread}, .tid = (uint32_t)task->tid};
    long result = futex_key_find(task->mm, address, private, &self.waiter.key);
    if (result != 0) {
        return result;
    }
    __atomic_fetch_add(&waiters, 1, __ATOMIC_SEQ_CST);
    do {
        enter(&self);
        result = leave(&self, lock_wait(&self, task, address, deadline_ns));
    } while (result == RETRY && !task_signal_pending(task));
    if (result == RETRY) {
        result = -ERESTARTNOINTR;
    }
    if (result < 0) {
        wake_first(&self.waiter.key); /* it may be us who was to look at the free word */
    }
    __atomic_fetch_sub(&waiters, 1, __ATOMIC_SEQ_CST);
    return result == TAKEN ? 0 : result;
}

long futex_try_lock(struct task *task, uint64_t address, bool private)
{
    struct futex_key key;
    uint32_t tid = (uint32_t)task->tid;
    uint32_t word;
    long result = futex_key_find(task->mm, address, private, &key);
    if (result == 0) {
        result = copy_from_user(&word, address, sizeof(word));
    }
    for (bool again = false; result == 0; again = true) {
        uint32_t owner = word & FUTEX_TID_MASK;
        if (again && task_signal_pending(task)) {
            return -ERESTARTNOINTR;
        }
        if (owner != 0) {
            return owner == tid ? -EDEADLK : task_exists(owner) ? -EAGAIN : -ESRCH;
        }
        result = word_take(address, &word, word & FUTEX_OWNER_DIED, tid, &key, NULL);
    }
    return result == TAKEN ? 0 : result;
}

/* Give the lock to a waiter that was taken out of the bucket. */
static long word_grant(struct lock_waiter *to, uint64_t address, uint32_t word, uint32_t tid)
{
    uint32_t thread = to->waiter.thread;
    long result = 0;
    for (bool again = false; result == 0; again = true) {
        result = (word & FUTEX_TID_MASK) != tid ? -EPERM
                 : again && task_signal_pending(task_current())
                     ? -ERESTARTNOINTR
                     : exchange_user_u32(address, &word, to->tid | FUTEX_WAITERS);
    }
    /* From here on the waiter, and its stack, may be gone. */
    __atomic_store_n(&to->grant, result == 1 ? GRANTED : AGAIN, __ATOMIC_RELEASE);
    (void)kernel_thread_unpark(thread);
    return result == 1 ? 0 : result;
}

static struct lock_waiter *waiter_take(const struct futex_key *key)
{
    struct bucket *bucket = &futex_buckets[futex_bucket_of(key)];
    mutex_lock(&bucket->lock);
    struct lock_waiter *first = bucket_first(key, NULL);
    if (first != NULL) {
        futex_bucket_remove(&first->waiter);
        first->grant = GRANTING;
    }
    mutex_unlock(&bucket->lock);
    return first;
}

long futex_unlock(struct task *task, uint64_t address, bool private)
{
    struct futex_key key;
    uint32_t tid = (uint32_t)task->tid;
    uint32_t word;
    long result = futex_key_find(task->mm, address, private, &key);
    if (result == 0) {
        result = copy_from_user(&word, address, sizeof(word));
    }
    for (bool again = false; result == 0; again = true) {
        if ((word & FUTEX_TID_MASK) != tid) {
            return -EPERM;
        }
        if (again && task_signal_pending(task)) {
            return -ERESTARTNOINTR;
        }
        struct lock_waiter *waiter = waiter_take(&key);
        if (waiter != NULL) {
            return word_grant(waiter, address, word, tid);
        }
        result = exchange_user_u32(address, &word, 0);
    }
    if (result == 1) {
        wake_first(&key);
    }
    return result == 1 ? 0 : result;
}

void futex_owner_ended(int tid)
{
    if (__atomic_load_n(&waiters, __ATOMIC_SEQ_CST) == 0) {
        return;
    }
    for (uint32_t i = 0; i < FUTEX_BUCKETS; i++) {
        mutex_lock(&futex_buckets[i].lock);
        for (struct futex_waiter *waiter = futex_buckets[i].first; waiter != NULL;
             waiter = waiter->next) {
            if (waiter->bits == 0 &&
                __atomic_load_n(&lock_waiter(waiter)->owner, __ATOMIC_SEQ_CST) == (uint32_t)tid) {
                (void)kernel_thread_unpark(waiter->thread);
            }
        }
        mutex_unlock(&futex_buckets[i].lock);
    }
}
