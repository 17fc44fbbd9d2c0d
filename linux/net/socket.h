/*
 * Sockets. A socket is an open file whose operations are socket_file_operations; under it is a
 * struct socket, embedded in what its family keeps (struct unix_socket and so on), with a table of
 * the family's operations. A family adds a table, never a path:
 *
 *   calls.c, message.c, option.c   the system calls: copy what the application gave, check it
 *   socket.c                       the file; waiting, timeouts, SIGPIPE: alike in all families
 *   control.c                      ancillary data: SCM_RIGHTS, SCM_CREDENTIALS
 *   unix*.c                        AF_UNIX
 *   inet*.c                        AF_INET and AF_INET6, over lwIP
 *   netlink.c, interface.c         AF_NETLINK and ioctls: what interfaces there are
 *
 * Waiting has one form: an operation that would have to wait answers -EAGAIN, and socket.c waits in
 * read_wait or write_wait until the family's poll says that there is something to do. Whoever
 * changes what poll says wakes the queue.
 *
 * A file has a reference to its socket; a family may have more (a peer's). `close` is called when
 * the file is gone, `free` with the last reference.
 */
#pragma once

#include "linux/event/wait.h"
#include "linux/file/io.h"

struct file;
struct rights;

#define AF_UNSPEC  0
#define AF_UNIX    1
#define AF_INET    2
#define AF_INET6   10
#define AF_NETLINK 16

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RAW       3
#define SOCK_SEQPACKET 5

#define MSG_OOB          0x1u
#define MSG_PEEK         0x2u
#define MSG_CTRUNC       0x8u
#define MSG_TRUNC        0x20u
#define MSG_DONTWAIT     0x40u
#define MSG_EOR          0x80u
#define MSG_WAITALL      0x100u
#define MSG_ERRQUEUE     0x2000u
#define MSG_NOSIGNAL     0x4000u
#define MSG_WAITFORONE   0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SHUT_READ  1u /* a mask: how of shutdown(2), plus 1 */
#define SHUT_WRITE 2u
#define SHUT_BOTH  3u

#define WAIT_POLLRDHUP 0x2000u

/* SO_SNDBUF and SO_RCVBUF: at first, and as far as they go (twice what may be asked for). */
#define SOCKET_BUFFER_BYTES      212992u
#define SOCKET_BUFFER_MAX_BYTES  425984u
#define SOCKET_SEND_MIN_BYTES    4608u
#define SOCKET_RECEIVE_MIN_BYTES 2304u

/* net.core.somaxconn and net.ipv4.ip_local_port_range of Linux. */
#define SOCKET_BACKLOG_MAX 4096u
#define SOCKET_PORT_FIRST  32768u
#define SOCKET_PORT_LAST   60999u

/* struct sockaddr, as long as it is; what lies behind is zero. */
struct socket_address {
    union {
        uint16_t family;
        uint8_t bytes[128];
    };
    uint32_t length_bytes; /* 0: none */
};

struct socket_credentials { /* struct ucred */
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};

/* Control messages of the family's own: what a receive tells of a packet, what a send asks for. */
#define SOCKET_NOTE_BYTES 20
#define SOCKET_NOTES_MAX  6
struct socket_note {
    int level;
    int type;
    uint32_t length_bytes;
    uint8_t bytes[SOCKET_NOTE_BYTES];
};
struct socket_notes {
    uint32_t count;
    bool unkept; /* a send had more, or a longer one: no family knows such */
    struct socket_note note[SOCKET_NOTES_MAX];
};

/* What is sent or received in one step. */
struct socket_message {
    struct io *io;
    uint32_t flags;        /* MSG_* of the call, MSG_DONTWAIT for O_NONBLOCK too */
    uint32_t result_flags; /* MSG_* that a receive found */
    uint64_t deadline_ns;  /* of the whole call; monotonic */
    struct socket_address
        *address;          /* send: the receiver or NULL; receive: gets the sender's; or NULL */
    struct rights *rights; /* send: whoever takes them sets NULL; receive: the caller's */
    struct socket_credentials credentials;
    bool has_credentials;
    struct socket_notes *notes; /* NULL: the call has no control messages */
};

struct socket;

