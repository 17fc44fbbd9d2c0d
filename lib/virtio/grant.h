/*
 * What init hands to the service that drives a virtio device: capabilities in a row of slots, and a
 * page that says what they are.
 *
 * init finds the device, takes it out of PCI's hands (BARs located, bus mastering on, one MSI-X
 * vector written into the table) and gives away only: the registers, one interrupt that is already
 * bound to the service's signal, and DMA memory. The service cannot reach configuration space, the
 * MSI-X table or another device. Without an IOMMU the device itself can be told to write anywhere:
 * whoever holds a grant is trusted with the machine's memory (docs/limits.md).
 *
 * Slots, relative to a base that init and the service agree on (the program's argument, or an
 * enum of its own):
 */
#pragma once

#include "lib/base/types.h"

enum virtio_grant_slot {
    VIRTIO_GRANT_PAGE = 0,      /* memory, READ: struct virtio_grant */
    VIRTIO_GRANT_IRQ = 1,       /* irq: who made the grant keeps it, the driver has no use for it */
    VIRTIO_GRANT_DMA = 2,       /* memory, READ WRITE: dma_bytes of DMA memory */
    VIRTIO_GRANT_REGISTERS = 3, /* and 4, 5, 6: device memory, READ WRITE, one per
                                   enum virtio_region that is present */
    VIRTIO_GRANT_SLOTS = 8,
};

enum virtio_transport {
    VIRTIO_TRANSPORT_MMIO = 1, /* region COMMON is the whole register page */
    VIRTIO_TRANSPORT_PCI = 2,
};

enum virtio_region {
    VIRTIO_REGION_COMMON,
    VIRTIO_REGION_NOTIFY,
    VIRTIO_REGION_ISR,
    VIRTIO_REGION_DEVICE,
    VIRTIO_REGIONS,
};

enum virtio_device_type {
    VIRTIO_DEVICE_NETWORK = 1,
    VIRTIO_DEVICE_BLOCK = 2,
    VIRTIO_DEVICE_CONSOLE = 3,
};

#define VIRTIO_GRANT_MAGIC 0x746e617267766b6full

struct virtio_grant {
    uint64_t magic;
    uint32_t transport;         /* enum virtio_transport */
    uint32_t device_type;       /* enum virtio_device_type */
    uint64_t irq_bits;          /* what it raises in the service's signal */
    uint32_t notify_multiplier; /* PCI */
    uint32_t reserved;
    uint64_t dma_bytes;
    struct {
        uint32_t present;
        uint32_t offset; /* of the structure in its memory */
        uint64_t length_bytes;
    } region[VIRTIO_REGIONS];
};

/* How much DMA memory init makes for each. */
#define VIRTIO_DMA_BLOCK   (1ull << 20)
#define VIRTIO_DMA_CONSOLE (256ull << 10)
