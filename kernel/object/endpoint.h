/*
 * Endpoints: where calls arrive. Three queues under one lock: receivers that wait for a call,
 * callers that wait to be received, callers that wait for their reply. At most one of the first two
 * has anyone in it. Model: kernel/model/call.pml.
 */
#pragma once

#include "kernel/object/thread.h"

struct signal;

struct endpoint {
    struct object object;
    struct spinlock lock;
    struct list_node receivers;
    struct list_node callers;
    struct list_node awaiting;
};

OBJECT_AS(endpoint)

bool endpoint_end_step(struct object *object);

/* The signal has bits now: wake a receiver of that endpoint that waits for it as well. */
void endpoint_notify(handle_t handle, struct signal *signal);

/* Make the leaves of the receive slots exist, so that the transfer needs no memory. */
void receive_slots_reserve(struct thread *thread);

static inline void receive_slots_prepare(struct thread *thread)
{
    if (thread->frame->receive[0] != 0) {
        receive_slots_reserve(thread);
    }
}

/* In this order: whoever sees that it waits sees where. */
static inline void endpoint_wait_begin(struct thread *thread, enum thread_state state,
                                       struct endpoint *endpoint)
{
    thread->wait_sequence++;
    thread->queue_lock = &endpoint->lock;
    __atomic_store_n(&thread->state, state, __ATOMIC_RELEASE);
}

/* What a reply to the caller's present call must name: the handle with a part of the wait's number.
 */
static inline uint64_t endpoint_token(const struct thread *caller)
{
    return object_handle(&caller->object, (uint32_t)(caller->wait_sequence & 0xff));
}
