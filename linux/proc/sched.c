/*
 * sched(7): the calls that set and show scheduling policies, priorities, nice values and CPUs, for
 * one task or for those of a process group or user. What they set belongs to the task and is under
 * tasks_lock.
 */
#include "linux/proc/sched.h"

#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"

#define PRIORITY_MAX  99u
#define NICE_LOWEST   (-20)
#define NICE_HIGHEST  19
#define RESET_ON_FORK 0x40000000u
#define KEEP_POLICY   UINT32_MAX

#define UNUSED_FROM_B (void)b, (void)c, (void)d, (void)e, (void)f
#define UNUSED_FROM_C (void)c, (void)d, (void)e, (void)f
#define UNUSED_FROM_D (void)d, (void)e, (void)f

void scheduling_inherit(struct scheduling *child, const struct scheduling *from)
{
    *child = *from;
    if (!from->reset_on_fork) {
        return;
    }
    child->reset_on_fork = false;
    if (from->policy == POLICY_FIFO || from->policy == POLICY_RR) {
        child->policy = POLICY_OTHER;
        child->priority = 0;
        child->nice = 0;
    } else if (child->nice < 0) {
        child->nice = 0;
    }
}

uint64_t scheduling_cpus(const struct scheduling *scheduling)
{
    uint32_t cpus = cpu_count();
    return (cpus >= 64 ? UINT64_MAX : (1ull << cpus) - 1) & ~scheduling->excluded_cpus;
}

/* --- who may ---------------------------------------------------------------------------------- */

static bool privileged(void)
{
    return task_capable(CAP_SYS_NICE);
}

/* Under tasks_lock. */
static bool owns(const struct task *task)
{
    const struct credentials *own = task_current()->credentials;
    return task == task_current() || privileged() || own->euid == task->credentials->euid ||
           own->euid == task->credentials->uid;
}

/* 0: ourselves. Under tasks_lock. */
static struct task *task_wanted(uint64_t tid)
{
    return tid == 0 ? task_current() : task_find((int)tid);
}

static bool may_be_nice(int nice, int now)
{
    return nice >= now || privileged() || limit_now(RLIMIT_NICE) >= (uint64_t)(20 - nice);
}

static bool is_real_time(uint32_t policy)
{
    return policy == POLICY_FIFO || policy == POLICY_RR;
}

/* sched_setscheduler(2), "Privileges and resource limits". Under tasks_lock. */
static bool may_schedule(const struct task *task, const struct scheduling *wanted)
{
    const struct scheduling *now = &task->scheduling;
    if (!owns(task)) {
        return false;
    }
    if (privileged()) {
        return true;
    }
    if (is_real_time(wanted->policy)) {
        uint64_t limit = limit_now(RLIMIT_RTPRIO);
        if ((wanted->policy != now->policy && limit == 0) ||
            (wanted->priority > now->priority && wanted->priority > limit)) {
            return false;
        }
    }
    bool leaves_idle = now->policy == POLICY_IDLE && wanted->policy != POLICY_IDLE;
    return (!leaves_idle || limit_now(RLIMIT_NICE) >= (uint64_t)(20 - now->nice)) &&
           may_be_nice(wanted->nice, now->nice) && (wanted->reset_on_fork || !now->reset_on_fork);
}

/* --- policy and priority ---------------------------------------------------------------------- */

