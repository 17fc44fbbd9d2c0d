/*
 * TRACE_START, TRACE_STOP, TRACE_READ. One session at a time has the trace: from its TRACE_START to
 * its end. The trace is on between START and STOP only, so what is read stands still.
 */
#include "services/engine/requests.h"
#include "services/engine/trace_rings.h"

#include "lib/base/string.h"

#define READ_BYTES   (24u << 10) /* of one answer */
#define DOMAIN_BYTES 128         /* of one name's records */

static struct session *tracer;
static struct trace_rings rings;
static bool on;

static void trace_stop(void)
{
    if (on) {
        trace_rings_stop();
        on = false;
    }
}

void trace_session_ended(const struct session *session)
{
    if (tracer == session) {
        trace_stop();
        tracer = NULL;
    }
}

/* False: another session has it, or none; answered. */
static bool owns_trace(const struct request *request)
{
    if (tracer != request->session) {
        request_answer(request, tracer == NULL ? STATUS_BAD_STATE : STATUS_BUSY);
        return false;
    }
    return true;
}

void request_trace_start(const struct request *request)
{
    if (tracer != NULL && !owns_trace(request)) {
        return;
    }
    status_t status = trace_rings_start(&rings);
    if (status != STATUS_OK) {
        request_answer(request, status);
        return;
    }
    tracer = request->session;
    on = true;
    uint8_t bytes[64];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_number(&records, RECORD_SIZE, rings.size_bytes);
    record_put_number(&records, RECORD_FREQUENCY, rings.tsc_hz);
    request_answer_records(request, &records);
}

static void domain_put(struct record_writer *records, const char *name, uint64_t number)
{
    if (number != 0) {
        size_t place = record_begin(records, RECORD_DOMAIN);
        record_put_text(records, RECORD_NAME, name);
        record_put_number(records, RECORD_VALUE, number);
        record_end(records, place);
    }
}

void request_trace_stop(const struct request *request)
{
    if (!owns_trace(request)) {
        return;
    }
    trace_stop();
    uint32_t capacity = (container_count() + 1) * DOMAIN_BYTES;
    struct reply *reply = reply_make(capacity);
    if (reply == NULL) {
        request_answer(request, STATUS_NO_MEMORY);
        return;
    }
    struct record_writer records;
    record_writer_init(&records, reply->bytes, capacity);
    domain_put(&records, "engine", trace_domain(NULL));
    for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
        const struct container *container = container_at(i);
        if (container != NULL) {
            domain_put(&records, container->name, trace_domain(&container->objects));
        }
    }
    session_reply_queue(request->session, request->tag, STATUS_OK, reply,
                        (uint32_t)records.length_bytes);
}

void request_trace_read(const struct request *request)
{
    if (!owns_trace(request)) {
        return;
    }
    uint64_t offset = request_number(request, RECORD_OFFSET, UINT64_MAX);
    if (on) {
        request_answer(request, STATUS_BAD_STATE);
        return;
    }
    if (offset >= rings.size_bytes) {
        request_answer(request, STATUS_OUT_OF_RANGE);
        return;
    }
    uint32_t length_bytes = (uint32_t)MIN(rings.size_bytes - offset, READ_BYTES);
    struct reply *reply = reply_make(READ_BYTES + 64);
    if (reply == NULL) {
        request_answer(request, STATUS_NO_MEMORY);
        return;
    }
    struct record_writer records;
    record_writer_init(&records, reply->bytes, READ_BYTES + 64);
    record_put(&records, RECORD_DATA, rings.bytes + offset, length_bytes);
    session_reply_queue(request->session, request->tag, STATUS_OK, reply,
                        (uint32_t)records.length_bytes);
}
