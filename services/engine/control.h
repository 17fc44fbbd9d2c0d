/*
 * The control channel's port: moves bytes between the virtio console and the engine (engine.h),
 * as far as either side has room. Nothing here knows what the bytes mean.
 */
#pragma once

#include "lib/base/types.h"

#define CONTROL_PORT_NAME "oak.control"

/* Bring up the console in the slots from ENGINE_SLOT_DEVICE on. Waits for the device, not long. */
MUST_USE status_t control_open(void);

/* The console's bits were raised in the engine's signal. */
void control_interrupt(void);

/* Move a bounded piece in each direction. True: there is more to move now. A device that breaks the
 * rules ends the engine: without its channel nobody can use it. */
bool control_pump(void);
