#include "services/storage/tree.h"

#include "lib/base/sha256.h"
#include "lib/base/string.h"

#define HASHES_SHIFT 7
_Static_assert(1 << HASHES_SHIFT == BLOB_HASHES_PER_BLOCK, "shift fits");
_Static_assert(BLOB_HASH_SIZE == SHA256_BYTES, "hash fits");

status_t tree_shape_of(uint64_t data_bytes, struct tree_shape *out)
{
    if (data_bytes == 0 || data_bytes > BLOB_BYTES_MAX) {
        return STATUS_INVALID_ARGUMENT;
    }
    struct tree_shape shape = {.data_bytes = data_bytes};
    shape.data_blocks = (data_bytes + BLOB_BLOCK_SIZE - 1) / BLOB_BLOCK_SIZE;
    shape.total_blocks = shape.data_blocks;
    uint64_t below = shape.data_blocks;
    do {
        below = (below + BLOB_HASHES_PER_BLOCK - 1) / BLOB_HASHES_PER_BLOCK;
        shape.level_start[shape.levels] = shape.total_blocks;
        shape.level_blocks[shape.levels] = below;
        shape.total_blocks += below;
        shape.levels++;
    } while (below > 1);
    *out = shape;
    return STATUS_OK;
}

uint64_t tree_index(uint32_t level, uint64_t data_block)
{
    return data_block >> HASHES_SHIFT * (level + 1);
}

const uint8_t *tree_hash(const uint8_t *block, uint32_t level, uint64_t data_block)
{
    uint64_t place = (data_block >> HASHES_SHIFT * level) % BLOB_HASHES_PER_BLOCK;
    return block + place * BLOB_HASH_SIZE;
}

bool tree_block_matches(const uint8_t *block, const uint8_t hash[BLOB_HASH_SIZE])
{
    uint8_t digest[SHA256_BYTES];
    sha256_of(block, BLOB_BLOCK_SIZE, digest);
    return memcmp(digest, hash, sizeof(digest)) == 0;
}

bool tree_top_matches(const struct tree_shape *shape, const uint8_t *block,
                      const uint8_t name[BLOB_HASH_SIZE])
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    sha256_init(&hash);
    sha256_update(&hash, block, BLOB_BLOCK_SIZE);
    sha256_update(&hash, &shape->data_bytes, sizeof(shape->data_bytes));
    sha256_final(&hash, digest);
    return memcmp(digest, name, sizeof(digest)) == 0;
}
