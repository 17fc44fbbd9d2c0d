/*
 * The bytes of a connection. What is sent goes through a buffer of ours into lwIP's segments; what
 * has arrived was copied into the socket's ring by the callback and goes from there to the reader,
 * who holds read_turn, so that the bytes between start and start + received lie still.
 */
#include <lwip/priv/tcp_priv.h>

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/net/inet.h"

#define MSG_MORE       0x8000u
#define ON_STACK_BYTES 512u
/* A write of one piece adds a few buffers to lwIP's queue: so many must be free. */
#define QUEUE_MARGIN 16u

/* --- sending --------------------------------------------------------------------------------- */

static uint32_t room_bytes(const struct inet_socket *self)
{
    const struct tcp_pcb *pcb = self->tcp;
    uint32_t most = self->is_limited ? self->limit_bytes : UINT32_MAX;
    return pcb->snd_queuelen + QUEUE_MARGIN > TCP_SND_QUEUELEN
               ? 0
               : MIN(most, (uint32_t)tcp_sndbuf(pcb));
}

bool inet_stream_writable(const struct inet_socket *self)
{
    if (self->tcp == NULL || self->state != INET_CONNECTED) {
        return true; /* a write will not wait */
    }
    return room_bytes(self) >= (self->is_limited ? 1 : TCP_SNDLOWAT) &&
           self->tcp->snd_queuelen <= TCP_SNDQUEUELOWAT;
}

bool inet_stream_wait_writable(struct inet_socket *self)
{
    bool writable = inet_stream_writable(self);
    self->wants_room = self->wants_room || !writable;
    return writable;
}

/* How much may be sent now; or why nothing can be. */
static long send_room(struct inet_socket *self, uint32_t *bytes)
{
    long result = 0;
    inet_look_begin();
    if (self->state == INET_CONNECTING) {
        result = -EAGAIN;
    } else if (self->state != INET_CONNECTED || (self->shut & SHUT_WRITE) || self->tcp == NULL) {
        result = socket_error_take(&self->socket);
        result = result != 0 ? result : -EPIPE;
    } else {
        *bytes = room_bytes(self);
        result = *bytes == 0 ? -EAGAIN : 0;
        self->wants_room = self->wants_room || result != 0;
    }
    inet_look_end();
    return result;
}

static long piece_write(struct inet_socket *self, const void *bytes, uint32_t length_bytes,
                        bool more)
{
    err_t error = ERR_CONN;
    inet_enter();
    if (self->tcp != NULL && !(self->shut & SHUT_WRITE)) {
        error = tcp_write(self->tcp, bytes, (uint16_t)length_bytes,
                          TCP_WRITE_FLAG_COPY | (more ? TCP_WRITE_FLAG_MORE : 0));
        if (error == ERR_OK && self->is_limited) {
            self->limit_bytes -= MIN(self->limit_bytes, length_bytes);
        }
        (void)tcp_output(self->tcp);
    }
    inet_leave();
    return error == ERR_CONN ? -EPIPE : inet_result(error);
}

static long send_pieces(struct inet_socket *self, struct socket_message *message, void *buffer,
                        uint32_t buffer_bytes, long *moved)
{
    while (message->io->left_bytes > 0) {
        uint32_t room;
        long result = send_room(self, &room);
        if (result != 0) {
            return result;
        }
        uint32_t length_bytes =
            (uint32_t)MIN(MIN((uint64_t)buffer_bytes, room), message->io->left_bytes);
        result = io_take(message->io, buffer, length_bytes);
        if (result == 0) {
            bool more = message->io->left_bytes > 0 || (message->flags & MSG_MORE);
            result = piece_write(self, buffer, length_bytes, more);
        }
        if (result != 0) {
            return result;
        }
        *moved += length_bytes;
    }
    return 0;
}

long inet_stream_send(struct inet_socket *self, struct socket_message *message)
{
    uint8_t few[ON_STACK_BYTES];
    void *buffer = few;
    uint32_t buffer_bytes = sizeof(few);
    long moved = 0;
    if (message->io->left_bytes > sizeof(few)) {
        buffer_bytes = TCP_MSS;
        buffer = heap_alloc_unfilled(buffer_bytes);
        if (buffer == NULL) {
            return -ENOBUFS;
        }
    }
    mutex_lock(&self->write_turn);
    long result = send_pieces(self, message, buffer, buffer_bytes, &moved);
    mutex_unlock(&self->write_turn);
    if (buffer != few) {
        heap_free(buffer);
    }
    return moved > 0 ? moved : result;
}

