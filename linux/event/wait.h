/*
 * Wait queues: how a task waits for something that another task or the event thread brings about.
 * One queue serves blocking calls and poll; a waiter is woken when the events it waits for come.
 */
#pragma once

#include "linux/core/lock.h"

struct task;
struct wait_queue;

/* Events: the bits of poll (POLLIN and so on); everything else uses WAIT_CHANGE. */
#define WAIT_POLLIN   0x001u
#define WAIT_POLLPRI  0x002u
#define WAIT_POLLOUT  0x004u
#define WAIT_POLLERR  0x008u
#define WAIT_POLLHUP  0x010u
#define WAIT_POLLNVAL 0x020u
#define WAIT_CHANGE   0xffffffffu

struct waiter {
    struct waiter *next;
    struct waiter *previous;
    struct wait_queue *queue; /* NULL: in none */
    struct task *task;
    uint32_t thread; /* slot, to unpark */
    uint32_t events;
};

struct wait_queue {
    struct mutex lock;
    struct waiter *first;
};

static inline void wait_queue_init(struct wait_queue *queue)
{
    *queue = (struct wait_queue){.first = NULL};
}

void wait_queue_wake(struct wait_queue *queue, uint32_t events);

void waiter_add(struct waiter *waiter, struct wait_queue *queue, uint32_t events);
void waiter_remove(struct waiter *waiter);

/*
 * Wait until ready(context) says so. ready is called without the queue's lock; whoever makes it
 * true wakes the queue afterwards. 0; -ERESTARTSYS when a signal is to be delivered first;
 * -ETIMEDOUT at the deadline (monotonic ns; DEADLINE_NEVER).
 */
long wait_event_until(struct wait_queue *queue, bool (*ready)(void *), void *context,
                      uint64_t deadline_ns);
long wait_event(struct wait_queue *queue, bool (*ready)(void *), void *context);

/* A poll in progress: files add the queues that will tell of their events. NULL: only asking. */
struct poll_table;
void poll_add(struct poll_table *table, struct wait_queue *queue);
