/*
 * The backend of the unit tests: a disk in memory whose transfers complete when the test says so,
 * in any order, whose writes are lost or torn by a crash until a flush, and memories that know
 * which of their pages are present.
 */
#pragma once

#include "services/storage/backend.h"
#include "services/storage/tree.h"

#define SIMULATED_BLOCKS   1600
#define SIMULATED_MEMORIES 64
#define SIMULATED_ANSWERS  65536

struct simulated_memory {
    bool used;
    uint64_t pages;
    uint8_t *bytes;
    bool *present;
};

/* The disk: what is durable, and what a crash may still take back. Shared with forked children. */
struct simulated_disk {
    uint8_t durable[SIMULATED_BLOCKS][BLOB_BLOCK_SIZE];
    uint8_t seen[SIMULATED_BLOCKS][BLOB_BLOCK_SIZE];
};

extern struct simulated_disk *simulated_disk;
extern struct simulated_memory simulated_memory[SIMULATED_MEMORIES];
extern uint64_t simulated_cache_limit;
extern uint32_t simulated_fail_percent; /* of transfers that end with IO_ERROR */
extern int64_t simulated_crash_after;   /* transfers until the process ends; negative: never */
extern status_t simulated_answer[SIMULATED_ANSWERS]; /* by token; STATUS_DEFERRED: none yet */

void simulated_start(void);

/* Complete one transfer that is in flight, picked at random. False when there is none. */
bool simulated_complete(void);
void simulated_complete_all(void);

/* Power fails: of each sector written since the last flush, some are on the disk. */
void simulated_crash(void);

/* A blob of pseudo-random data with its tree, as the host would write it. */
struct simulated_blob {
    struct tree_shape shape;
    uint8_t *bytes; /* total_blocks */
    uint8_t name[BLOB_HASH_SIZE];
};
struct simulated_blob simulated_blob_make(uint64_t data_bytes, unsigned int seed);
void simulated_blob_free(struct simulated_blob *blob);
