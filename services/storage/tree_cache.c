/* A small array searched from end to end: a walk looks for a handful of blocks per fetch. */
#include "services/storage/tree_cache.h"

#define PLACES 96

struct place {
    bool used;
    uint32_t blob;
    uint32_t level;
    uint64_t index;
    uint64_t last_use;
};

static struct place places[PLACES];
static uint8_t blocks[PLACES][BLOB_BLOCK_SIZE];
static uint64_t uses;
static uint32_t prepared;

const uint8_t *tree_cache_find(uint32_t blob, uint32_t level, uint64_t index)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        struct place *place = &places[i];
        if (place->used && place->blob == blob && place->level == level && place->index == index) {
            place->last_use = ++uses;
            return blocks[i];
        }
    }
    return NULL;
}

uint8_t *tree_cache_prepare(void)
{
    prepared = 0;
    for (uint32_t i = 0; i < PLACES && places[prepared].used; i++) {
        if (!places[i].used || places[i].last_use < places[prepared].last_use) {
            prepared = i;
        }
    }
    places[prepared].used = false;
    return blocks[prepared];
}

void tree_cache_commit(uint32_t blob, uint32_t level, uint64_t index)
{
    places[prepared] = (struct place){true, blob, level, index, ++uses};
}

void tree_cache_drop(uint32_t blob)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        places[i].used &= places[i].blob != blob;
    }
}
