/* A tracer sees system calls begin and end, and changes them, as on Linux. */
#include "tests/linux/programs/tracing.h"

#define RESTART_SYS   512
#define RESTART_BLOCK 516

struct call_info { /* struct ptrace_syscall_info */
    uint8_t op;
    uint8_t pad[3];
    uint32_t arch;
    uint64_t ip;
    uint64_t sp;
    uint64_t word[7];
};

/* At whatever stop comes next: which call, and whether it begins. */
static int next_call(pid_t pid, struct user_regs_struct *registers)
{
    resume(PTRACE_SYSCALL, pid, 0);
    int status = stop_wait(pid);
    if (WIFSTOPPED(status)) {
        *registers = registers_get(pid);
    }
    return status;
}

/* --- what is seen --- */

static int few_calls(void *argument)
{
    (void)argument;
    long first = syscall(SYS_close, -1);
    syscall(SYS_getpid);
    syscall(999, 1, 2, 3, 4, 5, 6);
    return first == -1 && errno == ENOSYS ? 3 : 4;
}

static void info_say(pid_t pid, bool good)
{
    struct call_info info;
    memset(&info, 0xee, sizeof(info));
    long size = trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (unsigned long)&info);
    struct user_regs_struct registers = registers_get(pid);
    say("  info: %ld bytes, op %d, arch %x, instruction %s, stack %s", size, info.op, info.arch,
        info.ip == registers.rip ? "same" : "other", info.sp == registers.rsp ? "same" : "other");
    if (good && info.op == 1) {
        say("  info: call %ld", (long)info.word[0]);
    } else if (good && info.op == 2) {
        say("  info: error %d", *(uint8_t *)&info.word[1]);
    }
    say_result("  info: into 8 bytes",
               trace(PTRACE_GET_SYSCALL_INFO, pid, 8, (unsigned long)&info));
}

static void watch(bool good)
{
    pid_t pid = traced_child(few_calls, NULL);
    say_result("options", trace(PTRACE_SETOPTIONS, pid, 0, good ? PTRACE_O_TRACESYSGOOD : 0));
    info_say(pid, good);
    struct user_regs_struct registers;
    int status;
    while (WIFSTOPPED(status = next_call(pid, &registers))) {
        unsigned long number = registers.orig_rax;
        unsigned long message = 99;
        if (number != SYS_close && number != SYS_getpid && number != 999 &&
            number != SYS_exit_group) {
            continue; /* what a libc does beside */
        }
        say_stop("call", status);
        trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
        if (number == SYS_getpid && (long)registers.rax == pid) {
            registers.rax = 0;
        }
        say("  number %ld, rax %ld, message %lu, rcx %s, r11 %s", (long)number, (long)registers.rax,
            message, registers.rcx == registers.rip ? "is rip" : "differs",
            registers.r11 == registers.eflags ? "is rflags" : "differs");
        if (number == 999) {
            say("  arguments %lu %lu %lu %lu %lu %lu", registers.rdi, registers.rsi, registers.rdx,
                registers.r10, registers.r8, registers.r9);
        }
        siginfo_t siginfo;
        memset(&siginfo, 0, sizeof(siginfo));
        trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&siginfo);
        say("  siginfo: %s code %x, of itself %d", signal_name(siginfo.si_signo), siginfo.si_code,
            siginfo.si_pid == pid);
        info_say(pid, good);
    }
    say_status("watched", status);
}

/* --- what is changed --- */

static int changed_calls(void *argument)
{
    (void)argument;
    say("child: getppid gives %ld", syscall(SYS_getppid));
    say("child: another getppid gives %ld", syscall(SYS_getppid));
    say_result("child: a third", syscall(SYS_getppid));
    say_result("child: close of 77", syscall(SYS_close, 77));
    say_result("child: close of 77 again", syscall(SYS_close, 77));
    return 0;
}

static void call_wait(pid_t pid, unsigned long number, struct user_regs_struct *registers)
{
    do {
        must(WIFSTOPPED(next_call(pid, registers)), "another call");
    } while (registers->orig_rax != number);
}

