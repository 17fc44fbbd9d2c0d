/* Slots, books, threads and children of the kernel's tests. */
#include "tests/kernel/harness.h"

#include "lib/base/command_line.h"
#include "lib/base/string.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"

#define PLACES_BASE   (WINDOW_BASE + 0x2000000000ull)
#define WORKERS_BASE  (WINDOW_BASE + 0x1000000000ull)
#define WORKERS_MAX   64
#define BOOKS_WAIT_NS (5 * SECOND_NS)

/* --- TAP ------------------------------------------------------------------------------------- */

static uint32_t tests;

void ok(bool good, const char *what)
{
    uint32_t number = __atomic_add_fetch(&tests, 1, __ATOMIC_RELAXED);
    log_line("%s %u - %s", good ? "ok" : "not ok", number, what);
}

void ok_status(status_t got, status_t wanted, const char *what)
{
    if (got != wanted) {
        log_line("# got %s (%u), wanted %s", status_name(got), got, status_name(wanted));
    }
    ok(got == wanted, what);
}

void tap_end(void)
{
    log_line("end");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
}

void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        log_line("# %s: %s", what, status_name(status));
        ok(false, what);
        tap_end();
    }
}

/* --- slots and books ------------------------------------------------------------------------- */

uint32_t slot_new(void)
{
    uint32_t slot = 0;
    must(slot_allocate(&slot), "slot");
    return slot;
}

void destroy(uint32_t slot)
{
    must(kernel_object_destroy(slot), "destroy");
    slot_release(slot);
}

struct account_usage account_books(uint32_t account)
{
    struct account_usage usage;
    must(object_state(account, STATE_ACCOUNT, &usage, sizeof(usage)), "read the account");
    return usage;
}

struct platform_state machine_books(void)
{
    struct platform_state state;
    must(object_state(INIT_SLOT_PLATFORM, STATE_PLATFORM, &state, sizeof(state)),
         "read the platform");
    return state;
}

static uint64_t available_bytes(const struct platform_state *state)
{
    return state->memory_free_bytes + state->memory_spare_bytes;
}

bool machine_is_as(const struct platform_state *before)
{
    uint64_t deadline_ns = clock_now_ns() + BOOKS_WAIT_NS;
    uint64_t wanted_bytes = available_bytes(before);
    struct platform_state now = machine_books();
    while ((available_bytes(&now) < wanted_bytes || now.objects != before->objects) &&
           now.now_ns < deadline_ns) {
        pause_ns(MILLISECOND_NS);
        now = machine_books();
    }
    bool same = available_bytes(&now) >= wanted_bytes && now.objects == before->objects;
    if (!same) {
        log_line("# free or spare %lu, was %lu; objects %lu, were %lu", available_bytes(&now),
                 wanted_bytes, now.objects, before->objects);
    }
    return same;
}

uint32_t memory_new(uint32_t account, uint64_t size_bytes)
{
    uint32_t slot = slot_new();
    must(kernel_memory_create(account, slot, size_bytes), "memory_create");
    return slot;
}

uint32_t account_new(uint64_t limit_bytes, uint64_t limit_threads)
{
    uint32_t slot = slot_new();
    must(kernel_account_create(SLOT_ACCOUNT, slot, 0, limit_bytes, limit_threads),
         "account_create");
    return slot;
}

uint64_t window_place(uint64_t size_bytes)
{
    static uint64_t next = PLACES_BASE;
    uint64_t place = next;
    next += ALIGN_UP(size_bytes, PAGE_SIZE) + PAGE_SIZE;
    return place;
}

volatile uint8_t *window_map_all(uint32_t memory, uint64_t size_bytes)
{
    uint64_t place = window_place(size_bytes);
    must(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ | RIGHT_WRITE, size_bytes, memory, 0, 0),
         "region_map");
    return (volatile uint8_t *)place;
}

/* --- threads --------------------------------------------------------------------------------- */

static uint64_t blocks_mapped;
static uint64_t blocks_used;

static uint64_t block_address(uint32_t block)
{
    return WORKERS_BASE + block * THREAD_BLOCK_SIZE;
}

