/*
 * The timers of a process: alarm and the interval timers (itimer.c), those of timer_create
 * (posix_timer.c), and its limit of CPU time (cpu_limit.c). A process has none until it needs one;
 * they end when its last task begins to end. group->timers and everything in it are guarded by
 * timers_lock.
 */
#pragma once

#include "linux/event/cpu_clock.h"
#include "linux/event/timer.h"

struct posix_timer;
struct resource_limit;
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
    struct cpu_alarm cpu_limit;      /* RLIMIT_CPU */
    bool cpu_limit_told;             /* that the soft limit is reached */
    struct posix_timer *posix;
    uint32_t posix_count;
    int posix_last; /* the number given last */
};

/* Of a process that lives, or is about to; made if there are none, and the timers' thread with
 * them. Under timers_lock; tasks_lock may be held. -ENOMEM, -EAGAIN. */
long process_timers_need(struct thread_group *group, struct process_timers **out);

/* The last task of the group begins to end: group->live is 0, and whoever sees that under
 * timers_lock leaves them alone. Or the group never lived. No lock may be held. */
void process_timers_end(struct thread_group *group);

/* cpu_limit.c. Before a limit is set, what it needs: -ENOMEM, -EAGAIN; under timers_lock,
 * tasks_lock may be held. And then, under timers_lock alone, what the group's limit is to do. */
long cpu_limit_prepare(struct thread_group *group, const struct resource_limit *limit);
void cpu_limit_apply(struct thread_group *group);

/* Another program begins: alarms go on, the timers of timer_create are gone. */
void posix_timers_delete(struct thread_group *group);

/* A signal was taken out of a queue of the current task: if it is a timer's, it is told how often
 * the timer has expired since, and an interval goes on. No lock may be held. */
void posix_timer_taken(struct signal_info *info);
