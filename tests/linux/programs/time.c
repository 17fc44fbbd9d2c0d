/* Clocks only go forward, sleeps last at least as long as asked for, and timers send their signals.
 */
#include <elf.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/timex.h>

#include "tests/linux/programs/program.h"

#define TIMER_ABSTIME_FLAG 1

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    must(clock_gettime(clock, &now) == 0, "clock_gettime");
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void clock_check(void)
{
    static const struct {
        const char *name;
        clockid_t clock;
    } clocks[] = {{"CLOCK_MONOTONIC", CLOCK_MONOTONIC},
                  {"CLOCK_REALTIME", CLOCK_REALTIME},
                  {"CLOCK_BOOTTIME", CLOCK_BOOTTIME},
                  {"CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW},
                  {"CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE},
                  {"CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID},
                  {"CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID}};
    for (size_t i = 0; i < ARRAY_LENGTH(clocks); i++) {
        int64_t last = clock_ns(clocks[i].clock);
        int backwards = 0;
        for (int k = 0; k < 5000; k++) {
            int64_t now = clock_ns(clocks[i].clock);
            backwards += now < last;
            last = now;
        }
        say("%s: backwards %d times", clocks[i].name, backwards);
    }
    struct timespec now;
    say_result("clock 99", clock_gettime(99, &now));
    must(clock_getres(CLOCK_MONOTONIC, &now) == 0, "clock_getres");
    say("clock_getres: %lld s %ld ns", (long long)now.tv_sec, now.tv_nsec);
    struct timeval day;
    must(gettimeofday(&day, NULL) == 0, "gettimeofday");
    long long difference = time(NULL) - (long long)day.tv_sec;
    say("gettimeofday and time: %s", difference >= -1 && difference <= 1 ? "agree" : "differ");
    struct timespec by_call;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &by_call);
    int64_t between = clock_ns(CLOCK_MONOTONIC) - by_call.tv_sec * 1000000000 - by_call.tv_nsec;
    say("vDSO and system call: %s", between >= 0 && between < 1000000000 ? "agree" : "differ");
    say("the year: %s", time(NULL) > 1700000000 ? "after 2023" : "before 2024");
}

static void vdso_check(void)
{
    const unsigned char *image = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    say("vDSO: %s", image != NULL && memcmp(image, ELFMAG, SELFMAG) == 0 ? "an ELF image" : "none");
    say("auxiliary vector: page size %lu, clock ticks %lu, secure %lu, user %lu",
        getauxval(AT_PAGESZ), getauxval(AT_CLKTCK), getauxval(AT_SECURE), getauxval(AT_UID));
    say("auxiliary vector: random %d, name %d, platform %s", getauxval(AT_RANDOM) != 0,
        getauxval(AT_EXECFN) != 0, (const char *)getauxval(AT_PLATFORM));
}

static void sleep_say(const char *what, int64_t start, int64_t least)
{
    int64_t took = now_ms() - start;
    say("%s: %s", what, took < least ? "too short" : took > least + 3000 ? "too long" : "good");
}

static void sleep_check(void)
{
    static const long milliseconds[] = {1, 20, 100};
    for (size_t i = 0; i < ARRAY_LENGTH(milliseconds); i++) {
        int64_t start = now_ms();
        struct timespec length = {0, milliseconds[i] * 1000000};
        must(nanosleep(&length, NULL) == 0, "nanosleep");
        sleep_say("nanosleep", start, milliseconds[i]);
    }
    struct timespec length = {0, 1000000000};
    say_result("nanosleep with too many ns", nanosleep(&length, NULL));
    length = (struct timespec){-1, 0};
    say_result("nanosleep of a negative time", nanosleep(&length, NULL));
    int64_t start = now_ms();
    must(clock_gettime(CLOCK_MONOTONIC, &length) == 0, "clock_gettime");
    length.tv_nsec += 50000000;
    if (length.tv_nsec >= 1000000000) {
        length.tv_nsec -= 1000000000;
        length.tv_sec++;
    }
    say("clock_nanosleep: %s",
        error_name(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME_FLAG, &length, NULL)));
    sleep_say("clock_nanosleep", start, 49);
    say("clock_nanosleep in the past: %s",
        error_name(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME_FLAG, &length, NULL)));
}

static volatile int alarms;

static void count(int number)
{
    (void)number;
    alarms++;
}

static void timer_check(void)
{
    signal(SIGALRM, count);
    say_result("alarm", alarm(100));
    unsigned left = alarm(0);
    say("alarm: left %s", left == 100 || left == 99 ? "right" : "wrong");
    int64_t start = now_ms();
    alarm(1);
    pause();
    sleep_say("alarm and pause", start, 990);
    say("alarms: %d", alarms);
    alarms = 0;
    struct itimerval timer = {.it_interval = {0, 10000}, .it_value = {0, 10000}};
    say_result("setitimer", setitimer(ITIMER_REAL, &timer, NULL));
    start = now_ms();
    while (alarms < 5) {
        pause();
    }
    sleep_say("setitimer five times", start, 49);
    struct itimerval old;
    timer = (struct itimerval){0};
    must(setitimer(ITIMER_REAL, &timer, &old) == 0, "setitimer");
    say("setitimer: interval %ld us", (long)old.it_interval.tv_usec);
    must(getitimer(ITIMER_REAL, &old) == 0, "getitimer");
    say("getitimer: %ld %ld", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
    timer.it_value.tv_usec = 1000000;
    say_result("setitimer with too many us", setitimer(ITIMER_REAL, &timer, NULL));
    pid_t pid = fork();
    if (pid == 0) {
        alarm(100);
        signal(SIGALRM, SIG_DFL);
        timer = (struct itimerval){.it_value = {0, 20000}};
        setitimer(ITIMER_REAL, &timer, NULL);
        for (;;) {
        }
    }
    say_status("alarm without a handler, in a busy process", child_wait(pid));
    alarm(100);
    pid = fork();
    if (pid == 0) {
        _exit(alarm(0) == 0 ? 0 : 1);
    }
    say_status("alarm of a parent", child_wait(pid));
    alarm(0);
}

/* CPU time counts while the process runs, not while it sleeps. */
static void usage_check(void)
{
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(200);
    int64_t slept = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    int64_t start = now_ms();
    before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before < 50000000 && now_ms() - start < 20000) {
    }
    int64_t ran = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    say("CPU time: asleep %s, running %s", slept < 100000000 ? "none" : "some",
        ran >= 50000000 ? "some" : "none");
    struct rusage usage;
    must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    say("getrusage: %s", usage.ru_utime.tv_sec + usage.ru_stime.tv_sec > 0 ||
                                 usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= 20000
                             ? "some"
                             : "none");
    size_t bytes = 64 << 20;
    char *much = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(much != MAP_FAILED, "mmap");
    memset(much, 1, bytes);
    sleep_ms(20);
    must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    /* Linux does not count each page at once. */
    say("ru_maxrss: %s",
        usage.ru_maxrss >= 48 << 10 && usage.ru_maxrss < 128 << 10 ? "as much" : "else");
    munmap(much, bytes);
    sleep_ms(20);
    must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    say("ru_maxrss afterwards: %s", usage.ru_maxrss >= 48 << 10 ? "as much" : "less");
    struct tms ticks;
    say("times: %s", times(&ticks) != (clock_t)-1 ? "done" : error_name(errno));
    struct rlimit limit = {1, 2};
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CPU, &limit);
        struct timespec used;
        do {
            must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0, "clock_gettime");
        } while (used.tv_sec < 3);
        _exit(1);
    }
    say_status("RLIMIT_CPU", child_wait(pid));
}

