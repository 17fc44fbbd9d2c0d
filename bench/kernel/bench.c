/*
 * An init that measures the kernel's paths with the TSC and prints "name value unit". It means
 * something under instruction counting only, where a tick is an instruction; the scale is checked
 * against a loop of known length first. Each number is the mean of a second pass: the first one
 * warms what is made once (page tables, slabs, zeroed frames). All are counted twice: in a machine
 * that has nothing else, and among many idle domains (crowd.h).
 */
#include "bench/kernel/crowd.h"
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define ROUNDS     1000
#define OPEN_SLOT  20
#define GATE_SLOT  21
#define CROSS_SLOT 22

__attribute__((visibility("hidden"))) void bench_trap_entry(void);
__attribute__((visibility("hidden"))) void harness_fault_entry(void);

static uint64_t ticks(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence\nrdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

#define CROWDED ".crowd"
static const char *crowded = "";

static void report(const char *name, uint64_t value)
{
    log_line("%s%s %lu insns", name, crowded, value);
}

static void check_scale(void)
{
    uint64_t count = 1000000;
    uint64_t start = ticks();
    __asm__ volatile("1: dec %0\njnz 1b" : "+r"(count) : : "cc");
    uint64_t took = ticks() - start;
    if (took < 2000000 || took > 2020000) {
        log_line("# two million instructions took %lu ticks", took);
        must(STATUS_NOT_SUPPORTED, "instruction counting");
    }
}

/* --- system calls ---------------------------------------------------------------------------- */

/* mov $39,%eax; syscall; dec %ebx; jnz; ud2: three instructions a round are the loop's own. */
static const uint8_t null_loop[] = {0xb8, 39,   0,    0,    0,    0x0f, 0x05,
                                    0xff, 0xcb, 0x75, 0xf5, 0x0f, 0x0b};

static uint64_t null_calls(uint64_t count)
{
    application_self()->rbx = count;
    uint64_t start = ticks();
    const struct trap_words *trap =
        application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    uint64_t took = ticks() - start;
    must(trap->cause == TRAP_EXCEPTION ? STATUS_OK : STATUS_BAD_STATE, "the loop's end");
    return took;
}

static void measure_syscall(const char *name)
{
    struct application_space space;
    must(kernel_domain_set_entries(SLOT_DOMAIN, (uint64_t)bench_trap_entry,
                                   (uint64_t)harness_fault_entry),
         "entries");
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    code_put(&space, null_loop, sizeof(null_loop));
    must(kernel_thread_set_space(space.space), "set_space");
    (void)null_calls(1);
    uint64_t one = null_calls(1);
    report(name, (null_calls(ROUNDS + 1) - one) / ROUNDS - 3);
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    application_space_end(&space);
}

static void role_open(uint64_t argument)
{
    (void)argument;
    log_name_set("bench");
    measure_syscall("syscall.null.open.insns");
    must(kernel_signal_raise(OPEN_SLOT, 2), "raise");
}

static void role_open_crowded(uint64_t argument)
{
    crowded = CROWDED;
    role_open(argument);
}

static void measure_open(void)
{
    struct child child;
    role_t role = crowded[0] == 0 ? role_open : role_open_crowded;
    child_load(&child, 8 << 20, (uint64_t)role, DOMAIN_OPEN);
    must(kernel_capability_copy(child.program.domain, OPEN_SLOT, child.signal, RIGHT_WRITE),
         "copy");
    must(program_start(&child.program), "start");
    struct kernel_results bits;
    must(kernel_signal_wait(child.signal, 2, clock_now_ns() + 10 * SECOND_NS, &bits),
         "open domain");
    child_destroy(&child);
}

/* --- calls ----------------------------------------------------------------------------------- */

static void serve(uint64_t endpoint)
{
    struct kernel_results call = {{0}};
    while (kernel_endpoint_reply_receive(endpoint, call.value[2], 0, 0, &call) == STATUS_OK) {
    }
}

static void role_server(uint64_t argument)
{
    (void)argument;
    serve(CROSS_SLOT);
}

static void same_server(struct worker *worker)
{
    serve(worker->argument);
}

static uint64_t gate_calls(uint32_t gate)
{
    struct kernel_results reply;
    uint64_t start = ticks();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        must(kernel_gate_call(gate, MESSAGE_HEADER(1, 4, 0), DEADLINE_NEVER, &reply), "call");
    }
    return (ticks() - start) / ROUNDS;
}

