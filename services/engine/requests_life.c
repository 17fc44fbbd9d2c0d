/* Requests that make, start, kill and remove containers and their processes. */
#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "services/engine/blobs.h"
#include "services/engine/marks.h"
#include "services/engine/requests.h"
#include "services/engine/template.h"

#define SIGNAL_MAX 64

/* --- CREATE --- */

static const char *create_problem(status_t status, uint64_t limit_bytes)
{
    switch (status) {
    case STATUS_EXISTS:
        return "a container of that name, or with that identifier, exists already";
    case STATUS_LIMIT_REACHED:
        return "the machine has reached its number of containers, or room for their labels";
    case STATUS_NO_MEMORY:
        return limit_bytes != 0 ? "the memory limit, or the machine's memory, does not suffice "
                                  "for a container"
                                : "the machine has no memory left for a container";
    case STATUS_TOO_LARGE:
        return "the specification is too large";
    default:
        return "the container could not be made";
    }
}

static const char *blob_problem(status_t status)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return "the image is not in the machine's store";
    case STATUS_NOT_SUPPORTED:
        return "the machine has no store";
    default:
        return "the image cannot be opened";
    }
}

/* What a new container consists of; on failure the caller deletes the container. */
static status_t create_fill(struct container *container, bool unsealed,
                            const struct template_image *template, const struct request *request)
{
    struct container_plan plan = {
        .limits = container->limits,
        .badge = container_badge(container),
        .watch_bits = container_watch_bits(container),
        .unsealed = unsealed,
    };
    status_t status = objects_make(&plan, template, &container->objects);
    if (status == STATUS_OK) {
        status = process_open(&container->process, request->bytes, request->length_bytes);
    }
    return status;
}

static void create_checked(const struct request *request,
                           const struct container_specification *specification)
{
    struct container *container;
    struct blob *blob;
    const struct template_image *template = template_get();
    if (template == NULL) {
        request_answer_message(request, STATUS_BAD_STATE,
                               "the Linux personality did not come up; the machine's log says why");
        return;
    }
    status_t status = blob_use(specification->blob, &blob);
    if (status != STATUS_OK) {
        request_answer_message(request, status, blob_problem(status));
        return;
    }
    status = container_new(specification, &container);
    if (status != STATUS_OK) {
        blob_release(blob);
        request_answer_message(request, status, create_problem(status, 0));
        return;
    }
    container->blob = blob;
    status = create_fill(container, specification->unsealed, template, request);
    if (status != STATUS_OK) {
        container_delete(container);
        request_answer_message(request, status,
                               create_problem(status, specification->limits.memory_bytes));
        return;
    }
    mark_set(MARK_CREATED);
    uint8_t bytes[128];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put(&records, RECORD_ID, container->id, CONTAINER_ID_DIGITS);
    request_answer_records(request, &records);
}

void request_create(const struct request *request)
{
    mark_set(MARK_CREATE);
    struct container_specification specification;
    const char *why;
    status_t status =
        specification_read(request->bytes, request->length_bytes, &specification, &why);
    if (status != STATUS_OK) {
        request_answer_message(request, status, why);
        return;
    }
    create_checked(request, &specification);
}

/* --- START, EXEC and COPY --- */

static const char paused_text[] = "the container is paused";

/* From here on process_launch_answer answers the request. */
static void launch_begin(const struct request *request, struct process *process)
{
    process->state = PROCESS_LAUNCHING;
    process->launcher = request->session;
    process->launcher_tag = request->tag;
    request->session->launching = process;
    if (process->number == 0) {
        container_start_begins();
    }
}

void request_start(const struct request *request)
{
    mark_set(MARK_START);
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    const struct template_image *template = template_get();
    if (template == NULL || container->process.state != PROCESS_CREATED) {
        request_answer_message(request, STATUS_BAD_STATE,
                               template == NULL ? "the Linux personality did not come up"
                               : container->state == CONTAINER_STOPPED
                                   ? "the container has ended: it cannot be started again"
                                   : "the container is running already");
        return;
    }
    struct blob *blob = container->blob;
    struct process *process = &container->process;
    status_t status =
        objects_start(&container->objects, template, &process->channel, blob->memory, blob->gate,
                      CONTAINER_ARGUMENT(process->specification_bytes, blob->size_bytes));
    mark_set(MARK_RUNNING);
    launch_begin(request, process);
    if (status != STATUS_OK) {
        static const char text[] = "the container's first thread cannot run: no memory, or its "
                                   "limit is too small";
        memcpy(process->message, text, sizeof(text));
        log_line("container %.12s: cannot be started: %s", container->id, status_name(status));
        process_launch_answer(process, status);
        container_end(container, EXIT_NO_START, false);
    }
}

static status_t exec_make(const struct request *request, struct container *container,
                          enum container_request kind, struct process **out)
{
    struct process *process;
    status_t status = container_exec_new(container, &process);
    if (status != STATUS_OK) {
        return status;
    }
    process->copies = kind != CONTAINER_REQUEST_EXEC;
    process->terminal = request_number(request, RECORD_TERMINAL, 0) != 0;
    process->open_stdin =
        kind == CONTAINER_REQUEST_COPY_IN || request_number(request, RECORD_OPEN_STDIN, 0) != 0;
    status = process_open(process, request->bytes, request->length_bytes);
    if (status == STATUS_OK) {
        status = container_tell(container, kind, process->number, 0);
    }
    if (status == STATUS_OK) {
        status = session_attach(request->session, process, ATTACHMENT_OUTPUT,
                                log_ring_begin(&process->log));
    }
    if (status != STATUS_OK) {
        container_exec_delete(process);
        return status;
    }
    *out = process;
    return STATUS_OK;
}

