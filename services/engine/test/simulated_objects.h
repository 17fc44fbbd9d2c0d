/*
 * What is under the engine's logic in its unit tests: kernel objects that only count, channels
 * whose pages the sanitizer guards until channel_ready was called, blobs, the heap and the clock.
 * Every allocation can be made to fail in turn.
 */
#pragma once

#include "services/engine/objects.h"

#define SIMULATED_DOMAINS 4096

struct simulated_domain {
    bool used;
    bool ended; /* given back; the account still exists */
    bool started;
    uint64_t badge;
    uint64_t watch_bits;
    uint64_t events;      /* raised and not looked at yet */
    uint64_t argument;    /* that it was started with */
    uint32_t interrupted; /* times */
    uint32_t channel_memory;
    struct container_limits limits;
    bool frozen;
    bool unsealed;
    struct domain_report report;
};

/* NULL without. */
struct simulated_domain *simulated_domain(uint64_t badge);

/* The container's own mapping of a channel, by its slot; NULL when it was given up. */
uint8_t *simulated_channel(uint32_t slot);

/* The one blob that exists. */
extern const uint8_t simulated_blob_name[32];
extern bool simulated_template_missing;
extern bool simulated_synchronised;
extern uint64_t simulated_wall_ns;

/* The trace: bytes that tell where they are. */
#define SIMULATED_TRACE_BYTES (100u << 10)
bool simulated_trace_on(void);

/* The allocation after that many others fails, once; negative: none does. */
extern int64_t simulated_fail_after;
/* Pages that logs may still get; negative: any number. */
extern int64_t simulated_log_pages;
/* Objects, channels, logs, users of blobs and reservations that are alive, and blocks of the heap.
 */
extern int64_t simulated_live;
extern int64_t simulated_heap_blocks;
