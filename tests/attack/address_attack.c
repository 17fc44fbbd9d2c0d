/*
 * Every call that takes an address or a range, with ranges that are misaligned, that overflow, that
 * reach beyond the object, into the kernel, or across the border of a half.
 */
#include "tests/attack/attack.h"

#include "lib/oak/slots.h"

static const uint64_t addresses[] = {
    0,
    1,
    PAGE_SIZE,
    0x7fffffffe000ull,
    APPLICATION_END,
    0x00007fffffffffffull,
    0x0000800000000000ull,
    0x4000000000000000ull,
    0xffff7fffffffffffull,
    WINDOW_BASE - PAGE_SIZE,
    WINDOW_BASE - 1,
    WINDOW_BASE,
    WINDOW_BASE + 1,
    WINDOW_BASE + WINDOW_SIZE - PAGE_SIZE,
    WINDOW_BASE + WINDOW_SIZE - 1,
    WINDOW_BASE + WINDOW_SIZE,
    0xffffc00000000000ull, /* the kernel's map of all memory */
    0xffffffff80000000ull,
    0xffffffff80100000ull,
    0xfffffffffffff000ull,
    0xffffffffffffffffull,
};

static const uint64_t sizes[] = {
    0,
    1,
    PAGE_SIZE - 1,
    PAGE_SIZE,
    PAGE_SIZE + 1,
    4 * PAGE_SIZE,
    WINDOW_SIZE,
    1ull << 47,
    1ull << 52,
    1ull << 63,
    0xfffffffffffff000ull,
    0xffffffffffffffffull,
    0ull - 2 * PAGE_SIZE,
};

static uint32_t memory;
static uint32_t space;

static bool half_contains(bool window, uint64_t address, uint64_t size)
{
    uint64_t first = window ? WINDOW_BASE : PAGE_SIZE;
    uint64_t end = window ? WINDOW_BASE + WINDOW_SIZE : APPLICATION_END;
    return address >= first && address < end && size <= end - address;
}

static void attack_maps(bool window)
{
    uint32_t half = window ? SLOT_DOMAIN : space;
    uint32_t domain = slot_new();
    if (window) { /* not our own: what maps well would stay in the way */
        must(kernel_domain_create(SLOT_ACCOUNT, domain, 0, SLOT_NONE, 0), "domain");
        half = domain;
    }
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(sizes); j++) {
            uint64_t address = addresses[i];
            uint64_t size = sizes[j];
            bool aligned = ALIGN_DOWN(address, PAGE_SIZE) == address && size % PAGE_SIZE == 0;
            bool good = aligned && size != 0 && size <= 4 * PAGE_SIZE &&
                        half_contains(window, address, size);
            uint64_t page = ALIGN_DOWN(address, PAGE_SIZE);
            if (page == address) {
                status_t status = kernel_region_map(half, page | RIGHT_READ, size, memory, 0, 0);
                if ((status == STATUS_OK) != good) {
                    log_line("# map %lx %lx: %s", address, size, status_name(status));
                    refused = false;
                }
            }
            status_t status = kernel_region_protect(half, address, size, RIGHT_READ);
            status_t undone = kernel_region_unmap(half, address, size);
            if (!aligned || size == 0) {
                refused = refused && status == STATUS_INVALID_ARGUMENT &&
                          undone == STATUS_INVALID_ARGUMENT;
            }
        }
    }
    ok(refused, window ? "a window takes only ranges that lie in it"
                       : "a space takes only ranges that lie in it");
    if (window) {
        destroy(domain);
    }
}

