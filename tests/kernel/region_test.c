/*
 * Regions: maps do not overlap, unmapping and protecting work on any range and split what they cut,
 * the window is never writable and executable, nothing is mapped beyond its object, and protecting
 * never gives a right that the capability did not carry.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define SIZE       (16 * PAGE_SIZE)
#define READ_WRITE (RIGHT_READ | RIGHT_WRITE)

static uint32_t memory;

static status_t map_at(uint64_t address, uint64_t rights, uint64_t size_bytes, uint64_t slots,
                       uint64_t offset)
{
    return kernel_region_map(SLOT_DOMAIN, address | rights, size_bytes, slots, offset, offset);
}

static void test_overlap(uint64_t place)
{
    must(map_at(place + 4 * PAGE_SIZE, READ_WRITE, 4 * PAGE_SIZE, memory, 0), "map");
    static const struct {
        uint64_t start;
        uint64_t pages;
    } overlaps[] = {{4, 4}, {0, 5}, {7, 1}, {5, 1}, {0, 12}, {7, 9}};
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(overlaps); i++) {
        refused = refused && map_at(place + overlaps[i].start * PAGE_SIZE, READ_WRITE,
                                    overlaps[i].pages * PAGE_SIZE, memory, 0) == STATUS_EXISTS;
    }
    ok(refused, "whatever overlaps a region is refused");
    ok(map_at(place, READ_WRITE, 4 * PAGE_SIZE, memory, 8 * PAGE_SIZE) == STATUS_OK &&
           map_at(place + 8 * PAGE_SIZE, READ_WRITE, PAGE_SIZE, memory, 15 * PAGE_SIZE) ==
               STATUS_OK,
       "neighbours on both sides are not");
}

/* Every other page from `place` on, the first in the call, the others in the message. */
static status_t map_several(uint64_t place, uint32_t count)
{
    uint64_t *words = thread_frame_self()->message;
    for (uint32_t i = 1; i < count; i++, words += REGION_WORDS) {
        uint64_t offset = i * PAGE_SIZE;
        const uint64_t region[REGION_WORDS] = {(place + 2 * offset) | READ_WRITE, PAGE_SIZE, memory,
                                               offset, 0};
        memcpy(words, region, sizeof(region));
    }
    return kernel_region_map(SLOT_DOMAIN, place | READ_WRITE | REGION_MORE(count - 1), PAGE_SIZE,
                             memory, 0, 0);
}

static bool pages_mapped(uint64_t place, uint32_t pages)
{
    bool good = true;
    for (uint32_t i = 0; i < 2 * (REGION_MORE_MAX + 1); i++) {
        bool mapped = i % 2 == 0 && i / 2 < pages;
        good = good && probe(place + i * PAGE_SIZE, PROBE_READ) == mapped;
    }
    return good;
}

static void test_several(uint64_t place)
{
    uint32_t most = REGION_MORE_MAX + 1;
    ok(map_several(place, most) == STATUS_OK && pages_mapped(place, most),
       "one call maps as many regions as the message holds, and one more");
    must(kernel_region_unmap(SLOT_DOMAIN, place, 4 * SIZE), "unmap");
    must(map_at(place + 8 * PAGE_SIZE, READ_WRITE, PAGE_SIZE, memory, 0), "map");
    ok(map_several(place, most) == STATUS_EXISTS && pages_mapped(place, 5),
       "at a refused one it ends, and those before it are there");
    must(kernel_region_unmap(SLOT_DOMAIN, place, 4 * SIZE), "unmap");
}

