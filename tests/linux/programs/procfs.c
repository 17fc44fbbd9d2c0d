/* /proc tells a process what it is, what it has open and what is mapped, as programs read it. */
#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "tests/linux/programs/program.h"

static const char *link_of(const char *path)
{
    static char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length < 0) {
        return error_name(errno);
    }
    target[length] = '\0';
    return target;
}

static void link_check(void)
{
    char start[PATH_MAX];
    must(getcwd(start, sizeof(start)) != NULL, "getcwd");
    const char *name = strrchr(link_of("/proc/self/exe"), '/');
    say("exe: %s", name);
    say("cwd: %s", strcmp(link_of("/proc/self/cwd"), start) == 0 ? "ours" : "another");
    say("root: %s", link_of("/proc/self/root"));
    say("self: %s", atoi(link_of("/proc/self")) == getpid() ? "our number" : "another");
    int file = open("file", O_RDWR | O_CREAT, 0600);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    const char *target = link_of(path);
    say("fd: %s%s", strncmp(target, start, strlen(start)) == 0 ? "" : "elsewhere ",
        strrchr(target, '/'));
    must(write(file, "content", 7) == 7, "write");
    int again = open(path, O_RDONLY);
    char text[16] = {0};
    must(read(again, text, 15) == 7, "read");
    say("fd opened again: %s", text);
    unlink("file");
    target = link_of(path);
    say("fd of an unlinked file: %s", strrchr(target, '/'));
    close(again);
    again = open(path, O_RDONLY);
    say("fd of an unlinked file opened: %s", again >= 0 ? "done" : error_name(errno));
    close(again);
    close(file);
    say("fd closed: %s", link_of(path));
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    target = link_of(path);
    say("fd of a pipe: %.6s", target);
    struct stat about, other;
    must(stat(path, &about) == 0 && fstat(ends[0], &other) == 0, "stat");
    say("fd of a pipe: the same file %d", about.st_ino == other.st_ino);
    close(ends[0]);
    close(ends[1]);
}

static void descriptor_check(void)
{
    must(syscall(SYS_close_range, 3, UINT_MAX, 0) == 0, "close_range");
    must(dup2(1, 10) == 10 && dup2(1, 12) == 12, "dup2");
    DIR *folder = opendir("/proc/self/fd");
    must(folder != NULL, "opendir");
    const struct dirent *entry;
    int count = 0, found = 0;
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
        found += strcmp(entry->d_name, "10") == 0 || strcmp(entry->d_name, "12") == 0;
    }
    closedir(folder);
    say("fd: %d descriptors with the directory's, of 10 and 12 %d", count, found);
    close(10);
    close(12);
    file_write("file", "0123456789");
    int file = open("file", O_RDONLY | O_CLOEXEC);
    lseek(file, 4, SEEK_SET);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", file);
    unsigned long position = 0, flags = 0;
    FILE *stream = fopen(path, "r");
    char line[256];
    while (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
        sscanf(line, "pos: %lu", &position);
        sscanf(line, "flags: %lo", &flags);
    }
    if (stream != NULL) {
        fclose(stream);
    }
    close(file);
    say("fdinfo: position %lu, O_CLOEXEC %d", position, (flags & O_CLOEXEC) != 0);
}

static void status_check(void)
{
    static const char *const names[] = {"Name",
                                        "Umask",
                                        "State",
                                        "Tgid",
                                        "Pid",
                                        "PPid",
                                        "Uid",
                                        "Gid",
                                        "FDSize",
                                        "Groups",
                                        "VmPeak",
                                        "VmSize",
                                        "VmRSS",
                                        "VmData",
                                        "Threads",
                                        "SigQ",
                                        "SigPnd",
                                        "SigBlk",
                                        "SigIgn",
                                        "SigCgt",
                                        "CapInh",
                                        "CapPrm",
                                        "CapEff",
                                        "CapBnd",
                                        "NoNewPrivs",
                                        "Seccomp",
                                        "Cpus_allowed_list",
                                        "voluntary_ctxt_switches"};
    bool found[ARRAY_LENGTH(names)] = {false};
    umask(022);
    FILE *stream = fopen("/proc/self/status", "r");
    must(stream != NULL, "status");
    char line[512], value[64], state;
    long number;
    while (fgets(line, sizeof(line), stream) != NULL) {
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            size_t length = strlen(names[i]);
            found[i] |= strncmp(line, names[i], length) == 0 && line[length] == ':';
        }
        if (sscanf(line, "Name: %63s", value) == 1) {
            say("status: name %s", value);
        } else if (sscanf(line, "State: %c", &state) == 1) {
            say("status: state %c", state);
        } else if (sscanf(line, "Pid: %ld", &number) == 1) {
            say("status: pid ours %d", number == getpid());
        } else if (sscanf(line, "PPid: %ld", &number) == 1) {
            say("status: parent ours %d", number == getppid());
        } else if (sscanf(line, "Threads: %ld", &number) == 1) {
            say("status: threads %ld", number);
        } else if (sscanf(line, "VmRSS: %ld %63s", &number, value) == 2) {
            say("status: VmRSS %s, %s", number > 0 ? "some" : "none", value);
        } else if (strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Umask:", 6) == 0) {
            line[strcspn(line, "\n")] = '\0';
            say("status: %s", line);
        }
    }
    fclose(stream);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (!found[i]) {
            say("status: no field %s", names[i]);
        }
    }
}

