/*
 * Owns: struct inet_socket, the list of all of them, and the tables of AF_INET and AF_INET6.
 *
 * lwIP's control blocks belong to a socket until it is closed; what is left to send is then lwIP's
 * alone. A block that lwIP has given up (reset, timed out) leaves the socket without one.
 */
#include "linux/net/inet.h"

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/proc/task.h"

#define FIONREAD   0x541bu /* SIOCINQ */
#define TIOCOUTQ   0x5411u /* SIOCOUTQ */
#define SIOCATMARK 0x8905u

struct inet_socket *inet_sockets;

/* --- life ------------------------------------------------------------------------------------ */

static const struct socket_operations inet_operations;

struct inet_socket *inet_new(uint16_t domain, uint16_t type, uint16_t protocol)
{
    struct inet_socket *self = heap_alloc(sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    socket_init(&self->socket, &inet_operations, domain, type, protocol);
    self->keep_idle_s = 7200;
    self->keep_interval_s = 75;
    self->keep_count = 9;
    self->hops[0] = self->hops[1] = HOPS_DEFAULT;
    self->multicast_hops = 1;
    return self;
}

void inet_list(struct inet_socket *self)
{
    self->next = inet_sockets;
    self->link = &inet_sockets;
    if (self->next != NULL) {
        self->next->link = &self->next;
    }
    inet_sockets = self;
}

void inet_unlist(struct inet_socket *self)
{
    *self->link = self->next;
    if (self->next != NULL) {
        self->next->link = self->link;
    }
    self->socket.file = NULL;
}

static long protocol_of(uint16_t type, int protocol, uint16_t *out)
{
    uint16_t usual = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (type == SOCK_RAW) {
        return -EPERM;
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return -ESOCKTNOSUPPORT;
    }
    bool lite = type == SOCK_DGRAM && protocol == IPPROTO_UDPLITE;
    if (protocol != 0 && protocol != usual && !lite) {
        return -EPROTONOSUPPORT;
    }
    *out = lite ? IPPROTO_UDPLITE : usual;
    return 0;
}

long inet_socket_new(uint16_t domain, uint16_t type, int protocol, struct socket **out)
{
    uint16_t number;
    long result = protocol_of(type, protocol, &number);
    if (result == 0) {
        result = inet_start(type == SOCK_STREAM);
    }
    if (result != 0) {
        return result;
    }
    struct inet_socket *self = inet_new(domain, type, number);
    if (self == NULL) {
        return -ENOMEM;
    }
    self->owner = task_current()->credentials->fsuid;
    inet_enter();
    result = inet_is_stream(self) ? inet_tcp_new(self) : inet_udp_new(self);
    if (result == 0) {
        inet_list(self);
    }
    inet_leave();
    if (result != 0) {
        heap_free(self);
        return result;
    }
    *out = &self->socket;
    return 0;
}

static bool inet_is_sending(struct socket *socket)
{
    struct inet_socket *self = socket_inet(socket);
    inet_look_begin();
    self->lingers = inet_is_stream(self) && self->state == INET_CONNECTED && self->tcp != NULL &&
                    tcp_sndbuf(self->tcp) < TCP_SND_BUF;
    bool sending = self->lingers;
    inet_look_end();
    return sending;
}

static void inet_close(struct socket *socket)
{
    struct inet_socket *self = socket_inet(socket);
    inet_enter();
    inet_unlist(self);
    if (inet_is_stream(self)) {
        inet_tcp_close(self);
    } else {
        inet_udp_close(self);
    }
    inet_leave();
}

static void inet_free_socket(struct socket *socket)
{
    heap_free(socket_inet(socket));
}

/* --- state ----------------------------------------------------------------------------------- */

static uint32_t stream_events(struct inet_socket *self)
{
    uint32_t events = 0;
    if (self->state == INET_LISTENING) {
        return self->waiting_first != NULL ? WAIT_POLLIN : 0;
    }
    bool both = self->shut == SHUT_BOTH;
    bool nothing = self->state == INET_IDLE || self->state == INET_FAILED;
    events |= self->received_bytes > 0 || (self->shut & SHUT_READ) ? WAIT_POLLIN : 0;
    events |= self->shut & SHUT_READ ? WAIT_POLLRDHUP : 0;
    events |= both || nothing ? WAIT_POLLHUP : 0;
    if (self->state != INET_CONNECTING) {
        events |= inet_stream_wait_writable(self) ? WAIT_POLLOUT : 0;
    }
    return events;
}

static uint32_t inet_poll(struct socket *socket, struct poll_table *table)
{
    struct inet_socket *self = socket_inet(socket);
    (void)table;
    inet_look_begin();
    uint32_t events = inet_is_stream(self)
                          ? stream_events(self)
                          : WAIT_POLLOUT | (self->first != NULL ? WAIT_POLLIN : 0) |
                                (self->shut & SHUT_READ ? WAIT_POLLIN | WAIT_POLLRDHUP : 0) |
                                (self->shut == SHUT_BOTH ? WAIT_POLLHUP : 0);
    inet_look_end();
    return events;
}

static long inet_name(struct socket *socket, bool of_peer, struct socket_address *out)
{
    struct inet_socket *self = socket_inet(socket);
    inet_look_begin();
    bool known =
        !of_peer || (self->state == INET_CONNECTED && (self->tcp != NULL || self->udp != NULL));
    if (known) {
        inet_name_write(self, of_peer ? &self->remote : &self->local, out);
    }
    inet_look_end();
    return known ? 0 : -ENOTCONN;
}

static long inet_send(struct socket *socket, struct socket_message *message)
{
    struct inet_socket *self = socket_inet(socket);
    if (message->flags & MSG_OOB) {
        return -EOPNOTSUPP;
    }
    return inet_is_stream(self) ? inet_stream_send(self, message) : inet_udp_send(self, message);
}

static long inet_receive(struct socket *socket, struct socket_message *message)
{
    struct inet_socket *self = socket_inet(socket);
    if (message->flags & MSG_OOB) {
        return -EINVAL;
    }
    mutex_lock(&self->read_turn);
    long result =
        inet_is_stream(self) ? inet_stream_receive(self, message) : inet_udp_receive(self, message);
    mutex_unlock(&self->read_turn);
    return result;
}

static long inet_shutdown(struct socket *socket, uint32_t how)
{
    struct inet_socket *self = socket_inet(socket);
    long result = 0;
    inet_enter();
    if (self->state != INET_CONNECTED && self->state != INET_LISTENING) {
        result = -ENOTCONN;
    } else if (inet_is_stream(self)) {
        result = inet_tcp_shutdown(self, how);
    }
    if (!inet_is_stream(self)) {
        self->shut |= how;
    }
    inet_notify(self, WAIT_CHANGE);
    inet_leave();
    return result;
}

static long bytes_waiting(struct inet_socket *self)
{
    inet_look_begin();
    long bytes = self->state == INET_LISTENING ? -EINVAL
                 : inet_is_stream(self)        ? (long)self->received_bytes
                 : self->first == NULL         ? 0
                                               : self->first->packet->tot_len;
    inet_look_end();
    return bytes;
}

static long bytes_unsent(struct inet_socket *self)
{
    inet_look_begin();
    long bytes = self->tcp == NULL || self->state != INET_CONNECTED
                     ? 0
                     : TCP_SND_BUF - tcp_sndbuf(self->tcp);
    inet_look_end();
    return bytes;
}

static long inet_ioctl(struct socket *socket, uint32_t request, uint64_t argument)
{
    struct inet_socket *self = socket_inet(socket);
    long count = 0;
    switch (request) {
    case FIONREAD:
        count = bytes_waiting(self);
        break;
    case TIOCOUTQ:
        count = bytes_unsent(self);
        break;
    case SIOCATMARK:
        break;
    default:
        return -ENOTTY;
    }
    return count < 0 ? count : put_user_u32(argument, (uint32_t)count);
}

static long inet_connect_any(struct socket *socket, const struct socket_address *address, bool wait)
{
    struct inet_socket *self = socket_inet(socket);
    return inet_is_stream(self) ? inet_connect(socket, address, wait)
                                : inet_udp_connect(self, address);
}

static const struct socket_operations inet_operations = {
    .bind = inet_bind,
    .connect = inet_connect_any,
    .listen = inet_listen,
    .accept = inet_accept,
    .name = inet_name,
    .send = inet_send,
    .receive = inet_receive,
    .poll = inet_poll,
    .shutdown = inet_shutdown,
    .option_get = inet_option_get,
    .option_set = inet_option_set,
    .option_changed = inet_option_changed,
    .ioctl = inet_ioctl,
    .is_sending = inet_is_sending,
    .close = inet_close,
    .free = inet_free_socket,
};
