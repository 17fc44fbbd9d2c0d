/*
 * Semaphore sets (semget(2), semop(2)).
 *
 * Owns: struct set. A call of semop takes effect as a whole or not at all, under the table's lock;
 * who must wait puts a record on its own stack into the set's list (for GETNCNT and GETZCNT), holds
 * a reference to the set, and tries again whenever the set changed. Undo entries hang in the set
 * and in the process, one for each semaphore; they go with whichever goes first.
 */
#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/ipc/sem.h"
#include "linux/proc/task.h"

#define SEM_UNDO 010000

#define UNDO_MAX 4096u /* entries of a process: each semop looks through them */
#define NS_PER_S 1000000000ull

struct operation { /* struct sembuf */
    uint16_t number;
    int16_t change;
    int16_t flags;
};

/* Under the lock. */
static void undo_free(struct undo *undo)
{
    *undo->link = undo->next;
    if (undo->next != NULL) {
        undo->next->link = undo->link;
    }
    *undo->link_of_process = undo->next_of_process;
    if (undo->next_of_process != NULL) {
        undo->next_of_process->link_of_process = undo->link_of_process;
    }
    undo->group->undo_count--;
    heap_free(undo);
}

static void set_free(struct ipc_object *object)
{
    struct set *set = set_of(object);
    while (set->undo != NULL) {
        undo_free(set->undo);
    }
    semaphores_total -= set->count;
    heap_free(set);
}

struct ipc_table semaphore_sets = {.free = set_free};
uint32_t semaphores_total;

void semaphore_set_changed(struct set *set)
{
    set->changes++;
    wait_queue_wake(&set->queue, WAIT_CHANGE);
}

/* --- semget ----------------------------------------------------------------------------------- */

/* Under the lock. */
static long set_make(int32_t key, int32_t count, uint32_t flags)
{
    if (count <= 0 || count > PER_SET_MAX) {
        return -EINVAL;
    }
    if ((uint32_t)count > TOTAL_MAX - semaphores_total) {
        return -ENOSPC;
    }
    struct set *set = heap_alloc(sizeof(*set) + (uint32_t)count * sizeof(set->semaphore[0]));
    if (set == NULL) {
        return -ENOMEM;
    }
    set->count = (uint32_t)count;
    set->change_s = ipc_now_s();
    wait_queue_init(&set->queue);
    long result = ipc_enter(&semaphore_sets, &set->object, key, flags);
    if (result < 0) {
        heap_free(set);
    } else {
        semaphores_total += (uint32_t)count;
    }
    return result;
}

long linux_semget(uint64_t key, uint64_t count, uint64_t flags, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    if ((int32_t)count < 0 || (int32_t)count > PER_SET_MAX) {
        return -EINVAL;
    }
    mutex_lock(&semaphore_sets.lock);
    struct ipc_object *object =
        (int32_t)key == IPC_PRIVATE ? NULL : ipc_find_key(&semaphore_sets, (int32_t)key);
    long result;
    if (object != NULL) {
        result = ipc_get_existing(object, (uint32_t)flags);
        result = result >= 0 && (uint32_t)count > set_of(object)->count ? -EINVAL : result;
    } else if ((int32_t)key != IPC_PRIVATE && !(flags & IPC_CREAT)) {
        result = -ENOENT;
    } else {
        result = set_make((int32_t)key, (int32_t)count, (uint32_t)flags);
    }
    mutex_unlock(&semaphore_sets.lock);
    return result;
}

/* --- undo ------------------------------------------------------------------------------------- */

static void undo_enter(struct undo *undo)
{
    undo->next = undo->set->undo;
    undo->link = &undo->set->undo;
    if (undo->next != NULL) {
        undo->next->link = &undo->next;
    }
    undo->set->undo = undo;
    undo->next_of_process = undo->group->undo;
    undo->link_of_process = &undo->group->undo;
    if (undo->next_of_process != NULL) {
        undo->next_of_process->link_of_process = &undo->next_of_process;
    }
    undo->group->undo = undo;
    undo->group->undo_count++;
}

/* The process's entry for a semaphore, made if it is missing: -ENOMEM, -ENOSPC. */
static long undo_wanted(struct set *set, uint16_t number, struct undo **out)
{
    struct thread_group *group = task_current()->group;
    struct undo *undo = group->undo;
    while (undo != NULL && (undo->set != set || undo->number != number)) {
        undo = undo->next_of_process;
    }
    if (undo == NULL) {
        if (group->undo_count >= UNDO_MAX) {
            return -ENOSPC;
        }
        undo = heap_alloc(sizeof(*undo));
        if (undo == NULL) {
            return -ENOMEM;
        }
        *undo = (struct undo){.set = set, .group = group, .number = number};
        undo_enter(undo);
    }
    *out = undo;
    return 0;
}

