/*
 * What engine and personality share beside the calls of container.idl: slots, event bits, the
 * channel. Includes nothing.
 */
#pragma once

/* The process that the container is for, as it sees itself. */
#define MAIN_PID 1

/* Slots that the engine fills in a container's domain, beside the usual ones (abi/kernel.h). */
enum container_slot {
    CONTAINER_SLOT_ENGINE = 16,      /* gate: container.idl */
    CONTAINER_SLOT_STORAGE = 17,     /* gate: blob.idl, the image's blob */
    CONTAINER_SLOT_IMAGE = 18,       /* memory: the image's blob, read and execute */
    CONTAINER_SLOT_EVENTS = 19,      /* signal: enum container_event, rights READ and WRITE */
    CONTAINER_SLOT_CHANNEL = 20,     /* memory: the container process's channel */
    CONTAINER_SLOT_APPLICATION = 21, /* account: pays for the applications; SLOT_ACCOUNT pays for
                                        the personality */
    CONTAINER_SLOT_FIRST_FREE = 64,
};

enum container_event {
    EVENT_REQUEST = 1, /* call next_request until it says 0 */
    EVENT_INPUT = 2,   /* some channel's stdin got bytes or was closed */
    EVENT_OUTPUT = 4,  /* some channel's stdout or stderr that was full has room */
    EVENT_LAUNCHED =
        8, /* the personality's own: a process runs that the engine has yet to hear of */
};

/* What a container's first thread starts with: bytes of the specification in its channel, and of
 * the image. A specification of at most MESSAGE_BYTES is in the thread's message as well. */
#define CONTAINER_ARGUMENT(specification_bytes, image_bytes)                                       \
    ((uint64_t)(image_bytes) << 20 | (specification_bytes))
#define CONTAINER_ARGUMENT_SPECIFICATION(argument) ((argument)&0xfffff)
#define CONTAINER_ARGUMENT_IMAGE(argument)         ((argument) >> 20)

enum container_request {
    CONTAINER_REQUEST_NONE = 0,
    CONTAINER_REQUEST_EXEC = 2,
    CONTAINER_REQUEST_KILL = 3,
    CONTAINER_REQUEST_RESIZE = 4,
    /* A process without a program: its specification is RECORD_PATH. It is launched when all has
     * been copied, and ends then; a copy that fails is one that could not be launched. */
    CONTAINER_REQUEST_COPY_OUT = 5, /* a tar archive to stdout */
    CONTAINER_REQUEST_COPY_IN = 6,  /* one from stdin, into a directory */
};

/*
 * A channel: the three streams of one process and its specification, one memory mapped by engine
 * and personality. Page 0 holds the rings' control blocks and, if it is short, the specification
 * (records of abi/control.h as the client sent them); then the rings; then a longer specification.
 * Neither side believes the other's indices: lib/ring/byte_ring.h copies, checks, then uses.
 */
#define CHANNEL_RING_BYTES        16384
#define CHANNEL_RING_STDIN        0x1000
#define CHANNEL_RING_STDOUT       0x5000
#define CHANNEL_RING_STDERR       0x9000
#define CHANNEL_SPECIFICATION     0xd000
#define CHANNEL_SPECIFICATION_MAX 262144
#define CHANNEL_BYTES             (CHANNEL_SPECIFICATION + CHANNEL_SPECIFICATION_MAX)

/* Where a specification of that many bytes lies, and how large the channel is that holds it. */
#define CHANNEL_SPECIFICATION_SHORT 0x240
#define CHANNEL_SPECIFICATION_AT(bytes)                                                            \
    ((bytes) <= PAGE_SIZE - CHANNEL_SPECIFICATION_SHORT ? CHANNEL_SPECIFICATION_SHORT              \
                                                        : CHANNEL_SPECIFICATION)
#define CHANNEL_BYTES_WITH(bytes)                                                                  \
    (CHANNEL_SPECIFICATION_AT(bytes) == CHANNEL_SPECIFICATION_SHORT                                \
         ? CHANNEL_SPECIFICATION                                                                   \
         : CHANNEL_SPECIFICATION + (((bytes) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)))

/* Written by the ring's producer or its consumer only; each on its own cache line. */
struct ring_control {
    uint32_t produced;        /* bytes ever put in, modulo 2^32; producer */
    uint32_t closed;          /* 1: no more will come; producer */
    uint32_t producer_sleeps; /* 1: tell the producer when there is room; producer sets, consumer
                                 clears */
    uint32_t pad[13];
    uint32_t consumed;        /* bytes ever taken; consumer */
    uint32_t abandoned;       /* 1: nobody will read any more; consumer */
    uint32_t consumer_sleeps; /* 1: tell the consumer when bytes came; consumer sets, producer
                                 clears */
    uint32_t pad_too[13];
};

#define CHANNEL_MISSING 32

struct channel_control {
    struct ring_control ring[3]; /* by stream: 0 stdin, 1 stdout, 2 stderr */
    /* How often what does not exist was asked for, by the number it was reported with
     * (container.idl, missing); it stays at its maximum. Of the container's own process only;
     * written by the personality. */
    uint32_t missing[CHANNEL_MISSING];
    /* 1: somebody waits for enum container_event. Until then the engine interrupts the first thread
     * when it raises one. Of the container's own process only; written by the personality. */
    uint32_t attended;
};
_Static_assert(sizeof(struct channel_control) <= CHANNEL_SPECIFICATION_SHORT,
               "the specification lies behind");
