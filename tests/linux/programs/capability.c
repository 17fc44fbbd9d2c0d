/*
 * Capabilities as sets and as authority: capget, capset, prctl's options, what becomes of them when
 * users change and programs are executed; set-id programs, file capabilities; ETXTBSY.
 */
#include <grp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include "tests/linux/programs/program.h"

/* linux/capability.h and linux/securebits.h, which musl's compiler does not find. */
enum {
    CAP_CHOWN = 0,
    CAP_DAC_OVERRIDE = 1,
    CAP_FOWNER = 3,
    CAP_KILL = 5,
    CAP_SETGID = 6,
    CAP_SETUID = 7,
    CAP_SETPCAP = 8,
    CAP_NET_RAW = 13,
    CAP_SYS_CHROOT = 18,
    CAP_SYS_ADMIN = 21,
    CAP_MKNOD = 27,
};
#define VERSION_1     0x19980330
#define VERSION_3     0x20080522
#define NOROOT        1
#define NOROOT_LOCKED 2

struct header {
    uint32_t version;
    int pid;
};

struct data {
    uint32_t effective;
    uint32_t permitted;
    uint32_t inheritable;
};

/* What docker gives a container; the test begins by keeping no more. */
#define CONTAINER 0xa80425fbull

struct sets {
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
};

static long sets_read(struct sets *sets)
{
    struct header header = {VERSION_3, 0};
    struct data data[2] = {{0, 0, 0}, {0, 0, 0}};
    long result = syscall(SYS_capget, &header, data);
    sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    sets->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return result;
}

static long sets_write(struct sets sets)
{
    struct header header = {VERSION_3, 0};
    struct data data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(sets.effective >> 32 * i);
        data[i].permitted = (uint32_t)(sets.permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(sets.inheritable >> 32 * i);
    }
    return syscall(SYS_capset, &header, data);
}

static void container_become(void)
{
    for (int i = 0; i <= 40; i++) {
        if (!(CONTAINER >> i & 1)) {
            must(prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0, "PR_CAPBSET_DROP");
        }
    }
    must(sets_write((struct sets){CONTAINER, CONTAINER, 0}) == 0, "capset");
}

/* The lines of /proc/self/status that begin with Cap, and NoNewPrivs. */
static void status_say(const char *what)
{
    char text[4096], line[400] = "";
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof(text) - 1);
    close(file);
    must(length > 0, "status");
    text[length] = '\0';
    for (char *at = strtok(text, "\n"); at != NULL; at = strtok(NULL, "\n")) {
        if (strncmp(at, "Cap", 3) == 0 || strncmp(at, "NoNew", 5) == 0) {
            char *value = strchr(at, '\t');
            size_t used = strlen(line);
            snprintf(line + used, sizeof(line) - used, " %.3s %s", at + 3, value + 1);
        }
    }
    say("%s:%s", what, line);
}

/* --- the calls -------------------------------------------------------------------------------- */

