/* Futexes that hand over locks (FUTEX_LOCK_PI), mutexes made of them, and waiting for several. */
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>

#include "tests/linux/programs/program.h"

/* linux/futex.h */
#define FUTEX_WAKE         1
#define FUTEX_LOCK_PI      6
#define FUTEX_UNLOCK_PI    7
#define FUTEX_TRYLOCK_PI   8
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_WAITERS      0x80000000u
#define FUTEX_OWNER_DIED   0x40000000u
#define FUTEX_TID_MASK     0x3fffffffu

#define MS         1000000l
#define WAITV      449
#define SIZE_32    2
#define TID_NOBODY 0x1ffffff

static uint32_t word;

static long futex(int operation, uint32_t *at, const struct timespec *time)
{
    return syscall(SYS_futex, at, operation | FUTEX_PRIVATE_FLAG, 0, time, NULL, 0);
}

static uint32_t own_tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static const char *owner_of(uint32_t value)
{
    uint32_t tid = value & FUTEX_TID_MASK;
    return tid == 0 ? "nobody" : tid == own_tid() ? "ourselves" : "another";
}

static void say_word(const char *what)
{
    uint32_t value = __atomic_load_n(&word, __ATOMIC_SEQ_CST);
    say("%s: %s%s%s", what, owner_of(value), value & FUTEX_WAITERS ? ", waiters" : "",
        value & FUTEX_OWNER_DIED ? ", owner died" : "");
}

static void *try_lock(void *argument)
{
    (void)argument;
    say_result("try in another thread", futex(FUTEX_TRYLOCK_PI, &word, NULL));
    say_result("unlock in another thread", futex(FUTEX_UNLOCK_PI, &word, NULL));
    struct timespec past = {1, 0};
    say_result("lock in another thread, until 1970", futex(FUTEX_LOCK_PI, &word, &past));
    say_word("then it belongs to");
    return NULL;
}

static void plain_check(void)
{
    pthread_t thread;
    char bytes[8] = {0};
    say_result("lock, misaligned", futex(FUTEX_LOCK_PI, (void *)(bytes + 1), NULL));
    say_result("lock a wild address", futex(FUTEX_LOCK_PI, (void *)8, NULL));
    say_result("unlock a wild address", futex(FUTEX_UNLOCK_PI, (void *)8, NULL));
    say_result("lock", futex(FUTEX_LOCK_PI, &word, NULL));
    say_word("it belongs to");
    say_result("lock again", futex(FUTEX_LOCK_PI, &word, NULL));
    say_result("try again", futex(FUTEX_TRYLOCK_PI, &word, NULL));
    must(pthread_create(&thread, NULL, try_lock, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    say_result("unlock", futex(FUTEX_UNLOCK_PI, &word, NULL));
    say_word("it belongs to");
    say_result("unlock again", futex(FUTEX_UNLOCK_PI, &word, NULL));
    say_result("try", futex(FUTEX_TRYLOCK_PI, &word, NULL));
    say_word("it belongs to");
    say_result("unlock", futex(FUTEX_UNLOCK_PI, &word, NULL));
    word = TID_NOBODY;
    say_result("lock what belongs to nobody that lives", futex(FUTEX_LOCK_PI, &word, NULL));
    word = FUTEX_OWNER_DIED;
    say_result("lock what a dead thread had", futex(FUTEX_LOCK_PI, &word, NULL));
    say_word("it belongs to");
    word = 0;
}

static void *lock_later(void *argument)
{
    (void)argument;
    say_result("a thread that waits", futex(FUTEX_LOCK_PI, &word, NULL));
    say_word("then it belongs to");
    say_result("it unlocks", futex(FUTEX_UNLOCK_PI, &word, NULL));
    return NULL;
}

static void wait_for_waiters(void)
{
    while (!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS)) {
        sleep_ms(1);
    }
    sleep_ms(20);
}

static void *lock_and_end(void *argument)
{
    (void)argument;
    must(futex(FUTEX_LOCK_PI, &word, NULL) == 0, "lock");
    byte_send(*(int *)argument);
    wait_for_waiters();
    return NULL;
}

static void handled(int number)
{
    (void)number;
}

static void contention_check(void)
{
    pthread_t thread;
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    must(futex(FUTEX_LOCK_PI, &word, NULL) == 0, "lock");
    must(pthread_create(&thread, NULL, lock_later, NULL) == 0, "pthread_create");
    wait_for_waiters();
    say_word("while it waits");
    must(futex(FUTEX_UNLOCK_PI, &word, NULL) == 0, "unlock");
    pthread_join(thread, NULL);
    say_word("in the end");
    /* The owner ends without a word. */
    must(pthread_create(&thread, NULL, lock_and_end, &ends[1]) == 0, "pthread_create");
    (void)byte_receive(ends[0]);
    say_result("lock what its owner takes along", futex(FUTEX_LOCK_PI, &word, NULL));
    say_word("it belongs to");
    pthread_join(thread, NULL);
    word = 0;
    /* A signal does not end the wait, with or without SA_RESTART. */
    struct sigaction action = {.sa_handler = handled};
    sigaction(SIGALRM, &action, NULL);
    must(pthread_create(&thread, NULL, lock_and_end, &ends[1]) == 0, "pthread_create");
    (void)byte_receive(ends[0]);
    struct itimerval alarm = {.it_value = {0, 5000}};
    setitimer(ITIMER_REAL, &alarm, NULL);
    say_result("lock through a signal", futex(FUTEX_LOCK_PI, &word, NULL));
    pthread_join(thread, NULL);
    word = 0;
    close(ends[0]), close(ends[1]);
}

#define THREADS 4
#define ROUNDS  2000

static pthread_mutex_t mutex;
static volatile long counter;

static void *count(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        must(pthread_mutex_lock(&mutex) == 0, "pthread_mutex_lock");
        long value = counter;
        if (i % 64 == 0) {
            sched_yield();
        }
        counter = value + 1;
        must(pthread_mutex_unlock(&mutex) == 0, "pthread_mutex_unlock");
        if (i % 128 == 0) {
            struct timespec soon;
            clock_gettime(CLOCK_REALTIME, &soon);
            soon.tv_nsec = (soon.tv_nsec + 20000) % 1000000000;
            if (pthread_mutex_timedlock(&mutex, &soon) == 0) {
                must(pthread_mutex_unlock(&mutex) == 0, "pthread_mutex_unlock");
            }
        }
    }
    return NULL;
}

