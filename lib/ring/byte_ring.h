/*
 * A ring of bytes between two protection domains, one producer and one consumer, over a
 * struct ring_control (abi/container.h) and a power-of-two buffer that both have mapped.
 *
 * Neither side believes the other. Each keeps its own index in private memory (the shared copy is
 * for the peer only), reads the peer's index once per operation and checks it: an index that no
 * honest peer could have written is CORRUPT, and the ring is not to be used any more. What a
 * hostile peer can do is wrong bytes, a stalled stream, or CORRUPT; never an access outside the
 * buffer.
 *
 * Sleeping. The producer that finds no room calls byte_ring_producer_sleep: it sets its flag, then
 * looks again (a full barrier lies between). True: there is still no room, and the consumer's next
 * consume will report wake; false: there is room, go on. The consumer publishes its index, then
 * (full barrier) takes the flag: whichever of the two stores comes first, one side sees the other,
 * so no wake-up is lost. The same the other way round. *wake tells the caller to notify the peer by
 * whatever means the two have agreed on (a signal, a call). Wake-ups may be spurious, never
 * missing.
 */
#pragma once

#include "lib/base/types.h"

#include "abi/container.h"

struct byte_ring {
    struct ring_control *control; /* shared */
    uint8_t *bytes;               /* shared */
    uint32_t size_bytes;          /* power of two */
    uint32_t own;                 /* this side's index */
};

/* Start one side of a ring that nobody has used yet (all zero), or go on after a restart: the own
 * index is taken from the control block. Each side has its own struct byte_ring. */
void byte_ring_producer_init(struct byte_ring *ring, struct ring_control *control, void *bytes,
                             uint32_t size_bytes);
void byte_ring_consumer_init(struct byte_ring *ring, struct ring_control *control, void *bytes,
                             uint32_t size_bytes);

/* --- Producer --- */

/* The contiguous room at *out (perhaps less than all room, perhaps 0 bytes). CLOSED when the
 * consumer has abandoned the ring. */
MUST_USE status_t byte_ring_room(struct byte_ring *ring, uint8_t **out, uint32_t *out_bytes);
/* The first `bytes` bytes of that room are filled. */
void byte_ring_produce(struct byte_ring *ring, uint32_t bytes, bool *wake);
/* Both in one, from private memory; puts as much as fits. */
MUST_USE status_t byte_ring_write(struct byte_ring *ring, const void *from, uint32_t bytes,
                                  uint32_t *out_written, bool *wake);
bool byte_ring_producer_sleep(struct byte_ring *ring);
/* No more will come. */
void byte_ring_close(struct byte_ring *ring, bool *wake);

/* --- Consumer --- */

/* The contiguous bytes at *out (0 bytes: none now). CLOSED when there are none and no more will
 * come. The bytes are shared memory: copy, then check. */
MUST_USE status_t byte_ring_data(struct byte_ring *ring, const uint8_t **out, uint32_t *out_bytes);
void byte_ring_consume(struct byte_ring *ring, uint32_t bytes, bool *wake);
MUST_USE status_t byte_ring_read(struct byte_ring *ring, void *to, uint32_t bytes,
                                 uint32_t *out_read, bool *wake);
bool byte_ring_consumer_sleep(struct byte_ring *ring);
/* Nobody will read any more. */
void byte_ring_abandon(struct byte_ring *ring, bool *wake);

/* --- Either --- how many bytes wait in it; CORRUPT as above. */
MUST_USE status_t byte_ring_waiting_producer(struct byte_ring *ring, uint32_t *out_bytes);
MUST_USE status_t byte_ring_waiting_consumer(struct byte_ring *ring, uint32_t *out_bytes);
