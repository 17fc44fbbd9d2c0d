/*
 * Frames of the control channel (abi/control.h) out of a byte stream that may be cut anywhere.
 *
 * The host's end is not trusted. Until a HELLO was seen, and again after a frame that cannot be
 * one, the decoder throws bytes away until a HELLO stands in the stream: so a channel that went out
 * of step finds back when the host greets again. Nothing here allocates or blocks.
 */
#pragma once

#include "lib/base/types.h"

#include "abi/control.h"

#define FRAME_BYTES_MAX     (sizeof(struct control_frame) + CONTROL_FRAME_MAX)
#define FRAME_DECODER_BYTES (2 * FRAME_BYTES_MAX)

struct frame {
    struct control_frame header;
    const uint8_t *payload; /* valid until the decoder is given more bytes */
};

struct frame_decoder {
    uint8_t *bytes; /* FRAME_DECODER_BYTES, the owner's; 8-byte aligned */
    uint32_t start;
    uint32_t end;
    bool in_step;
};

void frame_decoder_init(struct frame_decoder *decoder, uint8_t *bytes);

/* Where the next bytes go; never without room once frame_decoder_next said WOULD_BLOCK. */
uint8_t *frame_decoder_room(struct frame_decoder *decoder, uint32_t *out_bytes);
void frame_decoder_filled(struct frame_decoder *decoder, uint32_t bytes);

/* OK and a checked frame; WOULD_BLOCK: more bytes are needed; CORRUPT, once, when the stream went
 * out of step. */
MUST_USE status_t frame_decoder_next(struct frame_decoder *decoder, struct frame *out);
