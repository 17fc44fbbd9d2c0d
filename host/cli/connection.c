#include "host/cli/connection.h"

#include "host/machine/launch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_LIMIT   (16u << 20)
#define REPLY_LIMIT   (256u << 20)
#define OPEN_ATTEMPTS 3

static status_t connection_lost(struct connection *connection, const char *why)
{
    if (!connection->lost) {
        connection->lost = true;
        error_line(EXIT_OAK, "%s",
                   why != NULL ? why : "the machine died: the next command starts a new one");
    }
    return STATUS_CLOSED;
}

static void note_slow(void)
{
    note_line("starting the Oak machine ...");
}

static void note_text(const char *text)
{
    note_line("%s", text);
}

static void hello_put(struct connection *connection)
{
    struct control_hello hello = {0};
    struct control_frame header = {
        .length = sizeof(hello), .type = CONTROL_HELLO, .value = CONTROL_VERSION};
    connection_put(connection, &header, &hello);
}

/* The daemon speaks first. NOT_FOUND: it went away before it did. */
static status_t hello_take(struct connection *connection)
{
    struct frame frame;
    status_t status = STATUS_WOULD_BLOCK;
    while (status == STATUS_WOULD_BLOCK) {
        status = frame_decoder_next(&connection->decoder, &frame);
        if (status != STATUS_WOULD_BLOCK) {
            break;
        }
        size_t room_bytes;
        uint8_t *room = frame_decoder_room(&connection->decoder, &room_bytes);
        ssize_t got = recv(connection->fd, room, room_bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return STATUS_NOT_FOUND;
        }
        frame_decoder_filled(&connection->decoder, (size_t)got);
    }
    if (status != STATUS_OK || frame.header.type != CONTROL_HELLO ||
        frame.header.value != CONTROL_VERSION) {
        return connection_lost(connection,
                               "the machine runs another version of Oak: oak machine stop");
    }
    memcpy(&connection->hello, frame.payload, sizeof(connection->hello));
    return STATUS_OK;
}

static void connection_init(struct connection *connection, int fd)
{
    connection->fd = fd;
    frame_decoder_init(&connection->decoder, connection->bytes);
    frame_queue_init(&connection->out, QUEUE_LIMIT);
    hello_put(connection);
}

static bool connection_prepare(struct connection *connection)
{
    char problem[PATH_MAX + 256];
    *connection = (struct connection){.fd = -1, .next_session = 1};
    if (state_open(&connection->state, problem, sizeof(problem)) != STATUS_OK) {
        error_line(EXIT_OAK, "%s", problem);
        connection->lost = true;
        return false;
    }
    connection->bytes = allocate(FRAME_DECODER_BYTES);
    return true;
}

bool connection_open(struct connection *connection, const struct machine_options *options)
{
    static const struct launch_notes notes = {.slow = note_slow, .note = note_text};
    struct machine_options defaults;
    char problem[PATH_MAX + 1024];
    if (!connection_prepare(connection)) {
        return false;
    }
    machine_options_init(&defaults);
    for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
        int fd;
        bool started;
        if (launch_machine(&connection->state, options != NULL ? options : &defaults, &notes, &fd,
                           &started, problem, sizeof(problem)) != STATUS_OK) {
            connection_close(connection);
            error_line(EXIT_OAK, "%s", problem);
            return false;
        }
        connection_init(connection, fd);
        status_t status = hello_take(connection);
        if (status != STATUS_NOT_FOUND) {
            return status == STATUS_OK;
        }
        close(fd);
        frame_queue_free(&connection->out);
        connection->fd = -1;
    }
    error_line(EXIT_OAK, "the machine does not stay up; see %s/" STATE_DAEMON_LOG,
               connection->state.directory);
    connection_close(connection);
    return false;
}

status_t connection_open_running(struct connection *connection)
{
    int fd;
    if (!connection_prepare(connection)) {
        return STATUS_CLOSED;
    }
    status_t status = launch_connect(&connection->state, &fd);
    if (status == STATUS_OK) {
        connection_init(connection, fd);
        status = hello_take(connection);
    }
    if (status != STATUS_OK) {
        connection_close(connection);
        return status == STATUS_CLOSED ? status : STATUS_NOT_FOUND;
    }
    return STATUS_OK;
}

void connection_close(struct connection *connection)
{
    if (connection->fd >= 0) {
        close(connection->fd);
        connection->fd = -1;
    }
    frame_queue_free(&connection->out);
    free(connection->bytes);
    connection->bytes = NULL;
    state_close(&connection->state);
}

uint32_t connection_session(struct connection *connection)
{
    return connection->next_session++;
}

void connection_session_end(struct connection *connection, uint32_t session)
{
    struct control_frame header = {.session = session, .type = CONTROL_CLOSE};
    connection_put(connection, &header, NULL);
}

void connection_put(struct connection *connection, const struct control_frame *header,
                    const void *payload)
{
    if (frame_queue_put(&connection->out, header, payload) != STATUS_OK) {
        exit(error_line(EXIT_OAK, "out of memory"));
    }
}

uint16_t connection_ask(struct connection *connection, uint32_t session,
                        enum control_request request, const struct record_writer *records)
{
    const uint8_t *bytes = records != NULL ? records->bytes : NULL;
    size_t left_bytes = records != NULL ? records->length_bytes : 0;
    struct control_frame header = {.session = session, .type = CONTROL_MORE};
    while (left_bytes > CONTROL_FRAME_MAX) {
        header.length = CONTROL_FRAME_MAX;
        connection_put(connection, &header, bytes);
        bytes += CONTROL_FRAME_MAX;
        left_bytes -= CONTROL_FRAME_MAX;
    }
    header.length = (uint32_t)left_bytes;
    header.type = CONTROL_REQUEST;
    header.stream = ++connection->next_tag;
    header.value = request;
    connection_put(connection, &header, bytes);
    return header.stream;
}

