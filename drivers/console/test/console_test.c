/*
 * Proves the console driver against a simulated device: the handshake finds the port by its name
 * among others, bytes pass both ways in order through every buffer, and a device that says whatever
 * it likes on the control queue, or lies about lengths, makes calls fail and nothing else.
 */
#include <string.h>

#include "drivers/console/virtio_console.h"
#include "lib/base/test/check.h"
#include "lib/oak/heap.h"
#include "lib/virtio/device.h"

#define QUEUES    18
#define DMA_BYTES (256 * 1024)

/* The device's side: addresses are pointers. */
struct side {
    struct virtqueue *queue;
    uint16_t seen;
    uint16_t used;
};

static struct side sides[QUEUES];
static uint8_t *dma;
static uint64_t dma_used;
static bool multiport;
static const char *names[8]; /* of the ports that the device offers */
static bool babbling;        /* random control messages instead of the protocol */
static uint32_t open_told;   /* bits: PORT_OPEN seen for that port */
static uint32_t open_fed;    /* bits: told of that port's buffers after its PORT_OPEN */

/* --- The device --- */

static bool device_take(struct side *side, struct virtqueue_descriptor *out, uint16_t *out_head)
{
    if (side->queue == NULL || side->queue->available[1] == side->seen) {
        return false;
    }
    *out_head = side->queue->available[2 + side->seen % side->queue->size];
    *out = side->queue->descriptors[*out_head];
    side->seen++;
    return true;
}

static void device_use(struct side *side, uint16_t head, uint32_t bytes)
{
    struct virtqueue_used used = {head, bytes};
    memcpy(&side->queue->used[2 + 4 * (side->used % side->queue->size)], &used, sizeof(used));
    side->queue->used[1] = ++side->used;
}

/* False when the driver offers no buffer. */
static bool device_send(uint32_t queue, const void *bytes, uint32_t length_bytes)
{
    struct virtqueue_descriptor buffer;
    uint16_t head;
    if (!device_take(&sides[queue], &buffer, &head)) {
        return false;
    }
    length_bytes = MIN(length_bytes, buffer.length_bytes);
    memcpy((void *)buffer.address, bytes, length_bytes);
    device_use(&sides[queue], head, length_bytes);
    return true;
}

static void control_send(uint32_t id, uint16_t event, uint16_t value, const char *name)
{
    uint8_t message[100] = {0};
    memcpy(message, &id, 4);
    memcpy(message + 4, &event, 2);
    memcpy(message + 6, &value, 2);
    memcpy(message + 8, name, strlen(name));
    (void)device_send(2, message, 8 + (uint32_t)strlen(name));
}

static void babble(void)
{
    uint8_t message[128];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)rand();
    }
    uint32_t id = rand() % 4 == 0 ? (uint32_t)rand() : (uint32_t)(rand() % 9);
    uint16_t event = (uint16_t)(rand() % 9);
    memcpy(message, &id, 4);
    memcpy(message + 4, &event, 2);
    memcpy(message + 8, "oak.control", 11);
    (void)device_send(2, message, (uint32_t)(rand() % 129));
}

static void control_answer(uint32_t id, uint16_t event, uint16_t value)
{
    if (babbling) {
        babble();
    } else if (event == 0) {
        for (uint32_t port = 0; port < 8; port++) {
            if (names[port] != NULL) {
                control_send(port, 1, 1, "");
            }
        }
    } else if (event == 3 && value == 1) {
        control_send(id, 7, 1, names[id]);
        control_send(id, 6, 1, "");
    } else if (event == 6) {
        open_told |= 1u << id;
    }
}

static void control_receive(void)
{
    struct virtqueue_descriptor buffer;
    uint16_t head;
    while (device_take(&sides[3], &buffer, &head)) {
        uint32_t id;
        uint16_t event;
        uint16_t value;
        CHECK(buffer.length_bytes == 8);
        memcpy(&id, (const void *)buffer.address, 4);
        memcpy(&event, (const void *)(buffer.address + 4), 2);
        memcpy(&value, (const void *)(buffer.address + 6), 2);
        device_use(&sides[3], head, 0);
        control_answer(id, event, value);
    }
}

/* --- What the driver takes from elsewhere --- */

status_t virtio_device_open(uint32_t base, enum virtio_device_type type, struct virtio_device *out)
{
    CHECK(type == VIRTIO_DEVICE_CONSOLE);
    memset(out, 0, sizeof(*out));
    out->base = base;
    return STATUS_OK;
}

status_t virtio_device_negotiate(struct virtio_device *device, uint64_t wanted,
                                 uint64_t *out_features)
{
    (void)device;
    *out_features = multiport ? wanted : 0;
    return STATUS_OK;
}

status_t virtio_device_dma(struct virtio_device *device, uint64_t bytes, void **out,
                           uint64_t *out_physical_address)
{
    (void)device;
    uint64_t size_bytes = ALIGN_UP(bytes, PAGE_SIZE);
    if (!range_inside(dma_used, size_bytes, DMA_BYTES)) {
        return STATUS_NO_MEMORY;
    }
    *out = dma + dma_used;
    *out_physical_address = (uint64_t)*out;
    dma_used += size_bytes;
    return STATUS_OK;
}

status_t virtio_device_queue(struct virtio_device *device, uint16_t index, struct virtqueue *queue)
{
    void *memory;
    uint64_t physical_address;
    CHECK(index < QUEUES);
    status_t status = virtio_device_dma(device, VIRTQUEUE_BYTES, &memory, &physical_address);
    if (status == STATUS_OK) {
        virtqueue_init(queue, index, 64, memory);
        sides[index] = (struct side){.queue = queue};
    }
    return status;
}

