/*
 * Sessions: their table, what clients send, attaching and waiting. What goes out is made in
 * session_output.c.
 *
 * Invariants: a session with `process` set is in that process's list; a wait with `process` set is
 * in both lists. input_total_bytes counts the payload that sessions keep. A session that was
 * refused takes nothing any more and is taken apart by sessions_attend, never in the middle of
 * something.
 */
#include "services/engine/session.h"

#include "lib/base/string.h"
#include "lib/oak/heap.h"
#include "lib/oak/log.h"
#include "services/engine/blobs.h"
#include "services/engine/container.h"
#include "services/engine/requests.h"

#define REFUSALS_LOGGED 16
#define BUCKETS         4096 /* the host's numbers differ in their low 12 bits */

static struct session *buckets[BUCKETS];
static uint32_t count;
static uint32_t input_total_bytes;
static struct session *attend_first;
/* By bucket, the number that we closed last: what was under way to it does not open it again. */
static uint32_t refused[BUCKETS];

uint32_t session_count(void)
{
    return count;
}

struct session *session_find(uint32_t number)
{
    struct session *session = buckets[number % BUCKETS];
    while (session != NULL && session->number != number) {
        session = session->hash_next;
    }
    return session;
}

struct session *session_open(uint32_t number)
{
    if (count >= SESSIONS_MAX) {
        return NULL;
    }
    struct session *session = heap_allocate_zeroed(sizeof(*session));
    if (session == NULL) {
        return NULL;
    }
    session->number = number;
    session->credit[0] = session->credit[1] = session->credit[2] = CONTROL_WINDOW;
    session->hash_next = buckets[number % BUCKETS];
    buckets[number % BUCKETS] = session;
    count++;
    return session;
}

/* --- What is put off --- */

static void session_attend(struct session *session)
{
    if (!session->attended) {
        session->attended = true;
        session->attend_next = attend_first;
        attend_first = session;
    }
}

static void attend_remove(struct session *session)
{
    struct session **link = &attend_first;
    while (session->attended && *link != session) {
        link = &(*link)->attend_next;
    }
    if (session->attended) {
        *link = session->attend_next;
        session->attended = false;
    }
}

/* The first ones, then fewer and fewer: a client does not fill the machine's log. */
static void refusal_log(const struct session *session, const char *why)
{
    static uint64_t refusals;
    refusals++;
    if (refusals <= REFUSALS_LOGGED || (refusals & (refusals - 1)) == 0) {
        log_line("session %u is closed: %s (%llu so far)", session->number, why,
                 (unsigned long long)refusals);
    }
}

void session_refuse(struct session *session, const char *why)
{
    if (!session->closing) {
        refusal_log(session, why);
        session->closing = true;
        refused[session->number % BUCKETS] = session->number;
        session_attend(session);
        session_wake(session);
    }
}

void session_refuse_number(uint32_t number)
{
    if (!session_refused(number)) {
        refused[number % BUCKETS] = number;
        session_output_refuse(number);
    }
}

bool session_refused(uint32_t number)
{
    return number != 0 && refused[number % BUCKETS] == number;
}

void session_resume(struct session *session)
{
    session->launching = NULL;
    session_attend(session);
}

/* --- The end --- */

/* Nobody of the session is interested in it any more. A copy is for its session alone. */
static void process_left(struct process *process)
{
    struct container *container = process->container;
    if (process->copies && process->sessions == NULL && process->state != PROCESS_ENDED) {
        /* One that cannot be told finds the end of its stdin, or comes to its own end. */
        status_t ignored =
            container_tell(container, CONTAINER_REQUEST_KILL, process->number, SIGNAL_KILL);
        (void)ignored;
    }
    container_exec_check(process);
    container_auto_remove(container);
}

static void wait_remove(struct wait *wait)
{
    struct wait **link = &wait->session->waits;
    while (*link != wait) {
        link = &(*link)->session_next;
    }
    *link = wait->session_next;
    wait->session->wait_count--;
    if (wait->process != NULL) {
        wait_settle(wait);
    }
    heap_free(wait);
}

void wait_settle(struct wait *wait)
{
    struct process *process = wait->process;
    struct wait **link = &process->waits;
    while (*link != wait) {
        link = &(*link)->process_next;
    }
    *link = wait->process_next;
    wait->process = NULL;
    wait->result.exit_code = process->exit_code;
    wait->result.oom_killed = process->oom_killed;
    memcpy(wait->result.message, process->message, sizeof(wait->result.message));
    session_wake(wait->session);
}

void wait_end(struct wait *wait)
{
    struct process *process = wait->process;
    struct session *session = wait->session;
    wait_remove(wait);
    if (process == NULL) {
        return;
    }
    if (session->process == process && process->number != 0) {
        session_detach(session);
    }
    process_left(process);
}

static void requests_drop(struct session *session)
{
    while (session->backlog != NULL) {
        struct pending_request *pending = session->backlog;
        session->backlog = pending->next;
        heap_free(pending);
    }
    input_total_bytes -= session->backlog_bytes + session->more_bytes;
    heap_free(session->more);
    session->more = NULL;
    session->more_bytes = session->backlog_bytes = session->backlog_count = 0;
}

