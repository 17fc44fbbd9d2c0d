/*
 * poll and select. Owns: struct poll_waiters, the waiters of one call in progress.
 *
 * A call holds references to all its files, so that the queues its waiters stand in live as long
 * as the waiters. The first look at the files adds the waiters; every later one only asks.
 */
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/mask.h"
#include "linux/event/restart.h"
#include "linux/event/wait.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/limit.h"

#define NS_PER_SECOND 1000000000ull

#define WAITERS_INLINE 16
#define WAITERS_BLOCK  64
#define ENTRIES_INLINE 16

struct waiter_block {
    struct waiter_block *next;
    struct waiter waiter[WAITERS_BLOCK];
};

struct poll_waiters {
    struct poll_table table; /* what the files see of it */
    struct waiter first[WAITERS_INLINE];
    struct waiter_block *blocks; /* the newest first: it has room, the others are full */
    uint32_t count;
    uint32_t events; /* what the file being asked is polled for */
    bool exhausted;
};

/* One file of a call. */
struct poll_entry {
    struct file *file; /* a reference; NULL: none (negative, or not open: `ready` says which) */
    uint32_t wanted;   /* WAIT_POLL*; nothing else is reported */
    uint32_t ready;
};

struct poll_call {
    struct poll_entry *entry;
    uint32_t count;
    uint64_t deadline_ns; /* 0: only ask */
};

/* --- the table ------------------------------------------------------------------------------- */

static struct waiter *waiter_new(struct poll_waiters *waiters)
{
    if (waiters->count < WAITERS_INLINE) {
        return &waiters->first[waiters->count++];
    }
    uint32_t index = (waiters->count - WAITERS_INLINE) % WAITERS_BLOCK;
    if (index == 0) {
        struct waiter_block *block = heap_alloc(sizeof(*block));
        if (block == NULL) {
            waiters->exhausted = true;
            return NULL;
        }
        block->next = waiters->blocks;
        waiters->blocks = block;
    }
    waiters->count++;
    return &waiters->blocks->waiter[index];
}

static void waiters_add(struct poll_table *table, struct wait_queue *queue)
{
    struct poll_waiters *waiters = CONTAINER_OF(table, struct poll_waiters, table);
    struct waiter *waiter = waiter_new(waiters);
    if (waiter != NULL) {
        waiter_add(waiter, queue, waiters->events);
    }
}

static void waiters_begin(struct poll_waiters *waiters)
{
    waiters->table.add = waiters_add;
    waiters->blocks = NULL;
    waiters->count = 0;
    waiters->exhausted = false;
    memset(waiters->first, 0, sizeof(waiters->first));
}

static void waiters_end(struct poll_waiters *waiters)
{
    for (uint32_t i = 0; i < MIN(waiters->count, (uint32_t)WAITERS_INLINE); i++) {
        waiter_remove(&waiters->first[i]);
    }
    while (waiters->blocks != NULL) {
        struct waiter_block *block = waiters->blocks;
        waiters->blocks = block->next;
        for (uint32_t i = 0; i < WAITERS_BLOCK; i++) {
            waiter_remove(&block->waiter[i]);
        }
        heap_free(block);
    }
}

/* --- asking and waiting ---------------------------------------------------------------------- */

/* With `waiters`, those that will tell of a change are added. */
static uint32_t entry_ask(const struct poll_entry *entry, struct poll_waiters *waiters)
{
    struct file *file = entry->file;
    if (waiters != NULL) {
        waiters->events = poll_narrow(entry->wanted);
    }
    uint32_t events = file->operations == NULL || file->operations->poll == NULL
                          ? WAIT_POLLIN | WAIT_POLLOUT
                          : file->operations->poll(file, waiters == NULL ? NULL : &waiters->table);
    return poll_widen(events) & entry->wanted;
}

/* How many entries have events. Once one has, nobody will wait: no waiters for the rest. */
static uint32_t call_ask(struct poll_call *call, struct poll_waiters *waiters)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < call->count; i++) {
        struct poll_entry *entry = &call->entry[i];
        if (entry->file != NULL) {
            entry->ready = entry_ask(entry, found == 0 ? waiters : NULL);
        }
        found += entry->ready != 0;
    }
    return found;
}

