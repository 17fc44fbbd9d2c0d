#include "services/storage/extents.h"

#include "lib/base/string.h"

uint64_t extent_list_blocks(const struct extent_list *list)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        blocks += list->extent[i].count;
    }
    return blocks;
}

status_t extent_list_find(const struct extent_list *list, uint64_t index, uint64_t *out_block,
                          uint64_t *out_run)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct extent *extent = &list->extent[i];
        if (index < extent->count) {
            *out_block = extent->block + index;
            *out_run = extent->count - index;
            return STATUS_OK;
        }
        index -= extent->count;
    }
    return STATUS_OUT_OF_RANGE;
}

void free_map_init(struct free_map *map, struct extent *ranges, uint32_t capacity, uint64_t first,
                   uint64_t count)
{
    *map = (struct free_map){.range = ranges, .capacity = capacity, .free_blocks = count};
    if (count > 0) {
        map->range[map->count++] = (struct extent){first, count};
    }
}

/* The first range that ends behind `block`. */
static uint32_t range_at(const struct free_map *map, uint64_t block)
{
    uint32_t low = 0;
    uint32_t high = map->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->range[middle].block + map->range[middle].count <= block) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void range_remove(struct free_map *map, uint32_t place)
{
    map->count--;
    memmove(&map->range[place], &map->range[place + 1],
            (map->count - place) * sizeof(map->range[0]));
}

static void range_insert(struct free_map *map, uint32_t place, struct extent extent)
{
    memmove(&map->range[place + 1], &map->range[place],
            (map->count - place) * sizeof(map->range[0]));
    map->range[place] = extent;
    map->count++;
}

status_t free_map_take(struct free_map *map, struct extent extent)
{
    uint32_t place = range_at(map, extent.block);
    if (extent.count == 0 || place == map->count || map->range[place].block > extent.block ||
        !range_inside(extent.block - map->range[place].block, extent.count,
                      map->range[place].count)) {
        return STATUS_NOT_FOUND;
    }
    struct extent range = map->range[place];
    uint64_t before = extent.block - range.block;
    uint64_t after = range.count - before - extent.count;
    if (before > 0 && after > 0 && map->count == map->capacity) {
        return STATUS_LIMIT_REACHED;
    }
    struct extent rest = {extent.block + extent.count, after};
    if (before > 0) {
        map->range[place].count = before;
        if (after > 0) {
            range_insert(map, place + 1, rest);
        }
    } else if (after > 0) {
        map->range[place] = rest;
    } else {
        range_remove(map, place);
    }
    map->free_blocks -= extent.count;
    return STATUS_OK;
}

status_t free_map_give(struct free_map *map, struct extent extent)
{
    if (extent.count == 0) {
        return STATUS_OK;
    }
    uint32_t place = range_at(map, extent.block);
    uint64_t end = extent.block + extent.count;
    if (place < map->count && map->range[place].block < end) {
        return STATUS_BAD_STATE;
    }
    bool joins_before =
        place > 0 && map->range[place - 1].block + map->range[place - 1].count == extent.block;
    bool joins_after = place < map->count && map->range[place].block == end;
    if (!joins_before && !joins_after && map->count == map->capacity) {
        return STATUS_LIMIT_REACHED;
    }
    if (joins_before) {
        map->range[place - 1].count += extent.count;
        if (joins_after) {
            map->range[place - 1].count += map->range[place].count;
            range_remove(map, place);
        }
    } else if (joins_after) {
        map->range[place].block = extent.block;
        map->range[place].count += extent.count;
    } else {
        range_insert(map, place, extent);
    }
    map->free_blocks += extent.count;
    return STATUS_OK;
}

/* The smallest range that holds all blocks, or else the largest. The map is not empty. */
static struct extent range_choose(const struct free_map *map, uint64_t blocks)
{
    struct extent best = map->range[0];
    for (uint32_t i = 1; i < map->count; i++) {
        struct extent range = map->range[i];
        bool fits = range.count >= blocks;
        bool best_fits = best.count >= blocks;
        if (fits != best_fits ? fits : fits == (range.count < best.count)) {
            best = range;
        }
    }
    best.count = MIN(best.count, blocks);
    return best;
}

status_t free_map_allocate(struct free_map *map, uint64_t blocks, struct extent_list *out)
{
    struct extent_list list = {0};
    if (blocks == 0 || blocks > map->free_blocks) {
        return STATUS_TOO_LARGE;
    }
    uint64_t left = blocks;
    while (left > 0 && list.count < EXTENTS_MAX) {
        struct extent extent = range_choose(map, left);
        status_t status = free_map_take(map, extent);
        if (status != STATUS_OK) {
            break;
        }
        list.extent[list.count++] = extent;
        left -= extent.count;
    }
    if (left == 0) {
        *out = list;
        return STATUS_OK;
    }
    status_t status = free_map_trim(map, &list, 0);
    return status == STATUS_OK ? STATUS_TOO_LARGE : status;
}

status_t free_map_trim(struct free_map *map, struct extent_list *list, uint64_t blocks)
{
    uint64_t kept = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct extent *extent = &list->extent[i];
        uint64_t keep = MIN(extent->count, blocks - kept);
        status_t status =
            free_map_give(map, (struct extent){extent->block + keep, extent->count - keep});
        if (status != STATUS_OK) {
            return status;
        }
        extent->count = keep;
        kept += keep;
        count += keep > 0;
    }
    list->count = count;
    return STATUS_OK;
}
