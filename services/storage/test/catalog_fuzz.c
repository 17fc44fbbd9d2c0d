/*
 * The input is a catalog's entries, under a header that vouches for them: whatever they say,
 * accepting them stays inside the store and keeps the free map sound.
 */
#include <stdlib.h>
#include <string.h>

#include "services/storage/catalog.h"

#define STORE_BLOCKS 100000
#define RANGES_MAX   (CATALOG_BLOBS_MAX * EXTENTS_MAX + 1)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    static struct catalog catalog;
    static struct extent ranges[RANGES_MAX];
    uint8_t block[CATALOG_BLOCK_BYTES];
    struct catalog_header header;
    memset(&catalog, 0, sizeof(catalog));
    memcpy(catalog.entry, input, MIN(length, sizeof(catalog.entry)));
    catalog.entry_count =
        (uint32_t)MIN(length / CATALOG_ENTRY_BYTES + 1, (size_t)CATALOG_BLOBS_MAX);
    catalog_header_make(&catalog, 1, block);
    if (catalog_header_read(block, &header) != CATALOG_HEADER_VALID) {
        abort();
    }
    struct free_map map = {.range = ranges, .capacity = RANGES_MAX};
    if (catalog_accept(&catalog, &header, STORE_BLOCKS, &map) == STATUS_OK) {
        uint64_t end = CATALOG_DATA_START;
        for (uint32_t i = 0; i < map.count; i++) {
            if (map.range[i].block < end || map.range[i].count > STORE_BLOCKS ||
                map.range[i].block + map.range[i].count > STORE_BLOCKS) {
                abort();
            }
            end = map.range[i].block + map.range[i].count;
        }
    }
    return 0;
}
