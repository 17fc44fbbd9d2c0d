/*
 * The heap of a program: heap_core from WINDOW_HEAP to WINDOW_MAPS, mapped when first used. Init
 * finds its own mapped by the kernel already, smaller (kernel/core/start_init.c).
 */
#include "lib/oak/heap.h"

#include "lib/oak/heap_core.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"

#define HEAP_BYTES      (WINDOW_MAPS - WINDOW_HEAP)
#define HEAP_INIT_BYTES 0x10000000ull

static void discard(void *address, uint64_t size_bytes)
{
    status_t status =
        kernel_memory_discard(SLOT_MEMORY, (uint64_t)address - WINDOW_BASE, size_bytes);
    if (status != STATUS_OK) {
        log_panic("the heap cannot discard: %s", status_name(status));
    }
}

static bool back(void *address, uint64_t size_bytes)
{
    return kernel_memory_populate(SLOT_MEMORY, (uint64_t)address - WINDOW_BASE, size_bytes) ==
           STATUS_OK;
}

static void corrupt(const void *block)
{
    log_panic("freed a block that is not there: %p", (const void *)block);
}

static uint32_t chunks[HEAP_BYTES / HEAP_CHUNK_BYTES];
static struct heap_core heap;

/* True when the heap can be used. */
static bool heap_open(void)
{
    if (heap.base != NULL) {
        return true;
    }
    status_t status = kernel_region_map(SLOT_DOMAIN, WINDOW_HEAP | RIGHT_READ | RIGHT_WRITE,
                                        HEAP_BYTES, SLOT_MEMORY, WINDOW_HEAP - WINDOW_BASE, 0);
    uint32_t chunk_count = ARRAY_LENGTH(chunks);
    if (status == STATUS_EXISTS) {
        chunk_count = HEAP_INIT_BYTES / HEAP_CHUNK_BYTES;
    } else if (status != STATUS_OK) {
        log_line("cannot map the heap: %s", status_name(status));
        return false;
    }
    heap = (struct heap_core){.base = (uint8_t *)WINDOW_HEAP,
                              .chunk_count = chunk_count,
                              .chunks = chunks,
                              .discard = discard,
                              .back = back,
                              .corrupt = corrupt};
    return true;
}

void *heap_allocate(size_t size_bytes)
{
    return heap_open() ? heap_core_allocate(&heap, size_bytes, false) : NULL;
}

void *heap_allocate_zeroed(size_t size_bytes)
{
    return heap_open() ? heap_core_allocate(&heap, size_bytes, true) : NULL;
}

void *heap_resize(void *block, size_t size_bytes)
{
    return heap_open() ? heap_core_resize(&heap, block, size_bytes) : NULL;
}

void heap_free(void *block)
{
    heap_core_free(&heap, block);
}
