/* Requests that follow processes: ATTACH, LOGS, WAIT. */
#include "services/engine/requests.h"

static void attach(const struct request *request, struct process *process,
                   enum attachment attachment, struct log_cursor cursor)
{
    if (session_attach(request->session, process, attachment, cursor) != STATUS_OK) {
        request_answer_message(request, STATUS_BUSY, "the session follows another process");
        return;
    }
    request_answer(request, STATUS_OK);
}

void request_attach(const struct request *request)
{
    struct container *container = request_container(request);
    if (container != NULL) {
        struct process *process = &container->process;
        attach(request, process, ATTACHMENT_OUTPUT, log_ring_end(&process->log));
    }
}

void request_logs(const struct request *request)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    struct process *process = &container->process;
    uint64_t lines = request_number(request, RECORD_TAIL, UINT64_MAX);
    struct log_cursor cursor = lines == UINT64_MAX ? log_ring_begin(&process->log)
                                                   : log_ring_last_lines(&process->log, lines);
    bool fresh = request->session->attachment == ATTACHMENT_NONE;
    attach(request, process, ATTACHMENT_LOGS, cursor);
    if (fresh && request_number(request, RECORD_FOLLOW, 0) == 0) {
        request->session->until = process->log.head;
    }
}

void request_wait(const struct request *request)
{
    struct container *container = request_container(request);
    if (container == NULL) {
        return;
    }
    struct process *process =
        container_process(container, request_number(request, RECORD_PROCESS, 0));
    if (process == NULL) {
        request_answer_message(request, STATUS_NOT_FOUND, "no such process");
        return;
    }
    status_t status = session_wait(request->session, request->tag, process);
    if (status != STATUS_OK) {
        request_answer(request, status);
    }
}