/* Take apart: after this nothing refers to the session but the table and the ready list. */
static void session_strip(struct session *session)
{
    requests_drop(session);
    if (session->launching != NULL) {
        session->launching->launcher = NULL;
        session->launching = NULL;
    }
    while (session->waits != NULL) {
        wait_end(session->waits);
    }
    for (uint32_t i = 0; i < SESSION_RESERVATIONS; i++) {
        if (session->reservations[i] != 0) {
            blob_abort(session->reservations[i]);
            session->reservations[i] = 0;
        }
    }
    trace_session_ended(session);
    session_output_drop(session);
    struct process *process = session->process;
    if (process != NULL) {
        session->input_closed = true;
        session_input_taken(session, session_input_bytes(session));
        session_input_check(session);
        session_detach(session);
        process_left(process);
    }
}

void session_end(struct session *session)
{
    session_strip(session);
    attend_remove(session);
    session_ready_remove(session);
    struct session **link = &buckets[session->number % BUCKETS];
    while (*link != session) {
        link = &(*link)->hash_next;
    }
    *link = session->hash_next;
    count--;
    heap_free(session);
}

void session_end_all(void)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (buckets[i] != NULL) {
            session_end(buckets[i]);
        }
        refused[i] = 0;
    }
    session_output_reset();
}

/* --- Requests --- */

static bool input_reserve(struct session *session, uint32_t bytes)
{
    uint32_t held = session_input_bytes(session) + session->more_bytes + session->backlog_bytes;
    if (held + bytes > SESSION_OWN_BYTES && (input_total_bytes > SESSIONS_INPUT_BYTES ||
                                             bytes > SESSIONS_INPUT_BYTES - input_total_bytes)) {
        session_refuse(session, "no room for what clients send");
        return false;
    }
    return true;
}

void session_more(struct session *session, const uint8_t *payload, uint32_t length_bytes)
{
    if (session->closing || !input_reserve(session, length_bytes)) {
        return;
    }
    if (length_bytes > CONTROL_SPEC_MAX - session->more_bytes) {
        session_refuse(session, "a request is too large");
        return;
    }
    uint8_t *more = heap_resize(session->more, MAX(session->more_bytes + length_bytes, 1u));
    if (more == NULL) {
        session_refuse(session, "no memory for a request");
        return;
    }
    memcpy(more + session->more_bytes, payload, length_bytes);
    session->more = more;
    session->more_bytes += length_bytes;
    input_total_bytes += length_bytes;
}

static void request_put_off(struct session *session, uint16_t tag, uint32_t type,
                            const uint8_t *bytes, uint32_t length_bytes)
{
    if (session->backlog_count == SESSION_BACKLOG_MAX ||
        length_bytes > SESSION_BACKLOG_BYTES - session->backlog_bytes) {
        session_refuse(session, "too many requests at once");
        return;
    }
    if (!input_reserve(session, length_bytes)) {
        return;
    }
    struct pending_request *pending = heap_allocate(sizeof(*pending) + length_bytes);
    if (pending == NULL) {
        session_refuse(session, "no memory for a request");
        return;
    }
    *pending = (struct pending_request){.tag = tag, .type = type, .length_bytes = length_bytes};
    memcpy(pending->bytes, bytes, length_bytes);
    struct pending_request **link = &session->backlog;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = pending;
    session->backlog_count++;
    session->backlog_bytes += length_bytes;
    input_total_bytes += length_bytes;
}

static void request_run(struct session *session, uint16_t tag, uint32_t type, const uint8_t *bytes,
                        uint32_t length_bytes)
{
    if (session->launching != NULL || session->backlog != NULL) {
        request_put_off(session, tag, type, bytes, length_bytes);
        return;
    }
    struct request request = {session, tag, type, bytes, length_bytes};
    request_execute(&request);
}

void session_request(struct session *session, uint16_t tag, uint32_t type, const uint8_t *payload,
                     uint32_t length_bytes)
{
    if (session->more == NULL) {
        if (!session->closing) {
            request_run(session, tag, type, payload, length_bytes);
        }
        return;
    }
    session_more(session, payload, length_bytes);
    if (session->closing) {
        return;
    }
    uint8_t *bytes = session->more;
    uint32_t total = session->more_bytes;
    session->more = NULL;
    session->more_bytes = 0;
    input_total_bytes -= total;
    request_run(session, tag, type, bytes, total);
    heap_free(bytes);
}

static void backlog_run(struct session *session)
{
    while (session->backlog != NULL && session->launching == NULL && !session->closing) {
        struct pending_request *pending = session->backlog;
        struct request request = {session, pending->tag, pending->type, pending->bytes,
                                  pending->length_bytes};
        session->backlog = pending->next;
        session->backlog_count--;
        session->backlog_bytes -= pending->length_bytes;
        input_total_bytes -= pending->length_bytes;
        request_execute(&request);
        heap_free(pending);
    }
}