void semaphore_undo_clear(struct set *set, int number)
{
    for (struct undo *undo = set->undo; undo != NULL; undo = undo->next) {
        undo->adjust = number < 0 || undo->number == number ? 0 : undo->adjust;
    }
}

static void undo_apply(const struct undo *undo)
{
    struct set *set = undo->set;
    struct semaphore *semaphore = &set->semaphore[undo->number];
    int value = semaphore->value + undo->adjust;
    if (undo->adjust != 0) {
        semaphore->value = (uint16_t)MAX(MIN(value, VALUE_MAX), 0);
        semaphore->pid = undo->group->pid;
        set->operation_s = ipc_now_s();
        semaphore_set_changed(set);
    }
}

void semaphores_undo(struct thread_group *group)
{
    /* Nobody of the process adds any more. A set may go, with what hangs in it, between two looks.
     */
    while (__atomic_load_n(&group->undo, __ATOMIC_ACQUIRE) != NULL) {
        mutex_lock(&semaphore_sets.lock);
        if (group->undo != NULL) {
            undo_apply(group->undo);
            undo_free(group->undo);
        }
        mutex_unlock(&semaphore_sets.lock);
    }
}

/* --- semop ------------------------------------------------------------------------------------ */

struct attempt {
    struct set *set;
    struct operation *operation;
    uint32_t count;
    uint64_t seen; /* set->changes at the last try */
    struct waiting waiting;
};

/* Take back the first `done` operations. */
static void values_restore(struct attempt *attempt, uint32_t done)
{
    while (done-- > 0) {
        const struct operation *operation = &attempt->operation[done];
        struct semaphore *semaphore = &attempt->set->semaphore[operation->number];
        semaphore->value = (uint16_t)(semaphore->value - operation->change);
    }
}

/* 0: done on the values; 1: must wait; -EAGAIN, -ERANGE. Under the lock. */
static long values_change(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->count; i++) {
        const struct operation *operation = &attempt->operation[i];
        struct semaphore *semaphore = &attempt->set->semaphore[operation->number];
        int value = semaphore->value + operation->change;
        bool blocked = operation->change == 0 ? semaphore->value != 0 : value < 0;
        if (blocked || value > VALUE_MAX) {
            values_restore(attempt, i);
            attempt->waiting.number = operation->number;
            attempt->waiting.for_zero = operation->change == 0;
            return !blocked ? -ERANGE : operation->flags & IPC_NOWAIT ? -EAGAIN : 1;
        }
        semaphore->value = (uint16_t)value;
    }
    return 0;
}

/* Take back what the first `done` operations have recorded. */
static void undo_restore(struct attempt *attempt, uint32_t done)
{
    while (done-- > 0) {
        const struct operation *operation = &attempt->operation[done];
        struct undo *undo;
        if ((operation->flags & SEM_UNDO) &&
            undo_wanted(attempt->set, operation->number, &undo) == 0) {
            undo->adjust = (int16_t)(undo->adjust + operation->change);
        }
    }
}

/* Several operations may be of one semaphore: their sum is what must fit. */
static long undo_record(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->count; i++) {
        const struct operation *operation = &attempt->operation[i];
        struct undo *undo;
        if (!(operation->flags & SEM_UNDO)) {
            continue;
        }
        long result = undo_wanted(attempt->set, operation->number, &undo);
        int adjust = result != 0 ? 0 : undo->adjust - operation->change;
        if (result == 0 && (adjust > VALUE_MAX || adjust < -VALUE_MAX - 1)) {
            result = -ERANGE;
        }
        if (result != 0) {
            undo_restore(attempt, i);
            return result;
        }
        undo->adjust = (int16_t)adjust;
    }
    return 0;
}

