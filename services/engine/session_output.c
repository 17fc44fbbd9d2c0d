/*
 * What sessions send. Ready sessions stand in one queue; whose turn it is makes one frame and goes
 * to the end, or leaves the queue when it has nothing that it may send.
 */
#include "lib/base/record.h"
#include "lib/base/string.h"
#include "lib/oak/heap.h"
#include "services/engine/container.h"
#include "services/engine/session.h"

#define REFUSED_MAX   64          /* numbers of sessions that could not be opened */
#define REPLIES_BYTES (64u << 20) /* of all sessions together */

_Static_assert(sizeof(struct reply) == offsetof(struct reply, bytes), "set after its bytes");

static struct session *ready_first;
static struct session *ready_last;
static uint32_t refused[REFUSED_MAX];
static uint32_t refused_count;
static uint32_t reply_total_bytes;

void session_wake(struct session *session)
{
    if (session->ready) {
        return;
    }
    session->ready = true;
    session->ready_next = NULL;
    if (ready_first == NULL) {
        ready_first = session;
    } else {
        ready_last->ready_next = session;
    }
    ready_last = session;
}

void session_ready_remove(struct session *session)
{
    struct session **link = &ready_first;
    struct session *before = NULL;
    if (!session->ready) {
        return;
    }
    while (*link != session) {
        before = *link;
        link = &before->ready_next;
    }
    *link = session->ready_next;
    if (ready_last == session) {
        ready_last = before;
    }
    session->ready = false;
}

void session_output_refuse(uint32_t number)
{
    if (refused_count < REFUSED_MAX) {
        refused[refused_count++] = number;
    }
}

void session_output_reset(void)
{
    refused_count = 0;
}

/* --- Results --- */

static uint32_t reply_size(const struct reply *reply)
{
    return (uint32_t)sizeof(*reply) + reply->length_bytes;
}

static void reply_first_drop(struct session *session)
{
    struct reply *reply = session->replies;
    session->replies = reply->next;
    session->reply_bytes -= reply_size(reply);
    reply_total_bytes -= reply_size(reply);
    heap_free(reply);
}

void session_output_drop(struct session *session)
{
    while (session->replies != NULL) {
        reply_first_drop(session);
    }
}

struct reply *reply_make(uint32_t capacity_bytes)
{
    return heap_allocate(sizeof(struct reply) + capacity_bytes);
}

/* Whether all sessions together leave room; a little is every session's own. */
static bool replies_room(const struct session *session, uint32_t size)
{
    return session->reply_bytes + size <= SESSION_OWN_BYTES ||
           (reply_total_bytes < REPLIES_BYTES && size <= REPLIES_BYTES - reply_total_bytes);
}

static void reply_append(struct session *session, struct reply *reply)
{
    if (session->replies == NULL) {
        session->replies = reply;
    } else {
        session->replies_last->next = reply;
    }
    session->replies_last = reply;
    session->reply_bytes += reply_size(reply);
    reply_total_bytes += reply_size(reply);
    session_wake(session);
}

void session_reply_queue(struct session *session, uint16_t tag, status_t status,
                         struct reply *reply, uint32_t length_bytes)
{
    *reply = (struct reply){.tag = tag, .status = status, .length_bytes = length_bytes};
    if (!replies_room(session, reply_size(reply))) {
        struct reply *shorter = heap_resize(reply, sizeof(*reply));
        reply = shorter != NULL ? shorter : reply;
        *reply = (struct reply){.tag = tag, .status = STATUS_NO_MEMORY};
    }
    uint32_t size = reply_size(reply);
    if (session->closing || size > SESSION_REPLIES_BYTES - session->reply_bytes ||
        !replies_room(session, size)) {
        session_refuse(session, "it does not take its results");
        heap_free(reply);
        return;
    }
    reply_append(session, reply);
}

void session_reply(struct session *session, uint16_t tag, status_t status, const void *records,
                   uint32_t length_bytes)
{
    struct reply *reply = reply_make(length_bytes);
    if (reply == NULL) {
        session_refuse(session, "no memory for a result");
        return;
    }
    if (length_bytes > 0) {
        memcpy(reply->bytes, records, length_bytes);
    }
    session_reply_queue(session, tag, status, reply, length_bytes);
}

/* --- Frames --- */

static void frame_make(uint8_t *to, uint32_t *out_bytes, const struct control_frame *header,
                       const void *payload)
{
    memcpy(to, header, sizeof(*header));
    if (payload != NULL) {
        memcpy(to + sizeof(*header), payload, header->length);
    }
    *out_bytes = (uint32_t)sizeof(*header) + header->length;
}

static bool reply_produce(struct session *session, uint8_t *to, uint32_t *out_bytes)
{
    struct reply *reply = session->replies;
    if (reply == NULL) {
        return false;
    }
    struct control_frame header = {.session = session->number};
    const uint8_t *payload = reply->bytes + reply->sent_bytes;
    header.length = MIN(reply->length_bytes - reply->sent_bytes, (uint32_t)CONTROL_FRAME_MAX);
    reply->sent_bytes += header.length;
    header.type = CONTROL_MORE;
    if (reply->sent_bytes == reply->length_bytes) {
        header.type = CONTROL_RESULT;
        header.stream = reply->tag;
        header.value = reply->status;
    }
    frame_make(to, out_bytes, &header, payload);
    if (header.type == CONTROL_RESULT) {
        reply_first_drop(session);
    }
    return true;
}

