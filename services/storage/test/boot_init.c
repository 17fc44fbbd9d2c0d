/*
 * An init for the boot test of storage and the drivers: finds the devices, starts the storage
 * service, makes the blob that the test's script put on the disk known to it, pages it in through
 * the service, and checks every byte; then a word to and fro over the console. Prints TAP.
 */
#include "abi/blob.idl.h"
#include "abi/storage.h"
#include "abi/storage.idl.h"
#include "drivers/console/virtio_console.h"
#include "lib/base/sha256.h"
#include "lib/oak/clock.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "lib/virtio/probe.h"
#include "services/storage/tree.h"

#define CACHE_BYTES  (600 * 1024)
#define DISK_BITS    1
#define DEATH_BITS   2
#define CONSOLE_BITS 4

/* What the script leaves on the disk behind the store's data start: the blob's size and name come
 * in the command line as blob=SIZE,HEX. */
static uint64_t blob_bytes;
static uint8_t blob_name[BLOB_HASH_SIZE];

static uint32_t endpoint;
static uint32_t disk_signal;
static uint32_t console_signal;
static uint32_t engine_gate;
static uint32_t cache;
static int tests;

static void ok(bool good, const char *what)
{
    log_line("%s %d - %s", good ? "ok" : "not ok", ++tests, what);
}

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        log_line("not ok %d - %s: %s", ++tests, what, status_name(status));
        log_line("end");
        __builtin_trap();
    }
}

static uint32_t slot_new(void)
{
    uint32_t slot;
    must(slot_allocate(&slot), "slot");
    return slot;
}

static uint32_t digit(char text)
{
    return (uint32_t)(text <= '9' ? text - '0' : text - 'a' + 10);
}

static void command_line_read(const char *line)
{
    const char *next = line;
    while (strncmp(next, "blob=", 5) != 0) {
        if (*next++ == '\0') {
            must(STATUS_NOT_FOUND, "blob= in the command line");
        }
    }
    for (next += 5; *next != ','; next++) {
        blob_bytes = blob_bytes * 10 + digit(*next);
    }
    for (uint32_t i = 0; i < BLOB_HASH_SIZE; i++) {
        blob_name[i] = (uint8_t)(digit(next[1 + 2 * i]) << 4 | digit(next[2 + 2 * i]));
    }
}

static struct virtio_found *device_find(struct virtio_machine *machine, uint32_t type)
{
    for (size_t i = 0; i < machine->count; i++) {
        if (machine->device[i].device_type == type) {
            return &machine->device[i];
        }
    }
    must(STATUS_NOT_FOUND, "device");
    return NULL;
}

static void storage_start(struct virtio_machine *machine, const struct bundle *bundle)
{
    uint32_t grant[VIRTIO_GRANT_SLOTS];
    must(virtio_grant_make(machine, device_find(machine, VIRTIO_DEVICE_BLOCK), SLOT_ACCOUNT,
                           disk_signal, DISK_BITS, VIRTIO_DMA_BLOCK, grant),
         "grant of the disk");
    struct program_capability capabilities[3 + VIRTIO_GRANT_SLOTS] = {
        {STORAGE_SLOT_ENDPOINT, endpoint, RIGHTS_ALL},
        {STORAGE_SLOT_SIGNAL, disk_signal, RIGHT_READ},
        {STORAGE_SLOT_CACHE, cache, RIGHT_READ | RIGHT_PAY},
    };
    size_t count = 3;
    for (uint32_t i = 0; i < VIRTIO_GRANT_SLOTS; i++) {
        if (grant[i] != SLOT_NONE) {
            capabilities[count++] =
                (struct program_capability){STORAGE_SLOT_DEVICE + i, grant[i], RIGHTS_ALL};
        }
    }
    struct program_specification specification = {.bundle = bundle,
                                                  .name = "storage",
                                                  .account = SLOT_ACCOUNT,
                                                  .limit_bytes = 16 << 20,
                                                  .limit_threads = 4,
                                                  .band = BAND_DRIVER,
                                                  .capabilities = capabilities,
                                                  .capability_count = count,
                                                  .watch_signal = console_signal,
                                                  .watch_bits = DEATH_BITS};
    struct program program;
    must(program_load(&specification, &program), "load storage");
    must(program_start(&program), "start storage");
}

static void blob_commit(void)
{
    struct tree_shape shape;
    must(tree_shape_of(blob_bytes, &shape), "shape");
    struct storage_blob_reserve_reply reply;
    must(storage_blob_reserve(engine_gate, shape.total_blocks * BLOB_BLOCK_SIZE, &reply),
         "reserve");
    uint64_t place;
    memcpy(&place, reply.extents.data, sizeof(place));
    ok(reply.extents.length_bytes == 16, "a fresh store has room in one piece");
    uint8_t wrong[BLOB_HASH_SIZE] = {0};
    ok(storage_blob_commit(engine_gate, reply.reservation, blob_bytes, wrong, BLOB_HASH_SIZE) ==
           STATUS_CORRUPT,
       "a wrong name is refused");
    must(storage_blob_commit(engine_gate, reply.reservation, blob_bytes, blob_name, BLOB_HASH_SIZE),
         "commit");
    ok(true, "the blob is committed");
}

