/*
 * What the store's logic stands on: the disk, pages that the disk can reach, the memories that
 * clients map, and the kernel's calls. backend.c implements it on Oak; the unit tests on a
 * simulated disk.
 */
#pragma once

#include "lib/base/types.h"

/* The DMA pages, by number: each fetch has a range, and updates have one. */
#define BACKEND_FETCHES      10
#define BACKEND_FETCH_PAGES  9
#define BACKEND_UPDATE_FIRST (BACKEND_FETCHES * BACKEND_FETCH_PAGES)
#define BACKEND_UPDATE_PAGES 16
#define BACKEND_PAGES        (BACKEND_UPDATE_FIRST + BACKEND_UPDATE_PAGES)

enum backend_operation {
    BACKEND_READ,
    BACKEND_WRITE,
    BACKEND_FLUSH,
};

uint64_t backend_disk_blocks(void);

/* A DMA page as we see it. The device can change it at any time while it holds it. */
uint8_t *backend_page(uint32_t page);

/* Start a transfer between disk blocks and DMA pages; store_complete(cookie) will follow. */
MUST_USE status_t backend_submit(enum backend_operation operation, uint64_t block, uint32_t page,
                                 uint32_t count, uint64_t cookie);

/* For mounting only: wait until the one transfer in flight is complete. */
MUST_USE status_t backend_wait(void);

/* The memory of a blob's pages, charged to the page cache. */
MUST_USE status_t backend_memory_create(uint64_t size_bytes, uint32_t *out_memory);
void backend_memory_destroy(uint32_t memory);

/* Move DMA pages into a memory (their contents are then immutable), and put new ones in their
 * place. */
MUST_USE status_t backend_memory_give(uint32_t memory, uint64_t offset_bytes, uint32_t page,
                                      uint32_t count);
void backend_memory_discard(uint32_t memory, uint64_t offset_bytes, uint64_t size_bytes);

/* What one opener holds: a view of the memory and a gate with that badge; slots of ours. */
MUST_USE status_t backend_open(uint32_t memory, uint64_t size_bytes, uint64_t badge,
                               uint32_t *out_view, uint32_t *out_gate);
void backend_close(uint32_t view, uint32_t gate);

/* Bytes that the page cache may still grow by, and those it has now. */
uint64_t backend_cache_room(void);
uint64_t backend_cache_bytes(void);

/* Answer a deferred call. */
void backend_answer(uint64_t token, status_t status);
