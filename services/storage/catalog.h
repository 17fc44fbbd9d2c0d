/*
 * The catalog: which blobs the store holds and where. Pure; update.c and storage.c do the reading
 * and writing.
 *
 * On disk there are two areas, each a header block and the entries. The catalog is always written
 * to the area that does not hold the current one: entries, flush, header, flush. A header names its
 * generation and the SHA-256 of its entries, and has one of itself: what was not written completely
 * is not valid, and the other area still holds the generation before. The valid area with the
 * higher generation counts.
 *
 *   block 0                     header of area 0, then its entries
 *   block CATALOG_AREA_BLOCKS   header of area 1, then its entries
 *   block CATALOG_DATA_START    blobs
 */
#pragma once

#include "services/storage/extents.h"
#include "services/storage/tree.h"

#define CATALOG_BLOBS_MAX   1024
#define CATALOG_ENTRY_BYTES 512
#define CATALOG_AREA_BLOCKS 256
#define CATALOG_DATA_START  (2 * CATALOG_AREA_BLOCKS)
#define CATALOG_BLOCK_BYTES 4096
#define CATALOG_PER_BLOCK   (CATALOG_BLOCK_BYTES / CATALOG_ENTRY_BYTES)

struct catalog_entry {
    uint8_t name[BLOB_HASH_SIZE];
    uint64_t data_bytes; /* 0: a free place */
    uint32_t extent_count;
    uint32_t reserved;
    struct extent extent[EXTENTS_MAX];
    uint8_t padding[CATALOG_ENTRY_BYTES - BLOB_HASH_SIZE - 16 - EXTENTS_MAX * 16];
};
_Static_assert(sizeof(struct catalog_entry) == CATALOG_ENTRY_BYTES, "layout of the store");

#define CATALOG_MAGIC   0x31676f6c6174616full
#define CATALOG_VERSION 1

struct catalog_header {
    uint64_t magic;
    uint64_t version;
    uint64_t generation;
    uint64_t entry_count; /* places, free ones included */
    uint8_t entries_hash[BLOB_HASH_SIZE];
    uint8_t header_hash[BLOB_HASH_SIZE]; /* of everything above */
};

struct catalog {
    uint64_t generation; /* on disk; 0: nothing yet */
    uint32_t area;       /* that holds it */
    uint32_t entry_count;
    struct catalog_entry entry[CATALOG_BLOBS_MAX];
};

enum catalog_header_kind {
    CATALOG_HEADER_EMPTY, /* zeros: never written */
    CATALOG_HEADER_VALID,
    CATALOG_HEADER_INVALID, /* torn, damaged, or something else */
};
enum catalog_header_kind catalog_header_read(const uint8_t *block, struct catalog_header *out);

/* The header for these entries. */
void catalog_header_make(const struct catalog *catalog, uint64_t generation, uint8_t *block);

/* How many blocks the entries take, and a pointer to one of them. */
uint32_t catalog_blocks(uint64_t entry_count);
void *catalog_block(struct catalog *catalog, uint32_t index);

/*
 * Check the entries that were read into the catalog against the header and against sense: every
 * blob's extents inside the store, none of them overlapping, exactly as many blocks as its size
 * needs. Sets entry_count and generation, and fills the free map. CORRUPT.
 */
MUST_USE status_t catalog_accept(struct catalog *catalog, const struct catalog_header *header,
                                 uint64_t store_blocks, struct free_map *map);

/* The place of a blob, or CATALOG_BLOBS_MAX. */
uint32_t catalog_find(const struct catalog *catalog, const uint8_t name[BLOB_HASH_SIZE]);

/* A place for a new blob, counted in entry_count from now on; LIMIT_REACHED. */
MUST_USE status_t catalog_place(struct catalog *catalog, uint32_t *out);

/* The extents of an entry as a list. */
void catalog_extents(const struct catalog_entry *entry, struct extent_list *out);
