/*
 * A virtio device as its driver sees it, whatever the transport: features, queues, configuration,
 * and the DMA memory of its grant (lib/virtio/grant.h). Values read from the device are to be
 * checked by the driver.
 */
#pragma once

#include "lib/virtio/grant.h"
#include "lib/virtio/queue.h"

#define VIRTIO_FEATURE_VERSION_1 (1ull << 32)

enum virtio_interrupt {
    VIRTIO_INTERRUPT_QUEUE = 1,
    VIRTIO_INTERRUPT_CONFIGURATION = 2,
};

struct virtio_device {
    struct virtio_grant grant; /* a copy */
    uint32_t base;             /* first slot of the grant */
    volatile uint8_t *region[VIRTIO_REGIONS];
    uint8_t *dma; /* the DMA memory, mapped */
    uint64_t dma_used_bytes;
};

/* Map the grant at the slots from `base` on and check that it is a device of this type. */
MUST_USE status_t virtio_device_open(uint32_t base, enum virtio_device_type type,
                                     struct virtio_device *out);

/* Reset, and agree on features: a subset of `wanted` and VERSION_1, which is required. */
MUST_USE status_t virtio_device_negotiate(struct virtio_device *device, uint64_t wanted,
                                          uint64_t *out_features);

/* Set up a queue in DMA memory, between negotiate and start. NOT_FOUND: no such queue. */
MUST_USE status_t virtio_device_queue(struct virtio_device *device, uint16_t index,
                                      struct virtqueue *queue);
void virtio_device_start(struct virtio_device *device);

/* Tell the device to look at the queue, unless it does not want to be told. */
void virtio_device_notify(struct virtio_device *device, struct virtqueue *queue);

/* After the signal: what it was for (enum virtio_interrupt), acknowledged. */
uint32_t virtio_device_interrupt(struct virtio_device *device);

/* Bytes of the device's configuration, all of one generation. OUT_OF_RANGE. */
MUST_USE status_t virtio_device_configuration(struct virtio_device *device, uint32_t offset,
                                              void *to, uint32_t bytes);

/* Whole pages of the DMA memory, for good; physically contiguous when the memory still is as it
 * was made. NO_MEMORY. */
MUST_USE status_t virtio_device_dma(struct virtio_device *device, uint64_t bytes, void **out,
                                    uint64_t *out_physical_address);

/* Where a page of the DMA memory lies for the device; asks the kernel. */
MUST_USE status_t virtio_device_physical(const struct virtio_device *device, uint64_t offset,
                                         uint64_t *out_physical_address);
