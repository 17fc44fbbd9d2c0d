#include "host/cli/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXTENTS_MAX 4096

/* The store file's path, as the daemon tells it; NULL without. */
static char *store_path(struct connection *connection)
{
    static const char key[] = "store_path=";
    struct reply reply;
    struct record_reader reader;
    struct record record;
    char *path = NULL;
    if (connection_request(connection, 0, CONTROL_MACHINE_STATUS, NULL, &reply) != STATUS_OK) {
        return NULL;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    while (path == NULL && record_next(&reader, &record) == STATUS_OK) {
        char *line = record.tag == RECORD_MESSAGE ? record_text(&record) : NULL;
        if (line != NULL && strncmp(line, key, sizeof(key) - 1) == 0) {
            path = text_copy(line + sizeof(key) - 1);
        }
        free(line);
    }
    reply_free(&reply);
    return path;
}

static status_t extent_read(struct store_blob *blob, const struct record *record,
                            uint64_t store_bytes)
{
    struct store_extent extent = {
        .offset = records_number(record->value, record->length_bytes, RECORD_OFFSET, UINT64_MAX),
        .length_bytes = records_number(record->value, record->length_bytes, RECORD_SIZE, 0),
    };
    if (extent.length_bytes == 0 || blob->extent_count == EXTENTS_MAX ||
        !range_inside(extent.offset, extent.length_bytes, store_bytes)) {
        return STATUS_CORRUPT;
    }
    blob->extents = allocate_again(blob->extents, (blob->extent_count + 1) * sizeof(extent));
    blob->extents[blob->extent_count++] = extent;
    return STATUS_OK;
}

/* The extents come from the machine: they must lie in the store and be as much as was asked for. */
static status_t extents_read(struct store_blob *blob, const struct reply *reply)
{
    struct stat about;
    struct record_reader reader;
    struct record record;
    uint64_t total_bytes = 0;
    status_t status = fstat(blob->fd, &about) == 0 ? STATUS_OK : STATUS_IO_ERROR;
    blob->reservation = records_number(reply->bytes, reply->length_bytes, RECORD_RESERVATION, 0);
    record_reader_init(&reader, reply->bytes, reply->length_bytes);
    while (status == STATUS_OK && record_next(&reader, &record) == STATUS_OK) {
        if (record.tag == RECORD_EXTENT) {
            status = extent_read(blob, &record, (uint64_t)about.st_size);
            total_bytes +=
                status == STATUS_OK ? blob->extents[blob->extent_count - 1].length_bytes : 0;
        }
    }
    return status == STATUS_OK && total_bytes < blob->size_bytes ? STATUS_CORRUPT : status;
}

status_t store_reserve(struct store_blob *blob, struct connection *connection, uint64_t size_bytes)
{
    uint8_t bytes[64];
    struct record_writer records;
    struct reply reply = {0};
    *blob = (struct store_blob){.connection = connection, .fd = -1, .size_bytes = size_bytes};
    char *path = store_path(connection);
    blob->fd = path != NULL ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (blob->fd < 0) {
        snprintf(blob->problem, sizeof(blob->problem), "cannot open the store %.300s: %s",
                 path != NULL ? path : "", strerror(errno));
        free(path);
        return STATUS_IO_ERROR;
    }
    free(path);
    blob->session = connection_session(connection);
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_SIZE, size_bytes);
    status_t status =
        connection_request(connection, blob->session, CONTROL_BLOB_RESERVE, &records, &reply);
    if (status == STATUS_OK) {
        status = reply.status == STATUS_OK ? extents_read(blob, &reply) : reply.status;
    }
    if (status == STATUS_TOO_LARGE || status == STATUS_NO_MEMORY) {
        snprintf(blob->problem, sizeof(blob->problem),
                 "the store has no room for %" PRIu64 " bytes: remove images (oak rmi)",
                 size_bytes);
    } else if (status != STATUS_OK) {
        snprintf(blob->problem, sizeof(blob->problem), "the store grants no room: %s",
                 reply.status != STATUS_OK ? reply_message(&reply) : status_text(status));
    }
    reply_free(&reply);
    return status;
}

static status_t bytes_write(struct store_blob *blob, uint64_t place, const uint8_t *bytes,
                            size_t length_bytes)
{
    while (length_bytes > 0) {
        ssize_t written = pwrite(blob->fd, bytes, length_bytes, (off_t)place);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            snprintf(blob->problem, sizeof(blob->problem), "cannot write to the store: %s",
                     strerror(errno));
            return STATUS_IO_ERROR;
        }
        bytes += written;
        place += (uint64_t)written;
        length_bytes -= (size_t)written;
    }
    return STATUS_OK;
}

