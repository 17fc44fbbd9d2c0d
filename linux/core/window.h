/* Slots and addresses of the window, for everything that the personality maps there. */
#pragma once

#include "lib/base/types.h"

/* 0: none left. */
uint32_t slot_alloc(void);
void slot_free(uint32_t slot);

/* Map a memory of the container's table into the window; 0, -ENOMEM. */
long window_map_memory(uint32_t slot, uint64_t size_bytes, bool writable, void **address);
/* The same for a memory whose absent pages are to fault: read-only. */
long window_map_source(uint32_t slot, uint64_t size_bytes, void **address);
void window_unmap_memory(void *address, uint64_t size_bytes);
