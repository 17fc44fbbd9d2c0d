/* Processes and threads that come and go. */
#include "bench/linux/micro/micro.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The process that is large: regions with a hole behind each, all touched; 256 MiB. */
#define REGIONS      1024
#define REGION_BYTES (256u << 10)
#define HOLE_BYTES   4096u
#define STRIDE       (REGION_BYTES + HOLE_BYTES)

static char *large;

static void child_await(pid_t child)
{
    int status;
    must(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child");
}

static void fork_operate(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    child_await(child);
}

static void exec_operate(void)
{
    pid_t child = vfork();
    if (child == 0) {
        static char name[] = NOTHING;
        char *const arguments[] = {name, NULL};
        execve(name, arguments, arguments + 1);
        _exit(1);
    }
    child_await(child);
}

static void *thread_run(void *argument)
{
    return argument;
}

static void thread_operate(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, thread_run, NULL) == 0 && pthread_join(thread, NULL) == 0,
         "thread");
}

static void large_prepare(void)
{
    large = mmap(NULL, (size_t)REGIONS * STRIDE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(large != MAP_FAILED, "mmap");
    for (size_t i = 0; i < REGIONS; i++) {
        char *region = large + i * STRIDE;
        must(munmap(region + REGION_BYTES, HOLE_BYTES) == 0, "munmap");
        for (size_t at = 0; at < REGION_BYTES; at += HOLE_BYTES) {
            region[at] = 1;
        }
    }
}

static void large_finish(void)
{
    munmap(large, (size_t)REGIONS * STRIDE);
}

const struct item process_items[] = {
    {"fork.exit.wait", 200, 1, NULL, fork_operate, NULL},
    {"vfork.exec.exit", 100, 1, NULL, exec_operate, NULL},
    {"thread.create.join", 500, 1, NULL, thread_operate, NULL},
    {"fork.256m", 5, 1, large_prepare, fork_operate, large_finish},
    {NULL, 0, 0, NULL, NULL, NULL},
};
