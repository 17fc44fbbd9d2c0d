/*
 * The trace rings (abi/trace.h): made once, while booting, and written while the trace is on. While
 * it is off each place costs one test of a byte, and calls cost nothing: `syscall` leads to another
 * entry while it is on (x86_64/entry.S), from which calls take the general way.
 */
#pragma once

#include "kernel/core/object.h"

#include "abi/trace.h"

extern bool trace_on;

/* The rings of cpu_count CPUs, adjacent; start_init makes them, and a memory over them. */
extern struct trace_ring *trace_rings;

/* Switch it on or off everywhere; each CPU follows at its next interrupt, which is sent to it. */
void trace_set(bool on);

/* Take the entry that fits: after trace_set, on each CPU. */
void trace_follow(void);

__attribute__((cold, noinline)) void trace_write(enum trace_kind kind, uint32_t detail,
                                                 uint64_t word0, uint64_t word1);

static inline void trace(enum trace_kind kind, uint32_t detail, uint64_t word0, uint64_t word1)
{
    if (__builtin_expect(trace_on, 0)) {
        trace_write(kind, detail, word0, word1);
    }
}

/* The last events of a CPU into the log; for a panic, which takes no lock. */
void trace_print_last(uint32_t cpu_number);