/* The number of entries with events, 0 at the deadline, -ERESTARTNOHAND: a signal, -ENOMEM. */
static long call_wait(struct poll_call *call)
{
    if (call->deadline_ns == 0) {
        return call_ask(call, NULL);
    }
    struct task *task = task_current();
    struct poll_waiters waiters;
    waiters_begin(&waiters);
    uint32_t found = call_ask(call, &waiters);
    bool late = false;
    long result = 0;
    while (found == 0 && result == 0 && !late) {
        if (waiters.exhausted) {
            result = -ENOMEM;
        } else if (task_signal_pending(task)) {
            result = -ERESTARTNOHAND;
        } else {
            late = wait_park(call->deadline_ns) == STATUS_TIMED_OUT;
            found = call_ask(call, NULL);
        }
    }
    waiters_end(&waiters);
    return found != 0 ? (long)found : result;
}

static void call_end(struct poll_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        if (call->entry[i].file != NULL) {
            file_put(call->entry[i].file);
        }
    }
}

/* --- times -------------------------------------------------------------------------------------
 */

struct user_time { /* struct timespec, struct timeval */
    int64_t seconds;
    int64_t fraction;
};

#define PER_NS 1ull
#define PER_US 1000ull

/* A timeout's deadline; address 0: never. -EFAULT, -EINVAL. */
static long deadline_read(uint64_t user_time, uint64_t unit_ns, uint64_t *deadline_ns)
{
    struct user_time time;
    *deadline_ns = DEADLINE_NEVER;
    if (user_time == 0) {
        return 0;
    }
    if (copy_from_user(&time, user_time, sizeof(time)) != 0) {
        return -EFAULT;
    }
    if (unit_ns == PER_US && time.fraction >= 1000000 && time.seconds >= 0) {
        /* select accepts any number of microseconds. */
        int64_t more = time.fraction / 1000000;
        time.fraction %= 1000000;
        if (__builtin_add_overflow(time.seconds, more, &time.seconds)) {
            time.seconds = INT64_MAX;
        }
    }
    if (time.seconds < 0 || time.fraction < 0 ||
        (uint64_t)time.fraction >= NS_PER_SECOND / unit_ns) {
        return -EINVAL;
    }
    uint64_t duration_ns;
    if (__builtin_mul_overflow((uint64_t)time.seconds, NS_PER_SECOND, &duration_ns) ||
        __builtin_add_overflow(duration_ns, (uint64_t)time.fraction * unit_ns, &duration_ns)) {
        return 0;
    }
    if (duration_ns == 0) {
        *deadline_ns = 0;
    } else if (__builtin_add_overflow(clock_now_ns(), duration_ns, deadline_ns)) {
        *deadline_ns = DEADLINE_NEVER;
    }
    return 0;
}

/*
 * What is left of the timeout goes back to the caller, with which an interrupted call is made
 * again; if it cannot be written, for example because it is a constant, the call is not. The call's
 * result.
 */
static long remaining_write(uint64_t user_time, uint64_t unit_ns, uint64_t deadline_ns, long result)
{
    if (user_time == 0 || deadline_ns == DEADLINE_NEVER) {
        return result;
    }
    uint64_t now = deadline_ns == 0 ? 0 : clock_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    struct user_time time = {.seconds = (int64_t)(left / NS_PER_SECOND),
                             .fraction = (int64_t)(left % NS_PER_SECOND / unit_ns)};
    bool written = copy_to_user(user_time, &time, sizeof(time)) == 0;
    return result == -ERESTARTNOHAND && !written ? -EINTR : result;
}

/* --- poll ------------------------------------------------------------------------------------ */

struct poll_descriptor { /* struct pollfd */
    int32_t fd;
    uint16_t events;
    uint16_t revents;
};

/* pollfds come in and go out in pieces, so that the stack holds one. */
#define PIECE 64

static long entries_fill(struct poll_call *call, uint64_t user_descriptors)
{
    struct poll_descriptor piece[PIECE];
    for (uint32_t i = 0; i < call->count; i++) {
        if (i % PIECE == 0) {
            uint32_t count = MIN(call->count - i, (uint32_t)PIECE);
            if (copy_from_user(piece, user_descriptors + i * sizeof(piece[0]),
                               count * sizeof(piece[0])) != 0) {
                return -EFAULT;
            }
        }
        struct poll_entry *entry = &call->entry[i];
        const struct poll_descriptor *wanted = &piece[i % PIECE];
        entry->wanted = (wanted->events & ~WAIT_POLLNVAL) | WAIT_POLL_ALWAYS;
        entry->file = wanted->fd < 0 ? NULL : descriptor_get(wanted->fd);
        entry->ready = wanted->fd >= 0 && entry->file == NULL ? WAIT_POLLNVAL : 0;
    }
    return 0;
}

