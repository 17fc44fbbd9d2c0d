/* What is asked and told of semaphore sets: semctl(2), /proc/sysvipc/sem. */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/proc_entry.h"
#include "linux/ipc/sem.h"
#include "linux/proc/task.h"

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

static long set_stat(int32_t number, enum ipc_look look, uint64_t user_out)
{
    struct user_set out;
    struct ipc_object *object;
    long result = ipc_begin_look(&semaphore_sets, number, look, &object);
    if (result != 0) {
        return result;
    }
    set_fill(set_of(object), &out);
    int32_t id = object->id;
    mutex_unlock(&semaphore_sets.lock);
    if (copy_to_user(user_out, &out, sizeof(out)) != 0) {
        return -EFAULT;
    }
    return look == IPC_LOOK_NUMBER ? 0 : id;
}

static long set_remove(int32_t id)
{
    struct ipc_object *object;
    long result = ipc_begin_control(&semaphore_sets, id, &object);
    if (result != 0) {
        return result;
    }
    object->references++;
    ipc_remove(&semaphore_sets, object);
    semaphore_set_changed(set_of(object));
    ipc_put(&semaphore_sets, object);
    mutex_unlock(&semaphore_sets.lock);
    return 0;
}

static long set_permission(int32_t id, uint64_t user_in)
{
    struct user_set in;
    struct ipc_object *object;
    if (copy_from_user(&in, user_in, sizeof(in)) != 0) {
        return -EFAULT;
    }
    long result = ipc_begin_control(&semaphore_sets, id, &object);
    if (result == 0) {
        ipc_permission_set(object, &in.permission);
        set_of(object)->change_s = ipc_now_s();
        mutex_unlock(&semaphore_sets.lock);
    }
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
        semaphore_undo_clear(set, (int)number);
        set->change_s = ipc_now_s();
        semaphore_set_changed(set);
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
    mutex_lock(&semaphore_sets.lock);
    long result = ipc_find(&semaphore_sets, id, &object);
    if (result == 0 && (number < 0 || (uint32_t)number >= set_of(object)->count)) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = ipc_permission(object, command == SETVAL ? IPC_WRITE : IPC_READ);
    }
    if (result == 0) {
        result = semaphore_control(set_of(object), (uint32_t)number, command, value);
    }
    mutex_unlock(&semaphore_sets.lock);
    return result;
}

/* How many semaphores the set has, for a buffer of their values. */
static long values_count(int32_t id, uint32_t wanted)
{
    struct ipc_object *object;
    long result = ipc_begin(&semaphore_sets, id, wanted, &object);
    if (result == 0) {
        result = (long)set_of(object)->count;
        mutex_unlock(&semaphore_sets.lock);
    }
    return result;
}

/* Move all values between the set and the buffer: a number that is found again is the same set. */
static long values_move(int32_t id, uint16_t *value, long count, bool set_them)
{
    struct ipc_object *object;
    mutex_lock(&semaphore_sets.lock);
    long result = ipc_find(&semaphore_sets, id, &object);
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
            semaphore_undo_clear(set, -1);
            set->change_s = ipc_now_s();
            semaphore_set_changed(set);
        }
    }
    mutex_unlock(&semaphore_sets.lock);
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
    mutex_lock(&semaphore_sets.lock);
    if (command == SEM_INFO) {
        info.undo_bytes = (int32_t)semaphore_sets.count;
        info.adjust_max = (int32_t)semaphores_total;
    }
    long highest = ipc_highest(&semaphore_sets);
    mutex_unlock(&semaphore_sets.lock);
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
        return set_stat((int32_t)id, IPC_LOOK_NUMBER, argument);
    case SEM_STAT:
        return set_stat((int32_t)id, IPC_LOOK_INDEX, argument);
    case SEM_STAT_ANY:
        return set_stat((int32_t)id, IPC_LOOK_INDEX_ANY, argument);
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
        mutex_lock(&semaphore_sets.lock);
        bool there = ipc_find_index(&semaphore_sets, i, &object) == 0;
        bool over = (uint32_t)i >= semaphore_sets.end;
        int32_t id = there ? object->id : 0;
        if (there) {
            set_fill(set_of(object), &now);
        }
        mutex_unlock(&semaphore_sets.lock);
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
