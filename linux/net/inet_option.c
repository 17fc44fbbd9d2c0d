/* Options of IPPROTO_TCP, IPPROTO_IP and IPPROTO_IPV6 that act on lo; the rest is inet_kept.c's. */
#include <lwip/priv/tcp_priv.h>

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/net/inet.h"

#define SOL_SOCKET 1

#define TCP_OPTION_NODELAY    1
#define TCP_OPTION_MAXSEG     2
#define TCP_OPTION_KEEPIDLE   4
#define TCP_OPTION_KEEPINTVL  5
#define TCP_OPTION_KEEPCNT    6
#define TCP_OPTION_INFO       11
#define TCP_OPTION_QUICKACK   12
#define TCP_OPTION_CONGESTION 13

#define UDPLITE_OPTION_SEND_CSCOV 10
#define UDPLITE_OPTION_RECV_CSCOV 11

#define IP_OPTION_TOS     1
#define IP_OPTION_TTL     2
#define IP_OPTION_PKTINFO 8
#define IP_OPTION_RECVTTL 12
#define IP_OPTION_RECVTOS 13
#define IP_OPTION_MTU     14

#define IPV6_OPTION_UNICAST_HOPS   16
#define IPV6_OPTION_MULTICAST_HOPS 18
#define IPV6_OPTION_V6ONLY         26
#define IPV6_OPTION_RECVPKTINFO    49
#define IPV6_OPTION_RECVHOPLIMIT   51
#define IPV6_OPTION_RECVTCLASS     66
#define IPV6_OPTION_TCLASS         67

#define ECN_MASK 3u /* of a type of service: the stream's own */

#define KEEP_SECONDS_MAX 32767
#define KEEP_COUNT_MAX   127

/* struct tcp_info, as far as it is filled. */
struct tcp_information {
    uint8_t state;
    uint8_t unused[7];
    uint32_t rto_us, ack_us, send_mss, receive_mss;
    uint32_t more[20];
};

