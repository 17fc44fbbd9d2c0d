/* Time as programs see it: reading clocks and sleeping (clock_gettime(2), clock_nanosleep(2)). */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/wait.h"
#include "linux/proc/task.h"

#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define CLOCK_PROCESS_CPUTIME  2
#define CLOCK_THREAD_CPUTIME   3
#define CLOCK_MONOTONIC_RAW    4
#define CLOCK_REALTIME_COARSE  5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME         7
#define TIMER_ABSTIME          1
#define NS_PER_SECOND          1000000000ull
#define SECONDS_MAX            (1ull << 33) /* beyond any deadline that matters */

struct user_timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

struct user_timeval {
    int64_t seconds;
    int64_t microseconds;
};

uint64_t thread_cpu_ns(uint32_t thread)
{
    if (kernel_thread_read(thread) != STATUS_OK) {
        return 0;
    }
    const struct thread_usage *usage =
        (const struct thread_usage *)(const void *)thread_frame_self()->message;
    return usage->application_ns + usage->personality_ns;
}

bool thread_is_running(uint32_t thread)
{
    if (kernel_thread_read(thread) != STATUS_OK) {
        return false;
    }
    const struct thread_usage *usage =
        (const struct thread_usage *)(const void *)thread_frame_self()->message;
    return usage->state == THREAD_STATE_READY || usage->state == THREAD_STATE_RUNNING;
}

uint64_t process_cpu_ns(const struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    uint64_t total = group->ended_cpu_ns;
    for (const struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        total += thread_cpu_ns(task->thread);
    }
    mutex_unlock(&tasks_lock);
    return total;
}

static long clock_value(uint64_t id, uint64_t *ns)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ns = clock_wall_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = clock_now_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME:
        *ns = process_cpu_ns(task_current()->group);
        return 0;
    case CLOCK_THREAD_CPUTIME:
        *ns = thread_cpu_ns(task_current()->thread);
        return 0;
    default:
        return -EINVAL;
    }
}

static struct user_timespec timespec_of(uint64_t ns)
{
    return (struct user_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}

long linux_clock_gettime(uint64_t id, uint64_t user_time, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    long result = clock_value(id, &ns);
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
    struct user_timespec time = {0, 1};
    long result = clock_value(id, &ns);
    return result != 0 || user_time == 0 ? result : copy_to_user(user_time, &time, sizeof(time));
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

long linux_time(uint64_t user_time, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    uint64_t seconds = clock_wall_ns() / NS_PER_SECOND;
    if (user_time != 0 && put_user_u64(user_time, seconds) != 0) {
        return -EFAULT;
    }
    return (long)seconds;
}

/* --- sleeping -------------------------------------------------------------------------------- */

static bool never(void *context)
{
    (void)context;
    return false;
}

static long sleep_until(uint64_t deadline_ns)
{
    struct wait_queue nobody;
    wait_queue_init(&nobody);
    long result = wait_event_until(&nobody, never, NULL, deadline_ns);
    return result == -ETIMEDOUT ? 0 : result;
}

static long sleep_time_read(uint64_t user_time, uint64_t *ns)
{
    struct user_timespec time;
    if (copy_from_user(&time, user_time, sizeof(time)) != 0) {
        return -EFAULT;
    }
    if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= (int64_t)NS_PER_SECOND) {
        return -EINVAL;
    }
    *ns = MIN((uint64_t)time.seconds, SECONDS_MAX) * NS_PER_SECOND + (uint64_t)time.nanoseconds;
    return 0;
}

/* A signal ended a relative sleep: what is left goes back, and the call is not repeated. */
static long sleep_relative(uint64_t ns, uint64_t user_left)
{
    uint64_t end = clock_now_ns() + ns;
    long result = sleep_until(end);
    if (result == 0) {
        return 0;
    }
    uint64_t now = clock_now_ns();
    struct user_timespec left = timespec_of(end > now ? end - now : 0);
    if (user_left != 0 && copy_to_user(user_left, &left, sizeof(left)) != 0) {
        return -EFAULT;
    }
    return -EINTR;
}

long linux_nanosleep(uint64_t user_time, uint64_t user_left, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t ns;
    long result = sleep_time_read(user_time, &ns);
    return result != 0 ? result : sleep_relative(ns, user_left);
}

long linux_clock_nanosleep(uint64_t id, uint64_t flags, uint64_t user_time, uint64_t user_left,
                           uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    uint64_t ns;
    if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC && id != CLOCK_BOOTTIME) {
        return -EINVAL;
    }
    long result = sleep_time_read(user_time, &ns);
    if (result != 0) {
        return result;
    }
    if (!(flags & TIMER_ABSTIME)) {
        return sleep_relative(ns, user_left);
    }
    if (id == CLOCK_REALTIME) {
        uint64_t offset = clock_wall_ns() - clock_now_ns();
        ns = ns > offset ? ns - offset : 0;
    }
    return ns <= clock_now_ns() ? 0 : sleep_until(ns);
}
