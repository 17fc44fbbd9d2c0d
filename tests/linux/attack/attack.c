#include "tests/linux/attack/attack.h"

#include <stdarg.h>

#define GOT_IT       99
#define KILL_MS      5000
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define STACK_BYTES  16384ul
#define NS_PER_MS    1000000l

static int succeeded;
static uint64_t state = 88172645463325252ull;

static void say(const char *format, ...)
{
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ssize_t ignored = write(STDOUT_FILENO, line, (size_t)length);
    (void)ignored;
}

void sleep_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * NS_PER_MS};
    nanosleep(&time, NULL);
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

uint64_t random_next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void random_seed(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15ull + 1;
}

bool ended_within(pid_t pid, long milliseconds, int *status)
{
    int64_t end = now_ms() + milliseconds;
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid) {
            return true;
        }
        if (got < 0 && errno != EINTR) {
            *status = 0;
            return true;
        }
        if (now_ms() > end) {
            return false;
        }
        sleep_ms(2);
    }
}

static void attack_run(const char *name, void (*function)(uint64_t argument), uint64_t argument,
                       long milliseconds, bool must_end)
{
    pid_t pid = fork();
    if (pid == 0) {
        function(argument);
        _exit(0);
    }
    int status = 0;
    bool ended = pid > 0 && ended_within(pid, milliseconds, &status);
    if (!ended && pid > 0) {
        kill(pid, SIGKILL);
        if (!ended_within(pid, KILL_MS, &status)) {
            say("attack %s(%llu): cannot be killed\n", name, (unsigned long long)argument);
            succeeded = 1;
            return;
        }
        if (must_end) {
            say("attack %s(%llu): does not end\n", name, (unsigned long long)argument);
            succeeded = 1;
        }
    }
    if (pid < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == GOT_IT)) {
        say("attack %s(%llu): %s\n", name, (unsigned long long)argument,
            pid < 0 ? "no process" : "succeeds");
        succeeded = 1;
    }
}

void attack(const char *name, void (*function)(uint64_t argument), uint64_t argument,
            long milliseconds)
{
    attack_run(name, function, argument, milliseconds, false);
}

void attack_that_ends(const char *name, void (*function)(uint64_t argument), uint64_t argument,
                      long milliseconds)
{
    attack_run(name, function, argument, milliseconds, true);
}

int thread_start(int (*function)(void *), void *argument, int more_flags)
{
    uint8_t *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
        return -1;
    }
    return clone(function, stack + STACK_BYTES, THREAD_FLAGS | more_flags, argument);
}

int attacks_result(void)
{
    return succeeded;
}
