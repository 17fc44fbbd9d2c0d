/*
 * AF_INET and AF_INET6: TCP and UDP over lwIP. What its files share.
 *
 *   inet.c          a socket's life, what is alike in both protocols, the table of operations
 *   inet_stack.c    lwIP around it: its lock, memory, interface and timer
 *   inet_address.c  struct sockaddr and lwIP's addresses
 *   inet_bind.c     addresses and ports of our own
 *   inet_share.c    sockets that share a port by SO_REUSEPORT
 *   inet_tcp.c      connections: connect, listen, accept, their ends
 *   inet_stream.c   the bytes of a connection
 *   inet_udp.c      datagrams
 *   inet_note.c     their ancillary data
 *   inet_error.c    ICMP errors become errors of sockets
 *   inet_option.c   options of IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP
 *   inet_kept.c     those of them that are only kept
 *
 * lwIP runs in whoever calls it, under inet_lock. Between inet_enter and inet_leave nothing blocks
 * and no user memory is touched; inet_leave first delivers what lies in lo's queue, then gives the
 * lock back, and then wakes those whom the callbacks have named by inet_notify. So a segment, its
 * acknowledgement and an answer of the stack are all done within one call, without a thread of
 * ours.
 *
 * A stream's received bytes lie in a ring until they are read, as many as the window lets the peer
 * send; SO_RCVBUF bounds datagrams. lwIP allocates from the personality's heap; when
 * that is exhausted a call fails with -ENOBUFS or -ENOMEM, and a packet under way is lost.
 *
 * Locks, in their order: read_turn and write_turn of a socket (held while user memory is touched),
 * inet_lock, wait queues and heap.
 */
#pragma once

#include <lwip/ip_addr.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>

#include "linux/net/socket.h"

struct inet_name {
    ip_addr_t address;
    uint16_t port; /* of the host's byte order */
};

/* A stream's received bytes: pieces of what the heap gives without a run of its own, room for all
 * that the window lets the peer send, and for some bytes that were lent to it. */
#define INET_PIECE_BYTES 2720u
#define INET_PIECES      (TCP_WND / INET_PIECE_BYTES + 1)
#define INET_RING_BYTES  (INET_PIECES * INET_PIECE_BYTES)

#define IPPROTO_IP      0
#define IPPROTO_TCP     6
#define IPPROTO_UDP     17
#define IPPROTO_IPV6    41
#define IPPROTO_UDPLITE 136
#define HOPS_DEFAULT    64

/* A datagram that has arrived. */
struct inet_datagram {
    struct inet_datagram *next;
    struct pbuf *packet;
    struct inet_name from;
    ip_addr_t to;
    uint8_t hops;    /* time to live, hop limit */
    uint8_t traffic; /* type of service, traffic class */
};

/* What a receive tells of a datagram, as options ask for it. */
enum inet_note {
    INET_NOTE_IP4_TO = 1 << 0,
    INET_NOTE_IP4_HOPS = 1 << 1,
    INET_NOTE_IP4_TRAFFIC = 1 << 2,
    INET_NOTE_IP6_TO = 1 << 3,
    INET_NOTE_IP6_HOPS = 1 << 4,
    INET_NOTE_IP6_TRAFFIC = 1 << 5,
};

/* What a datagram is sent with. */
struct inet_sending {
    bool has_source;
    ip_addr_t source;
    uint8_t hops;
    uint8_t traffic;
};

enum inet_state {
    INET_IDLE,
    INET_CONNECTING,
    INET_CONNECTED, /* also when either side has ended it */
    INET_LISTENING,
    INET_FAILED, /* a connection that did not come to be */
};

#define INET_KEPT 16 /* options that are only kept */

