/* Timers of processes: timer_create, setitimer of CPU time, CPU clocks, and sleeps that go on. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

#include "tests/linux/programs/program.h"

#define MS               1000000l
#define SIGEV_THREAD_TID 4

static volatile sig_atomic_t count;
static volatile sig_atomic_t last_value;
static volatile sig_atomic_t last_code;

static void handled(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    count++;
    last_value = info->si_value.sival_int;
    last_code = info->si_code;
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_sigaction = handled, .sa_flags = SA_SIGINFO | flags};
    must(sigaction(number, &action, NULL) == 0, "sigaction");
}

struct kernel_event {
    union sigval value;
    int number;
    int notify;
    int tid;
    int padding[11];
};

static int timer_new(clockid_t clock, int notify, int number, int value)
{
    struct kernel_event event = {.value.sival_int = value, .number = number, .notify = notify};
    int id = -1;
    event.tid = (int)syscall(SYS_gettid);
    must(syscall(SYS_timer_create, clock, &event, &id) == 0, "timer_create");
    return id;
}

static long timer_set(int id, long value_ms, long interval_ms)
{
    struct itimerspec setting = {
        .it_value = {value_ms / 1000, value_ms % 1000 * MS},
        .it_interval = {interval_ms / 1000, interval_ms % 1000 * MS},
    };
    return syscall(SYS_timer_settime, id, 0, &setting, NULL);
}

static void wait_for(int wanted)
{
    while (count < wanted) {
        sleep_ms(1);
    }
}

static void errors_check(void)
{
    struct kernel_event event = {.number = SIGUSR1};
    struct itimerspec setting = {.it_value = {0, 1000 * MS}};
    int id;
    say_result("unknown clock", syscall(SYS_timer_create, 99, &event, &id));
    say_result("raw clock", syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &event, &id));
    event.number = 0;
    say_result("signal 0", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    event = (struct kernel_event){.number = SIGUSR1, .notify = 9};
    say_result("unknown way to notify", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    event = (struct kernel_event){.number = SIGUSR1, .notify = SIGEV_THREAD_TID, .tid = 1 << 21};
    say_result("thread that is not ours", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    say_result("event at a wild address", syscall(SYS_timer_create, CLOCK_MONOTONIC, 8L, &id));
    say_result("number to a wild address", syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 8L));
    say_result("delete no timer", syscall(SYS_timer_delete, 1234));
    say_result("get no timer", syscall(SYS_timer_gettime, 1234, &setting));
    say_result("overrun of no timer", syscall(SYS_timer_getoverrun, 1234));
    id = timer_new(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    say_result("set no timer", syscall(SYS_timer_settime, 1234, 0, &setting, NULL));
    say_result("set with too many ns", syscall(SYS_timer_settime, id, 0, &setting, NULL));
    say_result("set to nothing", syscall(SYS_timer_settime, id, 0, NULL, NULL));
    say_result("set from a wild address", syscall(SYS_timer_settime, id, 0, 8L, NULL));
    say_result("get to a wild address", syscall(SYS_timer_gettime, id, 8L));
    say_result("delete", syscall(SYS_timer_delete, id));
    say_result("delete again", syscall(SYS_timer_delete, id));
}

static void signal_check(void)
{
    handle(SIGUSR1, 0);
    int id = timer_new(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 42);
    int64_t start = now_ms();
    must(timer_set(id, 30, 0) == 0, "timer_settime");
    wait_for(1);
    say("once: waited %s, value %d, code %s", now_ms() - start >= 30 ? "enough" : "too little",
        (int)last_value, last_code == SI_TIMER ? "SI_TIMER" : "another");
    struct itimerspec setting;
    must(syscall(SYS_timer_gettime, id, &setting) == 0, "timer_gettime");
    say("after it: %lld %ld", (long long)setting.it_value.tv_sec, setting.it_value.tv_nsec);
    count = 0;
    must(timer_set(id, 5, 5) == 0, "timer_settime");
    wait_for(5);
    must(syscall(SYS_timer_gettime, id, &setting) == 0, "timer_gettime");
    say("interval: %ld, left %s", setting.it_interval.tv_nsec,
        setting.it_value.tv_nsec > 0 && setting.it_value.tv_nsec <= 5 * MS ? "good" : "bad");
    must(timer_set(id, 0, 0) == 0, "timer_settime");
    sleep_ms(20);
    count = 0;
    sleep_ms(30);
    say("disarmed: %d signals", (int)count);
    /* Blocked, a timer's signal is queued once, and the rest is its overrun. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    must(timer_set(id, 5, 5) == 0, "timer_settime");
    sleep_ms(60);
    siginfo_t info;
    must(sigwaitinfo(&set, &info) == SIGUSR1, "sigwaitinfo");
    say("overrun: %s, in the signal %s",
        syscall(SYS_timer_getoverrun, id) >= 9 ? "counted" : "not counted",
        info.si_overrun >= 9 ? "too" : "not");
    must(timer_set(id, 0, 0) == 0, "timer_settime");
    struct timespec none = {0, 0};
    while (sigtimedwait(&set, &info, &none) > 0) {
    }
    /* To one thread. */
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    int other = timer_new(CLOCK_REALTIME, SIGEV_THREAD_TID, SIGUSR1, 43);
    must(timer_set(other, 10, 0) == 0, "timer_settime");
    wait_for(1);
    say("to a thread: value %d", (int)last_value);
    /* Without an event: SIGALRM and the number of the timer. */
    handle(SIGALRM, 0);
    count = 0;
    int plain;
    must(syscall(SYS_timer_create, CLOCK_BOOTTIME, NULL, &plain) == 0, "timer_create");
    must(timer_set(plain, 10, 0) == 0, "timer_settime");
    wait_for(1);
    say("without an event: its number %s", last_value == plain ? "comes" : "does not come");
    /* An absolute time, in the past. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    setting = (struct itimerspec){.it_value = {now.tv_sec - 1, 0}};
    count = 0;
    must(syscall(SYS_timer_settime, other, 1, &setting, NULL) == 0, "timer_settime");
    wait_for(1);
    say("in the past: %d signals", (int)count);
    int silent = timer_new(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    must(timer_set(silent, 100500, 0) == 0, "timer_settime");
    must(syscall(SYS_timer_gettime, silent, &setting) == 0, "timer_gettime");
    say("silent: %s", setting.it_value.tv_sec > 0 ? "runs" : "does not run");
    must(timer_set(silent, 10, 0) == 0, "timer_settime");
    sleep_ms(20);
    must(syscall(SYS_timer_gettime, silent, &setting) == 0, "timer_gettime");
    say("silent, expired: %ld", setting.it_value.tv_nsec);
    /* An ignored signal, then a handler again. */
    signal(SIGUSR1, SIG_IGN);
    must(timer_set(id, 5, 5) == 0, "timer_settime");
    sleep_ms(30);
    count = 0;
    handle(SIGUSR1, 0);
    wait_for(2);
    say("ignored, then handled: comes");
    /* A child has no timers. */
    pid_t pid = fork();
    if (pid == 0) {
        _exit(syscall(SYS_timer_gettime, id, &setting) == -1 && errno == EINVAL ? 0 : 1);
    }
    say_status("in a child there is none", child_wait(pid));
    syscall(SYS_timer_delete, id);
}

