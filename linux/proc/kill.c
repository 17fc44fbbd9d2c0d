/*
 * Sending signals: kill, tkill, tgkill, and the two that queue a value; and who may send them
 * (kill(2), rt_sigqueueinfo(2)). Everything that is looked up is used under tasks_lock.
 */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/proc/capability.h"
#include "linux/proc/pidfd.h"

static void info_of_caller(struct signal_info *info, const struct task *task, int number, int code)
{
    *info = (struct signal_info){
        .number = number, .code = code, .pid = task->group->pid, .uid = task->credentials->uid};
}

/* A process that has ended keeps the users of its last task. */
static bool may_send(const struct task *sender, const struct thread_group *group, int number)
{
    const struct credentials *from = sender->credentials;
    uint32_t real = group->last_uid;
    uint32_t saved = group->last_suid;
    if (group->tasks != NULL) {
        real = group->tasks->credentials->uid;
        saved = group->tasks->credentials->suid;
    }
    return group == sender->group || task_capable(CAP_KILL) || from->euid == saved ||
           from->euid == real || from->uid == saved || from->uid == real ||
           (number == SIGCONT && group->session == sender->group->session);
}

/* Signal 0 only asks. */
static long group_send(struct thread_group *group, const struct signal_info *info)
{
    if (!may_send(task_current(), group, info->number)) {
        return -EPERM;
    }
    if (info->number != 0) {
        signal_send_group(group, info);
    }
    return 0;
}

/* Any thread's number stands for its process. */
static long process_send(int pid, const struct signal_info *info)
{
    struct thread_group *group = group_find(pid);
    if (group == NULL) {
        const struct task *task = task_find(pid);
        group = task == NULL ? NULL : task->group;
    }
    return group == NULL ? -ESRCH : group_send(group, info);
}

struct broadcast {
    const struct signal_info *info;
    int process_group; /* -1: everyone but the first process and the caller's */
    bool found;
    bool sent;
    long last;
};

static void broadcast_visit(struct thread_group *group, void *context)
{
    struct broadcast *broadcast = context;
    bool meant = broadcast->process_group == -1 ? group->pid != 1 && group != task_current()->group
                                                : group->process_group == broadcast->process_group;
    if (meant) {
        broadcast->found = true;
        broadcast->last = group_send(group, broadcast->info);
        broadcast->sent = broadcast->sent || broadcast->last == 0;
    }
}

static long broadcast(int process_group, const struct signal_info *info)
{
    struct broadcast broadcast = {.info = info, .process_group = process_group};
    task_for_each_group(broadcast_visit, &broadcast);
    if (!broadcast.found) {
        return -ESRCH;
    }
    return broadcast.sent || process_group == -1 ? 0 : broadcast.last;
}

long linux_kill(uint64_t pid_argument, uint64_t number, uint64_t c, uint64_t d, uint64_t e,
                uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    int pid = (int)pid_argument;
    if (number > SIGNALS) {
        return -EINVAL;
    }
    if (pid == INT32_MIN) {
        return -ESRCH;
    }
    struct signal_info info;
    info_of_caller(&info, task_current(), (int)number, SI_USER);
    mutex_lock(&tasks_lock);
    long result = pid > 0     ? process_send(pid, &info)
                  : pid == 0  ? broadcast(task_current()->group->process_group, &info)
                  : pid == -1 ? broadcast(-1, &info)
                              : broadcast(-pid, &info);
    mutex_unlock(&tasks_lock);
    return result;
}

void signal_broken_pipe(void)
{
    const struct signal_info info = {.number = SIGPIPE, .code = SI_KERNEL};
    mutex_lock(&tasks_lock);
    signal_send_task(task_current(), &info);
    mutex_unlock(&tasks_lock);
}

