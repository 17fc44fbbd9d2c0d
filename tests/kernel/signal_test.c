/*
 * Signals: a waiter gets the bits of its mask and takes only those, each of several waiters gets
 * its own, a deadline comes, a destroyed signal wakes everybody, and no raise is lost between two
 * CPUs.
 */
#include "tests/kernel/harness.h"

static uint32_t signal;

struct waiter {
    struct worker worker;
    uint64_t mask;
    uint64_t bits;
    status_t status;
};

static void wait_once(struct worker *worker)
{
    struct waiter *waiter = worker->context;
    struct kernel_results results = {{0}};
    waiter->status = kernel_signal_wait(signal, waiter->mask, DEADLINE_NEVER, &results);
    waiter->bits = results.value[0];
}

static uint64_t poll(uint64_t mask)
{
    struct kernel_results results;
    return kernel_signal_wait(signal, mask, 0, &results) == STATUS_OK ? results.value[0] : 0;
}

static void waiters_start(struct waiter *waiters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        waiters[i].worker.context = &waiters[i];
        worker_start(&waiters[i].worker, wait_once, SLOT_NONE);
    }
    pause_ns(5 * MILLISECOND_NS);
}

static void test_waiters(void)
{
    struct waiter waiters[3] = {{.mask = 1}, {.mask = 6}, {.mask = 8}};
    waiters_start(waiters, 3);
    must(kernel_signal_raise(signal, 16), "raise");
    pause_ns(MILLISECOND_NS);
    ok(waiters[0].worker.done + waiters[1].worker.done + waiters[2].worker.done == 0,
       "a bit that nobody waits for wakes nobody");
    must(kernel_signal_raise(signal, 4 | 1), "raise");
    worker_join(&waiters[0].worker);
    worker_join(&waiters[1].worker);
    ok(waiters[0].bits == 1 && waiters[1].bits == 4, "each waiter gets the bits of its mask");
    ok(waiters[2].worker.done == 0, "and the others wait on");
    must(kernel_object_destroy(signal), "destroy");
    worker_join(&waiters[2].worker);
    ok_status(waiters[2].status, STATUS_CLOSED, "until the signal is destroyed");
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    struct waiter many[40] = {0};
    for (size_t i = 0; i < 40; i++) {
        many[i].mask = 1;
    }
    waiters_start(many, 40);
    must(kernel_signal_raise(signal, 1), "raise");
    pause_ns(2 * MILLISECOND_NS);
    uint32_t woken = 0;
    for (size_t i = 0; i < 40; i++) {
        woken += many[i].worker.done;
    }
    ok(woken == 1, "one bit wakes one of forty");
    must(kernel_object_destroy(signal), "destroy");
    for (size_t i = 0; i < 40; i++) {
        worker_join(&many[i].worker);
        /* One that came too late for the signal does not find it. */
        woken += many[i].status == STATUS_CLOSED || many[i].status == STATUS_BAD_CAPABILITY;
    }
    ok(woken == 40, "and the destruction the rest");
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
}

#define RAISES 20000

static uint64_t seen;

static void collect(struct worker *worker)
{
    (void)worker;
    struct kernel_results results;
    while (!(seen >> 63)) {
        if (kernel_signal_wait(signal, UINT64_MAX, DEADLINE_NEVER, &results) == STATUS_OK) {
            seen = (seen & (1ull << 63)) | results.value[0];
            (void)kernel_thread_unpark(SLOT_THREAD);
        }
    }
}

static void test_none_lost(void)
{
    struct worker worker;
    worker_start(&worker, collect, SLOT_NONE);
    bool good = true;
    for (uint32_t i = 0; i < RAISES; i++) {
        must(kernel_signal_raise(signal, 1ull << (i % 62)), "raise");
        good = good && kernel_thread_park(clock_now_ns() + SECOND_NS, 0) == STATUS_OK;
        good = good && __atomic_load_n(&seen, __ATOMIC_ACQUIRE) == 1ull << (i % 62);
    }
    must(kernel_signal_raise(signal, 1ull << 63), "raise");
    worker_join(&worker);
    ok(good, "no raise is lost between two CPUs");
    (void)kernel_thread_park(0, 0);
}

void test_signal(void)
{
    log_line("# signal");
    signal = (uint32_t)slot_new();
    struct kernel_results results;
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    ok(poll(UINT64_MAX) == 0, "a new signal has no bit set");
    must(kernel_signal_raise(signal, 0xff), "raise");
    ok(poll(0x0f) == 0x0f && poll(0x0f) == 0 && poll(0x1f) == 0x10 && poll(UINT64_MAX) == 0xe0,
       "a wait takes the set bits of its mask and no others");
    ok_status(kernel_signal_wait(signal, 0, 0, &results), STATUS_INVALID_ARGUMENT,
              "waiting for nothing is refused");
    uint64_t start_ns = clock_now_ns();
    ok_status(kernel_signal_wait(signal, 1, start_ns + 5 * MILLISECOND_NS, &results),
              STATUS_TIMED_OUT, "a deadline ends a wait");
    ok(clock_now_ns() - start_ns >= 5 * MILLISECOND_NS, "and not before");
    test_waiters();
    test_none_lost();
    destroy(signal);
}
