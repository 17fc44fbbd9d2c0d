/*
 * /proc/sys: the settings that programs ask for, as docker's containers show them. None can be
 * changed: they say how this Linux is.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/random.h"
#include "linux/file/descriptor.h"
#include "linux/file/pipe.h"
#include "linux/file/proc_entry.h"
#include "linux/mm/mm.h"
#include "linux/proc/task.h"
#include "linux/tty/pty.h"

/* --- of this container ----------------------------------------------------------------------- */

static long make_release(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, LINUX_RELEASE "\n");
    return 0;
}

static long make_system_name(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Linux\n");
    return 0;
}

static long make_kernel_version(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, LINUX_VERSION "\n");
    return 0;
}

static long make_hostname(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%s\n", container_hostname());
    return 0;
}

static long make_domain_name(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "(none)\n");
    return 0;
}

static long make_pid_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%d\n", PID_MAX);
    return 0;
}

static long make_descriptors_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%d\n", DESCRIPTORS_MAX);
    return 0;
}

static long make_groups_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%d\n", GROUPS_MAX);
    return 0;
}

static long make_areas_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%d\n", AREAS_MAX);
    return 0;
}

static long make_pipe_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%u\n", PIPE_BYTES_MAX);
    return 0;
}

static void put_uuid(struct proc_text *text, uint8_t bytes[16])
{
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* RFC 4122, version 4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (uint32_t i = 0; i < 16; i++) {
        proc_put(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
    }
    proc_put(text, "\n");
}

static long make_uuid(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    put_uuid(text, bytes);
    return 0;
}

/* The same as long as the container lives: drawn when it is first asked for. */
static long make_boot_id(const struct proc_target *target, struct proc_text *text)
{
    static struct mutex lock;
    static bool drawn;
    static uint8_t boot_id[16];
    uint8_t bytes[16];
    (void)target;
    mutex_lock(&lock);
    if (!drawn) {
        random_bytes(boot_id, sizeof(boot_id));
        drawn = true;
    }
    memcpy(bytes, boot_id, sizeof(bytes));
    mutex_unlock(&lock);
    put_uuid(text, bytes);
    return 0;
}

static long make_pty_max(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "%d\n", PTY_MAX);
    return 0;
}

static long make_pty_count(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint32_t count = 0;
    for (int number = pty_next(0); number >= 0; number = pty_next((uint32_t)number + 1)) {
        count++;
    }
    proc_put(text, "%u\n", count);
    return 0;
}

static long make_file_count(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "0\t0\t%lu\n", (uint64_t)INT64_MAX);
    return 0;
}

/* --- tables ----------------------------------------------------------------------------------- */

static const struct proc_entry random_entries[] = {
    PROC_FILE("boot_id", make_boot_id),
    PROC_FILE("uuid", make_uuid),
    PROC_TEXT("entropy_avail", "256\n"),
    PROC_TEXT("poolsize", "256\n"),
};

static const struct proc_entry pty_entries[] = {
    PROC_FILE("max", make_pty_max),
    PROC_FILE("nr", make_pty_count),
    PROC_TEXT("reserve", "0\n"),
};

static const struct proc_entry yama_entries[] = {
    PROC_TEXT("ptrace_scope", "1\n"),
};

