/*
 * What procps, runtimes and databases read in /proc and /sys beside what procfs.c looks at: that it
 * is there, can be parsed, and agrees with what other calls say.
 */
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/vfs.h>

#include "tests/linux/programs/program.h"

static char text[65536];

/* The whole file; false when it cannot be read. */
static bool text_read(const char *path)
{
    int file = open(path, O_RDONLY);
    size_t used = 0;
    ssize_t length = -1;
    if (file >= 0) {
        while ((length = read(file, text + used, sizeof(text) - 1 - used)) > 0) {
            used += (size_t)length;
        }
        close(file);
    }
    text[used] = '\0';
    return length == 0;
}

/* "name: value" by line; the number behind the name, or -1. */
static long field(const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += line[0] == '\n';
        if (strncmp(line, name, length) == 0) {
            const char *at = line + length;
            while (*at != '\0' && *at != '\n' && !isdigit((unsigned char)*at)) {
                at++;
            }
            return isdigit((unsigned char)*at) ? atol(at) : -1;
        }
    }
    return -1;
}

static void readable_check(void)
{
    static const char *const paths[] = {
        "/proc/self/smaps",
        "/proc/self/smaps_rollup",
        "/proc/self/io",
        "/proc/self/limits",
        "/proc/self/cgroup",
        "/proc/self/oom_score",
        "/proc/self/oom_score_adj",
        "/proc/self/task/self/comm",
        "/proc/vmstat",
        "/proc/diskstats",
        "/proc/partitions",
        "/proc/swaps",
        "/proc/cmdline",
        "/proc/devices",
        "/proc/filesystems",
        "/proc/interrupts",
        "/proc/sys/kernel/shmmax",
        "/proc/sys/kernel/sem",
        "/proc/sys/kernel/msgmax",
        "/proc/sys/kernel/cap_last_cap",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/kernel/random/entropy_avail",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/kernel/pty/max",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/vm/overcommit_ratio",
        "/proc/sys/vm/max_map_count",
        "/proc/sys/vm/swappiness",
        "/proc/sys/vm/nothing",
        "/proc/sys/fs/file-nr",
        "/proc/sys/fs/pipe-max-size",
        "/proc/sys/fs/nr_open",
        "/proc/sys/net/core/somaxconn",
        "/proc/sys/net/core/optmem_max",
        "/proc/sys/net/ipv4/ip_local_port_range",
        "/proc/sys/net/ipv4/tcp_congestion_control",
        "/proc/sys/net/ipv4/tcp_available_congestion_control",
        "/proc/sys/net/ipv4/tcp_fastopen",
        "/proc/sys/net/ipv4/tcp_syn_retries",
        "/proc/sys/net/ipv4/tcp_retries2",
        "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/net/ipv4/nothing",
        "/proc/sys/net/ipv6/bindv6only",
        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
        "/proc/sys/net/ipv6/conf/lo/disable_ipv6",
        "/proc/sys/net/ipv6/conf/lo/hop_limit",
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/user/max_net_namespaces",
        "/proc/sys/kernel/numa_balancing",
        "/proc/sys/vm/dirty_writeback_centisecs",
        "/proc/sys/vm/hugetlb_shm_group",
        "/proc/net/arp",
        "/proc/net/raw",
        "/proc/net/raw6",
        "/proc/net/packet",
        "/proc/net/nothing",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/possible",
        "/sys/devices/system/cpu/present",
        "/sys/devices/system/cpu/cpu0/topology/core_id",
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id",
        "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
        "/sys/devices/system/cpu/cpu99/topology/core_id",
        "/sys/devices/system/cpu/../cpu/online",
        "/sys/devices/system/cpu/cpu0/topology/../../online",
        "/sys/nothing",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        say("%s: %s", paths[i], text_read(paths[i]) ? "read" : "not read");
    }
}

static int count_of(const char *range)
{
    int first = 0, last = 0;
    return sscanf(range, "%d-%d", &first, &last) == 2 ? last - first + 1 : 1;
}

static void processors_check(void)
{
    must(text_read("/sys/devices/system/cpu/online"), "online");
    say("online: as many as sysconf says %d", count_of(text) == sysconf(_SC_NPROCESSORS_ONLN));
    int folders = 0;
    DIR *directory = opendir("/sys/devices/system/cpu");
    must(directory != NULL, "cpu");
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        folders +=
            strncmp(entry->d_name, "cpu", 3) == 0 && isdigit((unsigned char)entry->d_name[3]);
    }
    closedir(directory);
    say("a folder for each: %d", folders == sysconf(_SC_NPROCESSORS_ONLN));
    say_result("chdir", chdir("/sys/devices/system/cpu/cpu0/topology"));
    char path[PATH_MAX];
    say("getcwd: %s", getcwd(path, sizeof(path)));
    say_result("up", chdir("../.."));
    say("getcwd: %s", getcwd(path, sizeof(path)));
}

