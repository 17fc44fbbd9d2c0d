/*
 * Finding devices and making grants of them. Everything here runs in init and holds the platform;
 * nothing of it is handed on but what a grant lists.
 */
#include "lib/virtio/probe.h"

#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "lib/virtio/command_line.h"
#include "lib/virtio/pci.h"
#include "lib/virtio/registers.h"

#define RESET_TRIES   1000000
#define MSIX_UNMASKED 0u

/* --- Physical memory --- */

/* Device memory over the pages that a range touches. */
static status_t range_memory(const struct virtio_machine *machine, uint32_t account,
                             struct pci_range range, uint32_t *out_slot)
{
    uint64_t first = ALIGN_DOWN(range.address, PAGE_SIZE);
    uint64_t end = ALIGN_UP(range.address + range.length_bytes, PAGE_SIZE);
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create_platform(machine->platform, slot, account, end - first, first);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    *out_slot = slot;
    return STATUS_OK;
}

/* Device memory that init itself looks at for a moment. */
struct peek {
    uint32_t slot;
    void *mapped;
    uint64_t mapped_bytes;
    volatile uint8_t *registers;
};

static status_t peek_open(const struct virtio_machine *machine, struct pci_range range,
                          struct peek *out)
{
    struct peek peek = {0};
    status_t status = range_memory(machine, machine->account, range, &peek.slot);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t inside = range.address % PAGE_SIZE;
    peek.mapped_bytes = inside + range.length_bytes;
    status = window_map(peek.slot, 0, peek.mapped_bytes, RIGHT_READ | RIGHT_WRITE, &peek.mapped);
    if (status != STATUS_OK) {
        slot_destroy(peek.slot);
        return status;
    }
    peek.registers = (volatile uint8_t *)peek.mapped + inside;
    *out = peek;
    return STATUS_OK;
}

static void peek_close(struct peek *peek)
{
    window_unmap(peek->mapped, peek->mapped_bytes);
    slot_destroy(peek->slot);
}

static uint32_t peek32(const struct peek *peek, uint32_t offset)
{
    return *(volatile uint32_t *)(peek->registers + offset);
}

static void poke32(const struct peek *peek, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(peek->registers + offset) = value;
}

/* --- Finding --- */

static bool found_add(struct virtio_machine *machine, const struct virtio_found *found)
{
    if (machine->count == VIRTIO_FOUND_MAX) {
        return false;
    }
    struct virtio_found *place = &machine->device[machine->count];
    *place = *found;
    for (size_t i = 0; i < machine->count; i++) {
        place->index += machine->device[i].device_type == found->device_type;
    }
    machine->count++;
    return true;
}

static bool pci_found(void *context, pci_address_t address, uint32_t device_type)
{
    struct virtio_found found = {.device_type = device_type,
                                 .transport = VIRTIO_TRANSPORT_PCI,
                                 .bus_device_function = address};
    return found_add(context, &found);
}

/* An entry of the command line may be an empty place, or a device older than virtio 1. */
static void mmio_look(struct virtio_machine *machine, const struct virtio_mmio_entry *entry)
{
    struct pci_range range = {entry->base, entry->size_bytes};
    struct peek peek;
    if (entry->size_bytes < MMIO_CONFIGURATION || entry->size_bytes > PAGE_SIZE ||
        entry->base % 4 != 0 || entry->base > UINT64_MAX - PAGE_SIZE ||
        peek_open(machine, range, &peek) != STATUS_OK) {
        return;
    }
    uint32_t device_type = peek32(&peek, MMIO_DEVICE_TYPE);
    bool usable = peek32(&peek, MMIO_MAGIC) == MMIO_MAGIC_VALUE &&
                  peek32(&peek, MMIO_VERSION) == MMIO_VERSION_VALUE && device_type != 0;
    peek_close(&peek);
    if (usable) {
        struct virtio_found found = {.device_type = device_type,
                                     .transport = VIRTIO_TRANSPORT_MMIO,
                                     .base = entry->base,
                                     .size_bytes = entry->size_bytes,
                                     .gsi = entry->irq};
        (void)found_add(machine, &found);
    }
}

