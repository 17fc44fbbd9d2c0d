/* Tracers against those they trace: registers, ends at any moment, exec, memory, one another. */
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "tests/linux/attack/attack.h"

#define USER           1000
#define XSTATE         0x202
#define ALL_EVENTS     0x7eu
#define EVENT_STOP     128
#define WINDOW_ADDRESS 0xffff800000000000ul

static char setid_path[] = "/tmp/tracing-setid";

static long trace(long request, pid_t pid, unsigned long address, const void *data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

static void *word(uint64_t value)
{
    return (void *)(uintptr_t)value;
}

/* --- what a traced program does meanwhile ------------------------------------------------------
 */

static int spin(void *argument)
{
    volatile uint64_t *counter = argument;
    for (;;) {
        ++*counter;
        syscall(SYS_getppid);
    }
    return 0;
}

static void busy(void)
{
    static uint64_t counter;
    thread_start(spin, &counter, 0);
    for (;;) {
        pid_t pid = fork();
        if (pid == 0) {
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        raise(SIGUSR1);
        char *place =
            mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        place[0] = 1;
        munmap(place, 4 * PAGE_BYTES);
    }
}

static pid_t busy_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_IGN);
        busy();
    }
    return pid;
}

static pid_t stopped_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        trace(PTRACE_TRACEME, 0, 0, NULL);
        kill(getpid(), SIGSTOP);
        for (;;) {
            syscall(SYS_getppid);
        }
    }
    if (waitpid(pid, NULL, __WALL) != pid) {
        _exit(1);
    }
    return pid;
}

/* Whoever is still there must be able to end. */
static void end(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    if (!ended_within(pid, 4000, &status)) {
        _exit(99);
    }
}

/* --- registers -------------------------------------------------------------------------------- */

static uint64_t wild(void)
{
    static const uint64_t values[] = {0,
                                      ~0ul,
                                      0x10,
                                      0x33,
                                      0x100,
                                      0x7fffffffffff,
                                      0x7ffffffff000,
                                      0x800000000000,
                                      0x8000000000000000,
                                      WINDOW_ADDRESS,
                                      WINDOW_ADDRESS + 0x1000,
                                      0xffffffff80000000};
    uint64_t random = random_next();
    return random & 1 ? values[random / 2 % ARRAY_LENGTH(values)] : random;
}

static void registers_set(pid_t pid)
{
    struct user_regs_struct registers;
    uint64_t *words = (uint64_t *)(void *)&registers;
    uint8_t area[8192];
    struct iovec vector = {area, random_next() % (sizeof(area) + 1)};
    trace(PTRACE_GETREGS, pid, 0, &registers);
    for (int i = 0; i < 3; i++) {
        words[random_next() % (sizeof(registers) / 8)] = wild();
    }
    switch (random_next() % 5) {
    case 0:
        trace(PTRACE_SETREGS, pid, 0, &registers);
        break;
    case 1:
        trace(PTRACE_POKEUSER, pid, random_next() % 1000, word(wild()));
        break;
    case 2:
        for (size_t i = 0; i < sizeof(area); i += 8) {
            memcpy(area + i, &(uint64_t){random_next()}, 8);
        }
        trace(PTRACE_SETREGSET, pid, XSTATE, &vector);
        trace(PTRACE_SETFPREGS, pid, 0, area);
        break;
    case 3:
        vector.iov_len = sizeof(area);
        trace(PTRACE_GETREGSET, pid, XSTATE, &vector);
        memcpy(area + random_next() % 8185, &(uint64_t){random_next()}, 8);
        trace(PTRACE_SETREGSET, pid, XSTATE, &vector);
        break;
    default:
        trace(30, pid, wild(), word(0x1001 + random_next() % 4)); /* PTRACE_ARCH_PRCTL */
        break;
    }
}

static void registers(uint64_t seed)
{
    static const int how[] = {PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP};
    random_seed(seed);
    pid_t pid = stopped_child();
    for (int i = 0; i < 500; i++) {
        registers_set(pid);
        trace(how[random_next() % 3], pid, 0, word(random_next() % 8 == 0 ? SIGUSR2 : 0));
        if (random_next() % 4 == 0) {
            kill(pid, SIGSTOP);
        }
        int status;
        if (!ended_within(pid, 20, &status)) {
            end(pid);
            pid = stopped_child();
        } else if (!WIFSTOPPED(status)) {
            pid = stopped_child();
        }
    }
    end(pid);
}

/* --- the tracer ends ----------------------------------------------------------------------------
 */

