/*
 * Signals: a word of event bits. Waiters stand in a list; a receive that waits for a signal as well
 * stands at its endpoint only, and the signal knows that endpoint.
 */
#pragma once

#include "kernel/core/call.h"
#include "kernel/core/lock.h"

struct signal {
    struct object object;
    struct spinlock lock;
    uint64_t bits;
    handle_t endpoint; /* whose receivers wait for this signal too */
    struct list_node waiters;
};

OBJECT_AS(signal)

/* Set bits and wake whom they concern, if that signal still lives. */
void signal_set(handle_t signal, uint64_t bits);

/* Take all bits that are set. */
uint64_t signal_take(struct signal *signal);

bool signal_end_step(struct object *object);