status_t virtio_find(uint32_t platform, uint32_t account, const char *command_line,
                     struct virtio_machine *out)
{
    *out = (struct virtio_machine){.platform = platform, .account = account};
    status_t status = slot_allocate(&out->ioport);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_ioport_create(platform, out->ioport, account, PCI_CONFIGURATION_PORT,
                                  PCI_CONFIGURATION_PORTS);
    if (status != STATUS_OK) {
        slot_free(out->ioport);
        return status;
    }
    pci_find_virtio(out->ioport, pci_found, out);
    struct virtio_mmio_entry entry;
    while (virtio_command_line_next(&command_line, &entry)) {
        mmio_look(out, &entry);
    }
    return STATUS_OK;
}

/* --- Granting --- */

/* What a grant is made of while it is made. */
struct making {
    struct virtio_machine *machine;
    struct virtio_found *found;
    uint32_t account;
    uint32_t *slots;
    struct virtio_grant grant;
    struct pci_virtio pci;
};

static status_t region_grant(struct making *making, uint32_t region, struct pci_range range)
{
    making->grant.region[region].present = 1;
    making->grant.region[region].offset = (uint32_t)(range.address % PAGE_SIZE);
    making->grant.region[region].length_bytes = range.length_bytes;
    return range_memory(making->machine, making->account, range,
                        &making->slots[VIRTIO_GRANT_REGISTERS + region]);
}

static status_t irq_grant(struct making *making, uint64_t source, uint32_t signal,
                          struct kernel_results *out_msi)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_irq_create(making->machine->platform, slot, making->account, source, signal,
                               making->grant.irq_bits, out_msi);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    making->slots[VIRTIO_GRANT_IRQ] = slot;
    return STATUS_OK;
}

/* No device may still write to memory of whoever had it before. */
static status_t device_reset(struct making *making)
{
    bool mmio = making->found->transport == VIRTIO_TRANSPORT_MMIO;
    struct pci_range range = {making->found->base, making->found->size_bytes};
    struct peek peek;
    status_t status =
        peek_open(making->machine, mmio ? range : making->pci.region[VIRTIO_REGION_COMMON], &peek);
    if (status != STATUS_OK) {
        return status;
    }
    volatile uint8_t *pci_status = peek.registers + PCI_STATUS;
    if (mmio) {
        poke32(&peek, MMIO_STATUS, 0);
    } else {
        *pci_status = 0;
    }
    bool reset = false;
    for (int tries = 0; tries < RESET_TRIES && !reset; tries++) {
        reset = mmio ? peek32(&peek, MMIO_STATUS) == 0 : *pci_status == 0;
    }
    peek_close(&peek);
    return reset ? STATUS_OK : STATUS_IO_ERROR;
}

static status_t mmio_grant(struct making *making, uint32_t signal)
{
    status_t status = device_reset(making);
    if (status != STATUS_OK) {
        return status;
    }
    struct kernel_results unused;
    status = irq_grant(making, making->found->gsi, signal, &unused);
    if (status != STATUS_OK) {
        return status;
    }
    struct pci_range range = {making->found->base, making->found->size_bytes};
    return region_grant(making, VIRTIO_REGION_COMMON, range);
}

/* Vector 0 of the table, which every queue is told to use. */
static status_t msix_write(struct making *making, uint64_t address, uint32_t data)
{
    struct peek peek;
    status_t status = peek_open(making->machine, making->pci.msix_table, &peek);
    if (status != STATUS_OK) {
        return status;
    }
    poke32(&peek, 0, (uint32_t)address);
    poke32(&peek, 4, (uint32_t)(address >> 32));
    poke32(&peek, 8, data);
    poke32(&peek, 12, MSIX_UNMASKED);
    peek_close(&peek);
    return STATUS_OK;
}

