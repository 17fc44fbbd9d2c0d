/*
 * Sending and receiving over Unix sockets.
 *
 * A sender fills packets that are its own, then queues them at the receiver under its lock. A
 * receiver looks at the queue's front while it holds read_turn, so that packets lie still while
 * their bytes go to user memory, and takes them away afterwards.
 */
#include "linux/core/errno.h"
#include "linux/file/file.h"
#include "linux/net/control.h"
#include "linux/net/unix.h"

/* A stream's packets: what the heap gives without a run of its own. */
#define STREAM_PACKET_BYTES 2560u

/* --- sending --------------------------------------------------------------------------------- */

/* The receiver of a socket that is connected, with a reference. */
static long peer_get(struct unix_socket *self, struct unix_socket **out)
{
    mutex_lock(&self->lock);
    struct unix_socket *peer = self->peer;
    long result = self->shut & SHUT_WRITE ? -EPIPE : peer == NULL ? -ENOTCONN : 0;
    if (result == 0) {
        unix_get(peer);
        *out = peer;
    }
    mutex_unlock(&self->lock);
    return result;
}

/* The next packet out of the message, with its files if it is the first. */
static long packet_fill(struct unix_socket *self, struct socket_message *message,
                        uint32_t length_bytes, struct unix_packet **out)
{
    struct unix_packet *packet = unix_packet_new(self, length_bytes);
    if (packet == NULL) {
        return -ENOBUFS;
    }
    packet->credentials = message->has_credentials ? message->credentials : credentials_own();
    long result = io_take(message->io, packet->bytes, length_bytes);
    if (result == 0 && message->rights != NULL) {
        result = unix_flight_begin(packet, message->rights);
        message->rights = result == 0 ? NULL : message->rights;
    }
    if (result != 0) {
        unix_packets_free(packet);
        return result;
    }
    *out = packet;
    return 0;
}

/* *woken: the reader was, because it had nothing to read. */
static long stream_deliver(struct unix_socket *peer, struct unix_packet *packet, bool *woken)
{
    mutex_lock(&peer->lock);
    bool open = !peer->closed && !(peer->shut & SHUT_READ);
    *woken = peer->incoming.first == NULL;
    if (open) {
        unix_queue_push(&peer->incoming, packet);
    }
    mutex_unlock(&peer->lock);
    if (!open) {
        unix_packets_free(packet);
        return -EPIPE;
    }
    if (*woken) {
        wait_queue_wake(&peer->socket.read_wait, WAIT_POLLIN);
    }
    return 0;
}

/* Once there is room, all that fits in a packet: the limit is passed by one at most. */
static bool may_queue(const struct unix_socket *self)
{
    return __atomic_load_n(&self->sent_bytes, __ATOMIC_ACQUIRE) < unix_send_limit(self);
}

static long stream_send(struct unix_socket *self, struct socket_message *message)
{
    struct unix_socket *peer;
    bool woken = true;
    long moved = 0;
    long result = peer_get(self, &peer);
    if (result != 0) {
        return result;
    }
    if (message->address != NULL && message->address->length_bytes != 0) {
        result = -EISCONN;
    }
    while (result == 0 && message->io->left_bytes > 0) {
        uint32_t length_bytes = (uint32_t)MIN(message->io->left_bytes, STREAM_PACKET_BYTES);
        struct unix_packet *packet;
        result = may_queue(self) ? packet_fill(self, message, length_bytes, &packet) : -EAGAIN;
        if (result == 0) {
            result = stream_deliver(peer, packet, &woken);
        }
        moved += result == 0 ? (long)length_bytes : 0;
    }
    if (moved > 0 && !woken) { /* once for all, for who waits for a change */
        wait_queue_wake(&peer->socket.read_wait, WAIT_POLLIN);
    }
    unix_put(peer);
    return moved > 0 ? moved : result;
}

bool unix_is_full(const struct unix_socket *receiver, const struct unix_socket *sender)
{
    return receiver->peer != sender && receiver != sender &&
           receiver->incoming.count > UNIX_DATAGRAMS;
}

/* Queue it: 0, or why not; the packet is the caller's then. */
static long datagram_deliver(struct unix_socket *self, struct unix_socket *receiver,
                             struct unix_packet *packet)
{
    long result = 0;
    mutex_lock(&receiver->lock);
    if (receiver->closed) {
        result = -ECONNREFUSED;
    } else if (receiver->shut & SHUT_READ) {
        result = -EPIPE;
    } else if (receiver->peer != NULL && receiver->peer != self) {
        result = -EPERM;
    } else if (unix_is_full(receiver, self)) {
        result = -EAGAIN;
    } else {
        unix_queue_push(&receiver->incoming, packet);
    }
    mutex_unlock(&receiver->lock);
    if (result == 0) {
        wait_queue_wake(&receiver->socket.read_wait, WAIT_POLLIN);
    }
    return result;
}

