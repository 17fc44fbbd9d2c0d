/* What /proc/net tells of the container's sockets. */
#include "lib/base/string.h"
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/net/inet.h"
#include "linux/net/interface.h"
#include "linux/net/unix.h"

#define STATE_UNCONNECTED 1 /* enum socket_state of Linux */
#define STATE_CONNECTED   3
#define FLAG_LISTENS      0x10000u

/* --- Unix sockets ---------------------------------------------------------------------------- */

/* Under unix_lock. A name's bytes that are no text show as '@', as its first NUL does. */
static void unix_line(struct proc_text *text, struct unix_socket *self)
{
    mutex_lock(&self->lock);
    struct socket_address name = self->name;
    bool listens = self->state == UNIX_LISTENING;
    uint32_t state = self->state == UNIX_CONNECTED ? STATE_CONNECTED : STATE_UNCONNECTED;
    mutex_unlock(&self->lock);
    const struct file *file = self->socket.file;
    proc_put(text, "0000000000000000: %08x 00000000 %08x %04x %02x %5lu",
             __atomic_load_n(&self->socket.references, __ATOMIC_RELAXED),
             listens ? FLAG_LISTENS : 0, self->socket.type, state,
             (unsigned long)(file == NULL ? 0 : file->path.inode->number));
    uint32_t end = name.length_bytes;
    if (end > 2) {
        bool is_path = name.bytes[2] != 0;
        proc_put(text, " ");
        for (uint32_t i = 2; i < end - is_path; i++) {
            char letter = name.bytes[i] == 0 ? '@' : (char)name.bytes[i];
            proc_put_bytes(text, &letter, 1);
        }
    }
    proc_put(text, "\n");
}

static long make_unix(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    mutex_lock(&unix_lock);
    for (struct unix_socket *self = unix_sockets; self != NULL && !text->failed;
         self = self->next) {
        unix_line(text, self);
    }
    mutex_unlock(&unix_lock);
    return 0;
}

/* --- TCP and UDP ----------------------------------------------------------------------------- */

#define UDP_STATE_CONNECTED 1
#define UDP_STATE_OPEN      7

/* Words of the network's order as the machine reads them, and the port. */
static void name_put(struct proc_text *text, const struct inet_socket *self,
                     const struct inet_name *name)
{
    struct socket_address address;
    uint32_t words[4];
    inet_name_write(self, name, &address);
    if (self->socket.domain == AF_INET) {
        memcpy(words, address.bytes + 4, sizeof(words[0]));
        proc_put(text, "%08x:%04x ", words[0], (uint32_t)name->port);
    } else {
        memcpy(words, address.bytes + 8, sizeof(words));
        proc_put(text, "%08x%08x%08x%08x:%04x ", words[0], words[1], words[2], words[3],
                 (uint32_t)name->port);
    }
}

/* Under the lock of inet. */
static void inet_line(struct proc_text *text, uint32_t number, const struct inet_socket *self)
{
    static const struct inet_name none;
    const struct file *file = self->socket.file;
    const struct inode *inode = file == NULL ? NULL : file->path.inode;
    bool connected = self->state == INET_CONNECTED || self->state == INET_CONNECTING;
    uint32_t state = self->socket.type == SOCK_STREAM ? inet_tcp_state(self)
                     : connected                      ? UDP_STATE_CONNECTED
                                                      : UDP_STATE_OPEN;
    proc_put(text, "%4u: ", number);
    name_put(text, self, &self->local);
    name_put(text, self, connected ? &self->remote : &none);
    proc_put(text, "%02x 00000000:%08x 00:00000000 00000000 %5u        0 %lu %u 0000000000000000\n",
             state, self->received_bytes, inode == NULL ? 0 : inode->uid,
             (unsigned long)(inode == NULL ? 0 : inode->number),
             __atomic_load_n(&self->socket.references, __ATOMIC_RELAXED));
}

