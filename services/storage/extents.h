/*
 * Ranges of disk blocks: the lists that blobs lie in, and the map of what is free. Pure.
 */
#pragma once

#include "lib/base/types.h"

/* Of one blob: abi/storage.idl, blob_reserve. */
#define EXTENTS_MAX 24

struct extent {
    uint64_t block;
    uint64_t count;
};

struct extent_list {
    uint32_t count;
    struct extent extent[EXTENTS_MAX];
};

uint64_t extent_list_blocks(const struct extent_list *list);

/* The disk block of the index-th block of the list, and how many follow it contiguously (itself
 * included). OUT_OF_RANGE. */
MUST_USE status_t extent_list_find(const struct extent_list *list, uint64_t index,
                                   uint64_t *out_block, uint64_t *out_run);

/*
 * The free ranges, ascending, never touching each other. They are at most one more than the used
 * extents, so a map with room for that many never overflows.
 */
struct free_map {
    struct extent *range;
    uint32_t count;
    uint32_t capacity;
    uint64_t free_blocks;
};

/* All of [first, first + count) is free. `ranges` is the map's storage. */
void free_map_init(struct free_map *map, struct extent *ranges, uint32_t capacity, uint64_t first,
                   uint64_t count);

/* Take exactly this range. NOT_FOUND when part of it is not free, LIMIT_REACHED without room. */
MUST_USE status_t free_map_take(struct free_map *map, struct extent extent);

/* Give a range back. BAD_STATE when part of it is free already, LIMIT_REACHED without room. */
MUST_USE status_t free_map_give(struct free_map *map, struct extent extent);

/* Take that many blocks, in as few extents as the map allows. TOO_LARGE: not enough room, or more
 * scattered than EXTENTS_MAX; then nothing is taken. */
MUST_USE status_t free_map_allocate(struct free_map *map, uint64_t blocks, struct extent_list *out);

/* Cut a list to its first `blocks` blocks and give the rest back to the map. */
MUST_USE status_t free_map_trim(struct free_map *map, struct extent_list *list, uint64_t blocks);
