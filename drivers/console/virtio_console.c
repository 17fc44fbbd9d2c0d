/*
 * Queues: 0 and 1 are port 0's receive and transmit, 2 and 3 the control queues, 2 + 2n and 3 + 2n
 * those of port n >= 1. Only ports below PORTS_MAX are considered.
 *
 * The handshake of a multiport device (section 5.3.6.2): we say DEVICE_READY, it adds ports, we say
 * PORT_READY to each, it tells the name of a port and whether its host end is open; to the port
 * with our name we say PORT_OPEN.
 *
 * Each data buffer is one page of DMA memory; its number is the queue's cookie. A received page is
 * read in place, copied once, and given back to the device when it is empty. That a page was sent
 * is seen when the next ones are to be sent; the device interrupts for it only while all of them
 * are under way and somebody has more.
 */
#include "drivers/console/virtio_console.h"

#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "lib/oak/heap.h"
#include "lib/oak/kernel.h"
#include "lib/virtio/device.h"

#define FEATURE_MULTIPORT (1ull << 1)

#define PORTS_MAX     8
#define PAGES         12 /* each way */
#define CONTROL_BYTES 128
#define CONTROL_SLOTS 16
#define NO_PORT       UINT32_MAX

_Static_assert(CONTROL_SLOTS *CONTROL_BYTES <= PAGE_SIZE, "control buffers fit into a page");

enum control_event {
    CONTROL_DEVICE_READY = 0,
    CONTROL_PORT_ADD = 1,
    CONTROL_PORT_REMOVE = 2,
    CONTROL_PORT_READY = 3,
    CONTROL_PORT_OPEN = 6,
    CONTROL_PORT_NAME = 7,
};

struct control_message {
    uint32_t id;
    uint16_t event;
    uint16_t value;
};

struct pages {
    struct virtqueue queue;
    uint8_t *bytes;
    uint64_t physical_address[PAGES];
};

/* A page that holds received bytes. */
struct received {
    uint16_t page;
    uint32_t used_bytes;
    uint32_t length_bytes;
};

struct virtio_console {
    struct virtio_device device;
    uint32_t signal;
    const char *port_name;
    bool multiport;
    uint32_t port; /* NO_PORT until it is known */
    bool connected;
    bool broken;
    struct virtqueue control_receive;
    struct virtqueue control_send;
    uint8_t *control_in; /* CONTROL_SLOTS buffers each */
    uint8_t *control_out;
    uint64_t control_in_physical;
    uint64_t control_out_physical;
    uint32_t control_out_free; /* a bit per slot */
    struct pages receive[PORTS_MAX];
    struct pages send[PORTS_MAX];
    uint32_t send_free;             /* a bit per page */
    bool send_waits;                /* for one of them: the device interrupts */
    struct received waiting[PAGES]; /* a ring */
    uint32_t waiting_first;
    uint32_t waiting_count;
};

static struct pages *receiver(struct virtio_console *console)
{
    return &console->receive[console->port];
}

static struct pages *sender(struct virtio_console *console)
{
    return &console->send[console->port];
}

/* --- Setting up --- */

static status_t pages_take(struct virtio_console *console, struct pages *pages)
{
    for (uint32_t i = 0; i < PAGES; i++) {
        void *page;
        status_t status =
            virtio_device_dma(&console->device, PAGE_SIZE, &page, &pages->physical_address[i]);
        if (status != STATUS_OK) {
            return status;
        }
        if (i == 0) {
            pages->bytes = page;
        }
    }
    return STATUS_OK;
}

static status_t control_take(struct virtio_console *console)
{
    void *in;
    void *out;
    status_t status =
        virtio_device_dma(&console->device, PAGE_SIZE, &in, &console->control_in_physical);
    if (status == STATUS_OK) {
        status =
            virtio_device_dma(&console->device, PAGE_SIZE, &out, &console->control_out_physical);
    }
    if (status != STATUS_OK) {
        return status;
    }
    console->control_in = in;
    console->control_out = out;
    console->control_out_free = (1u << CONTROL_SLOTS) - 1;
    return STATUS_OK;
}

