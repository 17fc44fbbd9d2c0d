/*
 * Proves the log ring against a list that forgets nothing: what readers get is what was appended,
 * in order, whole pieces of it lost only where a reader was overtaken or the memory ended.
 */
#include "services/engine/log_ring.h"

#include <string.h>

#include "lib/base/test/check.h"

#define CAPACITY 16384u
#define ROUNDS   20000u
#define TOTAL    (ROUNDS * LOG_CHUNK_BYTES)

static uint8_t memory[CAPACITY];
static uint8_t written[TOTAL]; /* byte i of the stream is written[i] */
static uint32_t pages_left;
static struct log_ring ring; /* the one under test */
static uint32_t random_state = 99;

static uint32_t random_next(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

static status_t ready(void *context, uint32_t from_bytes, uint32_t size_bytes)
{
    CHECK(context == &pages_left && from_bytes % PAGE_SIZE == 0 && size_bytes % PAGE_SIZE == 0);
    if (size_bytes / PAGE_SIZE > pages_left) {
        return STATUS_NO_MEMORY;
    }
    pages_left -= (uint32_t)(size_bytes / PAGE_SIZE);
    ring.bytes = memory;
    return STATUS_OK;
}

/* Takes a piece; where it stands in the stream is found from its last byte on. */
static bool piece_check(struct log_cursor *cursor, uint32_t *at, uint32_t total)
{
    uint32_t stream;
    const uint8_t *bytes;
    uint32_t length;
    struct log_cursor before = *cursor;
    if (log_ring_read(&ring, cursor, &stream, &bytes, &length) != STATUS_OK) {
        CHECK(cursor->position == ring.head && *at == total);
        return false;
    }
    CHECK(length > 0 && bytes >= memory && bytes + length <= memory + ring.capacity_bytes);
    CHECK(stream == 1 || stream == 2);
    if (cursor->position != before.position) {
        /* Overtaken: the first four bytes of a record say where it belongs. */
        uint32_t place;
        CHECK(cursor->offset_bytes == 0 && cursor->position == ring.tail && length >= 4);
        memcpy(&place, bytes, sizeof(place));
        CHECK(place >= *at && place < total);
        *at = place;
    }
    uint32_t part = 1 + random_next(length);
    CHECK(memcmp(bytes, written + *at, part) == 0);
    log_ring_advance(&ring, cursor, part);
    *at += part;
    return true;
}

static void append(uint32_t *total)
{
    uint32_t length = 16 * (1 + random_next(LOG_CHUNK_BYTES / 16));
    for (uint32_t i = 0; i < length; i++) {
        written[*total + i] = (uint8_t)random_next(256);
    }
    memcpy(written + *total, total, sizeof(*total));
    log_ring_append(&ring, 1 + random_next(2), 1, written + *total, length);
    *total += length;
}

static void run(uint32_t pages)
{
    struct log_cursor fast = {0};
    struct log_cursor slow = {0};
    uint32_t fast_at = 0;
    uint32_t slow_at = 0;
    uint32_t total = 0;
    pages_left = pages;
    log_ring_open(&ring, CAPACITY, ready, &pages_left);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        append(&total);
        CHECK(ring.head - ring.tail <= ring.capacity_bytes && ring.dropped_bytes == 0);
        while (piece_check(&fast, &fast_at, total)) {
        }
        if (random_next(8) == 0) {
            piece_check(&slow, &slow_at, total);
        }
    }
    CHECK(fast_at == total && ring.capacity_bytes == MIN(pages * PAGE_SIZE, (uint64_t)CAPACITY));
}

static void test_lines(void)
{
    uint32_t stream;
    const uint8_t *bytes;
    uint32_t length;
    pages_left = 4;
    log_ring_open(&ring, CAPACITY, ready, &pages_left);
    log_ring_append(&ring, 1, 1, "one\ntwo\nthr", 11);
    log_ring_append(&ring, 1, 1, "ee\nopen", 7);
    static const struct {
        uint64_t lines;
        const char *text;
    } cases[] = {{1, "open"}, {2, "thr"}, {3, "two\nthr"}, {9, "one\ntwo\nthr"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct log_cursor cursor = log_ring_last_lines(&ring, cases[i].lines);
        CHECK(log_ring_read(&ring, &cursor, &stream, &bytes, &length) == STATUS_OK);
        CHECK(length == strlen(cases[i].text) && memcmp(bytes, cases[i].text, length) == 0);
    }
    struct log_cursor cursor = log_ring_last_lines(&ring, 0);
    CHECK(log_ring_read(&ring, &cursor, &stream, &bytes, &length) == STATUS_NOT_FOUND);
}

int main(void)
{
    run(4);
    printf("ok 1 - readers get what was written, a slow one goes on at the oldest record\n");
    run(1);
    run(3);
    printf("ok 2 - with fewer pages the ring wraps early and is otherwise the same\n");
    pages_left = 0;
    log_ring_open(&ring, CAPACITY, ready, &pages_left);
    log_ring_append(&ring, 1, 1, "x", 1);
    CHECK(ring.dropped_bytes == 1 && ring.head == 0);
    printf("ok 3 - without memory what is written is counted\n");
    test_lines();
    printf("ok 4 - the last lines are found across records, an open line counts\n1..4\n");
    return 0;
}