static void burn_ms(clockid_t clock, long ms)
{
    struct timespec start, now;
    clock_gettime(clock, &start);
    do {
        clock_gettime(clock, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / MS < ms);
}

static void *burn(void *argument)
{
    (void)argument;
    burn_ms(CLOCK_THREAD_CPUTIME_ID, 200);
    return NULL;
}

static void cpu_check(void)
{
    handle(SIGPROF, SA_RESTART);
    handle(SIGVTALRM, SA_RESTART);
    static const struct {
        int which;
        const char *name;
    } timers[] = {{ITIMER_PROF, "ITIMER_PROF"}, {ITIMER_VIRTUAL, "ITIMER_VIRTUAL"}};
    for (size_t i = 0; i < ARRAY_LENGTH(timers); i++) {
        struct itimerval setting = {.it_value = {0, 30000}, .it_interval = {0, 20000}};
        count = 0;
        must(setitimer(timers[i].which, &setting, NULL) == 0, "setitimer");
        sleep_ms(80);
        say("%s, asleep: %d signals", timers[i].name, (int)count);
        while (count < 3) {
        }
        say("%s, busy: it comes", timers[i].name);
        must(getitimer(timers[i].which, &setting) == 0, "getitimer");
        say("%s: interval %ld", timers[i].name, (long)setting.it_interval.tv_usec);
        setting = (struct itimerval){0};
        must(setitimer(timers[i].which, &setting, NULL) == 0, "setitimer");
    }
    handle(SIGUSR1, 0);
    int id = timer_new(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 7);
    count = 0;
    must(timer_set(id, 20, 0) == 0, "timer_settime");
    while (count == 0) {
    }
    say("timer on the thread's time: value %d", (int)last_value);
    /* Sleep until the process has used some time: another thread uses it. */
    pthread_t thread;
    must(pthread_create(&thread, NULL, burn, NULL) == 0, "pthread_create");
    struct timespec time = {0, 50 * MS};
    say("sleep on the process's time: %s",
        error_name(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &time, NULL)));
    pthread_join(thread, NULL);
    clockid_t clock;
    struct timespec own;
    must(clock_getcpuclockid(0, &clock) == 0, "clock_getcpuclockid");
    must(clock_gettime(clock, &own) == 0, "clock_gettime");
    say("clock of ourselves: %s", own.tv_sec > 0 || own.tv_nsec > 100 * MS ? "runs" : "wrong");
    pid_t pid = fork();
    if (pid == 0) {
        burn_ms(CLOCK_PROCESS_CPUTIME_ID, 60);
        _exit(0);
    }
    must(clock_gettime((clockid_t)(~(unsigned)pid << 3 | 2), &own) == 0, "clock_gettime");
    struct rusage usage;
    int status;
    must(wait4(pid, &status, 0, &usage) == pid, "wait4");
    long used_ms = usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
                   usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
    say("wait4's usage: %s", used_ms >= 40 ? "counted" : "not counted");
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    used_ms = usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
              usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
    say("children's usage: %s", used_ms >= 40 ? "counted" : "not counted");
    struct tms ticks;
    must(times(&ticks) != (clock_t)-1, "times");
    say("times: %s, children %s", ticks.tms_utime + ticks.tms_stime >= 10 ? "counted" : "not",
        ticks.tms_cutime + ticks.tms_cstime >= 3 ? "counted" : "not");
    say_result("clock of a process that has ended",
               clock_gettime((clockid_t)(~(unsigned)pid << 3 | 2), &own));
    say_result("getrusage of nobody", getrusage(5, &usage));
    say_result("sleep on the raw clock",
               syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &time, NULL));
    struct timespec set_to = {1, 0};
    say_result("set the clock that nobody sets", clock_settime(CLOCK_MONOTONIC, &set_to));
}

