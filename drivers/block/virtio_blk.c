#include "drivers/block/virtio_blk.h"

#include "lib/base/string.h"

#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_FLUSH     (1ull << 9)

#define SECTOR_BYTES 512
#define STATUS_FINE  0
#define STATUS_UNSET 0xff

/* Section 5.2.6. */
struct block_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

/* A request's place in the page of headers. */
#define PLACE_BYTES  64
#define PLACE_STATUS 32
_Static_assert(BLOCK_REQUESTS_MAX *PLACE_BYTES <= PAGE_SIZE, "headers fit into a page");
_Static_assert(BLOCK_PIECES_MAX + 2 <= VIRTQUEUE_MAX, "a request fits into the queue");

status_t virtio_blk_open(uint32_t base, struct virtio_blk *out)
{
    memset(out, 0, sizeof(*out));
    status_t status = virtio_device_open(base, VIRTIO_DEVICE_BLOCK, &out->device);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t features;
    status = virtio_device_negotiate(&out->device, FEATURE_READ_ONLY | FEATURE_FLUSH, &features);
    if (status != STATUS_OK) {
        return status;
    }
    out->read_only = (features & FEATURE_READ_ONLY) != 0;
    out->can_flush = (features & FEATURE_FLUSH) != 0;
    uint64_t sectors;
    status = virtio_device_configuration(&out->device, 0, &sectors, sizeof(sectors));
    if (status != STATUS_OK) {
        return status;
    }
    out->size_bytes = ALIGN_DOWN(MIN(sectors, UINT64_MAX / SECTOR_BYTES) * SECTOR_BYTES, PAGE_SIZE);
    status = virtio_device_queue(&out->device, 0, &out->queue);
    if (status != STATUS_OK) {
        return status;
    }
    void *headers;
    status = virtio_device_dma(&out->device, PAGE_SIZE, &headers, &out->headers_physical);
    if (status != STATUS_OK) {
        return status;
    }
    out->headers = headers;
    virtio_device_start(&out->device);
    return STATUS_OK;
}

static status_t submit_check(const struct virtio_blk *disk, enum block_operation operation,
                             uint64_t offset_bytes, uint32_t count)
{
    if (operation == BLOCK_FLUSH) {
        return count == 0 ? STATUS_OK : STATUS_INVALID_ARGUMENT;
    }
    if (operation == BLOCK_WRITE && disk->read_only) {
        return STATUS_NOT_PERMITTED;
    }
    if (count == 0 || count > BLOCK_PIECES_MAX || offset_bytes % PAGE_SIZE != 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    return range_inside(offset_bytes, count * PAGE_SIZE, disk->size_bytes) ? STATUS_OK
                                                                           : STATUS_OUT_OF_RANGE;
}

static uint32_t request_find_free(const struct virtio_blk *disk)
{
    uint32_t place = 0;
    while (place < BLOCK_REQUESTS_MAX && disk->request[place].in_flight) {
        place++;
    }
    return place;
}

status_t virtio_blk_submit(struct virtio_blk *disk, enum block_operation operation,
                           uint64_t offset_bytes, const uint64_t *pages, uint32_t count,
                           uint64_t cookie)
{
    status_t status = submit_check(disk, operation, offset_bytes, count);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t place = request_find_free(disk);
    if (place == BLOCK_REQUESTS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    struct block_header header = {.type = operation, .sector = offset_bytes / SECTOR_BYTES};
    uint64_t offset = place * PLACE_BYTES;
    memcpy(disk->headers + offset, &header, sizeof(header));
    disk->headers[offset + PLACE_STATUS] = STATUS_UNSET;
    struct virtqueue_buffer buffers[BLOCK_PIECES_MAX + 2];
    uint16_t used = 0;
    buffers[used++] =
        (struct virtqueue_buffer){disk->headers_physical + offset, sizeof(header), false};
    for (uint32_t i = 0; i < count; i++) {
        buffers[used++] = (struct virtqueue_buffer){pages[i], PAGE_SIZE, operation == BLOCK_READ};
    }
    buffers[used++] =
        (struct virtqueue_buffer){disk->headers_physical + offset + PLACE_STATUS, 1, true};
    status = virtqueue_put(&disk->queue, buffers, used, place);
    if (status != STATUS_OK) {
        return status;
    }
    disk->request[place].in_flight = true;
    disk->request[place].operation = operation;
    disk->request[place].bytes = (uint32_t)(count * PAGE_SIZE);
    disk->request[place].cookie = cookie;
    virtio_device_notify(&disk->device, &disk->queue);
    return STATUS_OK;
}

void virtio_blk_interrupt(struct virtio_blk *disk)
{
    (void)virtio_device_interrupt(&disk->device);
}

status_t virtio_blk_take(struct virtio_blk *disk, uint64_t *out_cookie, status_t *out_status)
{
    uint64_t place;
    uint32_t written_bytes;
    status_t status = virtqueue_take(&disk->queue, &place, &written_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    uint8_t result = ((volatile uint8_t *)disk->headers)[place * PLACE_BYTES + PLACE_STATUS];
    bool short_read =
        disk->request[place].operation == BLOCK_READ && written_bytes < disk->request[place].bytes;
    disk->request[place].in_flight = false;
    *out_cookie = disk->request[place].cookie;
    *out_status = result == STATUS_FINE && !short_read ? STATUS_OK : STATUS_IO_ERROR;
    return STATUS_OK;
}
