/* A tracer follows what a process starts and executes, and its end, as on Linux. */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "tests/linux/programs/tracing.h"

#define FOLLOW                                                                                     \
    (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |         \
     PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT)

static unsigned long message_of(pid_t pid)
{
    unsigned long message = 0;
    must(trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message) == 0, "GETEVENTMSG");
    return message;
}

static int event_of(int status)
{
    return WIFSTOPPED(status) ? status >> 16 : 0;
}

/* --- a child that is started --- */

static int nothing(void *argument)
{
    (void)argument;
    return 5;
}

static int forks(void *argument)
{
    (void)argument;
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0) {
        _exit(5);
    }
    return WEXITSTATUS(child_wait(child));
}

static int vforks(void *argument)
{
    (void)argument;
    pid_t child = vfork();
    if (child == 0) {
        _exit(6);
    }
    return WEXITSTATUS(child_wait(child));
}

static int clones(void *argument)
{
    (void)argument;
    pid_t child = (pid_t)syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
    if (child == 0) {
        _exit(7);
    }
    int status;
    must(waitpid(child, &status, __WALL) == child, "waitpid");
    return WEXITSTATUS(status);
}

static int clones_untraced(void *argument)
{
    (void)argument;
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        _exit(8);
    }
    return WEXITSTATUS(child_wait(child));
}

/* The child's reports and the parent's come in any order: each is followed by itself. */
static void follow(const char *name, int (*function)(void *), unsigned long options, bool seize)
{
    pid_t pid;
    if (seize) {
        int gate;
        pid = waiting_child(function, NULL, &gate);
        say_result("seize", trace(PTRACE_SEIZE, pid, 0, options));
        close(gate);
    } else {
        pid = traced_child(function, NULL);
        say_result("options", trace(PTRACE_SETOPTIONS, pid, 0, options));
        resume(PTRACE_CONT, pid, 0);
    }
    say("%s%s", name, seize ? ", seized" : "");
    pid_t child = 0;
    for (;;) {
        int status = stop_wait(pid);
        say_stop("  parent", status);
        if (!WIFSTOPPED(status)) {
            break;
        }
        int event = event_of(status);
        if (event == PTRACE_EVENT_EXIT) {
            say("  message: status %lx", message_of(pid));
        } else if (event == PTRACE_EVENT_VFORK_DONE) {
            say("  message: the child %d", (pid_t)message_of(pid) == child);
        } else if (event != 0) {
            child = (pid_t)message_of(pid);
            siginfo_t info;
            trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
            say("  siginfo: code %x", info.si_code);
            status = stop_wait(child);
            say_stop("  child", status);
            say("  child's message: %lu", message_of(child));
            resume(PTRACE_CONT, child, 0);
            if (options & PTRACE_O_TRACEEXIT) {
                stop_say("  child", child);
                say("  message: status %lx", message_of(child));
                resume(PTRACE_CONT, child, 0);
            }
            stop_say("  child", child);
        }
        resume(PTRACE_CONT, pid, WIFSTOPPED(status) && event == 0 ? WSTOPSIG(status) : 0);
    }
}

/* --- exec --- */

static int executes(void *argument)
{
    execl("/proc/self/exe", "ptrace_event", argument, NULL);
    return 96;
}

static void execute_check(void)
{
    char how[] = "exit";
    pid_t pid = traced_child(executes, how);
    resume(PTRACE_CONT, pid, 0);
    stop_say("exec without the option", pid);
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
    say("  code %d, of itself %d", info.si_code, info.si_pid == pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);

    pid = traced_child(executes, how);
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
    resume(PTRACE_CONT, pid, 0);
    stop_say("exec with the option", pid);
    struct user_regs_struct registers = registers_get(pid);
    say("  message: itself %d, call %ld, rax %ld, rbx %ld", (pid_t)message_of(pid) == pid,
        (long)registers.orig_rax, (long)registers.rax, (long)registers.rbx);
    resume(PTRACE_SYSCALL, pid, 0);
    stop_say("  exec's end", pid);
    registers = registers_get(pid);
    say("  call %ld, rax %ld", (long)registers.orig_rax, (long)registers.rax);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);

    int gate;
    pid = waiting_child(executes, how, &gate);
    say_result("exec seized", trace(PTRACE_SEIZE, pid, 0, 0));
    close(gate);
    stop_say("  then", pid);
}

/* --- threads --- */

static void *thread_waits(void *argument)
{
    int *ends = argument;
    byte_receive(ends[0]);
    return NULL;
}

static void *thread_executes(void *argument)
{
    char how[] = "exit";
    (void)argument;
    executes(how);
    return NULL;
}

static int thread_ends(void *argument)
{
    (void)argument;
    int ends[2];
    pthread_t thread;
    must(pipe(ends) == 0, "pipe");
    pthread_create(&thread, NULL, thread_waits, ends);
    close(ends[1]);
    pthread_join(thread, NULL);
    for (;;) {
        pause();
    }
    return 9;
}

