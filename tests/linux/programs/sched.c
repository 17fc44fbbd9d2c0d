/*
 * Scheduling policies, nice values, CPU masks and names of threads, as a user without privileges
 * sets and sees them, and what children begin with.
 */
#include "program.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

#define SCHED_FLAG_RESET 1

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t utilisation_min, utilisation_max;
};

static long set(pid_t pid, int policy, int priority)
{
    return syscall(SYS_sched_setscheduler, pid, policy, &priority);
}

static void now_say(const char *what)
{
    int priority = -1;
    long policy = syscall(SYS_sched_getscheduler, 0);
    must(syscall(SYS_sched_getparam, 0, &priority) == 0, "sched_getparam");
    say("%s: policy %lx priority %d nice %d", what, policy, priority,
        20 - (int)syscall(SYS_getpriority, PRIO_PROCESS, 0));
}

static int child_say(void *unused)
{
    (void)unused;
    now_say("  child");
    return 0;
}

static void policies(void)
{
    int priority = 0;
    now_say("at the beginning");
    for (int policy = -1; policy <= 6; policy++) {
        say("policy %d: min %ld max %ld", policy, syscall(SYS_sched_get_priority_min, policy),
            syscall(SYS_sched_get_priority_max, policy));
    }
    say_result("FIFO", set(0, SCHED_FIFO, 1));
    say_result("RR 100", set(0, SCHED_RR, 100));
    say_result("RR 0", set(0, SCHED_RR, 0));
    say_result("BATCH 1", set(0, SCHED_BATCH, 1));
    say_result("policy 4", set(0, 4, 0));
    say_result("policy 99", set(0, 99, 0));
    say_result("policy -1", set(0, -1, 0));
    say_result("pid -1", set(-1, SCHED_OTHER, 0));
    say_result("pid -1 get", syscall(SYS_sched_getscheduler, -1));
    say_result("no process", set(999999, SCHED_OTHER, 0));
    say_result("no process get", syscall(SYS_sched_getscheduler, 999999));
    say_result("root's process", set(getppid(), SCHED_OTHER, 0));
    say_result("no parameter", syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, NULL));
    say_result("bad parameter", syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8));
    say_result("param", syscall(SYS_sched_setparam, 0, &priority));
    priority = 3;
    say_result("param 3", syscall(SYS_sched_setparam, 0, &priority));
    say_result("BATCH", set(0, SCHED_BATCH, 0));
    now_say("batch");
    say_status("  child", child_run(child_say, NULL));
    say_result("BATCH, reset", set(0, SCHED_BATCH | SCHED_RESET_ON_FORK, 0));
    now_say("reset");
    say_status("  child", child_run(child_say, NULL));
    say_result("not reset any more", set(0, SCHED_BATCH, 0));
    struct timespec interval;
    say_result("interval", syscall(SYS_sched_rr_get_interval, 0, &interval));
    say_result("interval of nobody", syscall(SYS_sched_rr_get_interval, 999999, &interval));
}

static void attributes(void)
{
    struct attr attr;
    memset(&attr, 0xff, sizeof(attr));
    say_result("getattr", syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0));
    say("size %u policy %u flags %lu nice %d priority %u", attr.size, attr.policy,
        (unsigned long)attr.flags, attr.nice, attr.priority);
    say_result("short getattr", syscall(SYS_sched_getattr, 0, &attr, 47, 0));
    say_result("long getattr", syscall(SYS_sched_getattr, 0, &attr, 5000, 0));
    say_result("flags", syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 1));
    memset(&attr, 0, sizeof(attr));
    attr.size = 48;
    attr.policy = SCHED_BATCH;
    attr.flags = SCHED_FLAG_RESET;
    attr.nice = 7;
    say_result("setattr", syscall(SYS_sched_setattr, 0, &attr, 0));
    now_say("set");
    attr.nice = 2;
    say_result("less nice", syscall(SYS_sched_setattr, 0, &attr, 0));
    attr.size = 20;
    say_result("short setattr", syscall(SYS_sched_setattr, 0, &attr, 0));
    attr.size = sizeof(attr);
    attr.nice = 9;
    attr.flags = 0x10000;
    say_result("unknown flag", syscall(SYS_sched_setattr, 0, &attr, 0));
    say_result("bad setattr", syscall(SYS_sched_setattr, 0, 8, 0));
}

static int idle(void *unused)
{
    (void)unused;
    say_result("IDLE", set(0, SCHED_IDLE, 0));
    say_result("leave IDLE", set(0, SCHED_OTHER, 0));
    now_say("idle");
    return 0;
}