static void exec_begin(const struct request *request, enum container_request kind,
                       struct container *container)
{
    struct process *process;
    if (request->session->attachment != ATTACHMENT_NONE) {
        request_answer_message(request, STATUS_BUSY, "the session follows another process");
        return;
    }
    status_t status = exec_make(request, container, kind, &process);
    if (status == STATUS_OK) {
        launch_begin(request, process);
    } else if (status == STATUS_BUSY || status == STATUS_LIMIT_REACHED) {
        request_answer_message(request, status, "too many processes of the container wait or run");
    } else {
        request_answer_message(request, status, create_problem(status, 1));
    }
}

void request_exec(const struct request *request)
{
    struct container *container = request_container(request);
    const char *why;
    if (container == NULL) {
        return;
    }
    if (container->state != CONTAINER_RUNNING) {
        request_answer_message(request, STATUS_BAD_STATE, "the container is not running");
        return;
    }
    if (container->paused) {
        request_answer_message(request, STATUS_BAD_STATE, paused_text);
        return;
    }
    if (specification_check(request->bytes, request->length_bytes, &why) != STATUS_OK) {
        request_answer_message(request, STATUS_INVALID_ARGUMENT, why);
        return;
    }
    exec_begin(request, CONTAINER_REQUEST_EXEC, container);
}

static void request_copy(const struct request *request, enum container_request kind)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    if (container->state != CONTAINER_RUNNING) {
        request_answer_message(
            request, STATUS_BAD_STATE,
            container->state == CONTAINER_STOPPED
                ? "the container has ended, and its files are gone"
                : "the container does not run yet: its files are there when it does");
        return;
    }
    if (container->paused) {
        request_answer_message(request, STATUS_BAD_STATE, paused_text);
        return;
    }
    if (copy_specification_check(request->bytes, request->length_bytes) != STATUS_OK) {
        request_answer_message(request, STATUS_INVALID_ARGUMENT,
                               "the request names no absolute path");
        return;
    }
    exec_begin(request, kind, container);
}

void request_copy_out(const struct request *request)
{
    request_copy(request, CONTAINER_REQUEST_COPY_OUT);
}

void request_copy_in(const struct request *request)
{
    request_copy(request, CONTAINER_REQUEST_COPY_IN);
}

/* --- KILL and REMOVE --- */

/* Let it stand still, or go on, and keep that in mind. */
static status_t container_freeze(struct container *container, bool frozen)
{
    status_t status = objects_freeze(&container->objects, frozen);
    if (status == STATUS_OK) {
        container->paused = frozen;
    }
    return status;
}

/*
 * SIGKILL to the container's own process is carried out here: no personality can ignore it. The
 * container may be gone then. What is paused goes on, to take the signal.
 */
static status_t process_kill(struct process *process, uint32_t signal)
{
    struct container *container = process->container;
    if (process->number == 0 && signal == SIGNAL_KILL) {
        container_end(container, EXIT_KILLED, false);
        return STATUS_OK;
    }
    status_t status = container_tell(container, CONTAINER_REQUEST_KILL, process->number, signal);
    return status == STATUS_OK && container->paused ? container_freeze(container, false) : status;
}

static void request_freeze(const struct request *request, bool frozen)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    const char *why = container->state != CONTAINER_RUNNING ? "the container is not running"
                      : container->paused == frozen ? frozen ? "the container is paused already"
                                                             : "the container is not paused"
                                                    : NULL;
    if (why != NULL) {
        request_answer_message(request, STATUS_BAD_STATE, why);
        return;
    }
    request_answer(request, container_freeze(container, frozen));
}

void request_pause(const struct request *request)
{
    request_freeze(request, true);
}

void request_unpause(const struct request *request)
{
    request_freeze(request, false);
}

void request_kill(const struct request *request)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    uint64_t signal = request_number(request, RECORD_SIGNAL, 0);
    if (signal < 1 || signal > SIGNAL_MAX) {
        request_answer_message(request, STATUS_INVALID_ARGUMENT, "no such signal");
        return;
    }
    struct process *process =
        container_process(container, request_number(request, RECORD_PROCESS, 0));
    if (process == NULL) {
        request_answer_message(request, STATUS_NOT_FOUND, "no such process");
        return;
    }
    if (process->state != PROCESS_LAUNCHING && process->state != PROCESS_RUNNING) {
        request_answer_message(request, STATUS_BAD_STATE, "the container is not running");
        return;
    }
    status_t status = process_kill(process, (uint32_t)signal);
    if (status == STATUS_BUSY) {
        request_answer_message(request, status, "the container does not take signals any more");
        return;
    }
    request_answer(request, status);
}

void request_remove(const struct request *request)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    bool running = container->process.state == PROCESS_LAUNCHING ||
                   container->process.state == PROCESS_RUNNING;
    if (running && request_number(request, RECORD_FORCE, 0) == 0) {
        request_answer_message(request, STATUS_BAD_STATE, "the container is running");
        return;
    }
    uint8_t bytes[128];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_ID, container->id);
    container_delete(container);
    request_answer_records(request, &records);
}