static int exec_by_thread(void *argument)
{
    (void)argument;
    pthread_t thread;
    pthread_create(&thread, NULL, thread_executes, NULL);
    for (;;) {
        pause();
    }
    return 0;
}

static pid_t thread_follow(pid_t pid)
{
    stop_say("  leader", pid);
    pid_t thread = (pid_t)message_of(pid);
    stop_say("  thread", thread);
    resume(PTRACE_CONT, thread, 0);
    return thread;
}

static void thread_check(void)
{
    pid_t pid = traced_child(thread_ends, NULL);
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE);
    resume(PTRACE_CONT, pid, 0);
    say("a thread ends");
    pid_t thread = thread_follow(pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  thread", thread);
    say_result("  leader", waitpid(pid, NULL, WNOHANG));
    kill(pid, SIGKILL);
    stop_say("  leader", pid);

    pid = traced_child(exec_by_thread, NULL);
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
    resume(PTRACE_CONT, pid, 0);
    say("a thread executes");
    stop_say("  leader", pid);
    thread = (pid_t)message_of(pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  thread", thread);
    sleeping_wait(pid, 'S');
    resume(PTRACE_CONT, thread, 0);
    stop_say("  leader's number", pid);
    say("  message: the thread %d", (pid_t)message_of(pid) == thread);
    say_result("  the thread's number", waitpid(thread, NULL, __WALL | WNOHANG));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

/* --- the end of a process that another traces --- */

static void parent_and_tracer(bool tracer_waits)
{
    int to_tracer[2], from_tracer[2];
    must(pipe(to_tracer) == 0 && pipe(from_tracer) == 0, "pipe");
    int gate;
    pid_t pid = waiting_child(nothing, NULL, &gate);
    pid_t tracer = fork();
    if (tracer == 0) {
        say_result("tracer: seize", trace(PTRACE_SEIZE, pid, 0, 0));
        close(gate);
        byte_send(from_tracer[1]);
        byte_receive(to_tracer[0]);
        if (tracer_waits) {
            int status = stop_wait(pid);
            bool gone = waitpid(pid, NULL, WNOHANG) == -1 && errno == ECHILD;
            _exit(gone && WIFEXITED(status) ? WEXITSTATUS(status) : 77);
        }
        _exit(0);
    }
    close(gate);
    byte_receive(from_tracer[0]);
    sleeping_wait(pid, 'Z');
    say_result("parent: before the tracer", waitpid(pid, NULL, WNOHANG));
    byte_send(to_tracer[1]);
    say_status("parent: after it", child_wait(pid));
    say_status("the tracer", child_wait(tracer));
    close(to_tracer[0]);
    close(to_tracer[1]);
    close(from_tracer[0]);
    close(from_tracer[1]);
}

/* --- the tracer's end --- */

static int stays(void *argument)
{
    (void)argument;
    sleep_ms(100000);
    return 0;
}

static void tracer_ends(unsigned long options, bool stopped)
{
    int gate;
    pid_t pid = waiting_child(stays, NULL, &gate);
    pid_t tracer = fork();
    if (tracer == 0) {
        must(trace(PTRACE_SEIZE, pid, 0, options) == 0, "SEIZE");
        if (stopped) {
            must(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "INTERRUPT");
            stop_say("tracer: stopped it", pid);
        }
        _exit(0);
    }
    child_wait(tracer);
    say("the tracer ended: %s%s", options != 0 ? "with EXITKILL" : "without an option",
        stopped ? ", in a stop" : "");
    if (options == 0) {
        sleeping_wait(pid, 'S');
        say_result("  its child", waitpid(pid, NULL, WNOHANG | WUNTRACED));
        kill(pid, SIGKILL);
    }
    say_status("  its child", child_wait(pid));
    close(gate);
}

/* Nobody asks for the end of children: of one that is traced it has to be waited for. */
static void ignored_end(void)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = traced_child(nothing, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("SIGCHLD ignored", pid);
    signal(SIGCHLD, SIG_DFL);
}

int main(int count, char **arguments)
{
    if (count > 1) {
        _exit(strcmp(arguments[1], "exit") == 0 ? 4 : 3);
    }
    follow("fork", forks, FOLLOW, false);
    follow("fork", forks, FOLLOW, true);
    follow("vfork", vforks, FOLLOW, false);
    follow("clone", clones, FOLLOW, false);
    follow("clone without EXIT", clones, FOLLOW & ~(unsigned long)PTRACE_O_TRACEEXIT, false);
    follow("an untraced clone", clones_untraced, FOLLOW, false);
    execute_check();
    thread_check();
    parent_and_tracer(true);
    parent_and_tracer(false);
    tracer_ends(PTRACE_O_EXITKILL, false);
    tracer_ends(PTRACE_O_EXITKILL, true);
    tracer_ends(0, false);
    tracer_ends(0, true);
    ignored_end();
    return 0;
}
