/*
 * Devices are not believed: the list of capabilities is walked a bounded number of steps, ranges
 * are checked against their BAR's size, which is measured the way PCI says: by writing ones.
 */
#include "lib/virtio/pci.h"

#include "lib/oak/kernel.h"

#define VENDOR_VIRTIO      0x1af4
#define DEVICE_FIRST       0x1000
#define DEVICE_MODERN      0x1040
#define DEVICE_LAST        0x107f
#define BUSES_MAX          16
#define CAPABILITIES_MAX   48
#define HEADER_BRIDGE      1
#define HEADER_MULTI       0x80
#define CAPABILITY_VENDOR  0x09
#define CAPABILITY_MSIX    0x11
#define MSIX_ENABLE        0x80000000u
#define MSIX_MASK_ALL      0x40000000u
#define COMMAND_MEMORY     0x2u
#define COMMAND_BUS_MASTER 0x4u
#define COMMAND_NO_INTX    0x400u
#define BAR_IO             0x1u
#define BAR_TYPE_64        0x4u
#define BAR_TYPE           0x6u
#define BARS               6
#define MSIX_ENTRY_BYTES   16

/* Offsets in configuration space. */
enum {
    REGISTER_ID = 0x00,
    REGISTER_COMMAND = 0x04,
    REGISTER_HEADER = 0x0c,
    REGISTER_BAR = 0x10,
    REGISTER_BUSES = 0x18,
    REGISTER_SUBSYSTEM = 0x2c,
    REGISTER_CAPABILITIES = 0x34,
};

static void select_register(uint32_t ioport, pci_address_t address, uint32_t offset)
{
    struct kernel_results results;
    kernel_ioport_access(ioport, PCI_CONFIGURATION_PORT, 4 | IOPORT_WRITE,
                         0x80000000u | address | (offset & 0xfc), &results);
}

static uint32_t read_register(uint32_t ioport, pci_address_t address, uint32_t offset)
{
    struct kernel_results results;
    select_register(ioport, address, offset);
    status_t status = kernel_ioport_access(ioport, PCI_CONFIGURATION_PORT + 4, 4, 0, &results);
    return status == STATUS_OK ? (uint32_t)results.value[0] : UINT32_MAX;
}

static void write_register(uint32_t ioport, pci_address_t address, uint32_t offset, uint32_t value)
{
    struct kernel_results results;
    select_register(ioport, address, offset);
    kernel_ioport_access(ioport, PCI_CONFIGURATION_PORT + 4, 4 | IOPORT_WRITE, value, &results);
}

/* --- Finding --- */

struct walk {
    uint32_t ioport;
    bool (*found)(void *context, pci_address_t address, uint32_t device_type);
    void *context;
    uint32_t bus[BUSES_MAX];
    uint32_t bus_count;
};

static void bus_add(struct walk *walk, uint32_t bus)
{
    for (uint32_t i = 0; i < walk->bus_count; i++) {
        if (walk->bus[i] == bus) {
            return;
        }
    }
    if (walk->bus_count < BUSES_MAX) {
        walk->bus[walk->bus_count++] = bus;
    }
}

/* False to stop the walk. */
static bool function_look(struct walk *walk, pci_address_t address, uint32_t id, uint32_t header)
{
    if ((header & ~(uint32_t)HEADER_MULTI) == HEADER_BRIDGE) {
        bus_add(walk, read_register(walk->ioport, address, REGISTER_BUSES) >> 8 & 0xff);
        return true;
    }
    uint32_t device = id >> 16;
    if ((id & 0xffff) != VENDOR_VIRTIO || device < DEVICE_FIRST || device > DEVICE_LAST) {
        return true;
    }
    uint32_t type = device >= DEVICE_MODERN
                        ? device - DEVICE_MODERN
                        : read_register(walk->ioport, address, REGISTER_SUBSYSTEM) >> 16;
    return walk->found(walk->context, address, type);
}

