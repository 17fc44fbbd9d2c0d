/*
 * What /proc tells beside the processes: memory, processors, times, mounts. The settings under sys/
 * are proc_settings.c's. Everything is the container's own: what the machine has beyond the
 * container's limits is not shown.
 */
#include "lib/base/format.h"
#include "lib/base/processor.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/file/path.h"
#include "linux/file/proc_entry.h"
#include "linux/file/record_lock.h"
#include "linux/ipc/ipc.h"
#include "linux/proc/task.h"

#include "abi/container.h"

#define NS_PER_SECOND 1000000000ul
#define NS_PER_TICK   10000000ul
#define KIB(bytes)    ((bytes) / 1024)
#define PAGES(bytes)  ((uint64_t)((bytes) / PAGE_SIZE))

/* --- memory and time ------------------------------------------------------------------------- */

static long make_meminfo(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct container_memory memory = container_memory_read();
    uint64_t free_bytes = memory.total_bytes - memory.used_bytes;
    proc_put(text, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n",
             KIB(memory.total_bytes), KIB(free_bytes), KIB(free_bytes));
    proc_put(text,
             "Buffers:               0 kB\nCached:                0 kB\n"
             "SwapCached:            0 kB\nActive:         %8lu kB\nInactive:              0 kB\n",
             KIB(memory.used_bytes));
    proc_put(text, "SwapTotal:             0 kB\nSwapFree:              0 kB\n"
                   "Dirty:                 0 kB\nWriteback:             0 kB\n");
    proc_put(text,
             "AnonPages:      %8lu kB\nMapped:                0 kB\n"
             "Shmem:                 0 kB\nSlab:                  0 kB\n"
             "SReclaimable:          0 kB\nSUnreclaim:            0 kB\n",
             KIB(memory.used_bytes));
    return 0;
}

/* Of all applications of the container. */
static uint64_t cpu_used_ns(void)
{
    struct account_usage usage = {.cpu_ns = 0};
    (void)object_state(CONTAINER_SLOT_APPLICATION, STATE_ACCOUNT, &usage, sizeof(usage));
    return usage.cpu_ns;
}

static uint64_t idle_ns(void)
{
    uint64_t all = clock_now_ns() * cpu_count();
    uint64_t used = cpu_used_ns();
    return all > used ? all - used : 0;
}

static long make_uptime(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint64_t now = clock_now_ns();
    uint64_t idle = idle_ns();
    proc_put(text, "%lu.%02lu %lu.%02lu\n", now / NS_PER_SECOND, now % NS_PER_SECOND / NS_PER_TICK,
             idle / NS_PER_SECOND, idle % NS_PER_SECOND / NS_PER_TICK);
    return 0;
}

struct census {
    uint32_t tasks;
    int newest;
};

static void census_visit(struct thread_group *group, void *context)
{
    struct census *census = context;
    census->tasks += group->task_count;
    census->newest = MAX(census->newest, group->pid);
}

static struct census census_take(void)
{
    struct census census = {0, 0};
    mutex_lock(&tasks_lock);
    task_for_each_group(census_visit, &census);
    mutex_unlock(&tasks_lock);
    return census;
}

/* Load is not averaged: only the counts are true. */
static long make_loadavg(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct census census = census_take();
    proc_put(text, "0.00 0.00 0.00 1/%u %d\n", census.tasks, census.newest);
    return 0;
}

