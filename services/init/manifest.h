/*
 * What the system consists of: every object that init keeps, every process it starts, and every
 * capability that a process gets. What is not in these tables nobody has.
 */
#pragma once

#include "lib/base/types.h"
#include "lib/virtio/grant.h"

/* What init keeps, so that it survives the processes that use it. */
enum kept {
    KEPT_NONE,
    KEPT_PLATFORM,
    KEPT_BUNDLE,
    KEPT_TRACE,
    KEPT_ENDPOINT, /* init's own */
    KEPT_SIGNAL,   /* init's own: a bit per process, raised when it ends by a fault */
    KEPT_INIT_GATE,
    KEPT_STORAGE_ENDPOINT,
    KEPT_STORAGE_SIGNAL,
    KEPT_STORAGE_GATE,
    KEPT_CACHE,
    KEPT_ENGINE_ENDPOINT,
    KEPT_ENGINE_SIGNAL,
    KEPT_CONTAINERS,
    KEPT_COUNT,
};

struct manifest_object {
    enum object_type type; /* OBJECT_NONE: the kernel gave it to init, in `slot` */
    uint32_t slot;
    enum kept endpoint;    /* gate: of which */
    uint64_t badge;        /* gate */
    uint32_t memory_share; /* account: limited to, and guaranteed, that part of the machine's
                              memory (8: an eighth); 0: no limit, no guarantee */
};

/* In the order of enum kept: what an object needs stands before it. */
extern const struct manifest_object manifest_objects[KEPT_COUNT];

struct manifest_capability {
    uint32_t slot_there;
    enum kept what;
    uint32_t rights;
};

struct manifest_device {
    enum virtio_device_type type; /* 0: none. The first of that type in the machine */
    uint32_t slot_there;          /* the first of the grant */
    enum kept signal;
    uint64_t signal_bits;
    uint64_t dma_bytes;
};

#define MANIFEST_CAPABILITIES 10

struct manifest_process {
    const char *name; /* of the bundle's file */
    enum thread_band band;
    uint64_t guarantee_bytes;
    uint32_t memory_share; /* its limit is that part of the machine's memory */
    uint64_t limit_threads;
    struct manifest_device device;
    struct manifest_capability capability[MANIFEST_CAPABILITIES];

    /* When it ends by a fault. */
    uint32_t restarts_max; /* 0: the machine ends with it */
    enum kept endpoint;    /* where its clients' calls wait */
    enum kept replaced;    /* an account that a new life gets anew */
    enum kept tell_signal; /* who is told of a restart, */
    uint64_t tell_bits;    /* and how */
};

#define MANIFEST_PROCESSES 2
extern const struct manifest_process manifest_processes[MANIFEST_PROCESSES];

/* Badge of KEPT_INIT_GATE. */
#define INIT_BADGE_ENGINE 1ull
