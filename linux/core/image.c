#include "linux/core/image.h"

#include "abi/container.h"
#include "abi/blob.idl.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/core/window.h"

#define READ_AHEAD_BYTES 65536

static struct {
    const uint8_t *base;
    uint64_t size_bytes;
} image;

const uint8_t *image_base(void)
{
    return image.base;
}

uint64_t image_size(void)
{
    return image.size_bytes;
}

long image_open(uint64_t size_bytes)
{
    void *address;
    size_bytes = ALIGN_UP(size_bytes, PAGE_SIZE);
    long result = window_map_source(CONTAINER_SLOT_IMAGE, size_bytes, &address);
    if (result == 0) {
        image.base = address;
        image.size_bytes = size_bytes;
    }
    return result;
}

long image_page_in(uint64_t offset)
{
    if (offset >= image.size_bytes) {
        return -EIO;
    }
    uint64_t start = ALIGN_DOWN(offset, PAGE_SIZE);
    uint64_t length = MIN(READ_AHEAD_BYTES, image.size_bytes - start);
    return blob_page_in(CONTAINER_SLOT_STORAGE, start, length) == STATUS_OK ? 0 : -EIO;
}

long image_read(uint64_t offset, void *to, uint64_t length_bytes)
{
    if (!range_inside(offset, length_bytes, image.size_bytes)) {
        return -EIO;
    }
    return user_copy(to, image.base + offset, length_bytes) == 0 ? 0 : -EIO;
}

long image_copy_to_user(uint64_t to, uint64_t offset, uint64_t length_bytes)
{
    if (!range_inside(offset, length_bytes, image.size_bytes)) {
        return -EIO;
    }
    return copy_to_user(to, image.base + offset, length_bytes);
}
