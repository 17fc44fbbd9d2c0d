/*
 * Memories: absent pages read as zero, discarded ones again, clones share until either side writes,
 * views offer less and die alone, a destroyed memory leaves no mapping, a fault at the limit is an
 * error to the one who touched, and no mapping outlives its frame, however many CPUs take part.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define SIZE (64 * PAGE_SIZE)

static uint32_t clone_of(uint32_t memory)
{
    uint32_t slot = slot_new();
    must(kernel_memory_clone(SLOT_ACCOUNT, slot, memory), "clone");
    return slot;
}

static bool present(uint32_t memory, uint64_t page)
{
    return memory_page_present(memory, page * PAGE_SIZE);
}

static void test_fill_and_discard(void)
{
    uint32_t memory = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *here = window_map_all(memory, SIZE);
    ok(!present(memory, 3) && here[3 * PAGE_SIZE + 5] == 0 && present(memory, 3),
       "an absent page reads as zero and is present from then on");
    for (uint64_t i = 0; i < SIZE; i += PAGE_SIZE) {
        here[i] = (uint8_t)(i / PAGE_SIZE + 1);
    }
    must(kernel_memory_discard(memory, 8 * PAGE_SIZE, 8 * PAGE_SIZE), "discard");
    bool good = true;
    for (uint64_t page = 0; page < 64; page++) {
        uint8_t wanted = page >= 8 && page < 16 ? 0 : (uint8_t)(page + 1);
        good = good && here[page * PAGE_SIZE] == wanted;
    }
    ok(good, "a discarded range reads as zero, its neighbours as before");
    uint64_t before = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES];
    must(kernel_memory_discard(memory, 0, SIZE), "discard");
    ok(before - account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == SIZE,
       "discarding gives every frame back");
    ok_status(kernel_memory_discard(memory, SIZE - PAGE_SIZE, 2 * PAGE_SIZE), STATUS_OUT_OF_RANGE,
              "a range beyond the end is refused");
    ok_status(kernel_memory_populate(memory, ~0ull - PAGE_SIZE + 1, 2 * PAGE_SIZE),
              STATUS_OUT_OF_RANGE, "so is one that wraps around");
    ok_status(kernel_memory_populate(memory, 1, PAGE_SIZE), STATUS_OUT_OF_RANGE,
              "and one that is not aligned");
    ok_status(kernel_memory_create(SLOT_ACCOUNT, slot_new(), 0), STATUS_INVALID_ARGUMENT,
              "a memory of no size is refused");
    ok_status(kernel_memory_create(SLOT_ACCOUNT, slot_new(), 1ull << 60), STATUS_INVALID_ARGUMENT,
              "and one larger than all address spaces");
    destroy(memory);
    ok(!probe((uint64_t)here, PROBE_READ), "a destroyed memory is mapped nowhere");
}

static void test_clone(void)
{
    uint32_t memory = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *here = window_map_all(memory, SIZE);
    for (uint64_t i = 0; i < SIZE; i += PAGE_SIZE) {
        here[i] = 1;
    }
    uint64_t before = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES];
    uint32_t clone = clone_of(memory);
    volatile uint8_t *there = window_map_all(clone, SIZE);
    bool same = true;
    for (uint64_t i = 0; i < SIZE; i += PAGE_SIZE) {
        same = same && there[i] == 1;
    }
    ok(same && account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before,
       "a clone reads the same and copies nothing");
    here[0] = 2;
    there[PAGE_SIZE] = 3;
    ok(there[0] == 1 && here[PAGE_SIZE] == 1, "what one side writes the other does not see");
    ok(here[0] == 2 && there[PAGE_SIZE] == 3, "but the side itself does");
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before + 2 * PAGE_SIZE,
       "each write copied one frame");
    uint32_t third = clone_of(clone);
    volatile uint8_t *far = window_map_all(third, SIZE);
    there[2 * PAGE_SIZE] = 4;
    must(kernel_memory_discard(clone, 3 * PAGE_SIZE, PAGE_SIZE), "discard");
    ok(far[PAGE_SIZE] == 3 && far[2 * PAGE_SIZE] == 1 && far[3 * PAGE_SIZE] == 1 &&
           here[3 * PAGE_SIZE] == 1 && there[3 * PAGE_SIZE] == 0,
       "the same with a clone of the clone, and for a discard");
    destroy(memory);
    destroy(clone);
    bool kept = far[PAGE_SIZE] == 3;
    for (uint64_t i = 2 * PAGE_SIZE; i < SIZE; i += PAGE_SIZE) {
        kept = kept && far[i] == 1;
    }
    ok(kept, "a clone outlives what it was made of");
    destroy(third);
}

/*
 * Pages far from each other, of a clone too. What a page alone in its part of a memory takes is a
 * leaf and the node above it and the others, wherever it lies.
 */
