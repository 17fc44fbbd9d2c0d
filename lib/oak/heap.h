/*
 * A heap over WINDOW_HEAP: anonymous pages of the window's private memory, charged before
 * they are first used; whole pages that become free are discarded, so a service's use shrinks
 * again. Blocks are 16-byte aligned, blocks of a page or more are page aligned. Exhaustion of the
 * heap or of the account returns NULL. Freeing what is not a live block is noticed and ends the
 * program. Single-threaded.
 */
#pragma once

#include "lib/base/types.h"

void *heap_allocate(size_t size_bytes); /* contents undefined */
void *heap_allocate_zeroed(size_t size_bytes);

/* Grow or shrink; on failure NULL and the old block stays. heap_resize(NULL, n) allocates. */
void *heap_resize(void *block, size_t size_bytes);
void heap_free(void *block); /* NULL is ignored */
