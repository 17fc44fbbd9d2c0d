/* Where the code of another domain was called from, for a report of its end. */
#pragma once

#include "lib/base/types.h"

#define BACKTRACE_CALLS 16

/*
 * Return addresses by frame pointers, innermost first, into BACKTRACE_CALLS words; returns how many
 * were found. `memory` (rights READ and CONTROL) is that of the domain's window, `frame` the frame
 * pointer that its report tells. `account` (right PAY) pays for a copy of what the kernel itself
 * uses of that memory, a page for each thread of the domain: let it be the domain's own. What the
 * chain says is a claim of the domain, which the walk survives and a reader may doubt.
 */
uint32_t backtrace_read(uint32_t account, uint32_t memory, uint64_t frame, uint64_t *out);
