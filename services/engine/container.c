/*
 * Invariants: every container stands in the table and in both trees; `generation` is never used
 * twice, so no badge of a former life names a container of now. What a personality says never
 * changes another container.
 */
#include "services/engine/container.h"

#include "lib/base/string.h"
#include "lib/oak/backtrace.h"
#include "lib/oak/clock.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "services/engine/blobs.h"
#include "services/engine/template.h"

static struct container *table[CONTAINERS_MAX];
static uint32_t count;
static uint32_t generations;
static uint32_t label_total_bytes;
static struct tree ids;
static struct tree names;

/*
 * Ids are in the order of their digits, of which a prefix is enough; names, of which it is not, in
 * that of a hash. Both are numbers that mostly decide: with many containers, a start looks dozens
 * of others over.
 */
static uint64_t id_key(const char *id)
{
    uint64_t first;
    memcpy(&first, id, sizeof(first));
    return __builtin_bswap64(first);
}

static uint64_t name_key(const char *name)
{
    uint64_t key = 0xcbf29ce484222325; /* FNV-1a */
    for (; *name != 0; name++) {
        key = (key ^ (uint8_t)*name) * 0x100000001b3;
    }
    return key;
}

static int order_of(uint64_t key, const char *text, uint64_t other_key, const char *other)
{
    return key != other_key ? (key < other_key ? -1 : 1) : strcmp(text, other);
}

static int id_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct container *left = CONTAINER_OF(a, struct container, by_id);
    const struct container *right = CONTAINER_OF(b, struct container, by_id);
    return order_of(left->id_key, left->id, right->id_key, right->id);
}

static int name_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct container *left = CONTAINER_OF(a, struct container, by_name);
    const struct container *right = CONTAINER_OF(b, struct container, by_name);
    return order_of(left->name_key, left->name, right->name_key, right->name);
}

void containers_init(void)
{
    tree_init(&ids, id_compare);
    tree_init(&names, name_compare);
}

uint32_t container_count(void)
{
    return count;
}

struct container *container_at(uint32_t index)
{
    return table[index];
}

uint64_t container_badge(const struct container *container)
{
    return (uint64_t)container->generation << 32 | container->index;
}

struct container *container_by_badge(uint64_t badge)
{
    uint32_t index = (uint32_t)badge;
    if (index >= CONTAINERS_MAX || table[index] == NULL ||
        table[index]->generation != badge >> 32) {
        return NULL;
    }
    return table[index];
}

uint64_t container_watch_bits(const struct container *container)
{
    return 1ull << (ENGINE_EVENT_OWN + container->index % WATCH_BITS);
}

/* --- Names --- */

