/* Users, groups, process groups, sessions: the calls that read and change them (credentials(7)). */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"
#include "linux/proc/table.h"

#define UNUSED_FROM_B (void)b, (void)c, (void)d, (void)e, (void)f
#define KEEP          UINT32_MAX /* -1: leave it as it is */

/* --- users and groups ------------------------------------------------------------------------ */

struct id_set {
    uint32_t real;
    uint32_t effective;
    uint32_t saved;
};

static bool may_become(const struct id_set *now, uint32_t id, bool privileged)
{
    return id == KEEP || privileged || id == now->real || id == now->effective || id == now->saved;
}

/* setresuid's rule; the others are special cases of it. -EPERM. */
static long ids_change(struct id_set *ids, uint32_t real, uint32_t effective, uint32_t saved,
                       bool privileged)
{
    if (!may_become(ids, real, privileged) || !may_become(ids, effective, privileged) ||
        !may_become(ids, saved, privileged)) {
        return -EPERM;
    }
    ids->real = real == KEEP ? ids->real : real;
    ids->effective = effective == KEEP ? ids->effective : effective;
    ids->saved = saved == KEEP ? ids->saved : saved;
    return 0;
}

static long users_set(uint32_t real, uint32_t effective, uint32_t saved)
{
    struct task *task = task_current();
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed == NULL) {
        return -ENOMEM;
    }
    struct id_set ids = {changed->uid, changed->euid, changed->suid};
    long result =
        ids_change(&ids, real, effective, saved, credentials_capable(changed, CAP_SETUID));
    if (result != 0) {
        credentials_put(changed);
        return result;
    }
    changed->uid = ids.real;
    changed->euid = changed->fsuid = ids.effective;
    changed->suid = ids.saved;
    capabilities_users_changed(changed, task->credentials);
    bool other_user = changed->uid != task->credentials->uid;
    credentials_set(task, changed);
    if (other_user) { /* not refused: few look at the result; but execve is */
        task->is_over_limit = limit_tasks_exceeded(1);
    }
    return 0;
}

static long groups_set(uint32_t real, uint32_t effective, uint32_t saved)
{
    struct task *task = task_current();
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed == NULL) {
        return -ENOMEM;
    }
    struct id_set ids = {changed->gid, changed->egid, changed->sgid};
    long result =
        ids_change(&ids, real, effective, saved, credentials_capable(changed, CAP_SETGID));
    if (result != 0) {
        credentials_put(changed);
        return result;
    }
    changed->gid = ids.real;
    changed->egid = changed->fsgid = ids.effective;
    changed->sgid = ids.saved;
    credentials_set(task, changed);
    return 0;
}

long linux_getuid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->credentials->uid;
}

long linux_geteuid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->credentials->euid;
}

long linux_getgid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->credentials->gid;
}

long linux_getegid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->credentials->egid;
}

long linux_setuid(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    uint32_t others = task_capable(CAP_SETUID) ? (uint32_t)id : KEEP;
    return (uint32_t)id == KEEP ? -EINVAL : users_set(others, (uint32_t)id, others);
}

long linux_setgid(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    uint32_t others = task_capable(CAP_SETGID) ? (uint32_t)id : KEEP;
    return (uint32_t)id == KEEP ? -EINVAL : groups_set(others, (uint32_t)id, others);
}

long linux_setreuid(uint64_t real, uint64_t effective, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint32_t now = task_current()->credentials->uid;
    bool saves =
        (uint32_t)real != KEEP || ((uint32_t)effective != KEEP && (uint32_t)effective != now);
    return users_set((uint32_t)real, (uint32_t)effective, saves ? (uint32_t)effective : KEEP);
}

long linux_setregid(uint64_t real, uint64_t effective, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint32_t now = task_current()->credentials->gid;
    bool saves =
        (uint32_t)real != KEEP || ((uint32_t)effective != KEEP && (uint32_t)effective != now);
    return groups_set((uint32_t)real, (uint32_t)effective, saves ? (uint32_t)effective : KEEP);
}

long linux_setresuid(uint64_t real, uint64_t effective, uint64_t saved, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    return users_set((uint32_t)real, (uint32_t)effective, (uint32_t)saved);
}

long linux_setresgid(uint64_t real, uint64_t effective, uint64_t saved, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    return groups_set((uint32_t)real, (uint32_t)effective, (uint32_t)saved);
}

static long three_put(uint64_t a, uint64_t b, uint64_t c, uint32_t x, uint32_t y, uint32_t z)
{
    return put_user_u32(a, x) == 0 && put_user_u32(b, y) == 0 && put_user_u32(c, z) == 0 ? 0
                                                                                         : -EFAULT;
}

long linux_getresuid(uint64_t real, uint64_t effective, uint64_t saved, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    const struct credentials *now = task_current()->credentials;
    return three_put(real, effective, saved, now->uid, now->euid, now->suid);
}

long linux_getresgid(uint64_t real, uint64_t effective, uint64_t saved, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    const struct credentials *now = task_current()->credentials;
    return three_put(real, effective, saved, now->gid, now->egid, now->sgid);
}

long linux_setfsuid(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    struct task *task = task_current();
    uint32_t old = task->credentials->fsuid;
    const struct id_set ids = {task->credentials->uid, task->credentials->euid,
                               task->credentials->suid};
    if ((uint32_t)id == KEEP || !may_become(&ids, (uint32_t)id, task_capable(CAP_SETUID))) {
        return old;
    }
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed != NULL) {
        changed->fsuid = (uint32_t)id;
        capabilities_fsuid_changed(changed, old);
        credentials_set(task, changed);
    }
    return old;
}

