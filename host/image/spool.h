/*
 * A temporary data file without a name, in the state directory: the kernel takes it back when the
 * process ends, however that happens. File contents of an image wait here between their layer and
 * the blob, each at an offset aligned to a block; what is beyond a content's end in its last block
 * reads as zeros.
 */
#pragma once

#include "host/image/problem.h"

#define SPOOL_BLOCK_BYTES 4096

struct spool {
    int fd;
    uint64_t end; /* next free offset */
};

/* In the directory that directory_fd is open on. */
MUST_USE status_t spool_open(struct spool *spool, int directory_fd, struct problem *problem);
void spool_close(struct spool *spool);

/* The place of a content of that size; costs nothing until it is written. */
uint64_t spool_reserve(struct spool *spool, uint64_t size_bytes);
MUST_USE status_t spool_write(struct spool *spool, uint64_t offset, const void *bytes,
                              size_t length_bytes, struct problem *problem);
/* Reads exactly that much; what was never written is zeros. */
MUST_USE status_t spool_read(const struct spool *spool, uint64_t offset, void *bytes,
                             size_t length_bytes, struct problem *problem);
/* Gives the room of a content back to the host's file system. */
void spool_discard(struct spool *spool, uint64_t offset, uint64_t size_bytes);
