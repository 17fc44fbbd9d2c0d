/*
 * A virtio block device (virtio 1.2, section 5.2), asynchronous: submit, then take completions
 * after the interrupt. For the storage service. The device is not trusted to keep the rules of the
 * queue; what it returns as data is for the caller to verify. An interrupt per completion; nothing
 * here blocks.
 */
#pragma once

#include "lib/virtio/device.h"

#define BLOCK_REQUESTS_MAX 16
#define BLOCK_PIECES_MAX   16 /* pages of one request */

enum block_operation {
    BLOCK_READ = 0,
    BLOCK_WRITE = 1,
    BLOCK_FLUSH = 4,
};

struct virtio_blk {
    struct virtio_device device;
    struct virtqueue queue;
    uint64_t size_bytes; /* of the disk, whole pages */
    bool can_flush;
    bool read_only;
    uint8_t *headers; /* one page of DMA memory: a header and a status byte per request */
    uint64_t headers_physical;
    struct {
        bool in_flight;
        uint32_t bytes;
        enum block_operation operation;
        uint64_t cookie;
    } request[BLOCK_REQUESTS_MAX];
};

/* Bring up the device whose grant lies in the slots from `base` on. */
MUST_USE status_t virtio_blk_open(uint32_t base, struct virtio_blk *out);

/*
 * Read or write whole pages at offset_bytes of the disk, page aligned; `pages` are their physical
 * addresses in DMA memory. A flush has no pages. LIMIT_REACHED: too many in flight, OUT_OF_RANGE,
 * IO_ERROR: the device is broken.
 */
MUST_USE status_t virtio_blk_submit(struct virtio_blk *disk, enum block_operation operation,
                                    uint64_t offset_bytes, const uint64_t *pages, uint32_t count,
                                    uint64_t cookie);

/* Acknowledge the interrupt; before taking completions. */
void virtio_blk_interrupt(struct virtio_blk *disk);

/* The next finished request: its cookie, and OK or IO_ERROR for it. NOT_FOUND: none now; IO_ERROR:
 * the device is broken and nothing in flight will ever finish. */
MUST_USE status_t virtio_blk_take(struct virtio_blk *disk, uint64_t *out_cookie,
                                  status_t *out_status);
