/*
 * Random calls with random arguments, by the threads of a hostile domain on both CPUs, again and
 * again until there were enough. Meanwhile a watcher's own work, memory and calls, stays correct;
 * at the end the books of the account and of the machine are what they were.
 */
#include "tests/attack/attack.h"

#include "lib/oak/slots.h"

#define CALLS_WANTED   200000
#define WATCHED_WANTED 100
#define SHARED_SLOT    7
#define GATE_SLOT      8
#define POOL_SLOTS     48 /* slots 0 to 47: its own things and what it makes */
#define ARENA          (WINDOW_BASE + 0x3000000000ull)
#define SHARED_PLACE   (WINDOW_BASE + 0x2800000000ull)
#define ARENA_PAGES    64
#define LARGE_BYTES    (2ull << 20)
#define LARGE_PLACE    0x40000000ull /* in the space where some of its threads are */
#define HOSTILE_BLOCKS 4
#define STALL_NS       (300 * MILLISECOND_NS)

struct shared {
    uint64_t calls;
    uint64_t seed;
};

/* --- the hostile domain ---------------------------------------------------------------------- */

/* In a domain of its own this is one program's memory: attacker threads share it. */
static struct shared *shared;

static uint64_t argument_next(uint64_t *random)
{
    static const uint64_t hostile[] = {0,
                                       1,
                                       PAGE_SIZE,
                                       LARGE_BYTES,
                                       0x7fffffffe000ull,
                                       APPLICATION_END,
                                       1ull << 47,
                                       WINDOW_BASE,
                                       WINDOW_BASE + WINDOW_SIZE,
                                       0xffffc00000000000ull,
                                       0xffffffff80000000ull,
                                       UINT64_MAX,
                                       1ull << 63,
                                       UINT32_MAX,
                                       SLOTS};
    uint64_t choice = random_next(random);
    uint64_t value = random_next(random);
    switch (choice % 16) {
    case 0:
        return value;
    case 1:
        return hostile[value % ARRAY_LENGTH(hostile)];
    case 2:
        return ARENA + value % ARENA_PAGES * PAGE_SIZE;
    case 3:
        return (ARENA + value % ARENA_PAGES * PAGE_SIZE) | (value >> 32) % 16;
    case 4:
        return value % POOL_SLOTS | (value >> 32) % POOL_SLOTS << 32;
    case 5:
        return value % 16 * PAGE_SIZE;
    case 6:
        return 0x10000 + value % 16 * PAGE_SIZE + (value >> 32) % 16;
    case 7:
        return value % 256;
    case 8:
        return LARGE_PLACE + value % 512 * PAGE_SIZE;
    default:
        return value % POOL_SLOTS;
    }
}

/* Where a call waits, it must come back soon. */
static void deadline_set(uint64_t number, uint64_t *arguments, uint64_t value)
{
    uint64_t deadline_ns = value % 4 == 0 ? clock_now_ns() + value % 200000 : 0;
    if (number == CALL_thread_park) {
        arguments[0] = deadline_ns;
    }
    if (number == CALL_gate_call || number == CALL_endpoint_receive || number == CALL_signal_wait) {
        arguments[2] = deadline_ns;
    }
}

/* A page of what may be one large page; who is in no space, or finds it gone, faults. */
static void large_touch(uint64_t value)
{
    volatile uint64_t *word = (volatile uint64_t *)(LARGE_PLACE + value % LARGE_BYTES / 8 * 8);
    if (value >> 32 & 1) {
        *word = value;
    } else {
        (void)*word;
    }
}

/* Copies and drops within the pool, what it stands on rarely among them. */
static void copy_words(uint64_t *words, uint64_t *random)
{
    for (uint32_t i = 1; i < 6; i++) {
        uint64_t value = random_next(random);
        uint64_t there = value % 64 == 0 ? value >> 8 & 0xffffff
                                         : SLOT_FIRST + (value >> 8) % (POOL_SLOTS - SLOT_FIRST);
        uint64_t here = (value >> 32) % 4 == 0 ? 0 : (value >> 34) % POOL_SLOTS;
        /* With a bit that takes, at times, and others that mean nothing. */
        words[i] = value % 8 == 1   ? 0
                   : value % 8 == 2 ? CAPABILITY_COPY(there, here, value >> 48) | value >> 56 << 56
                                    : CAPABILITY_COPY(there, here, value >> 48);
    }
}

