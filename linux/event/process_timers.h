/*
 * The timers of a process: alarm and the interval timers (itimer.c), and those of timer_create
 * (posix_timer.c). A process has none until it sets one; they end when its last task begins to end.
 *
 * group->timers is set once, by one of its tasks, and everything in it is guarded by timers_lock.
 */
#pragma once

#include "linux/event/cpu_clock.h"
#include "linux/event/timer.h"

struct posix_timer;
struct signal_info;
struct thread_group;

/* An interval timer that counts CPU time. */
struct cpu_itimer {
    struct cpu_alarm alarm;
    uint64_t interval_ns;
    int number; /* the signal */
};

struct process_timers {
    struct thread_group *group;
    struct timer alarm; /* ITIMER_REAL */
    uint64_t alarm_interval_ns;
    struct cpu_itimer virtual_timer; /* ITIMER_VIRTUAL */
    struct cpu_itimer profile_timer; /* ITIMER_PROF */
    struct posix_timer *posix;
    uint32_t posix_count;
    int posix_last; /* the number given last */
};

/* Of the current process; made if there are none, and the timers' thread with them. Under
 * timers_lock. -ENOMEM, -EAGAIN. */
long process_timers_need(struct process_timers **out);

/* The last task of the group begins to end. No lock may be held. */
void process_timers_end(struct thread_group *group);

/* Another program begins: alarms go on, the timers of timer_create are gone. */
void posix_timers_delete(struct thread_group *group);

/* A signal was taken out of a queue of the current task: if it is a timer's, it is told how often
 * the timer has expired since, and an interval goes on. No lock may be held. */
void posix_timer_taken(struct signal_info *info);
