/*
 * Which process a file of /proc tells of, and who may look into it. It may end at any time, and
 * another may have its number then: proc_target tells them apart.
 */
#include "linux/core/errno.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"

struct task *proc_task(const struct proc_target *target, struct thread_group **group)
{
    *group = group_find(target->pid);
    if (*group == NULL || (*group)->start_ns != target->start_ns) {
        *group = NULL;
        return NULL;
    }
    if (target->tid == target->pid) {
        return (*group)->leader != NULL ? (*group)->leader : (*group)->tasks;
    }
    struct task *task = task_find(target->tid);
    if (task == NULL || task->group != *group) {
        *group = NULL;
        return NULL;
    }
    return task;
}

bool proc_alive(const struct proc_target *target)
{
    struct thread_group *group;
    mutex_lock(&tasks_lock);
    (void)proc_task(target, &group);
    mutex_unlock(&tasks_lock);
    return group != NULL;
}

bool proc_find(int number, struct proc_target *out)
{
    mutex_lock(&tasks_lock);
    const struct thread_group *group = group_find(number);
    const struct task *task = group == NULL ? task_find(number) : NULL;
    group = task != NULL ? task->group : group;
    if (group != NULL) {
        *out = (struct proc_target){group->pid, number, -1, group->executions, group->start_ns};
    }
    mutex_unlock(&tasks_lock);
    return group != NULL;
}

bool proc_owner(struct proc_target *target, uint32_t *uid, uint32_t *gid)
{
    struct thread_group *group;
    *uid = 0;
    *gid = 0;
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    if (task != NULL && task->credentials != NULL) {
        *uid = task->credentials->euid;
        *gid = task->credentials->egid;
    }
    target->executions = group == NULL ? 0 : group->executions;
    mutex_unlock(&tasks_lock);
    return group != NULL;
}

struct mm *proc_mm(const struct proc_target *target)
{
    struct thread_group *group;
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    struct mm *mm = task == NULL ? NULL : task->mm;
    if (mm != NULL) {
        mm_get(mm);
    }
    mutex_unlock(&tasks_lock);
    return mm;
}

struct file_table *proc_files(const struct proc_target *target)
{
    struct thread_group *group;
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    struct file_table *files = task == NULL ? NULL : task->files;
    if (files != NULL) {
        file_table_get(files);
    }
    mutex_unlock(&tasks_lock);
    return files;
}

long proc_look_locked(const struct proc_target *target, struct task **out)
{
    struct thread_group *group;
    *out = proc_task(target, &group);
    /* A zombie shows nothing, and that to root. */
    bool allowed = *out != NULL ? task_may_access(*out, ACCESS_BY_FILE)
                                : task_current()->credentials->fsuid == 0;
    return group == NULL ? -ENOENT : allowed ? 0 : -EACCES;
}

long proc_may_look(const struct proc_target *target)
{
    struct task *task;
    mutex_lock(&tasks_lock);
    long result = proc_look_locked(target, &task);
    mutex_unlock(&tasks_lock);
    return result;
}

long proc_mm_look(const struct proc_target *target, struct mm **out)
{
    struct task *task;
    *out = NULL;
    mutex_lock(&tasks_lock);
    long result = proc_look_locked(target, &task);
    if (result == 0 && task != NULL && task->mm != NULL &&
        task->group->executions == target->executions) {
        *out = task->mm;
        mm_get(*out);
    }
    mutex_unlock(&tasks_lock);
    return result == -ENOENT ? -ESRCH : result;
}
