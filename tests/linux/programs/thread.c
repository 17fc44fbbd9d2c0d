/* Threads share what they should, wait for one another and end as on Linux. */
#include <pthread.h>
#include <semaphore.h>

#include "tests/linux/programs/program.h"

#define FUTEX_WAIT_PRIVATE    128
#define FUTEX_WAKE_PRIVATE    129
#define FUTEX_REQUEUE_PRIVATE 131
#define THREADS               8

static void thread_make(pthread_t *thread, void *(*run)(void *), void *argument)
{
    errno = pthread_create(thread, NULL, run, argument);
    must(errno == 0, "pthread_create");
}

static void threads_run(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++) {
        thread_make(&threads[i], run, (void *)i);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static long atomic_counter;
static __thread long own = 5;
static long own_sum;

static void *count(void *argument)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        __atomic_fetch_add(&atomic_counter, 1, __ATOMIC_RELAXED);
        own += (long)argument;
    }
    __atomic_fetch_add(&own_sum, own, __ATOMIC_RELAXED);
    return argument;
}

static void *square(void *argument)
{
    return (void *)((long)argument * (long)argument);
}

static void count_check(void)
{
    threads_run(count);
    say("counted: %ld under a mutex, %ld atomically", counter, atomic_counter);
    say("thread-local: sum %ld, here %ld", own_sum, own);
    pthread_t thread;
    void *result;
    thread_make(&thread, square, (void *)12L);
    pthread_join(thread, &result);
    say("join: %ld", (long)result);
    long sum = 0;
    for (long i = 0; i < 300; i++) {
        thread_make(&thread, square, (void *)i);
        pthread_join(thread, &result);
        sum += (long)result;
    }
    say("300 threads one after the other: %ld", sum);
}

/* --- Condition variables and barriers --- */

static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[4], queued, taken_count;
static long taken_sum;

static void *produce_or_consume(void *argument)
{
    bool producer = (long)argument < THREADS / 2;
    for (int i = 1; i <= 500; i++) {
        pthread_mutex_lock(&mutex);
        if (producer) {
            while (queued == 4) {
                pthread_cond_wait(&not_full, &mutex);
            }
            queue[queued++] = i;
            pthread_cond_signal(&not_empty);
        } else {
            while (queued == 0) {
                pthread_cond_wait(&not_empty, &mutex);
            }
            taken_sum += queue[--queued];
            taken_count++;
            pthread_cond_signal(&not_full);
        }
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static pthread_barrier_t barrier;
static int phase_count[20], barrier_serial, barrier_wrong;

static void *pass_barriers(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < ARRAY_LENGTH(phase_count); i++) {
        __atomic_fetch_add(&phase_count[i], 1, __ATOMIC_SEQ_CST);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            __atomic_fetch_add(&barrier_serial, 1, __ATOMIC_SEQ_CST);
        }
        if (__atomic_load_n(&phase_count[i], __ATOMIC_SEQ_CST) != THREADS) {
            __atomic_fetch_add(&barrier_wrong, 1, __ATOMIC_SEQ_CST);
        }
    }
    return NULL;
}

static int broadcast_ready, broadcast_go, broadcast_woken;

static void *wait_broadcast(void *argument)
{
    (void)argument;
    pthread_mutex_lock(&mutex);
    broadcast_ready++;
    pthread_cond_signal(&not_full);
    while (!broadcast_go) {
        pthread_cond_wait(&not_empty, &mutex);
    }
    broadcast_woken++;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void wait_check(void)
{
    threads_run(produce_or_consume);
    say("queue: %d taken, sum %ld, %d left", taken_count, taken_sum, queued);
    pthread_barrier_init(&barrier, NULL, THREADS);
    threads_run(pass_barriers);
    say("barrier: %d serial threads, %d passed too early", barrier_serial, barrier_wrong);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        thread_make(&threads[i], wait_broadcast, NULL);
    }
    pthread_mutex_lock(&mutex);
    while (broadcast_ready < THREADS) {
        pthread_cond_wait(&not_full, &mutex);
    }
    broadcast_go = 1;
    pthread_cond_broadcast(&not_empty);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    say("broadcast: %d woken", broadcast_woken);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    pthread_mutex_lock(&mutex);
    say("timed wait in the past: %s", error_name(pthread_cond_timedwait(&not_full, &mutex, &soon)));
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    say("timed wait: %s", error_name(pthread_cond_timedwait(&not_full, &mutex, &soon)));
    pthread_mutex_unlock(&mutex);
}