static int calls(void *argument)
{
    (void)argument;
    struct header header = {0x12345678, 0};
    struct data data[2];
    struct sets sets;
    say_result("capget of an unknown version", syscall(SYS_capget, &header, data));
    say("  the version that is preferred: %x", header.version);
    header = (struct header){0x12345678, 0};
    say_result("capget that only asks", syscall(SYS_capget, &header, NULL));
    header = (struct header){VERSION_1, 0};
    say_result("capget of version 1", syscall(SYS_capget, &header, data));
    header = (struct header){VERSION_3, 4000000};
    say_result("capget of nobody", syscall(SYS_capget, &header, data));
    header.pid = -1;
    say_result("capget of a negative number", syscall(SYS_capget, &header, data));
    header.pid = getppid();
    say_result("capget of the parent", syscall(SYS_capget, &header, data));
    say_result("capset of the parent", syscall(SYS_capset, &header, data));
    say_result("capget into nothing", syscall(SYS_capget, (void *)16, data));
    must(sets_read(&sets) == 0, "capget");
    say("sets: %llx %llx %llx", (unsigned long long)sets.effective,
        (unsigned long long)sets.permitted, (unsigned long long)sets.inheritable);
    say_result("PR_CAPBSET_READ of chown", prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0));
    say_result("PR_CAPBSET_READ of sys_admin", prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0));
    say_result("PR_CAPBSET_READ of nothing", prctl(PR_CAPBSET_READ, 63, 0, 0, 0));
    sets.permitted |= 1ull << CAP_SYS_ADMIN;
    say_result("capset of more", sets_write(sets));
    sets.permitted = CONTAINER;
    sets.effective = 1ull << CAP_SYS_ADMIN;
    say_result("capset of more that takes effect", sets_write(sets));
    sets.effective = 1ull << CAP_SETPCAP;
    sets.inheritable = 1ull << CAP_NET_RAW;
    say_result("capset of an inheritable one", sets_write(sets));
    say_result("PR_CAP_AMBIENT_RAISE",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
    say_result("PR_CAP_AMBIENT_RAISE of another",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    say_result("PR_CAP_AMBIENT_IS_SET",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0));
    say_result("PR_CAP_AMBIENT with too much",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1, 1, 0));
    status_say("status");
    say_result("PR_CAPBSET_DROP", prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0));
    say_result("PR_CAPBSET_DROP of nothing", prctl(PR_CAPBSET_DROP, 63, 0, 0, 0));
    sets.inheritable = 0;
    must(sets_write(sets) == 0, "capset");
    say_result("ambient after the inheritable is gone",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0));
    say_result("PR_CAP_AMBIENT_CLEAR_ALL",
               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    say_result("PR_GET_SECUREBITS", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    say_result("PR_SET_SECUREBITS", prctl(PR_SET_SECUREBITS, NOROOT | NOROOT_LOCKED, 0, 0, 0));
    say_result("PR_SET_SECUREBITS of what is locked", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    say_result("PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    say_result("PR_GET_KEEPCAPS", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    say_result("PR_SET_KEEPCAPS to 2", prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
    sets.effective = 0;
    must(sets_write(sets) == 0, "capset");
    say_result("PR_CAPBSET_DROP without CAP_SETPCAP", prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
    say_result("PR_SET_SECUREBITS without it", prctl(PR_SET_SECUREBITS, 3, 0, 0, 0));
    return 0;
}

/* --- users ------------------------------------------------------------------------------------ */

static int users_change(void *argument)
{
    (void)argument;
    must(setresuid(-1, 1000, -1) == 0, "setresuid");
    status_say("effective user 1000");
    must(setresuid(-1, 0, -1) == 0, "setresuid");
    status_say("effective user 0 again");
    syscall(SYS_setfsuid, 1000);
    status_say("file system user 1000");
    syscall(SYS_setfsuid, 0);
    status_say("file system user 0");
    must(setuid(1000) == 0, "setuid");
    status_say("user 1000");
    return 0;
}

static int users_keep(void *argument)
{
    (void)argument;
    must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setuid(1000) == 0, "setuid");
    status_say("user 1000 that keeps");
    must(sets_write((struct sets){1ull << CAP_SETUID, CONTAINER, 0}) == 0, "capset");
    say_result("setuid with the capability", setuid(2000));
    status_say("user 2000");
    return 0;
}

/* --- what they allow -------------------------------------------------------------------------- */

static void effective_only(int capability)
{
    uint64_t bit = capability < 0 ? 0 : 1ull << capability;
    must(sets_write((struct sets){bit, CONTAINER, 0}) == 0, "capset");
}

static void file_try(const char *path, int flags)
{
    int file = open(path, flags);
    say("  open %s: %s", flags == O_RDONLY ? "to read" : "to write",
        file >= 0 ? "done" : error_name(errno));
    if (file >= 0) {
        close(file);
    }
}

static int authority(void *argument)
{
    (void)argument;
    struct stat about;
    file_write("other", "x");
    must(chown("other", 1000, 1000) == 0 && chmod("other", 0600) == 0, "chown");
    effective_only(-1);
    say("nothing:");
    file_try("other", O_RDONLY);
    file_try("other", O_WRONLY);
    say_result("  chmod", chmod("other", 0644));
    say_result("  chown", chown("other", 0, 0));
    say_result("  mknod", mknod("device", S_IFCHR | 0600, 0x103));
    say_result("  setuid", setuid(1000));
    say_result("  setgroups", setgroups(0, NULL));
    say_result("  chroot", chroot("/"));
    say_result("  sethostname", sethostname("x", 1));
    struct rlimit limit = {10, 20};
    must(setrlimit(RLIMIT_CORE, &limit) == 0, "setrlimit");
    limit.rlim_max = 30;
    say_result("  raise a limit", setrlimit(RLIMIT_CORE, &limit));
    errno = 0;
    say_result("  nice", setpriority(PRIO_PROCESS, 0, -5));
    effective_only(CAP_DAC_OVERRIDE);
    say("dac_override:");
    file_try("other", O_RDONLY);
    file_try("other", O_WRONLY);
    say_result("  chmod", chmod("other", 0640));
    effective_only(CAP_FOWNER);
    say_result("fowner: chmod", chmod("other", 0600));
    effective_only(CAP_CHOWN);
    say_result("chown: chown", chown("other", 2000, 2000));
    effective_only(CAP_MKNOD);
    say_result("mknod: mknod", mknod("device", S_IFCHR | 0600, 0x103));
    effective_only(CAP_SYS_CHROOT);
    say_result("sys_chroot: chroot", chroot("/"));
    effective_only(CAP_SETGID);
    say_result("setgid: setgroups", setgroups(0, NULL));
    say_result("setgid: setgid", setgid(1000));
    file_write("own", "x");
    say_result("no fsetid: chmod", chmod("own", 06755));
    must(stat("own", &about) == 0, "stat");
    say("  mode %o", about.st_mode);
    int file = open("own", O_WRONLY);
    must(write(file, "y", 1) == 1 && fstat(file, &about) == 0, "write");
    close(file);
    say("  mode after a write %o", about.st_mode);
    effective_only(CAP_SETUID);
    say_result("setuid: setuid", setuid(1000));
    return 0;
}

static int killing(void *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0) {
        (void)setuid(1000);
        for (;;) {
            pause();
        }
    }
    sleeping_wait(pid, 'S');
    effective_only(-1);
    say_result("kill without the capability", kill(pid, SIGTERM));
    effective_only(CAP_KILL);
    say_result("kill with it", kill(pid, SIGTERM));
    say_status("killed", child_wait(pid));
    return 0;
}

/* --- programs --------------------------------------------------------------------------------- */

static void show(const char *what)
{
    uid_t users[3];
    gid_t groups[3];
    getresuid(&users[0], &users[1], &users[2]);
    getresgid(&groups[0], &groups[1], &groups[2]);
    say("  %s: users %d %d %d, groups %d %d %d, AT_SECURE %lu, AT_EUID %lu, dumpable %d", what,
        users[0], users[1], users[2], groups[0], groups[1], groups[2], getauxval(AT_SECURE),
        getauxval(AT_EUID), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
    status_say("  sets");
}

static void program_copy(const char *name)
{
    static char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t count;
    while ((count = read(from, bytes, sizeof(bytes))) > 0) {
        must(write(to, bytes, (size_t)count) == count, "copy");
    }
    close(from);
    close(to);
}

struct running {
    const char *name;
    int user;
    bool no_new_privileges;
    uint64_t ambient;
};

static int program_run(void *argument)
{
    const struct running *running = argument;
    must(setgroups(0, NULL) == 0, "setgroups");
    if (running->ambient != 0) {
        must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "PR_SET_KEEPCAPS");
    }
    if (running->user != 0) {
        must(setgid(1000) == 0 && setuid((uid_t)running->user) == 0, "setuid");
    }
    if (running->ambient != 0) {
        must(sets_write((struct sets){CONTAINER, CONTAINER, running->ambient}) == 0, "capset");
        must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, __builtin_ctzll(running->ambient), 0, 0) ==
                 0,
             "ambient");
    }
    if (running->no_new_privileges) {
        must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
    }
    execl(running->name, running->name, "show", running->name, NULL);
    say("  exec: %s", error_name(errno));
    return 1;
}