static void test_unmap_and_holes(uint64_t place)
{
    volatile uint8_t *here = (volatile uint8_t *)place;
    for (uint64_t page = 0; page < 9; page++) {
        here[page * PAGE_SIZE] = (uint8_t)(page + 1);
    }
    must(kernel_region_unmap(SLOT_DOMAIN, place + 3 * PAGE_SIZE, 2 * PAGE_SIZE), "unmap");
    bool good = true;
    for (uint64_t page = 0; page < 10; page++) {
        bool mapped = page != 3 && page != 4 && page != 9;
        good = good && probe(place + page * PAGE_SIZE, PROBE_READ) == mapped;
        good = good && (!mapped || here[page * PAGE_SIZE] == page + 1);
    }
    ok(good, "unmapping across two regions leaves the rest of both");
    ok_status(kernel_region_unmap(SLOT_DOMAIN, place, 16 * PAGE_SIZE), STATUS_OK,
              "holes are fine when unmapping");
    ok(!probe(place + 8 * PAGE_SIZE, PROBE_READ), "and all is gone");
    must(map_at(place, READ_WRITE, SIZE, memory, 0), "map again");
    ok(here[0] == 5 && here[8 * PAGE_SIZE] == 1 && here[15 * PAGE_SIZE] == 9,
       "the memory kept what was written");
    must(kernel_region_unmap(SLOT_DOMAIN, place, SIZE), "unmap");
}

/* Pages that are absent, shared with a clone, or a source's: afterwards all are the memory's own.
 */
static void test_populate(uint64_t place)
{
    uint32_t own = memory_new(SLOT_ACCOUNT, SIZE);
    uint32_t clone = slot_new();
    volatile uint8_t *here = (volatile uint8_t *)place;
    must(map_at(place, READ_WRITE, SIZE, own, 0), "map");
    here[2 * PAGE_SIZE] = 22;
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, own), "clone");
    must(map_at(place + SIZE, READ_WRITE, SIZE, clone, 0), "map the clone");
    struct account_usage before = account_books(SLOT_ACCOUNT);
    ok_status(kernel_region_populate(SLOT_DOMAIN, place + SIZE, 4 * PAGE_SIZE), STATUS_OK,
              "a range of a clone is populated");
    struct account_usage after = account_books(SLOT_ACCOUNT);
    ok(after.bytes[ACCOUNT_FRAMES] - before.bytes[ACCOUNT_FRAMES] == 4 * PAGE_SIZE,
       "by a frame for each page, copied or new");
    volatile uint8_t *there = (volatile uint8_t *)(place + SIZE);
    ok(there[2 * PAGE_SIZE] == 22 && there[PAGE_SIZE] == 0, "with what was there");
    there[2 * PAGE_SIZE] = 33;
    ok(here[2 * PAGE_SIZE] == 22, "and the original keeps its own");
    before = account_books(SLOT_ACCOUNT);
    must(kernel_region_populate(SLOT_DOMAIN, place + SIZE, 4 * PAGE_SIZE), "again");
    ok(account_books(SLOT_ACCOUNT).bytes_total == before.bytes_total,
       "populating what is there takes nothing");
    ok_status(kernel_region_populate(SLOT_DOMAIN, place + 2 * SIZE - PAGE_SIZE, 2 * PAGE_SIZE),
              STATUS_NOT_FOUND, "a range without a region is refused");
    must(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, RIGHT_READ), "protect");
    ok_status(kernel_region_populate(SLOT_DOMAIN, place, PAGE_SIZE), STATUS_NO_RIGHT,
              "so is one that is not writable");
    ok_status(kernel_region_populate(SLOT_DOMAIN, place + 1, PAGE_SIZE), STATUS_INVALID_ARGUMENT,
              "and one that is not pages");
    ok_status(
        kernel_region_populate(SLOT_DOMAIN, WINDOW_BASE + WINDOW_SIZE - PAGE_SIZE, 2 * PAGE_SIZE),
        STATUS_OUT_OF_RANGE, "or leaves the window");
    must(kernel_region_unmap(SLOT_DOMAIN, place, 2 * SIZE), "unmap");
    destroy(clone);
    destroy(own);
}