/* NULL: -EOPNOTSUPP. None waits but for what poll cannot tell. */
struct socket_operations {
    long (*bind)(struct socket *socket, const struct socket_address *address);
    /* -EINPROGRESS, -EALREADY: WAIT_POLLOUT tells when it is done, and another call how. */
    long (*connect)(struct socket *socket, const struct socket_address *address, bool wait);
    long (*pair)(struct socket *socket, struct socket *other);
    long (*listen)(struct socket *socket, int backlog);
    /* With a reference. */
    long (*accept)(struct socket *socket, struct socket **out);
    /* Its own address, or its peer's. */
    long (*name)(struct socket *socket, bool of_peer, struct socket_address *out);
    /* The bytes moved; a stream may move fewer. A receive's 0 is the end of a stream. */
    long (*send)(struct socket *socket, struct socket_message *message);
    long (*receive)(struct socket *socket, struct socket_message *message);
    /* WAIT_POLL* that are true now. read_wait and write_wait are in the table; adds others. */
    uint32_t (*poll)(struct socket *socket, struct poll_table *table);
    long (*shutdown)(struct socket *socket, uint32_t how);
    /* Levels other than SOL_SOCKET, and what socket.c does not know; -ENOPROTOOPT. */
    long (*option_get)(struct socket *socket, int level, int name, void *value,
                       uint32_t *length_bytes);
    long (*option_set)(struct socket *socket, int level, int name, const void *value,
                       uint32_t length_bytes);
    /* An option of SOL_SOCKET that socket.c keeps has changed; may be NULL. */
    void (*option_changed)(struct socket *socket);
    /* -ENOTTY: not one of the family's. */
    long (*ioctl)(struct socket *socket, uint32_t request, uint64_t argument);
    /* Bytes are on their way that a close waits for by SO_LINGER; who makes it false wakes
     * write_wait. NULL: never. */
    bool (*is_sending)(struct socket *socket);
    void (*close)(struct socket *socket);
    void (*free)(struct socket *socket);
};

enum socket_option { /* those of SOL_SOCKET that are a bit, as 1 << their number */
    SOCKET_REUSE_ADDRESS = 1 << 2,
    SOCKET_BROADCAST = 1 << 6,
    SOCKET_KEEP_ALIVE = 1 << 9,
    SOCKET_REUSE_PORT = 1 << 15,
    SOCKET_PASS_CREDENTIALS = 1 << 16,
};

struct socket {
    const struct socket_operations *operations;
    uint32_t references; /* atomic */
    uint16_t domain;
    uint16_t type;
    uint16_t protocol;
    bool listens;
    int error;        /* SO_ERROR: positive; taken by whoever reports it; atomic */
    uint32_t options; /* enum socket_option; atomic */
    uint32_t send_limit_bytes;
    uint32_t receive_limit_bytes;
    uint64_t receive_timeout_ns; /* 0: none */
    uint64_t send_timeout_ns;
    int linger_seconds; /* -1: off */
    struct wait_queue read_wait;
    struct wait_queue write_wait;
    struct file *file; /* no reference; NULL: not accepted yet */
};

/* --- socket.c */

extern const struct file_operations socket_file_operations;

/* A family's new socket: one reference. */
void socket_init(struct socket *socket, const struct socket_operations *operations, uint16_t domain,
                 uint16_t type, uint16_t protocol);
static inline void socket_get(struct socket *socket)
{
    __atomic_fetch_add(&socket->references, 1, __ATOMIC_RELAXED);
}
void socket_put(struct socket *socket);

/* An open file for it; takes over the reference, also on failure. NULL: no memory. */
struct file *socket_file_new(struct socket *socket, uint32_t flags);
/* NULL: the file is no socket. No reference. */
struct socket *file_socket(const struct file *file);

/* As the calls do it: wait, look at timeouts, raise SIGPIPE. flags and deadline_ns are set here
 * from `flags` and the file. */
long socket_send(struct file *file, struct socket_message *message, uint32_t flags);
long socket_receive(struct file *file, struct socket_message *message, uint32_t flags);
long socket_accept(struct file *file, struct socket **out);
long socket_connect(struct file *file, const struct socket_address *address);

/* Make the error that a socket has waiting the result: 0 or -errno. */
long socket_error_take(struct socket *socket);
/* When a call that begins now gives up; timeout 0: DEADLINE_NEVER. */
uint64_t socket_deadline(uint64_t timeout_ns);
/* What a wait's end means for a call with that deadline. */
long socket_wait_result(long result, uint64_t deadline_ns);

/* --- families */

/* -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM. */
long unix_socket_new(uint16_t type, int protocol, struct socket **out);
long netlink_socket_new(uint16_t type, int protocol, struct socket **out);
long inet_socket_new(uint16_t domain, uint16_t type, int protocol, struct socket **out);
