/*
 * Proves that blocks never overlap, keep their contents, are zero when asked for, that memory comes
 * back completely, that no page is touched before it was backed and none lost when that fails, and
 * that a double or wild free is noticed. Pages that are not backed cannot be accessed here.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/test/check.h"
#include "lib/oak/heap_core.h"

#define CHUNKS 256
#define BLOCKS 600

static uint32_t chunks[CHUNKS];
static struct heap_core heap;
static jmp_buf on_corrupt;

#define HEAP_PAGES (CHUNKS * HEAP_CHUNK_BYTES / PAGE_SIZE)

static bool backed[HEAP_PAGES];
static uint64_t pages_left; /* that can still be backed */

static uint64_t page_of(const void *address)
{
    return (uint64_t)((const uint8_t *)address - heap.base) / PAGE_SIZE;
}

static void discard(void *address, uint64_t size_bytes)
{
    uint64_t first = page_of(address);
    CHECK(madvise(address, size_bytes, MADV_DONTNEED) == 0);
    CHECK(mprotect(address, size_bytes, PROT_NONE) == 0);
    for (uint64_t page = first; page < first + size_bytes / PAGE_SIZE; page++) {
        pages_left += backed[page];
        backed[page] = false;
    }
}

static bool back(void *address, uint64_t size_bytes)
{
    uint64_t first = page_of(address);
    for (uint64_t page = first; page < first + size_bytes / PAGE_SIZE; page++) {
        if (!backed[page] && pages_left == 0) {
            return false;
        }
        pages_left -= !backed[page];
        backed[page] = true;
        CHECK(mprotect(heap.base + page * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE) == 0);
    }
    return true;
}

static void corrupt(const void *block)
{
    (void)block;
    longjmp(on_corrupt, 1);
}

static void start(void)
{
    static uint8_t *region;
    uint64_t size_bytes = CHUNKS * HEAP_CHUNK_BYTES;
    if (region == NULL) {
        region = mmap(NULL, size_bytes + HEAP_CHUNK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
        CHECK(region != MAP_FAILED);
        region += -(uintptr_t)region % HEAP_CHUNK_BYTES;
    }
    heap.base = region;
    discard(region, size_bytes);
    pages_left = HEAP_PAGES;
    memset(chunks, 0, sizeof(chunks));
    heap = (struct heap_core){.base = region,
                              .back = back,
                              .chunk_count = CHUNKS,
                              .chunks = chunks,
                              .discard = discard,
                              .corrupt = corrupt};
}

static uint32_t chunks_used(void)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < CHUNKS; i++) {
        used += chunks[i] != 0;
    }
    return used;
}

struct block {
    uint8_t *bytes;
    size_t size_bytes;
    uint8_t pattern;
};

static void block_check(const struct block *block)
{
    for (size_t i = 0; i < block->size_bytes; i++) {
        CHECK(block->bytes[i] == block->pattern);
    }
}

static size_t random_size(void)
{
    int kind = rand() % 10;
    if (kind < 7) {
        return (size_t)(rand() % 300);
    }
    return (size_t)(kind < 9 ? rand() % 5000 : rand() % 100000);
}

static void block_change(struct block *block)
{
    if (block->bytes == NULL) {
        size_t size_bytes = random_size();
        bool zeroed = rand() % 2 == 0;
        block->bytes = heap_core_allocate(&heap, size_bytes, zeroed);
        if (block->bytes == NULL) {
            return;
        }
        block->size_bytes = size_bytes;
        CHECK((uintptr_t)block->bytes % 16 == 0);
        CHECK(size_bytes < PAGE_SIZE || (uintptr_t)block->bytes % PAGE_SIZE == 0);
        block->pattern = 0;
        if (zeroed) {
            block_check(block);
        }
    } else if (rand() % 3 == 0) {
        size_t size_bytes = random_size();
        uint8_t *moved = heap_core_resize(&heap, block->bytes, size_bytes);
        if (moved == NULL) {
            return;
        }
        block->bytes = moved;
        block->size_bytes = MIN(block->size_bytes, size_bytes);
        block_check(block);
        block->size_bytes = size_bytes;
    } else {
        block_check(block);
        heap_core_free(&heap, block->bytes);
        *block = (struct block){0};
        return;
    }
    block->pattern = (uint8_t)rand();
    memset(block->bytes, block->pattern, block->size_bytes);
}

static void test_random(uint64_t pages)
{
    static struct block blocks[BLOCKS];
    start();
    pages_left = pages;
    for (int i = 0; i < 200000; i++) {
        block_change(&blocks[rand() % BLOCKS]);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (blocks[i].bytes != NULL) {
            block_check(&blocks[i]);
            heap_core_free(&heap, blocks[i].bytes);
            blocks[i] = (struct block){0};
        }
    }
    CHECK(chunks_used() <= HEAP_CLASSES);
    CHECK(pages_left + HEAP_CLASSES * HEAP_CHUNK_BYTES / PAGE_SIZE >= pages);
    pages_left = HEAP_PAGES;
    CHECK(heap_core_allocate(&heap, (CHUNKS - HEAP_CLASSES) * HEAP_CHUNK_BYTES / 2, false) != NULL);
}

