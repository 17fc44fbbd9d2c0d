/* Tasks against each other: signals to threads that end, stops, exec, vfork, futexes, timers. */
#include "tests/linux/attack/attack.h"

#include <sys/time.h>

#define FUTEX_WAIT        0
#define FUTEX_REQUEUE     3
#define FUTEX_CMP_REQUEUE 4
static char true_name[] = "true";
static char *const no_strings[] = {NULL};
static char *const true_strings[] = {true_name, NULL};

static int thread_end(void *argument)
{
    (void)argument;
    syscall(SYS_exit, 0);
    return 0;
}

static int thread_spin(void *argument)
{
    volatile uint64_t *counter = argument;
    for (;;) {
        ++*counter;
    }
    return 0;
}

/* --- a signal for the group is chosen to go to a thread that ends just then ------------------- */

static void threads_come_and_go(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        char stack[2][4096] __attribute__((aligned(16)));
        for (int j = 0; j < 2; j++) {
            clone(thread_end, stack[j] + sizeof(stack[j]),
                  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL);
        }
        syscall(SYS_sched_yield);
        if (i + 1 == rounds) {
            sleep_ms(20);
        }
    }
    for (;;) {
        pause();
    }
}

/* Every one must die of the one signal it gets. */
static void kill_once(uint64_t number)
{
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            threads_come_and_go(40);
        }
        sleep_ms((long)(random_next() % 12));
        kill(pid, (int)number);
        int status;
        if (!ended_within(pid, 3000, &status)) {
            kill(pid, SIGKILL);
            ended_within(pid, 1000, &status);
            _exit(99);
        }
    }
}

/* --- stop, continue and kill right behind one another ----------------------------------------- */

static void stop_and_kill(uint64_t last)
{
    for (int i = 0; i < 150; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            static uint64_t counter;
            thread_start(thread_spin, &counter, 0);
            for (;;) {
                syscall(SYS_getppid);
            }
        }
        sleep_ms(3);
        kill(pid, SIGSTOP);
        for (uint64_t wait = random_next() % 2000; wait > 0; wait--) {
            __asm__ volatile("pause");
        }
        if (last == SIGCONT) {
            kill(pid, SIGCONT);
            /* It runs, so it takes a signal that it can only take when it runs. */
            kill(pid, SIGTERM);
        } else {
            kill(pid, SIGKILL);
        }
        int status;
        if (!ended_within(pid, 3000, &status)) {
            kill(pid, SIGKILL);
            kill(pid, SIGKILL);
            ended_within(pid, 1000, &status);
            _exit(99);
        }
    }
}

/* --- vfork ------------------------------------------------------------------------------------ */

static int exec_thread(void *argument)
{
    (void)argument;
    execve("/bin/true", true_strings, no_strings);
    return 0;
}

/* A thread that its maker waits for executes: that wants the maker to end. */
static void vfork_thread_executes(uint64_t argument)
{
    (void)argument;
    thread_start(exec_thread, NULL, CLONE_VFORK);
    _exit(0);
}

static void vfork_child_stays(uint64_t argument)
{
    (void)argument;
    if (vfork() == 0) {
        for (;;) {
            pause();
        }
    }
}

/* --- clone ------------------------------------------------------------------------------------ */

static void exit_signals(uint64_t number)
{
    for (int i = 0; i < 200; i++) {
        if (syscall(SYS_clone, number, 0, 0, 0, 0) == 0) {
            _exit(0);
        }
        waitpid(-1, NULL, 0x40000000 /* __WALL */ | WNOHANG);
    }
    sleep_ms(20);
}

static void clone_flags(uint64_t seed)
{
    static uint8_t stacks[64][4096];
    random_seed(seed);
    for (int i = 0; i < 64; i++) {
        uint64_t flags = random_next() & 0xfffffffful;
        flags |= i % 4 == 0 ? CLONE_VM : 0;
        flags |= i % 8 == 0 ? CLONE_VM | CLONE_SIGHAND | CLONE_THREAD : 0;
        flags &= ~(uint64_t)CLONE_VFORK;
        flags &= i % 3 == 0 ? 0x81ff8fffull & ~0x00028000ull : UINT64_MAX;
        uint64_t stack = (uint64_t)(stacks[i] + 4096);
        if (i % 16 == 9) {
            stack = random_next();
        }
        long result;
        register uint64_t r10 __asm__("r10") = i % 5 == 0 ? random_next() : 0x00007ffffffff000ul;
        register uint64_t r8 __asm__("r8") = i % 7 == 0 ? random_next() : 0;
        __asm__ volatile("syscall\n\t"
                         "testq %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "movl $60, %%eax\n\t"
                         "syscall\n\t"
                         "1:"
                         : "=a"(result)
                         : "a"(56ul), "D"(flags), "S"(stack), "d"(i % 2 ? 0ul : ~0ul), "r"(r10),
                           "r"(r8)
                         : "rcx", "r11", "memory");
    }
    while (waitpid(-1, NULL, WNOHANG | 0x40000000) > 0) {
    }
}