static void test_far_pages(void)
{
    static const uint64_t pages[] = {1ull << 30, 5, 1ull << 12, (1ull << 30) + 63, 1ull << 13,
                                     70,         0, 1ull << 24, (1ull << 31) - 1};
    uint32_t memory = memory_new(SLOT_ACCOUNT, 1ull << 43);
    uint64_t objects = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_OBJECTS];
    must(kernel_memory_populate(memory, 0, PAGE_SIZE), "populate");
    uint64_t leaf = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_OBJECTS] - objects;
    must(kernel_memory_populate(memory, (1ull << 30) * PAGE_SIZE, PAGE_SIZE), "populate");
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_OBJECTS] == objects + 3 * leaf,
       "a page far away costs two nodes");
    bool absent = true;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        absent = absent && (present(memory, pages[i]) == (pages[i] == 0 || pages[i] == 1ull << 30));
        must(kernel_memory_populate(memory, pages[i] * PAGE_SIZE, PAGE_SIZE), "populate");
    }
    ok(absent, "no page is there before it is wanted");
    uint32_t clone = clone_of(memory);
    must(kernel_memory_populate(clone, (1ull << 40), PAGE_SIZE), "populate");
    must(kernel_memory_discard(clone, 0, PAGE_SIZE), "discard");
    must(kernel_memory_discard(clone, 1ull << 41, (1ull << 43) - (1ull << 41)), "discard");
    bool kept = true;
    bool gone = true;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        kept = kept && present(memory, pages[i]);
        gone = gone && present(clone, pages[i]) == (pages[i] != 0 && pages[i] < 1ull << 29);
    }
    ok(kept && !present(memory, (1ull << 40) / PAGE_SIZE), "a clone's changes are its own");
    ok(gone && present(clone, (1ull << 40) / PAGE_SIZE), "and all of them are made");
    destroy(clone);
    must(kernel_memory_discard(memory, 0, 1ull << 43), "discard");
    destroy(memory);
    uint64_t left = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_OBJECTS];
    for (uint32_t i = 0; i < 1000 && left >= objects;
         i++) { /* the memory's own goes a barrier later */
        pause_ns(MILLISECOND_NS);
        left = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_OBJECTS];
    }
    ok(left < objects, "every node is given back");
}

/* The kernel goes on writing into this thread's own frame. */
static void test_clone_pinned(void)
{
    uint64_t frame = (uint64_t)thread_frame_self();
    uint32_t copy = clone_of(SLOT_MEMORY);
    uint64_t place = window_place(PAGE_SIZE);
    must(
        kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, PAGE_SIZE, copy, frame - WINDOW_BASE, 0),
        "map");
    volatile uint64_t *words =
        (volatile uint64_t *)place + offsetof(struct thread_frame, message) / sizeof(uint64_t);
    uint64_t then = words[0];
    struct account_usage books = account_books(SLOT_ACCOUNT);
    ok(books.bytes_total != 0 && words[0] == then,
       "a clone does not follow what the kernel writes into a thread's frame");
    destroy(copy);
}