status_t store_write(struct store_blob *blob, uint64_t offset, const void *bytes,
                     size_t length_bytes)
{
    const uint8_t *next = bytes;
    uint64_t begin = 0; /* of the extent, within the blob */
    for (size_t i = 0; i < blob->extent_count && length_bytes > 0; i++) {
        const struct store_extent *extent = &blob->extents[i];
        if (offset - begin < extent->length_bytes) {
            uint64_t inside = offset - begin;
            size_t part = MIN(length_bytes, extent->length_bytes - inside);
            status_t status = bytes_write(blob, extent->offset + inside, next, part);
            if (status != STATUS_OK) {
                return status;
            }
            next += part;
            offset += part;
            length_bytes -= part;
        }
        begin += extent->length_bytes;
    }
    if (length_bytes > 0) {
        snprintf(blob->problem, sizeof(blob->problem), "the blob is larger than its reservation");
        return STATUS_OUT_OF_RANGE;
    }
    return STATUS_OK;
}

status_t store_commit(struct store_blob *blob, const uint8_t name[32], uint64_t data_bytes)
{
    uint8_t bytes[128];
    struct record_writer records;
    struct reply reply;
    if (fdatasync(blob->fd) != 0) {
        snprintf(blob->problem, sizeof(blob->problem), "cannot write to the store: %s",
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_RESERVATION, blob->reservation);
    record_put(&records, RECORD_BLOB, name, 32);
    record_put_number(&records, RECORD_SIZE, data_bytes);
    status_t status =
        connection_request(blob->connection, blob->session, CONTROL_BLOB_COMMIT, &records, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    status = reply.status;
    if (status != STATUS_OK) {
        snprintf(blob->problem, sizeof(blob->problem), "the store does not take the image: %s",
                 reply_message(&reply));
    }
    reply_free(&reply);
    return status;
}

void store_close(struct store_blob *blob)
{
    if (blob->session != 0 && !blob->connection->lost) {
        connection_session_end(blob->connection, blob->session);
    }
    if (blob->fd >= 0) {
        close(blob->fd);
    }
    free(blob->extents);
    *blob = (struct store_blob){.fd = -1};
}

status_t store_room(struct connection *connection, uint64_t *room_bytes)
{
    struct stat about;
    struct reply reply;
    struct record_reader reader;
    struct record record;
    uint64_t used_bytes = 0;
    char *path = store_path(connection);
    bool there = path != NULL && stat(path, &about) == 0;
    free(path);
    if (!there) {
        return connection->lost ? STATUS_CLOSED : STATUS_IO_ERROR;
    }
    status_t status = connection_request(connection, 0, CONTROL_BLOB_LIST, NULL, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    while (reply.status == STATUS_OK && record_next(&reader, &record) == STATUS_OK) {
        uint64_t size_bytes = 0;
        if (record.tag == RECORD_SIZE && record_number(&record, &size_bytes) == STATUS_OK) {
            used_bytes += MIN(size_bytes, (uint64_t)about.st_size);
        }
    }
    status = reply.status;
    reply_free(&reply);
    *room_bytes = (uint64_t)about.st_size - MIN(used_bytes, (uint64_t)about.st_size);
    return status;
}

status_t store_list(struct connection *connection, uint8_t (**names)[32], size_t *count)
{
    struct reply reply;
    struct record_reader reader;
    struct record record;
    status_t status = connection_request(connection, 0, CONTROL_BLOB_LIST, NULL, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    *names = NULL;
    *count = 0;
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    while (reply.status == STATUS_OK && record_next(&reader, &record) == STATUS_OK) {
        if (record.tag == RECORD_BLOB && record.length_bytes == sizeof(**names)) {
            *names = allocate_again(*names, (*count + 1) * sizeof(**names));
            memcpy((*names)[(*count)++], record.value, sizeof(**names));
        }
    }
    status = reply.status;
    reply_free(&reply);
    return status;
}

status_t store_holds(struct connection *connection, const uint8_t name[32], bool *holds)
{
    uint8_t(*names)[32];
    size_t count;
    status_t status = store_list(connection, &names, &count);
    if (status != STATUS_OK) {
        return status;
    }
    *holds = false;
    for (size_t i = 0; i < count; i++) {
        *holds = *holds || memcmp(names[i], name, sizeof(names[i])) == 0;
    }
    free(names);
    return STATUS_OK;
}

status_t store_remove(struct connection *connection, const uint8_t name[32])
{
    uint8_t bytes[64];
    struct record_writer records;
    struct reply reply;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put(&records, RECORD_BLOB, name, 32);
    status_t status = connection_request(connection, 0, CONTROL_BLOB_REMOVE, &records, &reply);
    if (status == STATUS_OK) {
        status = reply.status;
        reply_free(&reply);
    }
    return status;
}