/* --- exec among threads ------------------------------------------------------------------------
 */

static int exec_or_clone(void *argument)
{
    uint64_t which = (uint64_t)argument;
    if (which % 2 == 0) {
        execve("/bin/true", true_strings, no_strings);
    }
    for (int i = 0; i < 20; i++) {
        thread_start(thread_end, NULL, 0);
    }
    syscall(SYS_exit, 0);
    return 0;
}

static void exec_race(uint64_t argument)
{
    (void)argument;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (uint64_t j = 0; j < 6; j++) {
                thread_start(exec_or_clone, (void *)j, 0);
            }
            if (i % 3 == 0) {
                syscall(SYS_exit, 0); /* the leader alone */
            }
            for (;;) {
                sleep_ms(1);
            }
        }
        int status;
        if (i % 4 == 1) {
            kill(pid, i % 8 == 1 ? SIGTERM : SIGKILL);
        }
        if (!ended_within(pid, 4000, &status)) {
            _exit(99);
        }
    }
}

/* The last thread, which is not the leader, executes: its number must be the process's. */
static int exec_shell_alone(void *argument)
{
    (void)argument;
    static char shell[] = "sh";
    static char option[] = "-c";
    static char command[] = "test -e /proc/self/task/$$";
    static char *const arguments[] = {shell, option, command, NULL};
    sleep_ms(30);
    execve("/bin/sh", arguments, no_strings);
    return 0;
}

static void exec_without_leader(uint64_t argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0) {
        thread_start(exec_shell_alone, NULL, 0);
        syscall(SYS_exit, 7);
    }
    int status;
    if (!ended_within(pid, 3000, &status) || status != 0) {
        _exit(99);
    }
}

/* --- futex -------------------------------------------------------------------------------------
 */

static uint32_t word;

static int futex_waiter(void *argument)
{
    (void)argument;
    for (;;) {
        syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    return 0;
}

/* Waiters are moved to where they are, as often as the largest number says. */
static void futex_requeue_to_itself(uint64_t operation)
{
    for (int i = 0; i < 4; i++) {
        thread_start(futex_waiter, NULL, 0);
    }
    sleep_ms(50);
    syscall(SYS_futex, &word, operation, 0, 0xffffffff, &word, 0);
    kill(getpid(), SIGKILL);
}

static void futex_storm(uint64_t seed)
{
    static uint32_t words[4];
    random_seed(seed);
    for (int i = 0; i < 4; i++) {
        thread_start(futex_waiter, NULL, 0);
    }
    for (int i = 0; i < 3000; i++) {
        uint64_t r = random_next();
        uint32_t *from = r & 1 ? &word : &words[r >> 1 & 3];
        uint32_t *to = r & 8 ? &words[r >> 4 & 3] : &word;
        syscall(SYS_futex, from, (r >> 8 & 15) == 0 ? 0x80 : r >> 8 & 0x8f, r >> 16 & 3,
                r >> 20 & 7, to, r >> 32);
    }
}

/* --- timers ------------------------------------------------------------------------------------
 */

static void timer_storm(uint64_t microseconds)
{
    signal(SIGALRM, SIG_IGN);
    struct itimerval timer = {{0, (long)microseconds}, {0, (long)microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 2000; i++) {
        syscall(SYS_getppid);
        if (fork() == 0) {
            _exit(0);
        }
        wait(NULL);
        if (i == 100) {
            break;
        }
    }
}

static void timer_extremes(uint64_t argument)
{
    (void)argument;
    static const long values[] = {0, 1, 999999, 1000000, -1, INT64_MAX, INT64_MIN, 1l << 33};
    signal(SIGALRM, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(values); j++) {
            struct itimerval timer = {{values[i], values[j]}, {values[j], values[i]}};
            setitimer(ITIMER_REAL, &timer, NULL);
            setitimer(ITIMER_REAL, NULL, &timer);
            alarm((unsigned)values[i]);
        }
    }
}

/* --- /proc of processes that end ----------------------------------------------------------------
 */

static void read_all(const char *path)
{
    static char buffer[4096];
    int descriptor = open(path, O_RDONLY);
    if (descriptor >= 0) {
        while (read(descriptor, buffer, sizeof(buffer)) > 0) {
        }
        close(descriptor);
    }
    ssize_t ignored = readlink(path, buffer, sizeof(buffer));
    (void)ignored;
}

static void proc_of_the_dying(uint64_t argument)
{
    (void)argument;
    static const char *const names[] = {"stat",   "status",      "maps", "cmdline",  "environ",
                                        "fd/0",   "exe",         "cwd",  "comm",     "statm",
                                        "limits", "task/1/stat", "root", "mountinfo"};
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (uint64_t j = 0; j < 3; j++) {
                thread_start(exec_or_clone, (void *)(j + (uint64_t)(i & 1)), 0);
            }
            _exit(0);
        }
        int status;
        int64_t end = now_ms() + 3000;
        do {
            char path[64];
            snprintf(path, sizeof(path), "/proc/%d/%s", pid,
                     names[random_next() % ARRAY_LENGTH(names)]);
            read_all(path);
        } while (waitpid(pid, &status, WNOHANG) == 0 && now_ms() < end);
    }
}

