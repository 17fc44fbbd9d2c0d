/*
 * A split virtqueue (virtio 1.2, section 2.7), driver side, in memory that the device can read and
 * write at any time.
 *
 * The device is not believed: which descriptors are in flight, how they are chained and how much a
 * device may write is remembered in private memory; what the used ring says is copied once and
 * checked against that. A device that breaks the rules breaks the queue: every later call returns
 * IO_ERROR. No kernel calls and no allocation: the unit tests run it against a simulated device.
 */
#pragma once

#include "lib/base/types.h"

#define VIRTQUEUE_MAX 128

/* Bytes that a queue of `size` descriptors takes; fits into a page for VIRTQUEUE_MAX. */
#define VIRTQUEUE_AVAILABLE_OFFSET (VIRTQUEUE_MAX * 16)
#define VIRTQUEUE_USED_OFFSET      (VIRTQUEUE_MAX * 16 + 512)
#define VIRTQUEUE_BYTES            (VIRTQUEUE_USED_OFFSET + 6 + VIRTQUEUE_MAX * 8)

struct virtqueue_descriptor {
    uint64_t address;
    uint32_t length_bytes;
    uint16_t flags;
    uint16_t next;
};

struct virtqueue_used {
    uint32_t id;
    uint32_t length_bytes;
};

/* One request in flight, by its first descriptor. */
struct virtqueue_request {
    bool in_flight;
    uint16_t last;
    uint16_t count;
    uint32_t writable_bytes;
    uint64_t cookie;
};

struct virtqueue {
    struct virtqueue_descriptor *descriptors; /* shared with the device, as the next two */
    uint16_t *available;                      /* flags, index, ring */
    uint16_t *used;                           /* flags, index, ring of struct virtqueue_used */
    uint16_t index;                           /* the device's number for this queue */
    uint16_t size;
    uint16_t free_first;
    uint16_t free_count;
    uint16_t available_index;
    uint16_t used_index;
    bool broken;
    uint16_t next[VIRTQUEUE_MAX];
    struct virtqueue_request request[VIRTQUEUE_MAX];
    volatile void *doorbell; /* of the transport */
};

/* A piece of memory for the device. */
struct virtqueue_buffer {
    uint64_t physical_address;
    uint32_t length_bytes;
    bool device_writes; /* buffers that the device writes come last */
};

/* `memory` is VIRTQUEUE_BYTES long, aligned to 16, zeroed. Size: a power of two up to
 * VIRTQUEUE_MAX. */
void virtqueue_init(struct virtqueue *queue, uint16_t index, uint16_t size, void *memory);

/* Hand a request to the device. LIMIT_REACHED without enough free descriptors, INVALID_ARGUMENT
 * for no buffers, IO_ERROR when the queue is broken. The device need not look before a notify. */
MUST_USE status_t virtqueue_put(struct virtqueue *queue, const struct virtqueue_buffer *buffers,
                                uint16_t count, uint64_t cookie);

/* Whether the device asks to be notified of what was put; call after putting. */
bool virtqueue_wants_notify(const struct virtqueue *queue);

/* Whether the device is to interrupt when it has finished a request; it may have finished some when
 * this is switched on, and may interrupt all the same. On at first. */
void virtqueue_interrupts(struct virtqueue *queue, bool on);

/* The next finished request: its cookie and how many bytes the device says it wrote, at most what
 * it was given. NOT_FOUND when there is none now. */
MUST_USE status_t virtqueue_take(struct virtqueue *queue, uint64_t *out_cookie,
                                 uint32_t *out_written_bytes);
