/*
 * Proves the service as its clients see it, over the simulated disk: pages that come in are the
 * blob's, in any order of transfers and with a cache of a few clusters; a changed block of data or
 * of any tree level is CORRUPT for those who need it and nobody else; a failing disk is IO_ERROR;
 * every call is answered exactly once; and no request, however malformed, does any harm.
 */
#include <string.h>

#include "abi/storage.h"
#include "lib/base/test/check.h"
#include "services/storage/blob.h"
#include "services/storage/handlers.h"
#include "services/storage/store.h"
#include "services/storage/test/simulated.h"
#include "services/storage/update.h"

static uint64_t last_token;

/* --- Calls as the loop would dispatch them --- */

static status_t call_storage(struct service_call *call, uint32_t operation, const void *request,
                             uint32_t bytes)
{
    *call = (struct service_call){.badge = STORAGE_BADGE_ENGINE, .token = ++last_token};
    call->header = MESSAGE_HEADER(operation, (bytes + 7) / 8, 0);
    if (bytes > 0) {
        memcpy(call->request, request, bytes);
    }
    status_t status = storage_dispatch(&storage_handlers, call);
    if (status == STATUS_DEFERRED) {
        simulated_complete_all();
        status = simulated_answer[last_token];
        CHECK(status != STATUS_DEFERRED);
    }
    return status;
}

static status_t load(const struct simulated_blob *blob, bool damage_top)
{
    struct service_call call;
    struct storage_blob_reserve_request reserve = {blob->shape.total_blocks * BLOB_BLOCK_SIZE};
    CHECK(call_storage(&call, STORAGE_BLOB_RESERVE, &reserve, sizeof(reserve)) == STATUS_OK);
    struct storage_blob_reserve_reply reply;
    memcpy(&reply, call.reply, sizeof(reply));
    uint64_t at = 0;
    for (uint32_t i = 0; i < reply.extents.length_bytes; i += 16) {
        uint64_t pair[2];
        memcpy(pair, reply.extents.data + i, sizeof(pair));
        memcpy(simulated_disk->seen[pair[0] / BLOB_BLOCK_SIZE], blob->bytes + at, pair[1]);
        at += pair[1];
        simulated_disk->seen[(pair[0] + pair[1]) / BLOB_BLOCK_SIZE - 1][0] ^= damage_top ? 1 : 0;
    }
    CHECK(at == blob->shape.total_blocks * BLOB_BLOCK_SIZE);
    struct storage_blob_commit_request commit = {.reservation = reply.reservation,
                                                 .data_size = blob->shape.data_bytes};
    commit.name.length_bytes = BLOB_HASH_SIZE;
    memcpy(commit.name.data, blob->name, BLOB_HASH_SIZE);
    status_t status = call_storage(&call, STORAGE_BLOB_COMMIT, &commit, 52);
    if (status != STATUS_OK) {
        struct storage_blob_abort_request abort_request = {reply.reservation};
        CHECK(call_storage(&call, STORAGE_BLOB_ABORT, &abort_request, 8) == STATUS_OK);
    }
    return status;
}

static status_t with_name(struct service_call *call, uint32_t operation, const uint8_t *name)
{
    struct storage_blob_open_request request;
    request.name.length_bytes = BLOB_HASH_SIZE;
    memcpy(request.name.data, name, BLOB_HASH_SIZE);
    return call_storage(call, operation, &request, sizeof(request));
}

static uint64_t open_blob(const struct simulated_blob *blob, uint32_t *out_memory)
{
    struct service_call call;
    CHECK(with_name(&call, STORAGE_BLOB_OPEN, blob->name) == STATUS_OK);
    struct storage_blob_open_reply reply;
    memcpy(&reply, call.reply, 16);
    CHECK(reply.size == blob->shape.data_bytes);
    *out_memory = call.send[0] - 1;
    return reply.handle;
}

