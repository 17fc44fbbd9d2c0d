/*
 * Connections: how they begin and end. lwIP calls back with what happens to one; all of it, and
 * everything here but the operations of the table, is under inet_lock.
 *
 * Once both sides have said that they send no more, lwIP keeps its control block for itself, until
 * TIME-WAIT is over, and frees it without a word: so the socket lets go of it then.
 */
#include <lwip/priv/tcp_priv.h>

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/net/inet.h"

#define BACKLOG_MAX 254 /* lwIP counts in 8 bits */
/* So many connections of a listener may be sent what their windows let come before they are
 * accepted; the others little, or connections that nobody accepts would fill the memory. */
#define UNACCEPTED       16u
#define UNACCEPTED_BYTES 4096u

static void callbacks_set(struct inet_socket *self, struct tcp_pcb *pcb);

/* lwIP's alone from now on. */
static void block_let_go(struct inet_socket *self)
{
    struct tcp_pcb *pcb = self->tcp;
    tcp_arg(pcb, NULL);
    if (pcb->state != LISTEN) {
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    self->tcp = NULL;
}

/* --- what lwIP tells ------------------------------------------------------------------------- */

static void names_set(struct inet_socket *self, const struct tcp_pcb *pcb)
{
    self->local = (struct inet_name){pcb->local_ip, pcb->local_port};
    self->remote = (struct inet_name){pcb->remote_ip, pcb->remote_port};
    self->bound = true;
}

static void peer_ended(struct inet_socket *self, const struct tcp_pcb *pcb)
{
    self->shut |= SHUT_READ;
    self->peer_has_ended = true;
    if (pcb->state == TIME_WAIT || pcb->state == CLOSING) {
        block_let_go(self);
    }
    inet_notify(self, WAIT_POLLIN | WAIT_POLLRDHUP | WAIT_POLLHUP);
}

/*
 * lwIP answers each segment that is outside the window, an empty one too; with a window of nothing
 * every segment is outside. Two ends with full rings would answer each other for ever. So the
 * window that lwIP knows is never nothing: it is lent a byte, too little for it to be announced,
 * which the reader pays back.
 */
static void window_lend(struct inet_socket *self, struct tcp_pcb *pcb)
{
    if (pcb->rcv_wnd == 0) {
        pcb->rcv_wnd = 1;
        self->lent_bytes++;
    }
}

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    struct inet_socket *self = context;
    (void)error;
    window_lend(self, pcb);
    if (packet == NULL) {
        peer_ended(self, pcb);
        return ERR_OK;
    }
    uint16_t length_bytes = packet->tot_len;
    if (self->shut & SHUT_READ) { /* nobody wants it */
        tcp_recved(pcb, length_bytes);
    } else {
        err_t kept = inet_stream_keep(self, packet);
        if (kept != ERR_OK) {
            return kept;
        }
        inet_notify(self, WAIT_POLLIN);
    }
    pbuf_free(packet);
    return ERR_OK;
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, uint16_t length_bytes)
{
    struct inet_socket *self = context;
    (void)pcb, (void)length_bytes;
    if (self->lingers || (self->wants_room && inet_stream_writable(self))) {
        self->wants_room = false;
        inet_notify(self, WAIT_POLLOUT);
    }
    return ERR_OK;
}

/* The block is gone. */
static void on_error(void *context, err_t error)
{
    struct inet_socket *self = context;
    self->tcp = NULL;
    self->shut = SHUT_BOTH;
    int reset = self->peer_has_ended ? EPIPE : ECONNRESET;
    if (self->state == INET_CONNECTING) {
        self->state = INET_FAILED;
        self->socket.error = error == ERR_ABRT ? ETIMEDOUT : ECONNREFUSED;
    } else if (error != ERR_CLSD) {
        self->socket.error = error == ERR_ABRT ? ETIMEDOUT : reset;
    }
    inet_notify(self, WAIT_CHANGE);
}

static err_t on_connected(void *context, struct tcp_pcb *pcb, err_t error)
{
    struct inet_socket *self = context;
    (void)error;
    self->state = INET_CONNECTED;
    names_set(self, pcb);
    inet_notify(self, WAIT_POLLOUT);
    return ERR_OK;
}