static void run(const char *what, struct running running)
{
    say("%s", what);
    child_run(program_run, &running);
}

/* The same while we share parts with it. */
static void run_sharing(const char *what, int flags, struct running running)
{
    say("%s", what);
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        _exit(program_run(&running));
    }
    (void)child_wait(pid);
}

/* Executing takes a table of its own: ours keeps what is closed there. */
static void sharing_check(void)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_sharing("a user who shares descriptors", CLONE_FILES,
                (struct running){"./plain", 1000, false, 0});
    say_result("  our descriptor", fcntl(file, F_GETFD));
    close(file);
    run_sharing("set-user-ID of root's, sharing descriptors", CLONE_FILES,
                (struct running){"./setroot", 1000, false, 0});
    run_sharing("set-user-ID of root's, sharing a directory", CLONE_FS,
                (struct running){"./setroot", 1000, false, 0});
    run_sharing("set-group-ID, sharing a directory", CLONE_FS,
                (struct running){"./setgid", 1000, false, 0});
    run_sharing("file capabilities, sharing a directory", CLONE_FS,
                (struct running){"./capable", 1000, false, 0});
}

/* A child whose end was to kill its parent does nothing to the program that the parent becomes. */
static int killer_leave(void *argument)
{
    (void)argument;
    int to[2];
    must(pipe(to) == 0, "pipe");
    must(setgroups(0, NULL) == 0 && setgid(1000) == 0 && setuid(1000) == 0, "setuid");
    pid_t pid = (pid_t)syscall(SYS_clone, SIGKILL, 0, 0, 0, 0);
    if (pid == 0) {
        (void)byte_receive(to[0]);
        _exit(0);
    }
    must(dup2(to[1], 9) == 9, "dup2");
    execl("./setroot", "./setroot", "reap", NULL);
    return 1;
}

