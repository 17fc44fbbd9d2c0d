/*
 * The container's output as log lines, its input from the plan. Bytes above 0x7f go to the log as
 * they are; a line that is longer than the log's goes on in the next.
 */
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "tests/linux/bringup.h"

#define PIECE_BYTES 512

void streams_start(struct streams *streams, uint8_t *channel, const struct plan *plan)
{
    static const uint32_t place[] = {CHANNEL_RING_STDOUT, CHANNEL_RING_STDERR};
    static const char *const prefix[] = {"out: ", "err: "};
    struct channel_control *control = (struct channel_control *)(void *)channel;
    memset(streams, 0, sizeof(*streams));
    byte_ring_producer_init(&streams->input, &control->ring[0], channel + CHANNEL_RING_STDIN,
                            CHANNEL_RING_BYTES);
    streams->input_next = plan->input;
    streams->input_left = plan->input_bytes;
    for (uint32_t i = 0; i < ARRAY_LENGTH(streams->output); i++) {
        byte_ring_consumer_init(&streams->output[i].ring, &control->ring[1 + i], channel + place[i],
                                CHANNEL_RING_BYTES);
        streams->output[i].prefix = prefix[i];
    }
}

/* --- Output --- */

static void line_flush(struct stream_lines *lines)
{
    struct thread_frame *frame = thread_frame_self();
    uint8_t *message = (uint8_t *)frame->message;
    size_t prefix = strlen(lines->prefix);
    memcpy(message, lines->prefix, prefix);
    memcpy(message + prefix, lines->line, lines->length);
    (void)kernel_log_write(SLOT_LOG, prefix + lines->length);
    lines->length = 0;
}

static void lines_put(struct stream_lines *lines, const char *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            line_flush(lines);
        } else if (bytes[i] != '\r') {
            lines->line[lines->length++] = bytes[i];
            if (lines->length == sizeof(lines->line)) {
                line_flush(lines);
            }
        }
    }
}

/* True when the container is to hear that there is room again. */
static bool lines_pump(struct stream_lines *lines)
{
    bool tell = false;
    while (!lines->ended) {
        char piece[PIECE_BYTES];
        uint32_t count;
        bool wake = false;
        status_t status = byte_ring_read(&lines->ring, piece, sizeof(piece), &count, &wake);
        if (status != STATUS_OK) {
            lines->ended = true;
            if (status != STATUS_CLOSED) {
                log_line("%sring: %s", lines->prefix, status_name(status));
            }
            break;
        }
        tell |= wake;
        lines_put(lines, piece, count);
        if (count == 0 && byte_ring_consumer_sleep(&lines->ring)) {
            break;
        }
    }
    return tell;
}

/* --- Input --- */

static bool input_pump(struct streams *streams)
{
    bool tell = false;
    while (!streams->input_closed) {
        bool wake = false;
        uint32_t written = 0;
        status_t status = STATUS_OK;
        if (streams->input_left > 0) {
            status = byte_ring_write(&streams->input, streams->input_next, streams->input_left,
                                     &written, &wake);
            streams->input_next += written;
            streams->input_left -= written;
        }
        if (status != STATUS_OK || streams->input_left == 0) {
            bool wake_too = false;
            byte_ring_close(&streams->input, &wake_too);
            streams->input_closed = true;
            wake |= wake_too;
        } else if (written == 0 && byte_ring_producer_sleep(&streams->input)) {
            break;
        }
        tell |= wake;
    }
    return tell;
}

uint64_t streams_pump(struct streams *streams)
{
    uint64_t events = input_pump(streams) ? EVENT_INPUT : 0;
    for (uint32_t i = 0; i < ARRAY_LENGTH(streams->output); i++) {
        events |= lines_pump(&streams->output[i]) ? EVENT_OUTPUT : 0;
    }
    return events;
}

void streams_finish(struct streams *streams)
{
    for (uint32_t i = 0; i < ARRAY_LENGTH(streams->output); i++) {
        struct stream_lines *lines = &streams->output[i];
        (void)lines_pump(lines);
        if (lines->length > 0) {
            line_flush(lines);
        }
    }
}
