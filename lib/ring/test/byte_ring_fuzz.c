/* The input plays the peer: it rewrites the shared control block between our operations. */
#include <stdlib.h>
#include <string.h>

#include "lib/ring/byte_ring.h"

#define SIZE 256

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    struct ring_control control = {0};
    uint8_t *bytes = calloc(1, SIZE);
    struct byte_ring producer;
    struct byte_ring consumer;
    byte_ring_producer_init(&producer, &control, bytes, SIZE);
    byte_ring_consumer_init(&consumer, &control, bytes, SIZE);
    while (length >= 6) {
        uint8_t piece[SIZE];
        uint32_t moved;
        bool wake;
        uint32_t value;
        memcpy(&value, input + 2, sizeof(value));
        size_t field = input[0] % (sizeof(control) / sizeof(uint32_t));
        memcpy((uint8_t *)&control + field * sizeof(value), &value, sizeof(value));
        memset(piece, input[1], sizeof(piece));
        if (input[1] % 2 == 0) {
            (void)!byte_ring_write(&producer, piece, input[1], &moved, &wake);
            byte_ring_producer_sleep(&producer);
        } else {
            (void)!byte_ring_read(&consumer, piece, input[1], &moved, &wake);
            byte_ring_consumer_sleep(&consumer);
        }
        input += 6;
        length -= 6;
    }
    free(bytes);
    return 0;
}