/* More than one step, over regions with a source and without, up to a limit. */
static void test_populate_much(uint64_t place)
{
    enum {
        PAGES = 300
    };
    uint32_t account = account_new(PAGES * PAGE_SIZE, 1);
    uint32_t source = memory_new(SLOT_ACCOUNT, PAGES * PAGE_SIZE);
    uint32_t private_memory = memory_new(account, PAGES * PAGE_SIZE);
    must(kernel_memory_populate(source, 0, 100 * PAGE_SIZE), "populate the source");
    must(kernel_region_map(SLOT_DOMAIN, place | READ_WRITE, 100 * PAGE_SIZE,
                           private_memory | (uint64_t)source << 32, 0, 0),
         "map over the source");
    must(kernel_region_map(SLOT_DOMAIN, (place + 100 * PAGE_SIZE) | READ_WRITE, 200 * PAGE_SIZE,
                           private_memory, 100 * PAGE_SIZE, 0),
         "map");
    volatile uint8_t *here = (volatile uint8_t *)place;
    here[130 * PAGE_SIZE] = 13;
    ok_status(kernel_region_populate(SLOT_DOMAIN, place, 250 * PAGE_SIZE), STATUS_OK,
              "many pages in several regions are populated");
    ok(account_books(account).bytes[ACCOUNT_FRAMES] == 250 * PAGE_SIZE &&
           here[130 * PAGE_SIZE] == 13,
       "each once, and what was there stays");
    ok_status(kernel_region_populate(SLOT_DOMAIN, place, 300 * PAGE_SIZE), STATUS_NO_MEMORY,
              "the account's limit holds");
    bool good = true;
    for (uint64_t page = 0; page < 250; page++) {
        here[page * PAGE_SIZE] = (uint8_t)page;
        good = good && here[page * PAGE_SIZE] == (uint8_t)page;
    }
    ok(good, "and all that was populated can be written");
    must(kernel_region_unmap(SLOT_DOMAIN, place, 300 * PAGE_SIZE), "unmap");
    destroy(private_memory);
    destroy(source);
    destroy(account);
}

/* In a space, whose tables have every level: what regions leave behind is given back with them. */
static void test_tables_go(void)
{
    const uint64_t far = 0x500000000000;
    uint32_t space = slot_new();
    uint32_t account = account_new(32 << 20, 2);
    uint32_t much = memory_new(account, 64ull << 20);
    must(kernel_space_create(account, space, SLOT_DOMAIN), "space");
    uint64_t empty = account_books(account).bytes[ACCOUNT_TABLES];
    must(kernel_region_map(space, far | READ_WRITE, SIZE, much, 0, 0), "map");
    must(kernel_region_map(space, (far + SIZE) | READ_WRITE, SIZE, much, SIZE, 0), "its neighbour");
    must(kernel_region_map(space, (far + (64ull << 30)) | READ_WRITE, 64ull << 20, much, 0, 0),
         "map much");
    must(kernel_region_populate(space, far, 2 * SIZE), "populate");
    for (uint64_t at = 0; at < 64ull << 20; at += 2ull << 20) {
        must(kernel_region_populate(space, far + (64ull << 30) + at, PAGE_SIZE), "populate");
    }
    uint64_t full = account_books(account).bytes[ACCOUNT_TABLES];
    ok(full == empty + (1 + 1 + 1 + 1 + 32) * PAGE_SIZE,
       "a region has a table of each level, and one for each 2 MiB that are touched");
    must(kernel_region_unmap(space, far, SIZE), "unmap");
    ok(account_books(account).bytes[ACCOUNT_TABLES] == full,
       "tables stay while a neighbour needs them");
    must(kernel_region_unmap(space, far + SIZE, SIZE), "unmap");
    ok(account_books(account).bytes[ACCOUNT_TABLES] == full - 2 * PAGE_SIZE,
       "and go with it, those of the levels that others use excepted");
    must(kernel_region_unmap(space, far + (64ull << 30), 64ull << 20), "unmap in steps");
    ok(account_books(account).bytes[ACCOUNT_TABLES] == empty, "in the end all of them are gone");
    destroy(space);
    destroy(much);
    destroy(account);
}

