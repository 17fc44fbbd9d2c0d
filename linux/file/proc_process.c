/*
 * What /proc tells of a process or a thread (proc(5)). Everything is asked for under tasks_lock and
 * copied out before it is written down; the process may end at any time, and its file then says
 * -ESRCH.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"
#include "linux/proc/ptrace.h"
#include "linux/tty/tty.h"

#define NS_PER_TICK  10000000ul /* of USER_HZ, 100 a second */
#define PAGES(bytes) ((uint64_t)((bytes) / PAGE_SIZE))
#define KIB(bytes)   ((bytes) / 1024)

#define SIGNALS_QUEUED_MAX 128u /* in each queue */

/* --- who ------------------------------------------------------------------------------------- */

struct snapshot {
    int pid;
    int tid;
    int parent;
    int process_group;
    int session;
    int foreground;
    uint64_t terminal; /* its device number; 0: none */
    char state;
    int tracer; /* 0: nobody */
    uint32_t threads;
    struct cpu_time cpu;
    struct cpu_time children_cpu;
    uint64_t waits;
    uint64_t start_ns;
    int exit_signal;
    int exit_status;
    uint32_t queued;
    uint64_t pending;
    uint64_t shared_pending;
    uint64_t blocked;
    uint64_t ignored;
    uint64_t caught;
    char name[NAME_BYTES];
    struct credentials credentials;
    struct scheduling scheduling;
    struct resource_limit limits[RLIMITS];
};

static uint32_t queue_length(const struct signal_queue *queue)
{
    uint32_t length = 0;
    for (const struct queued_signal *entry = queue->first; entry != NULL; entry = entry->next) {
        length++;
    }
    return length;
}

static void signals_snapshot(const struct task *task, struct snapshot *out)
{
    out->pending = task->pending.set;
    out->queued += queue_length(&task->pending);
    out->blocked = task->blocked;
    for (int i = 0; i < SIGNALS && task->handlers != NULL; i++) {
        uint64_t handler = task->handlers->action[i].handler;
        out->ignored |= handler == SIG_IGN ? 1ull << i : 0;
        out->caught |= handler != SIG_IGN && handler != SIG_DFL ? 1ull << i : 0;
    }
}

/* Under tasks_lock. */
static char state_of(const struct thread_group *group, const struct task *task)
{
    if (group->state == GROUP_ZOMBIE || task == NULL) {
        return 'Z';
    }
    const struct trace *trace = trace_active(task);
    if (trace != NULL && trace->state != TRACE_RUNS) {
        return 't';
    }
    if (group->state == GROUP_STOPPED && trace == NULL) {
        return 'T';
    }
    return task == task_current() || thread_is_running(task->thread) ? 'R' : 'S';
}

static void group_snapshot(const struct thread_group *group, struct snapshot *out)
{
    out->pid = group->pid;
    out->parent = group->parent == NULL ? 0 : group->parent->pid;
    out->process_group = group->process_group;
    out->session = group->session;
    out->terminal = group->terminal == NULL ? 0 : tty_device(group->terminal);
    out->foreground = group->terminal == NULL ? -1 : tty_foreground(group->terminal);
    out->threads = group->task_count;
    out->children_cpu = group->children_used.cpu;
    out->start_ns = group->start_ns;
    out->exit_signal = group->exit_signal;
    out->exit_status = group->exit_status;
    out->shared_pending = group->pending.set;
    out->queued += queue_length(&group->pending);
    memcpy(out->name, group->name, sizeof(out->name));
    memcpy(out->limits, group->limits, sizeof(out->limits));
}

static bool snapshot_take(const struct proc_target *target, struct snapshot *out)
{
    struct thread_group *group;
    memset(out, 0, sizeof(*out));
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    if (group != NULL) {
        group_snapshot(group, out);
        out->tid = target->tid;
        out->state = state_of(group, task);
        out->cpu = target->tid == target->pid || task == NULL ? group_cpu_time(group)
                                                              : thread_cpu_time(task->thread);
    }
    if (task != NULL) {
        const struct trace *trace = trace_active(task);
        out->tracer = trace == NULL ? 0 : trace->tracer->pid;
        signals_snapshot(task, out);
        out->waits = task->waits;
        memcpy(out->name, task->name, sizeof(out->name));
        out->scheduling = task->scheduling;
        if (task->credentials != NULL) {
            out->credentials = *task->credentials;
        }
    }
    mutex_unlock(&tasks_lock);
    return group != NULL;
}