static long make_stat(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint32_t cpus = cpu_count();
    uint64_t used = cpu_used_ns() / NS_PER_TICK;
    uint64_t idle = idle_ns() / NS_PER_TICK;
    uint64_t wall = clock_wall_ns();
    uint64_t up = clock_now_ns();
    struct census census = census_take();
    proc_put(text, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", used, idle);
    for (uint32_t i = 0; i < cpus; i++) {
        proc_put(text, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", i, used / cpus, idle / cpus);
    }
    proc_put(text, "intr 0\nctxt 0\nbtime %lu\nprocesses %d\nprocs_running 1\nprocs_blocked 0\n",
             (wall > up ? wall - up : 0) / NS_PER_SECOND, census.newest);
    return 0;
}

/* --- processors ------------------------------------------------------------------------------ */

enum cpuid_register {
    CPUID_A,
    CPUID_B,
    CPUID_C,
    CPUID_D,
};

/* By enum cpuid_register. */
static void leaf_read(uint32_t leaf, uint32_t out[4])
{
    struct cpuid_result result = cpuid(leaf, 0);
    memcpy(out, &result, sizeof(result));
}

struct cpu_flag {
    const char *name;
    uint32_t leaf;
    enum cpuid_register place;
    uint32_t bit;
};

static const struct cpu_flag cpu_flags[] = {
    {"fpu", 1, CPUID_D, 0},
    {"tsc", 1, CPUID_D, 4},
    {"cx8", 1, CPUID_D, 8},
    {"cmov", 1, CPUID_D, 15},
    {"clflush", 1, CPUID_D, 19},
    {"mmx", 1, CPUID_D, 23},
    {"fxsr", 1, CPUID_D, 24},
    {"sse", 1, CPUID_D, 25},
    {"sse2", 1, CPUID_D, 26},
    {"pni", 1, CPUID_C, 0},
    {"pclmulqdq", 1, CPUID_C, 1},
    {"ssse3", 1, CPUID_C, 9},
    {"fma", 1, CPUID_C, 12},
    {"cx16", 1, CPUID_C, 13},
    {"sse4_1", 1, CPUID_C, 19},
    {"sse4_2", 1, CPUID_C, 20},
    {"movbe", 1, CPUID_C, 22},
    {"popcnt", 1, CPUID_C, 23},
    {"aes", 1, CPUID_C, 25},
    {"xsave", 1, CPUID_C, 26},
    {"avx", 1, CPUID_C, 28},
    {"f16c", 1, CPUID_C, 29},
    {"rdrand", 1, CPUID_C, 30},
    {"fsgsbase", 7, CPUID_B, 0},
    {"bmi1", 7, CPUID_B, 3},
    {"avx2", 7, CPUID_B, 5},
    {"bmi2", 7, CPUID_B, 8},
    {"erms", 7, CPUID_B, 9},
    {"rdseed", 7, CPUID_B, 18},
    {"adx", 7, CPUID_B, 19},
    {"sha_ni", 7, CPUID_B, 29},
    {"syscall", 0x80000001, CPUID_D, 11},
    {"nx", 0x80000001, CPUID_D, 20},
    {"lm", 0x80000001, CPUID_D, 29},
    {"lahf_lm", 0x80000001, CPUID_C, 0},
};

static void put_flags(struct proc_text *text)
{
    uint32_t highest[4];
    leaf_read(0, highest);
    proc_put(text, "flags\t\t:");
    for (uint32_t i = 0; i < ARRAY_LENGTH(cpu_flags); i++) {
        const struct cpu_flag *flag = &cpu_flags[i];
        uint32_t leaf[4] = {0};
        if (flag->leaf >= 0x80000000 || flag->leaf <= highest[CPUID_A]) {
            leaf_read(flag->leaf, leaf);
        }
        if (leaf[flag->place] >> flag->bit & 1) {
            proc_put(text, " %s", flag->name);
        }
    }
    proc_put(text, "\n");
}

/* The name that leaves 0x80000002-4 spell. */
static void brand_read(char brand[49])
{
    uint32_t leaf[4];
    memset(brand, 0, 49);
    leaf_read(0x80000000, leaf);
    if (leaf[CPUID_A] >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            leaf_read(0x80000002 + i, leaf);
            memcpy(brand + i * sizeof(leaf), leaf, sizeof(leaf));
        }
    }
}

static void put_processor(struct proc_text *text, uint32_t index, const char *vendor,
                          const char *brand, uint32_t signature)
{
    uint32_t family = signature >> 8 & 0xf;
    uint32_t model = signature >> 4 & 0xf;
    if (family == 15) {
        family += signature >> 20 & 0xff;
    }
    if (family == 6 || family >= 15) {
        model |= (signature >> 16 & 0xf) << 4;
    }
    proc_put(text, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", index,
             vendor, family, model);
    proc_put(text, "model name\t: %s\nstepping\t: %u\nphysical id\t: 0\nsiblings\t: %u\n", brand,
             signature & 0xf, cpu_count());
    proc_put(text, "core id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\n", index, cpu_count());
    put_flags(text);
    proc_put(text, "clflush size\t: 64\ncache_alignment\t: 64\n\n");
}

static long make_cpuinfo(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    uint32_t leaf[4];
    char vendor[13] = {0};
    char brand[49];
    leaf_read(0, leaf);
    memcpy(vendor, &leaf[CPUID_B], 4);
    memcpy(vendor + 4, &leaf[CPUID_D], 4);
    memcpy(vendor + 8, &leaf[CPUID_C], 4);
    brand_read(brand);
    leaf_read(1, leaf);
    for (uint32_t i = 0; i < cpu_count(); i++) {
        put_processor(text, i, vendor, brand, leaf[CPUID_A]);
    }
    return 0;
}

/* --- mounts ---------------------------------------------------------------------------------- */

/* Blanks and backslashes in octal, as every reader of mount tables expects. */
static void put_escaped(struct proc_text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name == ' ' || *name == '\t' || *name == '\n' || *name == '\\') {
            const char octal[4] = {'\\', (char)('0' + (*name >> 6 & 7)),
                                   (char)('0' + (*name >> 3 & 7)), (char)('0' + (*name & 7))};
            proc_put_bytes(text, octal, sizeof(octal));
        } else {
            proc_put_bytes(text, name, 1);
        }
    }
}