static void test_protect(uint64_t place)
{
    must(map_at(place, READ_WRITE, SIZE, memory, 0), "map");
    volatile uint8_t *here = (volatile uint8_t *)place;
    for (uint64_t page = 0; page < 16; page++) {
        here[page * PAGE_SIZE] = 1;
    }
    must(kernel_region_protect(SLOT_DOMAIN, place + 5 * PAGE_SIZE, 3 * PAGE_SIZE, RIGHT_READ),
         "ro");
    must(kernel_region_protect(SLOT_DOMAIN, place + 7 * PAGE_SIZE, 2 * PAGE_SIZE, 0), "none");
    bool good = true;
    for (uint64_t page = 0; page < 16; page++) {
        uint64_t address = place + page * PAGE_SIZE;
        good = good && probe(address, PROBE_READ) == (page < 7 || page > 8);
        good = good && probe(address, PROBE_WRITE) == (page < 5 || page > 8);
    }
    ok(good, "protecting part of a region takes rights from that part alone");
    must(kernel_region_protect(SLOT_DOMAIN, place, SIZE, READ_WRITE), "protect");
    good = true;
    for (uint64_t page = 0; page < 16; page++) {
        good = good && probe(place + page * PAGE_SIZE, PROBE_WRITE);
    }
    ok(good, "and they can be given back");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, READ_WRITE | RIGHT_EXECUTE),
              STATUS_NOT_PERMITTED, "the window is never writable and executable");
    must(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, RIGHT_READ | RIGHT_EXECUTE), "x");
    ok(!probe(place, PROBE_WRITE), "an executable page of it is not written to");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, 16), STATUS_INVALID_ARGUMENT,
              "a right that does not exist is refused");
    must(kernel_region_unmap(SLOT_DOMAIN, place, SIZE), "unmap");
}

static void test_map_refusals(uint64_t place)
{
    ok_status(map_at(place, READ_WRITE | RIGHT_EXECUTE, PAGE_SIZE, memory, 0), STATUS_NOT_PERMITTED,
              "the window maps nothing writable and executable");
    ok_status(map_at(place, READ_WRITE, SIZE + PAGE_SIZE, memory, 0), STATUS_OUT_OF_RANGE,
              "nothing is mapped beyond the memory's end");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE, memory, SIZE), STATUS_OUT_OF_RANGE,
              "nor from its end on");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE, memory, 0ull - PAGE_SIZE), STATUS_OUT_OF_RANGE,
              "nor from before its start");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE, memory, 8), STATUS_OUT_OF_RANGE,
              "nor at an offset that is not aligned");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE + 1, memory, 0), STATUS_INVALID_ARGUMENT,
              "nor a size that is not");
    ok_status(map_at(place, READ_WRITE, 0, memory, 0), STATUS_INVALID_ARGUMENT, "nor nothing");
    ok_status(map_at(place, RIGHT_READ, PAGE_SIZE, 0, 0), STATUS_INVALID_ARGUMENT, "nor no memory");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE, (uint64_t)memory << 32, 0),
              STATUS_INVALID_ARGUMENT, "a source alone is not written to");
    static const uint64_t outside[] = {0,
                                       0x10000,
                                       WINDOW_BASE - PAGE_SIZE,
                                       WINDOW_BASE + WINDOW_SIZE,
                                       0xffffffff80000000ull,
                                       0xffffc00000000000ull,
                                       0ull - PAGE_SIZE,
                                       0x0000800000000000ull};
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(outside); i++) {
        refused =
            refused && map_at(outside[i], READ_WRITE, PAGE_SIZE, memory, 0) == STATUS_OUT_OF_RANGE;
        status_t status = kernel_region_protect(SLOT_DOMAIN, outside[i], 2 * PAGE_SIZE, RIGHT_READ);
        refused = refused && (status == STATUS_OUT_OF_RANGE || status == STATUS_OK);
    }
    ok(refused, "nothing outside the window is mapped into it");
    ok_status(map_at(WINDOW_BASE + WINDOW_SIZE - PAGE_SIZE, READ_WRITE, 2 * PAGE_SIZE, memory, 0),
              STATUS_OUT_OF_RANGE, "nor across its end");
}

