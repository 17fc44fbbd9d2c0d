/*
 * alarm and the real interval timer: SIGALRM at a time. One thread of the personality waits for the
 * earliest of all; it is made when the first timer is set, so a container without timers has none.
 *
 * Alarm times lie in thread groups, under tasks_lock. The thread is nobody's task: it takes the
 * lock, sends what is due and parks until the next.
 */
#include "linux/proc/task.h"

#include "abi/container.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/wait.h"

#define ITIMER_REAL   0
#define ITIMER_PROF   2
#define NS_PER_SECOND 1000000000ull
#define SECONDS_MAX   (1ull << 33)
/* A shorter interval would have the timer's thread do nothing else. */
#define INTERVAL_MIN_NS 100000ull

static struct {
    uint32_t thread; /* slot; 0: none yet. Under tasks_lock */
} timer;

static void alarm_visit(struct thread_group *group, void *context)
{
    uint64_t *next = context;
    uint64_t now = clock_now_ns();
    if (group->alarm_ns == 0) {
        return;
    }
    if (group->alarm_ns <= now) {
        const struct signal_info info = {.number = SIGALRM, .code = SI_KERNEL};
        signal_send_group(group, &info);
        uint64_t interval = group->alarm_interval_ns;
        group->alarm_ns = interval == 0 ? 0 : MAX(group->alarm_ns + interval, now + interval / 2);
    }
    if (group->alarm_ns != 0) {
        *next = MIN(*next, group->alarm_ns);
    }
}

static _Noreturn void timer_run(void)
{
    for (;;) {
        uint64_t next = DEADLINE_NEVER;
        mutex_lock(&tasks_lock);
        task_for_each_group(alarm_visit, &next);
        mutex_unlock(&tasks_lock);
        (void)kernel_thread_park(next, PARK_UNINTERRUPTIBLE);
    }
}

/* Under tasks_lock, which stands above what making a thread takes. */
static long timer_thread_wake(void)
{
    if (timer.thread != 0) {
        (void)kernel_thread_unpark(timer.thread);
        return 0;
    }
    uint32_t thread;
    struct thread_frame *frame;
    long result = thread_new(NULL, 0, &thread, &frame);
    if (result == 0) {
        if (kernel_thread_start(thread, SLOT_NONE, (uint64_t)(uintptr_t)timer_run, 0) !=
            STATUS_OK) {
            personality_panic("timer: the thread does not start");
        }
        timer.thread = thread;
    }
    return result;
}

/* The old setting's rest, and its interval. */
static long alarm_set(uint64_t in_ns, uint64_t interval_ns, uint64_t *left_ns,
                      uint64_t *old_interval)
{
    struct thread_group *group = task_current()->group;
    uint64_t now = clock_now_ns();
    long result = 0;
    mutex_lock(&tasks_lock);
    *left_ns = group->alarm_ns == 0 ? 0 : MAX(group->alarm_ns, now + 1) - now;
    *old_interval = group->alarm_interval_ns;
    if (in_ns != 0) {
        result = timer_thread_wake();
    }
    if (result == 0) {
        group->alarm_ns = in_ns == 0 ? 0 : now + in_ns;
        group->alarm_interval_ns = interval_ns == 0 ? 0 : MAX(interval_ns, INTERVAL_MIN_NS);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_alarm(uint64_t seconds, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    uint64_t left_ns;
    uint64_t interval_ns;
    (void)alarm_set((uint32_t)seconds * NS_PER_SECOND, 0, &left_ns, &interval_ns);
    return (long)((left_ns + NS_PER_SECOND - 1) / NS_PER_SECOND);
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

static struct user_itimer itimer_of(uint64_t value_ns, uint64_t interval_ns)
{
    return (struct user_itimer){
        (int64_t)(interval_ns / NS_PER_SECOND), (int64_t)(interval_ns % NS_PER_SECOND / 1000),
        (int64_t)(value_ns / NS_PER_SECOND), (int64_t)(value_ns % NS_PER_SECOND / 1000)};
}

long linux_setitimer(uint64_t which, uint64_t user_new, uint64_t user_old, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct user_itimer new = {0, 0, 0, 0};
    if (which != ITIMER_REAL) {
        return which <= ITIMER_PROF ? -ENOSYS : -EINVAL;
    }
    if (user_new != 0 && copy_from_user(&new, user_new, sizeof(new)) != 0) {
        return -EFAULT;
    }
    if (!time_good(new.interval_seconds, new.interval_microseconds) ||
        !time_good(new.value_seconds, new.value_microseconds)) {
        return -EINVAL;
    }
    uint64_t left_ns;
    uint64_t interval_ns;
    long result =
        alarm_set(time_ns(new.value_seconds, new.value_microseconds),
                  time_ns(new.interval_seconds, new.interval_microseconds), &left_ns, &interval_ns);
    struct user_itimer old = itimer_of(left_ns, interval_ns);
    return result != 0 || user_old == 0 ? result : copy_to_user(user_old, &old, sizeof(old));
}

long linux_getitimer(uint64_t which, uint64_t user_value, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if (which > ITIMER_PROF) {
        return -EINVAL;
    }
    const struct thread_group *group = task_current()->group;
    uint64_t now = clock_now_ns();
    mutex_lock(&tasks_lock);
    uint64_t left_ns = group->alarm_ns > now ? group->alarm_ns - now : 0;
    uint64_t interval_ns = group->alarm_interval_ns;
    mutex_unlock(&tasks_lock);
    struct user_itimer value = itimer_of(which == ITIMER_REAL ? left_ns : 0, interval_ns);
    return copy_to_user(user_value, &value, sizeof(value));
}