/* --- Futexes --- */

static int words[2];
static int futex_started, futex_woken;

static long futex(int *word, int operation, int value, long value2, int *word2)
{
    return syscall(SYS_futex, word, operation, value, value2, word2, 0);
}

static void *futex_wait(void *argument)
{
    (void)argument;
    __atomic_fetch_add(&futex_started, 1, __ATOMIC_SEQ_CST);
    while (futex(&words[0], FUTEX_WAIT_PRIVATE, 0, 0, NULL) != 0) {
        if (errno != EINTR) {
            return NULL;
        }
    }
    __atomic_fetch_add(&futex_woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void count_wait(const int *counter_now, int value)
{
    for (int i = 0; i < 1000 && __atomic_load_n(counter_now, __ATOMIC_SEQ_CST) != value; i++) {
        sleep_ms(2);
    }
}

static void futex_check(void)
{
    pthread_t threads[5];
    say_result("futex wait with another value", futex(&words[0], FUTEX_WAIT_PRIVATE, 1, 0, NULL));
    say_result("futex wake of nobody", futex(&words[0], FUTEX_WAKE_PRIVATE, 1, 0, NULL));
    struct timespec soon = {0, 10000000};
    say_result("futex wait with a timeout",
               syscall(SYS_futex, &words[0], FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0));
    say_result("futex askew",
               syscall(SYS_futex, (char *)&words[0] + 1, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0));
    say_result("futex of nothing",
               syscall(SYS_futex, (int *)0x10000, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0));
    say_result("futex with a wrong operation", futex(&words[0], 99, 0, 0, NULL));
    for (int i = 0; i < 5; i++) {
        thread_make(&threads[i], futex_wait, NULL);
    }
    count_wait(&futex_started, 5);
    /* All sleep when all can be moved: one is woken, the other four are moved. */
    sleep_ms(50);
    say_result("futex requeue", futex(&words[0], FUTEX_REQUEUE_PRIVATE, 1, INT_MAX, &words[1]));
    count_wait(&futex_woken, 1);
    say("futex requeue: woken %d", futex_woken);
    say_result("futex wake of the old word",
               futex(&words[0], FUTEX_WAKE_PRIVATE, INT_MAX, 0, NULL));
    say_result("futex wake of two", futex(&words[1], FUTEX_WAKE_PRIVATE, 2, 0, NULL));
    count_wait(&futex_woken, 3);
    say("futex wake of two: woken %d", futex_woken);
    say_result("futex wake of the rest", futex(&words[1], FUTEX_WAKE_PRIVATE, INT_MAX, 0, NULL));
    for (int i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
    }
    say("futex: woken %d", futex_woken);
}

/* Between processes, in shared memory. */
static void shared_check(void)
{
    struct shared {
        sem_t ready, go;
        pthread_mutex_t mutex;
        long counter;
    } *shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED, "mmap");
    sem_init(&shared->ready, 1, 0);
    sem_init(&shared->go, 1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &attributes);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            sem_post(&shared->ready);
            sem_wait(&shared->go);
            for (int k = 0; k < 5000; k++) {
                pthread_mutex_lock(&shared->mutex);
                shared->counter++;
                pthread_mutex_unlock(&shared->mutex);
            }
            _exit(0);
        }
        sem_wait(&shared->ready);
    }
    for (int i = 0; i < 3; i++) {
        sem_post(&shared->go);
    }
    for (int i = 0; i < 3; i++) {
        child_wait(pids[i]);
    }
    say("shared between processes: %ld", shared->counter);
    munmap(shared, PAGE_BYTES);
}

/* --- Identity, signals, ends --- */

static volatile pid_t seen_process, seen_thread;
static volatile int handled_in;
static __thread int thread_number;

static void handler(int number)
{
    (void)number;
    handled_in = thread_number;
}

static void *identify(void *argument)
{
    (void)argument;
    thread_number = 2;
    seen_process = getpid();
    seen_thread = (pid_t)syscall(SYS_gettid);
    while (handled_in == 0) {
        sleep_ms(1);
    }
    return NULL;
}