/* All queues must exist before the device starts, whichever port it will be. */
static status_t queues_open(struct virtio_console *console)
{
    uint32_t ports = 1;
    if (console->multiport) {
        status_t status = virtio_device_configuration(&console->device, 4, &ports, sizeof(ports));
        if (status != STATUS_OK) {
            return status;
        }
        ports = MIN(MAX(ports, 1u), (uint32_t)PORTS_MAX);
        status = virtio_device_queue(&console->device, 2, &console->control_receive);
        if (status == STATUS_OK) {
            status = virtio_device_queue(&console->device, 3, &console->control_send);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (uint16_t port = 0; port < ports; port++) {
        uint16_t index = (uint16_t)(port == 0 ? 0 : 2 + 2 * port);
        status_t status =
            virtio_device_queue(&console->device, index, &console->receive[port].queue);
        if (status == STATUS_OK) {
            status = virtio_device_queue(&console->device, (uint16_t)(index + 1),
                                         &console->send[port].queue);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* --- Data pages --- */

static void receive_offer(struct virtio_console *console, uint16_t page)
{
    struct pages *pages = receiver(console);
    struct virtqueue_buffer buffer = {pages->physical_address[page], PAGE_SIZE, true};
    if (virtqueue_put(&pages->queue, &buffer, 1, page) != STATUS_OK) {
        console->broken = true;
    }
}

/* The port is known: give it memory to receive into and to send from. */
static status_t port_start(struct virtio_console *console, uint32_t port)
{
    status_t status = pages_take(console, &console->receive[port]);
    if (status == STATUS_OK) {
        status = pages_take(console, &console->send[port]);
    }
    if (status != STATUS_OK) {
        return status;
    }
    console->port = port;
    console->send_free = (1u << PAGES) - 1;
    virtqueue_interrupts(&sender(console)->queue, false);
    for (uint16_t page = 0; page < PAGES; page++) {
        receive_offer(console, page);
    }
    virtio_device_notify(&console->device, &receiver(console)->queue);
    return console->broken ? STATUS_IO_ERROR : STATUS_OK;
}

static void receive_collect(struct virtio_console *console)
{
    uint64_t page;
    uint32_t length_bytes;
    status_t status;
    while ((status = virtqueue_take(&receiver(console)->queue, &page, &length_bytes)) ==
           STATUS_OK) {
        uint32_t place = (console->waiting_first + console->waiting_count) % PAGES;
        console->waiting[place] = (struct received){(uint16_t)page, 0, length_bytes};
        console->waiting_count++;
    }
    console->broken |= status != STATUS_NOT_FOUND;
}

static void send_collect(struct virtio_console *console)
{
    uint64_t page;
    uint32_t unused;
    status_t status;
    while ((status = virtqueue_take(&sender(console)->queue, &page, &unused)) == STATUS_OK) {
        console->send_free |= 1u << page;
    }
    console->broken |= status != STATUS_NOT_FOUND;
}

/* --- Control messages --- */

static void control_offer(struct virtio_console *console, uint64_t slot)
{
    struct virtqueue_buffer buffer = {console->control_in_physical + slot * CONTROL_BYTES,
                                      CONTROL_BYTES, true};
    if (virtqueue_put(&console->control_receive, &buffer, 1, slot) != STATUS_OK) {
        console->broken = true;
    }
}

static void control_collect_sent(struct virtio_console *console)
{
    uint64_t slot;
    uint32_t unused;
    status_t status;
    while ((status = virtqueue_take(&console->control_send, &slot, &unused)) == STATUS_OK) {
        console->control_out_free |= 1u << slot;
    }
    console->broken |= status != STATUS_NOT_FOUND;
}

/* A device that has taken none of sixteen messages gets no more of them. */
static void control_tell(struct virtio_console *console, uint32_t id, uint16_t event,
                         uint16_t value)
{
    control_collect_sent(console);
    if (console->control_out_free == 0) {
        console->broken = true;
        return;
    }
    uint32_t slot = (uint32_t)__builtin_ctz(console->control_out_free);
    struct control_message message = {id, event, value};
    memcpy(console->control_out + slot * CONTROL_BYTES, &message, sizeof(message));
    struct virtqueue_buffer buffer = {console->control_out_physical + slot * CONTROL_BYTES,
                                      sizeof(message), false};
    if (virtqueue_put(&console->control_send, &buffer, 1, slot) != STATUS_OK) {
        console->broken = true;
        return;
    }
    console->control_out_free &= ~(1u << slot);
    virtio_device_notify(&console->device, &console->control_send);
}

static void port_named(struct virtio_console *console, uint32_t id, const char *name,
                       uint32_t length_bytes)
{
    size_t wanted_bytes = strlen(console->port_name);
    bool ours = length_bytes >= wanted_bytes &&
                memcmp(name, console->port_name, wanted_bytes) == 0 &&
                (length_bytes == wanted_bytes || name[wanted_bytes] == '\0');
    if (!ours || console->port != NO_PORT) {
        return;
    }
    if (port_start(console, id) != STATUS_OK) {
        console->broken = true;
        return;
    }
    control_tell(console, id, CONTROL_PORT_OPEN, 1);
    /*
     * QEMU takes bytes for an open port only, and looks again whether it can when it is told of
     * buffers: the first time, in port_start, was too early.
     */
    virtio_device_notify(&console->device, &receiver(console)->queue);
}

static void control_handle(struct virtio_console *console, const uint8_t *bytes,
                           uint32_t length_bytes)
{
    struct control_message message;
    if (length_bytes < sizeof(message)) {
        return;
    }
    memcpy(&message, bytes, sizeof(message));
    bool possible = message.id < PORTS_MAX && console->receive[message.id].queue.size != 0;
    if (message.event == CONTROL_PORT_ADD) {
        control_tell(console, message.id, CONTROL_PORT_READY, possible ? 1 : 0);
    } else if (message.event == CONTROL_PORT_NAME && possible) {
        port_named(console, message.id, (const char *)bytes + sizeof(message),
                   length_bytes - (uint32_t)sizeof(message));
    } else if (message.event == CONTROL_PORT_OPEN && message.id == console->port) {
        console->connected = message.value != 0;
    } else if (message.event == CONTROL_PORT_REMOVE && message.id == console->port) {
        console->broken = true;
    }
}

static void control_collect(struct virtio_console *console)
{
    uint64_t slot;
    uint32_t length_bytes;
    status_t status;
    while ((status = virtqueue_take(&console->control_receive, &slot, &length_bytes)) ==
           STATUS_OK) {
        uint8_t copy[CONTROL_BYTES];
        memcpy(copy, console->control_in + slot * CONTROL_BYTES, sizeof(copy));
        control_handle(console, copy, length_bytes);
        control_offer(console, slot);
        virtio_device_notify(&console->device, &console->control_receive);
    }
    console->broken |= status != STATUS_NOT_FOUND;
    control_collect_sent(console);
}

/* --- The interface --- */

static status_t handshake(struct virtio_console *console, uint64_t deadline_ns)
{
    for (uint64_t slot = 0; slot < CONTROL_SLOTS; slot++) {
        control_offer(console, slot);
    }
    virtio_device_notify(&console->device, &console->control_receive);
    control_tell(console, 0, CONTROL_DEVICE_READY, 1);
    while (!console->broken) {
        virtio_console_interrupt(console);
        if (console->port != NO_PORT) {
            return STATUS_OK;
        }
        struct kernel_results bits;
        status_t status =
            kernel_signal_wait(console->signal, virtio_console_bits(console), deadline_ns, &bits);
        if (status != STATUS_OK) {
            return status == STATUS_TIMED_OUT ? STATUS_NOT_FOUND : status;
        }
    }
    return STATUS_IO_ERROR;
}

static status_t console_bring_up(struct virtio_console *console, uint32_t base,
                                 uint64_t deadline_ns)
{
    status_t status = virtio_device_open(base, VIRTIO_DEVICE_CONSOLE, &console->device);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t features;
    status = virtio_device_negotiate(&console->device, FEATURE_MULTIPORT, &features);
    if (status != STATUS_OK) {
        return status;
    }
    console->multiport = (features & FEATURE_MULTIPORT) != 0;
    status = queues_open(console);
    if (status == STATUS_OK && console->multiport) {
        status = control_take(console);
    }
    if (status != STATUS_OK) {
        return status;
    }
    virtio_device_start(&console->device);
    if (console->multiport) {
        return handshake(console, deadline_ns);
    }
    console->connected = true;
    return port_start(console, 0);
}

/* A console that failed keeps its mappings: the service ends, or tries another grant's slots. */
status_t virtio_console_open(uint32_t base, uint32_t signal, const char *port_name,
                             uint64_t deadline_ns, struct virtio_console **out)
{
    struct virtio_console *console = heap_allocate_zeroed(sizeof(*console));
    if (console == NULL) {
        return STATUS_NO_MEMORY;
    }
    console->signal = signal;
    console->port_name = port_name;
    console->port = NO_PORT;
    status_t status = console_bring_up(console, base, deadline_ns);
    if (status != STATUS_OK) {
        heap_free(console);
        return status;
    }
    *out = console;
    return STATUS_OK;
}

uint64_t virtio_console_bits(const struct virtio_console *console)
{
    return console->device.grant.irq_bits;
}

void virtio_console_interrupt(struct virtio_console *console)
{
    (void)virtio_device_interrupt(&console->device);
    if (console->multiport) {
        control_collect(console);
    }
    if (console->port != NO_PORT) {
        receive_collect(console);
        send_collect(console);
    }
}

/* Copy from the oldest page that holds something. */
static uint32_t take_part(struct virtio_console *console, uint8_t *to, uint32_t bytes)
{
    struct received *first = &console->waiting[console->waiting_first];
    uint32_t part = MIN(bytes, first->length_bytes - first->used_bytes);
    memcpy(to, receiver(console)->bytes + first->page * PAGE_SIZE + first->used_bytes, part);
    first->used_bytes += part;
    if (first->used_bytes == first->length_bytes) {
        uint16_t page = first->page;
        console->waiting_first = (console->waiting_first + 1) % PAGES;
        console->waiting_count--;
        receive_offer(console, page);
    }
    return part;
}

status_t virtio_console_read(struct virtio_console *console, void *to, uint32_t bytes,
                             uint32_t *out_read)
{
    uint32_t taken = 0;
    uint32_t pages = console->waiting_count;
    while (!console->broken && taken < bytes && console->waiting_count > 0) {
        taken += take_part(console, (uint8_t *)to + taken, bytes - taken);
    }
    if (console->broken) {
        return STATUS_IO_ERROR;
    }
    if (console->waiting_count < pages) {
        virtio_device_notify(&console->device, &receiver(console)->queue);
    }
    *out_read = taken;
    return STATUS_OK;
}

static void send_part(struct virtio_console *console, const uint8_t *from, uint32_t bytes)
{
    uint32_t page = (uint32_t)__builtin_ctz(console->send_free);
    struct pages *pages = sender(console);
    memcpy(pages->bytes + page * PAGE_SIZE, from, bytes);
    struct virtqueue_buffer buffer = {pages->physical_address[page], bytes, false};
    if (virtqueue_put(&pages->queue, &buffer, 1, page) != STATUS_OK) {
        console->broken = true;
        return;
    }
    console->send_free &= ~(1u << page);
}

/* Is a page free? If not, the device will tell when one is. */
static bool send_possible(struct virtio_console *console)
{
    bool full = console->send_free == 0;
    if (full != console->send_waits) {
        console->send_waits = full;
        virtqueue_interrupts(&sender(console)->queue, full);
        send_collect(console);
    }
    return console->send_free != 0;
}

status_t virtio_console_write(struct virtio_console *console, const void *from, uint32_t bytes,
                              uint32_t *out_written)
{
    send_collect(console);
    uint32_t written = 0;
    while (!console->broken && written < bytes && send_possible(console)) {
        uint32_t part = MIN(bytes - written, (uint32_t)PAGE_SIZE);
        send_part(console, (const uint8_t *)from + written, part);
        written += part;
    }
    if (console->broken) {
        return STATUS_IO_ERROR;
    }
    if (written > 0) {
        virtio_device_notify(&console->device, &sender(console)->queue);
    }
    *out_written = written;
    return STATUS_OK;
}

bool virtio_console_connected(const struct virtio_console *console)
{
    return console->connected;
}
