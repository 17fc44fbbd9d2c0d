/* A tracer sees signals before they are delivered, and stops of processes, as on Linux. */
#include <pthread.h>
#include <sys/prctl.h>

#include "tests/linux/programs/tracing.h"

#define PEEK_SHARED 1

struct peek { /* struct ptrace_peeksiginfo_args */
    uint64_t offset;
    uint32_t flags;
    int32_t count;
};

static volatile int handled;
static volatile int handled_value;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    handled = number;
    handled_value = info->si_value.sival_int;
}

static void handle(int number)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void info_say(const char *what, pid_t pid)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    if (trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info) != 0) {
        say("%s: %s", what, error_name(errno));
        return;
    }
    say("%s: %s, code %x", what, signal_name(info.si_signo), info.si_code);
}

/* What the tracer's wait says when it asks by waitid. */
static void waitid_say(const char *what, pid_t pid, int options)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    long result = waitid(P_PID, (id_t)pid, &info, options);
    if (result != 0 || info.si_pid == 0) {
        say_result(what, result);
    } else {
        say("%s: code %d, status %x", what, info.si_code, (unsigned)info.si_status);
    }
}

/* --- delivery --- */

static int raises(void *argument)
{
    (void)argument;
    handle(SIGUSR1);
    handle(SIGUSR2);
    handle(SIGRTMIN + 1);
    raise(SIGUSR1);
    int first = handled;
    raise(SIGUSR1);
    int second = handled;
    raise(SIGUSR1);
    int third = handled;
    union sigval value = {.sival_int = 33};
    sigqueue(getpid(), SIGRTMIN + 1, value);
    say("child: %d then %d then %d; value %d", first, second == SIGUSR1, third == SIGUSR2,
        handled_value);
    raise(SIGCHLD); /* ignored by default */
    signal(SIGTERM, SIG_IGN);
    raise(SIGTERM);
    return 0;
}