struct inet_socket {
    struct socket socket;
    struct mutex read_turn;  /* who holds it alone takes received bytes away */
    struct mutex write_turn; /* who holds it alone adds to what a stream has to send */
    /* Under inet_lock. */
    struct inet_socket *next; /* all sockets */
    struct inet_socket **link;
    struct tcp_pcb *tcp; /* NULL: lwIP has none (any more) */
    struct udp_pcb *udp;
    enum inet_state state;
    bool untold;   /* the next connect says what became of the last */
    uint32_t shut; /* SHUT_READ: by the peer's end too; SHUT_WRITE */
    bool peer_has_ended;
    bool wants_room; /* somebody has found no room to send, and is to be told of some */
    bool lingers;    /* a close waits until all is sent */
    bool bound;
    bool bound_to_address; /* by bind: another than the wildcard */
    bool port_asked;       /* by bind: a port of the caller's choice */
    uint32_t owner;        /* the user who made it: SO_REUSEPORT shares with no other */
    bool only_v6;
    struct inet_name local;
    struct inet_name remote;
    uint8_t *received[INET_PIECES]; /* a stream's: a ring, of pieces made when first written to */
    uint32_t received_start;        /* in it */
    uint32_t received_bytes;        /* of the stream, or of all datagrams */
    uint32_t lent_bytes;            /* of the window: see inet_tcp.c */
    struct inet_datagram *first;
    struct inet_datagram *last;
    struct inet_socket *waiting_first; /* connections nobody has accepted: references */
    struct inet_socket *waiting_last;
    struct inet_socket *next_waiting;
    uint32_t waiting_count;
    bool unaccepted; /* it waits in a long queue: the socket at its other end is limited */
    bool is_limited; /* it may send so many bytes, until its other end is accepted */
    uint32_t limit_bytes;
    bool no_delay;
    uint32_t notes;  /* enum inet_note */
    uint8_t hops[2]; /* of IPv4, of IPv6 */
    uint8_t traffic[2];
    uint8_t multicast_hops; /* of IPv6 */
    /* UDP-Lite: what the checksum covers of what is sent, and has to cover of what comes; 0: all.
     */
    uint16_t coverage;
    uint16_t coverage_wanted;
    bool coverage_matters; /* the latter was set */
    uint32_t keep_idle_s;
    uint32_t keep_interval_s;
    uint32_t keep_count;
    int kept[INET_KEPT];              /* inet_kept.c's */
    struct inet_socket *next_to_wake; /* with a reference */
    uint32_t wake;                    /* WAIT_POLL*; 0: not in that list */
};

static inline struct inet_socket *socket_inet(struct socket *socket)
{
    return CONTAINER_OF(socket, struct inet_socket, socket);
}

static inline bool inet_is_stream(const struct inet_socket *self)
{
    return self->socket.type == SOCK_STREAM;
}

/* --- inet_stack.c */

/* Bring the stack up, with lo, the first time; and its timer, for TCP. -ENOMEM. */
long inet_start(bool with_timer);
void inet_enter(void);
void inet_leave(void);
/* The same for who only looks: nothing is delivered, nobody woken. */
void inet_look_begin(void);
void inet_look_end(void);
/* Wake those who wait for these events at the socket, once the lock is given back. */
void inet_notify(struct inet_socket *self, uint32_t events);
/* -errno for lwIP's error; ERR_OK: 0. */
long inet_result(err_t error);

/* --- inet.c */

/* All sockets, newest first. */
extern struct inet_socket *inet_sockets;
struct inet_socket *inet_new(uint16_t domain, uint16_t type, uint16_t protocol);
/* Into the list and out of it. Under the lock. */
void inet_list(struct inet_socket *self);
void inet_unlist(struct inet_socket *self);

/* --- inet_address.c */

/* What a call names: -EINVAL, -EAFNOSUPPORT, -ENETUNREACH (IPv4 for a socket of IPv6 alone). */
long inet_name_read(const struct inet_socket *self, const struct socket_address *address,
                    struct inet_name *out);
/* A connect to AF_UNSPEC, which ends a connection. */
bool inet_name_is_none(const struct socket_address *address);
void inet_name_write(const struct inet_socket *self, const struct inet_name *name,
                     struct socket_address *out);