static void blob_read(void)
{
    struct storage_blob_open_reply blob;
    must(storage_blob_open(engine_gate, blob_name, BLOB_HASH_SIZE, slot_new(), slot_new(), &blob),
         "open");
    ok(blob.memory != SLOT_NONE && blob.gate != SLOT_NONE && blob.size == blob_bytes,
       "opening gives the pages, a gate and the size");
    uint64_t size_bytes = ALIGN_UP(blob_bytes, PAGE_SIZE);
    const void *mapped;
    must(window_map_source(blob.memory, 0, size_bytes, &mapped), "map the blob");
    const uint8_t *bytes = mapped;
    bool good = true;
    uint64_t start_ns = clock_now_ns();
    for (uint64_t offset = 0; offset < size_bytes; offset += PAGE_SIZE) {
        must(blob_page_in(blob.gate, offset, PAGE_SIZE), "page in");
        for (uint64_t at = 0; at < PAGE_SIZE && offset + at < blob_bytes; at += 8) {
            uint64_t word;
            memcpy(&word, bytes + offset + at, sizeof(word));
            good &= word == (offset + at) * 0x9e3779b97f4a7c15ull;
        }
    }
    ok(good, "every byte is the host's");
    log_line("# %llu bytes in %llu us", (unsigned long long)blob_bytes,
             (unsigned long long)((clock_now_ns() - start_ns) / 1000));
    struct storage_statistics_reply statistics;
    must(storage_statistics(engine_gate, &statistics), "statistics");
    ok(statistics.cache_bytes <= CACHE_BYTES && blob_bytes > CACHE_BYTES,
       "a cache smaller than the blob was enough");
    ok(storage_blob_remove(engine_gate, blob_name, BLOB_HASH_SIZE) == STATUS_BUSY,
       "an open blob cannot be removed");
    ok(blob_page_in(blob.gate, size_bytes, 1) == STATUS_OUT_OF_RANGE, "nor read past its end");
    must(storage_blob_close(engine_gate, blob.handle), "close");
    ok(blob_page_in(blob.gate, 0, 1) == STATUS_BAD_CAPABILITY, "closing takes the gate away");
    ok(storage_synchronise(engine_gate) == STATUS_OK, "synchronise");
}

static void restart_read(void)
{
    struct storage_blob_list_reply list;
    ok(storage_blob_list(engine_gate, 0, &list) == STATUS_OK && list.size == blob_bytes &&
           memcmp(list.name.data, blob_name, BLOB_HASH_SIZE) == 0,
       "the blob is still there after a restart of the machine");
}

static void console_talk(struct virtio_machine *machine)
{
    uint32_t grant[VIRTIO_GRANT_SLOTS];
    must(virtio_grant_make(machine, device_find(machine, VIRTIO_DEVICE_CONSOLE), SLOT_ACCOUNT,
                           console_signal, CONSOLE_BITS, VIRTIO_DMA_CONSOLE, grant),
         "grant of the console");
    uint32_t base = 32;
    for (uint32_t i = 0; i < VIRTIO_GRANT_SLOTS; i++) {
        if (grant[i] != SLOT_NONE) {
            must(kernel_capability_copy(SLOT_DOMAIN, base + i, grant[i], RIGHTS_ALL), "copy");
        }
    }
    struct virtio_console *console;
    must(virtio_console_open(base, console_signal, "oak.control", clock_now_ns() + 5000000000ull,
                             &console),
         "open the console");
    ok(true, "the port named oak.control is found");
    /* The script sends back what we send: enough to go round the buffers several times. */
    uint32_t sent = 0;
    uint32_t got = 0;
    bool good = true;
    const uint32_t total = 300000;
    while (got < total) {
        uint8_t piece[1000];
        uint32_t moved;
        uint32_t want = MIN((uint32_t)sizeof(piece), MIN(total - sent, 60000 - (sent - got)));
        for (uint32_t i = 0; i < want; i++) {
            piece[i] = (uint8_t)((sent + i) * 7);
        }
        must(virtio_console_write(console, piece, want, &moved), "write");
        sent += moved;
        uint32_t read_bytes;
        must(virtio_console_read(console, piece, sizeof(piece), &read_bytes), "read");
        for (uint32_t i = 0; i < read_bytes; i++) {
            good &= piece[i] == (uint8_t)((got + i) * 7);
        }
        got += read_bytes;
        if (moved == 0 && read_bytes == 0) {
            struct kernel_results bits;
            must(kernel_signal_wait(console_signal, CONSOLE_BITS, clock_now_ns() + 20000000000ull,
                                    &bits),
                 "wait for the console");
            virtio_console_interrupt(console);
        }
    }
    ok(good, "bytes come back as they were sent");
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("test");
    const void *boot;
    must(window_map_source(INIT_SLOT_BOOT, 0, PAGE_SIZE, &boot), "boot information");
    const struct boot_info *info = boot;
    command_line_read(info->command_line);
    endpoint = slot_new();
    disk_signal = slot_new();
    console_signal = slot_new();
    engine_gate = slot_new();
    cache = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_signal_create(SLOT_ACCOUNT, disk_signal), "signal");
    must(kernel_signal_create(SLOT_ACCOUNT, console_signal), "signal");
    must(kernel_gate_create(SLOT_ACCOUNT, engine_gate, endpoint, STORAGE_BADGE_ENGINE), "gate");
    must(kernel_account_create(SLOT_ACCOUNT, cache, 0, CACHE_BYTES, 0), "cache account");
    struct bundle bundle;
    must(bundle_open(INIT_SLOT_BUNDLE, info->bundle_bytes, &bundle), "bundle");
    struct virtio_machine machine;
    must(virtio_find(INIT_SLOT_PLATFORM, SLOT_ACCOUNT, info->command_line, &machine), "devices");
    log_line("# %zu devices", machine.count);
    storage_start(&machine, &bundle);
    struct storage_blob_list_reply list;
    if (storage_blob_list(engine_gate, 0, &list) == STATUS_OK) {
        restart_read();
    } else {
        blob_commit();
    }
    blob_read();
    console_talk(&machine);
    log_line("end");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}
