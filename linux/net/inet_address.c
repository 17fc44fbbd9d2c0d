/*
 * Addresses of applications (struct sockaddr_in, struct sockaddr_in6) and of lwIP. A socket of IPv6
 * shows and takes addresses of IPv4 as ::ffff:a.b.c.d, unless it is for IPv6 alone.
 */
#include <lwip/ip.h>
#include <lwip/netif.h>

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/net/inet.h"

struct address_ip4 { /* struct sockaddr_in */
    uint16_t family;
    uint16_t port; /* of the network's byte order */
    uint32_t address;
    uint8_t padding[8];
};

struct address_ip6 { /* struct sockaddr_in6 */
    uint16_t family;
    uint16_t port;
    uint32_t flow;
    uint32_t address[4];
    uint32_t scope;
};

#define IP6_BYTES_MIN 24 /* without the scope, as RFC 2133 had it */
#define MAPPED_PREFIX PP_HTONL(0xffff)

static bool is_mapped(const uint32_t address[4])
{
    return address[0] == 0 && address[1] == 0 && address[2] == MAPPED_PREFIX;
}

static void ip4_set(ip_addr_t *to, uint32_t address)
{
    *to = (ip_addr_t)IPADDR4_INIT(address);
}

void inet_address_from_ip6(const uint32_t words[4], ip_addr_t *out)
{
    if (is_mapped(words)) {
        ip4_set(out, words[3]);
    } else {
        *out = (ip_addr_t)IPADDR6_INIT(words[0], words[1], words[2], words[3]);
    }
}

static long read_ip6(const struct inet_socket *self, const struct socket_address *address,
                     struct inet_name *out)
{
    struct address_ip6 ip6 = {.scope = 0};
    if (address->length_bytes < IP6_BYTES_MIN) {
        return -EINVAL;
    }
    memcpy(&ip6, address->bytes, sizeof(ip6));
    out->port = lwip_ntohs(ip6.port);
    inet_address_from_ip6(ip6.address, &out->address);
    return self->only_v6 && IP_IS_V4(&out->address) ? -ENETUNREACH : 0;
}

bool inet_name_is_none(const struct socket_address *address)
{
    return address->length_bytes >= sizeof(address->family) && address->family == AF_UNSPEC;
}

long inet_name_read(const struct inet_socket *self, const struct socket_address *address,
                    struct inet_name *out)
{
    struct address_ip4 ip4;
    if (address->length_bytes < sizeof(address->family)) {
        return -EINVAL;
    }
    if (self->socket.domain == AF_INET6 && address->family == AF_INET6) {
        return read_ip6(self, address, out);
    }
    if (address->length_bytes < sizeof(ip4)) {
        return -EINVAL;
    }
    if (self->socket.domain != address->family) {
        return -EAFNOSUPPORT;
    }
    memcpy(&ip4, address->bytes, sizeof(ip4));
    out->port = lwip_ntohs(ip4.port);
    ip4_set(&out->address, ip4.address);
    return 0;
}

void inet_address_as_ip6(const ip_addr_t *address, uint32_t out[4])
{
    if (IP_IS_V4(address)) {
        out[0] = out[1] = 0;
        out[2] = MAPPED_PREFIX;
        out[3] = ip_addr_get_ip4_u32(address);
    } else {
        memcpy(out, ip_2_ip6(address)->addr, 4 * sizeof(out[0]));
    }
}

void inet_name_write(const struct inet_socket *self, const struct inet_name *name,
                     struct socket_address *out)
{
    const ip_addr_t *address = &name->address;
    uint16_t port = lwip_htons(name->port);
    *out = (struct socket_address){.length_bytes = 0};
    if (self->socket.domain == AF_INET) {
        const struct address_ip4 ip4 = {AF_INET, port, ip_addr_get_ip4_u32(address), {0}};
        memcpy(out->bytes, &ip4, sizeof(ip4));
        out->length_bytes = sizeof(ip4);
        return;
    }
    struct address_ip6 ip6 = {.family = AF_INET6, .port = port};
    inet_address_as_ip6(address, ip6.address);
    memcpy(out->bytes, &ip6, sizeof(ip6));
    out->length_bytes = sizeof(ip6);
}

void inet_name_any(const struct inet_socket *self, struct inet_name *out)
{
    out->port = 0;
    if (self->socket.domain == AF_INET) {
        ip4_set(&out->address, 0);
    } else {
        out->address = (ip_addr_t)IPADDR6_INIT(0, 0, 0, 0);
        if (!self->only_v6) {
            out->address.type = IPADDR_TYPE_ANY;
        }
    }
}

void inet_name_complete(struct inet_name *name)
{
    if (!ip_addr_isany(&name->address)) {
        return;
    }
    if (IP_IS_V4(&name->address)) {
        ip4_set(&name->address, PP_HTONL(IPADDR_LOOPBACK));
    } else {
        name->address = (ip_addr_t)IPADDR6_INIT(0, 0, 0, PP_HTONL(1));
    }
}

bool inet_is_ours(const ip_addr_t *address)
{
    if (ip_addr_isloopback(address)) {
        return true;
    }
    struct netif *netif;
    NETIF_FOREACH(netif)
    {
        if (IP_IS_V4(address) ? ip4_addr_cmp(ip_2_ip4(address), netif_ip4_addr(netif))
                              : netif_get_ip6_addr_match(netif, ip_2_ip6(address)) >= 0) {
            return true;
        }
    }
    return false;
}

/* A host of IPv6 that is not us could only be behind an interface other than lo. */
bool inet_is_reachable(const ip_addr_t *address)
{
    if (inet_is_ours(address)) {
        return true;
    }
    const struct netif *netif = ip_route(IP46_ADDR_ANY(IP_GET_TYPE(address)), address);
    return netif != NULL && (IP_IS_V4(address) || netif_list->next != NULL);
}
