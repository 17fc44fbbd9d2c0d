/* pidfds stand for processes: opened, cloned, polled, waited for, sent signals and asked for files.
 * And clone3, which makes them too. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

#include "tests/linux/programs/program.h"

#define P_PIDFD_KIND       ((idtype_t)3)
#define CLONE_PIDFD_BIT    0x1000
#define CLONE_CLEAR_BIT    0x100000000ull
#define PIDFD_NONBLOCK_BIT O_NONBLOCK

struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    uint64_t set_tid, set_tid_size, cgroup;
};

static int pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static long pidfd_send(int fd, int number, siginfo_t *info)
{
    return syscall(SYS_pidfd_send_signal, fd, number, info, 0);
}

/* A child that waits for a byte and ends with CODE. */
static pid_t child_new(int ends[2], int code)
{
    must(pipe(ends) == 0, "pipe");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        close(ends[1]);
        (void)byte_receive(ends[0]);
        _exit(code);
    }
    close(ends[0]);
    return pid;
}

static void say_wait(const char *what, int fd, int options)
{
    siginfo_t info = {0};
    if (waitid(P_PIDFD_KIND, (id_t)fd, &info, options) != 0) {
        say("%s: %s", what, error_name(errno));
    } else if (info.si_pid == 0) {
        say("%s: nothing", what);
    } else {
        say("%s: code %d, status %d", what, info.si_code, info.si_status);
    }
}

static void open_check(void)
{
    int ends[2];
    pid_t pid = child_new(ends, 7);
    int fd = pidfd_open(pid, 0);
    must(fd >= 0, "pidfd_open");
    say("close on exec: %d", fcntl(fd, F_GETFD));
    say_result("open pid 0", pidfd_open(0, 0));
    say_result("open pid -1", pidfd_open(-1, 0));
    say_result("open nobody", pidfd_open(1 << 21, 0));
    say_result("unknown flags", pidfd_open(pid, 1));
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("it is called %s", link);
    char byte;
    say_result("read", read(fd, &byte, 1));
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    say_result("poll, alive", poll(&entry, 1, 0));
    say_wait("wait without waiting", fd, WEXITED | WNOHANG);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    byte_send(ends[1]);
    say_result("epoll, ended", epoll_wait(set, &event, 1, -1));
    say_result("poll, ended", poll(&entry, 1, -1));
    say_result("signal 0 to a zombie", pidfd_send(fd, 0, NULL));
    say_wait("look at it", fd, WEXITED | WNOWAIT);
    say_wait("wait for it", fd, WEXITED);
    say_wait("wait again", fd, WEXITED);
    say_result("signal 0 to nobody", pidfd_send(fd, 0, NULL));
    say_wait("wait by no pidfd", set, WEXITED);
    say_wait("wait by nothing", 999, WEXITED);
    close(fd), close(set), close(ends[1]);
}

static void signal_check(void)
{
    int ends[2];
    pid_t pid = child_new(ends, 0);
    int fd = pidfd_open(pid, 0);
    siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_USER};
    say_result("unknown flag", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0x100));
    say_result("signal 99", pidfd_send(fd, 99, NULL));
    say_result("by no pidfd", pidfd_send(ends[1], 0, NULL));
    say_result("by nothing", pidfd_send(999, 0, NULL));
    say_result("another number in the info", pidfd_send(fd, SIGUSR1, &info));
    say_result("as if by kill", pidfd_send(fd, SIGTERM, &info));
    say_result("info at a wild address", syscall(SYS_pidfd_send_signal, fd, SIGTERM, 8L, 0));
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    say_result("by the folder in /proc", pidfd_send(folder, 0, NULL));
    close(folder);
    info.si_code = SI_QUEUE;
    say_result("queued", pidfd_send(fd, SIGTERM, &info));
    say_wait("wait", fd, WEXITED);
    close(fd), close(ends[1]);
    /* Without patience. */
    pid = child_new(ends, 3);
    fd = pidfd_open(pid, PIDFD_NONBLOCK_BIT);
    say_wait("wait, nonblocking", fd, WEXITED);
    say_result("kill", pidfd_send(fd, SIGKILL, NULL));
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    (void)poll(&entry, 1, -1);
    say_wait("wait, nonblocking", fd, WEXITED);
    close(fd), close(ends[1]);
}

