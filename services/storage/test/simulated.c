#include "services/storage/test/simulated.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/sha256.h"
#include "lib/base/test/check.h"
#include "lib/oak/heap.h"
#include "lib/oak/service.h"
#include "services/storage/handlers.h"

#define TRANSFERS_MAX 16
#define SECTOR_BYTES  512

struct transfer {
    enum backend_operation operation;
    uint64_t block;
    uint32_t page;
    uint32_t count;
    uint64_t cookie;
};

struct simulated_disk *simulated_disk;
struct simulated_memory simulated_memory[SIMULATED_MEMORIES];
uint64_t simulated_cache_limit = UINT64_MAX;
uint32_t simulated_fail_percent;
int64_t simulated_crash_after = -1;
status_t simulated_answer[SIMULATED_ANSWERS];

static struct transfer transfers[TRANSFERS_MAX];
static uint32_t transfer_count;
static uint8_t pages[BACKEND_PAGES][BLOB_BLOCK_SIZE];
static uint64_t cache_bytes;
static bool dirty[SIMULATED_BLOCKS];

void simulated_start(void)
{
    if (simulated_disk == NULL) {
        simulated_disk = mmap(NULL, sizeof(*simulated_disk), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(simulated_disk != MAP_FAILED);
    }
    for (size_t i = 0; i < SIMULATED_ANSWERS; i++) {
        simulated_answer[i] = STATUS_DEFERRED;
    }
}

/* --- The disk --- */

uint64_t backend_disk_blocks(void)
{
    return SIMULATED_BLOCKS;
}

uint8_t *backend_page(uint32_t page)
{
    CHECK(page < BACKEND_PAGES);
    return pages[page];
}

status_t backend_submit(enum backend_operation operation, uint64_t block, uint32_t page,
                        uint32_t count, uint64_t cookie)
{
    CHECK(transfer_count < TRANSFERS_MAX);
    CHECK(page + count <= BACKEND_PAGES);
    CHECK(range_inside(block, count, SIMULATED_BLOCKS));
    if (simulated_crash_after >= 0 && simulated_crash_after-- == 0) {
        simulated_crash();
        _exit(0);
    }
    transfers[transfer_count++] = (struct transfer){operation, block, page, count, cookie};
    return STATUS_OK;
}

static void flush(void)
{
    memcpy(simulated_disk->durable, simulated_disk->seen, sizeof(simulated_disk->durable));
    memset(dirty, 0, sizeof(dirty));
}

static status_t transfer_do(const struct transfer *transfer)
{
    if ((uint32_t)rand() % 100 < simulated_fail_percent) {
        return STATUS_IO_ERROR;
    }
    if (transfer->operation == BACKEND_FLUSH) {
        flush();
    }
    for (uint32_t i = 0; i < transfer->count; i++) {
        uint8_t *block = simulated_disk->seen[transfer->block + i];
        if (transfer->operation == BACKEND_READ) {
            memcpy(pages[transfer->page + i], block, BLOB_BLOCK_SIZE);
        } else {
            memcpy(block, pages[transfer->page + i], BLOB_BLOCK_SIZE);
            dirty[transfer->block + i] = true;
        }
    }
    return STATUS_OK;
}

static struct transfer transfer_pick(void)
{
    uint32_t which = (uint32_t)rand() % transfer_count;
    struct transfer transfer = transfers[which];
    transfers[which] = transfers[--transfer_count];
    return transfer;
}

bool simulated_complete(void)
{
    if (transfer_count == 0) {
        return false;
    }
    struct transfer transfer = transfer_pick();
    handlers_complete(transfer.cookie, transfer_do(&transfer));
    return true;
}

void simulated_complete_all(void)
{
    while (simulated_complete()) {
    }
}

status_t backend_wait(void)
{
    CHECK(transfer_count == 1);
    struct transfer transfer = transfer_pick();
    return transfer_do(&transfer);
}

void simulated_crash(void)
{
    for (uint32_t i = 0; i < transfer_count; i++) {
        if (transfers[i].operation == BACKEND_WRITE && rand() % 2 == 0) {
            (void)transfer_do(&transfers[i]);
        }
    }
    for (uint32_t block = 0; block < SIMULATED_BLOCKS; block++) {
        for (uint32_t at = 0; dirty[block] && at < BLOB_BLOCK_SIZE; at += SECTOR_BYTES) {
            if (rand() % 2 == 0) {
                memcpy(simulated_disk->durable[block] + at, simulated_disk->seen[block] + at,
                       SECTOR_BYTES);
            }
        }
    }
    memcpy(simulated_disk->seen, simulated_disk->durable, sizeof(simulated_disk->seen));
}

/* --- Memories --- */

status_t backend_memory_create(uint64_t size_bytes, uint32_t *out_memory)
{
    for (uint32_t i = 0; i < SIMULATED_MEMORIES; i++) {
        struct simulated_memory *memory = &simulated_memory[i];
        if (memory->used) {
            continue;
        }
        memory->used = true;
        memory->pages = size_bytes / BLOB_BLOCK_SIZE;
        memory->bytes = calloc(memory->pages, BLOB_BLOCK_SIZE);
        memory->present = calloc(memory->pages, sizeof(bool));
        *out_memory = i;
        return STATUS_OK;
    }
    return STATUS_NO_MEMORY;
}

void backend_memory_discard(uint32_t memory, uint64_t offset_bytes, uint64_t size_bytes)
{
    struct simulated_memory *it = &simulated_memory[memory];
    CHECK(it->used &&
          range_inside(offset_bytes, size_bytes, it->pages * (uint64_t)BLOB_BLOCK_SIZE));
    for (uint64_t page = offset_bytes / BLOB_BLOCK_SIZE;
         page < (offset_bytes + size_bytes) / BLOB_BLOCK_SIZE; page++) {
        cache_bytes -= it->present[page] ? BLOB_BLOCK_SIZE : 0;
        it->present[page] = false;
        memset(it->bytes + page * BLOB_BLOCK_SIZE, 0xdd, BLOB_BLOCK_SIZE);
    }
}

void backend_memory_destroy(uint32_t memory)
{
    struct simulated_memory *it = &simulated_memory[memory];
    backend_memory_discard(memory, 0, it->pages * BLOB_BLOCK_SIZE);
    free(it->bytes);
    free(it->present);
    *it = (struct simulated_memory){0};
}

status_t backend_memory_give(uint32_t memory, uint64_t offset_bytes, uint32_t page, uint32_t count)
{
    struct simulated_memory *it = &simulated_memory[memory];
    CHECK(it->used && page + count <= BACKEND_PAGES);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t place = offset_bytes / BLOB_BLOCK_SIZE + i;
        CHECK(place < it->pages && !it->present[place]);
        memcpy(it->bytes + place * BLOB_BLOCK_SIZE, pages[page + i], BLOB_BLOCK_SIZE);
        it->present[place] = true;
        memset(pages[page + i], 0, BLOB_BLOCK_SIZE);
        cache_bytes += BLOB_BLOCK_SIZE;
    }
    CHECK(cache_bytes <= simulated_cache_limit);
    return STATUS_OK;
}