static void *lock_mutex(void *argument)
{
    (void)argument;
    must(pthread_mutex_lock(&mutex) == 0, "pthread_mutex_lock");
    return NULL;
}

static void mutex_check(void)
{
    pthread_t thread[THREADS];
    pthread_mutexattr_t attribute;
    pthread_mutexattr_init(&attribute);
    say("protocol: %s",
        error_name(pthread_mutexattr_setprotocol(&attribute, PTHREAD_PRIO_INHERIT)));
    must(pthread_mutex_init(&mutex, &attribute) == 0, "pthread_mutex_init");
    for (int i = 0; i < THREADS; i++) {
        must(pthread_create(&thread[i], NULL, count, NULL) == 0, "pthread_create");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    say("counted: %ld", counter);
    pthread_mutex_destroy(&mutex);
    pthread_mutexattr_setrobust(&attribute, PTHREAD_MUTEX_ROBUST);
    must(pthread_mutex_init(&mutex, &attribute) == 0, "pthread_mutex_init");
    must(pthread_create(&thread[0], NULL, lock_mutex, NULL) == 0, "pthread_create");
    pthread_join(thread[0], NULL);
    int error = pthread_mutex_lock(&mutex);
    say("robust, its owner gone: %s", error == EOWNERDEAD ? "EOWNERDEAD" : error_name(error));
    say("consistent: %s", error_name(pthread_mutex_consistent(&mutex)));
    say("unlock: %s", error_name(pthread_mutex_unlock(&mutex)));
    say("lock: %s", error_name(pthread_mutex_lock(&mutex)));
    say("unlock: %s", error_name(pthread_mutex_unlock(&mutex)));
}

/* --- several words ------------------------------------------------------------------------------
 */

struct waitv {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

static uint32_t words[3] = {1, 2, 3};

static long waitv(const struct waitv *wanted, unsigned long words_count, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * MS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return syscall(WAITV, wanted, words_count, 0, &until, CLOCK_MONOTONIC);
}

static void *wake_second(void *argument)
{
    (void)argument;
    while (futex(FUTEX_WAKE, &words[1], NULL) == 0) {
        sleep_ms(1);
    }
    return NULL;
}

static void waitv_check(void)
{
    struct waitv wanted[3];
    for (uint32_t i = 0; i < 3; i++) {
        wanted[i] = (struct waitv){.value = i + 1,
                                   .address = (uint64_t)(uintptr_t)&words[i],
                                   .flags = SIZE_32 | FUTEX_PRIVATE_FLAG};
    }
    say_result("waitv of nothing", waitv(wanted, 0, 10));
    say_result("waitv of too many", waitv(wanted, 129, 10));
    say_result("waitv with flags", syscall(WAITV, wanted, 1, 1, NULL, 0));
    say_result("waitv of a wild address", waitv((void *)8, 1, 10));
    say_result("waitv until late", waitv(wanted, 3, 20));
    wanted[2].value = 4;
    say_result("waitv, another value", waitv(wanted, 3, 20));
    wanted[2].value = 3;
    wanted[2].reserved = 1;
    say_result("waitv, reserved", waitv(wanted, 3, 20));
    wanted[2].reserved = 0;
    wanted[2].flags = 0;
    say_result("waitv, another size", waitv(wanted, 3, 20));
    wanted[2].flags = SIZE_32;
    wanted[2].address++;
    say_result("waitv, misaligned", waitv(wanted, 3, 20));
    wanted[2].address--;
    pthread_t thread;
    must(pthread_create(&thread, NULL, wake_second, NULL) == 0, "pthread_create");
    say_result("waitv, woken", waitv(wanted, 3, 900));
    pthread_join(thread, NULL);
}

int main(void)
{
    plain_check();
    contention_check();
    mutex_check();
    waitv_check();
    return 0;
}