static void identity_check(void)
{
    signal(SIGUSR1, handler);
    thread_number = 1;
    pthread_t thread;
    thread_make(&thread, identify, NULL);
    while (seen_thread == 0) {
        sleep_ms(1);
    }
    say("thread: process %s, number %s", seen_process == getpid() ? "the same" : "another",
        seen_thread != seen_process ? "its own" : "the process's");
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    say("pthread_kill: handled in thread %d", handled_in);
    /* A join may return a moment before the thread is gone. */
    sleep_ms(50);
    say_result("tgkill of a thread that has ended",
               syscall(SYS_tgkill, getpid(), seen_thread, SIGUSR1));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    handled_in = 0;
    seen_thread = 0;
    kill(getpid(), SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    say("kill of the process: handled in thread %d", handled_in);
}

static void *sleep_long(void *argument)
{
    sleep_ms(100000);
    return argument;
}

static void *end_group(void *argument)
{
    (void)argument;
    syscall(SYS_exit_group, 23);
    return NULL;
}

static void *end_by_exec(void *argument)
{
    (void)argument;
    execl("/proc/self/exe", "thread", "exec", NULL);
    _exit(1);
}

static void *end_by_fault(void *argument)
{
    (void)argument;
    *(volatile char *)0x10000 = 1;
    return NULL;
}

static void *end_late(void *argument)
{
    (void)argument;
    sleep_ms(30);
    say("  the last thread ends the process");
    _exit(31);
}

static void *fork_here(void *argument)
{
    (void)argument;
    pid_t pid = fork();
    if (pid == 0) {
        say("  child of a thread: %s", getpid() == syscall(SYS_gettid) ? "one thread" : "wrong");
        _exit(8);
    }
    return (void *)(long)child_wait(pid);
}

static void end_say(const char *what, void *(*run)(void *), bool leave)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t threads[4];
        for (int i = 0; i < 3; i++) {
            thread_make(&threads[i], leave ? square : sleep_long, NULL);
        }
        thread_make(&threads[3], run, NULL);
        if (leave) {
            syscall(SYS_exit, 5);
        }
        pthread_join(threads[3], NULL);
        _exit(2);
    }
    say_status(what, child_wait(pid));
}

static void end_check(void)
{
    end_say("exit_group from a thread", end_group, false);
    end_say("exec from a thread", end_by_exec, false);
    end_say("a fault in a thread", end_by_fault, false);
    end_say("the first thread ends first", end_late, true);
    pthread_t thread;
    void *status;
    thread_make(&thread, fork_here, NULL);
    pthread_join(thread, &status);
    say_status("fork in a thread", (int)(long)status);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 4; i++) {
            thread_make(&thread, sleep_long, NULL);
        }
        pause();
    }
    sleeping_wait(pid, 'S');
    kill(pid, SIGKILL);
    say_status("SIGKILL with threads", child_wait(pid));
}

static volatile sig_atomic_t taken_by_first;

static void take(int number)
{
    (void)number;
    taken_by_first += getpid() == syscall(SYS_gettid);
}

static void *wait_for_end(void *argument)
{
    while (sem_wait(argument) != 0) { /* a signal */
    }
    return NULL;
}

/*
 * What a process sends itself is its first thread's, and has come when kill returns. But for a few:
 * on Linux as well another thread gets it while the first one has something else to attend to.
 */
static void signal_check(void)
{
    sem_t end;
    pthread_t threads[THREADS];
    must(sem_init(&end, 0, 0) == 0, "sem_init");
    signal(SIGUSR2, take);
    for (int i = 0; i < THREADS; i++) {
        thread_make(&threads[i], wait_for_end, &end);
    }
    int others = 0;
    for (int i = 0; i < 200; i++) {
        int before = taken_by_first;
        kill(getpid(), SIGUSR2);
        others += taken_by_first == before;
    }
    say("signals of its own: %s", others <= 10 ? "taken by the first thread" : "not by the first");
    for (int i = 0; i < THREADS; i++) {
        sem_post(&end);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(int argument_count, char **arguments)
{
    (void)arguments;
    if (argument_count > 1) {
        /* Only the thread that called exec is left, and it leads the process. */
        say("  after exec: %s", getpid() == syscall(SYS_gettid) ? "the leader" : "not the leader");
        return 19;
    }
    count_check();
    wait_check();
    futex_check();
    shared_check();
    identity_check();
    signal_check();
    end_check();
    return 0;
}
