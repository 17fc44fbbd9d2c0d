/* epoll tells of ready files as Linux does: level, edge and one-shot, nested sets, entries that
 * vanish with their file, masks, and many threads at once. */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "tests/linux/programs/program.h"

static int set_new(void)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    must(set >= 0, "epoll_create1");
    return set;
}

static void pipe_new(int ends[2])
{
    must(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
}

static int control(int set, int operation, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(set, operation, fd, &event);
}

static void drain(int fd)
{
    char bytes[64];
    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
}

/* What the set says now, in the order in which it says it. */
static void say_events(const char *what, int set, int timeout_ms)
{
    struct epoll_event events[8];
    char line[256];
    int count = epoll_wait(set, events, 8, timeout_ms);
    int length = snprintf(line, sizeof(line), "%s: %s %d", what,
                          count < 0 ? error_name(errno) : "events", count);
    for (int i = 0; i < count; i++) {
        length += snprintf(line + length, sizeof(line) - (size_t)length, ", %#x for %llu",
                           events[i].events, (unsigned long long)events[i].data.u64);
    }
    say("%s", line);
}

static void errors_check(void)
{
    int ends[2];
    struct epoll_event event = {.events = EPOLLIN};
    pipe_new(ends);
    int set = set_new();
    say_result("epoll_create of nothing", syscall(SYS_epoll_create, 0));
    say_result("epoll_create1 with unknown flags", epoll_create1(1));
    say_result("add a descriptor that is not open", control(set, EPOLL_CTL_ADD, 999, EPOLLIN, 0));
    say_result("add to no set", control(ends[0], EPOLL_CTL_ADD, ends[1], EPOLLIN, 0));
    say_result("add to nothing", control(999, EPOLL_CTL_ADD, ends[0], EPOLLIN, 0));
    say_result("add the set to itself", control(set, EPOLL_CTL_ADD, set, EPOLLIN, 0));
    file_write("plain", "text");
    int file = open("plain", O_RDONLY);
    say_result("add a plain file", control(set, EPOLL_CTL_ADD, file, EPOLLIN, 0));
    int folder = open(".", O_RDONLY | O_DIRECTORY);
    say_result("add a folder", control(set, EPOLL_CTL_ADD, folder, EPOLLIN, 0));
    int path = open("plain", O_PATH);
    say_result("add an O_PATH descriptor", control(set, EPOLL_CTL_ADD, path, EPOLLIN, 0));
    say_result("change what is not there", control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 0));
    say_result("remove what is not there", control(set, EPOLL_CTL_DEL, ends[0], EPOLLIN, 0));
    say_result("unknown operation", control(set, 7, ends[0], EPOLLIN, 0));
    say_result("add", control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 0));
    say_result("add again", control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 0));
    say_result("add from a wild address", syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, ends[1], 1L));
    say_result("remove without an event", epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL));
    say_result("exclusive in a change", control(set, EPOLL_CTL_MOD, ends[0], EPOLLEXCLUSIVE, 0));
    say_result("exclusive and one-shot",
               control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0));
    say_result("wait for no events", epoll_wait(set, &event, 0, 0));
    say_result("wait for less", epoll_wait(set, &event, -1, 0));
    say_result("wait on a pipe", epoll_wait(ends[0], &event, 1, 0));
    say_result("wait on nothing", epoll_wait(999, &event, 1, 0));
    must(control(set, EPOLL_CTL_ADD, ends[1], EPOLLOUT, 5) == 0, "add");
    say_result("wait into a wild address", syscall(SYS_epoll_wait, set, 8L, 1, 0));
    say_result("wait into the kernel", syscall(SYS_epoll_wait, set, -4096L, 1, 0));
    say_events("afterwards", set, 0);
    char byte;
    say_result("read from a set", read(set, &byte, 1));
    say_result("write to a set", write(set, &byte, 1));
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", set);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("a set is called %s", link);
    close(file), close(folder), close(path), close(set), close(ends[0]), close(ends[1]);
}

