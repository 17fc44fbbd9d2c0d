#include "linux/proc/pidfd.h"

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/file/anonymous.h"
#include "linux/file/descriptor.h"
#include "linux/file/proc.h"
#include "linux/proc/capability.h"

struct process_handle {
    uint32_t references; /* atomic */
    struct thread_group *group;
    bool has_ended;
    struct wait_queue wait;
};

static struct process_handle *handle_new(void)
{
    struct process_handle *handle = heap_alloc(sizeof(*handle));
    if (handle != NULL) {
        handle->references = 1;
    }
    return handle;
}

static void handle_get(struct process_handle *handle)
{
    __atomic_fetch_add(&handle->references, 1, __ATOMIC_RELAXED);
}

void process_handle_put(struct process_handle *handle)
{
    if (handle != NULL && __atomic_sub_fetch(&handle->references, 1, __ATOMIC_ACQ_REL) == 0) {
        heap_free(handle);
    }
}

/* --- under tasks_lock --------------------------------------------------------------------------
 */

void process_handle_attach(struct process_handle *handle, struct thread_group *group)
{
    handle_get(handle);
    handle->group = group;
    group->handle = handle;
}

struct thread_group *process_handle_group(const struct process_handle *handle)
{
    return handle->group;
}

void process_handle_ended(struct thread_group *group)
{
    if (group->handle != NULL) {
        group->handle->has_ended = true;
        wait_queue_wake(&group->handle->wait, WAIT_POLLIN);
    }
}

void process_handle_detach(struct thread_group *group)
{
    if (group->handle != NULL) {
        group->handle->group = NULL;
        process_handle_put(group->handle);
        group->handle = NULL;
    }
}

/* --- as a file ---------------------------------------------------------------------------------
 */

static uint32_t pidfd_poll(struct file *file, struct poll_table *table)
{
    struct process_handle *handle = file->data;
    poll_add(table, &handle->wait);
    mutex_lock(&tasks_lock);
    bool ended = handle->has_ended;
    mutex_unlock(&tasks_lock);
    return ended ? WAIT_POLLIN : 0;
}

static void pidfd_release(struct file *file)
{
    process_handle_put(file->data);
}

static const struct file_operations pidfd_operations = {
    .poll = pidfd_poll,
    .release = pidfd_release,
};

/* Takes over the reference. */
static long descriptor_new(struct process_handle *handle, uint32_t flags)
{
    return anonymous_descriptor_new("[pidfd]", O_RDWR | O_CLOEXEC | flags, &pidfd_operations,
                                    handle);
}

long pidfd_new(struct process_handle **out)
{
    struct process_handle *handle = handle_new();
    if (handle == NULL) {
        return -ENOMEM;
    }
    handle_get(handle);
    long fd = descriptor_new(handle, 0);
    if (fd < 0) {
        process_handle_put(handle);
    } else {
        *out = handle;
    }
    return fd;
}

long pidfd_handle(int fd, struct process_handle **out, bool *nonblocking)
{
    struct file *file = descriptor_get_open(fd);
    bool good = file != NULL && file->operations == &pidfd_operations;
    if (good) {
        *out = file->data;
        *nonblocking = __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK;
        handle_get(*out);
    }
    if (file != NULL) {
        file_put(file);
    }
    return good ? 0 : -EBADF;
}

/* --- system calls ------------------------------------------------------------------------------
 */

/* The handle of a process that exists, with a reference; made of `fresh` if it has none. */
static long handle_of(int pid, struct process_handle *fresh, struct process_handle **out)
{
    mutex_lock(&tasks_lock);
    struct thread_group *group = group_find(pid);
    long result = group != NULL ? 0 : task_find(pid) != NULL ? -ENOENT : -ESRCH;
    if (result == 0) {
        if (group->handle == NULL) {
            fresh->has_ended = group->state == GROUP_ZOMBIE;
            process_handle_attach(fresh, group);
        }
        handle_get(group->handle);
        *out = group->handle;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

/* The same, as a call needs it. -ESRCH, -ENOENT, -ENOMEM. */
static long process_handle(int pid, struct process_handle **out)
{
    struct process_handle *fresh = handle_new();
    if (fresh == NULL) {
        return -ENOMEM;
    }
    long result = handle_of(pid, fresh, out);
    process_handle_put(fresh);
    return result;
}

long pidfd_or_proc_handle(int fd, struct process_handle **out)
{
    bool nonblocking;
    long result = pidfd_handle(fd, out, &nonblocking);
    struct file *file = result == 0 ? NULL : descriptor_get_open(fd);
    if (file != NULL) {
        int pid = proc_directory_pid(file->path.inode);
        result = pid == 0 ? -EBADF : process_handle(pid, out);
        if (result == 0 && !proc_directory_alive(file->path.inode)) {
            process_handle_put(*out); /* another that has the number now */
            result = -ESRCH;
        }
        file_put(file);
    }
    return result;
}

long linux_pidfd_open(uint64_t pid, uint64_t flags, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((uint32_t)flags & ~O_NONBLOCK || (int)pid <= 0) {
        return -EINVAL;
    }
    struct process_handle *handle;
    long result = process_handle((int)pid, &handle);
    return result != 0 ? result : descriptor_new(handle, (uint32_t)flags);
}

/* With a reference. */
static long file_of(const struct process_handle *handle, int fd, struct file **out)
{
    mutex_lock(&tasks_lock);
    const struct thread_group *group = handle->group;
    const struct task *task = group == NULL ? NULL : group->tasks;
    long result = task == NULL || task->files == NULL     ? -ESRCH
                  : task_may_access(task, ACCESS_BY_REAL) ? 0
                                                          : -EPERM;
    /* At once: the process may execute what its user may not look into. */
    if (result == 0) {
        *out = file_table_file(task->files, fd);
        result = *out == NULL ? -EBADF : 0;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_pidfd_getfd(uint64_t fd, uint64_t other_fd, uint64_t flags, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct process_handle *handle;
    struct file *file;
    bool nonblocking;
    if ((uint32_t)flags != 0) {
        return -EINVAL;
    }
    long result = pidfd_handle((int)fd, &handle, &nonblocking);
    if (result != 0) {
        return result;
    }
    result = file_of(handle, (int)other_fd, &file);
    process_handle_put(handle);
    return result != 0 ? result : descriptor_add(file, true);
}
