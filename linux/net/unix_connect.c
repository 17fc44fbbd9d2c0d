/*
 * How Unix sockets come to be connected. A connection is two sockets: the one that connects, and
 * one made for it, which waits at the socket that listens until it is accepted. Both are connected
 * from the moment that they hold each other.
 */
#include "linux/core/errno.h"
#include "linux/net/control.h"
#include "linux/net/unix.h"
#include "linux/proc/task.h"

/* The current task's, without a reference. */
static struct unix_identity identity_own(void)
{
    const struct task *task = task_current();
    struct credentials *whole = task->credentials;
    return (struct unix_identity){{task->group->pid, whole->euid, whole->egid}, whole};
}

void unix_identity_set(struct unix_identity *to, const struct unix_identity *from)
{
    struct credentials *old = to->whole;
    if (from->whole != NULL) {
        __atomic_fetch_add(&from->whole->references, 1, __ATOMIC_RELAXED);
    }
    *to = *from;
    credentials_put(old);
}

long unix_listen(struct socket *socket, int backlog)
{
    struct unix_socket *self = socket_unix(socket);
    if (socket->type == SOCK_DGRAM) {
        return -EOPNOTSUPP;
    }
    long result = 0;
    mutex_lock(&self->lock);
    if (self->name.length_bytes == 0 ||
        (self->state != UNIX_IDLE && self->state != UNIX_LISTENING)) {
        result = -EINVAL;
    } else {
        self->state = UNIX_LISTENING;
        self->backlog = (uint32_t)MIN((uint32_t)backlog, SOCKET_BACKLOG_MAX);
        const struct unix_identity own = identity_own();
        unix_identity_set(&self->identity, &own);
        unix_identity_set(&self->peer_identity, &own);
        socket->listens = true;
    }
    mutex_unlock(&self->lock);
    if (result == 0) {
        unix_room_changed();
    }
    return result;
}

/* --- streams --------------------------------------------------------------------------------- */

/* From idle to connecting: after that the state is the caller's to change. */
static long connecting_begin(struct unix_socket *self)
{
    mutex_lock(&self->lock);
    long result = self->state == UNIX_IDLE         ? 0
                  : self->state == UNIX_CONNECTED  ? -EISCONN
                  : self->state == UNIX_CONNECTING ? -EALREADY
                                                   : -EINVAL;
    if (result == 0) {
        self->state = UNIX_CONNECTING;
    }
    mutex_unlock(&self->lock);
    return result;
}

static void connecting_fail(struct unix_socket *self)
{
    mutex_lock(&self->lock);
    self->state = UNIX_IDLE;
    mutex_unlock(&self->lock);
}

/* Under the listener's lock. */
static void waiting_push(struct unix_socket *listener, struct unix_socket *made)
{
    made->next_waiting = NULL;
    if (listener->waiting_last != NULL) {
        listener->waiting_last->next_waiting = made;
    } else {
        listener->waiting_first = made;
    }
    listener->waiting_last = made;
    listener->waiting_count++;
}

/* Both locks: `made` is nobody else's yet. */
static void join(struct unix_socket *self, struct unix_socket *listener, struct unix_socket *made)
{
    made->name = listener->name;
    made->socket.options = listener->socket.options & SOCKET_PASS_CREDENTIALS;
    const struct unix_identity own = identity_own();
    unix_identity_set(&made->identity, &listener->identity);
    unix_identity_set(&made->peer_identity, &own);
    made->state = UNIX_CONNECTED;
    unix_get(self);
    made->peer = self;
    __atomic_store_n(&self->unaccepted, listener->waiting_count >= UNIX_UNACCEPTED,
                     __ATOMIC_RELEASE);
    mutex_lock(&self->lock);
    unix_get(made);
    self->peer = made;
    unix_identity_set(&self->peer_identity, &listener->identity);
    self->state = UNIX_CONNECTED;
    mutex_unlock(&self->lock);
}

/* -EAGAIN: too many wait already. */
static long listener_join(struct unix_socket *self, struct unix_socket *listener,
                          struct unix_socket *made)
{
    long result = 0;
    mutex_lock(&listener->lock);
    if (listener->closed || listener->state != UNIX_LISTENING || (listener->shut & SHUT_READ)) {
        result = -ECONNREFUSED;
    } else if (listener->waiting_count > listener->backlog) {
        result = -EAGAIN;
    } else {
        join(self, listener, made);
        waiting_push(listener, made);
    }
    mutex_unlock(&listener->lock);
    return result;
}

static long stream_join(struct unix_socket *self, const struct socket_address *address,
                        struct unix_socket *made, bool wait)
{
    uint64_t deadline_ns = socket_deadline(self->socket.send_timeout_ns);
    for (;;) {
        uint64_t seen = __atomic_load_n(&unix_room.changes, __ATOMIC_ACQUIRE);
        struct unix_socket *listener;
        long result = unix_find(address, self->socket.type, &listener);
        if (result != 0) {
            return result;
        }
        result = listener_join(self, listener, made);
        if (result == 0) {
            wait_queue_wake(&listener->socket.read_wait, WAIT_POLLIN);
        }
        unix_put(listener);
        if (result != -EAGAIN || !wait) {
            return result;
        }
        result = unix_room_wait(seen, deadline_ns);
        if (result != 0) {
            return result;
        }
    }
}

