/*
 * For init: find the virtio devices of the machine and turn each into a grant. Needs the platform
 * with CONTROL. PCI is walked over ports CF8/CFC on bus 0 (and the buses behind bridges that
 * firmware numbered); MMIO devices come from the kernel's command line,
 * `virtio_mmio.device=SIZE@BASE:IRQ`, as Linux spells it.
 */
#pragma once

#include "lib/virtio/grant.h"

#define VIRTIO_FOUND_MAX 16

/* A device that was found; private to probe.c but for the first fields. */
struct virtio_found {
    uint32_t device_type; /* enum virtio_device_type */
    uint32_t transport;   /* enum virtio_transport */
    uint32_t index;       /* counts the devices of one type, in the order found */
    bool taken;

    uint64_t base; /* MMIO: address of the registers */
    uint64_t size_bytes;
    uint32_t gsi;                 /* MMIO */
    uint32_t bus_device_function; /* PCI */
};

struct virtio_machine {
    uint32_t platform; /* slot */
    uint32_t account;  /* pays for what is made */
    uint32_t ioport;   /* CF8-CFF */
    size_t count;
    struct virtio_found device[VIRTIO_FOUND_MAX];
};

/* Find all devices. A machine without PCI is not an error. */
MUST_USE status_t virtio_find(uint32_t platform, uint32_t account, const char *command_line,
                              struct virtio_machine *out);

/*
 * Make the grant of a device: fills slots[VIRTIO_GRANT_SLOTS] with slots of ours (SLOT_NONE where
 * there is nothing to give), to be listed as program_capability base + i. Interrupts raise
 * irq_bits in the signal. `account` pays (the service's own parent, so that it survives it).
 * The device is reset first; granting it again after a service died is allowed and takes it back:
 * release the old slots before.
 */
MUST_USE status_t virtio_grant_make(struct virtio_machine *machine, struct virtio_found *found,
                                    uint32_t account, uint32_t signal, uint64_t irq_bits,
                                    uint64_t dma_bytes, uint32_t slots[VIRTIO_GRANT_SLOTS]);

/* Take bus mastering away and reset the device: from then on it writes to nobody's memory. For one
 * whose service has died, before the grant is destroyed. IO_ERROR: it does not obey. */
MUST_USE status_t virtio_device_silence(struct virtio_machine *machine, struct virtio_found *found);

/* Destroy what a grant consists of. */
void virtio_grant_destroy(uint32_t slots[VIRTIO_GRANT_SLOTS]);
