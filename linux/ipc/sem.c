/*
 * Semaphore sets (semget(2), semop(2)).
 *
 * Owns: struct set. A call of semop takes effect as a whole or not at all, under the table's lock;
 * who must wait puts a record on its own stack into the set's list (for GETNCNT and GETZCNT), holds
 * a reference to the set, and tries again whenever the set changed. Undo entries hang in the set
 * and in the process, one for each semaphore; they go with whichever goes first.
 */
#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/wait.h"
#include "linux/file/proc_entry.h"
#include "linux/ipc/ipc.h"
#include "linux/proc/task.h"

#define SEM_UNDO 010000

#define GETPID       11
#define GETVAL       12
#define GETALL       13
#define GETNCNT      14
#define GETZCNT      15
#define SETVAL       16
#define SETALL       17
#define SEM_STAT     18
#define SEM_INFO     19
#define SEM_STAT_ANY 20

#define PER_SET_MAX    32000 /* SEMMSL */
#define TOTAL_MAX      131072
#define OPERATIONS_MAX 500
#define VALUE_MAX      32767
#define UNDO_MAX       4096u /* entries of a process: each semop looks through them */
#define NS_PER_S       1000000000ull

struct semaphore {
    uint16_t value;
    int pid; /* that changed it last */
};

struct undo {
    struct undo *next; /* of the set */
    struct undo **link;
    struct undo *next_of_process;
    struct undo **link_of_process;
    struct set *set;
    struct thread_group *group;
    uint16_t number;
    int16_t adjust;
};

struct waiting {
    struct waiting *next;
    uint16_t number;
    bool for_zero;
};

struct set {
    struct ipc_object object;
    uint32_t count;
    int64_t operation_s, change_s;
    uint64_t changes; /* counts every change that may let a waiter go on */
    struct wait_queue queue;
    struct waiting *waiting;
    struct undo *undo;
    struct semaphore semaphore[];
};

struct operation { /* struct sembuf */
    uint16_t number;
    int16_t change;
    int16_t flags;
};

static uint32_t total; /* semaphores in all sets; under the lock */

static struct set *set_of(struct ipc_object *object)
{
    return CONTAINER_OF(object, struct set, object);
}

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
    total -= set->count;
    heap_free(set);
}

static struct ipc_table sets = {.free = set_free};

static int64_t now_s(void)
{
    return (int64_t)(clock_wall_ns() / NS_PER_S);
}

/* Under the lock; the waiters look when they get it. */
static void set_changed(struct set *set)
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
    if ((uint32_t)count > TOTAL_MAX - total) {
        return -ENOSPC;
    }
    struct set *set = heap_alloc(sizeof(*set) + (uint32_t)count * sizeof(set->semaphore[0]));
    if (set == NULL) {
        return -ENOMEM;
    }
    set->count = (uint32_t)count;
    set->change_s = now_s();
    wait_queue_init(&set->queue);
    long result = ipc_enter(&sets, &set->object, key, flags);
    if (result < 0) {
        heap_free(set);
    } else {
        total += (uint32_t)count;
    }
    return result;
}

long linux_semget(uint64_t key, uint64_t count, uint64_t flags, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    if ((int32_t)count < 0 || (int32_t)count > PER_SET_MAX) {
        return -EINVAL;
    }
    mutex_lock(&sets.lock);
    struct ipc_object *object =
        (int32_t)key == IPC_PRIVATE ? NULL : ipc_find_key(&sets, (int32_t)key);
    long result;
    if (object != NULL) {
        result = ipc_get_existing(object, (uint32_t)flags);
        result = result >= 0 && (uint32_t)count > set_of(object)->count ? -EINVAL : result;
    } else if ((int32_t)key != IPC_PRIVATE && !(flags & IPC_CREAT)) {
        result = -ENOENT;
    } else {
        result = set_make((int32_t)key, (int32_t)count, (uint32_t)flags);
    }
    mutex_unlock(&sets.lock);
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

/* SETVAL and SETALL make what was to be undone meaningless. number < 0: all of them. */
static void undo_clear(struct set *set, int number)
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
        set->operation_s = now_s();
        set_changed(set);
    }
}

