/*
 * ICMP errors. lwIP counts them and no more; here a port that nobody listens on becomes
 * ECONNREFUSED of the connected UDP socket whose datagram it was. The packets are lo's, whole and
 * in one buffer.
 */
#include <lwip/icmp.h>
#include <lwip/icmp6.h>
#include <lwip/ip.h>
#include <lwip/pbuf.h>
#include <lwip/prot/icmp.h>
#include <lwip/prot/icmp6.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/udp.h>

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/net/inet.h"

#define ICMP_HEADER_BYTES 8u
#define PORTS_BYTES       8u /* of the datagram, what an error repeats at least */

/* The datagram went from that port of ours to that address and port. */
static void datagram_refused(uint16_t protocol, uint16_t local_port, const ip_addr_t *to,
                             uint16_t to_port)
{
    for (struct inet_socket *self = inet_sockets; self != NULL; self = self->next) {
        if (self->socket.protocol == protocol && self->state == INET_CONNECTED &&
            self->local.port == local_port && self->remote.port == to_port &&
            ip_addr_cmp(&self->remote.address, to)) {
            self->socket.error = ECONNREFUSED;
            inet_notify(self, WAIT_POLLERR);
        }
    }
}

static bool is_of_datagram(uint32_t protocol)
{
    return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

static void refused(uint16_t protocol, const uint8_t *udp, const ip_addr_t *to)
{
    const struct udp_hdr *header = (const struct udp_hdr *)(const void *)udp;
    datagram_refused(protocol, lwip_ntohs(header->src), to, lwip_ntohs(header->dest));
}

void inet_error_ip4(const struct pbuf *packet)
{
    const uint8_t *bytes = packet->payload;
    const struct ip_hdr *outer = packet->payload;
    if (packet->len < IP_HLEN || IPH_PROTO(outer) != IP_PROTO_ICMP ||
        packet->len < 2 * IP_HLEN + ICMP_HEADER_BYTES + PORTS_BYTES) {
        return;
    }
    const struct icmp_echo_hdr *icmp =
        (const struct icmp_echo_hdr *)(const void *)(bytes + IP_HLEN);
    const uint8_t *inner_bytes = bytes + IP_HLEN + ICMP_HEADER_BYTES;
    const struct ip_hdr *inner = (const struct ip_hdr *)(const void *)inner_bytes;
    if (ICMPH_TYPE(icmp) == ICMP_DUR && ICMPH_CODE(icmp) == ICMP_DUR_PORT &&
        IPH_HL_BYTES(outer) == IP_HLEN && IPH_HL_BYTES(inner) == IP_HLEN &&
        is_of_datagram(IPH_PROTO(inner))) {
        ip_addr_t to = IPADDR4_INIT(inner->dest.addr);
        refused(IPH_PROTO(inner), inner_bytes + IP_HLEN, &to);
    }
}

void inet_error_ip6(const struct pbuf *packet)
{
    const uint8_t *bytes = packet->payload;
    const struct ip6_hdr *outer = packet->payload;
    if (packet->len < 2 * IP6_HLEN + ICMP_HEADER_BYTES + PORTS_BYTES ||
        IP6H_NEXTH(outer) != IP6_NEXTH_ICMP6) {
        return;
    }
    const struct icmp6_hdr *icmp = (const struct icmp6_hdr *)(const void *)(bytes + IP6_HLEN);
    const uint8_t *inner_bytes = bytes + IP6_HLEN + ICMP_HEADER_BYTES;
    const struct ip6_hdr *inner = (const struct ip6_hdr *)(const void *)inner_bytes;
    if (icmp->type == ICMP6_TYPE_DUR && icmp->code == ICMP6_DUR_PORT &&
        is_of_datagram(IP6H_NEXTH(inner))) {
        uint32_t address[4];
        memcpy(address, inner->dest.addr, sizeof(address));
        ip_addr_t to = IPADDR6_INIT(address[0], address[1], address[2], address[3]);
        refused(IP6H_NEXTH(inner), inner_bytes + IP6_HLEN, &to);
    }
}
