#include "lib/virtio/device.h"

#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/window.h"
#include "lib/virtio/registers.h"

#define RESET_TRIES         1000000
#define CONFIGURATION_TRIES 100

static volatile void *at(const struct virtio_device *device, enum virtio_region region,
                         uint32_t offset)
{
    return device->region[region] + offset;
}

static uint32_t read32(const struct virtio_device *device, uint32_t offset)
{
    return *(volatile uint32_t *)at(device, VIRTIO_REGION_COMMON, offset);
}

static void write32(const struct virtio_device *device, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)at(device, VIRTIO_REGION_COMMON, offset) = value;
}

static uint16_t read16(const struct virtio_device *device, uint32_t offset)
{
    return *(volatile uint16_t *)at(device, VIRTIO_REGION_COMMON, offset);
}

static void write16(const struct virtio_device *device, uint32_t offset, uint16_t value)
{
    *(volatile uint16_t *)at(device, VIRTIO_REGION_COMMON, offset) = value;
}

static bool is_mmio(const struct virtio_device *device)
{
    return device->grant.transport == VIRTIO_TRANSPORT_MMIO;
}

static void write64(const struct virtio_device *device, uint32_t offset, uint64_t value)
{
    write32(device, offset, (uint32_t)value);
    write32(device, offset + 4, (uint32_t)(value >> 32));
}

static uint32_t status_read(const struct virtio_device *device)
{
    return is_mmio(device) ? read32(device, MMIO_STATUS)
                           : *(volatile uint8_t *)at(device, VIRTIO_REGION_COMMON, PCI_STATUS);
}

static void status_write(const struct virtio_device *device, uint32_t value)
{
    if (is_mmio(device)) {
        write32(device, MMIO_STATUS, value);
    } else {
        *(volatile uint8_t *)at(device, VIRTIO_REGION_COMMON, PCI_STATUS) = (uint8_t)value;
    }
}

/* The least that a region must offer for our accesses to stay inside it. */
static uint64_t region_least_bytes(const struct virtio_grant *grant, uint32_t region)
{
    if (region == VIRTIO_REGION_COMMON) {
        return grant->transport == VIRTIO_TRANSPORT_MMIO ? MMIO_CONFIGURATION : PCI_COMMON_BYTES;
    }
    return 0;
}

static status_t regions_map(struct virtio_device *device)
{
    for (uint32_t i = 0; i < VIRTIO_REGIONS; i++) {
        if (device->grant.region[i].present == 0) {
            continue;
        }
        uint64_t end = device->grant.region[i].offset + device->grant.region[i].length_bytes;
        if (device->grant.region[i].length_bytes < region_least_bytes(&device->grant, i)) {
            return STATUS_INVALID_ARGUMENT;
        }
        void *address;
        status_t status = window_map(device->base + VIRTIO_GRANT_REGISTERS + i, 0, end,
                                     RIGHT_READ | RIGHT_WRITE, &address);
        if (status != STATUS_OK) {
            return status;
        }
        device->region[i] = (volatile uint8_t *)address + device->grant.region[i].offset;
    }
    bool complete = device->region[VIRTIO_REGION_COMMON] != NULL &&
                    (is_mmio(device) || device->region[VIRTIO_REGION_NOTIFY] != NULL);
    return complete ? STATUS_OK : STATUS_NOT_SUPPORTED;
}

status_t virtio_device_open(uint32_t base, enum virtio_device_type type, struct virtio_device *out)
{
    const void *page;
    status_t status = window_map_source(base + VIRTIO_GRANT_PAGE, 0, PAGE_SIZE, &page);
    if (status != STATUS_OK) {
        return status;
    }
    memset(out, 0, sizeof(*out));
    out->base = base;
    memcpy(&out->grant, page, sizeof(out->grant));
    window_unmap(page, PAGE_SIZE);
    if (out->grant.magic != VIRTIO_GRANT_MAGIC || out->grant.device_type != type) {
        return STATUS_NOT_FOUND;
    }
    status = regions_map(out);
    if (status != STATUS_OK) {
        return status;
    }
    void *dma;
    status = window_map(base + VIRTIO_GRANT_DMA, 0, out->grant.dma_bytes, RIGHT_READ | RIGHT_WRITE,
                        &dma);
    out->dma = dma;
    return status;
}

