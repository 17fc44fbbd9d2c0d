#include "services/engine/blobs.h"

#include "abi/engine.h"
#include "abi/storage.idl.h"
#include "lib/base/string.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "lib/oak/slots.h"

#define OPEN_TRIES 2

/* Blobs that nobody uses stay open, so that the next container of an image need not ask storage. */
#define IDLE_MAX 8

static struct blob *blobs; /* those opened or let go last are first */

/* --- Open blobs ------------------------------------------------------------------------------- */

static struct blob *blob_find(const uint8_t name[BLOB_HASH_SIZE])
{
    struct blob *blob = blobs;
    while (blob != NULL && memcmp(blob->name, name, BLOB_HASH_SIZE) != 0) {
        blob = blob->next;
    }
    return blob;
}

static void blob_forget(struct blob *blob)
{
    slot_release(blob->memory);
    slot_release(blob->gate);
    blob->memory = SLOT_NONE;
    blob->gate = SLOT_NONE;
}

/* On failure it has no slots. */
static status_t blob_open(struct blob *blob)
{
    uint32_t memory;
    uint32_t gate;
    status_t status = slot_allocate(&memory);
    if (status != STATUS_OK) {
        return status;
    }
    status = slot_allocate(&gate);
    if (status != STATUS_OK) {
        slot_free(memory);
        return status;
    }
    struct storage_blob_open_reply reply;
    /* Under way while storage was replaced: its next life knows nothing of the call. */
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        status = storage_blob_open(ENGINE_SLOT_STORAGE, blob->name, BLOB_HASH_SIZE, memory, gate,
                                   &reply);
        if (status != STATUS_RESTARTED) {
            break;
        }
    }
    blob->memory = memory;
    blob->gate = gate;
    if (status == STATUS_OK && (reply.memory == SLOT_NONE || reply.gate == SLOT_NONE)) {
        status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        blob_forget(blob);
        return status;
    }
    blob->size_bytes = reply.size;
    blob->handle = reply.handle;
    return STATUS_OK;
}

static void blob_unlink(struct blob *blob)
{
    struct blob **link = &blobs;
    while (*link != blob) {
        link = &(*link)->next;
    }
    *link = blob->next;
}

status_t blob_use(const uint8_t name[BLOB_HASH_SIZE], struct blob **out)
{
    struct blob *blob = blob_find(name);
    bool found = blob != NULL;
    if (!found) {
        blob = heap_allocate_zeroed(sizeof(*blob));
        if (blob == NULL) {
            return STATUS_NO_MEMORY;
        }
        memcpy(blob->name, name, BLOB_HASH_SIZE);
    }
    /* One that could not be opened again when storage was restarted is tried once more. */
    status_t status = blob->gate != SLOT_NONE ? STATUS_OK : blob_open(blob);
    if (status != STATUS_OK) {
        if (!found) {
            heap_free(blob);
        }
        return status;
    }
    if (!found) {
        blob->next = blobs;
        blobs = blob;
    }
    blob->users++;
    *out = blob;
    return STATUS_OK;
}

static void blob_close(struct blob *blob)
{
    blob_unlink(blob);
    if (blob->gate != SLOT_NONE) {
        status_t status = storage_blob_close(ENGINE_SLOT_STORAGE, blob->handle);
        if (status != STATUS_OK) {
            log_line("closing a blob: %s", status_name(status));
        }
        blob_forget(blob);
    }
    heap_free(blob);
}

/* Close those that have been idle longest. */
static void idle_trim(uint32_t keep)
{
    uint32_t idle = 0;
    for (struct blob *next, *blob = blobs; blob != NULL; blob = next) {
        next = blob->next;
        if (blob->users == 0 && ++idle > keep) {
            blob_close(blob);
        }
    }
}

void blob_release(struct blob *blob)
{
    if (blob == NULL || --blob->users > 0) {
        return;
    }
    blob_unlink(blob);
    blob->next = blobs;
    blobs = blob;
    idle_trim(IDLE_MAX);
}

uint32_t blob_users(const uint8_t name[BLOB_HASH_SIZE])
{
    const struct blob *blob = blob_find(name);
    return blob == NULL ? 0 : blob->users;
}

void blobs_reopen(void)
{
    idle_trim(0);
    for (struct blob *blob = blobs; blob != NULL; blob = blob->next) {
        /* A former life's handle names nothing; one that was opened since is closed. */
        status_t status = storage_blob_close(ENGINE_SLOT_STORAGE, blob->handle);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            log_line("closing a blob: %s", status_name(status));
        }
        blob_forget(blob);
        status = blob_open(blob);
        if (status != STATUS_OK) {
            log_line("opening a blob again: %s", status_name(status));
        }
    }
}

/* --- The store -------------------------------------------------------------------------------- */

status_t blob_reserve(uint64_t size_bytes, struct blob_room *out)
{
    struct storage_blob_reserve_reply reply;
    status_t status = storage_blob_reserve(ENGINE_SLOT_STORAGE, size_bytes, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    _Static_assert(sizeof(reply.extents.data) == sizeof(out->extent), "pairs of u64");
    if (reply.extents.length_bytes % sizeof(struct blob_extent) != 0) {
        blob_abort(reply.reservation);
        return STATUS_CORRUPT;
    }
    *out = (struct blob_room){.reservation = reply.reservation};
    out->extent_count = reply.extents.length_bytes / (uint32_t)sizeof(struct blob_extent);
    memcpy(out->extent, reply.extents.data, reply.extents.length_bytes);
    return STATUS_OK;
}

status_t blob_commit(uint64_t reservation, uint64_t data_bytes, const uint8_t name[BLOB_HASH_SIZE])
{
    return storage_blob_commit(ENGINE_SLOT_STORAGE, reservation, data_bytes, name, BLOB_HASH_SIZE);
}

void blob_abort(uint64_t reservation)
{
    status_t status = storage_blob_abort(ENGINE_SLOT_STORAGE, reservation);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        log_line("giving a reservation back: %s", status_name(status));
    }
}

status_t blob_next(uint64_t *cursor, struct blob_listed *out)
{
    struct storage_blob_list_reply reply;
    status_t status = storage_blob_list(ENGINE_SLOT_STORAGE, *cursor, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    if (reply.name.length_bytes != BLOB_HASH_SIZE) {
        return STATUS_CORRUPT;
    }
    *cursor = reply.next;
    out->size_bytes = reply.size;
    memcpy(out->name, reply.name.data, BLOB_HASH_SIZE);
    out->users = blob_users(out->name);
    return STATUS_OK;
}

status_t blob_remove(const uint8_t name[BLOB_HASH_SIZE])
{
    struct blob *blob = blob_find(name);
    if (blob != NULL && blob->users > 0) {
        return STATUS_BUSY;
    }
    if (blob != NULL) {
        blob_close(blob);
    }
    return storage_blob_remove(ENGINE_SLOT_STORAGE, name, BLOB_HASH_SIZE);
}

status_t blob_synchronise(void)
{
    return storage_synchronise(ENGINE_SLOT_STORAGE);
}

status_t blob_statistics(struct blob_statistics *out)
{
    struct storage_statistics_reply reply;
    status_t status = storage_statistics(ENGINE_SLOT_STORAGE, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    *out = (struct blob_statistics){.store_bytes = reply.store_bytes,
                                    .store_free_bytes = reply.store_free_bytes,
                                    .cache_bytes = reply.cache_bytes,
                                    .blocks_read = reply.blocks_read};
    return STATUS_OK;
}