/* Linux's numbers for lwIP's states, which are enum tcp_state. */
static const uint8_t linux_state[] = {
    [CLOSED] = 7,      [LISTEN] = 10,    [SYN_SENT] = 2,   [SYN_RCVD] = 3,
    [ESTABLISHED] = 1, [FIN_WAIT_1] = 4, [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8,
    [CLOSING] = 11,    [LAST_ACK] = 9,   [TIME_WAIT] = 6,
};

uint8_t inet_tcp_state(const struct inet_socket *self)
{
    return linux_state[self->tcp == NULL ? CLOSED : self->tcp->state];
}

void inet_option_changed(struct socket *socket)
{
    struct inet_socket *self = socket_inet(socket);
    inet_enter();
    if (inet_is_stream(self)) {
        inet_tcp_options_apply(self);
    } else {
        bool reuse = self->socket.options & (SOCKET_REUSE_ADDRESS | SOCKET_REUSE_PORT);
        bool broadcast = self->socket.options & SOCKET_BROADCAST;
        self->udp->so_options =
            (uint8_t)((reuse ? SOF_REUSEADDR : 0) | (broadcast ? SOF_BROADCAST : 0));
    }
    inet_leave();
}

/* --- setting --------------------------------------------------------------------------------- */

static long tcp_set(struct inet_socket *self, int name, int number)
{
    switch (name) {
    case TCP_OPTION_NODELAY:
        self->no_delay = number != 0;
        return 0;
    case TCP_OPTION_KEEPIDLE:
    case TCP_OPTION_KEEPINTVL:
        if (number < 1 || number > KEEP_SECONDS_MAX) {
            return -EINVAL;
        }
        *(name == TCP_OPTION_KEEPIDLE ? &self->keep_idle_s : &self->keep_interval_s) =
            (uint32_t)number;
        return 0;
    case TCP_OPTION_KEEPCNT:
        if (number < 1 || number > KEEP_COUNT_MAX) {
            return -EINVAL;
        }
        self->keep_count = (uint32_t)number;
        return 0;
    case TCP_OPTION_MAXSEG:
    case TCP_OPTION_QUICKACK:
        return 0;
    default:
        return inet_kept_set(self, IPPROTO_TCP, name, number);
    }
}

/* Options that ask for a note; 0: another one. */
static uint32_t ip_note(int name)
{
    return name == IP_OPTION_PKTINFO   ? INET_NOTE_IP4_TO
           : name == IP_OPTION_RECVTTL ? INET_NOTE_IP4_HOPS
           : name == IP_OPTION_RECVTOS ? INET_NOTE_IP4_TRAFFIC
                                       : 0;
}

static uint32_t ipv6_note(int name)
{
    return name == IPV6_OPTION_RECVPKTINFO    ? INET_NOTE_IP6_TO
           : name == IPV6_OPTION_RECVHOPLIMIT ? INET_NOTE_IP6_HOPS
           : name == IPV6_OPTION_RECVTCLASS   ? INET_NOTE_IP6_TRAFFIC
                                              : 0;
}

static long note_set(struct inet_socket *self, uint32_t note, bool wanted)
{
    self->notes = wanted ? self->notes | note : self->notes & ~note;
    return 0;
}

/* A number of at most 255; -1 means the default. */
static long small_set(uint8_t *to, int number, int least, uint8_t by_default)
{
    if (number > UINT8_MAX || (number < least && number != -1)) {
        return -EINVAL;
    }
    *to = number == -1 ? by_default : (uint8_t)number;
    return 0;
}

static long ip_set(struct inet_socket *self, int name, int number)
{
    if (ip_note(name) != 0) {
        return note_set(self, ip_note(name), number != 0);
    }
    switch (name) {
    case IP_OPTION_TOS:
        self->traffic[0] = (uint8_t)(inet_is_stream(self) ? number & ~ECN_MASK : (uint32_t)number);
        return 0;
    case IP_OPTION_TTL:
        return small_set(&self->hops[0], number, 1, HOPS_DEFAULT);
    default:
        return inet_kept_set(self, IPPROTO_IP, name, number);
    }
}

static long ipv6_set(struct inet_socket *self, int name, int number)
{
    if (ipv6_note(name) != 0) {
        return note_set(self, ipv6_note(name), number != 0);
    }
    switch (name) {
    case IPV6_OPTION_V6ONLY:
        if (self->bound) {
            return -EINVAL;
        }
        self->only_v6 = number != 0;
        inet_name_any(self, &self->local);
        return 0;
    case IPV6_OPTION_UNICAST_HOPS:
        return small_set(&self->hops[1], number, 0, HOPS_DEFAULT);
    case IPV6_OPTION_MULTICAST_HOPS:
        return inet_is_stream(self) ? -ENOPROTOOPT : small_set(&self->multicast_hops, number, 0, 1);
    case IPV6_OPTION_TCLASS:
        return small_set(&self->traffic[1], number, 0, 0);
    default:
        return inet_kept_set(self, IPPROTO_IPV6, name, number);
    }
}

static bool is_lite(const struct inet_socket *self, int level)
{
    return self->socket.protocol == IPPROTO_UDPLITE &&
           (level == IPPROTO_UDPLITE || level == IPPROTO_UDP);
}

/* The header is covered always. */
static long lite_set(struct inet_socket *self, int name, int number)
{
    uint16_t coverage = (uint16_t)(number == 0 ? 0 : MIN(MAX(number, UDP_HLEN), UINT16_MAX));
    switch (name) {
    case UDPLITE_OPTION_SEND_CSCOV:
        self->coverage = coverage;
        self->udp->chksum_len_tx = coverage;
        return 0;
    case UDPLITE_OPTION_RECV_CSCOV:
        self->coverage_wanted = coverage;
        self->coverage_matters = true;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

long inet_option_set(struct socket *socket, int level, int name, const void *value,
                     uint32_t length_bytes)
{
    struct inet_socket *self = socket_inet(socket);
    int number = 0;
    long result = -ENOPROTOOPT;
    if (level == IPPROTO_TCP && name == TCP_OPTION_CONGESTION) {
        return 0;
    }
    if (level == SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    if (length_bytes < 1 || (length_bytes < sizeof(number) && level != IPPROTO_IP)) {
        return -EINVAL;
    }
    memcpy(&number, value, MIN(length_bytes, (uint32_t)sizeof(number)));
    inet_enter();
    if (level == IPPROTO_TCP && inet_is_stream(self)) {
        result = tcp_set(self, name, number);
        inet_tcp_options_apply(self);
    } else if (level == IPPROTO_IP) {
        result = ip_set(self, name, number);
    } else if (level == IPPROTO_IPV6 && socket->domain == AF_INET6) {
        result = ipv6_set(self, name, number);
    } else if (is_lite(self, level)) {
        result = lite_set(self, name, number);
    }
    inet_leave();
    return result;
}

/* --- getting --------------------------------------------------------------------------------- */

static long tcp_get(struct inet_socket *self, int name, int *number)
{
    switch (name) {
    case TCP_OPTION_NODELAY:
        *number = self->no_delay;
        return 0;
    case TCP_OPTION_MAXSEG:
        *number = self->state == INET_CONNECTED ? TCP_MSS : 536;
        return 0;
    case TCP_OPTION_KEEPIDLE:
        *number = (int)self->keep_idle_s;
        return 0;
    case TCP_OPTION_KEEPINTVL:
        *number = (int)self->keep_interval_s;
        return 0;
    case TCP_OPTION_KEEPCNT:
        *number = (int)self->keep_count;
        return 0;
    case TCP_OPTION_QUICKACK:
        *number = 1;
        return 0;
    default:
        return inet_kept_get(self, IPPROTO_TCP, name, number);
    }
}

static long ip_get(struct inet_socket *self, int name, int *number)
{
    if (ip_note(name) != 0) {
        *number = (self->notes & ip_note(name)) != 0;
        return 0;
    }
    switch (name) {
    case IP_OPTION_TTL:
        *number = self->hops[0];
        return 0;
    case IP_OPTION_TOS:
        *number = self->traffic[0];
        return 0;
    case IP_OPTION_MTU:
        *number = 65535;
        return 0;
    default:
        return inet_kept_get(self, IPPROTO_IP, name, number);
    }
}

static long ipv6_get(struct inet_socket *self, int name, int *number)
{
    if (ipv6_note(name) != 0) {
        *number = (self->notes & ipv6_note(name)) != 0;
        return 0;
    }
    switch (name) {
    case IPV6_OPTION_V6ONLY:
        *number = self->only_v6;
        return 0;
    case IPV6_OPTION_UNICAST_HOPS:
        *number = self->hops[1];
        return 0;
    case IPV6_OPTION_MULTICAST_HOPS:
        *number = self->multicast_hops;
        return 0;
    case IPV6_OPTION_TCLASS:
        *number = self->traffic[1];
        return 0;
    default:
        return inet_kept_get(self, IPPROTO_IPV6, name, number);
    }
}

static long bytes_get(const void *from, uint32_t bytes, void *value, uint32_t *length_bytes)
{
    *length_bytes = MIN(*length_bytes, bytes);
    memcpy(value, from, *length_bytes);
    return 0;
}

static long information_get(struct inet_socket *self, void *value, uint32_t *length_bytes)
{
    struct tcp_information information = {.state = inet_tcp_state(self),
                                          .rto_us = 200000,
                                          .ack_us = TCP_TMR_INTERVAL * 1000,
                                          .send_mss = TCP_MSS,
                                          .receive_mss = TCP_MSS};
    return bytes_get(&information, sizeof(information), value, length_bytes);
}

long inet_option_get(struct socket *socket, int level, int name, void *value,
                     uint32_t *length_bytes)
{
    struct inet_socket *self = socket_inet(socket);
    int number = 0;
    long result = level == IPPROTO_IPV6 ? -EOPNOTSUPP : -ENOPROTOOPT;
    inet_look_begin();
    if (level == IPPROTO_TCP && inet_is_stream(self)) {
        result = tcp_get(self, name, &number);
    } else if (level == IPPROTO_IP) {
        result = ip_get(self, name, &number);
    } else if (level == IPPROTO_IPV6 && socket->domain == AF_INET6) {
        result = ipv6_get(self, name, &number);
    } else if (is_lite(self, level) && name == UDPLITE_OPTION_SEND_CSCOV) {
        number = self->coverage;
        result = 0;
    } else if (is_lite(self, level) && name == UDPLITE_OPTION_RECV_CSCOV) {
        number = self->coverage_wanted;
        result = 0;
    }
    bool is_information = level == IPPROTO_TCP && inet_is_stream(self) && name == TCP_OPTION_INFO;
    if (is_information) {
        result = information_get(self, value, length_bytes);
    }
    inet_look_end();
    if (level == IPPROTO_TCP && inet_is_stream(self) && name == TCP_OPTION_CONGESTION) {
        return bytes_get("reno", 5, value, length_bytes);
    }
    return result != 0 || is_information ? result
                                         : bytes_get(&number, sizeof(number), value, length_bytes);
}
