/*
 * Proves: a stream of frames is decoded the same however it is sliced; every malformed header is
 * refused; the queue keeps its limit and never carries half a frame; credit can neither be
 * overdrawn nor be invented.
 */
#include "host/channel/credit.h"
#include "host/channel/frame.h"
#include "host/channel/queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t decoder_bytes[FRAME_DECODER_BYTES];

static struct control_frame header_make(uint16_t type, uint32_t length, uint32_t session)
{
    return (struct control_frame){.length = length, .session = session, .type = type};
}

static size_t stream_make(uint8_t *stream, uint32_t frames)
{
    size_t length_bytes = 0;
    for (uint32_t i = 0; i < frames; i++) {
        struct control_frame header = header_make(CONTROL_DATA, i * 977 % CONTROL_FRAME_MAX, i + 1);
        memcpy(stream + length_bytes, &header, sizeof(header));
        length_bytes += sizeof(header);
        memset(stream + length_bytes, (int)(i & 0xff), header.length);
        length_bytes += header.length;
    }
    return length_bytes;
}

/* Feeds the stream in slices of at most slice_bytes and counts the frames that come out. */
static uint32_t stream_decode(const uint8_t *stream, size_t length_bytes, size_t slice_bytes)
{
    struct frame_decoder decoder;
    frame_decoder_init(&decoder, decoder_bytes);
    uint32_t frames = 0;
    size_t done = 0;
    while (done < length_bytes) {
        size_t room_bytes;
        uint8_t *room = frame_decoder_room(&decoder, &room_bytes);
        assert(room_bytes > 0);
        size_t part = MIN(MIN(room_bytes, slice_bytes), length_bytes - done);
        memcpy(room, stream + done, part);
        frame_decoder_filled(&decoder, part);
        done += part;
        struct frame frame;
        status_t status;
        while ((status = frame_decoder_next(&decoder, &frame)) == STATUS_OK) {
            assert(frame.header.session == frames + 1);
            assert(frame.header.length == frames * 977 % CONTROL_FRAME_MAX);
            for (uint32_t i = 0; i < frame.header.length; i++) {
                assert(frame.payload[i] == (uint8_t)frames);
            }
            frames++;
        }
        assert(status == STATUS_WOULD_BLOCK);
    }
    assert(frame_decoder_idle(&decoder));
    return frames;
}

static void test_slices(void)
{
    static uint8_t stream[100 * FRAME_BYTES_MAX];
    size_t length_bytes = stream_make(stream, 100);
    static const size_t slices[] = {1, 7, 16, 17, 4096, 65536, 1000000};
    for (size_t i = 0; i < ARRAY_LENGTH(slices); i++) {
        assert(stream_decode(stream, length_bytes, slices[i]) == 100);
    }
}

static void test_check(void)
{
    struct control_frame header = header_make(CONTROL_DATA, CONTROL_FRAME_MAX, 1);
    assert(frame_check(&header) == STATUS_OK);
    header.length++;
    assert(frame_check(&header) == STATUS_CORRUPT);
    header = header_make(0, 0, 1);
    assert(frame_check(&header) == STATUS_CORRUPT);
    header = header_make(CONTROL_CLOSE + 1, 0, 1);
    assert(frame_check(&header) == STATUS_CORRUPT);
    header = header_make(CONTROL_DATA, 1, 1);
    header.stream = 3;
    assert(frame_check(&header) == STATUS_CORRUPT);
    header = header_make(CONTROL_EOF, 1, 1);
    assert(frame_check(&header) == STATUS_CORRUPT);
    header = header_make(CONTROL_HELLO, sizeof(struct control_hello), 0);
    assert(frame_check(&header) == STATUS_OK);
    header.session = 1;
    assert(frame_check(&header) == STATUS_CORRUPT);
}

static void test_queue(void)
{
    struct frame_queue queue;
    frame_queue_init(&queue, 3 * FRAME_BYTES_MAX);
    static uint8_t payload[CONTROL_FRAME_MAX];
    struct control_frame header = header_make(CONTROL_DATA, CONTROL_FRAME_MAX, 1);
    for (int i = 0; i < 3; i++) {
        assert(frame_queue_put(&queue, &header, payload) == STATUS_OK);
    }
    assert(frame_queue_put(&queue, &header, payload) == STATUS_NO_MEMORY);
    assert(frame_queue_length(&queue) == 3 * FRAME_BYTES_MAX);
    int pair[2];
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    size_t received = 0;
    while (frame_queue_length(&queue) > 0) {
        assert(frame_queue_write(&queue, pair[0]) == STATUS_OK);
        static uint8_t sink[65536];
        ssize_t got = recv(pair[1], sink, sizeof(sink), MSG_DONTWAIT);
        received += got > 0 ? (size_t)got : 0;
    }
    close(pair[1]);
    assert(frame_queue_put(&queue, &header, payload) == STATUS_OK);
    assert(frame_queue_write(&queue, pair[0]) == STATUS_CLOSED);
    assert(received > 0);
    close(pair[0]);
    frame_queue_free(&queue);
}

static void test_credit(void)
{
    struct credit credit;
    credit_init(&credit);
    assert(credit_take(&credit, CONTROL_WINDOW) == STATUS_OK);
    assert(credit_take(&credit, 1) == STATUS_OUT_OF_RANGE);
    assert(credit_return(&credit, CONTROL_WINDOW + 1) == STATUS_OUT_OF_RANGE);
    assert(credit_return(&credit, 10) == STATUS_OK);
    assert(credit_take(&credit, 11) == STATUS_OUT_OF_RANGE);
    assert(credit_take(&credit, 10) == STATUS_OK);
    struct credit_owed owed = {0};
    uint32_t returned = 0;
    for (int i = 0; i < CONTROL_WINDOW; i++) {
        returned += credit_consumed(&owed, 1);
    }
    assert(returned + owed.owed_bytes == CONTROL_WINDOW);
}

int main(void)
{
    test_slices();
    test_check();
    test_queue();
    test_credit();
    puts("channel_test: ok");
    return 0;
}