/* Rights come from the capability that a region was mapped with, at any time. */
/* More regions than one step looks at, all but one of which may be written. */
static void test_protect_many(uint64_t place)
{
    const uint64_t pages = 100;
    uint32_t reader = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, reader, memory, RIGHT_READ), "copy");
    for (uint64_t i = 0; i < pages; i++) {
        must(map_at(place + i * PAGE_SIZE, i % 2 == 0 ? RIGHT_READ : READ_WRITE, PAGE_SIZE, memory,
                    i % 16 * PAGE_SIZE),
             "map");
        (void)*(volatile uint8_t *)(place + i * PAGE_SIZE);
    }
    must(kernel_region_protect(SLOT_DOMAIN, place, pages * PAGE_SIZE, READ_WRITE), "protect");
    bool good = true;
    for (uint64_t i = 0; i < pages; i++) {
        good = good && probe(place + i * PAGE_SIZE, PROBE_WRITE);
    }
    ok(good, "many regions are protected by one call");
    must(kernel_region_protect(SLOT_DOMAIN, place, pages * PAGE_SIZE, RIGHT_READ), "protect");
    must(kernel_region_unmap(SLOT_DOMAIN, place + 70 * PAGE_SIZE, PAGE_SIZE), "unmap");
    must(map_at(place + 70 * PAGE_SIZE, RIGHT_READ, PAGE_SIZE, reader, 0), "map");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, pages * PAGE_SIZE, READ_WRITE),
              STATUS_NO_RIGHT, "until one of them is refused");
    for (uint64_t i = 0; i < pages; i++) {
        good = good && probe(place + i * PAGE_SIZE, PROBE_WRITE) == (i < 70);
    }
    ok(good, "those before it have changed, it and those behind it have not");
    must(kernel_region_unmap(SLOT_DOMAIN, place, pages * PAGE_SIZE), "unmap");
    must(kernel_capability_drop(SLOT_DOMAIN, reader), "drop");
}

static void test_rights_stay(uint64_t place)
{
    uint32_t reader = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, reader, memory, RIGHT_READ), "copy");
    ok_status(map_at(place, READ_WRITE, PAGE_SIZE, reader, 0), STATUS_NO_RIGHT,
              "a capability for reading maps nothing writable");
    ok_status(map_at(place, RIGHT_READ | RIGHT_EXECUTE, PAGE_SIZE, reader, 0), STATUS_NO_RIGHT,
              "nor executable");
    must(map_at(place, RIGHT_READ, PAGE_SIZE, reader, 0), "map");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, READ_WRITE), STATUS_NO_RIGHT,
              "a region that it mapped is not made writable");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, RIGHT_READ | RIGHT_EXECUTE),
              STATUS_NO_RIGHT, "nor executable");
    ok(!probe(place, PROBE_WRITE), "and is not written to");
    must(kernel_region_unmap(SLOT_DOMAIN, place, PAGE_SIZE), "unmap");
    must(map_at(place, RIGHT_READ, PAGE_SIZE, SLOT_TIME, 0), "map the time page");
    ok(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, READ_WRITE) == STATUS_NO_RIGHT &&
           !probe(place, PROBE_WRITE),
       "the kernel's time page stays read-only");
    must(kernel_region_unmap(SLOT_DOMAIN, place, PAGE_SIZE), "unmap");
    must(map_at(place, RIGHT_READ, PAGE_SIZE, (uint64_t)reader << 32, 0), "map as source");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, RIGHT_READ | RIGHT_EXECUTE),
              STATUS_NO_RIGHT, "a source without the right is not executed");
    must(kernel_region_unmap(SLOT_DOMAIN, place, PAGE_SIZE), "unmap");
    slot_release(reader);
}

/* A private memory over a source: reads show the source, writes stay private. */
static void test_source(uint64_t place)
{
    uint32_t source = memory_new(SLOT_ACCOUNT, SIZE);
    uint32_t private = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *original = window_map_all(source, SIZE);
    volatile uint8_t *here = (volatile uint8_t *)place;
    original[0] = 10;
    original[PAGE_SIZE] = 11;
    must(map_at(place, READ_WRITE, SIZE, private | (uint64_t)source << 32, 0), "map");
    ok(here[0] == 10 && here[PAGE_SIZE] == 11, "a read shows the source");
    here[0] = 20;
    ok(here[0] == 20 && original[0] == 10, "a write stays in the private memory");
    original[PAGE_SIZE] = 12;
    ok(here[PAGE_SIZE] == 12, "what was not written follows the source");
    ok(!probe(place + 2 * PAGE_SIZE, PROBE_READ) &&
           thread_frame_self()->personality.error >> 32 == STATUS_WOULD_BLOCK,
       "a page that the source has not is a fault that says so");
    must(kernel_memory_discard(source, 0, SIZE), "discard");
    ok(here[0] == 20 && !probe(place + PAGE_SIZE, PROBE_READ),
       "a page discarded from the source is unmapped, a private one is not");
    destroy(source);
    ok(!probe(place, PROBE_READ), "a region ends with its source");
    destroy(private);
}

