/*
 * Advisory locks of the whole container in one list under one lock: there are few of them, and a
 * file that was never locked costs only a look at the counter when it is closed.
 *
 * A lock holds a reference to its inode. An owner is a descriptor table or an open file; both drop
 * their locks before they end, so an owner's address is never one of another time.
 */
#include "linux/file/record_lock.h"

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/event/wait.h"
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/proc/task.h"

#define LOCK_SH 1u
#define LOCK_EX 2u
#define LOCK_NB 4u
#define LOCK_UN 8u

#define OFFSET_LAST ((uint64_t)INT64_MAX)
#define SPARES      2

struct record_lock {
    struct record_lock *next;
    struct inode *inode;
    const void *owner;
    uint64_t first;
    uint64_t last; /* inclusive */
    int16_t type;
    bool whole;      /* of flock: never in the way of fcntl's */
    int32_t pid;     /* -1: of F_OFD_SETLK */
    uint64_t device; /* as stat shows it */
};

static struct mutex locks_lock;
static struct record_lock *locks;
static uint32_t lock_count; /* atomic */
static struct wait_queue locks_changed;

static bool overlaps(const struct record_lock *a, const struct record_lock *b)
{
    return a->inode == b->inode && a->whole == b->whole && a->first <= b->last &&
           b->first <= a->last;
}

/* Under locks_lock. */
static const struct record_lock *conflict_find(const struct record_lock *wanted)
{
    for (const struct record_lock *lock = locks; lock != NULL; lock = lock->next) {
        if (overlaps(lock, wanted) && lock->owner != wanted->owner &&
            (lock->type == F_WRLCK || wanted->type == F_WRLCK)) {
            return lock;
        }
    }
    return NULL;
}

/* --- taking locks out and putting them in, under locks_lock ----------------------------------- */

static void lock_insert(struct record_lock *lock)
{
    inode_get(lock->inode);
    lock->next = locks;
    locks = lock;
    __atomic_fetch_add(&lock_count, 1, __ATOMIC_RELAXED);
}

/* From the list to that of locks to free later. */
static void lock_take_out(struct record_lock **link, struct record_lock **gone)
{
    struct record_lock *lock = *link;
    *link = lock->next;
    lock->next = *gone;
    *gone = lock;
    __atomic_fetch_sub(&lock_count, 1, __ATOMIC_RELAXED);
}

/* Without locks_lock. */
static void locks_free(struct record_lock *gone)
{
    bool some = gone != NULL;
    while (gone != NULL) {
        struct record_lock *next = gone->next;
        inode_put(gone->inode);
        heap_free(gone);
        gone = next;
    }
    if (some) {
        wait_queue_wake(&locks_changed, WAIT_CHANGE);
    }
}

/* Cut the range out of what the owner holds; a lock cut in two needs the spare. */
static void range_cut(const struct record_lock *range, struct record_lock **spare,
                      struct record_lock **gone)
{
    for (struct record_lock **link = &locks; *link != NULL;) {
        struct record_lock *lock = *link;
        if (!overlaps(lock, range) || lock->owner != range->owner) {
            link = &lock->next;
            continue;
        }
        if (lock->first < range->first && lock->last > range->last) {
            struct record_lock *upper = *spare;
            *spare = NULL;
            *upper = *lock;
            upper->first = range->last + 1;
            lock->last = range->first - 1;
            lock_insert(upper);
            return; /* the owner's locks do not overlap: there is no other */
        }
        if (lock->first < range->first) {
            lock->last = range->first - 1;
            link = &lock->next;
        } else if (lock->last > range->last) {
            lock->first = range->last + 1;
            link = &lock->next;
        } else {
            lock_take_out(link, gone);
        }
    }
}

/* --- setting ---------------------------------------------------------------------------------- */

static bool no_conflict(void *context)
{
    mutex_lock(&locks_lock);
    bool none = conflict_find(context) == NULL;
    mutex_unlock(&locks_lock);
    return none;
}

/* -EAGAIN when another's lock is in the way. */
static long lock_try(const struct record_lock *wanted)
{
    struct record_lock *spare[SPARES];
    struct record_lock *gone = NULL;
    for (int i = 0; i < SPARES; i++) {
        spare[i] = heap_alloc(sizeof(*spare[i]));
    }
    long result = spare[0] == NULL || spare[1] == NULL ? -ENOLCK : 0;
    if (result == 0) {
        mutex_lock(&locks_lock);
        if (wanted->type != F_UNLCK && conflict_find(wanted) != NULL) {
            result = -EAGAIN;
        } else {
            range_cut(wanted, &spare[0], &gone);
            if (wanted->type != F_UNLCK) {
                *spare[1] = *wanted;
                lock_insert(spare[1]);
                spare[1] = NULL;
            }
        }
        mutex_unlock(&locks_lock);
    }
    for (int i = 0; i < SPARES; i++) {
        heap_free(spare[i]);
    }
    locks_free(gone);
    if (result == 0) {
        wait_queue_wake(&locks_changed, WAIT_CHANGE); /* a write lock may have become a read lock */
    }
    return result;
}

static long lock_set(struct record_lock *wanted, bool wait)
{
    for (;;) {
        long result = lock_try(wanted);
        if (result != -EAGAIN || !wait) {
            return result;
        }
        result = wait_event(&locks_changed, no_conflict, wanted);
        if (result != 0) {
            return result;
        }
    }
}

