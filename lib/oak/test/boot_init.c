/*
 * An init that tests the runtime on the kernel: heap, window and slots give back what they took, a
 * second thread is the client of the service loop in the first, deferred calls are answered out of
 * order, capabilities that nobody wanted are dropped, a deadline comes, a signal arrives, and a
 * program that faults is reported. Prints TAP.
 */
#include "abi/container.service.h"
#include "lib/oak/clock.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/service.h"
#include "lib/oak/slots.h"
#include "lib/oak/thread.h"
#include "lib/oak/window.h"

#define BADGE       77
#define SIGNAL_BITS 5

static int tests;

static void ok(bool good, const char *what)
{
    log_line("%s %d - %s", good ? "ok" : "not ok", ++tests, what);
}

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        log_line("not ok %d - %s: %s", ++tests, what, status_name(status));
        log_line("end");
        __builtin_trap();
    }
}

static uint32_t slot_new(void)
{
    uint32_t slot;
    must(slot_allocate(&slot), "slot");
    return slot;
}

static uint64_t own_bytes(void)
{
    struct account_usage usage;
    must(object_state(SLOT_ACCOUNT, STATE_ACCOUNT, &usage, sizeof(usage)), "account");
    return usage.bytes[ACCOUNT_FRAMES];
}

static void test_heap(void)
{
    heap_free(heap_allocate(100000));
    uint64_t before = own_bytes();
    uint8_t *block = heap_allocate_zeroed(1 << 20);
    memset(block, 1, 1 << 20);
    ok(own_bytes() - before >= 1 << 20, "touched heap is charged");
    heap_free(block);
    ok(own_bytes() - before < 1 << 16, "freed heap is given back");
}

static void test_window(void)
{
    uint32_t memory = slot_new();
    void *one;
    void *two;
    const void *source;
    must(kernel_memory_create(SLOT_ACCOUNT, memory, 4 * PAGE_SIZE), "memory");
    must(window_map(memory, 0, 4 * PAGE_SIZE, RIGHT_READ | RIGHT_WRITE, &one), "map");
    must(window_map(memory, PAGE_SIZE, PAGE_SIZE, RIGHT_READ | RIGHT_WRITE, &two), "map");
    must(window_map_source(memory, PAGE_SIZE, PAGE_SIZE, &source), "map as source");
    ((uint8_t *)one)[PAGE_SIZE] = 42;
    ok(*(uint8_t *)two == 42, "two mappings of a memory share its frames");
    ok(*(const uint8_t *)source == 42, "and so does one as source");
    window_unmap(two, PAGE_SIZE);
    void *again;
    must(window_map(memory, 0, PAGE_SIZE, RIGHT_READ, &again), "map");
    ok(again == two, "an unmapped place is used again");
    slot_destroy(memory);
    ok(slot_new() == memory, "and so is a slot");
    slot_free(memory);
}

static uint64_t timed_out_ns;

static void test_clock(void)
{
    uint64_t start_ns = clock_now_ns();
    struct kernel_results bits;
    uint32_t signal = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    status_t status = kernel_signal_wait(signal, 1, start_ns + 20000000, &bits);
    uint64_t took_ns = clock_now_ns() - start_ns;
    ok(status == STATUS_TIMED_OUT && took_ns >= 20000000 && took_ns < 2000000000,
       "a deadline of 20 ms comes, and not too late");
    slot_destroy(signal);
}

/* --- The service and its client --- */

static uint32_t endpoint;
static uint32_t gate;
static uint32_t signal_slot;
static uint64_t deferred_token;
static uint64_t deadline_ns = DEADLINE_NEVER;
static uint64_t signal_bits;
static uint32_t client_failures;

/* Answered when the next call comes: by a second client. */
static status_t on_ended(struct service_call *call, const struct container_ended_request *request)
{
    if (request->exit_code == 1) {
        deferred_token = call->token;
        return STATUS_DEFERRED;
    }
    service_answer(call->endpoint, deferred_token, STATUS_EXISTS);
    return STATUS_NOT_FOUND;
}

static status_t on_next_request(struct service_call *call,
                                struct container_next_request_reply *reply)
{
    reply->kind = (uint32_t)call->badge;
    reply->value = 0x123456789abcdef0;
    reply->channel = slot_new();
    must(kernel_memory_create(SLOT_ACCOUNT, reply->channel, PAGE_SIZE), "memory");
    service_drop_after(call, reply->channel);
    return STATUS_OK;
}

static status_t on_ring_moved(struct service_call *call,
                              const struct container_ring_moved_request *request)
{
    (void)call;
    deadline_ns = clock_now_ns() + request->process;
    return STATUS_OK;
}

static const struct container_handlers handlers = {
    .ended = on_ended, .next_request = on_next_request, .ring_moved = on_ring_moved};

static void on_signal(void *context, uint64_t bits)
{
    (void)context;
    signal_bits = bits;
}

static uint64_t next_deadline(void *context)
{
    (void)context;
    return deadline_ns;
}

static void on_deadline(void *context)
{
    (void)context;
    timed_out_ns = clock_now_ns();
    deadline_ns = DEADLINE_NEVER;
    kernel_object_destroy(endpoint);
}

static void client_check(bool good)
{
    __atomic_fetch_add(&client_failures, !good, __ATOMIC_SEQ_CST);
}

