/* timerfd expires, counts, polls and tells its setting as on Linux. */
#include <poll.h>
#include <sys/timerfd.h>

#include "tests/linux/programs/program.h"

#define MS 1000000

static int timer_new(clockid_t clock, int flags)
{
    int fd = timerfd_create(clock, flags);
    must(fd >= 0, "timerfd_create");
    return fd;
}

static void timer_set(int fd, long value_ms, long interval_ms)
{
    struct itimerspec setting = {
        .it_value = {value_ms / 1000, value_ms % 1000 * MS},
        .it_interval = {interval_ms / 1000, interval_ms % 1000 * MS},
    };
    must(timerfd_settime(fd, 0, &setting, NULL) == 0, "timerfd_settime");
}

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

static void errors_check(void)
{
    char small[4];
    struct itimerspec setting = {.it_value = {0, 1000 * MS}};
    int fd = timer_new(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    say_result("unknown clock", timerfd_create(99, 0));
    say_result("clock of CPU time", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    say_result("raw clock", timerfd_create(CLOCK_MONOTONIC_RAW, 0));
    say_result("unknown flags", timerfd_create(CLOCK_MONOTONIC, 1));
    say_result("too many ns", timerfd_settime(fd, 0, &setting, NULL));
    setting.it_value.tv_nsec = -1;
    say_result("negative ns", timerfd_settime(fd, 0, &setting, NULL));
    setting.it_value.tv_nsec = 0;
    say_result("unknown flag of settime", timerfd_settime(fd, 8, &setting, NULL));
    say_result("settime on no timer", timerfd_settime(1, 0, &setting, NULL));
    say_result("settime on nothing", timerfd_settime(999, 0, &setting, NULL));
    say_result("gettime on no timer", timerfd_gettime(0, &setting));
    say_result("settime from a wild address", syscall(SYS_timerfd_settime, fd, 0, 8L, 0L));
    say_result("gettime to a wild address", syscall(SYS_timerfd_gettime, fd, 8L));
    say_result("read 4 bytes", read(fd, small, sizeof(small)));
    say_result("write", write(fd, small, sizeof(small)));
    say_read("disarmed", fd);
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("it is called %s", link);
    close(fd);
}

static void expire_check(clockid_t clock, const char *name)
{
    say("%s", name);
    int fd = timer_new(clock, 0);
    int64_t start = now_ms();
    timer_set(fd, 40, 0);
    say_read("once", fd);
    say("it waited: %s", now_ms() - start >= 40 ? "yes" : "no");
    struct itimerspec setting;
    must(timerfd_gettime(fd, &setting) == 0, "timerfd_gettime");
    say("after it: %lld %ld", (long long)setting.it_value.tv_sec, setting.it_value.tv_nsec);
    struct timespec now;
    clock_gettime(clock, &now);
    setting = (struct itimerspec){.it_value = now};
    setting.it_value.tv_sec--;
    must(timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL) == 0, "timerfd_settime");
    say_read("in the past", fd);
    setting.it_value.tv_sec += 2;
    must(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &setting, NULL) == 0,
         "timerfd_settime");
    must(timerfd_gettime(fd, &setting) == 0, "timerfd_gettime");
    say("a second in the future: %s",
        setting.it_value.tv_sec == 0 && setting.it_value.tv_nsec > 0 ? "less is left" : "wrong");
    close(fd);
}

static void interval_check(void)
{
    int fd = timer_new(CLOCK_MONOTONIC, 0);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    uint64_t value = 0;
    timer_set(fd, 10, 10);
    say_result("poll before", poll(&entry, 1, 0));
    say_result("poll", poll(&entry, 1, -1));
    sleep_ms(50);
    must(read(fd, &value, sizeof(value)) == sizeof(value), "read");
    say("missed expiries are counted: %s", value >= 5 ? "yes" : "no");
    uint64_t total = 0;
    int64_t start = now_ms();
    for (int i = 0; i < 5; i++) {
        must(read(fd, &value, sizeof(value)) == sizeof(value), "read");
        total += value;
    }
    int64_t took = now_ms() - start;
    say("intervals and time: %s", (int64_t)total * 40 >= took && took >= 30 ? "agree" : "no");
    struct itimerspec setting;
    struct itimerspec none = {0};
    must(timerfd_settime(fd, 0, &none, &setting) == 0, "timerfd_settime");
    say("the old setting: interval %ld, value %s", setting.it_interval.tv_nsec,
        setting.it_value.tv_nsec > 0 && setting.it_value.tv_nsec <= 10 * MS ? "good" : "bad");
    say_result("poll disarmed", poll(&entry, 1, 20));
    /* Set again, it forgets what expired. */
    timer_set(fd, 1, 0);
    say_result("poll", poll(&entry, 1, -1));
    timer_set(fd, 10000, 0);
    say_result("poll set again", poll(&entry, 1, 0));
    /* A ridiculous interval neither floods nor stops anybody. */
    setting = (struct itimerspec){.it_value = {0, 1}, .it_interval = {0, 1}};
    must(timerfd_settime(fd, 0, &setting, NULL) == 0, "timerfd_settime");
    sleep_ms(10);
    must(read(fd, &value, sizeof(value)) == sizeof(value), "read");
    say("an interval of 1 ns: %s", value >= 1000000 ? "counted" : "not counted");
    close(fd);
}

int main(void)
{
    errors_check();
    expire_check(CLOCK_MONOTONIC, "CLOCK_MONOTONIC");
    expire_check(CLOCK_REALTIME, "CLOCK_REALTIME");
    expire_check(CLOCK_BOOTTIME, "CLOCK_BOOTTIME");
    interval_check();
    return 0;
}