static uint64_t features_read(const struct virtio_device *device)
{
    uint32_t select = is_mmio(device) ? MMIO_DEVICE_FEATURES_SELECT : PCI_DEVICE_FEATURE_SELECT;
    uint32_t features = is_mmio(device) ? MMIO_DEVICE_FEATURES : PCI_DEVICE_FEATURE;
    write32(device, select, 0);
    uint64_t low = read32(device, features);
    write32(device, select, 1);
    return low | (uint64_t)read32(device, features) << 32;
}

static void features_write(const struct virtio_device *device, uint64_t value)
{
    uint32_t select = is_mmio(device) ? MMIO_DRIVER_FEATURES_SELECT : PCI_DRIVER_FEATURE_SELECT;
    uint32_t features = is_mmio(device) ? MMIO_DRIVER_FEATURES : PCI_DRIVER_FEATURE;
    write32(device, select, 0);
    write32(device, features, (uint32_t)value);
    write32(device, select, 1);
    write32(device, features, (uint32_t)(value >> 32));
}

status_t virtio_device_negotiate(struct virtio_device *device, uint64_t wanted,
                                 uint64_t *out_features)
{
    status_write(device, 0);
    for (int tries = 0; status_read(device) != 0; tries++) {
        if (tries == RESET_TRIES) {
            return STATUS_IO_ERROR;
        }
    }
    status_write(device, STATUS_BIT_ACKNOWLEDGE);
    status_write(device, STATUS_BIT_ACKNOWLEDGE | STATUS_BIT_DRIVER);
    uint64_t features = features_read(device) & (wanted | VIRTIO_FEATURE_VERSION_1);
    if ((features & VIRTIO_FEATURE_VERSION_1) == 0) {
        return STATUS_NOT_SUPPORTED;
    }
    features_write(device, features);
    status_write(device, STATUS_BIT_ACKNOWLEDGE | STATUS_BIT_DRIVER | STATUS_BIT_FEATURES_OK);
    if ((status_read(device) & STATUS_BIT_FEATURES_OK) == 0) {
        return STATUS_NOT_SUPPORTED;
    }
    *out_features = features;
    return STATUS_OK;
}

void virtio_device_start(struct virtio_device *device)
{
    status_write(device, status_read(device) | STATUS_BIT_DRIVER_OK);
}

static uint32_t queue_size_max(const struct virtio_device *device, uint16_t index)
{
    if (is_mmio(device)) {
        write32(device, MMIO_QUEUE_SELECT, index);
        return read32(device, MMIO_QUEUE_SIZE_MAX);
    }
    write16(device, PCI_QUEUE_SELECT, index);
    return read16(device, PCI_QUEUE_SIZE);
}

static void queue_enable_mmio(struct virtio_device *device, struct virtqueue *queue,
                              uint64_t physical_address)
{
    write32(device, MMIO_QUEUE_SIZE, queue->size);
    write64(device, MMIO_QUEUE_DESCRIPTORS, physical_address);
    write64(device, MMIO_QUEUE_AVAILABLE, physical_address + VIRTQUEUE_AVAILABLE_OFFSET);
    write64(device, MMIO_QUEUE_USED, physical_address + VIRTQUEUE_USED_OFFSET);
    write32(device, MMIO_QUEUE_READY, 1);
    queue->doorbell = at(device, VIRTIO_REGION_COMMON, MMIO_QUEUE_NOTIFY);
}

/* Every queue and the configuration share the one MSI-X vector that init has set up. */
static status_t queue_enable_pci(struct virtio_device *device, struct virtqueue *queue,
                                 uint64_t physical_address)
{
    uint64_t doorbell =
        (uint64_t)read16(device, PCI_QUEUE_NOTIFY_OFFSET) * device->grant.notify_multiplier;
    if (!range_inside(doorbell, sizeof(uint16_t),
                      device->grant.region[VIRTIO_REGION_NOTIFY].length_bytes)) {
        return STATUS_IO_ERROR;
    }
    write16(device, PCI_QUEUE_SIZE, queue->size);
    write16(device, PCI_CONFIGURATION_VECTOR, 0);
    write16(device, PCI_QUEUE_VECTOR, 0);
    write64(device, PCI_QUEUE_DESCRIPTORS, physical_address);
    write64(device, PCI_QUEUE_AVAILABLE, physical_address + VIRTQUEUE_AVAILABLE_OFFSET);
    write64(device, PCI_QUEUE_USED, physical_address + VIRTQUEUE_USED_OFFSET);
    write16(device, PCI_QUEUE_ENABLE, 1);
    queue->doorbell = at(device, VIRTIO_REGION_NOTIFY, (uint32_t)doorbell);
    return STATUS_OK;
}