/* --- who may look ------------------------------------------------------------------------------
 */

static const char *reading(pid_t pid, const char *name)
{
    char path[64];
    char bytes[16];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int file = open(path, O_RDONLY);
    bool good = file >= 0 && read(file, bytes, sizeof(bytes)) > 0;
    int error = good ? 0 : errno;
    close(file);
    return error_name(error);
}

static const char *link_reading(pid_t pid, const char *name)
{
    char path[64];
    char target[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return error_name(readlink(path, target, sizeof(target)) > 0 ? 0 : errno);
}

/* As a user, at a child that executes the program and waits. */
static int look(void *argument)
{
    char *program = argument;
    int to[2];
    int from[2];
    must(pipe(to) == 0 && pipe(from) == 0, "pipe");
    must(setgroups(0, NULL) == 0 && setgid(1000) == 0 && setuid(1000) == 0, "setuid");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        execl(program, program, "begun", NULL);
        _exit(1);
    }
    close(from[1]);
    must(byte_receive(from[0]), "the program begins");
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {(void *)8, 1};
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    say_result("  memory at a wild address", process_vm_readv(pid, &here, 1, &there, 1, 0));
    int taken = (int)syscall(SYS_pidfd_getfd, fd, 0, 0);
    say("  a file of it: %s", taken >= 0 ? "got" : error_name(errno));
    say("  maps: %s, environ: %s, cmdline: %s", reading(pid, "maps"), reading(pid, "environ"),
        reading(pid, "cmdline"));
    say("  exe: %s, cwd: %s, fd/0: %s", link_reading(pid, "exe"), link_reading(pid, "cwd"),
        link_reading(pid, "fd/0"));
    byte_send(to[1]);
    (void)child_wait(pid);
    return 0;
}

/* A process that has changed its user shows the new user nothing. */
static int look_changed(void *argument)
{
    (void)argument;
    int to[2];
    int from[2];
    must(pipe(to) == 0 && pipe(from) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        must(setgroups(0, NULL) == 0 && setgid(1000) == 0 && setuid(1000) == 0, "setuid");
        byte_send(from[1]);
        (void)byte_receive(to[0]);
        _exit(0);
    }
    must(setgroups(0, NULL) == 0 && setgid(1000) == 0 && setuid(1000) == 0, "setuid");
    must(byte_receive(from[0]), "it has changed");
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {(void *)8, 1};
    say_result("  memory at a wild address", process_vm_readv(pid, &here, 1, &there, 1, 0));
    say("  maps: %s, exe: %s", reading(pid, "maps"), link_reading(pid, "exe"));
    byte_send(to[1]);
    (void)child_wait(pid);
    return 0;
}

static void look_check(void)
{
    static const char *const programs[] = {"./plain", "./setuid", "./setroot", "./setgid",
                                           "./capable"};
    for (size_t i = 0; i < ARRAY_LENGTH(programs); i++) {
        say("a look at %s", programs[i]);
        child_run(look, (void *)(uintptr_t)programs[i]);
    }
    say("a look at one that changed its user");
    child_run(look_changed, NULL);
}

