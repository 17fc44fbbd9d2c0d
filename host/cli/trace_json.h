/*
 * What was recorded, as JSON that Perfetto and Chrome's about:tracing open ("Trace Event Format"):
 * a track per CPU with the threads that ran on it, and a track per thread, grouped by domain, with
 * its system calls, kernel calls, faults, traps and wake-ups.
 */
#pragma once

#include <stdio.h>

#include "host/cli/cli.h"

struct trace_domain {
    uint32_t number;
    char *name;
};

struct trace_data {
    uint8_t *rings; /* abi/trace.h, one after the other */
    size_t rings_bytes;
    uint64_t tsc_hz;
    struct trace_domain *domains; /* those whose names are known */
    size_t domain_count;
};

/* Returns the number of events that the rings held. False in *complete: some were overwritten. */
size_t trace_json_write(const struct trace_data *data, FILE *file, bool *complete);