/* Whom it goes to. */
static long receiver_get(struct unix_socket *self, const struct socket_message *message,
                         struct unix_socket **out)
{
    bool named = message->address != NULL && message->address->length_bytes != 0;
    if (self->socket.type == SOCK_SEQPACKET || !named) {
        return peer_get(self, out);
    }
    return self->shut & SHUT_WRITE ? -EPIPE : unix_find(message->address, SOCK_DGRAM, out);
}

/* The peer of a datagram socket has gone: it has none now. */
static void peer_forget(struct unix_socket *self, struct unix_socket *peer)
{
    mutex_lock(&self->lock);
    bool ours = self->socket.type == SOCK_DGRAM && self->peer == peer;
    if (ours) {
        self->peer = NULL;
        self->state = UNIX_IDLE;
    }
    mutex_unlock(&self->lock);
    if (ours) {
        unix_put(peer);
    }
}

/* The bytes are taken: -EAGAIN is the call's result, whoever sent does not try again. */
static long datagram_queue(struct unix_socket *self, struct unix_socket *receiver,
                           struct unix_packet *packet, struct socket_message *message)
{
    for (;;) {
        uint64_t seen = __atomic_load_n(&unix_room.changes, __ATOMIC_ACQUIRE);
        long result = datagram_deliver(self, receiver, packet);
        if (result != -EAGAIN || (message->flags & MSG_DONTWAIT)) {
            return result;
        }
        result = unix_room_wait(seen, message->deadline_ns);
        if (result != 0) {
            message->flags |= MSG_DONTWAIT;
            return result;
        }
    }
}

static long datagram_send(struct unix_socket *self, struct socket_message *message)
{
    uint64_t length_bytes = message->io->left_bytes;
    struct unix_socket *receiver;
    struct unix_packet *packet;
    long result = receiver_get(self, message, &receiver);
    if (result != 0) {
        return result;
    }
    long error = socket_error_take(&self->socket);
    if (error != 0) {
        result = error;
    } else if (length_bytes > self->socket.send_limit_bytes - 32) {
        result = -EMSGSIZE;
    } else if (!may_queue(self)) {
        result = -EAGAIN;
    } else {
        result = packet_fill(self, message, (uint32_t)length_bytes, &packet);
    }
    if (result == 0) {
        result = datagram_queue(self, receiver, packet, message);
        if (result != 0) {
            unix_packets_free(packet);
        }
        if (result == -ECONNREFUSED) {
            peer_forget(self, receiver);
            result = self->socket.type == SOCK_SEQPACKET ? -EPIPE : result;
        }
    }
    unix_put(receiver);
    return result != 0 ? result : (long)length_bytes;
}

long unix_send(struct socket *socket, struct socket_message *message)
{
    struct unix_socket *self = socket_unix(socket);
    if (message->flags & MSG_OOB) {
        return -EOPNOTSUPP;
    }
    if (__atomic_load_n(&socket->options, __ATOMIC_RELAXED) & SOCKET_PASS_CREDENTIALS) {
        long result = unix_bind_automatically(self);
        if (result != 0) {
            return result;
        }
    }
    return socket->type == SOCK_STREAM ? stream_send(self, message) : datagram_send(self, message);
}

/* --- receiving ------------------------------------------------------------------------------- */

/* The packet behind `before` (NULL: the first), which stays while read_turn is held. *nothing says
 * what it means that there is none: 0 the end, or -errno. */
static struct unix_packet *packet_look(struct unix_socket *self, const struct unix_packet *before,
                                       long *nothing)
{
    mutex_lock(&self->lock);
    struct unix_packet *packet = before == NULL ? self->incoming.first : before->next;
    bool connected = self->state == UNIX_CONNECTED || self->socket.type == SOCK_DGRAM;
    *nothing = self->shut & SHUT_READ                ? 0
               : connected                           ? -EAGAIN
               : self->socket.type == SOCK_SEQPACKET ? -ENOTCONN
                                                     : -EINVAL;
    mutex_unlock(&self->lock);
    return packet;
}

/* There was no packet: what the call says, unless an error is waiting. */
static long nothing_there(struct unix_socket *self, long nothing)
{
    long error = socket_error_take(&self->socket);
    return error != 0 ? error : nothing;
}

/* The name of whoever sent it; none if it has none. */
static void packet_address(const struct unix_packet *packet, struct socket_message *message)
{
    if (message->address != NULL) {
        mutex_lock(&packet->sender->lock);
        *message->address = packet->sender->name;
        mutex_unlock(&packet->sender->lock);
    }
}

/* Files and credentials of a packet are the message's. A look ahead gets copies. */
static long packet_ancillary(struct unix_packet *packet, struct socket_message *message)
{
    message->credentials = packet->credentials;
    message->has_credentials = true;
    if (packet->rights == NULL) {
        return 0;
    }
    message->rights =
        message->flags & MSG_PEEK ? unix_flight_copy(packet) : unix_flight_end(packet);
    return message->rights == NULL ? -ENOMEM : 0;
}

