#include "lib/virtio/queue.h"

#include "lib/base/string.h"

#define DESCRIPTOR_NEXT  1
#define DESCRIPTOR_WRITE 2

#define AVAILABLE_NO_INTERRUPT 1
#define USED_NO_NOTIFY         1

_Static_assert(VIRTQUEUE_BYTES <= PAGE_SIZE, "a queue fits into a page");

void virtqueue_init(struct virtqueue *queue, uint16_t index, uint16_t size, void *memory)
{
    memset(queue, 0, sizeof(*queue));
    uint8_t *bytes = memory;
    queue->descriptors = memory;
    queue->available = (uint16_t *)(void *)(bytes + VIRTQUEUE_AVAILABLE_OFFSET);
    queue->used = (uint16_t *)(void *)(bytes + VIRTQUEUE_USED_OFFSET);
    queue->index = index;
    queue->size = size;
    queue->free_count = size;
    for (uint16_t i = 0; i < size; i++) {
        queue->next[i] = (uint16_t)(i + 1);
    }
}

static void descriptor_write(struct virtqueue *queue, uint16_t place,
                             const struct virtqueue_buffer *buffer, bool more)
{
    uint16_t flags =
        (uint16_t)((more ? DESCRIPTOR_NEXT : 0) | (buffer->device_writes ? DESCRIPTOR_WRITE : 0));
    queue->descriptors[place] = (struct virtqueue_descriptor){
        buffer->physical_address, buffer->length_bytes, flags, more ? queue->next[place] : 0};
}

status_t virtqueue_put(struct virtqueue *queue, const struct virtqueue_buffer *buffers,
                       uint16_t count, uint64_t cookie)
{
    if (queue->broken) {
        return STATUS_IO_ERROR;
    }
    if (count == 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (count > queue->free_count) {
        return STATUS_LIMIT_REACHED;
    }
    uint16_t first = queue->free_first;
    uint16_t place = first;
    struct virtqueue_request request = {true, first, count, 0, cookie};
    for (uint16_t i = 0; i < count; i++) {
        descriptor_write(queue, place, &buffers[i], i + 1 < count);
        request.writable_bytes += buffers[i].device_writes ? buffers[i].length_bytes : 0;
        request.last = place;
        place = queue->next[place];
    }
    queue->request[first] = request;
    queue->free_first = place;
    queue->free_count = (uint16_t)(queue->free_count - count);
    queue->available[2 + (queue->available_index & (queue->size - 1))] = first;
    queue->available_index++;
    __atomic_store_n(&queue->available[1], queue->available_index, __ATOMIC_RELEASE);
    return STATUS_OK;
}

bool virtqueue_wants_notify(const struct virtqueue *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return (__atomic_load_n(&queue->used[0], __ATOMIC_RELAXED) & USED_NO_NOTIFY) == 0;
}

void virtqueue_interrupts(struct virtqueue *queue, bool on)
{
    __atomic_store_n(&queue->available[0], on ? 0 : AVAILABLE_NO_INTERRUPT, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the look at what is finished */
}

static status_t queue_break(struct virtqueue *queue)
{
    queue->broken = true;
    return STATUS_IO_ERROR;
}

status_t virtqueue_take(struct virtqueue *queue, uint64_t *out_cookie, uint32_t *out_written_bytes)
{
    if (queue->broken) {
        return STATUS_IO_ERROR;
    }
    uint16_t finished =
        (uint16_t)(__atomic_load_n(&queue->used[1], __ATOMIC_ACQUIRE) - queue->used_index);
    if (finished == 0) {
        return STATUS_NOT_FOUND;
    }
    if (finished > queue->size) {
        return queue_break(queue);
    }
    struct virtqueue_used used;
    memcpy(&used, &queue->used[2 + 4 * (queue->used_index & (queue->size - 1))], sizeof(used));
    if (used.id >= queue->size || !queue->request[used.id].in_flight ||
        used.length_bytes > queue->request[used.id].writable_bytes) {
        return queue_break(queue);
    }
    struct virtqueue_request *request = &queue->request[used.id];
    request->in_flight = false;
    queue->next[request->last] = queue->free_first;
    queue->free_first = (uint16_t)used.id;
    queue->free_count = (uint16_t)(queue->free_count + request->count);
    queue->used_index++;
    *out_cookie = request->cookie;
    *out_written_bytes = used.length_bytes;
    return STATUS_OK;
}
