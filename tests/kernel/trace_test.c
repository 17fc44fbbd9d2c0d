/*
 * The trace: who may switch it on, what it shows, and that it is silent when it is off. It tells
 * how long a CPU does not listen.
 */
#include "tests/kernel/harness.h"

#include "abi/trace.h"

static const struct trace_ring *rings;
static uint32_t cpus;

/* How many of the kept events are like this; UINT64_MAX as a word means any. */
static uint64_t seen(enum trace_kind kind, uint32_t detail, uint64_t word)
{
    uint64_t count = 0;
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        uint64_t written = __atomic_load_n(&rings[cpu].written, __ATOMIC_ACQUIRE);
        for (uint64_t i = 0; i < MIN(written, TRACE_RING_EVENTS); i++) {
            const struct trace_event *event = &rings[cpu].event[i];
            count += event->kind == kind && event->detail == detail &&
                     (word == UINT64_MAX || event->word[0] == word);
        }
    }
    return count;
}

static uint64_t written_all(void)
{
    uint64_t sum = 0;
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        sum += __atomic_load_n(&rings[cpu].written, __ATOMIC_ACQUIRE);
    }
    return sum;
}

static void trace_switch(bool on)
{
    must(kernel_platform_set(INIT_SLOT_PLATFORM, PLATFORM_TRACE, on), "platform_set");
}

static void check_refusals(uint32_t slot)
{
    ok_status(kernel_platform_set(INIT_SLOT_PLATFORM, PLATFORM_TRACE, 2), STATUS_INVALID_ARGUMENT,
              "the trace is on or off");
    ok_status(kernel_platform_set(SLOT_LOG, PLATFORM_TRACE, 1), STATUS_NO_RIGHT,
              "who may only write the log does not switch it");
    must(kernel_capability_copy(SLOT_DOMAIN, slot, INIT_SLOT_PLATFORM, RIGHT_READ | RIGHT_WRITE),
         "copy");
    ok_status(kernel_platform_set(slot, PLATFORM_WALL_NS, 0), STATUS_NO_RIGHT,
              "who may switch the trace does not set the clock");
    must(kernel_capability_drop(SLOT_DOMAIN, slot), "drop");
    must(kernel_capability_copy(SLOT_DOMAIN, slot, INIT_SLOT_PLATFORM, RIGHT_READ), "copy");
    struct platform_state state;
    ok(kernel_platform_set(slot, PLATFORM_TRACE, 1) == STATUS_NO_RIGHT &&
           object_state(slot, STATE_PLATFORM, &state, sizeof(state)) == STATUS_OK,
       "who may only read reads the counters");
    must(kernel_capability_drop(SLOT_DOMAIN, slot), "drop");
    ok(written_all() == 0, "none of them switched the trace on");
}

static uint32_t number_of(uint32_t slot)
{
    struct kernel_results results;
    must(kernel_capability_read(SLOT_DOMAIN, slot, &results), "capability_read");
    return (uint32_t)results.value[1];
}

static void sleeper(struct worker *worker)
{
    while (worker->argument > 0) {
        must(kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE), "park");
        worker->argument--;
    }
}

/* Calls, a page fault, another thread's wake-up and its end. */
static void check_events(void)
{
    struct worker worker = {.argument = 3};
    uint32_t memory = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
    volatile uint8_t *page = window_map_all(memory, PAGE_SIZE);
    trace_switch(true);
    page[0] = 1;
    worker_start(&worker, sleeper, SLOT_NONE);
    uint32_t number = number_of(worker.slot);
    while (!__atomic_load_n(&worker.done, __ATOMIC_ACQUIRE)) {
        must(kernel_thread_unpark(worker.slot), "unpark");
        pause_ns(MILLISECOND_NS / 10);
    }
    trace_switch(false);
    worker_join(&worker);
    destroy(memory);
    ok(seen(TRACE_CALL, CALL_thread_unpark, UINT64_MAX) >= 3, "calls are seen by their number");
    ok(seen(TRACE_FAULT, STATUS_OK, (uint64_t)page) == 1, "a fault with its address");
    ok(seen(TRACE_WAKE, 0, number) >= 1, "a wake-up with the thread's number");
    ok(seen(TRACE_SWITCH, 0, number_of(SLOT_DOMAIN)) >= 3, "switches with the domain's number");
    ok(seen(TRACE_SWITCH, 0, 0) >= 1, "and a CPU that has nothing to do");
}

#define MAX_CPUS     8
#define SLEEPERS     40
#define EXPIRES_MOST 16 /* waits that one interrupt ends, core/timers.c */

