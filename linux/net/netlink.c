/*
 * AF_NETLINK, as far as C libraries ask for interfaces (rtnetlink(7)): NETLINK_ROUTE answers dumps
 * of RTM_GETLINK, RTM_GETADDR and RTM_GETROUTE; whatever would change something is -EPERM in its
 * answer, other requests are -EOPNOTSUPP.
 *
 * An answer is made when the request is sent, and waits in the socket until it is read, in messages
 * that end as Linux ends them. `lock` guards it; read_turn is held while user memory is touched.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/net/interface.h"
#include "linux/net/socket.h"
#include "linux/proc/task.h"

#define NETLINK_ROUTE 0
#define SOL_NETLINK   270

#define NLMSG_ERROR 2
#define NLMSG_DONE  3
#define NLM_F_MULTI 2
#define NLM_F_ACK   4
#define NLM_F_DUMP  0x300

#define RTM_NEWLINK  16
#define RTM_GETLINK  18
#define RTM_NEWADDR  20
#define RTM_GETADDR  22
#define RTM_GETROUTE 26
/* From RTM_NEWLINK on, every fourth begins New, Del, Get, Set. */
#define RTM_IS_GET(type) (((type)&3) == 2)

#define IFLA_ADDRESS    1
#define IFLA_BROADCAST  2
#define IFLA_IFNAME     3
#define IFLA_MTU        4
#define IFLA_TXQLEN     13
#define IFLA_OPERSTATE  16
#define IFA_ADDRESS     1
#define IFA_LOCAL       2
#define IFA_LABEL       3
#define IFA_F_PERMANENT 0x80

#define REQUEST_MAX_BYTES 4096u
/* The answers that wait: more is -ENOBUFS, as for one who does not read. */
#define ANSWERS_MAX_BYTES 65536u
#define ANSWER_BYTES      1024u

struct message_header { /* struct nlmsghdr */
    uint32_t length_bytes;
    uint16_t type;
    uint16_t flags;
    uint32_t sequence;
    uint32_t port;
};

struct link_message { /* struct ifinfomsg */
    uint8_t family;
    uint8_t padding;
    uint16_t hardware;
    int32_t index;
    uint32_t flags;
    uint32_t change;
};

struct address_message { /* struct ifaddrmsg */
    uint8_t family;
    uint8_t prefix_bits;
    uint8_t flags;
    uint8_t scope;
    uint32_t index;
};

struct attribute_header { /* struct rtattr */
    uint16_t length_bytes;
    uint16_t type;
};

struct netlink_address { /* struct sockaddr_nl */
    uint16_t family;
    uint16_t padding;
    uint32_t port;
    uint32_t groups;
};

/* One datagram of answers. */
struct answer {
    struct answer *next;
    uint32_t used_bytes;
    uint8_t bytes[ANSWER_BYTES];
};

struct netlink_socket {
    struct socket socket;
    struct mutex read_turn;
    struct mutex lock;
    struct answer *first;
    struct answer *last;
    uint32_t waiting_bytes;
    uint32_t port; /* 0: none yet */
};

static struct netlink_socket *socket_netlink(struct socket *socket)
{
    return CONTAINER_OF(socket, struct netlink_socket, socket);
}

/* --- answers --------------------------------------------------------------------------------- */

/* Under the lock. NULL: no room. */
static struct answer *answer_new(struct netlink_socket *self)
{
    struct answer *answer =
        self->waiting_bytes >= ANSWERS_MAX_BYTES ? NULL : heap_alloc(sizeof(*answer));
    if (answer == NULL) {
        return NULL;
    }
    self->waiting_bytes += (uint32_t)sizeof(*answer);
    if (self->last != NULL) {
        self->last->next = answer;
    } else {
        self->first = answer;
    }
    self->last = answer;
    return answer;
}

/* Messages of one answer are small and few: that they fit is ours to see to. */
static void bytes_put(struct answer *answer, const void *bytes, uint32_t length_bytes)
{
    memcpy(answer->bytes + answer->used_bytes, bytes, length_bytes);
    answer->used_bytes += ALIGN_UP(length_bytes, 4u);
}

