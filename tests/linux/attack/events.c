/* Epolls that watch each other, timers without pause, queues that nobody empties, locks whose words
 * are forged: whoever does it can be ended, and the others go on. */
#include "tests/linux/attack/attack.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#define FUTEX_LOCK   6
#define FUTEX_UNLOCK 7
#define FUTEX_TRY    8
#define LAYERS       5

static void descriptors_all(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void watch(int set, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

/* Layers of epolls, each of which watches as many as it may of the layer below; and then a byte. */
static void layers(uint64_t width)
{
    static int set[LAYERS][256];
    int ends[2];
    descriptors_all();
    if (pipe2(ends, O_NONBLOCK) != 0) {
        return;
    }
    for (int layer = 0; layer < LAYERS; layer++) {
        for (uint64_t i = 0; i < width; i++) {
            set[layer][i] = epoll_create1(0);
            for (uint64_t k = 0; layer > 0 && k < width; k++) {
                watch(set[layer][i], set[layer - 1][k], EPOLLIN | EPOLLET);
            }
            watch(set[layer][i], ends[0], EPOLLIN | EPOLLET);
        }
    }
    struct epoll_event event;
    for (;;) {
        (void)!write(ends[1], "x", 1);
        (void)!read(ends[0], &event, 1);
        epoll_wait(set[LAYERS - 1][0], &event, 1, 0);
    }
}

/* As many sets as there are descriptors watch one pipe; closing it ends all entries. */
static void watchers_many(uint64_t count)
{
    int ends[2];
    descriptors_all();
    for (int round = 0; round < 2; round++) {
        if (pipe2(ends, O_NONBLOCK) != 0) {
            return;
        }
        for (uint64_t i = 0; i < count; i++) {
            int set = epoll_create1(0);
            if (set < 0) {
                break;
            }
            watch(set, ends[0], EPOLLIN);
        }
        (void)!write(ends[1], "x", 1);
        close(ends[0]);
        close(ends[1]);
    }
}

static int epoll_shared;
static int pipe_shared[2];

static int epoll_change(void *argument)
{
    (void)argument;
    for (;;) {
        struct epoll_event event = {.events = random_next() % 2 ? EPOLLIN : EPOLLOUT | EPOLLET};
        int fd = 3 + (int)(random_next() % 12);
        switch (random_next() % 9) {
        case 0:
            close(fd);
            break;
        case 1:
            dup2(3 + (int)(random_next() % 12), fd);
            break;
        case 2:
            (void)!pipe2(pipe_shared, O_NONBLOCK);
            break;
        case 3:
            (void)!write(fd, "y", 1);
            break;
        case 4:
            epoll_create1(0);
            break;
        case 5:
            eventfd(1, EFD_NONBLOCK);
            break;
        default:
            epoll_ctl(3 + (int)(random_next() % 12), 1 + (int)(random_next() % 3), fd, &event);
            break;
        }
    }
    return 0;
}

static int epoll_look(void *argument)
{
    (void)argument;
    for (;;) {
        struct epoll_event events[8];
        struct pollfd entry = {.fd = 3 + (int)(random_next() % 12), .events = POLLIN};
        epoll_wait(3 + (int)(random_next() % 12), events, 8, 1);
        poll(&entry, 1, 0);
    }
    return 0;
}

/* Threads close, replace and watch each other's descriptors, epolls among them. */
static void epoll_race(uint64_t threads)
{
    epoll_shared = epoll_create1(0);
    for (uint64_t i = 0; i < threads; i++) {
        thread_start(i % 2 ? epoll_look : epoll_change, NULL, 0);
    }
    epoll_change(NULL);
}

static int async_change(void *argument)
{
    (void)argument;
    for (;;) {
        int fd = 3 + (int)(random_next() % 12);
        int ends[2];
        switch (random_next() % 12) {
        case 0:
            close(fd);
            break;
        case 1:
            (void)!pipe2(ends, O_NONBLOCK);
            break;
        case 2:
            (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
            break;
        case 3:
            (void)!posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
            break;
        case 4:
        case 5:
        case 6:
            (void)!write(fd, "y", 1);
            break;
        case 7:
            fcntl(fd, F_SETOWN, random_next() % 2 ? getpid() : -getpgrp());
            break;
        case 8:
            fcntl(fd, F_SETSIG, (int)(random_next() % 2) * SIGUSR1);
            break;
        default:
            fcntl(fd, F_SETFL, O_NONBLOCK | (random_next() % 2 ? O_ASYNC : 0));
            break;
        }
    }
    return 0;
}

/* Threads turn on and off that files tell by signals, while others use and close them. */
static void async_race(uint64_t threads)
{
    setpgid(0, 0);
    signal(SIGIO, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    for (uint64_t i = 0; i < threads; i++) {
        thread_start(async_change, NULL, 0);
    }
    async_change(NULL);
}

/* Signals that kill, to the process that began the attack, from a user who may not send them. */
static void async_kill(uint64_t unused)
{
    (void)unused;
    int ends[2];
    if (setuid(1000) != 0 || pipe(ends) != 0) {
        return;
    }
    for (int pid = getppid(); pid > 0; pid = pid == 1 ? 0 : 1) {
        fcntl(ends[0], F_SETSIG, SIGKILL);
        fcntl(ends[0], F_SETOWN, pid);
        fcntl(ends[0], F_SETFL, O_ASYNC);
        (void)!write(ends[1], "x", 1);
        sleep_ms(50);
    }
}

static void timers_many(uint64_t interval_ns)
{
    struct itimerspec setting = {.it_value = {0, 1}, .it_interval = {0, (long)interval_ns}};
    sigset_t half;
    sigemptyset(&half);
    sigaddset(&half, 40);
    sigprocmask(SIG_BLOCK, &half, NULL);
    signal(41, SIG_IGN);
    for (int i = 0; i < 3000; i++) {
        struct {
            uint64_t value;
            int number, notify, tid, rest[11];
        } event = {.number = 40 + i % 2};
        int id;
        if (syscall(SYS_timer_create, i % 3 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &event,
                    &id) == 0) {
            syscall(SYS_timer_settime, id, 0, &setting, NULL);
        }
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        timerfd_settime(fd, 0, &setting, NULL);
    }
    for (;;) {
        uint64_t ticks;
        (void)!read(3 + (int)(random_next() % 1000), &ticks, sizeof(ticks));
    }
}

static void notes_many(uint64_t instances)
{
    char path[300] = "/tmp/notes/";
    mkdir("/tmp/notes", 0700);
    memset(path + strlen(path), 'n', 255);
    for (uint64_t i = 0; i < instances; i++) {
        int notes = inotify_init1(IN_NONBLOCK);
        inotify_add_watch(notes, "/tmp/notes", IN_ALL_EVENTS);
    }
    for (int i = 0; i < 4000; i++) {
        close(open(path, O_CREAT | O_RDWR, 0600));
        unlink(path);
    }
}

static void signalfds_many(uint64_t count)
{
    sigset_t all;
    descriptors_all();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (uint64_t i = 0; i < count; i++) {
        if (signalfd(-1, &all, SFD_NONBLOCK) < 0) {
            break;
        }
    }
    for (;;) {
        kill(getpid(), SIGUSR1);
        struct signalfd_siginfo info;
        (void)!read(3, &info, sizeof(info));
    }
}

static uint32_t words[4];

static int lock_forge(void *argument)
{
    (void)argument;
    for (;;) {
        uint32_t *word = &words[random_next() % 4];
        struct timespec soon = {0, (long)(random_next() % 1000)};
        switch (random_next() % 8) {
        case 0:
            __atomic_store_n(word, (uint32_t)random_next(), __ATOMIC_SEQ_CST);
            break;
        case 1:
            __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
            break;
        case 2:
            __atomic_store_n(word, (uint32_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
            break;
        case 3:
            syscall(SYS_futex, word, FUTEX_TRY, 0, NULL, NULL, 0);
            break;
        case 4:
            syscall(SYS_futex, word, random_next() % 16, 1, &soon, &words[1], 1);
            break;
        case 5:
            syscall(SYS_futex, word, FUTEX_LOCK, 0, &soon, NULL, 0);
            break;
        default:
            syscall(SYS_futex, word, FUTEX_UNLOCK, 0, NULL, NULL, 0);
            break;
        }
    }
    return 0;
}

static void locks_forged(uint64_t threads)
{
    for (uint64_t i = 0; i < threads; i++) {
        thread_start(lock_forge, NULL, 0);
    }
    lock_forge(NULL);
}

/* Handles of processes that are gone before they are looked at. */
static void processes_short(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            _exit(0);
        }
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        poll(&entry, 1, (int)(random_next() % 2));
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        int status;
        waitpid(pid, &status, 0);
        if (syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0) {
            _exit(99);
        }
        close(fd);
    }
}

int main(void)
{
    attack("layers", layers, 8, 1000);
    attack("layers", layers, 100, 4000);
    attack_that_ends("watchers_many", watchers_many, 8000, 60000);
    attack("epoll_race", epoll_race, 6, 6000);
    attack("async_race", async_race, 6, 6000);
    attack_that_ends("async_kill", async_kill, 0, 5000);
    attack("timers_many", timers_many, 1, 3000);
    attack("timers_many", timers_many, 1000000, 2000);
    attack_that_ends("notes_many", notes_many, 200, 90000);
    attack("signalfds_many", signalfds_many, 20000, 5000);
    attack("locks_forged", locks_forged, 6, 5000);
    attack_that_ends("processes_short", processes_short, 200, 60000);
    sleep_ms(200);
    attack_that_ends("watchers_many", watchers_many, 10, 5000);
    return attacks_result();
}
