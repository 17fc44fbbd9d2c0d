/*
 * A personality for the engine's boot test: it does what abi/container.idl asks for and runs no
 * Linux at all. What the container's process does is its first argument:
 *
 *     WORD    print it, end with 7
 *     image   print the image's first 16 bytes, through page_in, end with 0
 *     cat     print what comes on stdin, end with 0 after its end
 *     sleep   end with 128 + the signal of the first KILL
 *     memory  touch pages until the account has no more: the engine sees a fault
 *     fault   end by a fault
 */
#include "abi/blob.idl.h"
#include "abi/container.h"
#include "abi/container.idl.h"
#include "abi/control.h"
#include "lib/base/record.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "lib/ring/byte_ring.h"

#define STDIN_BYTES 512
#define WORD_BYTES  64
#define IMAGE_BYTES 16
#define HEAP_OFFSET 0x20000000ull /* behind the runtime's own */

void clone_main(uint64_t argument);

/* A clone's first instruction: RSP at its frame, and CONTAINER_ARGUMENT. */
__attribute__((naked)) static void clone_start(void)
{
    __asm__("xor %ebp, %ebp\n\tcall clone_main\n\tud2");
}

static uint8_t *channel;
static uint32_t specification_bytes;
static struct byte_ring in;
static struct byte_ring out;

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        log_panic("%s: %s", what, status_name(status));
    }
}

static void channel_open(uint64_t size_bytes)
{
    void *bytes;
    must(window_map(CONTAINER_SLOT_CHANNEL, 0, CHANNEL_BYTES_WITH(size_bytes),
                    RIGHT_READ | RIGHT_WRITE, &bytes),
         "channel");
    channel = bytes;
    specification_bytes = (uint32_t)size_bytes;
    struct channel_control *control = bytes;
    byte_ring_consumer_init(&in, &control->ring[0], channel + CHANNEL_RING_STDIN,
                            CHANNEL_RING_BYTES);
    byte_ring_producer_init(&out, &control->ring[1], channel + CHANNEL_RING_STDOUT,
                            CHANNEL_RING_BYTES);
    __atomic_store_n(&control->attended, 1, __ATOMIC_SEQ_CST);
}

static uint64_t events_wait(void)
{
    struct kernel_results bits;
    must(kernel_signal_wait(CONTAINER_SLOT_EVENTS, EVENT_REQUEST | EVENT_INPUT | EVENT_OUTPUT,
                            DEADLINE_NEVER, &bits),
         "events");
    return bits.value[0];
}

static void print(const void *bytes, uint32_t length_bytes)
{
    const uint8_t *next = bytes;
    while (length_bytes > 0) {
        uint32_t written;
        bool wake;
        must(byte_ring_write(&out, next, length_bytes, &written, &wake), "stdout");
        if (wake) {
            must(container_ring_moved(CONTAINER_SLOT_ENGINE, 0), "ring_moved");
        }
        next += written;
        length_bytes -= written;
        if (written == 0 && byte_ring_producer_sleep(&out)) {
            (void)events_wait();
        }
    }
}

static void argument_find(char word[WORD_BYTES])
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, channel + CHANNEL_SPECIFICATION_AT(specification_bytes),
                       specification_bytes);
    must(record_find(&reader, RECORD_ARGUMENT, &record), "ARGUMENT");
    uint32_t length = MIN(record.length_bytes, (uint32_t)WORD_BYTES - 1);
    memcpy(word, record.value, length);
    word[length] = '\0';
}

static uint32_t image_print(void)
{
    const void *image;
    must(window_map_source(CONTAINER_SLOT_IMAGE, 0, PAGE_SIZE, &image), "image");
    must(blob_page_in(CONTAINER_SLOT_STORAGE, 0, PAGE_SIZE), "page_in");
    print(image, IMAGE_BYTES);
    return 0;
}

static uint32_t cat(void)
{
    for (;;) {
        uint8_t bytes[STDIN_BYTES];
        uint32_t got;
        bool wake = false;
        status_t status = byte_ring_read(&in, bytes, sizeof(bytes), &got, &wake);
        if (status == STATUS_CLOSED) {
            return 0;
        }
        must(status, "stdin");
        if (wake) {
            must(container_ring_moved(CONTAINER_SLOT_ENGINE, 0), "ring_moved");
        }
        print(bytes, got);
        if (got == 0 && byte_ring_consumer_sleep(&in)) {
            (void)events_wait();
        }
    }
}

static uint32_t signal_await(void)
{
    for (;;) {
        struct container_next_request_reply request;
        must(container_next_request(CONTAINER_SLOT_ENGINE, SLOT_NONE, &request), "next_request");
        if (request.kind == CONTAINER_REQUEST_KILL) {
            return 128 + (uint32_t)request.value;
        }
        if (request.kind == CONTAINER_REQUEST_NONE) {
            (void)events_wait();
        }
    }
}

static void memory_exhaust(void)
{
    uint8_t *heap = (uint8_t *)(WINDOW_HEAP + HEAP_OFFSET);
    for (uint64_t i = 0;; i += PAGE_SIZE) {
        must(kernel_region_map(SLOT_DOMAIN, ((uint64_t)heap + i) | RIGHT_READ | RIGHT_WRITE,
                               PAGE_SIZE, SLOT_MEMORY, (uint64_t)heap + i - WINDOW_BASE, 0),
             "map");
        heap[i] = 1;
    }
}

static uint32_t word_do(const char *word)
{
    if (strcmp(word, "image") == 0) {
        return image_print();
    }
    if (strcmp(word, "cat") == 0) {
        return cat();
    }
    if (strcmp(word, "sleep") == 0) {
        return signal_await();
    }
    if (strcmp(word, "memory") == 0) {
        memory_exhaust();
    }
    if (strcmp(word, "fault") == 0) {
        __builtin_trap();
    }
    print(word, (uint32_t)strlen(word));
    return 7;
}

void clone_main(uint64_t argument)
{
    channel_open(CONTAINER_ARGUMENT_SPECIFICATION(argument));
    char word[WORD_BYTES];
    argument_find(word); /* the engine takes the specification back when it hears "launched" */
    must(container_launched(CONTAINER_SLOT_ENGINE, 0, STATUS_OK, 1, "", 0), "launched");
    uint32_t exit_code = word_do(word);
    must(container_ended(CONTAINER_SLOT_ENGINE, 0, exit_code, 0, 1), "ended");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("stand-in");
    must(container_template_ready(CONTAINER_SLOT_ENGINE, (uint64_t)clone_start,
                                  WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET, WINDOW_BASE, 0),
         "template_ready");
}
