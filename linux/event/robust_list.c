/* Robust lists: the futexes that a thread holds, for the case that it ends (set_robust_list(2)). */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/futex.h"
#include "linux/event/futex_wait.h"
#include "linux/proc/capability.h"

#define ROBUST_MAX      2048
#define ROBUST_PRIORITY 1u /* bit 0 of a pointer: a lock of futex_lock.c */

struct user_robust_head {
    uint64_t first;
    int64_t word_offset; /* from an entry to its futex */
    uint64_t pending;    /* an entry that is about to be put in or taken out; or 0 */
};

static bool word_release(const struct task *task, uint64_t address, bool pending)
{
    uint32_t old;
    if (address % 4 != 0 || copy_from_user(&old, address, sizeof(old)) != 0) {
        return false;
    }
    /* A pending one may have been given up already, but nobody woken. */
    if (pending && old == 0) {
        (void)futex_wake_address(task->mm, address, 1);
        return true;
    }
    while ((old & FUTEX_TID_MASK) == (uint32_t)task->tid) {
        uint32_t died = (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        long result = exchange_user_u32(address, &old, died);
        if (result < 0) {
            return false;
        }
        if (result == 1) {
            if (old & FUTEX_WAITERS) {
                (void)futex_wake_address(task->mm, address, 1);
            }
            return true;
        }
    }
    return true;
}

void robust_list_release(struct task *task)
{
    uint64_t head = task->robust_list;
    struct user_robust_head list;
    task->robust_list = 0;
    if (head == 0 || task->mm == NULL || copy_from_user(&list, head, sizeof(list)) != 0) {
        return;
    }
    uint64_t pending = list.pending & ~(uint64_t)ROBUST_PRIORITY;
    uint64_t entry = list.first & ~(uint64_t)ROBUST_PRIORITY;
    for (int i = 0; i < ROBUST_MAX && entry != head; i++) {
        uint64_t next;
        bool more = copy_from_user(&next, entry, sizeof(next)) == 0;
        if (entry != pending && !word_release(task, entry + (uint64_t)list.word_offset, false)) {
            return;
        }
        if (!more) {
            return;
        }
        entry = next & ~(uint64_t)ROBUST_PRIORITY;
    }
    if (pending != 0) {
        (void)word_release(task, pending + (uint64_t)list.word_offset, true);
    }
}

long linux_set_robust_list(uint64_t head, uint64_t length, uint64_t c, uint64_t d, uint64_t e,
                           uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if (length != sizeof(struct user_robust_head)) {
        return -EINVAL;
    }
    task_current()->robust_list = head;
    return 0;
}

long linux_get_robust_list(uint64_t tid, uint64_t user_head, uint64_t user_length, uint64_t d,
                           uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    const struct task *self = task_current();
    mutex_lock(&tasks_lock);
    const struct task *task = tid == 0 ? self : task_find((int)tid);
    long result = task == NULL ? -ESRCH : task_may_access(task, ACCESS_BY_REAL) ? 0 : -EPERM;
    uint64_t head = result == 0 ? task->robust_list : 0;
    mutex_unlock(&tasks_lock);
    if (result != 0) {
        return result;
    }
    return put_user_u64(user_length, sizeof(struct user_robust_head)) == 0 &&
                   put_user_u64(user_head, head) == 0
               ? 0
               : -EFAULT;
}
