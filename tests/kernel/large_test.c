/*
 * Large pages: regions with MAP_LARGE in a space that the tests' thread is in. Whether one is
 * mapped shows in the books: it needs no page table for its 4 KiB pages, and all its frames at
 * once.
 */
#include "tests/kernel/harness.h"

#define LARGE      (2ull << 20)
#define PLACE      0x40000000ull /* of the region, and of its pages in the memory */
#define READ_WRITE (RIGHT_READ | RIGHT_WRITE)

/* One region of so many large pages, whose first table of pages is not there yet. */
struct stage {
    uint32_t account;
    uint32_t memory;
    uint32_t space;
    uint64_t tables; /* of the space, before anything is mapped */
};

static volatile uint8_t *const at = (volatile uint8_t *)PLACE;

static uint64_t books_of(const struct stage *stage, enum account_kind kind)
{
    return account_books(stage->account).bytes[kind];
}

static void stage_make(struct stage *stage, uint64_t limit_bytes, uint64_t rights, uint64_t large)
{
    stage->account = account_new(limit_bytes, 2);
    stage->memory = memory_new(stage->account, 2 * PLACE);
    stage->space = slot_new();
    must(kernel_space_create(stage->account, stage->space, SLOT_DOMAIN), "space");
    must(kernel_region_map(stage->space, PLACE | rights, large * LARGE, stage->memory, PLACE, 0),
         "map");
    must(kernel_thread_set_space(stage->space), "set_space");
    stage->tables = books_of(stage, ACCOUNT_TABLES);
}

static void stage_end(const struct stage *stage)
{
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    destroy(stage->space);
    destroy(stage->memory);
    ok(books_of(stage, ACCOUNT_FRAMES) == 0 && books_of(stage, ACCOUNT_TABLES) == 0,
       "nothing of it is left");
    destroy(stage->account);
}

/* Tables since the beginning: two above a large page, one more where there are pages of 4 KiB. */
static bool tables_are(const struct stage *stage, uint64_t count)
{
    return books_of(stage, ACCOUNT_TABLES) == stage->tables + count * PAGE_SIZE;
}

static bool frames_are(const struct stage *stage, uint64_t bytes)
{
    return books_of(stage, ACCOUNT_FRAMES) == bytes;
}

static void fill(uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += PAGE_SIZE) {
        *(volatile uint64_t *)(PLACE + i) = i + 1;
    }
}

/* How many pages hold what fill wrote. */
static uint64_t filled(uint64_t bytes)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < bytes; i += PAGE_SIZE) {
        count += *(volatile uint64_t *)(PLACE + i) == i + 1;
    }
    return count;
}

static void test_touch(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE | MAP_LARGE, 2);
    bool zero = at[12345] == 0;
    ok(frames_are(&stage, LARGE) && tables_are(&stage, 2), "a touch backs a large page as a whole");
    for (uint64_t i = 0; i < LARGE; i += 8) {
        zero = zero && *(volatile uint64_t *)(PLACE + i) == 0;
    }
    ok(zero, "with zeros");
    fill(2 * LARGE);
    ok(filled(2 * LARGE) == 1024 && frames_are(&stage, 2 * LARGE) && tables_are(&stage, 2),
       "and so the next one");
    must(kernel_region_unmap(stage.space, PLACE, 2 * LARGE), "unmap");
    ok(tables_are(&stage, 0), "unmapped, its tables are gone");
    must(kernel_region_map(stage.space, PLACE | READ_WRITE | MAP_LARGE, 2 * LARGE, stage.memory,
                           PLACE, 0),
         "map again");
    ok(filled(2 * LARGE) == 1024 && tables_are(&stage, 2), "what is there is mapped as it lies");
    stage_end(&stage);
}