static void test_regions_copy(void)
{
    struct application_space from;
    application_space_make(&from, SLOT_ACCOUNT, SLOT_DOMAIN);
    uint32_t to = slot_new();
    uint32_t clone = slot_new();
    must(kernel_space_create(SLOT_ACCOUNT, to, SLOT_DOMAIN), "space");
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, from.memory), "clone");
    uint32_t reader = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, reader, clone, RIGHT_READ), "copy");
    ok_status(kernel_regions_copy(to, from.space, reader, from.memory), STATUS_NO_RIGHT,
              "regions are not copied onto a memory that cannot be written");
    uint32_t writer = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, writer, clone, READ_WRITE), "copy");
    ok_status(kernel_regions_copy(to, from.space, writer, from.memory), STATUS_NO_RIGHT,
              "nor executable ones onto one that cannot be executed");
    uint32_t second = slot_new();
    must(kernel_space_create(SLOT_ACCOUNT, second, SLOT_DOMAIN), "space");
    ok_status(kernel_regions_copy(second, from.space, clone, from.memory), STATUS_OK,
              "the regions of a space are repeated in another");
    ok_status(kernel_regions_copy(SLOT_DOMAIN, from.space, clone, from.memory),
              STATUS_INVALID_ARGUMENT, "but not in a window");
    ok_status(kernel_regions_copy(to, from.space, SLOT_NONE, from.memory), STATUS_BAD_CAPABILITY,
              "nor onto nothing");
    slot_release(reader);
    slot_release(writer);
    destroy(second);
    destroy(to);
    destroy(clone);
    application_space_end(&from);
}

/* What a copy shows of memories that are not exchanged ends as it does where it was copied from. */
static void test_copies_follow(void)
{
    const uint64_t plain = APPLICATION_DATA + SIZE;
    const uint64_t viewed = plain + SIZE;
    struct application_space from;
    application_space_make(&from, SLOT_ACCOUNT, SLOT_DOMAIN);
    uint32_t shown = memory_new(SLOT_ACCOUNT, SIZE);
    uint32_t view = slot_new();
    must(kernel_memory_view(SLOT_ACCOUNT, view, shown, 0, SIZE, RIGHT_READ), "view");
    volatile uint8_t *original = window_map_all(shown, SIZE);
    original[0] = 7;
    original[PAGE_SIZE] = 8;
    must(kernel_region_map(from.space, plain | RIGHT_READ, SIZE, shown, 0, 0), "map");
    must(kernel_region_map(from.space, viewed | RIGHT_READ, SIZE, view, 0, 0), "map");
    must(kernel_thread_set_space(from.space), "set_space");
    ok(probe(plain, PROBE_READ) && probe(viewed, PROBE_READ), "what a space shows");
    uint32_t to = slot_new();
    uint32_t clone = slot_new();
    must(kernel_space_create(SLOT_ACCOUNT, to, SLOT_DOMAIN), "space");
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, from.memory), "clone");
    must(kernel_regions_copy(to, from.space, clone, from.memory), "copy");
    must(kernel_thread_set_space(to), "set_space");
    const volatile uint8_t *copy = (const volatile uint8_t *)plain;
    const volatile uint8_t *copy_viewed = (const volatile uint8_t *)viewed;
    ok(copy[0] == 7 && copy[PAGE_SIZE] == 8 && copy_viewed[0] == 7, "its copy shows as well");
    ok(!probe(plain, PROBE_WRITE), "and does not let write");
    must(kernel_memory_discard(shown, 0, PAGE_SIZE), "discard");
    ok(copy[0] == 0 && copy_viewed[0] == 0 && copy[PAGE_SIZE] == 8, "a discarded page leaves it");
    destroy(view);
    ok(!probe(viewed, PROBE_READ) && probe(plain, PROBE_READ), "a destroyed view does, too");
    destroy(shown);
    ok(!probe(plain, PROBE_READ), "and a destroyed memory");
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    destroy(to);
    destroy(clone);
    application_space_end(&from);
}