long linux_setfsgid(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    struct task *task = task_current();
    uint32_t old = task->credentials->fsgid;
    const struct id_set ids = {task->credentials->gid, task->credentials->egid,
                               task->credentials->sgid};
    if ((uint32_t)id == KEEP || !may_become(&ids, (uint32_t)id, task_capable(CAP_SETGID))) {
        return old;
    }
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed != NULL) {
        changed->fsgid = (uint32_t)id;
        credentials_set(task, changed);
    }
    return old;
}

long linux_getgroups(uint64_t size, uint64_t user_list, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    const struct credentials *now = task_current()->credentials;
    if ((int)size < 0 || (size != 0 && size < now->group_count)) {
        return -EINVAL;
    }
    if (size != 0 && copy_to_user(user_list, now->groups, now->group_count * 4ull) != 0) {
        return -EFAULT;
    }
    return now->group_count;
}

static void groups_sort(struct credentials *credentials)
{
    uint32_t *groups = credentials->groups;
    for (uint32_t i = 1; i < credentials->group_count; i++) {
        uint32_t group = groups[i];
        uint32_t place = i;
        for (; place > 0 && groups[place - 1] > group; place--) {
            groups[place] = groups[place - 1];
        }
        groups[place] = group;
    }
}

long linux_setgroups(uint64_t size, uint64_t user_list, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    if (!task_capable(CAP_SETGID)) {
        return -EPERM;
    }
    if (size > GROUPS_MAX) {
        return -EINVAL;
    }
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed == NULL) {
        return -ENOMEM;
    }
    if (copy_from_user(changed->groups, user_list, size * 4) != 0) {
        credentials_put(changed);
        return -EFAULT;
    }
    changed->group_count = (uint32_t)size;
    groups_sort(changed);
    credentials_set(task, changed);
    return 0;
}

/* --- processes ------------------------------------------------------------------------------- */

long linux_getpid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->group->pid;
}

long linux_gettid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    return task_current()->tid;
}

long linux_getppid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    mutex_lock(&tasks_lock);
    const struct thread_group *parent = task_current()->group->parent;
    int pid = parent == NULL ? 0 : parent->pid;
    mutex_unlock(&tasks_lock);
    return pid;
}

/* pid 0: ourselves. Under tasks_lock; NULL: no such process. */
static struct thread_group *group_wanted(uint64_t pid)
{
    return pid == 0 ? task_current()->group : group_find((int)pid);
}

long linux_getpgid(uint64_t pid, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    mutex_lock(&tasks_lock);
    const struct thread_group *group = group_wanted(pid);
    long result = group == NULL ? -ESRCH : group->process_group;
    mutex_unlock(&tasks_lock);
    return result;
}

long linux_getpgrp(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a;
    return linux_getpgid(0, b, c, d, e, f);
}

long linux_getsid(uint64_t pid, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    UNUSED_FROM_B;
    mutex_lock(&tasks_lock);
    const struct thread_group *group = group_wanted(pid);
    long result = group == NULL ? -ESRCH : group->session;
    mutex_unlock(&tasks_lock);
    return result;
}

struct group_search {
    int process_group;
    int session;
    bool found;
};

static void group_search_visit(struct thread_group *group, void *context)
{
    struct group_search *search = context;
    if (group->process_group == search->process_group && group->session == search->session) {
        search->found = true;
    }
}

/* setpgid(2)'s conditions. Under tasks_lock. */
static long process_group_check(const struct thread_group *self, const struct thread_group *group,
                                int process_group)
{
    if (group == NULL || (group != self && group->parent != self)) {
        return -ESRCH;
    }
    if (group->session != self->session || group->session == group->pid) {
        return -EPERM;
    }
    if (group != self && group->has_executed) {
        return -EACCES;
    }
    if (process_group != group->pid) {
        struct group_search search = {process_group, self->session, false};
        task_for_each_group(group_search_visit, &search);
        if (!search.found) {
            return -EPERM;
        }
    }
    return 0;
}

long linux_setpgid(uint64_t pid, uint64_t process_group, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((int)process_group < 0) {
        return -EINVAL;
    }
    mutex_lock(&tasks_lock);
    struct thread_group *group = group_wanted(pid);
    int wanted = (int)process_group;
    if (wanted == 0 && group != NULL) {
        wanted = group->pid;
    }
    long result = process_group_check(task_current()->group, group, wanted);
    if (result == 0) {
        table_place_group(group, wanted, group->session);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static void leader_search_visit(struct thread_group *group, void *context)
{
    struct group_search *search = context;
    if (group->process_group == search->process_group) {
        search->found = true;
    }
}

long linux_setsid(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, UNUSED_FROM_B;
    struct thread_group *group = task_current()->group;
    struct group_search search = {.process_group = group->pid};
    mutex_lock(&tasks_lock);
    task_for_each_group(leader_search_visit, &search);
    if (!search.found) {
        table_place_group(group, group->pid, group->pid);
        group->terminal = NULL; /* the session that it leaves keeps its reference */
    }
    mutex_unlock(&tasks_lock);
    return search.found ? -EPERM : group->pid;
}
