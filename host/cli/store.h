/*
 * Putting a blob into the machine's store: the engine grants extents of the store file, this writes
 * into them, and the engine makes the blob durable. A reservation belongs to a session: when this
 * process ends before the commit, for whatever reason, the engine takes the extents back and
 * nothing is left.
 */
#pragma once

#include "host/cli/connection.h"

struct store_extent {
    uint64_t offset;
    uint64_t length_bytes;
};

struct store_blob {
    struct connection *connection;
    uint32_t session;
    uint64_t reservation;
    int fd; /* the store file */
    struct store_extent *extents;
    size_t extent_count;
    uint64_t size_bytes; /* data and hash tree */
    char problem[512];   /* a line for the user when something fails */
};

/* Reserves room for that many bytes, hash tree included. store_close it, whatever it returns. */
MUST_USE status_t store_reserve(struct store_blob *blob, struct connection *connection,
                                uint64_t size_bytes);
/* Writes at an offset within the blob. OUT_OF_RANGE beyond what was reserved. */
MUST_USE status_t store_write(struct store_blob *blob, uint64_t offset, const void *bytes,
                              size_t length_bytes);
/* Makes it durable under its name. */
MUST_USE status_t store_commit(struct store_blob *blob, const uint8_t name[32],
                               uint64_t data_bytes);
void store_close(struct store_blob *blob);

/* How many bytes the store's blobs leave of it, at most. */
MUST_USE status_t store_room(struct connection *connection, uint64_t *room_bytes);

/* The names of all blobs, in memory of its own. */
MUST_USE status_t store_list(struct connection *connection, uint8_t (**names)[32], size_t *count);

/* Whether the store holds a blob of that name. */
MUST_USE status_t store_holds(struct connection *connection, const uint8_t name[32], bool *holds);
/* Removes it. BUSY while a container uses it. */
MUST_USE status_t store_remove(struct connection *connection, const uint8_t name[32]);