static uint32_t block_take(void)
{
    uint32_t block = (uint32_t)__builtin_ctzll(~blocks_used);
    if (block >= WORKERS_MAX) {
        must(STATUS_LIMIT_REACHED, "thread blocks");
    }
    blocks_used |= 1ull << block;
    if (!(blocks_mapped >> block & 1)) {
        uint64_t address = block_address(block) + PAGE_SIZE;
        must(kernel_region_map(SLOT_DOMAIN, address | RIGHT_READ | RIGHT_WRITE,
                               THREAD_BLOCK_SIZE - PAGE_SIZE, SLOT_MEMORY, address - WINDOW_BASE,
                               0),
             "thread block");
        blocks_mapped |= 1ull << block;
    }
    return block;
}

static __attribute__((used)) void worker_main(struct worker *worker)
{
    worker->run(worker);
    __atomic_store_n(&worker->done, 1, __ATOMIC_RELEASE);
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
}

static __attribute__((naked)) void worker_entry(void)
{
    __asm__("xor %ebp, %ebp\n"
            "call worker_main\n"
            "ud2");
}

void worker_prepare(struct worker *worker, void (*run)(struct worker *))
{
    worker->run = run;
    worker->done = 0;
    worker->block = block_take();
    worker->slot = slot_new();
    memset((void *)(block_address(worker->block) + THREAD_FRAME_OFFSET), 0, PAGE_SIZE);
}

void worker_begin(struct worker *worker, uint32_t domain, uint32_t space, uint32_t account,
                  enum thread_band band)
{
    uint64_t frame = block_address(worker->block) + THREAD_FRAME_OFFSET;
    must(kernel_thread_create(account, worker->slot, domain, frame, band, 0), "thread_create");
    must(kernel_thread_start(worker->slot, space, (uint64_t)worker_entry, (uint64_t)worker, 0),
         "thread_start");
}

void worker_start_in(struct worker *worker, void (*run)(struct worker *), uint32_t space,
                     uint32_t account, enum thread_band band)
{
    worker_prepare(worker, run);
    worker_begin(worker, SLOT_DOMAIN, space, account, band);
}

void worker_start(struct worker *worker, void (*run)(struct worker *), uint32_t space)
{
    worker_start_in(worker, run, space, SLOT_ACCOUNT, BAND_SERVICE);
}

status_t worker_kill(struct worker *worker)
{
    status_t status = kernel_object_destroy(worker->slot);
    slot_release(worker->slot);
    blocks_used &= ~(1ull << worker->block);
    return status;
}

void pause_ns(uint64_t ns)
{
    uint64_t until_ns = clock_now_ns() + ns;
    while (kernel_thread_park(until_ns, PARK_UNINTERRUPTIBLE) == STATUS_OK) {
    }
}

void wait_for(const uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
        pause_ns(MILLISECOND_NS / 10);
    }
}

void worker_join(struct worker *worker)
{
    wait_for(&worker->done, 1);
    must(worker_kill(worker), "worker_join");
}

/* --- children -------------------------------------------------------------------------------- */

static const struct boot_info *boot_get(void)
{
    static const void *boot;
    if (boot == NULL) {
        must(window_map_source(INIT_SLOT_BOOT, 0, PAGE_SIZE, &boot), "boot information");
    }
    return boot;
}

uint64_t boot_number(const char *key, uint64_t otherwise)
{
    const char *at = command_line_find(boot_get()->command_line, key);
    uint64_t number = 0;
    for (; at != NULL && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return at == NULL ? otherwise : number;
}

static const struct bundle *bundle_get(void)
{
    static struct bundle bundle;
    if (bundle.header == NULL) {
        must(bundle_open(INIT_SLOT_BUNDLE, boot_get()->bundle_bytes, &bundle), "bundle");
    }
    return &bundle;
}

void child_load(struct child *child, uint64_t limit_bytes, uint64_t argument, uint32_t flags)
{
    child->signal = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, child->signal), "signal_create");
    const struct program_specification specification = {
        .bundle = bundle_get(),
        .name = "init",
        .account = SLOT_ACCOUNT,
        .limit_bytes = limit_bytes,
        .limit_threads = 8,
        .band = BAND_SERVICE,
        .domain_flags = flags,
        .private_bytes = WINDOW_SIZE,
        .argument = argument,
        .watch_signal = child->signal,
        .watch_bits = 1,
    };
    must(program_load(&specification, &child->program), "load a child");
}

