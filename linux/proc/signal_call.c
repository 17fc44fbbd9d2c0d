/* Actions, masks, and waiting for signals, as programs ask for them. */
#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/process_timers.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

long linux_rt_sigaction(uint64_t number, uint64_t user_new, uint64_t user_old, uint64_t size,
                        uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct task *task = task_current();
    struct signal_action action;
    if (size != 8 || number == 0 || number > SIGNALS ||
        (user_new != 0 && (number == SIGKILL || number == SIGSTOP))) {
        return -EINVAL;
    }
    if (user_new != 0 && copy_from_user(&action, user_new, sizeof(action)) != 0) {
        return -EFAULT;
    }
    mutex_lock(&tasks_lock);
    struct signal_action old = task->handlers->action[number - 1];
    if (user_new != 0) {
        action.mask &= ~SIGNALS_UNBLOCKABLE;
        task->handlers->action[number - 1] = action;
        task->handlers->set |= signal_bit((int)number);
        signal_drop_ignored(task, (int)number);
    }
    mutex_unlock(&tasks_lock);
    return user_old != 0 ? copy_to_user(user_old, &old, sizeof(old)) : 0;
}

static void mask_set(struct task *task, uint64_t mask)
{
    mutex_lock(&tasks_lock);
    task->blocked = mask & ~SIGNALS_UNBLOCKABLE;
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
}

long linux_rt_sigprocmask(uint64_t how, uint64_t user_set, uint64_t user_old, uint64_t size,
                          uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct task *task = task_current();
    uint64_t old = task->blocked;
    uint64_t set;
    if (size != 8) {
        return -EINVAL;
    }
    if (user_set != 0) {
        if (copy_from_user(&set, user_set, sizeof(set)) != 0) {
            return -EFAULT;
        }
        if (how > 2) {
            return -EINVAL;
        }
        mask_set(task, how == 0 ? old | set : how == 1 ? old & ~set : set);
    }
    return user_old != 0 ? copy_to_user(user_old, &old, sizeof(old)) : 0;
}

long linux_rt_sigpending(uint64_t user_set, uint64_t size, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    uint64_t set = (task->pending.set | task->group->pending.set) & task->blocked;
    return size > 8 ? -EINVAL : copy_to_user(user_set, &set, sizeof(set));
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static long pause_with(struct task *task)
{
    (void)task;
    struct wait_queue nothing;
    wait_queue_init(&nothing);
    (void)wait_event(&nothing, never, NULL);
    return -ERESTARTNOHAND;
}

long linux_rt_sigsuspend(uint64_t user_set, uint64_t size, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    uint64_t set;
    if (size != 8) {
        return -EINVAL;
    }
    if (copy_from_user(&set, user_set, sizeof(set)) != 0) {
        return -EFAULT;
    }
    task->saved_blocked = task->blocked;
    task->restore_blocked = true;
    mask_set(task, set);
    return pause_with(task);
}

struct signal_wait {
    struct task *task;
    uint64_t set;
    bool taken;
    struct signal_info info;
};

static bool signal_wait_look(void *context)
{
    struct signal_wait *wait = context;
    wait->taken = wait->taken || signal_take(wait->task, wait->set, &wait->info);
    return wait->taken;
}

/* What of the set is not blocked is, while the call waits, blocked as far as delivery goes. */
long linux_rt_sigtimedwait(uint64_t user_set, uint64_t user_info, uint64_t user_timeout,
                           uint64_t size, uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct task *task = task_current();
    struct signal_wait wait = {.task = task};
    int64_t timeout[2] = {0, 0}; /* seconds, nanoseconds */
    if (size != 8) {
        return -EINVAL;
    }
    if (copy_from_user(&wait.set, user_set, sizeof(wait.set)) != 0 ||
        (user_timeout != 0 && copy_from_user(timeout, user_timeout, sizeof(timeout)) != 0)) {
        return -EFAULT;
    }
    if (timeout[0] < 0 || timeout[1] < 0 || timeout[1] >= 1000000000) {
        return -EINVAL;
    }
    wait.set &= ~SIGNALS_UNBLOCKABLE;
    uint64_t deadline = DEADLINE_NEVER;
    if (user_timeout != 0 && timeout[0] < INT64_MAX / 2000000000) {
        deadline = clock_now_ns() + (uint64_t)timeout[0] * 1000000000ull + (uint64_t)timeout[1];
    }
    struct wait_queue nothing; /* whoever sends an awaited signal pokes the task */
    wait_queue_init(&nothing);
    uint64_t blocked = task->blocked;
    task->awaited = wait.set;
    mask_set(task, blocked | wait.set);
    long result = wait_event_first(&nothing, signal_wait_look, &wait, deadline);
    mutex_lock(&tasks_lock);
    task->awaited = 0;
    mutex_unlock(&tasks_lock);
    mask_set(task, blocked);
    if (!wait.taken) {
        return result == -ETIMEDOUT ? -EAGAIN : -EINTR;
    }
    posix_timer_taken(&wait.info);
    if (user_info != 0 && signal_info_to_user(user_info, &wait.info) != 0) {
        return -EFAULT;
    }
    return wait.info.number;
}

long linux_pause(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return pause_with(task_current());
}

/* What an interrupted call goes on with. Called out of turn there is nothing. */
long linux_restart_syscall(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct restart restart = task_current()->restart;
    task_current()->restart.again = NULL;
    return restart.again == NULL ? -EINTR : restart.again(&restart);
}