static void measure_calls(void)
{
    uint32_t endpoint = slot_new();
    uint32_t gate = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, 1), "gate");
    struct worker worker = {.argument = endpoint};
    worker_start(&worker, same_server, SLOT_NONE);
    (void)gate_calls(gate);
    report("ipc.same.insns", gate_calls(gate));
    must(worker_kill(&worker), "kill");
    struct child child;
    child_load(&child, 8 << 20, (uint64_t)role_server, 0);
    must(kernel_capability_copy(child.program.domain, CROSS_SLOT, endpoint, RIGHT_RECEIVE), "copy");
    must(program_start(&child.program), "start");
    (void)gate_calls(gate);
    report("ipc.cross.insns", gate_calls(gate));
    child_destroy(&child);
    destroy(gate);
    destroy(endpoint);
}

/* --- waiting: two threads of one band ----------------------------------------------------------
 */

struct pair {
    struct worker caller;
    struct worker echo;
    uint32_t ping;
    uint32_t pong;
    uint32_t turn; /* park: 1 is the echo's */
    uint64_t took;
};

static void signal_echo(struct worker *worker)
{
    struct pair *pair = worker->context;
    struct kernel_results bits;
    while (kernel_signal_wait(pair->ping, 1, DEADLINE_NEVER, &bits) == STATUS_OK) {
        (void)kernel_signal_raise(pair->pong, 1);
    }
}

static void signal_rounds(struct worker *worker)
{
    struct pair *pair = worker->context;
    struct kernel_results bits;
    uint64_t start = ticks();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        (void)kernel_signal_raise(pair->ping, 1);
        (void)kernel_signal_wait(pair->pong, 1, DEADLINE_NEVER, &bits);
    }
    pair->took = (ticks() - start) / ROUNDS;
}

static void park_echo(struct worker *worker)
{
    struct pair *pair = worker->context;
    for (;;) {
        while (__atomic_load_n(&pair->turn, __ATOMIC_ACQUIRE) == 0) {
            (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
        }
        __atomic_store_n(&pair->turn, 0, __ATOMIC_RELEASE);
        (void)kernel_thread_unpark(pair->caller.slot);
    }
}

static void park_rounds(struct worker *worker)
{
    struct pair *pair = worker->context;
    uint64_t start = ticks();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        __atomic_store_n(&pair->turn, 1, __ATOMIC_RELEASE);
        (void)kernel_thread_unpark(pair->echo.slot);
        while (__atomic_load_n(&pair->turn, __ATOMIC_ACQUIRE) != 0) {
            (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
        }
    }
    pair->took = (ticks() - start) / ROUNDS;
}

static void measure_pair(const char *name, void (*caller)(struct worker *),
                         void (*echo)(struct worker *))
{
    struct pair pair = {.ping = slot_new(), .pong = slot_new()};
    must(kernel_signal_create(SLOT_ACCOUNT, pair.ping), "signal");
    must(kernel_signal_create(SLOT_ACCOUNT, pair.pong), "signal");
    pair.caller.context = &pair;
    pair.echo.context = &pair;
    worker_start(&pair.echo, echo, SLOT_NONE);
    for (int pass = 0; pass < 2; pass++) {
        worker_start(&pair.caller, caller, SLOT_NONE);
        worker_join(&pair.caller);
    }
    report(name, pair.took);
    must(worker_kill(&pair.echo), "kill");
    destroy(pair.ping);
    destroy(pair.pong);
}

/* --- clones ----------------------------------------------------------------------------------- */

#define CLONE_PAGES 4096ull

/* Every page is mapped and writable before each clone. */
static void measure_clone(void)
{
    uint64_t size = CLONE_PAGES * PAGE_SIZE;
    uint32_t memory = memory_new(SLOT_ACCOUNT, size);
    uint32_t clone = slot_new();
    volatile uint8_t *here = window_map_all(memory, size);
    uint64_t took = 0;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
            here[at] = 1;
        }
        uint64_t start = ticks();
        must(kernel_memory_clone(SLOT_ACCOUNT, clone, memory), "clone");
        must(kernel_object_destroy(clone), "destroy");
        took = ticks() - start;
    }
    report("clone.page.insns", took / CLONE_PAGES);
    destroy(memory);
}

/* --- faults ---------------------------------------------------------------------------------- */

static uint64_t touch_all(volatile uint8_t *here)
{
    uint64_t start = ticks();
    for (uint64_t i = 0; i < ROUNDS * PAGE_SIZE; i += PAGE_SIZE) {
        here[i] = 1;
    }
    return (ticks() - start) / ROUNDS;
}

