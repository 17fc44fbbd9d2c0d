/* The processor's breakpoints of a traced process, as on Linux. */
#include <stddef.h>
#include <sys/user.h>

#include "tests/linux/programs/tracing.h"

#define ENABLE(number) (1ul << (2 * (number)))
#define WATCH(number, access, length)                                                              \
    ((unsigned long)((access) | (length) << 2) << (16 + 4 * (number)))
#define EXECUTE 0ul
#define WRITE   1ul
#define PORT    2ul
#define ACCESS  3ul
#define BYTE    0ul
#define WORD_8  2ul
#define WORD_4  3ul

static volatile long watched[2];
static volatile long read_only = 5;

static __attribute__((noinline)) void called(long value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

static int works(void *argument)
{
    (void)argument;
    long sum = 0;
    for (long i = 1; i <= 3; i++) {
        watched[1] = -i;
        watched[0] = i;
        sum += read_only;
        called(i);
    }
    say("child: done, %ld", sum);
    return 3;
}

static unsigned long debug_get(pid_t pid, int number)
{
    unsigned long word = 0;
    must(trace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + (size_t)number * 8,
               (unsigned long)&word) == 0,
         "peek");
    return word;
}

static long debug_put(pid_t pid, int number, unsigned long word)
{
    return trace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + (size_t)number * 8,
                 word);
}

static void hit_say(const char *what, pid_t pid)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    stop_say(what, pid);
    if (trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info) != 0) {
        say("  no signal: %s", error_name(errno));
        return;
    }
    say("  code %d, hit %lx, watched %ld", info.si_code, debug_get(pid, 6) & 0xf,
        ptrace(PTRACE_PEEKDATA, pid, &watched[0], NULL));
}

static void refusals_check(void)
{
    pid_t pid = traced_child(works, NULL);
    say("at first: control %lx, status %lx", debug_get(pid, 7), debug_get(pid, 6));
    say_result("register 4", debug_put(pid, 4, 0));
    say_result("register 5", debug_put(pid, 5, 1));
    say_result("an odd address", debug_put(pid, 0, (unsigned long)&watched[0] + 1));
    say_result("  for 8 bytes", debug_put(pid, 7, ENABLE(0) | WATCH(0, WRITE, WORD_8)));
    say_result("  for one", debug_put(pid, 7, ENABLE(0) | WATCH(0, WRITE, BYTE)));
    say_result("a port", debug_put(pid, 7, ENABLE(0) | WATCH(0, PORT, BYTE)));
    say_result("an execution of 4 bytes", debug_put(pid, 7, ENABLE(0) | WATCH(0, EXECUTE, WORD_4)));
    say_result("none", debug_put(pid, 7, 0));
    say_result("the status", debug_put(pid, 6, 0));
    resume(PTRACE_CONT, pid, 0);
    stop_say("without any it runs through", pid);
}

static void writes_check(void)
{
    pid_t pid = traced_child(works, NULL);
    say_result("address", debug_put(pid, 0, (unsigned long)&watched[0]));
    say_result("control", debug_put(pid, 7, ENABLE(0) | WATCH(0, WRITE, WORD_8)));
    say("control is %lx", debug_get(pid, 7));
    for (int i = 0; i < 3; i++) {
        resume(PTRACE_CONT, pid, 0);
        hit_say("a write", pid);
    }
    resume(PTRACE_CONT, pid, 0);
    stop_say("and then no more", pid);
}

static void accesses_check(void)
{
    pid_t pid = traced_child(works, NULL);
    debug_put(pid, 1, (unsigned long)&read_only);
    debug_put(pid, 3, (unsigned long)&watched[1]);
    say_result("two", debug_put(pid, 7,
                                ENABLE(1) | WATCH(1, ACCESS, WORD_8) | ENABLE(3) |
                                    WATCH(3, WRITE, WORD_4)));
    for (int i = 0; i < 4; i++) {
        resume(PTRACE_CONT, pid, 0);
        hit_say("one of two", pid);
    }
    say_result("one is taken away", debug_put(pid, 7, ENABLE(1) | WATCH(1, ACCESS, WORD_8)));
    resume(PTRACE_CONT, pid, 0);
    hit_say("the other", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("the end", pid);
}

static void calls_check(void)
{
    pid_t pid = traced_child(works, NULL);
    debug_put(pid, 2, (unsigned long)called);
    say_result("a function", debug_put(pid, 7, ENABLE(2) | WATCH(2, EXECUTE, BYTE)));
    for (int i = 0; i < 3; i++) {
        struct user_regs_struct registers;
        resume(PTRACE_CONT, pid, 0);
        hit_say("a call", pid);
        must(trace(PTRACE_GETREGS, pid, 0, (unsigned long)&registers) == 0, "registers");
        say("  there: %d, with %lld", registers.rip == (unsigned long)called,
            (long long)registers.rdi);
    }
    resume(PTRACE_CONT, pid, 0);
    stop_say("the end", pid);
}

static void detach_check(void)
{
    pid_t pid = traced_child(works, NULL);
    debug_put(pid, 0, (unsigned long)&watched[0]);
    debug_put(pid, 7, ENABLE(0) | WATCH(0, WRITE, WORD_8));
    resume(PTRACE_CONT, pid, 0);
    hit_say("a write", pid);
    debug_put(pid, 7, 0);
    say_result("detach", trace(PTRACE_DETACH, pid, 0, 0));
    stop_say("it ends by itself", pid);
}

int main(void)
{
    refusals_check();
    writes_check();
    accesses_check();
    calls_check();
    detach_check();
    return 0;
}
