/*
 * Pointers that are wild, misaligned, read-only, half mapped, or unmapped by another thread while
 * the call waits: the call says what Linux says, and does as much as Linux does.
 */
#include "tests/linux/programs/program.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/un.h>

#define HALF 4 /* bytes of what is half mapped that are mapped */

static char *page; /* the second of three: the first is read-only, the last is not there */
static int file;
static int pipe_ends[2];
static int pair[2];
static int datagrams[2];
static int events;

/* Take out what is there, for errno's sake without a trace: the bytes. */
static long drain(int descriptor)
{
    char bytes[4096];
    int error = errno;
    long count, total = 0;
    while ((count = read(descriptor, bytes, sizeof(bytes))) > 0) {
        total += count;
    }
    errno = error;
    return total;
}

static long close_after(int descriptor, long result)
{
    int error = errno;
    close(descriptor);
    errno = error;
    return result;
}

/* --- calls that only look or only answer: each with its pointer --- */

static long call_read(void *p)
{
    return pread(file, p, 100, 0);
}

static long call_write(void *p)
{
    long result = pwrite(file, p, 100, 1000);
    int error = errno;
    must(ftruncate(file, 1000) == 0, "ftruncate");
    errno = error;
    return result;
}

static long call_readv(void *p)
{
    char good[10];
    struct iovec parts[2] = {{good, sizeof(good)}, {p, 100}};
    return preadv(file, parts, 2, 0);
}

static long call_readv_list(void *p)
{
    return readv(file, p, 2);
}

static long call_pipe_write(void *p)
{
    long result = write(pipe_ends[1], p, 100);
    drain(pipe_ends[0]);
    return result;
}

/* A thousand times what was read, and what was left. */
static long call_pipe_read(void *p)
{
    must(write(pipe_ends[1], "0123456789", 10) == 10, "write");
    long result = read(pipe_ends[0], p, 10);
    long left = drain(pipe_ends[0]);
    return result == -1 ? -1 : result * 1000 + left;
}

static long call_send(void *p)
{
    long result = send(pair[0], p, 100, 0);
    drain(pair[1]);
    return result;
}

static long call_receive(void *p)
{
    must(send(pair[0], "0123456789", 10, 0) == 10, "send");
    long result = recv(pair[1], p, 10, 0);
    long left = drain(pair[1]);
    return result == -1 ? -1 : result * 1000 + left;
}

static long call_send_datagram(void *p)
{
    long result = send(datagrams[0], p, 100, 0);
    drain(datagrams[1]);
    return result;
}

static long call_message(void *p)
{
    return syscall(SYS_sendmsg, pair[0], p, 0);
}

static long call_message_name(void *p)
{
    struct msghdr message = {.msg_name = p, .msg_namelen = 100};
    return syscall(SYS_sendmsg, datagrams[0], &message, 0);
}

static long call_message_control(void *p)
{
    char text[1] = "x";
    struct iovec part = {text, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = p, .msg_controllen = 64};
    return syscall(SYS_sendmsg, datagrams[0], &message, 0);
}

static long call_socketpair(void *p)
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, p);
}

static long call_sockname(void *p)
{
    socklen_t length = 100;
    return getsockname(pair[0], p, &length);
}

static long call_sockname_length(void *p)
{
    struct sockaddr_un name;
    return getsockname(pair[0], (struct sockaddr *)&name, p);
}

static long call_bind(void *p)
{
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    long result = bind(other, p, 20);
    return close_after(other, result);
}

static long call_option_set(void *p)
{
    return setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, p, 16);
}

static long call_option_get(void *p)
{
    socklen_t length = 16;
    return getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, p, &length);
}

static long call_open(void *p)
{
    return open(p, O_RDONLY);
}

static long call_rename(void *p)
{
    return rename("missing", p);
}

static long call_readlink(void *p)
{
    return readlink("link", p, 100);
}

static long call_getcwd(void *p)
{
    return syscall(SYS_getcwd, p, 4096) == -1 ? -1 : 1;
}

static long call_stat(void *p)
{
    return syscall(SYS_stat, ".", p);
}

static long call_statx(void *p)
{
    return syscall(SYS_statx, AT_FDCWD, ".", 0, 0x7ff, p);
}

static long call_statfs(void *p)
{
    return syscall(SYS_statfs, ".", p);
}

static long call_getdents(void *p)
{
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    long result = syscall(SYS_getdents64, folder, p, 1000);
    return close_after(folder, result == -1 ? -1 : result > 0);
}

static long call_utimens(void *p)
{
    return syscall(SYS_utimensat, AT_FDCWD, "link", p, 0);
}

static long call_xattr(void *p)
{
    return syscall(SYS_setxattr, "data", "user.name", p, 100, 0);
}

