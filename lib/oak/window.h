/*
 * Other memories in this program's window, placed between WINDOW_MAPS and the window's end. Places
 * are reused after window_unmap. Single-threaded. Sizes are rounded up to pages; offsets are page
 * aligned.
 */
#pragma once

#include "lib/base/types.h"

/*
 * Map [offset, offset + size) of the memory itself: what is written there is seen by everyone who
 * maps it, absent frames are filled with zeros at the expense of the memory's account. Rights:
 * RIGHT_READ, RIGHT_WRITE; the capability must carry them.
 */
MUST_USE status_t window_map(uint32_t memory, uint64_t offset, uint64_t size_bytes, uint32_t rights,
                             void **out);

/* Map it read-only as a source: nothing is ever allocated; touching an absent frame is a fault. */
MUST_USE status_t window_map_source(uint32_t memory, uint64_t offset, uint64_t size_bytes,
                                    const void **out);

/* Undo either; the size as given to it. NULL is ignored. */
void window_unmap(const void *address, uint64_t size_bytes);
