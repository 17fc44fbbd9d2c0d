/*
 * Page tables that no region needs any more: what a region leaves behind when it is unmapped is
 * given back at once, and not only when the map ends.
 */
#include "kernel/object/region_find.h"
#include "kernel/x86_64/shootdown.h"

#define TABLES_MAX 32 /* of one call; what is left over goes with its next neighbour or the map */

struct trim {
    struct shootdown_batch batch;
    uint64_t *detached[TABLES_MAX];
    uint32_t count;
};

static bool span_is_used(const struct region_map *map, uint64_t start, uint64_t end)
{
    const struct region *region = region_from(map, start);
    return region != NULL && region->start < end;
}

/* True: a table of the level stays. */
static bool level_trim(const struct region_map *map, uint64_t start, uint64_t end, uint32_t level,
                       struct trim *trim)
{
    uint64_t next;
    bool stays = false;
    uint64_t at = ALIGN_DOWN(start, 1ull << (PAGE_SHIFT + 9 * level));
    for (; at < end && trim->count < TABLES_MAX; at = next) {
        bool there = page_entries(&map->tables, at, end, level, &next) != NULL;
        uint64_t *table = there && !span_is_used(map, at, next)
                              ? page_table_detach(&map->tables, at, level)
                              : NULL;
        if (table != NULL) {
            trim->detached[trim->count++] = table;
            shootdown_add(&trim->batch, at);
        }
        stays = stays || (there && table == NULL);
    }
    return stays || at < end;
}

void region_tables_trim(struct region_map *map, uint64_t start, uint64_t end)
{
    struct trim trim = {.count = 0};
    uint32_t level = 1;
    while (level < map->tables.levels && !level_trim(map, start, end, level, &trim)) {
        level++; /* a table above one that stays is not empty */
    }
    if (trim.count > 0) {
        shootdown_run(&map->loaded, &trim.batch);
    }
    for (uint32_t i = 0; i < trim.count; i++) {
        table_free(map->payer, trim.detached[i]);
    }
}
