#include "services/storage/blob.h"

#include "abi/storage.h"
#include "lib/base/string.h"
#include "lib/oak/heap.h"
#include "services/storage/backend.h"
#include "services/storage/tree_cache.h"

#define HANDLE_INDEX_BITS 16
_Static_assert(OPENERS_MAX <= 1 << HANDLE_INDEX_BITS, "handles fit");

static struct blob blobs[BLOBS_MAX];
static struct opener openers[OPENERS_MAX];
static uint64_t last_generation;
static uint32_t opener_next; /* where the search for a free one goes on */
static uint32_t evict_next;

/* --- Blobs --- */

struct blob *blob_of_entry(uint32_t entry)
{
    for (uint32_t i = 0; i < BLOBS_MAX; i++) {
        if (blobs[i].used && blobs[i].entry == entry) {
            return &blobs[i];
        }
    }
    return NULL;
}

status_t blob_forget(struct blob *blob)
{
    if (blob->openers > 0 || blob->fetches > 0) {
        return STATUS_BUSY;
    }
    backend_memory_destroy(blob->memory);
    tree_cache_drop(blob->index);
    heap_free(blob->resident);
    *blob = (struct blob){0};
    return STATUS_OK;
}

/* A free struct blob, if need be by forgetting one that nobody has open. */
static struct blob *blob_place(void)
{
    for (uint32_t i = 0; i < BLOBS_MAX; i++) {
        if (!blobs[i].used) {
            return &blobs[i];
        }
    }
    for (uint32_t i = 0; i < BLOBS_MAX; i++) {
        if (blob_forget(&blobs[i]) == STATUS_OK) {
            return &blobs[i];
        }
    }
    return NULL;
}

static status_t blob_load(const struct catalog *catalog, uint32_t entry, struct blob **out)
{
    struct blob *blob = blob_place();
    if (blob == NULL) {
        return STATUS_LIMIT_REACHED;
    }
    struct blob made = {.used = true, .index = (uint32_t)(blob - blobs), .entry = entry};
    const struct catalog_entry *stored = &catalog->entry[entry];
    status_t status = tree_shape_of(stored->data_bytes, &made.shape);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(made.name, stored->name, sizeof(made.name));
    catalog_extents(stored, &made.extents);
    made.clusters = (made.shape.data_blocks + CLUSTER_BLOCKS - 1) / CLUSTER_BLOCKS;
    uint64_t words = (made.clusters + CLUSTERS_PER_WORD - 1) / CLUSTERS_PER_WORD;
    made.resident = heap_allocate_zeroed(words * sizeof(*made.resident));
    if (made.resident == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = backend_memory_create(made.shape.data_blocks * BLOB_BLOCK_SIZE, &made.memory);
    if (status != STATUS_OK) {
        heap_free(made.resident);
        return status;
    }
    *blob = made;
    *out = blob;
    return STATUS_OK;
}

bool blob_is_resident(const struct blob *blob, uint64_t cluster)
{
    return (blob->resident[cluster / CLUSTERS_PER_WORD] >> cluster % CLUSTERS_PER_WORD & 1) != 0;
}

void blob_set_resident(struct blob *blob, uint64_t cluster)
{
    blob->resident[cluster / CLUSTERS_PER_WORD] |= 1ull << cluster % CLUSTERS_PER_WORD;
    blob->resident_clusters++;
}

uint32_t blob_cluster_blocks(const struct blob *blob, uint64_t cluster)
{
    return (uint32_t)MIN((uint64_t)CLUSTER_BLOCKS,
                         blob->shape.data_blocks - cluster * CLUSTER_BLOCKS);
}

/* --- Handles --- */

void blob_start(uint64_t first_generation)
{
    last_generation = first_generation;
}

struct opener *blob_opener(uint64_t handle)
{
    uint64_t index = handle & ((1 << HANDLE_INDEX_BITS) - 1);
    if (index >= OPENERS_MAX || openers[index].blob == NULL ||
        openers[index].generation != handle >> HANDLE_INDEX_BITS) {
        return NULL;
    }
    return &openers[index];
}

static struct opener *opener_place(void)
{
    for (uint32_t i = 0; i < OPENERS_MAX; i++) {
        uint32_t index = (opener_next + i) % OPENERS_MAX;
        if (openers[index].blob == NULL) {
            opener_next = index + 1;
            return &openers[index];
        }
    }
    return NULL;
}

status_t blob_open(const struct catalog *catalog, uint32_t entry, uint64_t *out_handle)
{
    struct opener *opener = opener_place();
    if (opener == NULL) {
        return STATUS_LIMIT_REACHED;
    }
    struct blob *blob = blob_of_entry(entry);
    if (blob == NULL) {
        status_t status = blob_load(catalog, entry, &blob);
        if (status != STATUS_OK) {
            return status;
        }
    }
    uint64_t generation = last_generation + 1;
    uint64_t handle = generation << HANDLE_INDEX_BITS | (uint64_t)(opener - openers);
    struct opener made = {.blob = blob, .generation = generation};
    status_t status = backend_open(blob->memory, blob->shape.data_blocks * BLOB_BLOCK_SIZE,
                                   STORAGE_BADGE_BLOB + handle, &made.view, &made.gate);
    if (status != STATUS_OK) {
        return status;
    }
    *opener = made;
    last_generation = generation;
    blob->openers++;
    *out_handle = handle;
    return STATUS_OK;
}

void blob_close(struct opener *opener)
{
    backend_close(opener->view, opener->gate);
    opener->blob->openers--;
    opener->blob = NULL;
}

/* --- Eviction --- */

/* Drop one resident cluster of the blob, the next one behind its hand. */
static void cluster_evict(struct blob *blob)
{
    while (!blob_is_resident(blob, blob->hand % blob->clusters)) {
        blob->hand++;
    }
    uint64_t cluster = blob->hand++ % blob->clusters;
    backend_memory_discard(blob->memory, cluster * CLUSTER_BYTES,
                           blob_cluster_blocks(blob, cluster) * (uint64_t)BLOB_BLOCK_SIZE);
    blob->resident[cluster / CLUSTERS_PER_WORD] &= ~(1ull << cluster % CLUSTERS_PER_WORD);
    blob->resident_clusters--;
}

/* A blob to take from: one that nobody has open if there is one, else each in turn. */
static struct blob *blob_to_evict(void)
{
    struct blob *found = NULL;
    for (uint32_t i = 0; i < BLOBS_MAX; i++) {
        struct blob *blob = &blobs[(evict_next + i) % BLOBS_MAX];
        if (!blob->used || blob->resident_clusters == 0) {
            continue;
        }
        if (blob->openers == 0) {
            return blob;
        }
        if (found == NULL) {
            found = blob;
        }
    }
    if (found != NULL) {
        evict_next = found->index + 1;
    }
    return found;
}

bool blob_make_room(uint64_t bytes)
{
    while (backend_cache_room() < bytes) {
        struct blob *blob = blob_to_evict();
        if (blob == NULL) {
            return false;
        }
        cluster_evict(blob);
    }
    return true;
}