/* group_pid 0: of any process. */
static long thread_send(int group_pid, int tid, const struct signal_info *info)
{
    mutex_lock(&tasks_lock);
    struct task *target = task_find(tid);
    long result = 0;
    if (target == NULL || (group_pid != 0 && target->group->pid != group_pid)) {
        result = -ESRCH;
    } else if (!may_send(task_current(), target->group, info->number)) {
        result = -EPERM;
    } else if (info->number != 0) {
        signal_send_task(target, info);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_tkill(uint64_t tid, uint64_t number, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct signal_info info;
    if ((int)tid <= 0 || number > SIGNALS) {
        return -EINVAL;
    }
    info_of_caller(&info, task_current(), (int)number, SI_TKILL);
    return thread_send(0, (int)tid, &info);
}

long linux_tgkill(uint64_t pid, uint64_t tid, uint64_t number, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct signal_info info;
    if ((int)pid <= 0 || (int)tid <= 0 || number > SIGNALS) {
        return -EINVAL;
    }
    info_of_caller(&info, task_current(), (int)number, SI_TKILL);
    return thread_send((int)pid, (int)tid, &info);
}

/* What the caller says of a signal; it may pretend to be kernel or kill only to itself. */
static long info_read(struct signal_info *info, uint64_t user_info, int pid, uint64_t number)
{
    long result = signal_info_from_user(info, user_info);
    if (result != 0) {
        return result;
    }
    if (number > SIGNALS) {
        return -EINVAL;
    }
    info->number = (int)number;
    bool pretends = info->code >= 0 || info->code == SI_TKILL;
    return pretends && pid != task_current()->group->pid ? -EPERM : 0;
}

long linux_rt_sigqueueinfo(uint64_t pid, uint64_t number, uint64_t user_info, uint64_t d,
                           uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct signal_info info;
    long result = info_read(&info, user_info, (int)pid, number);
    if (result == 0) {
        mutex_lock(&tasks_lock);
        result = process_send((int)pid, &info);
        mutex_unlock(&tasks_lock);
    }
    return result;
}

static long handle_send(const struct process_handle *handle, const struct signal_info *info)
{
    mutex_lock(&tasks_lock);
    struct thread_group *group = process_handle_group(handle);
    long result = group == NULL ? -ESRCH : group_send(group, info);
    mutex_unlock(&tasks_lock);
    return result;
}

/* user_info 0: as by kill. Only to oneself may one pretend to be kernel or kill. */
static long pidfd_info(const struct process_handle *handle, uint64_t number, uint64_t user_info,
                       struct signal_info *info)
{
    if (number > SIGNALS) {
        return -EINVAL;
    }
    if (user_info == 0) {
        info_of_caller(info, task_current(), (int)number, SI_USER);
        return 0;
    }
    long result = signal_info_from_user(info, user_info);
    if (result == 0 && info->number != (int)number) {
        result = -EINVAL;
    }
    mutex_lock(&tasks_lock);
    bool ourselves = process_handle_group(handle) == task_current()->group;
    mutex_unlock(&tasks_lock);
    bool pretends = info->code >= 0 || info->code == SI_TKILL;
    return result == 0 && pretends && !ourselves ? -EPERM : result;
}

long linux_pidfd_send_signal(uint64_t fd, uint64_t number, uint64_t user_info, uint64_t flags,
                             uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct process_handle *handle;
    struct signal_info info;
    if ((uint32_t)flags != 0) {
        return -EINVAL;
    }
    long result = pidfd_or_proc_handle((int)fd, &handle);
    if (result == 0) {
        result = pidfd_info(handle, (uint32_t)number, user_info, &info);
        if (result == 0) {
            result = handle_send(handle, &info);
        }
        process_handle_put(handle);
    }
    return result;
}

long linux_rt_tgsigqueueinfo(uint64_t pid, uint64_t tid, uint64_t number, uint64_t user_info,
                             uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct signal_info info;
    long result = info_read(&info, user_info, (int)pid, number);
    if (result == 0 && ((int)pid <= 0 || (int)tid <= 0)) {
        result = -EINVAL;
    }
    return result != 0 ? result : thread_send((int)pid, (int)tid, &info);
}