/* A stop and SIGCONT do not end a sleep, nor do they lengthen it. */
static void stop_check(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec time = {0, 300 * MS};
        int64_t start = now_ms();
        int result = nanosleep(&time, NULL);
        int64_t took = now_ms() - start;
        say("nanosleep through a stop: %s, %s", result == 0 ? "whole" : error_name(errno),
            took >= 300 ? "long enough" : "too short");
        _exit(0);
    }
    sleeping_wait(pid, 'S');
    kill(pid, SIGSTOP);
    int status;
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    kill(pid, SIGCONT);
    say_status("the sleeper", child_wait(pid));
    struct timespec time = {20, 0};
    struct timespec left = {0, 0};
    handle(SIGALRM, SA_RESTART);
    struct itimerval alarm = {.it_value = {0, 20000}, .it_interval = {0, 20000}};
    setitimer(ITIMER_REAL, &alarm, NULL);
    say_result("nanosleep and a handler", nanosleep(&time, &left));
    say("left: %s", left.tv_sec > 10 && left.tv_sec < 20 ? "the rest" : "wrong");
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += 20;
    say("absolute sleep and a handler: %s",
        error_name(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL)));
    alarm = (struct itimerval){0};
    setitimer(ITIMER_REAL, &alarm, NULL);
    say_result("restart_syscall out of turn", syscall(SYS_restart_syscall));
}

/* A child has the limit of its parent; without the soft limit's signal it runs into the hard one.
 */
static void limit_check(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {1, 2};
        signal(SIGXCPU, SIG_IGN);
        must(setrlimit(RLIMIT_CPU, &limit) == 0, "setrlimit");
        pid_t child = fork();
        if (child == 0) {
            for (;;) {
            }
        }
        say_status("RLIMIT_CPU, inherited", child_wait(child));
        _exit(0);
    }
    (void)child_wait(pid);
}

int main(void)
{
    errors_check();
    signal_check();
    cpu_check();
    stop_check();
    limit_check();
    return 0;
}