static long call_pipe(void *p)
{
    return syscall(SYS_pipe2, p, 0);
}

static long call_poll(void *p)
{
    return poll(p, 2, 0);
}

static long call_select(void *p)
{
    struct timeval none = {0, 0};
    return syscall(SYS_select, 200, p, NULL, NULL, &none);
}

static long call_epoll_ctl(void *p)
{
    int set = epoll_create1(0);
    long result = epoll_ctl(set, EPOLL_CTL_ADD, events, p);
    return close_after(set, result);
}

static long call_epoll_wait(void *p)
{
    int set = epoll_create1(0);
    struct epoll_event interest = {.events = EPOLLOUT};
    must(epoll_ctl(set, EPOLL_CTL_ADD, events, &interest) == 0, "epoll_ctl");
    long result = epoll_wait(set, p, 10, 0);
    return close_after(set, result);
}

static long call_eventfd(void *p)
{
    return write(events, p, 8);
}

static long call_nanosleep(void *p)
{
    return syscall(SYS_nanosleep, p, NULL);
}

static long call_clock(void *p)
{
    return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p);
}

static long call_itimer(void *p)
{
    return syscall(SYS_setitimer, ITIMER_VIRTUAL, NULL, p);
}

static long call_timer_create(void *p)
{
    int number;
    return syscall(SYS_timer_create, CLOCK_MONOTONIC, p, &number);
}

static long call_sigaction(void *p)
{
    return syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8);
}

static long call_sigaction_old(void *p)
{
    return syscall(SYS_rt_sigaction, SIGUSR1, NULL, p, 8);
}

static long call_sigprocmask(void *p)
{
    return syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, p, 8);
}

static long call_sigaltstack(void *p)
{
    return syscall(SYS_sigaltstack, NULL, p);
}

static long call_sigqueue(void *p)
{
    return syscall(SYS_rt_sigqueueinfo, getpid(), 0, p);
}

static long call_wait(void *p)
{
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        _exit(3);
    }
    siginfo_t about;
    must(waitid(P_PID, (id_t)child, &about, WEXITED | WNOWAIT) == 0, "waitid");
    long result = syscall(SYS_wait4, child, p, 0, NULL);
    int error = errno;
    bool reaped = waitpid(child, NULL, WNOHANG) == -1;
    errno = error;
    return result == -1 ? -1 : reaped;
}

static long call_rusage(void *p)
{
    return syscall(SYS_getrusage, RUSAGE_SELF, p);
}

static long call_rlimit(void *p)
{
    return syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, p);
}

static long call_uname(void *p)
{
    return syscall(SYS_uname, p);
}

static long call_sysinfo(void *p)
{
    return syscall(SYS_sysinfo, p);
}

static long call_times(void *p)
{
    return syscall(SYS_times, p) != -1 ? 0 : -1;
}

static long call_setgroups(void *p)
{
    return syscall(SYS_setgroups, 2, p);
}

static long call_getresuid(void *p)
{
    uid_t one, two;
    return syscall(SYS_getresuid, &one, &two, p);
}

static long call_affinity(void *p)
{
    return syscall(SYS_sched_getaffinity, 0, 8, p) > 0 ? 1 : -1;
}

static long call_capget(void *p)
{
    return syscall(SYS_capget, p, NULL);
}

static long call_futex(void *p)
{
    struct timespec none = {0, 0};
    return syscall(SYS_futex, p, 0, -1, &none, NULL, 0);
}

static long call_futex_wake(void *p)
{
    return syscall(SYS_futex, p, 1, 1, NULL, NULL, 0);
}

static long call_futex_timeout(void *p)
{
    int word = 1;
    return syscall(SYS_futex, &word, 0, 2, p, NULL, 0);
}

static long call_random(void *p)
{
    return syscall(SYS_getrandom, p, 100, 0);
}

static long call_exec(void *p)
{
    char *const none[] = {NULL};
    return execve(p, none, none);
}

static long call_mincore(void *p)
{
    return syscall(SYS_mincore, page, PAGE_BYTES, p);
}

static long call_clone(void *p)
{
    long result = syscall(SYS_clone3, p, 88);
    if (result == 0) {
        _exit(0);
    }
    return result == -1 ? -1 : 1;
}

static long call_openat2(void *p)
{
    return syscall(SYS_openat2, AT_FDCWD, "data", p, 24) == -1 ? -1 : 1;
}

static long call_semop(void *p)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    long result = semop(id, p, 1);
    int error = errno;
    semctl(id, 0, IPC_RMID);
    errno = error;
    return result;
}

static long call_msgsnd(void *p)
{
    int id = msgget(IPC_PRIVATE, 0600);
    long result = msgsnd(id, p, 10, IPC_NOWAIT);
    int error = errno;
    msgctl(id, IPC_RMID, NULL);
    errno = error;
    return result;
}