static bool device_look(struct walk *walk, pci_address_t address)
{
    for (uint32_t function = 0; function < 8; function++) {
        pci_address_t place = address | function << 8;
        uint32_t id = read_register(walk->ioport, place, REGISTER_ID);
        if ((id & 0xffff) == 0xffff) {
            if (function == 0) {
                return true;
            }
            continue;
        }
        uint32_t header = read_register(walk->ioport, place, REGISTER_HEADER) >> 16 & 0xff;
        if (!function_look(walk, place, id, header)) {
            return false;
        }
        if (function == 0 && (header & HEADER_MULTI) == 0) {
            return true;
        }
    }
    return true;
}

void pci_find_virtio(uint32_t ioport,
                     bool (*found)(void *context, pci_address_t address, uint32_t device_type),
                     void *context)
{
    struct walk walk = {.ioport = ioport, .found = found, .context = context, .bus_count = 1};
    for (uint32_t i = 0; i < walk.bus_count; i++) {
        for (uint32_t device = 0; device < 32; device++) {
            if (!device_look(&walk, walk.bus[i] << 16 | device << 11)) {
                return;
            }
        }
    }
}

/* --- One device --- */

/* The place and size of a BAR. The device must not decode memory while it is measured. */
static status_t bar_read(uint32_t ioport, pci_address_t address, uint32_t bar,
                         struct pci_range *out)
{
    if (bar >= BARS) {
        return STATUS_CORRUPT;
    }
    uint32_t place = REGISTER_BAR + 4 * bar;
    uint32_t low = read_register(ioport, address, place);
    bool wide = (low & BAR_TYPE) == BAR_TYPE_64 && bar + 1 < BARS;
    if ((low & BAR_IO) != 0) {
        return STATUS_NOT_SUPPORTED;
    }
    uint32_t high = wide ? read_register(ioport, address, place + 4) : 0;
    write_register(ioport, address, place, UINT32_MAX);
    uint64_t mask = read_register(ioport, address, place) & ~0xfu;
    write_register(ioport, address, place, low);
    if (wide) {
        write_register(ioport, address, place + 4, UINT32_MAX);
        mask |= (uint64_t)read_register(ioport, address, place + 4) << 32;
        write_register(ioport, address, place + 4, high);
    } else {
        mask |= mask != 0 ? 0xffffffff00000000ull : 0;
    }
    out->address = (low & ~0xfu) | (uint64_t)high << 32;
    out->length_bytes = 0 - mask;
    return out->address != 0 && mask != 0 ? STATUS_OK : STATUS_NOT_SUPPORTED;
}

static status_t range_in_bar(uint32_t ioport, pci_address_t address, uint32_t bar, uint64_t offset,
                             uint64_t length_bytes, struct pci_range *out)
{
    struct pci_range whole;
    status_t status = bar_read(ioport, address, bar, &whole);
    if (status != STATUS_OK) {
        return status;
    }
    if (length_bytes == 0 || !range_inside(offset, length_bytes, whole.length_bytes)) {
        return STATUS_CORRUPT;
    }
    *out = (struct pci_range){whole.address + offset, length_bytes};
    return STATUS_OK;
}

/* Virtio 1.2, section 4.1.4: types 1 to 4 are our regions in order; the first of each counts. */
static status_t virtio_capability_read(uint32_t ioport, pci_address_t address, uint32_t place,
                                       struct pci_virtio *device)
{
    uint32_t type = read_register(ioport, address, place) >> 24;
    if (type < 1 || type > VIRTIO_REGIONS || device->region[type - 1].length_bytes != 0) {
        return STATUS_OK;
    }
    uint32_t bar = read_register(ioport, address, place + 4) & 0xff;
    uint32_t offset = read_register(ioport, address, place + 8);
    uint32_t length_bytes = read_register(ioport, address, place + 12);
    if (type - 1 == VIRTIO_REGION_NOTIFY) {
        device->notify_multiplier = read_register(ioport, address, place + 16);
    }
    return range_in_bar(ioport, address, bar, offset, length_bytes, &device->region[type - 1]);
}

