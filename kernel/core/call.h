/*
 * One kernel call in progress. The dispatcher has found what the table says: `object`, the first
 * argument, and `other`, with their types and rights; and the slot for what the call makes is
 * empty. The handler checks the rest, then commits.
 */
#pragma once

#include "kernel/core/object.h"

struct call {
    struct thread *thread;
    struct object *object;
    uint32_t rights; /* that the capability carried */
    /* Of calls with an OTHER, and of those that make something; of others not set. */
    struct object *other; /* NULL: an OTHER_OR_0 that is 0 */
    uint32_t other_rights;
    struct object *made;  /* by the handler, if it returns OK; it goes into the slot */
    uint32_t made_rights; /* RIGHTS_ALL, unless the handler says less */
    uint64_t argument[6];
    uint64_t result[3];
    bool restarted; /* as thread->restarted was: most likely this call */
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

#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    status_t call_##name(struct call *call);
#include "abi/syscalls.def"
#undef KERNEL_CALL
