/*
 * An init that keeps every CPU busy with one thing for a while, and prints "name value unit": how
 * often all of them together did it in a second, and how often each lock was found held meanwhile.
 */
#include "tests/kernel/harness.h"

#define WHILE_NS    SECOND_NS
#define CPUS_MOST   8
#define FAULT_PAGES 256
#define FAULT_BASE  0x10000000ull

#define LOCK(name, meaning) #name,
static const char *const lock_names[PLATFORM_LOCKS] = {
#include "abi/locks.def"
};
#undef LOCK

/* On a cache line of its own. */
struct lane {
    uint64_t done;
    uint32_t endpoint;
    uint32_t gate;
    uint32_t memory;
    uint32_t space;
    struct worker worker;
    struct worker server;
} __attribute__((aligned(64)));

static struct lane lanes[CPUS_MOST];
static uint32_t stop;

static bool going(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED) == 0;
}

static void serve(struct worker *worker)
{
    const struct lane *lane = worker->context;
    struct kernel_results call = {{0}};
    while (kernel_endpoint_reply_receive(lane->endpoint, call.value[2], 0, 0, &call) == STATUS_OK) {
    }
}

static void call(struct worker *worker)
{
    struct lane *lane = worker->context;
    struct kernel_results reply;
    while (going()) {
        must(kernel_gate_call(lane->gate, MESSAGE_HEADER(1, 4, 0), DEADLINE_NEVER, &reply), "call");
        lane->done++;
    }
}

static void fault(struct worker *worker)
{
    struct lane *lane = worker->context;
    while (going()) {
        for (uint64_t page = 0; page < FAULT_PAGES; page++) {
            *(volatile uint8_t *)(FAULT_BASE + page * PAGE_SIZE) = 1;
        }
        lane->done += FAULT_PAGES;
        must(kernel_memory_discard(lane->memory, 0, FAULT_PAGES * PAGE_SIZE), "discard");
    }
}

static void lane_prepare(struct lane *lane)
{
    *lane = (struct lane){.endpoint = slot_new(), .gate = slot_new(), .space = slot_new()};
    must(kernel_endpoint_create(SLOT_ACCOUNT, lane->endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, lane->gate, lane->endpoint, 1), "gate");
    must(kernel_space_create(SLOT_ACCOUNT, lane->space, SLOT_DOMAIN), "space");
    lane->memory = memory_new(SLOT_ACCOUNT, FAULT_PAGES * PAGE_SIZE);
    must(kernel_region_map(lane->space, FAULT_BASE | RIGHT_READ | RIGHT_WRITE,
                           FAULT_PAGES * PAGE_SIZE, lane->memory, 0, 0),
         "region");
    lane->worker.context = lane;
    lane->server.context = lane;
}

/* One thread for each CPU does it, with a server beside it if there is one. */
static void measure(const char *name, uint32_t cpus, void (*work)(struct worker *),
                    void (*server)(struct worker *))
{
    struct platform_state before = machine_books();
    stop = 0;
    for (uint32_t i = 0; i < cpus; i++) {
        lanes[i].done = 0;
        if (server != NULL) {
            worker_start(&lanes[i].server, server, SLOT_NONE);
        }
        worker_start(&lanes[i].worker, work, lanes[i].space);
    }
    uint64_t start_ns = clock_now_ns();
    pause_ns(WHILE_NS);
    uint64_t done = 0;
    for (uint32_t i = 0; i < cpus; i++) {
        done += lanes[i].done;
    }
    uint64_t took_ns = clock_now_ns() - start_ns;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < cpus; i++) {
        worker_join(&lanes[i].worker);
        if (server != NULL) {
            must(worker_kill(&lanes[i].server), "kill");
        }
    }
    struct platform_state after = machine_books();
    log_line("%s %lu 1/s", name, (uint64_t)(done * SECOND_NS / took_ns));
    for (uint32_t i = 0; i < PLATFORM_LOCKS; i++) {
        uint64_t contended = after.lock_contended[i] - before.lock_contended[i];
        if (contended != 0) {
            log_line("%s.contended.%s %lu times", name, lock_names[i], contended);
        }
    }
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("bench");
    uint32_t cpus = (uint32_t)MIN(machine_books().cpus, (uint64_t)CPUS_MOST);
    for (uint32_t i = 0; i < cpus; i++) {
        lane_prepare(&lanes[i]);
    }
    measure("calls", cpus, call, serve);
    measure("faults", cpus, fault, NULL);
    tap_end();
}
