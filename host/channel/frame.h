/*
 * One frame of the control channel (abi/control.h): its bounds, and a decoder that turns any
 * slicing of the byte stream back into frames. Nothing here allocates or blocks.
 */
#pragma once

#include "lib/base/types.h"
#include "abi/control.h"

#define FRAME_BYTES_MAX (sizeof(struct control_frame) + CONTROL_FRAME_MAX)

struct frame {
    struct control_frame header;
    const uint8_t *payload; /* header.length bytes, valid until the decoder is given more bytes */
};

/*
 * CORRUPT unless the length is within CONTROL_FRAME_MAX, the type is known, a stream frame names
 * one of the three streams, and a frame that has no payload says so.
 */
MUST_USE status_t frame_check(const struct control_frame *header);

struct frame_decoder {
    uint8_t *bytes; /* FRAME_DECODER_BYTES, the owner's */
    size_t start;
    size_t end;
};

#define FRAME_DECODER_BYTES (2 * FRAME_BYTES_MAX)

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *bytes);

/*
 * Where the next bytes of the stream go, and how many fit: never 0 once frame_decoder_next said
 * WOULD_BLOCK. Frames that were handed out are no longer valid.
 */
uint8_t *frame_decoder_room(struct frame_decoder *decoder, size_t *room_bytes);
void frame_decoder_filled(struct frame_decoder *decoder, size_t length_bytes);

/* OK and a frame; WOULD_BLOCK when more bytes are needed; CORRUPT: the stream is lost for good. */
MUST_USE status_t frame_decoder_next(struct frame_decoder *decoder, struct frame *out);

/* True when the stream stands between two frames: only there may it end. */
bool frame_decoder_idle(const struct frame_decoder *decoder);