static int nice_values(void *unused)
{
    (void)unused;
    say_result("nicer", setpriority(PRIO_PROCESS, 0, 5));
    now_say("nicer");
    say_status("  child", child_run(child_say, NULL));
    say_result("less nice", setpriority(PRIO_PROCESS, 0, 4));
    say_result("as nice", setpriority(PRIO_PROCESS, 0, 5));
    say_result("as nice as can be", setpriority(PRIO_PROCESS, 0, 100));
    now_say("nicest");
    say_result("root's", setpriority(PRIO_PROCESS, (id_t)getppid(), 19));
    say_result("nobody's", setpriority(PRIO_PROCESS, 999999, 19));
    say_result("which", setpriority(9, 0, 19));
    say_result("group", setpriority(PRIO_PGRP, 0, 19));
    say_result("no such group", setpriority(PRIO_PGRP, 999999, 19));
    say_result("no such user", setpriority(PRIO_USER, 123456, 19));
    return 0;
}

static int cpus(void *unused)
{
    (void)unused;
    uint64_t all[16] = {0};
    uint64_t one[16] = {0};
    must(syscall(SYS_sched_getaffinity, 0, sizeof(all), all) > 0, "sched_getaffinity");
    one[0] = all[0] & -all[0];
    say_result("one", syscall(SYS_sched_setaffinity, 0, sizeof(one), one));
    memset(all, 0xff, sizeof(all));
    must(syscall(SYS_sched_getaffinity, 0, sizeof(all), all) > 0, "sched_getaffinity");
    say("it is %s", all[0] == one[0] ? "that" : "another");
    memset(one, 0, sizeof(one));
    say_result("none", syscall(SYS_sched_setaffinity, 0, sizeof(one), one));
    one[15] = 1ull << 63;
    say_result("none that is there", syscall(SYS_sched_setaffinity, 0, sizeof(one), one));
    memset(one, 0xff, sizeof(one));
    say_result("all", syscall(SYS_sched_setaffinity, 0, sizeof(one), one));
    say_result("root's", syscall(SYS_sched_setaffinity, getppid(), sizeof(one), one));
    say_result("nobody's", syscall(SYS_sched_setaffinity, 999999, sizeof(one), one));
    say_result("bad mask", syscall(SYS_sched_setaffinity, 0, sizeof(one), 8));
    say_result("odd size", syscall(SYS_sched_getaffinity, 0, 12, all));
    return 0;
}

static int io(void *unused)
{
    (void)unused;
    say_result("class 2, level 7", syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 7));
    say("it is %lx", syscall(SYS_ioprio_get, 1, 0));
    say_result("class 1", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    say_result("class 5", syscall(SYS_ioprio_set, 1, 0, 5 << 13));
    say_result("of what", syscall(SYS_ioprio_set, 7, 0, 2 << 13));
    say_result("of nobody", syscall(SYS_ioprio_get, 1, 999999));
    say_result("root's", syscall(SYS_ioprio_set, 1, getppid(), 2 << 13 | 7));
    return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static int pipe_to[2];
static int pipe_back[2];

static void name_say(const char *what, pid_t tid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
    say("%s: %s", what, strtok(strdup(file_read(path)), "\n"));
}

static void *thread(void *tid)
{
    *(pid_t *)tid = (pid_t)syscall(SYS_gettid);
    must(prctl(PR_SET_NAME, "a name that is too long") == 0, "PR_SET_NAME");
    byte_send(pipe_to[1]);
    (void)byte_receive(pipe_back[0]);
    return NULL;
}

static int names(void *unused)
{
    (void)unused;
    pthread_t handle;
    pid_t tid;
    char name[16];
    must(pipe(pipe_to) == 0 && pipe(pipe_back) == 0, "pipe");
    must(prctl(PR_SET_NAME, "leader") == 0, "PR_SET_NAME");
    must(pthread_create(&handle, NULL, thread, &tid) == 0, "pthread_create");
    (void)byte_receive(pipe_to[0]);
    name_say("thread", tid);
    name_say("leader", getpid());
    say("process: %s", strtok(strdup(file_read("/proc/self/comm")), "\n"));
    must(prctl(PR_GET_NAME, name) == 0, "PR_GET_NAME");
    say("own: %s", name);
    byte_send(pipe_back[1]);
    pthread_join(handle, NULL);
    return 0;
}

static int as_user(void *unused)
{
    (void)unused;
    struct rlimit none = {0, 0};
    must(setrlimit(RLIMIT_NICE, &none) == 0 && setrlimit(RLIMIT_RTPRIO, &none) == 0, "setrlimit");
    must(setgroups(0, NULL) == 0 && setresgid(OTHER_GROUP, OTHER_GROUP, OTHER_GROUP) == 0 &&
             setresuid(OTHER_USER, OTHER_USER, OTHER_USER) == 0,
         "ids");
    policies();
    attributes();
    say_status("idle", child_run(idle, NULL));
    say_status("nice values", child_run(nice_values, NULL));
    return 0;
}

static int cpus_as_user(void *unused)
{
    must(setresuid(OTHER_USER, OTHER_USER, OTHER_USER) == 0, "ids");
    (void)cpus(unused);
    return io(unused);
}

int main(void)
{
    must(setpgid(0, 0) == 0, "setpgid");
    say_status("as a user", child_run(as_user, NULL));
    say_status("CPUs", child_run(cpus_as_user, NULL));
    say_status("names", child_run(names, NULL));
    return 0;
}
