/*
 * Owns: struct unix_socket, the list of all of them, and the table of AF_UNIX.
 *
 * Both ends of a stream hold each other; each gives its peer up when it is closed. What is closed
 * lives on, empty, until its peer and its packets elsewhere are gone.
 */
#include "linux/net/unix.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/net/control.h"
#include "linux/proc/task.h"

#define FIONREAD 0x541bu /* SIOCINQ */
#define TIOCOUTQ 0x5411u /* SIOCOUTQ */

struct mutex unix_lock;
struct unix_socket *unix_sockets;
struct unix_room unix_room;

/* --- room ------------------------------------------------------------------------------------ */

void unix_room_changed(void)
{
    __atomic_fetch_add(&unix_room.changes, 1, __ATOMIC_RELEASE);
    wait_queue_wake(&unix_room.queue, WAIT_POLLOUT);
}

static bool room_has_changed(void *context)
{
    const uint64_t *seen = context;
    return __atomic_load_n(&unix_room.changes, __ATOMIC_ACQUIRE) != *seen;
}

long unix_room_wait(uint64_t seen, uint64_t deadline_ns)
{
    long result = wait_event_until(&unix_room.queue, room_has_changed, &seen, deadline_ns);
    return socket_wait_result(result, deadline_ns);
}

/* --- life ------------------------------------------------------------------------------------ */

static const struct socket_operations unix_operations;

