/*
 * Paging in. A fetch brings one cluster of a blob from the disk: it walks the hash tree down to the
 * cluster (reading what tree_cache lacks), reads the data, verifies every block, and moves the
 * pages into the blob's memory. Many are in flight; each has one transfer at a time and its own DMA
 * pages, so a slow one holds up only those who wait for it. Calls that wait hang on their fetch, or
 * in a queue, first come first served, when all fetches are busy.
 */
#pragma once

#include "services/storage/blob.h"

/* OK when the first page is resident already; otherwise STATUS_DEFERRED, and the call with that
 * token is answered later. OUT_OF_RANGE, LIMIT_REACHED. */
MUST_USE status_t fetch_page_in(struct blob *blob, uint64_t offset_bytes, uint64_t size_bytes,
                                uint64_t token);

/* The transfer with that cookie (below BACKEND_FETCHES) is complete. */
void fetch_complete(uint64_t cookie, status_t status);

uint64_t fetch_blocks_read(void);