/* Looking is for everybody, changing for those who may set the time: here for nobody. */
static int adjust_check(void *argument)
{
    (void)argument;
    struct timex about = {.modes = 0};
    say("adjtimex: a state %d", adjtimex(&about) >= 0);
    say("tick: %ld, precision at least a microsecond %d", about.tick, about.precision >= 0);
    say("its time is now: %d", labs((long)about.time.tv_sec - (long)time(NULL)) <= 1);
    about.modes = 0xa001; /* what adjtime reads */
    say("of adjtime: a state %d, left %ld", adjtimex(&about) >= 0, about.offset);
    must(setuid(OTHER_USER) == 0, "setuid");
    about.modes = ADJ_TICK;
    say_result("adjtimex to change", adjtimex(&about));
    about.modes = 0x8001;
    say_result("adjtime to change", adjtimex(&about));
    about.modes = 0x8000;
    say_result("adjtime of nothing", adjtimex(&about));
    about.modes = 0;
    say("clock_adjtime: a state %d", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &about) >= 0);
    say_result("of another clock", syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &about));
    say_result("of no clock", syscall(SYS_clock_adjtime, 77, &about));
    say_result("to a wild address", syscall(SYS_adjtimex, 8L));
    return 0;
}

int main(void)
{
    clock_check();
    vdso_check();
    sleep_check();
    timer_check();
    usage_check();
    child_run(adjust_check, NULL);
    return 0;
}
