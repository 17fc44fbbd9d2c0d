/*
 * A virtio console as one byte stream (virtio 1.2, section 5.3): the engine's control channel.
 *
 * Works on a plain console (one port) and on a multiport device, where it opens the one port with
 * the name it is given and refuses all others. Polling by interrupt: the owner calls
 * virtio_console_interrupt when the grant's bits arrive in its signal, then reads and writes until
 * nothing moves. Nothing here blocks but virtio_console_open, which waits for the device's
 * handshake with a deadline. The device is not trusted: every length and id is checked, and a
 * device that breaks the rules makes every later call IO_ERROR.
 */
#pragma once

#include "lib/base/types.h"

struct virtio_console;

/*
 * Bring up the device whose grant lies in the slots from `base` on. `signal` is the one its
 * interrupt raises. Allocates on the heap. IO_ERROR, NOT_SUPPORTED, NOT_FOUND (no port of that
 * name until the deadline).
 */
MUST_USE status_t virtio_console_open(uint32_t base, uint32_t signal, const char *port_name,
                                      uint64_t deadline_ns, struct virtio_console **out);

/* The signal bits of the grant. */
uint64_t virtio_console_bits(const struct virtio_console *console);

/* Must be called when those bits were raised, before reading or writing. */
void virtio_console_interrupt(struct virtio_console *console);

/* Take received bytes, at most `bytes`; 0 when there are none now. */
MUST_USE status_t virtio_console_read(struct virtio_console *console, void *to, uint32_t bytes,
                                      uint32_t *out_read);

/* Send bytes: as many as there is room for; 0 means wait for an interrupt. */
MUST_USE status_t virtio_console_write(struct virtio_console *console, const void *from,
                                       uint32_t bytes, uint32_t *out_written);

/* Multiport only: whether the host's end is open. A plain console says true. */
bool virtio_console_connected(const struct virtio_console *console);
