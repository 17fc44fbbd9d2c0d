/* poll, select and their kin: what they report, what is left of the time, and how signals end them
 * or let them go on. */
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <sys/time.h>

#include "tests/linux/programs/program.h"

#define MS 1000000l

static void handled(int number)
{
    (void)number;
}

static void report_check(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    struct pollfd entry[4] = {{.fd = ends[0], .events = POLLIN | POLLRDNORM},
                              {.fd = ends[1], .events = POLLOUT | POLLWRNORM},
                              {.fd = -1, .events = POLLIN, .revents = 7},
                              {.fd = 999, .events = POLLIN}};
    say_result("poll", poll(entry, 4, 0));
    for (int i = 0; i < 4; i++) {
        say("  %#x", (unsigned)entry[i].revents);
    }
    byte_send(ends[1]);
    close(ends[1]);
    say_result("poll", poll(entry, 1, -1));
    say("  %#x", (unsigned)entry[0].revents);
    say_result("poll at a wild address", syscall(SYS_poll, 8L, 1, 0));
    say_result("poll of too many", poll(entry, 100000000, 0));
    struct timespec bad = {0, 1000 * MS};
    say_result("ppoll with a bad time", ppoll(entry, 1, &bad, NULL));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    say_result("select", select(ends[0] + 1, &set, NULL, NULL, NULL));
    FD_SET(40, &set);
    say_result("select of what is not open", select(41, &set, NULL, NULL, NULL));
    say_result("select of less than none", select(-1, NULL, NULL, NULL, NULL));
    close(ends[0]);
}

static void time_check(void)
{
    struct timespec time = {0, 50 * MS};
    struct timeval value = {0, 50000};
    int64_t start = now_ms();
    say_result("poll for 30 ms", poll(NULL, 0, 30));
    say("it waited: %s", now_ms() - start >= 30 ? "yes" : "no");
    say_result("ppoll", syscall(SYS_ppoll, NULL, 0, &time, NULL, 8));
    say("left: %lld %ld", (long long)time.tv_sec, time.tv_nsec);
    say_result("select", syscall(SYS_select, 0, NULL, NULL, NULL, &value));
    say("left: %lld %ld", (long long)value.tv_sec, (long)value.tv_usec);
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    byte_send(ends[1]);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    value = (struct timeval){7, 0};
    say_result("select, ready", syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &value));
    say("left: %s", value.tv_sec == 6 && value.tv_usec > 0 ? "nearly all" : "wrong");
    value = (struct timeval){0, 0};
    say_result("select of no time", syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &value));
    close(ends[0]), close(ends[1]);
}

enum call {
    POLL,
    PPOLL,
    PPOLL_CONSTANT,
    SELECT,
    PSELECT,
    FUTEX,
    CALLS,
};

static const char *const call_names[] = {"poll",   "ppoll",   "ppoll with a constant time",
                                         "select", "pselect", "futex"};
static const struct timespec constant_time = {0, 800 * MS};

static long call_make(enum call call)
{
    struct timespec time = {0, 800 * MS};
    struct timeval value = {0, 800000};
    static uint32_t word;
    switch (call) {
    case POLL:
        return poll(NULL, 0, 800);
    case PPOLL:
        return syscall(SYS_ppoll, NULL, 0, &time, NULL, 8);
    case PPOLL_CONSTANT:
        return syscall(SYS_ppoll, NULL, 0, &constant_time, NULL, 8);
    case SELECT:
        return syscall(SYS_select, 0, NULL, NULL, NULL, &value);
    case PSELECT:
        return syscall(SYS_pselect6, 0, NULL, NULL, NULL, &time, NULL);
    case FUTEX:
    case CALLS:
    default:
        return syscall(SYS_futex, &word, 0, 0, &time, NULL, 0);
    }
}

/* A stop and SIGCONT let them go on, and the whole takes as long as it was to. */
static void stop_check(enum call call)
{
    pid_t pid = fork();
    if (pid == 0) {
        int64_t start = now_ms();
        long result = call_make(call);
        int64_t took = now_ms() - start;
        say("%s through a stop: %s", call_names[call],
            result == 0 ? "no error" : error_name(errno));
        if (result == 0 || errno == ETIMEDOUT) {
            say("  %s", took < 800 ? "too short" : took >= 1400 ? "longer by the stop" : "as long");
        }
        _exit(0);
    }
    sleeping_wait(pid, 'S');
    kill(pid, SIGSTOP);
    int status;
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    sleep_ms(600);
    kill(pid, SIGCONT);
    (void)child_wait(pid);
}

/* A handler ends them, whatever SA_RESTART says. */
static void handler_check(enum call call)
{
    struct sigaction action = {.sa_handler = handled, .sa_flags = SA_RESTART};
    struct itimerval alarm = {.it_value = {0, 30000}, .it_interval = {0, 30000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &alarm, NULL);
    say_result(call_names[call], call_make(call));
    alarm = (struct itimerval){0};
    setitimer(ITIMER_REAL, &alarm, NULL);
}

static void mask_check(void)
{
    sigset_t usr1, none, now;
    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    signal(SIGUSR1, handled);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    struct timespec time = {5, 0};
    say_result("ppoll lets a signal in", ppoll(NULL, 0, &time, &none));
    raise(SIGUSR1);
    say_result("pselect lets a signal in", pselect(0, NULL, NULL, NULL, &time, &none));
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("the mask afterwards: %s", sigismember(&now, SIGUSR1) ? "the old one" : "another");
}

int main(void)
{
    report_check();
    time_check();
    for (int call = 0; call < CALLS; call++) {
        stop_check(call);
        handler_check(call);
    }
    mask_check();
    return 0;
}