static const struct proc_entry kernel_entries[] = {
    PROC_FILE("hostname", make_hostname),
    PROC_FILE("domainname", make_domain_name),
    PROC_FILE("ostype", make_system_name),
    PROC_FILE("osrelease", make_release),
    PROC_FILE("version", make_kernel_version),
    PROC_FILE("pid_max", make_pid_max),
    PROC_FILE("threads-max", make_pid_max),
    PROC_FILE("ngroups_max", make_groups_max),
    PROC_TEXT("cap_last_cap", "40\n"),
    PROC_TEXT("core_pattern", "core\n"),
    PROC_TEXT("core_uses_pid", "0\n"),
    PROC_TEXT("randomize_va_space", "0\n"),
    PROC_TEXT("overflowuid", "65534\n"),
    PROC_TEXT("overflowgid", "65534\n"),
    PROC_TEXT("panic", "0\n"),
    PROC_TEXT("dmesg_restrict", "1\n"),
    PROC_TEXT("kptr_restrict", "1\n"),
    PROC_TEXT("perf_event_paranoid", "4\n"),
    PROC_TEXT("printk", "4\t4\t1\t7\n"),
    PROC_TEXT("tainted", "0\n"),
    PROC_TEXT("sched_autogroup_enabled", "0\n"),
    PROC_TEXT("sched_child_runs_first", "0\n"),
    PROC_TEXT("numa_balancing", "0\n"),
    PROC_TEXT("unprivileged_bpf_disabled", "2\n"),
    PROC_TEXT("unprivileged_userns_clone", "0\n"),
    PROC_TEXT("sched_rt_runtime_us", "950000\n"),
    PROC_TEXT("sched_rt_period_us", "1000000\n"),
    PROC_TEXT("shmmax", "18446744073692774399\n"),
    PROC_TEXT("shmall", "18446744073692774399\n"),
    PROC_TEXT("shmmni", "4096\n"),
    PROC_TEXT("sem", "32000\t131072\t500\t4096\n"),
    PROC_TEXT("msgmax", "8192\n"),
    PROC_TEXT("msgmnb", "16384\n"),
    PROC_TEXT("msgmni", "4096\n"),
    PROC_DIRECTORY("random", random_entries),
    PROC_DIRECTORY("pty", pty_entries),
    PROC_DIRECTORY("yama", yama_entries),
};

static const struct proc_entry vm_entries[] = {
    PROC_TEXT("overcommit_memory", "1\n"),
    PROC_TEXT("overcommit_ratio", "50\n"),
    PROC_TEXT("overcommit_kbytes", "0\n"),
    PROC_TEXT("swappiness", "0\n"),
    PROC_FILE("max_map_count", make_areas_max),
    PROC_TEXT("mmap_min_addr", "65536\n"),
    PROC_TEXT("nr_hugepages", "0\n"),
    PROC_TEXT("nr_overcommit_hugepages", "0\n"),
    PROC_TEXT("hugetlb_shm_group", "0\n"),
    PROC_TEXT("unprivileged_userfaultfd", "0\n"),
    PROC_TEXT("dirty_ratio", "20\n"),
    PROC_TEXT("dirty_background_ratio", "10\n"),
    PROC_TEXT("dirty_bytes", "0\n"),
    PROC_TEXT("dirty_background_bytes", "0\n"),
    PROC_TEXT("dirty_expire_centisecs", "3000\n"),
    PROC_TEXT("dirty_writeback_centisecs", "500\n"),
    PROC_TEXT("vfs_cache_pressure", "100\n"),
    PROC_TEXT("min_free_kbytes", "4096\n"),
    PROC_TEXT("page-cluster", "3\n"),
    PROC_TEXT("zone_reclaim_mode", "0\n"),
    PROC_TEXT("panic_on_oom", "0\n"),
    PROC_TEXT("oom_kill_allocating_task", "0\n"),
};

static const struct proc_entry inotify_entries[] = {
    PROC_TEXT("max_queued_events", "16384\n"),
    PROC_TEXT("max_user_instances", "128\n"),
    PROC_TEXT("max_user_watches", "65536\n"),
};

static const struct proc_entry epoll_entries[] = {
    PROC_TEXT("max_user_watches", "1048576\n"),
};

static const struct proc_entry fs_entries[] = {
    PROC_FILE("file-max", make_descriptors_max),
    PROC_FILE("file-nr", make_file_count),
    PROC_FILE("nr_open", make_descriptors_max),
    PROC_FILE("pipe-max-size", make_pipe_max),
    PROC_TEXT("pipe-user-pages-hard", "0\n"),
    PROC_TEXT("pipe-user-pages-soft", "16384\n"),
    PROC_TEXT("aio-max-nr", "0\n"),
    PROC_TEXT("aio-nr", "0\n"),
    PROC_TEXT("protected_fifos", "1\n"),
    PROC_TEXT("protected_hardlinks", "1\n"),
    PROC_TEXT("protected_regular", "2\n"),
    PROC_TEXT("protected_symlinks", "1\n"),
    PROC_TEXT("suid_dumpable", "0\n"),
    PROC_TEXT("lease-break-time", "45\n"),
    PROC_TEXT("leases-enable", "0\n"),
    PROC_DIRECTORY("inotify", inotify_entries),
    PROC_DIRECTORY("epoll", epoll_entries),
};