status_t virtio_device_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
    uint32_t size_max = queue_size_max(device, index);
    if (size_max == 0) {
        return STATUS_NOT_FOUND;
    }
    uint32_t size = VIRTQUEUE_MAX;
    while (size > size_max) {
        size /= 2;
    }
    void *memory;
    uint64_t physical_address;
    status_t status = virtio_device_dma(device, VIRTQUEUE_BYTES, &memory, &physical_address);
    if (status != STATUS_OK) {
        return status;
    }
    memset(memory, 0, VIRTQUEUE_BYTES);
    virtqueue_init(queue, index, (uint16_t)size, memory);
    if (is_mmio(device)) {
        queue_enable_mmio(device, queue, physical_address);
        return STATUS_OK;
    }
    return queue_enable_pci(device, queue, physical_address);
}

void virtio_device_notify(struct virtio_device *device, struct virtqueue *queue)
{
    if (!virtqueue_wants_notify(queue)) {
        return;
    }
    if (is_mmio(device)) {
        *(volatile uint32_t *)queue->doorbell = queue->index;
    } else {
        *(volatile uint16_t *)queue->doorbell = queue->index;
    }
}

uint32_t virtio_device_interrupt(struct virtio_device *device)
{
    uint32_t cause = VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIGURATION;
    if (is_mmio(device)) {
        cause = read32(device, MMIO_INTERRUPT_STATUS);
        write32(device, MMIO_INTERRUPT_ACKNOWLEDGE, cause);
    }
    return cause;
}

static uint32_t generation_read(const struct virtio_device *device)
{
    if (is_mmio(device)) {
        return read32(device, MMIO_CONFIGURATION_GENERATION);
    }
    return *(volatile uint8_t *)at(device, VIRTIO_REGION_COMMON, PCI_CONFIGURATION_GENERATION);
}

status_t virtio_device_configuration(struct virtio_device *device, uint32_t offset, void *to,
                                     uint32_t bytes)
{
    bool mmio = is_mmio(device);
    enum virtio_region region = mmio ? VIRTIO_REGION_COMMON : VIRTIO_REGION_DEVICE;
    uint64_t start = mmio ? MMIO_CONFIGURATION : 0;
    if (device->region[region] == NULL ||
        !range_inside(start + offset, bytes, device->grant.region[region].length_bytes)) {
        return STATUS_OUT_OF_RANGE;
    }
    const volatile uint8_t *from = device->region[region] + start + offset;
    uint8_t *next = to;
    for (int tries = 0; tries < CONFIGURATION_TRIES; tries++) {
        uint32_t generation = generation_read(device);
        for (uint32_t i = 0; i < bytes; i++) {
            next[i] = from[i];
        }
        if (generation_read(device) == generation) {
            return STATUS_OK;
        }
    }
    return STATUS_IO_ERROR;
}

status_t virtio_device_physical(const struct virtio_device *device, uint64_t offset,
                                uint64_t *out_physical_address)
{
    struct memory_state state;
    status_t status = object_state_at(device->base + VIRTIO_GRANT_DMA, STATE_MEMORY,
                                      ALIGN_DOWN(offset, PAGE_SIZE), &state, sizeof(state));
    if (status != STATUS_OK) {
        return status;
    }
    if (state.present == 0) {
        return STATUS_BAD_STATE;
    }
    *out_physical_address = state.physical + offset % PAGE_SIZE;
    return STATUS_OK;
}

status_t virtio_device_dma(struct virtio_device *device, uint64_t bytes, void **out,
                           uint64_t *out_physical_address)
{
    uint64_t size_bytes = ALIGN_UP(bytes, PAGE_SIZE);
    if (size_bytes < bytes ||
        !range_inside(device->dma_used_bytes, size_bytes, device->grant.dma_bytes)) {
        return STATUS_NO_MEMORY;
    }
    status_t status = virtio_device_physical(device, device->dma_used_bytes, out_physical_address);
    if (status != STATUS_OK) {
        return status;
    }
    *out = device->dma + device->dma_used_bytes;
    device->dma_used_bytes += size_bytes;
    return STATUS_OK;
}