static void level_check(void)
{
    int ends[2];
    pipe_new(ends);
    int set = set_new();
    must(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0, "add");
    say_events("level, empty", set, 0);
    byte_send(ends[1]);
    say_events("level, a byte", set, -1);
    say_events("level, still", set, -1);
    must(control(set, EPOLL_CTL_MOD, ends[0], EPOLLOUT, 2) == 0, "change");
    say_events("level, other events", set, 0);
    must(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLRDNORM, 3) == 0, "change");
    say_events("level, normal data", set, 0);
    drain(ends[0]);
    say_events("level, drained", set, 0);
    int64_t start = now_ms();
    say_events("level, in 30 ms", set, 30);
    say("it waited: %s", now_ms() - start >= 30 ? "yes" : "no");
    must(control(set, EPOLL_CTL_MOD, ends[0], 0, 4) == 0, "change");
    close(ends[1]);
    say_events("level, hung up and not asked for", set, 0);
    close(set), close(ends[0]);
    pipe_new(ends);
    set = set_new();
    close(ends[0]);
    must(control(set, EPOLL_CTL_ADD, ends[1], EPOLLET, 5) == 0, "add");
    say_events("a pipe without readers", set, 0);
    say_events("and again", set, 0);
    close(set), close(ends[1]);
}

static void edge_check(void)
{
    int ends[2];
    pipe_new(ends);
    int set = set_new();
    byte_send(ends[1]);
    must(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, 1) == 0, "add");
    say_events("edge, ready when added", set, 0);
    say_events("edge, again", set, 0);
    byte_send(ends[1]);
    say_events("edge, another byte", set, 0);
    byte_send(ends[1]);
    drain(ends[0]);
    say_events("edge, drained before the look", set, 0);
    must(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 2) == 0, "change");
    say_events("edge, changed and empty", set, 0);
    byte_send(ends[1]);
    must(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 3) == 0, "change");
    say_events("one-shot", set, 0);
    byte_send(ends[1]);
    say_events("one-shot, again", set, 0);
    must(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 4) == 0, "change");
    say_events("one-shot, armed again", set, 0);
    close(ends[1]);
    say_events("one-shot, hung up", set, 0);
    close(set), close(ends[0]);
}

/* An entry belongs to a descriptor number and an open file, and lives as long as the file. */
static void life_check(void)
{
    int ends[2];
    pipe_new(ends);
    int set = set_new();
    must(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0, "add");
    int other = dup(ends[0]);
    say_result("add a duplicate", control(set, EPOLL_CTL_ADD, other, EPOLLIN, 2));
    byte_send(ends[1]);
    say_events("both", set, 0);
    close(other);
    say_events("the duplicate closed", set, 0);
    say_result("remove the duplicate", control(set, EPOLL_CTL_DEL, other, 0, 0));
    close(ends[0]);
    say_events("all closed", set, 0);
    int again[2];
    pipe_new(again);
    say_result("add another file", control(set, EPOLL_CTL_ADD, again[0], EPOLLIN, 3));
    byte_send(again[1]);
    say_events("the other file", set, 0);
    int copy = dup(set);
    close(set);
    say_events("through a copy of the set", copy, 0);
    close(copy), close(again[0]), close(again[1]), close(ends[1]);
}