static void delivery_check(void)
{
    pid_t pid = traced_child(raises, NULL);
    info_say("the first stop", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("taken away", pid);
    info_say("  it was", pid);
    say_result("  goes on with signal 65", trace(PTRACE_CONT, pid, 0, 65));
    resume(PTRACE_CONT, pid, 0);
    stop_say("delivered", pid);
    resume(PTRACE_CONT, pid, SIGUSR1);
    stop_say("changed", pid);
    resume(PTRACE_CONT, pid, SIGUSR2);
    stop_say("of the queue", pid);
    siginfo_t info;
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
    say("  its value: %d", info.si_value.sival_int);
    info.si_value.sival_int = 44;
    say_result("  SETSIGINFO", trace(PTRACE_SETSIGINFO, pid, 0, (unsigned long)&info));
    resume(PTRACE_CONT, pid, SIGRTMIN + 1);
    stop_say("ignored by default", pid);
    resume(PTRACE_CONT, pid, SIGCHLD);
    stop_say("ignored", pid);
    resume(PTRACE_CONT, pid, SIGTERM);
    stop_say("then", pid);
}

/* --- faults --- */

static int faults(void *argument)
{
    *(volatile int *)(uintptr_t)argument = 1;
    return 0;
}

static void fault_check(void)
{
    pid_t pid = traced_child(faults, (void *)16);
    resume(PTRACE_CONT, pid, 0);
    stop_say("a fault", pid);
    siginfo_t info;
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
    say("  code %d at %p", info.si_code, info.si_addr);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  again", pid);
    resume(PTRACE_CONT, pid, SIGSEGV);
    stop_say("  delivered", pid);
}

/* --- group stops --- */

static int sleeps(void *argument)
{
    (void)argument;
    handle(SIGUSR1);
    for (;;) {
        pause();
        if (handled == SIGUSR1) {
            return 11;
        }
    }
    return 0;
}

static void stop_check(void)
{
    pid_t pid = traced_child(sleeps, NULL);
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    kill(pid, SIGTSTP);
    stop_say("SIGTSTP", pid);
    info_say("  it was", pid);
    resume(PTRACE_CONT, pid, SIGTSTP);
    waitid_say("  the group stop, only looked at", pid, WSTOPPED | WNOWAIT);
    stop_say("  the group stop", pid);
    info_say("  it was", pid);
    waitid_say("  no more", pid, WSTOPPED | WNOHANG);
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    say("  it runs although it is stopped");
    kill(pid, SIGUSR1);
    stop_say("SIGUSR1", pid);
    resume(PTRACE_DETACH, pid, SIGUSR1);
    sleeping_wait(pid, 'T');
    say("  once it is nobody's it stops");
    kill(pid, SIGCONT);
    say_status("  continued", child_wait(pid));
}

static void seized_stop_check(void)
{
    int gate;
    pid_t pid = waiting_child(sleeps, NULL, &gate);
    say_result("SEIZE with an address", trace(PTRACE_SEIZE, pid, 8, 0));
    say_result("SEIZE with wrong options", trace(PTRACE_SEIZE, pid, 0, 1u << 30));
    say_result("SEIZE", trace(PTRACE_SEIZE, pid, 0, 0));
    say_result("  again", trace(PTRACE_SEIZE, pid, 0, 0));
    say_result("  CONT of what runs", trace(PTRACE_CONT, pid, 0, 0));
    close(gate);
    sleeping_wait(pid, 'S');
    say_result("  nothing to wait for", waitpid(pid, NULL, WNOHANG));
    say_result("  INTERRUPT", trace(PTRACE_INTERRUPT, pid, 0, 0));
    waitid_say("  looked at", pid, WSTOPPED | WNOWAIT);
    stop_say("  interrupted", pid);
    info_say("  it was", pid);
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    kill(pid, SIGSTOP);
    stop_say("  SIGSTOP", pid);
    say_result("  LISTEN there", trace(PTRACE_LISTEN, pid, 0, 0));
    resume(PTRACE_CONT, pid, SIGSTOP);
    stop_say("  the group stop", pid);
    info_say("  it was", pid);
    say_result("  LISTEN", trace(PTRACE_LISTEN, pid, 0, 0));
    say_result("  CONT while it listens", trace(PTRACE_CONT, pid, 0, 0));
    say_result("  nothing to wait for", waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGCONT);
    stop_say("  its end", pid);
    info_say("  it was", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  SIGCONT", pid);
    resume(PTRACE_CONT, pid, SIGCONT);
    sleeping_wait(pid, 'S');
    kill(pid, SIGCONT);
    stop_say("  SIGCONT to what runs", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  and then", pid);
    say_result("  KILL", trace(PTRACE_KILL, pid, 0, 0));
    stop_say("  killed", pid);
}

static void attach_stopped_check(void)
{
    int gate;
    pid_t pid = waiting_child(sleeps, NULL, &gate);
    kill(pid, SIGSTOP);
    int status;
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    say_status("before", status);
    say_result("ATTACH to what is stopped", trace(PTRACE_ATTACH, pid, 0, 0));
    must(waitpid(pid, &status, __WALL) == pid, "waitpid");
    say_stop("  it is", status);
    info_say("  a group stop", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  its SIGSTOP", pid);
    info_say("  it was", pid);
    kill(pid, SIGCONT);
    resume(PTRACE_CONT, pid, SIGSTOP); /* SIGCONT came after it was taken */
    stop_say("  SIGCONT", pid);
    resume(PTRACE_DETACH, pid, 0);
    close(gate);
    sleeping_wait(pid, 'S');
    kill(pid, SIGUSR1);
    say_status("  nobody's", child_wait(pid));
}

static void attach_check(void)
{
    int gate;
    pid_t pid = waiting_child(sleeps, NULL, &gate);
    close(gate);
    sleeping_wait(pid, 'S');
    say_result("ATTACH", trace(PTRACE_ATTACH, pid, 0, 0));
    stop_say("  attached", pid);
    info_say("  it was", pid);
    say_result("  INTERRUPT", trace(PTRACE_INTERRUPT, pid, 0, 0));
    say_result("  LISTEN", trace(PTRACE_LISTEN, pid, 0, 0));
    say_result("  an unknown request", trace(0x42ff, pid, 0, 0));
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    say_result("  GETREGS of what runs", trace(PTRACE_GETREGS, pid, 0, 0));
    say_result("  DETACH of what runs", trace(PTRACE_DETACH, pid, 0, 0));
    kill(pid, SIGUSR1);
    stop_say("  SIGUSR1", pid);
    kill(pid, SIGKILL);
    stop_say("  killed in a stop", pid);
}

/* --- masks and queues --- */

static void mask_check(void)
{
    pid_t pid = traced_child(sleeps, NULL);
    uint64_t mask = 0;
    say_result("GETSIGMASK of 4 bytes", trace(PTRACE_GETSIGMASK, pid, 4, (unsigned long)&mask));
    say_result("GETSIGMASK", trace(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask));
    mask = ~0ull & ~(1ull << (SIGTERM - 1));
    say_result("SETSIGMASK", trace(PTRACE_SETSIGMASK, pid, 8, (unsigned long)&mask));
    trace(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask);
    say("  all but KILL, STOP, TERM: %d",
        mask == (~0ull & ~(1ull << (SIGTERM - 1)) & ~(1ull << (SIGKILL - 1)) &
                 ~(1ull << (SIGSTOP - 1))));
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    union sigval value = {.sival_int = 3};
    sigqueue(pid, SIGRTMIN + 2, value);
    kill(pid, SIGUSR2);
    syscall(SYS_tkill, pid, SIGHUP);
    kill(pid, SIGTERM);
    stop_say("only SIGTERM comes", pid);
    siginfo_t infos[4];
    memset(infos, 0, sizeof(infos));
    struct peek peek = {.offset = 0, .flags = PEEK_SHARED, .count = 4};
    say_result("  queued for all",
               trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&peek, (unsigned long)infos));
    say("  %d with %d, then %s", infos[0].si_signo == SIGRTMIN + 2, infos[0].si_value.sival_int,
        signal_name(infos[1].si_signo));
    peek.flags = 0;
    say_result("  for it alone",
               trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&peek, (unsigned long)infos));
    say("  %s, code %d", signal_name(infos[0].si_signo), infos[0].si_code);
    peek.flags = 2;
    say_result("  with wrong flags",
               trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&peek, (unsigned long)infos));
    resume(PTRACE_CONT, pid, SIGTERM);
    stop_say("  then", pid);
}

/* --- threads stop together --- */

static void *thread_sleeps(void *argument)
{
    (void)argument;
    for (;;) {
        pause();
    }
    return NULL;
}

static int two_threads(void *argument)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_sleeps, NULL);
    return sleeps(argument);
}

