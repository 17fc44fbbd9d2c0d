/*
 * Ancillary data of datagrams: what a receive tells (ip(7), ipv6(7): IP_PKTINFO, IP_RECVTTL, ...),
 * and what a send asks for. Kinds and their order are Linux's; a socket of IPv6 that has a datagram
 * of IPv4 sees both families' notes of it.
 */
#include <lwip/ip.h>

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/net/inet.h"
#include "linux/net/interface.h"

#define IP_NOTE_TOS       1
#define IP_NOTE_TTL       2
#define IP_NOTE_PKTINFO   8
#define IPV6_NOTE_PKTINFO 50
#define IPV6_NOTE_HOPS    52
#define IPV6_NOTE_CLASS   67

struct information_ip4 { /* struct in_pktinfo */
    uint32_t interface;
    uint32_t own_address;
    uint32_t address;
};

struct information_ip6 { /* struct in6_pktinfo */
    uint32_t address[4];
    uint32_t interface;
};
_Static_assert(sizeof(struct information_ip6) <= SOCKET_NOTE_BYTES, "fits into a note");

/* --- receiving ------------------------------------------------------------------------------- */

static void note_add(struct socket_notes *notes, int level, int type, const void *data,
                     uint32_t length_bytes)
{
    struct socket_note *note = &notes->note[notes->count++];
    note->level = level;
    note->type = type;
    note->length_bytes = length_bytes;
    memcpy(note->bytes, data, length_bytes);
}

static void number_add(struct socket_notes *notes, int level, int type, int number)
{
    note_add(notes, level, type, &number, sizeof(number));
}

static void ip4_add(uint32_t wanted, const struct inet_datagram *datagram,
                    struct socket_notes *notes)
{
    if (wanted & INET_NOTE_IP4_TO) {
        uint32_t address = ip_addr_get_ip4_u32(&datagram->to);
        const struct information_ip4 ip4 = {INTERFACE_LO, address, address};
        note_add(notes, IPPROTO_IP, IP_NOTE_PKTINFO, &ip4, sizeof(ip4));
    }
    if (wanted & INET_NOTE_IP4_HOPS) {
        number_add(notes, IPPROTO_IP, IP_NOTE_TTL, datagram->hops);
    }
    if (wanted & INET_NOTE_IP4_TRAFFIC) {
        note_add(notes, IPPROTO_IP, IP_NOTE_TOS, &datagram->traffic, 1);
    }
}

static void ip6_add(uint32_t wanted, const struct inet_datagram *datagram,
                    struct socket_notes *notes)
{
    if (wanted & INET_NOTE_IP6_HOPS) {
        number_add(notes, IPPROTO_IPV6, IPV6_NOTE_HOPS, datagram->hops);
    }
    if (wanted & INET_NOTE_IP6_TRAFFIC) {
        number_add(notes, IPPROTO_IPV6, IPV6_NOTE_CLASS, datagram->traffic);
    }
}

void inet_notes_write(const struct inet_socket *self, const struct inet_datagram *datagram,
                      struct socket_notes *notes)
{
    uint32_t wanted = self->notes;
    if (notes == NULL || wanted == 0) {
        return;
    }
    if (wanted & INET_NOTE_IP6_TO) {
        struct information_ip6 ip6 = {.interface = INTERFACE_LO};
        inet_address_as_ip6(&datagram->to, ip6.address);
        note_add(notes, IPPROTO_IPV6, IPV6_NOTE_PKTINFO, &ip6, sizeof(ip6));
    }
    if (IP_IS_V4(&datagram->to)) {
        ip4_add(wanted, datagram, notes);
    } else {
        ip6_add(wanted, datagram, notes);
    }
}

/* --- sending --------------------------------------------------------------------------------- */

/* An address of ours to send from; the wildcard asks for none. */
static long source_read(const ip_addr_t *address, uint32_t interface, struct inet_sending *out)
{
    if (interface != 0 && interface != INTERFACE_LO) {
        return -ENODEV;
    }
    out->has_source = !ip_addr_isany(address);
    out->source = *address;
    if (!out->has_source || inet_is_ours(address)) {
        return 0;
    }
    return IP_IS_V4(address) ? -ENETUNREACH : -EINVAL;
}

static long information_read(const struct socket_note *note, bool to_ip4, struct inet_sending *out)
{
    struct information_ip6 ip6;
    ip_addr_t address;
    if (note->length_bytes < sizeof(ip6)) {
        return -EINVAL;
    }
    memcpy(&ip6, note->bytes, sizeof(ip6));
    inet_address_from_ip6(ip6.address, &address);
    return IP_IS_V4(&address) == to_ip4 ? source_read(&address, ip6.interface, out) : -EINVAL;
}

/* A number of `least` to 255; -1, where that is allowed, leaves what the socket has. */
static long number_read(const struct socket_note *note, int least, uint8_t *out)
{
    int number;
    if (note->length_bytes != sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, note->bytes, sizeof(number));
    if (number < least || number > UINT8_MAX) {
        return -EINVAL;
    }
    *out = number < 0 ? *out : (uint8_t)number;
    return 0;
}

static long ip4_read(const struct socket_note *note, struct inet_sending *out)
{
    struct information_ip4 ip4;
    switch (note->type) {
    case IP_NOTE_PKTINFO:
        if (note->length_bytes != sizeof(ip4)) {
            return -EINVAL;
        }
        memcpy(&ip4, note->bytes, sizeof(ip4));
        return source_read(&(const ip_addr_t)IPADDR4_INIT(ip4.own_address), ip4.interface, out);
    case IP_NOTE_TTL:
        return number_read(note, 1, &out->hops);
    case IP_NOTE_TOS:
        if (note->length_bytes == sizeof(out->traffic)) {
            out->traffic = note->bytes[0];
            return 0;
        }
        return number_read(note, 0, &out->traffic);
    default:
        return -EINVAL;
    }
}

static long ip6_read(const struct socket_note *note, struct inet_sending *out)
{
    switch (note->type) {
    case IPV6_NOTE_PKTINFO:
        return information_read(note, false, out);
    case IPV6_NOTE_HOPS:
        return number_read(note, -1, &out->hops);
    case IPV6_NOTE_CLASS:
        return number_read(note, -1, &out->traffic);
    default:
        return -EINVAL;
    }
}

static long note_read(const struct inet_socket *self, const struct socket_note *note, bool to_ip4,
                      struct inet_sending *out)
{
    if (to_ip4 && note->level == IPPROTO_IP) {
        return ip4_read(note, out);
    }
    if (note->level != IPPROTO_IPV6 || self->socket.domain != AF_INET6) {
        return 0; /* of another protocol, which does not look at it */
    }
    if (to_ip4) {
        return note->type == IPV6_NOTE_PKTINFO ? information_read(note, true, out) : 0;
    }
    return ip6_read(note, out);
}

long inet_notes_read(const struct inet_socket *self, const struct socket_notes *notes,
                     const ip_addr_t *to, struct inet_sending *out)
{
    bool to_ip4 = IP_IS_V4(to);
    *out = (struct inet_sending){.hops = self->hops[!to_ip4], .traffic = self->traffic[!to_ip4]};
    if (notes == NULL) {
        return 0;
    }
    long result = notes->unkept ? -EINVAL : 0;
    for (uint32_t i = 0; i < notes->count && result == 0; i++) {
        result = note_read(self, &notes->note[i], to_ip4, out);
    }
    return result;
}