static void tracer(pid_t pid)
{
    static const int requests[] = {PTRACE_CONT,   PTRACE_SYSCALL,   PTRACE_SINGLESTEP,
                                   PTRACE_DETACH, PTRACE_INTERRUPT, PTRACE_LISTEN};
    trace(random_next() % 2 ? PTRACE_SEIZE : PTRACE_ATTACH, pid, 0, NULL);
    trace(PTRACE_INTERRUPT, pid, 0, NULL);
    for (;;) {
        int status;
        pid_t found = waitpid(-1, &status, __WALL);
        if (found < 0) {
            _exit(0);
        }
        trace(PTRACE_SETOPTIONS, found, 0, word(ALL_EVENTS));
        trace(requests[random_next() % ARRAY_LENGTH(requests)], found, 0, NULL);
        trace(PTRACE_CONT, found, 0, NULL);
    }
}

static void tracer_ends(uint64_t seed)
{
    random_seed(seed);
    for (int i = 0; i < 25; i++) {
        pid_t pid = busy_child();
        pid_t by = fork();
        if (by == 0) {
            random_seed(seed * 100 + (uint64_t)i);
            tracer(pid);
        }
        sleep_ms((long)(random_next() % 20));
        if (random_next() % 3 == 0) {
            kill(pid, SIGSTOP);
            kill(pid, SIGCONT);
        }
        end(random_next() % 2 ? by : pid);
        kill(by, SIGKILL);
        kill(pid, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0) {
        }
    }
}

/* --- one another --------------------------------------------------------------------------------
 */

static void each_other(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        pid_t self = getpid();
        pid_t pid = fork();
        if (pid == 0) {
            for (;;) {
                trace(PTRACE_SEIZE, self, 0, NULL);
                trace(PTRACE_INTERRUPT, self, 0, NULL);
                trace(PTRACE_DETACH, self, 0, NULL);
            }
        }
        for (int j = 0; j < 50; j++) {
            trace(PTRACE_SEIZE, pid, 0, word(0x100000)); /* EXITKILL */
            trace(PTRACE_INTERRUPT, pid, 0, NULL);
            waitpid(pid, NULL, __WALL | WNOHANG);
            trace(PTRACE_DETACH, pid, 0, NULL);
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, __WALL);
    }
}

/* --- nobody answers -----------------------------------------------------------------------------
 */

static int execute(void *argument)
{
    char name[] = "true";
    char *strings[] = {name, NULL};
    execve("/bin/true", strings, strings + 1);
    return *(int *)argument;
}

/* All threads stop at their ends, for a tracer that never lets them go. */
static void exec_in_stops(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        pid_t pid = stopped_child();
        trace(PTRACE_SETOPTIONS, pid, 0, word(ALL_EVENTS));
        trace(PTRACE_DETACH, pid, 0, NULL);
        end(pid);
        pid = fork();
        if (pid == 0) {
            static uint64_t counter;
            int nothing = 0;
            trace(PTRACE_TRACEME, 0, 0, NULL);
            kill(getpid(), SIGSTOP);
            thread_start(spin, &counter, 0);
            thread_start(execute, &nothing, 0);
            spin(&counter);
        }
        waitpid(pid, NULL, __WALL);
        trace(PTRACE_SETOPTIONS, pid, 0, word(ALL_EVENTS));
        trace(PTRACE_CONT, pid, 0, NULL);
        for (int j = 0; j < 6; j++) { /* clones are let go, ends are not */
            int status;
            pid_t found = waitpid(-1, &status, __WALL | WNOHANG);
            if (found > 0 && status >> 16 != PTRACE_EVENT_EXIT) {
                trace(PTRACE_CONT, found, 0, NULL);
            }
            sleep_ms(2);
        }
        kill(pid, SIGKILL);
        int64_t limit = now_ms() + 4000;
        while (waitpid(-1, NULL, __WALL | WNOHANG) >= 0) {
            if (now_ms() > limit) {
                _exit(99);
            }
            kill(pid, SIGKILL);
        }
    }
}

/* --- authority ----------------------------------------------------------------------------------
 */

/* Run as a set-user-ID program: says by 99 when it is root and somebody traces it, by 98 when
 * nobody does. */
static int setid_main(void)
{
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof(text) - 1);
    text[length > 0 ? length : 0] = '\0';
    const char *tracer_line = strstr(text, "TracerPid:\t");
    bool traced = tracer_line != NULL && tracer_line[11] != '0';
    return geteuid() != 0 ? 0 : traced ? 99 : 98;
}

