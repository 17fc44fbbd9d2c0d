/*
 * Proves that bytes come out as they went in, in any pattern of sizes; that no index a hostile peer
 * writes leads outside the buffer; and, with two threads, that no wake-up is lost.
 */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "lib/base/test/check.h"
#include "lib/ring/byte_ring.h"

#define SIZE 64

static struct ring_control control;
static uint8_t *bytes;
static struct byte_ring producer;
static struct byte_ring consumer;

static void start(uint32_t size_bytes, uint32_t index)
{
    free(bytes);
    bytes = calloc(1, size_bytes);
    memset(&control, 0, sizeof(control));
    control.produced = index;
    control.consumed = index;
    byte_ring_producer_init(&producer, &control, bytes, size_bytes);
    byte_ring_consumer_init(&consumer, &control, bytes, size_bytes);
}

static void test_sizes(void)
{
    start(SIZE, UINT32_MAX - 100);
    uint8_t next_in = 0;
    uint8_t next_out = 0;
    for (int round = 0; round < 100000; round++) {
        uint8_t piece[SIZE + 10];
        uint32_t want = (uint32_t)(rand() % (int)sizeof(piece));
        uint32_t moved;
        bool wake;
        for (uint32_t i = 0; i < want; i++) {
            piece[i] = (uint8_t)(next_in + i);
        }
        CHECK(byte_ring_write(&producer, piece, want, &moved, &wake) == STATUS_OK);
        next_in = (uint8_t)(next_in + moved);
        want = (uint32_t)(rand() % (int)sizeof(piece));
        CHECK(byte_ring_read(&consumer, piece, want, &moved, &wake) == STATUS_OK);
        for (uint32_t i = 0; i < moved; i++) {
            CHECK(piece[i] == next_out++);
        }
    }
}

static void test_end(void)
{
    start(SIZE, 0);
    uint8_t piece[SIZE];
    uint32_t moved;
    bool wake;
    CHECK(byte_ring_write(&producer, "abc", 3, &moved, &wake) == STATUS_OK && moved == 3);
    byte_ring_close(&producer, &wake);
    CHECK(byte_ring_read(&consumer, piece, SIZE, &moved, &wake) == STATUS_OK && moved == 3);
    CHECK(byte_ring_read(&consumer, piece, SIZE, &moved, &wake) == STATUS_CLOSED);
    byte_ring_abandon(&consumer, &wake);
    CHECK(byte_ring_write(&producer, "abc", 3, &moved, &wake) == STATUS_CLOSED);
}

static void test_sleep(void)
{
    start(SIZE, 0);
    uint8_t piece[SIZE];
    uint32_t moved;
    bool wake;
    CHECK(byte_ring_consumer_sleep(&consumer));
    CHECK(byte_ring_write(&producer, piece, SIZE, &moved, &wake) == STATUS_OK && wake);
    CHECK(!byte_ring_consumer_sleep(&consumer));
    CHECK(byte_ring_producer_sleep(&producer));
    CHECK(byte_ring_read(&consumer, piece, 1, &moved, &wake) == STATUS_OK && wake);
    CHECK(!byte_ring_producer_sleep(&producer));
    CHECK(byte_ring_read(&consumer, piece, 1, &moved, &wake) == STATUS_OK && wake);
    CHECK(byte_ring_read(&consumer, piece, 1, &moved, &wake) == STATUS_OK && !wake);
}

/* The buffer is exactly SIZE bytes on the heap: ASan sees any step outside. */
static void test_hostile_peer(void)
{
    for (int round = 0; round < 200000; round++) {
        start(SIZE, (uint32_t)rand());
        uint8_t piece[2 * SIZE];
        uint32_t moved;
        bool wake;
        memset(piece, 1, sizeof(piece));
        control.produced += (uint32_t)(rand() % 3 == 0 ? rand() : rand() % 200);
        status_t status = byte_ring_read(&consumer, piece, sizeof(piece), &moved, &wake);
        CHECK(status == STATUS_OK || status == STATUS_CORRUPT);
        control.consumed += (uint32_t)(rand() % 3 == 0 ? rand() : rand() % 200);
        control.abandoned = (uint32_t)(rand() % 2);
        status = byte_ring_write(&producer, piece, sizeof(piece), &moved, &wake);
        CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_CLOSED);
    }
}

#define STRESS_BYTES 4000000u

static sem_t producer_wakes;
static sem_t consumer_wakes;

static void *stress_produce(void *unused)
{
    (void)unused;
    uint32_t sent = 0;
    unsigned int seed = 7;
    while (sent < STRESS_BYTES) {
        uint8_t piece[97];
        uint32_t drawn = (uint32_t)rand_r(&seed) % (uint32_t)sizeof(piece) + 1;
        uint32_t want = MIN(drawn, STRESS_BYTES - sent);
        for (uint32_t i = 0; i < want; i++) {
            piece[i] = (uint8_t)((sent + i) * 31 >> 3);
        }
        uint32_t moved;
        bool wake;
        CHECK(byte_ring_write(&producer, piece, want, &moved, &wake) == STATUS_OK);
        sent += moved;
        if (wake) {
            sem_post(&consumer_wakes);
        }
        if (moved == 0 && byte_ring_producer_sleep(&producer)) {
            sem_wait(&producer_wakes);
        }
    }
    bool wake;
    byte_ring_close(&producer, &wake);
    if (wake) {
        sem_post(&consumer_wakes);
    }
    return NULL;
}

static void test_two_threads(void)
{
    start(128, 0);
    sem_init(&producer_wakes, 0, 0);
    sem_init(&consumer_wakes, 0, 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, stress_produce, NULL) == 0);
    uint32_t got = 0;
    for (;;) {
        uint8_t piece[61];
        uint32_t moved;
        bool wake;
        status_t status = byte_ring_read(&consumer, piece, sizeof(piece), &moved, &wake);
        if (status == STATUS_CLOSED) {
            break;
        }
        CHECK(status == STATUS_OK);
        for (uint32_t i = 0; i < moved; i++) {
            CHECK(piece[i] == (uint8_t)((got + i) * 31 >> 3));
        }
        got += moved;
        if (wake) {
            sem_post(&producer_wakes);
        }
        if (moved == 0 && byte_ring_consumer_sleep(&consumer)) {
            sem_wait(&consumer_wakes);
        }
    }
    CHECK(got == STRESS_BYTES);
    pthread_join(thread, NULL);
}

int main(void)
{
    test_sizes();
    test_end();
    test_sleep();
    test_hostile_peer();
    test_two_threads();
    free(bytes);
    return 0;
}