/* --- orphans and their zombies ------------------------------------------------------------------
 */

static void orphans(uint64_t depth)
{
    for (int i = 0; i < 20; i++) {
        if (fork() == 0) {
            for (uint64_t j = 0; j < depth; j++) {
                if (fork() != 0) {
                    break;
                }
                if (j % 3 == 1) {
                    setsid();
                }
                if (j % 3 == 2) {
                    setpgid(0, 0);
                }
            }
            if (i % 2) {
                kill(0, 0);
                kill(getppid(), SIGURG);
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
}

/* A sweep of SIGKILL against those who fork. */
static void fork_against_kill(uint64_t argument)
{
    (void)argument;
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, 0);
            for (int j = 0; j < 200; j++) {
                if (fork() > 0) {
                    _exit(0);
                }
            }
            _exit(0);
        }
        setpgid(pid, pid);
        sleep_ms(15);
        int64_t end = now_ms() + 4000;
        while (kill(-pid, SIGKILL) == 0) {
            while (waitpid(-1, NULL, WNOHANG) > 0) {
            }
            if (now_ms() > end) {
                break; /* zombies of the first process: not ours to say */
            }
        }
    }
}

int main(void)
{
    attack_that_ends("kill_once", kill_once, SIGTERM, 60000);
    attack_that_ends("kill_once", kill_once, SIGKILL, 60000);
    attack_that_ends("stop_and_kill", stop_and_kill, SIGKILL, 60000);
    attack_that_ends("stop_and_kill", stop_and_kill, SIGCONT, 60000);
    attack_that_ends("vfork_thread_executes", vfork_thread_executes, 0, 3000);
    attack("vfork_child_stays", vfork_child_stays, 0, 100);
    for (uint64_t number = 0; number < 256; number += number < 64 ? 13 : 31) {
        attack("exit_signals", exit_signals, number, 3000);
    }
    attack("exit_signals", exit_signals, 255, 3000);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        attack("clone_flags", clone_flags, seed, 1500);
    }
    attack_that_ends("exec_race", exec_race, 0, 60000);
    attack_that_ends("exec_without_leader", exec_without_leader, 0, 5000);
    attack_that_ends("futex_requeue_to_itself", futex_requeue_to_itself, FUTEX_REQUEUE, 5000);
    attack_that_ends("futex_requeue_to_itself", futex_requeue_to_itself, FUTEX_CMP_REQUEUE, 5000);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        attack("futex_storm", futex_storm, seed, 1000);
    }
    attack_that_ends("timer_storm", timer_storm, 1, 15000);
    attack("timer_extremes", timer_extremes, 0, 3000);
    attack("proc_of_the_dying", proc_of_the_dying, 0, 30000);
    attack("orphans", orphans, 5, 10000);
    attack("fork_against_kill", fork_against_kill, 0, 60000);
    return attacks_result();
}
