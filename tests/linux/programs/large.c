/* madvise(MADV_HUGEPAGE): large pages hold what small ones do, whatever becomes of parts of them.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include "tests/linux/programs/program.h"

#define LARGE (2ul << 20)
#define BYTES (4 * LARGE)

/* An aligned range, half of which is asked to have large pages. */
static char *range_make(void)
{
    char *at =
        mmap(NULL, BYTES + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED, "mmap");
    char *aligned = (char *)(((unsigned long)at + LARGE - 1) & ~(LARGE - 1));
    say("advise: %d", madvise(aligned, BYTES, MADV_HUGEPAGE));
    return aligned;
}

static void fill(char *at)
{
    for (unsigned long i = 0; i < BYTES; i += PAGE_BYTES) {
        *(unsigned long *)(at + i) = i + 1;
    }
}

/* How many pages hold what fill wrote, and how many nothing. */
static void count(const char *what, const char *at)
{
    unsigned long filled = 0;
    unsigned long empty = 0;
    for (unsigned long i = 0; i < BYTES; i += PAGE_BYTES) {
        filled += *(const unsigned long *)(at + i) == i + 1;
        empty += *(const unsigned long *)(at + i) == 0;
    }
    say("%s: %lu filled, %lu empty", what, filled, empty);
}

static void test_parts(char *at)
{
    count("fresh", at);
    fill(at);
    count("written", at);
    must(madvise(at + LARGE / 2, LARGE, MADV_DONTNEED) == 0, "DONTNEED");
    count("a part dropped", at);
    fill(at);
    must(mprotect(at + 3 * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    int pipes[2];
    must(pipe(pipes) == 0, "pipe");
    say("write into the protected page: %ld, %d", (long)read(pipes[0], at, 0), errno);
    must(write(pipes[1], "x", 1) == 1, "write");
    long got = read(pipes[0], at + 3 * PAGE_BYTES, 1);
    say("read into it: %ld, %d", got, got < 0 ? errno : 0);
    count("a part protected", at);
    must(mprotect(at, BYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    say("advise twice: %d", madvise(at, BYTES, MADV_HUGEPAGE));
    count("after that", at);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_fork(char *at)
{
    fill(at);
    pid_t child = fork();
    if (child == 0) {
        count("child", at);
        at[5 * PAGE_BYTES] = 77;
        memset(at + LARGE, 0, LARGE);
        count("child later", at);
        exit(0);
    }
    must(waitpid(child, NULL, 0) == child, "wait");
    count("parent", at);
    at[7 * PAGE_BYTES] = 99;
    count("parent later", at);
    at[7 * PAGE_BYTES] = 1;
    *(unsigned long *)(at + 7 * PAGE_BYTES) = 7 * PAGE_BYTES + 1;
}

static void test_move(char *at)
{
    char *moved = mremap(at, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
    must(moved != MAP_FAILED, "mremap");
    count("moved", moved);
    say("no longer: %d", madvise(moved, BYTES, MADV_NOHUGEPAGE));
    must(munmap(moved + PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    must(mmap(moved + PAGE_BYTES, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
              -1, 0) != MAP_FAILED,
         "mmap");
    count("with a hole", moved);
}

static void *touch(void *argument)
{
    char *at = argument;
    for (unsigned long i = 0; i < BYTES; i += PAGE_BYTES) {
        __atomic_fetch_add((unsigned long *)(at + i), 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Several threads fault for the same pages at once. */
static void test_threads(void)
{
    pthread_t thread[4];
    char *at = range_make();
    for (int i = 0; i < 4; i++) {
        must(pthread_create(&thread[i], NULL, touch, at) == 0, "pthread_create");
    }
    for (int i = 0; i < 4; i++) {
        must(pthread_join(thread[i], NULL) == 0, "pthread_join");
    }
    unsigned long sum = 0;
    for (unsigned long i = 0; i < BYTES; i += PAGE_BYTES) {
        sum += *(unsigned long *)(at + i);
    }
    say("four threads: %lu", sum);
}

/* While they are off, a page that is touched comes alone, whatever is advised. */
static void test_off(void)
{
    unsigned char present[BYTES / PAGE_BYTES];
    must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "prctl");
    char *at = range_make();
    at[LARGE + 5 * PAGE_BYTES] = 1;
    must(mincore(at, BYTES, present) == 0, "mincore");
    int count = 0;
    for (unsigned long i = 0; i < sizeof(present); i++) {
        count += present[i] & 1;
    }
    say("switched off: %d pages", count);
    must(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0, "prctl");
}

int main(void)
{
    char *at = range_make();
    test_parts(at);
    test_fork(at);
    test_move(at);
    test_threads();
    test_off();
    int result = madvise((void *)(1ul << 46), LARGE, MADV_HUGEPAGE);
    say("where nothing is: %d, %d", result, errno);
    result = madvise(at + 1, LARGE, MADV_HUGEPAGE);
    say("crooked: %d, %d", result, errno);
    return 0;
}