static status_t close_blob(uint64_t handle)
{
    struct service_call call;
    return call_storage(&call, STORAGE_BLOB_CLOSE, &handle, sizeof(handle));
}

/* Start a page-in; the answer comes under the token that is returned. */
static uint64_t page_in(uint64_t handle, uint64_t offset, uint64_t bytes)
{
    struct service_call call = {.badge = STORAGE_BADGE_BLOB + handle, .token = ++last_token};
    call.header = MESSAGE_HEADER(BLOB_PAGE_IN, 2, 0);
    call.request[0] = offset;
    call.request[1] = bytes;
    status_t status = blob_dispatch(&blob_handlers, &call);
    if (status != STATUS_DEFERRED) {
        simulated_answer[last_token] = status;
    }
    return last_token;
}

static status_t page_in_now(uint64_t handle, uint64_t offset)
{
    uint64_t token = page_in(handle, offset, 1);
    simulated_complete_all();
    return simulated_answer[token];
}

static void check_pages(const struct simulated_blob *blob, uint32_t memory)
{
    for (uint64_t page = 0; page < blob->shape.data_blocks; page++) {
        if (simulated_memory[memory].present[page]) {
            CHECK(memcmp(simulated_memory[memory].bytes + page * BLOB_BLOCK_SIZE,
                         blob->bytes + page * BLOB_BLOCK_SIZE, BLOB_BLOCK_SIZE) == 0);
        }
    }
}

/* --- Tests --- */

static void test_small_cache(void)
{
    struct simulated_blob blobs[3] = {simulated_blob_make(4096 * 300 + 17, 1),
                                      simulated_blob_make(5, 2),
                                      simulated_blob_make(4096 * 128, 3)};
    uint64_t handle[3];
    uint32_t memory[3];
    for (int i = 0; i < 3; i++) {
        CHECK(load(&blobs[i], false) == STATUS_OK);
        handle[i] = open_blob(&blobs[i], &memory[i]);
    }
    simulated_cache_limit = 64 * 1024 + 5 * CLUSTER_BYTES;
    uint64_t first_token = last_token + 1;
    for (int round = 0; round < 3000; round++) {
        int which = rand() % 3;
        uint64_t offset = (uint64_t)rand() % (blobs[which].shape.data_blocks * BLOB_BLOCK_SIZE);
        page_in(handle[which], offset, (uint64_t)rand() % 200000);
        for (int i = rand() % 8; i > 0; i--) {
            simulated_complete();
        }
        check_pages(&blobs[which], memory[which]);
    }
    simulated_complete_all();
    for (uint64_t token = first_token; token <= last_token; token++) {
        CHECK(simulated_answer[token] == STATUS_OK);
    }
    simulated_cache_limit = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        CHECK(close_blob(handle[i]) == STATUS_OK);
        CHECK(close_blob(handle[i]) == STATUS_NOT_FOUND);
        CHECK(simulated_answer[page_in(handle[i], 0, 1)] == STATUS_CLOSED);
        struct service_call call;
        CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blobs[i].name) == STATUS_OK);
        simulated_blob_free(&blobs[i]);
    }
}

/* Where block `index` of the only blob lies on the disk. */
static uint8_t *disk_block(const struct simulated_blob *blob, uint64_t index)
{
    uint32_t entry = catalog_find(&store.catalog, blob->name);
    struct extent_list list;
    uint64_t block;
    uint64_t run;
    catalog_extents(&store.catalog.entry[entry], &list);
    CHECK(extent_list_find(&list, index, &block, &run) == STATUS_OK);
    return simulated_disk->seen[block];
}