void semaphores_undo(struct thread_group *group)
{
    /* Nobody of the process adds any more. A set may go, with what hangs in it, between two looks.
     */
    while (__atomic_load_n(&group->undo, __ATOMIC_ACQUIRE) != NULL) {
        mutex_lock(&sets.lock);
        if (group->undo != NULL) {
            undo_apply(group->undo);
            undo_free(group->undo);
        }
        mutex_unlock(&sets.lock);
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
    set->operation_s = now_s();
    if (changed) {
        set_changed(set);
    }
    return 0;
}

static bool set_has_changed(void *context)
{
    const struct attempt *attempt = context;
    mutex_lock(&sets.lock);
    bool changed = attempt->set->changes != attempt->seen;
    mutex_unlock(&sets.lock);
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
        mutex_unlock(&sets.lock);
        long waited = wait_event_until(&set->queue, set_has_changed, attempt, deadline_ns);
        mutex_lock(&sets.lock);
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
    ipc_put(&sets, &set->object);
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
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
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
    mutex_unlock(&sets.lock);
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

/* --- semctl ----------------------------------------------------------------------------------- */

struct user_set { /* struct semid64_ds */
    struct ipc_user_permission permission;
    int64_t operation_s;
    uint64_t unused_1;
    int64_t change_s;
    uint64_t unused_2;
    uint64_t count;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct user_set) == 104, "struct semid64_ds");

struct user_info { /* struct seminfo */
    int32_t map, sets_max, total_max, undo_max, per_set_max, operations_max, undo_entries,
        undo_bytes, value_max, adjust_max;
};

static void set_fill(const struct set *set, struct user_set *out)
{
    *out = (struct user_set){
        .operation_s = set->operation_s, .change_s = set->change_s, .count = set->count};
    ipc_permission_fill(&set->object, &out->permission);
}

static long set_stat(int32_t number, bool by_index, bool any, uint64_t user_out)
{
    struct user_set out;
    struct ipc_object *object;
    mutex_lock(&sets.lock);
    long result =
        by_index ? ipc_find_index(&sets, number, &object) : ipc_find(&sets, number, &object);
    if (result == 0 && !any) {
        result = ipc_permission(object, IPC_READ);
    }
    int32_t id = 0;
    if (result == 0) {
        set_fill(set_of(object), &out);
        id = object->id;
    }
    mutex_unlock(&sets.lock);
    if (result == 0 && copy_to_user(user_out, &out, sizeof(out)) != 0) {
        result = -EFAULT;
    }
    return result == 0 && by_index ? id : result;
}

static long set_remove(int32_t id)
{
    struct ipc_object *object;
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
    if (result == 0) {
        result = ipc_control_permission(object);
    }
    if (result == 0) {
        struct set *set = set_of(object);
        object->references++;
        ipc_remove(&sets, object);
        set_changed(set);
        ipc_put(&sets, object);
    }
    mutex_unlock(&sets.lock);
    return result;
}

static long set_permission(int32_t id, uint64_t user_in)
{
    struct user_set in;
    struct ipc_object *object;
    if (copy_from_user(&in, user_in, sizeof(in)) != 0) {
        return -EFAULT;
    }
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
    if (result == 0) {
        result = ipc_control_permission(object);
    }
    if (result == 0) {
        ipc_permission_set(object, &in.permission);
        set_of(object)->change_s = now_s();
    }
    mutex_unlock(&sets.lock);
    return result;
}

static long waiting_count(const struct set *set, uint32_t number, bool for_zero)
{
    long count = 0;
    for (const struct waiting *at = set->waiting; at != NULL; at = at->next) {
        count += at->number == number && at->for_zero == for_zero;
    }
    return count;
}

/* One semaphore. Under the lock. */
static long semaphore_control(struct set *set, uint32_t number, uint32_t command, int32_t value)
{
    struct semaphore *semaphore = &set->semaphore[number];
    switch (command) {
    case GETVAL:
        return semaphore->value;
    case GETPID:
        return semaphore->pid;
    case GETNCNT:
    case GETZCNT:
        return waiting_count(set, number, command == GETZCNT);
    default:
        semaphore->value = (uint16_t)value;
        semaphore->pid = task_current()->group->pid;
        undo_clear(set, (int)number);
        set->change_s = now_s();
        set_changed(set);
        return 0;
    }
}

static long one_control(int32_t id, int32_t number, uint32_t command, uint64_t argument)
{
    struct ipc_object *object;
    int32_t value = (int32_t)argument;
    if (command == SETVAL && (value < 0 || value > VALUE_MAX)) {
        return -ERANGE;
    }
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
    if (result == 0 && (number < 0 || (uint32_t)number >= set_of(object)->count)) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = ipc_permission(object, command == SETVAL ? IPC_WRITE : IPC_READ);
    }
    if (result == 0) {
        result = semaphore_control(set_of(object), (uint32_t)number, command, value);
    }
    mutex_unlock(&sets.lock);
    return result;
}

/* How many semaphores the set has, for a buffer of their values. */
static long values_count(int32_t id, uint32_t wanted)
{
    struct ipc_object *object;
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
    if (result == 0) {
        result = ipc_permission(object, wanted);
    }
    result = result == 0 ? (long)set_of(object)->count : result;
    mutex_unlock(&sets.lock);
    return result;
}