static status_t msix_capability_read(uint32_t ioport, pci_address_t address, uint32_t place,
                                     struct pci_virtio *device)
{
    uint32_t entries = (read_register(ioport, address, place) >> 16 & 0x7ff) + 1;
    uint32_t table = read_register(ioport, address, place + 4);
    device->msix_capability = place;
    return range_in_bar(ioport, address, table & 7, table & ~7u, entries * MSIX_ENTRY_BYTES,
                        &device->msix_table);
}

static status_t capabilities_read(uint32_t ioport, pci_address_t address, struct pci_virtio *device)
{
    uint32_t place = read_register(ioport, address, REGISTER_CAPABILITIES) & 0xfc;
    for (uint32_t step = 0; place >= 0x40 && step < CAPABILITIES_MAX; step++) {
        uint32_t header = read_register(ioport, address, place);
        status_t status = STATUS_OK;
        if ((header & 0xff) == CAPABILITY_VENDOR) {
            status = virtio_capability_read(ioport, address, place, device);
        } else if ((header & 0xff) == CAPABILITY_MSIX) {
            status = msix_capability_read(ioport, address, place, device);
        }
        if (status != STATUS_OK) {
            return status;
        }
        place = header >> 8 & 0xfc;
    }
    return STATUS_OK;
}

/* Whether a page of the MSI-X table is also part of a region that the driver will get. */
static bool table_is_exposed(const struct pci_virtio *device)
{
    uint64_t table_first = device->msix_table.address >> PAGE_SHIFT;
    uint64_t table_last =
        (device->msix_table.address + device->msix_table.length_bytes - 1) >> PAGE_SHIFT;
    for (uint32_t i = 0; i < VIRTIO_REGIONS; i++) {
        const struct pci_range *region = &device->region[i];
        if (region->length_bytes != 0 && region->address >> PAGE_SHIFT <= table_last &&
            (region->address + region->length_bytes - 1) >> PAGE_SHIFT >= table_first) {
            return true;
        }
    }
    return false;
}

status_t pci_virtio_read(uint32_t ioport, pci_address_t address, struct pci_virtio *out)
{
    struct pci_virtio device = {0};
    uint32_t command = read_register(ioport, address, REGISTER_COMMAND) & 0xffff;
    write_register(ioport, address, REGISTER_COMMAND,
                   command & ~(COMMAND_MEMORY | COMMAND_BUS_MASTER));
    status_t status = capabilities_read(ioport, address, &device);
    write_register(ioport, address, REGISTER_COMMAND, command);
    if (status != STATUS_OK) {
        return status;
    }
    if (device.region[VIRTIO_REGION_COMMON].length_bytes == 0 ||
        device.region[VIRTIO_REGION_NOTIFY].length_bytes == 0 ||
        device.msix_table.length_bytes == 0 || table_is_exposed(&device)) {
        return STATUS_NOT_SUPPORTED;
    }
    *out = device;
    return STATUS_OK;
}

void pci_virtio_enable(uint32_t ioport, pci_address_t address, const struct pci_virtio *device,
                       bool on)
{
    uint32_t command = read_register(ioport, address, REGISTER_COMMAND) & 0xffff;
    uint32_t control = read_register(ioport, address, device->msix_capability);
    control &= ~(MSIX_ENABLE | MSIX_MASK_ALL);
    if (on) {
        command |= COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_NO_INTX;
        control |= MSIX_ENABLE;
    } else {
        command &= ~COMMAND_BUS_MASTER;
        command |= COMMAND_MEMORY | COMMAND_NO_INTX;
    }
    write_register(ioport, address, REGISTER_COMMAND, command);
    write_register(ioport, address, device->msix_capability, control);
}