static void files_check(void)
{
    int ends[2];
    int shared[2];
    pid_t pid = child_new(ends, 0);
    must(pipe(shared) == 0, "pipe");
    int fd = pidfd_open(pid, 0);
    int own = pidfd_open(getpid(), 0);
    int copy = (int)syscall(SYS_pidfd_getfd, own, shared[1], 0);
    say("a file of ourselves: %s", copy >= 0 ? "got" : error_name(errno));
    byte_send(copy);
    say("and it is the same: %d", byte_receive(shared[0]));
    say("close on exec: %d", fcntl(copy, F_GETFD));
    int theirs = (int)syscall(SYS_pidfd_getfd, fd, ends[0], 0);
    say("a file of the child: %s", theirs >= 0 ? "got" : error_name(errno));
    say_result("a file that is not open", syscall(SYS_pidfd_getfd, own, 999, 0));
    say_result("unknown flags", syscall(SYS_pidfd_getfd, own, shared[0], 1));
    say_result("by no pidfd", syscall(SYS_pidfd_getfd, shared[0], 0, 0));
    pid_t stranger = fork();
    if (stranger == 0) {
        must(setgid(OTHER_GROUP) == 0 && setuid(OTHER_USER) == 0, "setuid");
        say_result("a file of root's process", syscall(SYS_pidfd_getfd, fd, ends[1], 0));
        say_result("a signal to root's process", pidfd_send(fd, SIGTERM, NULL));
        _exit(0);
    }
    (void)child_wait(stranger);
    byte_send(ends[1]);
    (void)child_wait(pid);
    say_result("a file of a process that is gone", syscall(SYS_pidfd_getfd, fd, 0, 0));
}

static void handled(int number)
{
    (void)number;
}

static int child_main(void *argument)
{
    (void)argument;
    _exit(9);
}

static void clone_check(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int fd = -1;
    pid_t pid = clone(child_main, stack + sizeof(stack), CLONE_PIDFD_BIT | SIGCHLD, NULL, &fd);
    must(pid > 0, "clone");
    say("clone: a descriptor %s, close on exec %d", fd > 2 ? "comes" : "does not come",
        fcntl(fd, F_GETFD));
    say_wait("wait", fd, WEXITED);
    close(fd);
    say_result("pidfd and parent's tid",
               syscall(SYS_clone, CLONE_PIDFD_BIT | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0));
    say_result("pidfd at a wild address",
               syscall(SYS_clone, CLONE_PIDFD_BIT | SIGCHLD, 0, 8L, 0, 0));
    pid_t tid = 0;
    struct clone_arguments arguments = {.flags = CLONE_PIDFD_BIT | CLONE_PARENT_SETTID,
                                        .pidfd = (uint64_t)(uintptr_t)&fd,
                                        .parent_tid = (uint64_t)(uintptr_t)&tid,
                                        .exit_signal = SIGCHLD};
    fd = -1;
    pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) {
        _exit(4);
    }
    say("clone3: %s, its tid %s", pid > 0 ? "good" : error_name(errno), tid == pid ? "too" : "not");
    say_wait("wait", fd, WEXITED);
    close(fd);
    struct clone_arguments bad = {.exit_signal = SIGCHLD};
    say_result("clone3, too small", syscall(SYS_clone3, &bad, 56));
    say_result("clone3, too large", syscall(SYS_clone3, &bad, 8192));
    bad.exit_signal = 100;
    say_result("clone3, no signal", syscall(SYS_clone3, &bad, sizeof(bad)));
    bad = (struct clone_arguments){.flags = SIGCHLD};
    say_result("clone3, signal in the flags", syscall(SYS_clone3, &bad, sizeof(bad)));
    bad = (struct clone_arguments){.exit_signal = SIGCHLD, .stack = (uint64_t)(uintptr_t)stack};
    say_result("clone3, a stack without size", syscall(SYS_clone3, &bad, sizeof(bad)));
    bad = (struct clone_arguments){.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD};
    say_result("clone3, handlers without memory", syscall(SYS_clone3, &bad, sizeof(bad)));
    say_result("clone3, wild address", syscall(SYS_clone3, 8L, sizeof(bad)));
    struct {
        struct clone_arguments known;
        uint64_t unknown;
    } newer = {.known = {.exit_signal = SIGCHLD}, .unknown = 1};
    say_result("clone3, unknown fields", syscall(SYS_clone3, &newer, sizeof(newer)));
    /* Handled signals get their default, ignored ones stay ignored. */
    signal(SIGUSR1, handled);
    signal(SIGUSR2, SIG_IGN);
    arguments = (struct clone_arguments){.flags = CLONE_CLEAR_BIT, .exit_signal = SIGCHLD};
    pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) {
        struct sigaction was_handled, was_ignored;
        sigaction(SIGUSR1, NULL, &was_handled);
        sigaction(SIGUSR2, NULL, &was_ignored);
        _exit((was_handled.sa_handler == SIG_DFL) + 2 * (was_ignored.sa_handler == SIG_IGN));
    }
    say_status("clone3, clear handlers", child_wait(pid));
}

int main(void)
{
    open_check();
    signal_check();
    files_check();
    clone_check();
    return 0;
}
