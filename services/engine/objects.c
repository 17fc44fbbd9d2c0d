#include "services/engine/objects.h"

#include "abi/engine.h"
#include "abi/init.idl.h"
#include "lib/base/string.h"
#include "lib/oak/backtrace.h"
#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "services/engine/template.h"

#define PERSONALITY_THREADS_MAX 64
#define CPU_PERIOD_USUAL_NS     100000000ull
#define RINGS_PAGES             (CHANNEL_SPECIFICATION / PAGE_SIZE)
#define READ_WRITE              (RIGHT_READ | RIGHT_WRITE)

_Static_assert(RINGS_PAGES <= 64, "ready_pages has a bit for each");

/* --- Containers ------------------------------------------------------------------------------- */

static status_t slots_take(struct container_objects *objects)
{
    uint32_t *const slots[] = {&objects->account, &objects->personality, &objects->application,
                               &objects->domain,  &objects->memory,      &objects->gate,
                               &objects->events,  &objects->thread};
    for (size_t i = 0; i < ARRAY_LENGTH(slots); i++) {
        status_t status = slot_allocate(slots[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Of the container, and of its applications: that is what programs are told. */
static uint64_t limit_bytes(const struct container_limits *limits)
{
    return limits->memory_bytes == 0 ? UINT64_MAX
                                     : MAX(limits->memory_bytes, (uint64_t)MEMORY_LIMIT_MIN_BYTES);
}

static uint64_t application_bytes(const struct container_limits *limits)
{
    static uint64_t machine_bytes; /* never changes */
    if (machine_bytes == 0) {
        machine_bytes = objects_machine().memory_bytes;
    }
    return limits->memory_bytes == 0
               ? machine_bytes
               : limit_bytes(limits) - PERSONALITY_GUARANTEE_BYTES - LOG_RESERVE_BYTES;
}

static uint64_t application_threads(const struct container_limits *limits)
{
    return limits->threads == 0 ? CONTAINER_THREADS_MAX
                                : MIN(limits->threads, (uint64_t)CONTAINER_THREADS_MAX);
}

static status_t cpu_limit(uint32_t account, const struct container_limits *limits)
{
    const struct {
        enum account_setting setting;
        uint64_t value;
    } settings[] = {
        {ACCOUNT_CPU_WEIGHT, limits->cpu_weight == 0 ? ACCOUNT_WEIGHT_DEFAULT : limits->cpu_weight},
        {ACCOUNT_CPU_PERIOD,
         limits->cpu_period_ns == 0 ? CPU_PERIOD_USUAL_NS : limits->cpu_period_ns},
        {ACCOUNT_CPU_QUOTA, limits->cpu_quota_ns},
    };
    status_t status = STATUS_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(settings) && status == STATUS_OK; i++) {
        status = kernel_account_set(account, settings[i].setting, settings[i].value, SLOT_NONE, 0);
    }
    return status;
}

static bool cpu_is_limited(const struct container_limits *limits)
{
    return limits->cpu_weight != 0 || limits->cpu_quota_ns != 0 || limits->cpu_period_ns != 0;
}

status_t objects_limit(const struct container_objects *objects,
                       const struct container_limits *limits)
{
    status_t status = kernel_account_set(objects->account, ACCOUNT_LIMIT_BYTES, limit_bytes(limits),
                                         SLOT_NONE, 0);
    if (status == STATUS_OK) {
        status = cpu_limit(objects->account, limits);
    }
    if (status == STATUS_OK && objects->application != SLOT_NONE) {
        status = kernel_account_set(objects->application, ACCOUNT_LIMIT_BYTES,
                                    application_bytes(limits), SLOT_NONE, 0);
    }
    if (status == STATUS_OK && objects->application != SLOT_NONE) {
        status = kernel_account_set(objects->application, ACCOUNT_LIMIT_THREADS,
                                    application_threads(limits), SLOT_NONE, 0);
    }
    return status;
}

static status_t accounts_make(const struct container_limits *limits,
                              const struct container_objects *objects)
{
    status_t status = kernel_account_create(ENGINE_SLOT_CONTAINERS, objects->account, 0,
                                            limit_bytes(limits), CONTAINER_THREADS_MAX);
    if (status == STATUS_OK && cpu_is_limited(limits)) {
        status = cpu_limit(objects->account, limits);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status =
        kernel_account_create(objects->account, objects->personality, PERSONALITY_GUARANTEE_BYTES,
                              UINT64_MAX, PERSONALITY_THREADS_MAX);
    if (status != STATUS_OK) {
        return status;
    }
    return kernel_account_create(objects->account, objects->application, 0,
                                 application_bytes(limits), application_threads(limits));
}

/* A domain whose window is the template's. */
static status_t window_make(const struct template_image *template,
                            const struct container_plan *plan,
                            const struct container_objects *objects)
{
    status_t status = kernel_domain_create(objects->personality, objects->domain,
                                           plan->unsealed ? DOMAIN_OPEN : 0, ENGINE_SLOT_SIGNAL,
                                           plan->watch_bits);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_clone(objects->personality, objects->memory, template->memory);
    if (status != STATUS_OK) {
        return status;
    }
    status =
        kernel_regions_copy(objects->domain, template->domain, objects->memory, template->memory);
    if (status == STATUS_OK && template->written_bytes != 0) {
        status =
            kernel_region_populate(objects->domain, template->written, template->written_bytes);
    }
    if (status != STATUS_OK) {
        return status;
    }
    /* It becomes the first of the application's. */
    return kernel_thread_create(objects->application, objects->thread, objects->domain,
                                template->frame, BAND_CONTAINER, 0);
}

static status_t handles_make(const struct container_plan *plan,
                             const struct container_objects *objects)
{
    status_t status =
        kernel_gate_create(objects->personality, objects->gate, ENGINE_SLOT_ENDPOINT, plan->badge);
    if (status != STATUS_OK) {
        return status;
    }
    return kernel_signal_create(objects->personality, objects->events);
}

status_t objects_make(const struct container_plan *plan, const struct template_image *template,
                      struct container_objects *out)
{
    struct container_objects objects = {0};
    status_t status = slots_take(&objects);
    if (status == STATUS_OK) {
        status = accounts_make(&plan->limits, &objects);
    }
    if (status == STATUS_OK) {
        status = window_make(template, plan, &objects);
    }
    if (status == STATUS_OK) {
        status = handles_make(plan, &objects);
    }
    if (status != STATUS_OK) {
        objects_end(&objects);
        objects_forget(&objects);
        return status;
    }
    *out = objects;
    return STATUS_OK;
}

status_t objects_start(const struct container_objects *objects,
                       const struct template_image *template, const struct channel_memory *channel,
                       uint32_t image_memory, uint32_t image_gate, uint64_t argument)
{
    const uint64_t table[] = {
        CAPABILITY_COPY(SLOT_DOMAIN, objects->domain, RIGHT_READ | RIGHT_CONTROL),
        CAPABILITY_COPY(SLOT_ACCOUNT, objects->personality, RIGHT_READ | RIGHT_PAY),
        CAPABILITY_COPY(SLOT_LOG, SLOT_LOG, RIGHT_WRITE),
        CAPABILITY_COPY(SLOT_TIME, SLOT_TIME, RIGHT_READ),
        CAPABILITY_COPY(SLOT_MEMORY, objects->memory, RIGHTS_ALL & ~RIGHT_DESTROY),
        CAPABILITY_COPY(SLOT_THREAD, objects->thread, RIGHTS_ALL),
        CAPABILITY_COPY(CONTAINER_SLOT_ENGINE, objects->gate, RIGHT_CALL),
        CAPABILITY_COPY(CONTAINER_SLOT_STORAGE, image_gate, RIGHT_CALL),
        CAPABILITY_COPY(CONTAINER_SLOT_IMAGE, image_memory, RIGHT_READ | RIGHT_EXECUTE),
        CAPABILITY_COPY(CONTAINER_SLOT_EVENTS, objects->events, READ_WRITE),
        CAPABILITY_COPY(CONTAINER_SLOT_CHANNEL, channel->memory, READ_WRITE),
        CAPABILITY_COPY(CONTAINER_SLOT_APPLICATION, objects->application, RIGHT_READ | RIGHT_PAY),
    };
    memcpy(thread_frame_self()->message, table, sizeof(table));
    status_t status =
        kernel_capabilities_copy(objects->domain, 0, 0, 0, 0, CAPABILITY_MORE(ARRAY_LENGTH(table)));
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t bytes = CONTAINER_ARGUMENT_SPECIFICATION(argument);
    uint64_t words = bytes <= MESSAGE_BYTES ? (bytes + 7) / 8 : 0;
    /* Nothing of it is ours: behind the specification the channel's page is zero. */
    memcpy(thread_frame_self()->message, channel->bytes + CHANNEL_SPECIFICATION_AT(bytes),
           words * 8);
    return kernel_thread_start(objects->thread, SLOT_NONE, template->entry, argument, words);
}

void objects_raise(const struct container_objects *objects, uint64_t events)
{
    (void)kernel_signal_raise(objects->events, events);
}

void objects_interrupt(const struct container_objects *objects)
{
    (void)kernel_thread_interrupt(objects->thread, INTERRUPT_NOW, 0);
}

void objects_end(struct container_objects *objects)
{
    slot_destroy(objects->application);
    slot_destroy(objects->personality);
    /* What these named was paid for by the personality: it is gone, and the slots with it are
     * empty. */
    slot_free(objects->domain);
    slot_free(objects->memory);
    slot_free(objects->gate);
    slot_free(objects->events);
    slot_free(objects->thread);
    *objects = (struct container_objects){.account = objects->account};
}

void objects_forget(struct container_objects *objects)
{
    objects_end(objects);
    slot_destroy(objects->account);
    objects->account = SLOT_NONE;
}

status_t objects_freeze(const struct container_objects *objects, bool frozen)
{
    return kernel_account_set(objects->account, ACCOUNT_FROZEN, frozen, SLOT_NONE, 0);
}

/* --- Looking ---------------------------------------------------------------------------------- */

struct account_usage objects_usage(uint32_t account)
{
    struct account_usage usage = {0};
    /* Without an account, or when it is gone, nothing is used. */
    (void)object_state(account, STATE_ACCOUNT, &usage, sizeof(usage));
    return usage;
}

struct account_usage objects_containers_usage(void)
{
    return objects_usage(ENGINE_SLOT_CONTAINERS);
}

struct domain_report objects_report(const struct container_objects *objects)
{
    struct domain_report report = {0};
    (void)object_state(objects->domain, STATE_DOMAIN, &report, sizeof(report));
    return report;
}

uint32_t objects_calls(const struct container_objects *objects, const struct domain_report *report,
                       uint64_t *out)
{
    return backtrace_read(objects->personality, objects->memory, report->rbp, out);
}

struct capability_found objects_capability(const struct container_objects *objects, uint32_t slot)
{
    struct kernel_results results;
    if (objects->domain == SLOT_NONE ||
        kernel_capability_read(objects->domain, slot, &results) != STATUS_OK) {
        return (struct capability_found){0};
    }
    return (struct capability_found){.type = (uint32_t)(results.value[0] & 0xff),
                                     .rights = (uint32_t)(results.value[0] >> 8),
                                     .number = results.value[1]};
}

struct platform_state objects_machine(void)
{
    struct platform_state state = {0};
    (void)object_state(ENGINE_SLOT_PLATFORM, STATE_PLATFORM, &state, sizeof(state));
    return state;
}

void objects_clock_set(uint64_t wall_ns)
{
    /* Without init's answer the clock stays as it is; nothing depends on it. */
    if (init_clock_set(ENGINE_SLOT_INIT, wall_ns) != STATUS_OK) {
        return;
    }
}

uint64_t objects_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* --- Channels --------------------------------------------------------------------------------- */

/* Through our mapping, which then has the pages, too. */
static status_t channel_populate(const struct channel_memory *channel, uint64_t offset,
                                 uint64_t size_bytes)
{
    return kernel_region_populate(SLOT_DOMAIN, (uint64_t)(uintptr_t)channel->bytes + offset,
                                  size_bytes);
}

static status_t channel_fill(struct channel_memory *channel, const void *specification,
                             uint32_t specification_bytes)
{
    uint64_t place = CHANNEL_SPECIFICATION_AT(specification_bytes);
    status_t status = channel_ready(channel, 0, sizeof(struct channel_control));
    if (status == STATUS_OK && place == CHANNEL_SPECIFICATION) {
        status = channel_populate(channel, place, channel->mapped_bytes - place);
    }
    if (status == STATUS_OK) {
        memcpy(channel->bytes + place, specification, specification_bytes);
    }
    return status;
}

static status_t channel_build(const struct container_objects *objects,
                              struct channel_memory *channel)
{
    status_t status = slot_allocate(&channel->memory);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create(objects->personality, channel->memory, channel->mapped_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    void *bytes;
    status = window_map(channel->memory, 0, channel->mapped_bytes, READ_WRITE, &bytes);
    if (status == STATUS_OK) {
        channel->bytes = bytes;
    }
    return status;
}

status_t channel_make(const struct container_objects *objects, const void *specification,
                      uint32_t specification_bytes, struct channel_memory *out)
{
    if (specification_bytes > CHANNEL_SPECIFICATION_MAX) {
        return STATUS_TOO_LARGE;
    }
    struct channel_memory channel = {.mapped_bytes = CHANNEL_BYTES_WITH(specification_bytes)};
    status_t status = channel_build(objects, &channel);
    if (status == STATUS_OK) {
        status = channel_fill(&channel, specification, specification_bytes);
    }
    if (status != STATUS_OK) {
        channel_forget(&channel);
        return status;
    }
    *out = channel;
    return STATUS_OK;
}

status_t channel_ready(struct channel_memory *channel, uint64_t offset, uint64_t size)
{
    if (size == 0) {
        return STATUS_OK;
    }
    if (offset >= CHANNEL_SPECIFICATION || size > CHANNEL_SPECIFICATION - offset) {
        return STATUS_OUT_OF_RANGE;
    }
    uint64_t last = (offset + size - 1) >> PAGE_SHIFT;
    for (uint64_t page = offset >> PAGE_SHIFT; page <= last; page++) {
        if ((channel->ready_pages >> page & 1) != 0) {
            continue;
        }
        status_t status = channel_populate(channel, page << PAGE_SHIFT, PAGE_SIZE);
        if (status != STATUS_OK) {
            return status;
        }
        channel->ready_pages |= 1ull << page;
    }
    return STATUS_OK;
}

void channel_launched(const struct channel_memory *channel)
{
    if (channel->mapped_bytes > CHANNEL_SPECIFICATION) {
        (void)kernel_memory_discard(channel->memory, CHANNEL_SPECIFICATION,
                                    channel->mapped_bytes - CHANNEL_SPECIFICATION);
    }
}

void channel_forget(struct channel_memory *channel)
{
    window_unmap(channel->bytes, channel->mapped_bytes);
    slot_destroy(channel->memory);
    *channel = (struct channel_memory){0};
}

status_t channel_send(const struct channel_memory *channel, uint32_t *out_slot)
{
    return slot_copy(channel->memory, READ_WRITE, out_slot);
}

/* --- Logs ------------------------------------------------------------------------------------- */

status_t log_memory_make(uint32_t account, uint32_t size_bytes, struct log_memory *out)
{
    struct log_memory log = {.size_bytes = size_bytes};
    status_t status = slot_allocate(&log.memory);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_memory_create(account, log.memory, ALIGN_UP((uint64_t)size_bytes, PAGE_SIZE));
    if (status == STATUS_OK) {
        status = window_map(log.memory, 0, size_bytes, READ_WRITE, &log.bytes);
    }
    if (status != STATUS_OK) {
        log_memory_forget(&log);
        return status;
    }
    *out = log;
    return STATUS_OK;
}

status_t log_memory_ready(struct log_memory *memory, uint32_t from_bytes, uint32_t size_bytes)
{
    if (from_bytes > memory->size_bytes || size_bytes > memory->size_bytes - from_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    uint64_t first = ALIGN_DOWN((uint64_t)from_bytes, PAGE_SIZE);
    uint64_t end = ALIGN_UP((uint64_t)from_bytes + size_bytes, PAGE_SIZE);
    return kernel_memory_populate(memory->memory, first, end - first);
}

void log_memory_forget(struct log_memory *memory)
{
    window_unmap(memory->bytes, memory->size_bytes);
    slot_destroy(memory->memory);
    *memory = (struct log_memory){0};
}