static void options_inherit(struct inet_socket *made, const struct inet_socket *listener)
{
    made->socket.options = listener->socket.options;
    made->socket.send_limit_bytes = listener->socket.send_limit_bytes;
    made->socket.receive_limit_bytes = listener->socket.receive_limit_bytes;
    made->socket.linger_seconds = listener->socket.linger_seconds;
    made->owner = listener->owner;
    made->only_v6 = listener->only_v6;
    made->no_delay = listener->no_delay;
    made->keep_idle_s = listener->keep_idle_s;
    inet_kept_inherit(made, listener);
    made->keep_interval_s = listener->keep_interval_s;
    made->keep_count = listener->keep_count;
    made->hops[0] = listener->hops[0];
    made->hops[1] = listener->hops[1];
    made->traffic[0] = listener->traffic[0];
    made->traffic[1] = listener->traffic[1];
}

/* The socket at the other end of a connection of ours: lo is all there is. NULL: it is gone. */
static struct inet_socket *other_end(const struct tcp_pcb *pcb)
{
    for (struct tcp_pcb *other = tcp_active_pcbs; other != NULL; other = other->next) {
        struct inet_socket *socket = other->callback_arg;
        if (other->local_port == pcb->remote_port && other->remote_port == pcb->local_port &&
            ip_addr_cmp(&other->local_ip, &pcb->remote_ip) &&
            ip_addr_cmp(&other->remote_ip, &pcb->local_ip) && socket != NULL &&
            socket->tcp == other) {
            return socket;
        }
    }
    return NULL;
}

/* Until the connection is accepted its other end sends no more than a little. */
static void unaccepted_begin(struct inet_socket *made)
{
    struct inet_socket *sender = other_end(made->tcp);
    made->unaccepted = true;
    if (sender != NULL) {
        sender->is_limited = true;
        sender->limit_bytes = UNACCEPTED_BYTES;
    }
}

static void unaccepted_end(struct inet_socket *made)
{
    struct inet_socket *sender = made->tcp == NULL ? NULL : other_end(made->tcp);
    made->unaccepted = false;
    if (sender != NULL && sender->is_limited) {
        sender->is_limited = false;
        sender->wants_room = false;
        inet_notify(sender, WAIT_POLLOUT);
    }
}

static void waiting_push(struct inet_socket *listener, struct inet_socket *made)
{
    if (listener->waiting_last != NULL) {
        listener->waiting_last->next_waiting = made;
    } else {
        listener->waiting_first = made;
    }
    listener->waiting_last = made;
    if (listener->waiting_count++ >= UNACCEPTED) {
        unaccepted_begin(made);
    }
}

/* Of listeners that share a port the one that gets the connection, if it has room for it. */
static struct inet_socket *listener_choose(struct inet_socket *found, struct tcp_pcb *pcb)
{
    struct inet_socket *chosen = inet_share_choose(found, &pcb->remote_ip, pcb->remote_port);
    struct tcp_pcb_listen *block = (struct tcp_pcb_listen *)chosen->tcp;
    if (chosen != found && block->accepts_pending < block->backlog) {
        pcb->listener = block; /* which counts it from now on */
        return chosen;
    }
    return found;
}

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
    if (context == NULL || pcb == NULL || error != ERR_OK) {
        return ERR_VAL;
    }
    struct inet_socket *listener = listener_choose(context, pcb);
    struct inet_socket *made =
        inet_new(listener->socket.domain, SOCK_STREAM, listener->socket.protocol);
    if (made == NULL) {
        return ERR_MEM;
    }
    made->tcp = pcb;
    made->state = INET_CONNECTED;
    names_set(made, pcb);
    options_inherit(made, listener);
    callbacks_set(made, pcb);
    inet_tcp_options_apply(made);
    inet_list(made);
    tcp_backlog_delayed(pcb);
    waiting_push(listener, made);
    inet_notify(listener, WAIT_POLLIN);
    return ERR_OK;
}

static void callbacks_set(struct inet_socket *self, struct tcp_pcb *pcb)
{
    tcp_arg(pcb, self);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
}

/* --- beginning ------------------------------------------------------------------------------- */

