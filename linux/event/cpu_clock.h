/*
 * CPU time: of threads and processes as clocks, and waiting until so much of it was used.
 *
 * The kernel tells a thread's time when asked, and does not call when it passes a mark. So an alarm
 * asks when the mark can be reached at the earliest, then again, and the less is left the sooner;
 * for a process that sleeps ever more rarely, at least every CPU_LOOK_MAX_NS. It may be that late.
 */
#pragma once

#include "linux/event/timer.h"

struct thread_group;

#define CPU_LOOK_MIN_NS 1000000ull
#define CPU_LOOK_MAX_NS 50000000ull

struct cpu_time {
    uint64_t user_ns;   /* in the program */
    uint64_t system_ns; /* in the personality */
};

static inline uint64_t cpu_total_ns(const struct cpu_time *time)
{
    return time->user_ns + time->system_ns;
}

void cpu_time_add(struct cpu_time *to, const struct cpu_time *more);

/* Of a thread by its slot; of a group with its ended tasks, under tasks_lock. */
struct cpu_time thread_cpu_time(uint32_t thread);
struct cpu_time group_cpu_time(const struct thread_group *group);
/* Takes tasks_lock. */
struct cpu_time process_cpu_time(const struct thread_group *group);

/* Whose time a clock shows. */
struct cpu_clock {
    int pid;
    int tid; /* 0: of the whole process */
    bool user_only;
};

/* False: not a clock of CPU time, or nobody's. Takes tasks_lock. */
bool cpu_clock_find(uint32_t clock, struct cpu_clock *out);
/* 0 when its process or thread has ended. Takes tasks_lock. */
uint64_t cpu_clock_ns(const struct cpu_clock *clock);

/* All of it under timers_lock. */
struct cpu_alarm {
    struct timer timer;
    struct cpu_clock clock;
    uint64_t target_ns; /* of the clock; 0: not set */
    uint64_t seen_ns;   /* what the clock showed last time */
    uint64_t step_ns;
    /* The target is reached and the alarm no longer set; it may be set again. */
    void (*reached)(struct cpu_alarm *alarm, uint64_t used_ns);
};

void cpu_alarm_set(struct cpu_alarm *alarm, uint64_t target_ns);
void cpu_alarm_stop(struct cpu_alarm *alarm);
