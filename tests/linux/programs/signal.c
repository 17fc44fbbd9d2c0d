/* Signals are sent, blocked, handled and waited for as on Linux. */
#include <poll.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

#include "tests/linux/programs/program.h"

static volatile int handled[65];
static volatile int order[16];
static volatile int order_count;

static void count(int number)
{
    handled[number]++;
    if (order_count < (int)ARRAY_LENGTH(order)) {
        order[order_count++] = number;
    }
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void block(int how, int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    must(sigprocmask(how, &set, NULL) == 0, "sigprocmask");
}

static bool pending(int number)
{
    sigset_t set;
    must(sigpending(&set) == 0, "sigpending");
    return sigismember(&set, number) == 1;
}

/* --- Masks and order --- */

static void mask_check(void)
{
    handle(SIGUSR1, count, 0);
    handle(SIGUSR2, count, 0);
    block(SIG_BLOCK, SIGUSR1);
    block(SIG_BLOCK, SIGUSR2);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    say("mask: pending USR1 %d USR2 %d TERM %d, handled %d", pending(SIGUSR1), pending(SIGUSR2),
        pending(SIGTERM), handled[SIGUSR1] + handled[SIGUSR2]);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(pending(SIGUSR1));
    }
    say_status("mask: pending in a child", child_wait(pid));
    order_count = 0;
    block(SIG_UNBLOCK, SIGUSR2);
    say("mask: USR2 handled %d", handled[SIGUSR2]);
    block(SIG_UNBLOCK, SIGUSR1);
    say("mask: USR1 sent twice, handled %d", handled[SIGUSR1]);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("mask: KILL can%s be blocked, STOP can%s", sigismember(&now, SIGKILL) ? "" : "not",
        sigismember(&now, SIGSTOP) ? "" : "not");
    sigprocmask(SIG_SETMASK, &old, NULL);
    say_result("mask: sigprocmask with a wrong way", sigprocmask(17, &all, NULL));
    say_result("sigaction of KILL", sigaction(SIGKILL, &(struct sigaction){0}, NULL));
    say_result("kill with signal 65", kill(getpid(), 65));
}

static void ignored_check(void)
{
    block(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    handle(SIGUSR1, SIG_IGN, 0);
    say("ignored: pending after SIG_IGN %d", pending(SIGUSR1));
    raise(SIGUSR1);
    say("ignored: pending when blocked %d", pending(SIGUSR1));
    handled[SIGUSR1] = 0;
    handle(SIGUSR1, count, 0);
    block(SIG_UNBLOCK, SIGUSR1);
    say("ignored: handled %d", handled[SIGUSR1]);
}

static void realtime_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    say("queued: SIGRTMIN+%d value %d code %d", number - 40, info->si_value.sival_int,
        info->si_code);
}

static void queue_check(void)
{
    struct sigaction action = {.sa_sigaction = realtime_handler, .sa_flags = SA_SIGINFO};
    sigaction(40, &action, NULL);
    sigaction(41, &action, NULL);
    /* Whichever is unblocked second must not come in the midst of the first one's line. */
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, 40);
    sigaddset(&set, 41);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 1; i <= 3; i++) {
        sigqueue(getpid(), 41, (union sigval){.sival_int = 10 + i});
        sigqueue(getpid(), 40, (union sigval){.sival_int = i});
    }
    action.sa_mask = set;
    sigaction(40, &action, NULL);
    sigaction(41, &action, NULL);
    siginfo_t info;
    int number = sigwaitinfo(&set, &info);
    say("sigwaitinfo: %d value %d", number, info.si_value.sival_int);
    sigprocmask(SIG_SETMASK, &old, NULL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct timespec soon = {0, 10000000};
    say_result("sigtimedwait", sigtimedwait(&set, &info, &soon));
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* --- Handlers --- */

static volatile int depth, depth_max, runs;

static void nest(int number)
{
    depth++;
    runs++;
    if (depth > depth_max) {
        depth_max = depth;
    }
    if (runs < 4) {
        raise(number);
    }
    depth--;
}

static void other(int number)
{
    sigset_t set;
    sigprocmask(SIG_SETMASK, NULL, &set);
    say("nested: in %s, blocked USR1 %d USR2 %d TERM %d", signal_name(number),
        sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), sigismember(&set, SIGTERM));
    if (number == SIGUSR1) {
        raise(SIGUSR2);
        say("nested: back in %s", signal_name(number));
    }
}

