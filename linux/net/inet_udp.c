/* Datagrams: each is one buffer of lwIP's with the address that it came from. */
#include <lwip/udp.h>

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/net/inet.h"

#define DATAGRAM_MAX_BYTES 65507u
/* What a datagram costs beside its bytes. */
#define OVERHEAD_BYTES 256u

/* --- life ------------------------------------------------------------------------------------ */

/*
 * UDP and UDP-Lite have the same ports here. Of the latter the checksum has to cover as much as the
 * receiver wants, where it does not cover all; the header stands before the bytes.
 */
static bool is_wanted(const struct inet_socket *self, const struct pbuf *packet)
{
    if (ip_current_header_proto() != self->socket.protocol) {
        return false;
    }
    if (!self->coverage_matters) {
        return true;
    }
    const struct udp_hdr *header =
        (const struct udp_hdr *)((const uint8_t *)packet->payload - UDP_HLEN);
    uint16_t covered = lwip_ntohs(header->len);
    return covered == 0 || covered == packet->tot_len + UDP_HLEN ||
           (self->coverage_wanted != 0 && covered >= self->coverage_wanted);
}

/* One more has arrived; lwIP has done with it. Without room it is lost. */
static void on_datagram(void *context, struct udp_pcb *pcb, struct pbuf *packet,
                        const ip_addr_t *address, uint16_t port)
{
    struct inet_socket *self = inet_share_choose(context, address, port);
    (void)pcb;
    uint32_t cost_bytes = packet->tot_len + OVERHEAD_BYTES;
    struct inet_datagram *datagram = NULL;
    if (!(self->shut & SHUT_READ) && is_wanted(self, packet) &&
        self->received_bytes + cost_bytes <= self->socket.receive_limit_bytes) {
        datagram = heap_alloc(sizeof(*datagram));
    }
    if (datagram == NULL) {
        pbuf_free(packet);
        return;
    }
    datagram->packet = packet;
    datagram->from = (struct inet_name){*address, port};
    datagram->to = *ip_current_dest_addr();
    if (ip_current_is_v6()) {
        datagram->hops = IP6H_HOPLIM(ip6_current_header());
        datagram->traffic = IP6H_TC(ip6_current_header());
    } else {
        datagram->hops = IPH_TTL(ip4_current_header());
        datagram->traffic = IPH_TOS(ip4_current_header());
    }
    if (self->last != NULL) {
        self->last->next = datagram;
    } else {
        self->first = datagram;
    }
    self->last = datagram;
    self->received_bytes += cost_bytes;
    inet_notify(self, WAIT_POLLIN);
}