static void setid_make(void)
{
    static char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(setid_path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t length;
    while ((length = read(from, bytes, sizeof(bytes))) > 0) {
        if (write(to, bytes, (size_t)length) != length) {
            _exit(1);
        }
    }
    close(from);
    close(to);
    chmod(setid_path, 04755);
}

static void set_id(uint64_t rounds)
{
    char name[] = "setid";
    char *strings[] = {name, NULL};
    if (setresgid(USER, USER, USER) != 0 || setresuid(USER, USER, USER) != 0) {
        _exit(1);
    }
    /* Not traced it has its authority: else the rounds show nothing. */
    pid_t plain = fork();
    if (plain == 0) {
        execve(setid_path, strings, strings + 1);
        _exit(0);
    }
    int plain_status;
    if (waitpid(plain, &plain_status, 0) != plain || !WIFEXITED(plain_status) ||
        WEXITSTATUS(plain_status) != 98) {
        _exit(99);
    }
    for (uint64_t i = 0; i < rounds; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execve(setid_path, strings, strings + 1);
            _exit(0);
        }
        for (uint64_t j = random_next() % 3000; j > 0; j--) {
            __asm__ volatile("");
        }
        long seized = -1;
        for (int j = 0; j < 10 && seized != 0; j++) {
            seized = trace(PTRACE_SEIZE, pid, 0, NULL);
        }
        int status;
        if (waitpid(pid, &status, __WALL) == pid && WIFEXITED(status) &&
            WEXITSTATUS(status) == 99) {
            _exit(99);
        }
    }
}

/* --- memory -------------------------------------------------------------------------------------
 */

static void memory(uint64_t seed)
{
    random_seed(seed);
    pid_t pid = busy_child();
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int file = open(path, O_RDWR);
    trace(PTRACE_SEIZE, pid, 0, NULL);
    static uint8_t bytes[3 * PAGE_BYTES];
    for (int i = 0; i < 3000; i++) {
        uint64_t address = random_next() % 4 == 0
                               ? wild()
                               : (uint64_t)(uintptr_t)memory + random_next() % 65536 - 32768;
        size_t length = random_next() % sizeof(bytes);
        if (random_next() % 8 == 0) {
            pwrite(file, bytes, length % 16, (off_t)address);
        } else {
            pread(file, bytes, length, (off_t)address);
        }
        if (i % 16 == 0) {
            trace(PTRACE_INTERRUPT, pid, 0, NULL);
            int status;
            if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) {
                break;
            }
            trace(PTRACE_POKETEXT, pid, address, word(random_next()));
            trace(PTRACE_PEEKTEXT, pid, address, bytes);
            trace(PTRACE_CONT, pid, 0, NULL);
        }
    }
    end(pid);
}

/* --- ends that nobody waits for -----------------------------------------------------------------
 */

static int thread_end(void *argument)
{
    (void)argument;
    syscall(SYS_exit, 0);
    return 0;
}

static void unwaited(uint64_t threads)
{
    pid_t pid = fork();
    if (pid == 0) {
        trace(PTRACE_TRACEME, 0, 0, NULL);
        kill(getpid(), SIGSTOP);
        for (uint64_t i = 0; i < threads; i++) {
            char stack[4096] __attribute__((aligned(16)));
            clone(thread_end, stack + sizeof(stack),
                  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL);
            sleep_ms(1);
        }
        _exit(0);
    }
    waitpid(pid, NULL, __WALL);
    trace(PTRACE_SETOPTIONS, pid, 0, word(PTRACE_O_TRACECLONE));
    trace(PTRACE_CONT, pid, 0, NULL);
    for (;;) {
        siginfo_t info;
        memset(&info, 0, sizeof(info));
        if (waitid(P_ALL, 0, &info, WSTOPPED | __WALL | WNOHANG) != 0) {
            break;
        }
        if (info.si_pid != 0) {
            trace(PTRACE_CONT, info.si_pid, 0, NULL);
        } else if (kill(pid, 0) != 0) {
            break;
        } else {
            int status;
            if (waitpid(pid, &status, __WALL | WNOHANG) == pid) {
                break;
            }
        }
    }
}

int main(int count, char **arguments)
{
    if (count > 0 && strcmp(arguments[0], "setid") == 0) {
        return setid_main();
    }
    for (uint64_t seed = 1; seed <= 2; seed++) {
        attack("registers", registers, seed, 20000);
        attack_that_ends("the tracer ends", tracer_ends, seed, 60000);
    }
    attack("each other", each_other, 20, 5000);
    attack_that_ends("exec in stops", exec_in_stops, 10, 60000);
    setid_make();
    attack_that_ends("set-id programs", set_id, 150, 60000);
    attack("memory", memory, 1, 10000);
    attack("ends that nobody waits for", unwaited, 500, 10000);
    return attacks_result();
}
