/*
 * Semaphore sets, for sem.c and sem_control.c. All of it under the lock of `semaphore_sets`.
 */
#pragma once

#include "linux/event/wait.h"
#include "linux/ipc/ipc.h"

#define PER_SET_MAX    32000 /* SEMMSL */
#define TOTAL_MAX      131072
#define OPERATIONS_MAX 500
#define VALUE_MAX      32767

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

extern struct ipc_table semaphore_sets;
extern uint32_t semaphores_total; /* semaphores in all sets */

static inline struct set *set_of(struct ipc_object *object)
{
    return CONTAINER_OF(object, struct set, object);
}

/* The waiters look when they get the lock. */
void semaphore_set_changed(struct set *set);
/* SETVAL and SETALL make what was to be undone meaningless. number < 0: all of them. */
void semaphore_undo_clear(struct set *set, int number);