static void measure_faults(void)
{
    uint64_t size = ROUNDS * PAGE_SIZE;
    uint32_t memory = memory_new(SLOT_ACCOUNT, size);
    volatile uint8_t *here = window_map_all(memory, size);
    (void)touch_all(here);
    must(kernel_memory_discard(memory, 0, size), "discard");
    pause_ns(50 * MILLISECOND_NS); /* the idle CPU zeroes frames ahead */
    report("fault.zero.insns", touch_all(here));
    uint32_t clone = slot_new();
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, memory), "clone");
    report("fault.cow.insns", touch_all(here));
    destroy(clone);
    destroy(memory);
}

#define LARGE_PAGES 4 /* of 2 MiB */

/* Per 4 KiB, with the clearing. */
static void measure_large(void)
{
    uint64_t size = LARGE_PAGES * (2ull << 20);
    uint32_t memory = memory_new(SLOT_ACCOUNT, size);
    uint32_t space = slot_new();
    must(kernel_space_create(SLOT_ACCOUNT, space, SLOT_DOMAIN), "space");
    must(kernel_region_map(space, size | RIGHT_READ | RIGHT_WRITE | MAP_LARGE, size, memory, 0, 0),
         "map");
    must(kernel_thread_set_space(space), "set_space");
    uint64_t start = ticks();
    for (uint64_t i = 0; i < size; i += PAGE_SIZE) {
        *(volatile uint8_t *)(size + i) = 1;
    }
    report("fault.large.page.insns", (ticks() - start) / (size / PAGE_SIZE));
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    destroy(space);
    destroy(memory);
}

/* --- a task's life --------------------------------------------------------------------------- */

struct task {
    uint64_t frame;
    uint32_t thread;
    uint32_t space;
    uint32_t memory;
};

static __attribute__((used)) void task_main(struct task *task)
{
    (void)kernel_thread_unpark(SLOT_THREAD);
    (void)kernel_object_destroy(task->thread);
}

static __attribute__((naked)) void task_entry(void)
{
    __asm__("call task_main\n"
            "ud2");
}

/* As fork and exit: a space with its regions, a clone of the memory, a thread that ends itself. */
static void task_cycle(struct task *task, const struct application_space *parent)
{
    must(kernel_space_create(SLOT_ACCOUNT, task->space, SLOT_DOMAIN), "space");
    must(kernel_memory_clone(SLOT_ACCOUNT, task->memory, parent->memory), "clone");
    must(kernel_regions_copy(task->space, parent->space, task->memory, parent->memory), "regions");
    must(
        kernel_thread_create(SLOT_ACCOUNT, task->thread, SLOT_DOMAIN, task->frame, BAND_SERVICE, 0),
        "thread");
    must(kernel_thread_start(task->thread, task->space, (uint64_t)task_entry, (uint64_t)task, 0),
         "start");
    must(kernel_thread_park(DEADLINE_NEVER, 0), "park");
    while (kernel_object_destroy(task->space) == STATUS_BUSY) { /* the thread is still in it */
        (void)kernel_thread_park(clock_now_ns() + 2000, PARK_UNINTERRUPTIBLE);
    }
    must(kernel_object_destroy(task->memory), "destroy");
}

static void measure_task(void)
{
    struct application_space parent;
    application_space_make(&parent, SLOT_ACCOUNT, SLOT_DOMAIN);
    parent.code[0] = 1;
    parent.data[0] = 1;
    uint64_t block = (uint64_t)window_map_all(memory_new(SLOT_ACCOUNT, 2 * THREAD_BLOCK_SIZE),
                                              2 * THREAD_BLOCK_SIZE);
    struct task task = {.frame = ALIGN_UP(block, THREAD_BLOCK_SIZE) + THREAD_FRAME_OFFSET,
                        .thread = slot_new(),
                        .space = slot_new(),
                        .memory = slot_new()};
    for (uint32_t i = 0; i < 20; i++) {
        task_cycle(&task, &parent);
    }
    uint64_t start = ticks();
    for (uint32_t i = 0; i < ROUNDS / 10; i++) {
        task_cycle(&task, &parent);
    }
    report("task.cycle.insns", (ticks() - start) / (ROUNDS / 10));
    application_space_end(&parent);
}

static void measure_all(void)
{
    measure_syscall("syscall.null.sealed.insns");
    measure_open();
    measure_calls();
    measure_pair("signal.roundtrip.insns", signal_rounds, signal_echo);
    measure_pair("park.roundtrip.insns", park_rounds, park_echo);
    measure_clone();
    measure_faults();
    measure_large();
    measure_task();
}

void program_main(uint64_t argument)
{
    if (argument != 0) {
        ((role_t)argument)(argument);
        return;
    }
    log_name_set("bench");
    check_scale();
    measure_all();
    crowd_make();
    crowded = CROWDED;
    measure_all();
    tap_end();
}