void sessions_attend(void)
{
    while (attend_first != NULL) {
        struct session *session = attend_first;
        attend_remove(session);
        if (session->closing) {
            session_strip(session);
        } else {
            backlog_run(session);
        }
    }
}

/* --- Streams --- */

static void input_free(struct session *session)
{
    heap_free(session->input);
    session->input = NULL;
    session->input_start = session->input_end = 0;
}

/* What the process has no room for now; credit bounds it. */
static void input_keep(struct session *session, const uint8_t *bytes, uint32_t length_bytes)
{
    if (length_bytes == 0 || !input_reserve(session, length_bytes)) {
        return;
    }
    if (session->input == NULL) {
        session->input = heap_allocate(CONTROL_WINDOW);
    }
    if (session->input == NULL) {
        session_refuse(session, "no memory for its input");
        return;
    }
    uint32_t held = session_input_bytes(session);
    if (length_bytes > CONTROL_WINDOW - session->input_end) {
        memmove(session->input, session->input + session->input_start, held);
        session->input_start = 0;
        session->input_end = held;
    }
    memcpy(session->input + session->input_end, bytes, length_bytes);
    session->input_end += length_bytes;
    input_total_bytes += length_bytes;
}

static void input_owe(struct session *session, uint32_t bytes)
{
    session->owed_bytes += bytes;
    if (session->owed_bytes >= SESSION_CREDIT_RETURN) {
        session_wake(session);
    }
}

void session_data(struct session *session, const uint8_t *payload, uint32_t length_bytes)
{
    if (session->closing) {
        return;
    }
    if (length_bytes > session->credit[0]) {
        session_refuse(session, "it sent more than its credit");
        return;
    }
    session->credit[0] -= length_bytes;
    uint32_t taken = length_bytes;
    if (session->process != NULL && session->attachment == ATTACHMENT_OUTPUT &&
        !session->input_closed) {
        taken = session_input_bytes(session) > 0
                    ? 0
                    : process_input(session->process, payload, length_bytes);
    }
    input_keep(session, payload + taken, length_bytes - taken);
    input_owe(session, taken);
}

void session_input_taken(struct session *session, uint32_t bytes)
{
    session->input_start += bytes;
    input_total_bytes -= bytes;
    if (session_input_bytes(session) == 0) {
        input_free(session);
    }
    input_owe(session, bytes);
}

void session_input_check(struct session *session)
{
    if (session->input_closed && session->foreground && session_input_bytes(session) == 0 &&
        session->process != NULL && !session->process->terminal) {
        process_stdin_close(session->process);
    }
}

void session_eof(struct session *session)
{
    session->input_closed = true;
    session_input_check(session);
}

void session_credit(struct session *session, uint32_t stream, uint32_t bytes)
{
    if (session->closing) {
        return;
    }
    if (bytes > CONTROL_WINDOW - session->credit[stream]) {
        session_refuse(session, "it returned more credit than it got");
        return;
    }
    session->credit[stream] += bytes;
    session_wake(session);
}

void session_resize(struct session *session, uint32_t window)
{
    if (session->process != NULL && session->attachment == ATTACHMENT_OUTPUT) {
        process_resize(session->process, window);
    }
}

/* --- Attaching and waiting --- */

status_t session_attach(struct session *session, struct process *process,
                        enum attachment attachment, struct log_cursor cursor)
{
    if (session->attachment != ATTACHMENT_NONE) {
        return STATUS_BUSY;
    }
    session->attachment = attachment;
    session->process = process;
    session->cursor = cursor;
    session->until = UINT64_MAX;
    session->foreground = attachment == ATTACHMENT_OUTPUT && process->state == PROCESS_CREATED;
    session->process_next = process->sessions;
    process->sessions = session;
    session_wake(session);
    return STATUS_OK;
}

void session_detach(struct session *session)
{
    struct process *process = session->process;
    if (process == NULL) {
        return;
    }
    struct session **link = &process->sessions;
    while (*link != session) {
        link = &(*link)->process_next;
    }
    *link = session->process_next;
    session->process = NULL;
    session_input_taken(session, session_input_bytes(session));
    process_unhold(process);
}

void session_cut(struct session *session)
{
    session_detach(session);
    if (!session->output_over) {
        session->output_over = true;
        session->eof_due = 1u << 1 | 1u << 2;
    }
    session_wake(session);
}

status_t session_wait(struct session *session, uint16_t tag, struct process *process)
{
    if (session->wait_count == SESSION_WAITS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    struct wait *wait = heap_allocate_zeroed(sizeof(*wait));
    if (wait == NULL) {
        return STATUS_NO_MEMORY;
    }
    wait->session = session;
    wait->process = process;
    wait->tag = tag;
    wait->process_next = process->waits;
    process->waits = wait;
    struct wait **link = &session->waits;
    while (*link != NULL) {
        link = &(*link)->session_next;
    }
    *link = wait;
    session->wait_count++;
    session_wake(session);
    return STATUS_OK;
}