static struct fs_context *proc_fs(const struct proc_target *target)
{
    struct thread_group *group;
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    struct fs_context *fs = task == NULL ? NULL : task->fs;
    if (fs != NULL) {
        fs_context_get(fs);
    }
    mutex_unlock(&tasks_lock);
    return fs;
}

/* --- numbers --------------------------------------------------------------------------------- */

static long make_stat(const struct proc_target *target, struct proc_text *text)
{
    struct snapshot now;
    struct proc_memory memory;
    if (!snapshot_take(target, &now)) {
        return -ESRCH;
    }
    proc_memory_read(target, &memory);
    proc_put(text, "%d (%s) %c %d %d %d %lu %d 0 0 0 0 0 ", now.tid, now.name, now.state,
             now.parent, now.process_group, now.session, now.terminal, now.foreground);
    const struct scheduling *scheduling = &now.scheduling;
    int priority =
        scheduling->priority != 0 ? -1 - (int)scheduling->priority : 20 + scheduling->nice;
    proc_put(text, "%lu %lu %lu %lu %d %d %u 0 %lu ", now.cpu.user_ns / NS_PER_TICK,
             now.cpu.system_ns / NS_PER_TICK, now.children_cpu.user_ns / NS_PER_TICK,
             now.children_cpu.system_ns / NS_PER_TICK, priority, scheduling->nice, now.threads,
             now.start_ns / NS_PER_TICK);
    proc_put(text, "%lu %lu %lu 1 1 %lu 0 0 ", memory.total_bytes, PAGES(memory.resident_bytes),
             UINT64_MAX, memory.stack_start);
    proc_put(text, "%lu %lu %lu %lu 0 0 0 %d 0 %u %u 0 0 0 0 0 0 0 0 0 0 %d\n",
             now.pending & 0x7fffffff, now.blocked & 0x7fffffff, now.ignored & 0x7fffffff,
             now.caught & 0x7fffffff, now.exit_signal, scheduling->priority, scheduling->policy,
             now.exit_status);
    return 0;
}

static long make_statm(const struct proc_target *target, struct proc_text *text)
{
    struct proc_memory memory;
    if (!proc_alive(target)) {
        return -ESRCH;
    }
    proc_memory_read(target, &memory);
    proc_put(text, "%lu %lu 0 %lu 0 %lu 0\n", PAGES(memory.total_bytes),
             PAGES(memory.resident_bytes), PAGES(memory.code_bytes), PAGES(memory.data_bytes));
    return 0;
}

static const char *state_name(char state)
{
    switch (state) {
    case 'R':
        return "R (running)";
    case 'T':
        return "T (stopped)";
    case 't':
        return "t (tracing stop)";
    case 'Z':
        return "Z (zombie)";
    default:
        return "S (sleeping)";
    }
}

static void status_ids(struct proc_text *text, const struct credentials *ids)
{
    proc_put(text, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", ids->uid, ids->euid, ids->suid,
             ids->fsuid, ids->gid, ids->egid, ids->sgid, ids->fsgid);
}

static uint32_t descriptor_count(const struct proc_target *target)
{
    struct file_table *files = proc_files(target);
    uint32_t highest = 0;
    if (files != NULL) {
        for (int fd = file_table_next(files, 0); fd >= 0; fd = file_table_next(files, fd + 1)) {
            highest = (uint32_t)fd + 1;
        }
        file_table_put(files);
    }
    return ALIGN_UP(MAX(highest, 64u), 64u);
}

static void status_mask(const struct proc_target *target, struct proc_text *text)
{
    struct fs_context *fs = proc_fs(target);
    if (fs != NULL) {
        uint32_t mask = __atomic_load_n(&fs->mask, __ATOMIC_RELAXED);
        proc_put(text, "Umask:\t0%u%u%u\n", mask >> 6 & 7, mask >> 3 & 7, mask & 7);
        fs_context_put(fs);
    }
}