static void handler_flags_check(void)
{
    static const struct {
        const char *what;
        int flags;
    } cases[] = {{"plain handler", 0}, {"SA_NODEFER", SA_NODEFER}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        depth_max = runs = 0;
        handle(SIGUSR1, nest, cases[i].flags);
        raise(SIGUSR1);
        say("%s: %d runs, depth %d", cases[i].what, runs, depth_max);
    }
    handled[SIGUSR1] = 0;
    handle(SIGUSR1, count, (int)SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    say("SA_RESETHAND: handled %d, then %s", handled[SIGUSR1],
        now.sa_handler == SIG_DFL ? "default" : "not default");
    struct sigaction action = {.sa_handler = other};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    handle(SIGUSR2, other, 0);
    raise(SIGUSR1);
    sigset_t set;
    sigprocmask(SIG_SETMASK, NULL, &set);
    say("nested: after it blocked USR1 %d TERM %d", sigismember(&set, SIGUSR1),
        sigismember(&set, SIGTERM));
}

static sigjmp_buf jump;

static void jump_back(int number)
{
    siglongjmp(jump, number);
}

static void jump_check(void)
{
    handle(SIGUSR1, jump_back, 0);
    static volatile int times;
    times = 0;
    if (sigsetjmp(jump, 1) < 0 || times < 3) {
        times++;
        raise(SIGUSR1);
    }
    say("siglongjmp: out of the handler %d times", times);
}

static volatile uintptr_t handler_stack;
static volatile int handler_on_stack;

static void where(int number)
{
    (void)number;
    int here;
    handler_stack = (uintptr_t)&here;
    stack_t now;
    sigaltstack(NULL, &now);
    handler_on_stack = now.ss_flags;
}

static void alternate_stack_check(void)
{
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = 64};
    say_result("sigaltstack too small", sigaltstack(&alternate, NULL));
    alternate.ss_size = sizeof(stack);
    say_result("sigaltstack", sigaltstack(&alternate, NULL));
    for (int i = 0; i < 2; i++) {
        handle(SIGUSR1, where, i == 0 ? 0 : SA_ONSTACK);
        raise(SIGUSR1);
        say("%s: on the alternate stack %d, flags %d", i == 0 ? "without SA_ONSTACK" : "SA_ONSTACK",
            handler_stack - (uintptr_t)stack < sizeof(stack), handler_on_stack);
    }
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGUSR1);
        _exit(handler_on_stack == SS_ONSTACK);
    }
    say_status("sigaltstack in a child", child_wait(pid));
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
}

/* --- Faults --- */

static sigjmp_buf fault_jump;
static volatile int fault_signal, fault_code;
static volatile uintptr_t fault_address;

static void fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    fault_signal = number;
    fault_code = info->si_code;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(fault_jump, 1);
}

static volatile int zero;
static volatile int sink;

static void fault_say(const char *what, void (*run)(volatile char *at), char *at)
{
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        sigaction(numbers[i], &action, NULL);
    }
    if (sigsetjmp(fault_jump, 1) == 0) {
        run(at);
        say("%s: no fault", what);
    } else {
        say("%s: %s code %d, address %s", what, signal_name(fault_signal), fault_code,
            fault_address == (uintptr_t)at ? "right"
            : fault_address == 0           ? "zero"
                                           : "of the code");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        signal(numbers[i], SIG_DFL);
    }
}

static void run_read(volatile char *at)
{
    sink = *at;
}

static void run_write(volatile char *at)
{
    *at = 1;
}

static void run_call(volatile char *at)
{
    ((void (*)(void))(uintptr_t)at)();
}

static void run_divide(volatile char *at)
{
    (void)at;
    sink = 7 / zero;
}

