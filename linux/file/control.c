/* What is done to descriptors and open files themselves: dup, fcntl, ioctl, flock, close. */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/async.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/pipe.h"
#include "linux/file/record_lock.h"
#include "linux/proc/task.h"

#define F_DUPFD         0
#define F_GETFD         1
#define F_SETFD         2
#define F_GETFL         3
#define F_SETFL         4
#define F_GETLK         5
#define F_SETLK         6
#define F_SETLKW        7
#define F_SETOWN        8
#define F_GETOWN        9
#define F_SETSIG        10
#define F_GETSIG        11
#define F_SETOWN_EX     15
#define F_GETOWN_EX     16
#define F_OFD_GETLK     36
#define F_OFD_SETLK     37
#define F_OFD_SETLKW    38
#define F_GETLEASE      1025
#define F_NOTIFY        1026
#define F_DUPFD_CLOEXEC 1030
#define F_SETPIPE_SZ    1031
#define F_GETPIPE_SZ    1032
#define F_ADD_SEALS     1033
#define F_GET_SEALS     1034

#define DN_MULTISHOT 0x80000000u
#define FD_CLOEXEC   1

#define O_SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)

#define FIOCLEX  0x5451
#define FIONCLEX 0x5450
#define FIONBIO  0x5421
#define FIOASYNC 0x5452
#define FIONREAD 0x541b

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

/* --- dup -------------------------------------------------------------------------------------- */

long linux_dup(uint64_t fd, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get((int)fd);
    return file == NULL ? -EBADF : descriptor_add(file, false);
}

static long dup_to(uint64_t from, uint64_t to, bool close_on_exec)
{
    struct file *file = descriptor_get((int)from);
    return file == NULL ? -EBADF : descriptor_replace((int)to, file, close_on_exec);
}

long linux_dup2(uint64_t from, uint64_t to, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((int)from == (int)to) {
        return descriptor_marked((int)from) < 0 ? -EBADF : (int)from;
    }
    return dup_to(from, to, false);
}

long linux_dup3(uint64_t from, uint64_t to, uint64_t flags, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    if (((uint32_t)flags & ~O_CLOEXEC) || (int)from == (int)to) {
        return -EINVAL;
    }
    return dup_to(from, to, flags & O_CLOEXEC);
}

/* --- fcntl ------------------------------------------------------------------------------------ */

static long flags_set(struct file *file, int fd, uint32_t flags)
{
    if ((flags & O_NOATIME) && !(file->flags & O_NOATIME) &&
        !inode_owner_or_capable(file->path.inode)) {
        return -EPERM;
    }
    if (inode_is(file->path.inode, S_IFREG) || inode_is(file->path.inode, S_IFDIR)) {
        flags &= ~O_ASYNC; /* there is nothing to wait for */
    }
    if ((flags ^ file->flags) & O_ASYNC) {
        long result = async_switch(file, fd, flags & O_ASYNC);
        if (result != 0) {
            return result;
        }
    }
    uint32_t before = __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
    uint32_t after;
    do {
        after = (before & ~O_SETTABLE) | (flags & O_SETTABLE);
    } while (!__atomic_compare_exchange_n(&file->flags, &before, after, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return 0;
}

static long locks_control(struct file *file, uint32_t command, uint64_t user_request)
{
    struct flock_request request;
    if (copy_from_user(&request, user_request, sizeof(request)) != 0) {
        return -EFAULT;
    }
    bool by_file = command >= F_OFD_GETLK;
    if (command == F_GETLK || command == F_OFD_GETLK) {
        long result = record_lock_test(file, by_file, &request);
        return result == 0 ? copy_to_user(user_request, &request, sizeof(request)) : result;
    }
    bool wait = command == F_SETLKW || command == F_OFD_SETLKW;
    return record_lock_set(file, by_file, wait, &request);
}

/* Of the descriptor, or of whatever file it refers to. -ENOTTY stands for "not one of these". */
static long control_any(struct file *file, int fd, uint32_t command, uint64_t argument)
{
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
        file_get(file);
        bool in_range = argument <= INT32_MAX;
        return descriptor_add_from(file, in_range ? (int)argument : -1, command == F_DUPFD_CLOEXEC);
    }
    case F_GETFD:
        return descriptor_marked(fd);
    case F_SETFD:
        return descriptor_mark(fd, argument & FD_CLOEXEC);
    case F_GETFL:
        return file->flags | (file->flags & O_PATH || file->path.mount == NULL ? 0 : O_LARGEFILE);
    default:
        return -ENOTTY;
    }
}

static long owner_set(struct file *file, int32_t number)
{
    const struct async_owner owner = {number < 0 ? ASYNC_GROUP : ASYNC_PROCESS,
                                      number < 0 ? -number : number};
    return number == INT32_MIN ? -EINVAL : async_owner_set(file, &owner);
}

static long owner_control(struct file *file, uint32_t command, uint64_t argument)
{
    struct async_owner owner; /* struct f_owner_ex */
    switch (command) {
    case F_SETOWN:
        return owner_set(file, (int32_t)argument);
    case F_GETOWN:
        owner = async_owner_get(file);
        return owner.kind == ASYNC_GROUP ? -owner.number : owner.number;
    case F_SETSIG:
        return async_signal_set(file, argument);
    case F_GETSIG:
        return async_signal_get(file);
    case F_GETOWN_EX:
        owner = async_owner_get(file);
        return copy_to_user(argument, &owner, sizeof(owner));
    default:
        return copy_from_user(&owner, argument, sizeof(owner)) != 0 ? -EFAULT
                                                                    : async_owner_set(file, &owner);
    }
}

