/*
 * Blobs of the storage service as the engine uses them: each name that containers use is opened
 * once; a few stay open when the last container lets go, for the next one.
 *
 * The storage service is trusted and answers without waiting for anybody but the disk; the engine
 * calls it. Errors are those of abi/storage.idl; NOT_SUPPORTED: there is no storage service.
 */
#pragma once

#include "abi/blob.h"
#include "lib/base/types.h"

struct blob {
    struct blob *next;
    uint8_t name[BLOB_HASH_SIZE];
    uint64_t size_bytes; /* of the data */
    uint64_t handle;     /* storage's */
    uint32_t memory;     /* slot: its pages; containers get READ and EXECUTE */
    uint32_t gate;       /* slot: blob.idl; containers get CALL */
    uint32_t users;
};

/* Use it: NOT_FOUND, NO_MEMORY, LIMIT_REACHED. */
MUST_USE status_t blob_use(const uint8_t name[BLOB_HASH_SIZE], struct blob **out);
void blob_release(struct blob *blob); /* NULL is ignored */

/* How many use it now. */
uint32_t blob_users(const uint8_t name[BLOB_HASH_SIZE]);

/* Storage was restarted: open again what is in use. */
void blobs_reopen(void);

/* Pieces of the store file in the order in which a blob's bytes go there. */
#define BLOB_EXTENTS_MAX 24
struct blob_extent {
    uint64_t offset;
    uint64_t size_bytes;
};
struct blob_room {
    uint64_t reservation;
    uint32_t extent_count;
    struct blob_extent extent[BLOB_EXTENTS_MAX];
};
MUST_USE status_t blob_reserve(uint64_t size_bytes, struct blob_room *out);
MUST_USE status_t blob_commit(uint64_t reservation, uint64_t data_bytes,
                              const uint8_t name[BLOB_HASH_SIZE]);
void blob_abort(uint64_t reservation);

/* The blob after the one at *cursor, which starts at 0 and is moved; NOT_FOUND at the end. */
struct blob_listed {
    uint64_t size_bytes;
    uint32_t users; /* containers */
    uint8_t name[BLOB_HASH_SIZE];
};
MUST_USE status_t blob_next(uint64_t *cursor, struct blob_listed *out);

MUST_USE status_t blob_remove(const uint8_t name[BLOB_HASH_SIZE]); /* BUSY: in use */
MUST_USE status_t blob_synchronise(void);

struct blob_statistics {
    uint64_t store_bytes;
    uint64_t store_free_bytes;
    uint64_t cache_bytes;
    uint64_t blocks_read;
};
MUST_USE status_t blob_statistics(struct blob_statistics *out);
