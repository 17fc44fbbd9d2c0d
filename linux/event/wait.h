/*
 * Wait queues: how a task, or something that keeps account of readiness, learns of what another
 * task or the event thread brings about. One queue serves blocking calls, poll and epoll; a waiter
 * is told when the events it waits for come.
 */
#pragma once

#include "linux/core/lock.h"

struct wait_queue;

/* Events: the bits of poll (POLLIN and so on); everything else uses WAIT_CHANGE. */
#define WAIT_POLLIN     0x001u
#define WAIT_POLLPRI    0x002u
#define WAIT_POLLOUT    0x004u
#define WAIT_POLLERR    0x008u
#define WAIT_POLLHUP    0x010u
#define WAIT_POLLNVAL   0x020u
#define WAIT_POLLRDNORM 0x040u
#define WAIT_POLLRDBAND 0x080u
#define WAIT_POLLWRNORM 0x100u
#define WAIT_POLLWRBAND 0x200u
#define WAIT_POLLRDHUP  0x2000u
#define WAIT_CHANGE     0xffffffffu

/* What is reported whether it was asked for or not. */
#define WAIT_POLL_ALWAYS (WAIT_POLLERR | WAIT_POLLHUP)

struct waiter {
    struct waiter *next;
    struct waiter *previous;
    struct wait_queue *queue; /* NULL: in none */
    /* Instead of waking a thread: called under the queue's lock, with the events that came, by any
     * thread; takes nothing above "wait queue" in the order of locks. False: nobody was waiting, so
     * an exclusive wake goes on to the next. NULL: a thread is woken. */
    bool (*told)(struct waiter *waiter, uint32_t events);
    uint32_t thread; /* slot, to unpark */
    uint32_t events;
    bool exclusive; /* one of these is enough */
};

/* The exclusive waiters stand behind all others. */
struct wait_queue {
    struct mutex lock;
    struct waiter *first;
    struct waiter *last;
};

static inline void wait_queue_init(struct wait_queue *queue)
{
    *queue = (struct wait_queue){.first = NULL};
}

/* Tell everybody who waits for one of the events, and of the exclusive ones the first; WAIT_CHANGE
 * tells all. */
void wait_queue_wake(struct wait_queue *queue, uint32_t events);

/*
 * The calling task waits until its thread is unparked; TIMED_OUT: the deadline came. It may come
 * back before either: the caller looks again, with whatever it waits for.
 */
status_t wait_park(uint64_t deadline_ns);

/* `told` and `exclusive` are the caller's; without `told` the current thread is woken. */
void waiter_add(struct waiter *waiter, struct wait_queue *queue, uint32_t events);
void waiter_remove(struct waiter *waiter);

/*
 * For whoever has tried and failed: wait until ready(context) says that another try is worth it.
 * ready is called without the queue's lock; whoever makes it true wakes the queue afterwards. 0;
 * -ERESTARTSYS when a signal is to be delivered first; -ETIMEDOUT at the deadline (monotonic ns;
 * DEADLINE_NEVER). A signal that is there already comes before anything else, so that a loop of
 * tries and waits ends by it even when `ready` is mistaken each time.
 */
long wait_event_until(struct wait_queue *queue, bool (*ready)(void *), void *context,
                      uint64_t deadline_ns);
long wait_event(struct wait_queue *queue, bool (*ready)(void *), void *context);
/* As an exclusive waiter: whoever leaves something for the next must wake the queue again, also
 * after a failure. */
long wait_event_exclusive(struct wait_queue *queue, bool (*ready)(void *), void *context,
                          uint64_t deadline_ns);

/* For whoever has not tried: what is there already comes before a signal. Not for loops. */
long wait_event_first(struct wait_queue *queue, bool (*ready)(void *), void *context,
                      uint64_t deadline_ns);

/*
 * A poll in progress: file operations add the queues that will tell of their events, each of which
 * must live as long as the file. NULL: only asking.
 */
struct poll_table {
    void (*add)(struct poll_table *table, struct wait_queue *queue);
};

static inline void poll_add(struct poll_table *table, struct wait_queue *queue)
{
    if (table != NULL) {
        table->add(table, queue);
    }
}

/* Files know of POLLIN and POLLOUT; "normal" data is the same. What a file says, as poll reports
 * it; and what was asked for, as files know it. */
static inline uint32_t poll_widen(uint32_t events)
{
    events |= events & WAIT_POLLIN ? WAIT_POLLRDNORM : 0;
    events |= events & WAIT_POLLOUT ? WAIT_POLLWRNORM : 0;
    return events;
}

static inline uint32_t poll_narrow(uint32_t wanted)
{
    wanted |= wanted & WAIT_POLLRDNORM ? WAIT_POLLIN : 0;
    wanted |= wanted & WAIT_POLLWRNORM ? WAIT_POLLOUT : 0;
    return wanted;
}
