#include "services/engine/test/simulated_objects.h"

#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/test/check.h"
#include "lib/oak/call.h"
#include "lib/oak/clock.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "lib/oak/service.h"
#include "services/engine/blobs.h"
#include "services/engine/template.h"
#include "services/engine/trace_rings.h"

#define CHANNELS_MAX   8192
#define CHANNEL_SLOT   100000u
#define RESERVATIONS   64
#define BLOB_DATA_SIZE 12345u

struct channel {
    uint8_t *engine;
    uint8_t *container;
};

const uint8_t simulated_blob_name[32] = {0xb1, 0x0b};
bool simulated_template_missing;
bool simulated_synchronised;
uint64_t simulated_wall_ns = 1000;
int64_t simulated_fail_after = -1;
int64_t simulated_log_pages = -1;
int64_t simulated_live;
int64_t simulated_heap_blocks;

static struct simulated_domain domains[SIMULATED_DOMAINS];
static struct channel channels[CHANNELS_MAX];
static bool reserved[RESERVATIONS];
static struct blob the_blob = {.size_bytes = BLOB_DATA_SIZE, .memory = 71, .gate = 72};

static bool allocation_fails(void)
{
    return simulated_fail_after >= 0 && simulated_fail_after-- == 0;
}

/* --- Heap, clock, log, messages --- */

void *heap_allocate(size_t size_bytes)
{
    return heap_resize(NULL, size_bytes);
}

void *heap_allocate_zeroed(size_t size_bytes)
{
    void *block = heap_allocate(size_bytes);
    if (block != NULL) {
        memset(block, 0, size_bytes);
    }
    return block;
}

void *heap_resize(void *block, size_t size_bytes)
{
    if (allocation_fails()) {
        return NULL;
    }
    simulated_heap_blocks += block == NULL;
    return realloc(block, MAX(size_bytes, (size_t)1));
}

void heap_free(void *block)
{
    simulated_heap_blocks -= block != NULL;
    free(block);
}

uint64_t clock_now_ns(void)
{
    return simulated_wall_ns;
}

uint64_t clock_wall_ns(void)
{
    return simulated_wall_ns;
}

void log_line(const char *format, ...)
{
    if (getenv("ENGINE_TEST_LOG") != NULL) {
        char line[512];
        va_list arguments;
        va_start(arguments, format);
        format_text_list(line, sizeof(line), format, arguments);
        va_end(arguments);
        fprintf(stderr, "# %s\n", line);
    }
}

const char *status_name(status_t status)
{
    (void)status;
    return "?";
}

bool service_request_matches(const struct service_call *call, uint32_t bytes, uint32_t capabilities)
{
    return MESSAGE_WORD_COUNT(call->header) == (bytes + 7) / 8 &&
           MESSAGE_CAPABILITY_COUNT(call->header) == capabilities;
}

void service_put_reply(struct service_call *call, const void *reply, uint32_t bytes,
                       const uint32_t *slots, uint32_t slot_count)
{
    memcpy(call->reply, reply, bytes);
    memcpy(call->send, slots, slot_count * sizeof(*slots));
}

void service_drop_after(struct service_call *call, uint32_t slot)
{
    CHECK(slot != SLOT_NONE);
    call->drop[call->drop_count++] = slot;
    simulated_live--;
}

void service_answer_with(uint32_t endpoint, uint64_t token, const void *reply, uint32_t bytes,
                         const uint32_t *slots, uint32_t slot_count)
{
    (void)endpoint, (void)token, (void)reply, (void)bytes, (void)slots, (void)slot_count;
    abort();
}

status_t call_gate(uint64_t gate, const struct call *call)
{
    (void)gate, (void)call;
    abort();
}

/* --- Containers' objects: every slot of one holds its index, counted from 1 --- */

struct simulated_domain *simulated_domain(uint64_t badge)
{
    for (uint32_t i = 0; i < SIMULATED_DOMAINS; i++) {
        if (domains[i].used && !domains[i].ended && domains[i].badge == badge) {
            return &domains[i];
        }
    }
    return NULL;
}

