/*
 * Threads: an unpark is never lost, a deadline comes, an interruption is sticky and reaches
 * whatever wait it meets, a thread is destroyed wherever it is, registers of the FPU and the
 * segment bases are each thread's own, and nobody makes a thread of a higher band than its own.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

/* --- park ------------------------------------------------------------------------------------ */

#define PING_PONG_ROUNDS 20000

struct ping_pong {
    struct worker worker[2];
    uint32_t turn;
};

static void ping_pong(struct worker *worker)
{
    struct ping_pong *game = worker->context;
    uint32_t me = (uint32_t)worker->argument;
    for (uint32_t i = 0; i < PING_PONG_ROUNDS; i++) {
        while (__atomic_load_n(&game->turn, __ATOMIC_ACQUIRE) != me) {
            (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
        }
        __atomic_store_n(&game->turn, !me, __ATOMIC_RELEASE);
        (void)kernel_thread_unpark(game->worker[!me].slot);
    }
}

static void test_park(void)
{
    must(kernel_thread_unpark(SLOT_THREAD), "unpark");
    must(kernel_thread_unpark(SLOT_THREAD), "unpark");
    ok_status(kernel_thread_park(DEADLINE_NEVER, 0), STATUS_OK,
              "an unpark that came before counts");
    ok_status(kernel_thread_park(0, 0), STATUS_TIMED_OUT, "once; a deadline of 0 does not wait");
    uint64_t start_ns = clock_now_ns();
    ok_status(kernel_thread_park(start_ns + 10 * MILLISECOND_NS, 0), STATUS_TIMED_OUT,
              "a deadline ends a park");
    uint64_t took_ns = clock_now_ns() - start_ns;
    ok(took_ns >= 10 * MILLISECOND_NS && took_ns < SECOND_NS, "not before, and not long after");
    ok_status(kernel_thread_park(1, 0), STATUS_TIMED_OUT, "one that has passed ends it too");
    struct ping_pong game = {.turn = 0};
    for (uint32_t i = 0; i < 2; i++) {
        game.worker[i].context = &game;
        game.worker[i].argument = i;
    }
    worker_start(&game.worker[0], ping_pong, SLOT_NONE);
    worker_start(&game.worker[1], ping_pong, SLOT_NONE);
    /* Whoever found no partner yet parked; from here on the two wake each other. */
    (void)kernel_thread_unpark(game.worker[0].slot);
    (void)kernel_thread_unpark(game.worker[1].slot);
    worker_join(&game.worker[0]);
    worker_join(&game.worker[1]);
    ok(true, "two threads that park and unpark each other never lose one");
}

/* --- interruption ---------------------------------------------------------------------------- */

#define INTERRUPT_ROUNDS 1000

struct interrupted {
    uint32_t signal;
    uint32_t gate;   /* nobody receives its calls */
    uint32_t silent; /* somebody does, and never answers */
    uint32_t round;
    uint32_t failures;
    uint32_t space;
};

static status_t wait_somehow(const struct interrupted *test, uint32_t round)
{
    struct kernel_results results;
    switch (round % 4) {
    case 0:
        return kernel_thread_park(DEADLINE_NEVER, 0);
    case 1:
        return kernel_signal_wait(test->signal, 1, DEADLINE_NEVER, &results);
    case 2:
        return kernel_gate_call(test->silent, MESSAGE_INTERRUPTIBLE, DEADLINE_NEVER, &results);
    default:
        return kernel_gate_call(test->gate, MESSAGE_INTERRUPTIBLE, DEADLINE_NEVER, &results);
    }
}

static void receive_only(struct worker *worker)
{
    struct kernel_results call;
    while (kernel_endpoint_receive(worker->argument, 0, DEADLINE_NEVER, &call) == STATUS_OK) {
    }
}

static void interrupted(struct worker *worker)
{
    struct interrupted *test = worker->context;
    for (uint32_t round = 1; round <= INTERRUPT_ROUNDS; round++) {
        __atomic_store_n(&test->round, round, __ATOMIC_RELEASE);
        bool good = wait_somehow(test, round) == STATUS_INTERRUPTED;
        good = good && wait_somehow(test, round + 1) == STATUS_INTERRUPTED; /* sticky */
        const struct trap_words *trap =
            application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
        good = good && trap->cause == TRAP_INTERRUPT && trap->rip == APPLICATION_CODE;
        test->failures += !good;
    }
}

static void test_interrupt(void)
{
    struct application_space space;
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    uint32_t endpoint = slot_new();
    uint32_t heard = slot_new();
    struct interrupted test = {.signal = slot_new(), .gate = slot_new(), .silent = slot_new()};
    must(kernel_signal_create(SLOT_ACCOUNT, test.signal), "signal");
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, test.gate, endpoint, 1), "gate");
    must(kernel_endpoint_create(SLOT_ACCOUNT, heard), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, test.silent, heard, 1), "gate");
    struct worker server = {.argument = heard};
    worker_start(&server, receive_only, SLOT_NONE);
    struct worker worker = {.context = &test};
    worker_start(&worker, interrupted, space.space);
    for (uint32_t round = 1; round <= INTERRUPT_ROUNDS; round++) {
        while (__atomic_load_n(&test.round, __ATOMIC_ACQUIRE) != round) {
            kernel_thread_yield();
        }
        for (uint32_t i = 0; i < round % 64; i++) {
            __builtin_ia32_pause();
        }
        must(kernel_thread_interrupt(worker.slot, INTERRUPT_NOW, 0), "interrupt");
    }
    worker_join(&worker);
    ok(test.failures == 0,
       "an interruption reaches park, signal_wait and gate_call, received or not, and stays "
       "until the application was to run");
    must(kernel_thread_interrupt(SLOT_THREAD, INTERRUPT_NOW, 0), "interrupt");
    ok_status(kernel_thread_park(0, 0), STATUS_INTERRUPTED, "a pending one is reported at once");
    ok_status(kernel_thread_park(0, PARK_UNINTERRUPTIBLE), STATUS_TIMED_OUT,
              "but not to an uninterruptible park");
    must(kernel_thread_set_space(space.space), "set_space");
    ok(application_run_at(APPLICATION_CODE, 0, TRAP_SYSCALL)->cause == TRAP_INTERRUPT,
       "it is delivered instead of running the application");
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    ok_status(kernel_thread_park(0, 0), STATUS_TIMED_OUT, "once");
    destroy(heard); /* and its receiver comes to its end */
    worker_join(&server);
    destroy(test.silent);
    destroy(test.gate);
    destroy(endpoint);
    destroy(test.signal);
    application_space_end(&space);
}