static long policy_check(const struct scheduling *wanted)
{
    switch (wanted->policy) {
    case POLICY_FIFO:
    case POLICY_RR:
        return wanted->priority >= 1 && wanted->priority <= PRIORITY_MAX ? 0 : -EINVAL;
    case POLICY_OTHER:
    case POLICY_BATCH:
    case POLICY_IDLE:
        return wanted->priority == 0 ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* KEEP_POLICY: as it is. The nice value is changed if `nice` is not NULL. */
static long scheduling_change(uint64_t tid, uint32_t policy, uint32_t priority, bool reset_on_fork,
                              const int32_t *nice)
{
    mutex_lock(&tasks_lock);
    struct task *task = task_wanted(tid);
    long result = task == NULL ? -ESRCH : 0;
    if (result == 0) {
        struct scheduling wanted = task->scheduling;
        wanted.priority = priority;
        if (policy != KEEP_POLICY) {
            wanted.policy = policy;
            wanted.reset_on_fork = reset_on_fork;
        }
        wanted.nice = nice == NULL ? wanted.nice : *nice;
        result = policy_check(&wanted);
        if (result == 0 && !may_schedule(task, &wanted)) {
            result = -EPERM;
        }
        if (result == 0) {
            task->scheduling = wanted;
        }
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static long scheduling_of(uint64_t tid, struct scheduling *out)
{
    if ((int)tid < 0) {
        return -EINVAL;
    }
    mutex_lock(&tasks_lock);
    const struct task *task = task_wanted(tid);
    if (task != NULL) {
        *out = task->scheduling;
    }
    mutex_unlock(&tasks_lock);
    return task == NULL ? -ESRCH : 0;
}

long linux_sched_setscheduler(uint64_t tid, uint64_t policy, uint64_t user_priority, uint64_t d,
                              uint64_t e, uint64_t f)
{
    UNUSED_FROM_D;
    uint32_t priority;
    if ((int)tid < 0 || (int)policy < 0 || user_priority == 0) {
        return -EINVAL;
    }
    if (copy_from_user(&priority, user_priority, sizeof(priority)) != 0) {
        return -EFAULT;
    }
    return scheduling_change(tid, (uint32_t)policy & ~RESET_ON_FORK, priority,
                             (policy & RESET_ON_FORK) != 0, NULL);
}

long linux_sched_setparam(uint64_t tid, uint64_t user_priority, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    UNUSED_FROM_C;
    uint32_t priority;
    if ((int)tid < 0 || user_priority == 0) {
        return -EINVAL;
    }
    if (copy_from_user(&priority, user_priority, sizeof(priority)) != 0) {
        return -EFAULT;
    }
    return scheduling_change(tid, KEEP_POLICY, priority, false, NULL);
}

long linux_sched_getscheduler(uint64_t tid, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                              uint64_t f)
{
    UNUSED_FROM_B;
    struct scheduling now;
    long result = scheduling_of(tid, &now);
    return result != 0 ? result : (long)(now.policy | (now.reset_on_fork ? RESET_ON_FORK : 0));
}

long linux_sched_getparam(uint64_t tid, uint64_t user_priority, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    UNUSED_FROM_C;
    struct scheduling now;
    long result = user_priority == 0 ? -EINVAL : scheduling_of(tid, &now);
    return result != 0 ? result : put_user_u32(user_priority, now.priority);
}

long linux_sched_get_priority_max(uint64_t policy, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                  uint64_t f)
{
    UNUSED_FROM_B;
    bool known = policy <= POLICY_DEADLINE && policy != 4;
    return !known ? -EINVAL : is_real_time((uint32_t)policy) ? (long)PRIORITY_MAX : 0;
}

long linux_sched_get_priority_min(uint64_t policy, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                  uint64_t f)
{
    UNUSED_FROM_B;
    bool known = policy <= POLICY_DEADLINE && policy != 4;
    return !known ? -EINVAL : is_real_time((uint32_t)policy);
}

/* What Linux calls RR_TIMESLICE; the kernel's own turns are shorter. */
#define ROUND_ROBIN_NS 100000000
#define FAIR_NS        4000000

long linux_sched_rr_get_interval(uint64_t tid, uint64_t user_interval, uint64_t c, uint64_t d,
                                 uint64_t e, uint64_t f)
{
    UNUSED_FROM_C;
    struct scheduling now;
    long result = scheduling_of(tid, &now);
    if (result != 0) {
        return result;
    }
    const int64_t interval[2] = {0, now.policy == POLICY_RR     ? ROUND_ROBIN_NS
                                    : now.policy == POLICY_FIFO ? 0
                                                                : FAIR_NS};
    return copy_to_user(user_interval, interval, sizeof(interval));
}

/* --- sched_attr ------------------------------------------------------------------------------- */

struct user_sched_attr {
    uint32_t size_bytes;
    uint32_t policy;
    uint64_t flags; /* 1: reset on fork */
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of POLICY_DEADLINE, as the next two */
    uint64_t deadline_ns;
    uint64_t period_ns;
    uint32_t utilisation_min;
    uint32_t utilisation_max;
};

#define ATTR_BYTES_FIRST 48u /* the structure's first version */

long linux_sched_setattr(uint64_t tid, uint64_t user_attr, uint64_t flags, uint64_t d, uint64_t e,
                         uint64_t f)
{
    UNUSED_FROM_D;
    struct user_sched_attr attr;
    uint32_t size;
    if (user_attr == 0 || (int)tid < 0 || flags != 0) {
        return -EINVAL;
    }
    if (copy_from_user(&size, user_attr, sizeof(size)) != 0) {
        return -EFAULT;
    }
    size = size == 0 ? ATTR_BYTES_FIRST : size;
    if (size < ATTR_BYTES_FIRST || size > sizeof(attr)) {
        (void)put_user_u32(user_attr, sizeof(attr));
        return -E2BIG;
    }
    memset(&attr, 0, sizeof(attr));
    if (copy_from_user(&attr, user_attr, size) != 0) {
        return -EFAULT;
    }
    if ((int)attr.policy < 0 || attr.flags > 1) {
        return -EINVAL;
    }
    if (attr.policy == POLICY_DEADLINE) {
        return -EPERM;
    }
    int32_t nice = MAX(NICE_LOWEST, MIN(attr.nice, NICE_HIGHEST));
    return scheduling_change(tid, attr.policy, attr.priority, attr.flags == 1,
                             is_real_time(attr.policy) ? NULL : &nice);
}

long linux_sched_getattr(uint64_t tid, uint64_t user_attr, uint64_t size, uint64_t flags,
                         uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct scheduling now;
    if (user_attr == 0 || (int)tid < 0 || size < ATTR_BYTES_FIRST || size > PAGE_SIZE ||
        flags != 0) {
        return -EINVAL;
    }
    long result = scheduling_of(tid, &now);
    if (result != 0) {
        return result;
    }
    uint32_t bytes = (uint32_t)MIN(size, sizeof(struct user_sched_attr));
    const struct user_sched_attr attr = {
        .size_bytes = bytes,
        .policy = now.policy,
        .flags = now.reset_on_fork,
        .nice = is_real_time(now.policy) ? 0 : now.nice,
        .priority = now.priority,
        .utilisation_max = 1024,
    };
    return copy_to_user(user_attr, &attr, bytes);
}

/* --- nice values ------------------------------------------------------------------------------ */

#define PRIO_PROCESS 0
#define PRIO_PGRP    1
#define PRIO_USER    2

struct nice_request {
    uint64_t which;
    uint64_t who;
    const int *nice; /* NULL: only asks */
    int lowest;      /* of those that were met */
    long result;
};

static void nice_visit(struct nice_request *request, struct task *task)
{
    struct scheduling *scheduling = &task->scheduling;
    if (request->result == -ESRCH) {
        request->result = 0;
    }
    if (request->nice != NULL) {
        if (!owns(task)) {
            request->result = -EPERM;
        } else if (!may_be_nice(*request->nice, scheduling->nice)) {
            request->result = -EACCES;
        } else {
            scheduling->nice = *request->nice;
        }
    }
    request->lowest = MIN(request->lowest, scheduling->nice);
}

static void nice_visit_group(struct thread_group *group, void *context)
{
    struct nice_request *request = context;
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        bool wanted = request->which == PRIO_PGRP ? group->process_group == (int)request->who
                                                  : task->credentials->uid == request->who;
        if (wanted) {
            nice_visit(request, task);
        }
    }
}

static long nice_serve(struct nice_request *request)
{
    const struct task *self = task_current();
    if (request->which > PRIO_USER) {
        return -EINVAL;
    }
    request->lowest = NICE_HIGHEST;
    request->result = -ESRCH;
    mutex_lock(&tasks_lock);
    if (request->which == PRIO_PROCESS) {
        struct task *task = task_wanted(request->who);
        if (task != NULL) {
            nice_visit(request, task);
        }
    } else {
        if (request->who == 0) {
            request->who = request->which == PRIO_PGRP ? (uint64_t)self->group->process_group
                                                       : self->credentials->uid;
        }
        task_for_each_group(nice_visit_group, request);
    }
    mutex_unlock(&tasks_lock);
    return request->result;
}

/* 20 - nice: a result below zero would be an error. */
long linux_getpriority(uint64_t which, uint64_t who, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_C;
    struct nice_request request = {.which = which, .who = (uint32_t)who};
    long result = nice_serve(&request);
    return result != 0 ? result : 20 - request.lowest;
}

long linux_setpriority(uint64_t which, uint64_t who, uint64_t user_nice, uint64_t d, uint64_t e,
                       uint64_t f)
{
    UNUSED_FROM_D;
    int nice = MAX(NICE_LOWEST, MIN((int)user_nice, NICE_HIGHEST));
    struct nice_request request = {.which = which, .who = (uint32_t)who, .nice = &nice};
    return nice_serve(&request);
}

/* --- priorities of input and output ----------------------------------------------------------- */

#define IO_WHO_PROCESS  1
#define IO_WHO_USER     3
#define IO_CLASS_SHIFT  13
#define IO_CLASS_REAL   1
#define IO_CLASS_IDLE   3
#define IO_LEVELS       8
#define IO_DEFAULT_RANK 4

/* Of one process; its group or user is taken to be alone. */
long linux_ioprio_set(uint64_t which, uint64_t who, uint64_t priority, uint64_t d, uint64_t e,
                      uint64_t f)
{
    UNUSED_FROM_D;
    uint32_t class = (uint32_t)priority >> IO_CLASS_SHIFT & 7;
    uint32_t level = (uint32_t)priority & ((1u << IO_CLASS_SHIFT) - 1);
    if (which < IO_WHO_PROCESS || which > IO_WHO_USER || class > IO_CLASS_IDLE ||
        level >= IO_LEVELS || (class == 0 && level != 0)) {
        return -EINVAL;
    }
    if (class == IO_CLASS_REAL && !privileged()) {
        return -EPERM;
    }
    mutex_lock(&tasks_lock);
    struct task *task = which == IO_WHO_PROCESS ? task_wanted(who) : task_current();
    long result = task == NULL ? -ESRCH : owns(task) ? 0 : -EPERM;
    if (result == 0) {
        task->scheduling.io_priority = (uint32_t)priority;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_ioprio_get(uint64_t which, uint64_t who, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_C;
    struct scheduling now;
    if (which < IO_WHO_PROCESS || which > IO_WHO_USER) {
        return -EINVAL;
    }
    long result = scheduling_of(which == IO_WHO_PROCESS ? who : 0, &now);
    if (result != 0) {
        return result;
    }
    return now.io_priority != 0 ? (long)now.io_priority : IO_DEFAULT_RANK;
}

/* --- CPUs ------------------------------------------------------------------------------------- */

long linux_sched_yield(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    (void)kernel_thread_yield();
    return 0;
}

long linux_sched_getaffinity(uint64_t tid, uint64_t size, uint64_t user_mask, uint64_t d,
                             uint64_t e, uint64_t f)
{
    UNUSED_FROM_D;
    struct scheduling now;
    if (size < sizeof(uint64_t) || size % sizeof(uint64_t) != 0) {
        return -EINVAL;
    }
    long result = (int)tid < 0 ? -ESRCH : scheduling_of(tid, &now);
    if (result != 0) {
        return result;
    }
    return put_user_u64(user_mask, scheduling_cpus(&now)) != 0 ? -EFAULT : (long)sizeof(uint64_t);
}

long linux_sched_setaffinity(uint64_t tid, uint64_t size, uint64_t user_mask, uint64_t d,
                             uint64_t e, uint64_t f)
{
    UNUSED_FROM_D;
    uint64_t mask = 0;
    if (copy_from_user(&mask, user_mask, MIN(size, sizeof(mask))) != 0) {
        return -EFAULT;
    }
    mutex_lock(&tasks_lock);
    struct task *task = task_wanted(tid);
    struct scheduling wanted = {.excluded_cpus = ~mask};
    long result = task == NULL                    ? -ESRCH
                  : !owns(task)                   ? -EPERM
                  : scheduling_cpus(&wanted) == 0 ? -EINVAL
                                                  : 0;
    if (result == 0) {
        task->scheduling.excluded_cpus = wanted.excluded_cpus;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_getcpu(uint64_t user_cpu, uint64_t user_node, uint64_t c, uint64_t d, uint64_t e,
                  uint64_t f)
{
    UNUSED_FROM_C;
    bool good = (user_cpu == 0 || put_user_u32(user_cpu, 0) == 0) &&
                (user_node == 0 || put_user_u32(user_node, 0) == 0);
    return good ? 0 : -EFAULT;
}