static struct simulated_domain *domain_of(const struct container_objects *objects)
{
    CHECK(objects->domain >= 1 && objects->domain <= SIMULATED_DOMAINS);
    struct simulated_domain *domain = &domains[objects->domain - 1];
    CHECK(domain->used && !domain->ended);
    return domain;
}

status_t objects_make(const struct container_plan *plan, const struct template_image *template,
                      struct container_objects *out)
{
    CHECK(template != NULL && plan->watch_bits != 0);
    CHECK(simulated_domain(plan->badge) == NULL);
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    uint32_t i = 0;
    while (domains[i].used) {
        i++;
        CHECK(i < SIMULATED_DOMAINS);
    }
    domains[i] = (struct simulated_domain){.used = true,
                                           .badge = plan->badge,
                                           .watch_bits = plan->watch_bits,
                                           .limits = plan->limits,
                                           .unsealed = plan->unsealed};
    *out = (struct container_objects){i + 1, i + 1, i + 1, i + 1, i + 1, i + 1, i + 1, i + 1};
    simulated_live++;
    return STATUS_OK;
}

status_t objects_start(const struct container_objects *objects,
                       const struct template_image *template, const struct channel_memory *channel,
                       uint32_t image_memory, uint32_t image_gate, uint64_t argument)
{
    struct simulated_domain *domain = domain_of(objects);
    CHECK(template != NULL && !domain->started);
    CHECK(image_memory == the_blob.memory && image_gate == the_blob.gate);
    CHECK(simulated_channel(channel->memory) != NULL);
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    domain->started = true;
    domain->argument = argument;
    domain->channel_memory = channel->memory;
    return STATUS_OK;
}

void objects_raise(const struct container_objects *objects, uint64_t events)
{
    domain_of(objects)->events |= events;
}

void objects_interrupt(const struct container_objects *objects)
{
    domain_of(objects)->interrupted++;
}

void objects_end(struct container_objects *objects)
{
    uint32_t account = objects->account;
    if (objects->domain != SLOT_NONE) {
        domain_of(objects)->ended = true;
    }
    *objects = (struct container_objects){.account = account};
}

void objects_forget(struct container_objects *objects)
{
    CHECK(objects->domain == SLOT_NONE);
    if (objects->account != SLOT_NONE) {
        domains[objects->account - 1] = (struct simulated_domain){0};
        simulated_live--;
    }
    *objects = (struct container_objects){0};
}

status_t objects_limit(const struct container_objects *objects,
                       const struct container_limits *limits)
{
    domain_of(objects)->limits = *limits;
    return STATUS_OK;
}

status_t objects_freeze(const struct container_objects *objects, bool frozen)
{
    domain_of(objects)->frozen = frozen;
    return STATUS_OK;
}

struct account_usage objects_usage(uint32_t account)
{
    return (struct account_usage){.bytes_total = account == SLOT_NONE ? 0 : 65536};
}

struct domain_report objects_report(const struct container_objects *objects)
{
    return domain_of(objects)->report;
}

uint32_t objects_calls(const struct container_objects *objects, const struct domain_report *report,
                       uint64_t *out)
{
    CHECK(objects->domain != SLOT_NONE && report->fault.cause != 0);
    out[0] = report->fault.rip;
    return 1;
}

struct capability_found objects_capability(const struct container_objects *objects, uint32_t slot)
{
    CHECK(objects->domain != SLOT_NONE);
    if (slot == 18) { /* CONTAINER_SLOT_IMAGE */
        return (struct capability_found){OBJECT_MEMORY, RIGHT_READ | RIGHT_EXECUTE, 5};
    }
    return (struct capability_found){0};
}

/* --- Channels and logs --- */