/* --- destroying ------------------------------------------------------------------------------ */

struct victim {
    uint32_t place;
    uint32_t signal;
    uint32_t gate;
    uint32_t endpoint;
    uint32_t there;
};

static void victim(struct worker *worker)
{
    struct victim *test = worker->context;
    struct kernel_results results;
    __atomic_store_n(&test->there, 1, __ATOMIC_RELEASE);
    for (;;) {
        switch (test->place) {
        case 0:
            __builtin_ia32_pause();
            break;
        case 1:
            (void)kernel_thread_park(DEADLINE_NEVER, 0);
            break;
        case 2:
            (void)kernel_signal_wait(test->signal, 1, DEADLINE_NEVER, &results);
            break;
        case 3:
            (void)kernel_gate_call(test->gate, 0, DEADLINE_NEVER, &results);
            break;
        case 4:
            (void)kernel_endpoint_receive(test->endpoint, test->signal, DEADLINE_NEVER, &results);
            break;
        case 5:
            (void)application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
            break;
        case 6:
            kernel_thread_yield();
            break;
        default: /* long calls */
            (void)kernel_memory_populate(SLOT_MEMORY, 0, 0);
            (void)kernel_thread_park(clock_now_ns() + 1000, 0);
        }
    }
}

static void test_destroy(void)
{
    struct application_space space;
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    code_put(&space, "\x0f\x05", 2); /* syscall: once, so that the space has its tables */
    must(kernel_thread_set_space(space.space), "set_space");
    (void)application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    code_put(&space, "\xeb\xfe", 2); /* jmp . */
    /* Its tables: some who are destroyed early come this far, others do not. */
    must(kernel_region_populate(space.space, APPLICATION_CODE, PAGE_SIZE), "populate");
    struct victim test = {.signal = slot_new(), .gate = slot_new(), .endpoint = slot_new()};
    must(kernel_signal_create(SLOT_ACCOUNT, test.signal), "signal");
    must(kernel_endpoint_create(SLOT_ACCOUNT, test.endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, test.gate, test.endpoint, 1), "gate");
    uint64_t threads = account_books(SLOT_ACCOUNT).threads;
    struct platform_state before = {0};
    bool good = true;
    for (uint32_t round = 0; round < 400; round++) {
        struct worker worker = {.context = &test};
        test.place = round % 8;
        test.there = 0;
        worker_start(&worker, victim, space.space);
        while (__atomic_load_n(&test.there, __ATOMIC_ACQUIRE) == 0) {
            kernel_thread_yield();
        }
        for (uint32_t i = 0; i < round * 7 % 500; i++) {
            __builtin_ia32_pause();
        }
        good = good && worker_kill(&worker) == STATUS_OK;
        if (round == 16) {
            pause_ns(10 * MILLISECOND_NS);
            before = machine_books();
        }
    }
    ok(good, "a thread is destroyed running on another CPU, in either mode, and in every wait");
    ok(account_books(SLOT_ACCOUNT).threads == threads, "its account counts it no more");
    ok(machine_is_as(&before), "and nothing is left of it");
    destroy(test.gate);
    destroy(test.endpoint);
    destroy(test.signal);
    application_space_end(&space);
}