static long seals_control(struct file *file, uint32_t command, uint64_t argument)
{
    struct inode *inode = file->path.inode;
    bool sealable = inode->operations->seal != NULL && inode->seals != 0;
    if (command == F_GET_SEALS) {
        return sealable ? (long)(inode->seals & ~SEAL_NONE) : -EINVAL;
    }
    if (!file_writable(file)) {
        return -EPERM;
    }
    return (argument & ~(uint64_t)SEALS_ALL) != 0 || !sealable
               ? -EINVAL
               : inode->operations->seal(inode, (uint32_t)argument);
}

static long control(struct file *file, int fd, uint32_t command, uint64_t argument)
{
    long result = control_any(file, fd, command, argument);
    if (result != -ENOTTY) {
        return result;
    }
    if (file->flags & O_PATH) {
        return -EBADF;
    }
    switch (command) {
    case F_SETFL:
        return flags_set(file, fd, (uint32_t)argument);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return locks_control(file, command, argument);
    case F_SETOWN:
    case F_GETOWN:
    case F_SETSIG:
    case F_GETSIG:
    case F_SETOWN_EX:
    case F_GETOWN_EX:
        return owner_control(file, command, argument);
    case F_ADD_SEALS:
    case F_GET_SEALS:
        return seals_control(file, command, argument);
    case F_GETPIPE_SZ:
        return file_is_pipe(file) ? (long)pipe_capacity(file) : -EBADF;
    case F_SETPIPE_SZ:
        return file_is_pipe(file) ? pipe_resize(file, (uint32_t)argument) : -EBADF;
    case F_GETLEASE: /* none can be set */
        return F_UNLCK;
    case F_NOTIFY: /* there are no such notices to ask for; to want none is well */
        return (argument & ~(uint64_t)DN_MULTISHOT) == 0 ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

long linux_fcntl(uint64_t fd, uint64_t command, uint64_t argument, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct file *file = descriptor_get((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = control(file, (int)fd, (uint32_t)command, argument);
    file_put(file);
    return result;
}

long linux_flock(uint64_t fd, uint64_t operation, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = record_lock_whole(file, (uint32_t)operation);
    file_put(file);
    return result;
}

/* --- ioctl ------------------------------------------------------------------------------------ */

static long flag_set(struct file *file, int fd, uint32_t flag, uint64_t user_value)
{
    int value;
    if (copy_from_user(&value, user_value, sizeof(value)) != 0) {
        return -EFAULT;
    }
    uint32_t flags = file->flags & O_SETTABLE & ~flag;
    return flags_set(file, fd, flags | (value != 0 ? flag : 0));
}

static long bytes_left(struct file *file, uint64_t user_value)
{
    uint64_t size = __atomic_load_n(&file->path.inode->size_bytes, __ATOMIC_RELAXED);
    uint64_t left = file->position < size ? size - file->position : 0;
    return put_user_u32(user_value, (uint32_t)MIN(left, INT32_MAX));
}

static long ioctl_file(struct file *file, int fd, uint32_t request, uint64_t argument)
{
    switch (request) {
    case FIOCLEX:
        return descriptor_mark(fd, true);
    case FIONCLEX:
        return descriptor_mark(fd, false);
    case FIONBIO:
        return flag_set(file, fd, O_NONBLOCK, argument);
    case FIOASYNC:
        return flag_set(file, fd, O_ASYNC, argument);
    case FIONREAD:
        if (inode_is(file->path.inode, S_IFREG)) {
            return bytes_left(file, argument);
        }
        break;
    default:
        break;
    }
    return file->operations->ioctl == NULL ? -ENOTTY
                                           : file->operations->ioctl(file, request, argument);
}

long linux_ioctl(uint64_t fd, uint64_t request, uint64_t argument, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = ioctl_file(file, (int)fd, (uint32_t)request, argument);
    file_put(file);
    return result;
}

/* --- close ------------------------------------------------------------------------------------ */

long linux_close(uint64_t fd, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return descriptor_close((int)fd);
}

/* Who looks at another's table does so under tasks_lock. */
long file_table_unshare(void)
{
    struct task *task = task_current();
    struct file_table *own = file_table_clone(task->files);
    if (own == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&tasks_lock);
    struct file_table *before = task->files;
    task->files = own;
    mutex_unlock(&tasks_lock);
    file_table_put(before);
    return 0;
}

long linux_close_range(uint64_t first, uint64_t last, uint64_t flags, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)d, (void)e, (void)f;
    if (((uint32_t)flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) ||
        (uint32_t)first > (uint32_t)last) {
        return -EINVAL;
    }
    if (flags & CLOSE_RANGE_UNSHARE) {
        long result = file_table_unshare();
        if (result != 0) {
            return result;
        }
    }
    if (flags & CLOSE_RANGE_CLOEXEC) {
        descriptors_mark((uint32_t)first, (uint32_t)last);
    } else {
        descriptors_close((uint32_t)first, (uint32_t)last);
    }
    return 0;
}
