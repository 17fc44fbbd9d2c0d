/*
 * unshare(2): parts of a task that it shares with others become its own. There are no namespaces.
 */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/file/descriptor.h"
#include "linux/file/path.h"
#include "linux/proc/task.h"

#define CLONE_VM        0x00000100ull
#define CLONE_FS        0x00000200ull
#define CLONE_FILES     0x00000400ull
#define CLONE_SIGHAND   0x00000800ull
#define CLONE_THREAD    0x00010000ull
#define CLONE_SYSVSEM   0x00040000ull
#define CLONE_NEW_TIME  0x00000080ull
#define CLONE_NEW_OTHER 0x7e020000ull /* mount, cgroup, uts, ipc, user, pid, net */

static long fs_unshare(struct task *task)
{
    struct fs_context *own = fs_context_clone(task->fs);
    if (own == NULL) {
        return -ENOMEM;
    }
    struct fs_context *shared = task->fs;
    mutex_lock(&tasks_lock);
    task->fs = own;
    mutex_unlock(&tasks_lock);
    fs_context_put(shared);
    return 0;
}

long linux_unshare(uint64_t flags, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    const uint64_t spaces = CLONE_NEW_TIME | CLONE_NEW_OTHER;
    const uint64_t memory = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    if (flags & ~(spaces | memory | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)) {
        return -EINVAL;
    }
    if (flags & spaces) {
        return -EPERM;
    }
    /* A process of one thread shares these with nobody; one of more cannot part with them. */
    if (flags & memory && __atomic_load_n(&task->group->task_count, __ATOMIC_RELAXED) > 1) {
        return -EINVAL;
    }
    long result = flags & CLONE_FS ? fs_unshare(task) : 0;
    return result == 0 && flags & CLONE_FILES ? file_table_unshare() : result;
}