static void nest_check(void)
{
    int ends[2];
    pipe_new(ends);
    int inner = set_new();
    int outer = set_new();
    must(control(inner, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0, "add");
    must(control(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 2) == 0, "add");
    struct pollfd poll_set = {.fd = outer, .events = POLLIN};
    say_result("nested, poll", poll(&poll_set, 1, 0));
    byte_send(ends[1]);
    say_events("nested, outer", outer, 0);
    say_events("nested, inner", inner, 0);
    say_result("nested, poll", poll(&poll_set, 1, 0));
    drain(ends[0]);
    say_events("nested, outer after", outer, 0);
    say_result("a circle", control(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 3));
    say_result("exclusive for a set",
               control(inner, EPOLL_CTL_ADD, outer, EPOLLIN | EPOLLEXCLUSIVE, 3));
    close(inner);
    byte_send(ends[1]);
    say_events("nested, inner closed", outer, 0);
    close(outer), close(ends[0]), close(ends[1]);
    int chain[8];
    chain[0] = set_new();
    for (int i = 1; i < 8; i++) {
        chain[i] = set_new();
        say_result("chain", control(chain[i], EPOLL_CTL_ADD, chain[i - 1], EPOLLIN, 0));
    }
    for (int i = 0; i < 8; i++) {
        close(chain[i]);
    }
}

#define MANY 200

static void many_check(void)
{
    static int ends[MANY][2];
    static struct epoll_event events[MANY];
    static int seen[MANY];
    int set = set_new();
    for (int i = 0; i < MANY; i++) {
        pipe_new(ends[i]);
        must(control(set, EPOLL_CTL_ADD, ends[i][0], EPOLLIN, (uint64_t)i) == 0, "add");
    }
    say_result("many, none ready", epoll_wait(set, events, MANY, 0));
    for (int i = 0; i < MANY; i += 2) {
        byte_send(ends[i][1]);
    }
    say_result("many, half ready", epoll_wait(set, events, MANY, 0));
    say("many, in order: first %d, last %d", (int)events[0].data.u64,
        (int)events[MANY / 2 - 1].data.u64);
    /* Everybody has a turn when there is little room. */
    for (int turn = 0; turn < MANY / 10; turn++) {
        int count = epoll_wait(set, events, 7, 0);
        for (int i = 0; i < count; i++) {
            seen[events[i].data.u64]++;
        }
    }
    int missed = 0;
    for (int i = 0; i < MANY; i += 2) {
        missed += seen[i] == 0;
    }
    say("many, never reported: %d", missed);
    for (int i = 0; i < MANY; i++) {
        close(ends[i][0]), close(ends[i][1]);
    }
    say_result("many, all closed", epoll_wait(set, events, MANY, 0));
    close(set);
}

static void handled(int number)
{
    (void)number;
}

static void mask_check(void)
{
    struct epoll_event event;
    struct sigaction action = {.sa_handler = handled, .sa_flags = SA_RESTART};
    sigset_t usr1, none, now;
    int set = set_new();
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    say_result("wait with a blocked signal", epoll_wait(set, &event, 1, 10));
    say_result("wait that lets it in", epoll_pwait(set, &event, 1, -1, &none));
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("the mask afterwards: %s", sigismember(&now, SIGUSR1) ? "the old one" : "another");
    say_result("wait with a mask of another size",
               syscall(SYS_epoll_pwait, set, &event, 1, 0, &none, 4));
    struct timespec time = {0, 20000000};
    int64_t start = now_ms();
    say_result("epoll_pwait2", syscall(SYS_epoll_pwait2, set, &event, 1, &time, NULL, 8));
    say("it waited: %s", now_ms() - start >= 20 ? "yes" : "no");
    time.tv_nsec = 1000000000;
    say_result("epoll_pwait2, bad time", syscall(SYS_epoll_pwait2, set, &event, 1, &time, NULL, 8));
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        sleeping_wait(getppid(), 'S');
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    say_result("interrupted though SA_RESTART", epoll_wait(set, &event, 1, -1));
    (void)child_wait(pid);
    close(set);
}

/* --- threads -----------------------------------------------------------------------------------
 */

struct waiting {
    int set;
    int count; /* events that came; atomic */
};

static void *wait_once(void *argument)
{
    struct waiting *waiting = argument;
    struct epoll_event event;
    if (epoll_wait(waiting->set, &event, 1, 10000) == 1) {
        __atomic_fetch_add(&waiting->count, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

#define WAITERS 4

/* Each byte wakes one of several threads; nobody is forgotten. */
static void threads_check(void)
{
    pthread_t thread[WAITERS];
    int ends[WAITERS][2];
    struct waiting waiting = {.set = set_new()};
    for (int i = 0; i < WAITERS; i++) {
        pipe_new(ends[i]);
        must(control(waiting.set, EPOLL_CTL_ADD, ends[i][0], EPOLLIN | EPOLLET, 0) == 0, "add");
        must(pthread_create(&thread[i], NULL, wait_once, &waiting) == 0, "pthread_create");
    }
    sleep_ms(50);
    for (int i = 0; i < WAITERS; i++) {
        byte_send(ends[i][1]);
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(thread[i], NULL);
    }
    say("threads that got an event each: %d", waiting.count);
    /* Exclusive: one file in several sets. */
    struct waiting each[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        each[i] = (struct waiting){.set = set_new()};
        must(control(each[i].set, EPOLL_CTL_ADD, ends[0][0], EPOLLIN | EPOLLET | EPOLLEXCLUSIVE,
                     0) == 0,
             "add");
        struct epoll_event event;
        (void)epoll_wait(each[i].set, &event, 1, 0);
        must(pthread_create(&thread[i], NULL, wait_once, &each[i]) == 0, "pthread_create");
    }
    for (int sent = 0, got = 0; got < WAITERS; sent++) {
        sleep_ms(sent < WAITERS ? 20 : 1);
        byte_send(ends[0][1]);
        got = 0;
        for (int i = 0; i < WAITERS; i++) {
            got += __atomic_load_n(&each[i].count, __ATOMIC_SEQ_CST);
        }
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(thread[i], NULL);
        close(each[i].set), close(ends[i][0]), close(ends[i][1]);
    }
    say("exclusive sets that got an event: all");
    close(waiting.set);
}

static void *close_later(void *argument)
{
    const int *ends = argument;
    sleep_ms(30);
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

/* The file goes while a thread waits for it: the entry goes, and nothing comes. */
static void close_check(void)
{
    int ends[2];
    pthread_t thread;
    int set = set_new();
    pipe_new(ends);
    must(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0, "add");
    must(pthread_create(&thread, NULL, close_later, ends) == 0, "pthread_create");
    say_events("closed while waiting", set, 120);
    pthread_join(thread, NULL);
    close(set);
}

#define STORM_ROUNDS 400

static int storm_sets[2];
static int storm_over;

static void *storm_wait(void *argument)
{
    struct epoll_event events[4];
    int set = storm_sets[(intptr_t)argument % 2];
    while (!__atomic_load_n(&storm_over, __ATOMIC_SEQ_CST)) {
        (void)epoll_wait(set, events, 4, 1);
    }
    return NULL;
}

static void *storm_change(void *argument)
{
    unsigned random = (unsigned)(intptr_t)argument;
    for (int round = 0; round < STORM_ROUNDS; round++) {
        int ends[2];
        pipe_new(ends);
        for (int i = 0; i < 2; i++) {
            random = random * 1103515245 + 12345;
            uint32_t how = random & 0x10000 ? EPOLLET : random & 0x20000 ? EPOLLONESHOT : 0;
            (void)control(storm_sets[i], EPOLL_CTL_ADD, ends[0], EPOLLIN | how, 0);
        }
        byte_send(ends[1]);
        if (random & 0x40000) {
            (void)control(storm_sets[0], EPOLL_CTL_DEL, ends[0], 0, 0);
        }
        if (random & 0x80000) {
            close(ends[1]);
            close(ends[0]);
        } else {
            close(ends[0]);
            close(ends[1]);
        }
    }
    return NULL;
}

/* Files come and go in two sets, one of which watches the other, while threads wait. */
static void storm_check(void)
{
    pthread_t waiter[4];
    pthread_t changer[4];
    storm_sets[0] = set_new();
    storm_sets[1] = set_new();
    must(control(storm_sets[0], EPOLL_CTL_ADD, storm_sets[1], EPOLLIN | EPOLLET, 0) == 0, "add");
    for (intptr_t i = 0; i < 4; i++) {
        must(pthread_create(&waiter[i], NULL, storm_wait, (void *)i) == 0, "pthread_create");
        must(pthread_create(&changer[i], NULL, storm_change, (void *)i) == 0, "pthread_create");
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(changer[i], NULL);
    }
    __atomic_store_n(&storm_over, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 4; i++) {
        pthread_join(waiter[i], NULL);
    }
    say_events("after the storm", storm_sets[1], 0);
    close(storm_sets[0]), close(storm_sets[1]);
}

int main(void)
{
    errors_check();
    level_check();
    edge_check();
    life_check();
    nest_check();
    many_check();
    mask_check();
    threads_check();
    close_check();
    storm_check();
    return 0;
}
