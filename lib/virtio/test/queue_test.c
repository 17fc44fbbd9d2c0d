/*
 * Proves the queue against a simulated device: every request comes back once with its cookie in
 * whatever order the device likes, descriptors are never lost, and no lie of the device leads
 * outside the queue's own memory.
 */
#include <string.h>

#include "lib/base/test/check.h"
#include "lib/virtio/queue.h"

struct device {
    uint16_t seen;
    uint16_t used_index;
    uint16_t held[VIRTQUEUE_MAX]; /* heads taken and not yet finished */
    uint32_t held_count;
};

static struct virtqueue queue;
static struct device device;
static uint8_t *memory;

static void start(uint16_t size)
{
    free(memory);
    memory = aligned_alloc(16, ALIGN_UP(VIRTQUEUE_BYTES, 16));
    memset(memory, 0, ALIGN_UP(VIRTQUEUE_BYTES, 16));
    virtqueue_init(&queue, 0, size, memory);
    memset(&device, 0, sizeof(device));
}

/* The device looks: takes what is available. */
static void device_look(void)
{
    while (device.seen != queue.available[1]) {
        device.held[device.held_count++] = queue.available[2 + (device.seen % queue.size)];
        device.seen++;
    }
}

static uint32_t chain_writable(uint16_t head)
{
    uint32_t bytes = 0;
    for (uint16_t place = head;; place = queue.descriptors[place].next) {
        if (queue.descriptors[place].flags & 2) {
            bytes += queue.descriptors[place].length_bytes;
        }
        if ((queue.descriptors[place].flags & 1) == 0) {
            return bytes;
        }
    }
}

static void device_use(uint32_t id, uint32_t bytes)
{
    struct virtqueue_used used = {id, bytes};
    memcpy(&queue.used[2 + 4 * (device.used_index % queue.size)], &used, sizeof(used));
    device.used_index++;
    queue.used[1] = device.used_index;
}

static void device_finish_any(void)
{
    uint32_t which = (uint32_t)rand() % device.held_count;
    uint16_t head = device.held[which];
    device.held[which] = device.held[--device.held_count];
    device_use(head, chain_writable(head));
}

static void test_random_order(uint16_t size)
{
    static bool outstanding[100000];
    start(size);
    uint32_t put = 0;
    uint32_t taken = 0;
    memset(outstanding, 0, sizeof(outstanding));
    while (taken < 50000) {
        uint16_t count = (uint16_t)(rand() % 4 + 1);
        struct virtqueue_buffer buffers[4] = {
            {0x1000, 10, false}, {0x2000, 20, count < 3}, {0x3000, 30, true}, {0x4000, 40, true}};
        if (put < 50000 && rand() % 2 == 0) {
            status_t status = virtqueue_put(&queue, buffers, count, put);
            CHECK(status == STATUS_OK || status == STATUS_LIMIT_REACHED);
            CHECK((status == STATUS_OK) == (count <= queue.free_count + (status == 0) * count));
            if (status == STATUS_OK) {
                outstanding[put++] = true;
            }
        }
        device_look();
        if (device.held_count > 0 && rand() % 2 == 0) {
            device_finish_any();
        }
        uint64_t cookie;
        uint32_t written;
        if (rand() % 2 == 0 && virtqueue_take(&queue, &cookie, &written) == STATUS_OK) {
            CHECK(cookie < put && outstanding[cookie]);
            outstanding[cookie] = false;
            taken++;
        }
    }
    CHECK(queue.free_count == size);
}

static void test_lies(void)
{
    uint64_t cookie;
    uint32_t written;
    struct virtqueue_buffer buffers[2] = {{0x1000, 16, false}, {0x2000, 32, true}};
    struct lie {
        uint32_t id;
        uint32_t bytes;
    } lies[] = {{0, 33}, {1, 0}, {7, 0}, {8, 0}, {UINT32_MAX, 0}, {0, UINT32_MAX}};
    for (size_t i = 0; i < ARRAY_LENGTH(lies); i++) {
        start(8);
        CHECK(virtqueue_put(&queue, buffers, 2, 1) == STATUS_OK);
        device_use(lies[i].id, lies[i].bytes);
        CHECK(virtqueue_take(&queue, &cookie, &written) == STATUS_IO_ERROR);
        CHECK(virtqueue_put(&queue, buffers, 2, 1) == STATUS_IO_ERROR);
    }
    start(8);
    CHECK(virtqueue_put(&queue, buffers, 2, 1) == STATUS_OK);
    device_use(0, 32);
    CHECK(virtqueue_take(&queue, &cookie, &written) == STATUS_OK && written == 32);
    device_use(0, 32);
    CHECK(virtqueue_take(&queue, &cookie, &written) == STATUS_IO_ERROR);
    start(8);
    queue.used[1] = 9;
    CHECK(virtqueue_take(&queue, &cookie, &written) == STATUS_IO_ERROR);
}

/* The device rewrites descriptors and rings at random: ASan sees any step outside. */
static void test_scribbles(void)
{
    for (int round = 0; round < 20000; round++) {
        start(16);
        for (int step = 0; step < 40; step++) {
            struct virtqueue_buffer buffers[3] = {{1, 1, false}, {2, 2, true}, {3, 3, true}};
            uint64_t cookie;
            uint32_t written;
            (void)!virtqueue_put(&queue, buffers, (uint16_t)(rand() % 4), (uint64_t)step);
            memory[rand() % (int)VIRTQUEUE_BYTES] = (uint8_t)rand();
            queue.used[1] = (uint16_t)(queue.used_index + rand() % 3);
            (void)!virtqueue_take(&queue, &cookie, &written);
            CHECK(queue.free_count <= queue.size);
        }
    }
}

static void test_notify(void)
{
    start(8);
    CHECK(virtqueue_wants_notify(&queue));
    queue.used[0] = 1;
    CHECK(!virtqueue_wants_notify(&queue));
    CHECK(queue.available[0] == 0);
    virtqueue_interrupts(&queue, false);
    CHECK(queue.available[0] == 1);
    virtqueue_interrupts(&queue, true);
    CHECK(queue.available[0] == 0);
}

int main(void)
{
    test_random_order(64);
    test_random_order(4);
    test_lies();
    test_scribbles();
    test_notify();
    free(memory);
    return 0;
}