static uint8_t *channel_map(int fd)
{
    uint8_t *bytes = mmap(NULL, CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(bytes != MAP_FAILED);
    return bytes;
}

uint8_t *simulated_channel(uint32_t slot)
{
    CHECK(slot >= CHANNEL_SLOT && slot < CHANNEL_SLOT + CHANNELS_MAX);
    return channels[slot - CHANNEL_SLOT].container;
}

status_t channel_make(const struct container_objects *objects, const void *specification,
                      uint32_t specification_bytes, struct channel_memory *out)
{
    domain_of(objects);
    if (specification_bytes > CHANNEL_SPECIFICATION_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    uint32_t i = 0;
    while (channels[i].engine != NULL) {
        i++;
        CHECK(i < CHANNELS_MAX);
    }
    int fd = memfd_create("channel", 0);
    CHECK(fd >= 0 && ftruncate(fd, CHANNEL_BYTES) == 0);
    channels[i] = (struct channel){channel_map(fd), channel_map(fd)};
    close(fd);
    memcpy(channels[i].engine + CHANNEL_SPECIFICATION_AT(specification_bytes), specification,
           specification_bytes);
    ASAN_POISON_MEMORY_REGION(channels[i].engine, CHANNEL_BYTES);
    *out = (struct channel_memory){
        .memory = CHANNEL_SLOT + i, .bytes = channels[i].engine, .mapped_bytes = CHANNEL_BYTES};
    simulated_live++;
    return STATUS_OK;
}

status_t channel_ready(struct channel_memory *channel, uint64_t offset, uint64_t size)
{
    uint64_t start = ALIGN_DOWN(offset, PAGE_SIZE);
    uint64_t end = ALIGN_UP(offset + size, PAGE_SIZE);
    CHECK(range_inside(offset, size, CHANNEL_SPECIFICATION));
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    ASAN_UNPOISON_MEMORY_REGION(channel->bytes + start, end - start);
    return STATUS_OK;
}

void channel_launched(const struct channel_memory *channel)
{
    (void)channel;
}

void channel_forget(struct channel_memory *channel)
{
    struct channel *own = &channels[channel->memory - CHANNEL_SLOT];
    CHECK(own->engine == channel->bytes);
    ASAN_UNPOISON_MEMORY_REGION(own->engine, CHANNEL_BYTES);
    munmap(own->engine, CHANNEL_BYTES);
    munmap(own->container, CHANNEL_BYTES);
    *own = (struct channel){0};
    *channel = (struct channel_memory){0};
    simulated_live--;
}

status_t channel_send(const struct channel_memory *channel, uint32_t *out_slot)
{
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    *out_slot = channel->memory;
    simulated_live++; /* until it is dropped */
    return STATUS_OK;
}

status_t log_memory_make(uint32_t account, uint32_t size_bytes, struct log_memory *out)
{
    CHECK(account != SLOT_NONE);
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    *out = (struct log_memory){1, malloc(size_bytes), size_bytes};
    ASAN_POISON_MEMORY_REGION(out->bytes, size_bytes);
    simulated_live++;
    return STATUS_OK;
}

status_t log_memory_ready(struct log_memory *memory, uint32_t from_bytes, uint32_t size_bytes)
{
    CHECK(range_inside(from_bytes, size_bytes, memory->size_bytes));
    if (allocation_fails() ||
        (simulated_log_pages >= 0 && (uint64_t)simulated_log_pages < size_bytes / PAGE_SIZE)) {
        return STATUS_NO_MEMORY;
    }
    simulated_log_pages -= simulated_log_pages >= 0 ? size_bytes / PAGE_SIZE : 0;
    ASAN_UNPOISON_MEMORY_REGION((uint8_t *)memory->bytes + from_bytes, size_bytes);
    return STATUS_OK;
}

void log_memory_forget(struct log_memory *memory)
{
    ASAN_UNPOISON_MEMORY_REGION(memory->bytes, memory->size_bytes);
    free(memory->bytes);
    *memory = (struct log_memory){0};
    simulated_live--;
}

/* --- The machine --- */

void objects_clock_set(uint64_t wall_ns)
{
    simulated_wall_ns = wall_ns;
}

struct platform_state objects_machine(void)
{
    return (struct platform_state){.memory_bytes = 1ull << 30};
}

static uint8_t trace_bytes[SIMULATED_TRACE_BYTES];
static bool trace_is_on;

status_t trace_rings_start(struct trace_rings *out)
{
    for (uint32_t i = 0; i < sizeof(trace_bytes); i++) {
        trace_bytes[i] = (uint8_t)(i >> 8);
    }
    trace_is_on = true;
    *out = (struct trace_rings){trace_bytes, sizeof(trace_bytes), 1000000000};
    return STATUS_OK;
}

void trace_rings_stop(void)
{
    CHECK(trace_is_on);
    trace_is_on = false;
}

bool simulated_trace_on(void)
{
    return trace_is_on;
}

uint64_t trace_domain(const struct container_objects *objects)
{
    return objects == NULL ? 1000 : objects->domain;
}

struct account_usage objects_containers_usage(void)
{
    return (struct account_usage){0};
}

uint64_t objects_tsc(void)
{
    return 0;
}

const struct template_image *template_get(void)
{
    static const struct template_image image = {.domain = 1};
    return simulated_template_missing ? NULL : &image;
}

const char *template_function(uint64_t address, uint64_t *out_offset)
{
    *out_offset = 1;
    return address == 0 ? NULL : "function";
}

/* --- Blobs --- */

status_t blob_use(const uint8_t name[BLOB_HASH_SIZE], struct blob **out)
{
    if (memcmp(name, simulated_blob_name, BLOB_HASH_SIZE) != 0) {
        return STATUS_NOT_FOUND;
    }
    if (allocation_fails()) {
        return STATUS_NO_MEMORY;
    }
    the_blob.users++;
    simulated_live++;
    *out = &the_blob;
    return STATUS_OK;
}

void blob_release(struct blob *blob)
{
    if (blob != NULL) {
        CHECK(blob == &the_blob && blob->users > 0);
        blob->users--;
        simulated_live--;
    }
}

status_t blob_reserve(uint64_t size_bytes, struct blob_room *out)
{
    if (size_bytes == 0 || size_bytes > 1u << 30) {
        return STATUS_TOO_LARGE;
    }
    uint32_t i = 0;
    while (i < RESERVATIONS && reserved[i]) {
        i++;
    }
    if (i == RESERVATIONS) {
        return STATUS_LIMIT_REACHED;
    }
    reserved[i] = true;
    simulated_live++;
    *out = (struct blob_room){.reservation = i + 1, .extent_count = BLOB_EXTENTS_MAX};
    for (uint32_t j = 0; j < BLOB_EXTENTS_MAX; j++) {
        out->extent[j] = (struct blob_extent){j * 8192, 4096};
    }
    return STATUS_OK;
}

void blob_abort(uint64_t reservation)
{
    CHECK(reservation >= 1 && reservation <= RESERVATIONS && reserved[reservation - 1]);
    reserved[reservation - 1] = false;
    simulated_live--;
}

status_t blob_commit(uint64_t reservation, uint64_t data_bytes, const uint8_t name[BLOB_HASH_SIZE])
{
    (void)name;
    if (data_bytes == 0) {
        return STATUS_CORRUPT;
    }
    blob_abort(reservation);
    return STATUS_OK;
}

status_t blob_next(uint64_t *cursor, struct blob_listed *out)
{
    if (*cursor > 0) {
        return STATUS_NOT_FOUND;
    }
    *cursor = 1;
    *out = (struct blob_listed){.size_bytes = BLOB_DATA_SIZE, .users = the_blob.users};
    memcpy(out->name, simulated_blob_name, sizeof(out->name));
    return STATUS_OK;
}

status_t blob_remove(const uint8_t name[BLOB_HASH_SIZE])
{
    if (memcmp(name, simulated_blob_name, BLOB_HASH_SIZE) != 0) {
        return STATUS_NOT_FOUND;
    }
    return the_blob.users > 0 ? STATUS_BUSY : STATUS_OK;
}

status_t blob_synchronise(void)
{
    simulated_synchronised = true;
    return STATUS_OK;
}

status_t blob_statistics(struct blob_statistics *out)
{
    *out = (struct blob_statistics){.store_bytes = 1ull << 31};
    return STATUS_OK;
}
