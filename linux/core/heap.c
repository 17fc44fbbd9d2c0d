#include "linux/core/heap.h"

#include "lib/base/string.h"
#include "lib/oak/heap_core.h"
#include "lib/oak/kernel.h"
#include "linux/core/lock.h"
#include "linux/core/reserve.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"

#define HEAP_CHUNKS (WINDOW_HEAP_BYTES / HEAP_CHUNK_BYTES)

/*
 * The program's data stands in the heap's range, behind its first pages: those are warm, backed
 * before a container begins and for as long as it lives, because every start needs them. The
 * template leaves them alone.
 */
_Static_assert(WINDOW_HEAP + WINDOW_HEAP_BYTES <= WINDOW_MAPS,
               "the program ends before WINDOW_HEAP");

static struct heap_core core;
static struct mutex heap_lock;
static uint32_t chunks[HEAP_CHUNKS] LARGE_TABLE;

static bool is_warm(const void *address)
{
    return (const uint8_t *)address < program_zero_start;
}

/* What the template's heap shares with others takes memory to be dropped. */
static void discard(void *start, uint64_t size_bytes)
{
    if (is_warm(start)) {
        memset(start, 0, size_bytes);
        return;
    }
    while (kernel_memory_discard(SLOT_MEMORY, (uint64_t)start - WINDOW_BASE, size_bytes) !=
           STATUS_OK) {
        if (!reserve_spend()) {
            personality_panic("heap: cannot discard");
        }
    }
}

static bool back(void *start, uint64_t size_bytes)
{
    if (is_warm(start)) {
        return true;
    }
    do {
        if (reserve_full() && window_back(start, size_bytes)) {
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
    core.base = program_warm_heap;
    core.chunk_count = HEAP_CHUNKS;
    core.gap_chunk =
        (uint32_t)((uint64_t)(program_zero_start - program_warm_heap) / HEAP_CHUNK_BYTES);
    core.gap_bytes = (uint64_t)(program_data_end - program_zero_start);
    core.chunks = chunks;
    core.discard = discard;
    core.back = back;
    core.corrupt = corrupt;
    heap_core_keep(&core);
}

void heap_seal(void)
{
    heap_core_seal(&core);
}

void heap_begin(void)
{
    heap_core_release(&core);
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
