/* What processes have used: getrusage(2), wait4(2), waitid(2), /proc/PID/status. */
#include "program.h"

#include <sys/resource.h>

#define MIB 1048576l

/* Of a process that has touched so much; its own program and stack are small, and Linux does not
 * count each page at once. */
static const char *peak_text(const struct rusage *usage, long mib)
{
    long kib = usage->ru_maxrss;
    return kib < mib * 768 ? "less" : kib > (mib + 8) * 1024 ? "more" : "about that";
}

static int touch_and_end(void *argument)
{
    size_t bytes = (size_t)(*(const long *)argument * MIB);
    memset(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, bytes);
    return 0;
}

static int with_a_child(void *argument)
{
    struct rusage usage;
    pid_t child = fork();
    if (child == 0) {
        _exit(touch_and_end(argument));
    }
    must(wait4(child, NULL, 0, &usage) == child, "wait4");
    say("a child of a child: %s", peak_text(&usage, *(const long *)argument));
    return 0;
}

static void peaks(void)
{
    struct rusage usage;
    long small = 2;
    long middle = 16;
    long large = 32;
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    say("of no children: %ld", usage.ru_maxrss);
    pid_t child = fork();
    if (child == 0) {
        _exit(touch_and_end(&middle));
    }
    must(wait4(child, NULL, 0, &usage) == child, "wait4");
    say("of one: %s", peak_text(&usage, middle));
    child_run(touch_and_end, &small);
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    say("of the larger one: %s", peak_text(&usage, middle));
    child_run(with_a_child, &large);
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    say("of the child of one: %s", peak_text(&usage, large));
}

static void waits(int who, const char *name)
{
    struct rusage before;
    struct rusage after;
    must(getrusage(who, &before) == 0, "getrusage");
    for (int i = 0; i < 5; i++) {
        sleep_ms(2);
    }
    must(getrusage(who, &after) == 0, "getrusage");
    say("%s: waited %s", name, after.ru_nvcsw - before.ru_nvcsw >= 5 ? "each time" : "less");
}

static int sleeps(void *argument)
{
    (void)argument;
    for (int i = 0; i < 5; i++) {
        sleep_ms(2);
    }
    return 0;
}

static void waits_of_children(void)
{
    struct rusage usage;
    long before;
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    before = usage.ru_nvcsw;
    pid_t child = fork();
    if (child == 0) {
        _exit(sleeps(NULL));
    }
    siginfo_t info;
    must(syscall(SYS_waitid, P_PID, child, &info, WEXITED, &usage) == 0, "waitid");
    say("a child: waited %s", usage.ru_nvcsw >= 5 ? "each time" : "less");
    must(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
    say("children: waited %s", usage.ru_nvcsw - before >= 5 ? "each time" : "less");
}

static long status_waits(void)
{
    char line[256];
    long waits = -1;
    FILE *status = fopen("/proc/self/status", "r");
    must(status != NULL, "status");
    while (fgets(line, sizeof(line), status) != NULL) {
        (void)sscanf(line, "voluntary_ctxt_switches: %ld", &waits);
    }
    (void)fclose(status);
    return waits;
}

int main(void)
{
    struct rusage usage;
    peaks();
    waits(RUSAGE_SELF, "the process");
    waits(RUSAGE_THREAD, "the thread");
    waits_of_children();
    long before = status_waits();
    sleeps(NULL);
    say("in /proc: waited %s", status_waits() - before >= 5 ? "each time" : "less");
    say_result("of nobody", getrusage(7, &usage));
    return 0;
}
