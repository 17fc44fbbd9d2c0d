/*
 * Streams a blob into the store: data as they come, the hash tree of abi/blob.h beside them, one
 * block of each level in memory. The name is known at the end.
 */
#pragma once

#include "abi/blob.h"
#include "host/image/digest.h"

/* Writes at an offset within the blob. */
typedef status_t (*blob_put)(void *context, uint64_t offset, const void *bytes,
                             size_t length_bytes);

struct blob_level {
    uint64_t offset; /* of its next block */
    size_t used_bytes;
    uint8_t block[BLOB_BLOCK_SIZE];
};

struct blob_writer {
    blob_put put;
    void *context;
    struct hasher *hasher;
    uint64_t data_bytes;
    uint64_t written_bytes;
    uint64_t total_bytes; /* with the hash tree */
    uint32_t levels;
    struct blob_level level[BLOB_LEVELS_MAX];
};

/* Data and hash tree of that many bytes of data, which are whole blocks and not none. */
uint64_t blob_total_bytes(uint64_t data_bytes);

void blob_writer_open(struct blob_writer *writer, uint64_t data_bytes, blob_put put, void *context);
void blob_writer_close(struct blob_writer *writer);

/* The next data, whole blocks. OUT_OF_RANGE: more than were announced. */
MUST_USE status_t blob_writer_add(struct blob_writer *writer, const void *bytes,
                                  size_t length_bytes);

/* After all data: writes the rest of the tree. BAD_STATE: less data than announced. */
MUST_USE status_t blob_writer_finish(struct blob_writer *writer, uint8_t name[BLOB_HASH_SIZE]);