/* As values_change; the whole call. */
static long attempt_try(struct attempt *attempt)
{
    struct set *set = attempt->set;
    attempt->seen = set->changes;
    if (set->object.removed) {
        return -EIDRM;
    }
    long result = values_change(attempt);
    if (result != 0) {
        return result;
    }
    result = undo_record(attempt);
    if (result != 0) {
        values_restore(attempt, attempt->count);
        return result;
    }
    bool changed = false;
    for (uint32_t i = 0; i < attempt->count; i++) {
        set->semaphore[attempt->operation[i].number].pid = task_current()->group->pid;
        changed = changed || attempt->operation[i].change != 0;
    }
    set->operation_s = ipc_now_s();
    if (changed) {
        semaphore_set_changed(set);
    }
    return 0;
}

static bool set_has_changed(void *context)
{
    const struct attempt *attempt = context;
    mutex_lock(&semaphore_sets.lock);
    bool changed = attempt->set->changes != attempt->seen;
    mutex_unlock(&semaphore_sets.lock);
    return changed;
}

/* Try, and wait for changes. Under the lock, which is given up while it waits. */
static long attempt_run(struct attempt *attempt, uint64_t deadline_ns)
{
    struct set *set = attempt->set;
    long result = attempt_try(attempt);
    if (result <= 0) {
        return result;
    }
    set->object.references++;
    while (result > 0) {
        attempt->waiting.next = set->waiting;
        set->waiting = &attempt->waiting;
        mutex_unlock(&semaphore_sets.lock);
        long waited = wait_event_until(&set->queue, set_has_changed, attempt, deadline_ns);
        mutex_lock(&semaphore_sets.lock);
        struct waiting **link = &set->waiting;
        while (*link != &attempt->waiting) {
            link = &(*link)->next;
        }
        *link = attempt->waiting.next;
        result = attempt_try(attempt);
        if (result > 0 && waited != 0) {
            result = waited == -ETIMEDOUT ? -EAGAIN : -EINTR; /* never restarted: signal(7) */
        }
    }
    ipc_put(&semaphore_sets, &set->object);
    return result;
}

static long operations_apply(int32_t id, struct operation *operation, uint32_t count,
                             uint64_t deadline_ns)
{
    struct ipc_object *object;
    uint16_t highest = 0;
    bool alters = false;
    for (uint32_t i = 0; i < count; i++) {
        highest = MAX(highest, operation[i].number);
        alters = alters || operation[i].change != 0;
    }
    mutex_lock(&semaphore_sets.lock);
    long result = ipc_find(&semaphore_sets, id, &object);
    if (result == 0 && highest >= set_of(object)->count) {
        result = -EFBIG;
    }
    if (result == 0) {
        result = ipc_permission(object, alters ? IPC_WRITE : IPC_READ);
    }
    if (result == 0) {
        struct attempt attempt = {.set = set_of(object), .operation = operation, .count = count};
        result = attempt_run(&attempt, deadline_ns);
    }
    mutex_unlock(&semaphore_sets.lock);
    return result;
}

static long operations_run(uint64_t id, uint64_t user_operations, uint64_t count,
                           uint64_t deadline_ns)
{
    if (count == 0 || (int32_t)id < 0) {
        return -EINVAL;
    }
    if (count > OPERATIONS_MAX) {
        return -E2BIG;
    }
    struct operation *operation = heap_alloc(count * sizeof(*operation));
    if (operation == NULL) {
        return -ENOMEM;
    }
    long result = copy_from_user(operation, user_operations, count * sizeof(*operation));
    if (result == 0) {
        result = operations_apply((int32_t)id, operation, (uint32_t)count, deadline_ns);
    }
    heap_free(operation);
    return result;
}

long linux_semop(uint64_t id, uint64_t operations, uint64_t count, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    return operations_run(id, operations, (uint32_t)count, DEADLINE_NEVER);
}

long linux_semtimedop(uint64_t id, uint64_t operations, uint64_t count, uint64_t user_timeout,
                      uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    int64_t timeout[2]; /* struct timespec */
    uint64_t deadline_ns = DEADLINE_NEVER;
    if (user_timeout != 0) {
        if (copy_from_user(timeout, user_timeout, sizeof(timeout)) != 0) {
            return -EFAULT;
        }
        if (timeout[0] < 0 || timeout[1] < 0 || (uint64_t)timeout[1] >= NS_PER_S) {
            return -EINVAL;
        }
        uint64_t now = clock_now_ns();
        if ((uint64_t)timeout[0] < (DEADLINE_NEVER - now) / NS_PER_S - 1) {
            deadline_ns = now + (uint64_t)timeout[0] * NS_PER_S + (uint64_t)timeout[1];
        }
    }
    return operations_run(id, operations, (uint32_t)count, deadline_ns);
}