static bool credit_produce(struct session *session, uint8_t *to, uint32_t *out_bytes)
{
    if (session->owed_bytes < SESSION_CREDIT_RETURN) {
        return false;
    }
    struct control_frame header = {
        .session = session->number, .type = CONTROL_CREDIT, .value = session->owed_bytes};
    session->credit[0] += session->owed_bytes;
    session->owed_bytes = 0;
    frame_make(to, out_bytes, &header, NULL);
    return true;
}

/* As much as one frame takes of one stream: neighbouring records are put together. */
static bool data_produce(struct session *session, uint8_t *to, uint32_t *out_bytes)
{
    struct process *process = session->process;
    struct control_frame header = {.session = session->number, .type = CONTROL_DATA};
    uint32_t stream;
    const uint8_t *bytes;
    uint32_t length;
    while (header.length < SESSION_DATA_BYTES && session->cursor.position < session->until &&
           log_ring_read(&process->log, &session->cursor, &stream, &bytes, &length) == STATUS_OK) {
        uint32_t part = MIN(length, SESSION_DATA_BYTES - header.length);
        part = MIN(part, session->credit[stream]);
        if (part == 0 || (header.length > 0 && header.stream != stream)) {
            break;
        }
        memcpy(to + sizeof(header) + header.length, bytes, part);
        log_ring_advance(&process->log, &session->cursor, part);
        session->credit[stream] -= part;
        header.stream = (uint16_t)stream;
        header.length += part;
    }
    if (header.length == 0) {
        return false;
    }
    frame_make(to, out_bytes, &header, NULL);
    process_unhold(process);
    return true;
}

/* Nothing more will come from the process. */
static bool output_ends(struct session *session)
{
    const struct process *process = session->process;
    return session->cursor.position >= session->until ||
           (process->state == PROCESS_ENDED && session->cursor.position >= process->log.head);
}

static bool eof_produce(struct session *session, uint8_t *to, uint32_t *out_bytes)
{
    struct process *process = session->process;
    if (process != NULL && !session->output_over && output_ends(session)) {
        session->output_over = true;
        session->eof_due = 1u << 1 | 1u << 2;
    }
    if (session->eof_due == 0) {
        return false;
    }
    uint16_t stream = (session->eof_due & 1u << 1) != 0 ? 1 : 2;
    struct control_frame header = {
        .session = session->number, .type = CONTROL_EOF, .stream = stream};
    frame_make(to, out_bytes, &header, NULL);
    session->eof_due &= ~(1u << stream);
    /* Who made an EXEC may still want to WAIT for it. */
    if (session->eof_due == 0 && process != NULL &&
        (process->number == 0 || session->attachment == ATTACHMENT_LOGS)) {
        session_detach(session);
        container_auto_remove(process->container);
    }
    return true;
}

static void result_now(const struct wait *wait, struct wait_result *out)
{
    *out = wait->result;
    if (wait->process != NULL) {
        out->exit_code = wait->process->exit_code;
        out->oom_killed = wait->process->oom_killed;
        memcpy(out->message, wait->process->message, sizeof(out->message));
    }
}

static bool wait_due(const struct session *session, const struct wait *wait)
{
    if (wait->process == NULL) {
        return true;
    }
    bool told = session->process != wait->process || session->output_over;
    return told && wait->process->state == PROCESS_ENDED;
}

static bool wait_produce(struct session *session, uint8_t *to, uint32_t *out_bytes)
{
    struct wait *wait = session->waits;
    while (wait != NULL && !wait_due(session, wait)) {
        wait = wait->session_next;
    }
    if (wait == NULL) {
        return false;
    }
    struct wait_result result;
    struct record_writer records;
    result_now(wait, &result);
    record_writer_init(&records, to + sizeof(struct control_frame), CONTROL_FRAME_MAX);
    record_put_number(&records, RECORD_EXIT_CODE, result.exit_code);
    if (result.oom_killed) {
        record_put_number(&records, RECORD_OOM_KILLED, 1);
    }
    if (result.message[0] != '\0') {
        record_put_text(&records, RECORD_MESSAGE, result.message);
    }
    struct control_frame header = {.length = (uint32_t)records.length_bytes,
                                   .session = session->number,
                                   .type = CONTROL_RESULT,
                                   .stream = wait->tag,
                                   .value = STATUS_OK};
    frame_make(to, out_bytes, &header, NULL);
    wait_end(wait);
    return true;
}

static bool refused_produce(uint8_t *to, uint32_t *out_bytes)
{
    if (refused_count == 0) {
        return false;
    }
    struct control_frame header = {
        .session = refused[--refused_count], .type = CONTROL_CLOSE, .value = STATUS_LIMIT_REACHED};
    frame_make(to, out_bytes, &header, NULL);
    return true;
}

bool session_produce(uint8_t *to, uint32_t *out_bytes)
{
    if (refused_produce(to, out_bytes)) {
        return true;
    }
    while (ready_first != NULL) {
        struct session *session = ready_first;
        session_ready_remove(session);
        if (session->closing) {
            struct control_frame header = {
                .session = session->number, .type = CONTROL_CLOSE, .value = STATUS_CLOSED};
            frame_make(to, out_bytes, &header, NULL);
            session_end(session);
            return true;
        }
        if (reply_produce(session, to, out_bytes) || credit_produce(session, to, out_bytes) ||
            (session->process != NULL && !session->output_over &&
             data_produce(session, to, out_bytes)) ||
            eof_produce(session, to, out_bytes) || wait_produce(session, to, out_bytes)) {
            session_wake(session);
            return true;
        }
    }
    return false;
}