static void attribute_put(struct answer *answer, uint16_t type, const void *value,
                          uint32_t length_bytes)
{
    const struct attribute_header header = {(uint16_t)(sizeof(header) + length_bytes), type};
    memcpy(answer->bytes + answer->used_bytes, &header, sizeof(header));
    memcpy(answer->bytes + answer->used_bytes + sizeof(header), value, length_bytes);
    answer->used_bytes += ALIGN_UP((uint32_t)sizeof(header) + length_bytes, 4u);
}

static void message_put(struct netlink_socket *self, struct answer *answer,
                        const struct message_header *request, uint16_t type, const void *body,
                        uint32_t body_bytes)
{
    const struct message_header header = {.type = type,
                                          .flags = type == NLMSG_ERROR ? 0 : NLM_F_MULTI,
                                          .sequence = request->sequence,
                                          .port = self->port};
    bytes_put(answer, &header, sizeof(header));
    bytes_put(answer, body, body_bytes);
}

static void message_end(struct answer *answer, uint32_t start)
{
    uint32_t length_bytes = answer->used_bytes - start;
    memcpy(answer->bytes + start, &length_bytes, sizeof(length_bytes));
}

static void link_put(struct netlink_socket *self, struct answer *answer,
                     const struct message_header *request, const struct interface *interface)
{
    static const uint8_t no_address[6];
    static const uint32_t queue_length = 1000;
    static const uint8_t state_unknown;
    const struct link_message message = {.hardware = interface->hardware,
                                         .index = interface->index,
                                         .flags = interface->flags | 0x10000 /* IFF_LOWER_UP */};
    uint32_t start = answer->used_bytes;
    message_put(self, answer, request, RTM_NEWLINK, &message, sizeof(message));
    attribute_put(answer, IFLA_IFNAME, interface->name, (uint32_t)strlen(interface->name) + 1);
    attribute_put(answer, IFLA_TXQLEN, &queue_length, sizeof(queue_length));
    attribute_put(answer, IFLA_OPERSTATE, &state_unknown, sizeof(state_unknown));
    attribute_put(answer, IFLA_MTU, &interface->mtu_bytes, sizeof(interface->mtu_bytes));
    attribute_put(answer, IFLA_ADDRESS, no_address, sizeof(no_address));
    attribute_put(answer, IFLA_BROADCAST, no_address, sizeof(no_address));
    message_end(answer, start);
}

static void address_put(struct netlink_socket *self, struct answer *answer,
                        const struct message_header *request, const struct interface *interface,
                        const struct interface_address *address)
{
    const struct address_message message = {.family = (uint8_t)address->family,
                                            .prefix_bits = address->prefix_bits,
                                            .flags = IFA_F_PERMANENT,
                                            .scope = address->scope,
                                            .index = (uint32_t)interface->index};
    uint32_t bytes = address->family == AF_INET ? 4 : 16;
    uint32_t start = answer->used_bytes;
    message_put(self, answer, request, RTM_NEWADDR, &message, sizeof(message));
    attribute_put(answer, IFA_ADDRESS, address->bytes, bytes);
    if (address->family == AF_INET) {
        attribute_put(answer, IFA_LOCAL, address->bytes, bytes);
        attribute_put(answer, IFA_LABEL, interface->name, (uint32_t)strlen(interface->name) + 1);
    }
    message_end(answer, start);
}

/* What there is, and that it is all. family AF_UNSPEC: of all. */
static void dump_put(struct netlink_socket *self, struct answer *answer,
                     const struct message_header *request, uint8_t family)
{
    for (uint32_t i = 0; i < interface_count; i++) {
        const struct interface *interface = &interfaces[i];
        if (request->type == RTM_GETLINK) {
            link_put(self, answer, request, interface);
        }
        for (uint32_t j = 0; request->type == RTM_GETADDR && j < interface->address_count; j++) {
            if (family == AF_UNSPEC || family == interface->address[j].family) {
                address_put(self, answer, request, interface, &interface->address[j]);
            }
        }
    }
}

static long done_put(struct netlink_socket *self, const struct message_header *request)
{
    static const int32_t none;
    struct answer *answer = answer_new(self);
    if (answer == NULL) {
        return -ENOBUFS;
    }
    message_put(self, answer, request, NLMSG_DONE, &none, sizeof(none));
    message_end(answer, 0);
    return 0;
}

