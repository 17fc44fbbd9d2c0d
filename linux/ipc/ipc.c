/* Tables of System V objects: numbers, keys and permissions. */
#include "linux/ipc/ipc.h"

#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/path.h"
#include "linux/proc/capability.h"

/* As Linux: numbers of one place lie this far apart. */
#define ID_STEP  32768
#define TURN_MAX (INT32_MAX / ID_STEP)

struct ipc_object *ipc_find_key(const struct ipc_table *table, int32_t key)
{
    for (uint32_t i = 0; i < table->end; i++) {
        struct ipc_object *object = table->place[i];
        if (object != NULL && object->key == key) {
            return object;
        }
    }
    return NULL;
}

long ipc_find(const struct ipc_table *table, int32_t id, struct ipc_object **out)
{
    uint32_t index = (uint32_t)id % ID_STEP;
    if (id < 0 || index >= table->end || table->place[index] == NULL) {
        return -EINVAL;
    }
    if (table->place[index]->id != id) {
        return -EIDRM;
    }
    *out = table->place[index];
    return 0;
}

long ipc_find_index(const struct ipc_table *table, int32_t index, struct ipc_object **out)
{
    if (index < 0 || (uint32_t)index >= table->end || table->place[index] == NULL) {
        return -EINVAL;
    }
    *out = table->place[index];
    return 0;
}

long ipc_begin(struct ipc_table *table, int32_t id, uint32_t wanted, struct ipc_object **out)
{
    mutex_lock(&table->lock);
    long result = ipc_find(table, id, out);
    if (result == 0) {
        result = ipc_permission(*out, wanted);
    }
    if (result != 0) {
        mutex_unlock(&table->lock);
    }
    return result;
}

long ipc_begin_control(struct ipc_table *table, int32_t id, struct ipc_object **out)
{
    mutex_lock(&table->lock);
    long result = ipc_find(table, id, out);
    if (result == 0) {
        result = ipc_control_permission(*out);
    }
    if (result != 0) {
        mutex_unlock(&table->lock);
    }
    return result;
}

long ipc_begin_look(struct ipc_table *table, int32_t number, enum ipc_look look,
                    struct ipc_object **out)
{
    mutex_lock(&table->lock);
    long result =
        look == IPC_LOOK_NUMBER ? ipc_find(table, number, out) : ipc_find_index(table, number, out);
    if (result == 0 && look != IPC_LOOK_INDEX_ANY) {
        result = ipc_permission(*out, IPC_READ);
    }
    if (result != 0) {
        mutex_unlock(&table->lock);
    }
    return result;
}

int64_t ipc_now_s(void)
{
    return (int64_t)(clock_wall_ns() / 1000000000ull);
}

long ipc_enter(struct ipc_table *table, struct ipc_object *object, int32_t key, uint32_t mode)
{
    const struct credentials *credentials = task_current()->credentials;
    if (table->place == NULL) {
        table->place = heap_alloc(IPC_MAX * sizeof(table->place[0]));
    }
    if (table->place == NULL) {
        return -ENOMEM;
    }
    if (table->count >= IPC_MAX) {
        return -ENOSPC;
    }
    uint32_t index = 0;
    while (index < table->end && table->place[index] != NULL) {
        index++;
    }
    object->references = 1;
    object->key = key;
    object->id = (int32_t)(table->turn * ID_STEP + index);
    object->uid = object->creator_uid = credentials->euid;
    object->gid = object->creator_gid = credentials->egid;
    object->mode = mode & 0777;
    table->place[index] = object;
    table->count++;
    table->end = MAX(table->end, index + 1);
    return object->id;
}

void ipc_remove(struct ipc_table *table, struct ipc_object *object)
{
    if (object->removed) {
        return;
    }
    object->removed = true;
    table->place[(uint32_t)object->id % ID_STEP] = NULL;
    table->count--;
    table->turn = (table->turn + 1) % TURN_MAX;
    while (table->end > 0 && table->place[table->end - 1] == NULL) {
        table->end--;
    }
    ipc_put(table, object);
}

void ipc_put(struct ipc_table *table, struct ipc_object *object)
{
    if (--object->references == 0) {
        table->free(object);
    }
}

long ipc_permission(const struct ipc_object *object, uint32_t wanted)
{
    uint32_t uid = task_current()->credentials->euid;
    uint32_t granted = object->mode;
    if (uid == object->creator_uid || uid == object->uid) {
        granted >>= 6;
    } else if (task_in_group(object->creator_gid) || task_in_group(object->gid)) {
        granted >>= 3;
    }
    return (wanted & ~granted & 7) == 0 || task_capable(CAP_IPC_OWNER) ? 0 : -EACCES;
}

long ipc_control_permission(const struct ipc_object *object)
{
    uint32_t uid = task_current()->credentials->euid;
    return uid == object->uid || uid == object->creator_uid || task_capable(CAP_SYS_ADMIN) ? 0
                                                                                           : -EPERM;
}

long ipc_get_existing(const struct ipc_object *object, uint32_t flags)
{
    if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) {
        return -EEXIST;
    }
    uint32_t wanted = (flags >> 6 | flags >> 3 | flags) & 7;
    long result = ipc_permission(object, wanted);
    return result != 0 ? result : object->id;
}

void ipc_permission_fill(const struct ipc_object *object, struct ipc_user_permission *out)
{
    *out = (struct ipc_user_permission){
        .key = object->key,
        .uid = object->uid,
        .gid = object->gid,
        .creator_uid = object->creator_uid,
        .creator_gid = object->creator_gid,
        .mode = object->mode,
        .sequence = (uint16_t)((uint32_t)object->id / ID_STEP),
    };
}

void ipc_permission_set(struct ipc_object *object, const struct ipc_user_permission *from)
{
    object->uid = from->uid;
    object->gid = from->gid;
    object->mode = (object->mode & ~0777u) | (from->mode & 0777);
}

uint32_t ipc_octal(uint32_t mode)
{
    uint32_t digits = 0;
    for (uint32_t scale = 1; mode != 0; mode >>= 3, scale *= 10) {
        digits += (mode & 7) * scale;
    }
    return digits;
}

long ipc_highest(const struct ipc_table *table)
{
    return table->end == 0 ? 0 : (long)table->end - 1;
}
