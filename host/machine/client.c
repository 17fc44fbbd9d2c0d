/*
 * The clients' side of the daemon. A client is any process of this user: it may send anything, stop
 * reading, or vanish. It can hurt its own connection only.
 */
#include "host/machine/machine.h"

#include "lib/base/record.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISMISS_NS 500000000ll

void client_send(struct client *client, const struct control_frame *header, const void *payload)
{
    if (!client->dead && frame_queue_put(&client->out, header, payload) != STATUS_OK) {
        client->dead = true;
    }
}

void client_flush(struct client *client)
{
    if (!client->dead && frame_queue_write(&client->out, client->fd) != STATUS_OK) {
        client->dead = true;
    }
}

static void client_greet(struct machine *machine, struct client *client)
{
    struct control_frame header = {
        .length = sizeof(machine->hello), .type = CONTROL_HELLO, .value = CONTROL_VERSION};
    client_send(client, &header, &machine->hello);
    client_flush(client);
}

void client_accept(struct machine *machine)
{
    int fd = accept4(machine->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct client *client = calloc(1, sizeof(*client));
    uint8_t *bytes = malloc(FRAME_DECODER_BYTES);
    if (client == NULL || bytes == NULL) {
        free(client);
        free(bytes);
        close(fd);
        return;
    }
    client->fd = fd;
    client->bytes = bytes;
    frame_decoder_init(&client->decoder, bytes);
    frame_queue_init(&client->out, CLIENT_QUEUE_LIMIT);
    client->next = machine->clients;
    machine->clients = client;
    machine->client_count++;
    client_greet(machine, client);
}

static void session_close(struct machine *machine, struct session *session)
{
    struct control_frame header = {.session = session->number, .type = CONTROL_CLOSE};
    port_send(machine, &header, NULL);
    session_free(&machine->sessions, session);
}

void clients_sweep(struct machine *machine)
{
    struct client **link = &machine->clients;
    while (*link != NULL) {
        struct client *client = *link;
        if (!client->dead) {
            link = &client->next;
            continue;
        }
        while (client->sessions != NULL) {
            session_close(machine, client->sessions);
        }
        if (machine->stopper == client) {
            machine->stopper = NULL;
        }
        *link = client->next;
        machine->client_count--;
        close(client->fd);
        frame_queue_free(&client->out);
        free(client->bytes);
        free(client);
    }
}

static void result_send(struct client *client, uint32_t session, uint16_t tag, status_t status)
{
    struct control_frame header = {
        .session = session, .type = CONTROL_RESULT, .stream = tag, .value = status};
    client_send(client, &header, NULL);
}

static void machine_request(struct machine *machine, struct client *client,
                            const struct control_frame *header)
{
    if (header->type != CONTROL_REQUEST) {
        client->dead = true;
    } else if (header->value == CONTROL_MACHINE_STATUS) {
        status_answer(machine, client, header->stream);
    } else if (header->value != CONTROL_MACHINE_STOP) {
        result_send(client, CONTROL_SESSION_ALL, header->stream, STATUS_NOT_SUPPORTED);
    } else if (machine->stopper != NULL) {
        result_send(client, CONTROL_SESSION_ALL, header->stream, STATUS_BUSY);
    } else {
        machine->stopper = client;
        machine->stop_tag = header->stream;
        machine_stop_begin(machine);
    }
}

/* The session that a frame belongs to; NULL when the frame goes nowhere. */
static struct session *frame_session(struct machine *machine, struct client *client,
                                     const struct control_frame *header)
{
    struct session *session = session_of_client(client, header->session);
    if (session == NULL && (header->type == CONTROL_REQUEST || header->type == CONTROL_MORE)) {
        status_t status = session_open(&machine->sessions, client, header->session, &session);
        if (status != STATUS_OK && header->type == CONTROL_REQUEST) {
            result_send(client, header->session, header->stream, status);
        }
    }
    return session;
}

/* True when a client may send this at all, and within its credit. */
static bool frame_allowed(struct session *session, const struct control_frame *header)
{
    switch ((enum control_type)header->type) {
    case CONTROL_REQUEST:
    case CONTROL_MORE:
    case CONTROL_RESIZE:
    case CONTROL_CLOSE:
        return true;
    case CONTROL_DATA:
        return header->stream == 0 && credit_take(&session->credit[0], header->length) == STATUS_OK;
    case CONTROL_EOF:
        return header->stream == 0;
    case CONTROL_CREDIT:
        return header->stream != 0 &&
               credit_return(&session->credit[header->stream], header->value) == STATUS_OK;
    case CONTROL_HELLO:
    case CONTROL_RESULT:
        return false;
    }
    return false;
}

static void client_frame(struct machine *machine, struct client *client, const struct frame *frame)
{
    if (!client->greeted) {
        client->greeted = true;
        client->dead =
            frame->header.type != CONTROL_HELLO || frame->header.value != CONTROL_VERSION;
        return;
    }
    if (frame->header.session == CONTROL_SESSION_ALL) {
        machine_request(machine, client, &frame->header);
        return;
    }
    struct session *session = frame_session(machine, client, &frame->header);
    if (session == NULL) {
        return;
    }
    if (!frame_allowed(session, &frame->header)) {
        client->dead = true;
        return;
    }
    struct control_frame header = frame->header;
    header.session = session->number;
    port_send(machine, &header, frame->payload);
    if (header.type == CONTROL_CLOSE) {
        session_free(&machine->sessions, session);
    }
}

void client_readable(struct machine *machine, struct client *client)
{
    size_t room_bytes;
    uint8_t *room = frame_decoder_room(&client->decoder, &room_bytes);
    ssize_t got = recv(client->fd, room, room_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        client->dead = true;
        return;
    }
    frame_decoder_filled(&client->decoder, (size_t)got);
    struct frame frame;
    status_t status = STATUS_OK;
    while (!client->dead && (status = frame_decoder_next(&client->decoder, &frame)) == STATUS_OK) {
        client_frame(machine, client, &frame);
    }
    if (status == STATUS_CORRUPT) {
        client->dead = true;
    }
}

static void clients_drain(struct machine *machine)
{
    int64_t end_ns = clock_now_ns() + DISMISS_NS;
    for (struct client *client = machine->clients; client != NULL; client = client->next) {
        client_flush(client);
        while (!client->dead && frame_queue_length(&client->out) > 0 && clock_now_ns() < end_ns) {
            struct pollfd wait = {.fd = client->fd, .events = POLLOUT};
            poll(&wait, 1, 50);
            client_flush(client);
        }
    }
}

void clients_dismiss(struct machine *machine, const char *message)
{
    uint8_t bytes[512];
    struct record_writer writer;
    record_writer_init(&writer, bytes, sizeof(bytes));
    record_put_text(&writer, RECORD_MESSAGE, message);
    struct control_frame header = {
        .length = writer.overflow ? 0 : (uint32_t)writer.length_bytes,
        .type = CONTROL_CLOSE,
        .value = STATUS_CLOSED,
    };
    for (struct client *client = machine->clients; client != NULL; client = client->next) {
        if (client == machine->stopper) {
            result_send(client, CONTROL_SESSION_ALL, machine->stop_tag, STATUS_OK);
        } else {
            client_send(client, &header, bytes);
        }
    }
    clients_drain(machine);
    for (struct client *client = machine->clients; client != NULL; client = client->next) {
        client->dead = true;
    }
    clients_sweep(machine);
}