/* --- receiving ------------------------------------------------------------------------------- */

err_t inet_stream_keep(struct inet_socket *self, const struct pbuf *packet)
{
    uint32_t at = (self->received_start + self->received_bytes) % INET_RING_BYTES;
    uint16_t done = 0;
    if (packet->tot_len > INET_RING_BYTES - self->received_bytes) {
        return ERR_MEM;
    }
    while (done < packet->tot_len) {
        uint8_t **piece = &self->received[at / INET_PIECE_BYTES];
        uint32_t offset = at % INET_PIECE_BYTES;
        if (*piece == NULL && (*piece = heap_alloc_unfilled(INET_PIECE_BYTES)) == NULL) {
            return ERR_MEM;
        }
        uint16_t length_bytes =
            (uint16_t)MIN(INET_PIECE_BYTES - offset, (uint32_t)packet->tot_len - done);
        (void)pbuf_copy_partial(packet, *piece + offset, length_bytes, done);
        done = (uint16_t)(done + length_bytes);
        at = (at + length_bytes) % INET_RING_BYTES;
    }
    self->received_bytes += packet->tot_len;
    return ERR_OK;
}

void inet_stream_free(struct inet_socket *self)
{
    for (uint32_t i = 0; i < INET_PIECES; i++) {
        heap_free(self->received[i]);
        self->received[i] = NULL;
    }
    self->received_bytes = 0;
}

/* What there is to read; or what it means that there is nothing: 0 the end, or -errno. */
static long receive_look(struct inet_socket *self, uint32_t *start, uint32_t *bytes)
{
    long result = 0;
    inet_enter();
    *start = self->received_start;
    *bytes = self->received_bytes;
    if (*bytes == 0) {
        result = socket_error_take(&self->socket);
        if (result == 0 && !(self->shut & SHUT_READ)) {
            result = self->state == INET_CONNECTED || self->state == INET_CONNECTING ? -EAGAIN
                                                                                     : -ENOTCONN;
        }
        /* Who waits for more lets the peer know that the last was taken: it may wait for that. */
        if (result == -EAGAIN && self->tcp != NULL && (self->tcp->flags & TF_ACK_DELAY)) {
            tcp_ack_now(self->tcp);
            (void)tcp_output(self->tcp);
        }
    }
    inet_leave();
    return result;
}

static long ring_put(struct inet_socket *self, struct io *io, uint32_t start, uint32_t length_bytes)
{
    uint32_t done = 0;
    while (done < length_bytes) {
        uint32_t at = (start + done) % INET_RING_BYTES;
        uint32_t offset = at % INET_PIECE_BYTES;
        uint32_t piece_bytes = MIN(INET_PIECE_BYTES - offset, length_bytes - done);
        if (io_put(io, self->received[at / INET_PIECE_BYTES] + offset, piece_bytes) != 0) {
            return done > 0 ? (long)done : -EFAULT;
        }
        done += piece_bytes;
    }
    return (long)done;
}

static void receive_done(struct inet_socket *self, uint32_t length_bytes)
{
    inet_enter();
    self->received_bytes -= length_bytes;
    self->received_start =
        self->received_bytes == 0 ? 0 : (self->received_start + length_bytes) % INET_RING_BYTES;
    uint32_t paid_back = MIN(self->lent_bytes, length_bytes);
    self->lent_bytes -= paid_back;
    if (self->tcp != NULL) {
        tcp_recved(self->tcp, (uint16_t)(length_bytes - paid_back));
    }
    inet_leave();
}

long inet_stream_receive(struct inet_socket *self, struct socket_message *message)
{
    uint32_t start;
    uint32_t bytes;
    long result = receive_look(self, &start, &bytes);
    if (bytes == 0 || message->io->left_bytes == 0) {
        return result;
    }
    uint32_t length_bytes = (uint32_t)MIN((uint64_t)bytes, message->io->left_bytes);
    if (message->flags & MSG_TRUNC) { /* TCP's meaning: away with them */
        result = (long)length_bytes;
    } else {
        result = ring_put(self, message->io, start, length_bytes);
    }
    if (result > 0 && !(message->flags & MSG_PEEK)) {
        receive_done(self, (uint32_t)result);
    }
    return result;
}
