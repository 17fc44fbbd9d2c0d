/*
 * The kernel objects behind containers, processes and logs: everything here asks the kernel, and
 * nothing else in the engine does. The unit tests put a simulation in its place.
 *
 * A container's accounts: `account`, limited by --memory, stays until the container is removed; its
 * children `personality` (with a guarantee, so that a hungry application cannot starve it) and
 * `application` go when the container ends, and with them all that they paid for.
 */
#pragma once

#include "lib/base/types.h"

#include "abi/container.h"

#define PERSONALITY_GUARANTEE_BYTES (256ull << 10)
#define LOG_RESERVE_BYTES           (64ull << 10) /* of a limit, kept from the applications */
#define MEMORY_LIMIT_MIN_BYTES      (1ull << 20)
#define CONTAINER_THREADS_MAX       4096

/* Slots; SLOT_NONE where there is nothing. */
struct container_objects {
    uint32_t account;
    uint32_t personality;
    uint32_t application;
    uint32_t domain;
    uint32_t memory; /* of the window, a clone of the template's */
    uint32_t gate;
    uint32_t events;
    uint32_t thread;
};

/* 0: none, or what is usual. */
struct container_limits {
    uint64_t memory_bytes;
    uint64_t cpu_weight;
    uint64_t cpu_quota_ns;
    uint64_t cpu_period_ns;
    uint64_t threads; /* of the applications */
};

struct container_plan {
    struct container_limits limits;
    uint64_t badge;      /* of its gate to the engine */
    uint64_t watch_bits; /* raised in the engine's signal when its domain ends by a fault */
    bool unsealed;       /* its programs have its personality's authority */
};

struct template_image; /* template.h */

/* Accounts, domain and window. What is made here and by channel_make is put into the domain's table
 * by objects_start. On failure nothing is left. */
MUST_USE status_t objects_make(const struct container_plan *plan,
                               const struct template_image *template,
                               struct container_objects *out);

struct channel_memory;

/* Fill the table and run the first thread, with CONTAINER_ARGUMENT. */
MUST_USE status_t objects_start(const struct container_objects *objects,
                                const struct template_image *template,
                                const struct channel_memory *channel, uint32_t image_memory,
                                uint32_t image_gate, uint64_t argument);

/* Other limits from now on; what is used already may be above them. */
MUST_USE status_t objects_limit(const struct container_objects *objects,
                                const struct container_limits *limits);

/* Nothing of the container runs from now on; or it goes on. */
MUST_USE status_t objects_freeze(const struct container_objects *objects, bool frozen);

/* Raise enum container_event. */
void objects_raise(const struct container_objects *objects, uint64_t events);

/* Have the first thread trap; nothing when it has ended. */
void objects_interrupt(const struct container_objects *objects);

/* End the container: personality and applications are given back. */
void objects_end(struct container_objects *objects);
/* And the account; at any time. */
void objects_forget(struct container_objects *objects);

/* Zeros when there is no such account (any more). */
struct account_usage objects_usage(uint32_t account);

/* cause 0: the domain has not ended by a fault. */
struct domain_report objects_report(const struct container_objects *objects);
/* Where the code that ended was called from: backtrace_read. */
uint32_t objects_calls(const struct container_objects *objects, const struct domain_report *report,
                       uint64_t *out);

/* Type 0: the slot is empty. */
struct capability_found {
    uint32_t type;
    uint32_t rights;
    uint64_t number;
};
struct capability_found objects_capability(const struct container_objects *objects, uint32_t slot);

/*
 * A channel's memory, mapped here. The container may read and write it, and neither discard nor
 * move its pages; the engine touches a page only after channel_ready said that it is there: absent
 * ones are charged to the container's personality, whose account may be exhausted. It must be
 * forgotten before objects_end: the pages go with the account, and the mapping with them.
 */
struct channel_memory {
    uint32_t memory;
    uint8_t *bytes;
    uint64_t mapped_bytes;
    uint64_t ready_pages; /* a bit per page of control and rings */
};

/* With the specification in place. TOO_LARGE. */
MUST_USE status_t channel_make(const struct container_objects *objects, const void *specification,
                               uint32_t specification_bytes, struct channel_memory *out);

/* Back [offset, offset + size) of control block and rings. */
MUST_USE status_t channel_ready(struct channel_memory *channel, uint64_t offset, uint64_t size);
void channel_forget(struct channel_memory *channel);

/* The personality has read the specification: give its own pages back, if it has any. */
void channel_launched(const struct channel_memory *channel);

/* A capability to it for a container, to be dropped after it was sent. */
MUST_USE status_t channel_send(const struct channel_memory *channel, uint32_t *out_slot);

/* A log's memory: charged to the container's account, mapped here, backed by log_memory_ready. To
 * be forgotten before objects_forget. */
struct log_memory {
    uint32_t memory;
    void *bytes;
    uint32_t size_bytes;
};
MUST_USE status_t log_memory_make(uint32_t account, uint32_t size_bytes, struct log_memory *out);
MUST_USE status_t log_memory_ready(struct log_memory *memory, uint32_t from_bytes,
                                   uint32_t size_bytes);
void log_memory_forget(struct log_memory *memory);

/* Tell the machine what time it is. */
void objects_clock_set(uint64_t wall_ns);
struct platform_state objects_machine(void);
struct account_usage objects_containers_usage(void);
uint64_t objects_tsc(void);
