/* Requests about the store: what the engine's client may ask of the storage service. */
#include "lib/base/string.h"
#include "lib/oak/heap.h"
#include "services/engine/blobs.h"
#include "services/engine/requests.h"

#define LISTED_MAX   4096
#define LISTED_BYTES 72 /* three records of one blob */

/* NULL: the request names no blob. */
static const uint8_t *blob_named(const struct request *request)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, request->bytes, request->length_bytes);
    if (record_find(&reader, RECORD_BLOB, &record) != STATUS_OK ||
        record.length_bytes != BLOB_HASH_SIZE) {
        return NULL;
    }
    return record.value;
}

/* The place of a reservation in the session's list; NULL without. */
static uint64_t *reservation_find(struct session *session, uint64_t reservation)
{
    for (uint32_t i = 0; i < SESSION_RESERVATIONS; i++) {
        if (session->reservations[i] == reservation) {
            return &session->reservations[i];
        }
    }
    return NULL;
}

void request_blob_reserve(const struct request *request)
{
    uint64_t *place = reservation_find(request->session, 0);
    struct blob_room room;
    if (place == NULL) {
        request_answer(request, STATUS_LIMIT_REACHED);
        return;
    }
    status_t status = blob_reserve(request_number(request, RECORD_SIZE, 0), &room);
    if (status != STATUS_OK) {
        request_answer(request, status);
        return;
    }
    *place = room.reservation;
    uint8_t bytes[2048];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_RESERVATION, room.reservation);
    for (uint32_t i = 0; i < room.extent_count; i++) {
        size_t extent = record_begin(&records, RECORD_EXTENT);
        record_put_number(&records, RECORD_OFFSET, room.extent[i].offset);
        record_put_number(&records, RECORD_SIZE, room.extent[i].size_bytes);
        record_end(&records, extent);
    }
    request_answer_records(request, &records);
}

void request_blob_commit(const struct request *request)
{
    const uint8_t *name = blob_named(request);
    uint64_t reservation = request_number(request, RECORD_RESERVATION, 0);
    uint64_t *place = reservation != 0 ? reservation_find(request->session, reservation) : NULL;
    if (name == NULL || place == NULL) {
        request_answer(request, name == NULL ? STATUS_INVALID_ARGUMENT : STATUS_NOT_FOUND);
        return;
    }
    status_t status = blob_commit(reservation, request_number(request, RECORD_SIZE, 0), name);
    if (status == STATUS_OK) {
        *place = 0;
    }
    request_answer(request, status);
}

void request_blob_list(const struct request *request)
{
    uint32_t capacity = LISTED_MAX * LISTED_BYTES;
    struct reply *reply = reply_make(capacity);
    struct blob_listed blob;
    struct record_writer records;
    uint64_t cursor = 0;
    if (reply == NULL) {
        request_answer(request, STATUS_NO_MEMORY);
        return;
    }
    record_writer_init(&records, reply->bytes, capacity);
    status_t status = STATUS_OK;
    while (!records.overflow && (status = blob_next(&cursor, &blob)) == STATUS_OK) {
        record_put(&records, RECORD_BLOB, blob.name, sizeof(blob.name));
        record_put_number(&records, RECORD_SIZE, blob.size_bytes);
        record_put_number(&records, RECORD_IN_USE, blob.users);
    }
    if (records.overflow) {
        status = STATUS_TOO_LARGE;
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    session_reply_queue(request->session, request->tag, status, reply,
                        status == STATUS_OK ? (uint32_t)records.length_bytes : 0);
}

void request_blob_remove(const struct request *request)
{
    const uint8_t *name = blob_named(request);
    request_answer(request, name == NULL ? STATUS_INVALID_ARGUMENT : blob_remove(name));
}

void request_synchronise(const struct request *request)
{
    status_t status = blob_synchronise();
    request_answer(request, status == STATUS_NOT_SUPPORTED ? STATUS_OK : status);
}
