/* Requests that tell what there is: LIST, INSPECT, STATISTICS, AUTHORITY. */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "services/engine/marks.h"
#include "services/engine/blobs.h"
#include "services/engine/requests.h"

#define STATE_BYTES         704 /* of one container beside its label */
#define COUNTER_BYTES       128
#define COUNTERS_MAX        (32 + MAX(CHANNEL_MISSING, PLATFORM_LOCKS))
#define AUTHORITY_SLOTS     4096
#define AUTHORITY_LINE      128
#define AUTHORITY_LINES_MAX 4096

/* --- LIST and INSPECT --- */

static const char *state_name(const struct container *container)
{
    switch (container->state) {
    case CONTAINER_CREATED:
        return "created";
    case CONTAINER_RUNNING:
        return container->paused ? "paused" : "running";
    case CONTAINER_STOPPED:
        return "stopped";
    }
    return "";
}

static void state_put(struct record_writer *records, const struct container *container)
{
    const struct process *process = &container->process;
    struct account_usage usage = objects_usage(container->objects.account);
    size_t place = record_begin(records, RECORD_CONTAINER_STATE);
    record_put_text(records, RECORD_ID, container->id);
    record_put_text(records, RECORD_NAME, container->name);
    record_put(records, RECORD_BLOB, container->blob_name, sizeof(container->blob_name));
    record_put_text(records, RECORD_STATE, state_name(container));
    record_put_number(records, RECORD_CREATED, container->created_ns);
    record_put_number(records, RECORD_STARTED, container->started_ns);
    record_put_number(records, RECORD_ENDED, container->ended_ns);
    record_put_number(records, RECORD_EXIT_CODE, process->exit_code);
    record_put_number(records, RECORD_OOM_KILLED, process->oom_killed);
    record_put_number(records, RECORD_PROCESS_ID, process->pid);
    record_put(records, RECORD_LABEL, container->label, container->label_bytes);
    record_put_number(records, RECORD_MEMORY_LIMIT, container->limits.memory_bytes);
    record_put_number(records, RECORD_CPU_WEIGHT, container->limits.cpu_weight);
    record_put_number(records, RECORD_CPU_QUOTA, container->limits.cpu_quota_ns);
    record_put_number(records, RECORD_CPU_PERIOD, container->limits.cpu_period_ns);
    record_put_number(records, RECORD_THREADS_LIMIT, container->limits.threads);
    record_put_number(records, RECORD_MEMORY_USED, usage.bytes_total);
    record_end(records, place);
}

/* Answer with what was written into the reply itself. */
static void reply_finish(const struct request *request, struct reply *reply,
                         const struct record_writer *records)
{
    status_t status = records->overflow ? STATUS_TOO_LARGE : STATUS_OK;
    session_reply_queue(request->session, request->tag, status, reply,
                        records->overflow ? 0 : (uint32_t)records->length_bytes);
}

/* NULL: it was answered. */
static struct reply *reply_begin(const struct request *request, uint32_t capacity_bytes,
                                 struct record_writer *records)
{
    struct reply *reply = reply_make(capacity_bytes);
    if (reply == NULL) {
        request_answer(request, STATUS_NO_MEMORY);
        return NULL;
    }
    record_writer_init(records, reply->bytes, capacity_bytes);
    return reply;
}

void request_list(const struct request *request)
{
    struct record_writer records;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        const struct container *container = container_at(i);
        capacity += container != NULL ? STATE_BYTES + container->label_bytes : 0;
    }
    struct reply *reply = reply_begin(request, capacity, &records);
    if (reply == NULL) {
        return;
    }
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        if (container_at(i) != NULL) {
            state_put(&records, container_at(i));
        }
    }
    reply_finish(request, reply, &records);
}

void request_inspect(const struct request *request)
{
    struct record_writer records;
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    struct reply *reply = reply_begin(request, STATE_BYTES + container->label_bytes, &records);
    if (reply != NULL) {
        state_put(&records, container);
        reply_finish(request, reply, &records);
    }
}

/* --- STATISTICS --- */

static void counter_put(struct record_writer *records, const char *name, uint64_t value)
{
    size_t place = record_begin(records, RECORD_COUNTER);
    record_put_text(records, RECORD_NAME, name);
    record_put_number(records, RECORD_VALUE, value);
    record_end(records, place);
}

static void usage_put(struct record_writer *records, const struct account_usage *usage)
{
    counter_put(records, "memory.bytes", usage->bytes_total);
    counter_put(records, "memory.peak_bytes", usage->bytes_peak);
    counter_put(records, "memory.limit_bytes", usage->limit_bytes);
    counter_put(records, "cpu.ns", usage->cpu_ns);
    counter_put(records, "cpu.application_ns", usage->application_ns);
    counter_put(records, "cpu.personality_ns", usage->personality_ns);
    counter_put(records, "cpu.throttled_ns", usage->throttled_ns);
}

static void container_statistics(struct record_writer *records, const struct container *container)
{
    const struct log_ring *log = &container->process.log;
    struct account_usage usage = objects_usage(container->objects.account);
    struct account_usage application = objects_usage(container->objects.application);
    usage_put(records, &usage);
    counter_put(records, "application.memory.bytes", application.bytes_total);
    counter_put(records, "application.threads", application.threads);
    counter_put(records, "application.limit_threads", application.limit_threads);
    counter_put(records, "machine.memory_bytes", objects_machine().memory_bytes);
    counter_put(records, "machine.uptime_ns", objects_machine().now_ns);
    counter_put(records, "log.bytes", log->head - log->tail);
    counter_put(records, "log.dropped_bytes", log->dropped_bytes);
    counter_put(records, "processes", 1 + container->exec_count);
    for (const struct missing_call *call = container->missing; call != NULL; call = call->next) {
        char name[MISSING_NAME_MAX + 16];
        format_text(name, sizeof(name), "missing.%s", call->name);
        counter_put(records, name, container_missing_count(container, call));
    }
}

