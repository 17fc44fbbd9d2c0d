/* Vector registers, flags and control words survive switches, signals, faults and forks. */
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>

#include "tests/linux/programs/program.h"

#define ROUNDS 300

struct registers {
    uint8_t bytes[16][32] __attribute__((aligned(32)));
};

static bool wide; /* AVX */

static void fill(struct registers *registers, unsigned seed)
{
    for (size_t i = 0; i < sizeof(registers->bytes); i++) {
        seed = seed * 1664525 + 1013904223;
        ((uint8_t *)registers->bytes)[i] = (uint8_t)(seed >> 24);
    }
}

/*
 * All vector registers are loaded from IN, then a system call (or, with number -1, a loop that is
 * long enough to be interrupted) is made, and they are stored to OUT.
 */
#define MOVE(instruction, width, register)                                                         \
#instruction " " #register "*32(%%r12), %%" #width #register "\n"
#define STORE(instruction, width, register)                                                        \
#instruction " %%" #width #register ", " #register "*32(%%r13)\n"
#define ALL(step, instruction, width)                                                              \
    step(instruction, width, 0) step(instruction, width, 1) step(instruction, width, 2)            \
        step(instruction, width, 3) step(instruction, width, 4) step(instruction, width, 5)        \
            step(instruction, width, 6) step(instruction, width, 7) step(instruction, width, 8)    \
                step(instruction, width, 9) step(instruction, width, 10)                           \
                    step(instruction, width, 11) step(instruction, width, 12)                      \
                        step(instruction, width, 13) step(instruction, width, 14)                  \
                            step(instruction, width, 15)
#define BETWEEN                                                                                    \
    "test %%rax, %%rax\n"                                                                          \
    "js 1f\n"                                                                                      \
    "syscall\n"                                                                                    \
    "jmp 2f\n"                                                                                     \
    "1: mov $400000, %%ecx\n"                                                                      \
    "3: dec %%ecx\n"                                                                               \
    "jnz 3b\n"                                                                                     \
    "2:\n"
#define VECTORS                                                                                    \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static long carry(const struct registers *in, struct registers *out, long number, long first,
                  long second)
{
    register const struct registers *from __asm__("r12") = in;
    register struct registers *to __asm__("r13") = out;
    long result = number;
    if (wide) {
        __asm__ volatile(ALL(MOVE, vmovdqu, ymm) BETWEEN ALL(STORE, vmovdqu, ymm) "vzeroupper\n"
                         : "+a"(result), "+D"(first), "+S"(second)
                         : "r"(from), "r"(to)
                         : "rcx", "rdx", "r11", "memory", "cc", VECTORS);
    } else {
        __asm__ volatile(ALL(MOVE, movdqu, xmm) BETWEEN ALL(STORE, movdqu, xmm)
                         : "+a"(result), "+D"(first), "+S"(second)
                         : "r"(from), "r"(to)
                         : "rcx", "rdx", "r11", "memory", "cc", VECTORS);
    }
    return result;
}

static bool same(const struct registers *left, const struct registers *right)
{
    size_t bytes = wide ? 32 : 16;
    for (int i = 0; i < 16; i++) {
        if (memcmp(left->bytes[i], right->bytes[i], bytes) != 0) {
            return false;
        }
    }
    return true;
}

static long lost(unsigned seed, long number, int rounds)
{
    struct registers in, out;
    struct timespec soon = {0, 100000};
    long count = 0;
    for (int i = 0; i < rounds; i++) {
        fill(&in, seed + (unsigned)i);
        memset(&out, 0, sizeof(out));
        carry(&in, &out, number, number == SYS_nanosleep ? (long)&soon : 0, 0);
        count += !same(&in, &out);
    }
    return count;
}

static void *lost_in_thread(void *argument)
{
    unsigned seed = (unsigned)(long)argument;
    return (void *)(lost(seed, SYS_sched_yield, ROUNDS) + lost(seed, -1, ROUNDS) +
                    lost(seed, SYS_nanosleep, 50));
}

