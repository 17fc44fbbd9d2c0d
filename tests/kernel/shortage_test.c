/*
 * Shortage at every allocation: each call that may need memory is made again and again by an
 * account whose limit leaves room for nothing, for one more unit of the kernel's heap, for two,
 * until the call succeeds. So the first, second, ... last charge of each call fails once. A call
 * that fails says NO_MEMORY, and the account's books and the machine's objects are what they were.
 */
#include "tests/kernel/harness.h"

#include "lib/base/format.h"
#include "lib/oak/slots.h"

#define UNIT_BYTES 64 /* the kernel's heap hands out multiples of it */
#define STEPS_MAX  2000
#define PLENTY     (64ull << 20)
#define READ_WRITE (RIGHT_READ | RIGHT_WRITE)
#define PLACE      0x400000ull /* in the space */
#define FAR_PLACE  0x600000000000ull
#define PAGES      4

#define LARGE_PLACE 0x40000000ull
#define LARGE_BYTES (2ull << 20)

/* What the calls work on; all of it is paid for by `account`, but the source and the other domain.
 */
static struct {
    uint32_t account;
    uint32_t domain;
    uint32_t space;
    uint32_t other_space;
    uint32_t memory;
    uint32_t other_memory;
    uint32_t endpoint;
    uint32_t signal;
    uint32_t made; /* the slot of what a call makes */
    uint64_t frame;
} stage;

struct shortage {
    const char *name;
    void (*prepare)(void);
    status_t (*call)(void);
    void (*undo)(void);
    bool partly; /* what was done before it failed stays: pages, parts of a table */
};

static void made_destroy(void)
{
    must(kernel_object_destroy(stage.made), "destroy");
}

static void nothing(void)
{
}

/* --- objects --------------------------------------------------------------------------------- */

static status_t make_endpoint(void)
{
    return kernel_endpoint_create(stage.account, stage.made);
}

static status_t make_gate(void)
{
    return kernel_gate_create(stage.account, stage.made, stage.endpoint, 1);
}

static status_t make_signal(void)
{
    return kernel_signal_create(stage.account, stage.made);
}

static status_t make_account(void)
{
    return kernel_account_create(stage.account, stage.made, PAGE_SIZE, 1 << 20, 1);
}

static status_t make_domain(void)
{
    return kernel_domain_create(stage.account, stage.made, 0, SLOT_NONE, 0);
}

static status_t make_space(void)
{
    return kernel_space_create(stage.account, stage.made, stage.domain);
}

static status_t make_memory(void)
{
    return kernel_memory_create(stage.account, stage.made, PLENTY);
}

static status_t make_clone(void)
{
    return kernel_memory_clone(stage.account, stage.made, stage.memory);
}

static status_t make_view(void)
{
    return kernel_memory_view(stage.account, stage.made, stage.memory, 0, PAGE_SIZE, READ_WRITE);
}

static status_t make_pinned(void)
{
    return kernel_memory_create_platform(INIT_SLOT_PLATFORM, stage.made, stage.account,
                                         2 * PAGE_SIZE, MEMORY_DMA);
}

static status_t make_thread(void)
{
    return kernel_thread_create(stage.account, stage.made, SLOT_DOMAIN, stage.frame, 0, 0);
}

static status_t make_irq(void)
{
    struct kernel_results ignored;
    return kernel_irq_create(INIT_SLOT_PLATFORM, stage.made, stage.account, IRQ_MSI, stage.signal,
                             1, &ignored);
}

static status_t make_ioport(void)
{
    return kernel_ioport_create(INIT_SLOT_PLATFORM, stage.made, stage.account, 0x80, 1);
}

/* --- regions and pages ------------------------------------------------------------------------ */

static status_t region_map_whole(void)
{
    return kernel_region_map(stage.space, PLACE | READ_WRITE, PAGES * PAGE_SIZE, stage.memory, 0,
                             0);
}

static void region_mapped(void)
{
    must(region_map_whole(), "map");
}

