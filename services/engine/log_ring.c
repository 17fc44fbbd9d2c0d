#include "services/engine/log_ring.h"

#include "lib/base/string.h"

_Static_assert(sizeof(struct log_record) == LOG_RECORD_ALIGNMENT, "a header never wraps");

void log_ring_open(struct log_ring *log, uint32_t capacity_bytes,
                   status_t (*ready)(void *context, uint32_t from_bytes, uint32_t size_bytes),
                   void *context)
{
    *log = (struct log_ring){.capacity_bytes = capacity_bytes, .ready = ready, .context = context};
}

static uint32_t record_bytes(uint32_t length_bytes)
{
    return (uint32_t)sizeof(struct log_record) + ALIGN_UP(length_bytes, LOG_RECORD_ALIGNMENT);
}

static struct log_record record_at(const struct log_ring *log, uint64_t position)
{
    struct log_record record;
    memcpy(&record, log->bytes + position % log->capacity_bytes, sizeof(record));
    return record;
}

/* Make sure that the next `bytes` bytes have memory; a refusal in the first round ends the growth
 * for good. False when not even that much is there. */
static bool room_ready(struct log_ring *log, uint32_t bytes)
{
    uint64_t end = log->head + bytes;
    if (log->ready_bytes < log->capacity_bytes && end > log->ready_bytes) {
        uint32_t wanted = (uint32_t)MIN(ALIGN_UP(end, PAGE_SIZE), (uint64_t)log->capacity_bytes);
        if (log->ready(log->context, log->ready_bytes, wanted - log->ready_bytes) == STATUS_OK) {
            log->ready_bytes = wanted;
        } else if (log->ready_bytes == 0) {
            return false;
        } else {
            log->capacity_bytes = log->ready_bytes;
        }
    }
    return true;
}

void log_ring_prepare(struct log_ring *log)
{
    if (log->capacity_bytes != 0) {
        (void)room_ready(log, record_bytes(LOG_CHUNK_BYTES));
    }
}

static void bytes_put(struct log_ring *log, uint64_t position, const void *bytes, uint32_t length)
{
    uint32_t place = (uint32_t)(position % log->capacity_bytes);
    uint32_t first = MIN(length, log->capacity_bytes - place);
    memcpy(log->bytes + place, bytes, first);
    memcpy(log->bytes, (const uint8_t *)bytes + first, length - first);
}

void log_ring_append(struct log_ring *log, uint32_t stream, uint64_t wall_ns, const void *bytes,
                     uint32_t length_bytes)
{
    uint32_t needed = record_bytes(length_bytes);
    if (log->capacity_bytes == 0 || !room_ready(log, needed)) {
        log->dropped_bytes += length_bytes;
        return;
    }
    while (log->head + needed - log->tail > log->capacity_bytes) {
        log->tail += record_bytes(record_at(log, log->tail).length_bytes);
    }
    struct log_record record = {wall_ns, length_bytes, stream};
    bytes_put(log, log->head, &record, sizeof(record));
    bytes_put(log, log->head + sizeof(record), bytes, length_bytes);
    log->head += needed;
}

status_t log_ring_read(const struct log_ring *log, struct log_cursor *cursor, uint32_t *out_stream,
                       const uint8_t **out, uint32_t *out_bytes)
{
    if (cursor->position < log->tail) {
        *cursor = log_ring_begin(log);
    }
    if (cursor->position == log->head) {
        return STATUS_NOT_FOUND;
    }
    struct log_record record = record_at(log, cursor->position);
    uint64_t position = cursor->position + sizeof(record) + cursor->offset_bytes;
    uint32_t place = (uint32_t)(position % log->capacity_bytes);
    *out_stream = record.stream;
    *out = log->bytes + place;
    *out_bytes = MIN(record.length_bytes - cursor->offset_bytes, log->capacity_bytes - place);
    return STATUS_OK;
}

void log_ring_advance(const struct log_ring *log, struct log_cursor *cursor, uint32_t bytes)
{
    struct log_record record = record_at(log, cursor->position);
    cursor->offset_bytes += bytes;
    if (cursor->offset_bytes == record.length_bytes) {
        cursor->position += record_bytes(record.length_bytes);
        cursor->offset_bytes = 0;
    }
}

struct log_cursor log_ring_begin(const struct log_ring *log)
{
    return (struct log_cursor){log->tail, 0};
}

struct log_cursor log_ring_end(const struct log_ring *log)
{
    return (struct log_cursor){log->head, 0};
}

/* Go on until `lines` line ends were passed; returns how many there were. An end without a newline
 * counts as one. */
static uint64_t lines_pass(const struct log_ring *log, struct log_cursor *cursor, uint64_t lines)
{
    uint64_t passed = 0;
    bool open = false;
    uint32_t stream;
    const uint8_t *bytes;
    uint32_t length;
    while (passed < lines && log_ring_read(log, cursor, &stream, &bytes, &length) == STATUS_OK) {
        const uint8_t *newline = memchr(bytes, '\n', length);
        open = newline == NULL;
        passed += newline != NULL;
        log_ring_advance(log, cursor, newline == NULL ? length : (uint32_t)(newline - bytes) + 1);
    }
    return passed + (open && passed < lines ? 1 : 0);
}

struct log_cursor log_ring_last_lines(const struct log_ring *log, uint64_t lines)
{
    struct log_cursor cursor = log_ring_begin(log);
    uint64_t total = lines_pass(log, &cursor, UINT64_MAX);
    cursor = log_ring_begin(log);
    if (total > lines) {
        (void)lines_pass(log, &cursor, total - lines);
    }
    return cursor;
}
