/* What processes have used: getrusage(2), times(2). */
#include "linux/proc/usage.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/time.h"
#include "linux/mm/mm.h"
#include "linux/proc/task.h"

#define NS_PER_TICK 10000000ull /* CLK_TCK is 100 */

#define RUSAGE_SELF     0
#define RUSAGE_CHILDREN (-1)
#define RUSAGE_THREAD   1

struct user_rusage {
    int64_t user_seconds;
    int64_t user_microseconds;
    int64_t system_seconds;
    int64_t system_microseconds;
    int64_t resident_max_kib;
    int64_t others[13];
};
_Static_assert(sizeof(struct user_rusage) == 144, "struct rusage of the system calls");

long usage_to_user(uint64_t user_usage, const struct cpu_time *time, uint64_t resident_pages)
{
    const struct user_rusage usage = {
        .user_seconds = (int64_t)(time->user_ns / NS_PER_SECOND),
        .user_microseconds = (int64_t)(time->user_ns % NS_PER_SECOND / 1000),
        .system_seconds = (int64_t)(time->system_ns / NS_PER_SECOND),
        .system_microseconds = (int64_t)(time->system_ns % NS_PER_SECOND / 1000),
        .resident_max_kib = (int64_t)(resident_pages * (PAGE_SIZE / 1024)),
    };
    return copy_to_user(user_usage, &usage, sizeof(usage));
}

static struct cpu_time children_cpu_time(const struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    struct cpu_time time = group->children_cpu;
    mutex_unlock(&tasks_lock);
    return time;
}

long linux_getrusage(uint64_t who, uint64_t user_usage, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    const struct task *task = task_current();
    struct cpu_time time;
    uint64_t resident_pages = (int)who == RUSAGE_CHILDREN ? 0 : mm_resident_peak(task->mm);
    switch ((int)who) {
    case RUSAGE_SELF:
        time = process_cpu_time(task->group);
        break;
    case RUSAGE_CHILDREN:
        time = children_cpu_time(task->group);
        break;
    case RUSAGE_THREAD:
        time = thread_cpu_time(task->thread);
        break;
    default:
        return -EINVAL;
    }
    return usage_to_user(user_usage, &time, resident_pages);
}

long linux_times(uint64_t user_times, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    const struct thread_group *group = task_current()->group;
    struct cpu_time own = process_cpu_time(group);
    struct cpu_time children = children_cpu_time(group);
    const int64_t times[4] = {
        (int64_t)(own.user_ns / NS_PER_TICK), (int64_t)(own.system_ns / NS_PER_TICK),
        (int64_t)(children.user_ns / NS_PER_TICK), (int64_t)(children.system_ns / NS_PER_TICK)};
    if (user_times != 0 && copy_to_user(user_times, times, sizeof(times)) != 0) {
        return -EFAULT;
    }
    return (long)(clock_now_ns() / NS_PER_TICK);
}
