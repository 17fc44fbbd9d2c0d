/*
 * Proves the free map against a plain array of blocks: no block is ever handed out twice or lost,
 * refused calls change nothing, and everything given back is one range again.
 */
#include <string.h>

#include "lib/base/test/check.h"
#include "services/storage/extents.h"

#define FIRST  100
#define BLOCKS 2000
#define LISTS  40

static struct extent ranges[BLOCKS];
static struct free_map map;
static uint32_t owner[BLOCKS]; /* 0: free */

static void check_map(void)
{
    uint64_t free_blocks = 0;
    for (uint32_t i = 0; i < map.count; i++) {
        CHECK(map.range[i].count > 0);
        CHECK(i == 0 || map.range[i - 1].block + map.range[i - 1].count < map.range[i].block);
        for (uint64_t block = 0; block < map.range[i].count; block++) {
            CHECK(owner[map.range[i].block + block - FIRST] == 0);
        }
        free_blocks += map.range[i].count;
    }
    CHECK(free_blocks == map.free_blocks);
    uint64_t unowned = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        unowned += owner[i] == 0;
    }
    CHECK(unowned == free_blocks);
}

static void own(const struct extent_list *list, uint32_t before, uint32_t after)
{
    for (uint32_t i = 0; i < list->count; i++) {
        for (uint64_t block = 0; block < list->extent[i].count; block++) {
            uint32_t *place = &owner[list->extent[i].block + block - FIRST];
            CHECK(*place == before);
            *place = after;
        }
    }
}

static void test_random(void)
{
    static struct extent_list lists[LISTS];
    free_map_init(&map, ranges, BLOCKS, FIRST, BLOCKS);
    for (int round = 0; round < 20000; round++) {
        uint32_t which = (uint32_t)(rand() % LISTS);
        struct extent_list *list = &lists[which];
        if (list->count == 0) {
            uint64_t blocks = (uint64_t)(rand() % 200);
            status_t status = free_map_allocate(&map, blocks, list);
            CHECK(status == STATUS_OK || status == STATUS_TOO_LARGE);
            if (status == STATUS_OK) {
                CHECK(extent_list_blocks(list) == blocks);
                own(list, 0, which + 1);
            }
        } else {
            uint64_t keep = rand() % 2 == 0 ? 0 : (uint64_t)rand() % extent_list_blocks(list);
            own(list, which + 1, 0);
            CHECK(free_map_trim(&map, list, keep) == STATUS_OK);
            CHECK(extent_list_blocks(list) == keep);
            own(list, 0, which + 1);
        }
        if (round % 50 == 0) {
            check_map();
        }
    }
    for (uint32_t i = 0; i < LISTS; i++) {
        own(&lists[i], i + 1, 0);
        CHECK(free_map_trim(&map, &lists[i], 0) == STATUS_OK);
    }
    CHECK(map.count == 1 && map.free_blocks == BLOCKS && map.range[0].block == FIRST);
}

static void test_refusals(void)
{
    struct extent_list list;
    free_map_init(&map, ranges, BLOCKS, FIRST, BLOCKS);
    CHECK(free_map_allocate(&map, 0, &list) == STATUS_TOO_LARGE);
    CHECK(free_map_allocate(&map, BLOCKS + 1, &list) == STATUS_TOO_LARGE);
    CHECK(free_map_allocate(&map, UINT64_MAX, &list) == STATUS_TOO_LARGE);
    CHECK(free_map_take(&map, (struct extent){FIRST - 1, 2}) == STATUS_NOT_FOUND);
    CHECK(free_map_take(&map, (struct extent){FIRST + BLOCKS - 1, 2}) == STATUS_NOT_FOUND);
    CHECK(free_map_take(&map, (struct extent){FIRST, UINT64_MAX}) == STATUS_NOT_FOUND);
    CHECK(free_map_take(&map, (struct extent){UINT64_MAX, 2}) == STATUS_NOT_FOUND);
    CHECK(free_map_give(&map, (struct extent){FIRST, 1}) == STATUS_BAD_STATE);
    CHECK(map.free_blocks == BLOCKS);
    /* Every second block: too scattered for one list. */
    for (uint64_t i = 0; i < BLOCKS; i += 2) {
        CHECK(free_map_take(&map, (struct extent){FIRST + i, 1}) == STATUS_OK);
    }
    CHECK(free_map_allocate(&map, EXTENTS_MAX + 1, &list) == STATUS_TOO_LARGE);
    CHECK(map.free_blocks == BLOCKS / 2);
    CHECK(free_map_allocate(&map, EXTENTS_MAX, &list) == STATUS_OK);
}

static void test_find(void)
{
    struct extent_list list = {2, {{10, 3}, {50, 2}}};
    uint64_t block;
    uint64_t run;
    CHECK(extent_list_find(&list, 1, &block, &run) == STATUS_OK && block == 11 && run == 2);
    CHECK(extent_list_find(&list, 3, &block, &run) == STATUS_OK && block == 50 && run == 2);
    CHECK(extent_list_find(&list, 5, &block, &run) == STATUS_OUT_OF_RANGE);
}

int main(void)
{
    test_random();
    test_refusals();
    test_find();
    return 0;
}