static void test_corruption(void)
{
    struct simulated_blob blob = simulated_blob_make(4096 * 300, 4);
    struct service_call call;
    CHECK(load(&blob, true) == STATUS_CORRUPT);
    CHECK(load(&blob, false) == STATUS_OK);
    CHECK(load(&blob, false) == STATUS_OK);
    const uint64_t data = 130; /* under the second block of level 0 */
    const uint64_t damaged[] = {data, blob.shape.level_start[0] + 1, blob.shape.level_start[1]};
    for (size_t i = 0; i < ARRAY_LENGTH(damaged); i++) {
        uint32_t memory;
        uint64_t handle = open_blob(&blob, &memory);
        disk_block(&blob, damaged[i])[9] ^= 1;
        CHECK(page_in_now(handle, data * BLOB_BLOCK_SIZE) == STATUS_CORRUPT);
        CHECK(page_in_now(handle, data * BLOB_BLOCK_SIZE) == STATUS_CORRUPT);
        CHECK(!simulated_memory[memory].present[data]);
        CHECK(page_in_now(handle, 0) == (i == 2 ? STATUS_CORRUPT : STATUS_OK));
        disk_block(&blob, damaged[i])[9] ^= 1;
        CHECK(page_in_now(handle, data * BLOB_BLOCK_SIZE) == STATUS_OK);
        check_pages(&blob, memory);
        CHECK(close_blob(handle) == STATUS_OK);
        CHECK(blob_forget(blob_of_entry(catalog_find(&store.catalog, blob.name))) == STATUS_OK);
    }
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_OK);
    simulated_blob_free(&blob);
}

static void test_failing_disk(void)
{
    struct simulated_blob blob = simulated_blob_make(4096 * 300, 5);
    uint32_t memory;
    CHECK(load(&blob, false) == STATUS_OK);
    uint64_t handle = open_blob(&blob, &memory);
    simulated_fail_percent = 30;
    uint32_t good = 0;
    for (uint64_t page = 0; page < 300; page += CLUSTER_BLOCKS) {
        status_t status = page_in_now(handle, page * BLOB_BLOCK_SIZE);
        CHECK(status == STATUS_OK || status == STATUS_IO_ERROR);
        good += status == STATUS_OK;
    }
    CHECK(good > 5);
    simulated_fail_percent = 0;
    check_pages(&blob, memory);
    for (uint64_t page = 0; page < 300; page++) {
        CHECK(page_in_now(handle, page * BLOB_BLOCK_SIZE) == STATUS_OK);
    }
    check_pages(&blob, memory);
    CHECK(close_blob(handle) == STATUS_OK);
    struct service_call call;
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_OK);
    simulated_blob_free(&blob);
}

static void test_in_use(void)
{
    struct simulated_blob blob = simulated_blob_make(100000, 6);
    struct service_call call;
    uint32_t memory;
    uint32_t other;
    CHECK(with_name(&call, STORAGE_BLOB_OPEN, blob.name) == STATUS_NOT_FOUND);
    CHECK(load(&blob, false) == STATUS_OK);
    uint64_t one = open_blob(&blob, &memory);
    uint64_t two = open_blob(&blob, &other);
    CHECK(memory == other && one != two);
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_BUSY);
    uint64_t token = page_in(one, 0, 1);
    CHECK(close_blob(one) == STATUS_OK);
    simulated_complete_all();
    CHECK(simulated_answer[token] == STATUS_OK);
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_BUSY);
    CHECK(close_blob(two) == STATUS_OK);
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_OK);
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_NOT_FOUND);
    CHECK(store.map.free_blocks == SIMULATED_BLOCKS - CATALOG_DATA_START);
    simulated_blob_free(&blob);
}

