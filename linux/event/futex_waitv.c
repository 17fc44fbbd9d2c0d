/* futex_waitv(2): waiting for any of several words. */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/clock.h"
#include "linux/event/futex_wait.h"
#include "linux/event/time.h"
#include "linux/proc/task.h"

#define WORDS_MAX      128
#define FUTEX2_SIZE_32 2u
#define FUTEX2_PRIVATE 128u

struct user_word { /* struct futex_waitv */
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

struct words {
    uint32_t count;
    struct user_word word[WORDS_MAX];
    struct futex_waiter waiter[WORDS_MAX];
};

static long words_read(struct words *words, const struct task *task, uint64_t user_words)
{
    if (copy_from_user(words->word, user_words, words->count * sizeof(words->word[0])) != 0) {
        return -EFAULT;
    }
    for (uint32_t i = 0; i < words->count; i++) {
        const struct user_word *word = &words->word[i];
        uint32_t size = word->flags & ~FUTEX2_PRIVATE;
        if (size != FUTEX2_SIZE_32 || word->reserved != 0 || word->value > UINT32_MAX) {
            return -EINVAL;
        }
        words->waiter[i] = (struct futex_waiter){.bits = UINT32_MAX, .thread = task->thread};
        long result = futex_key_find(task->mm, word->address, word->flags & FUTEX2_PRIVATE,
                                     &words->waiter[i].key);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static void words_enter(struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        uint32_t number = futex_bucket_of(&words->waiter[i].key);
        mutex_lock(&futex_buckets[number].lock);
        futex_bucket_add(number, &words->waiter[i]);
        mutex_unlock(&futex_buckets[number].lock);
    }
}

/* Out of all buckets: the last one that was woken, or -1. */
static long words_leave(struct words *words)
{
    long woken = -1;
    for (uint32_t i = 0; i < words->count; i++) {
        if (!futex_waiter_leave(&words->waiter[i])) {
            woken = i;
        }
    }
    return woken;
}

static long words_look(const struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        uint32_t value;
        if (copy_from_user(&value, words->word[i].address, sizeof(value)) != 0) {
            return -EFAULT;
        }
        if (value != words->word[i].value) {
            return -EAGAIN;
        }
    }
    return 0;
}

static bool any_woken(const struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (__atomic_load_n(&words->waiter[i].woken, __ATOMIC_ACQUIRE)) {
            return true;
        }
    }
    return false;
}

static long words_wait(struct words *words, const struct task *task, uint64_t deadline_ns)
{
    words_enter(words);
    long result = words_look(words);
    while (result == 0 && !any_woken(words)) {
        if (task_signal_pending(task)) {
            result = -ERESTARTSYS;
        } else if (wait_park(deadline_ns) == STATUS_TIMED_OUT) {
            result = -ETIMEDOUT;
        }
    }
    long woken = words_leave(words);
    return woken >= 0 ? woken : result;
}

long linux_futex_waitv(uint64_t user_words, uint64_t count, uint64_t flags, uint64_t user_time,
                       uint64_t clock, uint64_t f)
{
    (void)f;
    uint64_t deadline_ns = DEADLINE_NEVER;
    if ((uint32_t)flags != 0 || (uint32_t)count == 0 || (uint32_t)count > WORDS_MAX ||
        user_words == 0) {
        return -EINVAL;
    }
    if (user_time != 0) {
        uint64_t ns;
        if ((uint32_t)clock != CLOCK_MONOTONIC && (uint32_t)clock != CLOCK_REALTIME) {
            return -EINVAL;
        }
        long result = timespec_read(user_time, &ns);
        if (result != 0) {
            return result;
        }
        deadline_ns = clock_deadline((uint32_t)clock, ns, true);
    }
    const struct task *task = task_current();
    struct words *words = heap_alloc(sizeof(*words));
    if (words == NULL) {
        return -ENOMEM;
    }
    words->count = (uint32_t)count;
    long result = words_read(words, task, user_words);
    if (result == 0) {
        result = words_wait(words, task, deadline_ns);
    }
    heap_free(words);
    return result;
}
