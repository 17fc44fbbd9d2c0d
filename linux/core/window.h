/* Slots and addresses of the window, for everything that the personality maps there. */
#pragma once

#include "lib/base/types.h"

/* What the linker script says of the personality's own data (lib/oak/program.ld). */
extern uint8_t program_data_start[];
extern uint8_t program_zero_start[];
extern uint8_t program_large_start[]; /* tables of which only the beginning is used as a rule */
extern uint8_t program_zero_end[];

/*
 * The first small memories are mapped right behind the data, before the heap: all of that is in the
 * reach of one page table. The heap begins with a leaf of the private memory's tree.
 */
#define WINDOW_NEAR_BYTES (32 * PAGE_SIZE)
#define WINDOW_LEAF_BYTES (64 * PAGE_SIZE)
static inline uint64_t window_heap_start(void)
{
    return ALIGN_UP((uint64_t)(uintptr_t)program_zero_end + WINDOW_NEAR_BYTES, WINDOW_LEAF_BYTES);
}

/* Have memory of the container's own for whole pages of the window, mapped; false: there is none.
 */
bool window_back(const void *address, uint64_t size_bytes);

/* In the template: one region for the data, which comes from the program's file, and the zeros
 * behind it. */
void window_unite(void);

/* The same as window_back in a new container for the data that every start writes to: one call, not
 * a fault each.
 */
void window_warm(void);

/* 0: none left. */
uint32_t slot_alloc(void);
void slot_free(uint32_t slot);

/* Map a memory of the container's table into the window; 0, -ENOMEM. */
long window_map_memory(uint32_t slot, uint64_t size_bytes, bool writable, void **address);
/* The same for a memory whose absent pages are to fault: read-only. */
long window_map_source(uint32_t slot, uint64_t size_bytes, void **address);
/* One page of a private memory over a source, each by its slot, 0: none, and offset. */
struct window_page {
    uint64_t private_slot;
    uint64_t private_offset;
    uint64_t source_slot;
    uint64_t source_offset;
};
long window_map_page(const struct window_page *page, bool writable, void **address);
void window_unmap_memory(void *address, uint64_t size_bytes);
