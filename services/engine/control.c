/*
 * Invariant: [sent, staged) of out_bytes is what the engine has made and the console has not taken;
 * more is asked for only when it is empty, so that a frame is never cut up by another one.
 */
#include "services/engine/control.h"

#include "abi/engine.h"
#include "drivers/console/virtio_console.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "services/engine/engine.h"

#define OPEN_NS   5000000000ull
#define IN_BYTES  16384
#define OUT_BYTES (2 * FRAME_BYTES_MAX)
#define ROUNDS    16 /* pieces in one turn */

static struct {
    struct virtio_console *console;
    uint32_t sent;
    uint32_t staged;
    uint8_t in_bytes[IN_BYTES];
    uint8_t out_bytes[OUT_BYTES];
} control;

status_t control_open(void)
{
    return virtio_console_open(ENGINE_SLOT_DEVICE, ENGINE_SLOT_SIGNAL, CONTROL_PORT_NAME,
                               clock_now_ns() + OPEN_NS, &control.console);
}

void control_interrupt(void)
{
    virtio_console_interrupt(control.console);
}

static void must(status_t status)
{
    if (status != STATUS_OK) {
        log_panic("the control channel: %s", status_name(status));
    }
}

/* False: nothing came. */
static bool piece_in(void)
{
    uint32_t got;
    must(virtio_console_read(control.console, control.in_bytes, IN_BYTES, &got));
    if (got > 0) {
        engine_input(control.in_bytes, got);
    }
    return got > 0;
}

/* False: nothing to send, or no room for it. */
static bool piece_out(void)
{
    if (control.sent == control.staged) {
        control.sent = 0;
        control.staged = engine_output(control.out_bytes, OUT_BYTES);
        if (control.staged == 0) {
            return false;
        }
    }
    uint32_t written;
    must(virtio_console_write(control.console, control.out_bytes + control.sent,
                              control.staged - control.sent, &written));
    control.sent += written;
    return written > 0;
}

bool control_pump(void)
{
    bool more = true;
    for (int round = 0; round < ROUNDS && more; round++) {
        bool in = piece_in();
        bool out = piece_out();
        more = in || out;
    }
    return more;
}
