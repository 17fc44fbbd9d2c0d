#include "linux/proc/limit.h"

#include "linux/core/errno.h"

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
