#include "services/storage/fetch.h"

#include "lib/base/string.h"
#include "lib/oak/service.h"
#include "services/storage/backend.h"
#include "services/storage/tree_cache.h"

#define WAITERS_MAX        4096
#define READ_AHEAD_MAX     4 /* clusters behind the first that one call may ask for */
#define READ_AHEAD_RESERVE 3 /* fetches that read-ahead leaves for those who wait */
#define CACHE_MARGIN_BYTES (64 * 1024)

_Static_assert(CLUSTER_BLOCKS < BACKEND_FETCH_PAGES, "data and one tree block fit");
_Static_assert(BLOB_HASHES_PER_BLOCK % CLUSTER_BLOCKS == 0, "one tree block proves a cluster");

/* A call that waits for a cluster. */
struct waiter {
    struct waiter *next;
    struct blob *blob;
    uint64_t cluster;
    uint64_t token;
};

struct fetch {
    struct blob *blob; /* NULL: free */
    uint64_t cluster;
    uint32_t blocks;
    bool walking;   /* down the tree; otherwise reading data */
    uint32_t level; /* walking: of the block being read */
    uint32_t done;  /* reading: blocks read so far, and in this transfer */
    uint32_t reading;
    uint8_t hashes[CLUSTER_BLOCKS][BLOB_HASH_SIZE];
    struct waiter *waiters;
};

static struct fetch fetches[BACKEND_FETCHES];
static struct waiter waiter_pool[WAITERS_MAX];
static uint32_t waiters_made;
static struct waiter *waiters_free;
static struct waiter *queue_first; /* wait for a free fetch */
static struct waiter **queue_end = &queue_first;
static uint64_t blocks_read;

uint64_t fetch_blocks_read(void)
{
    return blocks_read;
}

static uint32_t fetch_index(const struct fetch *fetch)
{
    return (uint32_t)(fetch - fetches);
}

static uint32_t fetch_page(const struct fetch *fetch)
{
    return fetch_index(fetch) * BACKEND_FETCH_PAGES;
}

static uint32_t fetch_tree_page(const struct fetch *fetch)
{
    return fetch_page(fetch) + CLUSTER_BLOCKS;
}

static uint64_t fetch_first_block(const struct fetch *fetch)
{
    return fetch->cluster * CLUSTER_BLOCKS;
}

/* --- Waiters --- */

static struct waiter *waiter_make(struct blob *blob, uint64_t cluster, uint64_t token)
{
    struct waiter *waiter = waiters_free;
    if (waiter != NULL) {
        waiters_free = waiter->next;
    } else if (waiters_made < WAITERS_MAX) {
        waiter = &waiter_pool[waiters_made++];
    } else {
        return NULL;
    }
    *waiter = (struct waiter){.blob = blob, .cluster = cluster, .token = token};
    return waiter;
}

static void waiter_answer(struct waiter *waiter, status_t status)
{
    backend_answer(waiter->token, status);
    waiter->next = waiters_free;
    waiters_free = waiter;
}

/* --- The life of a fetch --- */

static void fetch_end(struct fetch *fetch, status_t status)
{
    struct waiter *waiter = fetch->waiters;
    fetch->blob->fetches--;
    *fetch = (struct fetch){0};
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        waiter_answer(waiter, status);
        waiter = next;
    }
}

/* Read `count` blocks of the blob from the index-th on into the page. */
static void fetch_read(struct fetch *fetch, uint64_t index, uint32_t count, uint32_t page)
{
    uint64_t block;
    uint64_t run;
    status_t status = extent_list_find(&fetch->blob->extents, index, &block, &run);
    if (status == STATUS_OK) {
        fetch->reading = (uint32_t)MIN(run, (uint64_t)count);
        status = backend_submit(BACKEND_READ, block, page, fetch->reading, fetch_index(fetch));
    }
    if (status != STATUS_OK) {
        fetch_end(fetch, STATUS_IO_ERROR);
    }
}

