/*
 * membarrier(2): what it refuses, who must register, what a child and a new program keep of it; and
 * that a thread which only orders its compiler is ordered by another's barrier.
 */
#include "program.h"

#include <pthread.h>

#define QUERY             0
#define PRIVATE           8
#define REGISTER          16
#define PRIVATE_SYNC_CORE 32
#define REGISTER_SYNC     64
#define ROUNDS            3000

static long barrier(int command, unsigned int flags)
{
    return syscall(SYS_membarrier, command, flags, 0);
}

static int child(void *unused)
{
    (void)unused;
    say_result("a child's barrier", barrier(PRIVATE, 0));
    return 0;
}

static int again(void *self)
{
    execl(self, self, "again", NULL);
    return errno;
}

/* --- each writes one word and reads the other's ------------------------------------------------
 */

static struct {
    volatile int fast, slow; /* what the two have written in this round */
    volatile int seen_by_fast;
    int round; /* atomic: the one that the fast thread may run */
    int done;  /* atomic: the last one that it ran */
} both;

static void *fast_run(void *unused)
{
    for (int round = 1; round <= ROUNDS; round++) {
        while (__atomic_load_n(&both.round, __ATOMIC_ACQUIRE) != round) {
        }
        both.fast = 1;
        __asm__ volatile("" ::: "memory");
        both.seen_by_fast = both.slow;
        __atomic_store_n(&both.done, round, __ATOMIC_RELEASE);
    }
    return unused;
}

static void rounds(void)
{
    pthread_t thread;
    int wrong = 0;
    must(pthread_create(&thread, NULL, fast_run, NULL) == 0, "pthread_create");
    for (int round = 1; round <= ROUNDS; round++) {
        both.fast = both.slow = 0;
        __atomic_store_n(&both.round, round, __ATOMIC_RELEASE);
        both.slow = 1;
        must(barrier(PRIVATE, 0) == 0, "membarrier");
        int seen = both.fast;
        while (__atomic_load_n(&both.done, __ATOMIC_ACQUIRE) != round) {
        }
        wrong += seen == 0 && both.seen_by_fast == 0;
    }
    pthread_join(thread, NULL);
    say("rounds in which neither saw the other: %d", wrong);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        say_result("the new program's barrier", barrier(PRIVATE, 0));
        return 0;
    }
    char self[PATH_MAX] = "";
    must(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0, "readlink");
    long all = barrier(QUERY, 0);
    say("private %d register %d sync core %d register %d", (all & PRIVATE) != 0,
        (all & REGISTER) != 0, (all & PRIVATE_SYNC_CORE) != 0, (all & REGISTER_SYNC) != 0);
    say_result("query with a flag", barrier(QUERY, 1));
    say_result("no command", barrier(3, 0));
    say_result("no command, large", barrier(1 << 20, 0));
    say_result("not registered", barrier(PRIVATE, 0));
    say_result("register", barrier(REGISTER, 0));
    say_result("register again", barrier(REGISTER, 0));
    say_result("registered", barrier(PRIVATE, 0));
    say_result("with a flag", barrier(PRIVATE, 2));
    say_result("sync core, not registered", barrier(PRIVATE_SYNC_CORE, 0));
    say_result("register", barrier(REGISTER_SYNC, 0));
    say_result("sync core", barrier(PRIVATE_SYNC_CORE, 0));
    say_status("child", child_run(child, NULL));
    say_status("exec", child_run(again, self));
    struct timespec time;
    must(clock_gettime(CLOCK_MONOTONIC, &time) == 0, "clock_gettime");
    rounds();
    return argv[0] == NULL;
}
