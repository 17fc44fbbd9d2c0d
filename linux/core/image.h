/*
 * The container's image: an EROFS blob in the window, read-only, paged in from storage on demand.
 * Read it only through these functions: a page that cannot be had ends in -EIO, not in a fault.
 */
#pragma once

#include "lib/base/types.h"

/* Map CONTAINER_SLOT_IMAGE, a blob of that many bytes. */
long image_open(uint64_t size_bytes);
const uint8_t *image_base(void);
uint64_t image_size(void);

long image_read(uint64_t offset, void *to, uint64_t length_bytes);
long image_copy_to_user(uint64_t to, uint64_t offset, uint64_t length_bytes);

/* Ask storage for the page at that offset of the blob; 0 or -EIO. */
long image_page_in(uint64_t offset);