static void run_undefined(volatile char *at)
{
    (void)at;
    __asm__ volatile("ud2");
}

static void run_breakpoint(volatile char *at)
{
    (void)at;
    __asm__ volatile("int3");
}

static void run_privileged(volatile char *at)
{
    (void)at;
    __asm__ volatile("hlt");
}

static void faults_check(void)
{
    char *page =
        mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != MAP_FAILED, "mmap");
    must(mprotect(page, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    fault_say("read of nothing", run_read, (char *)0x10000);
    fault_say("write of nothing", run_write, (char *)0x123000);
    fault_say("write to a read-only page", run_write, page + 5);
    fault_say("call of data", run_call, page + PAGE_BYTES);
    fault_say("read of an address that is not canonical", run_read, (char *)0x8000000000000000);
    fault_say("read of the kernel's half", run_read, (char *)0xffffffff80000000);
    fault_say("division by zero", run_divide, NULL);
    fault_say("undefined instruction", run_undefined, NULL);
    fault_say("breakpoint", run_breakpoint, NULL);
    fault_say("privileged instruction", run_privileged, NULL);
    munmap(page, 2 * PAGE_BYTES);
    pid_t pid = fork();
    if (pid == 0) {
        run_write((char *)0x10000);
    }
    say_status("fault without a handler", child_wait(pid));
    pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        run_write((char *)0x10000);
    }
    say_status("fault ignored", child_wait(pid));
    pid = fork();
    if (pid == 0) {
        handle(SIGSEGV, count, 0);
        block(SIG_BLOCK, SIGSEGV);
        run_write((char *)0x10000);
    }
    say_status("fault blocked", child_wait(pid));
}

static void repair(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    (void)number;
    (void)info;
    /* ud2 is two bytes long. */
    user->uc_mcontext.gregs[REG_RIP] += 2;
    user->uc_mcontext.gregs[REG_RBX] = 0x1234567890;
}

static void context_check(void)
{
    struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    uint64_t rbx = 0, rcx = 0x1111, r11 = 0;
    __asm__ volatile("mov $0x2222, %%r11; ud2; mov %%r11, %2"
                     : "=b"(rbx), "+c"(rcx), "=r"(r11)
                     :
                     : "r11", "memory");
    say("context: rbx %llx rcx %llx r11 %llx", (unsigned long long)rbx, (unsigned long long)rcx,
        (unsigned long long)r11);
    signal(SIGILL, SIG_DFL);
}

/* --- siginfo of what others send --- */

static volatile int info_code, info_status, info_value;
static volatile pid_t info_pid;
static volatile uid_t info_user;

static void inform(int number, siginfo_t *info, void *context)
{
    (void)context;
    handled[number]++;
    info_code = info->si_code;
    info_pid = info->si_pid;
    info_user = info->si_uid;
    info_status = number == SIGCHLD ? info->si_status : 0;
    info_value = info->si_value.sival_int;
}

static void information_check(void)
{
    struct sigaction action = {.sa_sigaction = inform, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    block(SIG_BLOCK, SIGCHLD);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (setuid(OTHER_USER) == 0) {
            errno = 0;
            say_result("kill of another user's process", kill(parent, SIGUSR1));
        }
        _exit(42);
    }
    child_wait(pid);
    handled[SIGCHLD] = 0;
    block(SIG_UNBLOCK, SIGCHLD);
    say("SIGCHLD of an exit: handled %d code %d status %d, the child %d, user %d", handled[SIGCHLD],
        info_code, info_status, info_pid == pid, (int)info_user);
    block(SIG_BLOCK, SIGCHLD);
    pid = fork();
    if (pid == 0) {
        raise(SIGKILL);
    }
    child_wait(pid);
    block(SIG_UNBLOCK, SIGCHLD);
    say("SIGCHLD of a kill: code %d status %s, the child %d", info_code, signal_name(info_status),
        info_pid == pid);
    kill(parent, SIGUSR1);
    say("kill: code %d, from us %d", info_code, info_pid == parent);
    syscall(SYS_tgkill, parent, parent, SIGUSR1);
    say("tgkill: code %d", info_code);
    sigqueue(parent, SIGUSR1, (union sigval){.sival_int = 99});
    say("sigqueue: code %d value %d", info_code, info_value);
    signal(SIGCHLD, SIG_DFL);
}