struct domain_report child_report(const struct child *child)
{
    struct domain_report report;
    must(object_state(child->program.domain, STATE_DOMAIN, &report, sizeof(report)), "report");
    return report;
}

void child_destroy(struct child *child)
{
    must(kernel_object_destroy(child->program.account), "destroy a child");
    program_destroy(&child->program);
    destroy(child->signal);
}

/* --- probes ---------------------------------------------------------------------------------- */

/* harness.S */
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN uint64_t probe_read(uint64_t address);
HIDDEN uint64_t probe_write(uint64_t address);
HIDDEN uint64_t probe_execute(uint64_t address);

bool probe(uint64_t address, enum probe kind)
{
    switch (kind) {
    case PROBE_READ:
        return probe_read(address);
    case PROBE_WRITE:
        return probe_write(address);
    case PROBE_EXECUTE:
        break;
    }
    application_self()->probe_rip = address;
    bool good = probe_execute(address);
    application_self()->probe_rip = 0;
    return good;
}

/* --- the application ------------------------------------------------------------------------- */

HIDDEN void harness_resume(struct thread_frame *frame);
HIDDEN void harness_trap_entry(void);
HIDDEN void harness_fault_entry(void);

_Static_assert(offsetof(struct application, r15) + APPLICATION_OFFSET == 0x860, "harness.S");
_Static_assert(offsetof(struct application, faults) + APPLICATION_OFFSET == 0x870, "harness.S");

struct application *application_self(void)
{
    return (struct application *)((uint8_t *)thread_frame_self() + APPLICATION_OFFSET);
}

const struct trap_words *application_run(void)
{
    struct thread_frame *frame = thread_frame_self();
    harness_resume(frame);
    return &frame->application;
}

const struct trap_words *application_run_at(uint64_t rip, uint64_t rsp, uint64_t cause)
{
    thread_frame_self()->application =
        (struct trap_words){.rip = rip, .rsp = rsp, .rflags = 0x202, .cause = cause};
    return application_run();
}

void harness_entries_set(uint32_t domain)
{
    must(kernel_domain_set_entries(domain, (uint64_t)harness_trap_entry,
                                   (uint64_t)harness_fault_entry),
         "entries");
}

void application_space_make(struct application_space *out, uint32_t account, uint32_t domain)
{
    static const uint64_t pages[] = {APPLICATION_CODE, APPLICATION_DATA,
                                     APPLICATION_STACK - PAGE_SIZE};
    out->space = slot_new();
    out->memory = memory_new(account, APPLICATION_STACK);
    must(kernel_space_create(account, out->space, domain), "space_create");
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        uint64_t rights = RIGHT_READ | RIGHT_WRITE | (i == 0 ? RIGHT_EXECUTE : 0);
        must(kernel_region_map(out->space, pages[i] | rights, PAGE_SIZE, out->memory, pages[i], 0),
             "application page");
    }
    uint64_t place = window_place(2 * PAGE_SIZE);
    const uint64_t read_write = RIGHT_READ | RIGHT_WRITE;
    must(kernel_region_map(SLOT_DOMAIN, place | read_write, PAGE_SIZE, out->memory,
                           APPLICATION_CODE, 0),
         "code in the window");
    must(kernel_region_map(SLOT_DOMAIN, (place + PAGE_SIZE) | read_write, PAGE_SIZE, out->memory,
                           APPLICATION_DATA, 0),
         "data in the window");
    out->code = (volatile uint8_t *)place;
    out->data = (volatile uint8_t *)place + PAGE_SIZE;
}

void application_space_end(struct application_space *space)
{
    destroy(space->space);
    destroy(space->memory);
}

void code_put(struct application_space *space, const void *code, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        space->code[i] = ((const uint8_t *)code)[i];
    }
}
