/*
 * AF_UNIX: what its files share.
 *
 *   unix.c           a socket's life, its state, poll, shutdown: the table of operations
 *   unix_name.c      path names, abstract names, and finding who has one
 *   unix_connect.c   connect, listen, accept, pairs
 *   unix_transfer.c  sending and receiving
 *   unix_packet.c    what is queued, and what it is charged to
 *   unix_flight.c    files in flight, and the circles that they can form
 *
 * Bytes wait in the receiver, as packets. A packet is charged to its sender until it is freed:
 * SO_SNDBUF bounds what one socket has queued anywhere, and a datagram receiver takes only
 * UNIX_DATAGRAMS from those that it is not connected to, so that senders which come and go fill
 * nothing.
 *
 * Locks, in their order: bind_turn; read_turn; unix_lock (names, the list of all sockets, files in
 * flight); lock of a socket that listens; lock of any other socket. Two sockets' locks are held
 * together only while one connects to the other, which listens; a socket that connects cannot come
 * to listen. read_turn is held while user memory is touched, the others never.
 */
#pragma once

#include "lib/base/tree.h"
#include "linux/file/path.h"
#include "linux/net/socket.h"

#define UNIX_PATH_BYTES 108u
#define UNIX_DATAGRAMS  10u /* net.unix.max_dgram_qlen of Linux */
/* So many connections of one that listens may have full buffers before they are accepted; what
 * others may send before that is little, or connections that nobody accepts, whose senders have
 * gone, would fill the memory. */
#define UNIX_UNACCEPTED            16u
#define UNIX_UNACCEPTED_SEND_BYTES 4096u

struct rights;

struct unix_packet {
    struct unix_packet *next;
    struct unix_socket *sender; /* a reference; it pays */
    struct socket_credentials credentials;
    struct rights *rights; /* in flight (unix_flight.c); or NULL */
    uint32_t charge_bytes;
    uint32_t length_bytes;
    uint32_t start; /* what a stream's reader has taken */
    uint8_t bytes[];
};

struct unix_queue {
    struct unix_packet *first;
    struct unix_packet *last;
    uint32_t count;
    uint64_t bytes; /* to be read */
};

/* Who connected, listened or made a pair, as the other end is told. */
struct unix_identity {
    struct socket_credentials shown;
    struct credentials *whole; /* a reference; NULL: nobody yet */
};

enum unix_state {
    UNIX_IDLE,
    UNIX_CONNECTING, /* a call is about to change it: nobody else does */
    UNIX_CONNECTED,
    UNIX_LISTENING,
};

struct unix_socket {
    struct socket socket;
    struct mutex bind_turn; /* one bind at a time */
    struct mutex read_turn; /* who holds it alone takes packets away */
    struct mutex lock;      /* guards what follows, up to the next comment */
    enum unix_state state;
    uint32_t shut;            /* SHUT_*: of either side */
    bool closed;              /* its file is gone */
    struct unix_socket *peer; /* a reference */
    struct unix_queue incoming;
    struct unix_socket *waiting_first; /* connections nobody has accepted: references */
    struct unix_socket *waiting_last;
    uint32_t waiting_count;
    uint32_t backlog;
    struct unix_socket *next_waiting; /* under the lock of the socket that listens */
    struct unix_identity identity;
    struct unix_identity peer_identity;
    struct socket_address name; /* set once, by bind; length 0: none yet */
    /* Atomic. */
    uint32_t sent_bytes; /* charged for what is queued */
    bool unaccepted;     /* connected, but its peer waits in a long queue to be accepted */
    /* Under unix_lock. */
    struct path place;        /* where its name lies */
    struct tree_node by_name; /* abstract names, while in_names */
    bool in_names;
    struct unix_socket *next; /* all sockets */
    struct unix_socket **link;
    uint32_t in_flight; /* references to its file that lie in packets */
    uint32_t outside;   /* unix_flight.c, during a search */
    struct unix_socket *found;
};

/* Replace what is there, with its reference. */
void unix_identity_set(struct unix_identity *to, const struct unix_identity *from);

static inline struct unix_socket *socket_unix(struct socket *socket)
{
    return CONTAINER_OF(socket, struct unix_socket, socket);
}

static inline void unix_get(struct unix_socket *self)
{
    socket_get(&self->socket);
}