/* An error, or (0) that it was done. */
static long error_put(struct netlink_socket *self, const struct message_header *request, int error)
{
    struct answer *answer = answer_new(self);
    if (answer == NULL) {
        return -ENOBUFS;
    }
    message_put(self, answer, request, NLMSG_ERROR, &error, sizeof(error));
    bytes_put(answer, request, sizeof(*request));
    message_end(answer, 0);
    return 0;
}

/* --- requests -------------------------------------------------------------------------------- */

/* Under the lock. */
static long request_handle(struct netlink_socket *self, const struct message_header *request,
                           uint8_t family)
{
    bool dump = (request->flags & NLM_F_DUMP) == NLM_F_DUMP;
    bool known = request->type == RTM_GETLINK || request->type == RTM_GETADDR ||
                 request->type == RTM_GETROUTE;
    if (request->type < RTM_NEWLINK) {
        return request->flags & NLM_F_ACK ? error_put(self, request, 0) : 0;
    }
    if (!RTM_IS_GET(request->type)) {
        return error_put(self, request, -EPERM);
    }
    if (!known || !dump) {
        return error_put(self, request, -EOPNOTSUPP);
    }
    struct answer *answer = request->type == RTM_GETROUTE ? NULL : answer_new(self);
    if (answer != NULL) {
        dump_put(self, answer, request, family);
    }
    return done_put(self, request);
}

static long requests_handle(struct netlink_socket *self, const uint8_t *bytes,
                            uint32_t length_bytes)
{
    struct message_header request;
    uint32_t at = 0;
    long result = 0;
    while (result == 0 && length_bytes - at >= sizeof(request)) {
        memcpy(&request, bytes + at, sizeof(request));
        uint32_t left = length_bytes - at;
        if (request.length_bytes < sizeof(request) || request.length_bytes > left) {
            break;
        }
        bool has_body = request.length_bytes > sizeof(request);
        result = request_handle(self, &request, has_body ? bytes[at + sizeof(request)] : 0);
        at += MIN(ALIGN_UP(request.length_bytes, 4u), left);
    }
    return result;
}

static void port_choose(struct netlink_socket *self)
{
    static uint32_t last; /* atomic */
    if (self->port == 0) {
        /* The first of a process has its number, as on Linux. */
        uint32_t number = __atomic_fetch_add(&last, 1, __ATOMIC_RELAXED);
        self->port = number == 0 ? (uint32_t)task_current()->group->pid : 0xfffff000u - number;
    }
}

static long netlink_send(struct socket *socket, struct socket_message *message)
{
    struct netlink_socket *self = socket_netlink(socket);
    uint64_t length_bytes = message->io->left_bytes;
    if (length_bytes > REQUEST_MAX_BYTES) {
        return -EMSGSIZE;
    }
    uint8_t *bytes = heap_alloc(length_bytes + 1);
    if (bytes == NULL) {
        return -ENOBUFS;
    }
    long result = io_take(message->io, bytes, length_bytes);
    if (result == 0) {
        mutex_lock(&self->lock);
        port_choose(self);
        result = requests_handle(self, bytes, (uint32_t)length_bytes);
        mutex_unlock(&self->lock);
        wait_queue_wake(&socket->read_wait, WAIT_POLLIN);
    }
    heap_free(bytes);
    return result != 0 ? result : (long)length_bytes;
}

/* --- the rest of the table ------------------------------------------------------------------- */

static void address_from_kernel(struct socket_address *address)
{
    const struct netlink_address from = {.family = AF_NETLINK};
    *address = (struct socket_address){.length_bytes = sizeof(from)};
    memcpy(address->bytes, &from, sizeof(from));
}

