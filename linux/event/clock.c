/* Time as programs see it: reading clocks and sleeping (clock_gettime(2), clock_nanosleep(2)). */
#include "linux/event/clock.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/cpu_clock.h"
#include "linux/event/restart.h"
#include "linux/event/time.h"
#include "linux/event/wait.h"
#include "linux/proc/task.h"

#define COARSE_NS 4000000 /* what the coarse clocks of Linux promise at 250 Hz */

struct user_timeval {
    int64_t seconds;
    int64_t microseconds;
};

/* --- clocks ------------------------------------------------------------------------------------
 */

long clock_can_wait(uint32_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

static bool clock_is_wall(uint32_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
           clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

uint64_t clock_deadline(uint32_t clock, uint64_t ns, bool absolute)
{
    uint64_t now = clock_now_ns();
    if (!absolute) {
        return now + ns;
    }
    if (clock_is_wall(clock)) {
        uint64_t offset = clock_wall_ns() - now;
        ns = ns > offset ? ns - offset : 0;
    }
    return MAX(ns, 1);
}

static long clock_value(uint32_t id, uint64_t *ns)
{
    struct cpu_clock cpu;
    if (cpu_clock_find(id, &cpu)) {
        *ns = cpu_clock_ns(&cpu);
        return 0;
    }
    if (clock_can_wait(id) == -EINVAL) {
        return -EINVAL;
    }
    *ns = clock_is_wall(id) ? clock_wall_ns() : clock_now_ns();
    return 0;
}

long linux_clock_gettime(uint64_t id, uint64_t user_time, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    long result = clock_value((uint32_t)id, &ns);
    if (result != 0) {
        return result;
    }
    struct user_timespec time = timespec_of(ns);
    return copy_to_user(user_time, &time, sizeof(time));
}

long linux_clock_getres(uint64_t id, uint64_t user_time, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    bool coarse = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE;
    struct user_timespec time = {0, coarse ? COARSE_NS : 1};
    long result = clock_value((uint32_t)id, &ns);
    return result != 0 || user_time == 0 ? result : copy_to_user(user_time, &time, sizeof(time));
}

/* Nobody in a container may set the time of day. */
long linux_clock_settime(uint64_t id, uint64_t user_time, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    if (id != CLOCK_REALTIME) {
        return -EINVAL;
    }
    long result = timespec_read(user_time, &ns);
    return result != 0 ? result : -EPERM;
}

long linux_gettimeofday(uint64_t user_time, uint64_t user_zone, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns = clock_wall_ns();
    struct user_timeval time = {(int64_t)(ns / NS_PER_SECOND),
                                (int64_t)(ns % NS_PER_SECOND / 1000)};
    if (user_time != 0 && copy_to_user(user_time, &time, sizeof(time)) != 0) {
        return -EFAULT;
    }
    return user_zone != 0 ? clear_user(user_zone, 8) : 0;
}

long linux_settimeofday(uint64_t user_time, uint64_t user_zone, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    (void)user_zone, (void)c, (void)d, (void)e, (void)f;
    struct user_timeval time = {0, 0};
    if (user_time != 0 && copy_from_user(&time, user_time, sizeof(time)) != 0) {
        return -EFAULT;
    }
    bool good = time.seconds >= 0 && time.microseconds >= 0 && time.microseconds <= 1000000;
    return good ? -EPERM : -EINVAL;
}

long linux_time(uint64_t user_time, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    uint64_t seconds = clock_wall_ns() / NS_PER_SECOND;
    if (user_time != 0 && put_user_u64(user_time, seconds) != 0) {
        return -EFAULT;
    }
    return (long)seconds;
}

/* --- sleeping until a moment --------------------------------------------------------------------
 */

static bool never(void *context)
{
    (void)context;
    return false;
}

/* 0 at the deadline, -ERESTARTSYS. */
static long sleep_until(uint64_t deadline_ns)
{
    struct wait_queue nobody;
    wait_queue_init(&nobody);
    long result = wait_event_until(&nobody, never, NULL, deadline_ns);
    return result == -ETIMEDOUT ? 0 : result;
}

static long left_write(uint64_t user_left, uint64_t left_ns)
{
    struct user_timespec left = timespec_of(left_ns);
    return user_left == 0 ? 0 : copy_to_user(user_left, &left, sizeof(left));
}

enum sleep_argument {
    SLEEP_DEADLINE,
    SLEEP_USER_LEFT,
};

/* A signal ended it: what is left goes back, and the sleep goes on unless a handler runs. */
static long sleep_go_on(const struct restart *sleep)
{
    uint64_t deadline_ns = sleep->argument[SLEEP_DEADLINE];
    if (sleep_until(deadline_ns) == 0) {
        return 0;
    }
    uint64_t now = clock_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    return left_write(sleep->argument[SLEEP_USER_LEFT], left) != 0
               ? -EFAULT
               : restart_with(sleep_go_on, sleep);
}

static long sleep_relative(uint64_t ns, uint64_t user_left)
{
    const struct restart sleep = {
        .argument = {[SLEEP_DEADLINE] = clock_now_ns() + ns, [SLEEP_USER_LEFT] = user_left}};
    return sleep_go_on(&sleep);
}

long linux_nanosleep(uint64_t user_time, uint64_t user_left, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    long result = timespec_read(user_time, &ns);
    return result != 0 ? result : sleep_relative(ns, user_left);
}

/* --- sleeping until CPU time was used ------------------------------------------------------------
 */

struct cpu_sleep {
    struct cpu_alarm alarm;
    struct wait_queue wait;
    bool is_over; /* atomic */
};

static void sleep_reached(struct cpu_alarm *alarm, uint64_t used_ns)
{
    (void)used_ns;
    struct cpu_sleep *sleep = CONTAINER_OF(alarm, struct cpu_sleep, alarm);
    __atomic_store_n(&sleep->is_over, true, __ATOMIC_RELEASE);
    wait_queue_wake(&sleep->wait, WAIT_CHANGE);
}

static bool sleep_is_over(void *context)
{
    const struct cpu_sleep *sleep = context;
    return __atomic_load_n(&sleep->is_over, __ATOMIC_ACQUIRE);
}

/* 0 or -ERESTARTSYS. */
static long cpu_sleep_until(const struct cpu_clock *clock, uint64_t target_ns)
{
    struct cpu_sleep sleep = {.alarm = {.clock = *clock, .reached = sleep_reached}};
    mutex_lock(&timers_lock);
    long result = timers_prepare();
    if (result == 0) {
        cpu_alarm_set(&sleep.alarm, target_ns);
    }
    mutex_unlock(&timers_lock);
    if (result == 0) {
        result = wait_event_first(&sleep.wait, sleep_is_over, &sleep, DEADLINE_NEVER);
    }
    mutex_lock(&timers_lock);
    cpu_alarm_stop(&sleep.alarm);
    mutex_unlock(&timers_lock);
    return result;
}

enum cpu_sleep_argument {
    CPU_SLEEP_CLOCK,
    CPU_SLEEP_TARGET,
    CPU_SLEEP_USER_LEFT,
};

static long cpu_sleep_go_on(const struct restart *sleep)
{
    struct cpu_clock clock;
    uint64_t target_ns = sleep->argument[CPU_SLEEP_TARGET];
    if (!cpu_clock_find((uint32_t)sleep->argument[CPU_SLEEP_CLOCK], &clock)) {
        return -ESRCH;
    }
    long result = cpu_sleep_until(&clock, target_ns);
    if (result != -ERESTARTSYS) {
        return result;
    }
    uint64_t used = cpu_clock_ns(&clock);
    uint64_t left = target_ns > used ? target_ns - used : 0;
    return left_write(sleep->argument[CPU_SLEEP_USER_LEFT], left) != 0
               ? -EFAULT
               : restart_with(cpu_sleep_go_on, sleep);
}

static long cpu_sleep(uint32_t id, const struct cpu_clock *clock, bool absolute, uint64_t ns,
                      uint64_t user_left)
{
    /* A thread that waits for its own time would wait for ever. */
    if (id == CLOCK_THREAD_CPUTIME) {
        return -EOPNOTSUPP;
    }
    if (clock->tid == task_current()->tid) {
        return -EINVAL;
    }
    if (absolute) {
        long result = cpu_sleep_until(clock, ns);
        return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
    }
    const struct restart sleep = {.argument = {[CPU_SLEEP_CLOCK] = id,
                                               [CPU_SLEEP_TARGET] = cpu_clock_ns(clock) + ns,
                                               [CPU_SLEEP_USER_LEFT] = user_left}};
    return cpu_sleep_go_on(&sleep);
}

long linux_clock_nanosleep(uint64_t clock, uint64_t flags, uint64_t user_time, uint64_t user_left,
                           uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    uint64_t ns;
    struct cpu_clock cpu;
    uint32_t id = (uint32_t)clock;
    bool absolute = flags & TIMER_ABSTIME;
    bool counts_cpu = cpu_clock_find(id, &cpu);
    long result = counts_cpu ? 0 : clock_can_wait(id);
    if (result == 0) {
        result = timespec_read(user_time, &ns);
    }
    if (result != 0) {
        return result;
    }
    if (counts_cpu) {
        return cpu_sleep(id, &cpu, absolute, ns, user_left);
    }
    if (!absolute) {
        return sleep_relative(ns, user_left);
    }
    uint64_t deadline_ns = clock_deadline(id, ns, true);
    if (deadline_ns <= clock_now_ns()) {
        return 0;
    }
    return sleep_until(deadline_ns) == 0 ? 0 : -ERESTARTNOHAND;
}
