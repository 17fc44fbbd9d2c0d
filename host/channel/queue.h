/*
 * Frames that wait for a file descriptor to take them. Grows up to a limit that its owner chose;
 * what does not fit is refused whole, so that the stream never carries half a frame.
 * Invariant: start <= end <= capacity; [start, end) is a whole number of frames, minus what of the
 * first one was written already.
 */
#pragma once

#include "lib/base/types.h"
#include "abi/control.h"

struct frame_queue {
    uint8_t *bytes;
    size_t start;
    size_t end;
    size_t capacity_bytes;
    size_t limit_bytes;
};

void frame_queue_init(struct frame_queue *queue, size_t limit_bytes);
void frame_queue_free(struct frame_queue *queue);

static inline size_t frame_queue_length(const struct frame_queue *queue)
{
    return queue->end - queue->start;
}

/* Appends one frame; header.length says how long the payload is. NO_MEMORY beyond the limit. */
MUST_USE status_t frame_queue_put(struct frame_queue *queue, const struct control_frame *header,
                                  const void *payload);

/*
 * Writes what the descriptor takes now. OK: something or nothing was written, look at the length;
 * CLOSED: the other side is gone. Never raises SIGPIPE on a socket.
 */
MUST_USE status_t frame_queue_write(struct frame_queue *queue, int fd);
