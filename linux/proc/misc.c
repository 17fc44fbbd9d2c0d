/* Calls that tell programs about the system and themselves, one small answer each. */
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"
#include "linux/proc/table.h"

#include "abi/container.h"
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/missing.h"
#include "linux/core/random.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/process_timers.h"
#include "linux/event/wait.h"
#include "linux/file/io.h"
#include "linux/mm/mm.h"

#define NS_PER_SECOND 1000000000ull

#define PER_MASK    0xffu
#define PER_LINUX32 8u

/* --- uname ----------------------------------------------------------------------------------- */

struct user_names {
    char system[65];
    char node[65];
    char release[65];
    char version[65];
    char machine[65];
    char domain[65];
};

long linux_uname(uint64_t user_names, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct user_names names;
    memset(&names, 0, sizeof(names));
    format_text(names.system, sizeof(names.system), "Linux");
    format_text(names.node, sizeof(names.node), "%s", container_hostname());
    format_text(names.release, sizeof(names.release), LINUX_RELEASE);
    format_text(names.version, sizeof(names.version), LINUX_VERSION);
    bool is_32 = (task_current()->personality & PER_MASK) == PER_LINUX32;
    format_text(names.machine, sizeof(names.machine), is_32 ? "i686" : "x86_64");
    format_text(names.domain, sizeof(names.domain), "(none)");
    return copy_to_user(user_names, &names, sizeof(names));
}