static void change(void)
{
    pid_t pid = traced_child(changed_calls, NULL);
    struct user_regs_struct registers;
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    call_wait(pid, SYS_getppid, &registers);
    call_wait(pid, SYS_getppid, &registers);
    registers.rax = 4711;
    registers_set(pid, &registers);
    call_wait(pid, SYS_getppid, &registers); /* none at all */
    registers.orig_rax = (unsigned long)-1;
    registers.rax = 815;
    registers_set(pid, &registers);
    must(WIFSTOPPED(next_call(pid, &registers)), "the end of no call");
    say("no call: number %ld, rax %ld", (long)registers.orig_rax, (long)registers.rax);
    call_wait(pid, SYS_getppid, &registers); /* another one */
    registers.orig_rax = 1000;
    registers_set(pid, &registers);
    must(WIFSTOPPED(next_call(pid, &registers)), "the end of another call");
    say("another call: number %ld, rax %ld", (long)registers.orig_rax, (long)registers.rax);
    call_wait(pid, SYS_close, &registers); /* with another argument */
    registers.orig_rax = SYS_dup;
    registers.rdi = 1;
    registers_set(pid, &registers);
    must(WIFSTOPPED(next_call(pid, &registers)), "the end of dup");
    say("close became dup: %s", (long)registers.rax > 2 ? "a descriptor" : "none");
    registers.rax = 5;
    registers_set(pid, &registers);
    resume(PTRACE_DETACH, pid, 0);
    say_status("changed", child_wait(pid));
}

/* --- calls that signals interrupt --- */

static void on_signal(int number)
{
    (void)number;
}

static int sleeper(void *argument)
{
    (void)argument;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    struct timespec time = {0, 300000000};
    long first = syscall(SYS_nanosleep, &time, NULL);
    struct timespec more = {100, 0};
    long second = syscall(SYS_nanosleep, &more, NULL);
    return first == 0 && second == -1 && errno == EINTR ? 7 : 8;
}

static void interrupt(void)
{
    pid_t pid = traced_child(sleeper, NULL);
    struct user_regs_struct registers;
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
    call_wait(pid, SYS_nanosleep, &registers);
    resume(PTRACE_SYSCALL, pid, 0);
    sleeping_wait(pid, 'S');
    kill(pid, SIGWINCH);
    stop_say("interrupted: nanosleep", pid);
    registers = registers_get(pid);
    say("interrupted: rax %ld", (long)registers.rax);
    resume(PTRACE_SYSCALL, pid, 0);
    stop_say("interrupted: the signal", pid);
    registers = registers_get(pid);
    say("interrupted: number %ld, rax %ld", (long)registers.orig_rax, (long)registers.rax);
    must(WIFSTOPPED(next_call(pid, &registers)), "again");
    say("again: number %ld", (long)registers.orig_rax);
    must(WIFSTOPPED(next_call(pid, &registers)), "done");
    say("again: rax %ld", (long)registers.rax);
    call_wait(pid, SYS_nanosleep, &registers);
    resume(PTRACE_SYSCALL, pid, 0);
    sleeping_wait(pid, 'S');
    kill(pid, SIGUSR1);
    stop_say("handled: nanosleep", pid);
    say("handled: rax %ld", (long)registers_get(pid).rax);
    resume(PTRACE_CONT, pid, 0);
    stop_say("handled: the signal", pid);
    resume(PTRACE_CONT, pid, SIGUSR1);
    stop_say("handled", pid);
}

/* What a tracer goes on with at a call is a signal like another. */
static int waits(void *argument)
{
    (void)argument;
    syscall(SYS_getppid);
    return 0;
}

static void inject(void)
{
    pid_t pid = traced_child(waits, NULL);
    struct user_regs_struct registers;
    call_wait(pid, SYS_getppid, &registers);
    resume(PTRACE_CONT, pid, SIGTERM);
    stop_say("injected", pid);
    siginfo_t siginfo;
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&siginfo);
    say("injected: code %x", siginfo.si_code);
    resume(PTRACE_CONT, pid, SIGTERM);
    stop_say("injected", pid);
}

int main(void)
{
    watch(true);
    watch(false);
    change();
    interrupt();
    inject();
    return 0;
}