static long stream_connect(struct unix_socket *self, const struct socket_address *address,
                           bool wait)
{
    long result = connecting_begin(self);
    if (result != 0) {
        return result;
    }
    struct unix_socket *made = unix_new(self->socket.type);
    result = made == NULL ? -ENOMEM : stream_join(self, address, made, wait);
    if (result != 0) {
        connecting_fail(self);
        unix_put(made);
    } else {
        wait_queue_wake(&self->socket.write_wait, WAIT_CHANGE);
    }
    return result;
}

/* --- datagrams ------------------------------------------------------------------------------- */

/* Put another peer, or none, in place of the old one; takes over the reference. What others had
 * sent to it as its peer is lost, and the old peer is told. */
static void peer_replace(struct unix_socket *self, struct unix_socket *peer)
{
    mutex_lock(&self->lock);
    struct unix_socket *before = self->peer;
    struct unix_packet *lost = NULL;
    self->peer = peer;
    self->state = peer == NULL ? UNIX_IDLE : UNIX_CONNECTED;
    if (peer != NULL) {
        unix_identity_set(&self->peer_identity, &peer->identity);
    }
    if (before != NULL && before != peer) {
        lost = self->incoming.first;
        self->incoming = (struct unix_queue){.first = NULL};
    }
    mutex_unlock(&self->lock);
    if (before != NULL && before != peer) {
        mutex_lock(&before->lock);
        bool ours = lost != NULL && !before->closed && before->peer == self;
        mutex_unlock(&before->lock);
        if (ours) {
            unix_cut(before, 0, ECONNRESET);
        }
    }
    unix_packets_free(lost);
    unix_put(before);
    unix_room_changed();
}

static bool may_send(struct unix_socket *from, struct unix_socket *to)
{
    mutex_lock(&to->lock);
    bool may = to->peer == NULL || to->peer == from;
    mutex_unlock(&to->lock);
    return may;
}

static long datagram_connect(struct unix_socket *self, const struct socket_address *address)
{
    struct unix_socket *peer = NULL;
    if (address->family != AF_UNSPEC) {
        long result = unix_find(address, SOCK_DGRAM, &peer);
        if (result != 0) {
            return result;
        }
        if (!may_send(self, peer)) {
            unix_put(peer);
            return -EPERM;
        }
    }
    mutex_lock(&self->read_turn); /* nobody is looking at what may be lost */
    peer_replace(self, peer);
    mutex_unlock(&self->read_turn);
    return 0;
}

long unix_connect(struct socket *socket, const struct socket_address *address, bool wait)
{
    struct unix_socket *self = socket_unix(socket);
    if (address->length_bytes < sizeof(address->family)) {
        return -EINVAL;
    }
    if (__atomic_load_n(&socket->options, __ATOMIC_RELAXED) & SOCKET_PASS_CREDENTIALS) {
        long result = unix_bind_automatically(self);
        if (result != 0) {
            return result;
        }
    }
    return socket->type == SOCK_DGRAM ? datagram_connect(self, address)
                                      : stream_connect(self, address, wait);
}

/* --- pairs and accepting --------------------------------------------------------------------- */

/* Nobody else knows of either. */
long unix_pair(struct socket *socket, struct socket *other)
{
    struct unix_socket *a = socket_unix(socket);
    struct unix_socket *b = socket_unix(other);
    unix_get(a);
    unix_get(b);
    a->peer = b;
    b->peer = a;
    a->state = b->state = UNIX_CONNECTED;
    const struct unix_identity own = identity_own();
    unix_identity_set(&a->identity, &own);
    unix_identity_set(&a->peer_identity, &own);
    unix_identity_set(&b->identity, &own);
    unix_identity_set(&b->peer_identity, &own);
    return 0;
}

/* Its peer may send as much as any. */
static void accepted_tell(struct unix_socket *made)
{
    mutex_lock(&made->lock);
    struct unix_socket *peer = made->peer;
    if (peer != NULL) {
        unix_get(peer);
    }
    mutex_unlock(&made->lock);
    if (peer != NULL && __atomic_exchange_n(&peer->unaccepted, false, __ATOMIC_ACQ_REL)) {
        wait_queue_wake(&peer->socket.write_wait, WAIT_POLLOUT);
    }
    unix_put(peer);
}

long unix_accept(struct socket *socket, struct socket **out)
{
    struct unix_socket *self = socket_unix(socket);
    if (socket->type == SOCK_DGRAM) {
        return -EOPNOTSUPP;
    }
    long result = 0;
    bool was_full = false;
    mutex_lock(&self->lock);
    struct unix_socket *made = self->waiting_first;
    if (self->state != UNIX_LISTENING || (made == NULL && (self->shut & SHUT_READ))) {
        result = -EINVAL;
    } else if (made == NULL) {
        result = -EAGAIN;
    } else {
        was_full = self->waiting_count > self->backlog;
        self->waiting_first = made->next_waiting;
        if (self->waiting_first == NULL) {
            self->waiting_last = NULL;
        }
        self->waiting_count--;
        *out = &made->socket;
    }
    mutex_unlock(&self->lock);
    if (was_full) {
        unix_room_changed();
    }
    if (made != NULL && result == 0) {
        accepted_tell(made);
    }
    return result;
}