static long answer_take(struct netlink_socket *self, struct socket_message *message)
{
    mutex_lock(&self->lock);
    struct answer *answer = self->first;
    mutex_unlock(&self->lock);
    if (answer == NULL) {
        return -EAGAIN;
    }
    uint32_t length_bytes = (uint32_t)MIN((uint64_t)answer->used_bytes, message->io->left_bytes);
    message->result_flags |= length_bytes < answer->used_bytes ? MSG_TRUNC : 0;
    if (message->address != NULL) {
        address_from_kernel(message->address);
    }
    long result = io_put(message->io, answer->bytes, length_bytes);
    result = result != 0                  ? result
             : message->flags & MSG_TRUNC ? (long)answer->used_bytes
                                          : (long)length_bytes;
    if (!(message->flags & MSG_PEEK)) {
        mutex_lock(&self->lock);
        self->first = answer->next;
        self->last = self->first == NULL ? NULL : self->last;
        self->waiting_bytes -= (uint32_t)sizeof(*answer);
        mutex_unlock(&self->lock);
        heap_free(answer);
    }
    return result;
}

static long netlink_receive(struct socket *socket, struct socket_message *message)
{
    struct netlink_socket *self = socket_netlink(socket);
    mutex_lock(&self->read_turn);
    long result = answer_take(self, message);
    mutex_unlock(&self->read_turn);
    return result;
}

static uint32_t netlink_poll(struct socket *socket, struct poll_table *table)
{
    struct netlink_socket *self = socket_netlink(socket);
    (void)table;
    mutex_lock(&self->lock);
    uint32_t events = WAIT_POLLOUT | (self->first != NULL ? WAIT_POLLIN : 0);
    mutex_unlock(&self->lock);
    return events;
}

static long netlink_bind(struct socket *socket, const struct socket_address *address)
{
    struct netlink_socket *self = socket_netlink(socket);
    struct netlink_address name;
    if (address->length_bytes < sizeof(name) || address->family != AF_NETLINK) {
        return -EINVAL;
    }
    memcpy(&name, address->bytes, sizeof(name));
    mutex_lock(&self->lock);
    self->port = name.port;
    port_choose(self);
    mutex_unlock(&self->lock);
    return 0;
}

static long netlink_connect(struct socket *socket, const struct socket_address *address, bool wait)
{
    (void)wait;
    if (address->length_bytes < sizeof(address->family)) {
        return -EINVAL;
    }
    mutex_lock(&socket_netlink(socket)->lock);
    port_choose(socket_netlink(socket));
    mutex_unlock(&socket_netlink(socket)->lock);
    return 0;
}

static long netlink_name(struct socket *socket, bool of_peer, struct socket_address *out)
{
    address_from_kernel(out);
    if (!of_peer) {
        uint32_t port = __atomic_load_n(&socket_netlink(socket)->port, __ATOMIC_RELAXED);
        memcpy(out->bytes + offsetof(struct netlink_address, port), &port, sizeof(port));
    }
    return 0;
}

static long netlink_option_get(struct socket *socket, int level, int name, void *value,
                               uint32_t *length_bytes)
{
    (void)socket, (void)level, (void)name, (void)value, (void)length_bytes;
    return -ENOPROTOOPT;
}

/* What it would do to answers, programs can do without. */
static long netlink_option_set(struct socket *socket, int level, int name, const void *value,
                               uint32_t length_bytes)
{
    (void)socket, (void)name, (void)value, (void)length_bytes;
    return level == SOL_NETLINK ? 0 : -ENOPROTOOPT;
}

static void netlink_close(struct socket *socket)
{
    struct netlink_socket *self = socket_netlink(socket);
    while (self->first != NULL) {
        struct answer *answer = self->first;
        self->first = answer->next;
        heap_free(answer);
    }
}

static void netlink_free(struct socket *socket)
{
    heap_free(socket_netlink(socket));
}

static const struct socket_operations netlink_operations = {
    .bind = netlink_bind,
    .connect = netlink_connect,
    .name = netlink_name,
    .send = netlink_send,
    .receive = netlink_receive,
    .poll = netlink_poll,
    .option_get = netlink_option_get,
    .option_set = netlink_option_set,
    .close = netlink_close,
    .free = netlink_free,
};

long netlink_socket_new(uint16_t type, int protocol, struct socket **out)
{
    if (type != SOCK_RAW && type != SOCK_DGRAM) {
        return -ESOCKTNOSUPPORT;
    }
    if (protocol != NETLINK_ROUTE) {
        return -EPROTONOSUPPORT;
    }
    struct netlink_socket *self = heap_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    socket_init(&self->socket, &netlink_operations, AF_NETLINK, type, NETLINK_ROUTE);
    *out = &self->socket;
    return 0;
}
