#include "services/storage/handlers.h"

#include "abi/storage.h"
#include "services/storage/backend.h"
#include "services/storage/blob.h"
#include "services/storage/fetch.h"
#include "services/storage/update.h"

static status_t trouble = STATUS_OK;

void handlers_set_trouble(status_t status)
{
    trouble = status;
}

void handlers_complete(uint64_t cookie, status_t status)
{
    if (cookie == UPDATE_COOKIE) {
        update_complete(status);
    } else {
        fetch_complete(cookie, status);
    }
}

/* --- storage.idl --- */

static status_t on_blob_open(struct service_call *call,
                             const struct storage_blob_open_request *request,
                             struct storage_blob_open_reply *reply)
{
    (void)call;
    if (trouble != STATUS_OK) {
        return trouble;
    }
    if (request->name.length_bytes != BLOB_HASH_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    uint32_t entry = catalog_find(&store.catalog, request->name.data);
    if (entry == CATALOG_BLOBS_MAX) {
        return STATUS_NOT_FOUND;
    }
    status_t status = blob_open(&store.catalog, entry, &reply->handle);
    if (status != STATUS_OK) {
        return status;
    }
    const struct opener *opener = blob_opener(reply->handle);
    reply->size = store.catalog.entry[entry].data_bytes;
    reply->memory = opener->view;
    reply->gate = opener->gate;
    return STATUS_OK;
}

static status_t on_blob_close(struct service_call *call,
                              const struct storage_blob_close_request *request)
{
    (void)call;
    struct opener *opener = blob_opener(request->handle);
    if (opener == NULL) {
        return STATUS_NOT_FOUND;
    }
    blob_close(opener);
    return STATUS_OK;
}

static status_t on_blob_reserve(struct service_call *call,
                                const struct storage_blob_reserve_request *request,
                                struct storage_blob_reserve_reply *reply)
{
    (void)call;
    if (trouble != STATUS_OK) {
        return trouble;
    }
    struct reservation *reservation;
    status_t status = store_reserve(request->size, &reservation);
    if (status != STATUS_OK) {
        return status;
    }
    _Static_assert(sizeof(reply->extents.data) == EXTENTS_MAX * 2 * sizeof(uint64_t), "they fit");
    for (uint32_t i = 0; i < reservation->extents.count; i++) {
        const struct extent *extent = &reservation->extents.extent[i];
        uint64_t pair[2] = {extent->block * BLOB_BLOCK_SIZE, extent->count * BLOB_BLOCK_SIZE};
        memcpy(reply->extents.data + i * sizeof(pair), pair, sizeof(pair));
    }
    reply->extents.length_bytes = reservation->extents.count * 2 * sizeof(uint64_t);
    reply->reservation = reservation->id;
    return STATUS_OK;
}

static status_t on_blob_commit(struct service_call *call,
                               const struct storage_blob_commit_request *request)
{
    struct reservation *reservation = store_reservation(request->reservation);
    if (reservation == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (request->name.length_bytes != BLOB_HASH_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    return update_commit(reservation, request->data_size, request->name.data, call->token);
}

static status_t on_blob_abort(struct service_call *call,
                              const struct storage_blob_abort_request *request)
{
    (void)call;
    struct reservation *reservation = store_reservation(request->reservation);
    if (reservation == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (reservation->busy) {
        return STATUS_BUSY;
    }
    store_release(reservation);
    return STATUS_OK;
}

static status_t on_blob_list(struct service_call *call,
                             const struct storage_blob_list_request *request,
                             struct storage_blob_list_reply *reply)
{
    (void)call;
    for (uint64_t i = request->cursor; i < store.catalog.entry_count; i++) {
        const struct catalog_entry *entry = &store.catalog.entry[i];
        if (entry->data_bytes == 0) {
            continue;
        }
        const struct blob *blob = blob_of_entry((uint32_t)i);
        reply->next = i + 1;
        reply->size = entry->data_bytes;
        reply->in_use = blob == NULL ? 0 : blob->openers;
        reply->name.length_bytes = BLOB_HASH_SIZE;
        memcpy(reply->name.data, entry->name, BLOB_HASH_SIZE);
        return STATUS_OK;
    }
    return trouble != STATUS_OK ? trouble : STATUS_NOT_FOUND;
}

static status_t on_blob_remove(struct service_call *call,
                               const struct storage_blob_remove_request *request)
{
    if (trouble != STATUS_OK) {
        return trouble;
    }
    if (request->name.length_bytes != BLOB_HASH_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    return update_remove(request->name.data, call->token);
}

static status_t on_synchronise(struct service_call *call)
{
    return trouble != STATUS_OK ? trouble : update_synchronise(call->token);
}

static status_t on_statistics(struct service_call *call, struct storage_statistics_reply *reply)
{
    (void)call;
    reply->store_bytes = store.blocks * BLOB_BLOCK_SIZE;
    reply->store_free_bytes = store.map.free_blocks * BLOB_BLOCK_SIZE;
    reply->cache_bytes = backend_cache_bytes();
    reply->blocks_read = fetch_blocks_read();
    return STATUS_OK;
}

const struct storage_handlers storage_handlers = {
    .blob_open = on_blob_open,
    .blob_close = on_blob_close,
    .blob_reserve = on_blob_reserve,
    .blob_commit = on_blob_commit,
    .blob_abort = on_blob_abort,
    .blob_list = on_blob_list,
    .blob_remove = on_blob_remove,
    .synchronise = on_synchronise,
    .statistics = on_statistics,
};

/* --- blob.idl --- */

static status_t on_page_in(struct service_call *call, const struct blob_page_in_request *request)
{
    struct opener *opener = blob_opener(call->badge - STORAGE_BADGE_BLOB);
    if (opener == NULL) {
        return STATUS_CLOSED;
    }
    return fetch_page_in(opener->blob, request->offset, request->bytes, call->token);
}

const struct blob_handlers blob_handlers = {.page_in = on_page_in};