/* "0-2,4" */
static void cpu_list_put(struct proc_text *text, uint64_t mask)
{
    const char *separator = "";
    for (uint32_t first = 0; first < 64; first++) {
        if (!(mask >> first & 1)) {
            continue;
        }
        uint32_t last = first;
        while (last < 63 && mask >> (last + 1) & 1) {
            last++;
        }
        proc_put(text, "%s%u", separator, first);
        if (last != first) {
            proc_put(text, "-%u", last);
        }
        separator = ",";
        first = last;
    }
}

static void status_cpus(struct proc_text *text, const struct scheduling *scheduling)
{
    uint64_t mask = scheduling_cpus(scheduling);
    proc_put(text, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", mask);
    cpu_list_put(text, mask);
    proc_put(text, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

static void status_authority(struct proc_text *text, const struct credentials *credentials)
{
    proc_put(text, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", credentials->inheritable,
             credentials->permitted, credentials->effective);
    proc_put(text, "CapBnd:\t%016lx\nCapAmb:\t%016lx\n", credentials->bounding,
             credentials->ambient);
    proc_put(text, "NoNewPrivs:\t%d\nSeccomp:\t0\n", credentials->no_new_privileges);
}

static void status_memory(struct proc_text *text, const struct proc_memory *memory)
{
    uint64_t total = KIB(memory->total_bytes);
    uint64_t resident = KIB(memory->resident_bytes);
    proc_put(text, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\n", total, total,
             KIB(memory->locked_bytes));
    proc_put(text, "VmPin:\t       0 kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", resident, resident);
    proc_put(text, "RssAnon:\t%8lu kB\nRssFile:\t       0 kB\nRssShmem:\t       0 kB\n", resident);
    proc_put(text, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t       0 kB\n",
             KIB(memory->data_bytes), KIB(memory->stack_bytes), KIB(memory->code_bytes));
    proc_put(text, "VmPTE:\t       0 kB\nVmSwap:\t       0 kB\nHugetlbPages:\t       0 kB\n");
}

static long make_status(const struct proc_target *target, struct proc_text *text)
{
    struct snapshot now;
    struct proc_memory memory;
    if (!snapshot_take(target, &now)) {
        return -ESRCH;
    }
    proc_memory_read(target, &memory);
    proc_put(text, "Name:\t%s\n", now.name);
    status_mask(target, text);
    proc_put(text, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n", state_name(now.state),
             now.pid, now.tid, now.parent);
    proc_put(text, "TracerPid:\t%d\n", now.tracer);
    status_ids(text, &now.credentials);
    proc_put(text, "FDSize:\t%u\nGroups:\t", descriptor_count(target));
    for (uint32_t i = 0; i < MIN(now.credentials.group_count, (uint32_t)GROUPS_MAX); i++) {
        proc_put(text, "%u ", now.credentials.groups[i]);
    }
    proc_put(text, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", now.pid, now.tid,
             now.process_group, now.session);
    if (memory.total_bytes != 0) {
        status_memory(text, &memory);
    }
    proc_put(text, "CoreDumping:\t0\nTHP_enabled:\t0\nThreads:\t%u\n", now.threads);
    proc_put(text, "SigQ:\t%u/%u\n", now.queued, SIGNALS_QUEUED_MAX);
    proc_put(text, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\n",
             now.pending, now.shared_pending, now.blocked, now.ignored);
    proc_put(text, "SigCgt:\t%016lx\n", now.caught);
    status_authority(text, &now.credentials);
    status_cpus(text, &now.scheduling);
    proc_put(text, "voluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t0\n", now.waits);
    return 0;
}

static long make_comm(const struct proc_target *target, struct proc_text *text)
{
    struct snapshot now;
    if (!snapshot_take(target, &now)) {
        return -ESRCH;
    }
    proc_put(text, "%s\n", now.name);
    return 0;
}

/* Only one's own threads, as pthread_setname_np does. */
static long write_comm(const struct proc_target *target, const char *bytes, uint32_t length_bytes)
{
    struct thread_group *group;
    char name[NAME_BYTES] = {0};
    memcpy(name, bytes, MIN((size_t)length_bytes, sizeof(name) - 1));
    mutex_lock(&tasks_lock);
    struct task *task = proc_task(target, &group);
    long result = task == NULL ? -ESRCH : group != task_current()->group ? -EINVAL : 0;
    if (result == 0) {
        task_name_set(task, name);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

/* --- when memory runs out --------------------------------------------------------------------- */

#define OOM_ADJUST_MAX 1000

static long make_oom_adjust(const struct proc_target *target, struct proc_text *text)
{
    struct thread_group *group;
    mutex_lock(&tasks_lock);
    (void)proc_task(target, &group);
    int adjust = group == NULL ? 0 : group->oom_adjust;
    mutex_unlock(&tasks_lock);
    proc_put(text, "%d\n", adjust);
    return group == NULL ? -ESRCH : 0;
}

static bool number_read(const char *bytes, int *out)
{
    bool negative = *bytes == '-';
    int value = 0;
    bytes += negative;
    if (*bytes < '0' || *bytes > '9') {
        return false;
    }
    while (*bytes >= '0' && *bytes <= '9' && value <= OOM_ADJUST_MAX) {
        value = value * 10 + (*bytes++ - '0');
    }
    *out = negative ? -value : value;
    return *bytes == '\0' || *bytes == '\n';
}

/* It may always be raised; lowered only with CAP_SYS_RESOURCE. */
static long write_oom_adjust(const struct proc_target *target, const char *bytes,
                             uint32_t length_bytes)
{
    (void)length_bytes;
    struct thread_group *group;
    int adjust;
    if (!number_read(bytes, &adjust) || adjust < -OOM_ADJUST_MAX || adjust > OOM_ADJUST_MAX) {
        return -EINVAL;
    }
    mutex_lock(&tasks_lock);
    (void)proc_task(target, &group);
    long result = group == NULL                                                   ? -ESRCH
                  : adjust < group->oom_adjust && !task_capable(CAP_SYS_RESOURCE) ? -EACCES
                                                                                  : 0;
    if (result == 0) {
        group->oom_adjust = adjust;
    }
    mutex_unlock(&tasks_lock);
    return result;
}

static void limit_value(char *out, size_t capacity_bytes, uint64_t value)
{
    if (value == UINT64_MAX) {
        (void)format_text(out, capacity_bytes, "unlimited");
    } else {
        (void)format_text(out, capacity_bytes, "%lu", value);
    }
}

static long make_limits(const struct proc_target *target, struct proc_text *text)
{
    static const char *const names[RLIMITS][2] = {
        {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
        {"Max data size", "bytes"},      {"Max stack size", "bytes"},
        {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
        {"Max processes", "processes"},  {"Max open files", "files"},
        {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
        {"Max file locks", "locks"},     {"Max pending signals", "signals"},
        {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
        {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
    };
    struct snapshot now;
    if (!snapshot_take(target, &now)) {
        return -ESRCH;
    }
    proc_put(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (uint32_t i = 0; i < RLIMITS; i++) {
        char soft[24];
        char hard[24];
        limit_value(soft, sizeof(soft), now.limits[i].soft);
        limit_value(hard, sizeof(hard), now.limits[i].hard);
        proc_put(text, "%-25s %-20s %-20s %-10s\n", names[i][0], soft, hard, names[i][1]);
    }
    return 0;
}

/* Bytes are not counted by process. */
static long make_io(const struct proc_target *target, struct proc_text *text)
{
    long result = proc_may_look(target);
    if (result != 0) {
        return result;
    }
    proc_put(text, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
                   "cancelled_write_bytes: 0\n");
    return 0;
}

/* One of each: a container is not divided further. */
#define NAMESPACE(name_, number)                                                                   \
    {                                                                                              \
        .name = (name_), .mode = S_IFLNK | 0777, .text = number                                    \
    }
static const struct proc_entry namespace_links[] = {
    NAMESPACE("cgroup", "cgroup:[4026531835]"), NAMESPACE("ipc", "ipc:[4026531839]"),
    NAMESPACE("mnt", "mnt:[4026531841]"),       NAMESPACE("net", "net:[4026531840]"),
    NAMESPACE("pid", "pid:[4026531836]"),       NAMESPACE("pid_for_children", "pid:[4026531836]"),
    NAMESPACE("time", "time:[4026531834]"),     NAMESPACE("user", "user:[4026531837]"),
    NAMESPACE("uts", "uts:[4026531838]"),
};

/* --- the tables ------------------------------------------------------------------------------ */

#define THREAD_FILES                                                                               \
    {.name = "stat", .mode = S_IFREG | 0444, .make = make_stat},                                   \
        {.name = "status", .mode = S_IFREG | 0444, .make = make_status},                           \
        {.name = "statm", .mode = S_IFREG | 0444, .make = make_statm},                             \
        {.name = "comm", .mode = S_IFREG | 0644, .make = make_comm, .write = write_comm},          \
        {.name = "oom_score_adj",                                                                  \
         .mode = S_IFREG | 0644,                                                                   \
         .make = make_oom_adjust,                                                                  \
         .write = write_oom_adjust},                                                               \
        PROC_TEXT("oom_score", "0\n"), PROC_TEXT("cgroup", "0::/\n"), PROC_TEXT("cpuset", "/\n"),  \
        PROC_TEXT("loginuid", "4294967295"), PROC_TEXT("sessionid", "4294967295"),                 \
        PROC_TEXT("personality", "00000000\n"), PROC_TEXT("wchan", "0"),                           \
        PROC_TEXT("coredump_filter", "00000033\n"),                                                \
        PROC_TEXT("uid_map", "         0          0 4294967295\n"),                                \
        PROC_TEXT("gid_map", "         0          0 4294967295\n"),                                \
        PROC_TEXT("setgroups", "allow\n"), PROC_TEXT("timerslack_ns", "50000\n"),                  \
        {.name = "smaps", .mode = S_IFREG | 0444, .make = proc_make_smaps},                        \
        {.name = "smaps_rollup", .mode = S_IFREG | 0444, .make = proc_make_smaps_rollup},          \
        {.name = "io", .mode = S_IFREG | 0400, .make = make_io},                                   \
        PROC_DIRECTORY("ns", namespace_links),                                                     \
        {.name = "cmdline", .mode = S_IFREG | 0444, .make = proc_make_command_line},               \
        {.name = "mem", .mode = S_IFREG | 0600, .move = proc_memory_move},                         \
        {.name = "auxv", .mode = S_IFREG | 0400, .make = proc_make_auxv},                          \
        {.name = "environ", .mode = S_IFREG | 0400, .make = proc_make_environment},                \
        {.name = "maps", .mode = S_IFREG | 0444, .make = proc_make_maps},                          \
        {.name = "mounts", .mode = S_IFREG | 0444, .make = proc_make_mounts},                      \
        {.name = "mountinfo", .mode = S_IFREG | 0444, .make = proc_make_mountinfo},                \
        {.name = "limits", .mode = S_IFREG | 0444, .make = make_limits},                           \
        {.name = "exe", .mode = S_IFLNK | 0777, .readlink = proc_exe_read},                        \
        {.name = "cwd",                                                                            \
         .mode = S_IFLNK | 0777,                                                                   \
         .readlink = proc_cwd_read,                                                                \
         .follow = proc_cwd_follow},                                                               \
        {.name = "root",                                                                           \
         .mode = S_IFLNK | 0777,                                                                   \
         .readlink = proc_root_read,                                                               \
         .follow = proc_root_follow},                                                              \
        {.name = "fdinfo", .mode = S_IFDIR | 0555, .kind = PROC_FILES_INFO},                       \
    {                                                                                              \
        .name = "fd", .mode = S_IFDIR | 0500, .kind = PROC_FILES                                   \
    }

static const struct proc_entry thread_files[] = {THREAD_FILES};

static const struct proc_entry process_files[] = {
    THREAD_FILES,
    {.name = "task", .mode = S_IFDIR | 0555, .kind = PROC_TASKS},
};

const struct proc_entry proc_process_entry = {
    .mode = S_IFDIR | 0555,
    .children = process_files,
    .child_count = ARRAY_LENGTH(process_files),
};

const struct proc_entry proc_thread_entry = {
    .mode = S_IFDIR | 0555,
    .children = thread_files,
    .child_count = ARRAY_LENGTH(thread_files),
};
