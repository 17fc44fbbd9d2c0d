/*
 * alarm(2) and the interval timers of setitimer(2). ITIMER_REAL is a timer; those of CPU time are
 * alarms of the process's clock. All state is guarded by timers_lock.
 */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/process_timers.h"
#include "linux/event/time.h"
#include "linux/proc/task.h"

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2
#define SECONDS_MAX    (1ull << 33)

struct setting {
    uint64_t value_ns; /* until the next expiry; 0: none */
    uint64_t interval_ns;
};

/* --- the timers of a process -------------------------------------------------------------------
 */

static void group_signal(struct thread_group *group, int number)
{
    const struct signal_info info = {.number = number, .code = SI_KERNEL};
    mutex_lock(&tasks_lock);
    signal_send_group(group, &info);
    mutex_unlock(&tasks_lock);
}

static void alarm_expired(struct timer *timer, uint64_t now_ns)
{
    struct process_timers *timers = CONTAINER_OF(timer, struct process_timers, alarm);
    uint64_t interval = timers->alarm_interval_ns;
    uint64_t next = timer->expiry_ns;
    group_signal(timers->group, SIGALRM);
    if (interval != 0) {
        (void)timer_forward(&next, interval, now_ns);
        timer_set(timer, next);
    }
}

static void cpu_itimer_reached(struct cpu_alarm *alarm, uint64_t used_ns)
{
    struct cpu_itimer *itimer = CONTAINER_OF(alarm, struct cpu_itimer, alarm);
    struct process_timers *timers =
        itimer->number == SIGPROF ? CONTAINER_OF(itimer, struct process_timers, profile_timer)
                                  : CONTAINER_OF(itimer, struct process_timers, virtual_timer);
    group_signal(timers->group, itimer->number);
    if (itimer->interval_ns != 0) {
        /* Time passes for the thread of the timers too: not so often that it does nothing else. */
        cpu_alarm_set(alarm, used_ns + MAX(itimer->interval_ns, CPU_LOOK_MIN_NS));
    }
}

static void cpu_itimer_init(struct cpu_itimer *itimer, int number)
{
    itimer->number = number;
    itimer->alarm.reached = cpu_itimer_reached;
}

long process_timers_need(struct thread_group *group, struct process_timers **out)
{
    long result = timers_prepare();
    if (result == 0 && group->timers == NULL) {
        struct process_timers *timers = heap_alloc(sizeof(*timers));
        if (timers == NULL) {
            return -ENOMEM;
        }
        timers->group = group;
        timers->alarm.expired = alarm_expired;
        timers->posix_last = -1;
        cpu_itimer_init(&timers->virtual_timer, SIGVTALRM);
        cpu_itimer_init(&timers->profile_timer, SIGPROF);
        group->timers = timers;
    }
    *out = group->timers;
    return result;
}

void process_timers_end(struct thread_group *group)
{
    posix_timers_delete(group);
    mutex_lock(&timers_lock);
    struct process_timers *timers = group->timers;
    if (timers != NULL) {
        timer_stop(&timers->alarm);
        cpu_alarm_stop(&timers->virtual_timer.alarm);
        cpu_alarm_stop(&timers->profile_timer.alarm);
        cpu_alarm_stop(&timers->cpu_limit);
        group->timers = NULL;
    }
    mutex_unlock(&timers_lock);
    heap_free(timers);
}

/* --- settings, under timers_lock ----------------------------------------------------------------
 */

static struct setting alarm_setting(const struct process_timers *timers)
{
    uint64_t now = clock_now_ns();
    const struct timer *alarm = &timers->alarm;
    return (struct setting){!alarm->is_set ? 0 : MAX(alarm->expiry_ns, now + 1) - now,
                            timers->alarm_interval_ns};
}

static void alarm_set(struct process_timers *timers, const struct setting *new)
{
    timers->alarm_interval_ns =
        new->interval_ns == 0 ? 0 : MAX(new->interval_ns, TIMER_INTERVAL_MIN_NS);
    if (new->value_ns == 0) {
        timer_stop(&timers->alarm);
    } else {
        timer_set(&timers->alarm, clock_now_ns() + new->value_ns);
    }
}

static struct setting cpu_setting(const struct cpu_itimer *itimer)
{
    uint64_t target = itimer->alarm.target_ns;
    uint64_t used = target == 0 ? 0 : cpu_clock_ns(&itimer->alarm.clock);
    return (struct setting){target == 0 ? 0 : MAX(target, used + 1) - used, itimer->interval_ns};
}