static void put_mount_flags(struct proc_text *text, const struct mount *mount)
{
    proc_put(text, "%s%s%s%s,relatime", mount->flags & MOUNT_READ_ONLY ? "ro" : "rw",
             mount->flags & MOUNT_NOSUID ? ",nosuid" : "",
             mount->flags & MOUNT_NODEV ? ",nodev" : "",
             mount->flags & MOUNT_NOEXEC ? ",noexec" : "");
}

long proc_make_mounts(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    for (const struct mount *mount = mount_first(); mount != NULL;
         mount = __atomic_load_n(&mount->next, __ATOMIC_ACQUIRE)) {
        put_escaped(text, mount->source);
        proc_put(text, " ");
        put_escaped(text, mount->where);
        proc_put(text, " %s ", mount->type);
        put_mount_flags(text, mount);
        proc_put(text, " 0 0\n");
    }
    return 0;
}

long proc_make_mountinfo(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    for (const struct mount *mount = mount_first(); mount != NULL;
         mount = __atomic_load_n(&mount->next, __ATOMIC_ACQUIRE)) {
        uint64_t above = mount->parent == NULL ? 0 : mount->parent->device & 0xff;
        proc_put(text, "%lu %lu %lu:%lu / ", mount->device & 0xff, above, mount->device >> 8,
                 mount->device & 0xff);
        put_escaped(text, mount->where);
        proc_put(text, " ");
        put_mount_flags(text, mount);
        proc_put(text, " - %s ", mount->type);
        put_escaped(text, mount->source);
        proc_put(text, mount->flags & MOUNT_READ_ONLY ? " ro\n" : " rw\n");
    }
    return 0;
}

/* --- plain values ---------------------------------------------------------------------------- */

static long make_version(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Linux version " LINUX_RELEASE " (oak) " LINUX_VERSION "\n");
    return 0;
}

static long make_filesystems(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(
        text,
        "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevpts\nnodev\toverlay\n");
    return 0;
}

