#include "host/image/blob_writer.h"

#include <string.h>

static uint64_t blocks_above(uint64_t blocks)
{
    return (blocks + BLOB_HASHES_PER_BLOCK - 1) / BLOB_HASHES_PER_BLOCK;
}

uint64_t blob_total_bytes(uint64_t data_bytes)
{
    uint64_t blocks = data_bytes / BLOB_BLOCK_SIZE;
    uint64_t total = blocks;
    do {
        blocks = blocks_above(blocks);
        total += blocks;
    } while (blocks > 1);
    return total * BLOB_BLOCK_SIZE;
}

void blob_writer_open(struct blob_writer *writer, uint64_t data_bytes, blob_put put, void *context)
{
    uint64_t blocks = data_bytes / BLOB_BLOCK_SIZE;
    uint64_t offset = data_bytes;
    memset(writer, 0, sizeof(*writer));
    writer->put = put;
    writer->context = context;
    writer->hasher = hasher_new();
    writer->data_bytes = data_bytes;
    writer->total_bytes = blob_total_bytes(data_bytes);
    do {
        blocks = blocks_above(blocks);
        writer->level[writer->levels++].offset = offset;
        offset += blocks * BLOB_BLOCK_SIZE;
    } while (blocks > 1);
}

void blob_writer_close(struct blob_writer *writer)
{
    hasher_free(writer->hasher);
    writer->hasher = NULL;
}

static status_t hash_add(struct blob_writer *writer, uint32_t level, const uint8_t *block);

/* Writes a level's block and begins the next one. */
static status_t level_flush(struct blob_writer *writer, uint32_t number)
{
    struct blob_level *level = &writer->level[number];
    memset(level->block + level->used_bytes, 0, BLOB_BLOCK_SIZE - level->used_bytes);
    status_t status = writer->put(writer->context, level->offset, level->block, BLOB_BLOCK_SIZE);
    if (status == STATUS_OK && number + 1 < writer->levels) {
        status = hash_add(writer, number + 1, level->block);
    }
    level->offset += BLOB_BLOCK_SIZE;
    level->used_bytes = 0;
    return status;
}

/* Adds the hash of a block below; a block that is full is written when the next hash comes. */
static status_t hash_add(struct blob_writer *writer, uint32_t number, const uint8_t *block)
{
    struct blob_level *level = &writer->level[number];
    struct digest hash;
    status_t status = STATUS_OK;
    if (level->used_bytes == BLOB_BLOCK_SIZE) {
        status = level_flush(writer, number);
    }
    hasher_update(writer->hasher, block, BLOB_BLOCK_SIZE);
    hasher_final(writer->hasher, &hash);
    memcpy(level->block + level->used_bytes, hash.bytes, BLOB_HASH_SIZE);
    level->used_bytes += BLOB_HASH_SIZE;
    return status;
}

status_t blob_writer_add(struct blob_writer *writer, const void *bytes, size_t length_bytes)
{
    const uint8_t *block = bytes;
    if (length_bytes > writer->data_bytes - writer->written_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    status_t status = writer->put(writer->context, writer->written_bytes, bytes, length_bytes);
    for (size_t done = 0; status == STATUS_OK && done < length_bytes; done += BLOB_BLOCK_SIZE) {
        status = hash_add(writer, 0, block + done);
    }
    writer->written_bytes += length_bytes;
    return status;
}

status_t blob_writer_finish(struct blob_writer *writer, uint8_t name[BLOB_HASH_SIZE])
{
    if (writer->written_bytes != writer->data_bytes) {
        return STATUS_BAD_STATE;
    }
    for (uint32_t i = 0; i + 1 < writer->levels; i++) {
        status_t status = level_flush(writer, i);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct blob_level *top = &writer->level[writer->levels - 1];
    uint8_t size[sizeof(uint64_t)];
    struct digest digest;
    memset(top->block + top->used_bytes, 0, BLOB_BLOCK_SIZE - top->used_bytes);
    for (size_t i = 0; i < sizeof(size); i++) {
        size[i] = (uint8_t)(writer->data_bytes >> (8 * i));
    }
    hasher_update(writer->hasher, top->block, BLOB_BLOCK_SIZE);
    hasher_update(writer->hasher, size, sizeof(size));
    hasher_final(writer->hasher, &digest);
    memcpy(name, digest.bytes, BLOB_HASH_SIZE);
    return writer->put(writer->context, top->offset, top->block, BLOB_BLOCK_SIZE);
}