static void cpu_set(struct cpu_itimer *itimer, const struct setting *new)
{
    itimer->interval_ns = new->interval_ns;
    itimer->alarm.clock = (struct cpu_clock){.pid = task_current()->group->pid,
                                             .user_only = itimer->number == SIGVTALRM};
    if (new->value_ns == 0) {
        cpu_alarm_stop(&itimer->alarm);
    } else {
        cpu_alarm_set(&itimer->alarm, cpu_clock_ns(&itimer->alarm.clock) + new->value_ns);
    }
}

static struct cpu_itimer *cpu_itimer_of(struct process_timers *timers, uint64_t which)
{
    return which == ITIMER_PROF ? &timers->profile_timer : &timers->virtual_timer;
}

static struct setting setting_of(struct process_timers *timers, uint64_t which)
{
    return which == ITIMER_REAL ? alarm_setting(timers) : cpu_setting(cpu_itimer_of(timers, which));
}

/* --- system calls ------------------------------------------------------------------------------
 */

static long itimer_change(uint64_t which, const struct setting *new, struct setting *old)
{
    struct process_timers *timers;
    mutex_lock(&timers_lock);
    long result = process_timers_need(task_current()->group, &timers);
    if (result == 0) {
        *old = setting_of(timers, which);
        if (which == ITIMER_REAL) {
            alarm_set(timers, new);
        } else {
            cpu_set(cpu_itimer_of(timers, which), new);
        }
    }
    mutex_unlock(&timers_lock);
    return result;
}

long linux_alarm(uint64_t seconds, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    const struct setting new = {(uint32_t)seconds * NS_PER_SECOND, 0};
    struct setting old = {0, 0};
    if (seconds == 0 && task_current()->group->timers == NULL) {
        return 0;
    }
    (void)itimer_change(ITIMER_REAL, &new, &old); /* alarm(2) has no way to fail */
    uint64_t left = (old.value_ns + NS_PER_SECOND / 2) / NS_PER_SECOND;
    return old.value_ns != 0 && left == 0 ? 1 : (long)left;
}

struct user_itimer {
    int64_t interval_seconds;
    int64_t interval_microseconds;
    int64_t value_seconds;
    int64_t value_microseconds;
};

static bool time_good(int64_t seconds, int64_t microseconds)
{
    return seconds >= 0 && microseconds >= 0 && microseconds < 1000000;
}

static uint64_t time_ns(int64_t seconds, int64_t microseconds)
{
    return MIN((uint64_t)seconds, SECONDS_MAX) * NS_PER_SECOND + (uint64_t)microseconds * 1000;
}

/* What is left of less than a microsecond is shown as one: the timer is set. */
static struct user_itimer itimer_of(const struct setting *setting)
{
    uint64_t value_us = (setting->value_ns + 999) / 1000;
    uint64_t interval_us = setting->interval_ns / 1000;
    return (struct user_itimer){(int64_t)(interval_us / 1000000), (int64_t)(interval_us % 1000000),
                                (int64_t)(value_us / 1000000), (int64_t)(value_us % 1000000)};
}

long linux_setitimer(uint64_t which, uint64_t user_new, uint64_t user_old, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct user_itimer new = {0, 0, 0, 0};
    struct setting old = {0, 0};
    if (user_new != 0 && copy_from_user(&new, user_new, sizeof(new)) != 0) {
        return -EFAULT;
    }
    if (!time_good(new.interval_seconds, new.interval_microseconds) ||
        !time_good(new.value_seconds, new.value_microseconds) || which > ITIMER_PROF) {
        return -EINVAL;
    }
    const struct setting setting = {time_ns(new.value_seconds, new.value_microseconds),
                                    time_ns(new.interval_seconds, new.interval_microseconds)};
    long result = itimer_change(which, &setting, &old);
    struct user_itimer value = itimer_of(&old);
    return result != 0 || user_old == 0 ? result : copy_to_user(user_old, &value, sizeof(value));
}

long linux_getitimer(uint64_t which, uint64_t user_value, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct setting setting = {0, 0};
    if (which > ITIMER_PROF) {
        return -EINVAL;
    }
    mutex_lock(&timers_lock);
    struct process_timers *timers = task_current()->group->timers;
    if (timers != NULL) {
        setting = setting_of(timers, which);
    }
    mutex_unlock(&timers_lock);
    struct user_itimer value = itimer_of(&setting);
    return copy_to_user(user_value, &value, sizeof(value));
}
