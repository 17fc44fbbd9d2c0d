/*
 * Timers: a moment of the monotonic clock at which something is called. One thread of the
 * personality waits for the earliest; it is made when the first timer is set, so a container
 * without timers has none.
 *
 * timers_lock guards the set and, by the convention of all who use it, what their timers act upon.
 * `expired` is called by that thread with the lock held: when timer_stop has returned, it does not
 * run and will not.
 */
#pragma once

#include "lib/base/tree.h"
#include "linux/core/lock.h"

/* A shorter interval would have the timers' thread do nothing else. */
#define TIMER_INTERVAL_MIN_NS 100000ull

struct timer {
    struct tree_node node;
    uint64_t expiry_ns; /* monotonic */
    bool is_set;
    /* It is no longer set, and may be set again. Takes locks below timers_lock. */
    void (*expired)(struct timer *timer, uint64_t now_ns);
};

extern struct mutex timers_lock;

/* All under timers_lock. */

/* Before timer_set may be called for the first time: -ENOMEM, -EAGAIN. */
long timers_prepare(void);
/* In place of what it was set to. A moment in the past is now. */
void timer_set(struct timer *timer, uint64_t expiry_ns);
void timer_stop(struct timer *timer);

/* How often a timer that was due at *expiry_ns, and then every interval, has expired until now; and
 * when it does so next. Needs *expiry_ns <= now_ns. Interval 0: once. */
uint64_t timer_forward(uint64_t *expiry_ns, uint64_t interval_ns, uint64_t now_ns);