static void test_one_cluster_many_callers(void)
{
    struct simulated_blob blob = simulated_blob_make(4096 * 200, 7);
    struct service_call call;
    uint32_t memory;
    CHECK(load(&blob, false) == STATUS_OK);
    uint64_t handle = open_blob(&blob, &memory);
    uint64_t first = last_token + 1;
    for (uint64_t i = 0; i < 5000; i++) {
        page_in(handle, i % 200 * BLOB_BLOCK_SIZE, UINT64_MAX);
    }
    simulated_complete_all();
    uint64_t refused = 0;
    for (uint64_t token = first; token <= last_token; token++) {
        CHECK(simulated_answer[token] == STATUS_OK ||
              simulated_answer[token] == STATUS_LIMIT_REACHED);
        refused += simulated_answer[token] != STATUS_OK;
    }
    CHECK(refused > 0 && refused < 1000);
    CHECK(close_blob(handle) == STATUS_OK);
    CHECK(with_name(&call, STORAGE_BLOB_REMOVE, blob.name) == STATUS_OK);
    simulated_blob_free(&blob);
}

/* Any operation, any words, any badge; then the service still serves. */
static void test_garbage(void)
{
    struct simulated_blob blob = simulated_blob_make(4096 * 20, 8);
    uint32_t memory;
    CHECK(load(&blob, false) == STATUS_OK);
    uint64_t handle = open_blob(&blob, &memory);
    for (int round = 0; round < 30000; round++) {
        struct service_call call = {.token = ++last_token};
        if (last_token > SIMULATED_ANSWERS / 2) {
            last_token = SIMULATED_ANSWERS / 4;
            simulated_complete_all();
            simulated_start();
        }
        call.token = last_token;
        call.header = MESSAGE_HEADER(rand() % 12, rand() % 65, rand() % 10 == 0);
        if (rand() % 2 == 0) {
            call.header = MESSAGE_HEADER(3, 1, 0);
        }
        for (int i = 0; i < 8; i++) {
            call.request[i] = rand() % 3 == 0 ? (uint64_t)rand() << 33 : (uint64_t)(rand() % 40);
        }
        call.badge = STORAGE_BADGE_BLOB + (rand() % 2 == 0 ? handle : (uint64_t)rand());
        status_t status = rand() % 2 == 0 ? storage_dispatch(&storage_handlers, &call)
                                          : blob_dispatch(&blob_handlers, &call);
        CHECK(status <= STATUS_BAD_STATE || status == STATUS_DEFERRED);
        if (rand() % 4 == 0) {
            simulated_complete();
        }
    }
    simulated_complete_all();
    for (uint32_t i = 0; i < RESERVATIONS_MAX; i++) {
        if (store.reservation[i].id != 0) {
            CHECK(!store.reservation[i].busy);
            store_release(&store.reservation[i]);
        }
    }
    CHECK(page_in_now(handle, 0) == STATUS_OK);
    check_pages(&blob, memory);
    CHECK(close_blob(handle) == STATUS_OK);
    CHECK(store.map.free_blocks == SIMULATED_BLOCKS - CATALOG_DATA_START - blob.shape.total_blocks);
    simulated_blob_free(&blob);
}

static void test_shapes(void)
{
    struct tree_shape shape;
    CHECK(tree_shape_of(0, &shape) == STATUS_INVALID_ARGUMENT);
    CHECK(tree_shape_of(BLOB_BYTES_MAX + 1, &shape) == STATUS_INVALID_ARGUMENT);
    CHECK(tree_shape_of(1, &shape) == STATUS_OK && shape.levels == 1 && shape.total_blocks == 2);
    CHECK(tree_shape_of(4096 * 128, &shape) == STATUS_OK && shape.levels == 1);
    CHECK(tree_shape_of(4096 * 128 + 1, &shape) == STATUS_OK && shape.levels == 2 &&
          shape.total_blocks == 129 + 2 + 1);
    CHECK(tree_shape_of(BLOB_BYTES_MAX, &shape) == STATUS_OK && shape.levels <= BLOB_LEVELS_MAX);
}

int main(void)
{
    srand(1);
    simulated_start();
    CHECK(store_mount() == STATUS_OK);
    test_shapes();
    test_small_cache();
    test_corruption();
    test_failing_disk();
    test_in_use();
    test_one_cluster_many_callers();
    test_garbage();
    return 0;
}
