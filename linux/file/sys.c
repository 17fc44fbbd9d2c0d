/*
 * /sys: what programs ask of processors and memory nodes, and where the container's limits are
 * mounted. The devices of the machine are nobody's business.
 */
#include "linux/file/sys.h"

#include "lib/base/format.h"
#include "linux/core/container.h"
#include "linux/file/proc_entry.h"

static long make_cpu_range(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    if (cpu_count() == 1) {
        proc_put(text, "0\n");
    } else {
        proc_put(text, "0-%u\n", cpu_count() - 1);
    }
    return 0;
}

static void put_mask(struct proc_text *text, uint64_t mask)
{
    if (mask >> 32 != 0) {
        proc_put(text, "%x,%08x\n", (uint32_t)(mask >> 32), (uint32_t)mask);
    } else {
        proc_put(text, "%x\n", (uint32_t)mask);
    }
}

static long make_cpu_mask(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    put_mask(text, cpu_count() >= 64 ? UINT64_MAX : (1ull << cpu_count()) - 1);
    return 0;
}

/* Of the one CPU that the directory is about. */
static long make_own_number(const struct proc_target *target, struct proc_text *text)
{
    proc_put(text, "%d\n", target->fd);
    return 0;
}

static long make_own_mask(const struct proc_target *target, struct proc_text *text)
{
    put_mask(text, target->fd >= 64 ? 0 : 1ull << target->fd);
    return 0;
}

static const struct proc_entry topology_entries[] = {
    PROC_FILE("core_id", make_own_number),
    PROC_TEXT("physical_package_id", "0\n"),
    PROC_TEXT("die_id", "0\n"),
    PROC_FILE("thread_siblings", make_own_mask),
    PROC_FILE("thread_siblings_list", make_own_number),
    PROC_FILE("core_cpus", make_own_mask),
    PROC_FILE("core_cpus_list", make_own_number),
    PROC_FILE("core_siblings", make_cpu_mask),
    PROC_FILE("core_siblings_list", make_cpu_range),
    PROC_FILE("package_cpus", make_cpu_mask),
    PROC_FILE("package_cpus_list", make_cpu_range),
};

static const struct proc_entry one_cpu_entries[] = {
    PROC_DIRECTORY("topology", topology_entries),
    PROC_TEXT("online", "1\n"),
};

static const struct proc_entry one_cpu = {
    .mode = S_IFDIR | 0555,
    .children = one_cpu_entries,
    .child_count = ARRAY_LENGTH(one_cpu_entries),
};

static const struct proc_entry cpu_entries[] = {
    PROC_FILE("online", make_cpu_range),  PROC_FILE("possible", make_cpu_range),
    PROC_FILE("present", make_cpu_range), PROC_TEXT("offline", "\n"),
    PROC_TEXT("isolated", "\n"),          PROC_TEXT("kernel_max", "63\n"),
};

static long make_node_memory(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct container_memory memory = container_memory_read();
    proc_put(text, "Node 0 MemTotal:       %8lu kB\nNode 0 MemFree:        %8lu kB\n",
             memory.total_bytes / 1024, (memory.total_bytes - memory.used_bytes) / 1024);
    proc_put(text, "Node 0 MemUsed:        %8lu kB\n", memory.used_bytes / 1024);
    return 0;
}

static const struct proc_entry one_node_entries[] = {
    PROC_FILE("cpulist", make_cpu_range),
    PROC_FILE("cpumap", make_cpu_mask),
    PROC_TEXT("distance", "10\n"),
    PROC_FILE("meminfo", make_node_memory),
};

static const struct proc_entry node_entries[] = {
    PROC_TEXT("online", "0\n"),
    PROC_TEXT("possible", "0\n"),
    PROC_TEXT("has_cpu", "0\n"),
    PROC_TEXT("has_memory", "0\n"),
    PROC_DIRECTORY("node0", one_node_entries),
};

static const struct proc_entry system_entries[] = {
    {.name = "cpu",
     .mode = S_IFDIR | 0555,
     .kind = PROC_CPUS,
     .children = cpu_entries,
     .child_count = ARRAY_LENGTH(cpu_entries),
     .cpu_entry = &one_cpu},
    PROC_DIRECTORY("node", node_entries),
};

static const struct proc_entry device_entries[] = {
    PROC_DIRECTORY("system", system_entries),
};

static const struct proc_entry huge_entries[] = {
    PROC_TEXT("enabled", "always [madvise] never\n"),
    PROC_TEXT("defrag", "always defer defer+madvise [madvise] never\n"),
    PROC_TEXT("shmem_enabled", "always within_size advise [never] deny force\n"),
    PROC_TEXT("hpage_pmd_size", "2097152\n"),
};

static const struct proc_entry mm_entries[] = {
    PROC_DIRECTORY("transparent_hugepage", huge_entries),
};

static const struct proc_entry kernel_entries[] = {
    PROC_DIRECTORY("mm", mm_entries),
};

#define EMPTY_DIRECTORY(directory_name)                                                            \
    {                                                                                              \
        .name = (directory_name), .mode = S_IFDIR | 0555                                           \
    }

static const struct proc_entry class_entries[] = {
    EMPTY_DIRECTORY("net"),
    EMPTY_DIRECTORY("block"),
};

static const struct proc_entry fs_entries[] = {
    {.name = "cgroup", .mode = S_IFDIR | 0555, .place = &cgroup_place},
};

static const struct proc_entry sys_entries[] = {
    PROC_DIRECTORY("devices", device_entries),
    PROC_DIRECTORY("kernel", kernel_entries),
    PROC_DIRECTORY("class", class_entries),
    PROC_DIRECTORY("fs", fs_entries),
    EMPTY_DIRECTORY("block"),
    EMPTY_DIRECTORY("bus"),
    EMPTY_DIRECTORY("module"),
    EMPTY_DIRECTORY("firmware"),
};

static const struct proc_entry sys_root = PROC_DIRECTORY("", sys_entries);

struct inode *sys_root_inode(void)
{
    return proc_tree_root(SYS_TREE, &sys_root);
}

struct inode *cgroup_place_inode(void)
{
    return proc_place_init(&cgroup_place, SYS_TREE, &fs_entries[0]);
}

struct inode *cgroup_root_inode(void)
{
    return proc_tree_root(CGROUP_TREE, &cgroup_root);
}
