/*
 * Proves: what the host writes is a blob as the storage service checks it: the same shape, a top
 * block that gives the name, and for every data block a chain of hashes up to it, for sizes on both
 * sides of every boundary of the tree.
 */
#include "host/image/blob_writer.h"

#include "host/cli/cli.h"
#include "services/storage/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
    uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t written_bytes;
};

static status_t memory_put(void *context, uint64_t offset, const void *bytes, size_t length_bytes)
{
    struct memory *memory = context;
    if (!range_inside(offset, length_bytes, memory->size_bytes)) {
        return STATUS_OUT_OF_RANGE;
    }
    memcpy(memory->bytes + offset, bytes, length_bytes);
    memory->written_bytes += length_bytes;
    return STATUS_OK;
}

static bool chains_good(const struct tree_shape *shape, const uint8_t *bytes)
{
    for (uint64_t data = 0; data < shape->data_blocks; data++) {
        const uint8_t *block = bytes + data * BLOB_BLOCK_SIZE;
        for (uint32_t level = 0; level < shape->levels; level++) {
            const uint8_t *above =
                bytes + (shape->level_start[level] + tree_index(level, data)) * BLOB_BLOCK_SIZE;
            if (!tree_block_matches(block, tree_hash(above, level, data))) {
                return false;
            }
            block = above;
        }
    }
    return true;
}

static bool blob_good(uint64_t blocks)
{
    static struct blob_writer writer;
    struct tree_shape shape;
    uint64_t data_bytes = blocks * BLOB_BLOCK_SIZE;
    struct memory memory = {.size_bytes = blob_total_bytes(data_bytes)};
    uint8_t name[BLOB_HASH_SIZE];
    uint8_t *data = allocate(data_bytes);
    memory.bytes = allocate(memory.size_bytes);
    for (uint64_t i = 0; i < data_bytes; i++) {
        data[i] = (uint8_t)(i / BLOB_BLOCK_SIZE * 7 + i);
    }
    blob_writer_open(&writer, data_bytes, memory_put, &memory);
    bool good = true;
    for (uint64_t done = 0; good && done < data_bytes;) {
        uint64_t part = MIN(data_bytes - done, (uint64_t)(3 * BLOB_BLOCK_SIZE));
        good = blob_writer_add(&writer, data + done, part) == STATUS_OK;
        done += part;
    }
    good = good && blob_writer_add(&writer, data, BLOB_BLOCK_SIZE) == STATUS_OUT_OF_RANGE &&
           blob_writer_finish(&writer, name) == STATUS_OK;
    blob_writer_close(&writer);
    good =
        good && tree_shape_of(data_bytes, &shape) == STATUS_OK &&
        shape.total_blocks * BLOB_BLOCK_SIZE == memory.size_bytes &&
        memory.written_bytes == memory.size_bytes && memcmp(memory.bytes, data, data_bytes) == 0 &&
        tree_top_matches(
            &shape, memory.bytes + shape.level_start[shape.levels - 1] * BLOB_BLOCK_SIZE, name) &&
        chains_good(&shape, memory.bytes);
    free(data);
    free(memory.bytes);
    return good;
}

int main(void)
{
    static const uint64_t sizes[] = {1, 2, 127, 128, 129, 256, 257, 128 * 128, 128 * 128 + 1};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        printf("%sok %zu - a blob of %llu blocks is proven by its name\n",
               blob_good(sizes[i]) ? "" : "not ", i + 1, (unsigned long long)sizes[i]);
    }
    return 0;
}
