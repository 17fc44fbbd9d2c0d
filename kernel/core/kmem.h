/*
 * The kernel's heap: objects of a few size classes in one-frame slabs, 64-byte aligned; an empty
 * slab goes back to the frames. Nobody is charged here: callers charge kmem_size.
 */
#pragma once

#include "lib/base/types.h"

/* What an object of that size really takes; at most a page. */
uint64_t kmem_size(size_t size_bytes);

/* NULL without memory; contents undefined. */
void *kmem_alloc(size_t size_bytes);
void kmem_free(void *object, size_t size_bytes);

/* Of the slabs' memory what no object takes. */
uint64_t kmem_spare_bytes(void);