static void hostile_call(uint64_t *random)
{
    uint64_t number = random_next(random) % (KERNEL_CALLS + 2);
    uint64_t rare = random_next(random);
    uint64_t a[6];
    for (uint32_t i = 0; i < 6; i++) {
        a[i] = argument_next(random);
    }
    if (rare % 16 == 3) {
        large_touch(a[5] ^ rare);
    }
    if (number == CALL_endpoint_reply_receive && rare % 64 != 0) {
        return; /* has no deadline */
    }
    if (number == CALL_object_destroy && rare % 64 != 0 && a[0] < SLOT_FIRST) {
        return; /* what it stands on, now and then only */
    }
    if (number == CALL_capabilities_copy) {
        copy_words(a, random);
    }
    if (number == CALL_domain_set_entries && rare % 64 != 0) {
        return;
    }
    /* A place for what is made, and somebody who pays, more often than by chance. */
    if (rare % 4 != 0 && number != CALL_object_destroy) {
        a[1] = rare % 8 == 1 ? a[1] : SLOT_FIRST + rare / 8 % (POOL_SLOTS - SLOT_FIRST);
        a[0] = rare % 16 == 2 ? SLOT_ACCOUNT : a[0];
    }
    deadline_set(number, a, rare);
    struct thread_frame *frame = thread_frame_self();
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        frame->send[i] = (uint32_t)(random_next(random) % POOL_SLOTS);
        frame->receive[i] = (uint32_t)(random_next(random) % POOL_SLOTS);
    }
    if (number <= CALL_fault_resume) {
        uint64_t *words = (uint64_t *)&frame->application;
        for (uint32_t i = 0; i < 10; i++) {
            words[i] = argument_next(random);
        }
    }
    struct kernel_results results;
    (void)kernel_call_6(number, a[0], a[1], a[2], a[3], a[4], a[5], &results);
    __atomic_fetch_add(&shared->calls, 1, __ATOMIC_RELAXED);
}

static __attribute__((used, noreturn)) void hostile_loop(void)
{
    uint64_t random = __atomic_add_fetch(&shared->seed, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
    random |= 1;
    for (;;) {
        hostile_call(&random);
    }
}

/* Traps and new threads begin at the top of their own stack. */
static __attribute__((naked)) void hostile_trap(void)
{
    __asm__("call hostile_loop");
}

/* Faults too, after the fault was resumed there. */
static __attribute__((naked)) void hostile_fault(void)
{
    __asm__("lea -1(%rsp), %rax\n"
            "and $-0x8000, %rax\n"
            "add $0x7000, %rax\n"
            "lea hostile_loop(%rip), %rcx\n"
            "mov %rcx, 0x80(%rax)\n"
            "lea -8(%rax), %rcx\n"
            "mov %rcx, 0x88(%rax)\n"
            "mov $1, %eax\n"
            "syscall\n"
            "ud2");
}

static void hostile_prepare(void)
{
    must(kernel_region_map(SLOT_DOMAIN, SHARED_PLACE | RIGHT_READ | RIGHT_WRITE, PAGE_SIZE,
                           SHARED_SLOT, 0, 0),
         "shared page");
    shared = (struct shared *)SHARED_PLACE;
    (void)clock_now_ns(); /* maps the time page */
    uint64_t random = shared->seed | 1;
    for (uint32_t slot = SLOT_FIRST; slot < SLOT_FIRST + 6; slot++) {
        (void)kernel_memory_create(SLOT_ACCOUNT, slot, ARENA_PAGES * PAGE_SIZE);
    }
    (void)kernel_domain_create(SLOT_ACCOUNT, SLOT_FIRST + 6, random >> 8 & 1, SLOT_NONE, 0);
    (void)kernel_space_create(SLOT_ACCOUNT, SLOT_FIRST + 7, SLOT_DOMAIN);
    (void)kernel_space_create(SLOT_ACCOUNT, SLOT_FIRST + 8, SLOT_FIRST + 6);
    (void)kernel_endpoint_create(SLOT_ACCOUNT, SLOT_FIRST + 9);
    (void)kernel_gate_create(SLOT_ACCOUNT, SLOT_FIRST + 10, SLOT_FIRST + 9, 1);
    (void)kernel_signal_create(SLOT_ACCOUNT, SLOT_FIRST + 11);
    (void)kernel_region_map(SLOT_DOMAIN, ARENA | RIGHT_READ | RIGHT_WRITE,
                            ARENA_PAGES / 2 * PAGE_SIZE, SLOT_FIRST, 0, 0);
    (void)kernel_memory_create(SLOT_ACCOUNT, SLOT_FIRST + 12 + HOSTILE_BLOCKS, LARGE_BYTES);
    (void)kernel_region_map(SLOT_FIRST + 7, LARGE_PLACE | RIGHT_READ | RIGHT_WRITE | MAP_LARGE,
                            LARGE_BYTES, SLOT_FIRST + 12 + HOSTILE_BLOCKS, 0, 0);
    (void)kernel_domain_set_entries(SLOT_DOMAIN, (uint64_t)hostile_trap, (uint64_t)hostile_fault);
    for (uint32_t i = 0; i < HOSTILE_BLOCKS; i++) {
        uint64_t block = WINDOW_THREAD_BLOCK(i + 1);
        uint32_t slot = SLOT_FIRST + 12 + i;
        (void)kernel_region_map(SLOT_DOMAIN, (block + PAGE_SIZE) | RIGHT_READ | RIGHT_WRITE,
                                THREAD_BLOCK_SIZE - PAGE_SIZE, SLOT_MEMORY,
                                block + PAGE_SIZE - WINDOW_BASE, 0);
        (void)kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, block + THREAD_FRAME_OFFSET,
                                   BAND_CONTAINER, 0);
        (void)kernel_thread_start(slot, random >> i & 1 ? SLOT_FIRST + 7 : 0,
                                  (uint64_t)hostile_trap, 0, 0);
    }
}

