/*
 * PCI configuration space over ports CF8 and CFC (PCI Local Bus 3.0, section 3.2.2.3.2), and of it
 * what a virtio device needs: where its structures lie, and one MSI-X vector. For init alone.
 */
#pragma once

#include "lib/virtio/grant.h"

#define PCI_CONFIGURATION_PORT  0xcf8
#define PCI_CONFIGURATION_PORTS 8

/* A place in physical memory. */
struct pci_range {
    uint64_t address;
    uint64_t length_bytes; /* 0: not there */
};

struct pci_virtio {
    struct pci_range region[VIRTIO_REGIONS];
    uint32_t notify_multiplier;
    struct pci_range msix_table;
    uint32_t msix_capability; /* its place in configuration space */
};

/* A function's address: bus << 16 | device << 11 | function << 8. */
typedef uint32_t pci_address_t;

/* Call found() for every virtio function on bus 0 and behind its bridges; it returns false to
 * stop. `ioport` is a capability over the ports. */
void pci_find_virtio(uint32_t ioport,
                     bool (*found)(void *context, pci_address_t address, uint32_t device_type),
                     void *context);

/* Where the structures lie. NOT_SUPPORTED without the modern interface, without MSI-X, or with a
 * BAR that the firmware has not placed; CORRUPT when the capabilities make no sense. */
MUST_USE status_t pci_virtio_read(uint32_t ioport, pci_address_t address, struct pci_virtio *out);

/* Let the device reach memory and be reached; MSI-X on (true) with all vectors but those the
 * caller has written masked by the table itself, or everything off. */
void pci_virtio_enable(uint32_t ioport, pci_address_t address, const struct pci_virtio *device,
                       bool on);