static long call_sendfile(void *p)
{
    return syscall(SYS_sendfile, pipe_ends[1], file, p, 0);
}

static long call_prctl(void *p)
{
    return syscall(SYS_prctl, 15, p, 0, 0, 0);
}

static long call_process_vm(void *p)
{
    char text[10];
    struct iovec here = {text, 10}, there = {p, 10};
    return syscall(SYS_process_vm_readv, getpid(), &here, 1, &there, 1, 0);
}

static const struct call {
    const char *name;
    long (*make)(void *pointer);
} calls[] = {
    {"pread", call_read},
    {"pwrite", call_write},
    {"preadv", call_readv},
    {"readv's list", call_readv_list},
    {"write to a pipe", call_pipe_write},
    {"read from a pipe", call_pipe_read},
    {"send", call_send},
    {"recv", call_receive},
    {"send of a datagram", call_send_datagram},
    {"sendmsg", call_message},
    {"sendmsg's name", call_message_name},
    {"sendmsg's control data", call_message_control},
    {"socketpair", call_socketpair},
    {"getsockname", call_sockname},
    {"getsockname's length", call_sockname_length},
    {"bind", call_bind},
    {"setsockopt", call_option_set},
    {"getsockopt", call_option_get},
    {"open", call_open},
    {"rename", call_rename},
    {"readlink", call_readlink},
    {"getcwd", call_getcwd},
    {"stat", call_stat},
    {"statx", call_statx},
    {"statfs", call_statfs},
    {"getdents64", call_getdents},
    {"utimensat", call_utimens},
    {"setxattr", call_xattr},
    {"pipe2", call_pipe},
    {"poll", call_poll},
    {"select", call_select},
    {"epoll_ctl", call_epoll_ctl},
    {"epoll_wait", call_epoll_wait},
    {"write to an eventfd", call_eventfd},
    {"nanosleep", call_nanosleep},
    {"clock_gettime", call_clock},
    {"setitimer's old", call_itimer},
    {"timer_create", call_timer_create},
    {"rt_sigaction", call_sigaction},
    {"rt_sigaction's old", call_sigaction_old},
    {"rt_sigprocmask's old", call_sigprocmask},
    {"sigaltstack's old", call_sigaltstack},
    {"rt_sigqueueinfo", call_sigqueue},
    {"wait4", call_wait},
    {"getrusage", call_rusage},
    {"prlimit64's old", call_rlimit},
    {"uname", call_uname},
    {"sysinfo", call_sysinfo},
    {"times", call_times},
    {"setgroups", call_setgroups},
    {"getresuid", call_getresuid},
    {"sched_getaffinity", call_affinity},
    {"capget", call_capget},
    {"futex wait", call_futex},
    {"futex wake", call_futex_wake},
    {"futex's timeout", call_futex_timeout},
    {"getrandom", call_random},
    {"execve", call_exec},
    {"mincore", call_mincore},
    {"clone3", call_clone},
    {"openat2", call_openat2},
    {"semop", call_semop},
    {"msgsnd", call_msgsnd},
    {"sendfile", call_sendfile},
    {"prctl", call_prctl},
    {"process_vm_readv", call_process_vm},
};

struct attempt {
    const struct call *call;
    void *pointer;
};

static int attempt_make(void *argument)
{
    const struct attempt *attempt = argument;
    errno = 0;
    long result = attempt->call->make(attempt->pointer);
    if (result == -1) {
        say("%s: %s", attempt->call->name, error_name(errno));
    } else {
        say("%s: %ld", attempt->call->name, result);
    }
    return 0;
}

/* Each in a process of its own: some change it. */
static void all_check(const char *kind, void *pointer)
{
    say("-- %s", kind);
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        struct attempt attempt = {&calls[i], pointer};
        int status = child_run(attempt_make, &attempt);
        if (status != 0) {
            say_status(calls[i].name, status);
        }
    }
}

/* --- memory that goes while the call waits --- */

struct waiting {
    long (*make)(void *pointer);
    void *pointer;
    pid_t thread;
    long result;
    int error;
};

