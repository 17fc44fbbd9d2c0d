#include "linux/event/mask.h"

#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/proc/task.h"

static void blocked_set(struct task *task, uint64_t mask)
{
    mutex_lock(&tasks_lock);
    task->blocked = mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
}

long mask_begin(uint64_t user_mask, uint64_t size_bytes, bool *changed)
{
    struct task *task = task_current();
    uint64_t mask;
    *changed = false;
    if (user_mask == 0) {
        return 0;
    }
    if (size_bytes != sizeof(mask)) {
        return -EINVAL;
    }
    if (copy_from_user(&mask, user_mask, sizeof(mask)) != 0) {
        return -EFAULT;
    }
    task->saved_blocked = task->blocked;
    blocked_set(task, mask);
    *changed = true;
    return 0;
}

void mask_end(bool changed, bool interrupted)
{
    struct task *task = task_current();
    if (!changed) {
        return;
    }
    if (!interrupted) {
        blocked_set(task, task->saved_blocked);
        return;
    }
    task->restore_blocked = true;
    /* Should another thread take the signal first, the mask is restored all the same. */
    __atomic_fetch_or(&task->work, WORK_RESTART, __ATOMIC_ACQ_REL);
}