static void test_view(void)
{
    uint32_t memory = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *here = window_map_all(memory, SIZE);
    here[4 * PAGE_SIZE] = 44;
    uint32_t view = slot_new();
    must(kernel_memory_view(SLOT_ACCOUNT, view, memory, 4 * PAGE_SIZE, 4 * PAGE_SIZE, RIGHT_READ),
         "view");
    uint64_t place = window_place(4 * PAGE_SIZE);
    ok_status(
        kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ | RIGHT_WRITE, PAGE_SIZE, view, 0, 0),
        STATUS_NO_RIGHT, "a view for reading is not mapped for writing");
    ok_status(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, 5 * PAGE_SIZE, view, 0, 0),
              STATUS_OUT_OF_RANGE, "nor beyond its end");
    must(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, 4 * PAGE_SIZE, view, 0, 0), "map");
    ok(*(volatile uint8_t *)place == 44, "it shows its range of the memory");
    ok_status(kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, RIGHT_READ | RIGHT_WRITE),
              STATUS_NO_RIGHT, "nor is it made writable afterwards");
    ok_status(kernel_memory_view(SLOT_ACCOUNT, slot_new(), view, 0, PAGE_SIZE, RIGHTS_ALL),
              STATUS_NOT_SUPPORTED, "a view of a view is refused");
    ok_status(kernel_memory_discard(view, 0, PAGE_SIZE), STATUS_NOT_SUPPORTED, "so is a discard");
    ok(memory_page_present(view, 0) && !memory_page_present(view, PAGE_SIZE) &&
           !memory_page_present(view, 4 * PAGE_SIZE) && !memory_page_present(view, 8),
       "its pages are the memory's, from its offset on");
    destroy(view);
    ok(!probe(place, PROBE_READ) && here[4 * PAGE_SIZE] == 44,
       "a destroyed view is mapped nowhere; the memory lives on");
    must(kernel_memory_view(SLOT_ACCOUNT, view = slot_new(), memory, 0, SIZE, RIGHTS_ALL), "view");
    destroy(memory);
    ok_status(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, PAGE_SIZE, view, 0, 0),
              STATUS_BAD_CAPABILITY, "a view of a destroyed memory maps nothing");
    ok_status(kernel_object_read(view, STATE_MEMORY, sizeof(struct memory_state), 0),
              STATUS_BAD_CAPABILITY, "and has no state");
    destroy(view);
}

static void test_fault_at_limit(void)
{
    uint32_t account = account_new(128 << 10, 0);
    uint32_t memory = memory_new(account, 1 << 20);
    volatile uint8_t *here = window_map_all(memory, 1 << 20);
    uint32_t filled = 0;
    while (filled < 256 && probe((uint64_t)&here[filled * PAGE_SIZE], PROBE_WRITE)) {
        filled++;
    }
    ok(filled > 8 && filled < 32, "touching beyond the limit is a fault to the one who touches");
    ok(thread_frame_self()->personality.error >> 32 == STATUS_NO_MEMORY, "that says why");
    must(kernel_memory_discard(memory, 0, PAGE_SIZE), "discard");
    ok(probe((uint64_t)&here[filled * PAGE_SIZE], PROBE_WRITE), "what is given back can be used");
    destroy(account);
}

static void test_move(void)
{
    uint32_t from = memory_new(SLOT_ACCOUNT, SIZE);
    uint32_t to = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *here = window_map_all(from, SIZE);
    volatile uint8_t *there = window_map_all(to, SIZE);
    here[0] = 1;
    here[2 * PAGE_SIZE] = 3;
    must(kernel_memory_move(to, 5 * PAGE_SIZE, from, 0, 3 * PAGE_SIZE), "move");
    ok(there[5 * PAGE_SIZE] == 1 && !present(to, 6) && there[7 * PAGE_SIZE] == 3 && here[0] == 0,
       "present pages move, absent ones do not");
    ok_status(kernel_memory_move(to, 5 * PAGE_SIZE, from, 0, PAGE_SIZE), STATUS_EXISTS,
              "nothing is moved onto a present page");
    ok_status(kernel_memory_move(to, 0, to, PAGE_SIZE, PAGE_SIZE), STATUS_INVALID_ARGUMENT,
              "nor within one memory");
    here[10 * PAGE_SIZE] = 7;
    uint32_t clone = clone_of(from);
    ok_status(kernel_memory_move(to, 10 * PAGE_SIZE, from, 10 * PAGE_SIZE, PAGE_SIZE), STATUS_BUSY,
              "nor from under a clone");
    destroy(clone);
    destroy(from);
    destroy(to);
}

