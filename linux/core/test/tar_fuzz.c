/*
 * Hostile archives: whatever the bytes, reading ends, stays in its buffers, says why it stopped,
 * and what it says of an entry is within its limits. An entry that was read is written and read
 * again: it must be the same one. The first byte of the input says how the stream is cut into
 * pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/test/check.h"
#include "linux/core/errno.h"
#include "linux/core/tar.h"

#define AGAIN_BYTES 32768

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes);

struct stream {
    const uint8_t *bytes;
    size_t left_bytes;
    uint32_t piece_bytes;
};

struct sink {
    uint8_t bytes[AGAIN_BYTES];
    size_t length_bytes;
};

static long stream_take(void *context, void *to, uint32_t length_bytes)
{
    struct stream *stream = context;
    size_t part = MIN((size_t)MIN(length_bytes, stream->piece_bytes), stream->left_bytes);
    CHECK(length_bytes > 0);
    memcpy(to, stream->bytes, part);
    stream->bytes += part;
    stream->left_bytes -= part;
    return (long)part;
}

static long sink_give(void *context, const void *bytes, uint32_t length_bytes)
{
    struct sink *sink = context;
    CHECK(length_bytes <= AGAIN_BYTES - sink->length_bytes);
    memcpy(sink->bytes + sink->length_bytes, bytes, length_bytes);
    sink->length_bytes += length_bytes;
    return 0;
}

/* The header alone, as that of an entry without data. */
static void entry_again(const struct tar_entry *entry)
{
    struct sink sink = {.length_bytes = 0};
    struct tar_writer writer = {.give = sink_give, .context = &sink};
    struct tar_entry copy = *entry;
    struct tar_entry again;
    copy.size_bytes = 0;
    copy.target = copy.kind == TAR_SYMBOLIC_LINK || copy.kind == TAR_HARD_LINK ? copy.target : NULL;
    CHECK(tar_put(&writer, &copy) == 0 && tar_finish(&writer) == 0);
    struct stream stream = {sink.bytes, sink.length_bytes, AGAIN_BYTES};
    struct tar_reader *reader = calloc(1, sizeof(*reader));
    CHECK(reader != NULL);
    reader->take = stream_take;
    reader->context = &stream;
    CHECK(tar_next(reader, &again) == 1);
    CHECK(again.kind == copy.kind && strcmp(again.name, copy.name) == 0);
    CHECK(copy.target == NULL || strcmp(again.target, copy.target) == 0);
    CHECK(again.mode == copy.mode && again.uid == copy.uid && again.gid == copy.gid);
    CHECK(tar_next(reader, &again) == 0);
    free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes)
{
    if (length_bytes == 0) {
        return 0;
    }
    struct stream stream = {data + 1, length_bytes - 1, data[0] % 16u == 0 ? 1u : data[0] * 8u};
    struct tar_reader *reader = calloc(1, sizeof(*reader));
    struct tar_entry entry;
    uint8_t piece[700];
    long result;
    CHECK(reader != NULL);
    reader->take = stream_take;
    reader->context = &stream;
    while ((result = tar_next(reader, &entry)) > 0) {
        CHECK(strlen(entry.name) < TAR_NAME_BYTES && strlen(entry.target) < TAR_NAME_BYTES);
        CHECK((entry.mode & ~07777u) == 0);
        CHECK(entry.kind == TAR_FILE || entry.size_bytes == 0);
        entry_again(&entry);
        long got = data[0] & 1 ? 1 : 0;
        while (got > 0) {
            got = tar_read(reader, piece, sizeof(piece));
        }
        if (got < 0) {
            result = got;
            break;
        }
    }
    CHECK(result == 0 || (result == -EINVAL && reader->problem != NULL));
    free(reader);
    return 0;
}
