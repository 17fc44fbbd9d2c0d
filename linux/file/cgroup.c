/*
 * /sys/fs/cgroup: the container's limits and what it uses, as Linux's control groups (version 2)
 * show them inside a container (Documentation/admin-guide/cgroup-v2.rst). Nothing in it can be
 * changed: the limits are the engine's to set.
 */
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/container.h"
#include "linux/file/proc_entry.h"
#include "linux/file/sys.h"
#include "linux/proc/table.h"

#include "abi/container.h"

#define NS_PER_US 1000ul

static struct account_usage usage_read(void)
{
    struct account_usage usage = {.limit_bytes = UINT64_MAX, .limit_threads = UINT64_MAX};
    (void)object_state(CONTAINER_SLOT_APPLICATION, STATE_ACCOUNT, &usage, sizeof(usage));
    return usage;
}

static void put_limit(struct proc_text *text, uint64_t limit)
{
    if (limit == UINT64_MAX) {
        proc_put(text, "max\n");
    } else {
        proc_put(text, "%lu\n", limit);
    }
}

/* --- memory ----------------------------------------------------------------------------------- */

static long make_memory_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    put_limit(text, usage_read().limit_bytes);
    return 0;
}

static long make_memory_current(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%lu\n", usage_read().bytes_total);
    return 0;
}

static long make_memory_peak(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%lu\n", usage_read().bytes_peak);
    return 0;
}

static long make_memory_events(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    int killed = container_was_short();
    proc_put(text, "low 0\nhigh 0\nmax %d\noom %d\noom_kill %d\noom_group_kill 0\n", killed, killed,
             killed);
    return 0;
}

static long make_memory_stat(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct account_usage usage = usage_read();
    proc_put(text, "anon %lu\nfile 0\nkernel %lu\nkernel_stack 0\npagetables %lu\nsock 0\n",
             usage.bytes[ACCOUNT_FRAMES], usage.bytes[ACCOUNT_OBJECTS],
             usage.bytes[ACCOUNT_TABLES]);
    proc_put(text,
             "shmem 0\nfile_mapped 0\nfile_dirty 0\nfile_writeback 0\ninactive_anon 0\n"
             "active_anon %lu\ninactive_file 0\nactive_file 0\nunevictable 0\n",
             usage.bytes[ACCOUNT_FRAMES]);
    proc_put(text, "slab_reclaimable 0\nslab_unreclaimable 0\nslab 0\npgfault 0\npgmajfault 0\n");
    return 0;
}

/* --- processors and processes ----------------------------------------------------------------- */

static long make_cpu_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct account_usage usage = usage_read();
    if (usage.cpu_quota_ns == 0) {
        proc_put(text, "max 100000\n");
    } else {
        proc_put(text, "%lu %lu\n", usage.cpu_quota_ns / NS_PER_US,
                 usage.cpu_period_ns / NS_PER_US);
    }
    return 0;
}

static long make_cpu_stat(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint64_t used_us = usage_read().cpu_ns / NS_PER_US;
    proc_put(text, "usage_usec %lu\nuser_usec %lu\nsystem_usec 0\n", used_us, used_us);
    proc_put(text, "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    return 0;
}

static long make_pids_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    put_limit(text, usage_read().limit_threads);
    return 0;
}

static long make_pids_current(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%u\n", task_count());
    return 0;
}

static void process_visit(struct thread_group *group, void *context)
{
    if (group->state != GROUP_ZOMBIE) {
        proc_put(context, "%d\n", group->pid);
    }
}

static long make_processes(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    mutex_lock(&tasks_lock);
    task_for_each_group(process_visit, text);
    mutex_unlock(&tasks_lock);
    return 0;
}

static long make_cpus(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    if (cpu_count() == 1) {
        proc_put(text, "0\n");
    } else {
        proc_put(text, "0-%u\n", cpu_count() - 1);
    }
    return 0;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct proc_entry cgroup_entries[] = {
    PROC_TEXT("cgroup.controllers", "cpuset cpu memory pids\n"),
    PROC_TEXT("cgroup.subtree_control", "\n"),
    PROC_TEXT("cgroup.type", "domain\n"),
    PROC_TEXT("cgroup.max.depth", "max\n"),
    PROC_TEXT("cgroup.max.descendants", "max\n"),
    PROC_TEXT("cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n"),
    PROC_TEXT("cgroup.events", "populated 1\nfrozen 0\n"),
    PROC_TEXT("cgroup.freeze", "0\n"),
    PROC_FILE("cgroup.procs", make_processes),
    PROC_FILE("memory.max", make_memory_max),
    PROC_TEXT("memory.high", "max\n"),
    PROC_TEXT("memory.low", "0\n"),
    PROC_TEXT("memory.min", "0\n"),
    PROC_FILE("memory.current", make_memory_current),
    PROC_FILE("memory.peak", make_memory_peak),
    PROC_FILE("memory.events", make_memory_events),
    PROC_FILE("memory.stat", make_memory_stat),
    PROC_TEXT("memory.swap.max", "0\n"),
    PROC_TEXT("memory.swap.current", "0\n"),
    PROC_TEXT("memory.oom.group", "0\n"),
    PROC_FILE("cpu.max", make_cpu_max),
    PROC_TEXT("cpu.weight", "100\n"),
    PROC_FILE("cpu.stat", make_cpu_stat),
    PROC_FILE("cpuset.cpus.effective", make_cpus),
    PROC_TEXT("cpuset.cpus", "\n"),
    PROC_TEXT("cpuset.mems.effective", "0\n"),
    PROC_TEXT("cpuset.mems", "\n"),
    PROC_FILE("pids.max", make_pids_max),
    PROC_FILE("pids.current", make_pids_current),
    PROC_TEXT("io.stat", ""),
};

const struct proc_entry cgroup_root = PROC_DIRECTORY("", cgroup_entries);