/* --- Interrupted calls --- */

static int blocker_pipe[2];

static const char *block_read(void)
{
    char byte;
    ssize_t count = read(blocker_pipe[0], &byte, 1);
    return count == 1 ? "a byte" : error_name(errno);
}

static const char *block_write(void)
{
    static char many[1 << 20];
    ssize_t count = write(blocker_pipe[1], many, sizeof(many));
    return count < 0 ? error_name(errno) : count < (ssize_t)sizeof(many) ? "a part" : "all";
}

static const char *block_nanosleep(void)
{
    struct timespec left = {5, 0};
    int result = nanosleep(&left, &left);
    return result == 0 ? "done" : left.tv_sec <= 5 && left.tv_sec > 2 ? "EINTR, rest" : "wrong";
}

static const char *block_wait(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        close(blocker_pipe[1]);
        byte_receive(blocker_pipe[0]);
        _exit(0);
    }
    int status;
    const char *result = waitpid(pid, &status, 0) == pid ? "the child" : error_name(errno);
    kill(pid, SIGKILL);
    return result;
}

static const char *block_poll(void)
{
    struct pollfd entry = {.fd = blocker_pipe[0], .events = POLLIN};
    return poll(&entry, 1, 5000) < 0 ? error_name(errno) : "ready";
}

static const char *block_pause(void)
{
    pause();
    return error_name(errno);
}

static const char *block_suspend(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigsuspend(&none);
    return error_name(errno);
}

static const char *block_fifo(void)
{
    int file = open("fifo", O_RDONLY);
    return file < 0 ? error_name(errno) : "open";
}

/*
 * A child blocks in RUN; it is sent a signal it handles, and 50 ms later what RUN waits for comes:
 * whether the first or the second ended the call is what differs.
 */
static void interrupt_say(const char *what, const char *(*run)(void), int flags)
{
    must(pipe(blocker_pipe) == 0, "pipe");
    handle(SIGUSR1, count, flags);
    handled[SIGUSR1] = 0;
    pid_t pid = fork();
    if (pid == 0) {
        const char *result = run();
        say("%s%s: %s, handled %d", what, flags == SA_RESTART ? " SA_RESTART" : "", result,
            handled[SIGUSR1]);
        _exit(0);
    }
    sleeping_wait(pid, 'S');
    kill(pid, SIGUSR1);
    sleep_ms(50);
    if (run == block_write) {
        static char many[1 << 20];
        fcntl(blocker_pipe[0], F_SETFL, O_NONBLOCK);
        close(blocker_pipe[1]);
        while (read(blocker_pipe[0], many, sizeof(many)) != 0) {
            sleep_ms(1);
        }
    } else {
        /* Each of the two that may read gets one. */
        signal(SIGPIPE, SIG_IGN);
        close(blocker_pipe[0]);
        (void)!write(blocker_pipe[1], "xx", 2);
        close(blocker_pipe[1]);
    }
    if (run == block_fifo) {
        int file = open("fifo", O_WRONLY | O_NONBLOCK);
        child_wait(pid);
        close(file);
    } else {
        child_wait(pid);
    }
}

static void interrupts_check(void)
{
    must(mkfifo("fifo", 0600) == 0, "mkfifo");
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        interrupt_say("read", block_read, flags);
        interrupt_say("nanosleep", block_nanosleep, flags);
        interrupt_say("waitpid", block_wait, flags);
        interrupt_say("poll", block_poll, flags);
        interrupt_say("pause", block_pause, flags);
        interrupt_say("sigsuspend", block_suspend, flags);
        interrupt_say("open of a FIFO", block_fifo, flags);
        interrupt_say("write", block_write, flags);
    }
}

