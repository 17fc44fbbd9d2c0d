/*
 * Whose child a process is, by thread; how many tasks a user may have; and numbers that name a
 * process group or a session after its leader has gone.
 */
#include "tests/linux/programs/program.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int ends[2];
static uid_t lonely_user; /* with no other process on the machine, another test run's neither */

/* --- the signal of a parent's death --- */

/* A child that has asked for SIGTERM when its parent ends. Says when it is ready. */
static pid_t dependent_new(void)
{
    int ready[2];
    must(pipe(ready) == 0, "pipe");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        must(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0, "prctl");
        byte_send(ready[1]);
        for (;;) {
            pause();
        }
    }
    must(byte_receive(ready[0]), "ready");
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void *thread_run(void *argument)
{
    *(pid_t *)argument = dependent_new();
    return NULL;
}

static void *thread_stays(void *argument)
{
    int *wait_ends = argument;
    pid_t pid = dependent_new();
    must(byte_receive(wait_ends[0]), "go on");
    return (void *)(uintptr_t)pid;
}

static void death_check(void)
{
    pthread_t thread;
    pid_t pid;
    must(pthread_create(&thread, NULL, thread_run, &pid) == 0, "pthread_create");
    pthread_join(thread, NULL);
    say_status("the thread that made it ends", child_wait(pid));

    int wait_ends[2];
    void *result;
    must(pipe(wait_ends) == 0, "pipe");
    must(pthread_create(&thread, NULL, thread_stays, wait_ends) == 0, "pthread_create");
    pthread_t other;
    must(pthread_create(&other, NULL, thread_run, &pid) == 0, "pthread_create");
    pthread_join(other, NULL);
    say_status("another thread's child", child_wait(pid));
    byte_send(wait_ends[1]);
    pthread_join(thread, &result);
    say_status("the child of a thread that ends later", child_wait((pid_t)(uintptr_t)result));

    /* The signal is asked for once: who adopts the child does not bring it again. */
    pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        pid_t child = dependent_new();
        kill(child, SIGKILL);
        say_status("one that did not wait", child_wait(child));
        _exit(0);
    }
    say_status("its parent", child_wait(pid));

    pid = fork();
    if (pid == 0) {
        must(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0, "prctl");
        pid_t child = fork();
        if (child == 0) {
            int number = -1;
            prctl(PR_GET_PDEATHSIG, &number);
            _exit(number);
        }
        say_status("a child has no such signal of its own", child_wait(child));
        _exit(0);
    }
    child_wait(pid);
}

/* --- RLIMIT_NPROC --- */

static int processes_count(void *argument)
{
    int limit = *(int *)argument;
    struct rlimit rlimit = {(rlim_t)limit, (rlim_t)limit};
    must(setrlimit(RLIMIT_NPROC, &rlimit) == 0 && setuid(lonely_user) == 0, "setuid");
    int made = 0, error = 0;
    pid_t pids[20];
    while (made < 20 && error == 0) {
        pids[made] = fork();
        if (pids[made] == 0) {
            pause();
            _exit(0);
        }
        error = pids[made] < 0 ? errno : 0;
        made += error == 0;
    }
    say("limit %d: %d more, then %s", limit, made, error_name(error));
    pthread_t thread;
    say("a thread: %s", error_name(pthread_create(&thread, NULL, thread_run, NULL)));
    if (made > 0) {
        kill(pids[0], SIGKILL);
        child_wait(pids[0]);
        pid_t again = fork();
        if (again == 0) {
            _exit(0);
        }
        say("when one has gone: %s", again > 0 ? "one more" : error_name(errno));
        child_wait(again);
    }
    for (int i = 1; i < made; i++) {
        kill(pids[i], SIGKILL);
        child_wait(pids[i]);
    }
    return 0;
}

/* As many processes of that user. */
static void others_make(uid_t user, pid_t *pids, int count)
{
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            must(setuid(user) == 0, "setuid");
            byte_send(ends[1]);
            pause();
            _exit(0);
        }
        must(byte_receive(ends[0]), "the other");
    }
}

/* Who becomes a user that has too many processes stays able to do so, but executes no program. */
static int exec_count(void *argument)
{
    int count = *(int *)argument;
    struct rlimit rlimit = {1, 1};
    uid_t user = lonely_user + (uid_t)count;
    pid_t others[2];
    must(setrlimit(RLIMIT_NPROC, &rlimit) == 0, "setrlimit");
    others_make(user, others, count);
    say("%d others", count);
    say_result("setresuid", setresuid(user, user, 0));
    say_result("execve", execl("/no/such", "such", NULL));
    must(seteuid(0) == 0, "seteuid");
    for (int i = 0; i < count; i++) {
        kill(others[i], SIGKILL);
        child_wait(others[i]);
        say_result("execve when one more has gone", execl("/no/such", "such", NULL));
    }
    return 0;
}

static int root_count(void *argument)
{
    (void)argument;
    struct rlimit rlimit = {1, 1};
    must(setrlimit(RLIMIT_NPROC, &rlimit) == 0, "setrlimit");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    say("root with a limit of one: %s", pid > 0 ? "one more" : error_name(errno));
    return 0;
}

static void limit_check(void)
{
    int limits[] = {5, 1};
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        child_run(processes_count, &limits[i]);
    }
    child_run(root_count, NULL);
    for (int count = 1; count <= 2; count++) {
        child_run(exec_count, &count);
    }
}

/* --- groups without their leader --- */

static void group_check(void)
{
    int wait_ends[2];
    must(pipe(wait_ends) == 0, "pipe");
    pid_t leader = fork();
    must(leader >= 0, "fork");
    if (leader == 0) {
        must(setsid() == getpid(), "setsid");
        pid_t member = fork();
        if (member == 0) {
            close(ends[0]);
            must(byte_receive(wait_ends[0]), "go on");
            say("the member's group is its session: %d, not its own %d", getpgrp() == getsid(0),
                getpgrp() != getpid());
            byte_send(ends[1]);
            _exit(0);
        }
        _exit(0);
    }
    child_wait(leader);
    say("the group lives: %s", kill(-leader, 0) == 0 ? "yes" : error_name(errno));
    say("its leader does not: %s", kill(leader, 0) == 0 ? "yes" : error_name(errno));
    int same = 0;
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            _exit(0);
        }
        same += pid == leader;
        child_wait(pid);
    }
    say("of 300 processes have its number: %d", same);
    byte_send(wait_ends[1]);
    must(byte_receive(ends[0]), "the member has ended");
}

int main(void)
{
    must(pipe(ends) == 0, "pipe");
    lonely_user = 1000000 + (uid_t)(now_ms() % 1000000);
    death_check();
    limit_check();
    group_check();
    return 0;
}