long inet_tcp_new(struct inet_socket *self)
{
    self->tcp = tcp_new_ip_type(self->socket.domain == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
    if (self->tcp == NULL) {
        return -ENOBUFS;
    }
    callbacks_set(self, self->tcp);
    inet_name_any(self, &self->local);
    return 0;
}

void inet_tcp_options_apply(struct inet_socket *self)
{
    struct tcp_pcb *pcb = self->tcp;
    if (pcb == NULL) {
        return;
    }
    uint32_t options = __atomic_load_n(&self->socket.options, __ATOMIC_RELAXED);
    uint8_t wanted = options & (SOCKET_REUSE_ADDRESS | SOCKET_REUSE_PORT) ? SOF_REUSEADDR : 0;
    wanted |= options & SOCKET_KEEP_ALIVE ? SOF_KEEPALIVE : 0;
    pcb->so_options = (uint8_t)((pcb->so_options & ~(SOF_REUSEADDR | SOF_KEEPALIVE)) | wanted);
    if (pcb->state == LISTEN) {
        return; /* has no more of them; what it accepts gets them from the socket */
    }
    if (self->no_delay) {
        tcp_nagle_disable(pcb);
        (void)tcp_output(pcb);
    } else {
        tcp_nagle_enable(pcb);
    }
    pcb->keep_idle = self->keep_idle_s * 1000;
    pcb->keep_intvl = self->keep_interval_s * 1000;
    pcb->keep_cnt = self->keep_count;
}

/* A block to connect with: after an attempt that failed it is a new one, on the old name. */
static long block_renew(struct inet_socket *self)
{
    if (self->state == INET_FAILED && self->tcp == NULL) {
        long result = inet_tcp_new(self);
        if (result != 0) {
            return result;
        }
        self->state = INET_IDLE;
        self->is_limited = false;
        self->shut = 0;
        self->peer_has_ended = false;
        self->bound = false;
    }
    switch (self->state) {
    case INET_IDLE:
        return self->tcp == NULL ? -EINVAL : 0;
    case INET_CONNECTING:
        return -EALREADY;
    case INET_CONNECTED:
    case INET_LISTENING:
    case INET_FAILED:
    default:
        return -EISCONN;
    }
}

/* 0 or its error; an error that somebody has asked for leaves -ECONNABORTED. */
static long outcome_tell(struct inet_socket *self)
{
    self->untold = false;
    long error = socket_error_take(&self->socket);
    return error == 0 && self->state == INET_FAILED ? -ECONNABORTED : error;
}

static long connect_to(struct inet_socket *self, struct inet_name *name)
{
    if (self->untold && self->state != INET_CONNECTING) {
        return outcome_tell(self);
    }
    long result = block_renew(self);
    if (result != 0) {
        return result;
    }
    inet_name_complete(name);
    if (!inet_is_reachable(&name->address)) {
        return -ENETUNREACH;
    }
    result = inet_bind_automatically(self);
    if (result != 0) {
        return result == -EADDRINUSE ? -EADDRNOTAVAIL : result;
    }
    inet_tcp_options_apply(self);
    err_t error = tcp_connect(self->tcp, &name->address, name->port, on_connected);
    if (error != ERR_OK) {
        return error == ERR_USE ? -EADDRNOTAVAIL : inet_result(error);
    }
    self->state = INET_CONNECTING;
    self->untold = true;
    names_set(self, self->tcp);
    return -EINPROGRESS;
}

/* Linux resets what is open to the peer (tcp_need_reset). */
static bool needs_reset(const struct inet_socket *self)
{
    return self->tcp != NULL && (self->state == INET_CONNECTING || self->state == INET_CONNECTED) &&
           self->tcp->state != CLOSING && self->tcp->state != LAST_ACK;
}

/* The end of what there is, and a new block with the name that bind gave. The turns are held:
 * nobody else looks at the bytes. */
static long disconnect(struct inet_socket *self)
{
    struct inet_name old = self->local;
    struct tcp_pcb *reset = needs_reset(self) ? self->tcp : NULL;
    if (self->state == INET_IDLE) {
        return 0;
    }
    if (reset != NULL) {
        block_let_go(self);
        tcp_abort(reset);
    }
    inet_tcp_close(self);
    self->received_start = 0;
    self->lent_bytes = 0;
    self->untold = false;
    self->socket.listens = false;
    self->state = INET_FAILED;
    long result = block_renew(self);
    if (!self->bound_to_address) {
        old.address = self->local.address;
    }
    self->local = old; /* a port of ours is shown, though it is given back */
    if (result == 0 && self->port_asked) {
        inet_bind_again(self);
    }
    self->socket.error = reset != NULL ? ECONNRESET : 0;
    inet_notify(self, WAIT_CHANGE);
    return result;
}

static long connect_to_none(struct inet_socket *self)
{
    mutex_lock(&self->read_turn);
    mutex_lock(&self->write_turn);
    inet_enter();
    long result = disconnect(self);
    inet_leave();
    mutex_unlock(&self->write_turn);
    mutex_unlock(&self->read_turn);
    return result;
}

long inet_connect(struct socket *socket, const struct socket_address *address, bool wait)
{
    struct inet_socket *self = socket_inet(socket);
    struct inet_name name;
    (void)wait;
    if (inet_name_is_none(address)) {
        return connect_to_none(self);
    }
    long result = inet_name_read(self, address, &name);
    if (result != 0) {
        return result;
    }
    inet_enter();
    result = connect_to(self, &name);
    inet_leave();
    return result;
}

static long listen_begin(struct inet_socket *self, uint8_t backlog)
{
    err_t error = ERR_OK;
    long result = inet_bind_automatically(self);
    if (result != 0) {
        return result;
    }
    if (inet_bind_is_taken(self)) {
        return -EADDRINUSE;
    }
    /* With the option lwIP would let one listen only: whether several may is decided here. */
    ip_reset_option(self->tcp, SOF_REUSEADDR);
    struct tcp_pcb *pcb = tcp_listen_with_backlog_and_err(self->tcp, backlog, &error);
    self->tcp = pcb != NULL ? pcb : self->tcp;
    inet_tcp_options_apply(self);
    if (pcb == NULL) {
        return inet_result(error);
    }
    self->state = INET_LISTENING;
    self->socket.listens = true;
    tcp_arg(pcb, self);
    tcp_accept(pcb, on_accept);
    return 0;
}

long inet_listen(struct socket *socket, int backlog)
{
    struct inet_socket *self = socket_inet(socket);
    if (!inet_is_stream(self)) {
        return -EOPNOTSUPP;
    }
    /* One more than asked for may wait, as on Linux. */
    uint8_t count = (uint8_t)(MIN((uint32_t)backlog, (uint32_t)BACKLOG_MAX) + 1);
    long result = 0;
    inet_enter();
    if (self->state == INET_LISTENING) {
        tcp_backlog_set(self->tcp, count);
    } else {
        result =
            self->state == INET_IDLE && self->tcp != NULL ? listen_begin(self, count) : -EINVAL;
    }
    inet_leave();
    return result;
}

long inet_accept(struct socket *socket, struct socket **out)
{
    struct inet_socket *self = socket_inet(socket);
    if (!inet_is_stream(self)) {
        return -EOPNOTSUPP;
    }
    inet_enter();
    struct inet_socket *made = self->waiting_first;
    long result = self->state != INET_LISTENING ? -EINVAL : made == NULL ? -EAGAIN : 0;
    if (result == 0) {
        self->waiting_first = made->next_waiting;
        if (self->waiting_first == NULL) {
            self->waiting_last = NULL;
        }
        self->waiting_count--;
        if (made->unaccepted) {
            unaccepted_end(made);
        }
        if (made->tcp != NULL) {
            tcp_backlog_accepted(made->tcp);
        }
        *out = &made->socket;
    }
    inet_leave();
    return result;
}

/* --- ending ---------------------------------------------------------------------------------- */

/* Connections that nobody accepted are reset. */
static void waiting_close(struct inet_socket *self)
{
    while (self->waiting_first != NULL) {
        struct inet_socket *made = self->waiting_first;
        self->waiting_first = made->next_waiting;
        made->socket.linger_seconds = 0;
        inet_unlist(made);
        inet_tcp_close(made);
        socket_put(&made->socket);
    }
    self->waiting_last = NULL;
    self->waiting_count = 0;
}

void inet_tcp_close(struct inet_socket *self)
{
    struct tcp_pcb *pcb = self->tcp;
    bool abort = self->socket.linger_seconds == 0 && self->state == INET_CONNECTED;
    if (pcb != NULL) {
        block_let_go(self);
        if (abort || tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
        }
    }
    waiting_close(self);
    inet_stream_free(self);
}

long inet_tcp_shutdown(struct inet_socket *self, uint32_t how)
{
    if (self->state == INET_LISTENING) {
        if (how & SHUT_READ) {
            inet_tcp_close(self);
            self->state = INET_FAILED;
            self->socket.listens = false;
        }
        return 0;
    }
    bool send_end = (how & SHUT_WRITE) && !(self->shut & SHUT_WRITE) && self->tcp != NULL;
    self->shut |= how;
    if (send_end) {
        (void)tcp_shutdown(self->tcp, 0, 1);
    }
    return 0;
}
