/*
 * What the engine's loop calls, and nothing else of sessions and containers. Single-threaded; none
 * of it blocks, but for calls of the storage service (blobs.h).
 *
 * The loop: bytes from the console go to engine_input; calls on the endpoint from the badge
 * ENGINE_BADGE_CONTAINER up go to container_dispatch with `container_handlers`; bits of the signal
 * in CONTAINER_WATCH_BITS go to engine_faulted. After each of these, until neither has more to do:
 * engine_turn, and engine_output as often as there is room on the console.
 */
#pragma once

#include "abi/container.service.h"
#include "services/engine/container.h"
#include "services/engine/frame.h"

void engine_init(void);

/* Bytes of the channel, as they came: all are taken. */
void engine_input(const void *bytes, uint32_t length_bytes);

/*
 * The next bytes for the channel: whole frames, at most room_bytes, which are at least
 * FRAME_BYTES_MAX. 0: there is nothing to send now.
 */
uint32_t engine_output(uint8_t *to, uint32_t room_bytes);

/* Move what waits between rings, logs and sessions, a bounded piece. True: there is more. */
bool engine_turn(void);

/* Bits of CONTAINER_WATCH_BITS were raised in the engine's signal. */
void engine_faulted(uint64_t bits);

/* The interface for badges from ENGINE_BADGE_CONTAINER up (abi/container.idl). */
extern const struct container_handlers container_handlers;
