/*
 * The requests of enum control_request: each is checked, carried out and answered, at once but for
 * START, EXEC, COPY and WAIT, whose answers come from the processes.
 */
#pragma once

#include "services/engine/container.h"
#include "services/engine/session.h"

/* A request on its way; the payload lives as long as the handler runs. */
struct request {
    struct session *session;
    uint16_t tag;
    uint32_t type;
    const uint8_t *bytes;
    uint32_t length_bytes;
};

void request_execute(const struct request *request);

/* Answer without records, or with one line for the user. */
void request_answer(const struct request *request, status_t status);
void request_answer_message(const struct request *request, status_t status, const char *message);
/* An empty message is left away; the status' own text is used by the client. */
void request_answer_records(const struct request *request, const struct record_writer *records);

/* The container that the request names, or NULL: then it was answered. */
struct container *request_container(const struct request *request);
/* A number of the request; `otherwise` when it is absent or malformed. */
uint64_t request_number(const struct request *request, uint16_t tag, uint64_t otherwise);

/* By topic. */
void request_create(const struct request *request); /* requests_life.c */
void request_start(const struct request *request);
void request_exec(const struct request *request);
void request_copy_out(const struct request *request);
void request_copy_in(const struct request *request);
void request_kill(const struct request *request);
void request_pause(const struct request *request);
void request_unpause(const struct request *request);
void request_remove(const struct request *request);
void request_update(const struct request *request); /* requests_limits.c */
void request_attach(const struct request *request); /* requests_streams.c */
void request_logs(const struct request *request);
void request_wait(const struct request *request);
void request_list(const struct request *request); /* requests_report.c */
void request_inspect(const struct request *request);
void request_authority(const struct request *request);
void request_statistics(const struct request *request);
void request_trace_start(const struct request *request); /* requests_trace.c */
void request_trace_stop(const struct request *request);
void request_trace_read(const struct request *request);
/* If it had the trace, that is off and free. */
void trace_session_ended(const struct session *session);
void request_blob_reserve(const struct request *request); /* requests_blobs.c */
void request_blob_commit(const struct request *request);
void request_blob_list(const struct request *request);
void request_blob_remove(const struct request *request);
void request_synchronise(const struct request *request);
