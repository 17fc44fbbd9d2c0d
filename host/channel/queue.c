#include "host/channel/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_CAPACITY 4096
#define KEPT_CAPACITY  262144 /* an empty queue that grew beyond this gives its memory back */

void frame_queue_init(struct frame_queue *queue, size_t limit_bytes)
{
    *queue = (struct frame_queue){.limit_bytes = limit_bytes};
}

void frame_queue_free(struct frame_queue *queue)
{
    free(queue->bytes);
    frame_queue_init(queue, queue->limit_bytes);
}

/* Makes room for that many more bytes after the end. */
static status_t queue_grow(struct frame_queue *queue, size_t more_bytes)
{
    size_t held_bytes = frame_queue_length(queue);
    if (more_bytes > queue->limit_bytes || held_bytes > queue->limit_bytes - more_bytes) {
        return STATUS_NO_MEMORY;
    }
    if (more_bytes <= queue->capacity_bytes - queue->end) {
        return STATUS_OK;
    }
    if (queue->start > 0) {
        memmove(queue->bytes, queue->bytes + queue->start, held_bytes);
        queue->start = 0;
        queue->end = held_bytes;
    }
    size_t capacity_bytes = MAX(queue->capacity_bytes, (size_t)FIRST_CAPACITY);
    while (capacity_bytes - held_bytes < more_bytes) {
        capacity_bytes *= 2;
    }
    if (capacity_bytes > queue->capacity_bytes) {
        uint8_t *bytes = realloc(queue->bytes, capacity_bytes);
        if (bytes == NULL) {
            return STATUS_NO_MEMORY;
        }
        queue->bytes = bytes;
        queue->capacity_bytes = capacity_bytes;
    }
    return STATUS_OK;
}

status_t frame_queue_put(struct frame_queue *queue, const struct control_frame *header,
                         const void *payload)
{
    status_t status = queue_grow(queue, sizeof(*header) + header->length);
    if (status != STATUS_OK) {
        return status;
    }
    memcpy(queue->bytes + queue->end, header, sizeof(*header));
    queue->end += sizeof(*header);
    if (header->length > 0) {
        memcpy(queue->bytes + queue->end, payload, header->length);
        queue->end += header->length;
    }
    return STATUS_OK;
}

status_t frame_queue_write(struct frame_queue *queue, int fd)
{
    while (queue->start < queue->end) {
        ssize_t written = send(fd, queue->bytes + queue->start, queue->end - queue->start,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return STATUS_OK;
        }
        if (written <= 0) {
            return STATUS_CLOSED;
        }
        queue->start += (size_t)written;
    }
    queue->start = 0;
    queue->end = 0;
    if (queue->capacity_bytes > KEPT_CAPACITY) {
        frame_queue_free(queue);
    }
    return STATUS_OK;
}