/* A stream's reader has taken so much of the first packet; whoever waits for room is told. */
static void packet_consume(struct unix_socket *self, struct unix_packet *packet,
                           uint32_t length_bytes)
{
    mutex_lock(&self->lock);
    packet->start += length_bytes;
    self->incoming.bytes -= length_bytes;
    bool done = packet->start == packet->length_bytes;
    if (done) {
        (void)unix_queue_pop(&self->incoming);
    }
    mutex_unlock(&self->lock);
    if (done) {
        unix_packets_free(packet);
    }
}

/* Bytes of different senders are not mixed for one who looks at credentials. */
static bool goes_on(const struct unix_socket *self, const struct socket_message *message,
                    const struct unix_packet *packet)
{
    const struct socket_credentials *a = &message->credentials;
    const struct socket_credentials *b = &packet->credentials;
    if (!(__atomic_load_n(&self->socket.options, __ATOMIC_RELAXED) & SOCKET_PASS_CREDENTIALS)) {
        return true;
    }
    return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* Under read_turn. */
static long stream_take(struct unix_socket *self, struct socket_message *message)
{
    const struct unix_packet *before = NULL;
    bool peek = message->flags & MSG_PEEK;
    long moved = 0;
    long result = 0;
    if (message->io->left_bytes == 0) { /* asks only whether there is something */
        return packet_look(self, NULL, &result) == NULL ? nothing_there(self, result) : 0;
    }
    while (message->io->left_bytes > 0 && message->rights == NULL) {
        struct unix_packet *packet = packet_look(self, before, &result);
        if (packet == NULL && moved == 0) {
            return nothing_there(self, result);
        }
        if (packet == NULL || (message->has_credentials && !goes_on(self, message, packet))) {
            break;
        }
        uint32_t left = packet->length_bytes - packet->start;
        uint32_t length_bytes = (uint32_t)MIN((uint64_t)left, message->io->left_bytes);
        result = io_put(message->io, packet->bytes + packet->start, length_bytes);
        if (result == 0) {
            result = packet_ancillary(packet, message);
        }
        if (result != 0) {
            break;
        }
        packet_address(packet, message);
        moved += length_bytes;
        if (peek) {
            before = packet;
        } else {
            packet_consume(self, packet, length_bytes);
        }
    }
    return moved > 0 ? moved : result;
}

/* Under read_turn: *taken is a packet that is the caller's now, or NULL. */
static long datagram_take(struct unix_socket *self, struct socket_message *message,
                          struct unix_packet **taken)
{
    long result;
    struct unix_packet *packet = packet_look(self, NULL, &result);
    *taken = NULL;
    if (packet == NULL) {
        return nothing_there(self, result);
    }
    uint32_t length_bytes = (uint32_t)MIN(packet->length_bytes, message->io->left_bytes);
    if (length_bytes < packet->length_bytes) {
        message->result_flags |= MSG_TRUNC;
    }
    packet_address(packet, message);
    result = io_put(message->io, packet->bytes, length_bytes);
    if (result == 0) {
        result = packet_ancillary(packet, message);
    }
    if (!(message->flags & MSG_PEEK)) {
        mutex_lock(&self->lock);
        bool was_full = self->incoming.count > UNIX_DATAGRAMS;
        *taken = unix_queue_pop(&self->incoming);
        mutex_unlock(&self->lock);
        if (was_full) {
            unix_room_changed();
        }
    }
    return result != 0 ? result
                       : (long)(message->flags & MSG_TRUNC ? packet->length_bytes : length_bytes);
}

long unix_receive(struct socket *socket, struct socket_message *message)
{
    struct unix_socket *self = socket_unix(socket);
    struct unix_packet *taken = NULL;
    if (message->flags & MSG_OOB) {
        return socket->type == SOCK_STREAM ? -EINVAL : -EOPNOTSUPP;
    }
    mutex_lock(&self->read_turn);
    long result = socket->type == SOCK_STREAM ? stream_take(self, message)
                                              : datagram_take(self, message, &taken);
    mutex_unlock(&self->read_turn);
    unix_packets_free(taken);
    return result;
}

long unix_bytes_waiting(struct unix_socket *self)
{
    mutex_lock(&self->lock);
    const struct unix_packet *first = self->incoming.first;
    uint64_t bytes = self->socket.type == SOCK_DGRAM ? (first == NULL ? 0 : first->length_bytes)
                                                     : self->incoming.bytes;
    bool listens = self->state == UNIX_LISTENING;
    mutex_unlock(&self->lock);
    return listens ? -EINVAL : (long)MIN(bytes, (uint64_t)INT32_MAX);
}
