/* The personality's heap: zeroed allocations around its data; NULL when the account is exhausted.
 */
#pragma once

#include "lib/base/types.h"

void heap_start(void);
void *heap_alloc(size_t size_bytes);
/* Not zeroed: for buffers that are filled before anything is read from them. */
void *heap_alloc_unfilled(size_t size_bytes);
void heap_free(void *allocation);

/* At the template's end: what it has allocated shares no page with what a container will. */
void heap_seal(void);

/* In a new container, which has memory for the heap's first pages: give them out, too. */
void heap_begin(void);