long record_lock_whole(struct file *file, uint32_t operation)
{
    struct record_lock wanted = {
        .inode = file->path.inode,
        .owner = file,
        .last = OFFSET_LAST,
        .whole = true,
        .pid = task_current()->group->pid,
        .device = path_device(&file->path),
    };
    switch (operation & ~LOCK_NB) {
    case LOCK_SH:
        wanted.type = F_RDLCK;
        break;
    case LOCK_EX:
        wanted.type = F_WRLCK;
        break;
    case LOCK_UN:
        wanted.type = F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    return lock_set(&wanted, !(operation & LOCK_NB));
}

/* The range of the request, as POSIX counts it. */
static long range_take(const struct file *file, const struct flock_request *request,
                       struct record_lock *lock)
{
    int64_t base;
    switch (request->whence) {
    case 0:
        base = 0;
        break;
    case 1:
        base = (int64_t)file->position;
        break;
    case 2:
        base = (int64_t)file->path.inode->size_bytes;
        break;
    default:
        return -EINVAL;
    }
    int64_t start;
    int64_t last = INT64_MAX;
    if (__builtin_add_overflow(base, request->start, &start)) {
        return -EOVERFLOW;
    }
    if (start < 0) {
        return -EINVAL;
    }
    if (request->length > 0) {
        if (__builtin_add_overflow(start, request->length - 1, &last)) {
            return -EOVERFLOW;
        }
    } else if (request->length < 0) {
        last = start - 1;
        start += request->length; /* start is not negative: no overflow */
        if (start < 0) {
            return -EINVAL;
        }
    }
    lock->first = (uint64_t)start;
    lock->last = (uint64_t)last;
    return 0;
}

static long request_take(const struct file *file, bool by_file, const struct flock_request *request,
                         struct record_lock *lock)
{
    const struct task *task = task_current();
    *lock = (struct record_lock){
        .inode = file->path.inode,
        .owner = by_file ? (const void *)file : (const void *)task->files,
        .type = request->type,
        .pid = by_file ? -1 : task->group->pid,
        .device = path_device(&file->path),
    };
    if ((request->type != F_RDLCK && request->type != F_WRLCK && request->type != F_UNLCK) ||
        (by_file && request->pid != 0)) {
        return -EINVAL;
    }
    return range_take(file, request, lock);
}

long record_lock_set(struct file *file, bool by_file, bool wait,
                     const struct flock_request *request)
{
    struct record_lock wanted;
    long result = request_take(file, by_file, request, &wanted);
    if (result != 0) {
        return result;
    }
    if ((wanted.type == F_RDLCK && !file_readable(file)) ||
        (wanted.type == F_WRLCK && !file_writable(file))) {
        return -EBADF;
    }
    return lock_set(&wanted, wait);
}

long record_lock_test(struct file *file, bool by_file, struct flock_request *request)
{
    struct record_lock wanted;
    long result = request_take(file, by_file, request, &wanted);
    if (result != 0 || wanted.type == F_UNLCK) {
        return result != 0 ? result : -EINVAL;
    }
    mutex_lock(&locks_lock);
    const struct record_lock *found = conflict_find(&wanted);
    if (found == NULL) {
        request->type = F_UNLCK;
    } else {
        request->type = found->type;
        request->whence = 0;
        request->start = (int64_t)found->first;
        request->length =
            found->last == OFFSET_LAST ? 0 : (int64_t)(found->last - found->first + 1);
        request->pid = found->pid;
    }
    mutex_unlock(&locks_lock);
    return 0;
}

/* --- ends of owners --------------------------------------------------------------------------- */

/* inode NULL: of all. */
static void owner_drop(const void *owner, const struct inode *inode)
{
    struct record_lock *gone = NULL;
    if (__atomic_load_n(&lock_count, __ATOMIC_RELAXED) == 0) {
        return;
    }
    mutex_lock(&locks_lock);
    for (struct record_lock **link = &locks; *link != NULL;) {
        if ((*link)->owner == owner && (inode == NULL || (*link)->inode == inode)) {
            lock_take_out(link, &gone);
        } else {
            link = &(*link)->next;
        }
    }
    mutex_unlock(&locks_lock);
    locks_free(gone);
}

void record_locks_closed(struct file *file, const struct file_table *table)
{
    owner_drop(table, file->path.inode);
}

void record_locks_table_gone(const struct file_table *table)
{
    owner_drop(table, NULL);
}

void record_locks_released(struct file *file)
{
    owner_drop(file, NULL);
}

/* --- /proc/locks ------------------------------------------------------------------------------ */

static void lock_put(struct proc_text *text, uint64_t number, const struct record_lock *lock)
{
    const char *kind = lock->whole ? "FLOCK " : lock->pid == -1 ? "OFDLCK" : "POSIX ";
    proc_put(text, "%lu: %s ADVISORY  %s %d %02x:%02x:%lu %lu ", number, kind,
             lock->type == F_WRLCK ? "WRITE" : "READ", lock->pid, device_major(lock->device),
             device_minor(lock->device), lock->inode->number, lock->first);
    if (lock->last == OFFSET_LAST) {
        proc_put(text, "EOF\n");
    } else {
        proc_put(text, "%lu\n", lock->last);
    }
}

long record_locks_make(const struct proc_target *target, struct proc_text *text)
{
    uint64_t number = 0;
    (void)target;
    mutex_lock(&locks_lock);
    for (const struct record_lock *lock = locks; lock != NULL && !text->failed; lock = lock->next) {
        lock_put(text, ++number, lock);
    }
    mutex_unlock(&locks_lock);
    return 0;
}