static status_t pci_grant(struct making *making, uint32_t signal)
{
    uint32_t ioport = making->machine->ioport;
    pci_address_t address = making->found->bus_device_function;
    status_t status = pci_virtio_read(ioport, address, &making->pci);
    if (status != STATUS_OK) {
        return status;
    }
    pci_virtio_enable(ioport, address, &making->pci, false);
    status = device_reset(making);
    if (status != STATUS_OK) {
        return status;
    }
    struct kernel_results msi;
    status = irq_grant(making, IRQ_MSI, signal, &msi);
    if (status != STATUS_OK) {
        return status;
    }
    making->grant.notify_multiplier = making->pci.notify_multiplier;
    pci_virtio_enable(ioport, address, &making->pci, true);
    status = msix_write(making, msi.value[0], (uint32_t)msi.value[1]);
    for (uint32_t i = 0; i < VIRTIO_REGIONS && status == STATUS_OK; i++) {
        if (making->pci.region[i].length_bytes != 0) {
            status = region_grant(making, i, making->pci.region[i]);
        }
    }
    return status;
}

static status_t dma_grant(struct making *making)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create_platform(making->machine->platform, slot, making->account,
                                           making->grant.dma_bytes, MEMORY_DMA);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    making->slots[VIRTIO_GRANT_DMA] = slot;
    return STATUS_OK;
}

static status_t page_grant(struct making *making)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create(making->account, slot, PAGE_SIZE);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    making->slots[VIRTIO_GRANT_PAGE] = slot;
    void *page;
    status = window_map(slot, 0, PAGE_SIZE, RIGHT_READ | RIGHT_WRITE, &page);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(page, &making->grant, sizeof(making->grant));
    window_unmap(page, PAGE_SIZE);
    return STATUS_OK;
}

status_t virtio_grant_make(struct virtio_machine *machine, struct virtio_found *found,
                           uint32_t account, uint32_t signal, uint64_t irq_bits, uint64_t dma_bytes,
                           uint32_t slots[VIRTIO_GRANT_SLOTS])
{
    memset(slots, 0, VIRTIO_GRANT_SLOTS * sizeof(slots[0]));
    struct making making = {.machine = machine, .found = found, .account = account, .slots = slots};
    making.grant = (struct virtio_grant){.magic = VIRTIO_GRANT_MAGIC,
                                         .transport = found->transport,
                                         .device_type = found->device_type,
                                         .irq_bits = irq_bits,
                                         .dma_bytes = dma_bytes};
    status_t status = found->transport == VIRTIO_TRANSPORT_PCI ? pci_grant(&making, signal)
                                                               : mmio_grant(&making, signal);
    if (status == STATUS_OK) {
        status = dma_grant(&making);
    }
    if (status == STATUS_OK) {
        status = page_grant(&making);
    }
    if (status != STATUS_OK) {
        virtio_grant_destroy(slots);
        return status;
    }
    found->taken = true;
    return STATUS_OK;
}

status_t virtio_device_silence(struct virtio_machine *machine, struct virtio_found *found)
{
    struct making making = {.machine = machine, .found = found, .account = machine->account};
    if (found->transport == VIRTIO_TRANSPORT_PCI) {
        pci_address_t address = found->bus_device_function;
        status_t status = pci_virtio_read(machine->ioport, address, &making.pci);
        if (status != STATUS_OK) {
            return status;
        }
        pci_virtio_enable(machine->ioport, address, &making.pci, false);
    }
    return device_reset(&making);
}

void virtio_grant_destroy(uint32_t slots[VIRTIO_GRANT_SLOTS])
{
    for (uint32_t i = 0; i < VIRTIO_GRANT_SLOTS; i++) {
        slot_destroy(slots[i]);
        slots[i] = SLOT_NONE;
    }
}
