/* signalfd reads, polls and shares signals as on Linux. */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "tests/linux/programs/program.h"

static sigset_t set_of(int a, int b)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, a);
    sigaddset(&set, b);
    return set;
}

static void say_read(const char *what, int fd, size_t room)
{
    struct signalfd_siginfo info[4];
    ssize_t length = read(fd, info, room * sizeof(info[0]));
    if (length < 0) {
        say("%s: %s", what, error_name(errno));
        return;
    }
    say("%s: %zd signals", what, length / (ssize_t)sizeof(info[0]));
    for (ssize_t i = 0; i < length / (ssize_t)sizeof(info[0]); i++) {
        say("  %s code %d, from %s user %u, status %d, value %d",
            info[i].ssi_signo >= 34 ? "real-time" : signal_name((int)info[i].ssi_signo),
            info[i].ssi_code, info[i].ssi_pid == (uint32_t)getpid() ? "ourselves" : "another",
            info[i].ssi_uid, info[i].ssi_status, info[i].ssi_int);
    }
}

static void say_poll(const char *what, int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    say_result(what, poll(&entry, 1, 0));
}

static void errors_check(void)
{
    char small[64];
    sigset_t set = set_of(SIGUSR1, SIGKILL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    must(fd >= 0, "signalfd");
    say_result("unknown flags", signalfd(-1, &set, 1));
    say_result("change no signalfd", signalfd(0, &set, 0));
    say_result("change nothing", signalfd(999, &set, 0));
    say_result("mask of another size", syscall(SYS_signalfd4, -1, &set, 4L, 0));
    say_result("mask at a wild address", syscall(SYS_signalfd4, -1, 8L, 8L, 0));
    say_result("read 64 bytes", read(fd, small, sizeof(small)));
    say_result("write", write(fd, small, sizeof(small)));
    say_read("nothing pending", fd, 1);
    say_result("change it", signalfd(fd, &set, 0) == fd);
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("it is called %s", link);
    close(fd);
}

static void read_check(void)
{
    sigset_t set = set_of(SIGUSR1, SIGCHLD);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    say_poll("poll, nothing", fd);
    kill(getpid(), SIGUSR1);
    say_poll("poll, one", fd);
    say_read("one", fd, 4);
    say_poll("poll, none", fd);
    union sigval value = {.sival_int = 77};
    sigqueue(getpid(), SIGRTMIN, value);
    value.sival_int = 78;
    sigqueue(getpid(), SIGRTMIN, value);
    raise(SIGUSR1);
    say_read("room for two", fd, 2);
    say_read("the rest", fd, 4);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(5);
    }
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    say_result("poll for a child", poll(&entry, 1, -1));
    say_read("a child", fd, 4);
    (void)child_wait(pid);
    /* The mask of a signalfd may change. */
    raise(SIGUSR1);
    sigset_t other = set_of(SIGUSR2, SIGCHLD);
    must(signalfd(fd, &other, 0) == fd, "signalfd");
    say_poll("poll, other mask", fd);
    must(signalfd(fd, &set, 0) == fd, "signalfd");
    say_poll("poll, first mask", fd);
    say_read("first mask", fd, 4);
    close(fd);
}

static void *raise_later(void *argument)
{
    sleep_ms(30);
    kill(getpid(), SIGUSR1);
    (void)argument;
    return NULL;
}

static void wait_check(void)
{
    pthread_t thread;
    sigset_t set = set_of(SIGUSR1, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, 0);
    must(pthread_create(&thread, NULL, raise_later, NULL) == 0, "pthread_create");
    say_read("a read that waits", fd, 1);
    pthread_join(thread, NULL);
    struct epoll_event event = {.events = EPOLLIN};
    int events = epoll_create1(0);
    must(epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    say_result("epoll, nothing", epoll_wait(events, &event, 1, 0));
    must(pthread_create(&thread, NULL, raise_later, NULL) == 0, "pthread_create");
    say_result("epoll, a signal", epoll_wait(events, &event, 1, -1));
    pthread_join(thread, NULL);
    /* A child reads its own signals from the same file. */
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGUSR2);
        say_read("in a child", fd, 4);
        _exit(0);
    }
    (void)child_wait(pid);
    say_read("in the parent", fd, 4);
    close(events), close(fd);
}

int main(void)
{
    errors_check();
    read_check();
    wait_check();
    return 0;
}