/* Runs in two further threads: no lib/oak but the stubs. */
static void client_deferred(uint64_t unused)
{
    (void)unused;
    client_check(container_ended(gate, 0, 1, 0, 1) == STATUS_EXISTS);
}

static void client(uint64_t channel)
{
    struct container_next_request_reply reply = {0};
    for (int i = 0; i < 300; i++) {
        client_check(container_next_request(gate, (uint32_t)channel, &reply) == STATUS_OK);
        client_check(reply.kind == BADGE && reply.value == 0x123456789abcdef0);
        client_check(reply.channel == channel);
        client_check(kernel_object_destroy((uint32_t)channel) == STATUS_OK);
        client_check(kernel_capability_drop(SLOT_DOMAIN, channel) == STATUS_OK);
    }
    while (__atomic_load_n(&deferred_token, __ATOMIC_ACQUIRE) == 0) {
        kernel_thread_yield();
    }
    client_check(container_ended(gate, 0, 2, 0, 1) == STATUS_NOT_FOUND);
    client_check(container_missing(gate, 0, "x", 1) == STATUS_NOT_SUPPORTED);
    /* Capabilities that no operation wants must not stay in the server's table. */
    const uint32_t send[] = {SLOT_LOG, SLOT_TIME, SLOT_LOG};
    uint32_t received;
    for (int i = 0; i < 300; i++) {
        const struct call call = {
            .operation = 5, .send = send, .send_count = 3, .received = &received};
        client_check(call_gate(gate, &call) == STATUS_INVALID_ARGUMENT);
    }
    client_check(kernel_signal_raise(signal_slot, SIGNAL_BITS) == STATUS_OK);
    client_check(container_ring_moved(gate, 10000000) == STATUS_OK);
}

static void test_service(void)
{
    endpoint = slot_new();
    gate = slot_new();
    signal_slot = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, BADGE), "gate");
    must(kernel_signal_create(SLOT_ACCOUNT, signal_slot), "signal");
    uint32_t channel = slot_new();
    uint32_t thread;
    must(thread_run(client_deferred, 0, BAND_SERVICE, &thread), "thread");
    must(thread_run(client, channel, BAND_SERVICE, &thread), "thread");
    const struct service_interface interface = {BADGE, BADGE, container_dispatch, &handlers, NULL};
    const struct service service = {.endpoint = endpoint,
                                    .signal = signal_slot,
                                    .interfaces = &interface,
                                    .interface_count = 1,
                                    .on_signal = on_signal,
                                    .next_deadline = next_deadline,
                                    .on_deadline = on_deadline};
    uint32_t free_before = slot_new();
    slot_free(free_before);
    status_t status = service_run(&service);
    ok(status == STATUS_BAD_CAPABILITY || status == STATUS_CLOSED,
       "the loop ends with its endpoint");
    ok(client_failures == 0, "all calls got the answers they should");
    ok(signal_bits == SIGNAL_BITS, "a signal comes between the calls");
    ok(timed_out_ns != 0, "the loop's deadline came");
    uint32_t slot = slot_new();
    ok(slot <= free_before + 2 * MESSAGE_CAPABILITIES, "no slot was lost");
    slot_free(slot);
}

static void test_program_fault(const struct bundle *bundle)
{
    uint32_t signal = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    uint64_t before = own_bytes();
    struct program_specification specification = {.bundle = bundle,
                                                  .name = "storage",
                                                  .account = SLOT_ACCOUNT,
                                                  .limit_bytes = 4 << 20,
                                                  .limit_threads = 1,
                                                  .watch_signal = signal,
                                                  .watch_bits = 8};
    struct program program;
    specification.name = "nothing";
    ok(program_load(&specification, &program) == STATUS_NOT_FOUND, "a missing program is missed");
    specification.name = "storage";
    specification.limit_bytes = PAGE_SIZE;
    ok(program_load(&specification, &program) == STATUS_NO_MEMORY,
       "a program is not loaded beyond its limit");
    ok(own_bytes() == before, "and leaves nothing behind");
    specification.limit_bytes = 4 << 20;
    must(program_load(&specification, &program), "load");
    program.entry = WINDOW_HEAP; /* nothing is mapped there */
    must(program_start(&program), "start");
    struct kernel_results bits;
    ok(kernel_signal_wait(signal, 8, clock_now_ns() + 5000000000ull, &bits) == STATUS_OK,
       "a program that faults is heard of");
    struct domain_report report;
    must(object_state(program.domain, STATE_DOMAIN, &report, sizeof(report)), "report");
    ok(report.fault.rip == WINDOW_HEAP && report.fault.address == WINDOW_HEAP,
       "and the report says where");
    program_destroy(&program);
    ok(own_bytes() == before, "destroying it gives everything back");
    slot_destroy(signal);
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("test");
    const void *boot;
    must(window_map_source(INIT_SLOT_BOOT, 0, PAGE_SIZE, &boot), "boot information");
    struct bundle bundle;
    must(bundle_open(INIT_SLOT_BUNDLE, ((const struct boot_info *)boot)->bundle_bytes, &bundle),
         "bundle");
    test_heap();
    test_window();
    test_clock();
    test_service();
    test_program_fault(&bundle);
    log_line("end");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}
