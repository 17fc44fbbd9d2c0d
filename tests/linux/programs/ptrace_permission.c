/* Who may trace whom, and what a traced program does not gain, as on Linux. */
#include <pthread.h>
#include <sys/prctl.h>

#include "tests/linux/programs/tracing.h"

static const char program[] = "ptrace_permission";

/* All users and groups, and with them all capabilities. */
static void become(uid_t user)
{
    must(setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0, "setresuid");
}

static int stays(void *argument)
{
    (void)argument;
    sleep_ms(100000);
    return 0;
}

static int stays_as(void *argument)
{
    become((uid_t)(uintptr_t)argument);
    prctl(PR_SET_DUMPABLE, 1);
    sleep_ms(100000);
    return 0;
}

static pid_t child_of(int (*function)(void *), void *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(function(argument));
    }
    sleeping_wait(pid, 'S');
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    child_wait(pid);
}

static void attach_say(const char *what, pid_t pid)
{
    long result = trace(PTRACE_SEIZE, pid, 0, 0);
    say_result(what, result);
    if (result == 0) {
        trace(PTRACE_INTERRUPT, pid, 0, 0);
        stop_wait(pid);
        resume(PTRACE_DETACH, pid, 0);
    }
}

/* --- who is nobody's to trace --- */

static void *thread_attaches(void *argument)
{
    pid_t leader = *(pid_t *)argument;
    say_result("one's own leader", trace(PTRACE_SEIZE, leader, 0, 0));
    return NULL;
}

static void identity_check(void)
{
    pid_t self = getpid();
    say_result("oneself", trace(PTRACE_SEIZE, self, 0, 0));
    say_result("oneself, ATTACH", trace(PTRACE_ATTACH, self, 0, 0));
    pthread_t thread;
    pthread_create(&thread, NULL, thread_attaches, &self);
    pthread_join(thread, NULL);
    pid_t gone = fork();
    if (gone == 0) {
        _exit(0);
    }
    child_wait(gone);
    say_result("nobody", trace(PTRACE_SEIZE, gone, 0, 0));
    say_result("process 0", trace(PTRACE_ATTACH, 0, 0, 0));
    say_result("process -1", trace(PTRACE_ATTACH, -1, 0, 0));
    pid_t zombie = fork();
    if (zombie == 0) {
        _exit(0);
    }
    sleeping_wait(zombie, 'Z');
    say_result("who has ended", trace(PTRACE_ATTACH, zombie, 0, 0));
    child_wait(zombie);
    pid_t child = child_of(stays, NULL);
    say_result("a request of whom one does not trace", trace(PTRACE_CONT, child, 0, 0));
    say_result("  KILL", trace(PTRACE_KILL, child, 0, 0));
    say_result("  INTERRUPT", trace(PTRACE_INTERRUPT, child, 0, 0));
    say_result("  an unknown one", trace(0x7777, child, 0, 0));
    say_result("its child", trace(PTRACE_SEIZE, child, 0, 0));
    pid_t other = fork();
    if (other == 0) {
        say_result("another's tracee", trace(PTRACE_SEIZE, child, 0, 0));
        say_result("  a request", trace(PTRACE_INTERRUPT, child, 0, 0));
        _exit(0);
    }
    child_wait(other);
    end(child);
}

static int traced_twice(void *argument)
{
    (void)argument;
    say_result("TRACEME again", trace(PTRACE_TRACEME, 0, 0, 0));
    return 0;
}

/* A child traces its parent, which goes on afterwards. */
static void parent_check(void)
{
    pid_t middle = fork();
    if (middle == 0) {
        pid_t self = getpid();
        pid_t child = fork();
        if (child == 0) {
            attach_say("one's parent", self);
            _exit(3);
        }
        say_status("its child", child_wait(child));
        _exit(4);
    }
    say_status("the parent", child_wait(middle));
}

/* --- users --- */

