/* The backend on Oak: a virtio disk, DMA pages of its grant, memories charged to the page cache. */
#include "services/storage/backend.h"

#include "abi/storage.h"
#include "drivers/block/virtio_blk.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/service.h"
#include "lib/oak/slots.h"
#include "services/storage/backend_oak.h"

static struct virtio_blk disk;
static uint8_t *pages;
static uint64_t pages_offset; /* of the first one, in the DMA memory */
static uint64_t physical[BACKEND_PAGES];

#define DMA_SLOT (STORAGE_SLOT_DEVICE + VIRTIO_GRANT_DMA)

/* Make sure that the pages are there and known by address: those that were given away are new. */
static status_t pages_ready(uint32_t page, uint32_t count)
{
    for (uint32_t i = page; i < page + count; i++) {
        if (physical[i] != 0) {
            continue;
        }
        uint64_t offset = pages_offset + i * PAGE_SIZE;
        status_t status = kernel_memory_populate(DMA_SLOT, offset, (page + count - i) * PAGE_SIZE);
        if (status == STATUS_OK) {
            status = virtio_device_physical(&disk.device, offset, &physical[i]);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

status_t backend_start(void)
{
    status_t status = virtio_blk_open(STORAGE_SLOT_DEVICE, &disk);
    if (status != STATUS_OK) {
        return status;
    }
    pages_offset = disk.device.dma_used_bytes;
    void *memory;
    uint64_t first;
    status = virtio_device_dma(&disk.device, BACKEND_PAGES * PAGE_SIZE, &memory, &first);
    if (status != STATUS_OK) {
        return status;
    }
    pages = memory;
    return STATUS_OK;
}

uint64_t backend_signal_bits(void)
{
    return disk.device.grant.irq_bits;
}

void backend_interrupt(void)
{
    virtio_blk_interrupt(&disk);
}

status_t backend_take(uint64_t *out_cookie, status_t *out_status)
{
    return virtio_blk_take(&disk, out_cookie, out_status);
}

uint64_t backend_disk_blocks(void)
{
    return disk.size_bytes / PAGE_SIZE;
}

uint8_t *backend_page(uint32_t page)
{
    return pages + page * PAGE_SIZE;
}

/* A device without flush keeps no volatile cache (virtio 1.2, 5.2.5.2): reading a block stands for
 * the flush, so that a completion follows as always. */
status_t backend_submit(enum backend_operation operation, uint64_t block, uint32_t page,
                        uint32_t count, uint64_t cookie)
{
    if (operation == BACKEND_FLUSH && disk.can_flush) {
        return virtio_blk_submit(&disk, BLOCK_FLUSH, 0, NULL, 0, cookie);
    }
    status_t status = pages_ready(page, MAX(count, 1u));
    if (status != STATUS_OK) {
        return status;
    }
    if (operation == BACKEND_FLUSH) {
        return virtio_blk_submit(&disk, BLOCK_READ, 0, &physical[page], 1, cookie);
    }
    return virtio_blk_submit(&disk, operation == BACKEND_READ ? BLOCK_READ : BLOCK_WRITE,
                             block * PAGE_SIZE, &physical[page], count, cookie);
}

status_t backend_wait(void)
{
    for (;;) {
        uint64_t cookie;
        status_t transferred;
        backend_interrupt();
        status_t status = backend_take(&cookie, &transferred);
        if (status != STATUS_NOT_FOUND) {
            return status == STATUS_OK ? transferred : status;
        }
        struct kernel_results bits;
        status =
            kernel_signal_wait(STORAGE_SLOT_SIGNAL, backend_signal_bits(), DEADLINE_NEVER, &bits);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

status_t backend_memory_create(uint64_t size_bytes, uint32_t *out_memory)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create(STORAGE_SLOT_CACHE, slot, size_bytes);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    *out_memory = slot;
    return STATUS_OK;
}

void backend_memory_destroy(uint32_t memory)
{
    slot_destroy(memory);
}

status_t backend_memory_give(uint32_t memory, uint64_t offset_bytes, uint32_t page, uint32_t count)
{
    uint64_t from = pages_offset + page * PAGE_SIZE;
    uint64_t size_bytes = count * PAGE_SIZE;
    status_t status = kernel_memory_move(memory, offset_bytes, DMA_SLOT, from, size_bytes);
    memset(&physical[page], 0, count * sizeof(physical[0]));
    if (status != STATUS_OK) {
        /* Part of them may have moved: none is to stay. */
        kernel_memory_discard(memory, offset_bytes, size_bytes);
    }
    return status;
}

void backend_memory_discard(uint32_t memory, uint64_t offset_bytes, uint64_t size_bytes)
{
    kernel_memory_discard(memory, offset_bytes, size_bytes);
}

status_t backend_open(uint32_t memory, uint64_t size_bytes, uint64_t badge, uint32_t *out_view,
                      uint32_t *out_gate)
{
    uint32_t view = SLOT_NONE;
    uint32_t gate = SLOT_NONE;
    status_t status = slot_allocate(&view);
    if (status == STATUS_OK) {
        status = slot_allocate(&gate);
    }
    if (status == STATUS_OK) {
        status = kernel_memory_view(STORAGE_SLOT_CACHE, view, memory, 0, size_bytes,
                                    RIGHT_READ | RIGHT_EXECUTE);
    }
    if (status == STATUS_OK) {
        status = kernel_gate_create(STORAGE_SLOT_CACHE, gate, STORAGE_SLOT_ENDPOINT, badge);
    }
    if (status != STATUS_OK) {
        backend_close(view, gate);
        return status;
    }
    *out_view = view;
    *out_gate = gate;
    return STATUS_OK;
}

void backend_close(uint32_t view, uint32_t gate)
{
    slot_destroy(gate);
    slot_destroy(view);
}

static struct account_usage cache_usage(void)
{
    struct account_usage usage = {0};
    (void)object_state(STORAGE_SLOT_CACHE, STATE_ACCOUNT, &usage, sizeof(usage));
    return usage;
}

uint64_t backend_cache_room(void)
{
    struct account_usage usage = cache_usage();
    return usage.limit_bytes > usage.bytes_total ? usage.limit_bytes - usage.bytes_total : 0;
}

uint64_t backend_cache_bytes(void)
{
    return cache_usage().bytes_total;
}

void backend_answer(uint64_t token, status_t status)
{
    service_answer(STORAGE_SLOT_ENDPOINT, token, status);
}
