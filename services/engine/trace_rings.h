/* The kernel's trace (abi/trace.h): asks the kernel, as objects.h does. */
#pragma once

#include "services/engine/objects.h"

struct trace_rings {
    const uint8_t *bytes; /* one ring per CPU */
    uint64_t size_bytes;
    uint64_t tsc_hz;
};

/* Switch the trace on. The rings are mapped once and for all. */
MUST_USE status_t trace_rings_start(struct trace_rings *out);
void trace_rings_stop(void);

/* The number that events have for the container's domain, or for the engine's own (NULL); 0: none.
 */
uint64_t trace_domain(const struct container_objects *objects);