status_t connection_flush(struct connection *connection)
{
    while (frame_queue_length(&connection->out) > 0) {
        if (frame_queue_write(&connection->out, connection->fd) != STATUS_OK) {
            /* The daemon may have said why before it went: that is read first. */
            frame_queue_free(&connection->out);
            return STATUS_OK;
        }
        if (frame_queue_length(&connection->out) > 0) {
            struct pollfd wait = {.fd = connection->fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        }
    }
    return STATUS_OK;
}

/* Session 0 speaks for the daemon: CLOSE is its last word. */
static status_t frame_take(struct connection *connection, const struct frame *frame)
{
    if (frame->header.session != CONTROL_SESSION_ALL || frame->header.type != CONTROL_CLOSE) {
        return STATUS_OK;
    }
    char *message = records_text(frame->payload, frame->header.length, RECORD_MESSAGE);
    status_t status = connection_lost(connection, message);
    free(message);
    return status;
}

status_t connection_receive_now(struct connection *connection, struct frame *out)
{
    for (;;) {
        status_t status = frame_decoder_next(&connection->decoder, out);
        if (status == STATUS_OK) {
            return frame_take(connection, out);
        }
        if (status == STATUS_CORRUPT) {
            return connection_lost(connection, "the machine sent what is no frame");
        }
        size_t room_bytes;
        uint8_t *room = frame_decoder_room(&connection->decoder, &room_bytes);
        ssize_t got = recv(connection->fd, room, room_bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return STATUS_WOULD_BLOCK;
        }
        if (got <= 0) {
            return connection_lost(connection, NULL);
        }
        frame_decoder_filled(&connection->decoder, (size_t)got);
    }
}

status_t connection_receive(struct connection *connection, struct frame *out)
{
    for (;;) {
        status_t status = connection_receive_now(connection, out);
        if (status != STATUS_WOULD_BLOCK) {
            return status;
        }
        struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
        poll(&wait, 1, -1);
    }
}

/* Adds a piece of a result; CLOSED when it grows beyond reason. */
static status_t reply_add(struct connection *connection, struct reply *reply,
                          const struct frame *frame)
{
    if (reply->length_bytes + frame->header.length > REPLY_LIMIT) {
        return connection_lost(connection, "the machine's answer is too large");
    }
    reply->bytes = allocate_again(reply->bytes, reply->length_bytes + frame->header.length);
    if (frame->header.length > 0) {
        memcpy(reply->bytes + reply->length_bytes, frame->payload, frame->header.length);
    }
    reply->length_bytes += frame->header.length;
    return STATUS_OK;
}

static status_t reply_wait(struct connection *connection, uint32_t session, uint16_t tag,
                           struct reply *reply)
{
    *reply = (struct reply){0};
    for (;;) {
        struct frame frame;
        status_t status = connection_receive(connection, &frame);
        if (status != STATUS_OK) {
            return status;
        }
        if (frame.header.session != session) {
            continue;
        }
        bool mine = frame.header.type == CONTROL_RESULT && frame.header.stream == tag;
        if (frame.header.type == CONTROL_CLOSE) {
            return connection_lost(connection, "the machine closed the session");
        }
        if (mine || frame.header.type == CONTROL_MORE) {
            status = reply_add(connection, reply, &frame);
        }
        if (status != STATUS_OK || mine) {
            reply->status = frame.header.value;
            return status;
        }
    }
}

status_t connection_request(struct connection *connection, uint32_t session,
                            enum control_request request, const struct record_writer *records,
                            struct reply *reply)
{
    bool own = session == 0 && request < CONTROL_MACHINE_STATUS;
    uint32_t used = own ? connection_session(connection) : session;
    uint16_t tag = connection_ask(connection, used, request, records);
    status_t status = connection_flush(connection);
    if (status == STATUS_OK) {
        status = reply_wait(connection, used, tag, reply);
    }
    if (own && status == STATUS_OK) {
        connection_session_end(connection, used);
        status = connection_flush(connection);
    }
    return status;
}

void reply_free(struct reply *reply)
{
    free(reply->bytes);
    *reply = (struct reply){0};
}

const char *reply_message(const struct reply *reply)
{
    static char *kept;
    free(kept);
    kept = records_text(reply->bytes, reply->length_bytes, RECORD_MESSAGE);
    return kept != NULL && kept[0] != '\0' ? kept : status_text(reply->status);
}

char *record_text(const struct record *record)
{
    if (memchr(record->value, '\0', record->length_bytes) != NULL) {
        return NULL;
    }
    char *text = allocate((size_t)record->length_bytes + 1);
    memcpy(text, record->value, record->length_bytes);
    return text;
}

char *records_text(const void *bytes, size_t length_bytes, uint16_t tag)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, bytes, length_bytes);
    return record_find(&reader, tag, &record) == STATUS_OK ? record_text(&record) : NULL;
}

uint64_t records_number(const void *bytes, size_t length_bytes, uint16_t tag, uint64_t otherwise)
{
    struct record_reader reader;
    struct record record;
    uint64_t number = otherwise;
    record_reader_init(&reader, bytes, length_bytes);
    if (record_find(&reader, tag, &record) != STATUS_OK ||
        record_number(&record, &number) != STATUS_OK) {
        return otherwise;
    }
    return number;
}