/* Move all values between the set and the buffer: a number that is found again is the same set. */
static long values_move(int32_t id, uint16_t *value, long count, bool set_them)
{
    struct ipc_object *object;
    mutex_lock(&sets.lock);
    long result = ipc_find(&sets, id, &object);
    if (result == 0) {
        struct set *set = set_of(object);
        for (long i = 0; i < MIN(count, (long)set->count); i++) {
            if (set_them) {
                set->semaphore[i].value = value[i];
                set->semaphore[i].pid = task_current()->group->pid;
            } else {
                value[i] = set->semaphore[i].value;
            }
        }
        if (set_them) {
            undo_clear(set, -1);
            set->change_s = now_s();
            set_changed(set);
        }
    }
    mutex_unlock(&sets.lock);
    return result;
}

static long all_control(int32_t id, bool set_them, uint64_t user_values)
{
    long count = values_count(id, set_them ? IPC_WRITE : IPC_READ);
    if (count < 0) {
        return count;
    }
    uint64_t bytes = (uint64_t)count * sizeof(uint16_t);
    uint16_t *value = heap_alloc(bytes);
    if (value == NULL) {
        return -ENOMEM;
    }
    long result = set_them ? copy_from_user(value, user_values, bytes) : 0;
    for (long i = 0; i < count && result == 0 && set_them; i++) {
        result = value[i] > VALUE_MAX ? -ERANGE : 0;
    }
    if (result == 0) {
        result = values_move(id, value, count, set_them);
    }
    if (result == 0 && !set_them) {
        result = copy_to_user(user_values, value, bytes);
    }
    heap_free(value);
    return result;
}

static long info_put(uint32_t command, uint64_t user_out)
{
    struct user_info info = {
        .map = TOTAL_MAX,
        .sets_max = IPC_MAX,
        .total_max = TOTAL_MAX,
        .undo_max = TOTAL_MAX,
        .per_set_max = PER_SET_MAX,
        .operations_max = OPERATIONS_MAX,
        .undo_entries = OPERATIONS_MAX,
        .undo_bytes = sizeof(struct undo),
        .value_max = VALUE_MAX,
        .adjust_max = VALUE_MAX,
    };
    mutex_lock(&sets.lock);
    if (command == SEM_INFO) {
        info.undo_bytes = (int32_t)sets.count;
        info.adjust_max = (int32_t)total;
    }
    long highest = ipc_highest(&sets);
    mutex_unlock(&sets.lock);
    return copy_to_user(user_out, &info, sizeof(info)) != 0 ? -EFAULT : highest;
}

long linux_semctl(uint64_t id, uint64_t number, uint64_t command, uint64_t argument, uint64_t e,
                  uint64_t f)
{
    (void)e, (void)f;
    if ((int32_t)id < 0) {
        return -EINVAL;
    }
    switch ((uint32_t)command) {
    case IPC_RMID:
        return set_remove((int32_t)id);
    case IPC_SET:
        return set_permission((int32_t)id, argument);
    case IPC_STAT:
        return set_stat((int32_t)id, false, false, argument);
    case SEM_STAT:
        return set_stat((int32_t)id, true, false, argument);
    case SEM_STAT_ANY:
        return set_stat((int32_t)id, true, true, argument);
    case IPC_INFO:
    case SEM_INFO:
        return info_put((uint32_t)command, argument);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
    case SETVAL:
        return one_control((int32_t)id, (int32_t)number, (uint32_t)command, argument);
    case GETALL:
    case SETALL:
        return all_control((int32_t)id, command == SETALL, argument);
    default:
        return -EINVAL;
    }
}

/* --- /proc/sysvipc/sem ------------------------------------------------------------------------ */

void semaphores_list(struct proc_text *text)
{
    proc_put(text, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      "
                   "ctime\n");
    for (int32_t i = 0; i < IPC_MAX; i++) {
        struct user_set now;
        struct ipc_object *object;
        mutex_lock(&sets.lock);
        bool there = ipc_find_index(&sets, i, &object) == 0;
        bool over = (uint32_t)i >= sets.end;
        int32_t id = there ? object->id : 0;
        if (there) {
            set_fill(set_of(object), &now);
        }
        mutex_unlock(&sets.lock);
        if (over) {
            break;
        }
        if (there) {
            const struct ipc_user_permission *permission = &now.permission;
            proc_put(text, "%10d %10d  %4u %10lu %5u %5u %5u %5u %10lu %10lu\n", permission->key,
                     id, ipc_octal(permission->mode), now.count, permission->uid, permission->gid,
                     permission->creator_uid, permission->creator_gid, (uint64_t)now.operation_s,
                     (uint64_t)now.change_s);
        }
    }
}
