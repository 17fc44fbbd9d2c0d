/*
 * What a process wrote: records of stdout and stderr in the order in which they came, in a ring
 * that overwrites its oldest records. Readers hold cursors; a reader that was overtaken goes on at
 * the oldest record. Positions count bytes ever written and never wrap.
 *
 * The ring's memory belongs to the process's container and is backed page by page as the ring first
 * fills: `ready` backs it or refuses, and a ring that may not grow wraps early. Only the engine
 * writes there. Invariant: tail and head are record boundaries, head - tail <= capacity.
 */
#pragma once

#include "lib/base/types.h"

#define LOG_RECORD_ALIGNMENT 16
#define LOG_CHUNK_BYTES      2032 /* payload of one record at most: with its header half a page */

struct log_record {
    uint64_t wall_ns;
    uint32_t length_bytes;
    uint32_t stream; /* 1 or 2 */
};

struct log_ring {
    uint8_t *bytes;          /* NULL until the first are ready */
    uint32_t capacity_bytes; /* 0 until it is opened */
    uint32_t ready_bytes;    /* backed by memory, from the start; whole pages */
    uint64_t head;
    uint64_t tail;
    uint64_t dropped_bytes; /* that there was no memory for */
    /* Back [from, from + size) of the memory; the first time it also sets `bytes`. */
    status_t (*ready)(void *context, uint32_t from_bytes, uint32_t size_bytes);
    void *context;
};

struct log_cursor {
    uint64_t position;     /* of a record */
    uint32_t offset_bytes; /* inside its payload */
};

void log_ring_open(struct log_ring *log, uint32_t capacity_bytes,
                   status_t (*ready)(void *context, uint32_t from_bytes, uint32_t size_bytes),
                   void *context);

/* Get memory for one more record, or find out that there is none: capacity_bytes is final then. */
void log_ring_prepare(struct log_ring *log);

/* Append up to LOG_CHUNK_BYTES. Never fails: without memory the bytes are counted as dropped. */
void log_ring_append(struct log_ring *log, uint32_t stream, uint64_t wall_ns, const void *bytes,
                     uint32_t length_bytes);

/*
 * The next bytes behind the cursor: OK and a contiguous piece, NOT_FOUND at the end. Moves a cursor
 * that was overtaken.
 */
MUST_USE status_t log_ring_read(const struct log_ring *log, struct log_cursor *cursor,
                                uint32_t *out_stream, const uint8_t **out, uint32_t *out_bytes);
/* The first `bytes` bytes of that piece are taken. */
void log_ring_advance(const struct log_ring *log, struct log_cursor *cursor, uint32_t bytes);

struct log_cursor log_ring_begin(const struct log_ring *log);
struct log_cursor log_ring_end(const struct log_ring *log);
/* Where the last `lines` lines begin. */
struct log_cursor log_ring_last_lines(const struct log_ring *log, uint64_t lines);