/* --- registers ------------------------------------------------------------------------------- */

static void own_registers(struct worker *worker)
{
    uint64_t mine = worker->argument * 0x0101010101010101ull;
    uint64_t fs = 0x10000 + worker->argument * 0x1000;
    uint64_t gs = 0x7000000000 + worker->argument;
    uint32_t mxcsr = 0x1f80 | (uint32_t)(worker->argument & 3) << 13;
    bool good = true;
    __asm__ volatile("movq %0, %%xmm0\nmovq %0, %%xmm15\nldmxcsr %1\n" : : "r"(mine), "m"(mxcsr));
    __asm__ volatile("wrfsbase %0\nwrgsbase %1" : : "r"(fs), "r"(gs));
    for (int i = 0; i < 3000; i++) {
        kernel_thread_yield();
        uint64_t low;
        uint64_t high;
        uint64_t fs_now;
        uint64_t gs_now;
        uint32_t mxcsr_now;
        __asm__ volatile("movq %%xmm0, %0\nmovq %%xmm15, %1\nstmxcsr %2\n"
                         : "=r"(low), "=r"(high), "=m"(mxcsr_now));
        __asm__ volatile("rdfsbase %0\nrdgsbase %1" : "=r"(fs_now), "=r"(gs_now));
        good = good && low == mine && high == mine && mxcsr_now == mxcsr && fs_now == fs &&
               gs_now == gs;
    }
    worker->argument = good;
}

static void test_registers(void)
{
    struct worker workers[5];
    for (uint32_t i = 0; i < ARRAY_LENGTH(workers); i++) {
        workers[i].argument = i + 1;
        worker_start(&workers[i], own_registers, SLOT_NONE);
    }
    bool good = true;
    for (uint32_t i = 0; i < ARRAY_LENGTH(workers); i++) {
        worker_join(&workers[i]);
        good = good && workers[i].argument == 1;
    }
    ok(good, "vector registers, MXCSR and segment bases are each thread's own");
}

