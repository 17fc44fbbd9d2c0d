/* eventfd counts, waits and polls as on Linux, also as a semaphore and between processes. */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "tests/linux/programs/program.h"

static void say_read(const char *what, int fd)
{
    uint64_t value = 0;
    ssize_t length = read(fd, &value, sizeof(value));
    if (length < 0) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: %zd bytes, %llu", what, length, (unsigned long long)value);
    }
}

static void say_write(const char *what, int fd, uint64_t value)
{
    say_result(what, write(fd, &value, sizeof(value)));
}

static void say_poll(const char *what, int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT};
    must(poll(&entry, 1, 0) >= 0, "poll");
    say("%s: %#x", what, (unsigned)entry.revents);
}

static void counter_check(void)
{
    char small[4];
    char large[8];
    int fd = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
    must(fd >= 0, "eventfd");
    say_poll("fresh", fd);
    say_read("read", fd);
    say_read("read again", fd);
    say_poll("empty", fd);
    say_write("write 5", fd, 5);
    say_write("write 7", fd, 7);
    say_read("read both", fd);
    say_write("write nothing", fd, 0);
    say_poll("after nothing", fd);
    say_write("write all ones", fd, UINT64_MAX);
    say_write("write the most", fd, UINT64_MAX - 1);
    say_poll("full", fd);
    say_write("write one more", fd, 1);
    say_read("read the most", fd);
    say_result("read 4 bytes", read(fd, small, sizeof(small)));
    say_result("read 0 bytes", read(fd, small, 0));
    say_result("write 4 bytes", write(fd, small, sizeof(small)));
    say_result("read into a wild address", syscall(SYS_read, fd, 8L, 8L));
    say_result("pread", pread(fd, large, sizeof(large), 0));
    say_result("unknown flags", eventfd(0, 0x100));
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("it is called %s", link);
    say("close on exec: %d, flags %#x", fcntl(fd, F_GETFD), (unsigned)fcntl(fd, F_GETFL));
    close(fd);
}

static void semaphore_check(void)
{
    int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    say_read("semaphore", fd);
    say_read("semaphore", fd);
    say_read("semaphore", fd);
    close(fd);
}

static void *write_later(void *argument)
{
    sleep_ms(30);
    uint64_t value = 9;
    must(write(*(int *)argument, &value, sizeof(value)) == sizeof(value), "write");
    return NULL;
}

static void *read_later(void *argument)
{
    sleep_ms(30);
    uint64_t value;
    must(read(*(int *)argument, &value, sizeof(value)) == sizeof(value), "read");
    return NULL;
}

static void handled(int number)
{
    (void)number;
}

static void wait_check(void)
{
    pthread_t thread;
    int fd = eventfd(0, 0);
    must(pthread_create(&thread, NULL, write_later, &fd) == 0, "pthread_create");
    say_read("a read that waits", fd);
    pthread_join(thread, NULL);
    say_write("fill", fd, UINT64_MAX - 1);
    must(pthread_create(&thread, NULL, read_later, &fd) == 0, "pthread_create");
    say_write("a write that waits", fd, 4);
    pthread_join(thread, NULL);
    say_read("what it wrote", fd);
    pid_t pid = fork();
    if (pid == 0) {
        sleeping_wait(getppid(), 'S');
        uint64_t value = 6;
        _exit(write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : 1);
    }
    say_read("from a child", fd);
    say_status("the child", child_wait(pid));
    struct sigaction action = {.sa_handler = handled};
    sigaction(SIGUSR1, &action, NULL);
    pid = fork();
    if (pid == 0) {
        sleeping_wait(getppid(), 'S');
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    say_read("interrupted", fd);
    (void)child_wait(pid);
    /* Edge-triggered: each write tells again. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int set = epoll_create1(0);
    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    say_result("epoll, nothing", epoll_wait(set, &event, 1, 0));
    say_write("write", fd, 1);
    say_result("epoll, written", epoll_wait(set, &event, 1, 0));
    say_result("epoll, no edge", epoll_wait(set, &event, 1, 0));
    say_write("write", fd, 1);
    say_result("epoll, written again", epoll_wait(set, &event, 1, 0));
    close(set), close(fd);
}

int main(void)
{
    counter_check();
    semaphore_check();
    wait_check();
    return 0;
}
