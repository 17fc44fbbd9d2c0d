/* The personality's heap: zeroed allocations over WINDOW_HEAP; NULL when the account is exhausted.
 */
#pragma once

#include "lib/base/types.h"

void heap_start(void);
void *heap_alloc(size_t size_bytes);
void heap_free(void *allocation);
