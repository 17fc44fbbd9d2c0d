#include "linux/core/heap.h"

#include "lib/oak/heap_core.h"
#include "lib/oak/kernel.h"
#include "linux/core/lock.h"
#include "linux/core/reserve.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"

#define HEAP_BYTES  (512ull << 20)
#define HEAP_CHUNKS (HEAP_BYTES / HEAP_CHUNK_BYTES)

static struct heap_core core;
static struct mutex heap_lock;
static uint32_t chunks[HEAP_CHUNKS] LARGE_TABLE;

/* What the template's heap shares with others takes memory to be dropped. */
static void discard(void *address, uint64_t size_bytes)
{
    while (kernel_memory_discard(SLOT_MEMORY, (uint64_t)address - WINDOW_BASE, size_bytes) !=
           STATUS_OK) {
        if (!reserve_spend()) {
            personality_panic("heap: cannot discard");
        }
    }
}

static bool back(void *address, uint64_t size_bytes)
{
    do {
        if (reserve_full() && kernel_memory_populate(SLOT_MEMORY, (uint64_t)address - WINDOW_BASE,
                                                     size_bytes) == STATUS_OK) {
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
    core.base = (uint8_t *)WINDOW_HEAP;
    core.chunk_count = HEAP_CHUNKS;
    core.chunks = chunks;
    core.discard = discard;
    core.back = back;
    core.corrupt = corrupt;
    if (kernel_region_map(SLOT_DOMAIN, WINDOW_HEAP | RIGHT_READ | RIGHT_WRITE, HEAP_BYTES,
                          SLOT_MEMORY, WINDOW_HEAP - WINDOW_BASE, 0) != STATUS_OK) {
        personality_panic("heap: cannot map it");
    }
}

void *heap_alloc(size_t size_bytes)
{
    mutex_lock(&heap_lock);
    void *block = heap_core_allocate(&core, size_bytes, true);
    mutex_unlock(&heap_lock);
    return block;
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