/* Seen from a copy of this window, by a worker there: the pages behind `place` (0: a fault). */
struct seen {
    uint32_t asked;
    uint32_t answered;
    uint8_t value[2];
    bool there;
};
static struct seen *seen;
static const volatile uint8_t *looked_at;

static void look(struct worker *worker)
{
    (void)worker;
    for (uint32_t round = 1; round <= 3; round++) {
        while (__atomic_load_n(&seen->asked, __ATOMIC_ACQUIRE) < round) {
            (void)kernel_thread_park(clock_now_ns() + MILLISECOND_NS, PARK_UNINTERRUPTIBLE);
        }
        seen->there = probe((uint64_t)looked_at, PROBE_READ);
        for (uint32_t i = 0; seen->there && i < 2; i++) {
            seen->value[i] = looked_at[i * PAGE_SIZE];
        }
        __atomic_store_n(&seen->answered, round, __ATOMIC_RELEASE);
    }
}

static void ask(uint32_t round)
{
    __atomic_store_n(&seen->asked, round, __ATOMIC_RELEASE);
    wait_for(&seen->answered, round);
}

static void test_window_copy(uint64_t place)
{
    uint32_t shown = memory_new(SLOT_ACCOUNT, SIZE);
    uint32_t shared = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
    volatile uint8_t *original = window_map_all(shown, SIZE);
    seen = (struct seen *)(uintptr_t)window_map_all(shared, PAGE_SIZE);
    original[0] = 7;
    original[PAGE_SIZE] = 8;
    must(map_at(place, RIGHT_READ, SIZE, shown, 0), "map");
    looked_at = (const volatile uint8_t *)place;
    ok(looked_at[0] == 7 && looked_at[PAGE_SIZE] == 8, "what a window shows");
    struct worker worker;
    worker_prepare(&worker, look);
    uint32_t domain = slot_new();
    uint32_t clone = slot_new();
    must(kernel_domain_create(SLOT_ACCOUNT, domain, 0, SLOT_NONE, 0), "domain");
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, SLOT_MEMORY), "clone");
    must(kernel_regions_copy(domain, SLOT_DOMAIN, clone, SLOT_MEMORY), "copy");
    harness_entries_set(domain);
    worker_begin(&worker, domain, SLOT_NONE, SLOT_ACCOUNT, BAND_SERVICE);
    ask(1);
    ok(seen->there && seen->value[0] == 7 && seen->value[1] == 8, "its copy shows as well");
    must(kernel_memory_discard(shown, 0, PAGE_SIZE), "discard");
    ask(2);
    ok(seen->there && seen->value[0] == 0 && seen->value[1] == 8, "a discarded page leaves it");
    destroy(shown);
    ask(3);
    ok(!seen->there, "and so does a destroyed memory");
    must(worker_kill(&worker), "kill");
    destroy(domain);
    destroy(clone);
    destroy(shared);
}

void test_region(void)
{
    log_line("# region");
    memory = memory_new(SLOT_ACCOUNT, SIZE);
    uint64_t place = window_place(4 * SIZE);
    test_several(place);
    test_overlap(place);
    test_unmap_and_holes(place);
    test_populate(place);
    test_populate_much(window_place(300 * PAGE_SIZE));
    test_tables_go();
    test_protect(place);
    test_protect_many(place);
    test_map_refusals(place);
    test_rights_stay(place);
    test_source(place);
    test_regions_copy();
    test_copies_follow();
    test_window_copy(window_place(SIZE));
    destroy(memory);
}