static void role_hostile(uint64_t argument)
{
    (void)argument;
    hostile_prepare();
    hostile_loop();
}

/* --- the watcher ----------------------------------------------------------------------------- */

#define WATCHER_PAGES 32

static uint32_t endpoint;
static uint32_t gate;
static uint32_t watching;
static uint64_t watched_rounds;
static uint64_t watcher_failures;

static void server(struct worker *worker)
{
    (void)worker;
    struct thread_frame *frame = thread_frame_self();
    struct kernel_results call;
    uint64_t token = 0;
    while (kernel_endpoint_reply_receive(endpoint, token, MESSAGE_HEADER(0, 1, 0), 0, &call) ==
           STATUS_OK) {
        token = call.value[2];
        frame->message[0] = frame->message[0] * 3 + call.value[1];
    }
}

struct watcher_slots {
    uint32_t memory;
    uint32_t clone;
    uint64_t place;
};

static bool watch_memory(const struct watcher_slots *slots, uint64_t round)
{
    uint64_t size = WATCHER_PAGES * PAGE_SIZE;
    uint64_t rights = RIGHT_READ | RIGHT_WRITE;
    bool good = kernel_memory_create(SLOT_ACCOUNT, slots->memory, size) == STATUS_OK;
    good = good && kernel_region_map(SLOT_DOMAIN, slots->place | rights, size, slots->memory, 0,
                                     0) == STATUS_OK;
    volatile uint64_t *here = (volatile uint64_t *)slots->place;
    volatile uint64_t *there = (volatile uint64_t *)(slots->place + size);
    for (uint64_t i = 0; good && i < size / 8; i += 512) {
        good = here[i] == 0;
        here[i] = round + i;
    }
    good = good && kernel_memory_clone(SLOT_ACCOUNT, slots->clone, slots->memory) == STATUS_OK;
    good = good && kernel_region_map(SLOT_DOMAIN, (slots->place + size) | rights, size,
                                     slots->clone, 0, 0) == STATUS_OK;
    for (uint64_t i = 0; good && i < size / 8; i += 1024) {
        here[i] = 0;
    }
    for (uint64_t i = 0; good && i < size / 8; i += 512) {
        good = there[i] == round + i && here[i] == (i % 1024 == 0 ? 0 : round + i);
    }
    good = good && kernel_object_destroy(slots->memory) == STATUS_OK;
    return good && kernel_object_destroy(slots->clone) == STATUS_OK;
}

static void watcher(struct worker *worker)
{
    const struct watcher_slots *slots = worker->context;
    struct thread_frame *frame = thread_frame_self();
    while (__atomic_load_n(&watching, __ATOMIC_ACQUIRE)) {
        struct kernel_results results;
        bool good = watch_memory(slots, watched_rounds);
        frame->message[0] = watched_rounds;
        good = good && kernel_gate_call(gate, MESSAGE_HEADER(1, 1, 0), DEADLINE_NEVER, &results) ==
                           STATUS_OK;
        good = good && frame->message[0] == watched_rounds * 3 + 7;
        watcher_failures += !good;
        __atomic_fetch_add(&watched_rounds, 1, __ATOMIC_RELEASE);
        (void)kernel_thread_park(clock_now_ns() + MILLISECOND_NS / 2, PARK_UNINTERRUPTIBLE);
    }
}