static void test_exhaustion(void)
{
    start();
    CHECK(heap_core_allocate(&heap, CHUNKS * HEAP_CHUNK_BYTES + 1, false) == NULL);
    CHECK(heap_core_allocate(&heap, SIZE_MAX, false) == NULL);
    void *all = heap_core_allocate(&heap, CHUNKS * HEAP_CHUNK_BYTES, false);
    CHECK(all != NULL);
    CHECK(heap_core_allocate(&heap, 1, false) == NULL);
    heap_core_free(&heap, all);
    CHECK(chunks_used() == 0);
}

/* The search begins behind what it passed over, and before what came back since. */
static void test_search(void)
{
    start();
    void *page[3];
    for (int i = 0; i < 3; i++) {
        page[i] = heap_core_allocate(&heap, PAGE_SIZE, false);
    }
    heap_core_free(&heap, page[0]);
    void *run = heap_core_allocate(&heap, 2 * PAGE_SIZE, false);
    CHECK(page_of(run) == 3);
    CHECK(heap_core_allocate(&heap, PAGE_SIZE, false) == page[0]);
    CHECK(page_of(heap_core_allocate(&heap, PAGE_SIZE, false)) == 5);
    CHECK(heap.search_from == 6);
    heap_core_free(&heap, page[1]);
    CHECK(heap_core_allocate(&heap, PAGE_SIZE, false) == page[1]);
    CHECK(heap.search_from == 2);
    CHECK(page_of(heap_core_allocate(&heap, PAGE_SIZE, false)) == 6);
    CHECK(heap.search_from == 7);
}

static bool free_is_noticed(void *block)
{
    if (setjmp(on_corrupt) != 0) {
        return true;
    }
    heap_core_free(&heap, block);
    return false;
}

static void test_bad_free(void)
{
    start();
    uint8_t *small = heap_core_allocate(&heap, 100, false);
    uint8_t *other = heap_core_allocate(&heap, 100, false);
    uint8_t *large = heap_core_allocate(&heap, 50000, false);
    CHECK(free_is_noticed(small + 16));
    CHECK(free_is_noticed(large + HEAP_CHUNK_BYTES));
    CHECK(free_is_noticed(large + 16));
    CHECK(free_is_noticed(heap.base - 16));
    CHECK(free_is_noticed(heap.base + CHUNKS * HEAP_CHUNK_BYTES));
    CHECK(!free_is_noticed(small));
    CHECK(free_is_noticed(small));
    CHECK(!free_is_noticed(other));
    CHECK(!free_is_noticed(large));
    CHECK(free_is_noticed(large));
}

/* Sealed pages give out nothing until something of theirs is freed, and then that again. */
static void test_seal(void)
{
    start();
    uint8_t *kept = heap_core_allocate(&heap, 100, false);
    uint8_t *freed = heap_core_allocate(&heap, 100, false);
    heap_core_free(&heap, heap_core_allocate(&heap, 1000, false));
    heap_core_seal(&heap);
    CHECK(chunks_used() == 1);
    uint8_t *next = heap_core_allocate(&heap, 100, false);
    CHECK(page_of(next) != page_of(kept));
    heap_core_free(&heap, freed);
    CHECK(heap_core_allocate(&heap, 100, false) == freed);
    CHECK(page_of(heap_core_allocate(&heap, 100, false)) != page_of(kept));
    CHECK(!free_is_noticed(kept));
    CHECK(free_is_noticed(kept));
}

/* What stands in a gap is given to nobody and freed by nobody; the chunks before it come first once
 * they are released, and no block goes across. */
static void test_gap(void)
{
    start();
    uint8_t *behind = heap.base + 20 * HEAP_CHUNK_BYTES;
    heap.chunk_count = CHUNKS - 16;
    heap.gap_chunk = 4;
    heap.gap_bytes = 16 * HEAP_CHUNK_BYTES;
    heap_core_keep(&heap);
    uint8_t *block = heap_core_allocate(&heap, 3 * HEAP_CHUNK_BYTES, false);
    CHECK(block == behind + HEAP_CHUNK_BYTES);
    uint8_t *small = heap_core_allocate(&heap, 100, false);
    CHECK(page_of(small) == page_of(block) + 3);
    for (uint32_t chunk = 0; chunk < 21; chunk++) {
        CHECK(free_is_noticed(heap.base + chunk * HEAP_CHUNK_BYTES));
    }
    heap_core_release(&heap);
    CHECK(heap_core_allocate(&heap, 5 * HEAP_CHUNK_BYTES, false) == block + 4 * HEAP_CHUNK_BYTES);
    uint8_t *first = heap_core_allocate(&heap, 4 * HEAP_CHUNK_BYTES, false);
    CHECK(first == heap.base);
    CHECK(!free_is_noticed(first) && !free_is_noticed(block) && !free_is_noticed(small));
    CHECK(free_is_noticed(first) && free_is_noticed(block));
    CHECK(heap_core_allocate(&heap, 2 * HEAP_CHUNK_BYTES, false) == first);
}

int main(void)
{
    srand(1);
    test_random(HEAP_PAGES);
    test_random(HEAP_PAGES / 8); /* most of the time there is no memory */
    test_random(3);
    test_exhaustion();
    test_search();
    test_bad_free();
    test_seal();
    test_gap();
    return 0;
}