static void switch_check(void)
{
    static const struct {
        const char *name;
        long number;
    } calls[] = {{"getppid", SYS_getppid},
                 {"sched_yield", SYS_sched_yield},
                 {"nanosleep", SYS_nanosleep},
                 {"a loop", -1}};
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        say("%s: lost %ld times", calls[i].name, lost(1, calls[i].number, 100));
    }
    pthread_t threads[6];
    long sum = 0;
    for (long i = 0; i < 6; i++) {
        must(pthread_create(&threads[i], NULL, lost_in_thread, (void *)(i * 1000)) == 0, "thread");
    }
    for (int i = 0; i < 6; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    say("six threads: lost %ld times", sum);
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            _exit(lost((unsigned)i * 77, -1, ROUNDS) + lost((unsigned)i, SYS_sched_yield, ROUNDS) !=
                  0);
        }
    }
    for (int i = 0; i < 4; i++) {
        say_status("process", child_wait(pids[i]));
    }
}

static volatile int handled;

static void spoil(int number)
{
    (void)number;
    struct registers in, out;
    fill(&in, 4711);
    carry(&in, &out, SYS_getppid, 0, 0);
    handled++;
}

static void signal_check(void)
{
    struct registers in, out;
    signal(SIGUSR1, spoil);
    long count = 0;
    for (unsigned i = 0; i < 200; i++) {
        fill(&in, i);
        carry(&in, &out, SYS_kill, getpid(), SIGUSR1);
        count += !same(&in, &out);
    }
    say("signal: handled %d, lost %ld times", handled, count);
    handled = 0;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 100; i++) {
            kill(parent, SIGUSR1);
            sleep_ms(1);
        }
        _exit(0);
    }
    count = lost(99, -1, 100);
    int status;
    while (waitpid(pid, &status, 0) < 0) {
    }
    say("signals in a loop: lost %ld times", count);
}

static void fork_check(void)
{
    struct registers in, out;
    fill(&in, 55);
    memset(&out, 0, sizeof(out));
    long pid = carry(&in, &out, SYS_fork, 0, 0);
    must(pid >= 0, "fork");
    if (pid == 0) {
        _exit(same(&in, &out) ? 0 : 1);
    }
    say("fork: the parent's registers %s", same(&in, &out) ? "kept" : "lost");
    say_status("fork: the child", child_wait((pid_t)pid));
}

/* The control words belong to the thread, a child inherits them, a handler starts with its own. */
static unsigned control(void)
{
    unsigned value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value & 0xffc0;
}

static unsigned short x87_control(void)
{
    unsigned short value;
    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static volatile unsigned handler_control;

static void look(int number)
{
    (void)number;
    handler_control = control();
}

static void control_check(void)
{
    unsigned old = 0x1f80, toward_zero = 0x7f80;
    unsigned short chopped = 0x0f7f;
    say("control: %x %x", control(), x87_control());
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(toward_zero), "m"(chopped));
    sched_yield();
    sleep_ms(2);
    say("control: %x %x", control(), x87_control());
    signal(SIGUSR1, look);
    raise(SIGUSR1);
    say("control: in a handler %x, after it %x", handler_control, control());
    pid_t pid = fork();
    if (pid == 0) {
        _exit(control() == toward_zero && x87_control() == chopped ? 0 : 1);
    }
    say_status("control: a child", child_wait(pid));
    pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "fpu", "control", NULL);
        _exit(1);
    }
    child_wait(pid);
    __asm__ volatile("ldmxcsr %0; fninit" : : "m"(old));
    volatile long double sum = 0;
    for (int i = 1; i <= 1000; i++) {
        sum += 1.0L / i;
    }
    say("x87: %.15Lf", sum);
}

static void flags_check(void)
{
    /* The direction flag is the caller's over a call and clear in a handler; carry and others stay.
     */
    unsigned long flags;
    __asm__ volatile("std\n mov $110, %%eax\n syscall\n pushfq\n pop %0\n cld"
                     : "=r"(flags)
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
    say("flags: direction %d", (flags & 0x400) != 0);
    __asm__ volatile("stc\n mov $110, %%eax\n syscall\n pushfq\n pop %0"
                     : "=r"(flags)
                     :
                     : "rax", "rcx", "r11", "memory", "cc");
    say("flags: carry %d", (flags & 1) != 0);
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        say("  control after exec: %x %x", control(), x87_control());
        return 0;
    }
    /* The same is printed with AVX and without. */
    unsigned a, b, c, d;
    wide = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_OSXSAVE) != 0 && (c & bit_AVX) != 0;
    switch_check();
    signal_check();
    fork_check();
    control_check();
    flags_check();
    return 0;
}
