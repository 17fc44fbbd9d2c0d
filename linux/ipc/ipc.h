/*
 * System V IPC (svipc(7)): what shared memory, semaphores and queues have in common: keys, numbers
 * and permissions. Each kind has one table; a number is an index and how often the table has given
 * out a place, so that a stale number does not find what took its place.
 *
 * Locks: a table's lock guards the table and every object in it. It stands with the locks of pipes
 * (linux/core/lock.h): below tasks_lock and mm->lock; user memory is never touched with it, and
 * nothing that holds it takes another lock but those of wait queues and the heap.
 */
#pragma once

#include "linux/core/lock.h"

struct proc_text;
struct thread_group;

#define IPC_PRIVATE 0

#define IPC_CREAT  01000u
#define IPC_EXCL   02000u
#define IPC_NOWAIT 04000u

/* Commands of shmctl, semctl and msgctl. */
#define IPC_RMID 0
#define IPC_SET  1
#define IPC_STAT 2
#define IPC_INFO 3

#define IPC_READ  4u
#define IPC_WRITE 2u

/* How many objects of a kind a container may have. */
#define IPC_MAX 4096

struct ipc_object {
    uint32_t references; /* the table's, and whoever uses it without the lock; under the lock */
    bool removed;        /* no number leads to it any more */
    int32_t key;
    int32_t id;
    uint32_t uid, gid;
    uint32_t creator_uid, creator_gid;
    uint32_t mode;
};

struct ipc_table {
    struct mutex lock;
    struct ipc_object **place; /* IPC_MAX, allocated with the first object */
    uint32_t count;
    uint32_t end; /* no object at this index or behind it */
    uint32_t turn;
    void (*free)(struct ipc_object *object); /* nobody refers to it; under the lock */
};

/* struct ipc64_perm of the system calls. */
struct ipc_user_permission {
    int32_t key;
    uint32_t uid, gid;
    uint32_t creator_uid, creator_gid;
    uint32_t mode;
    uint16_t sequence;
    uint16_t pad[3];
    uint64_t unused[2];
};
_Static_assert(sizeof(struct ipc_user_permission) == 48, "struct ipc64_perm");

/*
 * Lock the table and find an object; the table stays locked if that succeeds, and only then: the
 * caller unlocks it.
 */

/* By number, for so much use (0: any). The errors of ipc_find and ipc_permission. */
long ipc_begin(struct ipc_table *table, int32_t id, uint32_t wanted, struct ipc_object **out);
/* By number, to change or remove it. The errors of ipc_find and ipc_control_permission. */
long ipc_begin_control(struct ipc_table *table, int32_t id, struct ipc_object **out);
/* To tell of it: as IPC_STAT, SHM_STAT and SHM_STAT_ANY ask, and their like. */
enum ipc_look {
    IPC_LOOK_NUMBER,
    IPC_LOOK_INDEX,
    IPC_LOOK_INDEX_ANY, /* whoever asks */
};
long ipc_begin_look(struct ipc_table *table, int32_t number, enum ipc_look look,
                    struct ipc_object **out);

/* Under the lock, all of these. */

/* The object of that key; NULL: none. */
struct ipc_object *ipc_find_key(const struct ipc_table *table, int32_t key);
/* By number: -EINVAL when it was never given out, -EIDRM when it is gone. */
long ipc_find(const struct ipc_table *table, int32_t id, struct ipc_object **out);
/* By index, as SHM_STAT and its like ask; -EINVAL. */
long ipc_find_index(const struct ipc_table *table, int32_t index, struct ipc_object **out);
/* Put a new object into the table: its number. -ENOSPC, -ENOMEM. */
long ipc_enter(struct ipc_table *table, struct ipc_object *object, int32_t key, uint32_t mode);
/* Take it out: no number or key leads to it; the table's reference is dropped. */
void ipc_remove(struct ipc_table *table, struct ipc_object *object);
void ipc_put(struct ipc_table *table, struct ipc_object *object);
/* -EACCES unless the current task may: of IPC_READ and IPC_WRITE. */
long ipc_permission(const struct ipc_object *object, uint32_t wanted);
/* -EPERM unless it may change or remove the object. */
long ipc_control_permission(const struct ipc_object *object);
/* What get calls do with an object that is there: -EEXIST, -EACCES, or its number. */
long ipc_get_existing(const struct ipc_object *object, uint32_t flags);

void ipc_permission_fill(const struct ipc_object *object, struct ipc_user_permission *out);
void ipc_permission_set(struct ipc_object *object, const struct ipc_user_permission *from);
/* A number whose decimal digits are the mode's octal ones, to print it. */
uint32_t ipc_octal(uint32_t mode);
/* The highest index in use, as the INFO commands return it. */
long ipc_highest(const struct ipc_table *table);

/* The time, as the objects show it. */
int64_t ipc_now_s(void);

/* sem.c: a process is about to end: what it asked to be undone is undone. */
void semaphores_undo(struct thread_group *group);

/* /proc/sysvipc. */
void shm_list(struct proc_text *text);
void semaphores_list(struct proc_text *text);
void queues_list(struct proc_text *text);
