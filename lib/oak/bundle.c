/* The directory of the bundle, mapped and checked once; it never changes while the machine runs. */
#include "lib/base/string.h"
#include "lib/oak/program.h"
#include "lib/oak/window.h"

#define BUNDLE_FILES_MAX 256

status_t bundle_open(uint32_t memory, uint64_t size_bytes, struct bundle *out)
{
    uint64_t directory_bytes =
        sizeof(struct bundle_header) + BUNDLE_FILES_MAX * sizeof(struct bundle_entry);
    directory_bytes = MIN(directory_bytes, size_bytes);
    if (size_bytes < sizeof(struct bundle_header)) {
        return STATUS_CORRUPT;
    }
    const void *address;
    status_t status = window_map_source(memory, 0, directory_bytes, &address);
    if (status != STATUS_OK) {
        return status;
    }
    const struct bundle_header *header = address;
    uint64_t room = (directory_bytes - sizeof(*header)) / sizeof(header->entry[0]);
    if (header->magic != BUNDLE_MAGIC || header->count > room) {
        window_unmap(address, directory_bytes);
        return STATUS_CORRUPT;
    }
    *out = (struct bundle){memory, header, size_bytes};
    return STATUS_OK;
}

status_t bundle_find(const struct bundle *bundle, const char *name, uint64_t *out_offset,
                     uint64_t *out_size_bytes)
{
    for (uint64_t i = 0; i < bundle->header->count; i++) {
        const struct bundle_entry *entry = &bundle->header->entry[i];
        if (strnlen(entry->name, BUNDLE_NAME) == BUNDLE_NAME || strcmp(entry->name, name) != 0) {
            continue;
        }
        if (entry->offset % PAGE_SIZE != 0 ||
            !range_inside(entry->offset, entry->size_bytes, bundle->size_bytes)) {
            return STATUS_CORRUPT;
        }
        *out_offset = entry->offset;
        *out_size_bytes = entry->size_bytes;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}
