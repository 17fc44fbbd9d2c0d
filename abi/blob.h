/*
 * A blob: immutable bytes named by the root of a hash tree, as the host writes it and the storage
 * service checks it block by block. Includes nothing.
 *
 * Blocks are 4096 bytes; the last data block is filled with zeros. Level 0 holds the SHA-256 of
 * every data block, 128 to a block, the last block filled with zeros; level k+1 the same over the
 * blocks of level k, until a level has one block. In the store: data blocks, then level 0, level 1,
 * up to the top. A blob's name is SHA-256(top level block || data_bytes as little-endian u64).
 */
#pragma once

#define BLOB_BLOCK_SIZE       4096
#define BLOB_HASH_SIZE        32
#define BLOB_HASHES_PER_BLOCK 128
#define BLOB_LEVELS_MAX       6
#define BLOB_BYTES_MAX        (1ull << 40)