/* --- rounds ---------------------------------------------------------------------------------- */

/* One hostile domain until it ends by itself, stalls, or did its part. */
static void hostile_round(uint32_t page, volatile struct shared *here, uint32_t hostile_gate)
{
    struct child child;
    child_load(&child, 6 << 20, (uint64_t)role_hostile, 0);
    must(kernel_capability_drop(child.program.domain, SLOT_LOG), "drop");
    must(kernel_capability_copy(child.program.domain, SHARED_SLOT, page, RIGHT_READ | RIGHT_WRITE),
         "copy");
    must(kernel_capability_copy(child.program.domain, GATE_SLOT, hostile_gate, RIGHT_CALL), "copy");
    uint64_t target = here->calls + CALLS_WANTED / 40;
    must(program_start(&child.program), "start");
    struct kernel_results bits;
    uint64_t last = here->calls;
    for (;;) {
        status_t status =
            kernel_signal_wait(child.signal, 1, clock_now_ns() + STALL_NS / 10, &bits);
        uint64_t now = here->calls;
        if (status == STATUS_OK || now == last || now >= target) {
            break;
        }
        last = now;
    }
    child_destroy(&child);
}

static void rounds(uint32_t page, volatile struct shared *here, uint32_t hostile_gate)
{
    here->calls = 0;
    uint64_t deadline_ns = clock_now_ns() + 100 * SECOND_NS;
    uint32_t domains = 0;
    /* On a busy host the watcher may get less of the time than they do: it has its rounds as well.
     */
    while ((here->calls < CALLS_WANTED ||
            __atomic_load_n(&watched_rounds, __ATOMIC_RELAXED) <= WATCHED_WANTED) &&
           clock_now_ns() < deadline_ns) {
        hostile_round(page, here, hostile_gate);
        domains++;
    }
    log_line("# %lu calls by %u domains, %lu rounds watched", here->calls, domains, watched_rounds);
    ok(here->calls >= CALLS_WANTED, "200,000 random calls");
}

struct watch {
    struct worker serving;
    struct worker watching;
};

static void watch_begin(struct watch *watch, struct watcher_slots *slots)
{
    *watch = (struct watch){.watching = {.context = slots}};
    watched_rounds = 0;
    watching = 1;
    worker_start(&watch->serving, server, SLOT_NONE);
    worker_start(&watch->watching, watcher, SLOT_NONE);
}

static void watch_end(struct watch *watch)
{
    __atomic_store_n(&watching, 0, __ATOMIC_RELEASE);
    worker_join(&watch->watching);
    must(worker_kill(&watch->serving), "kill");
}

void attack_random(void)
{
    log_line("# random calls");
    uint32_t page = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
    volatile struct shared *here = (volatile struct shared *)window_map_all(page, PAGE_SIZE);
    here->seed = boot_number("seed=", 0x243f6a8885a308d3ull);
    endpoint = slot_new();
    gate = slot_new();
    uint32_t hostile_gate = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, 7), "gate");
    must(kernel_gate_create(SLOT_ACCOUNT, hostile_gate, endpoint, 8), "gate");
    struct watcher_slots slots = {slot_new(), slot_new(),
                                  window_place(2 * WATCHER_PAGES * PAGE_SIZE)};
    struct watch watch;
    /* Once, so that our own slots and tables are there. */
    watch_begin(&watch, &slots);
    hostile_round(page, here, hostile_gate);
    watch_end(&watch);
    pause_ns(20 * MILLISECOND_NS);
    struct platform_state before = machine_books();
    struct account_usage books = account_books(SLOT_ACCOUNT);
    watch_begin(&watch, &slots);
    rounds(page, here, hostile_gate);
    watch_end(&watch);
    ok(watched_rounds > WATCHED_WANTED && watcher_failures == 0,
       "the watcher's own work stayed correct");
    ok(machine_is_as(&before), "the machine has the memory and the objects that it had");
    struct account_usage now = account_books(SLOT_ACCOUNT);
    ok(now.threads == books.threads && now.bytes_total <= books.bytes_total,
       "and the account's books are balanced");
    destroy(hostile_gate);
    destroy(gate);
    destroy(endpoint);
    destroy(page);
}
