/* RLIMIT_CPU (setrlimit(2)): SIGXCPU when a process has used its soft limit, and after each further
 * second; SIGKILL at the hard one. */
#include "linux/core/errno.h"
#include "linux/event/process_timers.h"
#include "linux/event/time.h"
#include "linux/proc/limit.h"

#define SECONDS_MAX (1ull << 33)

static struct resource_limit limit_of(const struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    struct resource_limit limit = group->limits[RLIMIT_CPU];
    mutex_unlock(&tasks_lock);
    return limit;
}

static uint64_t limit_ns(uint64_t seconds)
{
    return MAX(MIN(seconds, SECONDS_MAX), 1) * NS_PER_SECOND;
}

static void limit_reached(struct cpu_alarm *alarm, uint64_t used_ns)
{
    struct process_timers *timers = CONTAINER_OF(alarm, struct process_timers, cpu_limit);
    struct resource_limit limit = limit_of(timers->group);
    /* However late this look is, a process is told before it is ended. */
    bool may_go_on = !timers->cpu_limit_told && limit.soft < limit.hard;
    bool at_end = used_ns >= limit_ns(limit.hard) && !may_go_on;
    const struct signal_info info = {.number = at_end ? SIGKILL : SIGXCPU, .code = SI_KERNEL};
    mutex_lock(&tasks_lock);
    (void)signal_send_group(timers->group, &info);
    mutex_unlock(&tasks_lock);
    timers->cpu_limit_told = true;
    if (!at_end) {
        cpu_alarm_set(alarm, (used_ns / NS_PER_SECOND + 1) * NS_PER_SECOND);
    }
}

long cpu_limit_prepare(struct thread_group *group, const struct resource_limit *limit)
{
    struct process_timers *timers;
    return limit->soft > SECONDS_MAX ? 0 : process_timers_need(group, &timers);
}

void cpu_limit_apply(struct thread_group *group)
{
    struct process_timers *timers = group->timers;
    if (timers == NULL) {
        return;
    }
    uint64_t soft = limit_of(group).soft;
    timers->cpu_limit.clock = (struct cpu_clock){.pid = group->pid};
    timers->cpu_limit.reached = limit_reached;
    timers->cpu_limit_told = false;
    if (soft > SECONDS_MAX) {
        cpu_alarm_stop(&timers->cpu_limit);
    } else {
        cpu_alarm_set(&timers->cpu_limit, limit_ns(soft));
    }
}