/* What an attempt before left is unmapped first. */
static status_t regions_map_several(void)
{
    const uint64_t more[2][REGION_WORDS] = {
        {(PLACE + PAGE_SIZE) | READ_WRITE, PAGE_SIZE, stage.memory, 0, 0},
        {(PLACE + 2 * PAGE_SIZE) | RIGHT_READ, PAGE_SIZE, (uint64_t)stage.memory << 32, 0, 0},
    };
    must(kernel_region_unmap(stage.space, PLACE, PAGES * PAGE_SIZE), "unmap");
    memcpy(thread_frame_self()->message, more, sizeof(more));
    return kernel_region_map(stage.space, PLACE | READ_WRITE | REGION_MORE(2), PAGE_SIZE,
                             stage.memory, 0, 0);
}

static void region_gone(void)
{
    must(kernel_region_unmap(stage.space, PLACE, PAGES * PAGE_SIZE), "unmap");
}

static status_t region_cut_by_protect(void)
{
    return kernel_region_protect(stage.space, PLACE + PAGE_SIZE, PAGE_SIZE, RIGHT_READ);
}

static status_t region_cut_by_unmap(void)
{
    return kernel_region_unmap(stage.space, PLACE + PAGE_SIZE, PAGE_SIZE);
}

static status_t regions_repeat(void)
{
    return kernel_regions_copy(stage.other_space, stage.space, stage.other_memory, stage.memory);
}

static void regions_gone(void)
{
    must(kernel_region_unmap(stage.other_space, PLACE, PAGES * PAGE_SIZE), "unmap");
    region_gone();
}

static void region_far_mapped(void)
{
    must(kernel_region_map(stage.space, FAR_PLACE | READ_WRITE, PAGES * PAGE_SIZE,
                           stage.other_memory, 32 << 20, 0),
         "map");
}

static status_t pages_back(void)
{
    return kernel_region_populate(stage.space, FAR_PLACE, PAGES * PAGE_SIZE);
}

static void pages_gone(void)
{
    must(kernel_region_unmap(stage.space, FAR_PLACE, PAGES * PAGE_SIZE), "unmap");
    must(kernel_memory_discard(stage.other_memory, 0, PLENTY), "discard");
}

static void large_mapped(void)
{
    must(kernel_region_map(stage.space, LARGE_PLACE | READ_WRITE | MAP_LARGE, LARGE_BYTES,
                           stage.other_memory, 0, 0),
         "map");
}

static status_t large_back(void)
{
    return kernel_region_populate(stage.space, LARGE_PLACE, PAGE_SIZE);
}

static void large_gone(void)
{
    must(kernel_region_unmap(stage.space, LARGE_PLACE, LARGE_BYTES), "unmap");
    must(kernel_memory_discard(stage.other_memory, 0, PLENTY), "discard");
}

static status_t pages_populate(void)
{
    return kernel_memory_populate(stage.other_memory, 0, PAGES * PAGE_SIZE);
}

static void pages_discard(void)
{
    must(kernel_memory_discard(stage.other_memory, 0, PLENTY), "discard");
}

static void capability_gone(void)
{
    must(kernel_object_destroy(stage.made), "destroy");
}

static void domain_made(void)
{
    must(kernel_domain_create(stage.account, stage.made, 0, SLOT_NONE, 0), "domain");
}

static status_t capability_far_copy(void)
{
    return kernel_capability_copy(stage.made, SLOTS - 1, stage.signal, RIGHTS_ALL);
}

/* --- the run --------------------------------------------------------------------------------- */

static const struct shortage shortages[] = {
    {"endpoint_create", nothing, make_endpoint, made_destroy, false},
    {"gate_create", nothing, make_gate, made_destroy, false},
    {"signal_create", nothing, make_signal, made_destroy, false},
    {"account_create", nothing, make_account, made_destroy, false},
    {"domain_create", nothing, make_domain, made_destroy, false},
    {"space_create", nothing, make_space, made_destroy, false},
    {"memory_create", nothing, make_memory, made_destroy, false},
    {"memory_clone", nothing, make_clone, made_destroy, false},
    {"memory_view", nothing, make_view, made_destroy, false},
    {"memory_create_platform", nothing, make_pinned, made_destroy, false},
    {"thread_create", nothing, make_thread, made_destroy, false},
    {"irq_create", nothing, make_irq, made_destroy, false},
    {"ioport_create", nothing, make_ioport, made_destroy, false},
    {"region_map", nothing, region_map_whole, region_gone, false},
    {"region_map of several", nothing, regions_map_several, region_gone, true},
    {"region_protect", region_mapped, region_cut_by_protect, region_gone, true},
    {"region_unmap", region_mapped, region_cut_by_unmap, region_gone, true},
    {"regions_copy", region_mapped, regions_repeat, regions_gone, false},
    {"region_populate", region_far_mapped, pages_back, pages_gone, true},
    {"region_populate for a large page", large_mapped, large_back, large_gone, true},
    {"memory_populate", nothing, pages_populate, pages_discard, true},
    {"capabilities_copy", domain_made, capability_far_copy, capability_gone, true},
};