struct alarm {
    uint64_t deadline_ns;
    uint32_t ended;
};

static void alarmed(struct worker *worker)
{
    struct alarm *alarm = worker->context;
    if (kernel_thread_park(alarm->deadline_ns, 0) == STATUS_TIMED_OUT) {
        __atomic_fetch_add(&alarm->ended, 1, __ATOMIC_RELAXED);
    }
}

/* One on each CPU keeps it in user mode, so that each interrupt there is seen. */
static void spinner(struct worker *worker)
{
    const struct alarm *alarm = worker->context;
    while (clock_now_ns() < alarm->deadline_ns + 20 * MILLISECOND_NS) {
    }
}

/* How many threads were made ready one after another on a CPU, with nothing in between. */
static uint64_t longest_waking(void)
{
    uint64_t longest = 0;
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        uint64_t run = 0;
        for (uint64_t i = 0; i < MIN(rings[cpu].written, TRACE_RING_EVENTS); i++) {
            run = rings[cpu].event[i].kind == TRACE_WAKE ? run + 1 : 0;
            longest = MAX(longest, run);
        }
    }
    return longest;
}

/* Many deadlines at one moment: the CPU listens in between. */
static void check_deadlines(void)
{
    static struct worker sleepers[SLEEPERS];
    struct alarm alarm = {.deadline_ns = clock_now_ns() + 300 * MILLISECOND_NS};
    static struct worker spinners[MAX_CPUS];
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        sleepers[i].context = &alarm;
        worker_start(&sleepers[i], alarmed, SLOT_NONE);
    }
    for (uint32_t i = 1; i < cpus; i++) {
        spinners[i].context = &alarm;
        worker_start(&spinners[i], spinner, SLOT_NONE);
    }
    trace_switch(true);
    spinner(&sleepers[0]);
    trace_switch(false);
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        worker_join(&sleepers[i]);
    }
    for (uint32_t i = 1; i < cpus; i++) {
        worker_join(&spinners[i]);
    }
    ok(alarm.ended == SLEEPERS && longest_waking() <= EXPIRES_MOST,
       "deadlines of many threads are not served in one go");
}

/* mov $0x8765,%eax; mov $0x1234,%edi; syscall */
static const uint8_t system_call[] = {0xb8, 0x65, 0x87, 0, 0, 0xbf, 0x34, 0x12, 0, 0, 0x0f, 0x05};

/* The entry that traces changes no register. */
static void check_application(void)
{
    struct application_space space;
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    code_put(&space, system_call, sizeof(system_call));
    must(kernel_thread_set_space(space.space), "set_space");
    struct application *application = application_self();
    trace_switch(true);
    application->rsi = 11;
    application->rdx = 12;
    application->r8 = 13;
    application->r9 = 14;
    application->r10 = 15;
    application->rbp = 16;
    const struct trap_words *trap =
        application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    trace_switch(false);
    ok(trap->cause == TRAP_SYSCALL && trap->rax == 0x8765 && trap->rsp == APPLICATION_STACK &&
           trap->rip == APPLICATION_CODE + sizeof(system_call) && application->rdi == 0x1234 &&
           application->rsi == 11 && application->rdx == 12 && application->r8 == 13 &&
           application->r9 == 14 && application->r10 == 15 && application->rbp == 16,
       "a system call that is traced keeps every register");
    ok(seen(TRACE_SYSTEM_CALL, 0x8765, 0x1234) == 1, "and is seen with its number and argument");
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    application_space_end(&space);
}

void test_trace(void)
{
    log_line("# trace");
    cpus = (uint32_t)machine_books().cpus;
    uint32_t slot = INIT_SLOT_TRACE;
    uint64_t place = window_place((uint64_t)cpus * TRACE_RING_BYTES);
    must(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, (uint64_t)cpus * TRACE_RING_BYTES,
                           (uint64_t)slot << 32, 0, 0),
         "map the rings");
    rings = (const struct trace_ring *)place;
    check_refusals(slot_new());
    check_events();
    check_application();
    check_deadlines();
    uint64_t before = written_all();
    pause_ns(5 * MILLISECOND_NS);
    ok(before == written_all(), "nothing is written while it is off");
    ok_status(kernel_region_map(SLOT_DOMAIN, window_place(PAGE_SIZE) | RIGHT_READ | RIGHT_WRITE,
                                PAGE_SIZE, slot, 0, 0),
              STATUS_NO_RIGHT, "nobody maps the rings for writing");
    ok_status(kernel_object_destroy(slot), STATUS_NO_RIGHT, "or destroys them");
}
