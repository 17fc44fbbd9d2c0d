/*
 * The shape of a blob: where data and hash tree lie, as abi/blob.h says, and what proves a block.
 * Pure. Blocks are counted from the blob's first one.
 */
#pragma once

#include "abi/blob.h"
#include "lib/base/types.h"

struct tree_shape {
    uint64_t data_bytes;
    uint64_t data_blocks;
    uint32_t levels;                        /* at least 1 */
    uint64_t level_start[BLOB_LEVELS_MAX];  /* first block of each level */
    uint64_t level_blocks[BLOB_LEVELS_MAX]; /* 1 at the top */
    uint64_t total_blocks;                  /* data and tree */
};

/* INVALID_ARGUMENT for an empty blob or one above BLOB_BYTES_MAX. */
MUST_USE status_t tree_shape_of(uint64_t data_bytes, struct tree_shape *out);

/* Which block of a level covers that data block. */
uint64_t tree_index(uint32_t level, uint64_t data_block);

/* The hash in a block of `level` that proves what covers that data block one level below: the data
 * block itself for level 0. */
const uint8_t *tree_hash(const uint8_t *block, uint32_t level, uint64_t data_block);

/* Whether the block has that hash. */
bool tree_block_matches(const uint8_t *block, const uint8_t hash[BLOB_HASH_SIZE]);

/* Whether the top block and the size give that name. */
bool tree_top_matches(const struct tree_shape *shape, const uint8_t *block,
                      const uint8_t name[BLOB_HASH_SIZE]);
