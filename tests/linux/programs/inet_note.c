/* Ancillary data of datagrams: what a receive tells of one, what a send asks for, and its refusals.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

#define CONTROL_BYTES 256

struct note {
    int level;
    int type;
    const void *data;
    size_t bytes;
};

static void option_try(int descriptor, const char *what, int level, int name, int value)
{
    int shown = 0;
    socklen_t length = sizeof(shown);
    say_result(what, setsockopt(descriptor, level, name, &value, sizeof(value)));
    must(getsockopt(descriptor, level, name, &shown, &length) == 0, "getsockopt");
    say("%s %d: %d", what, value, shown);
}

/* The address as a socket of this family names it, with a port of the socket's own. */
static socklen_t name_make(int family, const char *text, int port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (family == AF_INET) {
        struct sockaddr_in *name = (struct sockaddr_in *)out;
        name->sin_family = AF_INET;
        name->sin_port = htons((uint16_t)port);
        must(inet_pton(AF_INET, text, &name->sin_addr) == 1, text);
        return sizeof(*name);
    }
    struct sockaddr_in6 *name = (struct sockaddr_in6 *)out;
    name->sin6_family = AF_INET6;
    name->sin6_port = htons((uint16_t)port);
    must(inet_pton(AF_INET6, text, &name->sin6_addr) == 1, text);
    return sizeof(*name);
}

static int socket_at(int family, const char *address)
{
    struct sockaddr_storage name;
    int descriptor = socket(family, SOCK_DGRAM, 0);
    socklen_t length = name_make(family, address, 0, &name);
    must(bind(descriptor, (struct sockaddr *)&name, length) == 0, "bind");
    return descriptor;
}

static int port_of(int descriptor)
{
    struct sockaddr_in6 name;
    socklen_t length = sizeof(name);
    must(getsockname(descriptor, (struct sockaddr *)&name, &length) == 0, "getsockname");
    return ntohs(name.sin6_port);
}

/* Sends a byte with those control messages. */
static ssize_t send_with(int descriptor, int family, const char *to, int port,
                         const struct note *notes, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_BYTES];
    } control = {.bytes = {0}};
    struct sockaddr_storage name;
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr header = {.msg_name = &name, .msg_iov = &part, .msg_iovlen = 1};
    header.msg_namelen = name_make(family, to, port, &name);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct cmsghdr *at = (struct cmsghdr *)(void *)(control.bytes + used);
        must(used + CMSG_SPACE(notes[i].bytes) <= CONTROL_BYTES, "room");
        *at = (struct cmsghdr){.cmsg_len = (socklen_t)CMSG_LEN(notes[i].bytes),
                               .cmsg_level = notes[i].level,
                               .cmsg_type = notes[i].type};
        memcpy(CMSG_DATA(at), notes[i].data, notes[i].bytes);
        used += CMSG_SPACE(notes[i].bytes);
    }
    header.msg_control = used == 0 ? NULL : control.bytes;
    header.msg_controllen = (socklen_t)used;
    return sendmsg(descriptor, &header, 0);
}

static void note_say(const struct cmsghdr *note)
{
    size_t bytes = note->cmsg_len - CMSG_LEN(0);
    const uint8_t *data = CMSG_DATA(note);
    char text[128] = "";
    for (size_t i = 0; i < bytes && i < 24; i++) {
        snprintf(text + 3 * i, 4, " %02x", data[i]);
    }
    say("  level %d, type %d:%s", note->cmsg_level, note->cmsg_type, text);
}

/* Receives a datagram, and says what came with it and from whom, into that much room. */
static void receive(const char *what, int descriptor, size_t room)
{
    union {
        struct cmsghdr align;
        char bytes[CONTROL_BYTES];
    } control;
    struct sockaddr_storage name;
    char byte;
    char text[INET6_ADDRSTRLEN] = "";
    struct iovec part = {&byte, 1};
    struct msghdr header = {.msg_name = &name,
                            .msg_namelen = sizeof(name),
                            .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = (socklen_t)room};
    ssize_t moved = recvmsg(descriptor, &header, MSG_DONTWAIT);
    if (moved < 0) {
        say_result(what, moved);
        return;
    }
    const void *address = name.ss_family == AF_INET
                              ? (const void *)&((struct sockaddr_in *)&name)->sin_addr
                              : (const void *)&((struct sockaddr_in6 *)&name)->sin6_addr;
    inet_ntop(name.ss_family, address, text, sizeof(text));
    say("%s: %zd from %s, flags %#x, control %d", what, moved, text, (unsigned)header.msg_flags,
        (int)header.msg_controllen);
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&header); at != NULL; at = CMSG_NXTHDR(&header, at)) {
        note_say(at);
    }
}

