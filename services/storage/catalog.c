#include "services/storage/catalog.h"

#include "lib/base/sha256.h"
#include "lib/base/string.h"

#define HEADER_SECTOR_BYTES 512 /* written as one by every disk */
_Static_assert(sizeof(struct catalog_header) <= HEADER_SECTOR_BYTES, "a header is one sector");
_Static_assert(1 + CATALOG_BLOBS_MAX / CATALOG_PER_BLOCK <= CATALOG_AREA_BLOCKS, "an area fits");

static void header_hash(const struct catalog_header *header, uint8_t out[SHA256_BYTES])
{
    sha256_of(header, offsetof(struct catalog_header, header_hash), out);
}

static bool is_zero(const uint8_t *bytes, size_t length_bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < length_bytes; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

enum catalog_header_kind catalog_header_read(const uint8_t *block, struct catalog_header *out)
{
    if (is_zero(block, CATALOG_BLOCK_BYTES)) {
        return CATALOG_HEADER_EMPTY;
    }
    struct catalog_header header;
    uint8_t hash[SHA256_BYTES];
    memcpy(&header, block, sizeof(header));
    header_hash(&header, hash);
    if (header.magic != CATALOG_MAGIC || header.version != CATALOG_VERSION ||
        header.generation == 0 || header.entry_count > CATALOG_BLOBS_MAX ||
        memcmp(hash, header.header_hash, sizeof(hash)) != 0) {
        return CATALOG_HEADER_INVALID;
    }
    *out = header;
    return CATALOG_HEADER_VALID;
}

static void entries_hash(const struct catalog *catalog, uint64_t entry_count,
                         uint8_t out[SHA256_BYTES])
{
    sha256_of(catalog->entry, entry_count * sizeof(catalog->entry[0]), out);
}

void catalog_header_make(const struct catalog *catalog, uint64_t generation, uint8_t *block)
{
    struct catalog_header header = {.magic = CATALOG_MAGIC,
                                    .version = CATALOG_VERSION,
                                    .generation = generation,
                                    .entry_count = catalog->entry_count};
    entries_hash(catalog, catalog->entry_count, header.entries_hash);
    header_hash(&header, header.header_hash);
    memset(block, 0, CATALOG_BLOCK_BYTES);
    memcpy(block, &header, sizeof(header));
}

uint32_t catalog_blocks(uint64_t entry_count)
{
    return (uint32_t)((entry_count + CATALOG_PER_BLOCK - 1) / CATALOG_PER_BLOCK);
}

void *catalog_block(struct catalog *catalog, uint32_t index)
{
    return &catalog->entry[index * CATALOG_PER_BLOCK];
}

void catalog_extents(const struct catalog_entry *entry, struct extent_list *out)
{
    *out = (struct extent_list){.count = entry->extent_count};
    memcpy(out->extent, entry->extent, sizeof(out->extent));
}

/* Take the entry's blocks out of the map: refuses what is outside the store or used twice. */
static status_t entry_accept(const struct catalog_entry *entry, struct free_map *map)
{
    struct tree_shape shape;
    if (tree_shape_of(entry->data_bytes, &shape) != STATUS_OK || entry->extent_count == 0 ||
        entry->extent_count > EXTENTS_MAX) {
        return STATUS_CORRUPT;
    }
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < entry->extent_count; i++) {
        if (free_map_take(map, entry->extent[i]) != STATUS_OK) {
            return STATUS_CORRUPT;
        }
        blocks += entry->extent[i].count;
    }
    return blocks == shape.total_blocks ? STATUS_OK : STATUS_CORRUPT;
}

status_t catalog_accept(struct catalog *catalog, const struct catalog_header *header,
                        uint64_t store_blocks, struct free_map *map)
{
    uint8_t hash[SHA256_BYTES];
    entries_hash(catalog, header->entry_count, hash);
    if (memcmp(hash, header->entries_hash, sizeof(hash)) != 0 ||
        store_blocks < CATALOG_DATA_START) {
        return STATUS_CORRUPT;
    }
    free_map_init(map, map->range, map->capacity, CATALOG_DATA_START,
                  store_blocks - CATALOG_DATA_START);
    for (uint64_t i = 0; i < header->entry_count; i++) {
        const struct catalog_entry *entry = &catalog->entry[i];
        if (entry->data_bytes == 0) {
            continue;
        }
        /* The entries before this one are the catalog so far. */
        catalog->entry_count = (uint32_t)i;
        if (catalog_find(catalog, entry->name) != CATALOG_BLOBS_MAX) {
            return STATUS_CORRUPT;
        }
        status_t status = entry_accept(entry, map);
        if (status != STATUS_OK) {
            return status;
        }
    }
    catalog->entry_count = (uint32_t)header->entry_count;
    catalog->generation = header->generation;
    return STATUS_OK;
}

uint32_t catalog_find(const struct catalog *catalog, const uint8_t name[BLOB_HASH_SIZE])
{
    for (uint32_t i = 0; i < catalog->entry_count; i++) {
        if (catalog->entry[i].data_bytes != 0 &&
            memcmp(catalog->entry[i].name, name, BLOB_HASH_SIZE) == 0) {
            return i;
        }
    }
    return CATALOG_BLOBS_MAX;
}

status_t catalog_place(struct catalog *catalog, uint32_t *out)
{
    for (uint32_t i = 0; i < catalog->entry_count; i++) {
        if (catalog->entry[i].data_bytes == 0) {
            *out = i;
            return STATUS_OK;
        }
    }
    if (catalog->entry_count == CATALOG_BLOBS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    *out = catalog->entry_count++;
    return STATUS_OK;
}