static void test_no_fit(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE, 1);
    at[0] = 1;
    ok(frames_are(&stage, PAGE_SIZE), "a region that was not asked for has pages of 4 KiB");
    must(kernel_region_protect(stage.space, PLACE, LARGE, READ_WRITE | MAP_LARGE), "protect");
    at[PAGE_SIZE] = 1;
    ok(frames_are(&stage, 2 * PAGE_SIZE), "and keeps them where it has some already");
    must(kernel_region_unmap(stage.space, PLACE, LARGE), "unmap");
    must(kernel_region_map(stage.space, PLACE | READ_WRITE | MAP_LARGE, LARGE, stage.memory,
                           PLACE - PAGE_SIZE, 0),
         "map a page aside");
    at[64 * PAGE_SIZE] = 1;
    ok(frames_are(&stage, 3 * PAGE_SIZE), "so has one whose pages lie otherwise in the memory");
    must(kernel_region_map(stage.space, (PLACE + 3 * LARGE - PAGE_SIZE) | READ_WRITE | MAP_LARGE,
                           LARGE, stage.memory, PLACE + 3 * LARGE - PAGE_SIZE, 0),
         "map 2 MiB that are no large page");
    at[3 * LARGE] = 1;
    ok(frames_are(&stage, 4 * PAGE_SIZE), "or none of whose large pages lies in it as a whole");
    must(kernel_region_map(stage.space, (PLACE + 5 * LARGE) | RIGHT_READ | MAP_LARGE, LARGE,
                           stage.memory, PLACE + 5 * LARGE, 0),
         "map read-only");
    ok(at[5 * LARGE] == 0 && frames_are(&stage, 5 * PAGE_SIZE), "or that cannot be written");
    stage_end(&stage);
    const uint64_t place = window_place(2 * LARGE);
    uint32_t memory = memory_new(SLOT_ACCOUNT, 2 * LARGE);
    uint64_t before = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES];
    uint64_t inside = ALIGN_UP(place, LARGE);
    must(kernel_region_map(SLOT_DOMAIN, inside | READ_WRITE | MAP_LARGE, LARGE, memory, 0, 0),
         "map");
    *(volatile uint8_t *)inside = 1;
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before + PAGE_SIZE,
       "nor has the window any");
    must(kernel_region_unmap(SLOT_DOMAIN, inside, LARGE), "unmap");
    destroy(memory);
}

static void test_short(void)
{
    struct stage stage;
    stage_make(&stage, LARGE - 1, READ_WRITE | MAP_LARGE, 1);
    at[LARGE - 1] = 1;
    at[0] = 2;
    ok(at[LARGE - 1] == 1 && at[0] == 2 && !frames_are(&stage, LARGE) && tables_are(&stage, 3),
       "an account that cannot pay a large page gets pages of 4 KiB");
    stage_end(&stage);
}

/* Also one that could pay a part of it: the first touch must not fail for what a part took. */
static void test_nearly(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE | MAP_LARGE, 1);
    uint64_t before = account_books(stage.account).bytes_total;
    uint64_t small = 0;
    for (uint64_t pages = 440; pages < 520; pages++) {
        must(kernel_account_set(stage.account, ACCOUNT_LIMIT_BYTES, before + pages * PAGE_SIZE, 0,
                                0),
             "limit");
        small += probe(PLACE + LARGE - PAGE_SIZE, PROBE_WRITE) && frames_are(&stage, PAGE_SIZE);
        must(kernel_memory_discard(stage.memory, PLACE, LARGE), "discard");
        must(kernel_region_unmap(stage.space, PLACE, LARGE), "unmap");
        must(kernel_region_map(stage.space, PLACE | READ_WRITE | MAP_LARGE, LARGE, stage.memory,
                               PLACE, 0),
             "map");
    }
    ok(small == 80, "nor does one that can pay a part of it pay any");
    stage_end(&stage);
}

static bool is_present(const struct stage *stage, uint64_t offset)
{
    return memory_page_present(stage->memory, offset);
}

/* What a call populates is there, and nobody else's, when it returns. */
static void test_populate(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE | MAP_LARGE, 1);
    must(kernel_region_populate(stage.space, PLACE + LARGE - PAGE_SIZE, PAGE_SIZE), "populate");
    ok(is_present(&stage, PLACE + LARGE - PAGE_SIZE), "a page is populated");
    must(kernel_region_populate(stage.space, PLACE, LARGE), "populate");
    ok(frames_are(&stage, LARGE), "and a large one");
    must(kernel_memory_discard(stage.memory, PLACE + LARGE - 64 * PAGE_SIZE, 64 * PAGE_SIZE),
         "discard");
    uint32_t clone = slot_new();
    must(kernel_memory_clone(stage.account, clone, stage.memory), "clone");
    must(kernel_region_populate(stage.space, PLACE, PAGE_SIZE), "populate");
    ok(frames_are(&stage, LARGE - 63 * PAGE_SIZE), "what a clone shares is copied");
    destroy(clone);
    stage_end(&stage);
}