/* Regions that stand in the message are checked as the one in the call is. */
static void attack_more_regions(void)
{
    uint32_t weak = slot_new();
    uint64_t place = 0x10000000;
    must(kernel_capability_copy(SLOT_DOMAIN, weak, memory, RIGHT_READ), "copy");
    const struct {
        uint64_t words[REGION_WORDS];
        status_t status;
    } bad[] = {
        {{(place + PAGE_SIZE) | RIGHT_READ | RIGHT_WRITE, PAGE_SIZE, weak, 0, 0}, STATUS_NO_RIGHT},
        {{(place + PAGE_SIZE) | RIGHT_READ, PAGE_SIZE, SLOTS, 0, 0}, STATUS_BAD_CAPABILITY},
        {{(place + PAGE_SIZE) | RIGHT_READ, PAGE_SIZE, SLOT_DOMAIN, 0, 0}, STATUS_WRONG_TYPE},
        {{(place + PAGE_SIZE) | RIGHT_READ, PAGE_SIZE, memory, 1ull << 40, 0}, STATUS_OUT_OF_RANGE},
        {{(place + PAGE_SIZE) | RIGHT_READ | REGION_MORE(1), PAGE_SIZE, memory, 0, 0},
         STATUS_INVALID_ARGUMENT},
        {{(place + PAGE_SIZE) | RIGHT_READ, 0, memory, 0, 0}, STATUS_INVALID_ARGUMENT},
        {{place | RIGHT_READ, PAGE_SIZE, memory, 0, 0}, STATUS_EXISTS},
        {{WINDOW_BASE | RIGHT_READ, PAGE_SIZE, memory, 0, 0}, STATUS_OUT_OF_RANGE},
        {{0xffffc00000000000ull | RIGHT_READ, PAGE_SIZE, memory, 0, 0}, STATUS_OUT_OF_RANGE},
    };
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        memcpy(thread_frame_self()->message, bad[i].words, sizeof(bad[i].words));
        refused = refused && kernel_region_map(space, place | RIGHT_READ | REGION_MORE(1),
                                               PAGE_SIZE, memory, 0, 0) == bad[i].status;
        must(kernel_region_unmap(space, place, 2 * PAGE_SIZE), "unmap");
    }
    for (uint32_t more = REGION_MORE_MAX + 1; more < 16; more++) {
        refused = refused && kernel_region_map(space, place | RIGHT_READ | REGION_MORE(more),
                                               PAGE_SIZE, memory, 0, 0) == STATUS_INVALID_ARGUMENT;
    }
    ok(refused, "regions that stand in the message are refused as the one in the call is");
    must(kernel_capability_drop(SLOT_DOMAIN, weak), "drop");
    slot_free(weak);
}

static void attack_offsets(void)
{
    uint64_t size = 4 * PAGE_SIZE;
    uint32_t other = memory_new(SLOT_ACCOUNT, size);
    uint32_t slot = slot_new();
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(sizes); j++) {
            uint64_t offset = addresses[i];
            uint64_t length = sizes[j];
            bool inside = offset % PAGE_SIZE == 0 && length % PAGE_SIZE == 0 &&
                          range_inside(offset, length, size);
            bool good = kernel_memory_populate(memory, offset, length) == STATUS_OK;
            good = good || kernel_memory_discard(memory, offset, length) == STATUS_OK;
            good = good || kernel_memory_move(memory, offset, other, 0, length) == STATUS_OK;
            good = good || kernel_memory_move(memory, 0, other, offset, length) == STATUS_OK;
            if (kernel_memory_view(SLOT_ACCOUNT, slot, memory, offset, length, 1) == STATUS_OK) {
                good = true;
                must(kernel_object_destroy(slot), "destroy");
            }
            if (good && !inside) {
                log_line("# offset %lx length %lx", offset, length);
                refused = false;
            }
        }
        struct memory_state state;
        bool inside = addresses[i] < size && addresses[i] % PAGE_SIZE == 0;
        refused = refused && (object_state_at(memory, STATE_MEMORY, addresses[i], &state,
                                              sizeof(state)) == STATUS_OK) == inside;
    }
    ok(refused, "no call on a memory reaches outside it");
    destroy(other);
}

