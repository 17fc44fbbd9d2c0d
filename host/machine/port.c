/*
 * The engine's side of the daemon: one byte stream of frames. The engine is not trusted with the
 * daemon's memory: what it sends beyond a stream's credit, or out of turn, ends the machine.
 */
#include "host/machine/machine.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT_SOCKET_BYTES (256 << 10)

status_t port_open(struct machine *machine, int *engine_fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return STATUS_NO_MEMORY;
    }
    int bytes = PORT_SOCKET_BYTES;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    machine->port_fd = pair[0];
    *engine_fd = pair[1];
    frame_decoder_init(&machine->port_decoder, machine->port_bytes);
    frame_queue_init(&machine->port_out, PORT_QUEUE_LIMIT);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct control_hello hello = {
        .wall_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
    };
    struct control_frame header = {
        .length = sizeof(hello), .type = CONTROL_HELLO, .value = CONTROL_VERSION};
    port_send(machine, &header, &hello);
    return STATUS_OK;
}

void port_close(struct machine *machine)
{
    if (machine->port_fd >= 0) {
        close(machine->port_fd);
        machine->port_fd = -1;
        frame_queue_free(&machine->port_out);
    }
}

void port_send(struct machine *machine, const struct control_frame *header, const void *payload)
{
    if (machine->port_fd < 0) {
        return;
    }
    /* Senders look at PORT_QUEUE_PAUSE, far below the limit: only a dead engine comes here. */
    if (frame_queue_put(&machine->port_out, header, payload) != STATUS_OK) {
        shutdown(machine->port_fd, SHUT_RDWR);
    }
}

status_t port_flush(struct machine *machine)
{
    return frame_queue_write(&machine->port_out, machine->port_fd);
}

static status_t hello_take(struct machine *machine, const struct frame *frame)
{
    if (machine->phase != MACHINE_STARTING || frame->header.value != CONTROL_VERSION) {
        return STATUS_CORRUPT;
    }
    __builtin_memcpy(&machine->hello, frame->payload, sizeof(machine->hello));
    machine_engine_ready(machine);
    return STATUS_OK;
}

/* Session 0: only the answer to our own SYNC comes there. */
static status_t own_frame(struct machine *machine, const struct frame *frame)
{
    if (frame->header.type == CONTROL_HELLO) {
        return hello_take(machine, frame);
    }
    if (frame->header.type == CONTROL_RESULT && machine->phase == MACHINE_STOPPING) {
        machine->synchronised = true;
        return STATUS_OK;
    }
    return STATUS_CORRUPT;
}

/* The books of the session's streams; OUT_OF_RANGE when the engine overdraws them. */
static status_t credit_account(struct session *session, const struct control_frame *header)
{
    if (header->type == CONTROL_DATA) {
        return header->stream == 0 ? STATUS_OUT_OF_RANGE
                                   : credit_take(&session->credit[header->stream], header->length);
    }
    if (header->type == CONTROL_CREDIT) {
        return header->stream != 0 ? STATUS_OUT_OF_RANGE
                                   : credit_return(&session->credit[0], header->value);
    }
    return STATUS_OK;
}

static status_t frame_forward(struct machine *machine, const struct frame *frame)
{
    if (machine->phase == MACHINE_STARTING && frame->header.type != CONTROL_HELLO) {
        return STATUS_CORRUPT;
    }
    if (frame->header.session == CONTROL_SESSION_ALL) {
        return own_frame(machine, frame);
    }
    struct session *session = session_by_number(&machine->sessions, frame->header.session);
    if (session == NULL) {
        return STATUS_OK;
    }
    if (frame->header.type == CONTROL_REQUEST || frame->header.type == CONTROL_RESIZE ||
        credit_account(session, &frame->header) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    struct control_frame header = frame->header;
    header.session = session->client_number;
    client_send(session->owner, &header, frame->payload);
    if (header.type == CONTROL_CLOSE) {
        session_free(&machine->sessions, session);
    }
    return STATUS_OK;
}

status_t port_readable(struct machine *machine)
{
    size_t room_bytes;
    uint8_t *room = frame_decoder_room(&machine->port_decoder, &room_bytes);
    ssize_t got = recv(machine->port_fd, room, room_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return STATUS_OK;
    }
    if (got <= 0) {
        return STATUS_CLOSED;
    }
    frame_decoder_filled(&machine->port_decoder, (size_t)got);
    struct frame frame;
    status_t status;
    while ((status = frame_decoder_next(&machine->port_decoder, &frame)) == STATUS_OK) {
        status = frame_forward(machine, &frame);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status == STATUS_WOULD_BLOCK ? STATUS_OK : status;
}