static int attach_as(void *argument)
{
    const pid_t *pids = argument;
    become(OTHER_USER);
    attach_say("the same user", pids[0]);
    attach_say("another user", pids[1]);
    attach_say("root", pids[2]);
    attach_say("the same user, not dumpable", pids[3]);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pids[1]);
    say_result("memory of another user", open(path, O_RDONLY));
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pids[3]);
    say_result("memory of what is not dumpable", open(path, O_RDONLY));
    char byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {&byte, 1};
    say_result("process_vm_readv of another user",
               syscall(SYS_process_vm_readv, pids[1], &here, 1, &there, 1, 0));
    return 0;
}

static int undumpable(void *argument)
{
    become((uid_t)(uintptr_t)argument);
    prctl(PR_SET_DUMPABLE, 0);
    sleep_ms(100000);
    return 0;
}

static void user_check(void)
{
    pid_t pids[4];
    pids[0] = child_of(stays_as, (void *)OTHER_USER);
    pids[1] = child_of(stays_as, (void *)(OTHER_USER + 1));
    pids[2] = child_of(stays, NULL);
    pids[3] = child_of(undumpable, (void *)OTHER_USER);
    child_run(attach_as, pids);
    for (int i = 0; i < 4; i++) {
        end(pids[i]);
    }
}

/* --- set-id programs --- */

static int executes(void *argument)
{
    execl(argument, program, "ids", NULL);
    return 96;
}

/* What the program says of itself, without a tracer and with one of the same user. */
static int set_id(void *argument)
{
    become(OTHER_USER);
    say_status("alone", child_run(executes, argument));
    pid_t pid = traced_child(executes, argument);
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC);
    resume(PTRACE_CONT, pid, 0);
    stop_say("traced", pid);
    unsigned long word = 0;
    say_result("  its registers", trace(PTRACE_PEEKUSER, pid, 0, (unsigned long)&word));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);

    pid = traced_child(executes, argument);
    trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC);
    resume(PTRACE_DETACH, pid, 0);
    say_status("no longer traced", child_wait(pid));
    return 0;
}

static void set_id_check(void)
{
    char path[PATH_MAX];
    must(getcwd(path, sizeof(path)) != NULL, "getcwd");
    strcat(path, "/setid");
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    static char bytes[65536];
    ssize_t length;
    while ((length = read(from, bytes, sizeof(bytes))) > 0) {
        must(write(to, bytes, (size_t)length) == length, "write");
    }
    close(from);
    close(to);
    must(chmod(path, 06755) == 0, "chmod");
    child_run(set_id, path);
}

/* The parent of a program that has more authority is not its tracer. */
static int more_than_parent(void *argument)
{
    (void)argument;
    int changed[2];
    must(pipe(changed) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        must(byte_receive(changed[0]), "changed");
        say_result("TRACEME of who can do more", trace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    become(OTHER_USER);
    byte_send(changed[1]);
    child_wait(pid);
    return 0;
}

/* --- /proc --- */

static void status_say(const char *what, pid_t pid, pid_t tracer)
{
    char path[64];
    char line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "TracerPid:", 10) == 0) {
            int number = atoi(line + 10);
            say("%s: tracer %s", what, number == 0 ? "nobody" : number == tracer ? "we" : "other");
        }
        if (strncmp(line, "State:", 6) == 0) {
            say("%s: %.*s", what, (int)strcspn(line, "\n"), line);
        }
    }
    fclose(file);
}

static void proc_check(void)
{
    pid_t pid = traced_child(stays, NULL);
    status_say("stopped", pid, getpid());
    resume(PTRACE_CONT, pid, 0);
    sleeping_wait(pid, 'S');
    status_say("running", pid, getpid());
    kill(pid, SIGSTOP);
    stop_wait(pid);
    resume(PTRACE_DETACH, pid, 0);
    sleeping_wait(pid, 'S');
    status_say("nobody's", pid, getpid());
    end(pid);
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        say("user %d, effective %d, group %d, effective %d", (int)getuid(), (int)geteuid(),
            (int)getgid(), (int)getegid());
        return 5;
    }
    identity_check();
    pid_t pid = traced_child(traced_twice, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("traced", pid);
    parent_check();
    user_check();
    set_id_check();
    child_run(more_than_parent, NULL);
    proc_check();
    return 0;
}
