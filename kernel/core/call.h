/*
 * One kernel call in progress. The dispatcher has found `object` (the first argument, unless the
 * call's type is NONE) with the right type and rights; the handler checks the rest, then commits.
 */
#pragma once

#include "kernel/core/object.h"

struct thread;

struct call {
    struct thread *thread;
    struct object *object;
    uint32_t rights; /* that the capability carried */
    uint64_t argument[6];
    uint64_t result[3];
    bool restarted; /* this thread's last call returned CALL_RESTART: most likely this one */
};

/* What a handler returns beside enum status; neither ever reaches a user. */
enum {
    /* Serve interrupts, then run the same call again from its saved arguments. */
    CALL_RESTART = 0x10000,
    /* The thread waits; whoever wakes it has written, or will write, its status and results. */
    CALL_BLOCKED = 0x10001,
    /* The thread's registers are complete as they are (resume). */
    CALL_DONE = 0x10002,
};

typedef status_t (*call_handler)(struct call *call);

#define KERNEL_CALL(number, name, arguments, results, type, rights, shape, meaning)                \
    status_t call_##name(struct call *call);
#include "abi/syscalls.def"
#undef KERNEL_CALL
