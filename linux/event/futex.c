/*
 * A waiter enters its bucket first and looks at the word then: whoever changes the word and wakes
 * finds it there. So no user memory is touched under a bucket's lock.
 */
#include "linux/event/futex.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/clock.h"
#include "linux/event/futex_wait.h"
#include "linux/event/restart.h"
#include "linux/event/time.h"
#include "linux/event/wait.h"
#include "linux/file/file.h"
#include "linux/mm/area.h"
#include "linux/proc/capability.h"

struct bucket futex_buckets[FUTEX_BUCKETS] LARGE_TABLE;

uint32_t futex_bucket_of(const struct futex_key *key)
{
    uint64_t hash =
        ((uint64_t)(uintptr_t)key->object >> 4 ^ key->place >> 2) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(hash >> 58);
}
_Static_assert(FUTEX_BUCKETS == 1 << 6, "the hash's top six bits");

bool futex_key_is(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->place == b->place;
}

long futex_key_find(struct mm *mm, uint64_t address, bool private, struct futex_key *key)
{
    if (address % 4 != 0) {
        return -EINVAL;
    }
    if (!user_range(address, 4)) {
        return -EFAULT;
    }
    *key = (struct futex_key){mm, address};
    if (private) {
        return 0;
    }
    mutex_lock(&mm->lock);
    struct vm_area *area = mm_area_from(mm, address);
    /* What cannot change is not waited for. */
    bool anonymous = area != NULL && area->file == NULL && area->shared == NULL;
    if (area == NULL || area->start > address || (anonymous && !(area->protection & PROT_WRITE))) {
        mutex_unlock(&mm->lock);
        return -EFAULT;
    }
    if (area->flags & MAP_SHARED) {
        uint64_t place = area->offset + (address - area->start);
        if (area->shared != NULL) {
            *key = (struct futex_key){area->shared, place};
        } else if (area->file != NULL) {
            *key = (struct futex_key){area->file->path.inode, place};
        }
    }
    mutex_unlock(&mm->lock);
    return 0;
}

/* --- under the bucket's lock ----------------------------------------------------------------- */

void futex_bucket_add(uint32_t number, struct futex_waiter *waiter)
{
    struct bucket *bucket = &futex_buckets[number];
    __atomic_store_n(&waiter->bucket, number, __ATOMIC_RELEASE);
    waiter->next = NULL;
    waiter->previous = bucket->last;
    if (bucket->last != NULL) {
        bucket->last->next = waiter;
    } else {
        bucket->first = waiter;
    }
    bucket->last = waiter;
}

void futex_bucket_remove(struct futex_waiter *waiter)
{
    struct bucket *bucket = &futex_buckets[waiter->bucket];
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    } else {
        bucket->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    } else {
        bucket->last = waiter->previous;
    }
}

static uint32_t bucket_wake(uint32_t number, const struct futex_key *key, uint32_t bits,
                            uint32_t count)
{
    uint32_t woken = 0;
    struct futex_waiter *next;
    for (struct futex_waiter *waiter = futex_buckets[number].first; waiter != NULL && woken < count;
         waiter = next) {
        next = waiter->next;
        if (futex_key_is(&waiter->key, key) && waiter->bits & bits) {
            uint32_t thread = waiter->thread;
            futex_bucket_remove(waiter);
            /* From here on the waiter, and its stack, may be gone. */
            __atomic_store_n(&waiter->woken, true, __ATOMIC_RELEASE);
            (void)kernel_thread_unpark(thread);
            woken++;
        }
    }
    return woken;
}

static long key_wake(const struct futex_key *key, uint32_t bits, uint32_t count)
{
    uint32_t number = futex_bucket_of(key);
    /* The caller's store to the word comes before this look. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&futex_buckets[number].first, __ATOMIC_SEQ_CST) == NULL) {
        return 0;
    }
    if ((int32_t)count < 1) {
        count = 1; /* as Linux does, which counts after it has woken */
    }
    mutex_lock(&futex_buckets[number].lock);
    uint32_t woken = bucket_wake(number, key, bits, count);
    mutex_unlock(&futex_buckets[number].lock);
    return woken;
}