static struct container *name_find(const char *text)
{
    uint64_t key = name_key(text);
    struct tree_node *node = names.root;
    while (node != NULL) {
        struct container *container = CONTAINER_OF(node, struct container, by_name);
        int order = order_of(key, text, container->name_key, container->name);
        if (order == 0) {
            return container;
        }
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* The first id that is not before the text, which zeros fill up to eight bytes. */
static struct container *id_find(const char *text)
{
    uint64_t key = id_key(text);
    struct container *found = NULL;
    struct tree_node *node = ids.root;
    while (node != NULL) {
        struct container *container = CONTAINER_OF(node, struct container, by_id);
        bool before = order_of(container->id_key, container->id, key, text) < 0;
        found = before ? found : container;
        node = before ? node->right : node->left;
    }
    return found;
}

status_t container_find(const char *text, uint32_t length_bytes, struct container **out)
{
    char copy[CONTAINER_ID_DIGITS + 1] = {0};
    if (length_bytes == 0 || length_bytes > CONTAINER_ID_DIGITS) {
        return STATUS_NOT_FOUND;
    }
    memcpy(copy, text, length_bytes);
    struct container *container = name_find(copy);
    if (container == NULL) {
        container = id_find(copy);
        if (container == NULL || strncmp(container->id, copy, strlen(copy)) != 0) {
            return STATUS_NOT_FOUND;
        }
        struct tree_node *next = tree_next(&container->by_id);
        if (next != NULL &&
            strncmp(CONTAINER_OF(next, struct container, by_id)->id, copy, strlen(copy)) == 0) {
            return STATUS_EXISTS;
        }
    }
    *out = container;
    return STATUS_OK;
}

/* --- Life --- */

static status_t new_check(const struct container_specification *specification)
{
    struct container *container = id_find(specification->id);
    if (name_find(specification->name) != NULL ||
        (container != NULL && strcmp(container->id, specification->id) == 0)) {
        return STATUS_EXISTS;
    }
    if (count == CONTAINERS_MAX || generations == UINT32_MAX ||
        specification->label_bytes > CONTAINERS_LABEL_BYTES - label_total_bytes) {
        return STATUS_LIMIT_REACHED;
    }
    return STATUS_OK;
}

static void table_insert(struct container *container)
{
    uint32_t index = generations % CONTAINERS_MAX;
    while (table[index] != NULL) {
        index = (index + 1) % CONTAINERS_MAX;
    }
    table[index] = container;
    count++;
    container->index = index;
    container->generation = ++generations;
    tree_insert(&ids, &container->by_id);
    tree_insert(&names, &container->by_name);
}

status_t container_new(const struct container_specification *specification, struct container **out)
{
    status_t status = new_check(specification);
    if (status != STATUS_OK) {
        return status;
    }
    struct container *container = heap_allocate_zeroed(sizeof(*container));
    uint8_t *label = heap_allocate(MAX(specification->label_bytes, 1u));
    if (container == NULL || label == NULL) {
        heap_free(container);
        heap_free(label);
        return STATUS_NO_MEMORY;
    }
    if (specification->label_bytes > 0) {
        memcpy(label, specification->label, specification->label_bytes);
    }
    container->label = label;
    container->label_bytes = specification->label_bytes;
    label_total_bytes += specification->label_bytes;
    memcpy(container->id, specification->id, sizeof(container->id));
    memcpy(container->name, specification->name, sizeof(container->name));
    container->id_key = id_key(container->id);
    container->name_key = name_key(container->name);
    memcpy(container->blob_name, specification->blob, sizeof(container->blob_name));
    container->auto_remove = specification->auto_remove;
    container->limits = specification->limits;
    container->created_ns = clock_wall_ns();
    container->process.container = container;
    container->process.terminal = specification->terminal;
    container->process.open_stdin = specification->open_stdin;
    table_insert(container);
    *out = container;
    return STATUS_OK;
}

/* --- Linux calls that are missing --- */

status_t container_call_missing(struct container *container, uint32_t counter, const char *name,
                                uint32_t length_bytes)
{
    if (counter >= CHANNEL_MISSING || length_bytes == 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    for (struct missing_call *known = container->missing; known != NULL; known = known->next) {
        if (known->counter == counter) {
            return STATUS_OK;
        }
    }
    struct missing_call *missing = heap_allocate_zeroed(sizeof(*missing));
    if (missing == NULL) {
        return STATUS_NO_MEMORY;
    }
    missing->counter = counter;
    text_keep(missing->name, sizeof(missing->name), name, length_bytes);
    missing->next = container->missing;
    container->missing = missing;
    log_line("container %.12s: %s is missing", container->id, missing->name);
    return STATUS_OK;
}

uint32_t container_missing_count(const struct container *container,
                                 const struct missing_call *missing)
{
    const struct channel_control *channel = (const void *)container->process.channel.bytes;
    return channel != NULL ? __atomic_load_n(&channel->missing[missing->counter], __ATOMIC_RELAXED)
                           : missing->count;
}

/* The channel is about to go. */
static void missing_keep(struct container *container)
{
    for (struct missing_call *missing = container->missing; missing != NULL;
         missing = missing->next) {
        missing->count = container_missing_count(container, missing);
    }
}

/* --- Their end --- */

static void container_stop(struct container *container, uint32_t exit_code, bool oom_killed)
{
    if (container->state == CONTAINER_STOPPED) {
        return;
    }
    container->state = CONTAINER_STOPPED;
    /* It ends in any case, but frozen accounts cost all others something. */
    if (container->paused && objects_freeze(&container->objects, false) == STATUS_OK) {
        container->paused = false;
    }
    container->ended_ns = clock_wall_ns();
    container->queue_count = 0;
    for (struct process *next, *exec = container->execs; exec != NULL; exec = next) {
        next = exec->next;
        process_ended(exec, EXIT_KILLED, false);
        container_exec_check(exec);
    }
    missing_keep(container);
    process_ended(&container->process, exit_code, oom_killed);
    objects_end(&container->objects);
}

void container_end(struct container *container, uint32_t exit_code, bool oom_killed)
{
    container_stop(container, exit_code, oom_killed);
    container_auto_remove(container);
}

void container_delete(struct container *container)
{
    container_stop(container, EXIT_KILLED, false);
    while (container->execs != NULL) {
        container_exec_delete(container->execs);
    }
    process_release(&container->process);
    objects_forget(&container->objects);
    blob_release(container->blob);
    while (container->missing != NULL) {
        struct missing_call *missing = container->missing;
        container->missing = missing->next;
        heap_free(missing);
    }
    tree_remove(&ids, &container->by_id);
    tree_remove(&names, &container->by_name);
    table[container->index] = NULL;
    count--;
    label_total_bytes -= container->label_bytes;
    heap_free(container->label);
    heap_free(container);
}

void container_auto_remove(struct container *container)
{
    if (container->auto_remove && container->state == CONTAINER_STOPPED &&
        container->execs == NULL && container->process.sessions == NULL &&
        container->process.waits == NULL) {
        container_delete(container);
    }
}

/* --- Processes --- */

struct process *container_process(struct container *container, uint64_t number)
{
    struct process *process = number == 0 ? &container->process : container->execs;
    while (process != NULL && process->number != number) {
        process = process->next;
    }
    return process;
}

status_t container_exec_new(struct container *container, struct process **out)
{
    if (container->exec_count == CONTAINER_EXECS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    struct process *process = heap_allocate_zeroed(sizeof(*process));
    if (process == NULL) {
        return STATUS_NO_MEMORY;
    }
    do {
        container->exec_last = container->exec_last == UINT32_MAX ? 1 : container->exec_last + 1;
    } while (container_process(container, container->exec_last) != NULL);
    process->container = container;
    process->number = container->exec_last;
    process->next = container->execs;
    container->execs = process;
    container->exec_count++;
    *out = process;
    return STATUS_OK;
}

void container_exec_delete(struct process *process)
{
    struct container *container = process->container;
    struct process **link = &container->execs;
    while (*link != process) {
        link = &(*link)->next;
    }
    *link = process->next;
    container->exec_count--;
    process_release(process);
    heap_free(process);
}

void container_exec_check(struct process *process)
{
    if (process->number != 0 && process->state == PROCESS_ENDED && process->sessions == NULL &&
        process->waits == NULL) {
        container_exec_delete(process);
    }
}

/* --- What the personality is told --- */

/* The order matters: who attends looks at the events, and reports, after it has said so. */
static void first_interrupt(struct container *container)
{
    const struct channel_control *channel = (const void *)container->process.channel.bytes;
    if (channel != NULL && __atomic_load_n(&channel->attended, __ATOMIC_SEQ_CST) == 0) {
        objects_interrupt(&container->objects);
    }
}

void container_raise(struct container *container, uint64_t events)
{
    objects_raise(&container->objects, events);
    first_interrupt(container);
}

/* --- Starts that nothing was heard of --- */

static uint32_t starting;
static uint64_t starts_due_ns = UINT64_MAX;
static uint64_t starts_wait_ns; /* doubles as long as nothing new starts */

void container_start_begins(void)
{
    starting++;
    starts_wait_ns = START_LATE_NS;
    starts_due_ns = MIN(starts_due_ns, clock_now_ns() + starts_wait_ns);
}

void container_start_is_over(void)
{
    if (--starting == 0) {
        starts_due_ns = UINT64_MAX;
    }
}

uint64_t containers_deadline(void)
{
    return starts_due_ns;
}

void containers_late(void)
{
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        struct container *container = table[i];
        if (container != NULL && container->process.state == PROCESS_LAUNCHING) {
            first_interrupt(container);
        }
    }
    starts_wait_ns = MIN(2 * starts_wait_ns, START_WAIT_MAX_NS);
    starts_due_ns = clock_now_ns() + starts_wait_ns;
}

status_t container_tell(struct container *container, enum container_request kind, uint32_t process,
                        uint64_t value)
{
    for (uint32_t i = 0; kind == CONTAINER_REQUEST_RESIZE && i < container->queue_count; i++) {
        struct queued_request *queued =
            &container->queue[(container->queue_first + i) % CONTAINER_QUEUE];
        if (queued->kind == (uint32_t)kind && queued->process == process) {
            queued->value = value;
            return STATUS_OK;
        }
    }
    if (container->queue_count == CONTAINER_QUEUE) {
        return STATUS_BUSY;
    }
    uint32_t last = (container->queue_first + container->queue_count) % CONTAINER_QUEUE;
    container->queue[last] = (struct queued_request){(uint32_t)kind, process, value};
    container->queue_count++;
    container_raise(container, EVENT_REQUEST);
    return STATUS_OK;
}

bool container_told(struct container *container, struct queued_request *out)
{
    if (container->queue_count == 0) {
        return false;
    }
    *out = container->queue[container->queue_first];
    container->queue_first = (container->queue_first + 1) % CONTAINER_QUEUE;
    container->queue_count--;
    return true;
}

/* --- Faults --- */

static void place_log(const struct container *container, const char *which, uint64_t address)
{
    uint64_t offset = 0;
    const char *name = template_function(address, &offset);
    log_line("container %.12s:   %s %llx %s+%llx", container->id, which,
             (unsigned long long)address, name != NULL ? name : "?", (unsigned long long)offset);
}

static void container_faulted(struct container *container, const struct domain_report *report)
{
    const struct trap_words *fault = &report->fault;
    log_line("container %.12s: its personality failed: cause %llu vector %llu error %llx "
             "address %llx rip %llx",
             container->id, (unsigned long long)fault->cause, (unsigned long long)fault->vector,
             (unsigned long long)fault->error, (unsigned long long)fault->address,
             (unsigned long long)fault->rip);
    place_log(container, "at", fault->rip);
    uint64_t calls[BACKTRACE_CALLS];
    uint32_t found = objects_calls(&container->objects, report, calls);
    for (uint32_t i = 0; i < found; i++) {
        place_log(container, "from", calls[i]);
    }
    static const char text[] =
        "the container's Linux personality failed; the machine's log says how";
    memcpy(container->process.message, text, sizeof(text));
    container_end(container, EXIT_FAULTED, false);
}

void containers_faulted(uint64_t watch_bits)
{
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        struct container *container = table[i];
        if (container == NULL || container->state == CONTAINER_STOPPED ||
            (container_watch_bits(container) & watch_bits) == 0) {
            continue;
        }
        struct domain_report report = objects_report(&container->objects);
        if (report.fault.cause != 0) {
            container_faulted(container, &report);
        }
    }
}
