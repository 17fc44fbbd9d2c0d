/*
 * What personalities ask (abi/container.idl). The badge says which container speaks; whatever it
 * says can change that container only, and nothing here waits for it.
 */
#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "services/engine/engine.h"
#include "services/engine/marks.h"

/* NULL: it has ended, or there never was one. */
static struct container *caller(const struct service_call *call)
{
    struct container *container = container_by_badge(call->badge);
    return container != NULL && container->state != CONTAINER_STOPPED ? container : NULL;
}

/* An EXEC that cannot be handed over never runs. */
static void exec_fail(struct process *process, status_t status)
{
    process_launch_answer(process, status);
    process_ended(process, EXIT_NO_START, false);
    container_exec_check(process);
}

/* False: that request is void, ask for the next one. */
static bool request_hand_over(struct service_call *call, struct container *container,
                              const struct queued_request *queued,
                              struct container_next_request_reply *reply)
{
    struct process *process = container_process(container, queued->process);
    if (process == NULL || process->state == PROCESS_ENDED) {
        return false;
    }
    bool channel = queued->kind == CONTAINER_REQUEST_EXEC ||
                   queued->kind == CONTAINER_REQUEST_COPY_OUT ||
                   queued->kind == CONTAINER_REQUEST_COPY_IN;
    if (channel) {
        uint32_t slot;
        status_t status = channel_send(&process->channel, &slot);
        if (status != STATUS_OK) {
            exec_fail(process, status);
            return false;
        }
        service_drop_after(call, slot);
        reply->channel = slot;
    }
    reply->kind = queued->kind;
    reply->process = queued->process;
    reply->value = queued->value;
    reply->size = channel ? process->specification_bytes : 0;
    reply->more = container->queue_count;
    return true;
}

static status_t on_next_request(struct service_call *call,
                                struct container_next_request_reply *reply)
{
    struct container *container = caller(call);
    struct queued_request queued;
    if (container == NULL) {
        return STATUS_CLOSED;
    }
    reply->channel = SLOT_NONE;
    while (container_told(container, &queued)) {
        if (request_hand_over(call, container, &queued, reply)) {
            return STATUS_OK;
        }
    }
    reply->kind = CONTAINER_REQUEST_NONE;
    return STATUS_OK;
}

static uint32_t launch_exit_code(status_t status)
{
    return status == STATUS_NOT_FOUND       ? EXIT_NOT_FOUND
           : status == STATUS_NOT_PERMITTED ? EXIT_NOT_PERMITTED
                                            : EXIT_NO_START;
}

static void launched_well(struct process *process, uint64_t pid)
{
    struct container *container = process->container;
    mark_set(MARK_LAUNCHED);
    if (process->number == 0) {
        container->state = CONTAINER_RUNNING;
        container->started_ns = clock_wall_ns();
    }
    process_launched(process, pid);
    process_launch_answer(process, STATUS_OK);
}

static status_t on_launched(struct service_call *call,
                            const struct container_launched_request *request)
{
    struct container *container = caller(call);
    struct process *process =
        container != NULL ? container_process(container, request->process) : NULL;
    status_t result = request->result <= STATUS_BAD_STATE ? request->result : STATUS_IO_ERROR;
    /* It was taken for launched by its output, such as a terminal's echo, before it failed. */
    bool fails_late = process != NULL && process->number == 0 &&
                      process->state == PROCESS_RUNNING && result != STATUS_OK;
    if (process == NULL || (process->state != PROCESS_LAUNCHING && !fails_late)) {
        return process == NULL ? STATUS_NOT_FOUND : STATUS_BAD_STATE;
    }
    if (result == STATUS_OK) {
        launched_well(process, request->pid);
        return STATUS_OK;
    }
    text_keep(process->message, sizeof(process->message), (const char *)request->message.data,
              request->message.length_bytes);
    if (!fails_late) {
        process_launch_answer(process, result);
    }
    if (process->number == 0) {
        container_end(container, launch_exit_code(result), false);
    } else {
        process_ended(process, launch_exit_code(result), false);
        container_exec_check(process);
    }
    return STATUS_OK;
}

static status_t on_ended(struct service_call *call, const struct container_ended_request *request)
{
    struct container *container = caller(call);
    struct process *process =
        container != NULL ? container_process(container, request->process) : NULL;
    if (process != NULL && process->state == PROCESS_LAUNCHING) {
        launched_well(process, request->pid);
    }
    if (process == NULL || process->state != PROCESS_RUNNING) {
        return process == NULL ? STATUS_NOT_FOUND : STATUS_BAD_STATE;
    }
    uint32_t exit_code = request->exit_code & 0xff;
    bool oom_killed = request->oom_killed != 0;
    if (process->number == 0) {
        mark_set(MARK_ENDED);
        container_end(container, exit_code, oom_killed);
        mark_set(MARK_RELEASED);
    } else {
        process_ended(process, exit_code, oom_killed);
        container_exec_check(process);
    }
    return STATUS_OK;
}

static status_t on_ring_moved(struct service_call *call,
                              const struct container_ring_moved_request *request)
{
    struct container *container = caller(call);
    struct process *process =
        container != NULL ? container_process(container, request->process) : NULL;
    if (process == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (process->number == 0 && process->state == PROCESS_LAUNCHING) {
        launched_well(process, MAIN_PID);
    }
    process_activate(process);
    return STATUS_OK;
}

static status_t on_missing(struct service_call *call,
                           const struct container_missing_request *request)
{
    struct container *container = caller(call);
    if (container == NULL) {
        return STATUS_CLOSED;
    }
    return container_call_missing(container, request->counter, (const char *)request->name.data,
                                  request->name.length_bytes);
}

const struct container_handlers container_handlers = {
    .next_request = on_next_request,
    .launched = on_launched,
    .ended = on_ended,
    .ring_moved = on_ring_moved,
    .missing = on_missing,
};