/* One memory at two places of one window: a copy on write must reach both. */
static void test_two_mappings(void)
{
    uint32_t memory = memory_new(SLOT_ACCOUNT, SIZE);
    volatile uint8_t *one = window_map_all(memory, SIZE);
    volatile uint8_t *two = window_map_all(memory, SIZE);
    uint64_t source_place = window_place(SIZE);
    must(kernel_region_map(SLOT_DOMAIN, source_place | RIGHT_READ, SIZE, (uint64_t)memory << 32, 0,
                           0),
         "map as source");
    const volatile uint8_t *source = (const volatile uint8_t *)source_place;
    one[0] = 1;
    uint32_t clone = clone_of(memory);
    ok(one[0] == 1 && two[0] == 1 && source[0] == 1, "three mappings of one memory agree");
    one[0] = 2;
    ok(two[0] == 2 && source[0] == 2, "also after one of them copied the frame away from a clone");
    destroy(clone);
    destroy(memory);
}

/* --- two CPUs -------------------------------------------------------------------------------- */

#define RACE_ROUNDS 400
#define RACE_PAGES  8

struct race {
    uint32_t memory;
    volatile uint8_t *here;
    uint32_t go;
    uint32_t arrived;
};

static void meet(struct race *race, uint32_t round)
{
    __atomic_fetch_add(&race->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&race->go, __ATOMIC_ACQUIRE) < round) {
        __builtin_ia32_pause();
    }
}

static void racer(struct worker *worker)
{
    struct race *race = worker->context;
    for (uint32_t round = 1; round <= RACE_ROUNDS; round++) {
        meet(race, round);
        uint64_t offset = (worker->argument * RACE_PAGES + round % RACE_PAGES) * PAGE_SIZE;
        if (worker->argument == 0) {
            (void)kernel_memory_discard(race->memory, offset, PAGE_SIZE);
        } else if (round % 2 == 0) {
            (void)kernel_memory_discard(race->memory, offset, PAGE_SIZE);
        } else { /* splits the regions that the other goes through */
            (void)kernel_region_protect(SLOT_DOMAIN, (uint64_t)race->here + round % 16 * PAGE_SIZE,
                                        PAGE_SIZE, RIGHT_READ | RIGHT_WRITE);
        }
    }
    __atomic_fetch_add(&race->arrived, 1, __ATOMIC_ACQ_REL);
}

/*
 * Both CPUs discard pages of one memory at the same time; a page that was discarded must read as
 * zero through every mapping. With a mapping left behind it would show the old frame.
 */
static void test_concurrent_discard(void)
{
    struct race race = {.memory = memory_new(SLOT_ACCOUNT, SIZE)};
    race.here = window_map_all(race.memory, SIZE);
    volatile uint8_t *mirrors[6];
    for (size_t i = 0; i < ARRAY_LENGTH(mirrors); i++) {
        mirrors[i] = window_map_all(race.memory, SIZE);
    }
    struct worker workers[2];
    for (uint32_t i = 0; i < 2; i++) {
        workers[i].context = &race;
        workers[i].argument = i;
        worker_start(&workers[i], racer, SLOT_NONE);
    }
    uint32_t stale = 0;
    for (uint32_t round = 1; round <= RACE_ROUNDS; round++) {
        wait_for(&race.arrived, 2 * round);
        for (uint32_t page = 0; page < 2 * RACE_PAGES; page++) {
            race.here[page * PAGE_SIZE] = 1;
            for (size_t i = 0; i < ARRAY_LENGTH(mirrors); i++) {
                stale += mirrors[i][page * PAGE_SIZE] != 1;
            }
        }
        __atomic_store_n(&race.go, round, __ATOMIC_RELEASE);
        wait_for(&race.arrived, 2 * round + 2);
        for (uint32_t page = 0; page < 2 * RACE_PAGES; page++) {
            uint8_t now = race.here[page * PAGE_SIZE];
            for (size_t i = 0; i < ARRAY_LENGTH(mirrors); i++) {
                stale += mirrors[i][page * PAGE_SIZE] != now;
            }
        }
        uint64_t first = (round % RACE_PAGES) * PAGE_SIZE;
        stale += race.here[first] != 0;
    }
    worker_join(&workers[0]);
    worker_join(&workers[1]);
    if (stale != 0) {
        log_line("# %u stale bytes", stale);
    }
    ok(stale == 0, "two CPUs that discard pages of one memory leave no mapping behind");
    destroy(race.memory);
}

