#include "lib/base/record.h"

#include "lib/base/string.h"

#define HEADER_BYTES 8

void record_reader_init(struct record_reader *reader, const void *bytes, size_t length_bytes)
{
    reader->next = bytes;
    reader->left_bytes = length_bytes;
}

status_t record_next(struct record_reader *reader, struct record *out)
{
    if (reader->left_bytes == 0) {
        return STATUS_NOT_FOUND;
    }
    if (reader->left_bytes < HEADER_BYTES) {
        return STATUS_CORRUPT;
    }
    uint16_t tag;
    uint16_t zero;
    uint32_t length_bytes;
    memcpy(&tag, reader->next, sizeof(tag));
    memcpy(&zero, reader->next + 2, sizeof(zero));
    memcpy(&length_bytes, reader->next + 4, sizeof(length_bytes));
    size_t padded_bytes = ALIGN_UP((size_t)length_bytes, 8);
    if (zero != 0 || padded_bytes > reader->left_bytes - HEADER_BYTES) {
        return STATUS_CORRUPT;
    }
    out->tag = tag;
    out->length_bytes = length_bytes;
    out->value = reader->next + HEADER_BYTES;
    reader->next += HEADER_BYTES + padded_bytes;
    reader->left_bytes -= HEADER_BYTES + padded_bytes;
    return STATUS_OK;
}

status_t record_find(const struct record_reader *reader, uint16_t tag, struct record *out)
{
    struct record_reader copy = *reader;
    struct record record;
    status_t status;
    while ((status = record_next(&copy, &record)) == STATUS_OK) {
        if (record.tag == tag) {
            *out = record;
            return STATUS_OK;
        }
    }
    return status;
}

status_t record_number(const struct record *record, uint64_t *out)
{
    if (record->length_bytes != sizeof(*out)) {
        return STATUS_CORRUPT;
    }
    memcpy(out, record->value, sizeof(*out));
    return STATUS_OK;
}

void record_writer_init(struct record_writer *writer, void *bytes, size_t capacity_bytes)
{
    writer->bytes = bytes;
    writer->capacity_bytes = capacity_bytes;
    writer->length_bytes = 0;
    writer->overflow = false;
}

static void header_write(uint8_t *place, uint16_t tag, uint32_t length_bytes)
{
    uint16_t zero = 0;
    memcpy(place, &tag, sizeof(tag));
    memcpy(place + 2, &zero, sizeof(zero));
    memcpy(place + 4, &length_bytes, sizeof(length_bytes));
}

void record_put(struct record_writer *writer, uint16_t tag, const void *value, size_t length_bytes)
{
    size_t room = writer->capacity_bytes - writer->length_bytes;
    if (writer->overflow || room < HEADER_BYTES || length_bytes > room - HEADER_BYTES ||
        ALIGN_UP(length_bytes, 8) > room - HEADER_BYTES || length_bytes > UINT32_MAX) {
        writer->overflow = true;
        return;
    }
    uint8_t *place = writer->bytes + writer->length_bytes;
    size_t padded_bytes = ALIGN_UP(length_bytes, 8);
    header_write(place, tag, (uint32_t)length_bytes);
    if (length_bytes > 0) {
        memcpy(place + HEADER_BYTES, value, length_bytes);
    }
    memset(place + HEADER_BYTES + length_bytes, 0, padded_bytes - length_bytes);
    writer->length_bytes += HEADER_BYTES + padded_bytes;
}

void record_put_number(struct record_writer *writer, uint16_t tag, uint64_t value)
{
    record_put(writer, tag, &value, sizeof(value));
}

void record_put_text(struct record_writer *writer, uint16_t tag, const char *text)
{
    record_put(writer, tag, text, strlen(text));
}

size_t record_begin(struct record_writer *writer, uint16_t tag)
{
    size_t place = writer->length_bytes;
    record_put(writer, tag, NULL, 0);
    return place;
}

void record_end(struct record_writer *writer, size_t place)
{
    if (writer->overflow) {
        return;
    }
    size_t length_bytes = writer->length_bytes - place - HEADER_BYTES;
    if (length_bytes > UINT32_MAX) {
        writer->overflow = true;
        return;
    }
    uint16_t tag;
    memcpy(&tag, writer->bytes + place, sizeof(tag));
    header_write(writer->bytes + place, tag, (uint32_t)length_bytes);
}
