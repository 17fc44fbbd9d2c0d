/* Which request goes where, and what all of them share. */
#include "services/engine/requests.h"

#include "lib/base/string.h"

void request_answer(const struct request *request, status_t status)
{
    session_reply(request->session, request->tag, status, NULL, 0);
}

void request_answer_message(const struct request *request, status_t status, const char *message)
{
    uint8_t bytes[512];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_MESSAGE, message);
    session_reply(request->session, request->tag, status, bytes,
                  records.overflow ? 0 : (uint32_t)records.length_bytes);
}

void request_answer_records(const struct request *request, const struct record_writer *records)
{
    if (records->overflow) {
        request_answer(request, STATUS_TOO_LARGE);
        return;
    }
    session_reply(request->session, request->tag, STATUS_OK, records->bytes,
                  (uint32_t)records->length_bytes);
}

struct container *request_container(const struct request *request)
{
    struct record_reader reader;
    struct record record;
    struct container *container = NULL;
    record_reader_init(&reader, request->bytes, request->length_bytes);
    status_t status = record_find(&reader, RECORD_CONTAINER, &record);
    if (status == STATUS_OK) {
        status = container_find(record.value, record.length_bytes, &container);
    } else {
        status = STATUS_INVALID_ARGUMENT;
    }
    if (status == STATUS_EXISTS) {
        request_answer_message(request, status, "several containers' identifiers begin like this");
    } else if (status == STATUS_NOT_FOUND) {
        request_answer_message(request, status, "no such container");
    } else if (status != STATUS_OK) {
        request_answer(request, status);
    }
    return container;
}

uint64_t request_number(const struct request *request, uint16_t tag, uint64_t otherwise)
{
    struct record_reader reader;
    struct record record;
    uint64_t number = otherwise;
    record_reader_init(&reader, request->bytes, request->length_bytes);
    if (record_find(&reader, tag, &record) != STATUS_OK ||
        record_number(&record, &number) != STATUS_OK) {
        return otherwise;
    }
    return number;
}

static const struct {
    uint32_t type;
    void (*handler)(const struct request *request);
} handlers[] = {
    {CONTROL_CREATE, request_create},
    {CONTROL_START, request_start},
    {CONTROL_ATTACH, request_attach},
    {CONTROL_EXEC, request_exec},
    {CONTROL_WAIT, request_wait},
    {CONTROL_KILL, request_kill},
    {CONTROL_REMOVE, request_remove},
    {CONTROL_LIST, request_list},
    {CONTROL_INSPECT, request_inspect},
    {CONTROL_LOGS, request_logs},
    {CONTROL_AUTHORITY, request_authority},
    {CONTROL_STATISTICS, request_statistics},
    {CONTROL_PAUSE, request_pause},
    {CONTROL_UNPAUSE, request_unpause},
    {CONTROL_COPY_OUT, request_copy_out},
    {CONTROL_COPY_IN, request_copy_in},
    {CONTROL_UPDATE, request_update},
    {CONTROL_TRACE_START, request_trace_start},
    {CONTROL_TRACE_STOP, request_trace_stop},
    {CONTROL_TRACE_READ, request_trace_read},
    {CONTROL_BLOB_RESERVE, request_blob_reserve},
    {CONTROL_BLOB_COMMIT, request_blob_commit},
    {CONTROL_BLOB_LIST, request_blob_list},
    {CONTROL_BLOB_REMOVE, request_blob_remove},
    {CONTROL_MACHINE_SYNC, request_synchronise},
};

void request_execute(const struct request *request)
{
    bool own = request->session->number == CONTROL_SESSION_ALL;
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        if (handlers[i].type == request->type && own == (request->type == CONTROL_MACHINE_SYNC)) {
            handlers[i].handler(request);
            return;
        }
    }
    request_answer(request, STATUS_NOT_SUPPORTED);
}