long inet_udp_new(struct inet_socket *self)
{
    self->udp = udp_new_ip_type(self->socket.domain == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
    if (self->udp == NULL) {
        return -ENOBUFS;
    }
    if (self->socket.protocol == IPPROTO_UDPLITE) {
        udp_setflags(self->udp, UDP_FLAGS_UDPLITE);
    }
    udp_recv(self->udp, on_datagram, self);
    inet_name_any(self, &self->local);
    return 0;
}

/* The oldest leaves the queue. Under the lock. */
static struct inet_datagram *datagram_pop(struct inet_socket *self)
{
    struct inet_datagram *datagram = self->first;
    self->first = datagram->next;
    if (self->first == NULL) {
        self->last = NULL;
    }
    self->received_bytes -= datagram->packet->tot_len + OVERHEAD_BYTES;
    return datagram;
}

static void datagram_free(struct inet_datagram *datagram)
{
    pbuf_free(datagram->packet);
    heap_free(datagram);
}

void inet_udp_close(struct inet_socket *self)
{
    udp_remove(self->udp);
    self->udp = NULL;
    while (self->first != NULL) {
        datagram_free(datagram_pop(self));
    }
}

/* --- connecting ------------------------------------------------------------------------------ */

/* Its own address is the one that its datagrams come from. */
static void local_address_set(struct inet_socket *self, const struct inet_name *peer)
{
    if (ip_addr_isany(&self->local.address)) {
        struct inet_name own = *peer;
        if (IP_IS_V4(&peer->address)) {
            own.address = (ip_addr_t)IPADDR4_INIT(PP_HTONL(IPADDR_LOOPBACK));
        }
        self->local.address = own.address;
        ip_addr_copy(self->udp->local_ip, own.address);
    }
}

static long disconnect(struct inet_socket *self)
{
    struct inet_name any;
    inet_enter();
    udp_disconnect(self->udp);
    inet_name_any(self, &any);
    self->state = INET_IDLE;
    if (!self->bound_to_address) {
        self->local.address = any.address;
        ip_addr_copy(self->udp->local_ip, any.address);
    }
    inet_leave();
    return 0;
}

static long connect_to(struct inet_socket *self, struct inet_name *name)
{
    inet_name_complete(name);
    if (!inet_is_reachable(&name->address)) {
        return -ENETUNREACH;
    }
    long result = inet_bind_automatically(self);
    if (result != 0) {
        return result == -EADDRINUSE ? -EAGAIN : result;
    }
    err_t error = udp_connect(self->udp, &name->address, name->port);
    if (error != ERR_OK) {
        return inet_result(error);
    }
    local_address_set(self, name);
    self->remote = *name;
    self->state = INET_CONNECTED;
    return 0;
}

long inet_udp_connect(struct inet_socket *self, const struct socket_address *address)
{
    struct inet_name name;
    if (inet_name_is_none(address)) {
        return disconnect(self);
    }
    long result = inet_name_read(self, address, &name);
    if (result != 0) {
        return result;
    }
    inet_enter();
    result = connect_to(self, &name);
    inet_leave();
    return result;
}

/* --- sending --------------------------------------------------------------------------------- */

static bool is_broadcast(const ip_addr_t *address)
{
    return IP_IS_V4(address) && (ip_addr_get_ip4_u32(address) == IPADDR_BROADCAST ||
                                 ip_addr_get_ip4_u32(address) == PP_HTONL(0x7fffffff));
}

/* Where to; checked. Under the lock. */
static long receiver_of(struct inet_socket *self, const struct inet_name *named,
                        struct inet_name *out)
{
    if (named == NULL && self->state != INET_CONNECTED) {
        return -EDESTADDRREQ;
    }
    *out = named != NULL ? *named : self->remote;
    if (out->port == 0) {
        return -EINVAL;
    }
    inet_name_complete(out);
    if (is_broadcast(&out->address) && !(self->socket.options & SOCKET_BROADCAST)) {
        return -EACCES;
    }
    if (!inet_is_reachable(&out->address)) {
        return -ENETUNREACH;
    }
    /* Without a free port the call fails: -EAGAIN, as on Linux, would say that it is worth waiting.
     */
    return inet_bind_automatically(self);
}

static err_t packet_pass(struct inet_socket *self, const struct inet_sending *sending,
                         const struct inet_name *to, struct pbuf *packet)
{
    self->udp->ttl = sending->hops;
    self->udp->tos = sending->traffic;
    if (!sending->has_source) {
        return udp_sendto(self->udp, packet, &to->address, to->port);
    }
    struct netif *netif = ip_route(&sending->source, &to->address);
    return netif == NULL ? ERR_RTE
                         : udp_sendto_if_src(self->udp, packet, &to->address, to->port, netif,
                                             &sending->source);
}

static long packet_send(struct inet_socket *self, const struct inet_name *named,
                        const struct socket_notes *notes, struct pbuf *packet)
{
    struct inet_name to;
    struct inet_sending sending;
    inet_enter();
    long result = socket_error_take(&self->socket);
    if (result == 0) {
        result = self->shut & SHUT_WRITE ? -EPIPE : receiver_of(self, named, &to);
    }
    if (result == 0) {
        result = inet_notes_read(self, notes, &to.address, &sending);
    }
    if (result == 0) {
        result = inet_result(packet_pass(self, &sending, &to, packet));
    }
    inet_leave();
    return result;
}

long inet_udp_send(struct inet_socket *self, struct socket_message *message)
{
    struct inet_name name;
    uint64_t length_bytes = message->io->left_bytes;
    bool is_named = message->address != NULL && message->address->length_bytes != 0;
    if (length_bytes > DATAGRAM_MAX_BYTES) {
        return -EMSGSIZE;
    }
    if (is_named) {
        long result = inet_name_read(self, message->address, &name);
        if (result != 0) {
            return result;
        }
    }
    /* Nobody else's yet: no lock while the bytes are copied. */
    struct pbuf *packet = pbuf_alloc(PBUF_TRANSPORT, (uint16_t)length_bytes, PBUF_RAM);
    if (packet == NULL) {
        return -ENOBUFS;
    }
    long result = io_take(message->io, packet->payload, length_bytes);
    if (result == 0) {
        result = packet_send(self, is_named ? &name : NULL, message->notes, packet);
    }
    pbuf_free(packet);
    return result != 0 ? result : (long)length_bytes;
}

/* --- receiving ------------------------------------------------------------------------------- */

/* The first, which stays while read_turn is held. */
static long datagram_look(struct inet_socket *self, struct inet_datagram **out)
{
    inet_look_begin();
    *out = self->first;
    bool ended = self->shut & SHUT_READ;
    inet_look_end();
    if (*out != NULL) {
        return 0;
    }
    long error = socket_error_take(&self->socket);
    return error != 0 ? error : ended ? 0 : -EAGAIN;
}

static void datagram_done(struct inet_socket *self)
{
    inet_look_begin();
    datagram_free(datagram_pop(self));
    inet_look_end();
}

static long packet_put(const struct pbuf *packet, struct io *io, uint32_t length_bytes)
{
    while (length_bytes > 0) {
        uint32_t piece_bytes = MIN((uint32_t)packet->len, length_bytes);
        long result = io_put(io, packet->payload, piece_bytes);
        if (result != 0) {
            return result;
        }
        length_bytes -= piece_bytes;
        packet = packet->next;
    }
    return 0;
}

long inet_udp_receive(struct inet_socket *self, struct socket_message *message)
{
    struct inet_datagram *datagram;
    long result = datagram_look(self, &datagram);
    if (datagram == NULL) {
        return result;
    }
    uint32_t whole_bytes = datagram->packet->tot_len;
    uint32_t length_bytes = (uint32_t)MIN((uint64_t)whole_bytes, message->io->left_bytes);
    if (length_bytes < whole_bytes) {
        message->result_flags |= MSG_TRUNC;
    }
    if (message->address != NULL) {
        inet_name_write(self, &datagram->from, message->address);
    }
    inet_notes_write(self, datagram, message->notes);
    result = packet_put(datagram->packet, message->io, length_bytes);
    if (!(message->flags & MSG_PEEK)) {
        datagram_done(self);
    }
    return result != 0 ? result : (long)(message->flags & MSG_TRUNC ? whole_bytes : length_bytes);
}