static void memory_check(void)
{
    enum {
        PAGES = 256
    };
    must(text_read("/proc/self/status"), "status");
    long resident = field("VmRSS:"), peak = field("VmHWM:");
    say("VmHWM is at least VmRSS: %d", peak >= resident);
    char *bytes =
        mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(bytes != MAP_FAILED, "mmap");
    memset(bytes, 1, PAGES * PAGE_BYTES);
    must(text_read("/proc/self/status"), "status");
    long grown = field("VmRSS:") - resident;
    say("a MiB more is resident: %d", grown >= 900 && grown < 3000);
    must(text_read("/proc/self/smaps"), "smaps");
    char start[32];
    snprintf(start, sizeof(start), "%lx-", (unsigned long)bytes);
    const char *area = strstr(text, start);
    say("its area is in smaps: %d", area != NULL);
    if (area != NULL) {
        memmove(text, area, strlen(area) + 1);
        say("its size: %ld, resident %ld, anonymous %ld", field("Size:"), field("Rss:"),
            field("Anonymous:"));
    }
    must(text_read("/proc/meminfo"), "meminfo");
    say("free is less than all: %d", field("MemFree:") < field("MemTotal:"));
}

static void *named_run(void *argument)
{
    int *gate = argument;
    prctl(PR_SET_NAME, "a thread", 0, 0, 0);
    byte_send(gate[1]);
    byte_receive(gate[2]);
    return NULL;
}

static void names_check(void)
{
    int gate[4];
    must(pipe(gate) == 0 && pipe(gate + 2) == 0, "pipe");
    pthread_t thread;
    must(pthread_create(&thread, NULL, named_run, gate) == 0, "pthread_create");
    byte_receive(gate[0]);
    say("the process is called: %s", file_read("/proc/self/comm"));
    DIR *directory = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid()) {
            char path[PATH_MAX];
            snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
            say("its thread: %s", file_read(path));
            int file = open(path, O_WRONLY | O_TRUNC);
            say_result("named anew", write(file, "another\n", 8));
            close(file);
            say("its thread: %s", file_read(path));
        }
    }
    closedir(directory);
    say("the process still: %s", file_read("/proc/self/comm"));
    byte_send(gate[3]);
    pthread_join(thread, NULL);
    must(prctl(PR_SET_NAME, "a name that is too long", 0, 0, 0) == 0, "PR_SET_NAME");
    say("a long name: %s", file_read("/proc/self/comm"));
    pid_t pid = fork();
    if (pid == 0) {
        say("a child: %s", file_read("/proc/self/comm"));
        _exit(0);
    }
    child_wait(pid);
}

/* A directory is read again from its start. */
static void again_say(const char *path)
{
    DIR *directory = opendir(path);
    must(directory != NULL, path);
    int first = 0, second = 0;
    while (readdir(directory) != NULL) {
        first++;
    }
    rewinddir(directory);
    while (readdir(directory) != NULL) {
        second++;
    }
    closedir(directory);
    say("%s read again: %d", path, first > 2 && first == second);
}

static void namespaces_check(void)
{
    static const char *const names[] = {"mnt", "pid", "user", "net", "ipc", "uts", "cgroup"};
    int good = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[64], expected[64], target[64];
        struct stat about;
        snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        must(length > 0 && stat(path, &about) == 0, path);
        target[length] = '\0';
        snprintf(expected, sizeof(expected), "%s:[%lu]", names[i], (unsigned long)about.st_ino);
        good += strcmp(target, expected) == 0 && S_ISREG(about.st_mode);
    }
    say("namespaces that have the number that they say: %d", good);
}

static void settings_check(void)
{
    int file = open("/proc/self/oom_score_adj", O_RDWR | O_TRUNC);
    must(file >= 0, "oom_score_adj");
    say_result("oom_score_adj", write(file, "200\n", 4));
    close(file);
    say("now: %s", file_read("/proc/self/oom_score_adj"));
    file = open("/proc/self/oom_score_adj", O_RDWR);
    say_result("too much", write(file, "2000", 4));
    say_result("no number", write(file, "much", 4));
    close(file);
    say_result("chmod /proc/self/comm", chmod("/proc/self/comm", 0600));
    say_result("unlink /proc/self/comm", unlink("/proc/self/comm"));
}

/* Where Linux has control groups of version 2 and we are in their root's place, too. */
static void groups_check(void)
{
    struct statfs about;
    bool second =
        statfs("/sys/fs/cgroup", &about) == 0 && (unsigned long)about.f_type == 0x63677270;
    static const char *const files[] = {
        "memory.max", "memory.current", "memory.stat",  "memory.events",      "cpu.max",
        "cpu.stat",   "pids.max",       "cgroup.procs", "cgroup.controllers",
    };
    int missing = 0;
    for (size_t i = 0; second && i < ARRAY_LENGTH(files); i++) {
        char path[100];
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", files[i]);
        missing += !text_read(path);
    }
    say("missing in /sys/fs/cgroup: %d", missing);
    bool own = !second;
    if (second) {
        char number[16];
        snprintf(number, sizeof(number), "%d\n", (int)getpid());
        must(text_read("/sys/fs/cgroup/cgroup.procs"), "cgroup.procs");
        own = strstr(text, number) != NULL;
        must(text_read("/sys/fs/cgroup/memory.current"), "memory.current");
        own = own && atol(text) > 0;
        must(text_read("/proc/self/mountinfo"), "mountinfo");
        own = own && strstr(text, " /sys/fs/cgroup ") != NULL && strstr(text, "- cgroup2 ") != NULL;
        must(text_read("/proc/self/cgroup"), "cgroup");
        own = own && strcmp(text, "0::/\n") == 0;
    }
    say("they tell of us: %d", own);
}

int main(void)
{
    readable_check();
    processors_check();
    memory_check();
    names_check();
    settings_check();
    again_say("/proc");
    again_say("/proc/self");
    again_say("/proc/self/fd");
    again_say("/sys/devices/system/cpu");
    again_say("/dev/pts");
    namespaces_check();
    groups_check();
    return 0;
}
