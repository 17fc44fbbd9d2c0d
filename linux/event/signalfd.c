/*
 * A signal tells the signalfds that its process has used: whoever reads or polls one enters it into
 * his process's list by a `use`, which goes with the process or with the signalfd. Who waits there
 * looks for himself. All of it is under list_lock, which comes after tasks_lock and before the wait
 * queues.
 */
#include "linux/event/signalfd.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/process_timers.h"
#include "linux/file/anonymous.h"
#include "linux/file/descriptor.h"
#include "linux/proc/task.h"

struct signalfd {
    struct signalfd_use *uses;
    const struct thread_group *last_user; /* atomic: has an entry; NULL: not known */
    uint64_t mask;                        /* atomic */
    struct wait_queue wait;
};

struct signalfd_use {
    struct signalfd *signalfd;
    struct thread_group *group;
    struct signalfd_use *next_of_group;
    struct signalfd_use **link_of_group;
    struct signalfd_use *next_of_signalfd;
    struct signalfd_use **link_of_signalfd;
};

struct user_signalfd { /* struct signalfd_siginfo */
    uint32_t number;
    int32_t error;
    int32_t code;
    uint32_t pid;
    uint32_t uid;
    int32_t fd;
    uint32_t timer;
    uint32_t band;
    uint32_t overrun;
    uint32_t trap_number;
    int32_t status;
    int32_t value_int;
    uint64_t value;
    uint64_t user_time;
    uint64_t system_time;
    uint64_t address;
    uint8_t padding[48];
};
_Static_assert(sizeof(struct user_signalfd) == 128, "struct signalfd_siginfo");

static struct mutex list_lock;

void signalfds_tell(struct thread_group *group, int number)
{
    if (__atomic_load_n(&group->signalfds, __ATOMIC_ACQUIRE) == NULL) {
        return;
    }
    mutex_lock(&list_lock);
    for (struct signalfd_use *use = group->signalfds; use != NULL; use = use->next_of_group) {
        if (__atomic_load_n(&use->signalfd->mask, __ATOMIC_RELAXED) & signal_bit(number)) {
            wait_queue_wake(&use->signalfd->wait, WAIT_POLLIN);
        }
    }
    mutex_unlock(&list_lock);
}

/* --- who uses it, under list_lock ---------------------------------------------------------------
 */

static void use_enter(struct signalfd_use *use)
{
    use->next_of_group = use->group->signalfds;
    use->link_of_group = &use->group->signalfds;
    if (use->next_of_group != NULL) {
        use->next_of_group->link_of_group = &use->next_of_group;
    }
    use->next_of_signalfd = use->signalfd->uses;
    use->link_of_signalfd = &use->signalfd->uses;
    if (use->next_of_signalfd != NULL) {
        use->next_of_signalfd->link_of_signalfd = &use->next_of_signalfd;
    }
    use->signalfd->uses = use;
    __atomic_store_n(&use->group->signalfds, use, __ATOMIC_RELEASE);
}

static void use_free(struct signalfd_use *use)
{
    *use->link_of_group = use->next_of_group;
    if (use->next_of_group != NULL) {
        use->next_of_group->link_of_group = use->link_of_group;
    }
    *use->link_of_signalfd = use->next_of_signalfd;
    if (use->next_of_signalfd != NULL) {
        use->next_of_signalfd->link_of_signalfd = use->link_of_signalfd;
    }
    heap_free(use);
}

static bool has_use(const struct signalfd *signalfd, const struct thread_group *group)
{
    const struct signalfd_use *use = signalfd->uses;
    while (use != NULL && use->group != group) {
        use = use->next_of_signalfd;
    }
    return use != NULL;
}

/* Without the lock: the current process is told from now on. -ENOMEM. */
static long use_begin(struct signalfd *signalfd)
{
    struct thread_group *group = task_current()->group;
    if (__atomic_load_n(&signalfd->last_user, __ATOMIC_ACQUIRE) == group) {
        return 0;
    }
    struct signalfd_use *use = heap_alloc(sizeof(*use));
    mutex_lock(&list_lock);
    bool known = has_use(signalfd, group);
    if (!known && use != NULL) {
        *use = (struct signalfd_use){.signalfd = signalfd, .group = group};
        use_enter(use);
    }
    bool entered = known || use != NULL;
    if (entered) {
        __atomic_store_n(&signalfd->last_user, group, __ATOMIC_RELEASE);
    }
    mutex_unlock(&list_lock);
    if (known) {
        heap_free(use);
    }
    return entered ? 0 : -ENOMEM;
}

void signalfds_forget(struct thread_group *group)
{
    if (__atomic_load_n(&group->signalfds, __ATOMIC_ACQUIRE) == NULL) {
        return;
    }
    mutex_lock(&list_lock);
    while (group->signalfds != NULL) {
        /* Its place in memory may become another process's. */
        __atomic_store_n(&group->signalfds->signalfd->last_user, NULL, __ATOMIC_RELEASE);
        use_free(group->signalfds);
    }
    mutex_unlock(&list_lock);
}

