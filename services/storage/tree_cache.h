/*
 * Verified blocks of hash trees, of all blobs, in private memory: the least recently used goes
 * first. What is in here was checked up to its blob's name.
 */
#pragma once

#include "abi/blob.h"
#include "lib/base/types.h"

/* The block's bytes until the next insert, or NULL. */
const uint8_t *tree_cache_find(uint32_t blob, uint32_t level, uint64_t index);

/* A place to copy a block into; it counts as that block once tree_cache_commit was called. */
uint8_t *tree_cache_prepare(void);
void tree_cache_commit(uint32_t blob, uint32_t level, uint64_t index);

/* Forget all blocks of a blob. */
void tree_cache_drop(uint32_t blob);
