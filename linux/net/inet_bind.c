/*
 * Addresses and ports of our own. Whether two sockets may have the same is decided here, by Linux's
 * rules (inet_csk_bind_conflict), for all sockets of the container; lwIP looks after TIME-WAIT.
 */
#include <lwip/priv/tcp_priv.h>

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/net/inet.h"

#define PORTS (SOCKET_PORT_LAST - SOCKET_PORT_FIRST + 1)
/* lwIP may refuse a port that seems free; each refusal is a pass over its connections. */
#define REFUSALS_MAX 64u

static bool has_ip4(const ip_addr_t *address)
{
    return IP_GET_TYPE(address) != IPADDR_TYPE_V6;
}

static bool has_ip6(const ip_addr_t *address)
{
    return IP_GET_TYPE(address) != IPADDR_TYPE_V4;
}

/* Some packet could be for either. */
static bool overlap(const ip_addr_t *a, const ip_addr_t *b)
{
    bool common = (has_ip4(a) && has_ip4(b)) || (has_ip6(a) && has_ip6(b));
    return common && (ip_addr_isany(a) || ip_addr_isany(b) || ip_addr_cmp(a, b));
}

static bool may_share(const struct inet_socket *self, const struct inet_socket *other)
{
    uint32_t both = self->socket.options & other->socket.options;
    if ((both & SOCKET_REUSE_PORT) && self->owner == other->owner) {
        return true;
    }
    return (both & SOCKET_REUSE_ADDRESS) && other->state != INET_LISTENING;
}

/* Under the lock: `self` could not have a port of the other's for that address. */
static bool is_in_the_way(const struct inet_socket *self, const struct inet_socket *other,
                          const ip_addr_t *address)
{
    return other != self && other->socket.type == self->socket.type && other->bound &&
           overlap(&other->local.address, address) && !may_share(self, other);
}

/* Under the lock. */
static bool is_taken(const struct inet_socket *self, const struct inet_name *name)
{
    for (const struct inet_socket *other = inet_sockets; other != NULL; other = other->next) {
        if (other->local.port == name->port && is_in_the_way(self, other, &name->address)) {
            return true;
        }
    }
    return false;
}

bool inet_bind_is_taken(const struct inet_socket *self)
{
    return is_taken(self, &self->local);
}

static long bind_there(struct inet_socket *self, const struct inet_name *name)
{
    err_t error = inet_is_stream(self) ? tcp_bind(self->tcp, &name->address, name->port)
                                       : udp_bind(self->udp, &name->address, name->port);
    if (error != ERR_OK) {
        return inet_result(error);
    }
    self->local = *name;
    self->bound = true;
    return 0;
}

/* Which of the ports that are chosen from are taken; under the lock. */
static uint32_t taken[(PORTS + 31) / 32] LARGE_TABLE;

static void taken_mark(uint32_t port)
{
    if (port >= SOCKET_PORT_FIRST && port <= SOCKET_PORT_LAST) {
        uint32_t index = port - SOCKET_PORT_FIRST;
        taken[index / 32] |= 1u << index % 32;
    }
}

/* Connections that lwIP keeps for itself until they are over. */
static void taken_mark_ending(const struct inet_socket *self)
{
    bool shares = self->socket.options & (SOCKET_REUSE_ADDRESS | SOCKET_REUSE_PORT);
    for (const struct tcp_pcb *pcb = shares ? NULL : tcp_tw_pcbs; pcb != NULL; pcb = pcb->next) {
        taken_mark(pcb->local_port);
    }
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (!shares || !ip_get_option(pcb, SOF_REUSEADDR)) {
            taken_mark(pcb->local_port);
        }
    }
}

/* In one pass over the sockets: one for each port would hold the lock for as many. */
static void taken_find(const struct inet_socket *self, const struct inet_name *name)
{
    memset(taken, 0, sizeof(taken));
    for (const struct inet_socket *other = inet_sockets; other != NULL; other = other->next) {
        if (is_in_the_way(self, other, &name->address)) {
            taken_mark(other->local.port);
        }
    }
    if (inet_is_stream(self)) {
        taken_mark_ending(self);
    }
}

/* A port that is free for that address: first a random one, then those behind it. */
static long bind_somewhere(struct inet_socket *self, struct inet_name *name)
{
    uint32_t start = inet_random() % PORTS;
    uint32_t refused = 0;
    taken_find(self, name);
    for (uint32_t i = 0; i < PORTS && refused < REFUSALS_MAX; i++) {
        uint32_t index = (start + i) % PORTS;
        if (taken[index / 32] & (1u << index % 32)) {
            continue;
        }
        name->port = (uint16_t)(SOCKET_PORT_FIRST + index);
        if (bind_there(self, name) == 0) {
            return 0;
        }
        refused++;
    }
    return -EADDRINUSE;
}

static long bind_checked(struct inet_socket *self, struct inet_name *name)
{
    if (self->bound || self->state != INET_IDLE || (inet_is_stream(self) && self->tcp == NULL)) {
        return -EINVAL;
    }
    if (name->port == 0) {
        return bind_somewhere(self, name);
    }
    return is_taken(self, name) ? -EADDRINUSE : bind_there(self, name);
}

long inet_bind(struct socket *socket, const struct socket_address *address)
{
    struct inet_socket *self = socket_inet(socket);
    struct inet_name name;
    long result = inet_name_read(self, address, &name);
    if (result != 0) {
        return result;
    }
    if (ip_addr_isany(&name.address)) {
        uint16_t port = name.port;
        if (!IP_IS_V4(&name.address) || socket->domain == AF_INET) {
            inet_name_any(self, &name);
        }
        name.port = port;
    }
    bool port_asked = name.port != 0;
    inet_enter();
    result = !ip_addr_isany(&name.address) && !inet_is_ours(&name.address)
                 ? -EADDRNOTAVAIL
                 : bind_checked(self, &name);
    if (result == 0) {
        self->bound_to_address = !ip_addr_isany(&name.address);
        self->port_asked = port_asked;
    }
    inet_leave();
    return result;
}

void inet_bind_again(struct inet_socket *self)
{
    const struct inet_name name = self->local;
    (void)bind_there(self, &name);
}

long inet_bind_automatically(struct inet_socket *self)
{
    struct inet_name name;
    if (self->bound) {
        return 0;
    }
    inet_name_any(self, &name);
    if (self->bound_to_address) {
        name.address = self->local.address;
    }
    return bind_somewhere(self, &name);
}
