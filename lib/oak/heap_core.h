/*
 * The heap's bookkeeping over a region that reads as zero where it was never touched or was
 * discarded. heap.c gives it a part of the window; the unit tests an array.
 */
#pragma once

#include "lib/base/types.h"

#define HEAP_CHUNK_BYTES PAGE_SIZE

struct heap_slab;

#define HEAP_CLASSES 7

struct heap_core {
    uint8_t *base; /* aligned to HEAP_CHUNK_BYTES */
    uint32_t chunk_count;
    /* Something else stands in the heap's range: from that chunk on all lie so many bytes further.
     * 0: nothing does. */
    uint32_t gap_chunk;
    uint64_t gap_bytes;
    uint32_t search_from;                                /* no free chunk lies below */
    uint32_t *chunks;                                    /* one word per chunk, see heap_core.c */
    struct heap_slab *partial[HEAP_CLASSES];             /* slabs with a free block */
    void (*discard)(void *address, uint64_t size_bytes); /* make it read as zero again */
    /* Have memory for these whole pages before they are touched; false: there is none, which then
     * is an allocation that fails instead of a fault. NULL: touching them cannot fail. */
    bool (*back)(void *address, uint64_t size_bytes);
    void (*corrupt)(const void *block); /* a free of what is not a live block; does not return */
};

void *heap_core_allocate(struct heap_core *heap, size_t size_bytes, bool zeroed);
void *heap_core_resize(struct heap_core *heap, void *block, size_t size_bytes);
void heap_core_free(struct heap_core *heap, void *block);

/* Give no block any more out of a page that has one: what is there may be shared with a clone. */
void heap_core_seal(struct heap_core *heap);

/* Before the first allocation: the chunks in front of the gap are not given out until they are
 * released. */
void heap_core_keep(struct heap_core *heap);
void heap_core_release(struct heap_core *heap);
