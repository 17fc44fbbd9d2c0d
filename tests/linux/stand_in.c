/*
 * Stands in for the personality in the harness's own test: says that it is ready, and as a clone
 * prints its first argument, echoes its input and ends with 7; the argument `fault` makes it
 * fault, `hang` wait forever. What the template left in memory must be there.
 */
#include "abi/container.idl.h"
#include "abi/control.h"
#include "lib/base/record.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/window.h"
#include "lib/ring/byte_ring.h"

#define EXIT_CODE 7

static uint64_t left_by_template;

static void must(status_t status, const char *step)
{
    if (status != STATUS_OK) {
        log_panic("%s: %s", step, status_name(status));
    }
}

/* A whole text into a ring, however small the room. */
static void put(struct byte_ring *ring, const uint8_t *text, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t written;
        bool wake;
        must(byte_ring_write(ring, text, bytes, &written, &wake), "write into the ring");
        text += written;
        bytes -= written;
        if (wake) {
            must(container_ring_moved(CONTAINER_SLOT_ENGINE, 0), "ring moved");
        }
        if (bytes > 0 && byte_ring_producer_sleep(ring)) {
            struct kernel_results bits;
            must(kernel_signal_wait(CONTAINER_SLOT_EVENTS, EVENT_OUTPUT, DEADLINE_NEVER, &bits),
                 "wait for room");
        }
    }
}

static void argument_print(uint8_t *channel, uint64_t specification_bytes)
{
    struct record_reader reader;
    struct record argument;
    record_reader_init(&reader, channel + CHANNEL_SPECIFICATION_AT(specification_bytes),
                       specification_bytes);
    must(record_find(&reader, RECORD_ARGUMENT, &argument), "an argument");
    struct channel_control *control = (struct channel_control *)(void *)channel;
    struct byte_ring ring;
    byte_ring_producer_init(&ring, &control->ring[1], channel + CHANNEL_RING_STDOUT,
                            CHANNEL_RING_BYTES);
    if (argument.length_bytes == 5 && memcmp(argument.value, "fault", 5) == 0) {
        __builtin_trap();
    }
    if (argument.length_bytes == 4 && memcmp(argument.value, "hang", 4) == 0) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
    put(&ring, argument.value, argument.length_bytes);
    put(&ring, (const uint8_t *)"\n", 1);
}

/* The input comes back as error output. */
static void input_echo(uint8_t *channel)
{
    struct channel_control *control = (struct channel_control *)(void *)channel;
    struct byte_ring from;
    struct byte_ring to;
    byte_ring_consumer_init(&from, &control->ring[0], channel + CHANNEL_RING_STDIN,
                            CHANNEL_RING_BYTES);
    byte_ring_producer_init(&to, &control->ring[2], channel + CHANNEL_RING_STDERR,
                            CHANNEL_RING_BYTES);
    for (;;) {
        uint8_t piece[64];
        uint32_t count;
        bool wake;
        status_t status = byte_ring_read(&from, piece, sizeof(piece), &count, &wake);
        if (status == STATUS_CLOSED) {
            return;
        }
        must(status, "read the input");
        if (wake) {
            must(container_ring_moved(CONTAINER_SLOT_ENGINE, 0), "ring moved");
        }
        put(&to, piece, count);
        if (count == 0 && byte_ring_consumer_sleep(&from)) {
            struct kernel_results bits;
            must(kernel_signal_wait(CONTAINER_SLOT_EVENTS, EVENT_INPUT, DEADLINE_NEVER, &bits),
                 "wait for input");
        }
    }
}

static __attribute__((used)) void clone_main(uint64_t argument)
{
    log_name_set("stand-in");
    if (left_by_template++ != 1) {
        log_panic("the clone does not have the template's memory");
    }
    void *mapped;
    must(window_map(CONTAINER_SLOT_CHANNEL, 0, CHANNEL_BYTES, RIGHT_READ | RIGHT_WRITE, &mapped),
         "map the channel");
    const void *image;
    must(window_map_source(CONTAINER_SLOT_IMAGE, 0, CONTAINER_ARGUMENT_IMAGE(argument), &image),
         "map the image");
    must(container_launched(CONTAINER_SLOT_ENGINE, 0, STATUS_OK, 1, "", 0), "launched");
    argument_print(mapped, CONTAINER_ARGUMENT_SPECIFICATION(argument));
    input_echo(mapped);
    must(container_missing(CONTAINER_SLOT_ENGINE, 0, "nothing", 7), "missing");
    if (*(const volatile uint8_t *)image != 'i') {
        log_panic("the image is not the bundle's");
    }
    must(container_ended(CONTAINER_SLOT_ENGINE, 0, EXIT_CODE, 0, 1), "ended");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}

/* A thread starts with RSP at its frame: the call aligns the stack. */
static __attribute__((naked)) void clone_entry(void)
{
    __asm__("xor %ebp, %ebp\n"
            "call clone_main\n"
            "ud2");
}

void program_main(uint64_t argument)
{
    (void)argument;
    left_by_template = 1;
    status_t status =
        container_template_ready(CONTAINER_SLOT_ENGINE, (uint64_t)clone_entry,
                                 WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET, WINDOW_BASE, 0);
    log_panic("the template was answered: %s", status_name(status));
}