static void test_cut(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE | MAP_LARGE, 3);
    fill(3 * LARGE);
    must(kernel_region_unmap(stage.space, PLACE + LARGE + 5 * PAGE_SIZE, PAGE_SIZE), "unmap");
    ok(!probe(PLACE + LARGE + 5 * PAGE_SIZE, PROBE_READ) &&
           filled(LARGE + 5 * PAGE_SIZE) == 512 + 5 && frames_are(&stage, 3 * LARGE),
       "a hole in a large page is a hole, its frame stays the memory's");
    must(kernel_region_protect(stage.space, PLACE + 2 * LARGE, PAGE_SIZE, RIGHT_READ), "protect");
    ok(!probe(PLACE + 2 * LARGE, PROBE_WRITE) && probe(PLACE + 2 * LARGE, PROBE_READ) &&
           probe(PLACE + 2 * LARGE + PAGE_SIZE, PROBE_WRITE),
       "a part of a large page can be protected");
    must(kernel_memory_discard(stage.memory, PLACE + PAGE_SIZE, PAGE_SIZE), "discard");
    ok(at[PAGE_SIZE] == 0 && at[0] == 1 && filled(LARGE) == 511,
       "a part that is discarded is zero, and the rest stays");
    must(kernel_memory_discard(stage.memory, PLACE, LARGE), "discard");
    ok(filled(LARGE) == 0 && frames_are(&stage, 3 * LARGE),
       "discarded as a whole, it is zero again");
    stage_end(&stage);
}

/* A clone shares the frames: neither may see what the other writes. */
static void test_clone(void)
{
    struct stage stage;
    stage_make(&stage, 32 << 20, READ_WRITE | MAP_LARGE, 2);
    fill(2 * LARGE);
    uint32_t clone = slot_new();
    uint32_t space = slot_new();
    must(kernel_memory_clone(stage.account, clone, stage.memory), "clone");
    must(kernel_space_create(stage.account, space, SLOT_DOMAIN), "space");
    must(kernel_region_map(space, PLACE | READ_WRITE | MAP_LARGE, 2 * LARGE, clone, PLACE, 0),
         "map");
    must(kernel_thread_set_space(space), "set_space");
    uint64_t before = books_of(&stage, ACCOUNT_TABLES);
    ok(filled(2 * LARGE) == 1024 && books_of(&stage, ACCOUNT_TABLES) == before + 2 * PAGE_SIZE &&
           frames_are(&stage, 2 * LARGE),
       "a clone reads the same large pages");
    at[7 * PAGE_SIZE] = 77;
    ok(frames_are(&stage, 2 * LARGE + PAGE_SIZE) && filled(2 * LARGE) == 1023,
       "it writes to a page of its own");
    must(kernel_thread_set_space(stage.space), "set_space");
    at[9 * PAGE_SIZE] = 99;
    ok(at[7 * PAGE_SIZE] == 1 && frames_are(&stage, 2 * LARGE + 2 * PAGE_SIZE),
       "so does the original");
    must(kernel_thread_set_space(space), "set_space");
    ok(at[9 * PAGE_SIZE] == 1 && at[7 * PAGE_SIZE] == 77, "and neither sees the other's");
    must(kernel_thread_set_space(stage.space), "set_space");
    destroy(space);
    destroy(clone);
    stage_end(&stage);
}

/* Cleaned pages are noted when they are written next, one by one. */
static void test_written(void)
{
    struct stage stage;
    stage_make(&stage, 16 << 20, READ_WRITE | MAP_LARGE, 1);
    fill(LARGE);
    struct memory_pages pages;
    for (uint32_t i = 0; i < PAGES_OF_STATE / 64; i++) {
        pages.written[i] = UINT64_MAX;
    }
    must(object_change(stage.memory, STATE_PAGES, PLACE, &pages, sizeof(pages)), "clean");
    ok(filled(LARGE) == 512, "read");
    at[70 * PAGE_SIZE] = 1;
    must(object_state_at(stage.memory, STATE_PAGES, PLACE, &pages, sizeof(pages)), "look");
    ok(pages.written[0] == 0 && pages.written[1] == 1 << 6 && pages.written[7] == 0,
       "of a large page that was cleaned the page that is written is noted");
    stage_end(&stage);
}

void test_large(void)
{
    test_touch();
    test_no_fit();
    test_short();
    test_nearly();
    test_populate();
    test_cut();
    test_clone();
    test_written();
}
