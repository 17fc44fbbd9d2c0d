#include "linux/proc/limit.h"

#include "linux/core/errno.h"
#include "linux/proc/table.h"

bool limit_tasks_exceeded(uint32_t uncounted)
{
    uint64_t limit = limit_now(RLIMIT_NPROC);
    uint32_t uid = task_current()->credentials->uid;
    if (limit >= PID_MAX || uid == 0) {
        return false;
    }
    mutex_lock(&tasks_lock);
    uint32_t count = table_count_user(uid);
    mutex_unlock(&tasks_lock);
    return count > limit + uncounted;
}

long limit_file_exceeded(void)
{
    struct task *task = task_current();
    const struct signal_info info = {
        .number = SIGXFSZ, .code = SI_USER, .pid = task->group->pid, .uid = task->credentials->uid};
    mutex_lock(&tasks_lock);
    signal_send_task(task, &info);
    mutex_unlock(&tasks_lock);
    return -EFBIG;
}