/* --- links and tables ------------------------------------------------------------------------ */

static long put_link(char *out, uint32_t capacity_bytes, const char *from)
{
    uint32_t length = (uint32_t)MIN(strlen(from), (size_t)capacity_bytes);
    memcpy(out, from, length);
    return length;
}

static long self_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    (void)target;
    char name[16];
    (void)format_text(name, sizeof(name), "%d", task_current()->group->pid);
    return put_link(out, capacity_bytes, name);
}

static long thread_self_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    (void)target;
    char name[32];
    (void)format_text(name, sizeof(name), "%d/task/%d", task_current()->group->pid,
                      task_current()->tid);
    return put_link(out, capacity_bytes, name);
}

static long mounts_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    (void)target;
    return put_link(out, capacity_bytes, "self/mounts");
}

static long make_shm(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    shm_list(text);
    return 0;
}

static long make_semaphores(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    semaphores_list(text);
    return 0;
}

static long make_queues(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    queues_list(text);
    return 0;
}

/* Nobody waits for these long enough for it to be counted. */
#define PRESSURE "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
static const struct proc_entry pressure_entries[] = {
    PROC_TEXT("cpu", PRESSURE),
    PROC_TEXT("io", PRESSURE),
    PROC_TEXT("memory", PRESSURE),
};

static const struct proc_entry ipc_entries[] = {
    PROC_FILE("msg", make_queues),
    PROC_FILE("sem", make_semaphores),
    PROC_FILE("shm", make_shm),
};

/* What top and vmstat count that does not happen here: paging to a disk. */
static long make_vmstat(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    struct container_memory memory = container_memory_read();
    proc_put(text,
             "nr_free_pages %lu\nnr_zone_inactive_anon 0\nnr_zone_active_anon %lu\n"
             "nr_dirty 0\nnr_writeback 0\nnr_anon_pages %lu\nnr_mapped 0\nnr_file_pages 0\n"
             "nr_shmem 0\nnr_slab_reclaimable 0\nnr_slab_unreclaimable 0\n",
             PAGES(memory.total_bytes - memory.used_bytes), PAGES(memory.used_bytes),
             PAGES(memory.used_bytes));
    proc_put(text,
             "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n"
             "oom_kill %d\n",
             container_was_short());
    return 0;
}

const struct proc_entry proc_system_entries[] = {
    PROC_LINK("self", self_read),
    PROC_LINK("thread-self", thread_self_read),
    PROC_LINK("mounts", mounts_read),
    PROC_FILE("meminfo", make_meminfo),
    PROC_FILE("cpuinfo", make_cpuinfo),
    PROC_FILE("uptime", make_uptime),
    PROC_FILE("loadavg", make_loadavg),
    PROC_FILE("stat", make_stat),
    PROC_FILE("vmstat", make_vmstat),
    PROC_FILE("version", make_version),
    PROC_FILE("filesystems", make_filesystems),
    PROC_TEXT("cmdline", "\n"),
    PROC_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    PROC_TEXT("partitions", "major minor  #blocks  name\n\n"),
    PROC_TEXT("diskstats", ""),
    PROC_TEXT("modules", ""),
    PROC_TEXT("interrupts", ""),
    PROC_FILE("locks", record_locks_make),
    PROC_TEXT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
                         "cpu\t0\t1\t1\nmemory\t0\t1\t1\npids\t0\t1\t1\n"),
    PROC_TEXT("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n"
                         "  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"),
    PROC_DIRECTORY("sysvipc", ipc_entries),
    PROC_DIRECTORY("pressure", pressure_entries),
    {.name = "sys",
     .mode = S_IFDIR | 0555,
     .children = proc_settings,
     .child_count = PROC_SETTINGS},
    PROC_DIRECTORY("net", proc_net_entries),
};

const uint32_t proc_system_entry_count = ARRAY_LENGTH(proc_system_entries);