static void stat_check(void)
{
    char line[1024], name[64], state;
    int file = open("/proc/self/stat", O_RDONLY);
    ssize_t length = read(file, line, sizeof(line) - 1);
    must(length > 0, "stat");
    close(file);
    line[length] = '\0';
    long pid, parent, group;
    int fields = 1;
    for (const char *at = line; *at != '\0'; at++) {
        fields += *at == ' ';
    }
    int read_count = sscanf(line, "%ld (%63[^)]) %c %ld %ld", &pid, name, &state, &parent, &group);
    say("stat: %d read, name %s, state %c, right %d %d %d, %d fields", read_count, name, state,
        pid == getpid(), parent == getppid(), group == getpgrp(), fields);
    say("stat: ends with a newline %d", line[length - 1] == '\n');
    say("comm: %s%s", strcmp(file_read("/proc/self/comm"), "procfs\n") == 0 ? "" : "not ",
        "the program");
    unsigned long size, resident;
    must(sscanf(file_read("/proc/self/statm"), "%lu %lu", &size, &resident) == 2, "statm");
    say("statm: %s", size >= resident && resident > 0 ? "good" : "wrong");
}

static void command_line_check(void)
{
    char text[256];
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = read(file, text, sizeof(text));
    close(file);
    say("cmdline: ends with a zero %d", length > 0 && text[length - 1] == '\0');
    pid_t pid = fork();
    if (pid == 0) {
        execle("/proc/self/exe", "first name", "arguments", "", "last", NULL,
               (char *[]){(char[]){"VARIABLE=value"}, NULL});
        _exit(1);
    }
    say_status("exec", child_wait(pid));
}

static int arguments_show(void)
{
    static const char *const files[] = {"/proc/self/cmdline", "/proc/self/environ"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char text[256];
        int file = open(files[i], O_RDONLY);
        ssize_t length = read(file, text, sizeof(text) - 1);
        close(file);
        for (ssize_t k = 0; k < length; k++) {
            if (text[k] == '\0') {
                text[k] = '|';
            }
        }
        text[length < 0 ? 0 : length] = '\0';
        say("  %s: %s", files[i], text);
    }
    return 0;
}

static void maps_check(void)
{
    char *own = mmap(NULL, 3 * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(mprotect(own + PAGE_BYTES, PAGE_BYTES, PROT_NONE) == 0, "mprotect");
    file_write("mapped", "x");
    int file = open("mapped", O_RDWR);
    char *shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    sbrk(PAGE_BYTES);
    FILE *stream = fopen("/proc/self/maps", "r");
    must(stream != NULL, "maps");
    char line[512], rights[8], name[256], protected[64] = "missing", mapped[64] = "missing";
    unsigned long first, end, offset, inode, last_end = 0, local = (unsigned long)&line;
    unsigned major, minor;
    int bad = 0, disorder = 0;
    bool stack = false, heap = false, vdso = false, code = false;
    while (fgets(line, sizeof(line), stream) != NULL) {
        name[0] = '\0';
        int count = sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %255[^\n]", &first, &end, rights,
                           &offset, &major, &minor, &inode, name);
        bad += count < 7 || strlen(rights) != 4 || first >= end;
        disorder += first < last_end;
        last_end = end;
        if (strcmp(name, "[stack]") == 0) {
            stack = first <= local && local < end;
        }
        heap |= strcmp(name, "[heap]") == 0;
        vdso |= strcmp(name, "[vdso]") == 0;
        code |= first <= (unsigned long)maps_check && (unsigned long)maps_check < end &&
                strcmp(rights, "r-xp") == 0 && strstr(name, "/procfs") != NULL;
        if (first <= (unsigned long)own + PAGE_BYTES && (unsigned long)own + PAGE_BYTES < end) {
            snprintf(protected, sizeof(protected), "%s, alone %d", rights,
                     end - first == PAGE_BYTES);
        }
        if (first == (unsigned long)shared) {
            const char *base = strrchr(name, '/');
            snprintf(mapped, sizeof(mapped), "%s %.20s, inode %d", rights,
                     base != NULL ? base : "without a name", inode != 0);
        }
    }
    fclose(stream);
    say("maps: protected page %s", protected);
    say("maps: shared file %s", mapped);
    say("maps: %d bad lines, %d out of order, stack %d, heap %d, vdso %d, code %d", bad, disorder,
        stack, heap, vdso, code);
    munmap(own, 3 * PAGE_BYTES);
    munmap(shared, PAGE_BYTES);
}