static void options_check(void)
{
    int four = socket(AF_INET, SOCK_DGRAM, 0);
    int six = socket(AF_INET6, SOCK_DGRAM, 0);
    int stream = socket(AF_INET6, SOCK_STREAM, 0);
    static const int numbers[] = {7, 255, 256, 0, -1, -2};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        option_try(four, "IP_TTL", IPPROTO_IP, IP_TTL, numbers[i]);
        option_try(four, "IP_TOS", IPPROTO_IP, IP_TOS, numbers[i]);
        option_try(stream, "IP_TOS of a stream", IPPROTO_IP, IP_TOS, numbers[i]);
        option_try(six, "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, numbers[i]);
        option_try(six, "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, numbers[i]);
        option_try(six, "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, numbers[i]);
    }
    option_try(four, "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, 2);
    option_try(four, "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, 2);
    option_try(six, "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 2);
    option_try(six, "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 2);
    option_try(six, "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 0);
    close(four);
    close(six);
    close(stream);
}

static void notes_wanted(int descriptor, int family)
{
    const int on = 1;
    static const int four[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS};
    static const int six[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS};
    for (size_t i = 0; i < ARRAY_LENGTH(four); i++) {
        must(setsockopt(descriptor, IPPROTO_IP, four[i], &on, sizeof(on)) == 0, "IP_RECV*");
        must(family == AF_INET ||
                 setsockopt(descriptor, IPPROTO_IPV6, six[i], &on, sizeof(on)) == 0,
             "IPV6_RECV*");
    }
}

static void ip4_check(void)
{
    int receiver = socket_at(AF_INET, "127.0.0.1");
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    int port = port_of(receiver);
    const int ttl = 9;
    const int tos = 0x20;
    const int large = 256;
    const uint8_t small_tos = 0x44;
    struct in_pktinfo from = {.ipi_ifindex = 1};
    notes_wanted(receiver, AF_INET);
    say_result("plain", send_with(sender, AF_INET, "127.0.0.1", port, NULL, 0));
    receive("plain", receiver, CONTROL_BYTES);
    const struct note both[] = {{IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)},
                                {IPPROTO_IP, IP_TOS, &tos, sizeof(tos)}};
    say_result("both", send_with(sender, AF_INET, "127.0.0.1", port, both, 2));
    receive("both", receiver, CONTROL_BYTES);
    const struct note byte = {IPPROTO_IP, IP_TOS, &small_tos, 1};
    say_result("a byte", send_with(sender, AF_INET, "127.0.0.1", port, &byte, 1));
    receive("a byte, less room", receiver, CMSG_SPACE(sizeof(from)) + 8);
    option_try(sender, "IP_TTL", IPPROTO_IP, IP_TTL, 33);
    option_try(sender, "IP_TOS", IPPROTO_IP, IP_TOS, 0x28);
    say_result("from options", send_with(sender, AF_INET, "127.0.0.1", port, NULL, 0));
    receive("from options", receiver, CONTROL_BYTES);
    must(inet_pton(AF_INET, "127.0.0.9", &from.ipi_spec_dst) == 1, "inet_pton");
    const struct note source = {IPPROTO_IP, IP_PKTINFO, &from, sizeof(from)};
    say_result("another source", send_with(sender, AF_INET, "127.0.0.1", port, &source, 1));
    receive("another source", receiver, CONTROL_BYTES);
    must(inet_pton(AF_INET, "192.0.2.1", &from.ipi_spec_dst) == 1, "inet_pton");
    say_result("not ours, at lo", send_with(sender, AF_INET, "127.0.0.1", port, &source, 1));
    from.ipi_ifindex = 0;
    say_result("not ours", send_with(sender, AF_INET, "127.0.0.1", port, &source, 1));
    from.ipi_spec_dst.s_addr = 0;
    from.ipi_ifindex = 1 << 20;
    say_result("no interface", send_with(sender, AF_INET, "127.0.0.1", port, &source, 1));
    const struct note bad[] = {{IPPROTO_IP, IP_TTL, &large, sizeof(large)},
                               {IPPROTO_IP, IP_TOS, &large, sizeof(large)},
                               {IPPROTO_IP, IP_TTL, &ttl, 2},
                               {IPPROTO_IP, IP_PKTINFO, &from, 8},
                               {IPPROTO_IP, 99, &ttl, sizeof(ttl)},
                               {IPPROTO_IPV6, 99, &ttl, sizeof(ttl)},
                               {IPPROTO_TCP, 99, &ttl, sizeof(ttl)},
                               {SOL_SOCKET, SCM_RIGHTS, &ttl, sizeof(ttl)},
                               {SOL_SOCKET, 99, &ttl, sizeof(ttl)}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        say("level %d, type %d, %zu bytes", bad[i].level, bad[i].type, bad[i].bytes);
        say_result("send", send_with(sender, AF_INET, "127.0.0.1", port, &bad[i], 1));
    }
    receive("the first of the others", receiver, CONTROL_BYTES);
    close(receiver);
    close(sender);
}

static void ip6_check(void)
{
    int receiver = socket_at(AF_INET6, "::1");
    int sender = socket(AF_INET6, SOCK_DGRAM, 0);
    int port = port_of(receiver);
    const int hops = 5;
    const int class = 0x61;
    static const int numbers[] = {-2, -1, 0, 255, 256};
    struct in6_pktinfo from = {.ipi6_addr = IN6ADDR_LOOPBACK_INIT, .ipi6_ifindex = 1};
    notes_wanted(receiver, AF_INET6);
    say_result("plain", send_with(sender, AF_INET6, "::1", port, NULL, 0));
    receive("plain", receiver, CONTROL_BYTES);
    const struct note notes[] = {{IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops)},
                                 {IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)},
                                 {IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof(from)}};
    say_result("all", send_with(sender, AF_INET6, "::1", port, notes, 3));
    receive("all", receiver, CONTROL_BYTES);
    option_try(sender, "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0x44);
    option_try(sender, "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 3);
    say_result("from options", send_with(sender, AF_INET6, "::1", port, NULL, 0));
    receive("from options, no room", receiver, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        const struct note hop = {IPPROTO_IPV6, IPV6_HOPLIMIT, &numbers[i], sizeof(numbers[i])};
        const struct note traffic = {IPPROTO_IPV6, IPV6_TCLASS, &numbers[i], sizeof(numbers[i])};
        say("number %d", numbers[i]);
        say_result("hops", send_with(sender, AF_INET6, "::1", port, &hop, 1));
        receive("hops", receiver, CONTROL_BYTES);
        if (numbers[i] == -1) {
            continue; /* a class of -1 became 255 in Linux 6.12 */
        }
        say_result("class", send_with(sender, AF_INET6, "::1", port, &traffic, 1));
        receive("class", receiver, CONTROL_BYTES);
    }
    must(inet_pton(AF_INET6, "2001:db8::1", &from.ipi6_addr) == 1, "inet_pton");
    say_result("not ours", send_with(sender, AF_INET6, "::1", port, notes, 3));
    from.ipi6_addr = in6addr_any;
    from.ipi6_ifindex = 1 << 20;
    say_result("no interface", send_with(sender, AF_INET6, "::1", port, notes, 3));
    const struct note bad[] = {{IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, 3},
                               {IPPROTO_IPV6, IPV6_PKTINFO, &from, 16},
                               {IPPROTO_IPV6, 99, &hops, sizeof(hops)},
                               {IPPROTO_IP, 99, &hops, sizeof(hops)}};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        say("level %d, type %d, %zu bytes", bad[i].level, bad[i].type, bad[i].bytes);
        say_result("send", send_with(sender, AF_INET6, "::1", port, &bad[i], 1));
    }
    close(receiver);
    close(sender);
}

/* A socket of both families, to which datagrams of IPv4 come, and which sends some. */
static void mapped_check(void)
{
    int receiver = socket_at(AF_INET6, "::");
    int sender = socket(AF_INET6, SOCK_DGRAM, 0);
    int port = port_of(receiver);
    const int ttl = 11;
    const int hops = 12;
    struct in6_pktinfo from = {.ipi6_ifindex = 1};
    notes_wanted(receiver, AF_INET6);
    must(inet_pton(AF_INET6, "::ffff:127.0.0.8", &from.ipi6_addr) == 1, "inet_pton");
    const struct note notes[] = {{IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)},
                                 {IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops)},
                                 {IPPROTO_IPV6, IPV6_PKTINFO, &from, sizeof(from)}};
    say_result("mapped", send_with(sender, AF_INET6, "::ffff:127.0.0.1", port, notes, 3));
    receive("mapped", receiver, CONTROL_BYTES);
    must(inet_pton(AF_INET6, "::1", &from.ipi6_addr) == 1, "inet_pton");
    say_result("a source of IPv6", send_with(sender, AF_INET6, "::ffff:127.0.0.1", port, notes, 3));
    say_result("to IPv6", send_with(sender, AF_INET6, "::1", port, notes, 3));
    receive("to IPv6", receiver, CONTROL_BYTES);
    close(receiver);
    close(sender);
}

int main(void)
{
    options_check();
    ip4_check();
    ip6_check();
    mapped_check();
    return 0;
}
