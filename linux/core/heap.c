#include "linux/core/heap.h"

#include "lib/base/string.h"
#include "lib/oak/heap_core.h"
#include "lib/oak/kernel.h"
#include "linux/core/lock.h"
#include "linux/core/reserve.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"

#define HEAP_BYTES  (256ull << 20)
#define HEAP_CHUNKS (HEAP_BYTES / HEAP_CHUNK_BYTES)

/*
 * The first pages behind what the template used are warm: they are backed at once when the
 * container begins and stay so, because every start needs them.
 */
#define WARM_PAGES 10

_Static_assert(WINDOW_HEAP + HEAP_BYTES <= WINDOW_MAPS, "the program ends before WINDOW_HEAP");

static struct heap_core core;
static uint8_t *warm_start;
static uint8_t *warm_end; /* NULL in the template */
static struct mutex heap_lock;
static uint32_t chunks[HEAP_CHUNKS] LARGE_TABLE;

/* How much of the range is warm, from its start on. One that begins below the warm pages makes them
 * ordinary ones, as they are when there are none. */
static uint64_t warm_bytes(const uint8_t *address, uint64_t size_bytes)
{
    if (address < warm_start && address + size_bytes > warm_start) {
        warm_end = warm_start;
    }
    bool warm = address >= warm_start && address < warm_end;
    return warm ? MIN(size_bytes, (uint64_t)(warm_end - address)) : 0;
}

/* What the template's heap shares with others takes memory to be dropped. */
static void discard(void *start, uint64_t size_bytes)
{
    uint64_t kept_bytes = warm_bytes(start, size_bytes);
    uint64_t address = (uint64_t)start + kept_bytes;
    memset(start, 0, kept_bytes);
    while (kept_bytes < size_bytes && kernel_memory_discard(SLOT_MEMORY, address - WINDOW_BASE,
                                                            size_bytes - kept_bytes) != STATUS_OK) {
        if (!reserve_spend()) {
            personality_panic("heap: cannot discard");
        }
    }
}

static bool back(void *start, uint64_t size_bytes)
{
    uint64_t kept_bytes = warm_bytes(start, size_bytes);
    if (kept_bytes == size_bytes) {
        return true;
    }
    do {
        if (reserve_full() && window_back((uint8_t *)start + kept_bytes, size_bytes - kept_bytes)) {
            return true;
        }
    } while (thread_blocks_trim());
    return false;
}

static void corrupt(const void *block)
{
    (void)block;
    personality_panic("heap: a block was freed that is none");
}

void heap_start(void)
{
    core.base = (uint8_t *)window_heap_start();
    core.chunk_count = HEAP_CHUNKS;
    core.chunks = chunks;
    core.discard = discard;
    core.back = back;
    core.corrupt = corrupt;
    uint64_t start = window_heap_start();
    if (kernel_region_map(SLOT_DOMAIN, start | RIGHT_READ | RIGHT_WRITE, HEAP_BYTES, SLOT_MEMORY,
                          start - WINDOW_BASE, 0) != STATUS_OK) {
        personality_panic("heap: cannot map it");
    }
}

void heap_seal(void)
{
    heap_core_seal(&core);
}

void heap_warm(void)
{
    warm_start = core.base + core.search_from * HEAP_CHUNK_BYTES;
    if (window_back(warm_start, WARM_PAGES * PAGE_SIZE)) {
        warm_end = warm_start + WARM_PAGES * PAGE_SIZE;
    }
}

static void *allocate(size_t size_bytes, bool zeroed)
{
    mutex_lock(&heap_lock);
    void *block = heap_core_allocate(&core, size_bytes, zeroed);
    mutex_unlock(&heap_lock);
    return block;
}

void *heap_alloc(size_t size_bytes)
{
    return allocate(size_bytes, true);
}

void *heap_alloc_unfilled(size_t size_bytes)
{
    return allocate(size_bytes, false);
}

void heap_free(void *allocation)
{
    if (allocation == NULL) {
        return;
    }
    mutex_lock(&heap_lock);
    heap_core_free(&core, allocation);
    mutex_unlock(&heap_lock);
}
