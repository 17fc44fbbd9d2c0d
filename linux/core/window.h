/* Slots and addresses of the window, for everything that the personality maps there. */
#pragma once

#include "lib/base/types.h"

/*
 * What the linker script says (linux/program.ld). Small memories are mapped between near_start and
 * first_block. From first_block's stack to the heap's end is one region of the private memory; what
 * a container's every start writes to lies from that stack's upper part to large_start.
 */
extern uint8_t program_near_start[];
extern uint8_t program_first_block[]; /* the first thread's: guard page, stack, frame */
extern uint8_t program_warm_heap[];   /* up to zero_start: the heap's first pages */
extern uint8_t program_zero_start[];
extern uint8_t program_large_start[]; /* tables of which only the beginning is used as a rule */
extern uint8_t program_data_start[];
extern uint8_t program_data_end[]; /* from here on the rest of the heap */

#define WINDOW_HEAP_BYTES (640ull << 20) /* without the data that stands in it */

/* Have memory of the container's own for whole pages of the window, mapped; false: there is none.
 */
bool window_back(const void *address, uint64_t size_bytes);

/* In the template: one region for the first thread's stack, the data, which comes from the
 * program's file, the zeros and the heap. */
void window_unite(void);

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
