/* Futexes beyond wait and wake: bit sets, requeueing, and the operation that changes a word. */
#include "tests/linux/programs/program.h"

#include <pthread.h>
#include <sched.h>

enum {
    FUTEX_WAKE = 1,
    FUTEX_REQUEUE = 3,
    FUTEX_CMP_REQUEUE = 4,
    FUTEX_WAKE_OP = 5,
    FUTEX_WAIT_BITSET = 9,
    FUTEX_WAKE_BITSET = 10,
    FUTEX_PRIVATE_FLAG = 128,
    FUTEX_CLOCK_REALTIME = 256,
};
enum {
    FUTEX_OP_SET,
    FUTEX_OP_ADD,
    FUTEX_OP_OR,
    FUTEX_OP_ANDN,
    FUTEX_OP_XOR
};
enum {
    FUTEX_OP_CMP_EQ,
    FUTEX_OP_CMP_NE,
    FUTEX_OP_CMP_LT,
    FUTEX_OP_CMP_LE,
    FUTEX_OP_CMP_GT
};
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu
#define FUTEX_OP_OPARG_SHIFT   8
#define FUTEX_OP(operation, argument, comparison, with)                                            \
    ((operation) << 28 | (comparison) << 24 | (argument) << 12 | (with))

#define WAITERS 3
#define NOBODY  0x100 /* a set that nobody waits with */

static uint32_t first, second;
static pid_t tids[WAITERS];
static int woken[WAITERS];
static uint32_t sets[WAITERS];

static long futex(uint32_t *word, int operation, uint32_t value, uintptr_t fourth, uint32_t *other,
                  uint32_t last)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, fourth, other, last);
}

static void *waiter(void *argument)
{
    size_t i = (size_t)(uintptr_t)argument;
    __atomic_store_n(&tids[i], gettid(), __ATOMIC_SEQ_CST);
    long result = futex(&first, FUTEX_WAIT_BITSET, 0, 0, NULL, sets[i]);
    __atomic_store_n(&woken[i], result == 0 ? 1 : 2, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Threads in the futex's queue, in the order of their numbers. */
static void waiters_make(pthread_t *threads)
{
    for (size_t i = 0; i < WAITERS; i++) {
        tids[i] = 0;
        woken[i] = 0;
        must(pthread_create(&threads[i], NULL, waiter, (void *)i) == 0, "pthread_create");
        while (__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST) == 0) {
            sched_yield();
        }
        sleeping_wait(tids[i], 'S');
    }
}

static void waiters_say(const char *what)
{
    char text[WAITERS + 1] = "";
    sleep_ms(20);
    for (size_t i = 0; i < WAITERS; i++) {
        text[i] = "-w?"[__atomic_load_n(&woken[i], __ATOMIC_SEQ_CST)];
    }
    say("%s: %s", what, text);
}

static void waiters_end(pthread_t *threads)
{
    (void)futex(&first, FUTEX_WAKE, WAITERS, 0, NULL, 0);
    (void)futex(&second, FUTEX_WAKE, WAITERS, 0, NULL, 0);
    for (size_t i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void bitset_check(void)
{
    pthread_t threads[WAITERS];
    struct timespec past = {0, 0};
    sets[0] = 1, sets[1] = 2, sets[2] = 6;
    waiters_make(threads);
    say_result("wake nobody's bits", futex(&first, FUTEX_WAKE_BITSET, 10, 0, NULL, NOBODY));
    say_result("wake of no bits", futex(&first, FUTEX_WAKE_BITSET, 10, 0, NULL, 0));
    say_result("wake the third by its own", futex(&first, FUTEX_WAKE_BITSET, 10, 0, NULL, 4));
    waiters_say("woken");
    say_result("wake what shares a bit", futex(&first, FUTEX_WAKE_BITSET, 10, 0, NULL, 2 | 4));
    waiters_say("woken");
    waiters_end(threads);
    say_result("wait with no bits", futex(&first, FUTEX_WAIT_BITSET, 0, 0, NULL, 0));
    say_result("wait until the past",
               futex(&first, FUTEX_WAIT_BITSET, 0, (uintptr_t)&past, NULL, 1));
    say_result(
        "the same by the clock of day",
        futex(&first, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, (uintptr_t)&past, NULL, 1));
    say_result("another value", futex(&first, FUTEX_WAIT_BITSET, 1, 0, NULL, 1));
}

static void requeue_check(void)
{
    pthread_t threads[WAITERS];
    sets[0] = sets[1] = sets[2] = FUTEX_BITSET_MATCH_ANY;
    waiters_make(threads);
    say_result("requeue, another value", futex(&first, FUTEX_CMP_REQUEUE, 1, 1, &second, 7));
    say_result("wake one, requeue one", futex(&first, FUTEX_CMP_REQUEUE, 1, 1, &second, 0));
    waiters_say("woken");
    say_result("wake at the first", futex(&first, FUTEX_WAKE, 0x7fffffff, 0, NULL, 0));
    waiters_say("woken");
    say_result("wake at the second", futex(&second, FUTEX_WAKE, 0x7fffffff, 0, NULL, 0));
    waiters_say("woken");
    waiters_end(threads);
    waiters_make(threads);
    say_result("the old requeue, of all", futex(&first, FUTEX_REQUEUE, 0, WAITERS, &second, 0));
    say_result("wake at the second", futex(&second, FUTEX_WAKE, 2, 0, NULL, 0));
    waiters_say("woken");
    waiters_end(threads);
    say_result("requeue of nobody", futex(&first, FUTEX_CMP_REQUEUE, 1, 1, &second, 0));
    say_result("requeue to a wild address",
               futex(&first, FUTEX_CMP_REQUEUE, 1, 1, (uint32_t *)8, 0));
    say_result("requeue of fewer than none",
               futex(&first, FUTEX_CMP_REQUEUE, 1, (uintptr_t)-1, &second, 0));
}

static void operation_say(const char *what, int operation)
{
    say_result(what, futex(&second, FUTEX_WAKE_OP, 1, 10, &first, (uint32_t)operation));
    say("  the word: %u", first);
}

static void operation_check(void)
{
    pthread_t threads[WAITERS];
    sets[0] = sets[1] = sets[2] = FUTEX_BITSET_MATCH_ANY;
    first = 0;
    waiters_make(threads);
    operation_say("set, and wake if it was 1", FUTEX_OP(FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 1));
    waiters_say("woken");
    operation_say("add, and wake if it was 5", FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
    waiters_say("woken");
    waiters_end(threads);
    operation_say("or", FUTEX_OP(FUTEX_OP_OR, 3, FUTEX_OP_CMP_LT, 0));
    operation_say("and not", FUTEX_OP(FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_GT, 0));
    operation_say("exclusive or", FUTEX_OP(FUTEX_OP_XOR, 0xf, FUTEX_OP_CMP_NE, 0));
    operation_say("a shifted one", FUTEX_OP(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, 0, 0));
    operation_say("no operation", FUTEX_OP(7, 0, 0, 0));
    operation_say("no comparison", FUTEX_OP(FUTEX_OP_SET, 0, 7, 0));
}

int main(void)
{
    bitset_check();
    requeue_check();
    operation_check();
    return 0;
}