static void fetch_read_data(struct fetch *fetch)
{
    fetch_read(fetch, fetch_first_block(fetch) + fetch->done, fetch->blocks - fetch->done,
               fetch_page(fetch) + fetch->done);
}

/* From the lowest tree block that is cached, one step down; from level 0 on to the data. */
static void fetch_walk(struct fetch *fetch)
{
    const struct tree_shape *shape = &fetch->blob->shape;
    uint64_t first = fetch_first_block(fetch);
    for (uint32_t level = 0; level < shape->levels; level++) {
        const uint8_t *block = tree_cache_find(fetch->blob->index, level, tree_index(level, first));
        if (block != NULL && level == 0) {
            memcpy(fetch->hashes, tree_hash(block, 0, first), sizeof(fetch->hashes));
            fetch->walking = false;
            fetch_read_data(fetch);
            return;
        }
        fetch->level = level;
        if (block != NULL) {
            fetch->level = level - 1;
            break;
        }
    }
    fetch_read(fetch, shape->level_start[fetch->level] + tree_index(fetch->level, first), 1,
               fetch_tree_page(fetch));
}

/* Whether what proves the tree block just copied is at hand, and proves it. */
static bool tree_block_proved(const struct fetch *fetch, const uint8_t *block, bool *out_known)
{
    const struct blob *blob = fetch->blob;
    *out_known = true;
    if (fetch->level + 1 == blob->shape.levels) {
        return tree_top_matches(&blob->shape, block, blob->name);
    }
    uint64_t first = fetch_first_block(fetch);
    const uint8_t *parent =
        tree_cache_find(blob->index, fetch->level + 1, tree_index(fetch->level + 1, first));
    *out_known = parent != NULL;
    return parent != NULL && tree_block_matches(block, tree_hash(parent, fetch->level + 1, first));
}

/* A tree block has come: copied first, checked then. If its parent was dropped from the cache
 * meanwhile, the walk begins again. */
static void fetch_take_tree(struct fetch *fetch)
{
    uint8_t copy[BLOB_BLOCK_SIZE];
    memcpy(copy, backend_page(fetch_tree_page(fetch)), sizeof(copy));
    bool known;
    bool proved = tree_block_proved(fetch, copy, &known);
    if (known && !proved) {
        fetch_end(fetch, STATUS_CORRUPT);
        return;
    }
    if (proved) {
        memcpy(tree_cache_prepare(), copy, sizeof(copy));
        tree_cache_commit(fetch->blob->index, fetch->level,
                          tree_index(fetch->level, fetch_first_block(fetch)));
    }
    fetch_walk(fetch);
}

static bool data_matches(const struct fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->blocks; i++) {
        if (!tree_block_matches(backend_page(fetch_page(fetch) + i), fetch->hashes[i])) {
            return false;
        }
    }
    return true;
}

static status_t fetch_deliver(const struct fetch *fetch)
{
    if (!data_matches(fetch)) {
        return STATUS_CORRUPT;
    }
    struct blob *blob = fetch->blob;
    if (!blob_make_room(CLUSTER_BYTES + CACHE_MARGIN_BYTES)) {
        return STATUS_NO_MEMORY;
    }
    status_t status = backend_memory_give(blob->memory, fetch->cluster * CLUSTER_BYTES,
                                          fetch_page(fetch), fetch->blocks);
    if (status == STATUS_OK) {
        blob_set_resident(blob, fetch->cluster);
    }
    return status;
}

static void fetch_start(struct fetch *fetch, struct blob *blob, uint64_t cluster,
                        struct waiter *waiter)
{
    *fetch = (struct fetch){.blob = blob,
                            .cluster = cluster,
                            .blocks = blob_cluster_blocks(blob, cluster),
                            .walking = true,
                            .waiters = waiter};
    blob->fetches++;
    fetch_walk(fetch);
}

/* --- Who gets which fetch --- */

static struct fetch *fetch_of(const struct blob *blob, uint64_t cluster)
{
    for (uint32_t i = 0; i < BACKEND_FETCHES; i++) {
        if (fetches[i].blob == blob && fetches[i].cluster == cluster) {
            return &fetches[i];
        }
    }
    return NULL;
}