static void populator(struct worker *worker)
{
    uint32_t account = (uint32_t)worker->argument;
    const uint32_t *slots = worker->context;
    for (int i = 0; i < 300; i++) {
        if (kernel_memory_create(account, slots[0], SIZE) == STATUS_OK) {
            (void)kernel_memory_populate(slots[0], 0, SIZE);
            (void)kernel_memory_clone(account, slots[1], slots[0]);
            (void)kernel_memory_discard(slots[0], 0, SIZE / 2);
            (void)kernel_object_destroy(slots[0]);
            (void)kernel_object_destroy(slots[1]);
        }
    }
}

/* An account is destroyed while another CPU makes and destroys memories in it. */
static void test_destroy_meets_destroy(void)
{
    uint32_t slots[2] = {slot_new(), slot_new()};
    bool good = true;
    struct platform_state before = {0};
    for (int round = 0; round < 30; round++) {
        uint32_t account = account_new(4 << 20, 0);
        struct worker worker = {.context = slots, .argument = account};
        worker_start(&worker, populator, SLOT_NONE);
        pause_ns((uint64_t)round * 50000);
        good = good && kernel_object_destroy(account) == STATUS_OK;
        worker_join(&worker);
        slot_release(account);
        if (round == 0) {
            pause_ns(10 * MILLISECOND_NS);
            before = machine_books();
        }
    }
    ok(good, "an account is destroyed while another CPU destroys in it");
    ok(machine_books().objects == before.objects || machine_is_as(&before), "and nothing is left");
}

/* --- what was written ------------------------------------------------------------------------- */

static struct memory_pages pages_of(uint32_t memory, uint64_t offset)
{
    struct memory_pages pages;
    must(object_state_at(memory, STATE_PAGES, offset, &pages, sizeof(pages)), "read pages");
    return pages;
}

static void clean(uint32_t memory, uint64_t offset, uint64_t bits)
{
    struct memory_pages pages = {.written = {bits, bits, 0, 0, 0, 0, 0, bits}};
    must(object_change(memory, STATE_PAGES, offset, &pages, sizeof(pages)), "clean");
}

#define TRACKED_PAGES (2 * PAGES_OF_STATE)
#define ALL           UINT64_MAX