struct unix_socket *unix_new(uint16_t type)
{
    struct unix_socket *self = heap_alloc(sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    socket_init(&self->socket, &unix_operations, AF_UNIX, type, 0);
    mutex_lock(&unix_lock);
    self->next = unix_sockets;
    self->link = &unix_sockets;
    if (self->next != NULL) {
        self->next->link = &self->next;
    }
    unix_sockets = self;
    mutex_unlock(&unix_lock);
    return self;
}

static void unix_free(struct socket *socket)
{
    struct unix_socket *self = socket_unix(socket);
    mutex_lock(&unix_lock);
    *self->link = self->next;
    if (self->next != NULL) {
        self->next->link = self->link;
    }
    mutex_unlock(&unix_lock);
    const struct unix_identity nobody = {.whole = NULL};
    unix_identity_set(&self->identity, &nobody);
    unix_identity_set(&self->peer_identity, &nobody);
    heap_free(self);
}

long unix_socket_new(uint16_t type, int protocol, struct socket **out)
{
    if (protocol != 0 && protocol != AF_UNIX) {
        return -EPROTONOSUPPORT;
    }
    if (type == SOCK_RAW) {
        type = SOCK_DGRAM; /* as Linux does */
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) {
        return -ESOCKTNOSUPPORT;
    }
    struct unix_socket *self = unix_new(type);
    if (self == NULL) {
        return -ENOMEM;
    }
    *out = &self->socket;
    return 0;
}

void unix_cut(struct unix_socket *peer, uint32_t shut, int error)
{
    mutex_lock(&peer->lock);
    peer->shut |= shut;
    mutex_unlock(&peer->lock);
    if (error != 0) {
        __atomic_store_n(&peer->socket.error, error, __ATOMIC_RELEASE);
    }
    wait_queue_wake(&peer->socket.read_wait, WAIT_CHANGE);
    wait_queue_wake(&peer->socket.write_wait, WAIT_CHANGE);
}

/* Connections that nobody accepted: their peers are reset. */
static void waiting_close(struct unix_socket *first)
{
    while (first != NULL) {
        struct unix_socket *self = first;
        first = self->next_waiting;
        unix_close(&self->socket);
        unix_put(self);
    }
}

void unix_close(struct socket *socket)
{
    struct unix_socket *self = socket_unix(socket);
    bool accepted = socket->file != NULL;
    mutex_lock(&self->lock);
    struct unix_socket *peer = self->peer;
    struct unix_packet *packets = self->incoming.first;
    struct unix_socket *waiting = self->waiting_first;
    self->closed = true;
    self->shut = SHUT_BOTH;
    self->peer = NULL;
    self->incoming = (struct unix_queue){.first = NULL};
    self->waiting_first = NULL;
    self->waiting_last = NULL;
    mutex_unlock(&self->lock);
    unix_unbind(self);
    if (peer != NULL && socket->type != SOCK_DGRAM) {
        unix_cut(peer, SHUT_BOTH, packets != NULL || !accepted ? ECONNRESET : 0);
    }
    unix_room_changed();
    waiting_close(waiting);
    unix_packets_free(packets);
    unix_put(peer);
    unix_flight_collect();
}

/* --- state ----------------------------------------------------------------------------------- */

/* A datagram socket that is connected is as writable as its receiver has room. */
static bool receiver_has_room(struct unix_socket *self)
{
    mutex_lock(&self->lock);
    struct unix_socket *peer = self->peer;
    if (peer != NULL) {
        unix_get(peer);
    }
    mutex_unlock(&self->lock);
    if (peer == NULL) {
        return true;
    }
    mutex_lock(&peer->lock);
    bool room = !unix_is_full(peer, self);
    mutex_unlock(&peer->lock);
    unix_put(peer);
    return room;
}

static uint32_t unix_poll(struct socket *socket, struct poll_table *table)
{
    struct unix_socket *self = socket_unix(socket);
    bool stream = socket->type != SOCK_DGRAM;
    mutex_lock(&self->lock);
    bool connected = self->state == UNIX_CONNECTED;
    uint32_t shut = self->shut;
    uint32_t events = self->incoming.first != NULL || self->waiting_first != NULL ? WAIT_POLLIN : 0;
    bool listens = self->state == UNIX_LISTENING;
    mutex_unlock(&self->lock);
    events |= shut & SHUT_READ ? WAIT_POLLIN | WAIT_POLLRDHUP : 0;
    events |= shut == SHUT_BOTH || (stream && !connected && !listens) ? WAIT_POLLHUP : 0;
    if (listens || !unix_writable(self)) {
        return events;
    }
    if (socket->type == SOCK_DGRAM) {
        poll_add(table, &unix_room.queue);
        return events | (receiver_has_room(self) ? WAIT_POLLOUT : 0);
    }
    return events | WAIT_POLLOUT;
}

static long unix_shutdown(struct socket *socket, uint32_t how)
{
    struct unix_socket *self = socket_unix(socket);
    mutex_lock(&self->lock);
    self->shut |= how;
    struct unix_socket *peer = socket->type == SOCK_DGRAM ? NULL : self->peer;
    if (peer != NULL) {
        unix_get(peer);
    }
    mutex_unlock(&self->lock);
    wait_queue_wake(&socket->read_wait, WAIT_CHANGE);
    wait_queue_wake(&socket->write_wait, WAIT_CHANGE);
    unix_room_changed();
    if (peer != NULL) {
        uint32_t others = (how & SHUT_READ ? SHUT_WRITE : 0) | (how & SHUT_WRITE ? SHUT_READ : 0);
        unix_cut(peer, others, 0);
        unix_put(peer);
    }
    return 0;
}

/* --- options and ioctls ---------------------------------------------------------------------- */

#define SOL_SOCKET    1
#define SO_PEERCRED   17
#define SO_PEERGROUPS 59

/* -ENODATA: nobody is known. -ERANGE: *length_bytes says how many they are. */
static long peer_groups(const struct credentials *peer, void *value, uint32_t *length_bytes)
{
    if (peer == NULL) {
        return -ENODATA;
    }
    uint32_t room_bytes = *length_bytes;
    *length_bytes = peer->group_count * (uint32_t)sizeof(peer->groups[0]);
    if (room_bytes < *length_bytes) {
        return -ERANGE;
    }
    memcpy(value, peer->groups, *length_bytes);
    return 0;
}

static long unix_option_get(struct socket *socket, int level, int name, void *value,
                            uint32_t *length_bytes)
{
    struct unix_socket *self = socket_unix(socket);
    if (level != SOL_SOCKET || (name != SO_PEERCRED && name != SO_PEERGROUPS)) {
        return level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP;
    }
    static const struct unix_identity nobody = {.shown = {0, UINT32_MAX, UINT32_MAX}};
    long result = 0;
    mutex_lock(&self->lock);
    bool known = self->state == UNIX_CONNECTED || self->state == UNIX_LISTENING;
    const struct unix_identity *peer = known ? &self->peer_identity : &nobody;
    if (name == SO_PEERGROUPS) {
        result = peer_groups(peer->whole, value, length_bytes);
    } else {
        *length_bytes = MIN(*length_bytes, (uint32_t)sizeof(peer->shown));
        memcpy(value, &peer->shown, *length_bytes);
    }
    mutex_unlock(&self->lock);
    return result;
}

static long unix_option_set(struct socket *socket, int level, int name, const void *value,
                            uint32_t length_bytes)
{
    (void)socket, (void)name, (void)value, (void)length_bytes;
    return level == SOL_SOCKET ? -ENOPROTOOPT : -EOPNOTSUPP;
}

static long unix_ioctl(struct socket *socket, uint32_t request, uint64_t argument)
{
    struct unix_socket *self = socket_unix(socket);
    long count;
    switch (request) {
    case FIONREAD:
        count = unix_bytes_waiting(self);
        break;
    case TIOCOUTQ:
        count = __atomic_load_n(&self->sent_bytes, __ATOMIC_RELAXED);
        break;
    default:
        return -ENOTTY;
    }
    return count < 0 ? count : put_user_u32(argument, (uint32_t)count);
}

static const struct socket_operations unix_operations = {
    .bind = unix_bind,
    .connect = unix_connect,
    .pair = unix_pair,
    .listen = unix_listen,
    .accept = unix_accept,
    .name = unix_name,
    .send = unix_send,
    .receive = unix_receive,
    .poll = unix_poll,
    .shutdown = unix_shutdown,
    .option_get = unix_option_get,
    .option_set = unix_option_set,
    .ioctl = unix_ioctl,
    .close = unix_close,
    .free = unix_free,
};
