/*
 * Both sides of the ring. Invariants on our side: `own` is what we last published; an index of the
 * peer is used only after `filled` has checked it, so every offset stays inside the buffer.
 *
 * Barriers. Data before index: the producer's index is stored with release and loaded with acquire,
 * and so is the consumer's (it says that bytes may be overwritten). Index before flag: a
 * sequentially consistent fence between publishing an index and looking at the peer's sleep flag,
 * and between setting the own flag and looking at the peer's index again (Dekker's pattern).
 */
#include "lib/ring/byte_ring.h"

#include "lib/base/string.h"

static void init(struct byte_ring *ring, struct ring_control *control, void *bytes,
                 uint32_t size_bytes, uint32_t own)
{
    *ring = (struct byte_ring){control, bytes, size_bytes, own};
}

void byte_ring_producer_init(struct byte_ring *ring, struct ring_control *control, void *bytes,
                             uint32_t size_bytes)
{
    init(ring, control, bytes, size_bytes, __atomic_load_n(&control->produced, __ATOMIC_ACQUIRE));
}

void byte_ring_consumer_init(struct byte_ring *ring, struct ring_control *control, void *bytes,
                             uint32_t size_bytes)
{
    init(ring, control, bytes, size_bytes, __atomic_load_n(&control->consumed, __ATOMIC_ACQUIRE));
}

/* Take the peer's sleep flag: true when it is to be woken. */
static bool sleeper_take(uint32_t *flag)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0 &&
           __atomic_exchange_n(flag, 0, __ATOMIC_SEQ_CST) != 0;
}

static void sleeper_announce(uint32_t *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static status_t filled(const struct byte_ring *ring, uint32_t produced, uint32_t consumed,
                       uint32_t *out)
{
    uint32_t bytes = produced - consumed;
    if (bytes > ring->size_bytes) {
        return STATUS_CORRUPT;
    }
    *out = bytes;
    return STATUS_OK;
}

status_t byte_ring_waiting_producer(struct byte_ring *ring, uint32_t *out_bytes)
{
    uint32_t consumed = __atomic_load_n(&ring->control->consumed, __ATOMIC_ACQUIRE);
    return filled(ring, ring->own, consumed, out_bytes);
}

status_t byte_ring_waiting_consumer(struct byte_ring *ring, uint32_t *out_bytes)
{
    uint32_t produced = __atomic_load_n(&ring->control->produced, __ATOMIC_ACQUIRE);
    return filled(ring, produced, ring->own, out_bytes);
}

status_t byte_ring_room(struct byte_ring *ring, uint8_t **out, uint32_t *out_bytes)
{
    if (__atomic_load_n(&ring->control->abandoned, __ATOMIC_ACQUIRE) != 0) {
        return STATUS_CLOSED;
    }
    uint32_t waiting;
    status_t status = byte_ring_waiting_producer(ring, &waiting);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t place = ring->own & (ring->size_bytes - 1);
    *out = ring->bytes + place;
    *out_bytes = MIN(ring->size_bytes - waiting, ring->size_bytes - place);
    return STATUS_OK;
}

void byte_ring_produce(struct byte_ring *ring, uint32_t bytes, bool *wake)
{
    ring->own += bytes;
    __atomic_store_n(&ring->control->produced, ring->own, __ATOMIC_RELEASE);
    *wake = sleeper_take(&ring->control->consumer_sleeps);
}

status_t byte_ring_write(struct byte_ring *ring, const void *from, uint32_t bytes,
                         uint32_t *out_written, bool *wake)
{
    const uint8_t *next = from;
    uint32_t written = 0;
    *wake = false;
    while (written < bytes) {
        uint8_t *room;
        uint32_t room_bytes;
        status_t status = byte_ring_room(ring, &room, &room_bytes);
        if (status != STATUS_OK) {
            return status;
        }
        uint32_t part = MIN(room_bytes, bytes - written);
        if (part == 0) {
            break;
        }
        memcpy(room, next + written, part);
        bool wake_part;
        byte_ring_produce(ring, part, &wake_part);
        *wake |= wake_part;
        written += part;
    }
    *out_written = written;
    return STATUS_OK;
}

bool byte_ring_producer_sleep(struct byte_ring *ring)
{
    sleeper_announce(&ring->control->producer_sleeps);
    uint8_t *room;
    uint32_t room_bytes;
    return byte_ring_room(ring, &room, &room_bytes) == STATUS_OK && room_bytes == 0;
}

void byte_ring_close(struct byte_ring *ring, bool *wake)
{
    __atomic_store_n(&ring->control->closed, 1, __ATOMIC_RELEASE);
    *wake = sleeper_take(&ring->control->consumer_sleeps);
}

status_t byte_ring_data(struct byte_ring *ring, const uint8_t **out, uint32_t *out_bytes)
{
    /* Closed first: what was put before closing is then seen in the index. */
    bool closed = __atomic_load_n(&ring->control->closed, __ATOMIC_ACQUIRE) != 0;
    uint32_t waiting;
    status_t status = byte_ring_waiting_consumer(ring, &waiting);
    if (status != STATUS_OK) {
        return status;
    }
    if (waiting == 0 && closed) {
        return STATUS_CLOSED;
    }
    uint32_t place = ring->own & (ring->size_bytes - 1);
    *out = ring->bytes + place;
    *out_bytes = MIN(waiting, ring->size_bytes - place);
    return STATUS_OK;
}

void byte_ring_consume(struct byte_ring *ring, uint32_t bytes, bool *wake)
{
    ring->own += bytes;
    __atomic_store_n(&ring->control->consumed, ring->own, __ATOMIC_RELEASE);
    *wake = sleeper_take(&ring->control->producer_sleeps);
}

status_t byte_ring_read(struct byte_ring *ring, void *to, uint32_t bytes, uint32_t *out_read,
                        bool *wake)
{
    uint8_t *next = to;
    uint32_t taken = 0;
    *wake = false;
    while (taken < bytes) {
        const uint8_t *data;
        uint32_t data_bytes;
        status_t status = byte_ring_data(ring, &data, &data_bytes);
        if (status != STATUS_OK && (status != STATUS_CLOSED || taken == 0)) {
            return status;
        }
        uint32_t part = status == STATUS_OK ? MIN(data_bytes, bytes - taken) : 0;
        if (part == 0) {
            break;
        }
        memcpy(next + taken, data, part);
        bool wake_part;
        byte_ring_consume(ring, part, &wake_part);
        *wake |= wake_part;
        taken += part;
    }
    *out_read = taken;
    return STATUS_OK;
}

bool byte_ring_consumer_sleep(struct byte_ring *ring)
{
    sleeper_announce(&ring->control->consumer_sleeps);
    const uint8_t *data;
    uint32_t data_bytes;
    return byte_ring_data(ring, &data, &data_bytes) == STATUS_OK && data_bytes == 0;
}

void byte_ring_abandon(struct byte_ring *ring, bool *wake)
{
    __atomic_store_n(&ring->control->abandoned, 1, __ATOMIC_RELEASE);
    *wake = sleeper_take(&ring->control->producer_sleeps);
}