#define LOCK(name, meaning) #name,
static const char *const lock_names[PLATFORM_LOCKS] = {
#include "abi/locks.def"
};
#undef LOCK

static void machine_statistics(struct record_writer *records)
{
    struct platform_state machine = objects_machine();
    struct account_usage usage = objects_containers_usage();
    struct blob_statistics store;
    usage_put(records, &usage);
    counter_put(records, "machine.memory_bytes", machine.memory_bytes);
    counter_put(records, "machine.memory_free_bytes", machine.memory_free_bytes);
    counter_put(records, "machine.memory_spare_bytes", machine.memory_spare_bytes);
    counter_put(records, "machine.objects", machine.objects);
    counter_put(records, "machine.cpus", machine.cpus);
    counter_put(records, "machine.uptime_ns", machine.now_ns);
    counter_put(records, "machine.tsc", objects_tsc());
    for (uint32_t i = 0; i < PLATFORM_LOCKS; i++) {
        char name[COUNTER_BYTES / 2];
        format_text(name, sizeof(name), "machine.contended.%s", lock_names[i]);
        counter_put(records, name, machine.lock_contended[i]);
    }
    for (enum mark mark = 0; mark < MARKS; mark++) {
        counter_put(records, mark_name(mark), mark_get(mark));
    }
    counter_put(records, "containers", container_count());
    counter_put(records, "sessions", session_count());
    if (blob_statistics(&store) == STATUS_OK) {
        counter_put(records, "store.bytes", store.store_bytes);
        counter_put(records, "store.free_bytes", store.store_free_bytes);
        counter_put(records, "store.cache_bytes", store.cache_bytes);
        counter_put(records, "store.blocks_read", store.blocks_read);
    }
}

void request_statistics(const struct request *request)
{
    uint8_t bytes[COUNTERS_MAX * COUNTER_BYTES];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    if (request->length_bytes == 0) {
        machine_statistics(&records);
    } else {
        struct container *container = request_container(request);
        if (container == NULL) {
            return;
        }
        container_statistics(&records, container);
    }
    request_answer_records(request, &records);
}

/* --- AUTHORITY --- */

#define OBJECT(name, number, meaning) [OBJECT_##name] = #name,
static const char *const type_names[OBJECT_TYPES] = {
#include "abi/objects.def"
};
#undef OBJECT

#define RIGHT(name, bit, meaning) #name,
static const char *const right_names[] = {
#include "abi/rights.def"
};
#undef RIGHT

static const struct {
    uint32_t slot;
    const char *name;
} slot_names[] = {
    {SLOT_DOMAIN, "own"},
    {SLOT_ACCOUNT, "personality"},
    {SLOT_LOG, "log"},
    {SLOT_TIME, "time"},
    {SLOT_MEMORY, "window"},
    {SLOT_THREAD, "first"},
    {CONTAINER_SLOT_ENGINE, "engine"},
    {CONTAINER_SLOT_STORAGE, "storage"},
    {CONTAINER_SLOT_IMAGE, "image"},
    {CONTAINER_SLOT_EVENTS, "events"},
    {CONTAINER_SLOT_CHANNEL, "channel"},
    {CONTAINER_SLOT_APPLICATION, "application"},
};

/* Appends a word in lower case. */
static size_t word_put(char *line, size_t length, const char *word)
{
    if (length > 0 && length < AUTHORITY_LINE - 1) {
        line[length++] = ' ';
    }
    for (; *word != '\0' && length < AUTHORITY_LINE - 1; word++) {
        line[length++] = *word >= 'A' && *word <= 'Z' ? (char)(*word + 'a' - 'A') : *word;
    }
    line[length] = '\0';
    return length;
}

/* Type, name, rights. */
static void authority_line(char *line, uint32_t slot, const struct capability_found *found)
{
    char number[32];
    const char *name = number;
    bool known = found->type < OBJECT_TYPES && type_names[found->type] != NULL;
    format_text(number, sizeof(number), "%llu", (unsigned long long)found->number);
    for (size_t i = 0; i < ARRAY_LENGTH(slot_names); i++) {
        if (slot_names[i].slot == slot) {
            name = slot_names[i].name;
        }
    }
    size_t length = word_put(line, 0, known ? type_names[found->type] : "object");
    length = word_put(line, length, name);
    for (uint32_t bit = 0; bit < ARRAY_LENGTH(right_names); bit++) {
        if ((found->rights & 1u << bit) != 0) {
            length = word_put(line, length, right_names[bit]);
        }
    }
}

/* Its applications have all of this themselves. */
static bool is_unsealed(const struct container *container)
{
    return objects_report(&container->objects).flags & DOMAIN_OPEN;
}

void request_authority(const struct request *request)
{
    struct record_writer records;
    struct container *container = request_container(request);
    struct reply *reply =
        container != NULL
            ? reply_begin(request, AUTHORITY_LINES_MAX * (AUTHORITY_LINE + 8), &records)
            : NULL;
    if (reply == NULL) {
        return;
    }
    for (uint32_t slot = 1; slot < AUTHORITY_SLOTS && container->objects.domain != SLOT_NONE;
         slot++) {
        struct capability_found found = objects_capability(&container->objects, slot);
        char line[AUTHORITY_LINE];
        if (found.type != OBJECT_NONE) {
            authority_line(line, slot, &found);
            if (slot == SLOT_DOMAIN && is_unsealed(container)) {
                (void)word_put(line, strlen(line), "unsealed");
            }
            record_put_text(&records, RECORD_AUTHORITY, line);
        }
    }
    reply_finish(request, reply, &records);
}
