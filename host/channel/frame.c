#include "host/channel/frame.h"

#include <assert.h>
#include <string.h>

_Static_assert(sizeof(struct control_frame) == 16, "the header is part of the contract");

static bool stream_known(const struct control_frame *header)
{
    return header->stream <= 2;
}

status_t frame_check(const struct control_frame *header)
{
    bool good = false;
    if (header->length > CONTROL_FRAME_MAX) {
        return STATUS_CORRUPT;
    }
    switch ((enum control_type)header->type) {
    case CONTROL_HELLO:
        good = header->session == CONTROL_SESSION_ALL &&
               header->length == sizeof(struct control_hello);
        break;
    case CONTROL_REQUEST:
    case CONTROL_MORE:
    case CONTROL_RESULT:
    case CONTROL_CLOSE:
        good = true;
        break;
    case CONTROL_DATA:
        good = stream_known(header);
        break;
    case CONTROL_CREDIT:
    case CONTROL_EOF:
        good = stream_known(header) && header->length == 0;
        break;
    case CONTROL_RESIZE:
        good = header->length == 0;
        break;
    }
    return good ? STATUS_OK : STATUS_CORRUPT;
}

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *bytes)
{
    decoder->bytes = bytes;
    decoder->start = 0;
    decoder->end = 0;
}

uint8_t *frame_decoder_room(struct frame_decoder *decoder, size_t *room_bytes)
{
    size_t held_bytes = decoder->end - decoder->start;
    if (decoder->start > 0) {
        memmove(decoder->bytes, decoder->bytes + decoder->start, held_bytes);
        decoder->start = 0;
        decoder->end = held_bytes;
    }
    *room_bytes = FRAME_DECODER_BYTES - decoder->end;
    return decoder->bytes + decoder->end;
}

void frame_decoder_filled(struct frame_decoder *decoder, size_t length_bytes)
{
    assert(length_bytes <= FRAME_DECODER_BYTES - decoder->end);
    decoder->end += length_bytes;
}

status_t frame_decoder_next(struct frame_decoder *decoder, struct frame *out)
{
    size_t held_bytes = decoder->end - decoder->start;
    struct control_frame header;
    if (held_bytes < sizeof(header)) {
        return STATUS_WOULD_BLOCK;
    }
    memcpy(&header, decoder->bytes + decoder->start, sizeof(header));
    status_t status = frame_check(&header);
    if (status != STATUS_OK) {
        return status;
    }
    if (held_bytes - sizeof(header) < header.length) {
        return STATUS_WOULD_BLOCK;
    }
    out->header = header;
    out->payload = decoder->bytes + decoder->start + sizeof(header);
    decoder->start += sizeof(header) + header.length;
    return STATUS_OK;
}

bool frame_decoder_idle(const struct frame_decoder *decoder)
{
    return decoder->start == decoder->end;
}