/* --- refusals -------------------------------------------------------------------------------- */

static void band_escape(struct worker *worker)
{
    worker->argument = kernel_thread_create(SLOT_ACCOUNT, worker->argument, SLOT_DOMAIN,
                                            (uint64_t)worker->context, BAND_DRIVER, 0);
}

static __attribute__((naked)) void without_stack(void)
{
    __asm__("1: pause\n\tjmp 1b");
}

static void test_thread_refusals(void)
{
    uint32_t slot = slot_new();
    volatile uint8_t *page = window_map_all(memory_new(SLOT_ACCOUNT, PAGE_SIZE), PAGE_SIZE);
    uint64_t frame = (uint64_t)page;
    struct worker worker = {.argument = slot, .context = (void *)frame};
    worker_start(&worker, band_escape, SLOT_NONE);
    worker_join(&worker);
    ok_status((status_t)worker.argument, STATUS_NOT_PERMITTED,
              "nobody makes a thread of a higher band than its own");
    static const uint64_t frames[] = {0,
                                      0x1000,
                                      WINDOW_BASE - PAGE_SIZE,
                                      WINDOW_BASE + WINDOW_SIZE,
                                      0xffffffff80000000ull,
                                      WINDOW_BASE + WINDOW_SIZE - PAGE_SIZE,
                                      WINDOW_IMAGE};
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        refused = refused && kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frames[i], 0,
                                                  0) == STATUS_INVALID_ARGUMENT;
    }
    ok(refused, "a frame outside the window, unmapped or read-only is refused");
    ok_status(kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frame + 8, 0, 0),
              STATUS_INVALID_ARGUMENT, "so is one that is not aligned");
    ok_status(
        kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, (uint64_t)thread_frame_self(), 0, 0),
        STATUS_INVALID_ARGUMENT, "and one that another thread has");
    ok_status(kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frame, BANDS, 0),
              STATUS_INVALID_ARGUMENT, "a band that does not exist");
    ok_status(kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frame, 0, 2),
              STATUS_INVALID_ARGUMENT, "and a flag that does not");
    uint32_t account = account_new(1 << 20, 0);
    ok_status(kernel_thread_create(account, slot, SLOT_DOMAIN, frame, 0, 0), STATUS_LIMIT_REACHED,
              "an account that may have no threads pays for none");
    destroy(account);
    must(kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frame, 0, 0), "thread_create");
    ok_status(kernel_thread_start(slot, 0, WINDOW_IMAGE, 0, MESSAGE_WORDS + 1),
              STATUS_INVALID_ARGUMENT, "more words than a message has are refused");
    ok_status(kernel_thread_start(slot, 0, 0x400000, 0, 0), STATUS_INVALID_ARGUMENT,
              "a thread starts in the window only");
    ok_status(kernel_thread_start(SLOT_THREAD, 0, WINDOW_IMAGE, 0, 0), STATUS_BAD_STATE,
              "and only once");
    const struct thread_frame *its = (const struct thread_frame *)frame;
    for (uint64_t i = 0; i < 4; i++) {
        thread_frame_self()->message[i] = i + 7;
    }
    must(kernel_thread_start(slot, 0, (uint64_t)without_stack, 0, 2), "thread_start");
    ok(its->message[0] == 7 && its->message[1] == 8 && its->message[2] == 0,
       "it has as many words of the starter's message as it was given, and no others");
    destroy(slot);
    ok_status(kernel_fault_resume(), STATUS_BAD_STATE, "without a fault none is resumed");
    struct kernel_results results;
    ok_status(kernel_call_3(KERNEL_CALLS, 0, 0, 0, &results), STATUS_NOT_SUPPORTED,
              "a call that does not exist is refused");
}

void test_thread(void)
{
    log_line("# thread");
    test_park();
    test_interrupt();
    test_destroy();
    test_registers();
    test_thread_refusals();
}
