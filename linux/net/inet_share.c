/*
 * Sockets that share an address and a port by SO_REUSEPORT. lwIP finds one of them for what
 * arrives; which of them gets it is chosen here, by who sends: what one sender sends stays together
 * for as long as the sockets are the same. All of it under inet_lock.
 */
#include "linux/net/inet.h"

static bool shares(const struct inet_socket *self, const struct inet_socket *other)
{
    return other->socket.type == self->socket.type && other->state == self->state && other->bound &&
           other->owner == self->owner && (other->socket.options & SOCKET_REUSE_PORT) &&
           other->local.port == self->local.port &&
           IP_GET_TYPE(&other->local.address) == IP_GET_TYPE(&self->local.address) &&
           ip_addr_cmp(&other->local.address, &self->local.address);
}

/* The one of that number among those that share with `self`, which is one of them; NULL: they are
 * `*count` only. */
static struct inet_socket *sharer(const struct inet_socket *self, uint32_t number, uint32_t *count)
{
    *count = 0;
    for (struct inet_socket *other = inet_sockets; other != NULL; other = other->next) {
        if (shares(self, other) && (*count)++ == number) {
            return other;
        }
    }
    return NULL;
}

/* Four bytes of the address are enough: on lo there are few. */
static uint32_t sender_hash(const ip_addr_t *address, uint16_t port)
{
    uint32_t word = IP_IS_V4(address) ? ip_addr_get_ip4_u32(address) : ip_2_ip6(address)->addr[3];
    uint32_t hash = (word ^ port * 0x9e3779b1u) * 0x85ebca6bu;
    return hash ^ hash >> 15;
}

struct inet_socket *inet_share_choose(struct inet_socket *self, const ip_addr_t *address,
                                      uint16_t port)
{
    uint32_t count;
    if (!(self->socket.options & SOCKET_REUSE_PORT) || self->state == INET_CONNECTED) {
        return self;
    }
    (void)sharer(self, UINT32_MAX, &count);
    return count == 0 ? self : sharer(self, sender_hash(address, port) % count, &count);
}
