#include "services/engine/frame.h"

#include "lib/base/string.h"

_Static_assert(sizeof(struct control_frame) == 16, "the header is part of the contract");

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *bytes)
{
    *decoder = (struct frame_decoder){.bytes = bytes};
}

uint8_t *frame_decoder_room(struct frame_decoder *decoder, uint32_t *out_bytes)
{
    uint32_t held_bytes = decoder->end - decoder->start;
    if (held_bytes == 0) {
        decoder->start = decoder->end = 0;
    } else if (decoder->start > FRAME_BYTES_MAX / 2) {
        memmove(decoder->bytes, decoder->bytes + decoder->start, held_bytes);
        decoder->start = 0;
        decoder->end = held_bytes;
    }
    *out_bytes = (uint32_t)FRAME_DECODER_BYTES - decoder->end;
    return decoder->bytes + decoder->end;
}

void frame_decoder_filled(struct frame_decoder *decoder, uint32_t bytes)
{
    decoder->end += bytes;
}

/* What the host may send, in form. */
static bool header_good(const struct control_frame *header)
{
    if (header->length > CONTROL_FRAME_MAX) {
        return false;
    }
    switch ((enum control_type)header->type) {
    case CONTROL_HELLO:
        return header->session == CONTROL_SESSION_ALL &&
               header->length == sizeof(struct control_hello) && header->value == CONTROL_VERSION;
    case CONTROL_REQUEST:
        return true;
    case CONTROL_MORE:
        return header->session != CONTROL_SESSION_ALL;
    case CONTROL_DATA:
        return header->session != CONTROL_SESSION_ALL && header->stream == 0;
    case CONTROL_CREDIT:
        return header->session != CONTROL_SESSION_ALL && header->length == 0 &&
               (header->stream == 1 || header->stream == 2);
    case CONTROL_EOF:
        return header->session != CONTROL_SESSION_ALL && header->length == 0 && header->stream == 0;
    case CONTROL_RESIZE:
    case CONTROL_CLOSE:
        return header->session != CONTROL_SESSION_ALL && header->length == 0;
    case CONTROL_RESULT:
        return false;
    }
    return false;
}

/* Go on to where a HELLO may begin; true when a whole header stands there. */
static bool hello_seek(struct frame_decoder *decoder, struct control_frame *out)
{
    while (decoder->end - decoder->start >= sizeof(*out)) {
        memcpy(out, decoder->bytes + decoder->start, sizeof(*out));
        if (out->type == CONTROL_HELLO && header_good(out)) {
            return true;
        }
        decoder->start++;
    }
    return false;
}

status_t frame_decoder_next(struct frame_decoder *decoder, struct frame *out)
{
    struct control_frame header;
    uint32_t held_bytes = decoder->end - decoder->start;
    if (!decoder->in_step) {
        if (!hello_seek(decoder, &header)) {
            return STATUS_WOULD_BLOCK;
        }
        held_bytes = decoder->end - decoder->start;
    } else if (held_bytes < sizeof(header)) {
        return STATUS_WOULD_BLOCK;
    } else {
        memcpy(&header, decoder->bytes + decoder->start, sizeof(header));
    }
    if (!header_good(&header)) {
        decoder->in_step = false;
        return STATUS_CORRUPT;
    }
    if (held_bytes < sizeof(header) + header.length) {
        return STATUS_WOULD_BLOCK;
    }
    decoder->in_step = true;
    out->header = header;
    out->payload = decoder->bytes + decoder->start + sizeof(header);
    decoder->start += (uint32_t)sizeof(header) + header.length;
    return STATUS_OK;
}