static long inet_lines(struct proc_text *text, uint16_t domain, uint16_t type)
{
    const char *blanks = domain == AF_INET ? "" : "                        ";
    uint32_t number = 0;
    proc_put(text,
             "  sl  local_address%s rem_address%s   st tx_queue rx_queue tr tm->when retrnsmt   "
             "uid  timeout inode\n",
             blanks, blanks);
    inet_look_begin();
    for (const struct inet_socket *self = inet_sockets; self != NULL && !text->failed;
         self = self->next) {
        if (self->socket.domain == domain && self->socket.type == type && self->bound) {
            inet_line(text, number++, self);
        }
    }
    inet_look_end();
    return 0;
}

static long make_tcp(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    return inet_lines(text, AF_INET, SOCK_STREAM);
}

static long make_tcp6(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    return inet_lines(text, AF_INET6, SOCK_STREAM);
}

static long make_udp(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    return inet_lines(text, AF_INET, SOCK_DGRAM);
}

static long make_udp6(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    return inet_lines(text, AF_INET6, SOCK_DGRAM);
}

/* --- interfaces ------------------------------------------------------------------------------ */

static long make_dev(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Inter-|   Receive                                                |  Transmit\n"
                   " face |bytes    packets errs drop fifo frame compressed multicast|bytes    "
                   "packets errs drop fifo colls carrier compressed\n");
    for (uint32_t i = 0; i < interface_count; i++) {
        proc_put(text,
                 "%6s:       0       0    0    0    0     0          0         0        0       0"
                 "    0    0    0     0       0          0\n",
                 interfaces[i].name);
    }
    return 0;
}

static long make_if_inet6(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    for (uint32_t i = 0; i < interface_count; i++) {
        const struct interface *interface = &interfaces[i];
        for (uint32_t j = 0; j < interface->address_count; j++) {
            const struct interface_address *address = &interface->address[j];
            if (address->family != AF_INET6) {
                continue;
            }
            for (uint32_t k = 0; k < sizeof(address->bytes); k++) {
                proc_put(text, "%02x", (uint32_t)address->bytes[k]);
            }
            proc_put(text, " %02x %02x %02x 80 %8s\n", (uint32_t)interface->index,
                     (uint32_t)address->prefix_bits, 0x10u, interface->name);
        }
    }
    return 0;
}

static long make_route(const struct proc_target *target, struct proc_text *text)
{
    (void)target;
    proc_put(text, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow"
                   "\tIRTT\n");
    return 0;
}

/* Of what there is none. */
#define ARP_HEADER                                                                                 \
    "IP address       HW type     Flags       HW address            Mask     Device\n"
#define RAW_HEADER                                                                                 \
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "  \
    "inode ref pointer drops\n"
#define RAW6_HEADER                                                                                \
    "  sl  local_address                         remote_address                        st "        \
    "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
#define PACKET_HEADER "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"

const struct proc_entry proc_net_entries[PROC_NET_ENTRIES] = {
    {.name = "unix", .mode = S_IFREG | 0444, .make = make_unix},
    {.name = "tcp", .mode = S_IFREG | 0444, .make = make_tcp},
    {.name = "tcp6", .mode = S_IFREG | 0444, .make = make_tcp6},
    {.name = "udp", .mode = S_IFREG | 0444, .make = make_udp},
    {.name = "udp6", .mode = S_IFREG | 0444, .make = make_udp6},
    {.name = "dev", .mode = S_IFREG | 0444, .make = make_dev},
    {.name = "if_inet6", .mode = S_IFREG | 0444, .make = make_if_inet6},
    {.name = "route", .mode = S_IFREG | 0444, .make = make_route},
    PROC_TEXT("arp", ARP_HEADER),
    PROC_TEXT("raw", RAW_HEADER),
    PROC_TEXT("raw6", RAW6_HEADER),
    PROC_TEXT("packet", PACKET_HEADER),
};