/* --- as a file ----------------------------------------------------------------------------------
 */

static bool can_read(void *context)
{
    const struct signalfd *signalfd = context;
    const struct task *task = task_current();
    uint64_t mask = __atomic_load_n(&signalfd->mask, __ATOMIC_RELAXED);
    mutex_lock(&tasks_lock);
    bool can = (task->pending.set | task->group->pending.set) & mask;
    mutex_unlock(&tasks_lock);
    return can;
}

static struct user_signalfd user_of(const struct signal_info *info)
{
    struct user_signalfd user;
    memset(&user, 0, sizeof(user));
    user.number = (uint32_t)info->number;
    user.code = info->code;
    if (info->code == SI_TIMER) {
        user.timer = (uint32_t)info->pid;
        user.overrun = info->uid;
    } else {
        user.pid = (uint32_t)info->pid;
        user.uid = info->uid;
    }
    if (info->number == SIGCHLD && info->code > 0) {
        user.status = info->status;
    } else {
        user.value_int = (int32_t)info->value;
        user.value = info->value;
    }
    user.address = info->address;
    return user;
}

static long signalfd_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct signalfd *signalfd = file->data;
    long moved = 0;
    if (io->left_bytes < sizeof(struct user_signalfd)) {
        return -EINVAL;
    }
    long result = use_begin(signalfd);
    if (result != 0) {
        return result;
    }
    while (io->left_bytes >= sizeof(struct user_signalfd)) {
        struct signal_info info;
        uint64_t mask = __atomic_load_n(&signalfd->mask, __ATOMIC_RELAXED);
        if (!signal_take(task_current(), mask, &info)) {
            if (moved > 0) {
                break;
            }
            if (__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK) {
                return -EAGAIN;
            }
            result = wait_event(&signalfd->wait, can_read, signalfd);
            if (result != 0) {
                return result;
            }
            continue;
        }
        posix_timer_taken(&info);
        struct user_signalfd user = user_of(&info);
        if (io_put(io, &user, sizeof(user)) != 0) {
            return moved > 0 ? moved : -EFAULT;
        }
        moved += (long)sizeof(user);
    }
    return moved;
}

static uint32_t signalfd_poll(struct file *file, struct poll_table *table)
{
    struct signalfd *signalfd = file->data;
    poll_add(table, &signalfd->wait);
    if (use_begin(signalfd) != 0) {
        return WAIT_POLLERR; /* it could not be told */
    }
    return can_read(signalfd) ? WAIT_POLLIN : 0;
}

static void signalfd_release(struct file *file)
{
    struct signalfd *signalfd = file->data;
    mutex_lock(&list_lock);
    while (signalfd->uses != NULL) {
        use_free(signalfd->uses);
    }
    mutex_unlock(&list_lock);
    heap_free(signalfd);
}

static const struct file_operations signalfd_operations = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
};

/* --- system calls -------------------------------------------------------------------------------
 */

static long signalfd_new(uint64_t mask, uint32_t flags)
{
    struct signalfd *signalfd = heap_alloc(sizeof(*signalfd));
    if (signalfd == NULL) {
        return -ENOMEM;
    }
    signalfd->mask = mask;
    return anonymous_descriptor_new("[signalfd]", O_RDWR | flags, &signalfd_operations, signalfd);
}

static long signalfd_change(int fd, uint64_t mask)
{
    struct file *file = descriptor_get_open(fd);
    if (file == NULL) {
        return -EBADF;
    }
    bool good = file->operations == &signalfd_operations;
    if (good) {
        struct signalfd *signalfd = file->data;
        __atomic_store_n(&signalfd->mask, mask, __ATOMIC_RELAXED);
        wait_queue_wake(&signalfd->wait, WAIT_POLLIN);
    }
    file_put(file);
    return good ? fd : -EINVAL;
}

long linux_signalfd4(uint64_t fd, uint64_t user_mask, uint64_t mask_bytes, uint64_t flags,
                     uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    uint64_t mask;
    if (mask_bytes != sizeof(mask)) {
        return -EINVAL;
    }
    if (copy_from_user(&mask, user_mask, sizeof(mask)) != 0) {
        return -EFAULT;
    }
    if ((uint32_t)flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        return -EINVAL;
    }
    mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    return (int)fd == -1 ? signalfd_new(mask, (uint32_t)flags) : signalfd_change((int)fd, mask);
}

long linux_signalfd(uint64_t fd, uint64_t user_mask, uint64_t mask_bytes, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_signalfd4(fd, user_mask, mask_bytes, 0, 0, 0);
}