static long results_write(const struct poll_call *call, uint64_t user_descriptors)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint16_t revents = (uint16_t)call->entry[i].ready;
        uint64_t to = user_descriptors + i * sizeof(struct poll_descriptor) +
                      offsetof(struct poll_descriptor, revents);
        if (copy_to_user(to, &revents, sizeof(revents)) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

static long poll_with(uint64_t user_descriptors, uint64_t count, uint64_t deadline_ns)
{
    struct poll_entry few[ENTRIES_INLINE];
    uint64_t limit = limit_now(RLIMIT_NOFILE);
    if (count > limit || count > DESCRIPTORS_MAX) {
        return -EINVAL;
    }
    struct poll_call call = {few, (uint32_t)count, deadline_ns};
    if (count > ENTRIES_INLINE) {
        call.entry = heap_alloc(count * sizeof(*call.entry));
        if (call.entry == NULL) {
            return -ENOMEM;
        }
    } else {
        memset(few, 0, sizeof(few));
    }
    long result = entries_fill(&call, user_descriptors);
    if (result == 0) {
        result = call_wait(&call);
    }
    if (result >= 0 && results_write(&call, user_descriptors) != 0) {
        result = -EFAULT;
    }
    call_end(&call);
    if (call.entry != few) {
        heap_free(call.entry);
    }
    return result;
}

enum poll_argument {
    POLL_DESCRIPTORS,
    POLL_COUNT,
    POLL_DEADLINE,
};

/* poll(2) has no way to tell what is left: after a signal it goes on with its deadline. */
static long poll_go_on(const struct restart *poll)
{
    long result = poll_with(poll->argument[POLL_DESCRIPTORS], poll->argument[POLL_COUNT],
                            poll->argument[POLL_DEADLINE]);
    return result == -ERESTARTNOHAND ? restart_with(poll_go_on, poll) : result;
}

long linux_poll(uint64_t user_descriptors, uint64_t count, uint64_t timeout_ms, uint64_t d,
                uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    int32_t timeout = (int32_t)timeout_ms;
    uint64_t deadline_ns = DEADLINE_NEVER;
    if (timeout >= 0) {
        deadline_ns = timeout == 0 ? 0 : clock_now_ns() + (uint64_t)timeout * 1000000;
    }
    const struct restart poll = {.argument = {[POLL_DESCRIPTORS] = user_descriptors,
                                              [POLL_COUNT] = (uint32_t)count,
                                              [POLL_DEADLINE] = deadline_ns}};
    return poll_go_on(&poll);
}

long linux_ppoll(uint64_t user_descriptors, uint64_t count, uint64_t user_time, uint64_t user_mask,
                 uint64_t mask_bytes, uint64_t f)
{
    (void)f;
    uint64_t deadline_ns;
    bool changed;
    long result = deadline_read(user_time, PER_NS, &deadline_ns);
    if (result == 0) {
        result = mask_begin(user_mask, mask_bytes, &changed);
    }
    if (result != 0) {
        return result;
    }
    result = poll_with(user_descriptors, (uint32_t)count, deadline_ns);
    mask_end(changed, result == -ERESTARTNOHAND);
    return remaining_write(user_time, PER_NS, deadline_ns, result);
}

/* --- select ---------------------------------------------------------------------------------- */

#define SETS         3
#define SELECT_READ  (WAIT_POLLIN | WAIT_POLLHUP | WAIT_POLLERR)
#define SELECT_WRITE (WAIT_POLLOUT | WAIT_POLLERR)

static const uint32_t select_events[SETS] = {SELECT_READ, SELECT_WRITE, WAIT_POLLPRI};

struct select_sets {
    uint64_t user[SETS];
    uint64_t *words[SETS];
    uint32_t word_count; /* of each */
    uint32_t bits;
};

static bool bit_get(const uint64_t *words, uint32_t bit)
{
    return words[bit / 64] >> (bit % 64) & 1;
}

static long sets_read(struct select_sets *sets)
{
    for (int i = 0; i < SETS; i++) {
        if (sets->user[i] != 0 &&
            copy_from_user(sets->words[i], sets->user[i], sets->word_count * 8ull) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

static uint32_t wanted_of(const struct select_sets *sets, uint32_t fd)
{
    uint32_t wanted = 0;
    for (int i = 0; i < SETS; i++) {
        wanted |= bit_get(sets->words[i], fd) ? select_events[i] : 0;
    }
    return wanted;
}

/* Entries for the descriptors in any set, in their order. */
static long sets_open(const struct select_sets *sets, struct poll_call *call)
{
    for (uint32_t fd = 0; fd < sets->bits; fd++) {
        uint32_t wanted = wanted_of(sets, fd);
        if (wanted == 0) {
            continue;
        }
        struct file *file = descriptor_get((int)fd);
        if (file == NULL) {
            return -EBADF;
        }
        call->entry[call->count++] = (struct poll_entry){.file = file, .wanted = wanted};
    }
    return 0;
}

/* Leaves in the sets what is ready: how many bits. */
static long sets_reduce(struct select_sets *sets, const struct poll_call *call)
{
    const struct poll_entry *entry = call->entry;
    long bits = 0;
    for (uint32_t fd = 0; fd < sets->bits; fd++) {
        if (wanted_of(sets, fd) == 0) {
            continue;
        }
        for (int i = 0; i < SETS; i++) {
            if (!bit_get(sets->words[i], fd)) {
                continue;
            }
            if (entry->ready & select_events[i]) {
                bits++;
            } else {
                sets->words[i][fd / 64] &= ~(1ull << (fd % 64));
            }
        }
        entry++;
    }
    return bits;
}

static long sets_write(const struct select_sets *sets)
{
    for (int i = 0; i < SETS; i++) {
        if (sets->user[i] != 0 &&
            copy_to_user(sets->user[i], sets->words[i], sets->word_count * 8ull) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

static uint32_t sets_count(const struct select_sets *sets)
{
    uint32_t count = 0;
    for (uint32_t fd = 0; fd < sets->bits; fd++) {
        count += wanted_of(sets, fd) != 0;
    }
    return count;
}

static long select_run(struct select_sets *sets, uint64_t deadline_ns)
{
    uint32_t count = sets_count(sets);
    struct poll_call call = {.count = 0, .deadline_ns = deadline_ns};
    call.entry = heap_alloc((count == 0 ? 1 : count) * sizeof(*call.entry));
    if (call.entry == NULL) {
        return -ENOMEM;
    }
    long result = sets_open(sets, &call);
    if (result == 0) {
        result = call_wait(&call);
    }
    if (result >= 0) {
        result = sets_reduce(sets, &call);
    }
    call_end(&call);
    heap_free(call.entry);
    return result;
}

static long select_with(struct select_sets *sets, int32_t count, uint64_t deadline_ns)
{
    uint64_t few[SETS * 16] = {0};
    if (count < 0) {
        return -EINVAL;
    }
    sets->bits = MIN((uint32_t)count, (uint32_t)DESCRIPTORS_MAX);
    sets->word_count = (sets->bits + 63) / 64;
    uint64_t *words = few;
    if (SETS * sets->word_count > ARRAY_LENGTH(few)) {
        words = heap_alloc(SETS * sets->word_count * sizeof(*words));
        if (words == NULL) {
            return -ENOMEM;
        }
    }
    for (uint32_t i = 0; i < SETS; i++) {
        sets->words[i] = words + i * sets->word_count;
    }
    long result = sets_read(sets);
    if (result == 0) {
        result = select_run(sets, deadline_ns);
    }
    if (result >= 0 && sets_write(sets) != 0) {
        result = -EFAULT;
    }
    if (words != few) {
        heap_free(words);
    }
    return result;
}

long linux_select(uint64_t count, uint64_t user_read, uint64_t user_write, uint64_t user_except,
                  uint64_t user_time, uint64_t f)
{
    (void)f;
    struct select_sets sets = {.user = {user_read, user_write, user_except}};
    uint64_t deadline_ns;
    long result = deadline_read(user_time, PER_US, &deadline_ns);
    if (result == 0) {
        result = select_with(&sets, (int32_t)count, deadline_ns);
        result = remaining_write(user_time, PER_US, deadline_ns, result);
    }
    return result;
}

long linux_pselect6(uint64_t count, uint64_t user_read, uint64_t user_write, uint64_t user_except,
                    uint64_t user_time, uint64_t user_mask)
{
    struct select_sets sets = {.user = {user_read, user_write, user_except}};
    uint64_t mask[2] = {0, 0}; /* address and size */
    uint64_t deadline_ns;
    bool changed;
    if (user_mask != 0 && copy_from_user(mask, user_mask, sizeof(mask)) != 0) {
        return -EFAULT;
    }
    long result = deadline_read(user_time, PER_NS, &deadline_ns);
    if (result == 0) {
        result = mask_begin(mask[0], mask[1], &changed);
    }
    if (result != 0) {
        return result;
    }
    result = select_with(&sets, (int32_t)count, deadline_ns);
    mask_end(changed, result == -ERESTARTNOHAND);
    return remaining_write(user_time, PER_NS, deadline_ns, result);
}