static void programs_check(void)
{
    program_copy("plain");
    program_copy("setuid");
    program_copy("setgid");
    program_copy("setroot");
    program_copy("capable");
    must(chown("setuid", 2000, 2000) == 0 && chmod("setuid", 04755) == 0, "chmod");
    must(chown("setgid", 2000, 2000) == 0 && chmod("setgid", 02755) == 0, "chmod");
    must(chmod("setroot", 04755) == 0, "chmod");
    /* VFS_CAP_REVISION_2 and effective; permitted net_raw. */
    static const unsigned char net_raw[20] = {1, 0, 0, 2, 0, 0x20};
    must(setxattr("capable", "security.capability", net_raw, sizeof(net_raw), 0) == 0, "setxattr");
    run("root", (struct running){"./plain", 0, false, 0});
    run("a user", (struct running){"./plain", 1000, false, 0});
    run("a user with an ambient capability", (struct running){"./plain", 1000, false, 1 << 13});
    run("set-user-ID", (struct running){"./setuid", 1000, false, 0});
    run("set-user-ID of root's", (struct running){"./setroot", 1000, false, 0});
    run("set-user-ID by root", (struct running){"./setuid", 0, false, 0});
    run("set-group-ID", (struct running){"./setgid", 1000, false, 0});
    run("set-user-ID without new privileges", (struct running){"./setroot", 1000, true, 0});
    run("set-user-ID with an ambient capability",
        (struct running){"./setuid", 1000, false, 1 << 13});
    run("file capabilities", (struct running){"./capable", 1000, false, 0});
    run("file capabilities without new privileges", (struct running){"./capable", 1000, true, 0});
    sharing_check();
    say_status("a child with SIGKILL as its exit signal", child_run(killer_leave, NULL));
    look_check();
    int file = open("capable", O_WRONLY | O_APPEND);
    must(write(file, "x", 1) == 1, "write");
    close(file);
    say_result("file capabilities after a write",
               getxattr("capable", "security.capability", NULL, 0));
    static const unsigned char admin[20] = {1, 0, 0, 2, 0, 0, 0x20};
    must(setxattr("capable", "security.capability", admin, sizeof(admin), 0) == 0, "setxattr");
    run("file capabilities that nobody has", (struct running){"./capable", 1000, false, 0});
    file_write("script", "#! ./setuid show\n");
    must(chmod("script", 0755) == 0, "chmod");
    run("a script whose interpreter is set-user-ID", (struct running){"./script", 1000, false, 0});
}

/* --- ETXTBSY ---------------------------------------------------------------------------------- */

static void busy_check(void)
{
    program_copy("busy");
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(gate[0], 0);
        close(gate[0]);
        close(gate[1]);
        execl("./busy", "busy", "wait", NULL);
        _exit(1);
    }
    close(gate[0]);
    sleeping_wait(pid, 'S');
    say_result("open a running program to write", open("busy", O_WRONLY));
    say_result("  with O_TRUNC", open("busy", O_WRONLY | O_TRUNC));
    say_result("  truncate", truncate("busy", 0));
    say_result("  chmod", chmod("busy", 0700));
    must(rename("busy", "moved") == 0, "rename");
    say_result("  by another name", open("moved", O_RDWR));
    close(gate[1]);
    say_status("it ends", child_wait(pid));
    int file = open("moved", O_RDWR);
    say("open it afterwards: %s", file >= 0 ? "done" : error_name(errno));
    execl("./moved", "moved", "show", NULL);
    say("execute it meanwhile: %s", error_name(errno));
    close(file);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "wait") == 0) {
        (void)byte_receive(0);
        return 0;
    }
    if (count > 1 && strcmp(arguments[1], "reap") == 0) {
        byte_send(9);
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        say("  %s ends with %d", pid > 0 ? "it" : error_name(errno), status);
        return 0;
    }
    if (count > 1 && strcmp(arguments[1], "begun") == 0) {
        byte_send(1);
        (void)byte_receive(0);
        return 0;
    }
    if (count > 1) {
        show(arguments[count - 1]);
        return 0;
    }
    umask(022);
    must(chmod(".", 0777) == 0, "chmod");
    container_become();
    status_say("start");
    say_status("calls", child_run(calls, NULL));
    say_status("users change", child_run(users_change, NULL));
    say_status("users change and keep", child_run(users_keep, NULL));
    say_status("authority", child_run(authority, NULL));
    say_status("killing", child_run(killing, NULL));
    programs_check();
    busy_check();
    return 0;
}