long futex_wake_address(struct mm *mm, uint64_t address, uint32_t count)
{
    struct futex_key key;
    long result = futex_key_find(mm, address, false, &key);
    if (result != 0) {
        return result;
    }
    result = key_wake(&key, UINT32_MAX, count);
    if (key.object != mm) {
        const struct futex_key own = {mm, address}; /* waited for as a private one */
        result += key_wake(&own, UINT32_MAX, count);
    }
    return result;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Take a waiter out, wherever it was moved to. False: a waker was faster. */
bool futex_waiter_leave(struct futex_waiter *waiter)
{
    for (;;) {
        if (__atomic_load_n(&waiter->woken, __ATOMIC_ACQUIRE)) {
            return false;
        }
        uint32_t number = __atomic_load_n(&waiter->bucket, __ATOMIC_ACQUIRE);
        mutex_lock(&futex_buckets[number].lock);
        bool here = waiter->bucket == number && !waiter->woken;
        if (here) {
            futex_bucket_remove(waiter);
        }
        mutex_unlock(&futex_buckets[number].lock);
        if (here) {
            return true;
        }
    }
}

static long futex_wait(struct task *task, uint64_t address, bool private, uint32_t expected,
                       uint32_t bits, uint64_t deadline_ns)
{
    struct futex_waiter waiter = {.bits = bits, .thread = task->thread};
    long result = futex_key_find(task->mm, address, private, &waiter.key);
    if (result != 0 || bits == 0) {
        return result != 0 ? result : -EINVAL;
    }
    uint32_t number = futex_bucket_of(&waiter.key);
    mutex_lock(&futex_buckets[number].lock);
    futex_bucket_add(number, &waiter);
    mutex_unlock(&futex_buckets[number].lock);
    uint32_t value;
    result = copy_from_user(&value, address, sizeof(value));
    if (result == 0 && value != expected) {
        result = -EAGAIN;
    }
    while (result == 0 && !__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE)) {
        if (task_signal_pending(task)) {
            result = -ERESTARTSYS;
        } else if (wait_park(deadline_ns) == STATUS_TIMED_OUT) {
            result = -ETIMEDOUT;
        }
    }
    return futex_waiter_leave(&waiter) ? result : 0;
}

enum wait_argument {
    WAIT_ADDRESS,
    WAIT_EXPECTED,
    WAIT_BITS, /* and above them whether it is private */
    WAIT_DEADLINE,
};

#define WAIT_PRIVATE (1ull << 32)

/* With a deadline it goes on after a signal without a handler; without one it begins again. */
static long futex_wait_go_on(const struct restart *wait)
{
    uint64_t deadline_ns = wait->argument[WAIT_DEADLINE];
    long result = futex_wait(
        task_current(), wait->argument[WAIT_ADDRESS], wait->argument[WAIT_BITS] & WAIT_PRIVATE,
        (uint32_t)wait->argument[WAIT_EXPECTED], (uint32_t)wait->argument[WAIT_BITS], deadline_ns);
    return result == -ERESTARTSYS && deadline_ns != DEADLINE_NEVER
               ? restart_with(futex_wait_go_on, wait)
               : result;
}

/* --- requeue --------------------------------------------------------------------------------- */

static void buckets_lock(uint32_t a, uint32_t b)
{
    mutex_lock(&futex_buckets[MIN(a, b)].lock);
    if (a != b) {
        mutex_lock(&futex_buckets[MAX(a, b)].lock);
    }
}

static void buckets_unlock(uint32_t a, uint32_t b)
{
    mutex_unlock(&futex_buckets[a].lock);
    if (a != b) {
        mutex_unlock(&futex_buckets[b].lock);
    }
}

static long futex_requeue(struct mm *mm, uint64_t address, uint64_t target, bool private,
                          uint32_t wake, uint32_t move, const uint32_t *expected)
{
    struct futex_key from;
    struct futex_key to;
    if ((int32_t)wake < 0 || (int32_t)move < 0) {
        return -EINVAL;
    }
    long result = futex_key_find(mm, address, private, &from);
    if (result == 0) {
        result = futex_key_find(mm, target, private, &to);
    }
    uint32_t value;
    if (result == 0 && expected != NULL) {
        result = copy_from_user(&value, address, sizeof(value));
        if (result == 0 && value != *expected) {
            result = -EAGAIN;
        }
    }
    if (result != 0) {
        return result;
    }
    uint32_t a = futex_bucket_of(&from);
    uint32_t b = futex_bucket_of(&to);
    buckets_lock(a, b);
    uint32_t done = bucket_wake(a, &from, UINT32_MAX, wake);
    uint32_t moved = 0;
    struct futex_waiter *next;
    bool stay = futex_key_is(&from, &to); /* moved behind itself a waiter would be met for ever */
    for (struct futex_waiter *waiter = futex_buckets[a].first; waiter != NULL && moved < move;
         waiter = next) {
        next = waiter->next;
        if (futex_key_is(&waiter->key, &from) && waiter->bits != 0) {
            if (stay) {
                moved++;
                continue;
            }
            futex_bucket_remove(waiter);
            waiter->key = to;
            futex_bucket_add(b, waiter);
            moved++;
            if (a == b && next == NULL) {
                break;
            }
        }
    }
    buckets_unlock(a, b);
    return done + moved;
}

/* --- FUTEX_WAKE_OP: change the second word, wake on the first, and perhaps on the second --------
 */

static int32_t sign_extend(uint32_t value)
{
    return (int32_t)(value << 20) >> 20;
}