static const struct proc_entry core_entries[] = {
    PROC_TEXT("somaxconn", "4096\n"),      PROC_TEXT("rmem_max", "212992\n"),
    PROC_TEXT("wmem_max", "212992\n"),     PROC_TEXT("rmem_default", "212992\n"),
    PROC_TEXT("wmem_default", "212992\n"), PROC_TEXT("netdev_max_backlog", "1000\n"),
    PROC_TEXT("optmem_max", "20480\n"),
};

static const struct proc_entry ipv4_entries[] = {
    PROC_TEXT("ip_local_port_range", "32768\t60999\n"),
    PROC_TEXT("ip_unprivileged_port_start", "0\n"),
    PROC_TEXT("ip_forward", "0\n"),
    PROC_TEXT("tcp_syncookies", "1\n"),
    PROC_TEXT("tcp_keepalive_time", "7200\n"),
    PROC_TEXT("tcp_keepalive_intvl", "75\n"),
    PROC_TEXT("tcp_keepalive_probes", "9\n"),
    PROC_TEXT("tcp_fin_timeout", "60\n"),
    PROC_TEXT("tcp_max_syn_backlog", "128\n"),
    PROC_TEXT("tcp_rmem", "4096\t131072\t6291456\n"),
    PROC_TEXT("tcp_wmem", "4096\t16384\t4194304\n"),
    PROC_TEXT("tcp_congestion_control", "reno\n"),
    PROC_TEXT("tcp_available_congestion_control", "reno\n"),
    PROC_TEXT("tcp_allowed_congestion_control", "reno\n"),
    PROC_TEXT("tcp_fastopen", "0\n"),
    PROC_TEXT("tcp_sack", "0\n"),
    PROC_TEXT("tcp_timestamps", "0\n"),
    PROC_TEXT("tcp_window_scaling", "0\n"),
    PROC_TEXT("tcp_tw_reuse", "0\n"),
    PROC_TEXT("tcp_syn_retries", "6\n"),
    PROC_TEXT("tcp_synack_retries", "5\n"),
    PROC_TEXT("tcp_retries1", "3\n"),
    PROC_TEXT("tcp_retries2", "15\n"),
    PROC_TEXT("ip_nonlocal_bind", "0\n"),
    PROC_TEXT("ip_default_ttl", "64\n"),
    PROC_TEXT("ping_group_range", "1\t0\n"),
};

static const struct proc_entry ipv6_interface_entries[] = {
    PROC_TEXT("disable_ipv6", "0\n"),
    PROC_TEXT("forwarding", "0\n"),
    PROC_TEXT("hop_limit", "64\n"),
};

static const struct proc_entry ipv6_interfaces[] = {
    PROC_DIRECTORY("all", ipv6_interface_entries),
    PROC_DIRECTORY("default", ipv6_interface_entries),
    PROC_DIRECTORY("lo", ipv6_interface_entries),
};

static const struct proc_entry ipv6_entries[] = {
    PROC_TEXT("bindv6only", "0\n"),
    PROC_TEXT("ip_nonlocal_bind", "0\n"),
    PROC_DIRECTORY("conf", ipv6_interfaces),
};

static const struct proc_entry unix_entries[] = {
    PROC_TEXT("max_dgram_qlen", "512\n"),
};

static const struct proc_entry net_entries[] = {
    PROC_DIRECTORY("core", core_entries),
    PROC_DIRECTORY("ipv4", ipv4_entries),
    PROC_DIRECTORY("ipv6", ipv6_entries),
    PROC_DIRECTORY("unix", unix_entries),
};

/* Programs that build a sandbox of namespaces ask first. */
static const struct proc_entry user_entries[] = {
    PROC_TEXT("max_user_namespaces", "0\n"),   PROC_TEXT("max_pid_namespaces", "0\n"),
    PROC_TEXT("max_mnt_namespaces", "0\n"),    PROC_TEXT("max_net_namespaces", "0\n"),
    PROC_TEXT("max_ipc_namespaces", "0\n"),    PROC_TEXT("max_uts_namespaces", "0\n"),
    PROC_TEXT("max_cgroup_namespaces", "0\n"),
};

const struct proc_entry proc_settings[PROC_SETTINGS] = {
    PROC_DIRECTORY("kernel", kernel_entries), PROC_DIRECTORY("vm", vm_entries),
    PROC_DIRECTORY("fs", fs_entries),         PROC_DIRECTORY("net", net_entries),
    PROC_DIRECTORY("user", user_entries),
};