static void test_written(void)
{
    uint64_t size = TRACKED_PAGES * PAGE_SIZE;
    uint32_t memory = memory_new(SLOT_ACCOUNT, size);
    volatile uint8_t *here = window_map_all(memory, size);
    volatile uint8_t *again = window_map_all(memory, size);
    for (uint64_t page = 0; page < 100; page++) {
        here[page * PAGE_SIZE] = 1;
    }
    struct memory_pages pages = pages_of(memory, 0);
    ok(pages.present[0] == ALL && pages.written[0] == ALL && pages.present[1] == ALL >> 28 &&
           pages.written[1] == pages.present[1] && pages.present[7] == 0,
       "pages are written when they are made");
    again[3 * PAGE_SIZE] = 2; /* writable at both places */
    clean(memory, 0, ALL);
    pages = pages_of(memory, 0);
    ok(pages.present[0] == ALL && (pages.written[0] | pages.written[1]) == 0,
       "cleaned ones are not, and are still there");
    ok(here[5 * PAGE_SIZE] == 1 && again[9 * PAGE_SIZE] == 1 && pages_of(memory, 0).written[0] == 0,
       "reading changes nothing");
    again[3 * PAGE_SIZE] = 3;
    here[70 * PAGE_SIZE] = 3;
    pages = pages_of(memory, 0);
    ok(pages.written[0] == 1 << 3 && pages.written[1] == 1 << 6,
       "writing is noted, wherever the page is mapped");
    clean(memory, 0, 1 << 4);
    ok(pages_of(memory, 0).written[0] == 1 << 3, "only those asked for are cleaned");
    uint32_t copy = clone_of(memory);
    clean(memory, 0, ALL);
    ok(pages_of(memory, 0).written[0] == 0 && pages_of(copy, 0).written[0] == 1 << 3,
       "a clone knows what its original knew, and each is cleaned for itself");
    here[3 * PAGE_SIZE] = 4;
    ok(pages_of(memory, 0).written[0] == 1 << 3 && here[3 * PAGE_SIZE] == 4,
       "a page that is copied because of a clone is written");
    here[(PAGES_OF_STATE + 1) * PAGE_SIZE] = 1;
    ok(pages_of(memory, PAGES_OF_STATE * PAGE_SIZE).written[0] == 2, "parts are apart");
    ok_status(object_change(memory, STATE_PAGES, PAGE_SIZE, &pages, sizeof(pages)),
              STATUS_OUT_OF_RANGE, "a part begins at its multiple");
    ok_status(object_change(memory, STATE_PAGES, size, &pages, sizeof(pages)), STATUS_OUT_OF_RANGE,
              "and inside the memory");
    ok_status(object_change(memory, STATE_MEMORY, 0, &pages, sizeof(struct memory_state)),
              STATUS_NOT_SUPPORTED, "what can only be read is not written");
    ok_status(kernel_object_read(memory, STATE_THREAD, sizeof(struct thread_usage), 0),
              STATUS_WRONG_TYPE, "a memory has no state of a thread");
    destroy(copy);
    destroy(memory);
}

/* A writer that never stops, and a reader that cleans, then copies: what it copied last is what is
 * there once the writer has stopped. */
struct writing {
    uint32_t memory;
    volatile uint8_t *here;
    uint32_t stop;
};

static void write_on(struct worker *worker)
{
    struct writing *test = worker->context;
    for (uint64_t i = 0; !__atomic_load_n(&test->stop, __ATOMIC_ACQUIRE); i++) {
        (*(volatile uint64_t *)(test->here + i % 64 * PAGE_SIZE))++;
    }
}

static void copy_written(struct writing *test, uint64_t *copy)
{
    uint64_t written = pages_of(test->memory, 0).written[0];
    clean(test->memory, 0, written);
    for (; written != 0; written &= written - 1) {
        uint32_t page = (uint32_t)__builtin_ctzll(written);
        copy[page] = *(volatile uint64_t *)(test->here + page * PAGE_SIZE);
    }
}

static void test_written_meanwhile(void)
{
    static uint64_t copy[64];
    struct writing test = {.memory = memory_new(SLOT_ACCOUNT, SIZE)};
    test.here = window_map_all(test.memory, SIZE);
    struct worker worker = {.context = &test};
    worker_start(&worker, write_on, SLOT_NONE);
    for (uint32_t round = 0; round < 300; round++) {
        copy_written(&test, copy);
    }
    __atomic_store_n(&test.stop, 1, __ATOMIC_RELEASE);
    worker_join(&worker);
    copy_written(&test, copy);
    bool same = true;
    for (uint64_t page = 0; page < 64; page++) {
        same = same && copy[page] == *(volatile uint64_t *)(test.here + page * PAGE_SIZE);
    }
    ok(same, "who cleans first and copies then misses nothing");
    destroy(test.memory);
}

void test_memory(void)
{
    log_line("# memory");
    test_fill_and_discard();
    test_clone();
    test_far_pages();
    test_clone_pinned();
    test_view();
    test_fault_at_limit();
    test_move();
    test_two_mappings();
    test_concurrent_discard();
    test_destroy_meets_destroy();
    test_written();
    test_written_meanwhile();
}