static inline void unix_put(struct unix_socket *self)
{
    if (self != NULL) {
        socket_put(&self->socket);
    }
}

static inline uint32_t unix_send_limit(const struct unix_socket *self)
{
    uint32_t limit_bytes = self->socket.send_limit_bytes;
    return __atomic_load_n(&self->unaccepted, __ATOMIC_ACQUIRE)
               ? MIN(limit_bytes, UNIX_UNACCEPTED_SEND_BYTES)
               : limit_bytes;
}

/* With so much queued, poll says that there is room. */
static inline bool unix_is_writable_at(const struct unix_socket *self, uint32_t sent_bytes)
{
    return sent_bytes <= unix_send_limit(self) / 4;
}

static inline bool unix_writable(const struct unix_socket *self)
{
    return unix_is_writable_at(self, __atomic_load_n(&self->sent_bytes, __ATOMIC_ACQUIRE));
}

extern struct mutex unix_lock;

/* Where those wait who found no room in a receiver or among the connections of one that listens.
 * Rare, so all share it: unix_room_changed says that there may be some now. */
struct unix_room {
    struct wait_queue queue;
    uint64_t changes; /* atomic */
};
extern struct unix_room unix_room;
void unix_room_changed(void);
/* Wait for a change since unix_room.changes was `seen`. */
long unix_room_wait(uint64_t seen, uint64_t deadline_ns);

/* --- unix.c */

/* All sockets, newest first, under unix_lock. */
extern struct unix_socket *unix_sockets;
struct unix_socket *unix_new(uint16_t type);
/* Without its file: what it had queued and whom it was connected to are given up. */
void unix_close(struct socket *socket);
/* Tell the peer of a stream that nothing more comes or goes. error: SO_ERROR, or 0. */
void unix_cut(struct unix_socket *peer, uint32_t shut, int error);

/* --- unix_name.c */

long unix_bind(struct socket *socket, const struct socket_address *address);
/* A name of five digits, unless it has a name. */
long unix_bind_automatically(struct unix_socket *self);
/* Who has that name, with a reference: -ECONNREFUSED, -EPROTOTYPE, and errors of path walks. */
long unix_find(const struct socket_address *address, uint16_t type, struct unix_socket **out);
/* Nobody finds it any more, by its name or by its file. */
void unix_unbind(struct unix_socket *self);
long unix_name(struct socket *socket, bool of_peer, struct socket_address *out);

/* --- unix_connect.c */

long unix_connect(struct socket *socket, const struct socket_address *address, bool wait);
long unix_pair(struct socket *socket, struct socket *other);
long unix_listen(struct socket *socket, int backlog);
long unix_accept(struct socket *socket, struct socket **out);

/* --- unix_transfer.c */

long unix_send(struct socket *socket, struct socket_message *message);
long unix_receive(struct socket *socket, struct socket_message *message);
/* A datagram of `sender` would have to wait. Under the receiver's lock. */
bool unix_is_full(const struct unix_socket *receiver, const struct unix_socket *sender);
/* FIONREAD. */
long unix_bytes_waiting(struct unix_socket *self);

/* --- unix_packet.c */

/* Charged to the sender. NULL: no memory. */
struct unix_packet *unix_packet_new(struct unix_socket *sender, uint32_t length_bytes);
/* All of a list; files that were in flight are put, in bounded depth. */
void unix_packets_free(struct unix_packet *first);
/* Under the receiver's lock. */
void unix_queue_push(struct unix_queue *queue, struct unix_packet *packet);
struct unix_packet *unix_queue_pop(struct unix_queue *queue);

/* --- unix_flight.c */

#define UNIX_IN_FLIGHT_MAX 16384u

/* The packet takes the files over: -ETOOMANYREFS. */
long unix_flight_begin(struct unix_packet *packet, struct rights *rights);
/* The packet's files are the caller's again. */
struct rights *unix_flight_end(struct unix_packet *packet);
/* Copies of them, for a look ahead. NULL: no memory. */
struct rights *unix_flight_copy(const struct unix_packet *packet);
/* Take apart the circles of sockets that lie in one another's packets alone: unix_packet.c calls it
 * when somebody has asked by unix_flight_collect. */
void unix_flight_search(void);
void unix_flight_collect(void);