/* Fields of a "Name: value" file, or lines, that programs look for. */
static void fields_say(const char *path, const char *const *names, size_t count)
{
    static char text[65536];
    int file = open(path, O_RDONLY);
    if (file < 0) {
        say("%s: %s", path, error_name(errno));
        return;
    }
    size_t length = 0;
    ssize_t got;
    while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(file);
    text[length] = '\0';
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (strstr(text, names[i]) != NULL) {
            found++;
        } else {
            say("%s: no %s", path, names[i]);
        }
    }
    say("%s: %zu of %zu", path, found, count);
}

static void system_check(void)
{
    static const char *const memory[] = {"MemTotal:", "MemFree:",   "MemAvailable:", "Buffers:",
                                         "Cached:",   "SwapTotal:", "SwapFree:",     "Shmem:"};
    static const char *const cpu[] = {"processor\t: 0\n",
                                      "vendor_id\t:", "model name\t:", "flags\t\t:"};
    static const char *const statistics[] = {"cpu ",  "cpu0 ",  "intr ",
                                             "ctxt ", "btime ", "processes "};
    static const char *const systems[] = {"nodev\tproc\n", "nodev\ttmpfs\n"};
    fields_say("/proc/meminfo", memory, ARRAY_LENGTH(memory));
    fields_say("/proc/cpuinfo", cpu, ARRAY_LENGTH(cpu));
    fields_say("/proc/stat", statistics, ARRAY_LENGTH(statistics));
    fields_say("/proc/filesystems", systems, ARRAY_LENGTH(systems));
    static const char *const mounts[] = {" / ", " /proc proc ", " /dev "};
    fields_say("/proc/mounts", mounts, ARRAY_LENGTH(mounts));
    fields_say("/proc/self/mountinfo", mounts, 1);
    FILE *stream = fopen("/proc/meminfo", "r");
    char line[128];
    unsigned long total = 0, available = 0, value;
    while (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
        total = sscanf(line, "MemTotal: %lu kB", &value) == 1 ? value : total;
        available = sscanf(line, "MemAvailable: %lu kB", &value) == 1 ? value : available;
    }
    fclose(stream);
    say("meminfo: %s", available > 0 && available <= total ? "good" : "wrong");
    struct sysinfo about;
    must(sysinfo(&about) == 0, "sysinfo");
    say("sysinfo: %s", about.totalram * about.mem_unit > 0 && about.procs > 0 ? "good" : "wrong");
    double load[3], up, idle;
    int running, all, last;
    say("loadavg: %d", sscanf(file_read("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &load[0],
                              &load[1], &load[2], &running, &all, &last));
    say("uptime: %d", sscanf(file_read("/proc/uptime"), "%lf %lf", &up, &idle));
    say("version: %.14s", file_read("/proc/version"));
    struct utsname name;
    must(uname(&name) == 0, "uname");
    say("uname: %s %s", name.sysname, name.machine);
    say("ostype: %s", strcmp(file_read("/proc/sys/kernel/ostype"), "Linux\n") == 0 ? "Linux" : "?");
    say("hostname: %s",
        strncmp(file_read("/proc/sys/kernel/hostname"), name.nodename, strlen(name.nodename)) == 0
            ? "as uname"
            : "another");
    say("processors: %s", sysconf(_SC_NPROCESSORS_ONLN) >= 1 ? "some" : "none");
}

static void tree_check(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    sleeping_wait(pid, 'S');
    char path[64];
    snprintf(path, sizeof(path), "%d", (int)pid);
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    bool found = false, self = false;
    while ((entry = readdir(folder)) != NULL) {
        found |= strcmp(entry->d_name, path) == 0;
        self |= strcmp(entry->d_name, "self") == 0;
    }
    closedir(folder);
    say("/proc: the child %d, self %d", found, self);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int file = open(path, O_RDONLY);
    kill(pid, SIGKILL);
    child_wait(pid);
    char byte;
    say_result("status of a process that is gone", read(file, &byte, 1));
    close(file);
    say("its directory: %s", file_read(path));
    say_result("a number that is none", open("/proc/0", O_RDONLY));
    say_result("a file made in /proc", open("/proc/new", O_WRONLY | O_CREAT, 0644));
    say_result("mkdir in /proc", mkdir("/proc/new", 0755));
    say("thread-self: %s", access("/proc/thread-self/status", R_OK) == 0 ? "there" : "missing");
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)getpid());
    say("task: %s", access(path, R_OK) == 0 ? "there" : error_name(errno));
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        return arguments_show();
    }
    link_check();
    descriptor_check();
    status_check();
    stat_check();
    command_line_check();
    maps_check();
    system_check();
    tree_check();
    return 0;
}
