/*
 * The fake engine's storage: blobs are names in a file beside the store, so that they survive a
 * restart of the machine. Extents are scattered on purpose.
 */
#include "tests/cli/fake_engine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXTENT_BYTES (192u << 10)

struct blob {
    uint8_t name[32];
    uint64_t size;
};

static struct blob blobs[4096];
static size_t blob_count;
static uint64_t reservations;

static void path_make(const struct engine *engine, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s.fake",
             engine->store_path != NULL ? engine->store_path : "/nonexistent");
}

static void blobs_read(const struct engine *engine)
{
    char path[PATH_MAX];
    path_make(engine, path, sizeof(path));
    FILE *file = fopen(path, "re");
    blob_count = 0;
    if (file != NULL) {
        blob_count = fread(blobs, sizeof(blobs[0]), ARRAY_LENGTH(blobs), file);
        fclose(file);
    }
}

static void blobs_write(const struct engine *engine)
{
    char path[PATH_MAX];
    path_make(engine, path, sizeof(path));
    FILE *file = fopen(path, "we");
    if (file != NULL) {
        fwrite(blobs, sizeof(blobs[0]), blob_count, file);
        fclose(file);
    }
}

bool blob_known(const struct engine *engine, const uint8_t *name)
{
    blobs_read(engine);
    for (size_t i = 0; i < blob_count; i++) {
        if (memcmp(blobs[i].name, name, 32) == 0) {
            return true;
        }
    }
    return false;
}

static void reserve(struct engine *engine, struct fake_session *session, uint64_t size,
                    struct record_writer *records)
{
    record_put_number(records, RECORD_RESERVATION, ++reservations);
    session->reservation = reservations;
    uint64_t extent_bytes = MAX((uint64_t)EXTENT_BYTES, ALIGN_UP(size / 16, 4096));
    while (size > 0) {
        uint64_t part = MIN(size, extent_bytes);
        size_t place = record_begin(records, RECORD_EXTENT);
        record_put_number(records, RECORD_OFFSET, engine->store_next);
        record_put_number(records, RECORD_SIZE, part);
        record_end(records, place);
        engine->store_next += ALIGN_UP(part, 4096) + 8192;
        size -= part;
    }
}

static status_t commit(struct engine *engine, struct fake_session *session, const uint8_t *bytes,
                       size_t length_bytes)
{
    struct record_reader reader;
    struct record name;
    record_reader_init(&reader, bytes, length_bytes);
    if (field_number(bytes, length_bytes, RECORD_RESERVATION) != session->reservation ||
        session->reservation == 0 || record_find(&reader, RECORD_BLOB, &name) != STATUS_OK ||
        name.length_bytes != 32) {
        return STATUS_INVALID_ARGUMENT;
    }
    session->reservation = 0;
    if (!blob_known(engine, name.value) && blob_count < ARRAY_LENGTH(blobs)) {
        memcpy(blobs[blob_count].name, name.value, 32);
        blobs[blob_count++].size = field_number(bytes, length_bytes, RECORD_SIZE);
        blobs_write(engine);
    }
    return STATUS_OK;
}

static status_t blob_remove(struct engine *engine, const uint8_t *bytes, size_t length_bytes)
{
    struct record_reader reader;
    struct record name;
    record_reader_init(&reader, bytes, length_bytes);
    if (record_find(&reader, RECORD_BLOB, &name) != STATUS_OK || name.length_bytes != 32) {
        return STATUS_INVALID_ARGUMENT;
    }
    for (struct container *c = engine->containers; c != NULL; c = c->next) {
        if (memcmp(c->blob, name.value, 32) == 0) {
            return STATUS_BUSY;
        }
    }
    blobs_read(engine);
    for (size_t i = 0; i < blob_count; i++) {
        if (memcmp(blobs[i].name, name.value, 32) == 0) {
            blobs[i] = blobs[--blob_count];
            blobs_write(engine);
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

void blob_request(struct engine *engine, struct fake_session *session, uint16_t tag,
                  uint32_t request, const uint8_t *bytes, size_t length_bytes)
{
    static uint8_t buffer[1 << 20];
    struct record_writer records;
    record_writer_init(&records, buffer, sizeof(buffer));
    status_t status = STATUS_OK;
    switch (request) {
    case CONTROL_BLOB_RESERVE:
        reserve(engine, session, field_number(bytes, length_bytes, RECORD_SIZE), &records);
        break;
    case CONTROL_BLOB_COMMIT:
        status = commit(engine, session, bytes, length_bytes);
        break;
    case CONTROL_BLOB_LIST:
        blobs_read(engine);
        for (size_t i = 0; i < blob_count; i++) {
            record_put(&records, RECORD_BLOB, blobs[i].name, 32);
            record_put_number(&records, RECORD_SIZE, blobs[i].size);
            record_put_number(&records, RECORD_IN_USE, 0);
        }
        break;
    case CONTROL_BLOB_REMOVE:
        status = blob_remove(engine, bytes, length_bytes);
        break;
    default:
        status = STATUS_NOT_SUPPORTED;
        break;
    }
    engine_result(engine, session->number, tag, status, &records);
}