static void thread_check(void)
{
    int gate;
    pid_t pid = waiting_child(two_threads, NULL, &gate);
    say_result("two threads", trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACECLONE));
    close(gate);
    stop_say("  leader", pid);
    unsigned long message;
    trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
    pid_t thread = (pid_t)message;
    stop_say("  thread", thread);
    resume(PTRACE_CONT, pid, 0);
    resume(PTRACE_CONT, thread, 0);
    sleeping_wait(pid, 'S');
    syscall(SYS_tkill, thread, SIGSTOP);
    stop_say("  thread", thread);
    resume(PTRACE_CONT, thread, SIGSTOP);
    stop_say("  thread", thread);
    stop_say("  leader", pid);
    say_result("  leader: LISTEN", trace(PTRACE_LISTEN, pid, 0, 0));
    kill(pid, SIGCONT);
    stop_say("  leader", pid);
    kill(pid, SIGKILL);
    stop_say("  thread", thread);
    stop_say("  leader", pid);
}

/* --- the tracer's own signals --- */

static void child_signal_check(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t pid = traced_child(raises, NULL);
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    say_result("SIGCHLD", sigwaitinfo(&set, &info) == SIGCHLD);
    say("  of it %d, code %d, status %d", info.si_pid == pid, info.si_code, info.si_status);
    signal(SIGCHLD, SIG_IGN);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  still to be waited for", pid);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(pid, SIGKILL);
    stop_say("  killed", pid);
}

int main(void)
{
    delivery_check();
    fault_check();
    stop_check();
    seized_stop_check();
    attach_stopped_check();
    attach_check();
    mask_check();
    thread_check();
    child_signal_check();
    return 0;
}