static void *waiting_run(void *argument)
{
    struct waiting *waiting = argument;
    __atomic_store_n(&waiting->thread, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    waiting->result = waiting->make(waiting->pointer);
    waiting->error = errno;
    return NULL;
}

static long wait_read(void *p)
{
    return read(pipe_ends[0], p, 10);
}

static long wait_receive(void *p)
{
    return recv(pair[1], p, 10, 0);
}

static long wait_poll(void *p)
{
    return poll(p, 1, -1);
}

static long wait_epoll(void *p)
{
    int set = epoll_create1(0);
    struct epoll_event interest = {.events = EPOLLIN};
    must(epoll_ctl(set, EPOLL_CTL_ADD, pipe_ends[0], &interest) == 0, "epoll_ctl");
    return epoll_wait(set, p, 1, -1);
}

static long wait_futex(void *p)
{
    struct timespec limit = {2, 0};
    return syscall(SYS_futex, p, 128, 0, &limit, NULL, 0);
}

static void pipe_feed(void)
{
    must(write(pipe_ends[1], "0123456789", 10) == 10, "write");
}

static void pipe_empty(void)
{
    say("left in the pipe: %ld", drain(pipe_ends[0]));
}

static void pair_feed(void)
{
    must(send(pair[0], "0123456789", 10, 0) == 10, "send");
}

static void pair_empty(void)
{
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    say("left in the socket: %ld", drain(pair[1]));
}

static void nothing(void)
{
}

static void unmapped_say(const char *what, long (*make)(void *pointer), void (*feed)(void),
                         void (*empty)(void))
{
    int *memory =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    if (make == wait_poll) {
        *(struct pollfd *)(void *)memory = (struct pollfd){pipe_ends[0], POLLIN, 0};
    }
    struct waiting waiting = {.make = make, .pointer = memory};
    pthread_t thread;
    must(pthread_create(&thread, NULL, waiting_run, &waiting) == 0, "pthread_create");
    while (__atomic_load_n(&waiting.thread, __ATOMIC_SEQ_CST) == 0) {
        sched_yield();
    }
    sleeping_wait(waiting.thread, 'S');
    must(munmap(memory, PAGE_BYTES) == 0, "munmap");
    feed();
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    errno = waiting.error;
    say_result(what, waiting.result);
    empty();
}

static void unmapped_check(void)
{
    say("-- unmapped while the call waits");
    unmapped_say("futex wait", wait_futex, nothing, nothing);
    fcntl(pair[1], F_SETFL, 0);
    unmapped_say("recv", wait_receive, pair_feed, pair_empty);
    unmapped_say("poll", wait_poll, pipe_feed, pipe_empty);
    unmapped_say("epoll_wait", wait_epoll, pipe_feed, pipe_empty);
    fcntl(pipe_ends[0], F_SETFL, 0);
    unmapped_say("read", wait_read, pipe_feed, nothing);
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    pipe_empty();
}

/* Another thread unmaps and maps again without end: each call ends as if the memory had been there,
 * or not, or no longer from some byte on. */
static volatile bool over;

static void *flicker(void *argument)
{
    while (!over) {
        munmap(argument, PAGE_BYTES);
        mmap(argument, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0);
    }
    return NULL;
}

static void race_check(void)
{
    char *memory =
        mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    char *middle = memory + PAGE_BYTES;
    pthread_t thread;
    must(pthread_create(&thread, NULL, flicker, middle) == 0, "pthread_create");
    long wrong = 0;
    for (int i = 0; i < 2000; i++) {
        long count = pread(file, middle - 100, 1000, 0);
        wrong += count != -1 && (count < 100 || count > 1000);
        count = pwrite(file, middle - 100, 1000, 0);
        wrong += count != -1 && (count < 100 || count > 1000);
        struct timespec now;
        wrong += syscall(SYS_clock_gettime, CLOCK_MONOTONIC, middle) != 0 && errno != EFAULT;
        wrong += syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) != 0;
        wrong += syscall(SYS_futex, middle, 0, 1, NULL, NULL, 0) != -1;
    }
    over = true;
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    say("while another thread unmaps it: wrong %ld", wrong);
}

static void prepare(void)
{
    char *memory =
        mmap(NULL, 3 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED && munmap(memory + 2 * PAGE_BYTES, PAGE_BYTES) == 0 &&
             mprotect(memory, PAGE_BYTES, PROT_READ) == 0,
         "memory");
    page = memory + PAGE_BYTES;
    file = open("data", O_RDWR | O_CREAT, 0644);
    must(file >= 0 && ftruncate(file, 1000) == 0 && symlink("data", "link") == 0, "files");
    must(pipe2(pipe_ends, O_NONBLOCK) == 0 &&
             socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0 &&
             socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagrams) == 0,
         "descriptors");
    events = eventfd(0, EFD_NONBLOCK);
    must(events >= 0, "eventfd");
}

int main(void)
{
    prepare();
    all_check("low", (void *)8);
    all_check("the kernel's", (void *)0xffff800000001000);
    all_check("not canonical", (void *)0x4000000000001000);
    all_check("the last byte", (void *)-1ul);
    all_check("read-only zeros", page - PAGE_BYTES);
    all_check("half mapped", page + PAGE_BYTES - HALF);
    all_check("misaligned", page + 1);
    unmapped_check();
    race_check();
    return 0;
}
