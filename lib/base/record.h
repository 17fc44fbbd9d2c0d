/*
 * Records: the payload of the control channel's requests and results, and of a container's
 * specification. A record is a tag (u16), zero (u16), a length (u32) and that many bytes, padded
 * with zeros to a multiple of 8. Numbers are u64. Records nest: a value may be records again.
 *
 * The reader trusts nothing: every length is checked against what is left. Neither side allocates.
 */
#pragma once

#include "lib/base/types.h"

struct record {
    uint16_t tag;
    uint32_t length_bytes;
    const void *value; /* points into the reader's bytes */
};

struct record_reader {
    const uint8_t *next;
    size_t left_bytes;
};

struct record_writer {
    uint8_t *bytes;
    size_t capacity_bytes;
    size_t length_bytes;
    bool overflow; /* something did not fit; the bytes are not to be used */
};

void record_reader_init(struct record_reader *reader, const void *bytes, size_t length_bytes);

/* OK and the next record, NOT_FOUND at the end, CORRUPT when the bytes are not records. */
status_t record_next(struct record_reader *reader, struct record *out);

/* The first record with that tag, from the reader's place on; the reader does not move. */
status_t record_find(const struct record_reader *reader, uint16_t tag, struct record *out);

/* CORRUPT unless the value is exactly one u64. */
status_t record_number(const struct record *record, uint64_t *out);

void record_writer_init(struct record_writer *writer, void *bytes, size_t capacity_bytes);
void record_put(struct record_writer *writer, uint16_t tag, const void *value, size_t length_bytes);
void record_put_number(struct record_writer *writer, uint16_t tag, uint64_t value);
void record_put_text(struct record_writer *writer, uint16_t tag, const char *text);

/* A record whose value is records: begin returns the place that end completes. */
size_t record_begin(struct record_writer *writer, uint16_t tag);
void record_end(struct record_writer *writer, size_t place);