void virtio_device_start(struct virtio_device *device)
{
    (void)device;
}

void virtio_device_notify(struct virtio_device *device, struct virtqueue *queue)
{
    (void)device;
    if (queue->index == 3) {
        control_receive();
    } else if (queue->index % 2 == 0 && queue->index != 2) {
        uint32_t port = queue->index == 0 ? 0 : (queue->index - 2u) / 2;
        open_fed |= open_told & 1u << port;
    }
}

uint32_t virtio_device_interrupt(struct virtio_device *device)
{
    (void)device;
    return VIRTIO_INTERRUPT_QUEUE;
}

status_t virtio_device_configuration(struct virtio_device *device, uint32_t offset, void *to,
                                     uint32_t bytes)
{
    (void)device;
    uint32_t ports = 31;
    CHECK(offset == 4 && bytes == sizeof(ports));
    memcpy(to, &ports, sizeof(ports));
    return STATUS_OK;
}

void *heap_allocate_zeroed(size_t size_bytes)
{
    return calloc(1, size_bytes);
}

void heap_free(void *block)
{
    free(block);
}

/* --- Tests --- */

static struct virtio_console *open_console(void)
{
    free(dma);
    dma = aligned_alloc(PAGE_SIZE, DMA_BYTES);
    memset(dma, 0, DMA_BYTES);
    dma_used = 0;
    open_told = 0;
    memset(sides, 0, sizeof(sides));
    struct virtio_console *console;
    CHECK(virtio_console_open(24, 17, "oak.control", 0, &console) == STATUS_OK);
    return console;
}

/* Bytes through queue `receive` come back through `receive + 1`. */
static void check_bytes(struct virtio_console *console, uint32_t receive)
{
    uint32_t in = 0;
    uint32_t out = 0;
    uint32_t back = 0;
    while (back < 200000) {
        uint8_t piece[PAGE_SIZE];
        uint32_t length_bytes = (uint32_t)(rand() % (int)PAGE_SIZE);
        for (uint32_t i = 0; i < length_bytes; i++) {
            piece[i] = (uint8_t)((in + i) * 5);
        }
        in += device_send(receive, piece, length_bytes) ? length_bytes : 0;
        virtio_console_interrupt(console);
        uint32_t moved;
        uint32_t want = MIN((uint32_t)(rand() % 3000), (uint32_t)sizeof(piece));
        CHECK(virtio_console_read(console, piece, want, &moved) == STATUS_OK);
        uint32_t sent = 0;
        while (sent < moved) {
            uint32_t part;
            CHECK(virtio_console_write(console, piece + sent, moved - sent, &part) == STATUS_OK);
            sent += part;
            /* The device is to interrupt for what it sent while something waits for that, only. */
            CHECK(sides[receive + 1].queue->available[0] == (sent < moved ? 0 : 1));
            struct virtqueue_descriptor buffer;
            uint16_t head;
            while (rand() % 3 != 0 && device_take(&sides[receive + 1], &buffer, &head)) {
                const uint8_t *bytes = (const uint8_t *)buffer.address;
                for (uint32_t i = 0; i < buffer.length_bytes; i++) {
                    CHECK(bytes[i] == (uint8_t)((back + i) * 5));
                }
                back += buffer.length_bytes;
                device_use(&sides[receive + 1], head, 0);
            }
        }
        out += moved;
        CHECK(out <= in && back <= out);
    }
}

static void test_plain(void)
{
    multiport = false;
    struct virtio_console *console = open_console();
    CHECK(virtio_console_connected(console));
    check_bytes(console, 0);
    free(console);
}

static void test_multiport(void)
{
    multiport = true;
    names[0] = "oak.controls";
    names[1] = "oak.contro";
    names[3] = "oak.control";
    struct virtio_console *console = open_console();
    virtio_console_interrupt(console);
    CHECK(open_told == 1 << 3 && virtio_console_connected(console));
    CHECK(open_fed == 1 << 3); /* or QEMU would not look whether bytes are waiting */
    check_bytes(console, 8);
    control_send(3, 6, 0, "");
    virtio_console_interrupt(console);
    CHECK(!virtio_console_connected(console));
    control_send(3, 2, 0, "");
    virtio_console_interrupt(console);
    uint32_t moved;
    CHECK(virtio_console_write(console, "x", 1, &moved) == STATUS_IO_ERROR);
    CHECK(virtio_console_read(console, &moved, 1, &moved) == STATUS_IO_ERROR);
    free(console);
}

static void test_babble(void)
{
    multiport = true;
    for (unsigned int seed = 0; seed < 300; seed++) {
        srand(seed);
        struct virtio_console *console = open_console();
        babbling = true;
        for (int step = 0; step < 200; step++) {
            uint8_t piece[600] = {0};
            uint32_t moved;
            babble();
            if (rand() % 20 == 0) {
                (void)device_send((uint32_t)(rand() % 9) * 2, piece, (uint32_t)(rand() % 600));
            }
            virtio_console_interrupt(console);
            (void)!virtio_console_read(console, piece, sizeof(piece), &moved);
            (void)!virtio_console_write(console, piece, sizeof(piece), &moved);
            if (rand() % 50 == 0) {
                sides[8].queue->used[1] = (uint16_t)rand();
            }
        }
        babbling = false;
        free(console);
    }
}

int main(void)
{
    test_plain();
    test_multiport();
    test_babble();
    free(dma);
    return 0;
}