/* An IPv4 address as the mapped one. */
void inet_address_as_ip6(const ip_addr_t *address, uint32_t out[4]);
/* Of four words of the network's byte order: an IPv4 address if they are a mapped one. */
void inet_address_from_ip6(const uint32_t words[4], ip_addr_t *out);
/* The wildcard of this socket's family; dual for one of IPv6 that takes IPv4 as well. */
void inet_name_any(const struct inet_socket *self, struct inet_name *out);
/* To the wildcard means to ourselves. */
void inet_name_complete(struct inet_name *name);
/* An address of one of our interfaces. */
bool inet_is_ours(const ip_addr_t *address);
/* A route leads there. */
bool inet_is_reachable(const ip_addr_t *address);

/* --- inet_bind.c */

long inet_bind(struct socket *socket, const struct socket_address *address);
/* The name that it had, for a new block; it is not bound when lwIP refuses. Under the lock. */
void inet_bind_again(struct inet_socket *self);
/* A port, unless it has one. Under the lock. */
long inet_bind_automatically(struct inet_socket *self);
/* Another socket is in the way of the name that this one has. Under the lock. */
bool inet_bind_is_taken(const struct inet_socket *self);

/* --- inet_share.c */

/* Of those that share the name of `self`, that which gets what comes from there. Under the lock. */
struct inet_socket *inet_share_choose(struct inet_socket *self, const ip_addr_t *address,
                                      uint16_t port);

/* --- inet_tcp.c. Under the lock but for the operations. */

long inet_tcp_new(struct inet_socket *self);
long inet_connect(struct socket *socket, const struct socket_address *address, bool wait);
long inet_listen(struct socket *socket, int backlog);
long inet_accept(struct socket *socket, struct socket **out);
void inet_tcp_close(struct inet_socket *self);
long inet_tcp_shutdown(struct inet_socket *self, uint32_t how);
void inet_tcp_options_apply(struct inet_socket *self);

/* --- inet_stream.c */

long inet_stream_send(struct inet_socket *self, struct socket_message *message);
long inet_stream_receive(struct inet_socket *self, struct socket_message *message);
/* Under the lock. */
bool inet_stream_writable(const struct inet_socket *self);
/* The same for who asks and will wait for it. */
bool inet_stream_wait_writable(struct inet_socket *self);
/* Keep what lwIP has received; it has the packet freed. ERR_MEM: it is to come again. */
err_t inet_stream_keep(struct inet_socket *self, const struct pbuf *packet);
void inet_stream_free(struct inet_socket *self);

/* --- inet_udp.c */

long inet_udp_new(struct inet_socket *self);
long inet_udp_connect(struct inet_socket *self, const struct socket_address *address);
long inet_udp_send(struct inet_socket *self, struct socket_message *message);
long inet_udp_receive(struct inet_socket *self, struct socket_message *message);
/* Under the lock. */
void inet_udp_close(struct inet_socket *self);

/* --- inet_note.c */

/* What the socket's options ask for; notes may be NULL. */
void inet_notes_write(const struct inet_socket *self, const struct inet_datagram *datagram,
                      struct socket_notes *notes);
/* What the socket's options say and the notes (or NULL) ask for a datagram to that address:
 * -EINVAL, -ENODEV, -ENETUNREACH. Under the lock. */
long inet_notes_read(const struct inet_socket *self, const struct socket_notes *notes,
                     const ip_addr_t *to, struct inet_sending *out);

/* --- inet_option.c */

long inet_option_get(struct socket *socket, int level, int name, void *value,
                     uint32_t *length_bytes);
long inet_option_set(struct socket *socket, int level, int name, const void *value,
                     uint32_t length_bytes);
void inet_option_changed(struct socket *socket);
/* Linux's number for the state of a connection. Under the lock. */
uint8_t inet_tcp_state(const struct inet_socket *self);

/* --- inet_kept.c: under the lock */

/* -ENOPROTOOPT: it is not one of them. -EINVAL. */
long inet_kept_set(struct inet_socket *self, int level, int name, int number);
long inet_kept_get(struct inet_socket *self, int level, int name, int *number);
/* What a connection has of its listener. */
void inet_kept_inherit(struct inet_socket *made, const struct inet_socket *listener);