/* Objects leave the books one barrier after their end. */
static bool books_become(uint64_t bytes, uint64_t objects)
{
    for (uint32_t i = 0; i < 1000; i++) {
        if (account_books(stage.account).bytes_total == bytes &&
            machine_books().objects == objects) {
            return true;
        }
        pause_ns(MILLISECOND_NS / 10);
    }
    return false;
}

static void limit_set(uint64_t bytes)
{
    must(kernel_account_set(stage.account, ACCOUNT_LIMIT_BYTES, bytes, 0, 0), "limit");
}

/* True when the call failed at least once, never otherwise than it may, and then succeeded. */
static bool shortage_run(const struct shortage *shortage)
{
    uint64_t clean_bytes = account_books(stage.account).bytes_total;
    uint64_t clean_objects = machine_books().objects;
    shortage->prepare();
    uint64_t bytes = account_books(stage.account).bytes_total;
    uint64_t objects = machine_books().objects;
    status_t status = STATUS_NO_MEMORY;
    uint32_t step = 0;
    bool same = true;
    while (status == STATUS_NO_MEMORY && step < STEPS_MAX && same) {
        limit_set(bytes + (uint64_t)step * UNIT_BYTES);
        status = shortage->call();
        limit_set(PLENTY);
        same = status == STATUS_OK || shortage->partly || books_become(bytes, objects);
        step++;
    }
    bool good = status == STATUS_OK && step > 1 && same;
    if (!good) {
        log_line("# %s: %s after %u steps, %lu bytes were %lu, %lu objects were %lu",
                 shortage->name, status_name(status), step,
                 account_books(stage.account).bytes_total, bytes, machine_books().objects, objects);
    }
    if (status == STATUS_OK) {
        shortage->undo();
        bool clean = books_become(clean_bytes, clean_objects);
        if (!clean) {
            log_line("# %s: undone, %lu bytes were %lu", shortage->name,
                     account_books(stage.account).bytes_total, clean_bytes);
        }
        good = good && clean;
    }
    return good;
}

static void stage_make(void)
{
    stage.account = account_new(PLENTY, 8);
    stage.endpoint = slot_new();
    stage.signal = slot_new();
    stage.domain = slot_new();
    stage.space = slot_new();
    stage.other_space = slot_new();
    stage.made = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, stage.endpoint), "endpoint");
    must(kernel_signal_create(SLOT_ACCOUNT, stage.signal), "signal");
    must(kernel_domain_create(SLOT_ACCOUNT, stage.domain, 0, SLOT_NONE, 0), "domain");
    must(kernel_space_create(stage.account, stage.space, stage.domain), "space");
    must(kernel_space_create(stage.account, stage.other_space, stage.domain), "space");
    stage.memory = memory_new(stage.account, PLENTY);
    stage.other_memory = memory_new(stage.account, PLENTY);
    must(kernel_memory_populate(stage.memory, 0, PAGES * PAGE_SIZE), "populate");
    uint64_t block = (uint64_t)window_map_all(memory_new(SLOT_ACCOUNT, 2 * THREAD_BLOCK_SIZE),
                                              2 * THREAD_BLOCK_SIZE);
    stage.frame = ALIGN_UP(block, THREAD_BLOCK_SIZE) + THREAD_FRAME_OFFSET;
    *(volatile uint8_t *)stage.frame = 0;
}

void test_shortage(void)
{
    log_line("# shortage");
    stage_make();
    for (size_t i = 0; i < ARRAY_LENGTH(shortages); i++) {
        char sentence[96];
        format_text(sentence, sizeof(sentence), "%s fails at each of its charges, %s",
                    shortages[i].name,
                    shortages[i].partly ? "and loses nothing" : "and changes nothing");
        ok(shortage_run(&shortages[i]), sentence);
    }
    destroy(stage.account);
    destroy(stage.domain);
    destroy(stage.endpoint);
    destroy(stage.signal);
}