static struct fetch *fetch_free(uint32_t reserve)
{
    struct fetch *found = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < BACKEND_FETCHES; i++) {
        if (fetches[i].blob == NULL) {
            found = &fetches[i];
            count++;
        }
    }
    return count > reserve ? found : NULL;
}

/* True when the waiter was dealt with: answered, or hung on a fetch. */
static bool waiter_place(struct waiter *waiter)
{
    if (blob_is_resident(waiter->blob, waiter->cluster)) {
        waiter_answer(waiter, STATUS_OK);
        return true;
    }
    struct fetch *fetch = fetch_of(waiter->blob, waiter->cluster);
    if (fetch != NULL) {
        waiter->next = fetch->waiters;
        fetch->waiters = waiter;
        return true;
    }
    fetch = fetch_free(0);
    if (fetch == NULL) {
        return false;
    }
    waiter->next = NULL;
    fetch_start(fetch, waiter->blob, waiter->cluster, waiter);
    return true;
}

/* The queue holds its blobs by `fetches`, so that none is forgotten while a call waits for it. */
static void queue_run(void)
{
    while (queue_first != NULL) {
        struct waiter *waiter = queue_first;
        struct waiter *next = waiter->next;
        struct blob *blob = waiter->blob;
        if (!waiter_place(waiter)) {
            return;
        }
        blob->fetches--;
        queue_first = next;
        if (queue_first == NULL) {
            queue_end = &queue_first;
        }
    }
}

static void read_ahead(struct blob *blob, uint64_t first, uint64_t last)
{
    for (uint64_t cluster = first; cluster <= last; cluster++) {
        if (blob_is_resident(blob, cluster) || fetch_of(blob, cluster) != NULL) {
            continue;
        }
        struct fetch *fetch = fetch_free(READ_AHEAD_RESERVE);
        if (fetch == NULL) {
            return;
        }
        fetch_start(fetch, blob, cluster, NULL);
    }
}

static status_t cluster_await(struct blob *blob, uint64_t cluster, uint64_t token)
{
    struct waiter *waiter = waiter_make(blob, cluster, token);
    if (waiter == NULL) {
        return STATUS_LIMIT_REACHED;
    }
    if (queue_first == NULL && waiter_place(waiter)) {
        return STATUS_DEFERRED;
    }
    blob->fetches++;
    *queue_end = waiter;
    queue_end = &waiter->next;
    return STATUS_DEFERRED;
}

status_t fetch_page_in(struct blob *blob, uint64_t offset_bytes, uint64_t size_bytes,
                       uint64_t token)
{
    uint64_t blob_bytes = blob->shape.data_blocks * BLOB_BLOCK_SIZE;
    if (offset_bytes >= blob_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    uint64_t last_byte = offset_bytes + MIN(MAX(size_bytes, 1ull), blob_bytes - offset_bytes) - 1;
    uint64_t first = offset_bytes / CLUSTER_BYTES;
    uint64_t last = MIN(last_byte / CLUSTER_BYTES, first + READ_AHEAD_MAX);
    status_t status = STATUS_OK;
    if (!blob_is_resident(blob, first)) {
        status = cluster_await(blob, first, token);
    }
    read_ahead(blob, first + 1, last);
    return status;
}

static void fetch_advance(struct fetch *fetch, status_t status)
{
    if (status != STATUS_OK) {
        fetch_end(fetch, status);
        return;
    }
    blocks_read += fetch->reading;
    if (fetch->walking) {
        fetch_take_tree(fetch);
        return;
    }
    fetch->done += fetch->reading;
    if (fetch->done < fetch->blocks) {
        fetch_read_data(fetch);
        return;
    }
    fetch_end(fetch, fetch_deliver(fetch));
}

void fetch_complete(uint64_t cookie, status_t status)
{
    struct fetch *fetch = &fetches[cookie];
    if (fetch->blob != NULL) {
        fetch_advance(fetch, status);
        queue_run();
    }
}