status_t backend_open(uint32_t memory, uint64_t size_bytes, uint64_t badge, uint32_t *out_view,
                      uint32_t *out_gate)
{
    CHECK(simulated_memory[memory].used && badge != 0);
    CHECK(size_bytes == simulated_memory[memory].pages * (uint64_t)BLOB_BLOCK_SIZE);
    *out_view = memory + 1;
    *out_gate = 1000;
    return STATUS_OK;
}

void backend_close(uint32_t view, uint32_t gate)
{
    CHECK(view != 0 && gate == 1000);
}

uint64_t backend_cache_room(void)
{
    return simulated_cache_limit - cache_bytes;
}

uint64_t backend_cache_bytes(void)
{
    return cache_bytes;
}

void backend_answer(uint64_t token, status_t status)
{
    CHECK(token < SIMULATED_ANSWERS && simulated_answer[token] == STATUS_DEFERRED);
    simulated_answer[token] = status;
}

/* --- What the logic takes from lib/oak --- */

void *heap_allocate_zeroed(size_t size_bytes)
{
    return calloc(1, size_bytes);
}

void heap_free(void *block)
{
    free(block);
}

bool service_request_matches(const struct service_call *call, uint32_t bytes, uint32_t capabilities)
{
    return MESSAGE_WORD_COUNT(call->header) == (bytes + 7) / 8 &&
           MESSAGE_CAPABILITY_COUNT(call->header) == capabilities;
}

void service_put_reply(struct service_call *call, const void *reply, uint32_t bytes,
                       const uint32_t *slots, uint32_t count)
{
    memcpy(call->reply, reply, bytes);
    memcpy(call->send, slots, count * sizeof(*slots));
}

void service_answer_with(uint32_t endpoint, uint64_t token, const void *reply, uint32_t bytes,
                         const uint32_t *slots, uint32_t count)
{
    (void)endpoint, (void)token, (void)reply, (void)bytes, (void)slots, (void)count;
}

status_t call_gate(uint64_t gate, const struct call *call)
{
    (void)gate, (void)call;
    return STATUS_NOT_SUPPORTED;
}

/* --- Blobs --- */

struct simulated_blob simulated_blob_make(uint64_t data_bytes, unsigned int seed)
{
    struct simulated_blob blob;
    CHECK(tree_shape_of(data_bytes, &blob.shape) == STATUS_OK);
    blob.bytes = calloc(blob.shape.total_blocks, BLOB_BLOCK_SIZE);
    for (uint64_t i = 0; i < data_bytes; i++) {
        blob.bytes[i] = (uint8_t)rand_r(&seed);
    }
    uint64_t below = 0;
    uint64_t below_count = blob.shape.data_blocks;
    for (uint32_t level = 0; level < blob.shape.levels; level++) {
        uint8_t *hashes = blob.bytes + blob.shape.level_start[level] * BLOB_BLOCK_SIZE;
        for (uint64_t i = 0; i < below_count; i++) {
            sha256_of(blob.bytes + (below + i) * BLOB_BLOCK_SIZE, BLOB_BLOCK_SIZE,
                      hashes + i * BLOB_HASH_SIZE);
        }
        below = blob.shape.level_start[level];
        below_count = blob.shape.level_blocks[level];
    }
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, blob.bytes + below * BLOB_BLOCK_SIZE, BLOB_BLOCK_SIZE);
    sha256_update(&hash, &data_bytes, sizeof(data_bytes));
    sha256_final(&hash, blob.name);
    return blob;
}

void simulated_blob_free(struct simulated_blob *blob)
{
    free(blob->bytes);
    blob->bytes = NULL;
}
