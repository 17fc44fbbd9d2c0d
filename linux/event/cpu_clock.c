#include "linux/event/cpu_clock.h"

#include "linux/core/container.h"
#include "linux/event/clock.h"
#include "linux/proc/task.h"

/* A clock's number is its process's or thread's, inverted, above three bits (CPUCLOCK_* of Linux).
 */
#define CLOCK_OF_THREAD 4u
#define CLOCK_USER_ONLY 1u
#define CLOCK_KIND      3u
#define CLOCK_OF_FILE   3u

/* --- CPU time ----------------------------------------------------------------------------------
 */

void cpu_time_add(struct cpu_time *to, const struct cpu_time *more)
{
    to->user_ns += more->user_ns;
    to->system_ns += more->system_ns;
}

static const struct thread_usage *thread_usage_read(uint32_t thread)
{
    return kernel_object_read(thread, STATE_THREAD, sizeof(struct thread_usage), 0) != STATUS_OK
               ? NULL
               : (const struct thread_usage *)(const void *)thread_frame_self()->message;
}

struct cpu_time thread_cpu_time(uint32_t thread)
{
    const struct thread_usage *usage = thread_usage_read(thread);
    return usage == NULL ? (struct cpu_time){0, 0}
                         : (struct cpu_time){usage->application_ns, usage->personality_ns};
}

bool thread_is_running(uint32_t thread)
{
    const struct thread_usage *usage = thread_usage_read(thread);
    return usage != NULL &&
           (usage->state == THREAD_STATE_READY || usage->state == THREAD_STATE_RUNNING);
}

struct cpu_time group_cpu_time(const struct thread_group *group)
{
    struct cpu_time total = group->ended_used.cpu;
    for (const struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        struct cpu_time time = thread_cpu_time(task->thread);
        cpu_time_add(&total, &time);
    }
    return total;
}

struct cpu_time process_cpu_time(const struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    struct cpu_time total = group_cpu_time(group);
    mutex_unlock(&tasks_lock);
    return total;
}

/* --- clocks ------------------------------------------------------------------------------------
 */

/* Under tasks_lock. */
static const struct task *clock_task(const struct cpu_clock *clock)
{
    const struct task *task = task_find(clock->tid);
    return task != NULL && task->group->pid == clock->pid ? task : NULL;
}

static bool clock_exists(const struct cpu_clock *clock)
{
    mutex_lock(&tasks_lock);
    bool exists = clock->tid != 0 ? clock_task(clock) != NULL : group_find(clock->pid) != NULL;
    mutex_unlock(&tasks_lock);
    return exists;
}

bool cpu_clock_find(uint32_t clock, struct cpu_clock *out)
{
    const struct task *self = task_current();
    *out = (struct cpu_clock){.pid = self->group->pid};
    if (clock == CLOCK_PROCESS_CPUTIME) {
        return true;
    }
    if (clock == CLOCK_THREAD_CPUTIME) {
        out->tid = self->tid;
        return true;
    }
    if ((int32_t)clock >= 0 || (clock & CLOCK_KIND) == CLOCK_OF_FILE) {
        return false;
    }
    int number = ~((int32_t)clock >> 3);
    out->user_only = (clock & CLOCK_KIND) == CLOCK_USER_ONLY;
    if (clock & CLOCK_OF_THREAD) {
        out->tid = number == 0 ? self->tid : number; /* of our own process only */
    } else if (number != 0) {
        out->pid = number;
    }
    return clock_exists(out);
}

uint64_t cpu_clock_ns(const struct cpu_clock *clock)
{
    struct cpu_time time = {0, 0};
    mutex_lock(&tasks_lock);
    if (clock->tid != 0) {
        const struct task *task = clock_task(clock);
        time = task == NULL ? time : thread_cpu_time(task->thread);
    } else {
        const struct thread_group *group = group_find(clock->pid);
        time = group == NULL ? time : group_cpu_time(group);
    }
    mutex_unlock(&tasks_lock);
    return clock->user_only ? time.user_ns : cpu_total_ns(&time);
}

/* --- alarms ------------------------------------------------------------------------------------
 */

/* Threads that may use up what is left, all at once. */
static uint32_t clock_threads(const struct cpu_clock *clock)
{
    mutex_lock(&tasks_lock);
    const struct thread_group *group = clock->tid != 0 ? NULL : group_find(clock->pid);
    uint32_t threads = group == NULL ? 1 : group->task_count;
    mutex_unlock(&tasks_lock);
    return MAX(1, MIN(threads, cpu_count()));
}

static void alarm_look_later(struct cpu_alarm *alarm, uint64_t used_ns)
{
    uint64_t soonest = (alarm->target_ns - used_ns) / clock_threads(&alarm->clock);
    bool idle = used_ns == alarm->seen_ns;
    alarm->step_ns = idle ? MIN(alarm->step_ns * 2, CPU_LOOK_MAX_NS) : CPU_LOOK_MIN_NS;
    alarm->seen_ns = used_ns;
    timer_set(&alarm->timer, clock_now_ns() + MAX(soonest, alarm->step_ns));
}

static void alarm_expired(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    struct cpu_alarm *alarm = CONTAINER_OF(timer, struct cpu_alarm, timer);
    uint64_t used = cpu_clock_ns(&alarm->clock);
    if (used < alarm->target_ns) {
        alarm_look_later(alarm, used);
        return;
    }
    alarm->target_ns = 0;
    alarm->reached(alarm, used);
}

void cpu_alarm_set(struct cpu_alarm *alarm, uint64_t target_ns)
{
    uint64_t used = cpu_clock_ns(&alarm->clock);
    alarm->timer.expired = alarm_expired;
    alarm->target_ns = MAX(target_ns, 1);
    alarm->step_ns = CPU_LOOK_MIN_NS;
    alarm->seen_ns = used;
    if (target_ns <= used) {
        timer_set(&alarm->timer, clock_now_ns());
    } else {
        alarm_look_later(alarm, used);
    }
}

void cpu_alarm_stop(struct cpu_alarm *alarm)
{
    alarm->target_ns = 0;
    timer_stop(&alarm->timer);
}
