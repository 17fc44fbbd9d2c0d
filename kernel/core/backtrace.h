/* Where a thread of a domain was called from, for the report of its end. */
#pragma once

#include "kernel/object/region.h"

/*
 * Return addresses by frame pointers, innermost first; how many were found. Only private memory of
 * the window is read, and never through the user's mappings: what the chain says is a claim of the
 * domain, which the walk survives and a reader may doubt.
 */
uint64_t backtrace_window(struct region_map *window, uint64_t first_frame, uint64_t *out,
                          uint64_t limit);