static uint32_t operate(uint32_t operation, uint32_t old, uint32_t argument)
{
    switch (operation & 7) {
    case 0:
        return argument;
    case 1:
        return old + argument;
    case 2:
        return old | argument;
    case 3:
        return old & ~argument;
    default:
        return old ^ argument;
    }
}

static bool compare(uint32_t comparison, int32_t old, int32_t argument)
{
    switch (comparison) {
    case 0:
        return old == argument;
    case 1:
        return old != argument;
    case 2:
        return old < argument;
    case 3:
        return old <= argument;
    case 4:
        return old > argument;
    default:
        return old >= argument;
    }
}

static long futex_wake_op(struct mm *mm, uint64_t address, uint64_t second, bool private,
                          uint32_t wake, uint32_t wake_second, uint32_t encoded)
{
    struct futex_key key;
    struct futex_key key_second;
    uint32_t operation = encoded >> 28 & 15;
    uint32_t comparison = encoded >> 24 & 15;
    uint32_t argument = (uint32_t)sign_extend(encoded >> 12 & 0xfff);
    uint32_t old;
    long result = futex_key_find(mm, address, private, &key);
    if (result == 0) {
        result = futex_key_find(mm, second, private, &key_second);
    }
    if (result == 0 && (operation & 7) > 4) {
        result = -ENOSYS;
    }
    if (result == 0) {
        result = copy_from_user(&old, second, sizeof(old));
    }
    if (operation & 8) {
        argument = 1u << (argument & 31);
    }
    while (result == 0) {
        result = exchange_user_u32(second, &old, operate(operation, old, argument));
        if (result == 1) {
            break; /* done */
        }
    }
    if (result < 0 || comparison > 5) {
        return result < 0 ? result : -ENOSYS;
    }
    long woken = key_wake(&key, UINT32_MAX, wake);
    if (compare(comparison, (int32_t)old, sign_extend(encoded & 0xfff))) {
        woken += key_wake(&key_second, UINT32_MAX, wake_second);
    }
    return woken;
}

/* --- the call -------------------------------------------------------------------------------- */

/* How the timeout of a command is meant. */
static long deadline_read(uint32_t command, bool realtime, uint64_t user_time,
                          uint64_t *deadline_ns)
{
    *deadline_ns = DEADLINE_NEVER;
    if (user_time == 0) {
        return 0;
    }
    uint64_t ns;
    long result = timespec_read(user_time, &ns);
    if (result == 0) {
        realtime = realtime || command == FUTEX_LOCK_PI;
        *deadline_ns =
            clock_deadline(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, ns, command != FUTEX_WAIT);
    }
    return result;
}

long linux_futex(uint64_t address, uint64_t operation, uint64_t value, uint64_t user_time,
                 uint64_t second, uint64_t third)
{
    struct task *task = task_current();
    bool private = operation & FUTEX_PRIVATE;
    uint32_t command = FUTEX_COMMAND((uint32_t)operation);
    uint64_t deadline_ns;
    uint32_t expected = (uint32_t)third;
    switch (command) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
        long result = deadline_read(command, operation & FUTEX_REALTIME, user_time, &deadline_ns);
        uint32_t bits = command == FUTEX_WAIT ? UINT32_MAX : (uint32_t)third;
        const struct restart wait = {.argument = {[WAIT_ADDRESS] = address,
                                                  [WAIT_EXPECTED] = (uint32_t)value,
                                                  [WAIT_BITS] = bits | (private ? WAIT_PRIVATE : 0),
                                                  [WAIT_DEADLINE] = deadline_ns}};
        return result != 0 ? result : futex_wait_go_on(&wait);
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
        struct futex_key key;
        uint32_t bits = command == FUTEX_WAKE ? UINT32_MAX : (uint32_t)third;
        long result = futex_key_find(task->mm, address, private, &key);
        return result != 0 ? result : bits == 0 ? -EINVAL : key_wake(&key, bits, (uint32_t)value);
    }
    case FUTEX_REQUEUE:
        return futex_requeue(task->mm, address, second, private, (uint32_t)value,
                             (uint32_t)user_time, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(task->mm, address, second, private, (uint32_t)value,
                             (uint32_t)user_time, &expected);
    case FUTEX_WAKE_OP:
        return futex_wake_op(task->mm, address, second, private, (uint32_t)value,
                             (uint32_t)user_time, (uint32_t)third);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2: {
        long result = deadline_read(command, operation & FUTEX_REALTIME, user_time, &deadline_ns);
        return result != 0 ? result : futex_lock(task, address, private, deadline_ns);
    }
    case FUTEX_TRYLOCK_PI:
        return futex_try_lock(task, address, private);
    case FUTEX_UNLOCK_PI:
        return futex_unlock(task, address, private);
    default:
        return -ENOSYS;
    }
}
