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
    int64_t others[11]; /* pages of kinds, faults, swaps, blocks, messages, signals */
    int64_t waits;
    int64_t turns_ended;
};
_Static_assert(sizeof(struct user_rusage) == 144, "struct rusage of the system calls");

void usage_add(struct resource_usage *to, const struct resource_usage *more)
{
    cpu_time_add(&to->cpu, &more->cpu);
    to->waits += more->waits;
    to->resident_pages = MAX(to->resident_pages, more->resident_pages);
}

struct resource_usage group_usage(const struct thread_group *group)
{
    struct resource_usage usage = group->ended_used;
    usage.cpu = group_cpu_time(group);
    for (const struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        usage.waits += task->waits;
    }
    return usage;
}

uint64_t usage_at_end(const struct task *task)
{
    mutex_lock(&tasks_lock);
    const struct thread_group *parent = task->group->parent;
    bool asks = parent != NULL && __atomic_load_n(&parent->asks_usage, __ATOMIC_RELAXED);
    mutex_unlock(&tasks_lock);
    return asks && task->mm != NULL ? mm_resident_peak(task->mm) : 0;
}

void usage_ask_children(void)
{
    __atomic_store_n(&task_current()->group->asks_usage, true, __ATOMIC_RELAXED);
}

long usage_to_user(uint64_t user_usage, const struct resource_usage *usage)
{
    const struct cpu_time *time = &usage->cpu;
    const struct user_rusage figures = {
        .user_seconds = (int64_t)(time->user_ns / NS_PER_SECOND),
        .user_microseconds = (int64_t)(time->user_ns % NS_PER_SECOND / 1000),
        .system_seconds = (int64_t)(time->system_ns / NS_PER_SECOND),
        .system_microseconds = (int64_t)(time->system_ns % NS_PER_SECOND / 1000),
        .resident_max_kib = (int64_t)(usage->resident_pages * (PAGE_SIZE / 1024)),
        .waits = (int64_t)usage->waits,
    };
    return copy_to_user(user_usage, &figures, sizeof(figures));
}

static struct cpu_time children_cpu_time(const struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    struct cpu_time time = group->children_used.cpu;
    mutex_unlock(&tasks_lock);
    return time;
}

long linux_getrusage(uint64_t who, uint64_t user_usage, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    const struct task *task = task_current();
    struct resource_usage usage = {.waits = task->waits};
    if ((int)who == RUSAGE_THREAD) {
        usage.cpu = thread_cpu_time(task->thread);
    } else if ((int)who == RUSAGE_SELF || (int)who == RUSAGE_CHILDREN) {
        mutex_lock(&tasks_lock);
        usage = (int)who == RUSAGE_SELF ? group_usage(task->group) : task->group->children_used;
        mutex_unlock(&tasks_lock);
    } else {
        return -EINVAL;
    }
    if ((int)who == RUSAGE_CHILDREN) {
        usage_ask_children();
    } else {
        usage.resident_pages = mm_resident_peak(task->mm);
    }
    return usage_to_user(user_usage, &usage);
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