/* A mapping shows its own memory alone, whatever offset it was asked with. */
static void attack_beyond(void)
{
    uint64_t place = window_place(16 * PAGE_SIZE);
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        for (uint64_t pages = 1; pages <= 5; pages += 4) {
            uint64_t offset = addresses[i];
            bool inside =
                offset % PAGE_SIZE == 0 && range_inside(offset, pages * PAGE_SIZE, 4 * PAGE_SIZE);
            for (uint32_t as_source = 0; as_source < 2; as_source++) {
                uint64_t slots = as_source ? (uint64_t)memory << 32 : memory;
                status_t status = kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ,
                                                    pages * PAGE_SIZE, slots, offset, offset);
                refused = refused && (status == STATUS_OK) == inside;
                if (status == STATUS_OK) {
                    must(kernel_region_unmap(SLOT_DOMAIN, place, pages * PAGE_SIZE), "unmap");
                }
            }
        }
    }
    ok(refused, "nothing is mapped beyond its object, as private memory or as source");
    /* Device memory over RAM would be all memory of everybody. */
    uint32_t slot = slot_new();
    struct platform_state machine = machine_books();
    static const uint64_t physical[] = {0x100000, 0x200000, 0x1000000, 0x7fff000};
    for (size_t i = 0; i < ARRAY_LENGTH(physical); i++) {
        refused = refused && physical[i] < machine.memory_bytes &&
                  kernel_memory_create_platform(INIT_SLOT_PLATFORM, slot, SLOT_ACCOUNT, PAGE_SIZE,
                                                physical[i]) == STATUS_OUT_OF_RANGE;
    }
    static const uint64_t wild[][2] = {{0, 1ull << 52},
                                       {1ull << 52, PAGE_SIZE},
                                       {0ull - 2 * PAGE_SIZE, 4 * PAGE_SIZE},
                                       {(1ull << 52) - PAGE_SIZE, 2 * PAGE_SIZE},
                                       {0xfee00008, PAGE_SIZE}};
    for (size_t i = 0; i < ARRAY_LENGTH(wild); i++) {
        refused =
            refused && kernel_memory_create_platform(INIT_SLOT_PLATFORM, slot, SLOT_ACCOUNT,
                                                     wild[i][1], wild[i][0]) == STATUS_OUT_OF_RANGE;
    }
    ok(refused, "device memory is never RAM, nor beyond physical addresses");
    static const uint64_t ports[][2] = {{0, 0},       {0x10000, 1},    {0xffff, 2},
                                        {0, 0x10001}, {UINT64_MAX, 2}, {1, UINT64_MAX}};
    for (size_t i = 0; i < ARRAY_LENGTH(ports); i++) {
        refused = refused && kernel_ioport_create(INIT_SLOT_PLATFORM, slot, SLOT_ACCOUNT,
                                                  ports[i][0], ports[i][1]) == STATUS_OUT_OF_RANGE;
    }
    struct kernel_results results;
    must(kernel_ioport_create(INIT_SLOT_PLATFORM, slot, SLOT_ACCOUNT, 0x80, 1), "ioport");
    refused = refused && kernel_ioport_access(slot, 0x81, 1, 0, &results) == STATUS_OUT_OF_RANGE &&
              kernel_ioport_access(slot, 0x7f, 2, 0, &results) == STATUS_OUT_OF_RANGE &&
              kernel_ioport_access(slot, 0x80, 2, 0, &results) == STATUS_OUT_OF_RANGE &&
              kernel_ioport_access(slot, 0x10080, 1, 0, &results) == STATUS_OUT_OF_RANGE &&
              kernel_ioport_access(slot, 0x80, 3, 0, &results) == STATUS_INVALID_ARGUMENT;
    ok(refused, "a port outside its range is not touched");
    destroy(slot);
}

static void attack_entries(void)
{
    uint32_t domain = slot_new();
    must(kernel_domain_create(SLOT_ACCOUNT, domain, 0, SLOT_NONE, 0), "domain");
    uint32_t thread = slot_new();
    uint64_t place = window_place(PAGE_SIZE);
    must(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ | RIGHT_WRITE, PAGE_SIZE, memory, 0, 0),
         "frame");
    must(kernel_thread_create(SLOT_ACCOUNT, thread, SLOT_DOMAIN, place, 0, 0), "thread");
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        bool inside = half_contains(true, addresses[i], 1);
        status_t trap = kernel_domain_set_entries(domain, addresses[i], WINDOW_BASE);
        status_t fault = kernel_domain_set_entries(domain, WINDOW_BASE, addresses[i]);
        refused = refused && (trap == STATUS_OK) == inside && (fault == STATUS_OK) == inside;
        if (!inside) {
            refused = refused &&
                      kernel_thread_start(thread, 0, addresses[i], 0, 0) == STATUS_INVALID_ARGUMENT;
        }
        uint32_t slot = slot_new();
        refused = refused && kernel_thread_create(SLOT_ACCOUNT, slot, domain, addresses[i], 0, 0) ==
                                 STATUS_INVALID_ARGUMENT;
    }
    ok(refused, "entries and frames lie in the window only");
    destroy(thread);
    destroy(domain);
}

/* Straight: the personality touches what is not its own. */
static void attack_touch(void)
{
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        for (enum probe kind = PROBE_READ; kind <= PROBE_EXECUTE; kind++) {
            /* A jump to 0 is what the harness takes for a fault of its own. */
            if (addresses[i] != 0 || kind != PROBE_EXECUTE) {
                refused = refused && !probe(addresses[i], kind);
            }
        }
    }
    ok(refused, "a personality reads, writes and executes no address of the kernel");
}

void attack_addresses(void)
{
    log_line("# addresses");
    memory = memory_new(SLOT_ACCOUNT, 4 * PAGE_SIZE);
    space = slot_new();
    must(kernel_space_create(SLOT_ACCOUNT, space, SLOT_DOMAIN), "space");
    attack_maps(true);
    attack_maps(false);
    attack_more_regions();
    attack_offsets();
    attack_beyond();
    attack_entries();
    attack_touch();
    destroy(space);
    destroy(memory);
}