long linux_sethostname(uint64_t user_name, uint64_t length, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    char name[64];
    if (!task_capable(CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (length > sizeof(name)) {
        return -EINVAL;
    }
    if (copy_from_user(name, user_name, length) != 0) {
        return -EFAULT;
    }
    container_hostname_set(name, (uint32_t)length);
    return 0;
}

/* --- limits ---------------------------------------------------------------------------------- */

/* prlimit(2): one's own processes, or root. Under tasks_lock. */
static bool may_limit(const struct thread_group *group)
{
    const struct task *self = task_current();
    if (group == self->group || task_capable(CAP_SYS_RESOURCE)) {
        return true;
    }
    const struct credentials *of = group->tasks == NULL ? NULL : group->tasks->credentials;
    uint32_t uid = self->credentials->uid;
    uint32_t gid = self->credentials->gid;
    return of != NULL && uid == of->uid && uid == of->euid && uid == of->suid && gid == of->gid &&
           gid == of->egid && gid == of->sgid;
}

/* What RLIMIT_CPU is to do hangs on the group's timers: they change together. */
static void limits_lock(bool cpu)
{
    if (cpu) {
        mutex_lock(&timers_lock);
    }
    mutex_lock(&tasks_lock);
}

static void limits_unlock(bool cpu, struct thread_group *changed)
{
    mutex_unlock(&tasks_lock);
    if (cpu) {
        if (changed != NULL) {
            cpu_limit_apply(changed);
        }
        mutex_unlock(&timers_lock);
    }
}

/* Under the locks. */
static long limit_set(struct thread_group *group, uint64_t resource,
                      const struct resource_limit *new)
{
    struct resource_limit *limit = &group->limits[resource];
    if (new->soft > new->hard) {
        return -EINVAL;
    }
    if (new->hard > limit->hard && !task_capable(CAP_SYS_RESOURCE)) {
        return -EPERM;
    }
    bool lives = __atomic_load_n(&group->live, __ATOMIC_ACQUIRE) != 0;
    long result = resource == RLIMIT_CPU && lives ? cpu_limit_prepare(group, new) : 0;
    if (result == 0) {
        *limit = *new;
    }
    return result;
}

/* pid 0: ourselves. */
static long limit_change(uint64_t pid, uint64_t resource, uint64_t user_new, uint64_t user_old)
{
    struct resource_limit new;
    if (resource >= RLIMITS) {
        return -EINVAL;
    }
    if (user_new != 0 && copy_from_user(&new, user_new, sizeof(new)) != 0) {
        return -EFAULT;
    }
    bool cpu = resource == RLIMIT_CPU && user_new != 0;
    limits_lock(cpu);
    struct thread_group *group = pid == 0 ? task_current()->group : group_find((int)pid);
    if (group == NULL || !may_limit(group)) {
        limits_unlock(cpu, NULL);
        return group == NULL ? -ESRCH : -EPERM;
    }
    struct resource_limit old = group->limits[resource];
    long result = user_new == 0 ? 0 : limit_set(group, resource, &new);
    bool lives = __atomic_load_n(&group->live, __ATOMIC_ACQUIRE) != 0;
    limits_unlock(cpu, result == 0 && lives ? group : NULL);
    return result != 0 || user_old == 0 ? result : copy_to_user(user_old, &old, sizeof(old));
}

long linux_getrlimit(uint64_t resource, uint64_t user_old, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return limit_change(0, resource, 0, user_old);
}

long linux_setrlimit(uint64_t resource, uint64_t user_new, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return user_new == 0 ? -EFAULT : limit_change(0, resource, user_new, 0);
}

long linux_prlimit64(uint64_t pid, uint64_t resource, uint64_t user_new, uint64_t user_old,
                     uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return limit_change(pid, resource, user_new, user_old);
}

/* --- the system ------------------------------------------------------------------------------ */

struct user_sysinfo {
    int64_t uptime_seconds;
    uint64_t loads[3];
    uint64_t total_memory;
    uint64_t free_memory;
    uint64_t shared_memory;
    uint64_t buffer_memory;
    uint64_t total_swap;
    uint64_t free_swap;
    uint16_t processes;
    uint16_t pad;
    uint64_t total_high;
    uint64_t free_high;
    uint32_t unit_bytes;
    uint8_t padding[4];
};

/* Shown where the account has no limit; the engine gives it the machine's memory as one. */
#define MEMORY_SHOWN_BYTES (4ull << 30)

struct container_memory container_memory_read(void)
{
    struct container_memory memory = {0, 0};
    struct account_usage usage;
    if (object_state(CONTAINER_SLOT_APPLICATION, STATE_ACCOUNT, &usage, sizeof(usage)) ==
        STATUS_OK) {
        memory.total_bytes =
            usage.limit_bytes == UINT64_MAX ? MEMORY_SHOWN_BYTES : usage.limit_bytes;
        memory.used_bytes = MIN(usage.bytes_total, memory.total_bytes);
    }
    return memory;
}

long linux_sysinfo(uint64_t user_info, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct container_memory memory = container_memory_read();
    struct user_sysinfo info;
    memset(&info, 0, sizeof(info));
    info.uptime_seconds = (int64_t)(clock_now_ns() / NS_PER_SECOND);
    info.total_memory = memory.total_bytes;
    info.free_memory = memory.total_bytes - memory.used_bytes;
    info.processes = (uint16_t)task_count();
    info.unit_bytes = 1;
    return copy_to_user(user_info, &info, sizeof(info));
}

/* --- prctl and its like ---------------------------------------------------------------------- */

#define PR_SET_PDEATHSIG   1
#define PR_GET_PDEATHSIG   2
#define PR_GET_DUMPABLE    3
#define PR_SET_DUMPABLE    4
#define PR_SET_NAME        15
#define PR_GET_SECCOMP     21
#define PR_GET_NAME        16
#define PR_SET_TIMERSLACK  29
#define PR_GET_TIMERSLACK  30
#define PR_SET_SUBREAPER   36
#define PR_GET_SUBREAPER   37
#define PR_SET_THP_DISABLE 41
#define PR_GET_THP_DISABLE 42

#define TIMER_SLACK_NS 50000 /* of programs, until they say otherwise */

static long name_change(uint64_t user_name)
{
    char name[NAME_BYTES];
    memset(name, 0, sizeof(name));
    long result = copy_string_from_user(name, user_name, sizeof(name));
    if (result == -EFAULT) {
        return result;
    }
    name[NAME_BYTES - 1] = '\0';
    mutex_lock(&tasks_lock);
    task_name_set(task_current(), name);
    mutex_unlock(&tasks_lock);
    return 0;
}

static long timer_slack_set(struct task *task, uint64_t slack_ns)
{
    task->timer_slack_ns = slack_ns == 0 ? task->timer_slack_first_ns : slack_ns;
    return 0;
}

static long timer_slack_get(const struct task *task)
{
    return task->timer_slack_ns == 0 ? TIMER_SLACK_NS : (long)task->timer_slack_ns;
}

long linux_prctl(uint64_t option, uint64_t argument, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)f;
    struct thread_group *group = task_current()->group;
    long result = capabilities_prctl(option, argument, c, d, e);
    if (result != -ENOSYS) {
        return result;
    }
    switch (option) {
    case PR_SET_NAME:
        return name_change(argument);
    case PR_GET_NAME:
        return copy_to_user(argument, task_current()->name, NAME_BYTES);
    case PR_SET_DUMPABLE:
        if (argument > 1) {
            return -EINVAL;
        }
        task_current()->mm->undumpable = argument == 0;
        return 0;
    case PR_GET_DUMPABLE:
        return !task_current()->mm->undumpable;
    case PR_GET_SECCOMP: /* no filter can be set */
        return 0;
    case PR_SET_PDEATHSIG:
        if (argument > SIGNALS) {
            return -EINVAL;
        }
        group->parent_death_signal = (int)argument;
        return 0;
    case PR_GET_PDEATHSIG:
        return put_user_u32(argument, (uint32_t)group->parent_death_signal);
    case PR_SET_SUBREAPER:
        group->is_subreaper = argument != 0;
        return 0;
    case PR_GET_SUBREAPER:
        return put_user_u32(argument, group->is_subreaper);
    case PR_SET_TIMERSLACK:
        return timer_slack_set(task_current(), argument);
    case PR_GET_TIMERSLACK:
        return timer_slack_get(task_current());
    case PR_SET_THP_DISABLE:
        if ((c | d | e) != 0) {
            return -EINVAL;
        }
        group->huge_pages_off = argument != 0;
        return 0;
    case PR_GET_THP_DISABLE:
        return (argument | c | d | e) != 0 ? -EINVAL : group->huge_pages_off;
    default:
        missing_count(MISSING_PRCTL, (uint32_t)option);
        return -EINVAL;
    }
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

long linux_arch_prctl(uint64_t option, uint64_t argument, uint64_t c, uint64_t d, uint64_t e,
                      uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint64_t base;
    switch (option) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (argument >= APPLICATION_END) {
            return -EPERM;
        }
        if (option == ARCH_SET_FS) {
            __asm__ volatile("wrfsbase %0" : : "r"(argument));
        } else {
            __asm__ volatile("wrgsbase %0" : : "r"(argument));
        }
        return 0;
    case ARCH_GET_FS:
        __asm__ volatile("rdfsbase %0" : "=r"(base));
        return put_user_u64(argument, base);
    case ARCH_GET_GS:
        __asm__ volatile("rdgsbase %0" : "=r"(base));
        return put_user_u64(argument, base);
    default:
        return -EINVAL;
    }
}

/* Addresses are not random here anyway; what uname says of the machine follows it. */
long linux_personality(uint64_t persona, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    uint32_t old = task->personality;
    if ((uint32_t)persona != UINT32_MAX) {
        task->personality = (uint32_t)persona;
    }
    return old;
}

long linux_set_tid_address(uint64_t address, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                           uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    task_current()->clear_tid = address;
    return task_current()->tid;
}

/* --- getrandom ------------------------------------------------------------------------------- */

long linux_getrandom(uint64_t user_buffer, uint64_t length, uint64_t flags, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    uint8_t piece[256];
    struct io io;
    if (flags > 7 || (flags & 6) == 6) {
        return -EINVAL;
    }
    length = MIN(length, 33554431);
    io_init_user(&io, user_buffer, length);
    long result = 0;
    while (io.left_bytes > 0 && result == 0) {
        uint64_t part = MIN(io.left_bytes, sizeof(piece));
        random_bytes(piece, part);
        result = io_put(&io, piece, part);
        if (task_signal_pending(task_current())) {
            break;
        }
    }
    uint64_t done = length - io.left_bytes;
    return done > 0 ? (long)done : result;
}