static void suspend_check(void)
{
    handle(SIGUSR1, count, 0);
    handled[SIGUSR1] = 0;
    block(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    sigset_t none;
    sigemptyset(&none);
    say_result("sigsuspend with one pending", sigsuspend(&none));
    say("sigsuspend: handled %d", handled[SIGUSR1]);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("sigsuspend: the mask is %s", sigismember(&now, SIGUSR1) ? "back" : "lost");
    block(SIG_UNBLOCK, SIGUSR1);
}

/* --- Pipes, groups, stops --- */

static void pipe_check(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)!write(ends[1], "x", 1);
        _exit(1);
    }
    say_status("write to a broken pipe", child_wait(pid));
    handled[SIGPIPE] = 0;
    handle(SIGPIPE, count, 0);
    say_result("write with a handler", write(ends[1], "x", 1));
    say("SIGPIPE: handled %d", handled[SIGPIPE]);
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);
}

static void group_check(void)
{
    int ready[2];
    must(pipe(ready) == 0, "pipe");
    pid_t leader = 0, pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            setpgid(0, leader);
            byte_send(ready[1]);
            for (;;) {
                pause();
            }
        }
        if (i == 0) {
            leader = pids[0];
        }
        byte_receive(ready[0]);
    }
    say_result("kill of a group with 0", kill(-leader, 0));
    say_result("kill of a group", kill(-leader, SIGTERM));
    for (int i = 0; i < 3; i++) {
        say_status("kill of a group: member", child_wait(pids[i]));
    }
    say_result("kill of a group that is gone", kill(-leader, SIGTERM));
    close(ready[0]);
    close(ready[1]);
}

static void stop_check(void)
{
    static const int numbers[] = {SIGSTOP, SIGTSTP, SIGTTIN};
    int channel[2], gate[2];
    must(pipe(channel) == 0 && pipe(gate) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        /* An orphaned group's members are not stopped by a terminal's signals; ours has a parent
         * in its session, us. */
        setpgid(0, 0);
        handle(SIGCONT, count, 0);
        byte_send(channel[1]);
        byte_receive(gate[0]);
        _exit(handled[SIGCONT]);
    }
    byte_receive(channel[0]);
    int status;
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        kill(pid, numbers[i]);
        must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
        say_status("stop", status);
        kill(pid, SIGCONT);
        must(waitpid(pid, &status, WCONTINUED) == pid, "waitpid");
        say_status("continue", status);
        sleeping_wait(pid, 'S');
    }
    close(gate[0]);
    close(gate[1]);
    say_status("continued three times", child_wait(pid));
    pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    kill(pid, SIGSTOP);
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    kill(pid, SIGTERM);
    say_result("a stopped process does not end by SIGTERM", waitpid(pid, &status, WNOHANG));
    kill(pid, SIGCONT);
    say_status("but when it continues", child_wait(pid));
    pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(1);
    }
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    kill(pid, SIGKILL);
    say_status("a stopped process and SIGKILL", child_wait(pid));
    close(channel[0]);
    close(channel[1]);
}

static void storm_check(void)
{
    handle(SIGUSR1, count, SA_RESTART);
    handled[SIGUSR1] = 0;
    pid_t parent = getpid();
    int go[2];
    must(pipe(go) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 500; i++) {
            kill(parent, SIGUSR1);
        }
        byte_send(go[1]);
        _exit(0);
    }
    uint64_t sum = 0;
    for (uint64_t i = 0; i < 3000000; i++) {
        __asm__ volatile("add %1, %0" : "+r"(sum) : "r"(i));
    }
    byte_receive(go[0]);
    say_status("storm: sender", child_wait(pid));
    say("storm: sum %llu, signals %s", (unsigned long long)sum,
        handled[SIGUSR1] >= 1 && handled[SIGUSR1] <= 500 ? "came" : "wrong");
}

int main(void)
{
    /* A runner may leave some of them ignored. */
    for (int i = 1; i < 32; i++) {
        signal(i, SIG_DFL);
    }
    mask_check();
    ignored_check();
    queue_check();
    handler_flags_check();
    jump_check();
    alternate_stack_check();
    faults_check();
    context_check();
    information_check();
    suspend_check();
    interrupts_check();
    pipe_check();
    group_check();
    stop_check();
    storm_check();
    return 0;
}
